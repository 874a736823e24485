/* arena.c: pieces of larger chunks, given back all at once. */
#include "berth/arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "berth/assert.h"
#include "berth/memory.h"

#define CHUNK_MIN ((size_t)4 * 1024)
#define CHUNK_MAX ((size_t)256 * 1024)

struct arena_chunk {
    struct arena_chunk *next;
    size_t size, used; /* of memory[] */
    max_align_t memory[];
};

/* Each chunk is twice the last one, so that large documents need few and small ones waste little.
 * A piece that is larger than that gets a chunk of its own size. */
static struct arena_chunk *chunk_new(const struct arena *arena, size_t need)
{
    size_t size = arena->chunks ? arena->chunks->size * 2 : CHUNK_MIN;
    if (size > CHUNK_MAX)
        size = CHUNK_MAX;
    if (size < need)
        size = need;

    struct arena_chunk *chunk = memory_alloc(sizeof *chunk + size);
    chunk->size = size;
    chunk->next = arena->chunks;
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    ASSERT(size < SIZE_MAX / 2);
    size_t need = size == 0 ? align : (size + align - 1) / align * align;

    if (!arena->chunks || arena->chunks->size - arena->chunks->used < need)
        arena->chunks = chunk_new(arena, need);
    struct arena_chunk *chunk = arena->chunks;
    void *piece = (char *)chunk->memory + chunk->used;
    chunk->used += need;
    arena->used += need;
    return piece;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t total = 0;
    bool overflow = __builtin_mul_overflow(count, size, &total);
    ASSERT(!overflow);
    return arena_alloc(arena, total);
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return text ? arena_strndup(arena, text, strlen(text)) : NULL;
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
    len = strnlen(text, len);
    char *copy = arena_alloc(arena, len + 1);
    memcpy(copy, text, len);
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(len >= 0);

    char *text = arena_alloc(arena, (size_t)len + 1);
    (void)vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}

void arena_release(struct arena *arena)
{
    struct arena_chunk *chunk = arena->chunks;
    while (chunk) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    *arena = (struct arena){ 0 };
}
