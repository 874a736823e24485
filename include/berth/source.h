/* source.h: fetch the desired-state document.
 *
 * file:// (read whole, watched: a rename over the file or a write calls on_changed within 100 ms,
 * also when the file or its directory appears later) and http(s):// (conditional GET with ETag
 * and Last-Modified, at most 5 redirects, DOCUMENT_BYTES_MAX, TLS verification always on).
 * The source parses and validates; when to fetch is the core's business. Symbolic links on the
 * way to a file are followed and watched, too (a volume of Kubernetes swaps one); where watching
 * does not work, a look every few seconds does.
 *
 * The source does not take its own answers for good: a document that was accepted is told with
 * source_remember(), and only that one is FETCH_SAME later. What is not there (404, 410, no such
 * file) or too large is FETCH_BAD; what cannot be had for another reason is FETCH_FAILED.
 *
 * One fetch at a time: source_fetch() during another is a bug. done runs exactly once, from the
 * loop, never from inside source_fetch(); after source_close() with FETCH_FAILED, "cancelled". */
#ifndef BERTH_SOURCE_H
#define BERTH_SOURCE_H

#include <stdbool.h>
#include <uv.h>

#include "berth/core.h"
#include "berth/desired.h"
#include "berth/http.h"

struct source;

struct source_answer {
    enum fetch_result result; /* never FETCH_STORED */
    struct desired *desired;  /* FETCH_NEW: taken by the callback */
    const char *text;         /* FETCH_BAD, FETCH_FAILED: one sentence */
    const char *bytes;        /* FETCH_NEW: as received, to be stored; valid during done */
    size_t len;
    const char *etag, *last_modified; /* to be stored with the bytes; or "" */
    msec retry_after_ms;              /* 1 s..1 h; 0 = the server said nothing (or "at once") */
    const struct findings *findings;  /* FETCH_BAD and FETCH_NEW (warnings); may be NULL */
};
typedef void (*source_done_fn)(void *ctx, const struct source_answer *answer);

struct source_options {
    const char *url;
    const char *ca_file;
    msec timeout_ms; /* 30 s */
};

/* 0, or -EINVAL with the reason: source_open() would refuse this URL. */
int source_check(const char *url, struct err *err);
/* NULL, with the reason in err, when the URL is none of these three. pool is for http(s) only. */
struct source *source_open(uv_loop_t *loop, struct http_pool *pool,
                           const struct source_options *options, void (*on_changed)(void *ctx),
                           void *ctx, struct err *err);
void source_close(struct source *source, void (*on_closed)(void *ctx), void *ctx);
/* What the stored document came with, so that the first fetch can be answered by 304. */
void source_remember(struct source *source, const struct digest *digest, const char *etag,
                     const char *last_modified);
void source_forget(struct source *source); /* next fetch is unconditional */
void source_fetch(struct source *source, source_done_fn done, void *ctx);

#endif
