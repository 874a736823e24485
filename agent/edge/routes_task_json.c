/* How a task looks in JSON, whether it lives, is gone, or is only a record of a one-off task. All
 * three have the same members: what is not known of one is null. */
#include <stdio.h>
#include <string.h>

#include "agent/edge/routes_internal.h"
#include "berth/render.h"

/* ------------------------------------------------------------------ one container */

struct container_shown {
    const char *name, *runtime_id, *runtime_name, *image, *image_digest, *address, *reason;
    const char *last_status, *health_status;
    bool essential, exit_known;
    int64_t exit_code;
    int restart_count;
    msec started_wall, finished_wall;
    const struct observed_port *ports;
    size_t port_count;
    const struct wait *wait; /* or NULL */
};

/* Docker's "starting" is UNKNOWN in ECS. */
static const char *const health_names[] = {
    [HEALTH_NONE] = "UNKNOWN",
    [HEALTH_STARTING] = "UNKNOWN",
    [HEALTH_HEALTHY] = "HEALTHY",
    [HEALTH_UNHEALTHY] = "UNHEALTHY",
};

static struct container_shown container_living(const struct container *container)
{
    return (struct container_shown){
        .name = container->name,
        .runtime_id = container->runtime_id,
        .runtime_name = container->runtime_name,
        .image = container->image,
        .image_digest = container->image_id,
        .address = container->address,
        .reason = container->reason,
        .last_status = container_last_status(container),
        .health_status = health_names[container->health],
        .essential = container->essential,
        .exit_known = container->exit_known,
        .exit_code = container->exit_code,
        .restart_count = container->restart_count,
        .started_wall = container->started_wall,
        .finished_wall = container->finished_wall,
        .ports = container->ports,
        .port_count = container->port_count,
        .wait = &container->wait,
    };
}

static struct container_shown container_gone(const struct stopped_container *container)
{
    return (struct container_shown){
        .name = container->name,
        .runtime_id = container->runtime_id,
        .runtime_name = container->runtime_name,
        .image = container->image,
        .image_digest = container->image_id,
        .reason = container->reason,
        .last_status = "STOPPED",
        .health_status = "UNKNOWN",
        .essential = container->essential,
        .exit_known = container->exit_known,
        .exit_code = container->exit_code,
        .restart_count = container->restart_count,
        .started_wall = container->started_wall,
        .finished_wall = container->finished_wall,
    };
}

void routes_exit_code(struct json_writer *writer, bool known, int64_t code)
{
    json_key(writer, "exitCode");
    if (known)
        json_put_int(writer, code);
    else
        json_put_null(writer);
}

static void container_ports(const struct container_shown *container, struct json_writer *writer)
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

static void waits_member(const struct route_call *call, const struct wait *wait,
                         struct json_writer *writer)
{
    json_key(writer, "waits");
    json_array(writer);
    if (wait)
        routes_wait(call, wait, NULL, writer);
    json_array_end(writer);
}

static void container_render(const struct route_call *call, const struct container_shown *container,
                             struct json_writer *writer)
{
    json_object(writer);
    json_string_member(writer, "name", container->name);
    routes_text_member(writer, "runtimeId", container->runtime_id);
    routes_text_member(writer, "image", container->image);
    routes_text_member(writer, "imageDigest", container->image_digest);
    json_string_member(writer, "lastStatus", container->last_status);
    json_string_member(writer, "healthStatus", container->health_status);
    routes_exit_code(writer, container->exit_known, container->exit_code);
    routes_text_member(writer, "reason", container->reason);
    json_bool_member(writer, "essential", container->essential);
    routes_text_member(writer, "runtimeName", container->runtime_name);
    routes_text_member(writer, "address", container->address);
    container_ports(container, writer);
    json_int_member(writer, "restartCount", container->restart_count);
    json_time_member(writer, "startedAt", container->started_wall);
    json_time_member(writer, "finishedAt", container->finished_wall);
    waits_member(call, container->wait, writer);
    json_object_end(writer);
}

/* ------------------------------------------------------------------ what all tasks have */

struct task_shown {
    const char *id, *service, *one_off, *definition_name;
    const char *last_status, *desired_status, *health_status, *stop_code, *stopped_reason;
    msec created_wall, started_wall, stopping_wall, stopped_wall;
    int64_t generation, slot, attempt;
    bool adopted;
};

static struct task_shown task_living(const struct core *core, const struct task *task)
{
    return (struct task_shown){
        .id = task->id,
        .service = task->service,
        .one_off = task->one_off,
        .definition_name = task->definition_name,
        .last_status = task_last_status(core, task),
        .desired_status = task_desired_status(task),
        .health_status = task_health_name(task_health(core, task)),
        .stop_code = task->stop_code,
        .stopped_reason = task->stopped_reason,
        .created_wall = task->created_wall,
        .started_wall = task->started_wall,
        .stopping_wall = task->stopping_wall,
        .stopped_wall = task->stopped_wall,
        .generation = task->generation,
        .slot = task->slot,
        .attempt = task->attempt,
        .adopted = task->adopted,
    };
}

static struct task_shown task_gone(const struct stopped_task *stopped)
{
    return (struct task_shown){
        .id = stopped->id,
        .service = stopped->service,
        .one_off = stopped->one_off,
        .definition_name = stopped->definition_name,
        .last_status = "STOPPED",
        .desired_status = "STOPPED",
        .health_status = "UNKNOWN",
        .stop_code = stopped->stop_code,
        .stopped_reason = stopped->reason,
        .created_wall = stopped->created_wall,
        .started_wall = stopped->started_wall,
        .stopping_wall = stopped->stopping_wall,
        .stopped_wall = stopped->stopped_wall,
        .generation = stopped->generation,
        .slot = stopped->slot,
        .attempt = stopped->attempt,
    };
}

/* What is left of a one-off task: after a restart of the agent, or once its containers are gone. */
static struct task_shown task_recorded(const struct one_off_record *record)
{
    return (struct task_shown){
        .id = record->task_id,
        .one_off = record->id,
        .definition_name = record->definition_name,
        .last_status = "STOPPED",
        .desired_status = "STOPPED",
        .health_status = "UNKNOWN",
        .stopped_reason = record->reason,
        .started_wall = record->started_wall,
        .stopped_wall = record->stopped_wall,
    };
}

/* ECS's group and startedBy: of a service's task its service and the id of its deployment. */
static void owner_members(const struct task_shown *task, struct json_writer *writer)
{
    char text[NAME_MAX_LEN + 32];
    bool of_service = task->service && *task->service;
    int family = (int)strcspn(task->definition_name, ":");
    if (of_service)
        (void)snprintf(text, sizeof text, "service:%s", task->service);
    else
        (void)snprintf(text, sizeof text, "family:%.*s", family, task->definition_name);
    json_string_member(writer, "group", text);
    if (of_service)
        (void)snprintf(text, sizeof text, "%s/%lld", task->service, (long long)task->generation);
    routes_text_member(writer, "startedBy", of_service ? text : task->one_off);
}

static void task_members(const struct route_call *call, const struct task_shown *task,
                         struct json_writer *writer)
{
    char arn[512];
    render_task_arn(call->core->options.cluster, task->id, arn);
    json_string_member(writer, "taskArn", arn);
    json_string_member(writer, "taskId", task->id);
    owner_members(task, writer);
    render_task_definition_arn(task->definition_name, arn);
    json_string_member(writer, "taskDefinitionArn", arn);
    json_string_member(writer, "taskDefinition", task->definition_name);
    json_string_member(writer, "lastStatus", task->last_status);
    json_string_member(writer, "desiredStatus", task->desired_status);
    json_string_member(writer, "healthStatus", task->health_status);
    routes_text_member(writer, "stopCode", task->stop_code);
    routes_text_member(writer, "stoppedReason", task->stopped_reason);
    json_bool_member(writer, "adopted", task->adopted);
    json_time_member(writer, "createdAt", task->created_wall);
    json_time_member(writer, "startedAt", task->started_wall);
    json_time_member(writer, "stoppingAt", task->stopping_wall);
    json_time_member(writer, "stoppedAt", task->stopped_wall);
    json_int_member(writer, "generation", task->generation);
    json_int_member(writer, "slot", task->slot);
    json_int_member(writer, "attempt", task->attempt);
}

/* ------------------------------------------------------------------ the three of them */

static void living_containers(const struct route_call *call, const struct task *task,
                              struct json_writer *writer)
{
    for (size_t i = 0; i < task->container_count; i++) {
        struct container_shown shown = container_living(&task->containers[i]);
        container_render(call, &shown, writer);
    }
}

static void gone_containers(const struct route_call *call, const struct stopped_task *stopped,
                            struct json_writer *writer)
{
    for (size_t i = 0; i < stopped->container_count; i++) {
        struct container_shown shown = container_gone(&stopped->containers[i]);
        container_render(call, &shown, writer);
    }
}

void routes_task(const struct route_call *call, const struct task_found *found,
                 struct json_writer *writer)
{
    struct task_shown shown = found->task      ? task_living(call->core, found->task)
                              : found->stopped ? task_gone(found->stopped)
                                               : task_recorded(found->record);
    json_object(writer);
    task_members(call, &shown, writer);
    json_key(writer, "containers");
    json_array(writer);
    if (found->task)
        living_containers(call, found->task, writer);
    else if (found->stopped)
        gone_containers(call, found->stopped, writer);
    json_array_end(writer);
    waits_member(call, found->task ? &found->task->wait : NULL, writer);
    json_object_end(writer);
}
