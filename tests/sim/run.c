/* run.c: whole runs from one seed: chaos then calm, strict, and deployments that must fail. */
#include <stdlib.h>
#include <string.h>

#include "berth/memory.h"
#include "tests/sim/sim.h"

#define CALM_MINUTES 45

static bool run_minutes(struct world *world, int minutes, double publish_chance)
{
    for (int i = 0; i < minutes; i++) {
        if (prng_chance(&world->prng, publish_chance))
            scenario_publish(world, false, false);
        scenario_disturb(world);
        if (!world_run_until(world, world->now + prng_range(&world->prng, 20000, 100000)))
            return false;
    }
    return true;
}

static void begin(struct world *world)
{
    scenario_knobs(world);
    runtime_add_foreign(world);
    world_start_agent(world);
}

/* Nothing may be left that only a fault could bring: the agent runs, the runtime answers, and
 * calls that were lost have met their deadlines. */
static void calm_down(struct world *world)
{
    world->calm = true;
    world->knobs.latency_max = 50;
    world->knobs.pull_max = 5000;
    scenario_publish(world, true, false);
}

static void run_chaos(struct world *world)
{
    begin(world);
    scenario_publish(world, false, false);
    if (!run_minutes(world, (int)prng_range(&world->prng, 8, 20), 0.3))
        return;
    calm_down(world);
    if (world_run_until(world, world->now + MINUTES(CALM_MINUTES)))
        checks_converged(world);
}

/* Only what no agent can be blamed for: latency, lost events, bad images. */
static void run_strict(struct world *world)
{
    begin(world);
    scenario_publish(world, true, false);
    if (!world_run_until(world, world->now + MINUTES(12)))
        return;
    int revisions = (int)prng_range(&world->prng, 1, 4);
    for (int i = 0; i < revisions; i++) {
        scenario_publish(world, prng_chance(&world->prng, 0.5), false);
        if (!world_run_until(world, world->now + prng_range(&world->prng, 5000, 900000)))
            return;
    }
    calm_down(world);
    if (world_run_until(world, world->now + MINUTES(CALM_MINUTES)))
        checks_converged(world);
}

static void run_failing(struct world *world)
{
    begin(world);
    scenario_publish(world, true, true);
    if (!world_run_until(world, world->now + MINUTES(15)))
        return;
    scenario_publish(world, true, true);
    if (!world_run_until(world, world->now + MINUTES(30)))
        return;
    const struct desired *desired = world->core->desired;
    for (size_t i = 0; desired && i < desired->service_count; i++)
        if (desired->services[i].desired_count > 0)
            checks_failed_safely(world, desired->services[i].name);
}

static uint64_t hash_of(const char *text)
{
    uint64_t hash = 1469598103934665603u;
    for (const char *c = text; *c; c++)
        hash = (hash ^ (uint8_t)*c) * 1099511628211u;
    return hash;
}

struct sim_result sim_run(uint64_t seed, enum sim_kind kind, bool trace)
{
    struct world *world = memory_alloc(sizeof *world);
    world_init(world, seed, kind != SIM_CHAOS);
    switch (kind) {
    case SIM_CHAOS:
        run_chaos(world);
        break;
    case SIM_STRICT:
        run_strict(world);
        break;
    case SIM_FAILING:
        run_failing(world);
        break;
    }
    struct sim_result result = { .ok = world->failure[0] == '\0',
                                 .virtual_ms = world->now,
                                 .steps = world->steps,
                                 .trace_hash = hash_of(str_text(&world->trace)) };
    memcpy(result.failure, world->failure, sizeof result.failure);
    if (trace)
        result.trace = memory_strdup(str_text(&world->trace));
    world_release(world);
    free(world);
    return result;
}
