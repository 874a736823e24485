/* environment.h: one value per variable, the last one wins, as in ECS. */
#ifndef BERTH_MODEL_ENVIRONMENT_H
#define BERTH_MODEL_ENVIRONMENT_H

#include <stddef.h>

#include "agent/model/place.h"
#include "berth/task_definition.h"

/* Removes in place every entry that a later one replaces; returns how many are left. Each removal
 * is a warning at place[i], unless findings is NULL. Entries without a name are kept. */
size_t environment_settle(struct key_value *list, size_t count, const struct place *place,
                          struct findings *findings);

#endif
