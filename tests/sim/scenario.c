/* scenario.c: random documents, and faults drawn from the seed. */
#include <stdlib.h>

#include "tests/sim/sim.h"

/* "Swarm": each run draws which faults it has, so that some runs have only one kind. */
static double draw(struct world *world, double highest)
{
    if (!prng_chance(&world->prng, 0.4))
        return 0;
    return highest * (double)prng_range(&world->prng, 1, 100) / 100;
}

void scenario_knobs(struct world *world)
{
    struct knobs *knobs = &world->knobs;
    knobs->latency_max = prng_range(&world->prng, 5, 3000);
    knobs->pull_max = prng_range(&world->prng, 100, 90000);
    knobs->event_dropped = draw(world, 0.9);
    knobs->event_doubled = draw(world, 0.5);
    knobs->event_late = draw(world, 0.5);
    if (world->strict) {
        /* What a strict run is about: nothing fails, but little is heard. */
        knobs->event_dropped = (double)prng_range(&world->prng, 0, 95) / 100;
        return;
    }
    knobs->refuse = draw(world, 0.2);
    knobs->reply_lost = draw(world, 0.2);
    knobs->request_lost = draw(world, 0.2);
    knobs->hang = draw(world, 0.1);
    knobs->pull_fails = draw(world, 0.5);
    knobs->exits = draw(world, 0.2);
    knobs->oom = draw(world, 0.5);
    knobs->vanishes = draw(world, 0.1);
    knobs->look_fails = draw(world, 0.3);
    knobs->inspect_fails = draw(world, 0.2);
    knobs->fetch_fails = draw(world, 0.5);
    knobs->fetch_garbage = draw(world, 0.3);
    knobs->fetch_older = draw(world, 0.2);
    knobs->save_fails = draw(world, 0.5);
    knobs->agent_killed = draw(world, 0.02);
    knobs->memory_lost = draw(world, 0.5);
    knobs->runtime_restarts = draw(world, 0.2);
    knobs->containers_die_with_runtime = draw(world, 1);
    knobs->clock_jumps = draw(world, 0.1);
}

static const char *pick_behaviour(struct world *world, bool good)
{
    static const char *const bad[] = { "never",  "crash", "late", "absent",
                                       "badcmd", "late",  "late", "flap" };
    static const char *const fine[] = { "good", "good", "good", "slow", "deaf" };
    if (good || prng_chance(&world->prng, world->strict ? 0.4 : 0.6))
        return fine[prng_range(&world->prng, 0, 4)];
    return bad[prng_range(&world->prng, 0, 7)];
}

/* What a definition is follows from its revision alone: a document may name it again. */
static void add_definition(struct world *world, struct str *out, int service, int64_t revision,
                           bool good, const char *behaviour, int64_t host_port, bool check)
{
    struct prng prng = world->prng;
    prng_seed(&world->prng, world->seed * 1000 + (uint64_t)service * 100 + (uint64_t)revision);
    if (!behaviour)
        behaviour = pick_behaviour(world, good);
    check = prng_chance(&world->prng, 0.6) || check;
    bool sidecar = prng_chance(&world->prng, 0.3);
    str_addf(out, "{\"family\":\"s%d\",\"revision\":%lld,\"containerDefinitions\":[", service,
             (long long)revision);
    bool untagged = prng_chance(&world->prng, 0.2);
    str_addf(out, "{\"name\":\"app\",\"image\":\"s%d%s%lld-%s\",\"memory\":64", service,
             untagged ? "-" : ":", (long long)revision, behaviour);
    if (host_port)
        str_addf(out, ",\"portMappings\":[{\"containerPort\":80,\"hostPort\":%lld}]",
                 (long long)host_port);
    if (check)
        str_add(out, ",\"healthCheck\":{\"command\":[\"CMD-SHELL\",\"true\"]}");
    if (sidecar)
        str_add(out, ",\"dependsOn\":[{\"containerName\":\"init\",\"condition\":\"SUCCESS\"},"
                     "{\"containerName\":\"side\",\"condition\":\"START\"}]");
    str_add(out, "}");
    if (sidecar)
        str_add(out, ",{\"name\":\"init\",\"image\":\"init:1-ends\",\"memory\":16,"
                     "\"essential\":false},{\"name\":\"side\",\"image\":\"side:1-good\","
                     "\"memory\":16,\"essential\":true}");
    str_add(out, "]}");
    world->prng = prng;
}

static void add_service(struct world *world, struct str *out, int service, int64_t revision,
                        bool exclusive, bool steady)
{
    static const int bounds[][2] = { { 100, 200 }, { 50, 100 },  { 0, 100 },
                                     { 50, 200 },  { 100, 150 }, { 75, 125 } };
    int64_t count = exclusive ? 1 : steady ? service + 1 : prng_range(&world->prng, 0, 4);
    const int *bound = bounds[steady ? service : prng_range(&world->prng, 0, 5)];
    /* Rounding must leave room to move: ECS stalls otherwise, and so do we. */
    bool room = count * bound[1] / 100 > count || (count * bound[0] + 99) / 100 < count;
    if (!room)
        bound = bounds[0];
    bool daemon = !exclusive && !steady && prng_chance(&world->prng, 0.15);
    str_addf(out, "{\"serviceName\":\"svc%d\",\"taskDefinition\":\"s%d:%lld\"", service, service,
             (long long)revision);
    if (daemon)
        str_add(out, ",\"schedulingStrategy\":\"DAEMON\"");
    else if (exclusive && prng_chance(&world->prng, 0.5))
        str_add(out, ",\"desiredCount\":1,\"healthCheckGracePeriodSeconds\":60,\"publish\":[{"
                     "\"hostPort\":9090,\"containerName\":\"app\",\"containerPort\":80,"
                     "\"healthCheck\":{\"protocol\":\"HTTP\",\"intervalSeconds\":5,"
                     "\"timeoutSeconds\":2}}]");
    else
        str_addf(out,
                 ",\"desiredCount\":%lld,\"deploymentConfiguration\":{\"minimumHealthyPercent\":"
                 "%d,\"maximumPercent\":%d}",
                 (long long)count, bound[0], bound[1]);
    str_add(out, "}");
}

static const char *const hopeless[] = { "crash", "never", "absent" };

/* Services 3 and above are the ones with a fixed host port. */
static void add_services(struct world *world, struct str *definitions, struct str *services,
                         int64_t revision, bool final_good, bool failing)
{
    int count = failing ? 4 : (int)prng_range(&world->prng, 0, 4);
    for (int i = 0; i < count; i++) {
        bool exclusive = i == 3;
        bool good = final_good || (failing && revision == 1);
        const char *behaviour = failing && revision > 1 ? hopeless[i % 3] : NULL;
        if (i) {
            str_add(definitions, ",");
            str_add(services, ",");
        }
        /* Sometimes only its numbers change. */
        int64_t *definition = &world->definition_revision[i];
        bool fits = *definition && (!good || world->definition_good[i]);
        if (failing || !fits || prng_chance(&world->prng, 0.7)) {
            *definition = revision;
            world->definition_good[i] = good;
        }
        add_definition(world, definitions, i, *definition, world->definition_good[i], behaviour,
                       exclusive ? 8080 : 0, failing);
        add_service(world, services, i, *definition, exclusive, failing);
    }
}

static void add_one_offs(struct world *world, struct str *definitions, struct str *one_offs,
                         int64_t revision, bool comma)
{
    if (!prng_chance(&world->prng, 0.4))
        return;
    const char *behaviour = prng_chance(&world->prng, 0.5) ? "ends" : "fails";
    str_addf(definitions,
             "%s{\"family\":\"job\",\"revision\":%lld,\"containerDefinitions\":[{\"name\":\"job\","
             "\"image\":\"job:1-%s\",\"memory\":16}]}",
             comma ? "," : "", (long long)revision, behaviour);
    str_addf(one_offs, "{\"id\":\"job-%lld\",\"taskDefinition\":\"job:%lld\"}",
             (long long)(revision / 2), (long long)revision);
}

void scenario_publish(struct world *world, bool final_good, bool failing)
{
    int64_t revision = world->published_revision + 1;
    struct str definitions, services, one_offs, document;
    str_init(&definitions, 1 << 20);
    str_init(&services, 1 << 20);
    str_init(&one_offs, 1 << 20);
    str_init(&document, 1 << 22);
    add_services(world, &definitions, &services, revision, final_good, failing);
    if (!failing)
        add_one_offs(world, &definitions, &one_offs, revision, definitions.len > 0);
    str_addf(&document,
             "{\"revision\":%lld,\"taskDefinitions\":[%s],\"services\":[%s],\"tasks\":[%s]}",
             (long long)revision, str_text(&definitions), str_text(&services), str_text(&one_offs));
    source_publish(world, revision, str_text(&document));
    str_release(&definitions);
    str_release(&services);
    str_release(&one_offs);
    str_release(&document);
}

static void disturb_containers(struct world *world)
{
    for (size_t i = 0; i < world->container_count; i++) {
        struct fake_container *container = &world->containers[i];
        if (!container->exists || !container->ours)
            continue;
        /* Without both its record and its containers nobody can know that a task has run. */
        if (*container->one_off) {
            if (world->knobs.memory_lost == 0 && world_chance(world, world->knobs.vanishes))
                runtime_vanish(world, container->name);
            continue;
        }
        if (container->state == RUNTIME_RUNNING && world_chance(world, world->knobs.exits)) {
            bool oom = world_chance(world, world->knobs.oom);
            runtime_exit(world, container->name, container->run, oom ? 137 : 1, oom);
        }
        if (world_chance(world, world->knobs.vanishes))
            runtime_vanish(world, container->name);
    }
}

void scenario_disturb(struct world *world)
{
    disturb_containers(world);
    if (world_chance(world, world->knobs.runtime_restarts))
        runtime_restart(world, world_chance(world, world->knobs.containers_die_with_runtime));
    if (world_chance(world, world->knobs.clock_jumps))
        world->wall_offset += prng_range(&world->prng, -86400000, 86400000);
}
