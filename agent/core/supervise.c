/* supervise.c: one task as a graph of containers: started in the order of dependsOn, stopped in
 * reverse, removed when it is over. Only ever moves towards its intent. */
#include "inside.h"

#define RETRY_MIN SECONDS(1)
#define RETRY_MAX SECONDS(30)

static msec retry_delay(struct core *core, int retries)
{
    msec delay = RETRY_MIN;
    for (int i = 1; i < retries && delay < RETRY_MAX; i++)
        delay *= 2;
    return prng_jitter(&core->prng, delay < RETRY_MAX ? delay : RETRY_MAX, 25);
}

void container_retry_later(struct core *core, struct container *container)
{
    container->retries++;
    container->retry_at = core->now + retry_delay(core, container->retries);
}

static bool retry_is_due(struct step *step, struct container *container)
{
    if (step->core->now >= container->retry_at)
        return true;
    wait_set(&container->wait, step->core, WAIT_RETRY, "%.150s", container->reason);
    step_wake(step, container->retry_at);
    return false;
}

static struct action *container_action(struct step *step, struct task *task,
                                       struct container *container, enum action_kind kind,
                                       enum container_state to)
{
    struct action *action = step_action(step, kind);
    if (!action)
        return NULL;
    action->container_name = container->runtime_name;
    action->service = task->service;
    action->task = task;
    action->container = (size_t)(container - task->containers);
    container->action = action->id;
    container->touched = action->id;
    container_move(step->core, task, container, to);
    return action;
}

/* ------------------------------------------------------------------ what memory must hold first */

static bool memory_is_saved(struct step *step, const struct task *task, struct wait *wait)
{
    struct core *core = step->core;
    uint64_t needed = 0;
    if (*task->service) {
        const struct service_fact *service = task->owner;
        const struct deployment *deployment =
            service ? deployment_find(service, task->generation) : NULL;
        needed = deployment ? deployment->memory_version : 0;
    }
    if (needed <= core->saved_version)
        return true;
    wait_set(wait, core, WAIT_SAVE, "%s", "");
    return false;
}

/* ------------------------------------------------------------------ create */

static bool start_has_turn(struct step *step, struct container *container)
{
    if (step->core->starts < step->core->options.max_starts)
        return true;
    wait_set(&container->wait, step->core, WAIT_TURN, "%lld starts under way",
             (long long)step->core->starts);
    return false;
}

/* The registry is asked once per deployment where the tag may move, see image.c; a refusal counts
 * for the task that got it, and the next attempt asks again. */
static struct image_wish image_wish(const struct step *step, const struct task *task,
                                    const struct container *container)
{
    const struct deployment *deployment =
        task->owner ? deployment_find(task->owner, task->generation) : NULL;
    /* The first task of a slot rests on what the deployment was told before anything old stopped:
     * asking again would put the registry into the gap of a stop-first replacement. */
    bool once = deployment &&
                (step->core->options.pull_behavior == PULL_PREFER_CACHED || task->attempt <= 1);
    return (struct image_wish){
        .confirmed_since = once ? deployment->created_at : container->pull_since,
        .asked_since = container->pull_since,
        .fresh = deployment ? deployment->fresh : !step->core->stored_only,
    };
}

static void plan_pulling(struct step *step, struct task *task, struct container *container)
{
    if (!container->definition)
        return; /* its document has been superseded; the service plan retires it */
    struct image_wish wish = image_wish(step, task, container);
    enum image_verdict verdict =
        image_need(step, container->image, &wish, task->service, &container->wait);
    if (verdict == IMAGE_WONT) {
        const struct image *image = image_find(step->core, container->image);
        container_fail(step->core, task, container, BLAME_IMAGE, "", "%s",
                       image ? image->error : "CannotPullContainerError");
        step_wake(step, step->core->now); /* who depends on it came before it in this pass */
        return;
    }
    if (verdict != IMAGE_READY || !memory_is_saved(step, task, &container->wait) ||
        !step_may_act(step, &container->wait) || !retry_is_due(step, container) ||
        !start_has_turn(step, container))
        return;
    struct action *action = container_action(step, task, container, ACT_CREATE, CONTAINER_CREATING);
    if (!action)
        return;
    step->core->starts++;
    action->image = container->image;
    action_cause(action, "%s slot %lld needs %s", task->definition_name, (long long)task->slot,
                 container->name);
}

/* ------------------------------------------------------------------ start, in dependency order */

enum verdict { DEPENDENCY_READY, DEPENDENCY_WAIT, DEPENDENCY_DEAD, DEPENDENCY_LATE };

static enum verdict dependency_state(const struct core *core, const struct container *on,
                                     enum depends_condition condition)
{
    bool over = container_is_over(core, on);
    switch (condition) {
    case DEPENDS_START:
        if (on->state == CONTAINER_RUNNING || (over && on->ever_started))
            return DEPENDENCY_READY;
        return over ? DEPENDENCY_DEAD : DEPENDENCY_WAIT;
    case DEPENDS_COMPLETE:
        if (over)
            return on->ever_started ? DEPENDENCY_READY : DEPENDENCY_DEAD;
        return DEPENDENCY_WAIT;
    case DEPENDS_SUCCESS:
        if (over)
            return on->exit_known && on->exit_code == 0 ? DEPENDENCY_READY : DEPENDENCY_DEAD;
        return DEPENDENCY_WAIT;
    case DEPENDS_HEALTHY:
        if (on->state == CONTAINER_RUNNING && on->health == HEALTH_HEALTHY)
            return DEPENDENCY_READY;
        return over ? DEPENDENCY_DEAD : DEPENDENCY_WAIT;
    }
    return DEPENDENCY_WAIT;
}

/* ECS: startTimeout stands on the dependency and runs from its start, for COMPLETE, SUCCESS and
 * HEALTHY. Without one HEALTHY gets a default: ECS lets the dependent wait for ever there. */
static msec dependency_deadline(const struct core *core, const struct container *on,
                                enum depends_condition condition)
{
    if (condition == DEPENDS_START || !on->ever_started)
        return MSEC_NEVER;
    msec timeout = on->start_timeout_ms;
    if (!timeout && condition == DEPENDS_HEALTHY)
        timeout = core->options.start_timeout_ms;
    return timeout ? on->started_at + timeout : MSEC_NEVER;
}

static enum verdict dependency_check(struct step *step, struct container *container,
                                     const struct dependency *dependency,
                                     const struct container *on)
{
    struct core *core = step->core;
    enum verdict verdict = on ? dependency_state(core, on, dependency->condition)
                              : DEPENDENCY_READY; /* unknown after adoption: it is long up */
    if (verdict != DEPENDENCY_WAIT)
        return verdict;
    msec deadline = dependency_deadline(core, on, dependency->condition);
    if (core->now >= deadline)
        return DEPENDENCY_LATE;
    step_wake(step, deadline);
    wait_set(&container->wait, core, WAIT_DEPENDENCY, "%s to be %s", dependency->container_name,
             depends_condition_name(dependency->condition));
    return DEPENDENCY_WAIT;
}

static void fail_dependent(struct step *step, struct task *task, struct container *container,
                           const struct dependency *dependency, enum verdict verdict)
{
    const char *condition = depends_condition_name(dependency->condition);
    if (verdict == DEPENDENCY_LATE) {
        /* ECS's synthetic exit code for a start timeout. */
        container->exit_known = true;
        container->exit_code = 143;
        container_fail(step->core, task, container, BLAME_IMAGE, "TaskDependencyError",
                       "%s did not become %s within its startTimeout", dependency->container_name,
                       condition);
        return;
    }
    container_fail(step->core, task, container, BLAME_IMAGE, "TaskDependencyError",
                   "%s ended and will never be %s", dependency->container_name, condition);
}

static bool dependencies_ready(struct step *step, struct task *task, struct container *container)
{
    for (size_t i = 0; i < container->depends_on_count; i++) {
        const struct dependency *dependency = &container->depends_on[i];
        const struct container *on = task_container(task, dependency->container_name);
        enum verdict verdict = dependency_check(step, container, dependency, on);
        if (verdict == DEPENDENCY_READY)
            continue;
        if (verdict == DEPENDENCY_WAIT)
            return false;
        fail_dependent(step, task, container, dependency, verdict);
        step_wake(step, step->core->now);
        return false;
    }
    return true;
}

static void plan_start(struct step *step, struct task *task, struct container *container,
                       const char *why)
{
    if (!step_may_act(step, &container->wait) || !retry_is_due(step, container) ||
        !start_has_turn(step, container) || !service_task_has_ports(step, task))
        return;
    if (*task->one_off && !one_off_may_start(step->core, task)) {
        wait_set(&container->wait, step->core, WAIT_SAVE, "%s", "");
        return;
    }
    struct action *action = container_action(step, task, container, ACT_START, CONTAINER_STARTING);
    if (!action)
        return;
    step->core->starts++;
    container->start_refused = false;
    container->start_asked_at = step->core->now;
    action_cause(action, "%s", why);
}

static void plan_restart(struct step *step, struct task *task, struct container *container)
{
    struct core *core = step->core;
    plan_start(step, task, container, "restartPolicy");
    if (container->state != CONTAINER_STARTING)
        return;
    container->restart_count++;
    container->restarted_at = core->now;
    change_emit(core, CHANGE_CONTAINER, true, task->service, task->id, container->name,
                "exited with code %lld, restarted by its restartPolicy (restart %d)",
                (long long)container->exit_code, container->restart_count);
}

/* A task that never ran and is not wanted any more gets no further containers while it waits to
 * be retired. */
static bool is_superseded(const struct task *task)
{
    return task->owner && !task->running_at && service_has_done_with(task->owner, task);
}

static void plan_run(struct step *step, struct task *task, struct container *container)
{
    if (container_in_flight(container) || is_superseded(task))
        return;
    if (task->owner && service_holds_back(task->owner, task)) {
        wait_set(&container->wait, step->core, WAIT_MAXIMUM, "%s", "");
        return;
    }
    switch (container->state) {
    case CONTAINER_NONE:
        container_move(step->core, task, container, CONTAINER_PULLING);
        plan_pulling(step, task, container);
        break;
    case CONTAINER_PULLING:
        plan_pulling(step, task, container);
        break;
    case CONTAINER_CREATED:
        if (dependencies_ready(step, task, container))
            plan_start(step, task, container, "created, and what it depends on is there");
        break;
    case CONTAINER_STOPPED:
        if (container_will_restart(step->core, container))
            plan_restart(step, task, container);
        break;
    case CONTAINER_CREATING:
    case CONTAINER_STARTING:
    case CONTAINER_RUNNING:
    case CONTAINER_STOPPING:
    case CONTAINER_REMOVING:
    case CONTAINER_GONE:
    case CONTAINER_UNKNOWN:
        break;
    }
}

/* ------------------------------------------------------------------ stop, in reverse order */

static bool depends_on(const struct container *container, const char *name)
{
    for (size_t i = 0; i < container->depends_on_count; i++)
        if (str_equal(container->depends_on[i].container_name, name))
            return true;
    return false;
}

static const struct container *running_dependent(const struct core *core, const struct task *task,
                                                 const struct container *container)
{
    for (size_t i = 0; i < task->container_count; i++) {
        const struct container *other = &task->containers[i];
        if (other != container && depends_on(other, container->name) &&
            other->state != CONTAINER_CREATED && !container_is_over(core, other))
            return other;
    }
    return NULL;
}

/* A document never has a circle of dependencies, but labels are outside input. */
static bool stop_order_exists(const struct core *core, const struct task *task)
{
    for (size_t i = 0; i < task->container_count; i++) {
        const struct container *container = &task->containers[i];
        if (!container_is_over(core, container) && !running_dependent(core, task, container))
            return true;
    }
    return false;
}

static void plan_stop_running(struct step *step, struct task *task, struct container *container)
{
    struct core *core = step->core;
    const struct container *dependent = running_dependent(core, task, container);
    if (dependent && stop_order_exists(core, task)) {
        wait_set(&container->wait, core, WAIT_DEPENDENCY, "%s stops first", dependent->name);
        return;
    }
    if (!step_may_act(step, &container->wait) || !retry_is_due(step, container))
        return;
    if (core->stops >= core->options.max_stops) {
        wait_set(&container->wait, core, WAIT_TURN, "%lld stops under way", (long long)core->stops);
        return;
    }
    struct action *action = container_action(step, task, container, ACT_STOP, CONTAINER_STOPPING);
    if (!action)
        return;
    core->stops++;
    action->stop_timeout_ms = container->stop_timeout_ms;
    action_cause(action, "%s", task->stopped_reason);
    container->stop_asked_at = core->now;
    wait_set(&container->wait, core, WAIT_STOPPING, "%lld s until SIGKILL",
             (long long)(container->stop_timeout_ms / 1000));
}

/* First what never ran: nothing waits for it. */
static void end_what_never_ran(struct core *core, struct task *task)
{
    for (size_t i = 0; i < task->container_count; i++) {
        struct container *container = &task->containers[i];
        if (container_in_flight(container))
            continue;
        if (container->state == CONTAINER_NONE || container->state == CONTAINER_PULLING)
            container_move(core, task, container, CONTAINER_GONE);
        if (container->state == CONTAINER_CREATED)
            container_move(core, task, container, CONTAINER_STOPPED);
    }
}

static void stop_what_runs(struct step *step, struct task *task)
{
    for (size_t i = task->container_count; i-- > 0;) {
        struct container *container = &task->containers[i];
        if (container->state == CONTAINER_RUNNING && !container_in_flight(container))
            plan_stop_running(step, task, container);
    }
}

/* ------------------------------------------------------------------ remove what is over */

static size_t not_gone(const struct task *task)
{
    size_t count = 0;
    for (size_t i = 0; i < task->container_count; i++)
        count += task->containers[i].state != CONTAINER_GONE;
    return count;
}

static void plan_remove(struct step *step, struct task *task, struct container *container)
{
    struct core *core = step->core;
    if (container->state != CONTAINER_STOPPED || container_in_flight(container))
        return;
    if (!step_may_act(step, &container->wait) || !retry_is_due(step, container) ||
        core->stops >= core->options.max_stops)
        return;
    bool last = not_gone(task) == 1;
    struct action *action = container_action(step, task, container, ACT_REMOVE, CONTAINER_REMOVING);
    if (!action)
        return;
    core->stops++;
    action->last = last;
    action_cause(action, "stopped: %s", task->stopped_reason);
}

/* The newest failed task of a service stays for a while: `logs` and `why` need its containers. */
static bool is_kept_for_its_logs(struct step *step, const struct task *task)
{
    struct core *core = step->core;
    if (task->stopped_by_us || !task_ever_started(task) || !task->dead_at)
        return false;
    const struct service_fact *service = task->owner;
    if (!service || !service->wanted)
        return false;
    for (const struct task *other = task->service_next; other; other = other->service_next)
        if (other->dead_at && !other->stopped_by_us && task_ever_started(other))
            return false;
    if (core->now >= task->dead_at + core->options.keep_stopped_ms)
        return false;
    step_wake(step, task->dead_at + core->options.keep_stopped_ms);
    return true;
}

static bool is_kept_as_proof(const struct core *core, const struct task *task)
{
    const struct one_off_record *record = *task->one_off ? core_one_off(core, task->one_off) : NULL;
    if (!record || record->state == ONE_OFF_NEW)
        return false;
    return !core->desired || desired_one_off(core->desired, task->one_off);
}

static void note_death(struct step *step, struct task *task)
{
    if (task->dead_at)
        return;
    struct core *core = step->core;
    task->dead_at = core->now;
    task->stopped_wall = core->wall;
    deployment_count_death(core, task);
    step_wake(step, core->now);
}

static void plan_stopping_task(struct step *step, struct task *task)
{
    end_what_never_ran(step->core, task);
    stop_what_runs(step, task);
    if (!task_is_over(step->core, task))
        return;
    note_death(step, task);
    if (is_kept_as_proof(step->core, task) || is_kept_for_its_logs(step, task))
        return;
    for (size_t i = 0; i < task->container_count; i++)
        plan_remove(step, task, &task->containers[i]);
}

/* ------------------------------------------------------------------ the task as a whole */

static const struct container *essential_over(const struct core *core, const struct task *task)
{
    for (size_t i = 0; i < task->container_count; i++)
        if (task->containers[i].essential && container_is_over(core, &task->containers[i]))
            return &task->containers[i];
    return NULL;
}

static void check_essential(struct core *core, struct task *task)
{
    const struct container *over = essential_over(core, task);
    if (!over)
        return;
    task->blame = over->blame;
    task->lost_in_outage = over->lost_in_outage;
    if (!task->started_wall)
        task->started_wall = over->started_wall;
    const char *code =
        task->running_at || over->ever_started ? "EssentialContainerExited" : "TaskFailedToStart";
    if (over->reason[0])
        task_stop(core, task, code, "%s: %.230s", over->name, over->reason);
    else
        task_stop(core, task, code, "Essential container %s exited with code %lld", over->name,
                  (long long)over->exit_code);
    /* Now, and not when the last of its containers has stopped: its replacement waits for the
     * backoff that this death brings. */
    deployment_count_death(core, task);
}

/* Before anything is decided about it: a task found running must not count as one that never ran.
 */
void task_note_running(struct core *core, struct task *task)
{
    if (task->running_at || !task_is_running(core, task))
        return;
    msec latest = 0, wall = 0;
    for (size_t i = 0; i < task->container_count; i++) {
        const struct container *container = &task->containers[i];
        if (container->essential && container->started_at > latest)
            latest = container->started_at;
        if (container->essential && container->started_wall > wall)
            wall = container->started_wall;
    }
    task->running_at = latest ? latest : core->now;
    task->started_wall = wall ? wall : core->wall;
}

void plan_task(struct step *step, struct task *task)
{
    if (task->intent == INTENT_RUN) {
        for (size_t i = 0; i < task->container_count; i++)
            plan_run(step, task, &task->containers[i]);
        check_essential(step->core, task);
    }
    if (task->intent == INTENT_STOP)
        plan_stopping_task(step, task);
}
