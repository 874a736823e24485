/* runtime.h: the container runtime (Docker Engine API) over its unix socket.
 *
 * runtime_open() connects lazily: the API version is negotiated from /version at the first call
 * and again after every loss of the connection (the lower of what we know, 1.44, and what the
 * runtime says; refused below 1.40). Every call has its own connection slot and deadline; one
 * that hangs holds up nothing else. Every done() runs exactly once, from the loop, never from
 * inside the call; after runtime_close() with OUTCOME_UNKNOWN and text "cancelled".
 *
 * Outcomes: OK = the runtime said yes (also: already started, already stopped, already removed);
 * REFUSED = it said no, the text is its message with what was asked; UNKNOWN = no answer, or an
 * answer from which nothing follows (5xx on start: look). blame says what a refusal is evidence
 * of: an image that does not exist or a command that cannot be executed blames the image; a port
 * in use, no space, a missing volume driver blame the host. error is ECS's name
 * (CannotPullContainerError, CannotCreateContainerError, CannotStartContainerError,
 * CannotStopContainerError, DockerTimeoutError, ...).
 *
 * Every function may be called from inside any callback. Once runtime_close() was called, new
 * calls end as cancelled; none may be made after the last done() has run. */
#ifndef BERTH_RUNTIME_H
#define BERTH_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "berth/core.h"
#include "berth/err.h"
#include "berth/observed.h"

struct runtime;

struct runtime_info {
    char name[64], version[64], api_version[16]; /* "docker", "20.10.24", "1.41" */
    bool reachable;
};

struct runtime_result {
    enum outcome outcome;
    enum blame blame;
    const char *error; /* ECS error name or "" */
    const char *text;  /* one sentence or "" */
    bool image_was_local;
};
typedef void (*runtime_done_fn)(void *ctx, const struct runtime_result *result);
typedef void (*runtime_look_fn)(void *ctx, struct observed *observed /* taken; NULL = failed */,
                                const struct runtime_result *result);

/* From the event stream: container is a runtime id or name, NULL when anything may have changed
 * (the stream was opened again). up tells connection changes of the stream. */
struct runtime_listener {
    void (*on_hint)(void *ctx, const char *container);
    void (*on_up)(void *ctx, bool up, const char *text);
    /* At most once a second and image, and before each new attempt; may be NULL. */
    void (*on_pull_progress)(void *ctx, const char *image, const char *text);
    void *ctx;
};

struct runtime_options {
    const char *url;     /* unix:///run/docker.sock */
    const char *host_id; /* label filter */
    msec pull_inactivity_ms;
    msec pull_total_ms; /* 2 h */
    /* Inspect and list; the others wait a multiple of it: start 6 (3 min), create 8 (4 min),
     * remove 10 (5 min), stop its own timeout + 4 (2 min). */
    msec call_timeout_ms;
    msec pull_retry_ms;    /* before the second of 5 attempts; doubles up to 5 s; 0 = 1.1 s */
    msec ping_interval_ms; /* of the watch on a silent event stream; 0 = 30 s */
};
/* Any time that is 0 has its default. */

struct runtime *runtime_open(uv_loop_t *loop, const struct runtime_options *options,
                             const struct runtime_listener *listener, struct err *err);
/* Cancels everything, calls every done(), then on_closed. */
void runtime_close(struct runtime *runtime, void (*on_closed)(void *ctx), void *ctx);
const struct runtime_info *runtime_info(const struct runtime *runtime);

/* Subscribe to /events (server-side filters: our label, container events; since = last seen),
 * resubscribe with capped jittered backoff; each time the stream opens: on_hint(NULL). */
void runtime_watch(struct runtime *runtime);

/* container "" or NULL = full look: list by label, then inspect each (at most 8 at once). One
 * that is listed but cannot be inspected is observed_add_unclear()ed by its name. */
void runtime_look(struct runtime *runtime, const char *container, runtime_look_fn done, void *ctx);
void runtime_pull(struct runtime *runtime, const char *image, enum pull_mode mode,
                  runtime_done_fn done, void *ctx);
void runtime_create(struct runtime *runtime, const char *name, const char *body, size_t body_len,
                    runtime_done_fn done, void *ctx);
void runtime_start(struct runtime *runtime, const char *container, runtime_done_fn done, void *ctx);
void runtime_stop(struct runtime *runtime, const char *container, msec timeout_ms,
                  runtime_done_fn done, void *ctx);
void runtime_kill(struct runtime *runtime, const char *container, const char *signal,
                  runtime_done_fn done, void *ctx);
void runtime_remove(struct runtime *runtime, const char *container, runtime_done_fn done,
                    void *ctx);

/* The volumes that a task's containers shared; call it when the last of them is gone. */
void runtime_remove_volumes(struct runtime *runtime, const char *task_id, runtime_done_fn done,
                            void *ctx);

/* Log lines of one container, with the runtime's 8-byte frames taken off (raw for a tty).
 * Returning false from on_data ends it. done runs once. follow has no deadline but ends with the
 * container. Cancel with runtime_logs_cancel(); pause and resume for backpressure. */
struct runtime_logs;
struct runtime_logs *runtime_logs_open(struct runtime *runtime, const char *container, bool follow,
                                       int tail /* -1 = all */,
                                       bool (*on_data)(void *ctx, bool is_stderr, const char *bytes,
                                                       size_t len),
                                       runtime_done_fn done, void *ctx);
void runtime_logs_cancel(struct runtime_logs *logs); /* valid until done() has run */
void runtime_logs_pause(struct runtime_logs *logs);
void runtime_logs_resume(struct runtime_logs *logs);

#endif
