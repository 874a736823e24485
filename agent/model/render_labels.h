/* render_labels.h: the labels of one container: the document's own, then ours, which win. */
#ifndef BERTH_MODEL_RENDER_LABELS_H
#define BERTH_MODEL_RENDER_LABELS_H

#include "berth/render.h"

struct json_writer;

void render_labels(const struct task_definition *definition, size_t container,
                   const struct container_identity *identity, struct json_writer *writer);
/* Not for documents to set: "io.berth." and what is ECS's own. */
bool label_is_reserved(const char *name);
/* What the container definition says, else the host's default, in whole seconds. */
int64_t render_stop_timeout_s(const struct container_definition *container,
                              const struct container_identity *identity);

#endif
