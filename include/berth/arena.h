/* arena.h: memory for things that die together.
 *
 * An arena hands out zeroed pieces from larger chunks and gives everything back at once in
 * arena_release(). Pointers stay valid until then. An arena that is all zero is ready for use;
 * releasing it twice is fine. Not for things that live long and grow. */
#ifndef BERTH_ARENA_H
#define BERTH_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    size_t used;                /* bytes handed out, for limits and statistics */
};

void arena_release(struct arena *arena);

void *arena_alloc(struct arena *arena, size_t size); /* zeroed, aligned for any type */
void *arena_array(struct arena *arena, size_t count, size_t size);
char *arena_strdup(struct arena *arena, const char *text); /* NULL gives NULL */
char *arena_strndup(struct arena *arena, const char *text, size_t len);
__attribute__((format(printf, 2, 3))) char *arena_printf(struct arena *arena, const char *format,
                                                         ...);

#endif
