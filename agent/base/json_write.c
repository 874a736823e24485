/* json_write.c: JSON text, piece by piece, always well-formed. */
#include <inttypes.h>
#include <string.h>

#include "berth/assert.h"
#include "berth/json.h"

void json_begin(struct json_writer *writer, struct str *out)
{
    *writer = (struct json_writer){ .out = out };
    writer->first[0] = true;
}

/* What stands in front of a value: nothing after its key or at the top, a comma after a sibling. */
static void put_separator(struct json_writer *writer)
{
    if (!writer->pending_key && !writer->first[writer->depth] && writer->depth > 0)
        str_add_char(writer->out, ',');
    writer->first[writer->depth] = false;
    writer->pending_key = false;
}

static void open_scope(struct json_writer *writer, char bracket)
{
    put_separator(writer);
    str_add_char(writer->out, bracket);
    writer->depth++;
    ASSERT(writer->depth < COUNT_OF(writer->first));
    writer->first[writer->depth] = true;
}

static void close_scope(struct json_writer *writer, char bracket)
{
    ASSERT(writer->depth > 0);
    ASSERT(!writer->pending_key);
    writer->depth--;
    str_add_char(writer->out, bracket);
}

void json_object(struct json_writer *writer)
{
    open_scope(writer, '{');
}

void json_object_end(struct json_writer *writer)
{
    close_scope(writer, '}');
}

void json_array(struct json_writer *writer)
{
    open_scope(writer, '[');
}

void json_array_end(struct json_writer *writer)
{
    close_scope(writer, ']');
}

static void put_escaped(struct str *out, char c)
{
    static const char named[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    const char *found = memchr(named, c, sizeof named - 1);
    if (found)
        str_addf(out, "\\%c", letters[found - named]);
    else
        str_addf(out, "\\u%04x", (unsigned)(unsigned char)c);
}

/* The length of the run that can be copied as it stands. */
static size_t plain_run(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len && (unsigned char)text[at] >= 0x20 && text[at] != '"' && text[at] != '\\') {
        size_t step = utf8_length(text + at, len - at);
        if (step == 0)
            break;
        at += step;
    }
    return at;
}

static void put_quoted(struct str *out, const char *text)
{
    size_t len = strlen(text);
    str_add_char(out, '"');
    while (len > 0) {
        size_t run = plain_run(text, len);
        str_add_len(out, text, run);
        if (run < len) {
            /* Log lines and error texts of others hold any bytes; JSON must stay UTF-8. */
            if ((unsigned char)text[run] >= 0x80)
                str_add(out, "\xEF\xBF\xBD");
            else
                put_escaped(out, text[run]);
            run++;
        }
        text += run;
        len -= run;
    }
    str_add_char(out, '"');
}

void json_key(struct json_writer *writer, const char *key)
{
    ASSERT(writer->depth > 0);
    ASSERT(!writer->pending_key);
    put_separator(writer);
    put_quoted(writer->out, key);
    str_add_char(writer->out, ':');
    writer->pending_key = true;
}

void json_put_string(struct json_writer *writer, const char *text)
{
    if (!text) {
        json_put_null(writer);
        return;
    }
    put_separator(writer);
    put_quoted(writer->out, text);
}

void json_put_int(struct json_writer *writer, int64_t value)
{
    put_separator(writer);
    str_addf(writer->out, "%" PRId64, value);
}

void json_put_bool(struct json_writer *writer, bool value)
{
    json_put_raw(writer, value ? "true" : "false");
}

void json_put_null(struct json_writer *writer)
{
    json_put_raw(writer, "null");
}

void json_put_raw(struct json_writer *writer, const char *json)
{
    put_separator(writer);
    str_add(writer->out, json);
}

void json_put_time(struct json_writer *writer, int64_t wall_ms)
{
    char text[32];
    time_format_wall(wall_ms, text);
    json_put_string(writer, wall_ms > 0 ? text : NULL);
}

void json_string_member(struct json_writer *writer, const char *key, const char *text)
{
    json_key(writer, key);
    json_put_string(writer, text);
}

void json_int_member(struct json_writer *writer, const char *key, int64_t value)
{
    json_key(writer, key);
    json_put_int(writer, value);
}

void json_bool_member(struct json_writer *writer, const char *key, bool value)
{
    json_key(writer, key);
    json_put_bool(writer, value);
}

void json_time_member(struct json_writer *writer, const char *key, int64_t wall_ms)
{
    json_key(writer, key);
    json_put_time(writer, wall_ms);
}
