/* str.h: build text within a bound.
 *
 * A str grows on the heap up to `max` bytes (excluding the final NUL). What does not fit is
 * dropped (never half a UTF-8 character), as is everything after it, and `truncated` stays set, so
 * that a caller adds freely and checks once at the end.
 * `data` is always NUL-terminated once anything was added; str_text() never returns NULL. */
#ifndef BERTH_STR_H
#define BERTH_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
    char *data;
    size_t len;
    size_t capacity;
    size_t max;
    bool truncated;
};

#define AUTO_STR __attribute__((cleanup(str_release)))

void str_init(struct str *str, size_t max);
void str_release(struct str *str);
void str_clear(struct str *str); /* keeps the memory */

void str_add(struct str *str, const char *text);
void str_add_len(struct str *str, const char *bytes, size_t len);
void str_add_char(struct str *str, char c);
__attribute__((format(printf, 2, 3))) void str_addf(struct str *str, const char *format, ...);

const char *str_text(const struct str *str); /* "" when nothing was added */
char *str_take(struct str *str);             /* the caller frees; str is as after init */

/* Parsing and comparing of plain C strings. */
int parse_int(const char *text, int64_t min, int64_t max, int64_t *ret); /* decimal, whole text */
int parse_duration_ms(const char *text, int64_t *ret_ms); /* "500ms" "30s" "5m" "1h", "30" = s */
bool str_equal(const char *a, const char *b);             /* NULL equals only NULL */
bool str_starts(const char *text, const char *prefix);
bool utf8_valid(const char *bytes, size_t len);
size_t utf8_length(const char *bytes, size_t len); /* of the first character; 0 when it is bad */

#endif
