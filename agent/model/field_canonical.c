/* field_canonical.c: defaults of a struct by its table, and the canonical text of what differs. */
#include <string.h>

#include "agent/model/field.h"
#include "berth/assert.h"
#include "berth/task_definition.h"

static const void *member_at(const struct field *row, const void *object)
{
    return (const char *)object + row->offset;
}

static int64_t fallback_number(const struct field *row)
{
    return row->type == FIELD_SECONDS ? row->fallback * 1000 : row->fallback;
}

static void field_default(const struct field *row, void *member)
{
    bool claim = row->fallback != 0;
    int word = (int)row->fallback;
    int64_t number = fallback_number(row);
    switch (row->type) {
    case FIELD_STRING:
        memcpy(member, &row->fallback_text, sizeof row->fallback_text);
        return;
    case FIELD_BOOL:
        memcpy(member, &claim, sizeof claim);
        return;
    case FIELD_INTEGER:
    case FIELD_SECONDS:
    case FIELD_CPU:
    case FIELD_MEMORY:
        memcpy(member, &number, sizeof number);
        return;
    case FIELD_ENUM:
        memcpy(member, &word, sizeof word);
        return;
    case FIELD_OBJECT:
        field_defaults(row->table, member);
        return;
    case FIELD_ANY:
    case FIELD_STRINGS:
    case FIELD_INTEGERS:
    case FIELD_MAP:
    case FIELD_OBJECTS:
    case FIELD_CUSTOM:
        return; /* empty, as the arena gives it */
    }
}

void field_defaults(const struct field_table *table, void *ret)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct field *row = &table->fields[i];
        if (row->policy == FIELD_MAPPED)
            field_default(row, (char *)ret + row->offset);
    }
}

static int64_t load_number(const void *member)
{
    int64_t number;
    memcpy(&number, member, sizeof number);
    return number;
}

static const char *load_string(const void *member)
{
    const char *text;
    memcpy(&text, member, sizeof text);
    return text;
}

static bool load_bool(const void *object, size_t offset)
{
    bool claim;
    memcpy(&claim, (const char *)object + offset, sizeof claim);
    return claim;
}

static int load_word(const void *member)
{
    int word;
    memcpy(&word, member, sizeof word);
    return word;
}

static struct string_list load_strings(const void *member)
{
    struct string_list list;
    memcpy(&list, member, sizeof list);
    return list;
}

static size_t load_count(const struct field *row, const void *object)
{
    size_t count;
    memcpy(&count, (const char *)object + row->count_offset, sizeof count);
    return count;
}

static const void *load_pointer(const void *member)
{
    const void *pointer;
    memcpy(&pointer, member, sizeof pointer);
    return pointer;
}

static bool table_is_default(const struct field_table *table, const void *object);

static bool field_is_default(const struct field *row, const void *object)
{
    const void *member = member_at(row, object);
    if (row->policy != FIELD_MAPPED)
        return true;
    /* Of all given flags only that of a list of strings means something by itself: command []. */
    if (row->type == FIELD_STRINGS && row->given_offset && load_bool(object, row->given_offset))
        return false;
    switch (row->type) {
    case FIELD_STRING:
        return str_equal(load_string(member), row->fallback_text);
    case FIELD_BOOL:
        return load_bool(object, row->offset) == (row->fallback != 0);
    case FIELD_INTEGER:
    case FIELD_SECONDS:
    case FIELD_CPU:
    case FIELD_MEMORY:
        return load_number(member) == fallback_number(row);
    case FIELD_ENUM:
        return load_word(member) == row->fallback;
    case FIELD_STRINGS:
        return load_strings(member).count == 0;
    case FIELD_INTEGERS:
    case FIELD_MAP:
    case FIELD_OBJECTS:
        return load_count(row, object) == 0;
    case FIELD_OBJECT:
        return table_is_default(row->table, member);
    case FIELD_ANY:
    case FIELD_CUSTOM:
        return true;
    }
    return true;
}

static bool table_is_default(const struct field_table *table, const void *object)
{
    for (size_t i = 0; i < table->count; i++) {
        if (!field_is_default(&table->fields[i], object))
            return false;
    }
    return true;
}

static void write_strings(struct string_list list, struct json_writer *writer)
{
    json_array(writer);
    for (size_t i = 0; i < list.count; i++)
        json_put_string(writer, list.items[i]);
    json_array_end(writer);
}

static void write_integers(const int64_t *items, size_t count, struct json_writer *writer)
{
    json_array(writer);
    for (size_t i = 0; i < count; i++)
        json_put_int(writer, items[i]);
    json_array_end(writer);
}

static void write_map(const struct key_value *items, size_t count, struct json_writer *writer)
{
    json_object(writer);
    for (size_t i = 0; i < count; i++)
        json_string_member(writer, items[i].name, items[i].value);
    json_object_end(writer);
}

static void write_object(const struct field_table *table, const void *object,
                         struct json_writer *writer);

static void write_objects(const struct field_table *table, const char *items, size_t count,
                          struct json_writer *writer)
{
    json_array(writer);
    for (size_t i = 0; i < count; i++)
        write_object(table, items + i * table->size, writer);
    json_array_end(writer);
}

static void write_member(const struct field *row, const void *object, struct json_writer *writer)
{
    const void *member = member_at(row, object);
    switch (row->type) {
    case FIELD_STRING:
        json_put_string(writer, load_string(member));
        return;
    case FIELD_BOOL:
        json_put_bool(writer, load_bool(object, row->offset));
        return;
    case FIELD_INTEGER:
    case FIELD_SECONDS:
    case FIELD_CPU:
    case FIELD_MEMORY:
        json_put_int(writer, load_number(member));
        return;
    case FIELD_ENUM:
        json_put_string(writer, field_word_name(row->words, load_word(member)));
        return;
    case FIELD_STRINGS:
        write_strings(load_strings(member), writer);
        return;
    case FIELD_INTEGERS:
        write_integers(load_pointer(member), load_count(row, object), writer);
        return;
    case FIELD_MAP:
        write_map(load_pointer(member), load_count(row, object), writer);
        return;
    case FIELD_OBJECT:
        write_object(row->table, member, writer);
        return;
    case FIELD_OBJECTS:
        write_objects(row->table, load_pointer(member), load_count(row, object), writer);
        return;
    case FIELD_ANY:
    case FIELD_CUSTOM:
        json_put_null(writer);
        return;
    }
}

static void write_object(const struct field_table *table, const void *object,
                         struct json_writer *writer)
{
    json_object(writer);
    for (size_t i = 0; i < table->count; i++) {
        const struct field *row = &table->fields[i];
        if (field_is_default(row, object))
            continue;
        json_key(writer, row->name);
        write_member(row, object, writer);
    }
    json_object_end(writer);
}

void field_canonical(const struct field_table *table, const void *object, struct str *out)
{
    struct json_writer writer;
    json_begin(&writer, out);
    write_object(table, object, &writer);
}
