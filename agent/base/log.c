/* log.c: one line, one write(2), so that lines of several processes never mix. */
#include "berth/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "berth/assert.h"
#include "berth/digest.h"
#include "berth/json.h"
#include "berth/memory.h"
#include "berth/str.h"

#define LINE_MAX_LEN ((size_t)8 * 1024)
#define REPEAT_WINDOW_MS 5000

static enum log_level wanted_level = LOG_INFO;
static enum log_format wanted_format = LOG_TEXT;

/* The last line and how often it was held back since: a storm of one line is shown once in
 * REPEAT_WINDOW_MS, with the number of repetitions. */
static struct {
    struct digest digest;
    int64_t shown_ms;
    uint64_t held;
    bool any;
} last;

static const struct {
    const char *name;
    int priority; /* syslog's */
} levels[] = {
    [LOG_DEBUG] = { "debug", 7 },
    [LOG_INFO] = { "info", 6 },
    [LOG_WARN] = { "warn", 4 },
    [LOG_ERROR] = { "error", 3 },
};

static const char *const formats[] = {
    [LOG_TEXT] = "text",
    [LOG_LOGFMT] = "logfmt",
    [LOG_JSON] = "json",
};

void log_set_level(enum log_level level)
{
    wanted_level = level;
}

void log_set_format(enum log_format format)
{
    wanted_format = format;
}

int log_level_parse(const char *text, enum log_level *ret)
{
    for (size_t i = 0; i < COUNT_OF(levels); i++) {
        if (str_equal(levels[i].name, text)) {
            *ret = (enum log_level)i;
            return 0;
        }
    }
    return -EINVAL;
}

int log_format_parse(const char *text, enum log_format *ret)
{
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        if (str_equal(formats[i], text)) {
            *ret = (enum log_format)i;
            return 0;
        }
    }
    return -EINVAL;
}

bool log_wanted(enum log_level level)
{
    return level >= wanted_level;
}

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* systemd sets JOURNAL_STREAM to device:inode of the socket it gave us. A shell that redirects our
 * stderr leaves the variable behind, so only a match counts. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    if (!stream || fstat(STDERR_FILENO, &status) < 0)
        return false;
    char own[64];
    (void)snprintf(own, sizeof own, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    return str_equal(stream, own);
}

/* ------------------------------------------------------------------ json */

/* A value as LOG_VALUE wrote it, without quotes and escapes; *text moves behind it. */
static void take_value(const char **text, struct str *ret)
{
    const char *p = *text;
    bool quoted = *p == '"';
    if (quoted)
        p++;
    while (*p && *p != (quoted ? '"' : ' ')) {
        if (quoted && *p == '\\' && p[1])
            p++;
        str_add_char(ret, *p++);
    }
    if (quoted && *p == '"')
        p++;
    *text = p;
}

/* Numbers that JSON can hold exactly stay numbers; an id of 32 digits is text. */
static void put_value(struct json_writer *writer, const char *value, bool quoted)
{
    int64_t number = 0;
    bool exact = !quoted && parse_int(value, -JSON_INTEGER_MAX, JSON_INTEGER_MAX, &number) == 0;
    char canonical[24] = "";
    (void)snprintf(canonical, sizeof canonical, "%" PRId64, number);
    if (exact && str_equal(canonical, value))
        json_put_int(writer, number);
    else if (!quoted && (str_equal(value, "true") || str_equal(value, "false")))
        json_put_raw(writer, value);
    else
        json_put_string(writer, value);
}

/* "a=1 b="x y"" as members; a word without '=' becomes a member with an empty value. */
static void put_pairs(struct json_writer *writer, const char *pairs)
{
    AUTO_STR struct str key, value;
    str_init(&key, LINE_MAX_LEN);
    str_init(&value, LINE_MAX_LEN);
    while (*(pairs += strspn(pairs, " "))) {
        size_t len = strcspn(pairs, "= ");
        str_clear(&key);
        str_clear(&value);
        str_add_len(&key, pairs, len);
        pairs += len;
        bool quoted = false;
        if (*pairs == '=') {
            pairs++;
            quoted = *pairs == '"';
            take_value(&pairs, &value);
        }
        json_key(writer, str_text(&key));
        put_value(writer, str_text(&value), quoted);
    }
}

/* ------------------------------------------------------------------ lines */

static void format_line(enum log_level level, const char *pairs, struct str *out)
{
    char stamp[32];
    time_format_wall(clock_ms(CLOCK_REALTIME), stamp);
    if (stderr_is_journal())
        str_addf(out, "<%d>", levels[level].priority);

    struct json_writer writer;
    switch (wanted_format) {
    case LOG_TEXT:
        str_addf(out, "%s %s", levels[level].name, pairs);
        break;
    case LOG_LOGFMT:
        str_addf(out, "ts=%s level=%s %s", stamp, levels[level].name, pairs);
        break;
    case LOG_JSON:
        json_begin(&writer, out);
        json_object(&writer);
        json_string_member(&writer, "ts", stamp);
        json_string_member(&writer, "level", levels[level].name);
        put_pairs(&writer, pairs);
        json_object_end(&writer);
        break;
    }
}

static void write_line(enum log_level level, const char *pairs)
{
    AUTO_STR struct str line;
    str_init(&line, 6 * LINE_MAX_LEN); /* quotes and escapes of JSON take room */
    format_line(level, pairs, &line);
    str_add_char(&line, '\n');
    /* A log that nobody reads must not stop the agent: what a full pipe refuses is lost. */
    ssize_t written = write(STDERR_FILENO, str_text(&line), line.len);
    (void)written;
}

static bool is_repetition(enum log_level level, const char *pairs)
{
    struct digest digest;
    digest_of(pairs, strlen(pairs), &digest);
    int64_t now = clock_ms(CLOCK_MONOTONIC);
    bool same = last.any && digest_equal(&digest, &last.digest);
    if (same && now - last.shown_ms < REPEAT_WINDOW_MS) {
        last.held++;
        return true;
    }
    if (last.held > 0) {
        char text[64];
        (void)snprintf(text, sizeof text, "event=repeated times=%" PRIu64, last.held);
        write_line(level, text);
    }
    last.digest = digest;
    last.shown_ms = now;
    last.held = 0;
    last.any = true;
    return false;
}

/* One fact is one line, whatever bytes a value brings along. */
static void flatten(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7F)
            *text = ' ';
}

void log_line(enum log_level level, const char *event, const char *format, ...)
{
    if (!log_wanted(level))
        return;
    char *formatted = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&formatted, format, args);
    va_end(args);
    ASSERT(len >= 0);
    AUTO_FREE char *owned = formatted;

    AUTO_STR struct str pairs;
    str_init(&pairs, LINE_MAX_LEN);
    const char *rest = owned + strspn(owned, " ");
    str_add(&pairs, event);
    str_add(&pairs, *rest ? " " : "");
    str_add(&pairs, rest);
    flatten(pairs.data);
    if (!is_repetition(level, pairs.data))
        write_line(level, pairs.data);
}

/* ------------------------------------------------------------------ values */

static bool is_bare(const char *text)
{
    if (*text == '\0')
        return false;
    for (; *text; text++)
        if ((unsigned char)*text <= 0x20 || *text == '"' || *text == '\\' || *text == '=' ||
            *text == 0x7F)
            return false;
    return true;
}

const char *log_quote(struct log_value *ret, const char *text)
{
    /* Room for two bytes, the quote and the NUL stays free at each step. */
    const size_t room = sizeof ret->text - 8;
    if (!text)
        text = "";
    bool bare = is_bare(text);
    size_t len = 0;
    if (!bare)
        ret->text[len++] = '"';
    while (*text) {
        size_t step = utf8_length(text, strnlen(text, 4));
        if (len + (step > 2 ? step : 2) > room) {
            memcpy(ret->text + len, "...", 3);
            len += 3;
            break;
        }
        char c = *text;
        if (step > 1) {
            memcpy(ret->text + len, text, step);
            len += step;
        } else if (step == 0 || (unsigned char)c < 0x20 || c == 0x7F) {
            ret->text[len++] = step == 0 ? '?' : ' ';
        } else {
            if (c == '"' || c == '\\')
                ret->text[len++] = '\\';
            ret->text[len++] = c;
        }
        text += step > 0 ? step : 1;
    }
    if (!bare)
        ret->text[len++] = '"';
    ret->text[len] = '\0';
    return ret->text;
}
