/* field_value.c: check one value by its row and put it where the row says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/model/field.h"
#include "agent/model/quantity.h"
#include "berth/assert.h"
#include "berth/task_definition.h"

/* Enums are stored as int: the compiler must agree about their size. */
_Static_assert(sizeof(enum network_mode) == sizeof(int), "an enum has the size of an int");

static const char *json_kind(const cJSON *value)
{
    if (cJSON_IsString(value))
        return "a string";
    if (cJSON_IsNumber(value))
        return "a number";
    if (cJSON_IsBool(value))
        return cJSON_IsTrue(value) ? "true" : "false";
    if (cJSON_IsArray(value))
        return "a list";
    return cJSON_IsObject(value) ? "an object" : "null";
}

void field_wrong_type(const cJSON *value, const char *expected, const struct place *place,
                      struct findings *findings)
{
    place_error(findings, place, FINDING_TYPE, "must be %s, not %s", expected, json_kind(value));
}

static void store(void *base, size_t offset, const void *value, size_t size)
{
    if (base)
        memcpy((char *)base + offset, value, size);
}

static void read_string(const struct field *row, const cJSON *value, const struct place *place,
                        struct field_reader *reader, void *base)
{
    if (!cJSON_IsString(value)) {
        field_wrong_type(value, "a string", place, reader->findings);
        return;
    }
    const char *text = value->valuestring;
    const char *allowed = row->check ? row->check(text) : NULL;
    if (allowed) {
        place_error(reader->findings, place, FINDING_VALUE, "\"%.60s\" %s", text, allowed);
        return;
    }
    size_t len = strlen(text);
    if (row->max > 0 && len > (size_t)row->max) {
        place_error(reader->findings, place, FINDING_RANGE,
                    "is %zu bytes long, and at most %lld are allowed", len, (long long)row->max);
        return;
    }
    if (!base)
        return;
    const char *copy = arena_strdup(reader->arena, text);
    store(base, row->offset, &copy, sizeof copy);
}

static void read_bool(const struct field *row, const cJSON *value, const struct place *place,
                      struct field_reader *reader, void *base)
{
    if (!cJSON_IsBool(value)) {
        field_wrong_type(value, "true or false", place, reader->findings);
        return;
    }
    bool claim = cJSON_IsTrue(value);
    store(base, row->offset, &claim, sizeof claim);
}

/* ECS refuses a number in quotes; only sizes have strings of their own (read_quantity). */
static bool whole_number(const cJSON *value, const struct place *place, struct findings *findings,
                         int64_t *ret)
{
    if (!cJSON_IsNumber(value)) {
        field_wrong_type(value, "a whole number", place, findings);
        return false;
    }
    if (json_exact(value, ret) == 0)
        return true;
    place_error(findings, place, FINDING_TYPE, "must be a whole number below 2^53, not %.17g",
                value->valuedouble);
    return false;
}

static bool in_range(const struct field *row, int64_t number, const struct place *place,
                     struct findings *findings)
{
    if (number >= row->min && number <= row->max)
        return true;
    if (number == 0 && row->zero_allowed)
        return true;
    /* Rows that are only checked for their type give no bounds. */
    if (row->min == 0 && row->max == 0)
        return true;
    place_error(findings, place, FINDING_RANGE, "%lld is outside %lld..%lld", (long long)number,
                (long long)row->min, (long long)row->max);
    return false;
}

static void read_integer(const struct field *row, const cJSON *value, const struct place *place,
                         struct field_reader *reader, void *base)
{
    int64_t number;
    if (!whole_number(value, place, reader->findings, &number))
        return;
    if (!in_range(row, number, place, reader->findings))
        return;
    if (row->type == FIELD_SECONDS)
        number *= 1000;
    store(base, row->offset, &number, sizeof number);
}

static void read_quantity(const struct field *row, const cJSON *value, const struct place *place,
                          struct field_reader *reader, void *base)
{
    if (!cJSON_IsString(value)) {
        read_integer(row, value, place, reader, base);
        return;
    }
    bool cpu = row->type == FIELD_CPU;
    int64_t number;
    int rc = cpu ? quantity_cpu(value->valuestring, &number)
                 : quantity_memory(value->valuestring, &number);
    if (rc < 0) {
        place_error(reader->findings, place, FINDING_VALUE,
                    cpu ? "\"%.60s\" is no CPU size: use units as \"512\", or \"0.5 vCPU\""
                        : "\"%.60s\" is no memory size: use MiB as \"512\", or \"0.5 GB\"",
                    value->valuestring);
        return;
    }
    if (in_range(row, number, place, reader->findings))
        store(base, row->offset, &number, sizeof number);
}

const char *field_word_name(const struct field_word *words, int value)
{
    for (; words->name; words++) {
        if (words->value == value && !words->refused)
            return words->name;
    }
    return "?";
}

const struct field_word *field_word_find(const struct field_word *words, const char *name)
{
    for (; words->name; words++) {
        if (strcmp(words->name, name) == 0)
            return words;
    }
    return NULL;
}

static void words_list(const struct field_word *words, struct str *out)
{
    for (; words->name; words++) {
        if (words->refused)
            continue;
        str_addf(out, "%s%s", out->len > 0 ? ", " : "", words->name);
    }
}

static void read_enum(const struct field *row, const cJSON *value, const struct place *place,
                      struct field_reader *reader, void *base)
{
    if (!cJSON_IsString(value)) {
        field_wrong_type(value, "a string", place, reader->findings);
        return;
    }
    if (!row->words)
        return;
    const struct field_word *word = field_word_find(row->words, value->valuestring);
    if (!word) {
        AUTO_STR struct str allowed;
        str_init(&allowed, 500);
        words_list(row->words, &allowed);
        place_error(reader->findings, place, FINDING_VALUE, "\"%.60s\" is not one of: %s",
                    value->valuestring, str_text(&allowed));
        return;
    }
    if (word->refused) {
        place_error(reader->findings, place, FINDING_UNSUPPORTED, "\"%s\" is not supported: %s",
                    word->name, word->refused);
        return;
    }
    store(base, row->offset, &word->value, sizeof word->value);
}

/* The number of entries of a list, or -1 after a finding. */
static int64_t list_length(const struct field *row, const cJSON *value, const struct place *place,
                           struct findings *findings)
{
    if (!cJSON_IsArray(value)) {
        field_wrong_type(value, "a list", place, findings);
        return -1;
    }
    int64_t count = cJSON_GetArraySize(value);
    int64_t most = row->max > 0 && row->type != FIELD_INTEGERS ? row->max : FIELD_ITEMS_MAX;
    if (count <= most)
        return count;
    place_error(findings, place, FINDING_TOO_LARGE,
                "has %lld entries, and at most %lld are allowed", (long long)count,
                (long long)most);
    return -1;
}

static void read_strings(const struct field *row, const cJSON *value, const struct place *place,
                         struct field_reader *reader, void *base)
{
    int64_t length = list_length(row, value, place, reader->findings);
    if (length < 0)
        return;
    struct string_list list = { .count = (size_t)length };
    list.items = arena_array(reader->arena, list.count, sizeof *list.items);
    const cJSON *entry;
    size_t i = 0;
    cJSON_ArrayForEach(entry, value) {
        if (cJSON_IsString(entry))
            list.items[i] = arena_strdup(reader->arena, entry->valuestring);
        else
            field_wrong_type(entry, "a string", AT_INDEX(place, i), reader->findings);
        i++;
    }
    bool usable = true;
    for (i = 0; i < list.count; i++)
        usable = usable && list.items[i];
    if (usable)
        store(base, row->offset, &list, sizeof list);
}

static void store_list(const struct field *row, void *base, const void *items, size_t count)
{
    store(base, row->offset, &items, sizeof items);
    store(base, row->count_offset, &count, sizeof count);
}

static void read_integers(const struct field *row, const cJSON *value, const struct place *place,
                          struct field_reader *reader, void *base)
{
    int64_t length = list_length(row, value, place, reader->findings);
    if (length < 0)
        return;
    int64_t *items = arena_array(reader->arena, (size_t)length, sizeof *items);
    const cJSON *entry;
    size_t i = 0;
    cJSON_ArrayForEach(entry, value) {
        const struct place *here = AT_INDEX(place, i);
        if (whole_number(entry, here, reader->findings, &items[i]))
            (void)in_range(row, items[i], here, reader->findings);
        i++;
    }
    store_list(row, base, items, (size_t)length);
}

static int key_value_compare(const void *a, const void *b)
{
    const struct key_value *left = a;
    const struct key_value *right = b;
    return strcmp(left->name, right->name);
}

static void read_map(const struct field *row, const cJSON *value, const struct place *place,
                     struct field_reader *reader, void *base)
{
    if (!cJSON_IsObject(value)) {
        field_wrong_type(value, "an object", place, reader->findings);
        return;
    }
    size_t count = 0;
    size_t length = (size_t)cJSON_GetArraySize(value);
    struct key_value *items = arena_array(reader->arena, length, sizeof *items);
    const cJSON *entry;
    cJSON_ArrayForEach(entry, value) {
        if (cJSON_IsNull(entry))
            continue;
        if (!cJSON_IsString(entry)) {
            field_wrong_type(entry, "a string", AT_KEY(place, entry->string), reader->findings);
            continue;
        }
        items[count++] = (struct key_value){ arena_strdup(reader->arena, entry->string),
                                             arena_strdup(reader->arena, entry->valuestring) };
    }
    if (count > 1)
        qsort(items, count, sizeof *items, key_value_compare);
    if (base)
        store_list(row, base, items, count);
}

static void read_objects(const struct field *row, const cJSON *value, const struct place *place,
                         struct field_reader *reader, void *base)
{
    int64_t length = list_length(row, value, place, reader->findings);
    if (length < 0)
        return;
    size_t size = row->table->size;
    char *items = base ? arena_array(reader->arena, (size_t)length, size) : NULL;
    const cJSON *entry;
    size_t i = 0;
    cJSON_ArrayForEach(entry, value) {
        field_read(row->table, entry, AT_INDEX(place, i), reader, items ? items + i * size : NULL);
        i++;
    }
    if (base)
        store_list(row, base, items, (size_t)length);
}

void field_read_value(const struct field *row, const cJSON *value, const struct place *place,
                      struct field_reader *reader, void *base)
{
    void *slot = base ? (char *)base + row->offset : NULL;
    switch (row->type) {
    case FIELD_ANY:
        return;
    case FIELD_STRING:
        read_string(row, value, place, reader, base);
        return;
    case FIELD_BOOL:
        read_bool(row, value, place, reader, base);
        return;
    case FIELD_INTEGER:
    case FIELD_SECONDS:
        read_integer(row, value, place, reader, base);
        return;
    case FIELD_CPU:
    case FIELD_MEMORY:
        read_quantity(row, value, place, reader, base);
        return;
    case FIELD_ENUM:
        read_enum(row, value, place, reader, base);
        return;
    case FIELD_STRINGS:
        read_strings(row, value, place, reader, base);
        return;
    case FIELD_INTEGERS:
        read_integers(row, value, place, reader, base);
        return;
    case FIELD_MAP:
        read_map(row, value, place, reader, base);
        return;
    case FIELD_OBJECT:
        field_read(row->table, value, place, reader, slot);
        return;
    case FIELD_OBJECTS:
        read_objects(row, value, place, reader, base);
        return;
    case FIELD_CUSTOM:
        row->read(value, place, reader, slot);
        return;
    }
}
