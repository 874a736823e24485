/* str.c: bounded text, and the parsing of plain C strings. */
#include "berth/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "berth/assert.h"
#include "berth/memory.h"

void str_init(struct str *str, size_t max)
{
    ASSERT(max < SIZE_MAX / 4);
    *str = (struct str){ .max = max };
}

void str_release(struct str *str)
{
    free(str->data);
    str_init(str, str->max);
}

void str_clear(struct str *str)
{
    str->len = 0;
    str->truncated = false;
    if (str->data)
        str->data[0] = '\0';
}

static void str_reserve(struct str *str, size_t len)
{
    if (str->data && len < str->capacity)
        return;
    size_t capacity = str->capacity > 0 ? str->capacity : 64;
    while (capacity <= len)
        capacity *= 2;
    str->data = memory_grow(str->data, capacity, 1);
    str->capacity = capacity;
}

/* The longest prefix within the bound that does not cut a UTF-8 sequence in two. */
static size_t str_fitting(const char *bytes, size_t room)
{
    size_t len = room;
    while (len > 0 && room - len < 4 && ((unsigned char)bytes[len] & 0xC0) == 0x80)
        len--;
    return len;
}

void str_add_len(struct str *str, const char *bytes, size_t len)
{
    /* Once something is missing nothing follows it: a text with a hole would mislead. */
    if (str->truncated)
        return;
    if (len > str->max - str->len) {
        str->truncated = true;
        len = str_fitting(bytes, str->max - str->len);
    }
    str_reserve(str, str->len + len);
    if (len > 0)
        memcpy(str->data + str->len, bytes, len);
    str->len += len;
    str->data[str->len] = '\0';
}

void str_add(struct str *str, const char *text)
{
    str_add_len(str, text, strlen(text));
}

void str_add_char(struct str *str, char c)
{
    str_add_len(str, &c, 1);
}

void str_addf(struct str *str, const char *format, ...)
{
    char small[256];
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    ASSERT(len >= 0);

    if ((size_t)len < sizeof small) {
        str_add_len(str, small, (size_t)len);
    } else {
        AUTO_FREE char *large = memory_alloc((size_t)len + 1);
        (void)vsnprintf(large, (size_t)len + 1, format, again);
        str_add_len(str, large, (size_t)len);
    }
    va_end(again);
}

const char *str_text(const struct str *str)
{
    return str->data ? str->data : "";
}

char *str_take(struct str *str)
{
    char *text = str->data ? TAKE(str->data) : memory_strdup("");
    str_init(str, str->max);
    return text;
}

int parse_int(const char *text, int64_t min, int64_t max, int64_t *ret)
{
    /* strtoll alone would take leading spaces and a plus sign. */
    const char *digits = text[0] == '-' ? text + 1 : text;
    if (digits[0] == '\0' || digits[strspn(digits, "0123456789")] != '\0')
        return -EINVAL;
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno == ERANGE || value < min || value > max)
        return -ERANGE;
    *ret = value;
    return 0;
}

int parse_duration_ms(const char *text, int64_t *ret_ms)
{
    static const struct {
        const char *suffix;
        int64_t ms;
    } units[] = {
        { "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60 * 1000 }, { "h", 60 * 60 * 1000 },
    };

    size_t len = strspn(text, "0123456789");
    char number[20];
    if (len == 0)
        return -EINVAL;
    if (len >= sizeof number)
        return -ERANGE;
    memcpy(number, text, len);
    number[len] = '\0';

    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (!str_equal(text + len, units[i].suffix))
            continue;
        int64_t value = 0;
        int rc = parse_int(number, 0, INT64_MAX / units[i].ms, &value);
        if (rc < 0)
            return rc;
        *ret_ms = value * units[i].ms;
        return 0;
    }
    return -EINVAL;
}

bool str_equal(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    return strcmp(a, b) == 0;
}

bool str_starts(const char *text, const char *prefix)
{
    return text && prefix && strncmp(text, prefix, strlen(prefix)) == 0;
}

/* How many continuation bytes follow this first byte, and the bounds of the first of them, which
 * rule out overlong forms, surrogates and what lies beyond U+10FFFF (Unicode, table 3-7). */
struct utf8_lead {
    unsigned char first, last; /* lead bytes */
    unsigned char follow, low, high;
};

static const struct utf8_lead utf8_leads[] = {
    { 0x00, 0x7F, 0, 0, 0 },       { 0xC2, 0xDF, 1, 0x80, 0xBF }, { 0xE0, 0xE0, 2, 0xA0, 0xBF },
    { 0xE1, 0xEC, 2, 0x80, 0xBF }, { 0xED, 0xED, 2, 0x80, 0x9F }, { 0xEE, 0xEF, 2, 0x80, 0xBF },
    { 0xF0, 0xF0, 3, 0x90, 0xBF }, { 0xF1, 0xF3, 3, 0x80, 0xBF }, { 0xF4, 0xF4, 3, 0x80, 0x8F },
};

static const struct utf8_lead *utf8_lead_find(unsigned char byte)
{
    for (size_t i = 0; i < COUNT_OF(utf8_leads); i++)
        if (byte >= utf8_leads[i].first && byte <= utf8_leads[i].last)
            return &utf8_leads[i];
    return NULL;
}

size_t utf8_length(const char *bytes, size_t len)
{
    const unsigned char *in = (const unsigned char *)bytes;
    const struct utf8_lead *lead = len > 0 ? utf8_lead_find(in[0]) : NULL;
    if (!lead || len <= lead->follow)
        return 0;
    if (lead->follow > 0 && (in[1] < lead->low || in[1] > lead->high))
        return 0;
    for (size_t i = 2; i <= lead->follow; i++)
        if ((in[i] & 0xC0) != 0x80)
            return 0;
    return (size_t)lead->follow + 1;
}

bool utf8_valid(const char *bytes, size_t len)
{
    size_t at = 0;
    while (at < len) {
        size_t step = utf8_length(bytes + at, len - at);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}
