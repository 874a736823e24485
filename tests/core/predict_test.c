/* plan = action: what core_plan() lists is what the agent then does in a world without faults. */
#include <stdlib.h>
#include <string.h>

#include "berth/memory.h"
#include "tests/lib/script.h"
#include "tests/lib/test.h"

/* One line per container, "svc0 app: create start", and per pull; sorted. Which of several equal
 * tasks goes depends on the moment, so their ids tell containers apart but are not compared. */
#define LINES_MAX 2000

struct history {
    struct entry {
        char who[700];
        char line[900]; /* without the task's id */
    } * entries;
    size_t count;
};

static void note(struct history *history, const char *group, const char *task_id,
                 const char *container, const char *kind)
{
    char who[700];
    struct entry *entry = NULL;
    (void)snprintf(who, sizeof who, "%s %s %s", group, task_id, container);
    for (size_t i = 0; i < history->count && !entry; i++)
        if (str_equal(history->entries[i].who, who))
            entry = &history->entries[i];
    if (!entry) {
        assert_true(history->count < LINES_MAX);
        entry = &history->entries[history->count++];
        (void)snprintf(entry->who, sizeof entry->who, "%s", who);
        (void)snprintf(entry->line, sizeof entry->line, "%s %s:", group, container);
    }
    size_t used = strlen(entry->line);
    (void)snprintf(entry->line + used, sizeof entry->line - used, " %s", kind);
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->line, ((const struct entry *)b)->line);
}

static char *told(struct history *history)
{
    struct str text;
    str_init(&text, 1 << 20);
    qsort(history->entries, history->count, sizeof *history->entries, compare_entries);
    for (size_t i = 0; i < history->count; i++)
        str_addf(&text, "%s\n", history->entries[i].line);
    free(history->entries);
    return str_take(&text);
}

static struct history history_begin(void)
{
    return (struct history){ .entries = memory_array(LINES_MAX, sizeof(struct entry)) };
}

static char *told_by_plan(const struct core *core, struct desired *desired)
{
    struct history history = history_begin();
    struct plan *plan = core_plan(core, desired);
    assert_false(plan->cut);
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_step *step = &plan->steps[i];
        bool pull = step->kind == ACT_PULL;
        note(&history, pull ? "image" : step->service, pull ? "" : step->task_id,
             pull ? step->image : step->container, action_kind_name(step->kind));
    }
    plan_free(plan);
    return told(&history);
}

static void listen(struct world *world, const struct action *action)
{
    if (!action)
        return;
    const char *kind = action_kind_name(action->kind);
    if (action->kind == ACT_PULL)
        note(world->listener, "image", "", action->image, kind);
    else if (action->kind == ACT_CREATE || action->kind == ACT_START || action->kind == ACT_STOP ||
             action->kind == ACT_REMOVE)
        note(world->listener, action->service, action->task->id,
             action->task->containers[action->container].name, kind);
}

static char *told_by_world(struct world *world)
{
    struct history history = history_begin();
    world->listen = listen;
    world->listener = &history;
    struct event poll = { .kind = EV_COMMAND, .command = COMMAND_POLL };
    world_event(world, &poll);
    (void)world_run_until(world, world->now + MINUTES(40));
    world->listen = NULL;
    return told(&history);
}

static struct desired *published(const struct world *world)
{
    struct findings findings = { 0 };
    struct desired *desired = desired_parse(world->published, strlen(world->published), &findings);
    assert_non_null(desired);
    findings_release(&findings);
    return desired;
}

/* Lines of one that the other does not have. */
static void print_missing(const char *mark, const char *lines, const char *other)
{
    for (const char *line = lines; *line; line += strcspn(line, "\n") + 1) {
        AUTO_FREE char *whole = memory_strndup(line, strcspn(line, "\n") + 1);
        if (!strstr(other, whole))
            printf("%s %s", mark, whole);
    }
}

static void compare_at(uint64_t seed, msec interrupted_after)
{
    struct world *world = memory_alloc(sizeof *world);
    world_init(world, seed, true);
    world->tracing = false;
    world->knobs.latency_max = 50;
    world_start_agent(world);
    scenario_publish(world, true, false);
    (void)world_run_until(world, world->now + MINUTES(30));
    if (interrupted_after) {
        scenario_publish(world, true, false);
        (void)world_run_until(world, world->now + interrupted_after);
    }
    while (world->core->fetch_action) /* a document on its way would be one more */
        (void)world_run_until(world, world->now + 10);
    scenario_publish(world, true, false);
    world->knobs.fetch_max = 1; /* what is done meanwhile, no plan can know */
    struct desired *desired = published(world);
    AUTO_FREE char *planned = told_by_plan(world->core, desired);
    AUTO_FREE char *done = told_by_world(world);
    desired_unref(desired);
    if (world->failure[0])
        fail_msg("seed %llu: %s", (unsigned long long)seed, world->failure);
    print_missing("only planned:", planned, done);
    print_missing("only done:", done, planned);
    if (strcmp(planned, done) != 0)
        fail_msg("seed %llu", (unsigned long long)seed);
    world_release(world);
    free(world);
}

TEST(predict, lists_what_is_then_done)
{
    for (uint64_t seed = 1; seed <= 300; seed++)
        compare_at(seed, 0);
}

TEST(predict, lists_what_is_then_done_in_the_middle_of_a_rollout)
{
    for (uint64_t seed = 1; seed <= 300; seed++)
        compare_at(seed, (msec)(1 + seed * 7919 % 20000));
}
