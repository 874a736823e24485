/* desired_one_offs.c: tasks that run once: their own copy of a definition, overrides applied. */
#include <string.h>

#include "agent/model/desired_inside.h"
#include "agent/model/environment.h"
#include "agent/model/task_definition_check.h"
#include "agent/model/task_definition_digest.h"
#include "berth/assert.h"
#include "berth/str.h"

static struct task_definition *definition_copy(const struct task_definition *definition,
                                               struct arena *arena)
{
    struct task_definition *copy = arena_alloc(arena, sizeof *copy);
    *copy = *definition;
    copy->containers = arena_array(arena, copy->container_count, sizeof *copy->containers);
    ASSERT(copy->container_count > 0);
    memcpy(copy->containers, definition->containers,
           copy->container_count * sizeof *copy->containers);
    return copy;
}

static void override_environment(struct container_definition *container,
                                 const struct container_override *override, struct arena *arena)
{
    size_t before = container->environment_count;
    size_t added = override->environment_count;
    if (added == 0)
        return;
    struct key_value *both = arena_array(arena, before + added, sizeof *both);
    if (before > 0)
        memcpy(both, container->environment, before * sizeof *both);
    memcpy(both + before, override->environment, added * sizeof *both);
    container->environment = both;
    container->environment_count = environment_settle(both, before + added, NULL, NULL);
}

static void override_number(int64_t *value, int64_t wanted)
{
    if (wanted != ABSENT)
        *value = wanted;
}

static void override_container(struct container_definition *container,
                               const struct container_override *override, struct arena *arena)
{
    if (override->command.count > 0) {
        container->command = override->command;
        container->command_set = true;
    }
    override_environment(container, override, arena);
    override_number(&container->cpu, override->cpu);
    override_number(&container->memory_mib, override->memory_mib);
    override_number(&container->memory_reservation_mib, override->memory_reservation_mib);
}

static void check_sizes(const struct task_definition *definition, const struct place *place,
                        struct findings *findings)
{
    struct findings inside = { 0 };
    char text[256];
    task_definition_check_memory(definition, NULL, &inside);
    if (inside.errors > 0)
        place_error(findings, place, FINDING_IMPOSSIBLE, "with these overrides, %s",
                    findings_first_error(&inside, text, sizeof text));
    findings_release(&inside);
}

/* A definition of its own for this task; the one in the document serves others too. */
static const struct task_definition * override(struct desired_builder *builder,
                                               const struct task_definition *definition,
                                               const struct overrides *overrides,
                                               const struct place *place)
{
    struct arena *arena = &builder->desired->arena;
    struct task_definition *copy = definition_copy(definition, arena);
    override_number(&copy->cpu, overrides->cpu);
    override_number(&copy->memory_mib, overrides->memory_mib);
    for (size_t i = 0; i < overrides->container_count; i++) {
        const struct container_override *wanted = &overrides->containers[i];
        int index = wanted->name ? task_definition_container(copy, wanted->name) : -1;
        if (index >= 0)
            override_container(&copy->containers[index], wanted, arena);
        else if (wanted->name)
            place_error(builder->findings,
                        AT_KEY(AT_INDEX(AT_KEY(place, "containerOverrides"), i), "name"),
                        FINDING_UNKNOWN_REFERENCE, "%s has no container named \"%.60s\"",
                        definition->name, wanted->name);
    }
    check_sizes(copy, place, builder->findings);
    task_definition_digest(copy);
    return copy;
}

static void check_id(const struct desired *desired, size_t index, const struct place *place,
                     struct findings *findings)
{
    const char *id = desired->one_offs[index].id;
    for (size_t i = 0; id && i < index; i++) {
        if (!str_equal(desired->one_offs[i].id, id))
            continue;
        place_error(findings, AT_KEY(place, "id"), FINDING_DUPLICATE,
                    "\"%.100s\" is already the id of tasks[%zu]", id, i);
        return;
    }
}

static void build_one_off(struct desired_builder *builder, size_t index,
                          const struct one_off_input *input, const struct place *place)
{
    struct one_off *one_off = &builder->desired->one_offs[index];
    one_off->id = input->id;
    check_id(builder->desired, index, place, builder->findings);
    const struct task_definition *definition =
        desired_find_definition(builder, input->definition, AT_KEY(place, "taskDefinition"));
    if (!definition)
        return;
    one_off->definition =
        override(builder, definition, &input->overrides, AT_KEY(place, "overrides"));
    one_off->digest = one_off->definition->digest;
}

void desired_build_one_offs(struct desired_builder *builder, const struct document_input *input)
{
    struct desired *desired = builder->desired;
    desired->one_off_count = input->one_off_count;
    desired->one_offs =
        arena_array(&desired->arena, desired->one_off_count, sizeof *desired->one_offs);
    for (size_t i = 0; i < input->one_off_count; i++)
        build_one_off(builder, i, &input->one_offs[i], AT_INDEX(AT_KEY(NULL, "tasks"), i));
}
