/* json.h: strict JSON in, exact JSON out.
 *
 * Reading: json_parse() refuses what cJSON lets through: duplicate keys, trailing garbage, bad
 * UTF-8, \u0000, lone surrogates, numbers that RFC 8259 does not allow (01, 1., NaN), depth above
 * JSON_DEPTH_MAX, numbers of more than 63 characters, an empty text. A UTF-8 byte order mark at
 * the start is skipped. The message of a refusal names line and column. cJSON trees stay inside
 * the function that parsed them.
 *
 * Lookup is case-sensitive; an explicit null means absent (ECS answers are full of them).
 *
 * Writing: struct json_writer appends to a str; it puts the commas, escapes strings (bytes that are
 * not UTF-8 become U+FFFD) and prints integers exactly (cJSON prints large ones in exponent form).
 * At most 31 levels deep. */
#ifndef BERTH_JSON_H
#define BERTH_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "berth/err.h"
#include "berth/str.h"

#define AUTO_JSON __attribute__((cleanup(json_cleanup)))
#define JSON_INTEGER_MAX ((int64_t)1 << 53)

int json_parse(const char *text, size_t len, cJSON **ret, struct err *err); /* cJSON_Delete */
/* The same for answers of the runtime, where \u0000 is taken and ends its string: a health check
 * that prints a NUL byte must not make its own container unreadable. */
int json_parse_answer(const char *text, size_t len, cJSON **ret, struct err *err);
void json_cleanup(cJSON **json);

/* Lenient getters for answers of the runtime: a wrong type or absence gives the fallback. */
const cJSON *json_get(const cJSON *object, const char *key); /* NULL when absent or null */
const char *json_string(const cJSON *object, const char *key, const char *fallback);
int64_t json_integer(const cJSON *object, const char *key, int64_t fallback);
bool json_bool(const cJSON *object, const char *key, bool fallback);
/* A number node as an exact integer: 0, -ERANGE when fractional or not within 2^53 (from there on
 * a double no longer tells neighbours apart), -EINVAL when it is no number. */
int json_exact(const cJSON *number, int64_t *ret);

struct json_writer {
    struct str *out;
    unsigned depth;
    bool pending_key; /* a key was written, its value follows */
    bool first[32];
};

void json_begin(struct json_writer *writer, struct str *out);
void json_object(struct json_writer *writer);
void json_object_end(struct json_writer *writer);
void json_array(struct json_writer *writer);
void json_array_end(struct json_writer *writer);
void json_key(struct json_writer *writer, const char *key);
void json_put_string(struct json_writer *writer, const char *text); /* NULL gives null */
void json_put_int(struct json_writer *writer, int64_t value);
void json_put_bool(struct json_writer *writer, bool value);
void json_put_null(struct json_writer *writer);
void json_put_raw(struct json_writer *writer, const char *json); /* already JSON */
void json_put_time(struct json_writer *writer, int64_t wall_ms); /* RFC 3339 UTC; <= 0 gives null */

/* key + value in one call */
void json_string_member(struct json_writer *writer, const char *key, const char *text);
void json_int_member(struct json_writer *writer, const char *key, int64_t value);
void json_bool_member(struct json_writer *writer, const char *key, bool value);
void json_time_member(struct json_writer *writer, const char *key, int64_t wall_ms);

/* RFC 3339 with up to nanoseconds -> ms since 1970; "0001-01-01T00:00:00Z" and errors give 0. */
int64_t time_parse_wall_ms(const char *text);
void time_format_wall(int64_t wall_ms, char ret[32]); /* 2026-11-23T02:14:00.123Z */

#endif
