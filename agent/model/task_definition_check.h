/* task_definition_check.h: the rules of a task definition that concern more than one field.
 * All are safe on a definition that has errors already: whatever is missing is passed over. */
#ifndef BERTH_MODEL_TASK_DEFINITION_CHECK_H
#define BERTH_MODEL_TASK_DEFINITION_CHECK_H

#include "agent/model/place.h"
#include "berth/findings.h"
#include "berth/task_definition.h"

/* Memory of every container against its own reservation and that of the task. */
void task_definition_check_memory(const struct task_definition *definition,
                                  const struct place *place, struct findings *findings);
/* Everything below but ports and dependencies; settles health_check.present and .disabled. */
void task_definition_check_containers(struct task_definition *definition, const struct place *place,
                                      struct findings *findings);
/* What the network mode allows; in host mode fills in host ports that were left out. */
void task_definition_check_ports(struct task_definition *definition, const struct place *place,
                                 struct findings *findings);
/* Resolves dependsOn, and refuses what could never be met. */
void task_definition_check_dependencies(struct task_definition *definition,
                                        const struct place *place, struct findings *findings);

#endif
