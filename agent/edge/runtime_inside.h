/* runtime_inside.h: what the files of the runtime module share; for nobody else.
 *
 *   runtime.c           open, close, create start stop kill remove
 *   runtime_exchange.c  one HTTP exchange with the runtime; version negotiation before the first
 *   runtime_look.c      list and inspect
 *   runtime_pull.c      pull with retries
 *   runtime_events.c    the event stream and the watch on it
 *   runtime_logs.c      log streams
 *   runtime_classify.c  pure: what an answer means
 *   runtime_parse.c     pure: lines, events, log frames, names
 *
 * `busy` counts what must end before the runtime can close: exchanges, and objects with a timer
 * of their own. runtime_release() gives one back. */
#ifndef BERTH_RUNTIME_INSIDE_H
#define BERTH_RUNTIME_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "agent/edge/runtime_classify.h"
#include "agent/edge/runtime_parse.h"
#include "berth/http.h"
#include "berth/limits.h"
#include "berth/prng.h"
#include "berth/runtime.h"

#define API_OLDEST 1040
#define API_NEWEST 1044
#define URL_MAX 4096

/* An exchange is valid until its done() has run, which is exactly once and from the loop. */
struct exchange_spec {
    const char *method; /* "GET" when NULL */
    const char *path;   /* behind the version prefix: "/containers/json?all=true" */
    const char *body;
    size_t body_len;
    msec timeout_ms, idle_ms;
    bool unversioned; /* straight away, without negotiation */
    http_data_fn on_data;
    http_open_fn on_open;
    http_done_fn done;
    void *ctx;
};

struct exchange {
    struct runtime *runtime;
    struct exchange *previous, *next;
    struct http_request *request; /* NULL while it waits for the negotiation */
    bool ended;                   /* waiting, and the pump shall end it with rc and why */
    bool paused;
    int rc;
    char why[ERR_TEXT_MAX];
    char *method, *path, *body;
    struct exchange_spec spec;
};

struct events {
    bool wanted;
    struct exchange *stream, *ping;
    bool open; /* the stream's headers have arrived */
    uv_timer_t retry, watch;
    struct lines lines;
    int64_t since_s; /* time of the last event seen, 0 = none */
    int failures;    /* in a row */
    char why[512];   /* the watch ended the stream: the reason, else "" */
    uint64_t opened_at;
    enum { UP_UNKNOWN, UP_YES, UP_NO } told; /* what the listener knows */
};

struct runtime {
    uv_loop_t *loop;
    struct http_pool *pool;
    char *socket, *host_id;
    struct runtime_options options;
    struct runtime_listener listener;
    struct runtime_info info;
    struct prng prng;

    bool negotiated;
    int api; /* 1041, when negotiated */
    struct http_request *negotiation;
    struct exchange *first, *last;
    uv_timer_t pump; /* ends exchanges that never became requests; finishes closing */
    struct events events;
    struct pull *pulls;

    int busy, open_handles;
    bool closing, finishing;
    void (*on_closed)(void *ctx);
    void *ctx;
};

/* runtime.c */
void runtime_release(struct runtime *runtime);
void runtime_pump(struct runtime *runtime);
void runtime_handle_closed(struct runtime *runtime);

/* runtime_exchange.c */
struct exchange *exchange_send(struct runtime *runtime, const struct exchange_spec *spec);
void exchange_cancel(struct exchange *exchange);
void exchange_pause(struct exchange *exchange);
void exchange_resume(struct exchange *exchange);
void exchange_attend_all(struct runtime *runtime); /* from the pump */
void exchange_cancel_all(struct runtime *runtime);

/* runtime_events.c */
void events_init(struct runtime *runtime);
void events_close(struct runtime *runtime);

/* runtime_pull.c */
void pull_cancel_all(struct runtime *runtime);

#endif
