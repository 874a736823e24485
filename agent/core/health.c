/* health.c: is a task healthy? From container health checks (ECS's aggregation), from the agent's
 * own probes, and where there is neither, from having run for the settling time. */
#include "inside.h"

#define FAST_PROBE_MS SECONDS(1) /* until the first healthy verdict */

const char *task_health_name(enum task_health health)
{
    static const char *const names[] = { [TASK_HEALTH_UNKNOWN] = "UNKNOWN",
                                         [TASK_HEALTHY] = "HEALTHY",
                                         [TASK_UNHEALTHY] = "UNHEALTHY" };
    ASSERT((size_t)health < COUNT_OF(names));
    return names[health];
}

static bool has_check(const struct container *container)
{
    if (container->definition && container->definition->health_check.present)
        return !container->definition->health_check.disabled;
    return container->health != HEALTH_NONE; /* the image's own HEALTHCHECK, or adopted */
}

/* ECS: over essential containers with a check: any UNHEALTHY, else any not known, else HEALTHY. */
enum task_health task_container_health(const struct task *task)
{
    enum task_health health = TASK_HEALTH_UNKNOWN;
    bool unknown = false;
    for (size_t i = 0; i < task->container_count; i++) {
        const struct container *container = &task->containers[i];
        if (!container->essential || !has_check(container))
            continue;
        if (container->health == HEALTH_UNHEALTHY)
            return TASK_UNHEALTHY;
        unknown = unknown || container->health != HEALTH_HEALTHY;
        health = TASK_HEALTHY;
    }
    return unknown ? TASK_HEALTH_UNKNOWN : health;
}

/* The first thing that is wrong, in the words of the check itself. */
void task_unhealthy_cause(const struct task *task, char *ret, size_t size)
{
    for (size_t i = 0; i < task->container_count; i++) {
        const struct container *container = &task->containers[i];
        if (!container->essential || container->health != HEALTH_UNHEALTHY)
            continue;
        (void)snprintf(ret, size, "health check of %.60s failed%s%.80s", container->name,
                       *container->health_output ? ": " : "", container->health_output);
        return;
    }
    for (size_t i = 0; i < task->probe_count; i++) {
        const struct probe_fact *probe = &task->probes[i];
        if (probe->state != PROBE_UNHEALTHY)
            continue;
        (void)snprintf(ret, size, "probe of %.60s:%lld failed: %.60s", probe->container_name,
                       (long long)probe->container_port, probe->last);
        return;
    }
}

static bool any_container_check(const struct task *task)
{
    for (size_t i = 0; i < task->container_count; i++)
        if (task->containers[i].essential && has_check(&task->containers[i]))
            return true;
    return false;
}

static msec grace_of(const struct task *task)
{
    const struct service_fact *service = task->owner;
    return service && service->wanted ? service->wanted->grace_ms : 0;
}

static bool any_probe_check(const struct task *task)
{
    for (size_t i = 0; i < task->probe_count; i++)
        if (task->probes[i].definition.protocol != PROBE_NONE)
            return true;
    return false;
}

static enum task_health probes_health(const struct core *core, const struct task *task)
{
    enum task_health health = TASK_HEALTHY;
    for (size_t i = 0; i < task->probe_count; i++) {
        const struct probe_fact *probe = &task->probes[i];
        if (probe->definition.protocol == PROBE_NONE || probe->state == PROBE_HEALTHY)
            continue;
        bool in_grace = core->now < task->running_at + grace_of(task);
        if (probe->state == PROBE_UNHEALTHY && !in_grace)
            return TASK_UNHEALTHY;
        health = TASK_HEALTH_UNKNOWN;
    }
    return health;
}

/* An event may have been lost: that it still runs at the end of the settling time is not believed
 * before a look has said so. */
static bool seen_since(const struct task *task, msec at)
{
    for (size_t i = 0; i < task->container_count; i++)
        if (task->containers[i].essential && task->containers[i].looked_at < at)
            return false;
    return true;
}

enum task_health task_health(const struct core *core, const struct task *task)
{
    if (!task->running_at || !task_is_running(core, task))
        return TASK_HEALTH_UNKNOWN;
    bool by_container = any_container_check(task), by_probe = any_probe_check(task);
    if (!by_container && !by_probe)
        return seen_since(task, task->running_at + core->options.settle_ms) ? TASK_HEALTHY
                                                                            : TASK_HEALTH_UNKNOWN;
    enum task_health containers = by_container ? task_container_health(task) : TASK_HEALTHY;
    enum task_health probes = by_probe ? probes_health(core, task) : TASK_HEALTHY;
    if (containers == TASK_UNHEALTHY || probes == TASK_UNHEALTHY)
        return TASK_UNHEALTHY;
    if (containers == TASK_HEALTH_UNKNOWN || probes == TASK_HEALTH_UNKNOWN)
        return TASK_HEALTH_UNKNOWN;
    return TASK_HEALTHY;
}

void task_look(struct task *task)
{
    for (size_t i = 0; i < task->container_count; i++)
        if (task->containers[i].essential)
            task->containers[i].look_needed = true;
}

static void note_health(struct core *core, struct task *task, enum task_health health)
{
    if (health == task->last_health)
        return;
    task->last_health = health;
    if (health == TASK_HEALTHY && !task->healthy_at)
        task->healthy_at = core->now;
    if (health == TASK_HEALTHY) {
        struct service_fact *service = task->owner;
        struct deployment *deployment = service ? deployment_find(service, task->generation) : NULL;
        if (deployment)
            deployment->progress_at = core->now;
    }
    char cause[160] = "";
    if (health == TASK_UNHEALTHY)
        task_unhealthy_cause(task, cause, sizeof cause);
    change_emit(core, CHANGE_TASK, health == TASK_UNHEALTHY, task->service, task->id, "",
                "health is %s%s%s", task_health_name(health), *cause ? ": " : "", cause);
}

void plan_health(struct step *step)
{
    struct core *core = step->core;
    for (struct task *task = core->tasks; task; task = task->next) {
        if (task->intent == INTENT_STOP)
            continue; /* what it was when that was decided stays */
        task_note_running(core, task);
        note_health(core, task, task_health(core, task));
        if (!task->running_at || task->last_health == TASK_HEALTHY)
            continue;
        bool checked = any_probe_check(task) || any_container_check(task);
        msec at = task->running_at + (checked ? grace_of(task) : core->options.settle_ms);
        if (at > core->now)
            step_wake(step, at);
        else if (!checked)
            task_look(task);
    }
}

/* ------------------------------------------------------------------ probes */

/* Straight to the task's own address, never through the published port: a published port may
 * lead to another task. */
static const char *probe_address(const struct task *task, const struct probe_fact *probe)
{
    const struct container *container = task_container(task, probe->container_name);
    if (!container || container->state != CONTAINER_RUNNING)
        return NULL;
    if (container->address[0])
        return container->address;
    bool on_host = task->definition ? task->definition->network_mode == NETWORK_HOST
                                    : container->runtime_id[0] != '\0';
    return on_host ? "127.0.0.1" : NULL;
}

static void plan_probe(struct step *step, struct task *task, struct probe_fact *probe)
{
    struct core *core = step->core;
    if (probe->definition.protocol == PROBE_NONE || probe->action)
        return;
    const char *address = probe_address(task, probe);
    if (!address)
        return;
    if (core->now < probe->next_at) {
        step_wake(step, probe->next_at);
        return;
    }
    if (core->probes >= core->options.max_probes)
        return; /* one that is in flight ends by its deadline and makes room */
    struct action *action = step_action(step, ACT_PROBE);
    if (!action)
        return;
    core->probes++;
    probe->action = action->id;
    action->service = task->service;
    action->task = task;
    action->probe = &probe->definition;
    action->address = address;
    action->port = probe->container_port;
    action_cause(action, "%s", "its time has come");
}

void plan_probes(struct step *step)
{
    for (struct task *task = step->core->tasks; task; task = task->next) {
        if (task->intent == INTENT_STOP)
            continue;
        for (size_t i = 0; i < task->probe_count; i++)
            plan_probe(step, task, &task->probes[i]);
    }
}

static msec probe_interval(const struct probe_fact *probe)
{
    msec interval = probe->definition.interval_ms;
    return probe->state != PROBE_HEALTHY && interval > FAST_PROBE_MS ? FAST_PROBE_MS : interval;
}

/* Quick probes find a task that became ready soon; they must not declare a slow starter dead
 * sooner than its interval says: a failure counts at most once per interval. */
static void count_failure(const struct core *core, struct probe_fact *probe)
{
    probe->successes = 0;
    if (probe->counted_at && core->now < probe->counted_at + probe->definition.interval_ms)
        return;
    probe->counted_at = core->now;
    probe->failures++;
    if (probe->failures >= probe->definition.unhealthy_threshold)
        probe->state = PROBE_UNHEALTHY;
}

static void count_success(struct probe_fact *probe)
{
    probe->failures = 0;
    probe->counted_at = 0;
    probe->successes++;
    if (probe->successes >= probe->definition.healthy_threshold)
        probe->state = PROBE_HEALTHY;
}

static void fold_probe(struct core *core, struct probe_fact *probe, const struct event *event)
{
    probe->action = 0;
    probe->answered = true;
    probe->last_wall = core->wall;
    (void)snprintf(probe->last, sizeof probe->last, "%s", event->text ? event->text : "");
    if (event->healthy)
        count_success(probe);
    else
        count_failure(core, probe);
    probe->next_at = core->now + prng_jitter(&core->prng, probe_interval(probe), 10);
}

void fold_probed(struct core *core, const struct event *event)
{
    core->probes--;
    ASSERT(core->probes >= 0);
    for (struct task *task = core->tasks; task; task = task->next) {
        for (size_t i = 0; i < task->probe_count; i++) {
            if (task->probes[i].action != event->action)
                continue;
            fold_probe(core, &task->probes[i], event);
            return;
        }
    }
}
