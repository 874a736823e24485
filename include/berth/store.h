/* store.h: what survives the agent, in its state directory (0700).
 *
 * Two files: `document` (the last good desired-state document with its URL and validators) and
 * `memory` (struct memory of core.h). Each has a header line with format version, length and
 * SHA-256, and is replaced atomically: write beside, fsync, rename, fsync the directory. A file
 * that does not check is set aside as NAME.damaged-<time> with an error in the log, and counts as
 * lost: the agent rebuilds what it can from labels. Saving runs on libuv's thread pool; done runs
 * exactly once, from the loop. A second save of a kind while one is under way is queued, the
 * newest wins, every done still runs.
 *
 * Besides: host-id (a file of its own) and the locks that keep a second agent away. */
#ifndef BERTH_STORE_H
#define BERTH_STORE_H

#include <stdbool.h>
#include <uv.h>

#include "berth/core.h"
#include "berth/err.h"
#include "berth/str.h"

struct store;
/* text: "" or one sentence that names the file. */
typedef void (*store_done_fn)(void *ctx, int rc, const char *text);

struct stored_document {
    char *bytes; /* NULL: none */
    size_t len;
    char *url, *etag, *last_modified;
};

/* Creates the directory when missing and takes its lock. -EBUSY: the text names the other pid. One
 * that is there but full or read-only will do: the log says so, and each save tries again. */
int store_open(uv_loop_t *loop, const char *directory, struct store **ret, struct err *err);
/* Waits for the saves under way and queued, then gives the lock back. */
void store_close(struct store *store, void (*on_closed)(void *ctx), void *ctx);

/* At start, synchronously. A damaged file is set aside and reported as absent. */
void store_load_document(struct store *store, struct stored_document *ret);
void stored_document_release(struct stored_document *document);
struct memory *store_load_memory(struct store *store); /* memory_free(); NULL = none */

void store_save_document(struct store *store, const char *bytes, size_t len, const char *url,
                         const char *etag, const char *last_modified, store_done_fn done,
                         void *ctx);
void store_save_memory(struct store *store, const struct memory *memory, store_done_fn done,
                       void *ctx);

/* Who this host is: configured, else what was decided before (the file host-id), else machine-id,
 * else random; what was decided is kept. A configured id that differs from the one kept replaces
 * it, with a warning in the log. Where nothing can be saved, only a random one is refused. Blocks
 * for a small file write: for the start. */
int store_host_id(struct store *store, const char *configured, char *ret, size_t size,
                  struct err *err);

/* flock on "<path>.lock", held until the process ends. -EBUSY: the text names the other pid and
 * begins with `what` ("runtime unix:///run/docker.sock"). */
int lock_take(const char *path, const char *what, struct err *err);
/* The same, held until *ret_fd is closed. */
int lock_open(const char *path, const char *what, int *ret_fd, struct err *err);

/* text <-> struct memory, for tests and fuzzing */
void memory_render(const struct memory *memory, struct str *out);
struct memory *memory_parse(const char *text, size_t len, struct err *err);

#endif
