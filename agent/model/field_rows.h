/* field_rows.h: short forms of the rows of a field table, so that a row is a line. */
#ifndef BERTH_MODEL_FIELD_ROWS_H
#define BERTH_MODEL_FIELD_ROWS_H

#include <stddef.h>

#include "agent/model/field.h"
#include "berth/assert.h"

/* What a row maps to: the member of a struct. */
#define TO(type_, member_) .offset = offsetof(struct type_, member_)
#define TO_LIST(type_, member_, count_)                                                            \
    TO(type_, member_), .count_offset = offsetof(struct type_, count_)
#define RANGE(min_, max_) .min = (min_), .max = (max_)

#define STRING .type = FIELD_STRING
#define BOOLEAN .type = FIELD_BOOL
#define INTEGER .type = FIELD_INTEGER
#define SECONDS_ROW .type = FIELD_SECONDS
#define STRINGS .type = FIELD_STRINGS
#define INTEGERS .type = FIELD_INTEGERS
#define MAP .type = FIELD_MAP
#define ANY .type = FIELD_ANY
#define ENUM(words_) .type = FIELD_ENUM, .words = (words_)
#define OBJECT(table_) .type = FIELD_OBJECT, .table = &(table_)
#define OBJECTS(table_) .type = FIELD_OBJECTS, .table = &(table_)

/* A table over rows; type_ is the struct that it fills. */
#define TABLE(noun_, rows_, type_)                                                                 \
    {                                                                                              \
        .noun = (noun_), .fields = (rows_), .count = COUNT_OF(rows_), .size = sizeof(type_)        \
    }
/* One whose values are checked and not kept. */
#define TABLE_UNUSED(noun_, rows_)                                                                 \
    {                                                                                              \
        .noun = (noun_), .fields = (rows_), .count = COUNT_OF(rows_)                               \
    }

#endif
