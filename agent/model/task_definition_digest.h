/* task_definition_digest.h: for those who change a parsed definition (overrides of a task). */
#ifndef BERTH_MODEL_TASK_DEFINITION_DIGEST_H
#define BERTH_MODEL_TASK_DEFINITION_DIGEST_H

#include "berth/task_definition.h"

/* Set definition->digest from everything that the field tables map. */
void task_definition_digest(struct task_definition *definition);

#endif
