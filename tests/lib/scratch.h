/* scratch.h: a temporary directory of one test.
 *
 *     struct scratch scratch;
 *     scratch_make(&scratch);                  "/tmp/berth-test.XXXXXX"
 *     scratch_write(&scratch, "a/b", "text");  makes "a" as well
 *     ... scratch_path(&scratch, "a/b", path) ...
 *     scratch_remove(&scratch);
 *
 * Short on purpose: a unix socket's path has 107 characters. */
#ifndef BERTH_TESTS_SCRATCH_H
#define BERTH_TESTS_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

#define SCRATCH_PATH_MAX 256

struct scratch {
    char directory[64];
};

void scratch_make(struct scratch *scratch);
void scratch_remove(struct scratch *scratch);
const char *scratch_path(const struct scratch *scratch, const char *name,
                         char ret[SCRATCH_PATH_MAX]);
void scratch_write(const struct scratch *scratch, const char *name, const char *text);
void scratch_write_bytes(const struct scratch *scratch, const char *name, const char *bytes,
                         size_t len);
/* NUL-terminated; the caller frees. NULL when there is none. */
char *scratch_read(const struct scratch *scratch, const char *name, size_t *ret_len);
bool scratch_exists(const struct scratch *scratch, const char *name);
/* How many entries begin with prefix. */
int scratch_count(const struct scratch *scratch, const char *prefix);

#endif
