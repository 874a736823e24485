/* err.h: an error that a person will read, kept in the caller's memory.
 *
 * A function that can fail for a reason worth reading takes `struct err *err` last and returns
 * 0 or -errno. The text says what was tried and with which value; callers add context in front
 * with err_wrap() on the way up; only agent/ and edge/ log it, once, where the error stops.
 * err may be NULL everywhere: the code still comes back.
 *
 * The only header with bodies, so that cgroups/ needs nothing else of berth. */
#ifndef BERTH_ERR_H
#define BERTH_ERR_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ERR_TEXT_MAX 512

struct err {
    int code; /* 0 or -errno */
    char text[ERR_TEXT_MAX];
};

#define ERR_NONE ((struct err){ 0 })

/* Set the text as given; for failures that no errno explains. Returns code. */
__attribute__((format(printf, 3, 4))) static inline int err_say(struct err *err, int code,
                                                                const char *format, ...)
{
    if (!err)
        return code;
    va_list args;
    va_start(args, format);
    err->code = code;
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return code;
}

/* Set the text and append ": " and the text of the errno in code. Returns code. */
__attribute__((format(printf, 3, 4))) static inline int err_set(struct err *err, int code,
                                                                const char *format, ...)
{
    if (!err)
        return code;
    va_list args;
    va_start(args, format);
    err->code = code;
    int used = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    char reason[128];
    const char *text = strerror_r(code < 0 ? -code : code, reason, sizeof reason);
    if (used >= 0 && (size_t)used < sizeof err->text)
        (void)snprintf(err->text + used, sizeof err->text - (size_t)used, ": %s", text);
    return code;
}

/* Put context in front of what is there: "context: text". Returns the code that err holds. */
__attribute__((format(printf, 2, 3))) static inline int err_wrap(struct err *err,
                                                                 const char *format, ...)
{
    if (!err)
        return -EIO;
    char inner[ERR_TEXT_MAX];
    memcpy(inner, err->text, sizeof inner);
    va_list args;
    va_start(args, format);
    int used = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    /* Too long is fine; asking for failure tells gcc that it was thought of. */
    if (used >= 0 && (size_t)used < sizeof err->text &&
        snprintf(err->text + used, sizeof err->text - (size_t)used, ": %s", inner) < 0)
        err->text[used] = '\0';
    return err->code;
}

#endif
