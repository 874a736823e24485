/* json_scan.c: a strict recogniser for RFC 8259, one pass over the text.
 *
 * It builds nothing but the list of the keys of the objects that are open. Duplicates are found by
 * sorting the keys of an object when it closes, so that 10,000 keys cost 10,000 log 10,000, and no
 * choice of keys costs more. Recursion is bounded by JSON_DEPTH_MAX. */
#include "agent/base/json_scan.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

#include "berth/arena.h"
#include "berth/assert.h"
#include "berth/limits.h"
#include "berth/memory.h"
#include "berth/str.h"

/* cJSON copies a number into 64 bytes and reads the rest of a longer one as garbage. */
#define NUMBER_LEN_MAX 63
#define KEY_SHOWN_MAX 100

struct scan_key {
    const char *bytes; /* decoded: "\u0061" is the key a */
    size_t len;
    const char *at;    /* its opening quote in the text */
    size_t source_len; /* as written, between the quotes */
};

struct scan {
    const char *text, *at, *end;
    unsigned depth;
    struct scan_key *keys; /* of all open objects, innermost last */
    size_t key_count, key_capacity;
    struct arena decoded; /* keys with escapes */
    bool nul_allowed;
    struct err *err;
};

static int scan_value(struct scan *scan);

/* ------------------------------------------------------------------ messages */

__attribute__((format(printf, 3, 4))) static int scan_refuse(struct scan *scan, const char *at,
                                                             const char *format, ...)
{
    size_t line = 1, column = 1;
    for (const char *p = scan->text; p < at; p++) {
        if (*p == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)*p & 0xC0) != 0x80) {
            column++;
        }
    }

    char message[ERR_TEXT_MAX / 2];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return err_say(scan->err, -EINVAL, "line %zu, column %zu: %s", line, column, message);
}

/* "Expected X", with what is there instead. */
static int scan_expected(struct scan *scan, const char *what)
{
    if (scan->at == scan->end)
        return scan_refuse(scan, scan->at, "expected %s, but the text ends", what);
    size_t len = utf8_length(scan->at, (size_t)(scan->end - scan->at));
    unsigned char byte = (unsigned char)*scan->at;
    if (len == 0 || byte < 0x20 || byte == 0x7F)
        return scan_refuse(scan, scan->at, "expected %s, found byte 0x%02X", what, byte);
    return scan_refuse(scan, scan->at, "expected %s, found '%.*s'", what, (int)len, scan->at);
}

/* ------------------------------------------------------------------ pieces */

static char scan_peek(const struct scan *scan)
{
    return scan->at < scan->end ? *scan->at : '\0';
}

static bool scan_accept(struct scan *scan, char c)
{
    if (scan->at == scan->end || *scan->at != c)
        return false;
    scan->at++;
    return true;
}

static void scan_space(struct scan *scan)
{
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r'))
        scan->at++;
}

static size_t scan_digits(struct scan *scan)
{
    const char *start = scan->at;
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
        scan->at++;
    return (size_t)(scan->at - start);
}

static int scan_number(struct scan *scan)
{
    const char *start = scan->at;
    (void)scan_accept(scan, '-');
    if (scan_accept(scan, '0')) {
        if (scan_digits(scan) > 0)
            return scan_refuse(scan, start, "a number may not start with a zero");
    } else if (scan_digits(scan) == 0) {
        return scan_expected(scan, "a digit");
    }
    if (scan_accept(scan, '.') && scan_digits(scan) == 0)
        return scan_expected(scan, "a digit after the decimal point");
    if (scan_accept(scan, 'e') || scan_accept(scan, 'E')) {
        if (!scan_accept(scan, '+'))
            (void)scan_accept(scan, '-');
        if (scan_digits(scan) == 0)
            return scan_expected(scan, "a digit in the exponent");
    }
    size_t len = (size_t)(scan->at - start);
    if (len > NUMBER_LEN_MAX)
        return scan_refuse(scan, start, "a number of %zu characters is too long", len);
    return 0;
}

static int scan_word(struct scan *scan, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(scan->end - scan->at) < len || memcmp(scan->at, word, len) != 0)
        return scan_expected(scan, "a value");
    scan->at += len;
    return 0;
}

/* ------------------------------------------------------------------ strings */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The four digits after "\u". */
static int scan_unit(struct scan *scan, unsigned *ret)
{
    unsigned unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(scan_peek(scan));
        if (digit < 0)
            return scan_expected(scan, "four hexadecimal digits after \\u");
        unit = unit * 16 + (unsigned)digit;
        scan->at++;
    }
    *ret = unit;
    return 0;
}

static bool is_high_surrogate(unsigned unit)
{
    return unit >= 0xD800 && unit <= 0xDBFF;
}

static bool is_low_surrogate(unsigned unit)
{
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* After "\u"; start is its backslash. */
static int scan_unicode(struct scan *scan, const char *start, unsigned *ret)
{
    unsigned high = 0, low = 0;
    int rc = scan_unit(scan, &high);
    if (rc < 0)
        return rc;
    if (high == 0 && !scan->nul_allowed)
        return scan_refuse(scan, start, "\\u0000 is not allowed: it would end the text early");
    *ret = high;
    if (!is_high_surrogate(high) && !is_low_surrogate(high))
        return 0;

    bool pair = is_high_surrogate(high) && scan_accept(scan, '\\') && scan_accept(scan, 'u');
    if (!pair)
        return scan_refuse(scan, start, "half of a surrogate pair, \\u%04x", high);
    rc = scan_unit(scan, &low);
    if (rc < 0)
        return rc;
    if (!is_low_surrogate(low))
        return scan_refuse(scan, start, "half of a surrogate pair, \\u%04x", high);
    *ret = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    return 0;
}

static void add_code_point(struct str *out, unsigned code)
{
    if (code < 0x80) {
        str_add_char(out, (char)code);
        return;
    }
    unsigned follow = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char leads[] = { 0, 0xC0, 0xE0, 0xF0 };
    char bytes[4];
    for (unsigned i = follow; i > 0; i--, code >>= 6)
        bytes[i] = (char)(0x80 | (code & 0x3F));
    bytes[0] = (char)(leads[follow] | code);
    str_add_len(out, bytes, follow + 1);
}

/* After a backslash. decoded may be NULL. */
static int scan_escape(struct scan *scan, struct str *decoded)
{
    static const char names[] = "\"\\/bfnrt";
    static const char meant[] = "\"\\/\b\f\n\r\t";
    const char *start = scan->at - 1;
    char c = scan_peek(scan);
    const char *found = c ? strchr(names, c) : NULL;
    if (!found && c != 'u')
        return scan_expected(scan, "one of \" \\ / b f n r t u after a backslash");
    scan->at++;

    unsigned code = found ? (unsigned char)meant[found - names] : 0;
    if (!found) {
        int rc = scan_unicode(scan, start, &code);
        if (rc < 0)
            return rc;
    }
    if (decoded)
        add_code_point(decoded, code);
    return 0;
}

/* A string from its opening quote. *ret_escaped tells whether an escape occurs in it. */
static int scan_string(struct scan *scan, struct str *decoded, bool *ret_escaped)
{
    const char *start = scan->at++;
    *ret_escaped = false;
    while (scan->at < scan->end && *scan->at != '"') {
        if (scan_accept(scan, '\\')) {
            *ret_escaped = true;
            int rc = scan_escape(scan, decoded);
            if (rc < 0)
                return rc;
            continue;
        }
        if ((unsigned char)*scan->at < 0x20)
            return scan_refuse(scan, scan->at, "control character 0x%02X in a string",
                               (unsigned)(unsigned char)*scan->at);
        size_t len = utf8_length(scan->at, (size_t)(scan->end - scan->at));
        if (len == 0)
            return scan_refuse(scan, scan->at, "byte 0x%02X is not valid UTF-8",
                               (unsigned)(unsigned char)*scan->at);
        if (decoded)
            str_add_len(decoded, scan->at, len);
        scan->at += len;
    }
    if (!scan_accept(scan, '"'))
        return scan_refuse(scan, start, "a string that starts here does not end");
    return 0;
}

/* ------------------------------------------------------------------ keys */

static void keys_push(struct scan *scan, struct scan_key key)
{
    if (scan->key_count == scan->key_capacity) {
        scan->key_capacity = scan->key_capacity > 0 ? scan->key_capacity * 2 : 64;
        scan->keys = memory_grow(scan->keys, scan->key_capacity, sizeof *scan->keys);
    }
    scan->keys[scan->key_count++] = key;
}

static int scan_key(struct scan *scan)
{
    if (scan_peek(scan) != '"')
        return scan_expected(scan, "a key in double quotes");
    struct scan_key key = { .bytes = scan->at + 1, .at = scan->at };
    bool escaped = false;
    int rc = scan_string(scan, NULL, &escaped);
    if (rc < 0)
        return rc;
    key.len = key.source_len = (size_t)(scan->at - key.bytes) - 1;

    if (escaped) {
        AUTO_STR struct str decoded;
        str_init(&decoded, key.len);
        scan->at = key.at;
        rc = scan_string(scan, &decoded, &escaped);
        ASSERT(rc == 0 && !decoded.truncated); /* no escape is shorter than what it stands for */
        key.len = decoded.len;
        char *bytes = arena_alloc(&scan->decoded, decoded.len);
        memcpy(bytes, str_text(&decoded), decoded.len); /* may hold a NUL */
        key.bytes = bytes;
    }
    keys_push(scan, key);
    return 0;
}

static int key_compare(const void *left, const void *right)
{
    const struct scan_key *a = left, *b = right;
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    int order = memcmp(a->bytes, b->bytes, a->len);
    if (order != 0)
        return order;
    return a->at < b->at ? -1 : a->at > b->at;
}

/* The keys from `first` on belong to the object that just closed. */
static int keys_close(struct scan *scan, size_t first)
{
    struct scan_key *keys = scan->keys + first;
    size_t count = scan->key_count - first;
    scan->key_count = first;
    if (count < 2)
        return 0;
    qsort(keys, count, sizeof *keys, key_compare);
    for (size_t i = 1; i < count; i++) {
        if (keys[i].len != keys[i - 1].len ||
            memcmp(keys[i].bytes, keys[i - 1].bytes, keys[i].len) != 0)
            continue;
        AUTO_STR struct str shown;
        str_init(&shown, KEY_SHOWN_MAX);
        str_add_len(&shown, keys[i].at + 1, keys[i].source_len);
        return scan_refuse(scan, keys[i].at, "duplicate key \"%s\"", str_text(&shown));
    }
    return 0;
}

/* ------------------------------------------------------------------ values */

static int scan_member(struct scan *scan)
{
    int rc = scan_key(scan);
    if (rc < 0)
        return rc;
    scan_space(scan);
    if (!scan_accept(scan, ':'))
        return scan_expected(scan, "':' after a key");
    return scan_value(scan);
}

static int scan_object(struct scan *scan)
{
    size_t first = scan->key_count;
    scan->at++;
    scan_space(scan);
    if (scan_accept(scan, '}'))
        return 0;
    do {
        scan_space(scan);
        int rc = scan_member(scan);
        if (rc < 0)
            return rc;
    } while (scan_accept(scan, ','));
    if (!scan_accept(scan, '}'))
        return scan_expected(scan, "',' or '}' in an object");
    return keys_close(scan, first);
}

static int scan_array(struct scan *scan)
{
    scan->at++;
    scan_space(scan);
    if (scan_accept(scan, ']'))
        return 0;
    do {
        int rc = scan_value(scan);
        if (rc < 0)
            return rc;
    } while (scan_accept(scan, ','));
    if (!scan_accept(scan, ']'))
        return scan_expected(scan, "',' or ']' in an array");
    return 0;
}

static int scan_nested(struct scan *scan, int (*scan_inner)(struct scan *scan))
{
    if (scan->depth == JSON_DEPTH_MAX)
        return scan_refuse(scan, scan->at, "nested more than %d deep", JSON_DEPTH_MAX);
    scan->depth++;
    int rc = scan_inner(scan);
    scan->depth--;
    return rc;
}

static int scan_scalar(struct scan *scan)
{
    bool escaped = false;
    switch (scan_peek(scan)) {
    case '"':
        return scan_string(scan, NULL, &escaped);
    case 't':
        return scan_word(scan, "true");
    case 'f':
        return scan_word(scan, "false");
    case 'n':
        return scan_word(scan, "null");
    default:
        if (scan_peek(scan) == '-' || (scan_peek(scan) >= '0' && scan_peek(scan) <= '9'))
            return scan_number(scan);
        return scan_expected(scan, "a value");
    }
}

/* A value with the space around it. */
static int scan_value(struct scan *scan)
{
    scan_space(scan);
    char c = scan_peek(scan);
    int rc = c == '{'   ? scan_nested(scan, scan_object)
             : c == '[' ? scan_nested(scan, scan_array)
                        : scan_scalar(scan);
    scan_space(scan);
    return rc;
}

int json_scan(const char *text, size_t len, bool nul_allowed, struct err *err)
{
    struct scan scan = {
        .text = text, .at = text, .end = text + len, .nul_allowed = nul_allowed, .err = err
    };
    scan_space(&scan);
    int rc = scan.at == scan.end ? err_say(err, -EINVAL, "the text is empty") : scan_value(&scan);
    if (rc == 0 && scan.at < scan.end)
        rc = scan_expected(&scan, "the end of the text");
    free(scan.keys);
    arena_release(&scan.decoded);
    return rc;
}
