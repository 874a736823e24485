/* task_definition.h: the containers, volumes and limits of one task, in ECS's shape.
 *
 * Parsed from RegisterTaskDefinition input, describe output (bare or wrapped in "taskDefinition")
 * by the field tables in agent/model: one row per field drives parsing, type and range check,
 * digest, and the list of what is accepted, ignored or refused. Immutable after parsing; all
 * memory belongs to the arena that was passed. Absent and null are the same. */
#ifndef BERTH_TASK_DEFINITION_H
#define BERTH_TASK_DEFINITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "berth/arena.h"
#include "berth/digest.h"
#include "berth/findings.h"

struct cJSON;

enum network_mode { NETWORK_BRIDGE, NETWORK_HOST, NETWORK_NONE };
enum depends_condition { DEPENDS_START, DEPENDS_COMPLETE, DEPENDS_SUCCESS, DEPENDS_HEALTHY };
enum protocol { PROTOCOL_TCP, PROTOCOL_UDP };

const char *network_mode_name(enum network_mode mode);                /* "bridge" */
const char *depends_condition_name(enum depends_condition condition); /* "HEALTHY" */
int depends_condition_parse(const char *text, enum depends_condition *ret);
const char *protocol_name(enum protocol protocol); /* "tcp" */

struct string_list {
    const char **items;
    size_t count;
};

struct key_value {
    const char *name;
    const char *value;
};

struct port_mapping {
    int64_t container_port;
    /* 0: the runtime chooses (absent or 0 in bridge mode). In host mode always container_port. */
    int64_t host_port;
    enum protocol protocol;
    const char *name; /* or NULL */
};

struct health_check {
    bool present; /* false also for command ["NONE"], see disabled */
    bool disabled;
    struct string_list command;                             /* first word CMD or CMD-SHELL */
    int64_t interval_s, timeout_s, retries, start_period_s; /* 30, 5, 3, 0 by default */
};

struct dependency {
    const char *container_name;
    size_t container; /* index in the task definition */
    enum depends_condition condition;
};

/* ECS: restart in place unless stopped on purpose, the code is ignored, or the container ran
 * less than attempt_period_s since its last (re)start. */
struct restart_policy {
    bool enabled;
    int64_t *ignored_exit_codes;
    size_t ignored_exit_code_count;
    int64_t attempt_period_s; /* 60..1800, 300 by default */
};

struct mount_point {
    const char *source_volume;
    const char *container_path;
    bool read_only;
};

struct volume {
    const char *name;
    const char *host_path; /* NULL: a volume of the task's own, made by the runtime */
};

struct container_definition {
    const char *name;
    const char *image;
    struct string_list entry_point, command;
    bool entry_point_set, command_set; /* an explicit [] differs from absent only for command */
    struct key_value *environment; /* each name once: of duplicates the last counts, as in ECS */
    size_t environment_count;
    struct key_value *docker_labels;
    size_t docker_label_count;
    bool essential;     /* true by default */
    int64_t cpu;        /* units, 1024 = one vCPU's share; 0 = absent */
    int64_t memory_mib; /* hard limit; 0 = absent */
    int64_t memory_reservation_mib;
    struct port_mapping *port_mappings;
    size_t port_mapping_count;
    struct health_check health_check;
    struct dependency *depends_on;
    size_t depends_on_count;
    int64_t start_timeout_s; /* 0 = absent */
    int64_t stop_timeout_s;  /* -1 = absent; 0 is allowed and means at once */
    struct restart_policy restart_policy;
    const char *user;
    const char *working_directory;
    bool readonly_root_filesystem;
    struct mount_point *mount_points;
    size_t mount_point_count;
};

struct task_definition {
    const char *family;
    int64_t revision; /* 1 when absent */
    bool revision_given;
    const char *name; /* "family:revision" */
    enum network_mode network_mode;
    int64_t cpu;        /* task level, 1024ths of a vCPU; 0 = absent */
    int64_t memory_mib; /* task level; 0 = absent */
    struct container_definition *containers;
    size_t container_count;
    struct volume *volumes;
    size_t volume_count;
    struct digest digest; /* over everything above, in a canonical form; defaults do not count */
};

/* Parse one element. path is its place in the document ("taskDefinitions[3]"). Findings are
 * added; returns false when any of them is an error (ret is then unusable). */
bool task_definition_parse(const struct cJSON *json, const char *path, struct arena *arena,
                           struct task_definition *ret, struct findings *findings);

/* Index of the container with that name, or -1. */
int task_definition_container(const struct task_definition *definition, const char *name);

#endif
