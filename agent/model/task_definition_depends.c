/* task_definition_depends.c: dependsOn is resolved, has no cycle, and can be met. */
#include "agent/model/task_definition_check.h"

#include "berth/assert.h"
#include "berth/limits.h"
#include "berth/str.h"

enum visit { UNSEEN, ON_THE_WAY, DONE };

struct walk {
    const struct task_definition *definition;
    enum visit state[CONTAINERS_PER_TASK_MAX];
    size_t way[CONTAINERS_PER_TASK_MAX]; /* the containers from where the walk began to here */
    size_t length;
};

/* ECS refuses the same: an essential container that ends takes the task with it. */
static void check_condition(const struct dependency *dependency,
                            const struct container_definition *target, const struct place *place,
                            struct findings *findings)
{
    const struct place *here = AT_KEY(place, "condition");
    bool must_end =
        dependency->condition == DEPENDS_COMPLETE || dependency->condition == DEPENDS_SUCCESS;
    if (must_end && target->essential)
        place_error(findings, here, FINDING_IMPOSSIBLE,
                    "%s waits for \"%s\" to end, but that is essential and would end the task; "
                    "set \"essential\": false there",
                    depends_condition_name(dependency->condition), dependency->container_name);
    if (dependency->condition == DEPENDS_HEALTHY && !target->health_check.present)
        place_error(findings, here, FINDING_IMPOSSIBLE,
                    "HEALTHY waits for \"%s\", which has no healthCheck in this task definition",
                    dependency->container_name);
}

static void resolve(const struct task_definition *definition, struct dependency *dependency,
                    const struct place *place, struct findings *findings)
{
    dependency->container = SIZE_MAX;
    if (!dependency->container_name)
        return;
    int index = task_definition_container(definition, dependency->container_name);
    if (index < 0) {
        place_error(findings, AT_KEY(place, "containerName"), FINDING_UNKNOWN_REFERENCE,
                    "the task definition has no container named \"%.60s\"",
                    dependency->container_name);
        return;
    }
    dependency->container = (size_t)index;
    check_condition(dependency, &definition->containers[index], place, findings);
}

/* "a -> b -> a", from where the way first meets the container that it came back to. */
static void describe_cycle(const struct walk *walk, size_t start, struct str *out)
{
    size_t i = 0;
    while (walk->way[i] != start)
        i++;
    for (; i < walk->length; i++) {
        const char *name = walk->definition->containers[walk->way[i]].name;
        str_addf(out, "%.60s -> ", name ? name : "?");
    }
    str_addf(out, "%.60s", walk->definition->containers[start].name);
}

static void report_cycle(const struct walk *walk, size_t start, const struct place *containers,
                         struct findings *findings)
{
    AUTO_STR struct str cycle;
    str_init(&cycle, 400);
    describe_cycle(walk, start, &cycle);
    place_error(findings, AT_KEY(AT_INDEX(containers, start), "dependsOn"), FINDING_CYCLE,
                "containers wait for each other: %s", str_text(&cycle));
}

/* Depth first; as deep as there are containers. True when a cycle was found and reported. */
static bool walk_from(struct walk *walk, size_t index, const struct place *containers,
                      struct findings *findings)
{
    if (walk->state[index] == DONE)
        return false;
    if (walk->state[index] == ON_THE_WAY) {
        report_cycle(walk, index, containers, findings);
        return true;
    }
    ASSERT(walk->length < CONTAINERS_PER_TASK_MAX);
    walk->state[index] = ON_THE_WAY;
    walk->way[walk->length++] = index;
    const struct container_definition *container = &walk->definition->containers[index];
    for (size_t i = 0; i < container->depends_on_count; i++) {
        size_t next = container->depends_on[i].container;
        if (next != SIZE_MAX && walk_from(walk, next, containers, findings))
            return true;
    }
    walk->length--;
    walk->state[index] = DONE;
    return false;
}

void task_definition_check_dependencies(struct task_definition *definition,
                                        const struct place *place, struct findings *findings)
{
    ASSERT(definition->container_count <= CONTAINERS_PER_TASK_MAX);
    const struct place *containers = AT_KEY(place, "containerDefinitions");
    for (size_t i = 0; i < definition->container_count; i++) {
        struct container_definition *container = &definition->containers[i];
        const struct place *here = AT_KEY(AT_INDEX(containers, i), "dependsOn");
        for (size_t j = 0; j < container->depends_on_count; j++)
            resolve(definition, &container->depends_on[j], AT_INDEX(here, j), findings);
    }
    struct walk walk = { .definition = definition };
    for (size_t i = 0; i < definition->container_count; i++) {
        if (walk_from(&walk, i, containers, findings))
            return;
    }
}
