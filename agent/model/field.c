/* field.c: read one JSON object by its table. */
#include "agent/model/field.h"

#include <string.h>
#include <strings.h>

#include "berth/assert.h"
#include "berth/str.h"

#define WORDS_SHOWN_MAX 200

const struct field *field_find(const struct field_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->fields[i].name, name) == 0)
            return &table->fields[i];
    }
    return NULL;
}

bool field_is_empty(const cJSON *value)
{
    if (!value || cJSON_IsNull(value))
        return true;
    if (cJSON_IsString(value))
        return value->valuestring[0] == '\0';
    if (cJSON_IsArray(value))
        return value->child == NULL;
    if (!cJSON_IsObject(value))
        return false;
    const cJSON *member;
    cJSON_ArrayForEach(member, value) {
        if (!field_is_empty(member))
            return false;
    }
    return true;
}

/* Nothing would be different if this value were not there: what describe output is full of. */
static bool value_asks_for_nothing(const cJSON *value)
{
    if (cJSON_IsFalse(value) || (cJSON_IsNumber(value) && value->valuedouble == 0))
        return true;
    if (!cJSON_IsObject(value))
        return field_is_empty(value);
    const cJSON *member;
    cJSON_ArrayForEach(member, value) {
        if (!value_asks_for_nothing(member))
            return false;
    }
    return true;
}

static bool field_has_effect(const struct field *row, const cJSON *value)
{
    if (row->zero_is_value && cJSON_IsNumber(value))
        return true;
    return !value_asks_for_nothing(value);
}

/* Where policy and value call for it, say so. */
static void field_apply_policy(const struct field *row, const cJSON *value,
                               const struct place *place, struct findings *findings)
{
    if (row->policy == FIELD_MAPPED || row->policy == FIELD_SILENT || !field_has_effect(row, value))
        return;
    ASSERT(row->reason);
    switch (row->policy) {
    case FIELD_IGNORED:
        place_warning(findings, place, FINDING_IGNORED, "%s has no effect here: %s", row->name,
                      row->reason);
        break;
    case FIELD_WARNED:
        place_warning(findings, place, FINDING_UNSUPPORTED,
                      "%s is not supported yet and left out: %s", row->name, row->reason);
        break;
    case FIELD_REFUSED:
        place_error(findings, place, FINDING_UNSUPPORTED,
                    "%s is not supported yet, and what runs would differ without it: %s", row->name,
                    row->reason);
        break;
    case FIELD_MAPPED:
    case FIELD_SILENT:
        break;
    }
}

static bool field_is_absent(const struct field *row, const cJSON *value)
{
    return row->strict ? !value || cJSON_IsNull(value) : field_is_empty(value);
}

static void field_set_given(const struct field *row, void *ret)
{
    bool given = true;
    if (ret && row->given_offset)
        memcpy((char *)ret + row->given_offset, &given, sizeof given);
}

static void field_unknown(const struct field_table *table, const cJSON *value,
                          const struct place *place, struct findings *findings)
{
    for (size_t i = 0; i < table->count; i++) {
        const char *name = table->fields[i].name;
        if (strcasecmp(name, value->string) != 0)
            continue;
        place_warning(findings, place, FINDING_UNKNOWN_FIELD,
                      "%s has no field \"%.60s\"; its spelling is %s", table->noun, value->string,
                      name);
        return;
    }
    place_warning(findings, place, FINDING_UNKNOWN_FIELD,
                  "%s has no field \"%.60s\"; it is left out", table->noun, value->string);
}

static void field_read_member(const struct field_table *table, const cJSON *value,
                              const struct place *place, struct field_reader *reader, void *ret)
{
    const struct field *row = field_find(table, value->string);
    if (cJSON_IsNull(value))
        return;
    if (!row) {
        field_unknown(table, value, place, reader->findings);
        return;
    }
    bool empty_list = row->type == FIELD_STRINGS && cJSON_IsArray(value);
    bool absent = field_is_absent(row, value);
    if (!absent || empty_list)
        field_set_given(row, ret);
    if (absent)
        return;
    field_apply_policy(row, value, place, reader->findings);
    field_read_value(row, value, place, reader, row->policy == FIELD_MAPPED ? ret : NULL);
}

static void field_require(const struct field_table *table, const cJSON *object,
                          const struct place *place, struct field_reader *reader)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct field *row = &table->fields[i];
        if (!row->required || !field_is_absent(row, json_get(object, row->name)))
            continue;
        if (row->unless && !field_is_empty(json_get(object, row->unless)))
            continue;
        place_error(reader->findings, AT_KEY(place, row->name), FINDING_MISSING,
                    "%s needs %s, and it is missing or empty", table->noun, row->name);
    }
}

void field_read(const struct field_table *table, const cJSON *object, const struct place *place,
                struct field_reader *reader, void *ret)
{
    if (ret)
        field_defaults(table, ret);
    if (!cJSON_IsObject(object)) {
        field_wrong_type(object, "an object", place, reader->findings);
        return;
    }
    const cJSON *value;
    cJSON_ArrayForEach(value, object) {
        field_read_member(table, value, AT_KEY(place, value->string), reader, ret);
    }
    field_require(table, object, place, reader);
}
