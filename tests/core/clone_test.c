/* A copy of the facts decides as the original does: step by step the same effects. */
#include <stdlib.h>
#include <string.h>

#include "berth/memory.h"
#include "tests/lib/script.h"
#include "tests/lib/test.h"

/* ------------------------------------------------------------------ events twice */

static struct observed *observed_copy(const struct observed *from)
{
    struct observed *copy = observed_new(from->full, from->asked ? from->asked : "");
    copy->containers = arena_array(&copy->arena, from->count + 1, sizeof *copy->containers);
    copy->count = from->count;
    for (size_t i = 0; i < from->count; i++)
        copy->containers[i] = from->containers[i]; /* the strings live as long as the step */
    return copy;
}

static void expect_same_effects(const struct effects *a, const struct effects *b)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->wake_at, b->wake_at);
    for (size_t i = 0; i < a->count; i++) {
        const struct action *left = &a->list[i], *right = &b->list[i];
        assert_int_equal(left->kind, right->kind);
        assert_int_equal(left->id, right->id);
        assert_string_equal(left->container_name, right->container_name);
        assert_string_equal(left->service, right->service);
        assert_string_equal(left->cause, right->cause);
        assert_int_equal(left->container, right->container);
        assert_int_equal(left->task != NULL, right->task != NULL);
        if (left->task)
            assert_string_equal(left->task->id, right->task->id);
        if (left->task)
            assert_ptr_not_equal(left->task, right->task);
    }
}

struct twin {
    struct core *core; /* NULL: not at this event */
    struct effects effects;
    int events;
};

static void foresee(struct world *world, const struct event *event)
{
    struct twin *twin = world->listener;
    if (event->kind == EV_START || twin->events++ % 7 != 0)
        return;
    twin->core = core_clone(world->core);
    struct event same = *event;
    same.now = world->now;
    same.wall = world_wall(world);
    if (event->kind == EV_OBSERVED)
        same.observed = observed_copy(event->observed);
    if (event->kind == EV_FETCHED && event->desired)
        same.desired = desired_ref(event->desired);
    core_step(twin->core, &same, &twin->effects);
}

static void compare(struct world *world, const struct action *action)
{
    struct twin *twin = world->listener;
    if (action || !twin->core)
        return;
    expect_same_effects(&twin->effects, &world->driver.effects);
    assert_int_equal(twin->core->change_sequence, world->core->change_sequence);
    core_free(twin->core);
    twin->core = NULL;
}

static void run_with_twin(uint64_t seed)
{
    struct world *world = memory_alloc(sizeof *world);
    struct twin *twin = memory_alloc(sizeof *twin);
    world_init(world, seed, false);
    world->tracing = false;
    scenario_knobs(world);
    world->foresee = foresee;
    world->listen = compare;
    world->listener = twin;
    world_start_agent(world);
    for (int i = 0; i < 8; i++) {
        scenario_publish(world, false, false);
        scenario_disturb(world);
        (void)world_run_until(world, world->now + SECONDS(40));
    }
    world_release(world);
    free(world);
    free(twin);
}

TEST(clone, decides_as_the_original_does)
{
    for (uint64_t seed = 1; seed <= 60; seed++)
        run_with_twin(seed);
}

TEST(clone, outlives_the_original)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 count=3 check; db:1 publish=80; once job-1 job:1");
    script_run(script, SECONDS(30));
    struct core *copy = core_clone(script_core(script));
    char id[TASK_ID_LEN + 1];
    memcpy(id, copy->tasks->id, sizeof id);
    script_end(script);
    struct effects *effects = memory_alloc(sizeof *effects);
    for (int i = 0; i < 100; i++) {
        struct event tick = { .kind = EV_TICK, .now = copy->now + SECONDS(10) };
        core_step(copy, &tick, effects);
    }
    assert_non_null(core_task(copy, id));
    free(effects);
    core_free(copy);
}
