/* GET /v1/tasks, POST /v1/tasks/ID/stop, and how a task is found by what a person types. */
#include <stdio.h>
#include <string.h>

#include "agent/edge/routes_internal.h"
#include "berth/render.h"

#define TASK_PREFIX_MIN 6

/* ------------------------------------------------------------------ finding */

const struct task *routes_find_task(const struct core *core, const char *name)
{
    const struct task *task = core_task(core, name);
    if (task)
        return task;
    const struct one_off_record *record = core_one_off(core, name);
    return record && *record->task_id ? core_task(core, record->task_id) : NULL;
}

static bool stopped_matches(const struct stopped_task *stopped, const char *name)
{
    if (*stopped->one_off && str_equal(stopped->one_off, name))
        return true;
    return strlen(name) >= TASK_PREFIX_MIN && str_starts(stopped->id, name);
}

const struct stopped_task *routes_stopped(const struct core *core, size_t i)
{
    size_t at = core->stopped_next + STOPPED_TASKS_KEPT - 1 - i;
    return &core->stopped[at % STOPPED_TASKS_KEPT];
}

const struct stopped_task *routes_find_stopped(const struct core *core, const char *name)
{
    for (size_t i = 0; i < core->stopped_count; i++)
        if (stopped_matches(routes_stopped(core, i), name))
            return routes_stopped(core, i);
    return NULL;
}

/* ------------------------------------------------------------------ one container */

/* Docker's "starting" is UNKNOWN in ECS. */
static const char *const health_names[] = {
    [HEALTH_NONE] = "UNKNOWN",
    [HEALTH_STARTING] = "UNKNOWN",
    [HEALTH_HEALTHY] = "HEALTHY",
    [HEALTH_UNHEALTHY] = "UNHEALTHY",
};

static void exit_code_member(struct json_writer *writer, bool known, int64_t code)
{
    json_key(writer, "exitCode");
    if (known)
        json_put_int(writer, code);
    else
        json_put_null(writer);
}

static void container_ports(const struct container *container, struct json_writer *writer)
{
    json_key(writer, "networkBindings");
    json_array(writer);
    for (size_t i = 0; i < container->port_count; i++) {
        const struct observed_port *port = &container->ports[i];
        json_object(writer);
        json_int_member(writer, "containerPort", port->container_port);
        json_int_member(writer, "hostPort", port->host_port);
        json_string_member(writer, "protocol", protocol_name(port->protocol));
        json_object_end(writer);
    }
    json_array_end(writer);
}

static void container_render(const struct route_call *call, const struct container *container,
                             struct json_writer *writer)
{
    json_object(writer);
    json_string_member(writer, "name", container->name);
    routes_text_member(writer, "runtimeId", container->runtime_id);
    routes_text_member(writer, "image", container->image);
    routes_text_member(writer, "imageDigest", container->image_id);
    json_string_member(writer, "lastStatus", container_last_status(container));
    json_string_member(writer, "healthStatus", health_names[container->health]);
    exit_code_member(writer, container->exit_known, container->exit_code);
    routes_text_member(writer, "reason", container->reason);
    json_bool_member(writer, "essential", container->essential);
    routes_text_member(writer, "runtimeName", container->runtime_name);
    routes_text_member(writer, "address", container->address);
    container_ports(container, writer);
    json_int_member(writer, "restartCount", container->restart_count);
    json_time_member(writer, "startedAt", container->started_wall);
    json_time_member(writer, "finishedAt", container->finished_wall);
    json_key(writer, "waits");
    json_array(writer);
    routes_wait(call, &container->wait, NULL, writer);
    json_array_end(writer);
    json_object_end(writer);
}

static void stopped_container_render(const struct stopped_container *container,
                                     struct json_writer *writer)
{
    json_object(writer);
    json_string_member(writer, "name", container->name);
    routes_text_member(writer, "runtimeId", container->runtime_id);
    routes_text_member(writer, "image", container->image);
    routes_text_member(writer, "imageDigest", container->image_id);
    json_string_member(writer, "lastStatus", "STOPPED");
    json_string_member(writer, "healthStatus", "UNKNOWN");
    exit_code_member(writer, container->exit_known, container->exit_code);
    routes_text_member(writer, "reason", container->reason);
    json_key(writer, "networkBindings");
    json_array(writer);
    json_array_end(writer);
    json_int_member(writer, "restartCount", container->restart_count);
    json_key(writer, "waits");
    json_array(writer);
    json_array_end(writer);
    json_object_end(writer);
}

/* ------------------------------------------------------------------ one task */

/* Who a task belongs to; the same for living and stopped ones. */
struct task_names {
    const char *id, *service, *one_off, *definition_name, *started_by;
};

static void task_names_render(const struct route_call *call, const struct task_names *names,
                              struct json_writer *writer)
{
    char arn[512], group[NAME_MAX_LEN + 16];
    bool of_service = names->service && *names->service;
    int family = (int)strcspn(names->definition_name, ":");
    if (of_service)
        (void)snprintf(group, sizeof group, "service:%s", names->service);
    else
        (void)snprintf(group, sizeof group, "family:%.*s", family, names->definition_name);
    render_task_arn(call->core->options.cluster, names->id, arn);
    json_string_member(writer, "taskArn", arn);
    json_string_member(writer, "taskId", names->id);
    json_string_member(writer, "group", group);
    routes_text_member(writer, "startedBy", of_service ? names->started_by : names->one_off);
    render_task_definition_arn(names->definition_name, arn);
    json_string_member(writer, "taskDefinitionArn", arn);
    json_string_member(writer, "taskDefinition", names->definition_name);
}

/* ECS's startedBy of a service's task is the id of its deployment. */
static void task_head(const struct route_call *call, const struct task *task,
                      struct json_writer *writer)
{
    char started_by[NAME_MAX_LEN + 32];
    (void)snprintf(started_by, sizeof started_by, "%s/%lld", task->service,
                   (long long)task->generation);
    const struct task_names names = { task->id, task->service, task->one_off, task->definition_name,
                                      started_by };
    task_names_render(call, &names, writer);
    json_string_member(writer, "lastStatus", task_last_status(call->core, task));
    json_string_member(writer, "desiredStatus", task_desired_status(task));
    json_string_member(writer, "healthStatus", task_health_name(task_health(call->core, task)));
    routes_text_member(writer, "stopCode", task->stop_code);
    routes_text_member(writer, "stoppedReason", task->stopped_reason);
    json_time_member(writer, "createdAt", task->created_wall);
    json_time_member(writer, "startedAt", task->started_wall);
    json_time_member(writer, "stoppingAt", task->stopping_wall);
    json_time_member(writer, "stoppedAt", task->stopped_wall);
    json_int_member(writer, "generation", task->generation);
    json_int_member(writer, "slot", task->slot);
    json_int_member(writer, "attempt", task->attempt);
}

static void task_render(const struct route_call *call, const struct task *task,
                        struct json_writer *writer)
{
    json_object(writer);
    task_head(call, task, writer);
    json_key(writer, "containers");
    json_array(writer);
    for (size_t i = 0; i < task->container_count; i++)
        container_render(call, &task->containers[i], writer);
    json_array_end(writer);
    json_key(writer, "waits");
    json_array(writer);
    routes_wait(call, &task->wait, NULL, writer);
    json_array_end(writer);
    json_object_end(writer);
}

static void stopped_render(const struct route_call *call, const struct stopped_task *stopped,
                           struct json_writer *writer)
{
    const struct task_names names = { stopped->id, stopped->service, stopped->one_off,
                                      stopped->definition_name, NULL };
    json_object(writer);
    task_names_render(call, &names, writer);
    json_string_member(writer, "lastStatus", "STOPPED");
    json_string_member(writer, "desiredStatus", "STOPPED");
    json_string_member(writer, "healthStatus", "UNKNOWN");
    routes_text_member(writer, "stopCode", stopped->stop_code);
    routes_text_member(writer, "stoppedReason", stopped->reason);
    json_time_member(writer, "createdAt", stopped->created_wall);
    json_time_member(writer, "startedAt", stopped->started_wall);
    json_time_member(writer, "stoppedAt", stopped->stopped_wall);
    json_key(writer, "containers");
    json_array(writer);
    for (size_t i = 0; i < stopped->container_count; i++)
        stopped_container_render(&stopped->containers[i], writer);
    json_array_end(writer);
    json_key(writer, "waits");
    json_array(writer);
    json_array_end(writer);
    json_object_end(writer);
}

/* ------------------------------------------------------------------ the routes */

static void tasks_stopped(const struct route_call *call, struct json_writer *writer)
{
    for (size_t i = call->core->stopped_count; i > 0; i--) {
        const struct stopped_task *stopped = routes_stopped(call->core, i - 1);
        if (!core_task(call->core, stopped->id))
            stopped_render(call, stopped, writer);
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
            task_render(call, task, &writer);
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
    const struct task *task = routes_find_task(call->core, call->part);
    const struct stopped_task *stopped = task ? NULL : routes_find_stopped(call->core, call->part);
    if (!task && !stopped) {
        control_error(call->request, 404, "TaskNotFoundException",
                      "there is no task %s on this host (an id or at least %d characters of one)",
                      call->part, TASK_PREFIX_MIN);
        return;
    }
    /* The step may free the task: keep its id. */
    memcpy(id, task ? task->id : stopped->id, sizeof id);
    struct event event = { .kind = EV_COMMAND, .command = COMMAND_STOP_TASK, .subject = id };
    if (task)
        driver_event(call->routes->options.driver, &event);
    answer_stopping(call, id);
}
