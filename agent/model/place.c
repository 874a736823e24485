/* place.c: from a chain of keys and indexes to a path that people read. */
#include "agent/model/place.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#define KEY_SHOWN_MAX 100 /* keys come from outside and may be megabytes long */

static size_t place_add(const struct place *place, char *ret, size_t used)
{
    if (!place)
        return used;
    used = place_add(place->up, ret, used);
    size_t room = PLACE_TEXT_MAX - used;
    int added = place->key ? snprintf(ret + used, room, "%s%.*s", used > 0 ? "." : "",
                                      KEY_SHOWN_MAX, place->key)
                           : snprintf(ret + used, room, "[%zu]", place->index);
    if (added < 0)
        return used;
    return (size_t)added < room ? used + (size_t)added : PLACE_TEXT_MAX - 1;
}

void place_text(const struct place *place, char ret[PLACE_TEXT_MAX])
{
    ret[0] = '\0';
    if (place_add(place, ret, 0) == 0)
        (void)snprintf(ret, PLACE_TEXT_MAX, ".");
}

__attribute__((format(printf, 5, 0))) static void
place_find(struct findings *findings, bool warning, const struct place *place, const char *code,
           const char *format, va_list args)
{
    char path[PLACE_TEXT_MAX];
    char message[PLACE_TEXT_MAX];
    place_text(place, path);
    (void)vsnprintf(message, sizeof message, format, args);
    if (warning)
        findings_warning(findings, path, code, "%s", message);
    else
        findings_error(findings, path, code, "%s", message);
}

void place_error(struct findings *findings, const struct place *place, const char *code,
                 const char *format, ...)
{
    va_list args;
    va_start(args, format);
    place_find(findings, false, place, code, format, args);
    va_end(args);
}

void place_warning(struct findings *findings, const struct place *place, const char *code,
                   const char *format, ...)
{
    va_list args;
    va_start(args, format);
    place_find(findings, true, place, code, format, args);
    va_end(args);
}
