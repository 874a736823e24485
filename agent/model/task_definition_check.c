/* task_definition_check.c: names, health checks, volumes, memory. */
#include "agent/model/task_definition_check.h"

#include <string.h>

#include "agent/model/render_labels.h"
#include "berth/str.h"

#define IGNORED_EXIT_CODES_MAX 50

static void check_names(const struct task_definition *definition, const struct place *containers,
                        struct findings *findings)
{
    bool any_essential = false;
    for (size_t i = 0; i < definition->container_count; i++) {
        const struct container_definition *container = &definition->containers[i];
        any_essential = any_essential || container->essential;
        int first = container->name ? task_definition_container(definition, container->name) : -1;
        if (first >= 0 && (size_t)first < i)
            place_error(findings, AT_KEY(AT_INDEX(containers, i), "name"), FINDING_DUPLICATE,
                        "\"%s\" is already the name of container %d", container->name, first);
    }
    if (definition->container_count > 0 && !any_essential)
        place_error(findings, containers, FINDING_IMPOSSIBLE,
                    "no container is essential, and a task needs at least one that is");
}

static void check_health(struct health_check *check, const struct place *place,
                         struct findings *findings)
{
    if (!check->present || check->command.count == 0)
        return;
    const struct place *command = AT_KEY(place, "command");
    const char *word = check->command.items[0];
    bool none = str_equal(word, "NONE");
    if (none) {
        check->present = false;
        check->disabled = true;
        return;
    }
    if (!str_equal(word, "CMD") && !str_equal(word, "CMD-SHELL"))
        place_error(findings, AT_INDEX(command, 0), FINDING_VALUE,
                    "\"%.60s\" is not CMD, CMD-SHELL or NONE, one of which must come first", word);
    else if (check->command.count < 2)
        place_error(findings, command, FINDING_VALUE, "%s needs a command after it", word);
}

static bool volume_exists(const struct task_definition *definition, const char *name)
{
    for (size_t i = 0; i < definition->volume_count; i++) {
        if (str_equal(definition->volumes[i].name, name))
            return true;
    }
    return false;
}

static void check_mounts(const struct task_definition *definition,
                         const struct container_definition *container, const struct place *place,
                         struct findings *findings)
{
    for (size_t i = 0; i < container->mount_point_count; i++) {
        const struct mount_point *mount = &container->mount_points[i];
        const struct place *here = AT_INDEX(place, i);
        if (mount->source_volume && !volume_exists(definition, mount->source_volume))
            place_error(findings, AT_KEY(here, "sourceVolume"), FINDING_UNKNOWN_REFERENCE,
                        "the task definition has no volume named \"%.60s\"", mount->source_volume);
        for (size_t j = 0; j < i; j++) {
            const char *other = container->mount_points[j].container_path;
            if (!mount->container_path || !str_equal(other, mount->container_path))
                continue;
            place_error(findings, AT_KEY(here, "containerPath"), FINDING_DUPLICATE,
                        "\"%.60s\" is already mounted by mount point %zu", other, j);
            break;
        }
    }
}

static void check_volumes(const struct task_definition *definition, const struct place *place,
                          struct findings *findings)
{
    for (size_t i = 0; i < definition->volume_count; i++) {
        const char *name = definition->volumes[i].name;
        for (size_t j = 0; name && j < i; j++) {
            if (!str_equal(definition->volumes[j].name, name))
                continue;
            place_error(findings, AT_KEY(AT_INDEX(place, i), "name"), FINDING_DUPLICATE,
                        "\"%s\" is already the name of volume %zu", name, j);
            break;
        }
    }
}

static void check_restart_policy(const struct restart_policy *policy, const struct place *place,
                                 struct findings *findings)
{
    if (policy->ignored_exit_code_count > IGNORED_EXIT_CODES_MAX)
        place_error(findings, AT_KEY(place, "ignoredExitCodes"), FINDING_TOO_LARGE,
                    "has %zu entries, and at most %d are allowed", policy->ignored_exit_code_count,
                    IGNORED_EXIT_CODES_MAX);
}

static void check_labels(const struct container_definition *container, const struct place *place,
                         struct findings *findings)
{
    for (size_t i = 0; i < container->docker_label_count; i++)
        if (label_is_reserved(container->docker_labels[i].name))
            place_warning(findings, AT_KEY(place, container->docker_labels[i].name),
                          FINDING_IGNORED,
                          "this label is the agent's own, which sets it or leaves it out");
}

void task_definition_check_containers(struct task_definition *definition, const struct place *place,
                                      struct findings *findings)
{
    const struct place *containers = AT_KEY(place, "containerDefinitions");
    check_names(definition, containers, findings);
    check_volumes(definition, AT_KEY(place, "volumes"), findings);
    for (size_t i = 0; i < definition->container_count; i++) {
        struct container_definition *container = &definition->containers[i];
        const struct place *here = AT_INDEX(containers, i);
        check_health(&container->health_check, AT_KEY(here, "healthCheck"), findings);
        check_mounts(definition, container, AT_KEY(here, "mountPoints"), findings);
        check_labels(container, AT_KEY(here, "dockerLabels"), findings);
        check_restart_policy(&container->restart_policy, AT_KEY(here, "restartPolicy"), findings);
    }
}

void task_definition_check_memory(const struct task_definition *definition,
                                  const struct place *place, struct findings *findings)
{
    const struct place *containers = AT_KEY(place, "containerDefinitions");
    int64_t task = definition->memory_mib;
    for (size_t i = 0; i < definition->container_count; i++) {
        const struct container_definition *container = &definition->containers[i];
        const struct place *here = AT_INDEX(containers, i);
        int64_t memory = container->memory_mib;
        int64_t reservation = container->memory_reservation_mib;
        if (memory > 0 && memory < reservation)
            place_error(findings, AT_KEY(here, "memory"), FINDING_IMPOSSIBLE,
                        "%lld MiB is less than the memoryReservation of %lld MiB",
                        (long long)memory, (long long)reservation);
        if (task > 0 && memory > task)
            place_error(findings, AT_KEY(here, "memory"), FINDING_IMPOSSIBLE,
                        "%lld MiB is more than the %lld MiB of the task", (long long)memory,
                        (long long)task);
        if (task > 0 && reservation > task)
            place_error(findings, AT_KEY(here, "memoryReservation"), FINDING_IMPOSSIBLE,
                        "%lld MiB is more than the %lld MiB of the task", (long long)reservation,
                        (long long)task);
    }
}
