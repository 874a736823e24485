/* render.h: from nouns to the runtime's words: the body of POST /containers/create.
 *
 * The mapping is that of the ECS agent: task definition -> Docker fields. Pure. */
#ifndef BERTH_RENDER_H
#define BERTH_RENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "berth/desired.h"
#include "berth/str.h"
#include "berth/task_definition.h"

/* Who a container belongs to; becomes its labels. service is NULL for a one-off task. */
struct container_identity {
    const char *host_id, *cluster, *service, *one_off, *task_id;
    int64_t generation, slot, attempt;
    const char *digest_hex;
    msec default_stop_timeout_ms; /* where the container definition has none */
};

/* Append the create body; `out` must have room for it (check `truncated`). Labels of the document
 * that begin with "io.berth." are left out. publish may be NULL; its ports of this container are
 * bound to the host (the way to publish until the kernel does it). cgroup_parent may be NULL. */
void render_create(const struct task_definition *definition, size_t container,
                   const struct container_identity *identity, const struct publish *publish,
                   size_t publish_count, const char *cgroup_parent, struct str *out);

/* "berth-<service or family>-<container>-<first 12 of the task id>", only characters that the
 * runtime allows, always the same for the same input, at most 120 long. */
void render_container_name(const char *group, const char *container, const char *task_id,
                           char ret[128]);
/* "berth-<first 12 of the task id>-<volume>": a volume of the task's own, to be removed with the
 * task's last container (the runtime removes only anonymous ones by itself). */
#define RENDER_VOLUME_MAX 300
void render_volume_name(const char *task_id, const char *volume, char ret[RENDER_VOLUME_MAX]);
/* "arn:aws:ecs:<region>:<account>:task/<cluster>/<task id>", shaped like ECS's; region "local",
 * account "000000000000" on hosts that have none. */
void render_task_arn(const char *cluster, const char *task_id, char ret[512]);
void render_task_definition_arn(const char *family_revision, char ret[512]);

/* "nginx" -> "nginx:latest"; true when the tag is absent or "latest" and there is no digest. */
bool image_is_latest(const char *image);

#endif
