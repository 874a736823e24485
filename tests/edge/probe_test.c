#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "berth/probe.h"
#include "tests/lib/fake_http.h"
#include "tests/lib/loop.h"
#include "tests/lib/test.h"

struct world {
    uv_loop_t loop;
    struct http_pool *pool;
    struct fake_http *server;
    int port;
    bool pool_closed;
    int done;
    bool healthy;
    char text[256];
    bool in_call;
};

static void world_on_pool_closed(void *ctx)
{
    struct world *world = ctx;
    world->pool_closed = true;
}

static void world_on_probed(void *ctx, bool healthy, const char *text)
{
    struct world *world = ctx;
    assert_false(world->in_call);
    world->done++;
    world->healthy = healthy;
    (void)snprintf(world->text, sizeof world->text, "%s", text);
}

static void world_open(struct world *world)
{
    (void)signal(SIGPIPE, SIG_IGN);
    memset(world, 0, sizeof *world);
    assert_int_equal(uv_loop_init(&world->loop), 0);
    world->pool = http_pool_open(&world->loop);
    world->server = fake_http_open(&world->loop, FAKE_TCP);
    world->port = (int)strtol(strrchr(fake_http_url(world->server), ':') + 1, NULL, 10);
}

static void world_close(struct world *world)
{
    http_pool_close(world->pool, world_on_pool_closed, world);
    loop_run_until(&world->loop, &world->pool_closed);
    fake_http_close(world->server);
    loop_must_close(&world->loop);
}

static struct probe_definition check(enum probe_protocol protocol)
{
    return (struct probe_definition){ .protocol = protocol,
                                      .path = "/healthz",
                                      .timeout_ms = 5000,
                                      .status_min = 200,
                                      .status_max = 399 };
}

static struct probe *start(struct world *world, struct probe_definition definition,
                           const char *address, int port)
{
    world->in_call = true;
    world->done = 0;
    struct probe *probe =
        probe_start(&world->loop, world->pool, &definition, address, port, world_on_probed, world);
    world->in_call = false;
    assert_non_null(probe);
    return probe;
}

static void probe_at(struct world *world, struct probe_definition definition, const char *address,
                     int port)
{
    (void)start(world, definition, address, port);
    loop_run_until_count(&world->loop, &world->done, 1);
    loop_run_for(&world->loop, 5);
    assert_int_equal(world->done, 1);
}

static void expect(const struct world *world, bool healthy, const char *text)
{
    if (world->healthy != healthy || !strstr(world->text, text))
        fail_msg("%s: \"%s\", expected %s \"%s\"", world->healthy ? "healthy" : "unhealthy",
                 world->text, healthy ? "healthy" : "unhealthy", text);
}

/* A loopback port that nobody listens on, or that somebody listens on and never accepts. */
static int bound_socket(int *ret_port, int backlog)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    if (backlog >= 0)
        assert_int_equal(listen(fd, backlog), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* ------------------------------------------------------------------ HTTP */

TEST(probe, calls_a_status_within_the_matcher_healthy)
{
    static const struct {
        int status, min, max;
        bool healthy;
    } cases[] = {
        { 200, 200, 399, true },  { 399, 200, 399, true },  { 302, 200, 399, true },
        { 400, 200, 399, false }, { 503, 200, 399, false }, { 204, 204, 204, true },
        { 200, 204, 204, false }, { 401, 200, 499, true },  { 500, 500, 500, true },
    };
    struct world world;
    world_open(&world);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[32];
        struct probe_definition definition = check(PROBE_HTTP);
        definition.status_min = cases[i].min;
        definition.status_max = cases[i].max;
        fake_http_on(world.server, "GET /healthz",
                     (struct fake_answer){ .status = cases[i].status,
                                           .headers = "Location: /elsewhere\r\n" });
        probe_at(&world, definition, "127.0.0.1", world.port);
        (void)snprintf(expected, sizeof expected, "HTTP %d in ", cases[i].status);
        expect(&world, cases[i].healthy, expected);
    }
    assert_int_equal(fake_http_count(world.server, "GET /elsewhere"), 0);
    world_close(&world);
}

TEST(probe, takes_a_new_connection_each_time)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "GET /healthz", (struct fake_answer){ .body = "fine" });
    for (int i = 0; i < 3; i++) {
        probe_at(&world, check(PROBE_HTTP), "127.0.0.1", world.port);
        expect(&world, true, "HTTP 200");
    }
    assert_int_equal(fake_http_connections(world.server), 3);
    world_close(&world);
}

TEST(probe, goes_straight_to_the_task_whatever_proxy_there_is)
{
    struct world world;
    (void)setenv("http_proxy", "http://127.0.0.1:1/", 1);
    (void)setenv("ALL_PROXY", "http://127.0.0.1:1/", 1);
    world_open(&world);
    fake_http_on(world.server, "GET /healthz", (struct fake_answer){ .body = "fine" });
    probe_at(&world, check(PROBE_HTTP), "127.0.0.1", world.port);
    (void)unsetenv("http_proxy");
    (void)unsetenv("ALL_PROXY");
    expect(&world, true, "HTTP 200");
    world_close(&world);
}

TEST(probe, needs_no_more_of_a_long_page_than_its_status)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "GET /healthz", (struct fake_answer){ .filler = 5 * 1024 * 1024 });
    probe_at(&world, check(PROBE_HTTP), "127.0.0.1", world.port);
    expect(&world, true, "HTTP 200");
    fake_http_on(world.server, "GET /healthz",
                 (struct fake_answer){ .status = 500, .filler = 5 * 1024 * 1024 });
    probe_at(&world, check(PROBE_HTTP), "127.0.0.1", world.port);
    expect(&world, false, "HTTP 500");
    world_close(&world);
}

TEST(probe, calls_every_fault_unhealthy_and_says_which)
{
    static const struct {
        enum fake_fault fault;
        const char *text;
    } cases[] = {
        { FAKE_HANG, "no answer within 150 ms" },
        { FAKE_STALL, "no answer within 150 ms" },
        { FAKE_HANG_UP, "GET http://127.0.0.1:" },
        { FAKE_GARBAGE, "GET http://127.0.0.1:" },
        { FAKE_CUT_HEAD, "" },
        { FAKE_CUT, "" },
    };
    struct world world;
    world_open(&world);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct probe_definition definition = check(PROBE_HTTP);
        definition.timeout_ms = 150;
        fake_http_on(world.server, "GET /healthz",
                     (struct fake_answer){ .body = "fine", .fault = cases[i].fault });
        probe_at(&world, definition, "127.0.0.1", world.port);
        expect(&world, false, cases[i].text);
        assert_true(strlen(world.text) > 0);
    }
    fake_http_on(world.server, "GET /healthz",
                 (struct fake_answer){ .body = "fine", .fault = FAKE_BYTEWISE });
    probe_at(&world, check(PROBE_HTTP), "127.0.0.1", world.port);
    expect(&world, true, "HTTP 200");
    world_close(&world);
}

TEST(probe, asks_for_the_root_without_a_path)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "GET / HTTP", (struct fake_answer){ .status = 404 });
    fake_http_on(world.server, "GET /", (struct fake_answer){ .body = "root" });
    struct probe_definition definition = check(PROBE_HTTP);
    definition.path = NULL;
    probe_at(&world, definition, "127.0.0.1", world.port);
    expect(&world, true, "HTTP 200");
    assert_non_null(fake_http_last(world.server, "GET /"));
    assert_string_equal(fake_http_last(world.server, "GET /")->line, "GET /");
    world_close(&world);
}

TEST(probe, says_that_a_connection_is_refused)
{
    struct world world;
    world_open(&world);
    int port, fd = bound_socket(&port, -1);
    probe_at(&world, check(PROBE_HTTP), "127.0.0.1", port);
    expect(&world, false, "connection refused");
    probe_at(&world, check(PROBE_TCP), "127.0.0.1", port);
    expect(&world, false, "connection refused");
    (void)close(fd);
    world_close(&world);
}

/* ------------------------------------------------------------------ TCP */

TEST(probe, calls_a_port_that_accepts_healthy)
{
    struct world world;
    world_open(&world);
    int port, fd = bound_socket(&port, 8);
    probe_at(&world, check(PROBE_TCP), "127.0.0.1", port);
    expect(&world, true, "connected in ");
    (void)close(fd);
    world_close(&world);
}

/* With its backlog full, Linux drops the SYN of the next connection. */
static int silent_port(int *ret_port, int fillers[4])
{
    int fd = bound_socket(ret_port, 0);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                   .sin_port = htons((uint16_t)*ret_port) };
    for (int i = 0; i < 4; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], (struct sockaddr *)&address, sizeof address);
    }
    return fd;
}

TEST(probe, gives_up_at_its_deadline)
{
    struct world world;
    world_open(&world);
    int port, fillers[4], fd = silent_port(&port, fillers);
    static const enum probe_protocol protocols[] = { PROBE_TCP, PROBE_HTTP };
    for (int i = 0; i < 2; i++) {
        struct probe_definition definition = check(protocols[i]);
        definition.timeout_ms = 120;
        uint64_t start_ns = uv_hrtime();
        probe_at(&world, definition, "127.0.0.1", port);
        expect(&world, false, "no answer within 120 ms");
        assert_true(uv_hrtime() - start_ns >= 115 * 1000000ULL);
    }
    for (int i = 0; i < 4; i++)
        (void)close(fillers[i]);
    (void)close(fd);
    world_close(&world);
}

TEST(probe, reaches_ipv6)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    socklen_t len = sizeof address;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        SKIP("this host has no IPv6 loopback");
    struct world world;
    world_open(&world);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    probe_at(&world, check(PROBE_TCP), "::1", ntohs(address.sin6_port));
    expect(&world, true, "connected in ");
    struct probe_definition definition = check(PROBE_HTTP);
    definition.timeout_ms = 100;
    probe_at(&world, definition, "::1", ntohs(address.sin6_port));
    expect(&world, false, "no answer within 100 ms");
    (void)close(fd);
    world_close(&world);
}

/* ------------------------------------------------------------------ both */

TEST(probe, answers_an_unusable_address_from_the_loop)
{
    static const struct {
        const char *address;
        int port;
    } cases[] = {
        { "", 80 },          { "web.local", 80 }, { "127.0.0.1", 0 }, { "127.0.0.1", 65536 },
        { "1.2.3.4.5", 80 }, { ":::", 80 },
    };
    struct world world;
    world_open(&world);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        probe_at(&world, check(PROBE_HTTP), cases[i].address, cases[i].port);
        expect(&world, false, "address");
        probe_at(&world, check(PROBE_TCP), cases[i].address, cases[i].port);
        expect(&world, false, "address");
    }
    world_close(&world);
}

static void cancel(struct world *world, struct probe *probe)
{
    world->in_call = true;
    probe_cancel(probe);
    probe_cancel(probe);
    world->in_call = false;
    loop_run_until_count(&world->loop, &world->done, 1);
    loop_run_for(&world->loop, 5);
    assert_int_equal(world->done, 1);
    expect(world, false, "cancelled");
}

TEST(probe, answers_once_when_it_is_cancelled)
{
    struct world world;
    world_open(&world);
    int port, fillers[4], fd = silent_port(&port, fillers);
    fake_http_on(world.server, "GET /", (struct fake_answer){ .fault = FAKE_HANG });
    cancel(&world, start(&world, check(PROBE_HTTP), "127.0.0.1", world.port));
    cancel(&world, start(&world, check(PROBE_TCP), "127.0.0.1", port));
    cancel(&world, start(&world, check(PROBE_TCP), "nowhere", port));

    struct probe *probe = start(&world, check(PROBE_HTTP), "127.0.0.1", world.port);
    loop_run_for(&world.loop, 30);
    cancel(&world, probe);
    probe = start(&world, check(PROBE_TCP), "127.0.0.1", port);
    loop_run_for(&world.loop, 30);
    cancel(&world, probe);
    for (int i = 0; i < 4; i++)
        (void)close(fillers[i]);
    (void)close(fd);
    world_close(&world);
}

TEST(probe, runs_many_at_a_time)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "GET /", (struct fake_answer){ .body = "fine", .delay_ms = 20 });
    for (int i = 0; i < 64; i++) {
        struct probe_definition definition = check(i % 2 ? PROBE_HTTP : PROBE_TCP);
        (void)probe_start(&world.loop, world.pool, &definition, "127.0.0.1", world.port,
                          world_on_probed, &world);
    }
    loop_run_until_count(&world.loop, &world.done, 64);
    assert_true(world.healthy);
    world_close(&world);
}
