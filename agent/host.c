/* host.c: struct host: the core's actions become calls to the edge, answers become events.
 *
 * Each action has one struct pending from perform() to the edge's done(), which the edge runs
 * exactly once, from the loop. */
#include <stdlib.h>
#include <time.h>

#include "agent/agent.h"
#include "berth/assert.h"
#include "berth/log.h"
#include "berth/memory.h"
#include "berth/render.h"

#define CREATE_BODY_MAX (8 * 1024 * 1024)
#define SLEEP_MAX                                                                                  \
    SECONDS(60) /* timers stand still while a machine sleeps; CLOCK_BOOTTIME does not */

struct pending {
    struct agent *agent;
    uint64_t action;
    enum action_kind kind;
    bool accept_older;
    struct probe *probe;
    char *volumes_of; /* REMOVE of a task's last container: its id */
    struct pending *next, **link;
};

static struct pending *pending_new(struct agent *agent, const struct action *action)
{
    struct pending *pending = memory_alloc(sizeof *pending);
    *pending = (struct pending){ .agent = agent,
                                 .action = action->id,
                                 .kind = action->kind,
                                 .accept_older = action->accept_older };
    pending->next = agent->pending;
    pending->link = &agent->pending;
    if (agent->pending)
        agent->pending->link = &pending->next;
    agent->pending = pending;
    return pending;
}

static void pending_free(struct pending *pending)
{
    *pending->link = pending->next;
    if (pending->next)
        pending->next->link = pending->link;
    free(pending->volumes_of);
    free(pending);
}

/* ------------------------------------------------------------------ time */

static msec clock_ms(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (msec)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static msec host_now(void *self)
{
    (void)self;
    return clock_ms(CLOCK_BOOTTIME);
}

static msec host_wall(void *self)
{
    (void)self;
    return clock_ms(CLOCK_REALTIME);
}

static void on_wake(uv_timer_t *timer)
{
    struct agent *agent = timer->data;
    if (agent->stage == AGENT_RUNNING)
        driver_wake(&agent->driver);
}

static void host_wake(void *self, msec at)
{
    struct agent *agent = self;
    if (agent->stage != AGENT_RUNNING)
        return;
    msec now = host_now(self);
    msec delay = at == MSEC_NEVER || at - now > SLEEP_MAX ? SLEEP_MAX : at > now ? at - now : 0;
    uv_update_time(&agent->loop);
    (void)uv_timer_start(&agent->wake, on_wake, (uint64_t)delay, 0);
}

void host_event(struct agent *agent, struct event *event)
{
    if (agent->stage == AGENT_RUNNING)
        driver_event(&agent->driver, event);
    else if (event->kind == EV_OBSERVED)
        observed_free(event->observed);
    else if (event->kind == EV_FETCHED && event->fetched == FETCH_NEW)
        desired_unref(event->desired);
}

/* ------------------------------------------------------------------ fetch */

static void on_document_saved(void *ctx, int rc, const char *text)
{
    (void)ctx;
    if (rc < 0)
        log_error("event=document_not_saved", "error=%s", LOG_VALUE(text));
}

/* Only what is in effect is remembered: a refused document must be refused again next time. */
static void keep_document(struct agent *agent, const struct source_answer *answer)
{
    const struct desired *desired = agent->core->desired;
    source_remember(agent->source, &desired->digest, answer->etag, answer->last_modified);
    store_save_document(agent->store, answer->bytes, answer->len, agent->config.values.desired_url,
                        answer->etag, answer->last_modified, on_document_saved, agent);
}

static void log_warnings(const struct source_answer *answer)
{
    for (size_t i = 0; answer->findings && i < answer->findings->count; i++) {
        const struct finding *finding = &answer->findings->list[i];
        if (finding->warning)
            log_warn("event=document_warning", "path=%s code=%s message=%s", finding->path,
                     finding->code, LOG_VALUE(finding->message));
    }
}

static void on_fetched(void *ctx, const struct source_answer *answer)
{
    struct pending *pending = ctx;
    struct agent *agent = pending->agent;
    struct event event = {
        .kind = EV_FETCHED,
        .action = pending->action,
        .fetched = answer->result,
        .desired = answer->desired,
        .text = answer->text,
        .retry_after_ms = answer->retry_after_ms,
        .accept_older = pending->accept_older,
    };
    const struct desired *offered = answer->desired;
    pending_free(pending);
    bool was_in_effect = agent->core && agent->core->desired == offered;
    host_event(agent, &event);
    if (agent->stage != AGENT_RUNNING || answer->result != FETCH_NEW || was_in_effect)
        return;
    /* The core may have dropped it; only the pointer is compared. */
    if (agent->core->desired == offered) {
        log_warnings(answer);
        keep_document(agent, answer);
    }
}

/* The fetch that the core asked for while the source was being replaced. */
void host_fetch_deferred(struct agent *agent)
{
    struct pending *pending = agent->deferred_fetch;
    agent->deferred_fetch = NULL;
    if (pending)
        source_fetch(agent->source, on_fetched, pending);
}

void host_release(struct agent *agent)
{
    for (struct pending *pending = agent->pending, *next; pending; pending = next) {
        next = pending->next;
        pending_free(pending);
    }
}

/* ------------------------------------------------------------------ runtime */

static void answer_done(struct pending *pending, const struct runtime_result *result)
{
    struct agent *agent = pending->agent;
    struct event event = {
        .kind = EV_DONE,
        .action = pending->action,
        .outcome = result->outcome,
        .blame = result->blame,
        .error = result->error ? result->error : "",
        .text = result->text ? result->text : "",
        .image_was_local = result->image_was_local,
    };
    pending_free(pending);
    host_event(agent, &event);
}

static void on_looked(void *ctx, struct observed *observed, const struct runtime_result *result)
{
    struct pending *pending = ctx;
    struct agent *agent = pending->agent;
    if (!observed) {
        answer_done(pending, result);
        return;
    }
    struct event event = { .kind = EV_OBSERVED, .action = pending->action, .observed = observed };
    pending_free(pending);
    host_event(agent, &event);
}

static void on_called(void *ctx, const struct runtime_result *result)
{
    answer_done(ctx, result);
}

static void on_volumes_removed(void *ctx, const struct runtime_result *result)
{
    (void)ctx;
    if (result->outcome != OUTCOME_OK)
        log_warn("event=volumes_not_removed", "error=%s", LOG_VALUE(result->text));
}

static void on_removed(void *ctx, const struct runtime_result *result)
{
    struct pending *pending = ctx;
    struct agent *agent = pending->agent;
    if (pending->volumes_of && result->outcome == OUTCOME_OK && agent->stage == AGENT_RUNNING)
        runtime_remove_volumes(agent->runtime, pending->volumes_of, on_volumes_removed, agent);
    answer_done(pending, result);
}

static void perform_create(struct agent *agent, const struct action *action,
                           struct pending *pending)
{
    const struct task *task = action->task;
    const struct service *service = task->owner ? task->owner->wanted : NULL;
    struct container_identity identity = {
        .host_id = agent->host_id,
        .cluster = agent->config.values.cluster,
        .service = *task->service ? task->service : NULL,
        .one_off = *task->one_off ? task->one_off : NULL,
        .task_id = task->id,
        .generation = task->generation,
        .slot = task->slot,
        .attempt = task->attempt,
        .digest_hex = task->digest_hex,
        .default_stop_timeout_ms = agent->config.values.stop_timeout_ms,
    };
    ASSERT(task->definition);
    int index =
        task_definition_container(task->definition, task->containers[action->container].name);
    ASSERT(index >= 0);
    AUTO_STR struct str body;
    str_init(&body, CREATE_BODY_MAX);
    render_create(task->definition, (size_t)index, &identity, service ? service->publish : NULL,
                  service ? service->publish_count : 0, NULL, &body);
    ASSERT(!body.truncated); /* a document is smaller than that */
    runtime_create(agent->runtime, action->container_name, str_text(&body), body.len, on_called,
                   pending);
}

/* ------------------------------------------------------------------ probes and saves */

static void on_probed(void *ctx, bool healthy, const char *text)
{
    struct pending *pending = ctx;
    struct agent *agent = pending->agent;
    struct event event = {
        .kind = EV_PROBED, .action = pending->action, .healthy = healthy, .text = text
    };
    pending_free(pending);
    host_event(agent, &event);
}

void host_cancel_probes(struct agent *agent)
{
    for (struct pending *pending = agent->pending; pending; pending = pending->next)
        if (pending->probe)
            probe_cancel(pending->probe);
}

static void on_saved(void *ctx, int rc, const char *text)
{
    struct runtime_result result = { .outcome = rc < 0 ? OUTCOME_REFUSED : OUTCOME_OK,
                                     .error = "",
                                     .text = text };
    answer_done(ctx, &result);
}

static void perform_save(struct agent *agent, struct pending *pending)
{
    struct memory *memory = core_memory(agent->core);
    store_save_memory(agent->store, memory, on_saved, pending);
    memory_free(memory);
}

/* ------------------------------------------------------------------ perform */

static void host_perform(void *self, const struct action *action)
{
    struct agent *agent = self;
    struct pending *pending = pending_new(agent, action);
    log_debug("event=action", "action=%s container=%s cause=%s", action_kind_name(action->kind),
              action->container_name, LOG_VALUE(action->cause));
    switch (action->kind) {
    case ACT_FETCH:
        if (agent->reopening_source)
            agent->deferred_fetch = pending;
        else
            source_fetch(agent->source, on_fetched, pending);
        break;
    case ACT_OBSERVE:
        runtime_look(agent->runtime, action->container_name, on_looked, pending);
        break;
    case ACT_PULL:
        runtime_pull(agent->runtime, action->image, action->pull_mode, on_called, pending);
        break;
    case ACT_CREATE:
        perform_create(agent, action, pending);
        break;
    case ACT_START:
        runtime_start(agent->runtime, action->container_name, on_called, pending);
        break;
    case ACT_STOP:
        runtime_stop(agent->runtime, action->container_name, action->stop_timeout_ms, on_called,
                     pending);
        break;
    case ACT_REMOVE:
        pending->volumes_of = action->last ? memory_strdup(action->task->id) : NULL;
        runtime_remove(agent->runtime, action->container_name, on_removed, pending);
        break;
    case ACT_PROBE:
        pending->probe = probe_start(&agent->loop, agent->remote, action->probe, action->address,
                                     (int)action->port, on_probed, pending);
        break;
    case ACT_STEER:
        ASSERT(!"the core steers no ports yet");
        break;
    case ACT_SAVE:
        perform_save(agent, pending);
        break;
    }
}

/* ------------------------------------------------------------------ changes */

static void log_change(const struct change *change)
{
    char who[900];
    (void)snprintf(who, sizeof who, "%s%s%s%.12s%s%s", *change->service ? " service=" : "",
                   change->service, *change->task_id ? " task=" : "", change->task_id,
                   *change->container ? " container=" : "", change->container);
    log_line(change->warning ? LOG_WARN : LOG_INFO, "event=change", "kind=%s%s text=%s",
             change_kind_text(change->kind), who, LOG_VALUE(change->text));
}

static void host_changed(void *self)
{
    struct agent *agent = self;
    uint64_t newest = agent->core->change_sequence;
    for (uint64_t i = agent->changes_logged + 1; i <= newest; i++) {
        const struct change *change = core_change(agent->core, i);
        if (change)
            log_change(change);
    }
    agent->changes_logged = newest;
    if (agent->routes)
        routes_changed(agent->routes);
    notify_status(agent->notify, "%s, document revision %lld, %zu tasks",
                  core_ready(agent->core) ? "ready" : "starting",
                  (long long)(agent->core->desired ? agent->core->desired->revision : 0),
                  agent->core->task_count);
}

void host_make(struct agent *agent, struct host *ret)
{
    *ret = (struct host){ .self = agent,
                          .now = host_now,
                          .wall = host_wall,
                          .perform = host_perform,
                          .wake = host_wake,
                          .changed = host_changed };
}
