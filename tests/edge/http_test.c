#include <netdb.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/edge/http_inside.h"
#include "berth/http.h"
#include "berth/memory.h"
#include "berth/str.h"
#include "tests/lib/fake_http.h"
#include "tests/lib/loop.h"
#include "tests/lib/test.h"

/* What one request came to. */
struct got {
    int done;
    bool ended;
    int rc;
    long status;
    char *body, *error;
    size_t len;
    char etag[64], last_modified[64];
    msec retry_after_ms, max_age_ms;
    /* streams */
    struct str pieces;
    int piece_count, opened;
    int stop_after;   /* pieces, then false */
    int cancel_after; /* pieces, then http_cancel */
    int pause_after;  /* pieces, then http_pause */
    struct http_request *request;
    /* what done() does */
    struct http_pool *pool;
    const struct http_call *then;
};

struct world {
    uv_loop_t loop;
    struct fake_http *server;
    struct http_pool *pool;
    bool pool_closed;
    int done_before_close;
    struct got *watched;
};

static void world_on_closed(void *ctx)
{
    struct world *world = ctx;
    world->pool_closed = true;
    if (world->watched)
        world->done_before_close = world->watched->done;
}

static void world_open(struct world *world, enum fake_kind kind)
{
    (void)signal(SIGPIPE, SIG_IGN);
    memset(world, 0, sizeof *world);
    assert_int_equal(uv_loop_init(&world->loop), 0);
    world->server = fake_http_open(&world->loop, kind);
    world->pool = http_pool_open(&world->loop);
}

static void world_close(struct world *world)
{
    if (!world->pool_closed)
        http_pool_close(world->pool, world_on_closed, world);
    loop_run_until(&world->loop, &world->pool_closed);
    fake_http_close(world->server);
    loop_must_close(&world->loop);
}

static void got_on_done(void *ctx, const struct http_answer *answer)
{
    struct got *got = ctx;
    got->done++;
    got->ended = true;
    got->rc = answer->rc;
    got->status = answer->status;
    free(got->body);
    free(got->error);
    got->body = memory_strndup(answer->body, answer->len);
    got->error = memory_strdup(answer->error);
    got->len = answer->len;
    (void)snprintf(got->etag, sizeof got->etag, "%s", answer->etag);
    (void)snprintf(got->last_modified, sizeof got->last_modified, "%s", answer->last_modified);
    got->retry_after_ms = answer->retry_after_ms;
    got->max_age_ms = answer->max_age_ms;
    if (got->then)
        (void)http_send(got->pool, TAKE(got->then));
}

static void got_on_open(void *ctx)
{
    struct got *got = ctx;
    got->opened++;
}

static bool got_on_data(void *ctx, const char *bytes, size_t len)
{
    struct got *got = ctx;
    str_add_len(&got->pieces, bytes, len);
    got->piece_count++;
    if (got->cancel_after && got->piece_count == got->cancel_after)
        http_cancel(got->request);
    if (got->pause_after && got->piece_count == got->pause_after)
        http_pause(got->request);
    return !(got->stop_after && got->piece_count >= got->stop_after);
}

static void got_release(struct got *got)
{
    free(got->body);
    free(got->error);
    str_release(&got->pieces);
}

/* A GET of path with everything else at its default. */
static struct http_call call_to(struct world *world, char *url, size_t size, const char *path,
                                struct got *got)
{
    memset(got, 0, sizeof *got);
    str_init(&got->pieces, 256 * 1024 * 1024);
    got->pool = world->pool;
    (void)snprintf(url, size, "%s%s", fake_http_url(world->server), path);
    return (struct http_call){ .url = url,
                               .unix_socket = fake_http_socket(world->server),
                               .timeout_ms = SECONDS(15),
                               .done = got_on_done,
                               .ctx = got };
}

#define CALL(call_, got_, world_, path_)                                                           \
    char call_##_url[512];                                                                         \
    struct got got_;                                                                               \
    struct http_call call_ = call_to(world_, call_##_url, sizeof call_##_url, path_, &got_)

static void finish(struct world *world, struct got *got)
{
    loop_run_until(&world->loop, &got->ended);
    assert_int_equal(got->done, 1);
}

static void fetch(struct world *world, const struct http_call *call, struct got *got)
{
    got->request = http_send(world->pool, call);
    assert_int_equal(got->done, 0);
    finish(world, got);
}

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* ------------------------------------------------------------------ answers */

TEST(http, answers_over_a_unix_socket_and_over_tcp)
{
    for (int kind = FAKE_UNIX; kind <= FAKE_TCP; kind++) {
        struct world world;
        world_open(&world, (enum fake_kind)kind);
        fake_http_on(world.server, "GET /hello", (struct fake_answer){ .body = "good day" });
        CALL(call, got, &world, "/hello");
        fetch(&world, &call, &got);
        assert_int_equal(got.rc, 0);
        assert_int_equal(got.status, 200);
        assert_string_equal(got.body, "good day");
        assert_string_equal(got.error, "");
        got_release(&got);
        world_close(&world);
    }
}

TEST(http, never_calls_done_from_inside_send_or_cancel)
{
    struct world world;
    world_open(&world, FAKE_UNIX);
    CALL(call, got, &world, "/");
    call.url = "nonsense://[";
    struct http_request *request = http_send(world.pool, &call);
    assert_int_equal(got.done, 0);
    http_cancel(request);
    http_cancel(request);
    assert_int_equal(got.done, 0);
    finish(&world, &got);
    assert_int_equal(got.rc, -ECANCELED);
    got_release(&got);
    world_close(&world);
    assert_int_equal(got.done, 1);
}

TEST(http, refuses_a_url_that_is_none_with_a_message)
{
    struct world world;
    world_open(&world, FAKE_UNIX);
    CALL(call, got, &world, "/");
    call.url = "ftp://example.invalid/x";
    fetch(&world, &call, &got);
    assert_int_equal(got.rc, -EPROTO);
    assert_non_null(strstr(got.error, "ftp"));
    got_release(&got);
    world_close(&world);
}

TEST(http, sends_body_method_and_headers)
{
    struct world world;
    world_open(&world, FAKE_UNIX);
    fake_http_on(world.server, "POST /made", (struct fake_answer){ .status = 201 });
    CALL(call, got, &world, "/made?name=a");
    const char *headers[] = { "X-Extra: yes", NULL };
    call.method = "POST";
    call.body = "{\"a\":1}";
    call.body_len = 7;
    call.headers = headers;
    fetch(&world, &call, &got);
    assert_int_equal(got.status, 201);
    const struct fake_request *request = fake_http_last(world.server, "POST /made?name=a");
    assert_non_null(request);
    assert_string_equal(request->body, "{\"a\":1}");
    assert_non_null(strstr(request->headers, "Content-Type: application/json"));
    assert_non_null(strstr(request->headers, "X-Extra: yes"));
    assert_null(strstr(request->headers, "Expect"));
    got_release(&got);
    world_close(&world);
}

TEST(http, says_content_length_zero_for_a_post_without_a_body)
{
    struct world world;
    world_open(&world, FAKE_UNIX);
    fake_http_on(world.server, "POST /start", (struct fake_answer){ .status = 204 });
    fake_http_on(world.server, "DELETE /it", (struct fake_answer){ .status = 204 });
    CALL(call, got, &world, "/start");
    call.method = "POST";
    fetch(&world, &call, &got);
    assert_int_equal(got.status, 204);
    const struct fake_request *request = fake_http_last(world.server, "POST /start");
    assert_non_null(strstr(request->headers, "Content-Length: 0"));
    assert_null(strstr(request->headers, "Content-Type"));
    got_release(&got);
    CALL(remove, removed, &world, "/it");
    remove.method = "DELETE";
    fetch(&world, &remove, &removed);
    assert_int_equal(removed.status, 204);
    got_release(&removed);
    world_close(&world);
}

TEST(http, gives_etag_and_times_of_the_answer)
{
    struct world world;
    world_open(&world, FAKE_TCP);
    fake_http_on(world.server, "GET /doc",
                 (struct fake_answer){ .status = 304,
                                       .headers = "ETag: \"v1\"\r\n"
                                                  "last-modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n"
                                                  "Retry-After: 7\r\n"
                                                  "Cache-Control: private, max-age=30\r\n" });
    CALL(call, got, &world, "/doc");
    call.if_none_match = "\"v1\"";
    call.if_modified_since = "Wed, 21 Oct 2015 07:28:00 GMT";
    fetch(&world, &call, &got);
    assert_int_equal(got.status, 304);
    assert_string_equal(got.etag, "\"v1\"");
    assert_string_equal(got.last_modified, "Wed, 21 Oct 2015 07:28:00 GMT");
    assert_int_equal(got.retry_after_ms, 7000);
    assert_int_equal(got.max_age_ms, 30000);
    const struct fake_request *request = fake_http_last(world.server, "GET /doc");
    assert_non_null(strstr(request->headers, "If-None-Match: \"v1\""));
    assert_non_null(strstr(request->headers, "If-Modified-Since: Wed, 21 Oct"));
    got_release(&got);
    world_close(&world);
}

static void head_of(struct http_head *head, const char *const *lines)
{
    http_head_init(head);
    for (; *lines; lines++)
        http_head_line(head, *lines, strlen(*lines));
    http_head_end(head, 1000000000);
}

TEST(http, reads_header_lines_that_are_odd)
{
    struct http_head head;
    head_of(&head, (const char *[]){ "Cache-Control: s-maxage=9, no-cache\r\n",
                                     "Retry-After: soon\r\n", "ETag\r\n", NULL });
    assert_int_equal(head.max_age_ms, -1);
    assert_int_equal(head.retry_after_ms, -1);
    assert_string_equal(head.etag, "");

    head_of(&head, (const char *[]){ "Date: Wed, 21 Oct 2015 07:28:00 GMT\r\n",
                                     "Retry-After: Wed, 21 Oct 2015 07:29:30 GMT\r\n",
                                     "CACHE-CONTROL:Max-Age=5 ,x\r\n", NULL });
    assert_int_equal(head.retry_after_ms, 90000);
    assert_int_equal(head.max_age_ms, 5000);

    head_of(&head, (const char *[]){ "Retry-After: Wed, 21 Oct 1998 07:29:30 GMT\r\n",
                                     "Cache-Control: max-age=99999999999999999999\r\n", NULL });
    assert_int_equal(head.retry_after_ms, 0);
    assert_int_equal(head.max_age_ms, -1);

    /* A second status line (after a redirect or 100 Continue) begins anew. */
    head_of(&head, (const char *[]){ "ETag: \"old\"\r\n", "HTTP/1.1 200 OK\r\n", NULL });
    assert_string_equal(head.etag, "");

    char line[HTTP_TAG_MAX + 100];
    memset(line, 'a', sizeof line);
    memcpy(line, "ETag: ", 6);
    http_head_line(&head, line, sizeof line);
    http_head_line(&head, line, HTTP_TAG_MAX + 40);
    assert_string_equal(head.etag, "");
}

TEST(http, assembles_bytewise_and_chunked_answers)
{
    struct world world;
    world_open(&world, FAKE_UNIX);
    fake_http_on(world.server, "GET /slow",
                 (struct fake_answer){ .body = "drop by drop", .fault = FAKE_BYTEWISE });
    fake_http_on(
        world.server, "GET /slowchunk",
        (struct fake_answer){ .body = "drop by drop", .chunked = true, .fault = FAKE_BYTEWISE });
    fake_http_on(world.server, "GET /chunks",
                 (struct fake_answer){ .filler = 1000000, .chunked = true });
    CALL(slow, slow_got, &world, "/slow");
    CALL(slowchunk, slowchunk_got, &world, "/slowchunk");
    CALL(chunks, chunks_got, &world, "/chunks");
    (void)http_send(world.pool, &slow);
    (void)http_send(world.pool, &slowchunk);
    (void)http_send(world.pool, &chunks);
    finish(&world, &slow_got);
    finish(&world, &slowchunk_got);
    finish(&world, &chunks_got);
    assert_string_equal(slow_got.body, "drop by drop");
    assert_string_equal(slowchunk_got.body, "drop by drop");
    assert_int_equal(chunks_got.len, 1000000);
    got_release(&slow_got);
    got_release(&slowchunk_got);
    got_release(&chunks_got);
    world_close(&world);
}

/* ------------------------------------------------------------------ faults */

TEST(http, reports_each_fault_once_and_names_the_peer)
{
    static const struct {
        enum fake_fault fault;
        int rc;
    } cases[] = {
        { FAKE_HANG_UP, -ECONNRESET },
        { FAKE_CUT, -ECONNRESET },
        { FAKE_CUT_HEAD, -ECONNRESET },
        { FAKE_GARBAGE, -EPROTO },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world world;
        world_open(&world, i % 2 ? FAKE_TCP : FAKE_UNIX);
        fake_http_on(world.server, "GET /",
                     (struct fake_answer){ .body = "abcdefgh", .fault = cases[i].fault });
        CALL(call, got, &world, "/v1.41/info?secret=1");
        fetch(&world, &call, &got);
        print_message("fault %d: %d %s\n", (int)cases[i].fault, got.rc, got.error);
        assert_true(got.rc == cases[i].rc ||
                    (cases[i].fault == FAKE_CUT_HEAD && got.rc == -EPROTO));
        assert_int_equal(got.status, 0);
        assert_non_null(strstr(got.error, "/v1.41/info"));
        assert_null(strstr(got.error, "secret"));
        got_release(&got);
        world_close(&world);
    }
}

TEST(http, reports_the_timeout_of_a_sole_request)
{
    struct world world;
    world_open(&world, FAKE_UNIX);
    fake_http_on(world.server, "GET /", (struct fake_answer){ .fault = FAKE_HANG });
    CALL(call, got, &world, "/");
    call.timeout_ms = 50;
    fetch(&world, &call, &got);
    assert_int_equal(got.rc, -ETIMEDOUT);
    got_release(&got);
    world_close(&world);
}

TEST(http, a_request_that_hangs_holds_up_no_other)
{
    struct world world;
    world_open(&world, FAKE_UNIX);
    fake_http_on(world.server, "GET /hang", (struct fake_answer){ .fault = FAKE_HANG });
    fake_http_on(world.server, "GET /fine", (struct fake_answer){ .body = "fine" });
    struct got hanging[40];
    char url[512];
    for (int i = 0; i < 40; i++) {
        struct http_call call = call_to(&world, url, sizeof url, "/hang", &hanging[i]);
        (void)http_send(world.pool, &call);
    }
    CALL(fine, got, &world, "/fine");
    fetch(&world, &fine, &got);
    assert_int_equal(got.status, 200);
    got_release(&got);
    for (int i = 0; i < 40; i++)
        assert_int_equal(hanging[i].done, 0);
    world_close(&world);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(hanging[i].done, 1);
        assert_int_equal(hanging[i].rc, -ECANCELED);
        got_release(&hanging[i]);
    }
}

TEST(http, says_refused_and_missing_apart)
{
    struct world world;
    world_open(&world, FAKE_UNIX);
    fake_http_refuse(world.server);
    CALL(call, got, &world, "/_ping");
    fetch(&world, &call, &got);
    assert_true(got.rc == -ECONNREFUSED || got.rc == -ENOENT);
    assert_non_null(strstr(got.error, fake_http_socket(world.server)));
    got_release(&got);
    CALL(missing, absent, &world, "/_ping");
    missing.unix_socket = "/nonexistent/berth/runtime.sock";
    fetch(&world, &missing, &absent);
    assert_int_equal(absent.rc, -ENOENT);
    assert_non_null(strstr(absent.error, "/nonexistent/berth/runtime.sock"));
    print_message("%s\n", absent.error);
    got_release(&absent);
    world_close(&world);

    world_open(&world, FAKE_TCP);
    fake_http_refuse(world.server);
    CALL(tcp, refused, &world, "/");
    fetch(&world, &tcp, &refused);
    assert_int_equal(refused.rc, -ECONNREFUSED);
    print_message("%s\n", refused.error);
    got_release(&refused);
    world_close(&world);
}

TEST(http, refuses_an_answer_that_is_too_long)
{
    struct world world;
    world_open(&world, FAKE_UNIX);
    fake_http_on(world.server, "GET /", (struct fake_answer){ .filler = 5000 });
    CALL(call, got, &world, "/");
    call.body_max = 4999;
    fetch(&world, &call, &got);
    assert_int_equal(got.rc, -EFBIG);
    assert_non_null(strstr(got.error, "4999"));
    got_release(&got);
    CALL(fits, whole, &world, "/");
    fits.body_max = 5000;
    fetch(&world, &fits, &whole);
    assert_int_equal(whole.rc, 0);
    assert_int_equal(whole.len, 5000);
    got_release(&whole);
    world_close(&world);
}

TEST(http, uses_a_connection_again_and_survives_one_that_was_closed_meanwhile)
{
    struct world world;
    world_open(&world, FAKE_UNIX);
    fake_http_on(world.server, "GET /", (struct fake_answer){ .body = "ok" });
    for (int i = 0; i < 10; i++) {
        CALL(call, got, &world, "/");
        fetch(&world, &call, &got);
        assert_int_equal(got.status, 200);
        got_release(&got);
    }
    assert_int_equal(fake_http_connections(world.server), 1);

    fake_http_on(world.server, "GET /",
                 (struct fake_answer){ .body = "ok", .fault = FAKE_CLOSE_AFTER });
    for (int i = 0; i < 10; i++) {
        CALL(call, got, &world, "/");
        fetch(&world, &call, &got);
        assert_int_equal(got.status, 200);
        got_release(&got);
    }
    fake_http_drop(world.server);
    CALL(call, got, &world, "/");
    fetch(&world, &call, &got);
    assert_int_equal(got.status, 200);
    got_release(&got);
    world_close(&world);
}

TEST(http, closes_every_descriptor)
{
    int before = open_descriptors();
    struct world world;
    world_open(&world, FAKE_TCP);
    fake_http_on(world.server, "GET /", (struct fake_answer){ .body = "ok", .close = true });
    fake_http_on(world.server, "GET /hang", (struct fake_answer){ .fault = FAKE_HANG });
    enum { COUNT = 200 };
    struct got *got = memory_array(COUNT, sizeof *got);
    for (int i = 0; i < COUNT; i++) {
        char url[512];
        struct http_call call = call_to(&world, url, sizeof url, i % 3 ? "/" : "/hang", &got[i]);
        call.timeout_ms = i % 3 ? SECONDS(15) : 100;
        (void)http_send(world.pool, &call);
    }
    for (int i = 0; i < COUNT; i++) {
        finish(&world, &got[i]);
        assert_int_equal(got[i].rc, i % 3 ? 0 : -ETIMEDOUT);
        got_release(&got[i]);
    }
    free(got);
    world_close(&world);
    assert_int_equal(open_descriptors(), before);
}

/* ------------------------------------------------------------------ redirects, proxies */

TEST(http, follows_no_redirect_unless_told_and_then_only_so_many)
{
    struct world world;
    world_open(&world, FAKE_TCP);
    fake_http_on(world.server, "GET /a",
                 (struct fake_answer){ .status = 302, .headers = "Location: /b\r\n" });
    fake_http_on(world.server, "GET /b", (struct fake_answer){ .body = "there" });
    fake_http_on(world.server, "GET /loop",
                 (struct fake_answer){ .status = 302, .headers = "Location: /loop\r\n" });
    CALL(stay, stayed, &world, "/a");
    fetch(&world, &stay, &stayed);
    assert_int_equal(stayed.status, 302);
    CALL(go, gone, &world, "/a");
    go.redirects_max = 2;
    fetch(&world, &go, &gone);
    assert_int_equal(gone.status, 200);
    assert_string_equal(gone.body, "there");
    CALL(turn, turned, &world, "/loop");
    turn.redirects_max = 5;
    fetch(&world, &turn, &turned);
    assert_int_equal(turned.rc, -ELOOP);
    assert_int_equal(fake_http_count(world.server, "GET /loop"), 6);
    got_release(&stayed);
    got_release(&gone);
    got_release(&turned);
    world_close(&world);
}

TEST(http, never_asks_a_proxy_for_a_unix_socket)
{
    (void)setenv("http_proxy", "http://127.0.0.1:1", 1);
    struct world world;
    world_open(&world, FAKE_UNIX);
    fake_http_on(world.server, "GET /", (struct fake_answer){ .body = "direct" });
    CALL(call, got, &world, "/");
    fetch(&world, &call, &got);
    assert_string_equal(got.body, "direct");
    got_release(&got);
    world_close(&world);
    (void)unsetenv("http_proxy");
}

TEST(http, keeps_secrets_out_of_names)
{
    struct http_call call = { .url = "https://user:pass@host.example:8443/doc?X-Signature=abc#x" };
    AUTO_FREE char *name = http_peer_name(&call);
    assert_string_equal(name, "GET https://host.example:8443/doc");
    struct http_call unix_call = { .method = "POST",
                                   .url = "http://runtime/v1.41/x?y=1",
                                   .unix_socket = "/run/docker.sock" };
    AUTO_FREE char *unix_name = http_peer_name(&unix_call);
    assert_string_equal(unix_name, "POST /v1.41/x at /run/docker.sock");
}

/* ------------------------------------------------------------------ streams */

TEST(http, streams_pieces_and_says_when_it_opened)
{
    struct world world;
    world_open(&world, FAKE_UNIX);
    fake_http_on(world.server, "GET /events", (struct fake_answer){ .stream = true });
    CALL(call, got, &world, "/events");
    call.timeout_ms = 0;
    call.on_data = got_on_data;
    call.on_open = got_on_open;
    got.request = http_send(world.pool, &call);
    loop_run_until_count(&world.loop, &got.opened, 1);
    assert_int_equal(got.piece_count, 0);
    fake_http_push(world.server, NULL, "one\n", 4);
    loop_run_until_count(&world.loop, &got.piece_count, 1);
    fake_http_push(world.server, NULL, "two\n", 4);
    loop_run_until_count(&world.loop, &got.piece_count, 2);
    assert_int_equal(got.done, 0);
    fake_http_finish(world.server, NULL);
    finish(&world, &got);
    assert_int_equal(got.rc, 0);
    assert_int_equal(got.status, 200);
    assert_int_equal(got.len, 0);
    assert_string_equal(str_text(&got.pieces), "one\ntwo\n");
    assert_int_equal(got.opened, 1);
    got_release(&got);
    world_close(&world);
}

TEST(http, collects_the_body_of_a_stream_that_was_refused)
{
    struct world world;
    world_open(&world, FAKE_UNIX);
    fake_http_on(world.server, "GET /events",
                 (struct fake_answer){ .status = 400, .body = "{\"message\":\"bad filter\"}" });
    CALL(call, got, &world, "/events");
    call.on_data = got_on_data;
    call.on_open = got_on_open;
    fetch(&world, &call, &got);
    assert_int_equal(got.status, 400);
    assert_string_equal(got.body, "{\"message\":\"bad filter\"}");
    assert_int_equal(got.piece_count, 0);
    assert_int_equal(got.opened, 0);
    got_release(&got);
    world_close(&world);
}

TEST(http, ends_a_stream_when_its_reader_says_so)
{
    struct world world;
    world_open(&world, FAKE_UNIX);
    fake_http_on(world.server, "GET /", (struct fake_answer){ .filler = 2000000, .chunked = true });
    CALL(stop, stopped, &world, "/stop");
    stop.on_data = got_on_data;
    stopped.stop_after = 2;
    fetch(&world, &stop, &stopped);
    assert_int_equal(stopped.rc, -ECANCELED);
    assert_int_equal(stopped.piece_count, 2);
    CALL(cancel, cancelled, &world, "/cancel");
    cancel.on_data = got_on_data;
    cancelled.cancel_after = 2;
    fetch(&world, &cancel, &cancelled);
    assert_int_equal(cancelled.rc, -ECANCELED);
    assert_int_equal(cancelled.piece_count, 2);
    got_release(&stopped);
    got_release(&cancelled);
    world_close(&world);
}

TEST(http, holds_a_stream_back_while_it_is_paused_and_loses_nothing)
{
    struct world world;
    world_open(&world, FAKE_UNIX);
    fake_http_on(world.server, "GET /", (struct fake_answer){ .filler = 8000000, .chunked = true });
    CALL(call, got, &world, "/");
    call.on_data = got_on_data;
    call.idle_ms = 500; /* a stream that we hold back ourselves is not idle */
    got.pause_after = 3;
    got.request = http_send(world.pool, &call);
    loop_run_until_count(&world.loop, &got.piece_count, 3);
    loop_run_for(&world.loop, 1000);
    assert_int_equal(got.piece_count, 3);
    assert_int_equal(got.done, 0);
    http_resume(got.request);
    assert_int_equal(got.piece_count, 3);
    finish(&world, &got);
    assert_int_equal(got.rc, 0);
    assert_int_equal(got.pieces.len, 8000000);
    got_release(&got);
    world_close(&world);
}

TEST(http, ends_a_stream_that_falls_silent)
{
    struct world world;
    world_open(&world, FAKE_UNIX);
    fake_http_on(world.server, "GET /stall",
                 (struct fake_answer){ .body = "half of it", .fault = FAKE_STALL });
    fake_http_on(world.server, "GET /hang", (struct fake_answer){ .fault = FAKE_HANG });
    CALL(stall, stalled, &world, "/stall");
    stall.on_data = got_on_data;
    stall.timeout_ms = 0;
    stall.idle_ms = 40;
    fetch(&world, &stall, &stalled);
    assert_int_equal(stalled.rc, -ETIMEDOUT);
    assert_string_equal(str_text(&stalled.pieces), "half ");
    CALL(hang, hung, &world, "/hang");
    hang.on_data = got_on_data;
    hang.timeout_ms = 0;
    hang.idle_ms = 40;
    fetch(&world, &hang, &hung);
    assert_int_equal(hung.rc, -ETIMEDOUT);
    assert_non_null(strstr(hung.error, "silent for 40 ms"));
    got_release(&stalled);
    got_release(&hung);
    world_close(&world);
}

/* ------------------------------------------------------------------ life */

TEST(http, may_send_from_inside_done)
{
    struct world world;
    world_open(&world, FAKE_UNIX);
    fake_http_on(world.server, "GET /", (struct fake_answer){ .body = "ok" });
    CALL(second, after, &world, "/second");
    CALL(first, got, &world, "/first");
    got.then = &second;
    fetch(&world, &first, &got);
    finish(&world, &after);
    assert_int_equal(after.status, 200);
    got_release(&got);
    got_release(&after);
    world_close(&world);
}

struct chain {
    struct http_pool *pool;
    const struct http_call *next;
    bool sent;
};

static bool chain_on_data(void *ctx, const char *bytes, size_t len)
{
    (void)bytes;
    (void)len;
    struct chain *chain = ctx;
    if (!chain->sent)
        (void)http_send(chain->pool, chain->next);
    chain->sent = true;
    return true;
}

static void chain_on_done(void *ctx, const struct http_answer *answer)
{
    (void)ctx;
    (void)answer;
}

TEST(http, may_send_from_inside_a_piece_of_a_stream)
{
    struct world world;
    world_open(&world, FAKE_UNIX);
    fake_http_on(world.server, "GET /", (struct fake_answer){ .body = "ok" });
    CALL(second, got, &world, "/second");
    struct chain chain = { .pool = world.pool, .next = &second };
    char url[256];
    struct got unused;
    struct http_call first = call_to(&world, url, sizeof url, "/first", &unused);
    first.on_data = chain_on_data;
    first.done = chain_on_done;
    first.ctx = &chain;
    (void)http_send(world.pool, &first);
    finish(&world, &got);
    assert_int_equal(got.status, 200);
    got_release(&got);
    world_close(&world);
}

TEST(http, closing_ends_every_request_before_it_says_closed)
{
    struct world world;
    world_open(&world, FAKE_UNIX);
    fake_http_on(world.server, "GET /", (struct fake_answer){ .fault = FAKE_HANG });
    fake_http_on(world.server, "GET /stream", (struct fake_answer){ .stream = true });
    CALL(again, late, &world, "/late");
    CALL(call, got, &world, "/");
    CALL(stream, streamed, &world, "/stream");
    stream.on_data = got_on_data;
    stream.on_open = got_on_open;
    stream.timeout_ms = 0;
    got.then = &again;
    (void)http_send(world.pool, &call);
    streamed.request = http_send(world.pool, &stream);
    loop_run_until_count(&world.loop, &streamed.opened, 1);
    world.watched = &late;
    world_close(&world);
    assert_int_equal(got.rc, -ECANCELED);
    assert_int_equal(streamed.rc, -ECANCELED);
    assert_int_equal(late.rc, -ECANCELED);
    assert_int_equal(late.done, 1);
    assert_int_equal(world.done_before_close, 1);
    got_release(&got);
    got_release(&streamed);
    got_release(&late);
}

TEST(http, a_pool_that_was_never_used_closes)
{
    struct world world;
    world_open(&world, FAKE_UNIX);
    world_close(&world);
}

TEST(http, an_error_of_the_multi_handle_ends_what_is_in_flight_and_no_more)
{
    struct world world;
    world_open(&world, FAKE_UNIX);
    fake_http_on(world.server, "GET /hang", (struct fake_answer){ .fault = FAKE_HANG });
    fake_http_on(world.server, "GET /fine", (struct fake_answer){ .body = "fine" });
    CALL(call, got, &world, "/hang");
    (void)http_send(world.pool, &call);
    loop_run_for(&world.loop, 20);
    http_loop_fail(world.pool, "made to fail");
    finish(&world, &got);
    assert_int_equal(got.rc, -EIO);
    CALL(next, fine, &world, "/fine");
    fetch(&world, &next, &fine);
    assert_int_equal(fine.status, 200);
    got_release(&got);
    got_release(&fine);
    world_close(&world);
}

/* ------------------------------------------------------------------ names */

/* libcurl resolves in a thread by getaddrinfo(); this one takes precedence over libc's and plays
 * the name server that never answers. */
static sem_t name_server;
static int names_asked;

int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict result)
{
    (void)node;
    (void)service;
    (void)hints;
    (void)result;
    __atomic_add_fetch(&names_asked, 1, __ATOMIC_SEQ_CST);
    while (sem_wait(&name_server) < 0)
        ;
    return EAI_AGAIN;
}

TEST(http, a_dead_name_server_does_not_block_the_loop)
{
    assert_int_equal(sem_init(&name_server, 0, 0), 0);
    struct world world;
    world_open(&world, FAKE_TCP);
    struct loop_latency latency;
    loop_latency_start(&world.loop, &latency);
    CALL(call, got, &world, "/");
    call.url = "http://nobody.invalid/";
    call.timeout_ms = 200;
    CALL(cancel, cancelled, &world, "/");
    cancel.url = "http://nobody.invalid/";
    struct http_request *request = http_send(world.pool, &cancel);
    (void)http_send(world.pool, &call);
    finish(&world, &got);
    assert_int_equal(got.rc, -ETIMEDOUT);
    http_cancel(request);
    finish(&world, &cancelled);
    assert_int_equal(__atomic_load_n(&names_asked, __ATOMIC_SEQ_CST), 2);
    /* Two more are under way when the pool closes. */
    CALL(third, left, &world, "/");
    third.url = "http://nobody.invalid/";
    (void)http_send(world.pool, &third);
    loop_run_for(&world.loop, 20);
    loop_latency_stop(&latency);
    print_message("longest turn of the loop: %.1f ms\n", (double)latency.worst_ns / 1e6);
    world_close(&world);
    assert_int_equal(left.rc, -ECANCELED);
    got_release(&got);
    got_release(&cancelled);
    got_release(&left);
    /* Blocked means seconds here; the bound of 50 ms is the design's. */
    assert_true(latency.worst_ns < 1000000000);
    for (int i = 0; i < 3; i++)
        (void)sem_post(&name_server);
}
