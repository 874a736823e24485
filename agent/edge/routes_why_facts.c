/* What GET /v1/why/NAME shows: every fact that can hold a service or a task up. */
#include <stdio.h>

#include "agent/edge/routes_internal.h"

#define WHY_GONE_MAX 5 /* tasks that are gone, newest first */

/* ------------------------------------------------------------------ parts of the answer */

static bool is_of_subject(const struct task *task, const struct why_subject *subject)
{
    if (subject->task)
        return task == subject->task;
    return subject->service && str_equal(task->service, subject->service->name);
}

const struct task *why_subject_next(const struct why_subject *subject, const struct task *after,
                                    const struct core *core)
{
    const struct task *task = after ? after->next : core->tasks;
    while (task && !is_of_subject(task, subject))
        task = task->next;
    return task;
}

static void container_waits(const struct route_call *call, const struct task *task,
                            struct json_writer *writer)
{
    char name[NAME_MAX_LEN + TASK_ID_LEN + 64];
    for (size_t i = 0; i < task->container_count; i++) {
        const struct container *container = &task->containers[i];
        (void)snprintf(name, sizeof name, "container %s of task %.12s", container->name, task->id);
        routes_wait(call, &container->wait, name, writer);
    }
}

static void why_waits(const struct route_call *call, const struct why_subject *subject,
                      struct json_writer *writer)
{
    char name[NAME_MAX_LEN + TASK_ID_LEN + 64];
    json_key(writer, "waits");
    json_array(writer);
    if (subject->service) {
        (void)snprintf(name, sizeof name, "service %s", subject->service->name);
        routes_wait(call, &subject->service->wait, name, writer);
    }
    WHY_EACH_TASK(task, subject, call->core)
    {
        (void)snprintf(name, sizeof name, "task %.12s", task->id);
        routes_wait(call, &task->wait, name, writer);
        container_waits(call, task, writer);
    }
    routes_agent_waits(call, "the agent", writer);
    json_array_end(writer);
}

static const char *const probe_states[] = {
    [PROBE_UNKNOWN] = "UNKNOWN",
    [PROBE_HEALTHY] = "HEALTHY",
    [PROBE_UNHEALTHY] = "UNHEALTHY",
};

static void probe_render(const struct task *task, const struct probe_fact *probe,
                         struct json_writer *writer)
{
    json_object(writer);
    json_string_member(writer, "taskId", task->id);
    json_string_member(writer, "container", probe->container_name);
    json_int_member(writer, "port", probe->container_port);
    json_string_member(writer, "state", probe_states[probe->state]);
    routes_text_member(writer, "answer", probe->answered ? probe->last : NULL);
    json_time_member(writer, "at", probe->last_wall);
    json_int_member(writer, "successes", probe->successes);
    json_int_member(writer, "failures", probe->failures);
    json_object_end(writer);
}

static void why_probes(const struct route_call *call, const struct why_subject *subject,
                       struct json_writer *writer)
{
    json_key(writer, "probes");
    json_array(writer);
    WHY_EACH_TASK(task, subject, call->core)
    for (size_t i = 0; i < task->probe_count; i++)
        if (task->probes[i].definition.protocol != PROBE_NONE)
            probe_render(task, &task->probes[i], writer);
    json_array_end(writer);
}

/* The output of a health check may hold anything: it is the container's own. */
static void why_health(const struct route_call *call, const struct why_subject *subject,
                       struct json_writer *writer)
{
    json_key(writer, "healthChecks");
    json_array(writer);
    WHY_EACH_TASK(task, subject, call->core)
    for (size_t i = 0; i < task->container_count; i++) {
        const struct container *container = &task->containers[i];
        if (container->health == HEALTH_NONE)
            continue;
        json_object(writer);
        json_string_member(writer, "taskId", task->id);
        json_string_member(writer, "container", container->name);
        json_string_member(writer, "healthStatus",
                           container->health == HEALTH_HEALTHY     ? "HEALTHY"
                           : container->health == HEALTH_UNHEALTHY ? "UNHEALTHY"
                                                                   : "STARTING");
        routes_text_member(writer, "output", container->health_output);
        json_object_end(writer);
    }
    json_array_end(writer);
}

/* ------------------------------------------------------------------ how things ended */

struct exit_shown {
    const char *task_id, *container, *reason;
    bool known, oom_killed;
    int64_t code;
    int restarts;
    msec at;
};

static void exit_render(const struct exit_shown *shown, struct json_writer *writer)
{
    json_object(writer);
    json_string_member(writer, "taskId", shown->task_id);
    json_string_member(writer, "container", shown->container);
    routes_exit_code(writer, shown->known, shown->code);
    json_bool_member(writer, "oomKilled", shown->oom_killed);
    routes_text_member(writer, "reason", shown->reason);
    json_int_member(writer, "restartCount", shown->restarts);
    json_time_member(writer, "at", shown->at);
    json_object_end(writer);
}

static void task_exits(const struct task *task, struct json_writer *writer)
{
    for (size_t i = 0; i < task->container_count; i++) {
        const struct container *it = &task->containers[i];
        if (!it->exit_known && !*it->reason)
            continue;
        exit_render(&(struct exit_shown){ .task_id = task->id,
                                          .container = it->name,
                                          .reason = it->reason,
                                          .known = it->exit_known,
                                          .oom_killed = it->oom_killed,
                                          .code = it->exit_code,
                                          .restarts = it->restart_count,
                                          .at = it->finished_wall },
                    writer);
    }
}

static void stopped_exits(const struct stopped_task *stopped, struct json_writer *writer)
{
    for (size_t i = 0; i < stopped->container_count; i++) {
        const struct stopped_container *it = &stopped->containers[i];
        exit_render(&(struct exit_shown){ .task_id = stopped->id,
                                          .container = it->name,
                                          .reason = it->reason,
                                          .known = it->exit_known,
                                          .oom_killed = it->oom_killed,
                                          .code = it->exit_code,
                                          .restarts = it->restart_count,
                                          .at = stopped->stopped_wall },
                    writer);
    }
}

static bool stopped_of_subject(const struct stopped_task *stopped,
                               const struct why_subject *subject, const struct core *core)
{
    return subject->service && !subject->task &&
           str_equal(stopped->service, subject->service->name) && !core_task(core, stopped->id);
}

static void why_exits(const struct route_call *call, const struct why_subject *subject,
                      struct json_writer *writer)
{
    const struct core *core = call->core;
    json_key(writer, "exits");
    json_array(writer);
    WHY_EACH_TASK(task, subject, core)
    task_exits(task, writer);
    for (size_t i = 0, shown = 0; i < core->stopped_count && shown < WHY_GONE_MAX; i++) {
        const struct stopped_task *stopped = routes_stopped(core, i);
        if (!stopped_of_subject(stopped, subject, core))
            continue;
        stopped_exits(stopped, writer);
        shown++;
    }
    json_array_end(writer);
}

/* ------------------------------------------------------------------ the service's own facts */

static void why_backoff(const struct route_call *call, const struct service_fact *service,
                        struct json_writer *writer)
{
    const struct deployment *primary = service ? service->primary : NULL;
    json_key(writer, "backoff");
    json_array(writer);
    for (size_t i = 0; primary && i < primary->slot_count; i++) {
        const struct slot *slot = &primary->slots[i];
        if (slot->not_before <= call->now)
            continue;
        json_object(writer);
        json_int_member(writer, "slot", (int64_t)i);
        json_int_member(writer, "deathsInARow", slot->deaths);
        json_time_member(writer, "nextAttemptAt", routes_wall(call, slot->not_before));
        json_object_end(writer);
    }
    json_array_end(writer);
}

static bool image_of_subject(const struct image *image, const struct why_subject *subject,
                             const struct core *core)
{
    WHY_EACH_TASK(task, subject, core)
    for (size_t i = 0; i < task->container_count; i++)
        if (str_equal(task->containers[i].image, image->name))
            return true;
    return false;
}

static void why_images(const struct route_call *call, const struct why_subject *subject,
                       struct json_writer *writer)
{
    json_key(writer, "images");
    json_array(writer);
    for (const struct image *it = call->core->images; it; it = it->next) {
        if ((it->state != IMAGE_PULLING && it->state != IMAGE_FAILED) ||
            !image_of_subject(it, subject, call->core))
            continue;
        json_object(writer);
        json_string_member(writer, "image", it->name);
        json_string_member(writer, "state", it->state == IMAGE_PULLING ? "PULLING" : "FAILED");
        json_int_member(writer, "attempts", it->attempts);
        routes_text_member(writer, "progress", it->state == IMAGE_PULLING ? it->progress : NULL);
        routes_text_member(writer, "error", it->error);
        bool later = it->state == IMAGE_FAILED && it->retry_at > call->now;
        json_time_member(writer, "nextAttemptAt", later ? routes_wall(call, it->retry_at) : 0);
        json_object_end(writer);
    }
    json_array_end(writer);
}

static void why_head(const struct route_call *call, const struct why_subject *subject,
                     struct json_writer *writer)
{
    json_string_member(writer, "name", call->part);
    json_string_member(writer, "kind", subject->task ? "task" : "service");
    if (subject->service) {
        json_key(writer, "service");
        routes_service(call, subject->service, writer);
    }
    json_key(writer, "tasks");
    json_array(writer);
    WHY_EACH_TASK(task, subject, call->core)
    routes_task(call, &(struct task_found){ .task = task }, writer);
    json_array_end(writer);
}

void why_facts(const struct route_call *call, const struct why_subject *subject,
               struct json_writer *writer)
{
    why_head(call, subject, writer);
    why_waits(call, subject, writer);
    why_backoff(call, subject->service, writer);
    why_images(call, subject, writer);
    why_probes(call, subject, writer);
    why_health(call, subject, writer);
    why_exits(call, subject, writer);
}

/* ------------------------------------------------------------------ a task that is gone */

static void record_exit(const struct one_off_record *record, struct json_writer *writer)
{
    const struct exit_shown shown = { .task_id = record->task_id,
                                      .reason = record->reason,
                                      .known = record->exit_known,
                                      .code = record->exit_code,
                                      .at = record->stopped_wall };
    exit_render(&shown, writer);
}

void why_end(const struct route_call *call, const struct task_found *found,
             struct json_writer *writer)
{
    json_string_member(writer, "name", call->part);
    json_string_member(writer, "kind", "task");
    json_key(writer, "tasks");
    json_array(writer);
    routes_task(call, found, writer);
    json_array_end(writer);
    json_key(writer, "waits");
    json_array(writer);
    json_array_end(writer);
    json_key(writer, "exits");
    json_array(writer);
    if (found->stopped)
        stopped_exits(found->stopped, writer);
    else
        record_exit(found->record, writer);
    json_array_end(writer);
    json_key(writer, "log");
    json_put_null(writer);
}
