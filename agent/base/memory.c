/* memory.c: allocation that aborts instead of failing. */
#include "berth/memory.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noreturn, cold)) static void memory_exhausted(size_t count, size_t size)
{
    (void)fprintf(stderr, "berth: out of memory: %zu x %zu bytes\n", count, size);
    abort();
}

void *memory_alloc(size_t size)
{
    return memory_array(1, size);
}

void *memory_array(size_t count, size_t size)
{
    /* calloc checks the product; zero bytes still have to give a pointer that is not NULL. */
    bool empty = count == 0 || size == 0;
    void *memory = empty ? calloc(1, 1) : calloc(count, size);
    if (!memory)
        memory_exhausted(count, size);
    return memory;
}

void *memory_grow(void *old, size_t count, size_t size)
{
    size_t total = 0;
    if (__builtin_mul_overflow(count, size, &total))
        memory_exhausted(count, size);
    /* realloc(p, 0) frees p; nobody who grows means that. */
    void *memory = realloc(old, total > 0 ? total : 1);
    if (!memory)
        memory_exhausted(count, size);
    return memory;
}

char *memory_strdup(const char *text)
{
    return text ? memory_strndup(text, strlen(text)) : NULL;
}

char *memory_strndup(const char *text, size_t len)
{
    len = strnlen(text, len);
    char *copy = memory_alloc(len + 1);
    memcpy(copy, text, len);
    return copy;
}

char *memory_printf(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0)
        memory_exhausted(1, strlen(format));
    return text;
}

void memory_cleanup_free(void *pointer_to_pointer)
{
    /* The attribute hands over the address of the variable, whatever its pointer type is. */
    void *pointer = NULL;
    memcpy(&pointer, pointer_to_pointer, sizeof pointer);
    free(pointer);
}

void memory_cleanup_fd(const int *fd)
{
    /* Linux releases the descriptor even when close fails with EINTR: never try again. */
    int saved = errno;
    if (*fd >= 0)
        (void)close(*fd);
    errno = saved;
}
