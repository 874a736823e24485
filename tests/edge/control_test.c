#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "berth/control.h"
#include "berth/json.h"
#include "berth/limits.h"
#include "berth/memory.h"
#include "berth/str.h"
#include "tests/lib/loop.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

#define CLIENT_MAX (8 * 1024 * 1024)
#define SOME_GROUP "daemon" /* every Debian and Fedora has it */

struct world {
    uv_loop_t loop;
    struct scratch scratch;
    char socket[SCRATCH_PATH_MAX];
    struct control *control;
    bool closed;

    int handled;
    char line[4200]; /* "METHOD path|a=value|body" of the newest request */
    size_t body_len;
    int pid, uid;
    bool hold; /* keep the request instead of answering it */
    bool streams;
    bool close_in_handler;
    struct control_request *held[8];
    int held_count;
    struct control_stream *stream;
    int stream_closed, drained;
    bool in_call; /* a call of ours is on the stack: no callback may run */
};

static void world_on_stream_close(void *ctx)
{
    struct world *world = ctx;
    assert_false(world->in_call);
    world->stream_closed++;
    world->stream = NULL;
}

static void world_on_closed(void *ctx)
{
    struct world *world = ctx;
    world->closed = true;
}

static void world_handle(void *ctx, struct control_request *request)
{
    struct world *world = ctx;
    assert_false(world->in_call);
    world->handled++;
    const char *body = control_body(request, &world->body_len);
    const char *a = control_query(request, "a");
    (void)snprintf(world->line, sizeof world->line, "%s %s|a=%s|%.4000s", control_method(request),
                   control_path(request), a ? a : "-", body);
    control_peer(request, &world->pid, &world->uid);
    if (world->close_in_handler)
        control_close(world->control, world_on_closed, world);
    if (world->hold)
        world->held[world->held_count++] = request;
    else if (world->streams)
        world->stream = control_stream(request, "text/plain", world_on_stream_close, world);
    else
        control_answer(request, 200, "text/plain", world->line, strlen(world->line));
}

static void world_open_with(struct world *world, struct control_options options)
{
    (void)signal(SIGPIPE, SIG_IGN);
    memset(world, 0, sizeof *world);
    assert_int_equal(uv_loop_init(&world->loop), 0);
    scratch_make(&world->scratch);
    scratch_path(&world->scratch, "s", world->socket);
    options.socket = world->socket;
    options.group = options.group ? options.group : "";
    options.handler = world_handle;
    options.ctx = world;
    struct err err = ERR_NONE;
    int rc = control_open(&world->loop, &options, &world->control, &err);
    if (rc < 0)
        fail_msg("%s", err.text);
}

static void world_open(struct world *world)
{
    world_open_with(world, (struct control_options){ .socket = NULL });
}

static void world_close(struct world *world)
{
    if (!world->closed)
        control_close(world->control, world_on_closed, world);
    loop_run_until(&world->loop, &world->closed);
    loop_must_close(&world->loop);
    scratch_remove(&world->scratch);
}

/* ------------------------------------------------------------------ a client on the same loop */

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    assert_true(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    return address;
}

struct client {
    int fd;
    char *text; /* what was received */
    size_t len;
    bool ended;
};

static struct client client_open(const struct world *world)
{
    struct client client = { .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    struct sockaddr_un address = address_of(world->socket);
    assert_true(client.fd >= 0);
    assert_int_equal(connect(client.fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(fcntl(client.fd, F_SETFL, O_NONBLOCK), 0);
    client.text = memory_alloc(CLIENT_MAX + 1);
    return client;
}

static void client_close(struct client *client)
{
    if (client->fd >= 0)
        (void)close(client->fd);
    client->fd = -1;
    free(TAKE(client->text));
}

static void client_read_some(struct client *client)
{
    ssize_t n = recv(client->fd, client->text + client->len, CLIENT_MAX - client->len, 0);
    if (n > 0)
        client->len += (size_t)n;
    else if (n == 0 || errno != EAGAIN)
        client->ended = true;
    client->text[client->len] = '\0';
}

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

/* One turn of the loop and a little patience, so that a test does not spin. */
static void world_turn(struct world *world)
{
    struct pollfd fd = { .fd = uv_backend_fd(&world->loop), .events = POLLIN };
    (void)poll(&fd, 1, 1);
    (void)uv_run(&world->loop, UV_RUN_NOWAIT);
}

static void client_send(struct world *world, struct client *client, const char *bytes, size_t len)
{
    uint64_t deadline = now_ms() + LOOP_PATIENCE_MS;
    while (len > 0 && now_ms() < deadline) {
        ssize_t n = send(client->fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return; /* the server has given up on us */
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
        world_turn(world);
    }
    assert_int_equal(len, 0);
}

/* Reads until text has been received; with NULL until the end. */
static void client_expect(struct world *world, struct client *client, const char *text)
{
    uint64_t deadline = now_ms() + LOOP_PATIENCE_MS;
    while (!client->ended && !(text && strstr(client->text, text))) {
        world_turn(world);
        client_read_some(client);
        if (now_ms() > deadline)
            fail_msg("still waiting for \"%s\", received \"%s\"", text ? text : "the end",
                     client->text);
    }
    if (text && !strstr(client->text, text))
        fail_msg("ended without \"%s\", received \"%s\"", text, client->text);
}

static void ask(struct world *world, struct client *client, const char *request)
{
    client_send(world, client, request, strlen(request));
}

static void world_run_until(struct world *world, const int *count, int at_least)
{
    uint64_t deadline = now_ms() + LOOP_PATIENCE_MS;
    while (*count < at_least && now_ms() < deadline)
        world_turn(world);
    assert_true(*count >= at_least);
}

#define HEAD(target_) "GET " target_ " HTTP/1.1\r\nHost: berth\r\n\r\n"

/* ------------------------------------------------------------------ requests */

TEST(control, hands_over_method_path_query_body_and_peer)
{
    struct world world;
    world_open(&world);
    struct client client = client_open(&world);
    ask(&world, &client,
        "POST /v1/plan%20b?x=1&a=b%26c HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    client_expect(&world, &client, "hello");
    assert_string_equal(world.line, "POST /v1/plan b|a=b&c|hello");
    assert_int_equal(world.body_len, 5);
    assert_int_equal(world.pid, getpid());
    assert_int_equal(world.uid, (int)getuid());
    assert_non_null(strstr(client.text, "HTTP/1.1 200"));
    assert_non_null(strstr(client.text, "Content-Type: text/plain"));
    client_close(&client);
    world_close(&world);
}

TEST(control, keeps_a_connection_for_further_requests)
{
    struct world world;
    world_open(&world);
    struct client client = client_open(&world);
    ask(&world, &client, HEAD("/one") HEAD("/two") HEAD("/three"));
    client_expect(&world, &client, "GET /three|a=-|");
    assert_non_null(strstr(client.text, "GET /one|"));
    assert_non_null(strstr(client.text, "GET /two|"));
    assert_int_equal(world.handled, 3);
    client_close(&client);
    world_close(&world);
}

TEST(control, lets_the_handler_answer_later)
{
    struct world world;
    world_open(&world);
    world.hold = true;
    struct client one = client_open(&world), two = client_open(&world);
    ask(&world, &one, HEAD("/one"));
    world_run_until(&world, &world.held_count, 1);
    ask(&world, &two, HEAD("/two"));
    world_run_until(&world, &world.held_count, 2);
    world.in_call = true;
    control_answer(world.held[1], 200, "text/plain", "second", 6);
    control_error(world.held[0], 404, "NotFound", "no \"%s\" here", "web");
    world.in_call = false;
    client_expect(&world, &one, "}");
    client_expect(&world, &two, "second");
    assert_non_null(strstr(one.text, "HTTP/1.1 404"));
    assert_non_null(
        strstr(one.text, "{\"code\":\"NotFound\",\"message\":\"no \\\"web\\\" here\"}"));
    client_close(&one);
    client_close(&two);
    world_close(&world);
}

TEST(control, survives_a_client_that_leaves_before_the_answer)
{
    struct world world;
    world_open(&world);
    world.hold = true;
    struct client client = client_open(&world);
    ask(&world, &client, HEAD("/gone"));
    world_run_until(&world, &world.held_count, 1);
    client_close(&client);
    loop_run_for(&world.loop, 20);
    control_answer(world.held[0], 200, "text/plain", "x", 1);
    loop_run_for(&world.loop, 20);
    world.hold = false;
    struct client next = client_open(&world);
    ask(&world, &next, HEAD("/next"));
    client_expect(&world, &next, "GET /next");
    client_close(&next);
    world_close(&world);
}

TEST(control, answers_a_large_body_whole)
{
    struct world world;
    world_open(&world);
    world.hold = true;
    struct client client = client_open(&world);
    ask(&world, &client, HEAD("/large"));
    world_run_until(&world, &world.held_count, 1);
    size_t len = 3 * 1024 * 1024;
    AUTO_FREE char *body = memory_alloc(len);
    memset(body, 'x', len);
    body[len - 1] = 'Z';
    control_answer(world.held[0], 200, "text/plain", body, len);
    client_expect(&world, &client, "xZ");
    assert_true(client.len > len);
    client_close(&client);
    world_close(&world);
}

TEST(control, takes_a_request_byte_by_byte)
{
    struct world world;
    world_open(&world);
    struct client client = client_open(&world);
    const char *request = "POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
    for (const char *c = request; *c; c++)
        client_send(&world, &client, c, 1);
    client_expect(&world, &client, "POST /slow|a=-|abc");
    assert_int_equal(world.handled, 1);
    client_close(&client);
    world_close(&world);
}

TEST(control, takes_a_chunked_body)
{
    struct world world;
    world_open(&world);
    struct client client = client_open(&world);
    ask(&world, &client,
        "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    client_expect(&world, &client, "|abcde");
    client_close(&client);
    world_close(&world);
}

TEST(control, accepts_a_whole_document_and_refuses_more)
{
    struct world world;
    world_open(&world);
    AUTO_FREE char *body = memory_alloc(CONTROL_REQUEST_MAX + 4096);
    memset(body, ' ', CONTROL_REQUEST_MAX + 4096);
    char head[256];

    struct client fits = client_open(&world);
    (void)snprintf(head, sizeof head, "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n",
                   CONTROL_REQUEST_MAX);
    ask(&world, &fits, head);
    client_send(&world, &fits, body, CONTROL_REQUEST_MAX);
    client_expect(&world, &fits, "HTTP/1.1 200");
    assert_int_equal(world.body_len, CONTROL_REQUEST_MAX);

    struct client announced = client_open(&world);
    (void)snprintf(head, sizeof head, "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n",
                   CONTROL_REQUEST_MAX + 1);
    ask(&world, &announced, head);
    client_expect(&world, &announced, "RequestTooLarge");
    assert_non_null(strstr(announced.text, "HTTP/1.1 413"));

    struct client chunked = client_open(&world);
    ask(&world, &chunked, "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    (void)snprintf(head, sizeof head, "%x\r\n", CONTROL_REQUEST_MAX + 1);
    ask(&world, &chunked, head);
    client_send(&world, &chunked, body, CONTROL_REQUEST_MAX + 1);
    ask(&world, &chunked, "\r\n0\r\n\r\n");
    client_expect(&world, &chunked, "RequestTooLarge");

    assert_int_equal(world.handled, 1);
    client_close(&fits);
    client_close(&announced);
    client_close(&chunked);
    world_close(&world);
}

/* Each body alone is fine; all of them together would be a gigabyte. */
TEST(control, bounds_what_is_uploaded_at_the_same_time)
{
    struct world world;
    world_open(&world);
    AUTO_FREE char *body = memory_alloc(CONTROL_REQUEST_MAX);
    memset(body, ' ', CONTROL_REQUEST_MAX);
    char head[256];
    (void)snprintf(head, sizeof head, "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n",
                   CONTROL_REQUEST_MAX);
    struct client clients[6];
    for (int i = 0; i < 6; i++) {
        clients[i] = client_open(&world);
        ask(&world, &clients[i], head);
        client_send(&world, &clients[i], body, CONTROL_REQUEST_MAX - 1);
    }
    for (int i = 5; i >= 0; i--) {
        ask(&world, &clients[i], " ");
        client_expect(&world, &clients[i], i < 4 ? "HTTP/1.1 200" : "TooManyUploads");
        client_close(&clients[i]);
    }
    assert_int_equal(world.handled, 4);
    struct client after = client_open(&world);
    ask(&world, &after, head);
    client_send(&world, &after, body, CONTROL_REQUEST_MAX);
    client_expect(&world, &after, "HTTP/1.1 200");
    client_close(&after);
    world_close(&world);
}

TEST(control, refuses_what_is_no_http)
{
    struct world world;
    world_open(&world);
    static const char *const garbage[] = {
        "\r\n\r\n\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: banana\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET /\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        struct client client = client_open(&world);
        ask(&world, &client, garbage[i]);
        (void)shutdown(client.fd, SHUT_WR);
        client_expect(&world, &client, NULL);
        assert_null(strstr(client.text, "HTTP/1.1 200"));
        client_close(&client);
    }
    assert_int_equal(world.handled, 0);
    AUTO_FREE char *endless = memory_alloc(1024 * 1024);
    memset(endless, 'h', 1024 * 1024);
    struct client client = client_open(&world);
    ask(&world, &client, "GET / HTTP/1.1\r\nX: ");
    client_send(&world, &client, endless, 1024 * 1024);
    client_expect(&world, &client, NULL);
    client_close(&client);
    assert_int_equal(world.handled, 0);
    world_close(&world);
}

/* ------------------------------------------------------------------ patience */

TEST(control, ends_a_connection_whose_request_does_not_arrive)
{
    struct world world;
    world_open_with(&world, (struct control_options){ .arrive_ms = 100 });
    struct client silent = client_open(&world), half = client_open(&world);
    struct client body = client_open(&world), idle = client_open(&world);
    ask(&world, &half, "GET /half HTTP/1.1\r\nHos");
    ask(&world, &body, "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nfive.");
    ask(&world, &idle, HEAD("/idle"));
    client_expect(&world, &idle, "GET /idle");
    client_expect(&world, &silent, NULL);
    client_expect(&world, &half, NULL);
    client_expect(&world, &body, NULL);
    client_expect(&world, &idle, NULL);
    assert_int_equal(world.handled, 1);
    client_close(&silent);
    client_close(&half);
    client_close(&body);
    client_close(&idle);
    world_close(&world);
}

TEST(control, gives_a_trickle_of_bytes_no_more_time)
{
    struct world world;
    world_open_with(&world, (struct control_options){ .arrive_ms = 200 });
    struct client client = client_open(&world);
    ask(&world, &client, "GET /trickle HTTP/1.1\r\nX: ");
    uint64_t start = now_ms();
    while (!client.ended && now_ms() - start < LOOP_PATIENCE_MS) {
        (void)send(client.fd, "x", 1, MSG_NOSIGNAL);
        world_turn(&world);
        client_read_some(&client);
    }
    assert_true(client.ended);
    assert_true(now_ms() - start >= 150);
    client_close(&client);
    world_close(&world);
}

TEST(control, ends_a_client_that_does_not_read_its_answer)
{
    struct world world;
    world_open_with(&world, (struct control_options){ .arrive_ms = 100, .deliver_ms = 100 });
    world.hold = true;
    struct client client = client_open(&world);
    ask(&world, &client, HEAD("/large"));
    world_run_until(&world, &world.held_count, 1);
    size_t len = 4 * 1024 * 1024;
    AUTO_FREE char *body = memory_alloc(len);
    control_answer(world.held[0], 200, "text/plain", body, len);
    loop_run_for(&world.loop, 500);
    client_expect(&world, &client, NULL);
    assert_true(client.len < len);
    client_close(&client);
    world_close(&world);
}

TEST(control, waits_for_a_slow_handler_and_a_silent_stream)
{
    struct world world;
    world_open_with(&world, (struct control_options){ .arrive_ms = 50, .deliver_ms = 50 });
    world.hold = true;
    struct client client = client_open(&world), follower = client_open(&world);
    ask(&world, &client, HEAD("/slow"));
    world_run_until(&world, &world.held_count, 1);
    world.hold = false;
    world.streams = true;
    ask(&world, &follower, HEAD("/follow"));
    world_run_until(&world, &world.handled, 2);
    loop_run_for(&world.loop, 400);
    control_answer(world.held[0], 200, "text/plain", "at last", 7);
    (void)control_stream_write(world.stream, "still here\n", 11);
    client_expect(&world, &client, "at last");
    client_expect(&world, &follower, "still here");
    assert_int_equal(world.stream_closed, 0);
    client_close(&client);
    client_close(&follower);
    world_close(&world);
}

TEST(control, serves_among_three_hundred_idle_connections)
{
    struct world world;
    world_open(&world);
    struct client idle[300];
    for (size_t i = 0; i < 300; i++) {
        idle[i] = client_open(&world);
        free(TAKE(idle[i].text));
        if (i % 3 == 0)
            (void)send(idle[i].fd, "GET /half", 9, MSG_NOSIGNAL);
        world_turn(&world);
    }
    struct client client = client_open(&world);
    ask(&world, &client, HEAD("/status"));
    client_expect(&world, &client, "GET /status");
    client_close(&client);
    for (size_t i = 0; i < 300; i++)
        client_close(&idle[i]);
    struct client after = client_open(&world);
    ask(&world, &after, HEAD("/after"));
    client_expect(&world, &after, "GET /after");
    client_close(&after);
    world_close(&world);
}

TEST(control, turns_one_too_many_away_while_all_are_being_answered)
{
    struct world world;
    world_open(&world);
    struct control_stream *streams[CONTROL_CONNECTIONS_MAX];
    struct client clients[CONTROL_CONNECTIONS_MAX];
    world.streams = true;
    for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        clients[i] = client_open(&world);
        free(TAKE(clients[i].text));
        (void)send(clients[i].fd, HEAD("/s"), strlen(HEAD("/s")), MSG_NOSIGNAL);
        world_run_until(&world, &world.handled, i + 1);
        streams[i] = world.stream;
    }
    struct client extra = client_open(&world);
    ask(&world, &extra, HEAD("/extra"));
    client_expect(&world, &extra, "TooManyConnections");
    assert_non_null(strstr(extra.text, "HTTP/1.1 503"));
    client_close(&extra);
    control_stream_end(streams[17]);
    world_run_until(&world, &world.stream_closed, 1);
    world.streams = false;
    struct client again = client_open(&world);
    ask(&world, &again, HEAD("/again"));
    client_expect(&world, &again, "GET /again");
    client_close(&again);
    for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
        client_close(&clients[i]);
    world_run_until(&world, &world.stream_closed, CONTROL_CONNECTIONS_MAX);
    world_close(&world);
}

/* ------------------------------------------------------------------ streams */

static struct client follow(struct world *world)
{
    world->streams = true;
    struct client client = client_open(world);
    int before = world->handled;
    ask(world, &client, HEAD("/follow"));
    world_run_until(world, &world->handled, before + 1);
    assert_non_null(world->stream);
    return client;
}

static void world_on_drained(void *ctx)
{
    struct world *world = ctx;
    world->drained++;
}

TEST(control, streams_what_is_written_as_it_is_written)
{
    struct world world;
    world_open(&world);
    struct client client = follow(&world);
    control_stream_on_drained(world.stream, world_on_drained);
    world.in_call = true;
    assert_int_equal(control_stream_write(world.stream, "one\n", 4), 4);
    assert_int_equal(control_stream_write(world.stream, "two\n", 4), 8);
    world.in_call = false;
    client_expect(&world, &client, "two\n");
    assert_non_null(strstr(client.text, "one\n"));
    assert_non_null(strstr(client.text, "Transfer-Encoding: chunked"));
    world_run_until(&world, &world.drained, 1);
    assert_int_equal(control_stream_write(world.stream, "three\n", 6), 6);
    client_expect(&world, &client, "three\n");
    assert_int_equal(control_stream_write(world.stream, "last\n", 5), 5);
    world.in_call = true;
    control_stream_end(world.stream);
    world.in_call = false;
    client_expect(&world, &client, NULL);
    assert_non_null(strstr(client.text, "last\n\r\n0\r\n\r\n"));
    assert_int_equal(world.stream_closed, 1);
    client_close(&client);
    world_close(&world);
    assert_int_equal(world.stream_closed, 1);
}

TEST(control, cuts_off_a_client_that_never_reads)
{
    struct world world;
    world_open(&world);
    struct client client = follow(&world);
    char block[8192];
    memset(block, 'x', sizeof block);
    size_t written = 0, queued = 0;
    /* Until nothing moves any more: libmicrohttpd and the kernel hold the rest. */
    for (int calm = 0; calm < 50;) {
        size_t before = queued;
        if (queued < STREAM_LAG_MAX / 2) {
            queued = control_stream_write(world.stream, block, sizeof block);
            written += sizeof block;
        }
        world_turn(&world);
        queued = control_stream_write(world.stream, block, 0);
        calm = queued >= STREAM_LAG_MAX / 2 && queued == before ? calm + 1 : 0;
    }
    assert_true(written > queued);
    size_t left = STREAM_LAG_MAX - queued;
    while (left > 0) {
        size_t len = left < sizeof block ? left : sizeof block;
        left -= len;
        assert_int_equal(control_stream_write(world.stream, block, len), STREAM_LAG_MAX - left);
    }
    assert_int_equal(world.stream_closed, 0);
    struct control_stream *stream = world.stream;
    world.in_call = true;
    assert_int_equal(control_stream_write(stream, "x", 1), 0);
    assert_int_equal(control_stream_write(stream, "x", 1), 0);
    control_stream_end(stream);
    world.in_call = false;
    world_run_until(&world, &world.stream_closed, 1);
    client_expect(&world, &client, NULL);
    assert_null(strstr(client.text, "\r\n0\r\n\r\n"));
    client_close(&client);
    world_close(&world);
    assert_int_equal(world.stream_closed, 1);
}

TEST(control, cuts_off_a_single_write_that_is_too_long)
{
    struct world world;
    world_open(&world);
    struct client client = follow(&world);
    AUTO_FREE char *block = memory_alloc(STREAM_LAG_MAX + 1);
    assert_int_equal(control_stream_write(world.stream, block, STREAM_LAG_MAX + 1), 0);
    world_run_until(&world, &world.stream_closed, 1);
    client_close(&client);
    world_close(&world);
}

/* The consumer goes on when the client has taken everything: memory stays bounded, all arrives. */
struct pump {
    struct world *world;
    size_t sent, total;
};

static struct pump pumping;

static void pump_on_drained(void *ctx)
{
    struct world *world = ctx;
    char block[4096];
    memset(block, 'p', sizeof block);
    size_t queued = 0;
    while (pumping.sent < pumping.total && queued < 64 * 1024) {
        queued = control_stream_write(world->stream, block, sizeof block);
        pumping.sent += sizeof block;
    }
    if (pumping.sent >= pumping.total)
        control_stream_end(world->stream);
}

TEST(control, carries_more_than_the_lag_for_a_client_that_reads)
{
    struct world world;
    world_open(&world);
    struct client client = follow(&world);
    pumping = (struct pump){ .world = &world, .total = 6 * 1024 * 1024 };
    control_stream_on_drained(world.stream, pump_on_drained);
    pump_on_drained(&world);
    client_expect(&world, &client, NULL);
    size_t received = 0;
    for (size_t i = 0; i < client.len; i++)
        received += client.text[i] == 'p';
    /* Three more in the header lines: "Transfer-Encoding: chunked", "text/plain". */
    assert_true(received >= pumping.total && received < pumping.total + 16);
    assert_int_equal(world.stream_closed, 1);
    client_close(&client);
    world_close(&world);
}

TEST(control, notices_a_client_that_leaves_a_silent_stream)
{
    struct world world;
    world_open(&world);
    struct client client = follow(&world);
    (void)control_stream_write(world.stream, "x", 1);
    client_expect(&world, &client, "x\r\n");
    loop_run_for(&world.loop, 20);
    client_close(&client);
    world_run_until(&world, &world.stream_closed, 1);
    world_close(&world);
    assert_int_equal(world.stream_closed, 1);
}

TEST(control, notices_a_client_that_leaves_a_busy_stream)
{
    struct world world;
    world_open(&world);
    struct client client = follow(&world);
    client_close(&client);
    while (world.stream_closed == 0) {
        (void)control_stream_write(world.stream, "line\n", 5);
        world_turn(&world);
    }
    assert_int_equal(world.stream_closed, 1);
    world_close(&world);
}

TEST(control, streams_to_old_clients_and_to_head_requests)
{
    struct world world;
    world_open(&world);
    world.streams = true;
    struct client old = client_open(&world);
    ask(&world, &old, "GET /old HTTP/1.0\r\n\r\n");
    world_run_until(&world, &world.handled, 1);
    (void)control_stream_write(world.stream, "plain\n", 6);
    control_stream_end(world.stream);
    client_expect(&world, &old, NULL);
    assert_non_null(strstr(old.text, "\r\n\r\nplain\n"));
    assert_int_equal(world.stream_closed, 1);

    struct client head = client_open(&world);
    ask(&world, &head, "HEAD /head HTTP/1.1\r\nHost: h\r\n\r\n");
    world_run_until(&world, &world.stream_closed, 2);
    client_expect(&world, &head, NULL);
    client_close(&old);
    client_close(&head);
    world_close(&world);
}

/* ------------------------------------------------------------------ the end */

TEST(control, ends_everything_on_close_and_takes_late_answers)
{
    struct world world;
    world_open(&world);
    world.hold = true;
    struct client one = client_open(&world), two = client_open(&world), half = client_open(&world);
    ask(&world, &one, HEAD("/one"));
    ask(&world, &two, "POST /two HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
    world_run_until(&world, &world.held_count, 2);
    ask(&world, &half, "GET /ha");
    world.hold = false;
    struct client follower = follow(&world);
    struct client busy = follow(&world);
    AUTO_FREE char *block = memory_alloc(STREAM_LAG_MAX);
    (void)control_stream_write(world.stream, block, STREAM_LAG_MAX);
    control_close(world.control, world_on_closed, &world);
    loop_run_until(&world.loop, &world.closed);
    assert_int_equal(world.stream_closed, 2);
    assert_false(scratch_exists(&world.scratch, "s"));
    client_expect(&world, &one, NULL);
    client_expect(&world, &half, NULL);
    client_expect(&world, &follower, NULL);
    client_expect(&world, &busy, NULL);
    size_t len;
    assert_string_equal(control_body(world.held[1], &len), "body");
    control_answer(world.held[0], 200, "text/plain", "late", 4);
    world.in_call = true;
    struct control_stream *late =
        control_stream(world.held[1], "text/plain", world_on_stream_close, &world);
    assert_int_equal(control_stream_write(late, "x", 1), 0);
    control_stream_end(late);
    world.in_call = false;
    world_run_until(&world, &world.stream_closed, 3);
    client_close(&one);
    client_close(&two);
    client_close(&half);
    client_close(&follower);
    client_close(&busy);
    world_close(&world);
}

TEST(control, may_be_closed_by_its_handler_whose_answer_still_goes_out)
{
    struct world world;
    world_open(&world);
    world.close_in_handler = true;
    struct client client = client_open(&world);
    ask(&world, &client, HEAD("/bye"));
    client_expect(&world, &client, "GET /bye");
    client_close(&client);
    loop_run_until(&world.loop, &world.closed);
    world_close(&world);
}

TEST(control, delivers_an_answer_given_just_before_the_close)
{
    struct world world;
    world_open(&world);
    world.hold = true;
    struct client client = client_open(&world);
    ask(&world, &client, HEAD("/x"));
    world_run_until(&world, &world.held_count, 1);
    control_answer(world.held[0], 200, "text/plain", "farewell", 8);
    control_close(world.control, world_on_closed, &world);
    loop_run_until(&world.loop, &world.closed);
    client_expect(&world, &client, "farewell");
    client_close(&client);
    world_close(&world);
}

/* ------------------------------------------------------------------ the socket */

static int open_second(struct world *world, const char *path, struct err *err)
{
    struct control *second = NULL;
    struct control_options options = {
        .socket = path, .group = "", .handler = world_handle, .ctx = world
    };
    int rc = control_open(&world->loop, &options, &second, err);
    if (rc == 0) {
        bool closed = false;
        control_close(second, NULL, NULL);
        (void)closed;
    }
    return rc;
}

TEST(control, refuses_a_socket_that_a_living_daemon_answers_on)
{
    struct world world;
    world_open(&world);
    struct err err = ERR_NONE;
    assert_int_equal(open_second(&world, world.socket, &err), -EADDRINUSE);
    assert_non_null(strstr(err.text, world.socket));
    struct client client = client_open(&world);
    ask(&world, &client, HEAD("/still"));
    client_expect(&world, &client, "GET /still");
    client_close(&client);
    world_close(&world);
}

TEST(control, replaces_a_stale_socket_but_no_other_file)
{
    struct world world;
    world_open(&world);
    char path[SCRATCH_PATH_MAX];
    scratch_path(&world.scratch, "stale", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = address_of(path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    (void)close(fd);
    struct err err = ERR_NONE;
    assert_int_equal(open_second(&world, path, &err), 0);

    scratch_write(&world.scratch, "file", "precious");
    scratch_path(&world.scratch, "file", path);
    assert_int_equal(open_second(&world, path, &err), -EEXIST);
    assert_non_null(strstr(err.text, "no socket"));
    AUTO_FREE char *kept = scratch_read(&world.scratch, "file", NULL);
    assert_string_equal(kept, "precious");

    char longest[200];
    memset(longest, 'p', sizeof longest);
    longest[0] = '/';
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(open_second(&world, longest, &err), -ENAMETOOLONG);
    assert_int_equal(open_second(&world, "", &err), -ENAMETOOLONG);
    world_close(&world);
}

TEST(control, makes_its_socket_0660_whatever_the_umask)
{
    static const mode_t masks[] = { 0, 022, 0777 };
    for (size_t i = 0; i < 3; i++) {
        mode_t before = umask(masks[i]);
        struct world world;
        memset(&world, 0, sizeof world);
        (void)umask(before);
        struct stat found;
        world_open(&world);
        (void)umask(masks[i]);
        char path[SCRATCH_PATH_MAX];
        struct control *second;
        struct control_options options = { .socket = scratch_path(&world.scratch, "t", path),
                                           .group = "",
                                           .handler = world_handle };
        struct err err = ERR_NONE;
        int rc = control_open(&world.loop, &options, &second, &err);
        (void)umask(before);
        assert_int_equal(rc, 0);
        assert_int_equal(stat(path, &found), 0);
        assert_int_equal(found.st_mode & 07777, 0660);
        control_close(second, NULL, NULL);
        world_close(&world);
    }
}

TEST(control, leaves_the_socket_of_a_successor_alone)
{
    struct world world;
    world_open(&world);
    assert_int_equal(unlink(world.socket), 0);
    scratch_write(&world.scratch, "s", "not ours");
    control_close(world.control, world_on_closed, &world);
    loop_run_until(&world.loop, &world.closed);
    assert_true(scratch_exists(&world.scratch, "s"));
    world_close(&world);
}

/* ------------------------------------------------------------------ who may */

/* A child of another user asks; returns its pid. It writes what it received to `out`. */
static pid_t ask_as(const struct world *world, gid_t gid, gid_t supplementary, int out)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    (void)alarm(20);
    if (setgroups(supplementary ? 1 : 0, &supplementary) < 0 || setgid(gid) < 0 ||
        setuid(65534) < 0)
        _exit(3);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = address_of(world->socket);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        _exit(4);
    (void)!write(fd, HEAD("/who"), strlen(HEAD("/who")));
    char text[4096];
    ssize_t n = read(fd, text, sizeof text);
    (void)!write(out, text, n > 0 ? (size_t)n : 0);
    _exit(0);
}

static void expect_as(struct world *world, gid_t gid, gid_t supplementary, const char *text)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = ask_as(world, gid, supplementary, ends[1]);
    assert_true(pid > 0);
    (void)close(ends[1]);
    int status;
    while (waitpid(pid, &status, WNOHANG) == 0)
        world_turn(world);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    char answer[4097];
    ssize_t n = read(ends[0], answer, sizeof answer - 1);
    (void)close(ends[0]);
    answer[n > 0 ? n : 0] = '\0';
    if (!strstr(answer, text))
        fail_msg("expected \"%s\", received \"%s\"", text, answer);
}

TEST(control, answers_members_of_its_group_and_nobody_else)
{
    if (getuid() != 0)
        SKIP("only root can ask as other users");
    struct group *group = getgrnam(SOME_GROUP);
    if (!group)
        SKIP("this host has no group " SOME_GROUP);
    gid_t member = group->gr_gid;
    struct world world;
    world_open_with(&world, (struct control_options){ .group = SOME_GROUP });
    struct stat found;
    assert_int_equal(stat(world.socket, &found), 0);
    assert_int_equal(found.st_gid, member);
    assert_int_equal(found.st_mode & 07777, 0660);
    /* Open the door that the file mode closes, so that the check behind it is seen. */
    assert_int_equal(chmod(world.scratch.directory, 0755), 0);
    assert_int_equal(chmod(world.socket, 0666), 0);
    expect_as(&world, 65534, 0, "{\"code\":\"AccessDenied\"");
    expect_as(&world, 65534, 0, "HTTP/1.1 403");
    assert_int_equal(world.handled, 0);
    expect_as(&world, member, 0, "GET /who");
    expect_as(&world, 65534, member, "GET /who");
    assert_int_equal(world.handled, 2);
    assert_int_equal(world.uid, 65534);
    world_close(&world);
}

TEST(control, serves_root_only_when_the_group_is_unknown)
{
    if (getuid() != 0)
        SKIP("only root can ask as other users");
    struct world world;
    world_open_with(&world, (struct control_options){ .group = "no-such-group-here" });
    assert_int_equal(chmod(world.scratch.directory, 0755), 0);
    assert_int_equal(chmod(world.socket, 0666), 0);
    expect_as(&world, 65534, 0, "AccessDenied");
    struct client client = client_open(&world);
    ask(&world, &client, HEAD("/root"));
    client_expect(&world, &client, "GET /root");
    client_close(&client);
    world_close(&world);
}
