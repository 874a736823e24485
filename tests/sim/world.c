/* world.c: virtual time, what happens later, and the life and death of the agent. */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

#include "berth/assert.h"
#include "berth/memory.h"

#define STEPS_AT_ONE_INSTANT_MAX 3000

/* ------------------------------------------------------------------ later */

static bool comes_first(const struct later *a, const struct later *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(struct later *a, struct later *b)
{
    struct later kept = *a;
    *a = *b;
    *b = kept;
}

static void sift_up(struct world *world, size_t place)
{
    while (place > 0 && comes_first(&world->queue[place], &world->queue[(place - 1) / 2])) {
        swap(&world->queue[place], &world->queue[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
}

static void sift_down(struct world *world)
{
    size_t place = 0;
    for (;;) {
        size_t first = place, left = place * 2 + 1, right = left + 1;
        if (left < world->queue_count && comes_first(&world->queue[left], &world->queue[first]))
            first = left;
        if (right < world->queue_count && comes_first(&world->queue[right], &world->queue[first]))
            first = right;
        if (first == place)
            return;
        swap(&world->queue[place], &world->queue[first]);
        place = first;
    }
}

/* The caller fills in the rest before anything else is queued; `at` and the order stand. */
struct later *world_later(struct world *world, msec at, enum later_kind kind)
{
    if (world->queue_count == world->queue_capacity) {
        world->queue_capacity = world->queue_capacity * 2 + 64;
        world->queue = memory_grow(world->queue, world->queue_capacity, sizeof *world->queue);
    }
    size_t place = world->queue_count++;
    world->queue[place] = (struct later){
        .at = at,
        .order = ++world->next_order,
        .kind = kind,
        .life = world->life,
    };
    uint64_t order = world->next_order;
    sift_up(world, place);
    for (size_t i = 0; i < world->queue_count; i++)
        if (world->queue[i].order == order)
            return &world->queue[i];
    return NULL;
}

static struct later world_take(struct world *world)
{
    struct later first = world->queue[0];
    world->queue[0] = world->queue[--world->queue_count];
    sift_down(world);
    return first;
}

/* ------------------------------------------------------------------ struct host */

static msec host_now(void *self)
{
    return ((struct world *)self)->now;
}

msec world_wall(const struct world *world)
{
    return 1700000000000 + world->wall_offset + world->now;
}

static msec host_wall(void *self)
{
    return world_wall(self);
}

bool world_chance(struct world *world, double probability)
{
    return probability > 0 && !world->calm && prng_chance(&world->prng, probability);
}

msec world_between(struct world *world, msec low, msec high)
{
    return world->steady ? high : prng_range(&world->prng, low, high);
}

static void trace_action(struct world *world, const struct action *action)
{
    if (action->kind == ACT_OBSERVE || action->kind == ACT_PROBE || action->kind == ACT_FETCH ||
        action->kind == ACT_SAVE)
        return;
    if (action->kind == ACT_PULL)
        world_trace(world, "pull %s (%s)", action->image, action->cause);
    else
        world_trace(world, "%s/%lld.%lld %s %s (%s)",
                    *action->service ? action->service : action->task->one_off,
                    (long long)action->task->slot, (long long)action->task->generation,
                    action_kind_name(action->kind),
                    action->task->containers[action->container].name, action->cause);
}

static void host_perform(void *self, const struct action *action)
{
    struct world *world = self;
    if (world->kill_pending)
        return;
    if (world_chance(world, world->knobs.agent_killed)) {
        world->kill_pending = true; /* SIGKILL between two effects of one batch */
        return;
    }
    checks_action(world, action);
    trace_action(world, action);
    if (world->listen)
        world->listen(world, action);
    if (action->kind == ACT_FETCH)
        source_perform(world, action);
    else if (action->kind == ACT_SAVE)
        save_perform(world, action);
    else
        runtime_perform(world, action);
}

static void host_wake(void *self, msec at)
{
    struct world *world = self;
    bool queued = world->wake_at == at && world->wake_life == world->life;
    world->wake_at = at;
    world->wake_life = world->life;
    if (at == MSEC_NEVER || queued)
        return;
    world_later(world, at > world->now ? at : world->now, LATER_WAKE);
}

static void trace_changes(struct world *world, uint64_t from)
{
    for (uint64_t i = from + 1; world->tracing && i <= world->core->change_sequence; i++) {
        const struct change *change = core_change(world->core, i);
        if (change)
            world_trace(world, "  [%s %s%s%s%.6s] %s", change_kind_text(change->kind),
                        change->service, *change->container ? "/" : "", change->container,
                        change->task_id, change->text);
    }
}

/* ------------------------------------------------------------------ the agent */

void world_event(struct world *world, struct event *event)
{
    uint64_t changes = world->core->change_sequence;
    world->steps++;
    if (world->foresee)
        world->foresee(world, event);
    driver_event(&world->driver, event);
    trace_changes(world, changes);
    checks_said(world, changes);
    if (world->listen)
        world->listen(world, NULL);
    const struct desired *desired = world->core->desired;
    if (desired && desired->revision < world->highest_revision && !world->steady)
        world_fail(world, "document revision %lld after %lld", (long long)desired->revision,
                   (long long)world->highest_revision);
    if (desired)
        world->highest_revision = desired->revision;
    if (world->kill_pending)
        world_kill_agent(world);
}

void world_start_agent(struct world *world)
{
    world->life++;
    world->life_began = world->now;
    world->agent_up = true;
    if (world_chance(world, world->knobs.memory_lost)) {
        memory_free(world->memory);
        world->memory = NULL;
        world->highest_revision = 0;
        if (prng_chance(&world->prng, 0.5)) {
            free(world->stored);
            world->stored = NULL;
        }
    }
    world->core = core_new(&world->options);
    struct host host = { .self = world,
                         .now = host_now,
                         .wall = host_wall,
                         .perform = host_perform,
                         .wake = host_wake };
    driver_init(&world->driver, world->core, &host);
    world_trace(world, "agent starts (life %llu)", (unsigned long long)world->life);
    struct event start = { .kind = EV_START,
                           .seed = prng_next(&world->prng),
                           .remembered = world->memory };
    world_event(world, &start);
    if (!world->agent_up || !world->stored)
        return;
    struct findings findings = { 0 };
    struct desired *desired = desired_parse(world->stored, strlen(world->stored), &findings);
    findings_release(&findings);
    ASSERT(desired);
    checks_document_given(world);
    struct event stored = { .kind = EV_FETCHED, .fetched = FETCH_STORED, .desired = desired };
    world_event(world, &stored);
}

void world_kill_agent(struct world *world)
{
    world->kill_pending = false;
    if (!world->agent_up)
        return;
    world_trace(world, "agent is killed");
    checks_agent_died(world);
    world->agent_up = false;
    core_free(world->core);
    world->core = NULL;
    world_later(world, world->now + world_between(world, 100, 20000), LATER_START_AGENT);
}

/* ------------------------------------------------------------------ run */

static void later_drop(struct later *later)
{
    if (later->event.kind == EV_OBSERVED)
        observed_free(later->event.observed);
    if (later->event.kind == EV_FETCHED && later->event.desired)
        desired_unref(later->event.desired);
    memory_free(later->memory);
}

static void deliver_reply(struct world *world, struct later *later)
{
    if (!world->agent_up || later->life != world->life) {
        later_drop(later);
        return;
    }
    struct event *event = &later->event;
    event->text = later->text;
    event->error = later->error;
    checks_answered(world, event->action);
    if (event->kind == EV_OBSERVED)
        checks_look_given(world, event->observed->full);
    if (event->kind == EV_FETCHED && event->fetched == FETCH_NEW)
        checks_document_given(world);
    world_event(world, event);
}

static void deliver_hint(struct world *world, const char *name)
{
    if (!world->agent_up)
        return;
    struct event hint = { .kind = EV_HINT, .hint = *name ? name : NULL };
    world_event(world, &hint);
}

static void deliver(struct world *world, struct later *later)
{
    switch (later->kind) {
    case LATER_EFFECT:
        runtime_effect(world, later);
        break;
    case LATER_REPLY:
        deliver_reply(world, later);
        break;
    case LATER_EXIT: {
        struct fake_container *container = runtime_find(world, later->name);
        if (container)
            runtime_exit(world, later->name, later->run, behaviour_of(container->image).exit_code,
                         false);
        break;
    }
    case LATER_HEALTH:
        runtime_health(world, later->name, later->run);
        break;
    case LATER_HINT:
        deliver_hint(world, later->name);
        break;
    case LATER_WAKE:
        if (world->agent_up && later->life == world->life && world->wake_at <= world->now) {
            struct event tick = { .kind = EV_TICK };
            world->wake_at = MSEC_NEVER;
            world_event(world, &tick);
        }
        break;
    case LATER_RUNTIME_UP:
        world->runtime_up = true;
        world_trace(world, "runtime is up");
        deliver_hint(world, "");
        break;
    case LATER_START_AGENT:
        if (!world->agent_up)
            world_start_agent(world);
        break;
    }
}

static void check_progress_of_time(struct world *world)
{
    if (world->busy_at != world->now)
        world->busy_steps = 0;
    world->busy_at = world->now;
    if (++world->busy_steps > STEPS_AT_ONE_INSTANT_MAX)
        world_fail(world, "spins: %d steps at one instant", world->busy_steps);
}

bool world_run_until(struct world *world, msec until)
{
    while (!world->failure[0] && world->queue_count && world->queue[0].at <= until) {
        struct later later = world_take(world);
        ASSERT(later.at >= world->now);
        world->now = later.at;
        check_progress_of_time(world);
        deliver(world, &later);
    }
    if (world->now < until)
        world->now = until;
    return !world->failure[0];
}

void world_trace(struct world *world, const char *format, ...)
{
    if (!world->tracing)
        return;
    char line[900];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    str_addf(&world->trace, "%lld.%03lld %s\n", (long long)(world->now / 1000),
             (long long)(world->now % 1000), line);
}

void world_fail(struct world *world, const char *format, ...)
{
    if (world->failure[0])
        return;
    va_list args;
    va_start(args, format);
    int used = snprintf(world->failure, sizeof world->failure,
                        "at %lld.%03lld: ", (long long)(world->now / 1000),
                        (long long)(world->now % 1000));
    (void)vsnprintf(world->failure + used, sizeof world->failure - (size_t)used, format, args);
    va_end(args);
    world_trace(world, "FAILED: %s", world->failure);
}

void world_init(struct world *world, uint64_t seed, bool strict)
{
    *world = (struct world){ .seed = seed, .strict = strict, .runtime_up = true, .tracing = true };
    prng_seed(&world->prng, seed);
    str_init(&world->trace, 64 * 1024 * 1024);
    core_options_default(&world->options);
    world->options.host_id = "host-1";
    world->options.cluster = "sim";
    world->knobs.latency_max = 50;
    world->knobs.pull_max = 2000;
    world->knobs.fetch_max = 200;
    world->containers = memory_array(SIM_CONTAINERS_MAX, sizeof *world->containers);
    world->now = 1000;
    checks_open(world);
}

void world_release(struct world *world)
{
    for (size_t i = 0; i < world->queue_count; i++)
        later_drop(&world->queue[i]);
    free(world->queue);
    free(world->containers);
    core_free(world->core);
    free(world->published);
    free(world->stored);
    memory_free(world->memory);
    str_release(&world->trace);
    checks_close(world);
}
