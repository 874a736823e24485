/* control.h: the local control socket: HTTP/1.1 over a unix socket, served by libmicrohttpd.
 *
 * 0660 root:<group>; only root and members of the group are answered: the peer's credentials are
 * checked on every connection. libmicrohttpd runs inside our loop: its epoll descriptor is
 * polled, and MHD_get_timeout() is honoured with a timer. Requests are bounded (size, number of
 * connections, 10 s to arrive), so that a slow or hostile client disturbs nothing: beyond
 * CONTROL_CONNECTIONS_MAX the connection that has waited longest without sending a whole request
 * gives way, and when all are being answered the new one gets 503.
 *
 * The module knows transport only. handler() is called once per complete request and answers now
 * or later, exactly once, with control_answer() or control_stream(), also after control_close()
 * (the answer is then dropped). It is called from the loop, never from inside another function of
 * this header; it may call all of them, control_close() included. */
#ifndef BERTH_CONTROL_H
#define BERTH_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "berth/err.h"
#include "berth/limits.h"

struct control;
struct control_request;
struct control_stream;

typedef void (*control_handler_fn)(void *ctx, struct control_request *request);

struct control_options {
    const char *socket; /* path; a stale socket file is replaced, a living one is -EADDRINUSE */
    const char *group;  /* "" or unknown group: root only (a warning is logged) */
    control_handler_fn handler;
    void *ctx;
    msec arrive_ms;  /* for a whole request to arrive, and for idle connections; 0 = 10 s */
    msec deliver_ms; /* for the client to read an answer that is no stream; 0 = 30 s */
};

int control_open(uv_loop_t *loop, const struct control_options *options, struct control **ret,
                 struct err *err);
/* Ends every connection (streams get their on_close), removes the socket file. */
void control_close(struct control *control, void (*on_closed)(void *ctx), void *ctx);

const char *control_method(const struct control_request *request);
const char *control_path(const struct control_request *request); /* decoded, without query */
const char *control_query(const struct control_request *request, const char *key); /* or NULL */
const char *control_body(const struct control_request *request, size_t *ret_len);
/* Who asks, for the log: pid and uid of the peer. */
void control_peer(const struct control_request *request, int *ret_pid, int *ret_uid);

/* One more header for the answer to come, e.g. "Allow"; both are copied. Before the answer only. */
void control_header(struct control_request *request, const char *name, const char *value);

/* The request is over with these. body is copied. A client that has gone away is fine. */
void control_answer(struct control_request *request, int status, const char *content_type,
                    const char *body, size_t len);
/* {"code","message"} */
__attribute__((format(printf, 4, 5))) void control_error(struct control_request *request,
                                                         int status, const char *code,
                                                         const char *format, ...);

/* An answer of unknown length, chunked. on_close runs exactly once: the client went away, fell
 * STREAM_LAG_MAX behind, control_stream_end() was called and everything sent, or the server
 * closes. It runs from the loop, never from inside a function below; after it the stream is gone.
 * A client that leaves a silent stream is noticed within a second or two. */
struct control_stream *control_stream(struct control_request *request, const char *content_type,
                                      void (*on_close)(void *ctx), void *ctx);
/* Queue bytes; returns the number now queued: what the client has not been sent yet. The sender
 * pauses its source above a mark of its own and resumes in on_drained (nothing is queued any
 * more); one that goes on regardless is cut off when more than STREAM_LAG_MAX would be queued.
 * On a stream that was cut off, and before on_close says so, it does nothing and returns 0. */
size_t control_stream_write(struct control_stream *stream, const char *bytes, size_t len);
void control_stream_on_drained(struct control_stream *stream, void (*fn)(void *ctx));
void control_stream_end(struct control_stream *stream);

#endif
