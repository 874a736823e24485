/* container.c: the machine of one container, and what a look makes of it. */
#include "inside.h"

static const char *const state_names[] = {
    [CONTAINER_NONE] = "NONE",         [CONTAINER_PULLING] = "PULLING",
    [CONTAINER_CREATING] = "CREATING", [CONTAINER_CREATED] = "CREATED",
    [CONTAINER_STARTING] = "STARTING", [CONTAINER_RUNNING] = "RUNNING",
    [CONTAINER_STOPPING] = "STOPPING", [CONTAINER_STOPPED] = "STOPPED",
    [CONTAINER_REMOVING] = "REMOVING", [CONTAINER_GONE] = "GONE",
    [CONTAINER_UNKNOWN] = "UNKNOWN",
};

const char *container_state_name(enum container_state state)
{
    ASSERT((size_t)state < COUNT_OF(state_names));
    return state_names[state];
}

#define TO(state) (1u << CONTAINER_##state)

/* A look may find anything in a container that no call of ours is changing: people and crashes
 * do what they like. What is not listed here is a bug of ours. */
static const unsigned legal_moves[] = {
    [CONTAINER_NONE] =
        TO(PULLING) | TO(GONE) | TO(CREATED) | TO(RUNNING) | TO(STOPPED) | TO(UNKNOWN),
    [CONTAINER_PULLING] = TO(CREATING) | TO(GONE) | TO(CREATED) | TO(RUNNING) | TO(STOPPED),
    [CONTAINER_CREATING] = TO(CREATED) | TO(PULLING) | TO(GONE) | TO(UNKNOWN),
    [CONTAINER_CREATED] = TO(STARTING) | TO(RUNNING) | TO(STOPPED) | TO(GONE) | TO(UNKNOWN),
    [CONTAINER_STARTING] = TO(RUNNING) | TO(CREATED) | TO(STOPPED) | TO(GONE) | TO(UNKNOWN),
    [CONTAINER_RUNNING] = TO(STOPPING) | TO(CREATED) | TO(STOPPED) | TO(GONE) | TO(UNKNOWN),
    [CONTAINER_STOPPING] = TO(CREATED) | TO(STOPPED) | TO(RUNNING) | TO(GONE) | TO(UNKNOWN),
    [CONTAINER_STOPPED] = TO(STARTING) | TO(RUNNING) | TO(REMOVING) | TO(GONE) | TO(UNKNOWN),
    [CONTAINER_REMOVING] = TO(GONE) | TO(STOPPED) | TO(RUNNING) | TO(UNKNOWN),
    [CONTAINER_GONE] = TO(CREATED) | TO(RUNNING) | TO(STOPPED),
    [CONTAINER_UNKNOWN] = TO(PULLING) | TO(CREATED) | TO(RUNNING) | TO(STOPPED) | TO(GONE),
};

void container_move(struct core *core, struct task *task, struct container *container,
                    enum container_state to)
{
    if (container->state == to)
        return;
    ASSERT((size_t)to < COUNT_OF(legal_moves));
    ASSERT((legal_moves[container->state] & (1u << to)) != 0);
    container->state = to;
    if (to == CONTAINER_PULLING)
        container->pull_since = core->now;
    if (to == CONTAINER_RUNNING)
        container->ever_started = true;
    wait_clear(&container->wait);
    (void)task;
}

bool container_in_flight(const struct container *container)
{
    return container->action != 0;
}

void container_touch(struct core *core, struct container *container)
{
    container->touched = core->next_action;
}

static bool exit_code_is_ignored(const struct restart_policy *policy, int64_t code)
{
    for (size_t i = 0; i < policy->ignored_exit_code_count; i++)
        if (policy->ignored_exit_codes[i] == code)
            return true;
    return false;
}

/* ECS, restart/: restart in place unless it never ran, the code is unknown or ignored, or it ran
 * for less than the period since its last restart, else since its start. */
bool container_will_restart(const struct core *core, const struct container *container)
{
    if (container->state != CONTAINER_STOPPED || !container->definition)
        return false;
    const struct restart_policy *policy = &container->definition->restart_policy;
    if (!policy->enabled || !container->ever_started || !container->exit_known)
        return false;
    if (container->start_refused || exit_code_is_ignored(policy, container->exit_code))
        return false;
    (void)core;
    msec since = container->restarted_at ? container->restarted_at : container->started_at;
    msec ran = container->exited_at - since;
    return ran >= SECONDS(policy->attempt_period_s);
}

bool container_is_over(const struct core *core, const struct container *container)
{
    if (container->state == CONTAINER_GONE || container->state == CONTAINER_REMOVING)
        return true;
    return container->state == CONTAINER_STOPPED && !container_will_restart(core, container);
}

void container_fail(struct core *core, struct task *task, struct container *container,
                    enum blame blame, const char *error, const char *format, ...)
{
    char text[REASON_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)snprintf(container->reason, sizeof container->reason, "%s%s%.200s",
                   error && *error ? error : "", error && *error ? ": " : "", text);
    container->blame = blame;
    bool exists = container->state == CONTAINER_CREATED || container->state == CONTAINER_STARTING;
    container_move(core, task, container, exists ? CONTAINER_STOPPED : CONTAINER_GONE);
    change_emit(core, CHANGE_CONTAINER, true, task->service, task->id, container->name, "%s",
                container->reason);
}

/* Wall clocks jump, and some hosts boot in 1970: a start is believed only as far as it lies between
 * when it was asked for, or the host's own start, and now. */
static msec started_at(const struct core *core, const struct container *container, msec wall)
{
    msec earliest = container->start_asked_at ? container->start_asked_at : 1;
    if (wall <= 0 || core->wall <= wall)
        return core->now;
    msec age = core->wall - wall;
    return core->now - earliest > age ? core->now - age : earliest;
}

static void observe_start(struct core *core, struct container *container,
                          const struct observed_container *seen)
{
    if (!seen->started || seen->started_wall_ms == container->started_wall)
        return;
    bool first = container->started_wall == 0 && container->started_at == 0;
    container->started_wall = seen->started_wall_ms;
    container->started_at = first ? started_at(core, container, seen->started_wall_ms) : core->now;
    container->ever_started = true;
}

static void observe_details(struct core *core, struct container *container,
                            const struct observed_container *seen)
{
    (void)snprintf(container->runtime_id, sizeof container->runtime_id, "%s", seen->runtime_id);
    (void)snprintf(container->image_id, sizeof container->image_id, "%s", seen->image_id);
    (void)snprintf(container->address, sizeof container->address, "%s", seen->address);
    (void)snprintf(container->health_output, sizeof container->health_output, "%s",
                   seen->health_output);
    container->health = seen->state == RUNTIME_RUNNING ? seen->health : HEALTH_NONE;
    container->created_wall = seen->created_wall_ms;
    free(container->ports);
    container->ports = memory_array(seen->port_count, sizeof *container->ports);
    container->port_count = seen->port_count;
    for (size_t i = 0; i < seen->port_count; i++)
        container->ports[i] = seen->ports[i];
    observe_start(core, container, seen);
}

static void describe_exit(struct container *container, const struct observed_container *seen)
{
    container->exit_known = seen->started;
    container->exit_code = seen->exit_code;
    container->oom_killed = seen->oom_killed;
    container->finished_wall = seen->finished_wall_ms;
    container->reason[0] = '\0';
    if (seen->oom_killed)
        (void)snprintf(container->reason, sizeof container->reason,
                       "OutOfMemoryError: Container killed due to memory usage");
    else if (*seen->error)
        (void)snprintf(container->reason, sizeof container->reason, "%.250s", seen->error);
}

static void observe_exit(struct core *core, struct task *task, struct container *container,
                         const struct observed_container *seen)
{
    if (container->state == CONTAINER_STOPPED)
        return;
    bool refused = container->start_refused;
    bool on_purpose = task->intent == INTENT_STOP;
    if (!refused)
        describe_exit(container, seen);
    container->exited_at = core->now;
    container->lost_in_outage = core->outage;
    if (!refused)
        container->blame = core->outage || on_purpose ? BLAME_NOBODY : BLAME_IMAGE;
    container_move(core, task, container, CONTAINER_STOPPED);
    if (container->exit_known)
        change_emit(core, CHANGE_CONTAINER, !on_purpose && container->exit_code != 0, task->service,
                    task->id, container->name, "exited with code %lld%s%s",
                    (long long)container->exit_code, *container->reason ? ": " : "",
                    container->reason);
}

/* "created" after a start that the runtime refused: the image's fault ends it, the host's (a port
 * in use) is tried again. */
static void observe_created(struct core *core, struct task *task, struct container *container)
{
    if (container->state == CONTAINER_STOPPED)
        return; /* failed by us; it only waits for its removal */
    if (container->start_refused && container->blame == BLAME_IMAGE) {
        container->exited_at = core->now;
        container_move(core, task, container, CONTAINER_STOPPED);
        return;
    }
    container_move(core, task, container, CONTAINER_CREATED);
}

void container_observe(struct core *core, struct task *task, struct container *container,
                       const struct observed_container *seen)
{
    observe_details(core, container, seen);
    container->looked_at = core->now;
    switch (seen->state) {
    case RUNTIME_CREATED:
        observe_created(core, task, container);
        break;
    case RUNTIME_RUNNING:
        container->start_refused = false;
        container->retries = 0;
        if (container->state != CONTAINER_RUNNING) {
            container->exit_known = false;
            container->reason[0] = '\0';
        }
        container_move(core, task, container, CONTAINER_RUNNING);
        break;
    case RUNTIME_EXITED:
    case RUNTIME_DEAD:
    case RUNTIME_REMOVING:
        observe_exit(core, task, container, seen);
        break;
    }
}

/* The runtime does not know it. Before a create that means: not yet; after one: somebody took it
 * away, and there is nothing left to restart or to read an exit code from. */
void container_vanished(struct core *core, struct task *task, struct container *container)
{
    if (container->state == CONTAINER_NONE || container->state == CONTAINER_PULLING)
        return; /* nothing of it was ever there to miss */
    bool never_was = !container->runtime_id[0] && container->create_lost;
    container->create_lost = false;
    if (never_was && task->intent == INTENT_RUN) {
        container_move(core, task, container, CONTAINER_PULLING);
        return;
    }
    bool expected = task->intent == INTENT_STOP || never_was ||
                    container->state == CONTAINER_REMOVING || container->state == CONTAINER_STOPPED;
    if (!expected) {
        (void)snprintf(container->reason, sizeof container->reason,
                       "ContainerVanishedError: the runtime no longer knows this container; "
                       "somebody removed it");
        container->blame = BLAME_NOBODY;
        container->lost_in_outage = core->outage;
        change_emit(core, CHANGE_CONTAINER, true, task->service, task->id, container->name, "%s",
                    container->reason);
    }
    container_move(core, task, container, CONTAINER_GONE);
}

const char *container_last_status(const struct container *container)
{
    switch (container->state) {
    case CONTAINER_NONE:
    case CONTAINER_PULLING:
    case CONTAINER_CREATING:
    case CONTAINER_CREATED:
    case CONTAINER_STARTING:
        return "PENDING";
    case CONTAINER_RUNNING:
    case CONTAINER_STOPPING:
        return "RUNNING";
    case CONTAINER_STOPPED:
    case CONTAINER_REMOVING:
    case CONTAINER_GONE:
        return "STOPPED";
    case CONTAINER_UNKNOWN:
        return container->ever_started ? "RUNNING" : "PENDING";
    }
    return "PENDING";
}
