/* memory.h: allocation that cannot fail, and cleanup bound to a scope.
 *
 * Out of memory aborts (crash-only: containers outlive us). AUTO_FREE frees a heap pointer when
 * its variable leaves the scope; hand it over with TAKE(p), which leaves NULL behind. */
#ifndef BERTH_MEMORY_H
#define BERTH_MEMORY_H

#include <stddef.h>

#define AUTO_FREE __attribute__((cleanup(memory_cleanup_free)))
#define AUTO_FD __attribute__((cleanup(memory_cleanup_fd)))

#define TAKE(pointer)                                                                              \
    ({                                                                                             \
        __auto_type taken_ = (pointer);                                                            \
        (pointer) = NULL;                                                                          \
        taken_;                                                                                    \
    })

void *memory_alloc(size_t size);                         /* zeroed */
void *memory_array(size_t count, size_t size);           /* zeroed, overflow checked */
void *memory_grow(void *old, size_t count, size_t size); /* realloc, overflow checked */
char *memory_strdup(const char *text);                   /* NULL gives NULL */
char *memory_strndup(const char *text, size_t len);
__attribute__((format(printf, 1, 2))) char *memory_printf(const char *format, ...);

void memory_cleanup_free(void *pointer_to_pointer);
void memory_cleanup_fd(const int *fd); /* closes when >= 0 */

#endif
