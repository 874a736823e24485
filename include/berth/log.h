/* log.h: one fact per line, key=value, to stderr.
 *
 * info = a state changed; warn = we coped; error = someone must act; debug = for us. Only agent/
 * and edge/ log. Never secrets, never values of environment variables.
 *
 *     log_info("event=deployment_completed", "service=%s revision=%d", name, revision);
 *
 * Formats: text ("<level> event=... key=value"), logfmt (ts=... level=... event=...), json (one
 * object per line, the pairs as members). Every line has the "<N>" priority prefix when stderr is
 * the journal, which takes it off. Control characters become spaces. A line that repeats the last
 * one within 5 s is held back and counted: "event=repeated times=N" precedes the next line.
 * Values with spaces, quotes or control characters: pass them through LOG_VALUE (log_quote()). */
#ifndef BERTH_LOG_H
#define BERTH_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_LOGFMT, LOG_JSON };

void log_set_level(enum log_level level);
void log_set_format(enum log_format format);
int log_level_parse(const char *text, enum log_level *ret);
int log_format_parse(const char *text, enum log_format *ret);
bool log_wanted(enum log_level level);

/* event is "event=<name>"; format gives further " key=value" pairs or is "". */
__attribute__((format(printf, 3, 4))) void log_line(enum log_level level, const char *event,
                                                    const char *format, ...);

/* The format is a literal; the space in front of it keeps the compiler content with "". */
#define log_debug(event, ...) log_line(LOG_DEBUG, event, " " __VA_ARGS__)
#define log_info(event, ...) log_line(LOG_INFO, event, " " __VA_ARGS__)
#define log_warn(event, ...) log_line(LOG_WARN, event, " " __VA_ARGS__)
#define log_error(event, ...) log_line(LOG_ERROR, event, " " __VA_ARGS__)

/* A value quoted for a pair, in a buffer of the caller; bare when nothing needs quoting. */
struct log_value {
    char text[600];
};
const char *log_quote(struct log_value *ret, const char *text);
#define LOG_VALUE(text_) log_quote(&(struct log_value){ { 0 } }, (text_))

#endif
