/* control_inside.h: what the files of the control socket share.
 *
 * control.c         the server on the loop: start, turns, deadlines, end
 * control_socket.c  the listening socket, and who may connect
 * control_request.c one request: arriving, handed over, answered
 * control_stream.c  an answer of unknown length
 *
 * A peer is one connection, from accept to close. A request belongs to its peer while the
 * connection lives; one that was handed over outlives it until it is answered. */
#ifndef BERTH_CONTROL_INSIDE_H
#define BERTH_CONTROL_INSIDE_H

#include <microhttpd.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <uv.h>

#include "berth/control.h"
#include "berth/limits.h"

#define CONTROL_QUERY_MAX 32
#define CONTROL_HEADERS_MAX 4 /* of one answer, besides our own */
/* Bodies that are arriving, all connections together: enough for several whole documents. */
#define CONTROL_UPLOADS_MAX (4 * (CONTROL_REQUEST_MAX + 1))

struct control_peer {
    struct control *control;
    struct MHD_Connection *connection;
    struct control_request *request; /* the one being read or answered, or NULL */
    int fd;                          /* libmicrohttpd's; valid as long as the peer is */
    int pid, uid;
    bool allowed;     /* root or a member of the group */
    bool turned_away; /* one too many: answered with 503 */
    bool arriving;    /* no complete request yet */
    bool ended;       /* shut down; libmicrohttpd closes it on its next turn */
    msec deadline;    /* loop time; MSEC_NEVER while the handler or a stream is at work */
    struct control_peer *previous, *next; /* in order of arrival */
};

struct control {
    uv_loop_t *loop;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;   /* libmicrohttpd's epoll descriptor */
    uv_timer_t turn;  /* libmicrohttpd's own wish to run */
    uv_timer_t sweep; /* deadlines and hang-ups; runs while there are connections */
    int open_handles;
    bool closing;
    bool resumed; /* since the last turn began */
    control_handler_fn handler;
    void *ctx;
    msec arrive_ms, deliver_ms;
    gid_t group;
    bool group_known;
    char socket[108];
    dev_t socket_device; /* to remove our own socket file only */
    ino_t socket_inode;
    struct control_peer *first, *last;
    size_t peer_count;
    size_t uploading; /* bytes of bodies held */
    void (*on_closed)(void *ctx);
    void *closed_ctx;
};

struct control_request {
    uv_loop_t *loop;
    struct control_peer *peer; /* NULL: the connection is gone */
    char *method, *path;
    struct control_pair {
        char *key, *value;
    } query[CONTROL_QUERY_MAX], headers[CONTROL_HEADERS_MAX];
    size_t query_count, header_count;
    char *body; /* NUL-terminated once there is one */
    size_t body_len, body_capacity;
    int pid, uid;
    int refusal; /* status that this request gets instead of being handed over; 0 = none */
    const char *refusal_code, *refusal_text;
    bool handed, answered, suspended;
    int status;
    struct MHD_Response *response; /* not yet queued */
    struct control_stream *stream; /* the answer is one */
};

/* control_socket.c */
int control_listen(const char *path, bool group_known, gid_t group, int *ret_fd, struct err *err);
bool control_find_group(const char *name, gid_t *ret);
bool control_admit(int fd, bool group_known, gid_t group, int *ret_pid, int *ret_uid);

/* control_request.c: libmicrohttpd's callbacks */
enum MHD_Result control_on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                   const char *method, const char *version, const char *upload,
                                   size_t *upload_len, void **context);
void control_on_completed(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_RequestTerminationCode code);
/* The answer is known: queue it, now or when libmicrohttpd asks again. */
void control_respond(struct control_request *request, int status, const char *content_type,
                     struct MHD_Response *response);
void control_resume(struct control_request *request);
void control_suspend(struct control_request *request);
void control_request_free(struct control_request *request);

/* control_stream.c */
void control_stream_cut(struct control_stream *stream, const char *reason); /* NULL: silently */
void control_stream_drained(struct control_stream *stream); /* tells the sender, if it is due */
void control_stream_closed(struct control_stream *stream);  /* on_close, and free */

/* control.c */
void control_turn_soon(struct control *control);
void control_peer_end(struct control_peer *peer);
void control_peer_await(struct control_peer *peer); /* a request must arrive */
void control_peer_set_deadline(struct control_peer *peer, msec after_ms);

#endif
