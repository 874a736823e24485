/* capacity.c: what this host can give a service: fixed ports, memory, the bounds that follow. */
#include "inside.h"

static const struct port_mapping *fixed_port(const struct task_definition *definition)
{
    for (size_t i = 0; i < definition->container_count; i++) {
        const struct container_definition *container = &definition->containers[i];
        for (size_t k = 0; k < container->port_mapping_count; k++)
            if (container->port_mappings[k].host_port)
                return &container->port_mappings[k];
    }
    return NULL;
}

/* Until the kernel moves published ports, a container binds them: two tasks cannot overlap. */
void service_find_fixed_port(struct service_fact *service)
{
    const struct service *wanted = service->wanted;
    service->stop_first = false;
    service->stop_first_reason[0] = '\0';
    const struct port_mapping *mapping = fixed_port(wanted->definition);
    if (!mapping && !wanted->publish_count)
        return;
    service->stop_first = true;
    (void)snprintf(service->stop_first_reason, sizeof service->stop_first_reason,
                   "host port %lld/%s is fixed, so the old task must stop before the new one can "
                   "have it",
                   (long long)(mapping ? mapping->host_port : wanted->publish[0].host_port),
                   protocol_name(mapping ? mapping->protocol : wanted->publish[0].protocol));
}

/* As ECS counts it: a task takes its own memory, else the sum of what its containers reserve. */
static int64_t memory_of(const struct task_definition *definition)
{
    int64_t sum = 0;
    if (definition->memory_mib)
        return definition->memory_mib;
    for (size_t i = 0; i < definition->container_count; i++) {
        const struct container_definition *container = &definition->containers[i];
        sum += container->memory_reservation_mib ? container->memory_reservation_mib
                                                 : container->memory_mib;
    }
    return sum;
}

static bool find_impossible(const struct core *core, struct service_fact *service)
{
    int64_t memory = memory_of(service->wanted->definition);
    int64_t host = core->options.host_memory_mib;
    if (service->stop_first && service->wanted->desired_count > 1)
        wait_set(&service->wait, core, WAIT_IMPOSSIBLE,
                 "desiredCount %lld, but a fixed host port fits one task on this host; use "
                 "desiredCount 1 or a dynamic host port",
                 (long long)service->wanted->desired_count);
    else if (host && memory > host)
        wait_set(&service->wait, core, WAIT_IMPOSSIBLE,
                 "a task of %.60s takes %lld MiB of memory, this host has %lld",
                 service->wanted->definition->name, (long long)memory, (long long)host);
    else
        return false;
    return true;
}

/* What this host can never give fails the service alone and leaves the others moving. */
bool service_is_possible(struct core *core, struct service_fact *service)
{
    bool said = service->wait.reason == WAIT_IMPOSSIBLE;
    if (!find_impossible(core, service))
        return true;
    if (!said)
        change_emit(core, CHANGE_SERVICE, true, service->name, "", "", "refused: %s",
                    service->wait.detail);
    return false;
}

void service_find_bounds(struct service_fact *service)
{
    service->minimum = service_minimum_healthy(service->wanted);
    service->maximum = service_maximum_running(service->wanted);
    if (!service->stop_first)
        return;
    service->minimum = 0;
    service->maximum = service->wanted->desired_count;
}

static bool port_is_free(struct step *step, struct task *task)
{
    for (struct task *other = step->core->tasks; other; other = other->next) {
        int64_t port = 0;
        if (other == task || !task_is_live(other) || !task_holds_port(other, task, &port))
            continue;
        wait_set(&task->wait, step->core, WAIT_PORT, "port %lld, held by task %.12s of %.60s",
                 (long long)port, other->id, *other->service ? other->service : other->one_off);
        return false;
    }
    return true;
}

/* Ports are checked here and not when the task is made: it may have to wait for one. */
bool service_task_has_ports(struct step *step, struct task *task)
{
    return !task->owner || !task->owner->stop_first || port_is_free(step, task);
}
