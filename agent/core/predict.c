/* predict.c: `berth plan`: the real core_step() on a copy of the facts, in a world where every
 * call succeeds at once, images are healthy and one-off work ends with 0. What it does is the
 * plan, so that plan and action cannot differ. */
#include "inside.h"

#define STEPS_MAX 2000
#define ROUNDS_MAX 20000
#define HORIZON MINUTES(120)

struct ideal_container {
    struct observed_container seen;
    struct arena arena;
    bool exists;
};

struct future {
    struct core *core;
    struct plan *plan;
    msec now, wall, begun;
    struct effects effects;
    struct ideal_container *containers;
    size_t container_count, container_capacity;
    struct event *answers; /* to be given, oldest first */
    size_t answer_count, answer_capacity, answer_next;
};

/* ------------------------------------------------------------------ the ideal runtime */

static struct ideal_container *ideal_find(struct future *future, const char *name)
{
    for (size_t i = 0; i < future->container_count; i++)
        if (future->containers[i].exists && str_equal(future->containers[i].seen.name, name))
            return &future->containers[i];
    return NULL;
}

static struct ideal_container *ideal_add(struct future *future)
{
    if (future->container_count == future->container_capacity) {
        future->container_capacity = future->container_capacity * 2 + 16;
        future->containers =
            memory_grow(future->containers, future->container_capacity, sizeof *future->containers);
    }
    struct ideal_container *container = &future->containers[future->container_count++];
    *container = (struct ideal_container){ .exists = true };
    return container;
}

static void ideal_describe(struct future *future, struct ideal_container *ideal,
                           const struct task *task, const struct container *container)
{
    struct arena *arena = &ideal->arena;
    ideal->seen = (struct observed_container){
        .runtime_id = arena_strdup(arena, container->runtime_name),
        .name = arena_strdup(arena, container->runtime_name),
        .image = arena_strdup(arena, container->image),
        .image_id = arena_strdup(arena, container->image_id),
        .error = "",
        .health_output = "",
        .address = container->address[0] ? arena_strdup(arena, container->address) : "192.0.2.1",
        .host = arena_strdup(arena, future->core->options.host_id),
        .cluster = "",
        .service = arena_strdup(arena, task->service),
        .one_off = arena_strdup(arena, task->one_off),
        .task_id = arena_strdup(arena, task->id),
        .container_name = arena_strdup(arena, container->name),
        .definition = arena_strdup(arena, task->definition_name),
        .digest_hex = arena_strdup(arena, task->digest_hex),
        .generation = task->generation,
        .slot = task->slot,
        .attempt = task->attempt,
        .essential = container->essential,
        .depends_on = "",
        .stop_timeout_s = container->stop_timeout_ms / 1000,
        .task_container_count = (int64_t)task->container_count,
        .created_wall_ms = future->wall,
    };
}

static bool must_exit(const struct task *task, const struct container *container)
{
    if (*task->one_off)
        return true;
    for (size_t i = 0; i < task->container_count; i++) {
        const struct container *other = &task->containers[i];
        for (size_t k = 0; k < other->depends_on_count; k++)
            if (str_equal(other->depends_on[k].container_name, container->name) &&
                (other->depends_on[k].condition == DEPENDS_COMPLETE ||
                 other->depends_on[k].condition == DEPENDS_SUCCESS))
                return true;
    }
    return false;
}

static void ideal_run(struct ideal_container *ideal, const struct task *task,
                      const struct container *container)
{
    const struct container_definition *definition = container->definition;
    bool checked = definition
                       ? definition->health_check.present && !definition->health_check.disabled
                       : container->health != HEALTH_NONE;
    ideal->seen.started = true;
    ideal->seen.state = must_exit(task, container) ? RUNTIME_EXITED : RUNTIME_RUNNING;
    ideal->seen.exit_code = 0;
    ideal->seen.health = checked ? HEALTH_HEALTHY : HEALTH_NONE;
}

static void ideal_start(struct future *future, struct ideal_container *ideal,
                        const struct task *task, const struct container *container)
{
    ideal_run(ideal, task, container);
    ideal->seen.started_wall_ms = future->wall;
}

/* What the facts say is there now; the future starts from it. What the agent is looking at is
 * taken to run. */
static void ideal_begin(struct future *future)
{
    for (const struct task *task = future->core->tasks; task; task = task->next) {
        for (size_t i = 0; i < task->container_count; i++) {
            const struct container *container = &task->containers[i];
            if (container->state == CONTAINER_NONE || container->state == CONTAINER_PULLING ||
                container->state == CONTAINER_GONE)
                continue;
            struct ideal_container *ideal = ideal_add(future);
            ideal_describe(future, ideal, task, container);
            bool created =
                container->state == CONTAINER_CREATED || container->state == CONTAINER_CREATING;
            bool ended =
                container->state == CONTAINER_STOPPED || container->state == CONTAINER_REMOVING;
            ideal->seen.state = created ? RUNTIME_CREATED : RUNTIME_EXITED;
            ideal->seen.started = container->ever_started;
            ideal->seen.exit_code = container->exit_code;
            if (!created && !ended)
                ideal_run(ideal, task, container);
            ideal->seen.started_wall_ms =
                container->started_wall ? container->started_wall : future->wall;
        }
    }
}

static void copy_seen(struct observed *observed, const struct ideal_container *ideal, size_t index)
{
    struct observed_container *copy = &observed->containers[index];
    *copy = ideal->seen; /* strings live in the future's arenas, which outlive every look */
}

static struct observed *ideal_look(struct future *future, const char *name)
{
    struct observed *observed = observed_new(!*name, name);
    observed->containers =
        arena_array(&observed->arena, future->container_count + 1, sizeof *observed->containers);
    for (size_t i = 0; i < future->container_count; i++)
        if (future->containers[i].exists &&
            (!*name || str_equal(future->containers[i].seen.name, name)))
            copy_seen(observed, &future->containers[i], observed->count++);
    return observed;
}

/* ------------------------------------------------------------------ steps and answers */

static void record_step(struct future *future, const struct action *action)
{
    struct plan *plan = future->plan;
    if (plan->count == STEPS_MAX) {
        plan->cut = true;
        return;
    }
    plan->steps = memory_grow(plan->steps, plan->count + 1, sizeof *plan->steps);
    struct plan_step *step = &plan->steps[plan->count++];
    *step = (struct plan_step){ .kind = action->kind };
    (void)snprintf(step->service, sizeof step->service, "%s", action->service);
    (void)snprintf(step->cause, sizeof step->cause, "%s", action->cause);
    (void)snprintf(step->image, sizeof step->image, "%s", action->image ? action->image : "");
    if (!action->task)
        return;
    const struct container *container = &action->task->containers[action->container];
    (void)snprintf(step->task_id, sizeof step->task_id, "%s", action->task->id);
    (void)snprintf(step->container, sizeof step->container, "%s", container->name);
    (void)snprintf(step->image, sizeof step->image, "%s", container->image);
    (void)snprintf(step->definition_name, sizeof step->definition_name, "%s",
                   action->task->definition_name);
}

static struct event *answer_add(struct future *future, enum event_kind kind, uint64_t action)
{
    if (future->answer_count == future->answer_capacity) {
        future->answer_capacity = future->answer_capacity * 2 + 64;
        future->answers =
            memory_grow(future->answers, future->answer_capacity, sizeof *future->answers);
    }
    struct event *event = &future->answers[future->answer_count++];
    *event = (struct event){ .kind = kind, .action = action, .text = "", .error = "" };
    return event;
}

static void perform_on_container(struct future *future, const struct action *action)
{
    const struct container *container = &action->task->containers[action->container];
    struct ideal_container *ideal = ideal_find(future, action->container_name);
    if (action->kind == ACT_CREATE && !ideal) {
        ideal = ideal_add(future);
        ideal_describe(future, ideal, action->task, container);
    }
    if (action->kind == ACT_START && ideal)
        ideal_start(future, ideal, action->task, container);
    if (action->kind == ACT_STOP && ideal)
        ideal->seen.state = RUNTIME_EXITED;
    if (action->kind == ACT_REMOVE && ideal)
        ideal->exists = false;
    (void)answer_add(future, EV_DONE, action->id);
}

static void perform(struct future *future, const struct action *action)
{
    struct event *event;
    switch (action->kind) {
    case ACT_FETCH:
        event = answer_add(future, EV_FETCHED, action->id);
        event->fetched = FETCH_SAME;
        event->retry_after_ms = HORIZON;
        break;
    case ACT_OBSERVE:
        event = answer_add(future, EV_OBSERVED, action->id);
        event->observed = ideal_look(future, action->container_name);
        break;
    case ACT_PULL:
        event = answer_add(future, EV_DONE, action->id);
        event->image_was_local = false;
        record_step(future, action);
        break;
    case ACT_CREATE:
    case ACT_START:
    case ACT_STOP:
    case ACT_REMOVE:
        record_step(future, action);
        perform_on_container(future, action);
        break;
    case ACT_PROBE:
        event = answer_add(future, EV_PROBED, action->id);
        event->healthy = true;
        break;
    case ACT_STEER:
    case ACT_SAVE:
        (void)answer_add(future, EV_DONE, action->id);
        break;
    }
}

static void future_step(struct future *future, struct event *event)
{
    event->now = future->now;
    event->wall = future->wall;
    core_step(future->core, event, &future->effects);
    for (size_t i = 0; i < future->effects.count; i++)
        perform(future, &future->effects.list[i]);
}

/* ------------------------------------------------------------------ begin, run, end */

/* Calls in flight in the present: their answers will not come in the copy, so they are taken as
 * having done what they were asked for. */
static void settle_container(struct container *container)
{
    static const enum container_state becomes[] = {
        [CONTAINER_NONE] = CONTAINER_NONE,        [CONTAINER_PULLING] = CONTAINER_PULLING,
        [CONTAINER_CREATING] = CONTAINER_CREATED, [CONTAINER_CREATED] = CONTAINER_CREATED,
        [CONTAINER_STARTING] = CONTAINER_RUNNING, [CONTAINER_RUNNING] = CONTAINER_RUNNING,
        [CONTAINER_STOPPING] = CONTAINER_STOPPED, [CONTAINER_STOPPED] = CONTAINER_STOPPED,
        [CONTAINER_REMOVING] = CONTAINER_GONE,    [CONTAINER_GONE] = CONTAINER_GONE,
        [CONTAINER_UNKNOWN] = CONTAINER_UNKNOWN,
    };
    container->state = becomes[container->state];
    if (container->state == CONTAINER_UNKNOWN || container->state == CONTAINER_RUNNING)
        container->look_needed = true; /* what is to end by itself has ended */
    container->action = container->look = 0;
    container->look_again = false;
}

static void settle(struct core *core)
{
    core->pulls = core->starts = core->stops = core->probes = core->looks = 0;
    core->fetch_action = core->look_action = core->save_action = 0;
    core->saved_version = core->memory_version;
    core->save_failed = false;
    for (struct task *task = core->tasks; task; task = task->next) {
        for (size_t i = 0; i < task->container_count; i++)
            settle_container(&task->containers[i]);
        for (size_t i = 0; i < task->probe_count; i++)
            task->probes[i].action = 0;
    }
    for (struct image *image = core->images; image; image = image->next) {
        if (image->action) {
            image->state = IMAGE_LOCAL;
            image->fresh_at = image->asked_at;
        }
        image->action = 0;
    }
}

static void note_services(struct future *future)
{
    struct plan *plan = future->plan;
    for (const struct service_fact *service = future->core->services; service;
         service = service->next) {
        if (!service->wanted)
            continue;
        bool impossible = service->wait.reason == WAIT_IMPOSSIBLE;
        bool stalled = service->wait.reason == WAIT_STALLED;
        if (!impossible && !stalled && !service->stop_first)
            continue;
        plan->notes = memory_grow(plan->notes, plan->note_count + 1, sizeof *plan->notes);
        struct plan_note *note = &plan->notes[plan->note_count++];
        (void)snprintf(note->service, sizeof note->service, "%s", service->name);
        if (impossible || stalled)
            (void)snprintf(note->text, sizeof note->text, "%.100s: %.140s",
                           wait_reason_text(service->wait.reason), service->wait.detail);
        else
            (void)snprintf(note->text, sizeof note->text, "replacement is stop-first: %s",
                           service->stop_first_reason);
    }
}

static bool advance(struct future *future)
{
    msec at = future->effects.wake_at;
    if (at == MSEC_NEVER || at - future->begun > HORIZON)
        return false;
    if (at > future->now) {
        future->wall += at - future->now;
        future->now = at;
    }
    return true;
}

/* Steady probes go on for ever: the future ends when nothing was asked of the runtime for an
 * hour, or at the horizon. */
static void run(struct future *future)
{
    msec last_step_at = future->now;
    size_t steps = 0;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        struct event event = { .kind = EV_TICK };
        if (future->answer_next < future->answer_count)
            event = future->answers[future->answer_next++];
        else if (!advance(future))
            return;
        future_step(future, &event);
        if (future->plan->count != steps)
            last_step_at = future->now;
        steps = future->plan->count;
        if (future->now - last_step_at > MINUTES(15) || future->plan->cut)
            return;
        if (future->answer_next == future->answer_count)
            future->answer_next = future->answer_count = 0;
    }
}

static void future_release(struct future *future)
{
    for (size_t i = future->answer_next; i < future->answer_count; i++)
        if (future->answers[i].kind == EV_OBSERVED)
            observed_free(future->answers[i].observed);
    for (size_t i = 0; i < future->container_count; i++)
        arena_release(&future->containers[i].arena);
    free(future->containers);
    free(future->answers);
    core_free(future->core);
}

struct plan *core_plan(const struct core *core, struct desired *desired)
{
    struct future future = { .core = core_clone(core), .plan = memory_alloc(sizeof(struct plan)) };
    future.now = future.begun = core->now;
    future.wall = core->wall;
    settle(future.core);
    ideal_begin(&future);
    future.core->fetch_action = future.core->next_action++;
    struct event event = { .kind = EV_FETCHED,
                           .action = future.core->fetch_action,
                           .fetched = FETCH_SAME,
                           .retry_after_ms = HORIZON };
    if (desired) {
        event.fetched = FETCH_NEW;
        event.desired = desired_ref(desired);
        event.accept_older = true;
    }
    future_step(&future, &event);
    run(&future);
    note_services(&future);
    future_release(&future);
    return future.plan;
}

void plan_free(struct plan *plan)
{
    if (!plan)
        return;
    free(plan->steps);
    free(plan->notes);
    free(plan);
}
