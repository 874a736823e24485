/* runtime.c: a container runtime that can go wrong in every way that a real one does. */
#include <stdlib.h>
#include <string.h>

#include "berth/assert.h"
#include "berth/memory.h"
#include "tests/sim/sim.h"

#define CALL_DEADLINE SECONDS(30)
#define UNHEALTHY_AFTER SECONDS(30)

static const struct {
    const char *word;
    struct behaviour behaviour;
} behaviours[] = {
    { "good", { .healthy_after = 500 } },
    { "slow", { .healthy_after = 25000 } },
    { "never", { .never_healthy = true } },
    { "crash", { .healthy_after = 5000, .exits_after = 2000, .exit_code = 1 } },
    { "late", { .healthy_after = 500, .exits_after = 45000, .exit_code = 1 } },
    { "absent", { .absent = true } },
    { "badcmd", { .bad_command = true } },
    { "flap", { .healthy_after = 500, .flap_period = 47000 } },
    { "ends", { .exits_after = 1500, .exit_code = 0 } },
    { "fails", { .exits_after = 1500, .exit_code = 3 } },
    { "deaf", { .healthy_after = 500, .slow_stop = true } },
};

struct behaviour behaviour_of(const char *image)
{
    const char *dash = strrchr(image, '-');
    for (size_t i = 0; dash && i < COUNT_OF(behaviours); i++)
        if (str_equal(dash + 1, behaviours[i].word))
            return behaviours[i].behaviour;
    return behaviours[0].behaviour;
}

struct fake_container *runtime_find(struct world *world, const char *name)
{
    for (size_t i = 0; i < world->container_count; i++)
        if (world->containers[i].exists && str_equal(world->containers[i].name, name))
            return &world->containers[i];
    return NULL;
}

bool runtime_healthy(const struct world *world, const struct fake_container *container)
{
    struct behaviour behaviour = behaviour_of(container->image);
    msec up = world->now - container->started_at;
    if (container->state != RUNTIME_RUNNING || behaviour.never_healthy || container->sick ||
        up < behaviour.healthy_after)
        return false;
    return !behaviour.flap_period || world->calm || world->strict ||
           (up / behaviour.flap_period) % 2 == 0;
}

static struct fake_image *image_of(struct world *world, const char *name)
{
    for (size_t i = 0; i < world->image_count; i++)
        if (str_equal(world->images[i].name, name))
            return &world->images[i];
    ASSERT(world->image_count < SIM_IMAGES_MAX);
    struct fake_image *image = &world->images[world->image_count++];
    (void)snprintf(image->name, sizeof image->name, "%s", name);
    return image;
}

/* ------------------------------------------------------------------ events */

static void tell(struct world *world, const struct fake_container *container)
{
    if (!container->ours || !world->runtime_up || world_chance(world, world->knobs.event_dropped))
        return;
    msec delay = world_between(world, 0, 30);
    if (world_chance(world, world->knobs.event_late))
        delay += prng_range(&world->prng, 1000, 60000);
    int times = world_chance(world, world->knobs.event_doubled) ? 2 : 1;
    while (times-- > 0) {
        struct later *later = world_later(world, world->now + delay, LATER_HINT);
        (void)snprintf(later->name, sizeof later->name, "%s", container->name);
        delay += 5;
    }
}

void runtime_exit(struct world *world, const char *name, uint64_t run, int code, bool oom)
{
    struct fake_container *container = runtime_find(world, name);
    if (!container || container->state != RUNTIME_RUNNING || container->run != run)
        return;
    container->state = RUNTIME_EXITED;
    container->exit_code = code;
    container->oom = oom;
    container->finished_wall = world_wall(world);
    world_trace(world, "  (%s exits with %d)", name, code);
    tell(world, container);
}

/* Docker tells when the verdict of a health check changes, and what it is now, the look says. */
void runtime_health(struct world *world, const char *name, uint64_t run)
{
    struct fake_container *container = runtime_find(world, name);
    if (container && container->state == RUNTIME_RUNNING && container->run == run)
        tell(world, container);
}

void runtime_sicken(struct world *world, const char *name, bool sick)
{
    struct fake_container *container = runtime_find(world, name);
    ASSERT(container);
    container->sick = sick;
    tell(world, container);
}

static void expect_health(struct world *world, const struct fake_container *container, msec at)
{
    struct later *later = world_later(world, at, LATER_HEALTH);
    later->run = container->run;
    (void)snprintf(later->name, sizeof later->name, "%s", container->name);
}

void runtime_vanish(struct world *world, const char *name)
{
    struct fake_container *container = runtime_find(world, name);
    if (!container)
        return;
    world_trace(world, "  (%s vanishes)", name);
    container->exists = false;
    tell(world, container);
}

void runtime_restart(struct world *world, bool containers_die)
{
    if (!world->runtime_up)
        return;
    world->runtime_up = false;
    world_trace(world, "runtime goes down%s", containers_die ? " with its containers" : "");
    for (size_t i = 0; containers_die && i < world->container_count; i++) {
        struct fake_container *container = &world->containers[i];
        if (container->exists && container->state == RUNTIME_RUNNING) {
            container->state = RUNTIME_EXITED;
            container->exit_code = 137;
            container->finished_wall = world_wall(world);
        }
    }
    if (world->agent_up && (world->steady || prng_chance(&world->prng, 0.9))) {
        struct event down = { .kind = EV_COMMAND,
                              .command = COMMAND_RUNTIME_DOWN,
                              .text = "event stream closed" };
        world_event(world, &down);
    }
    world_later(world, world->now + world_between(world, 500, 30000), LATER_RUNTIME_UP);
}

/* ------------------------------------------------------------------ looks */

static void snapshot_one(const struct world *world, struct observed *observed,
                         const struct fake_container *from)
{
    struct arena *arena = &observed->arena;
    struct observed_container *to = &observed->containers[observed->count++];
    *to = (struct observed_container){
        .runtime_id = arena_strdup(arena, from->id),
        .name = arena_strdup(arena, from->name),
        .image = arena_strdup(arena, from->image),
        .image_id = "sha256:0",
        .state = from->state,
        .started = from->started,
        .pid = from->state == RUNTIME_RUNNING ? 1000 : 0,
        .exit_code = from->exit_code,
        .oom_killed = from->oom,
        .error = "",
        .created_wall_ms = from->created_wall,
        .started_wall_ms = from->started_wall,
        .finished_wall_ms = from->finished_wall,
        .health_output = "",
        .address = from->state == RUNTIME_RUNNING ? arena_strdup(arena, from->id) : "",
        .host = arena_strdup(arena, from->host),
        .cluster = "sim",
        .service = arena_strdup(arena, from->service),
        .one_off = arena_strdup(arena, from->one_off),
        .task_id = arena_strdup(arena, from->task_id),
        .container_name = arena_strdup(arena, from->container),
        .definition = arena_strdup(arena, from->definition),
        .digest_hex = arena_strdup(arena, from->digest),
        .generation = from->generation,
        .slot = from->slot,
        .attempt = from->attempt,
        .essential = from->essential,
        .depends_on = arena_strdup(arena, from->depends_on),
        .stop_timeout_s = from->stop_timeout_s,
        .task_container_count = from->containers_of_task,
    };
    if (from->health_check && from->state == RUNTIME_RUNNING)
        to->health = runtime_healthy(world, from)
                         ? HEALTH_HEALTHY
                         : (world->now - from->started_at < UNHEALTHY_AFTER ? HEALTH_STARTING
                                                                            : HEALTH_UNHEALTHY);
    if (from->host_port && from->state == RUNTIME_RUNNING) {
        to->ports = arena_array(arena, 1, sizeof *to->ports);
        to->ports[0] = (struct observed_port){ 80, from->host_port, PROTOCOL_TCP };
        to->port_count = 1;
    }
}

struct observed *runtime_snapshot(struct world *world, const char *name)
{
    struct observed *observed = observed_new(!*name, name);
    observed->containers =
        arena_array(&observed->arena, world->container_count + 1, sizeof *observed->containers);
    for (size_t i = world->container_count; i-- > 0;) { /* newest first, as Docker does */
        const struct fake_container *container = &world->containers[i];
        if (!container->exists || (*name && !str_equal(container->name, name)))
            continue;
        /* The list is filtered by label, a look at one name is not. */
        if (!*name && !str_equal(container->host, "host-1"))
            continue;
        snapshot_one(world, observed, container);
        if (!*name && world_chance(world, world->knobs.inspect_fails))
            observed->containers[observed->count - 1].unclear = true;
    }
    return observed;
}

/* ------------------------------------------------------------------ calls: what goes wrong */

static void reply(struct world *world, struct later *effect, enum outcome outcome, enum blame blame,
                  const char *error, const char *text)
{
    struct later *later = world_later(world, effect->reply_at, LATER_REPLY);
    later->life = effect->life;
    later->event = (struct event){ .kind = effect->action.kind == ACT_PROBE ? EV_PROBED : EV_DONE,
                                   .action = effect->action.id,
                                   .outcome = outcome,
                                   .blame = blame };
    (void)snprintf(later->error, sizeof later->error, "%s", error);
    (void)snprintf(later->text, sizeof later->text, "%s", text);
}

static void fill_wish(const struct world *world, struct fake_container *wish,
                      const struct action *action)
{
    const struct task *task = action->task;
    const struct container *container = &task->containers[action->container];
    const struct container_definition *definition = container->definition;
    *wish = (struct fake_container){ .exists = true, .ours = true, .state = RUNTIME_CREATED };
    (void)snprintf(wish->name, sizeof wish->name, "%s", action->container_name);
    (void)snprintf(wish->image, sizeof wish->image, "%s", container->image);
    (void)snprintf(wish->host, sizeof wish->host, "%s", world->options.host_id);
    (void)snprintf(wish->service, sizeof wish->service, "%s", task->service);
    (void)snprintf(wish->one_off, sizeof wish->one_off, "%s", task->one_off);
    memcpy(wish->task_id, task->id, sizeof wish->task_id);
    (void)snprintf(wish->container, sizeof wish->container, "%s", container->name);
    memcpy(wish->digest, task->digest_hex, sizeof wish->digest);
    (void)snprintf(wish->definition, sizeof wish->definition, "%s", task->definition_name);
    wish->generation = task->generation;
    wish->slot = task->slot;
    wish->attempt = task->attempt;
    wish->essential = container->essential;
    wish->containers_of_task = (int64_t)task->container_count;
    wish->stop_timeout_s = container->stop_timeout_ms / 1000;
    wish->health_check = definition && definition->health_check.present;
    for (size_t i = 0; definition && i < definition->port_mapping_count; i++)
        if (definition->port_mappings[i].host_port)
            wish->host_port = definition->port_mappings[i].host_port;
    size_t used = 0;
    for (size_t i = 0; i < container->depends_on_count; i++)
        used += (size_t)snprintf(wish->depends_on + used, sizeof wish->depends_on - used, "%s%s:%s",
                                 i ? "," : "", container->depends_on[i].container_name,
                                 depends_condition_name(container->depends_on[i].condition));
}

static msec duration_of(struct world *world, const struct action *action)
{
    msec latency = world_between(world, 1, world->knobs.latency_max);
    if (action->kind == ACT_PULL && !image_of(world, action->image)->local)
        latency += world_between(world, 10, world->knobs.pull_max);
    if (action->kind != ACT_STOP)
        return latency;
    const struct fake_container *container = runtime_find(world, action->container_name);
    bool deaf = container && behaviour_of(container->image).slow_stop;
    return latency + (deaf ? action->stop_timeout_ms : world_between(world, 5, 500));
}

void runtime_perform(struct world *world, const struct action *action)
{
    msec duration = duration_of(world, action);
    bool lost = world_chance(world, world->knobs.request_lost);
    bool reply_lost = !lost && world_chance(world, world->knobs.reply_lost);
    bool hangs = world_chance(world, world->knobs.hang);
    bool refuse = !lost && world_chance(world, world->knobs.refuse);
    bool look_fails = world_chance(world, world->knobs.look_fails);
    msec at = world->now + duration / 2;
    msec reply_at = world->now + duration;
    if (lost || reply_lost || hangs)
        reply_at =
            world->now + (hangs ? CALL_DEADLINE : duration) + prng_range(&world->prng, 0, 1000);
    struct later *later = world_later(world, at < reply_at ? at : reply_at, LATER_EFFECT);
    later->action = *action;
    later->action.task = NULL;
    later->reply = !lost && !reply_lost;
    later->effect = !lost;
    later->refuse = refuse;
    later->look = look_fails;
    later->reply_at = reply_at;
    (void)snprintf(later->name, sizeof later->name, "%s",
                   action->kind == ACT_PULL ? action->image : action->container_name);
    if (action->kind == ACT_PROBE)
        (void)snprintf(later->name, sizeof later->name, "%s", action->address);
    if (action->kind == ACT_CREATE)
        fill_wish(world, &later->wish, action);
    if (action->kind == ACT_PULL)
        world->pulls_in_flight++;
}

/* ------------------------------------------------------------------ calls: what happens */

static void effect_create(struct world *world, struct later *later)
{
    if (runtime_find(world, later->name)) {
        reply(world, later, OUTCOME_UNKNOWN, BLAME_NOBODY, "CannotCreateContainerError",
              "409 the name is in use");
        return;
    }
    if (!image_of(world, later->wish.image)->local) {
        reply(world, later, OUTCOME_REFUSED, BLAME_IMAGE, "CannotPullContainerError",
              "404 no such image");
        return;
    }
    ASSERT(world->container_count < SIM_CONTAINERS_MAX);
    struct fake_container *container = NULL;
    for (size_t i = 0; i < world->container_count && !container; i++)
        if (!world->containers[i].exists)
            container = &world->containers[i];
    if (!container)
        container = &world->containers[world->container_count++];
    *container = later->wish;
    (void)snprintf(container->id, sizeof container->id, "c%llu",
                   (unsigned long long)++world->next_order);
    container->created_wall = world_wall(world);
    reply(world, later, OUTCOME_OK, BLAME_NOBODY, "", "");
}

static bool port_taken(const struct world *world, const struct fake_container *wants)
{
    for (size_t i = 0; i < world->container_count; i++) {
        const struct fake_container *other = &world->containers[i];
        if (other != wants && other->exists && other->state == RUNTIME_RUNNING &&
            wants->host_port && other->host_port == wants->host_port)
            return true;
    }
    return false;
}

static void effect_start(struct world *world, struct later *later)
{
    struct fake_container *container = runtime_find(world, later->name);
    if (!container) {
        reply(world, later, OUTCOME_UNKNOWN, BLAME_NOBODY, "CannotStartContainerError",
              "404 no such container");
        return;
    }
    struct behaviour behaviour = behaviour_of(container->image);
    if (behaviour.bad_command) {
        reply(world, later, OUTCOME_REFUSED, BLAME_IMAGE, "CannotStartContainerError",
              "400 executable file not found");
        return;
    }
    if (port_taken(world, container)) {
        reply(world, later, OUTCOME_REFUSED, BLAME_HOST, "CannotStartContainerError",
              "500 port is already allocated");
        return;
    }
    if (container->state != RUNTIME_RUNNING) {
        container->state = RUNTIME_RUNNING;
        if (*container->one_off)
            checks_one_off_ran(world, container->one_off);
        container->started = true;
        container->life = later->life;
        container->started_at = world->now;
        container->started_wall = world_wall(world);
        container->run++;
        if (behaviour.exits_after) {
            struct later *exit = world_later(world, world->now + behaviour.exits_after, LATER_EXIT);
            exit->run = container->run;
            (void)snprintf(exit->name, sizeof exit->name, "%s", container->name);
        }
        if (container->health_check) {
            expect_health(world, container, world->now + behaviour.healthy_after);
            expect_health(world, container, world->now + UNHEALTHY_AFTER);
        }
        tell(world, container);
    }
    reply(world, later, OUTCOME_OK, BLAME_NOBODY, "", "");
}

static void effect_stop(struct world *world, struct later *later)
{
    struct fake_container *container = runtime_find(world, later->name);
    if (container)
        runtime_exit(world, later->name, container->run, 143, false);
    reply(world, later, OUTCOME_OK, BLAME_NOBODY, "", "");
}

static void effect_remove(struct world *world, struct later *later)
{
    struct fake_container *container = runtime_find(world, later->name);
    if (container && container->state == RUNTIME_RUNNING) {
        reply(world, later, OUTCOME_UNKNOWN, BLAME_NOBODY, "CannotRemoveContainerError",
              "409 it is running");
        return;
    }
    if (container) {
        container->exists = false;
        tell(world, container);
    }
    reply(world, later, OUTCOME_OK, BLAME_NOBODY, "", "");
}

static void effect_pull(struct world *world, struct later *later)
{
    struct fake_image *image = image_of(world, later->name);
    if (image->local && later->action.pull_mode == PULL_IF_ABSENT) {
        reply(world, later, OUTCOME_OK, BLAME_NOBODY, "", "");
        return;
    }
    if (behaviour_of(later->name).absent) {
        reply(world, later, OUTCOME_REFUSED, BLAME_IMAGE, "CannotPullContainerError",
              "404 manifest unknown");
        return;
    }
    if (world_chance(world, world->knobs.pull_fails)) {
        reply(world, later,
              image->local && later->action.pull_mode == PULL_ASK ? OUTCOME_OK : OUTCOME_REFUSED,
              BLAME_HOST, "CannotPullContainerError", "the registry does not answer");
        return;
    }
    image->local = true;
    reply(world, later, OUTCOME_OK, BLAME_NOBODY, "", "");
}

static void effect_look(struct world *world, struct later *later)
{
    struct later *answer = world_later(world, later->reply_at, LATER_REPLY);
    answer->life = later->life;
    answer->event = (struct event){ .kind = EV_OBSERVED, .action = later->action.id };
    if (later->look || !later->reply || !world->runtime_up) {
        answer->event.kind = EV_DONE;
        answer->event.outcome = OUTCOME_UNKNOWN;
        (void)snprintf(answer->text, sizeof answer->text, "no answer to a look");
        return;
    }
    struct observed *observed = runtime_snapshot(world, later->name);
    answer->event.observed = observed;
}

static void effect_probe(struct world *world, struct later *later)
{
    bool healthy = false, found = false;
    for (size_t i = 0; i < world->container_count; i++) {
        const struct fake_container *container = &world->containers[i];
        if (!container->exists || !str_equal(container->id, later->name))
            continue;
        found = true;
        healthy = runtime_healthy(world, container);
    }
    struct later *answer = world_later(world, later->reply_at, LATER_REPLY);
    answer->life = later->life;
    answer->event = (struct event){ .kind = EV_PROBED,
                                    .action = later->action.id,
                                    .healthy = healthy && later->reply };
    (void)snprintf(answer->text, sizeof answer->text, "%s",
                   healthy ? "HTTP 200" : (found ? "HTTP 503" : "refused"));
}

static void effect_call(struct world *world, struct later *later)
{
    switch (later->action.kind) {
    case ACT_CREATE:
        effect_create(world, later);
        break;
    case ACT_START:
        effect_start(world, later);
        break;
    case ACT_STOP:
        effect_stop(world, later);
        break;
    case ACT_REMOVE:
        effect_remove(world, later);
        break;
    case ACT_PULL:
        effect_pull(world, later);
        break;
    case ACT_OBSERVE:
    case ACT_PROBE:
    case ACT_FETCH:
    case ACT_STEER:
    case ACT_SAVE:
        ASSERT(!"not a call that changes the runtime");
        break;
    }
}

/* What the call did is one thing, what the agent hears of it another. */
void runtime_effect(struct world *world, struct later *later)
{
    if (later->action.kind == ACT_PULL)
        world->pulls_in_flight--;
    if (later->action.kind == ACT_OBSERVE) {
        effect_look(world, later);
        return;
    }
    if (later->action.kind == ACT_PROBE) {
        effect_probe(world, later);
        return;
    }
    if (!later->effect || !world->runtime_up) {
        reply(world, later, OUTCOME_UNKNOWN, BLAME_NOBODY, "DockerTimeoutError", "no answer");
        return;
    }
    if (later->refuse) {
        reply(world, later, OUTCOME_REFUSED, BLAME_HOST, "", "500 something of mine");
        return;
    }
    uint64_t before = world->next_order;
    effect_call(world, later);
    if (later->reply)
        return;
    /* The answer that was just queued is the one that got lost. */
    for (size_t i = 0; i < world->queue_count; i++) {
        struct later *queued = &world->queue[i];
        if (queued->order <= before || queued->kind != LATER_REPLY)
            continue;
        queued->event.outcome = OUTCOME_UNKNOWN;
        queued->event.blame = BLAME_NOBODY;
        (void)snprintf(queued->text, sizeof queued->text, "the answer was lost");
    }
}

void runtime_add_foreign(struct world *world)
{
    for (int i = 0; i < 2; i++) {
        struct fake_container *container = &world->containers[world->container_count++];
        *container = (struct fake_container){
            .exists = true, .state = RUNTIME_RUNNING, .started = true, .essential = true
        };
        (void)snprintf(container->id, sizeof container->id, "foreign%d", i);
        (void)snprintf(container->name, sizeof container->name, "%s",
                       i ? "berth-web-app-000000000000" : "postgres");
        (void)snprintf(container->image, sizeof container->image, "x:1-good");
        /* One belongs to another agent on the same runtime. */
        (void)snprintf(container->host, sizeof container->host, "%s", i ? "host-2" : "");
    }
}
