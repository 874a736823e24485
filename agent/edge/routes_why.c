/* GET /v1/why/NAME: why a service or task is in its state, everything that is known about it.
 *
 * The facts are rendered at once; then the last lines of the container that is most likely to
 * blame are asked of the runtime, for a bounded time, and the answer goes out with what came. */
#include <stdlib.h>
#include <string.h>

#include "agent/edge/routes_internal.h"
#include "berth/memory.h"

#define WHY_LOG_LINES 10
#define WHY_LOG_BYTES (16 * 1024)
#define WHY_LOG_MS 2000

struct why {
    struct routes_item item;
    struct control_request *request; /* NULL once answered */
    struct runtime_logs *logs;       /* NULL once done */
    msec deadline;
    struct str out, log;
    struct json_writer writer;
    char task_id[TASK_ID_LEN + 1];
    char *container;
};

/* ------------------------------------------------------------------ the last log lines */

static int container_guilt(const struct container *container)
{
    if (!*container->runtime_id)
        return -1;
    if (container->exit_known && container->exit_code != 0)
        return 4;
    if (container->health == HEALTH_UNHEALTHY)
        return 3;
    if (container->exit_known)
        return 1;
    return container->essential ? 2 : 0;
}

static const struct container *most_guilty(const struct route_call *call,
                                           const struct why_subject *subject,
                                           const struct task **ret_task)
{
    const struct container *found = NULL;
    int most = -1;
    WHY_EACH_TASK(task, subject, call->core)
    for (size_t i = 0; i < task->container_count; i++) {
        int guilt = container_guilt(&task->containers[i]);
        /* Among equals the newest task: the list is oldest first. */
        bool newer = guilt == most && *ret_task != task;
        if (guilt < 0 || (guilt < most || (guilt == most && !newer)))
            continue;
        most = guilt;
        found = &task->containers[i];
        *ret_task = task;
    }
    return found;
}

static void log_lines(struct why *why)
{
    char *rest = why->log.data;
    json_key(&why->writer, "lines");
    json_array(&why->writer);
    while (rest && *rest) {
        char *end = strchrnul(rest, '\n');
        bool more = *end != '\0';
        *end = '\0';
        json_put_string(&why->writer, rest);
        rest = more ? end + 1 : NULL;
    }
    json_array_end(&why->writer);
}

static void why_answer(struct why *why)
{
    struct control_request *request = TAKE(why->request);
    json_key(&why->writer, "log");
    if (why->container) {
        json_object(&why->writer);
        json_string_member(&why->writer, "taskId", why->task_id);
        json_string_member(&why->writer, "container", why->container);
        log_lines(why);
        json_object_end(&why->writer);
    } else {
        json_put_null(&why->writer);
    }
    json_object_end(&why->writer);
    routes_answer(request, 200, &why->out);
}

static void why_free(struct why *why)
{
    str_release(&why->out);
    str_release(&why->log);
    free(why->container);
    free(why);
}

static bool why_on_data(void *ctx, bool is_stderr, const char *bytes, size_t len)
{
    struct why *why = ctx;
    (void)is_stderr;
    for (size_t i = 0; i < len; i++)
        str_add_char(&why->log, bytes[i] ? bytes[i] : ' ');
    return !why->log.truncated;
}

static void why_on_done(void *ctx, const struct runtime_result *result)
{
    struct why *why = ctx;
    (void)result; /* no log is no reason to give no answer */
    why->logs = NULL;
    if (why->request)
        why_answer(why);
    routes_item_remove(&why->item);
    why_free(why);
}

static void why_look(struct routes_item *item)
{
    struct why *why = (struct why *)item;
    const struct host *host = &item->routes->options.driver->host;
    bool late = host->now(host->self) >= why->deadline;
    if (!why->request || (!late && !item->routes->closing))
        return;
    item->timed = false;
    why_answer(why);
    if (why->logs)
        runtime_logs_cancel(why->logs);
}

static void why_ask_log(struct route_call *call, struct why *why, const struct task *task,
                        const struct container *container)
{
    memcpy(why->task_id, task->id, sizeof why->task_id);
    why->container = memory_strdup(container->name);
    why->item.look = why_look;
    why->item.timed = true;
    why->deadline = call->now + WHY_LOG_MS;
    why->logs = runtime_logs_open(call->routes->options.runtime, container->runtime_id, false,
                                  WHY_LOG_LINES, why_on_data, why_on_done, why);
    routes_item_add(call->routes, &why->item);
}

/* ------------------------------------------------------------------ the route */

static void why_subject(struct route_call *call, const struct why_subject *subject)
{
    struct why *why = memory_alloc(sizeof *why);
    const struct task *task = NULL;
    const struct container *container = most_guilty(call, subject, &task);
    why->request = call->request;
    str_init(&why->out, ROUTES_ANSWER_MAX);
    str_init(&why->log, WHY_LOG_BYTES);
    json_begin(&why->writer, &why->out);
    json_object(&why->writer);
    why_facts(call, subject, &why->writer);
    if (container && call->routes->options.runtime) {
        why_ask_log(call, why, task, container);
        return;
    }
    why_answer(why);
    why_free(why);
}

static void why_gone(struct route_call *call, const struct task_found *found)
{
    struct str out;
    struct json_writer writer;
    str_init(&out, ROUTES_ANSWER_MAX);
    json_begin(&writer, &out);
    json_object(&writer);
    why_end(call, found, &writer);
    json_object_end(&writer);
    routes_answer(call->request, 200, &out);
}

void route_why(struct route_call *call)
{
    const struct core *core = call->core;
    struct why_subject subject = { .service = core_service(core, call->part) };
    struct task_found found;
    if (subject.service) {
        why_subject(call, &subject);
        return;
    }
    if (!routes_find_task(core, call->part, &found)) {
        control_error(call->request, 404, "NotFound", "there is no service and no task %s",
                      call->part);
        return;
    }
    if (!found.task) {
        why_gone(call, &found);
        return;
    }
    subject.task = found.task;
    subject.service = *found.task->service ? core_service(core, found.task->service) : NULL;
    why_subject(call, &subject);
}
