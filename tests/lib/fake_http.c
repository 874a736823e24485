#include "tests/lib/fake_http.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "berth/memory.h"
#include "berth/str.h"
#include "tests/lib/test.h"

#define ROUTES_MAX 64
#define KEPT_MAX 64
#define REQUEST_MAX (64 * 1024 * 1024)
#define ANSWER_MAX (256 * 1024 * 1024)

union stream_handle {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct route {
    char name[1024];
    struct fake_answer answer;
    int left; /* -1 = for ever */
};

struct connection {
    union stream_handle peer;
    uv_timer_t timer;
    struct fake_http *server;
    struct connection *next;
    int open_handles;
    bool closing;
    char *input;
    size_t input_len, input_capacity;
    char line[1024]; /* of the request being answered */
    bool answering;  /* requests that follow wait */
    bool streaming;
    char *output; /* of a delayed or bytewise answer */
    size_t output_len, output_sent;
    struct fake_answer answer;
};

struct fake_http {
    uv_loop_t *loop;
    enum fake_kind kind;
    union stream_handle *listener; /* NULL = refuses */
    char directory[64], socket[108], url[64];
    struct sockaddr_in address;
    struct route routes[ROUTES_MAX];
    size_t route_count;
    struct fake_request kept[KEPT_MAX];
    size_t kept_count; /* grows beyond KEPT_MAX */
    char **lines;      /* of all requests */
    size_t line_count;
    int accepted;
    struct connection *connections;
    int open_handles; /* of the server, its listeners and its connections */
    bool closing;
};

static void server_on_connection(uv_stream_t *listener, int status);
static void server_handle_closed(struct fake_http *server);
static void connection_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);
static void connection_serve(struct connection *connection);
static void connection_answer(struct connection *connection);
static void connection_close(struct connection *connection);

/* ------------------------------------------------------------------ server */

static void listener_on_closed(uv_handle_t *handle)
{
    struct fake_http *server = handle->data;
    free(handle);
    server_handle_closed(server);
}

struct fake_http *fake_http_open(uv_loop_t *loop, enum fake_kind kind)
{
    struct fake_http *server = memory_alloc(sizeof *server);
    server->loop = loop;
    server->kind = kind;
    server->open_handles = 1; /* until fake_http_close() */
    server->address =
        (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (kind == FAKE_UNIX) {
        (void)snprintf(server->directory, sizeof server->directory, "/tmp/berth-fake-XXXXXX");
        assert_non_null(mkdtemp(server->directory));
        (void)snprintf(server->socket, sizeof server->socket, "%s/http.sock", server->directory);
    }
    fake_http_listen(server);
    if (kind == FAKE_TCP)
        (void)snprintf(server->url, sizeof server->url, "http://127.0.0.1:%d",
                       ntohs(server->address.sin_port));
    else
        (void)snprintf(server->url, sizeof server->url, "http://runtime");
    return server;
}

static int listen_tcp(struct fake_http *server, uv_tcp_t *listener)
{
    int rc = uv_tcp_init(server->loop, listener);
    assert_int_equal(rc, 0);
    rc = uv_tcp_bind(listener, (const struct sockaddr *)&server->address, 0);
    assert_int_equal(rc, 0);
    rc = uv_listen((uv_stream_t *)listener, 128, server_on_connection);
    int len = sizeof server->address;
    (void)uv_tcp_getsockname(listener, (struct sockaddr *)&server->address, &len);
    return rc;
}

static int listen_unix(struct fake_http *server, uv_pipe_t *listener)
{
    int rc = uv_pipe_init(server->loop, listener, 0);
    assert_int_equal(rc, 0);
    (void)unlink(server->socket);
    rc = uv_pipe_bind(listener, server->socket);
    assert_int_equal(rc, 0);
    return uv_listen((uv_stream_t *)listener, 128, server_on_connection);
}

void fake_http_listen(struct fake_http *server)
{
    if (server->listener)
        return;
    server->listener = memory_alloc(sizeof *server->listener);
    int rc = server->kind == FAKE_TCP ? listen_tcp(server, &server->listener->tcp)
                                      : listen_unix(server, &server->listener->pipe);
    assert_int_equal(rc, 0);
    server->listener->handle.data = server;
    server->open_handles++;
}

void fake_http_refuse(struct fake_http *server)
{
    if (!server->listener)
        return;
    uv_close(&TAKE(server->listener)->handle, listener_on_closed);
}

void fake_http_close(struct fake_http *server)
{
    if (server->closing)
        return;
    server->closing = true;
    fake_http_refuse(server);
    fake_http_drop(server);
    server_handle_closed(server);
}

static void server_handle_closed(struct fake_http *server)
{
    if (--server->open_handles > 0)
        return;
    if (server->kind == FAKE_UNIX) {
        (void)unlink(server->socket);
        (void)rmdir(server->directory);
    }
    for (size_t i = 0; i < server->line_count; i++)
        free(server->lines[i]);
    free(server->lines);
    for (size_t i = 0; i < KEPT_MAX; i++) {
        free(server->kept[i].headers);
        free(server->kept[i].body);
    }
    free(server);
}

const char *fake_http_url(const struct fake_http *server)
{
    return server->url;
}

const char *fake_http_socket(const struct fake_http *server)
{
    return server->kind == FAKE_UNIX ? server->socket : NULL;
}

void fake_http_on(struct fake_http *server, const char *route, struct fake_answer answer)
{
    assert_true(server->route_count < ROUTES_MAX);
    struct route *entry = &server->routes[server->route_count++];
    (void)snprintf(entry->name, sizeof entry->name, "%s", route);
    entry->answer = answer;
    entry->left = answer.times > 0 ? answer.times : -1;
}

void fake_http_reset(struct fake_http *server)
{
    server->route_count = 0;
}

int fake_http_count(const struct fake_http *server, const char *route)
{
    int count = 0;
    for (size_t i = 0; i < server->line_count; i++)
        count += str_starts(server->lines[i], route);
    return count;
}

const struct fake_request *fake_http_last(const struct fake_http *server, const char *route)
{
    for (size_t i = 0; i < KEPT_MAX && i < server->kept_count; i++) {
        const struct fake_request *request = &server->kept[(server->kept_count - 1 - i) % KEPT_MAX];
        if (str_starts(request->line, route))
            return request;
    }
    return NULL;
}

int fake_http_connections(const struct fake_http *server)
{
    return server->accepted;
}

int fake_http_open_connections(const struct fake_http *server)
{
    int count = 0;
    for (struct connection *c = server->connections; c; c = c->next)
        count += !c->closing;
    return count;
}

void fake_http_drop(struct fake_http *server)
{
    for (struct connection *c = server->connections; c; c = c->next)
        connection_close(c);
}

/* ------------------------------------------------------------------ connections */

static void connection_on_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    struct fake_http *server = connection->server;
    if (--connection->open_handles > 0)
        return;
    struct connection **link = &server->connections;
    while (*link != connection)
        link = &(*link)->next;
    *link = connection->next;
    free(connection->input);
    free(connection->output);
    free(connection);
    server_handle_closed(server);
}

static void connection_close(struct connection *connection)
{
    if (connection->closing)
        return;
    connection->closing = true;
    uv_close((uv_handle_t *)&connection->timer, connection_on_closed);
    uv_close(&connection->peer.handle, connection_on_closed);
}

static void connection_on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct connection *connection = handle->data;
    size_t needed = connection->input_len + suggested + 1;
    assert_true(needed < REQUEST_MAX);
    if (needed > connection->input_capacity) {
        connection->input_capacity = needed * 2;
        connection->input = memory_grow(connection->input, connection->input_capacity, 1);
    }
    *buf = uv_buf_init(connection->input + connection->input_len, (unsigned)suggested);
}

static void server_on_connection(uv_stream_t *listener, int status)
{
    struct fake_http *server = listener->data;
    if (status < 0 || server->closing)
        return;
    struct connection *connection = memory_alloc(sizeof *connection);
    if (server->kind == FAKE_TCP)
        (void)uv_tcp_init(server->loop, &connection->peer.tcp);
    else
        (void)uv_pipe_init(server->loop, &connection->peer.pipe, 0);
    (void)uv_timer_init(server->loop, &connection->timer);
    connection->peer.handle.data = connection;
    connection->timer.data = connection;
    connection->open_handles = 2;
    connection->server = server;
    connection->next = server->connections;
    server->connections = connection;
    server->open_handles++;
    if (uv_accept(listener, &connection->peer.stream) < 0) {
        connection_close(connection);
        return;
    }
    server->accepted++;
    (void)uv_read_start(&connection->peer.stream, connection_on_alloc, connection_on_read);
}

static void connection_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    struct connection *connection = stream->data;
    if (n < 0) {
        connection_close(connection);
        return;
    }
    connection->input_len += (size_t)n;
    connection->input[connection->input_len] = '\0';
    connection_serve(connection);
}

static size_t header_length(const char *head, const char *end)
{
    const char *found = strcasestr(head, "\r\ncontent-length:");
    return found && found < end ? (size_t)strtoul(found + 17, NULL, 10) : 0;
}

static void server_keep(struct fake_http *server, const char *line, const char *headers,
                        size_t headers_len, const char *body, size_t body_len)
{
    server->lines = memory_grow(server->lines, server->line_count + 1, sizeof *server->lines);
    server->lines[server->line_count++] = memory_strdup(line);
    struct fake_request *slot = &server->kept[server->kept_count++ % KEPT_MAX];
    free(slot->headers);
    free(slot->body);
    (void)snprintf(slot->line, sizeof slot->line, "%s", line);
    slot->headers = memory_strndup(headers, headers_len);
    slot->body = memory_alloc(body_len + 1);
    memcpy(slot->body, body, body_len);
    slot->body_len = body_len;
}

static struct route *server_route(struct fake_http *server, const char *line)
{
    struct route *best = NULL;
    for (size_t i = 0; i < server->route_count; i++) {
        struct route *route = &server->routes[i];
        if (route->left != 0 && str_starts(line, route->name) &&
            (!best || strlen(route->name) >= strlen(best->name)))
            best = route;
    }
    return best;
}

static void connection_choose(struct connection *connection, const char *body)
{
    struct route *route = server_route(connection->server, connection->line);
    connection->answer =
        (struct fake_answer){ .status = 404, .body = "{\"message\":\"page not found\"}" };
    if (!route)
        return;
    if (route->left > 0)
        route->left--;
    connection->answer = route->answer;
    if (route->answer.decide) {
        char method[16] = "";
        (void)snprintf(method, sizeof method, "%.*s", (int)strcspn(connection->line, " "),
                       connection->line);
        route->answer.decide(route->answer.ctx, method,
                             connection->line + strcspn(connection->line, " ") + 1, body,
                             &connection->answer);
    }
}

static void connection_on_delay(uv_timer_t *timer)
{
    connection_answer(timer->data);
}

/* Take one request from the input, if it is whole. */
static void connection_serve(struct connection *connection)
{
    if (connection->answering || connection->closing || connection->input_len == 0)
        return;
    char *end = strstr(connection->input, "\r\n\r\n");
    if (!end)
        return;
    size_t head_len = (size_t)(end - connection->input) + 4;
    size_t body_len = header_length(connection->input, end);
    if (connection->input_len < head_len + body_len)
        return;
    connection->answering = true;
    size_t line_len = strcspn(connection->input, "\r\n");
    char *version = memrchr(connection->input, ' ', line_len);
    size_t target_len = version ? (size_t)(version - connection->input) : line_len;
    (void)snprintf(connection->line, sizeof connection->line, "%.*s", (int)target_len,
                   connection->input);
    AUTO_FREE char *body = memory_strndup(connection->input + head_len, body_len);
    server_keep(connection->server, connection->line, connection->input + line_len + 2,
                head_len - line_len - 4, connection->input + head_len, body_len);
    connection->input_len -= head_len + body_len;
    memmove(connection->input, connection->input + head_len + body_len, connection->input_len);
    connection->input[connection->input_len] = '\0';
    connection_choose(connection, body);
    if (connection->answer.delay_ms > 0)
        (void)uv_timer_start(&connection->timer, connection_on_delay, connection->answer.delay_ms,
                             0);
    else
        connection_answer(connection);
}

/* ------------------------------------------------------------------ answers */

struct write {
    uv_write_t request;
    struct connection *connection;
    char *bytes;
    bool close_after;
};

static void connection_on_written(uv_write_t *request, int status)
{
    struct write *write = request->data;
    if (status < 0 || write->close_after)
        connection_close(write->connection);
    free(write->bytes);
    free(write);
}

static void connection_write(struct connection *connection, const char *bytes, size_t len,
                             bool close_after)
{
    if (connection->closing)
        return;
    struct write *write = memory_alloc(sizeof *write);
    write->request.data = write;
    write->connection = connection;
    write->close_after = close_after;
    write->bytes = memory_alloc(len + 1);
    memcpy(write->bytes, bytes, len);
    uv_buf_t buf = uv_buf_init(write->bytes, (unsigned)len);
    int rc = uv_write(&write->request, &connection->peer.stream, &buf, 1, connection_on_written);
    if (rc < 0)
        connection_on_written(&write->request, rc);
}

static void answer_body(struct str *out, const struct fake_answer *answer, const char *body,
                        size_t len)
{
    if (!answer->chunked && !answer->stream) {
        str_add_len(out, body, len);
        return;
    }
    /* Uneven chunks, so that borders fall anywhere. */
    for (size_t at = 0, step = 1; at < len; at += step, step = step % 4099 + 7) {
        if (step > len - at)
            step = len - at;
        str_addf(out, "%zx\r\n", step);
        str_add_len(out, body + at, step);
        str_add(out, "\r\n");
    }
    if (!answer->stream)
        str_add(out, "0\r\n\r\n");
}

static size_t answer_build(struct str *out, const struct fake_answer *answer, bool head_only)
{
    AUTO_FREE char *filler = NULL;
    const char *body = answer->body ? answer->body : "";
    size_t len = answer->body_len ? answer->body_len : strlen(body);
    if (answer->filler > 0) {
        filler = memory_alloc(answer->filler + 1);
        memset(filler, 'x', answer->filler);
        body = filler;
        len = answer->filler;
    }
    str_addf(out, "HTTP/1.1 %d Scripted\r\n", answer->status ? answer->status : 200);
    if (answer->headers)
        str_add(out, answer->headers);
    if (answer->close)
        str_add(out, "Connection: close\r\n");
    if (answer->chunked || answer->stream)
        str_add(out, "Transfer-Encoding: chunked\r\n\r\n");
    else
        str_addf(out, "Content-Length: %zu\r\n\r\n", answer->status == 304 ? 0 : len);
    size_t head_len = out->len;
    if (!head_only && answer->status != 304 && answer->status != 204)
        answer_body(out, answer, body, len);
    return head_len;
}

static void connection_done(struct connection *connection)
{
    connection->answering = false;
    connection_serve(connection);
}

static void connection_on_byte(uv_timer_t *timer)
{
    struct connection *connection = timer->data;
    if (connection->output_sent < connection->output_len) {
        connection_write(connection, connection->output + connection->output_sent++, 1, false);
        return;
    }
    (void)uv_timer_stop(timer);
    free(TAKE(connection->output));
    connection_done(connection);
}

static void connection_trickle(struct connection *connection, struct str *text)
{
    connection->output_len = text->len;
    connection->output_sent = 0;
    connection->output = str_take(text);
    (void)uv_timer_start(&connection->timer, connection_on_byte, 0, 1);
}

static void connection_answer_faulty(struct connection *connection, struct str *text,
                                     size_t head_len)
{
    switch (connection->answer.fault) {
    case FAKE_NONE:
    case FAKE_HANG:
        break;
    case FAKE_HANG_UP:
        connection_close(connection);
        break;
    case FAKE_CUT:
        connection_write(connection, text->data, head_len + (text->len - head_len) / 2, true);
        break;
    case FAKE_CUT_HEAD:
        connection_write(connection, text->data, head_len / 2, true);
        break;
    case FAKE_GARBAGE:
        connection_write(connection, "\x16\x03\x01 this is no HTTP\r\n\r\n\xff\xfe\r\n", 27, true);
        break;
    case FAKE_BYTEWISE:
        connection_trickle(connection, text);
        break;
    case FAKE_CLOSE_AFTER:
        connection_write(connection, text->data, text->len, true);
        break;
    case FAKE_STALL:
        connection_write(connection, text->data, head_len + (text->len - head_len) / 2, false);
        break;
    }
}

static void connection_answer(struct connection *connection)
{
    const struct fake_answer *answer = &connection->answer;
    AUTO_STR struct str text;
    str_init(&text, ANSWER_MAX);
    size_t head_len = answer_build(&text, answer, str_starts(connection->line, "HEAD "));
    if (answer->fault != FAKE_NONE) {
        connection_answer_faulty(connection, &text, head_len);
        return;
    }
    connection_write(connection, text.data, text.len, answer->close && !answer->stream);
    if (answer->stream)
        connection->streaming = true;
    else
        connection_done(connection);
}

void fake_http_push(struct fake_http *server, const char *route, const char *bytes, size_t len)
{
    AUTO_STR struct str chunk;
    str_init(&chunk, ANSWER_MAX);
    str_addf(&chunk, "%zx\r\n", len);
    str_add_len(&chunk, bytes, len);
    str_add(&chunk, "\r\n");
    for (struct connection *c = server->connections; c; c = c->next)
        if (c->streaming && (!route || str_starts(c->line, route)))
            connection_write(c, chunk.data, chunk.len, false);
}

void fake_http_finish(struct fake_http *server, const char *route)
{
    for (struct connection *c = server->connections; c; c = c->next) {
        if (!c->streaming || (route && !str_starts(c->line, route)))
            continue;
        c->streaming = false;
        connection_write(c, "0\r\n\r\n", 5, false);
        connection_done(c);
    }
}
