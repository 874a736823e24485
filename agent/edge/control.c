/* The control server on the loop: libmicrohttpd without a thread of its own.
 *
 * libmicrohttpd watches its sockets in an epoll instance, edge-triggered, and remembers what is
 * still ready in a list of its own. So its descriptor is polled, and after every turn it is asked
 * when it wants the next one: zero while that list is not empty. Its own timeouts are off; they
 * restart with every byte, so that a client that sends one a second would stay for ever. */
#include "control_inside.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "berth/assert.h"
#include "berth/log.h"
#include "berth/memory.h"

#define ARRIVE_MS SECONDS(10)
#define DELIVER_MS SECONDS(30)
#define SWEEP_MS SECONDS(1)
/* Connections above the bound that are there only to be told so. */
#define TURNED_AWAY_MAX 16
#define CONNECTION_MEMORY (64 * 1024)

static void control_turn(struct control *control);

static void control_on_poll(uv_poll_t *handle, int status, int events)
{
    (void)status, (void)events;
    control_turn(handle->data);
}

static void control_on_turn(uv_timer_t *handle)
{
    control_turn(handle->data);
}

/* Resuming a connection takes effect at the beginning of the next turn; without a thread of its
 * own libmicrohttpd neither wakes its descriptor up for that nor asks for the turn. */
void control_turn_soon(struct control *control)
{
    control->resumed = true;
    if (!control->closing)
        uv_timer_start(&control->turn, control_on_turn, 0, 0);
}

/* Tell the senders of streams that they may go on. Nothing is freed between turns, whatever the
 * callbacks do. */
static void drained_streams(struct control *control)
{
    for (struct control_peer *peer = control->first; peer; peer = peer->next) {
        if (peer->request && peer->request->stream)
            control_stream_drained(peer->request->stream);
    }
}

static void control_turn(struct control *control)
{
    if (control->closing)
        return;
    size_t before = control->peer_count;
    control->resumed = false;
    (void)MHD_run(control->daemon);
    drained_streams(control);
    if (control->closing)
        return;
    MHD_UNSIGNED_LONG_LONG wait_ms;
    /* At its limit libmicrohttpd stops listening, and starts again only at the beginning of the
     * turn after the one in which a connection ended; it does not ask for that turn. */
    if (control->resumed || control->peer_count < before)
        uv_timer_start(&control->turn, control_on_turn, 0, 0);
    else if (MHD_get_timeout(control->daemon, &wait_ms) == MHD_YES)
        uv_timer_start(&control->turn, control_on_turn, wait_ms, 0);
    else
        uv_timer_stop(&control->turn);
}

/* ------------------------------------------------------------------ connections */

/* The descriptor stays libmicrohttpd's: it sees the hang-up on its next turn and closes it. */
void control_peer_end(struct control_peer *peer)
{
    if (peer->ended)
        return;
    peer->ended = true;
    (void)shutdown(peer->fd, SHUT_RDWR);
}

void control_peer_set_deadline(struct control_peer *peer, msec after_ms)
{
    peer->arriving = false;
    peer->deadline =
        after_ms == MSEC_NEVER ? MSEC_NEVER : (msec)uv_now(peer->control->loop) + after_ms;
}

void control_peer_await(struct control_peer *peer)
{
    control_peer_set_deadline(peer, peer->control->arrive_ms);
    peer->arriving = true;
}

/* libmicrohttpd does not watch a suspended connection: a client that leaves a silent stream
 * would keep its place, and what feeds the stream, for ever. Closing one direction only is no
 * hang-up. */
static bool stream_is_abandoned(const struct control_peer *peer)
{
    if (!peer->request || !peer->request->stream || !peer->request->suspended)
        return false;
    struct pollfd fd = { .fd = peer->fd };
    return poll(&fd, 1, 0) == 1 && (fd.revents & (POLLHUP | POLLERR));
}

static void control_on_sweep(uv_timer_t *handle)
{
    struct control *control = handle->data;
    msec now = (msec)uv_now(control->loop);
    for (struct control_peer *peer = control->first; peer; peer = peer->next) {
        if (now >= peer->deadline)
            control_peer_end(peer);
        else if (stream_is_abandoned(peer))
            control_stream_cut(peer->request->stream, NULL);
    }
    control_turn(control);
}

static void sweep_while_connected(struct control *control)
{
    if (control->peer_count == 0) {
        uv_timer_stop(&control->sweep);
        return;
    }
    msec every = control->arrive_ms / 4;
    every = every > SWEEP_MS ? SWEEP_MS : every < 1 ? 1 : every;
    if (!uv_is_active((uv_handle_t *)&control->sweep))
        uv_timer_start(&control->sweep, control_on_sweep, (uint64_t)every, (uint64_t)every);
}

/* Make room for one more. Whoever waits longest without having asked anything gives way. */
static bool room_for_another(struct control *control)
{
    if (control->peer_count <= CONTROL_CONNECTIONS_MAX)
        return true;
    for (struct control_peer *peer = control->first; peer; peer = peer->next) {
        if (!peer->arriving || peer->ended)
            continue;
        control_peer_end(peer);
        return true;
    }
    return false;
}

static void peer_arrived(struct control *control, struct MHD_Connection *connection, void **context)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    ASSERT(info);
    control->peer_count++;
    bool room = room_for_another(control);
    struct control_peer *peer = memory_alloc(sizeof *peer);
    *peer = (struct control_peer){ .control = control,
                                   .connection = connection,
                                   .fd = info->connect_fd,
                                   .pid = -1,
                                   .uid = -1,
                                   .turned_away = !room,
                                   .previous = control->last };
    peer->allowed =
        control_admit(peer->fd, control->group_known, control->group, &peer->pid, &peer->uid);
    *(control->last ? &control->last->next : &control->first) = peer;
    control->last = peer;
    control_peer_await(peer);
    sweep_while_connected(control);
    *context = peer;
}

static void peer_left(struct control_peer *peer)
{
    struct control *control = peer->control;
    ASSERT(!peer->request);
    ASSERT(control->peer_count > 0);
    *(peer->previous ? &peer->previous->next : &control->first) = peer->next;
    *(peer->next ? &peer->next->previous : &control->last) = peer->previous;
    control->peer_count--;
    sweep_while_connected(control);
    free(peer);
}

static void control_on_connection(void *cls, struct MHD_Connection *connection, void **context,
                                  enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        peer_arrived(cls, connection, context);
    else if (*context)
        peer_left(TAKE(*context));
}

/* ------------------------------------------------------------------ start */

__attribute__((format(printf, 2, 0))) static void control_on_log(void *cls, const char *format,
                                                                 va_list args)
{
    (void)cls;
    if (!log_wanted(LOG_DEBUG))
        return;
    char text[256];
    (void)vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    log_debug("event=control_http", "text=%s", LOG_VALUE(text));
}

static struct MHD_Daemon *start_daemon(struct control *control, int listen_fd)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        control_on_request, control,
        /* first, so that it serves the others, too */
        MHD_OPTION_EXTERNAL_LOGGER, control_on_log, NULL, MHD_OPTION_LISTEN_SOCKET, listen_fd,
        MHD_OPTION_NOTIFY_CONNECTION, control_on_connection, control, MHD_OPTION_NOTIFY_COMPLETED,
        control_on_completed, control, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)(CONTROL_CONNECTIONS_MAX + TURNED_AWAY_MAX), MHD_OPTION_CONNECTION_TIMEOUT, 0U,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_END);
}

static void find_group(struct control *control, const char *group)
{
    if (!group || !*group)
        return;
    control->group_known = control_find_group(group, &control->group);
    if (!control->group_known)
        log_warn("event=control_group_unknown", "group=%s allowed=root", LOG_VALUE(group));
}

static void remember_socket(struct control *control, const char *path)
{
    struct stat made;
    (void)snprintf(control->socket, sizeof control->socket, "%s", path);
    if (lstat(path, &made) < 0)
        return;
    control->socket_device = made.st_dev;
    control->socket_inode = made.st_ino;
}

static void join_loop(struct control *control)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(control->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    ASSERT(info && info->epoll_fd >= 0);
    int rc = uv_poll_init(control->loop, &control->poll, info->epoll_fd);
    ASSERT(rc == 0);
    uv_timer_init(control->loop, &control->turn);
    uv_timer_init(control->loop, &control->sweep);
    control->poll.data = control->turn.data = control->sweep.data = control;
    control->open_handles = 3;
    uv_poll_start(&control->poll, UV_READABLE, control_on_poll);
    /* The first turn puts the listening socket into the epoll set. */
    uv_timer_start(&control->turn, control_on_turn, 0, 0);
}

int control_open(uv_loop_t *loop, const struct control_options *options, struct control **ret,
                 struct err *err)
{
    ASSERT(options->handler);
    AUTO_FREE struct control *control = memory_alloc(sizeof *control);
    control->loop = loop;
    control->handler = options->handler;
    control->ctx = options->ctx;
    control->arrive_ms = options->arrive_ms > 0 ? options->arrive_ms : ARRIVE_MS;
    control->deliver_ms = options->deliver_ms > 0 ? options->deliver_ms : DELIVER_MS;
    find_group(control, options->group);

    int fd;
    int rc = control_listen(options->socket, control->group_known, control->group, &fd, err);
    if (rc < 0)
        return rc;
    control->daemon = start_daemon(control, fd);
    if (!control->daemon) {
        (void)close(fd);
        (void)unlink(options->socket);
        return err_say(err, -EIO, "control socket %s: the HTTP server does not start",
                       options->socket);
    }
    remember_socket(control, options->socket);
    join_loop(control);
    *ret = TAKE(control);
    return 0;
}

/* ------------------------------------------------------------------ end */

static void control_on_handle_closed(uv_handle_t *handle)
{
    struct control *control = handle->data;
    if (--control->open_handles > 0)
        return;
    ASSERT(control->peer_count == 0);
    if (control->on_closed)
        control->on_closed(control->closed_ctx);
    free(control);
}

static void remove_socket(const struct control *control)
{
    struct stat found;
    if (lstat(control->socket, &found) == 0 && found.st_dev == control->socket_device &&
        found.st_ino == control->socket_inode)
        (void)unlink(control->socket);
}

/* Stopping with a suspended connection makes libmicrohttpd abort: all are resumed first. */
static void control_stop(struct control *control)
{
    for (struct control_peer *peer = control->first; peer; peer = peer->next) {
        if (peer->request && peer->request->suspended)
            control_resume(peer->request);
    }
    MHD_stop_daemon(control->daemon);
    control->daemon = NULL;
}

static void control_on_close_turn(uv_timer_t *handle)
{
    struct control *control = handle->data;
    /* Answers that were given before the close go out: one turn to resume, one to write. */
    (void)MHD_run(control->daemon);
    (void)MHD_run(control->daemon);
    /* Before libmicrohttpd closes the descriptor that it polls. */
    uv_close((uv_handle_t *)&control->poll, control_on_handle_closed);
    control_stop(control);
    remove_socket(control);
    uv_close((uv_handle_t *)&control->turn, control_on_handle_closed);
    uv_close((uv_handle_t *)&control->sweep, control_on_handle_closed);
}

/* The work is done from a timer: this may have been called from inside libmicrohttpd. */
void control_close(struct control *control, void (*on_closed)(void *ctx), void *ctx)
{
    ASSERT(!control->closing);
    control->closing = true;
    control->on_closed = on_closed;
    control->closed_ctx = ctx;
    uv_timer_start(&control->turn, control_on_close_turn, 0, 0);
}
