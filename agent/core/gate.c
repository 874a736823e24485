/* gate.c: the one gate for stopping a task that still serves. */
#include "inside.h"

#define CONFIRMED_FOR SECONDS(5)

bool is_old_generation(const struct service_fact *service, const struct task *task)
{
    return !service->primary || task->generation != service->primary->generation;
}

/* A task that never got all its containers up contributes nothing; one whose state is not known
 * might. */
static bool is_known_to_serve_nobody(const struct task *task)
{
    if (task->running_at)
        return false;
    for (size_t i = 0; i < task->container_count; i++)
        if (task->containers[i].state == CONTAINER_UNKNOWN)
            return false;
    return true;
}

static enum wait_reason bounds_allow(const struct service_fact *service, const struct task *task,
                                     bool need_room)
{
    bool healthy = task->last_health == TASK_HEALTHY;
    int64_t others = service->healthy - (healthy ? 1 : 0);
    int64_t desired = service->wanted->desired_count;
    if (others >= desired)
        return WAIT_NONE;
    if (is_old_generation(service, task) && !service->images_ready)
        return WAIT_IMAGE;
    if (task->last_health == TASK_UNHEALTHY && (need_room || others >= service->minimum))
        return WAIT_NONE;
    if (!need_room)
        return WAIT_HEALTH;
    if (others >= service->minimum)
        return WAIT_NONE;
    return WAIT_MINIMUM;
}

static bool looked_lately(const struct core *core, const struct task *task)
{
    for (size_t i = 0; i < task->container_count; i++)
        if (task->containers[i].essential &&
            task->containers[i].looked_at + CONFIRMED_FOR < core->now)
            return false;
    return true;
}

/* Those that are to carry on must be there now, and not only when they were last heard of: an
 * event may have been lost. A look costs a third of a millisecond. */
bool service_is_confirmed(const struct step *step, const struct service_fact *service,
                          const struct task *task)
{
    bool confirmed = true;
    for (struct task *other = service->tasks; other; other = other->service_next) {
        /* The task itself may have recovered meanwhile. */
        bool counts = other == task || other->last_health == TASK_HEALTHY;
        if (!counts || other->intent != INTENT_RUN || looked_lately(step->core, other))
            continue;
        task_look(other);
        confirmed = false;
    }
    return confirmed;
}

/* The bounds are asked again at every single stop. Never "this one is not known to be healthy, so
 * it may go": only "those known to be healthy suffice without it". */
enum wait_reason may_retire(struct step *step, const struct service_fact *service,
                            const struct task *task, bool need_room)
{
    struct core *core = step->core;
    if (!core->observed_once)
        return WAIT_FIRST_LOOK;
    if (!core->desired)
        return WAIT_DOCUMENT;
    ASSERT(service->wanted && service->primary);
    if (service->primary->memory_version > core->saved_version)
        return WAIT_SAVE;
    if (is_known_to_serve_nobody(task))
        return WAIT_NONE;
    if (is_old_generation(service, task) && service->primary->state == DEPLOYMENT_FAILED)
        return WAIT_FAILED;
    enum wait_reason reason = bounds_allow(service, task, need_room);
    if (reason == WAIT_NONE && !service_is_confirmed(step, service, task))
        return WAIT_UNKNOWN;
    return reason;
}
