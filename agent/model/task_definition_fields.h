/* task_definition_fields.h: the field tables of a task definition, for those who read or check it.
 * Every field of RegisterTaskDefinition has a row, at every depth; a test compares. */
#ifndef BERTH_MODEL_TASK_DEFINITION_FIELDS_H
#define BERTH_MODEL_TASK_DEFINITION_FIELDS_H

#include "agent/model/field.h"

extern const struct field_table task_definition_fields;
extern const struct field_table environment_fields; /* struct key_value, by name and value */
extern const struct field_word network_mode_words[];
extern const struct field_word depends_condition_words[];
extern const struct field_word protocol_words[];

#endif
