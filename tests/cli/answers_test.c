/* The command against a server that a test scripts: logs, and daemons that misbehave. */
#include <string.h>

#include "tests/lib/fake_http.h"
#include "tests/lib/loop.h"
#include "tests/lib/run_command.h"
#include "tests/lib/test.h"

struct fixture {
    uv_loop_t loop;
    struct fake_http *server;
    struct command_run run;
};

static void start(struct fixture *fixture)
{
    (void)uv_loop_init(&fixture->loop);
    fixture->server = fake_http_open(&fixture->loop, FAKE_UNIX);
}

static void finish(struct fixture *fixture)
{
    command_release(&fixture->run);
    fake_http_close(fixture->server);
    loop_must_close(&fixture->loop);
}

static void begin(struct fixture *fixture, const char *words)
{
    char line[512];
    (void)snprintf(line, sizeof line, "--socket $S %s", words);
    command_release(&fixture->run);
    command_start(&fixture->loop, &fixture->run, fake_http_socket(fixture->server), line);
}

static void end(struct fixture *fixture, int status)
{
    command_await(&fixture->run);
    if (fixture->run.status != status)
        fail_msg("exit code %lld, not %d; stdout: %s stderr: %s", (long long)fixture->run.status,
                 status, str_text(&fixture->run.out), str_text(&fixture->run.err));
}

static void run(struct fixture *fixture, const char *words, int status)
{
    begin(fixture, words);
    end(fixture, status);
}

static void err_has(const struct fixture *fixture, const char *text)
{
    if (!strstr(str_text(&fixture->run.err), text))
        fail_msg("no \"%s\" in stderr: %s", text, str_text(&fixture->run.err));
}

static void await_out(struct fixture *fixture, const char *text)
{
    uint64_t deadline = uv_now(&fixture->loop) + LOOP_PATIENCE_MS;
    while (!strstr(str_text(&fixture->run.out), text) && uv_now(&fixture->loop) < deadline)
        (void)uv_run(&fixture->loop, UV_RUN_ONCE);
    if (!strstr(str_text(&fixture->run.out), text))
        fail_msg("no \"%s\" in stdout: %s", text, str_text(&fixture->run.out));
}

/* ------------------------------------------------------------------ logs */

TEST(logs, are_passed_on_as_they_are)
{
    struct fixture fixture = { 0 };
    start(&fixture);
    fake_http_on(fixture.server, "GET /v1/tasks/1234567/logs",
                 (struct fake_answer){ .body = "one\ntwo\n", .chunked = true });
    run(&fixture, "logs 1234567", 0);
    assert_string_equal(str_text(&fixture.run.out), "one\ntwo\n");
    run(&fixture, "logs 1234567 side/car --tail=5 -f", 0);
    const struct fake_request *request = fake_http_last(fixture.server, "GET /v1/tasks");
    assert_non_null(request);
    assert_non_null(strstr(request->line, "container=side%2Fcar&tail=5&follow=1"));
    finish(&fixture);
}

TEST(logs, are_followed_until_nobody_reads)
{
    struct fixture fixture = { 0 };
    start(&fixture);
    fake_http_on(fixture.server, "GET /v1/tasks", (struct fake_answer){ .stream = true });
    begin(&fixture, "logs 1234567 -f");
    for (int i = 0; i < 2000 && fake_http_count(fixture.server, "GET /v1/tasks") == 0; i++)
        loop_run_for(&fixture.loop, 5);
    fake_http_push(fixture.server, NULL, "first\n", 6);
    await_out(&fixture, "first\n");
    command_stop_reading(&fixture.run);
    end(&fixture, 0); /* although not one more byte comes */
    assert_string_equal(str_text(&fixture.run.err), "");
    finish(&fixture);
}

TEST(logs, end_with_the_container)
{
    struct fixture fixture = { 0 };
    start(&fixture);
    fake_http_on(fixture.server, "GET /v1/tasks", (struct fake_answer){ .stream = true });
    begin(&fixture, "logs 1234567 -f");
    for (int i = 0; i < 2000 && fake_http_count(fixture.server, "GET /v1/tasks") == 0; i++)
        loop_run_for(&fixture.loop, 5);
    fake_http_push(fixture.server, NULL, "last\n", 5);
    await_out(&fixture, "last\n");
    fake_http_finish(fixture.server, NULL);
    end(&fixture, 0);
    finish(&fixture);
}

TEST(logs, are_an_object_per_line_with_o_json)
{
    struct fixture fixture = { 0 };
    start(&fixture);
    fake_http_on(fixture.server, "GET /v1/tasks",
                 (struct fake_answer){ .body = "a \"b\"\n\xff\n\nlast", .fault = FAKE_BYTEWISE });
    run(&fixture, "-o json logs 1234567", 0);
    assert_string_equal(str_text(&fixture.run.out),
                        "{\"line\":\"a \\\"b\\\"\"}\n{\"line\":\"\xEF\xBF\xBD\"}\n"
                        "{\"line\":\"\"}\n{\"line\":\"last\"}\n");
    finish(&fixture);
}

TEST(logs, tell_what_the_daemon_says_instead)
{
    struct fixture fixture = { 0 };
    start(&fixture);
    fake_http_on(fixture.server, "GET /v1/tasks",
                 (struct fake_answer){
                     .status = 400,
                     .body = "{\"code\":\"ContainerNeeded\",\"message\":\"name one of a, b\"}" });
    run(&fixture, "logs 1234567", 1);
    err_has(&fixture, "berth: name one of a, b");
    run(&fixture, "logs 1234567 -o json", 1);
    err_has(&fixture, "{\"code\":\"ContainerNeeded\"");
    assert_int_equal(fixture.run.out.len, 0);
    finish(&fixture);
}

/* ------------------------------------------------------------------ daemons that misbehave */

TEST(command, survives_every_kind_of_broken_answer)
{
    static const struct {
        struct fake_answer answer;
        int status;
        const char *says;
    } list[] = {
        { { .body = "no json" }, 1, "is not JSON" },
        { { .status = 500, .body = "oops" }, 1, "HTTP status 500" },
        { { .status = 403, .body = "{\"code\":\"AccessDenied\",\"message\":\"not you\"}" },
          1,
          "not you" },
        { { .status = 504, .body = "{\"code\":\"TimedOut\",\"message\":\"late\"}" }, 4, "late" },
        { { .fault = FAKE_HANG_UP }, 6, "gives no answer" },
        { { .fault = FAKE_CUT, .body = "{\"cluster\":\"x\"}" }, 6, "gives no answer" },
        { { .fault = FAKE_GARBAGE }, 6, "gives no answer" },
        { { .body = "[]" }, 0, "" },
        { { .body = "{\"desired\":7,\"runtime\":[],\"waits\":{\"a\":1}}" }, 0, "" },
    };
    struct fixture fixture = { 0 };
    start(&fixture);
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        fake_http_reset(fixture.server);
        fake_http_on(fixture.server, "GET /v1/status", list[i].answer);
        run(&fixture, "status", list[i].status);
        err_has(&fixture, list[i].says);
    }
    finish(&fixture);
}

TEST(command, lets_no_control_character_through_to_a_terminal)
{
    struct fixture fixture = { 0 };
    start(&fixture);
    fake_http_on(fixture.server, "GET /v1",
                 (struct fake_answer){
                     .body = "{\"kind\":\"service\",\"text\":\"\\u001b[2Jx\",\"log\":{\"lines\":"
                             "[\"\\u001b[31mred\\u0007\\u009b\"]}}" });
    run(&fixture, "why x", 0);
    assert_non_null(strstr(str_text(&fixture.run.out), " [31mred"));
    assert_null(strpbrk(str_text(&fixture.run.out), "\033\007\x9b"));
    run(&fixture, "events", 0);
    assert_non_null(strstr(str_text(&fixture.run.out), " [2Jx"));
    assert_null(strchr(str_text(&fixture.run.out), '\033'));
    finish(&fixture);
}

#define SERVICE(state_)                                                                            \
    "[{\"status\":\"ACTIVE\",\"digest\":\"d\",\"deployments\":[{\"id\":\"web/1\","                 \
    "\"digest\":\"d\",\"rolloutState\":\"" state_ "\"}]}]"

TEST(wait, outlives_a_restart_of_the_daemon)
{
    struct fixture fixture = { 0 };
    start(&fixture);
    fake_http_on(fixture.server, "POST /v1/poll",
                 (struct fake_answer){ .body = "{\"revision\":1,\"result\":\"same\"}" });
    fake_http_on(fixture.server, "GET /v1/services/web",
                 (struct fake_answer){ .body = SERVICE("IN_PROGRESS") });
    begin(&fixture, "wait web --timeout 15s");
    while (fake_http_count(fixture.server, "GET /v1/services/web") == 0)
        loop_run_for(&fixture.loop, 5);
    fake_http_drop(fixture.server);
    fake_http_refuse(fixture.server);
    loop_run_for(&fixture.loop, 600);
    assert_false(fixture.run.done);
    fake_http_reset(fixture.server);
    fake_http_on(fixture.server, "GET /v1/services/web",
                 (struct fake_answer){ .body = SERVICE("COMPLETED") });
    fake_http_listen(fixture.server);
    end(&fixture, 0);
    finish(&fixture);
}

TEST(wait, says_in_the_end_what_stood_in_the_way)
{
    struct fixture fixture = { 0 };
    start(&fixture);
    fake_http_on(fixture.server, "POST /v1/poll",
                 (struct fake_answer){ .body = "{\"revision\":1,\"result\":\"same\"}" });
    fake_http_on(fixture.server, "GET /v1/services/web",
                 (struct fake_answer){
                     .body = "[{\"status\":\"ACTIVE\",\"deployments\":[],\"waits\":["
                             "{\"text\":\"a call failed\",\"detail\":\"port 80 in use\"}]}]" });
    run(&fixture, "wait web --timeout 300ms", 4);
    err_has(&fixture, "waits for: a call failed: port 80 in use");
    finish(&fixture);
}

TEST(command, survives_tables_of_odd_json)
{
    static const char *const bodies[] = { "[]",
                                          "{}",
                                          "7",
                                          "[7,null,{}]",
                                          "[{\"containers\":7}]",
                                          "{\"steps\":[1],\"changes\":true,\"notes\":[{}]}",
                                          "{\"log\":{\"lines\":[1,null]},\"tasks\":[[]]}" };
    static const char *const commands[] = { "services", "services x", "ps",    "plan",
                                            "why x",    "config",     "events" };
    struct fixture fixture = { 0 };
    start(&fixture);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        fake_http_reset(fixture.server);
        fake_http_on(fixture.server, "GET /v1", (struct fake_answer){ .body = bodies[i] });
        fake_http_on(fixture.server, "POST /v1", (struct fake_answer){ .body = bodies[i] });
        for (size_t k = 0; k < sizeof commands / sizeof commands[0]; k++) {
            begin(&fixture, commands[k]);
            command_await(&fixture.run); /* no signal, no sanitizer */
            assert_true(fixture.run.status <= 2);
            assert_null(strstr(str_text(&fixture.run.err), "ERROR"));
        }
    }
    finish(&fixture);
}
