/* libcurl's multi interface on libuv.
 *
 * libuv aborts when a polled descriptor is closed behind its back, and libcurl may close one
 * before it says CURL_POLL_REMOVE. So we open and close the descriptors ourselves, one uv_poll
 * each, and close one only in its handle's close callback. A descriptor that libcurl made itself
 * (the resolver thread's wake-up socket) is polled through a duplicate, for the same reason. */
#include <curl/curl.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "agent/edge/http_inside.h"
#include "berth/assert.h"
#include "berth/memory.h"

static int loop_on_want(CURL *easy, curl_socket_t key, int what, void *ctx, void *socket);
static int loop_on_timeout(CURLM *multi, long timeout_ms, void *ctx);
static void loop_on_timer(uv_timer_t *timer);
static void loop_act(struct http_pool *pool, curl_socket_t key, int events);
static void loop_collect(struct http_pool *pool);
static curl_socket_t socket_on_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *address);
static int socket_on_close(void *ctx, curl_socket_t key);
static struct http_socket *socket_new(struct http_pool *pool, curl_socket_t key, int fd);
static struct http_socket *socket_find(struct http_pool *pool, curl_socket_t key);
static void socket_poll(struct http_socket *socket);
static void socket_on_poll(uv_poll_t *poll, int status, int events);
static void socket_close(struct http_socket *socket);
static void socket_on_closed(uv_handle_t *handle);

void http_loop_open(struct http_pool *pool)
{
    pool->multi = curl_multi_init();
    ASSERT(pool->multi != NULL);
    (void)curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, loop_on_want);
    (void)curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
    (void)curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, loop_on_timeout);
    (void)curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
    (void)curl_multi_setopt(pool->multi, CURLMOPT_MAXCONNECTS, HTTP_IDLE_CONNECTIONS);
}

/* Every request has ended. curl_multi_cleanup() closes the idle connections through us. */
void http_loop_close(struct http_pool *pool)
{
    (void)curl_multi_cleanup(pool->multi);
    pool->multi = NULL;
    for (struct http_socket *socket = pool->sockets; socket; socket = socket->next)
        socket_close(socket);
}

void http_loop_add(struct http_request *request)
{
    struct http_pool *pool = request->pool;
    (void)curl_easy_setopt(request->easy, CURLOPT_OPENSOCKETFUNCTION, socket_on_open);
    (void)curl_easy_setopt(request->easy, CURLOPT_OPENSOCKETDATA, pool);
    (void)curl_easy_setopt(request->easy, CURLOPT_CLOSESOCKETFUNCTION, socket_on_close);
    (void)curl_easy_setopt(request->easy, CURLOPT_CLOSESOCKETDATA, pool);
    CURLMcode code = curl_multi_add_handle(pool->multi, request->easy);
    if (code == CURLM_OK)
        request->multi = pool->multi;
    else
        http_request_decide(request, -EIO, curl_multi_strerror(code));
}

void http_loop_remove(struct http_request *request)
{
    if (request->multi)
        (void)curl_multi_remove_handle(request->multi, request->easy);
    request->multi = NULL;
}

/* An error of the multi handle leaves every transfer in an unknown state: end them all and begin
 * with a new one. */
void http_loop_fail(struct http_pool *pool, const char *why)
{
    for (struct http_request *request = pool->first; request; request = request->next) {
        http_loop_remove(request);
        http_request_decide(request, -EIO, why);
    }
    http_loop_close(pool);
    http_loop_open(pool);
}

/* -1 = stop, 0 = at once; but never from in here, which is inside libcurl. One shot: libcurl sets
 * the next one itself. libuv counts from the loop's cached time, which may be old. */
static int loop_on_timeout(CURLM *multi, long timeout_ms, void *ctx)
{
    (void)multi;
    struct http_pool *pool = ctx;
    if (timeout_ms < 0)
        return uv_timer_stop(&pool->timer);
    uv_update_time(pool->loop);
    return uv_timer_start(&pool->timer, loop_on_timer, (uint64_t)timeout_ms, 0) < 0 ? -1 : 0;
}

static void loop_on_timer(uv_timer_t *timer)
{
    loop_act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void loop_act(struct http_pool *pool, curl_socket_t key, int events)
{
    int running = 0;
    CURLMcode code = curl_multi_socket_action(pool->multi, key, events, &running);
    if (code == CURLM_OK)
        loop_collect(pool);
    else
        http_loop_fail(pool, curl_multi_strerror(code));
}

/* After every action, also when nothing runs any more: libcurl's own example asks only while
 * something runs and so loses a sole transfer that times out. */
static void loop_collect(struct http_pool *pool)
{
    int left = 0;
    const CURLMsg *message;
    while ((message = curl_multi_info_read(pool->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        char *request = NULL;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request);
        http_request_finish((struct http_request *)(void *)request, code);
    }
}

/* libcurl says which readiness of a socket it waits for. */
static int loop_on_want(CURL *easy, curl_socket_t key, int what, void *ctx, void *unused)
{
    (void)easy;
    (void)unused;
    struct http_pool *pool = ctx;
    struct http_socket *socket = socket_find(pool, key);
    if (!socket && what != CURL_POLL_REMOVE)
        socket = socket_new(pool, key, fcntl(key, F_DUPFD_CLOEXEC, 0));
    if (!socket)
        return 0; /* closed already, or no descriptor left: libcurl's timer asks the resolver too */
    bool in = what == CURL_POLL_IN || what == CURL_POLL_INOUT;
    bool out = what == CURL_POLL_OUT || what == CURL_POLL_INOUT;
    socket->events = (in ? UV_READABLE : 0) | (out ? UV_WRITABLE : 0);
    if (what == CURL_POLL_REMOVE && socket->fd != socket->key)
        socket_close(socket);
    else
        socket_poll(socket);
    return 0;
}

static curl_socket_t socket_on_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    return socket_new(ctx, fd, fd) ? fd : CURL_SOCKET_BAD;
}

static int socket_on_close(void *ctx, curl_socket_t key)
{
    struct http_socket *socket = socket_find(ctx, key);
    ASSERT(socket != NULL);
    socket_close(socket);
    return 0;
}

/* Takes fd, also when it fails. */
static struct http_socket *socket_new(struct http_pool *pool, curl_socket_t key, int fd)
{
    if (fd < 0)
        return NULL;
    struct http_socket *socket = memory_alloc(sizeof *socket);
    socket->poll.data = socket;
    if (uv_poll_init(pool->loop, &socket->poll, fd) < 0) {
        (void)close(fd);
        free(socket);
        return NULL;
    }
    socket->pool = pool;
    socket->key = key;
    socket->fd = fd;
    socket->next = pool->sockets;
    pool->sockets = socket;
    pool->open_handles++;
    return socket;
}

static struct http_socket *socket_find(struct http_pool *pool, curl_socket_t key)
{
    struct http_socket *socket = pool->sockets;
    while (socket && (socket->key != key || socket->closing))
        socket = socket->next;
    return socket;
}

static void socket_poll(struct http_socket *socket)
{
    if (socket->events)
        (void)uv_poll_start(&socket->poll, socket->events, socket_on_poll);
    else
        (void)uv_poll_stop(&socket->poll);
}

/* On a socket error libuv stops polling and says UV_EBADF. libcurl gets all three bits, because
 * with the error bit alone it would give up without reading what the peer sent last. */
static void socket_on_poll(uv_poll_t *poll, int status, int events)
{
    struct http_socket *socket = poll->data;
    int bits = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
               (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
    if (status < 0)
        bits = CURL_CSELECT_ERR | CURL_CSELECT_IN | CURL_CSELECT_OUT;
    loop_act(socket->pool, socket->key, bits);
    if (status < 0 && !socket->closing)
        socket_poll(socket);
}

static void socket_close(struct http_socket *socket)
{
    if (socket->closing)
        return;
    socket->closing = true;
    uv_close((uv_handle_t *)&socket->poll, socket_on_closed);
}

static void socket_on_closed(uv_handle_t *handle)
{
    struct http_socket *socket = handle->data;
    struct http_pool *pool = socket->pool;
    struct http_socket **link = &pool->sockets;
    while (*link != socket)
        link = &(*link)->next;
    *link = socket->next;
    (void)close(socket->fd);
    free(socket);
    http_handle_closed(pool);
}
