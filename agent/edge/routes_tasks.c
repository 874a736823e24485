/* GET /v1/tasks, POST /v1/tasks/ID/stop, and how a task is found by what a person types. */
#include <string.h>

#include "agent/edge/routes_internal.h"

#define TASK_PREFIX_MIN 6

/* ------------------------------------------------------------------ finding */

/* The id of a one-off task in the document, or (the beginning of) a task's own id. */
static bool is_meant(const char *one_off, const char *task_id, const char *name)
{
    if (*one_off && str_equal(one_off, name))
        return true;
    return strlen(name) >= TASK_PREFIX_MIN && str_starts(task_id, name);
}

const struct stopped_task *routes_stopped(const struct core *core, size_t i)
{
    size_t at = core->stopped_next + STOPPED_TASKS_KEPT - 1 - i;
    return &core->stopped[at % STOPPED_TASKS_KEPT];
}

static const struct stopped_task *find_stopped(const struct core *core, const char *name)
{
    for (size_t i = 0; i < core->stopped_count; i++) {
        const struct stopped_task *stopped = routes_stopped(core, i);
        if (is_meant(stopped->one_off, stopped->id, name))
            return stopped;
    }
    return NULL;
}

static bool record_is_over(const struct one_off_record *record)
{
    return *record->task_id && (record->state == ONE_OFF_STOPPED || record->state == ONE_OFF_LOST);
}

static const struct one_off_record *find_record(const struct core *core, const char *name)
{
    for (size_t i = 0; i < core->one_off_count; i++) {
        const struct one_off_record *record = &core->one_offs[i];
        if (record_is_over(record) && is_meant(record->id, record->task_id, name))
            return record;
    }
    return NULL;
}

bool routes_find_task(const struct core *core, const char *name, struct task_found *ret)
{
    const struct one_off_record *record = core_one_off(core, name);
    *ret = (struct task_found){ .task = core_task(core, name) };
    if (!ret->task && record && *record->task_id)
        ret->task = core_task(core, record->task_id);
    if (!ret->task)
        ret->stopped = find_stopped(core, name);
    if (!ret->task && !ret->stopped)
        ret->record = find_record(core, name);
    return ret->task || ret->stopped || ret->record;
}

const char *routes_task_id(const struct task_found *found)
{
    if (found->task)
        return found->task->id;
    return found->stopped ? found->stopped->id : found->record->task_id;
}

void routes_no_task(struct route_call *call)
{
    const struct service_fact *service = core_service(call->core, call->part);
    if (service && service->tasks)
        control_error(call->request, 404, "TaskNotFoundException",
                      "%s is a service and not a task; its newest task is %.12s", call->part,
                      service->last_task->id);
    else if (service)
        control_error(call->request, 404, "TaskNotFoundException",
                      "%s is a service and has no task now", call->part);
    else
        control_error(call->request, 404, "TaskNotFoundException",
                      "there is no task %s on this host (an id or at least %d characters of one)",
                      call->part, TASK_PREFIX_MIN);
}

/* ------------------------------------------------------------------ the routes */

static bool is_gone(const struct core *core, const char *task_id)
{
    for (size_t i = 0; i < core->stopped_count; i++)
        if (str_equal(routes_stopped(core, i)->id, task_id))
            return true;
    return false;
}

/* One-off tasks of which nothing but their result is left, then what is gone, oldest first. */
static void tasks_stopped(const struct route_call *call, struct json_writer *writer)
{
    const struct core *core = call->core;
    for (size_t i = 0; i < core->one_off_count; i++) {
        const struct task_found found = { .record = &core->one_offs[i] };
        const char *id = found.record->task_id;
        if (record_is_over(found.record) && !core_task(core, id) && !is_gone(core, id))
            routes_task(call, &found, writer);
    }
    for (size_t i = core->stopped_count; i > 0; i--) {
        const struct task_found found = { .stopped = routes_stopped(core, i - 1) };
        if (!core_task(core, found.stopped->id))
            routes_task(call, &found, writer);
    }
}

void route_tasks(struct route_call *call)
{
    const struct core *core = call->core;
    bool all = routes_query_flag(call, "all");
    struct str out;
    struct json_writer writer;
    str_init(&out, ROUTES_ANSWER_MAX);
    json_begin(&writer, &out);
    json_array(&writer);
    if (all)
        tasks_stopped(call, &writer);
    for (const struct task *task = core->tasks; task; task = task->next)
        if (all || !str_equal(task_last_status(core, task), "STOPPED"))
            routes_task(call, &(struct task_found){ .task = task }, &writer);
    json_array_end(&writer);
    routes_answer(call->request, 200, &out);
}

static void answer_stopping(struct route_call *call, const char *id)
{
    const struct task *task = core_task(call->core, id);
    struct str out;
    struct json_writer writer;
    str_init(&out, ROUTES_ANSWER_MAX);
    json_begin(&writer, &out);
    json_object(&writer);
    json_string_member(&writer, "taskId", id);
    json_string_member(&writer, "lastStatus",
                       task ? task_last_status(call->core, task) : "STOPPED");
    json_string_member(&writer, "desiredStatus", "STOPPED");
    json_object_end(&writer);
    routes_answer(call->request, 202, &out);
}

void route_stop(struct route_call *call)
{
    char id[TASK_ID_LEN + 1] = "";
    struct task_found found;
    if (!routes_find_task(call->core, call->part, &found)) {
        routes_no_task(call);
        return;
    }
    /* The step may free the task: keep its id. */
    memcpy(id, routes_task_id(&found), sizeof id);
    struct event event = { .kind = EV_COMMAND, .command = COMMAND_STOP_TASK, .subject = id };
    if (found.task)
        driver_event(call->routes->options.driver, &event);
    answer_stopping(call, id);
}
