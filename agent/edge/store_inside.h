/* store_inside.h: what the files of the store share.
 *
 * store.c         saves on the thread pool, loads at the start
 * store_file.c    one checked file: its header, its atomic replacement, setting it aside
 * store_memory.c  text <-> struct memory
 * store_host_id.c who this host is
 * lock.c          one agent at a time */
#ifndef BERTH_STORE_INSIDE_H
#define BERTH_STORE_INSIDE_H

#include <stdbool.h>
#include <stddef.h>

#include "berth/err.h"
#include "berth/limits.h"
#include "berth/store.h"

/* A document with its metadata, or the memory of a host that is full of tasks. */
#define STORE_FILE_MAX (16 * 1024 * 1024)
#define STORE_FORMAT_VERSION 1

/* Replace directory/name by these bytes so that a crash leaves the old or the new, never a part.
 * Blocks on fsync. */
int store_write(int directory, const char *name, const char *bytes, size_t len, struct err *err);
/* The directory is full or read-only: nothing can be saved for now, all else can go on. */
bool store_is_unwritable(int rc);
/* Read directory/name whole: 0, -ENOENT, another -errno. NUL-terminated; the caller frees. */
int store_read(int directory, const char *name, char **ret, size_t *ret_len, struct err *err);

/* "berth-<kind> <version> <length> <sha256>\n" and the payload. */
char *store_seal(const char *kind, const char *payload, size_t len, size_t *ret_len);
/* -EBADMSG with the reason when the file is not exactly that; the payload points into bytes. */
int store_unseal(const char *kind, const char *bytes, size_t len, const char **ret_payload,
                 size_t *ret_len, struct err *err);

/* Rename to NAME.damaged-<time>; older damaged ones beyond a few are removed. */
void store_set_aside(int directory, const char *name, const char *reason);

struct store_directory {
    int fd;
    char *path;
};
const struct store_directory *store_where(const struct store *store);

#endif
