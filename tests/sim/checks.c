/* checks.c: the invariants, each on its own. They look at the world, not at what the core says of
 * itself, except where a rule is about what the core knows. */
#include <stdlib.h>
#include <string.h>

#include "berth/assert.h"
#include "berth/memory.h"
#include "tests/sim/sim.h"

#define FLIGHTS_MAX 4096
#define STARTS_MAX 4096
#define STARTS_PER_MINUTE 6
#define RAN_MAX 200

struct flight {
    uint64_t action;
    bool changes; /* create, start, stop, remove */
    char name[128];
};

struct begun {
    char service[64];
    int64_t generation, slot;
    msec at;
};

struct witness {
    struct flight flights[FLIGHTS_MAX];
    size_t flight_count;
    struct begun starts[STARTS_MAX]; /* a ring */
    size_t start_next;
    char ran[RAN_MAX][64]; /* ids of one-off tasks that have run */
    size_t ran_count;
    uint64_t last_action;
    bool look_given, document_given, save_failed;
    bool disturbed; /* something that excuses more starts: kills, outages, vanishing */
};

void checks_open(struct world *world)
{
    world->witness = memory_alloc(sizeof *world->witness);
}

void checks_close(struct world *world)
{
    free(world->witness);
}

void checks_look_given(struct world *world, bool full)
{
    world->witness->look_given = world->witness->look_given || full;
}

void checks_document_given(struct world *world)
{
    world->witness->document_given = true;
}

void checks_save_failed(struct world *world)
{
    world->witness->save_failed = true;
}

void checks_agent_died(struct world *world)
{
    struct witness *witness = world->witness;
    witness->flight_count = 0;
    witness->last_action = 0;
    witness->look_given = witness->document_given = witness->save_failed = false;
    witness->disturbed = true;
}

static bool changes_runtime(const struct action *action)
{
    return action->kind == ACT_CREATE || action->kind == ACT_START || action->kind == ACT_STOP ||
           action->kind == ACT_REMOVE;
}

/* ------------------------------------------------------------------ actions and answers */

/* Every action id is used once; at most one call that changes a container is in flight for it. */
static void check_one_in_flight(struct world *world, const struct action *action)
{
    struct witness *witness = world->witness;
    if (action->id <= witness->last_action)
        world_fail(world, "action id %llu is used twice", (unsigned long long)action->id);
    witness->last_action = action->id;
    for (size_t i = 0; changes_runtime(action) && i < witness->flight_count; i++)
        if (witness->flights[i].changes &&
            str_equal(witness->flights[i].name, action->container_name))
            world_fail(world, "two calls in flight for %s", action->container_name);
    if (witness->flight_count == FLIGHTS_MAX) {
        world_fail(world, "%d calls in flight", FLIGHTS_MAX);
        return;
    }
    struct flight *flight = &witness->flights[witness->flight_count++];
    flight->action = action->id;
    flight->changes = changes_runtime(action);
    (void)snprintf(flight->name, sizeof flight->name, "%s", action->container_name);
}

void checks_answered(struct world *world, uint64_t action)
{
    struct witness *witness = world->witness;
    for (size_t i = 0; i < witness->flight_count; i++) {
        if (witness->flights[i].action != action)
            continue;
        witness->flights[i] = witness->flights[--witness->flight_count];
        return;
    }
    world_fail(world, "action %llu is answered twice", (unsigned long long)action);
}

static void check_bounds(struct world *world, const struct action *action)
{
    const struct core *core = world->core;
    if (action->kind == ACT_PULL && core->pulls > world->options.max_pulls)
        world_fail(world, "%lld pulls at once", (long long)core->pulls);
    if (action->kind == ACT_PROBE && core->probes > world->options.max_probes)
        world_fail(world, "%lld probes at once", (long long)core->probes);
    if (core->starts > world->options.max_starts || core->stops > world->options.max_stops)
        world_fail(world, "%lld starts, %lld stops at once", (long long)core->starts,
                   (long long)core->stops);
}

/* ------------------------------------------------------------------ whose containers */

static void check_only_ours(struct world *world, const struct action *action)
{
    const struct fake_container *container =
        changes_runtime(action) ? runtime_find(world, action->container_name) : NULL;
    if (container && !container->ours && action->kind != ACT_CREATE)
        world_fail(world, "%s of %s, which is not ours", action_kind_name(action->kind),
                   container->name);
}

static void check_not_before_look_and_document(struct world *world, const struct action *action)
{
    const struct witness *witness = world->witness;
    if (changes_runtime(action) && !(witness->look_given && witness->document_given))
        world_fail(world, "%s before the first look and document", action_kind_name(action->kind));
}

/* ------------------------------------------------------------------ saved first */

static bool generation_is_saved(const struct world *world, const char *service, int64_t generation)
{
    for (size_t i = 0; world->memory && i < world->memory->service_count; i++)
        if (str_equal(world->memory->services[i].name, service) &&
            world->memory->services[i].generation >= generation)
            return true;
    for (size_t i = 0; i < world->container_count; i++)
        if (world->containers[i].exists && str_equal(world->containers[i].service, service) &&
            world->containers[i].generation >= generation)
            return true;
    return false;
}

static bool one_off_is_saved(const struct world *world, const char *id)
{
    for (size_t i = 0; world->memory && i < world->memory->one_off_count; i++)
        if (str_equal(world->memory->one_offs[i].id, id) &&
            world->memory->one_offs[i].state != ONE_OFF_NEW)
            return true;
    return false;
}

static void check_saved_first(struct world *world, const struct action *action)
{
    if (world->witness->save_failed)
        return;
    const struct task *task = action->task;
    if (action->kind == ACT_CREATE && *task->service &&
        !generation_is_saved(world, task->service, task->generation))
        world_fail(world, "generation %lld of %s is acted on before it is saved",
                   (long long)task->generation, task->service);
    const struct service_fact *fact =
        action->kind == ACT_STOP ? core_service(world->core, action->service) : NULL;
    if (fact && fact->primary && task->stop_at == world->now && task->running_at &&
        strstr(task->stopped_reason, "newer deployment") &&
        !generation_is_saved(world, action->service, fact->primary->generation))
        world_fail(world, "an old task of %s stops before its successor is saved", task->service);
    if (action->kind == ACT_START && *task->one_off && !one_off_is_saved(world, task->one_off))
        world_fail(world, "one-off task %s is started before that is saved", task->one_off);
}

/* ------------------------------------------------------------------ how many */

static const struct service *service_of(const struct world *world, const struct action *action)
{
    return world->core->desired ? desired_service(world->core->desired, action->service) : NULL;
}

static bool fixed_port(const struct service *service)
{
    if (service->publish_count)
        return true;
    for (size_t i = 0; i < service->definition->container_count; i++)
        for (size_t k = 0; k < service->definition->containers[i].port_mapping_count; k++)
            if (service->definition->containers[i].port_mappings[k].host_port)
                return true;
    return false;
}

static bool seen_before(const struct world *world, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (world->containers[i].exists && world->containers[i].state == RUNTIME_RUNNING &&
            str_equal(world->containers[i].task_id, world->containers[at].task_id))
            return true;
    return false;
}

/* A start that a killed agent had asked for, carried out after its successor looked: nobody can
 * know of it before the next look. */
static bool is_last_words(const struct world *world, const struct fake_container *container)
{
    return container->life < world->life && container->started_at >= world->life_began;
}

static int64_t running_tasks_but(const struct world *world, const char *service,
                                 const char *task_id)
{
    int64_t count = 0;
    for (size_t i = 0; i < world->container_count; i++) {
        const struct fake_container *container = &world->containers[i];
        if (container->exists && container->ours && container->state == RUNTIME_RUNNING &&
            str_equal(container->service, service) && !str_equal(container->task_id, task_id) &&
            !is_last_words(world, container) && !seen_before(world, i))
            count++;
    }
    return count;
}

/* Never more than floor(desired * maximumPercent / 100) live tasks because of a start. */
static void check_maximum(struct world *world, const struct action *action)
{
    const struct service *service = service_of(world, action);
    if (action->kind != ACT_START || !service)
        return;
    int64_t maximum =
        fixed_port(service) ? service->desired_count : service_maximum_running(service);
    for (size_t i = 0; i < action->task->container_count; i++) {
        enum container_state state = action->task->containers[i].state;
        if (i != action->container && (state == CONTAINER_RUNNING || state == CONTAINER_STARTING ||
                                       state == CONTAINER_STOPPING || state == CONTAINER_UNKNOWN))
            return; /* as far as anybody knows it runs already, and no start makes it two */
    }
    int64_t others = running_tasks_but(world, service->name, action->task->id);
    const char *other = "";
    for (size_t i = 0; i < world->container_count; i++)
        if (world->containers[i].exists && world->containers[i].ours &&
            world->containers[i].state == RUNTIME_RUNNING &&
            str_equal(world->containers[i].service, service->name))
            other = world->containers[i].name;
    if (others + 1 > maximum)
        world_fail(world, "%s would have %lld tasks, maximum %lld (%s runs)", service->name,
                   (long long)others + 1, (long long)maximum, other);
}

static bool task_truly_healthy(struct world *world, const struct task *task)
{
    for (size_t i = 0; i < task->container_count; i++) {
        if (!task->containers[i].essential)
            continue;
        const struct fake_container *there = runtime_find(world, task->containers[i].runtime_name);
        if (!there || there->state != RUNTIME_RUNNING ||
            (there->health_check && !runtime_healthy(world, there)))
            return false;
    }
    return true;
}

/* Nobody can know of a death sooner than a look can tell it. */
static bool died_just_now(struct world *world, const struct task *task)
{
    for (size_t i = 0; i < task->container_count; i++) {
        const struct fake_container *there = runtime_find(world, task->containers[i].runtime_name);
        if (there && there->state == RUNTIME_EXITED && task->containers[i].essential &&
            world_wall(world) - there->finished_wall < 5000 + 2 * world->knobs.latency_max)
            return true;
    }
    return false;
}

static int64_t healthy_tasks_but(struct world *world, const char *service, const char *task_id)
{
    int64_t count = 0;
    for (const struct task *task = world->core->tasks; task; task = task->next)
        if (str_equal(task->service, service) && !str_equal(task->id, task_id) &&
            task->intent == INTENT_RUN &&
            (task_truly_healthy(world, task) || died_just_now(world, task)))
            count++;
    return count;
}

/* Never fewer than ceil(desired * minimumHealthyPercent / 100) healthy because of a stop, and
 * never a healthy task that the service still needs. */
static void check_minimum(struct world *world, const struct action *action)
{
    const struct service *service = service_of(world, action);
    if (!world->strict || action->kind != ACT_STOP || !service || fixed_port(service))
        return;
    const struct task *task = action->task;
    if (task->stop_at != world->now || !task_truly_healthy(world, task) ||
        str_equal(task->stop_code, "EssentialContainerExited") ||
        str_equal(task->stop_code, "UserInitiated"))
        return;
    int64_t others = healthy_tasks_but(world, service->name, task->id);
    for (const struct task *each = world->core->tasks; each; each = each->next)
        if (others < service_minimum_healthy(service) && str_equal(each->service, service->name))
            world_trace(world, "  %.8s intent %d believed %s truly %d", each->id, each->intent,
                        task_health_name(each->last_health), task_truly_healthy(world, each));
    if (others < service_minimum_healthy(service))
        world_fail(world, "stopping %.8s leaves %s with %lld healthy tasks, minimum %lld", task->id,
                   service->name, (long long)others, (long long)service_minimum_healthy(service));
}

static bool all_essential_run(struct world *world, const struct task *task)
{
    for (size_t i = 0; i < task->container_count; i++) {
        const struct fake_container *there = runtime_find(world, task->containers[i].runtime_name);
        bool essential = task->containers[i].essential;
        if (there && !there->started)
            return false; /* it was still being started */
        if (essential && (!there || there->state != RUNTIME_RUNNING || is_last_words(world, there)))
            return false;
    }
    return true;
}

/* With unknown health after a restart of the agent the same must hold for what it knows. */
static void check_known_minimum(struct world *world, const struct action *action)
{
    const struct service *service = service_of(world, action);
    if (action->kind != ACT_STOP || !service || fixed_port(service) ||
        !all_essential_run(world, action->task) || action->task->stop_at != world->now ||
        action->task->last_health == TASK_UNHEALTHY ||
        str_equal(action->task->stop_code, "EssentialContainerExited") ||
        str_equal(action->task->stop_code, "UserInitiated"))
        return;
    const struct task *task = action->task;
    int64_t known = 0;
    for (const struct task *other = world->core->tasks; other; other = other->next)
        known +=
            other != task && str_equal(other->service, service->name) && other->healthy_at != 0;
    if (known < service_minimum_healthy(service))
        world_fail(world, "stopping %.8s of %s although only %lld others were ever seen healthy",
                   task->id, service->name, (long long)known);
}

static void check_removes_nothing_alive(struct world *world, const struct action *action)
{
    const struct fake_container *container =
        action->kind == ACT_REMOVE ? runtime_find(world, action->container_name) : NULL;
    if (world->strict && container && container->state == RUNTIME_RUNNING)
        world_fail(world, "removing %s, which runs", container->name);
}

/* ------------------------------------------------------------------ order inside a task */

static const struct fake_container *sibling(struct world *world, const struct task *task,
                                            const char *name)
{
    const struct container *of = NULL;
    for (size_t i = 0; i < task->container_count; i++)
        if (str_equal(task->containers[i].name, name))
            of = &task->containers[i];
    return of ? runtime_find(world, of->runtime_name) : NULL;
}

static void check_start_order(struct world *world, const struct action *action)
{
    if (action->kind != ACT_START)
        return;
    const struct container *container = &action->task->containers[action->container];
    for (size_t i = 0; i < container->depends_on_count; i++) {
        const struct dependency *on = &container->depends_on[i];
        const struct fake_container *there = sibling(world, action->task, on->container_name);
        if (!there)
            continue; /* somebody took it away after it had done its part */
        if (!there->started)
            world_fail(world, "%s starts before %s", container->name, on->container_name);
        if (on->condition == DEPENDS_SUCCESS &&
            (there->state != RUNTIME_EXITED || there->exit_code != 0))
            world_fail(world, "%s starts although %s has not succeeded", container->name,
                       on->container_name);
    }
}

static void check_stop_order(struct world *world, const struct action *action)
{
    if (!world->strict || action->kind != ACT_STOP)
        return;
    const struct task *task = action->task;
    const char *name = task->containers[action->container].name;
    for (size_t i = 0; i < task->container_count; i++) {
        const struct container *other = &task->containers[i];
        const struct fake_container *there = runtime_find(world, other->runtime_name);
        for (size_t k = 0; k < other->depends_on_count; k++)
            if (str_equal(other->depends_on[k].container_name, name) && there &&
                there->state == RUNTIME_RUNNING)
                world_fail(world, "%s stops before %s, which depends on it", name, other->name);
    }
}

/* What runs exactly once is never started a second time, whatever was lost meanwhile. */
void checks_one_off_ran(struct world *world, const char *id)
{
    struct witness *witness = world->witness;
    for (size_t i = 0; i < witness->ran_count; i++)
        if (str_equal(witness->ran[i], id))
            world_fail(world, "one-off task %s runs a second time", id);
    if (witness->ran_count < RAN_MAX)
        (void)snprintf(witness->ran[witness->ran_count++], sizeof witness->ran[0], "%s", id);
}

/* A failed deployment launches nothing more while an older one serves. */
static void check_failed_launches_nothing(struct world *world, const struct action *action)
{
    const struct service_fact *fact = core_service(world->core, action->service);
    if (action->kind != ACT_CREATE || !fact || !fact->primary ||
        fact->primary->state != DEPLOYMENT_FAILED || action->task->created_at != world->now)
        return;
    for (const struct task *task = world->core->tasks; task; task = task->next)
        if (str_equal(task->service, action->service) && task->intent == INTENT_RUN &&
            task->generation != fact->primary->generation)
            world_fail(world, "the failed deployment of %s goes on launching", action->service);
}

/* The new image is local before anything old stops for it. */
static void check_image_first(struct world *world, const struct action *action)
{
    const struct service *service = service_of(world, action);
    if (!world->strict || action->kind != ACT_STOP || !service ||
        !strstr(action->task->stopped_reason, "newer deployment") || !action->task->running_at ||
        action->task->stop_at != world->now)
        return;
    if (healthy_tasks_but(world, service->name, action->task->id) >= service->desired_count)
        return; /* fewer are wanted now: this one is spare anyway */
    for (size_t i = 0; i < service->definition->container_count; i++) {
        const char *image = service->definition->containers[i].image;
        for (size_t k = 0; k < world->image_count; k++)
            if (str_equal(world->images[k].name, image) && !world->images[k].local)
                world_fail(world, "%.8s stops before image %s is here", action->task->id, image);
    }
}

/* ------------------------------------------------------------------ backoff */

static void check_backoff(struct world *world, const struct action *action)
{
    struct witness *witness = world->witness;
    if (!world->strict || action->kind != ACT_CREATE || !*action->service || action->container != 0)
        return;
    int recent = 1;
    for (size_t i = 0; i < STARTS_MAX; i++) {
        const struct begun *begun = &witness->starts[i];
        recent += begun->at && begun->at > world->now - 60000 &&
                  begun->slot == action->task->slot &&
                  begun->generation == action->task->generation &&
                  str_equal(begun->service, action->service);
    }
    struct begun *begun = &witness->starts[witness->start_next++ % STARTS_MAX];
    *begun = (struct begun){ .generation = action->task->generation,
                             .slot = action->task->slot,
                             .at = world->now };
    (void)snprintf(begun->service, sizeof begun->service, "%s", action->service);
    if (recent > STARTS_PER_MINUTE)
        world_fail(world, "slot %lld of %s is created %d times within a minute",
                   (long long)action->task->slot, action->service, recent);
}

void checks_action(struct world *world, const struct action *action)
{
    check_one_in_flight(world, action);
    check_bounds(world, action);
    check_only_ours(world, action);
    check_not_before_look_and_document(world, action);
    if (!changes_runtime(action))
        return;
    check_saved_first(world, action);
    check_maximum(world, action);
    check_minimum(world, action);
    check_known_minimum(world, action);
    check_removes_nothing_alive(world, action);
    check_start_order(world, action);
    check_stop_order(world, action);
    check_failed_launches_nothing(world, action);
    check_image_first(world, action);
    check_backoff(world, action);
}

/* ------------------------------------------------------------------ what is said */

static void check_said_healthy(struct world *world, const struct change *change)
{
    for (const struct task *task = world->core->tasks; task; task = task->next)
        if (str_equal(task->id, change->task_id) && !task_truly_healthy(world, task) &&
            !died_just_now(world, task))
            world_fail(world, "%.8s is said to be healthy", task->id);
}

/* COMPLETED means that the tasks are there, and not only that nobody heard of their end. */
void checks_said(struct world *world, uint64_t changes_before)
{
    const struct core *core = world->core;
    for (uint64_t i = changes_before + 1; world->strict && i <= core->change_sequence; i++) {
        const struct change *change = core_change(core, i);
        if (change && change->kind == CHANGE_TASK && str_equal(change->text, "health is HEALTHY"))
            check_said_healthy(world, change);
        if (!change || change->kind != CHANGE_DEPLOYMENT || !strstr(change->text, "is COMPLETED"))
            continue;
        const struct service *service = desired_service(core->desired, change->service);
        if (service && healthy_tasks_but(world, service->name, "") < service->desired_count)
            world_fail(world, "%s is COMPLETED with %lld healthy tasks", service->name,
                       (long long)healthy_tasks_but(world, service->name, ""));
    }
}

/* ------------------------------------------------------------------ in the end */

static int64_t tasks_of_digest(const struct world *world, const struct service *service,
                               bool *ret_others)
{
    char digest[DIGEST_HEX_LEN + 1];
    digest_hex(&service->digest, digest);
    int64_t count = 0;
    for (size_t i = 0; i < world->container_count; i++) {
        const struct fake_container *container = &world->containers[i];
        if (!container->exists || !container->ours || container->state != RUNTIME_RUNNING ||
            !str_equal(container->service, service->name) || seen_before(world, i))
            continue;
        if (str_equal(container->digest, digest))
            count++;
        else
            *ret_others = true;
    }
    return count;
}

static void check_service_converged(struct world *world, const struct service *service)
{
    bool others = false;
    if (fixed_port(service) && service->desired_count > 1)
        return;
    int64_t count = tasks_of_digest(world, service, &others);
    const struct service_fact *fact = core_service(world->core, service->name);
    if (count != service->desired_count || others)
        world_fail(world, "calm, but %s has %lld tasks of %lld%s: %s, %s", service->name,
                   (long long)count, (long long)service->desired_count,
                   others ? " and old ones" : "", wait_reason_text(fact->wait.reason),
                   fact->wait.detail);
    else if (fact->healthy != service->desired_count)
        world_fail(world, "calm, but %s has %lld healthy tasks of %lld", service->name,
                   (long long)fact->healthy, (long long)service->desired_count);
    else if (fact->primary->state != DEPLOYMENT_COMPLETED || fact->primary->older)
        world_fail(world, "calm, but the deployment %lld of %s is %s, beside generation %lld",
                   (long long)fact->primary->generation, service->name,
                   deployment_state_name(fact->primary->state),
                   (long long)(fact->primary->older ? fact->primary->older->generation : 0));
}

static void check_one_off_ended(struct world *world, const struct one_off *one_off)
{
    const struct one_off_record *record = core_one_off(world->core, one_off->id);
    if (!record || (record->state != ONE_OFF_STOPPED && record->state != ONE_OFF_LOST))
        world_fail(world, "calm, but one-off task %s has not ended", one_off->id);
    else if (record->state == ONE_OFF_STOPPED && record->exit_known &&
             str_equal(record->definition_name, one_off->definition->name) &&
             record->exit_code != 137 && record->exit_code != 143 &&
             record->exit_code != behaviour_of(one_off->definition->containers[0].image).exit_code)
        world_fail(world, "one-off task %s ended with %lld", one_off->id,
                   (long long)record->exit_code);
}

static void check_nothing_else(struct world *world)
{
    for (size_t i = 0; i < world->container_count; i++) {
        const struct fake_container *container = &world->containers[i];
        if (!container->exists && !container->ours && str_starts(container->id, "foreign"))
            world_fail(world, "%s is gone, and it was not ours", container->name);
        if (!container->exists || !container->ours)
            continue;
        bool wanted = *container->service
                          ? desired_service(world->core->desired, container->service) != NULL
                          : desired_one_off(world->core->desired, container->one_off) != NULL;
        if (!wanted)
            world_fail(world, "calm, but %s is still there", container->name);
    }
}

void checks_converged(struct world *world)
{
    const struct core *core = world->core;
    if (!core->desired || core->desired->revision != world->published_revision) {
        world_fail(world, "calm, but revision %lld is not in effect",
                   (long long)world->published_revision);
        return;
    }
    for (size_t i = 0; i < core->desired->service_count; i++)
        check_service_converged(world, &core->desired->services[i]);
    for (size_t i = 0; i < core->desired->one_off_count; i++)
        check_one_off_ended(world, &core->desired->one_offs[i]);
    check_nothing_else(world);
}

/* A deployment that cannot work ends FAILED, says so, and the old tasks still serve. */
void checks_failed_safely(struct world *world, const char *name)
{
    const struct service_fact *fact = core_service(world->core, name);
    if (!fact || !fact->primary || fact->primary->state != DEPLOYMENT_FAILED ||
        !*fact->primary->reason) {
        world_fail(world, "the deployment of %s is not FAILED", name);
        return;
    }
    if (fixed_port(fact->wanted))
        return;
    int64_t serving = healthy_tasks_but(world, name, "");
    if (serving < service_minimum_healthy(fact->wanted))
        world_fail(world, "after a failed deployment %s has %lld healthy tasks", name,
                   (long long)serving);
}
