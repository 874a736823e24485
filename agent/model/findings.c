/* findings.c: the list of what is wrong with a document. */
#include "berth/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "berth/assert.h"
#include "berth/json.h"
#include "berth/str.h"

#define FINDING_TEXT_MAX 512

/* Values of the document are quoted in messages, and a cut may fall inside a character. What
 * goes out again must be valid UTF-8 and must not steer a terminal. */
static void text_make_printable(char *text)
{
    bool valid = utf8_valid(text, strlen(text));
    for (char *c = text; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte < 0x20 || byte == 0x7f || (!valid && byte >= 0x80))
            *c = '?';
    }
}

static bool findings_forget_last_warning(struct findings *findings)
{
    for (size_t i = findings->count; i > 0; i--) {
        if (!findings->list[i - 1].warning)
            continue;
        memmove(&findings->list[i - 1], &findings->list[i],
                (findings->count - i) * sizeof *findings->list);
        findings->count--;
        findings->dropped++;
        return true;
    }
    return false;
}

/* A place for one more finding, or NULL when the list is full of what matters at least as much. */
static struct finding *findings_slot(struct findings *findings, bool warning)
{
    if (!findings->list) {
        findings->capacity = FINDINGS_MAX;
        findings->list = arena_array(&findings->arena, FINDINGS_MAX, sizeof *findings->list);
    }
    bool full = findings->count == findings->capacity;
    if (full && (warning || !findings_forget_last_warning(findings))) {
        findings->dropped++;
        return NULL;
    }
    return &findings->list[findings->count++];
}

__attribute__((format(printf, 5, 0))) static void findings_add(struct findings *findings,
                                                               bool warning, const char *path,
                                                               const char *code, const char *format,
                                                               va_list args)
{
    ASSERT(path && code && format);
    *(warning ? &findings->warnings : &findings->errors) += 1;
    struct finding *finding = findings_slot(findings, warning);
    if (!finding)
        return;
    char message[FINDING_TEXT_MAX];
    char place[FINDING_TEXT_MAX];
    (void)vsnprintf(message, sizeof message, format, args);
    (void)snprintf(place, sizeof place, "%s", path);
    text_make_printable(message);
    text_make_printable(place);
    *finding = (struct finding){
        .path = arena_strdup(&findings->arena, place),
        .code = code,
        .message = arena_strdup(&findings->arena, message),
        .warning = warning,
    };
}

void findings_error(struct findings *findings, const char *path, const char *code,
                    const char *format, ...)
{
    va_list args;
    va_start(args, format);
    findings_add(findings, false, path, code, format, args);
    va_end(args);
}

void findings_warning(struct findings *findings, const char *path, const char *code,
                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    findings_add(findings, true, path, code, format, args);
    va_end(args);
}

void findings_release(struct findings *findings)
{
    arena_release(&findings->arena);
    *findings = (struct findings){ 0 };
}

static void findings_render_kind(const struct findings *findings, bool warning, const char *key,
                                 struct json_writer *writer)
{
    json_key(writer, key);
    json_array(writer);
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->list[i];
        if (finding->warning != warning)
            continue;
        json_object(writer);
        json_string_member(writer, "path", finding->path);
        json_string_member(writer, "code", finding->code);
        json_string_member(writer, "message", finding->message);
        json_object_end(writer);
    }
    json_array_end(writer);
}

void findings_render(const struct findings *findings, struct json_writer *writer)
{
    json_object(writer);
    json_bool_member(writer, "valid", findings->errors == 0);
    findings_render_kind(findings, false, "errors", writer);
    findings_render_kind(findings, true, "warnings", writer);
    if (findings->dropped > 0)
        json_int_member(writer, "dropped", (int64_t)findings->dropped);
    json_object_end(writer);
}

const char *findings_first_error(const struct findings *findings, char *buffer, size_t size)
{
    ASSERT(size > 0);
    buffer[0] = '\0';
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->list[i];
        if (finding->warning)
            continue;
        (void)snprintf(buffer, size, "%s: %s", finding->path, finding->message);
        break;
    }
    return buffer;
}
