/* plan.c: what is to be done, from the facts alone. The order of plan() is the policy. */
#include "inside.h"

#define LOOKS_MAX 16
#define PASSES_MAX 4

struct action *step_action(struct step *step, enum action_kind kind)
{
    struct effects *effects = step->effects;
    if (effects->count == EFFECTS_MAX) {
        step_wake(step, step->core->now); /* the rest is planned again at once */
        return NULL;
    }
    struct action *action = &effects->list[effects->count++];
    *action = (struct action){
        .kind = kind,
        .id = step->core->next_action++,
        .container_name = "",
        .service = "",
    };
    return action;
}

void step_wake(struct step *step, msec at)
{
    if (at < step->effects->wake_at)
        step->effects->wake_at = at;
}

void action_cause(struct action *action, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(action->cause, sizeof action->cause, format, args);
    va_end(args);
}

void wait_set(struct wait *wait, const struct core *core, enum wait_reason reason,
              const char *format, ...)
{
    if (wait->reason != reason)
        wait->since = core->now;
    wait->reason = reason;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(wait->detail, sizeof wait->detail, format, args);
    va_end(args);
}

void wait_clear(struct wait *wait)
{
    *wait = (struct wait){ 0 };
}

/* Calls that change the runtime wait until it answers looks again. */
bool step_may_act(struct step *step, struct wait *wait)
{
    const struct core *core = step->core;
    if (core->runtime_reachable)
        return true;
    wait_set(wait, core, WAIT_RUNTIME, "%.150s", core->runtime_error);
    return false;
}

/* ------------------------------------------------------------------ fetch, look, save */

static void plan_fetch(struct step *step)
{
    struct core *core = step->core;
    if (core->fetch_action)
        return;
    if (!core->fetch_asked && core->now < core->fetch_at) {
        step_wake(step, core->fetch_at);
        return;
    }
    struct action *action = step_action(step, ACT_FETCH);
    if (!action)
        return;
    action->accept_older = core->fetch_accept_older;
    action_cause(action, "%s", core->fetch_asked ? "asked for" : "poll interval");
    core->fetch_action = action->id;
    core->fetch_asked = core->fetch_accept_older = false;
}

static void plan_full_look(struct step *step)
{
    struct core *core = step->core;
    if (core->look_action)
        return;
    if (core->now < core->look_at) {
        step_wake(step, core->look_at);
        return;
    }
    struct action *action = step_action(step, ACT_OBSERVE);
    if (!action)
        return;
    action_cause(action, "%s", core->observed_once ? "look at everything" : "first look");
    core->look_action = action->id;
}

static void plan_scoped_look(struct step *step, struct task *task, struct container *container)
{
    struct core *core = step->core;
    if (!container->look_needed || container->look || container_in_flight(container))
        return;
    if (container->look_failures > 0 && core->now < container->retry_at) {
        step_wake(step, container->retry_at);
        return;
    }
    if (core->looks >= LOOKS_MAX)
        return;
    struct action *action = step_action(step, ACT_OBSERVE);
    if (!action)
        return;
    action->container_name = container->runtime_name;
    action->service = task->service;
    action_cause(action, "%s", "something may have happened to it");
    container->look = action->id;
    core->looks++;
}

static void plan_looks(struct step *step)
{
    struct core *core = step->core;
    plan_full_look(step);
    if (!core->runtime_reachable)
        return; /* the full look that finds it again says everything */
    for (struct task *task = core->tasks; task; task = task->next)
        for (size_t i = 0; i < task->container_count; i++)
            plan_scoped_look(step, task, &task->containers[i]);
}

static void plan_save(struct step *step)
{
    struct core *core = step->core;
    if (core->save_action)
        return;
    bool due = core->memory_version > core->saved_version;
    if (!due && core->save_failed && core->now < core->save_retry_at) {
        step_wake(step, core->save_retry_at);
        return;
    }
    if (!due && !core->save_failed)
        return;
    struct action *action = step_action(step, ACT_SAVE);
    if (!action)
        return;
    action_cause(action, "%s", "what was decided must survive a restart");
    core->save_action = action->id;
    core->saving_version = core->memory_version;
}

/* ------------------------------------------------------------------ orphans and index */

static void index_tasks(struct core *core)
{
    for (struct service_fact *service = core->services; service; service = service->next)
        service->tasks = service->last_task = NULL;
    for (struct task *task = core->tasks; task; task = task->next) {
        struct service_fact *owner = task->owner;
        task->service_next = NULL;
        if (!owner)
            continue;
        if (owner->last_task)
            owner->last_task->service_next = task;
        else
            owner->tasks = task;
        owner->last_task = task;
    }
}

static bool all_gone(const struct task *task)
{
    if (task->intent != INTENT_STOP || !task->dead_at)
        return false;
    for (size_t i = 0; i < task->container_count; i++)
        if (task->containers[i].state != CONTAINER_GONE)
            return false;
    return true;
}

static void drop_gone(struct step *step)
{
    struct core *core = step->core;
    bool dropped = false;
    for (struct task *task = core->tasks, *next = NULL; task; task = next) {
        next = task->next;
        if (!all_gone(task))
            continue;
        task_drop(core, task);
        dropped = true;
    }
    if (dropped)
        step_wake(step, core->now);
}

static void report_statuses(struct core *core)
{
    for (struct task *task = core->tasks; task; task = task->next) {
        const char *status = task_last_status(core, task);
        if (task->last_status && str_equal(task->last_status, status))
            continue;
        if (task->last_status)
            change_emit(core, CHANGE_TASK, false, task->service, task->id, "", "%s -> %s",
                        task->last_status, status);
        task->last_status = status;
    }
}

static void plan_everything(struct step *step)
{
    struct core *core = step->core;
    index_tasks(core);
    plan_health(step);
    plan_removed_services(step);
    index_tasks(core);
    plan_services(step);
    plan_one_offs(step);
    for (struct task *task = core->tasks; task; task = task->next)
        plan_task(step, task);
    plan_probes(step);
    report_statuses(core);
    drop_gone(step);
}

/* A document that is bad, or has not come, gives no right to touch anything: what runs is seen and
 * reported. */
static void watch_only(struct step *step)
{
    struct core *core = step->core;
    index_tasks(core);
    if (core->observed_once)
        plan_health(step);
    report_statuses(core);
}

/* Nothing destructive before both a first look and a document. What one pass decides can make
 * room for more (a task over, a slot free): a few passes, then the next step. */
void plan(struct step *step)
{
    struct core *core = step->core;
    for (int pass = 0; pass < PASSES_MAX; pass++) {
        step->effects->wake_at = MSEC_NEVER;
        if (core->observed_once && core->desired)
            plan_everything(step);
        else
            watch_only(step);
        if (step->effects->wake_at > core->now)
            break;
    }
    plan_save(step);
    plan_fetch(step);
    plan_looks(step);
}
