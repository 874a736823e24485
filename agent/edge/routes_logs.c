/* GET /v1/tasks/ID/logs: what a container wrote, as plain text, now or as it comes.
 *
 * Two things live here and either may end first: the runtime's log stream and the client's
 * connection. The stream to the client is opened with the first bytes, so that a refusal of the
 * runtime can still be an HTTP status, or after a short while without any, so that a client that
 * has gone away is noticed. A client that is slower than the container holds the runtime back. */
#include <stdlib.h>
#include <string.h>

#include "agent/edge/routes_internal.h"
#include "berth/memory.h"

#define LOGS_OPEN_AFTER_MS 250
#define LOGS_TYPE "text/plain; charset=utf-8"

struct log_tail {
    struct routes_item item;
    struct control_request *request; /* not answered yet; NULL afterwards */
    struct control_stream *stream;   /* NULL before and after */
    struct runtime_logs *logs;       /* NULL once done */
    msec open_at;
    bool ended, paused;
};

/* ------------------------------------------------------------------ the end */

static void tail_free_maybe(struct log_tail *tail)
{
    if (tail->logs || tail->stream || tail->request)
        return;
    routes_item_remove(&tail->item);
    free(tail);
}

static void tail_on_close(void *ctx)
{
    struct log_tail *tail = ctx;
    tail->stream = NULL;
    if (tail->logs)
        runtime_logs_cancel(tail->logs);
    tail_free_maybe(tail);
}

static void tail_end(struct log_tail *tail)
{
    if (tail->ended)
        return;
    tail->ended = true;
    if (tail->stream)
        control_stream_end(tail->stream);
}

/* ------------------------------------------------------------------ the client's side */

static void tail_on_drained(void *ctx)
{
    struct log_tail *tail = ctx;
    if (!tail->paused || !tail->logs)
        return;
    tail->paused = false;
    runtime_logs_resume(tail->logs);
}

static void tail_open_stream(struct log_tail *tail)
{
    struct control_request *request = TAKE(tail->request);
    tail->item.timed = false;
    tail->stream = control_stream(request, LOGS_TYPE, tail_on_close, tail);
    control_stream_on_drained(tail->stream, tail_on_drained);
}

static void tail_look(struct routes_item *item)
{
    struct log_tail *tail = (struct log_tail *)item;
    const struct host *host = &item->routes->options.driver->host;
    if (item->routes->closing && tail->request) {
        control_error(TAKE(tail->request), 503, "ShuttingDown", "the agent is shutting down");
        runtime_logs_cancel(tail->logs);
    } else if (item->routes->closing) {
        if (tail->logs)
            runtime_logs_cancel(tail->logs);
        tail_end(tail);
    } else if (tail->request && host->now(host->self) >= tail->open_at) {
        tail_open_stream(tail);
    }
}

/* ------------------------------------------------------------------ the runtime's side */

static bool tail_on_data(void *ctx, bool is_stderr, const char *bytes, size_t len)
{
    struct log_tail *tail = ctx;
    (void)is_stderr; /* plain text has one stream */
    if (tail->request)
        tail_open_stream(tail);
    if (!tail->stream || tail->ended)
        return false;
    size_t queued = control_stream_write(tail->stream, bytes, len);
    if (queued > ROUTES_QUEUE_MARK && !tail->paused && tail->logs) {
        tail->paused = true;
        runtime_logs_pause(tail->logs);
    }
    return true;
}

static void tail_on_done(void *ctx, const struct runtime_result *result)
{
    struct log_tail *tail = ctx;
    tail->logs = NULL;
    if (tail->request && result->outcome == OUTCOME_OK)
        control_answer(TAKE(tail->request), 200, LOGS_TYPE, "", 0);
    else if (tail->request)
        control_error(TAKE(tail->request), result->outcome == OUTCOME_REFUSED ? 404 : 502,
                      "LogsUnavailable", "the runtime gives no logs: %s", result->text);
    tail_end(tail);
    tail_free_maybe(tail);
}

/* ------------------------------------------------------------------ which container */

static const struct task *task_or_404(struct route_call *call)
{
    struct task_found found;
    if (!routes_find_task(call->core, call->part, &found))
        routes_no_task(call);
    else if (!found.task)
        control_error(call->request, 404, "LogsUnavailable",
                      "task %s is gone: its containers and their logs are removed", call->part);
    return found.task;
}

static void container_names(const struct task *task, struct str *out)
{
    for (size_t i = 0; i < task->container_count; i++)
        str_addf(out, "%s%s", i ? ", " : "", task->containers[i].name);
}

/* Without a name: the only container. Answers itself when there is none to be had. */
static const struct container *container_or_error(struct route_call *call, const struct task *task)
{
    const char *name = control_query(call->request, "container");
    struct str names AUTO_STR;
    str_init(&names, 2048);
    container_names(task, &names);
    if (!name && task->container_count == 1)
        return &task->containers[0];
    for (size_t i = 0; name && i < task->container_count; i++)
        if (str_equal(task->containers[i].name, name))
            return &task->containers[i];
    if (name)
        control_error(call->request, 404, "ContainerNotFound",
                      "the task has no container %.255s, but %s", name, str_text(&names));
    else
        control_error(call->request, 400, "ContainerNeeded",
                      "the task has several containers: name one of %s", str_text(&names));
    return NULL;
}

static bool container_has_logs(struct route_call *call, const struct container *container)
{
    if (*container->runtime_id)
        return true;
    control_error(call->request, 409, "LogsUnavailable",
                  "container %s has not been created yet: it is %s", container->name,
                  container_state_name(container->state));
    return false;
}

void route_logs(struct route_call *call)
{
    int64_t lines;
    struct runtime *runtime = call->routes->options.runtime;
    if (routes_query_int(call, "tail", 0, INT32_MAX, -1, &lines) < 0)
        return;
    const struct task *task = task_or_404(call);
    const struct container *container = task ? container_or_error(call, task) : NULL;
    if (!container || !container_has_logs(call, container))
        return;
    if (!runtime) {
        control_error(call->request, 503, "NotReady", "%s", wait_reason_text(WAIT_RUNTIME));
        return;
    }
    struct log_tail *tail = memory_alloc(sizeof *tail);
    tail->item.look = tail_look;
    tail->item.timed = true;
    tail->request = call->request;
    tail->open_at = call->now + LOGS_OPEN_AFTER_MS;
    tail->logs =
        runtime_logs_open(runtime, container->runtime_id, routes_query_flag(call, "follow"),
                          (int)lines, tail_on_data, tail_on_done, tail);
    routes_item_add(call->routes, &tail->item);
}
