/* field.h: tables that say what every field of a JSON object is, and the engine that reads them.
 *
 * A table describes one shape of ECS (or of ours): one row per field with its type, range, the
 * place in a C struct, and a policy. Reading an object by its table checks everything and collects
 * every finding; writing a struct by its table gives the canonical text that digests cover. To
 * support one more field: give its row an offset and the policy FIELD_MAPPED, and the struct a
 * member. Rules that concern more than one field are checked by the caller, after reading.
 *
 * Absent, null, "", [] and {} are the same, except in rows that are strict. Only sizes
 * may be given as strings. A field whose value asks for nothing (false, 0, or only such members)
 * never gives a finding for its policy. */
#ifndef BERTH_MODEL_FIELD_H
#define BERTH_MODEL_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/model/place.h"
#include "berth/arena.h"
#include "berth/findings.h"
#include "berth/json.h"
#include "berth/str.h"

#define FIELD_ITEMS_MAX 4096         /* of a list whose row gives no other bound */
#define FIELD_SECONDS_MAX 2147483647 /* ECS: a 32-bit integer */

enum field_type {
    FIELD_ANY,      /* whatever it holds is accepted; never mapped */
    FIELD_STRING,   /* const char *; min and max bound the length, max 0 means no bound */
    FIELD_BOOL,     /* bool */
    FIELD_INTEGER,  /* int64_t within min..max */
    FIELD_SECONDS,  /* int64_t in milliseconds; min, max and fallback are in seconds */
    FIELD_CPU,      /* int64_t: 1024, "1024" or "1 vCPU" */
    FIELD_MEMORY,   /* int64_t in MiB: 512, "512" or "0.5 GB" */
    FIELD_ENUM,     /* an enum: one of words */
    FIELD_STRINGS,  /* struct string_list; max bounds the count here and below */
    FIELD_INTEGERS, /* int64_t * and a count */
    FIELD_MAP,      /* struct key_value * and a count, sorted by name */
    FIELD_OBJECT,   /* a struct, by the sub-table */
    FIELD_OBJECTS,  /* a pointer to structs and a count, by the sub-table */
    FIELD_CUSTOM,   /* read() does it */
};

enum field_policy {
    FIELD_MAPPED,  /* read into the struct and acted on */
    FIELD_SILENT,  /* checked for its type, otherwise of no interest, nothing to say about it */
    FIELD_IGNORED, /* has no effect here: a warning */
    FIELD_WARNED,  /* not supported, what runs is the same without it: a warning */
    FIELD_REFUSED, /* not supported, leaving it out would change what runs: an error */
};

/* One word of an enum. A word with a reason is known to ECS and refused here. */
struct field_word {
    const char *name;
    int value;
    const char *refused;
};

struct field_reader {
    struct arena *arena;
    struct findings *findings;
    void *context; /* for read() of a custom row */
};

struct field {
    const char *name;
    enum field_type type;
    enum field_policy policy;
    const char *reason; /* of a policy that says something: a clause after "berth ..." */
    bool required;
    bool strict;        /* "", [] and {} are values, not absence */
    bool zero_is_value; /* 0 asks for something: only matters when the policy is not MAPPED */
    bool zero_allowed;  /* 0 stands outside min..max and means absent */
    const char *unless; /* not required when this other key is there */
    size_t offset;
    size_t count_offset; /* of a size_t; 0 = none */
    size_t given_offset; /* of a bool: was there and not empty, or an empty list of strings */
    int64_t min, max, fallback;
    const char *fallback_text;
    const struct field_word *words;         /* up to one without a name */
    const char *(*check)(const char *text); /* NULL, or what is allowed, as "must ..." */
    const struct field_table *table;        /* of an object, or of each object of a list */
    void (*read)(const cJSON *value, const struct place *place, struct field_reader *reader,
                 void *ret);
};

struct field_table {
    const char *noun; /* "a container definition", for messages */
    const struct field *fields;
    size_t count;
    size_t size; /* of the struct */
};

/* The policies of rows that are not mapped. */
#define SILENT .policy = FIELD_SILENT
#define IGNORED(why_) .policy = FIELD_IGNORED, .reason = (why_)
#define WARNED(why_) .policy = FIELD_WARNED, .reason = (why_)
#define REFUSED(why_) .policy = FIELD_REFUSED, .reason = (why_)

/* Fill ret (of table->size) from object. Findings are added; ret is usable as far as they allow.
 * ret may be NULL to check only. */
void field_read(const struct field_table *table, const cJSON *object, const struct place *place,
                struct field_reader *reader, void *ret);
void field_defaults(const struct field_table *table, void *ret);

/* Append the mapped fields as JSON, in the order of the table, without those that have their
 * default: a row that is added later leaves the text of those who do not use it as it was. */
void field_canonical(const struct field_table *table, const void *object, struct str *out);

const struct field *field_find(const struct field_table *table, const char *name);
const char *field_word_name(const struct field_word *words, int value); /* "?" when none */
const struct field_word *field_word_find(const struct field_word *words, const char *name);

/* One value by its row, into the struct at base (NULL to check only): field_value.c. */
void field_read_value(const struct field *row, const cJSON *value, const struct place *place,
                      struct field_reader *reader, void *base);
void field_wrong_type(const cJSON *value, const char *expected, const struct place *place,
                      struct findings *findings);
bool field_is_empty(const cJSON *value); /* NULL, null, "", [], {} or only such members */

/* Checks for rows of type string. */
const char *field_check_name(const char *text);
const char *field_check_absolute_path(const char *text);
const char *field_check_container_path(const char *text);
const char *field_check_image(const char *text);

#endif
