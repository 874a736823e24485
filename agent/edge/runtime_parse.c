#include "agent/edge/runtime_parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "berth/assert.h"
#include "berth/json.h"
#include "berth/memory.h"

/* ------------------------------------------------------------------ lines */

void lines_init(struct lines *lines, size_t line_max)
{
    str_init(&lines->partial, line_max);
}

void lines_release(struct lines *lines)
{
    str_release(&lines->partial);
}

static void lines_emit(struct lines *lines, line_fn fn, void *ctx)
{
    struct str *line = &lines->partial;
    if (line->len > 0 && line->data[line->len - 1] == '\r')
        line->data[--line->len] = '\0';
    if (line->truncated)
        fn(ctx, NULL, 0);
    else if (line->len > 0)
        fn(ctx, str_text(line), line->len);
    str_clear(line);
}

void lines_feed(struct lines *lines, const char *bytes, size_t len, line_fn fn, void *ctx)
{
    while (len > 0) {
        const char *end = memchr(bytes, '\n', len);
        size_t step = end ? (size_t)(end - bytes) : len;
        /* str drops what does not fit and remembers it, so a line without end costs no memory. */
        if (!lines->partial.truncated)
            str_add_len(&lines->partial, bytes, step);
        if (!end)
            return;
        lines_emit(lines, fn, ctx);
        bytes += step + 1;
        len -= step + 1;
    }
}

void lines_end(struct lines *lines, line_fn fn, void *ctx)
{
    lines_emit(lines, fn, ctx);
}

/* ------------------------------------------------------------------ JSON lines */

static const char *first_string(const cJSON *object, const char *a, const char *b)
{
    const char *text = json_string(object, a, "");
    return text[0] ? text : json_string(object, b, "");
}

int runtime_event_parse(const char *line, size_t len, struct runtime_event *ret)
{
    AUTO_JSON cJSON *json = NULL;
    if (json_parse_answer(line, len, &json, NULL) < 0 || !cJSON_IsObject(json))
        return -EPROTO;
    const cJSON *actor = json_get(json, "Actor");
    const char *id = first_string(actor, "ID", "Id");
    const char *name = json_string(json_get(actor, "Attributes"), "name", "");
    if (!id[0])
        id = json_string(json, "id", "");
    const char *container = name[0] ? name : id;
    if (strlen(container) >= sizeof ret->container)
        return -EPROTO;
    *ret = (struct runtime_event){ .time_s = json_integer(json, "time", 0) };
    (void)snprintf(ret->container, sizeof ret->container, "%s", container);
    (void)snprintf(ret->action, sizeof ret->action, "%s", first_string(json, "Action", "status"));
    return 0;
}

/* One printable line: control characters become blanks, bad UTF-8 question marks. */
static void put_printable(char *ret, size_t size, const char *text, size_t len)
{
    size_t used = 0;
    for (size_t i = 0; i < len && used + 4 < size;) {
        size_t step = utf8_length(text + i, len - i);
        bool control = (unsigned char)text[i] < 0x20 || text[i] == 0x7f;
        if (step == 0 || control)
            ret[used++] = control ? ' ' : '?';
        else
            for (size_t k = 0; k < step; k++)
                ret[used++] = text[i + k];
        i += step ? step : 1;
    }
    while (used > 0 && ret[used - 1] == ' ')
        used--;
    ret[used] = '\0';
}

/* Docker draws a bar of 52 characters before the numbers: "[=====>      ]  1.2MB/3MB". */
static const char *without_bar(const char *progress)
{
    const char *end = progress[0] == '[' ? strchr(progress, ']') : NULL;
    const char *numbers = end ? end + 1 : progress;
    return numbers + strspn(numbers, " ");
}

int pull_line_parse(const char *line, size_t len, struct pull_line *ret)
{
    AUTO_JSON cJSON *json = NULL;
    if (json_parse_answer(line, len, &json, NULL) < 0 || !cJSON_IsObject(json))
        return -EPROTO;
    memset(ret, 0, sizeof *ret);
    const char *error = json_string(json, "error", "");
    if (!error[0])
        error = json_string(json_get(json, "errorDetail"), "message", "");
    put_printable(ret->error, sizeof ret->error, error, strlen(error));
    const char *id = json_string(json, "id", "");
    const char *status = first_string(json, "status", "stream");
    const char *progress = without_bar(json_string(json, "progress", ""));
    AUTO_FREE char *text = memory_printf("%.64s%s%.80s%s%.80s", id, id[0] ? ": " : "", status,
                                         progress[0] ? " " : "", progress);
    put_printable(ret->text, sizeof ret->text, text, strlen(text));
    ret->waits = strcmp(status, "Waiting") == 0;
    ret->up_to_date = strstr(status, "Image is up to date") != NULL;
    return 0;
}

void runtime_message(const char *body, size_t len, char ret[RUNTIME_MESSAGE_MAX])
{
    AUTO_JSON cJSON *json = NULL;
    const char *text = "";
    if (len > 0 && json_parse_answer(body, len, &json, NULL) == 0)
        text = first_string(json, "message", "cause");
    if (text[0])
        put_printable(ret, RUNTIME_MESSAGE_MAX, text, strlen(text));
    else
        put_printable(ret, RUNTIME_MESSAGE_MAX, body, len < 200 ? len : 200);
}

/* ------------------------------------------------------------------ log frames */

static int log_frames_head(struct log_frames *frames)
{
    const unsigned char *head = frames->head;
    /* 0 stdin (never sent), 1 stdout, 2 stderr, 3 an error of the runtime itself. */
    if (head[0] > 3 || head[1] || head[2] || head[3])
        return -EPROTO;
    frames->is_stderr = head[0] >= 2;
    frames->left = (uint32_t)head[4] << 24 | (uint32_t)head[5] << 16 | (uint32_t)head[6] << 8 |
                   (uint32_t)head[7];
    frames->head_len = 0;
    return 0;
}

int log_frames_feed(struct log_frames *frames, const char *bytes, size_t len, log_fn fn, void *ctx)
{
    if (frames->failed)
        return -EPROTO;
    if (frames->raw)
        return len == 0 || fn(ctx, false, bytes, len) ? 0 : -ECANCELED;
    while (len > 0) {
        size_t step = 1;
        if (frames->left > 0) {
            step = len < frames->left ? len : frames->left;
            frames->left -= (uint32_t)step;
            if (!fn(ctx, frames->is_stderr, bytes, step))
                return -ECANCELED;
        } else {
            frames->head[frames->head_len++] = (unsigned char)*bytes;
            frames->failed = frames->head_len == 8 && log_frames_head(frames) < 0;
            if (frames->failed)
                return -EPROTO;
        }
        bytes += step;
        len -= step;
    }
    return 0;
}

/* ------------------------------------------------------------------ names and versions */

int image_reference_parse(const char *image, struct image_reference *ret)
{
    const char *digest = strchr(image, '@');
    size_t len = digest ? (size_t)(digest - image) : strlen(image);
    const char *slash = memrchr(image, '/', len);
    const char *start = slash ? slash + 1 : image;
    /* A colon before the last slash belongs to a registry's port. */
    const char *colon = memchr(start, ':', len - (size_t)(start - image));
    const char *tag = digest ? digest + 1 : "latest";
    size_t tag_len = strlen(tag);
    if (colon && !digest) {
        tag = colon + 1;
        tag_len = len - (size_t)(tag - image);
    }
    if (colon)
        len = (size_t)(colon - image);
    if (len == 0 || len >= sizeof ret->name || tag_len == 0 || tag_len >= sizeof ret->tag)
        return -EINVAL;
    (void)snprintf(ret->name, sizeof ret->name, "%.*s", (int)len, image);
    (void)snprintf(ret->tag, sizeof ret->tag, "%.*s", (int)tag_len, tag);
    return 0;
}

int api_version_parse(const char *text)
{
    size_t major_len = strspn(text, "0123456789");
    if (text[major_len] != '.')
        return -1;
    const char *minor_text = text + major_len + 1;
    AUTO_FREE char *major_text = memory_strndup(text, major_len);
    int64_t major = 0, minor = 0;
    if (parse_int(major_text, 0, 99, &major) < 0 || parse_int(minor_text, 0, 999, &minor) < 0)
        return -1;
    return (int)(major * 1000 + minor);
}

void url_escape(struct str *out, const char *text, bool keep_slash)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c < 0x80 && isalnum(c)) || strchr("-._~", c) || (c == '/' && keep_slash))
            str_add_char(out, *text);
        else
            str_addf(out, "%%%02X", c);
    }
}
