/* http.h: one request = one callback, over TCP or a unix socket, on the caller's loop.
 *
 * libcurl's multi interface on libuv. done() runs exactly once per request, from the loop, never
 * from inside http_send(); after http_cancel() it still runs, with status -ECANCELED. A streaming
 * request (on_data set) delivers the body in pieces and done() at the end.
 *
 * A pool keeps connections for one kind of peer; use one for the runtime's socket and another for
 * remote hosts (curl mixes them up otherwise). http_pool_close() cancels what is in flight, calls
 * every done(), then on_closed, from the loop.
 *
 * Every request has a deadline. timeout_ms covers the whole exchange; idle_ms (streams) the
 * silence between two pieces; 0 = none, allowed only for idle_ms or with on_data. Name resolution
 * never blocks the loop (CURLOPT_QUICK_EXIT, asynchronous resolver).
 *
 * Every function may be called from inside on_data, on_open and done. After http_pool_close()
 * nothing is sent any more: a request made then ends with -ECANCELED; none may be made once the
 * last done() has run. Proxies of the environment (https_proxy, ...) are used for remote hosts and
 * never for a unix socket. The process ignores SIGPIPE (libcurl leaves that to us). */
#ifndef BERTH_HTTP_H
#define BERTH_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "berth/err.h"
#include "berth/limits.h"

struct http_pool;
struct http_request;

struct http_answer {
    int rc;           /* 0: an answer arrived; -ECANCELED, -ETIMEDOUT, -ECONNREFUSED, ... */
    long status;      /* HTTP status, when rc == 0 */
    const char *body; /* NUL-terminated; empty for streams; valid during done() */
    size_t len;
    const char *etag, *last_modified; /* or "" */
    msec retry_after_ms;              /* -1 = absent; seconds or HTTP date */
    msec max_age_ms;                  /* Cache-Control: max-age; -1 = absent */
    const char *error; /* one sentence when rc < 0: what failed and with which peer */
};

typedef void (*http_done_fn)(void *ctx, const struct http_answer *answer);
/* A piece of a streamed body (only of a 2xx answer; another status is collected as body).
 * Return false to end the stream (done gets -ECANCELED). */
typedef bool (*http_data_fn)(void *ctx, const char *bytes, size_t len);
/* A stream's 2xx headers have arrived; the first piece may be far away. */
typedef void (*http_open_fn)(void *ctx);

struct http_call {
    const char *method;      /* "GET" when NULL */
    const char *url;         /* "http://runtime/v1.41/..." over a unix socket */
    const char *unix_socket; /* path, or NULL for TCP */
    const char *body;        /* copied; NULL = none */
    size_t body_len;
    const char *content_type;   /* "application/json" when NULL and there is a body */
    const char *const *headers; /* NULL-terminated "Name: value", may be NULL */
    const char *if_none_match, *if_modified_since; /* or NULL */
    const char *ca_file;                           /* NULL or "": the system's bundle */
    size_t body_max;   /* a longer answer is -EFBIG; 0 = HTTP_BODY_MAX */
    int redirects_max; /* 0 = follow none; https never to http */
    /* For probes: a new connection that is closed afterwards, straight to the address whatever
     * the environment's proxies, and a body beyond body_max is cut off instead of -EFBIG. */
    bool once;
    msec timeout_ms, connect_timeout_ms, idle_ms;
    http_data_fn on_data;
    http_open_fn on_open; /* may be NULL; only with on_data */
    http_done_fn done;
    void *ctx;
};

struct http_pool *http_pool_open(uv_loop_t *loop);
void http_pool_close(struct http_pool *pool, void (*on_closed)(void *ctx), void *ctx);

struct http_request *http_send(struct http_pool *pool, const struct http_call *call);
void http_cancel(struct http_request *request); /* valid until done() has run */
/* Hold a stream back and let it go on: for consumers that are slower than the source. */
void http_pause(struct http_request *request);
void http_resume(struct http_request *request);

#endif
