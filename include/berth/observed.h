/* observed.h: what does run: one immutable look at the runtime.
 *
 * A look has a scope. A full look lists every container with this host's label; one that is not
 * in it is gone. A scoped look names one container: it says nothing about any other.
 *
 * Parsed from the runtime's inspect answers (Docker and Podman, Engine API); unknown keys are
 * ignored, odd values become the safest reading. */
#ifndef BERTH_OBSERVED_H
#define BERTH_OBSERVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "berth/arena.h"
#include "berth/err.h"
#include "berth/limits.h"
#include "berth/task_definition.h"

#define LABEL_HOST "io.berth.host"
#define LABEL_CLUSTER "io.berth.cluster"
#define LABEL_SERVICE "io.berth.service" /* absent on one-off tasks */
#define LABEL_ONE_OFF "io.berth.one-off" /* the id of a one-off task */
#define LABEL_TASK "io.berth.task"
#define LABEL_CONTAINER "io.berth.container"
#define LABEL_DIGEST "io.berth.digest"
#define LABEL_GENERATION "io.berth.generation"
#define LABEL_SLOT "io.berth.slot"
#define LABEL_ATTEMPT "io.berth.attempt"
/* ECS's own, so that existing tools recognise tasks. */
#define LABEL_ECS_CLUSTER "com.amazonaws.ecs.cluster"
#define LABEL_ECS_CONTAINER "com.amazonaws.ecs.container-name"
#define LABEL_ECS_TASK_ARN "com.amazonaws.ecs.task-arn"
#define LABEL_ECS_FAMILY "com.amazonaws.ecs.task-definition-family"
#define LABEL_ECS_REVISION "com.amazonaws.ecs.task-definition-version"
/* What a restarted agent must know of a container whose document it no longer has. */
#define LABEL_ESSENTIAL "io.berth.essential"       /* "true" or "false" */
#define LABEL_DEPENDS_ON "io.berth.depends-on"     /* "db:HEALTHY,cache:START" */
#define LABEL_STOP_TIMEOUT "io.berth.stop-timeout" /* seconds */
#define LABEL_CONTAINERS "io.berth.containers"     /* number of containers of the task */

enum runtime_state {
    RUNTIME_CREATED,
    RUNTIME_RUNNING, /* also paused and restarting: it holds its resources */
    RUNTIME_EXITED,
    RUNTIME_DEAD, /* removal failed half-way; can only be removed */
    RUNTIME_REMOVING,
};

enum container_health { HEALTH_NONE, HEALTH_STARTING, HEALTH_HEALTHY, HEALTH_UNHEALTHY };

struct observed_port {
    int64_t container_port, host_port;
    enum protocol protocol;
};

struct observed_container {
    bool unclear; /* listed, but it could not be inspected: only id, name, image and labels hold */
    const char *runtime_id; /* full id */
    const char *name;       /* without the leading slash */
    const char *image;      /* as asked for at create */
    const char *image_id;   /* "sha256:..." */
    enum runtime_state state;
    bool started; /* the runtime knows a start time: it ran at least once */
    int64_t pid;
    int64_t exit_code; /* -1 when the runtime does not say */
    bool oom_killed;
    const char *error; /* the runtime's State.Error or "" */
    int64_t created_wall_ms, started_wall_ms, finished_wall_ms;
    enum container_health health;
    const char *health_output; /* last probe output, at most 1024 bytes, or "" */
    const char *address;       /* IPv4 on the container's network, "" for host and none */
    struct observed_port *ports;
    size_t port_count;

    /* From labels; "" or -1 when absent or unreadable. */
    const char *host, *cluster, *service, *one_off, *task_id, *container_name;
    const char *definition; /* "family:revision" */
    const char *digest_hex;
    int64_t generation, slot, attempt;
    bool essential;
    const char *depends_on;
    int64_t stop_timeout_s;
    int64_t task_container_count;
};

struct observed {
    struct arena arena;
    bool full;                             /* scope: everything, or only `asked` */
    const char *asked;                     /* scoped: the container name or id that was asked for */
    struct observed_container *containers; /* scoped: none (it does not exist) or one */
    size_t count;
    size_t capacity; /* of containers, for observed_add() */
};

struct observed *observed_new(bool full, const char *asked);
void observed_free(struct observed *observed);
/* Append the container of one inspect answer. -EPROTO with a message when it is not one. */
int observed_add(struct observed *observed, const char *json, size_t len, struct err *err);

/* A container that is in the list, but cannot be inspected now: `listed` is its entry in the answer
 * of GET /containers/json. Appended with `unclear` set; ignored when it has no id or name. */
struct cJSON;
void observed_add_unclear(struct observed *observed, const struct cJSON *listed);

#endif
