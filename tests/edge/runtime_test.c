#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "agent/edge/runtime_parse.h"
#include "berth/assert.h"
#include "berth/memory.h"
#include "berth/runtime.h"
#include "tests/lib/fake_http.h"
#include "tests/lib/loop.h"
#include "tests/lib/test.h"

#define VERSION_141                                                                                \
    "{\"Components\":[{\"Name\":\"Engine\"}],\"Version\":\"20.10.24\",\"ApiVersion\":\"1.41\","    \
    "\"MinAPIVersion\":\"1.12\"}"

struct world {
    uv_loop_t loop;
    struct fake_http *server;
    struct runtime *runtime;
    bool closed;
    int hints, full_hints, ups, downs;
    char hint[256], down_text[512];
    int progress;
    char progress_text[200];
};

struct got {
    int done;
    bool ended;
    enum outcome outcome;
    enum blame blame;
    char error[64], text[1100];
    bool was_local;
    struct observed *observed;
    struct runtime *then; /* done() starts another call */
    struct got *then_got;
};

static void on_hint(void *ctx, const char *container)
{
    struct world *world = ctx;
    world->hints++;
    world->full_hints += !container;
    (void)snprintf(world->hint, sizeof world->hint, "%s", container ? container : "(all)");
}

static void on_up(void *ctx, bool up, const char *text)
{
    struct world *world = ctx;
    world->ups += up;
    world->downs += !up;
    if (!up)
        (void)snprintf(world->down_text, sizeof world->down_text, "%s", text);
}

static void on_progress(void *ctx, const char *image, const char *text)
{
    struct world *world = ctx;
    world->progress++;
    (void)snprintf(world->progress_text, sizeof world->progress_text, "%s %s", image, text);
}

static void got_on_done(void *ctx, const struct runtime_result *result)
{
    struct got *got = ctx;
    got->done++;
    got->outcome = result->outcome;
    got->blame = result->blame;
    got->was_local = result->image_was_local;
    (void)snprintf(got->error, sizeof got->error, "%s", result->error);
    (void)snprintf(got->text, sizeof got->text, "%s", result->text);
    got->ended = true;
    if (got->then)
        runtime_start(got->then, "later", got_on_done, got->then_got);
}

static void got_on_look(void *ctx, struct observed *observed, const struct runtime_result *result)
{
    struct got *got = ctx;
    got->observed = observed;
    got_on_done(got, result);
}

static void world_open_with(struct world *world, struct runtime_options options)
{
    (void)signal(SIGPIPE, SIG_IGN);
    memset(world, 0, sizeof *world);
    assert_int_equal(uv_loop_init(&world->loop), 0);
    world->server = fake_http_open(&world->loop, FAKE_UNIX);
    fake_http_on(world->server, "GET /version", (struct fake_answer){ .body = VERSION_141 });
    fake_http_on(world->server, "GET /_ping", (struct fake_answer){ .body = "OK" });
    char url[160];
    (void)snprintf(url, sizeof url, "unix://%s", fake_http_socket(world->server));
    options.url = url;
    options.host_id = "h1";
    struct runtime_listener listener = {
        .on_hint = on_hint, .on_up = on_up, .on_pull_progress = on_progress, .ctx = world
    };
    struct err err = ERR_NONE;
    world->runtime = runtime_open(&world->loop, &options, &listener, &err);
    assert_non_null(world->runtime);
}

static void world_open(struct world *world)
{
    world_open_with(world, (struct runtime_options){ .pull_retry_ms = 1 });
}

static void world_on_closed(void *ctx)
{
    struct world *world = ctx;
    world->closed = true;
}

static void world_close(struct world *world)
{
    runtime_close(world->runtime, world_on_closed, world);
    assert_false(world->closed);
    loop_run_until(&world->loop, &world->closed);
    fake_http_close(world->server);
    loop_must_close(&world->loop);
}

static void finish(struct world *world, struct got *got)
{
    assert_int_equal(got->done, 0);
    loop_run_until(&world->loop, &got->ended);
    assert_int_equal(got->done, 1);
}

#define MESSAGE(text_) "{\"message\":\"" text_ "\"}"

/* ------------------------------------------------------------------ opening, negotiation */

TEST(runtime, refuses_a_url_that_is_no_unix_socket)
{
    static const char *const urls[] = { "tcp://127.0.0.1:2375", "unix://relative.sock", "",
                                        "unix:" };
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    struct runtime_listener listener = { .on_hint = on_hint, .on_up = on_up };
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct err err = ERR_NONE;
        struct runtime_options options = { .url = urls[i], .host_id = "h1" };
        assert_null(runtime_open(&loop, &options, &listener, &err));
        assert_true(err.text[0] != '\0');
    }
    loop_must_close(&loop);
}

TEST(runtime, speaks_the_lower_of_both_versions)
{
    static const struct {
        const char *theirs, *spoken, *name, *body;
    } cases[] = {
        { "1.41", "1.41", "docker", VERSION_141 },
        { "1.52", "1.44", "docker",
          "{\"Version\":\"29.0.0\",\"ApiVersion\":\"1.52\",\"MinAPIVersion\":\"1.44\"}" },
        { "1.41", "1.41", "podman",
          "{\"Components\":[{\"Name\":\"Podman Engine\"}],\"Version\":\"4.3.1\",\"ApiVersion\":"
          "\"1.41\",\"MinAPIVersion\":\"1.24\"}" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world world;
        world_open(&world);
        fake_http_on(world.server, "GET /version", (struct fake_answer){ .body = cases[i].body });
        fake_http_on(world.server, "POST /", (struct fake_answer){ .status = 204 });
        struct got got = { 0 };
        runtime_start(world.runtime, "c", got_on_done, &got);
        finish(&world, &got);
        assert_int_equal(got.outcome, OUTCOME_OK);
        char route[64];
        (void)snprintf(route, sizeof route, "POST /v%s/containers/c/start", cases[i].spoken);
        assert_int_equal(fake_http_count(world.server, route), 1);
        const struct runtime_info *info = runtime_info(world.runtime);
        assert_string_equal(info->name, cases[i].name);
        assert_string_equal(info->api_version, cases[i].spoken);
        assert_true(info->reachable);
        world_close(&world);
    }
}

TEST(runtime, refuses_a_runtime_that_is_too_old_or_too_new)
{
    static const char *const bodies[] = {
        "{\"Version\":\"18.09\",\"ApiVersion\":\"1.39\"}",
        "{\"Version\":\"40\",\"ApiVersion\":\"1.70\",\"MinAPIVersion\":\"1.60\"}",
        "{\"Version\":\"1\"}",
        "[]",
        "not JSON",
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct world world;
        world_open(&world);
        fake_http_on(world.server, "GET /version", (struct fake_answer){ .body = bodies[i] });
        struct got got = { 0 };
        runtime_start(world.runtime, "c", got_on_done, &got);
        finish(&world, &got);
        print_message("%s\n", got.text);
        assert_int_equal(got.outcome, OUTCOME_UNKNOWN);
        assert_true(strstr(got.text, "API") || strstr(got.text, "/version"));
        assert_int_equal(fake_http_count(world.server, "POST /"), 0);
        assert_false(runtime_info(world.runtime)->reachable);
        world_close(&world);
    }
}

TEST(runtime, negotiates_once_for_many_calls_and_again_after_a_lost_connection)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "POST /", (struct fake_answer){ .status = 204 });
    struct got got[10] = { 0 };
    for (int i = 0; i < 10; i++)
        runtime_start(world.runtime, "c", got_on_done, &got[i]);
    for (int i = 0; i < 10; i++)
        loop_run_until(&world.loop, &got[i].ended);
    assert_int_equal(fake_http_count(world.server, "GET /version"), 1);

    fake_http_refuse(world.server);
    fake_http_drop(world.server);
    struct got lost = { 0 };
    runtime_start(world.runtime, "c", got_on_done, &lost);
    finish(&world, &lost);
    assert_int_equal(lost.outcome, OUTCOME_UNKNOWN);
    assert_false(runtime_info(world.runtime)->reachable);

    fake_http_listen(world.server);
    fake_http_on(world.server, "GET /version",
                 (struct fake_answer){ .body = "{\"ApiVersion\":\"1.43\"}" });
    struct got back = { 0 };
    runtime_start(world.runtime, "c", got_on_done, &back);
    finish(&world, &back);
    assert_int_equal(back.outcome, OUTCOME_OK);
    assert_int_equal(fake_http_count(world.server, "POST /v1.43/containers/c/start"), 1);
    world_close(&world);
}

TEST(runtime, says_what_is_wrong_when_the_socket_is_missing)
{
    struct world world;
    world_open(&world);
    fake_http_refuse(world.server);
    struct got got = { 0 };
    runtime_look(world.runtime, NULL, got_on_look, &got);
    finish(&world, &got);
    assert_int_equal(got.outcome, OUTCOME_UNKNOWN);
    assert_null(got.observed);
    assert_non_null(strstr(got.text, fake_http_socket(world.server)));
    world_close(&world);
}

/* ------------------------------------------------------------------ calls */

TEST(runtime, asks_for_exactly_what_was_meant)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "POST /", (struct fake_answer){ .status = 204 });
    fake_http_on(world.server, "DELETE /", (struct fake_answer){ .status = 204 });
    fake_http_on(world.server, "POST /v1.41/containers/create",
                 (struct fake_answer){ .status = 201, .body = "{\"Id\":\"1\"}" });
    struct got got[6] = { 0 };
    runtime_create(world.runtime, "a/b c", "{\"Image\":\"x\"}", 13, got_on_done, &got[0]);
    runtime_start(world.runtime, "web", got_on_done, &got[1]);
    runtime_stop(world.runtime, "web", 1500, got_on_done, &got[2]);
    runtime_stop(world.runtime, "web", 0, got_on_done, &got[3]);
    runtime_kill(world.runtime, "web", "SIGHUP", got_on_done, &got[4]);
    runtime_remove(world.runtime, "web", got_on_done, &got[5]);
    for (int i = 0; i < 6; i++) {
        loop_run_until(&world.loop, &got[i].ended);
        assert_int_equal(got[i].outcome, OUTCOME_OK);
    }
    const char *const lines[] = {
        "POST /v1.41/containers/create?name=a%2Fb%20c",  "POST /v1.41/containers/web/start",
        "POST /v1.41/containers/web/stop?t=2",           "POST /v1.41/containers/web/stop?t=0",
        "POST /v1.41/containers/web/kill?signal=SIGHUP", "DELETE /v1.41/containers/web?v=true",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        const struct fake_request *request = fake_http_last(world.server, lines[i]);
        assert_non_null(request);
        assert_string_equal(request->line, lines[i]);
    }
    assert_string_equal(fake_http_last(world.server, lines[0])->body, "{\"Image\":\"x\"}");
    world_close(&world);
}

TEST(runtime, a_refusal_carries_the_runtimes_words)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "POST /v1.41/containers/web/start",
                 (struct fake_answer){ .status = 500,
                                       .body = MESSAGE("Bind for 0.0.0.0:80 failed: port is "
                                                       "already allocated") });
    struct got got = { 0 };
    runtime_start(world.runtime, "web", got_on_done, &got);
    finish(&world, &got);
    assert_int_equal(got.outcome, OUTCOME_REFUSED);
    assert_int_equal(got.blame, BLAME_HOST);
    assert_string_equal(got.error, "CannotStartContainerError");
    assert_non_null(strstr(got.text, "start web"));
    assert_non_null(strstr(got.text, "port is already allocated"));
    world_close(&world);
}

TEST(runtime, every_fault_of_the_socket_leaves_a_call_unknown)
{
    static const enum fake_fault faults[] = { FAKE_HANG,  FAKE_HANG_UP,  FAKE_CUT,
                                              FAKE_STALL, FAKE_CUT_HEAD, FAKE_GARBAGE };
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        struct world world;
        world_open_with(&world, (struct runtime_options){ .call_timeout_ms = 30 });
        fake_http_on(
            world.server, "POST /",
            (struct fake_answer){ .status = 201, .body = "{\"Id\":\"abc\"}", .fault = faults[i] });
        struct got got = { 0 };
        runtime_create(world.runtime, "web", "{}", 2, got_on_done, &got);
        finish(&world, &got);
        assert_int_equal(got.outcome, OUTCOME_UNKNOWN);
        bool late = faults[i] == FAKE_HANG || faults[i] == FAKE_STALL;
        assert_string_equal(got.error, late ? "DockerTimeoutError" : "CannotCreateContainerError");
        assert_non_null(strstr(got.text, "create web: "));
        world_close(&world);
    }
}

TEST(runtime, a_call_that_hangs_holds_up_no_other)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "POST /v1.41/containers/hang",
                 (struct fake_answer){ .fault = FAKE_HANG });
    fake_http_on(world.server, "POST /v1.41/containers/fine",
                 (struct fake_answer){ .status = 204 });
    struct got hung[50] = { 0 }, fine = { 0 };
    for (int i = 0; i < 50; i++)
        runtime_stop(world.runtime, "hang", 1000, got_on_done, &hung[i]);
    runtime_start(world.runtime, "fine", got_on_done, &fine);
    finish(&world, &fine);
    world_close(&world);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(hung[i].done, 1);
        assert_int_equal(hung[i].outcome, OUTCOME_UNKNOWN);
        assert_string_equal(hung[i].text, "cancelled");
    }
}

TEST(runtime, closing_ends_calls_that_still_wait_for_the_version_and_new_ones)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "GET /version", (struct fake_answer){ .fault = FAKE_HANG });
    struct got later = { 0 }, got = { .then = world.runtime, .then_got = &later };
    struct got look = { 0 }, pull = { 0 };
    runtime_start(world.runtime, "c", got_on_done, &got);
    runtime_look(world.runtime, NULL, got_on_look, &look);
    runtime_pull(world.runtime, "a:1", PULL_IF_ABSENT, got_on_done, &pull);
    runtime_watch(world.runtime);
    loop_run_for(&world.loop, 10);
    assert_int_equal(got.done, 0);
    world_close(&world);
    assert_int_equal(got.done, 1);
    assert_int_equal(later.done, 1);
    assert_int_equal(look.done, 1);
    assert_int_equal(pull.done, 1);
    assert_string_equal(got.text, "cancelled");
    assert_string_equal(later.text, "cancelled");
    assert_string_equal(pull.text, "cancelled");
    assert_int_equal(pull.outcome, OUTCOME_UNKNOWN);
    assert_null(look.observed);
}

TEST(runtime, one_that_was_never_used_closes)
{
    struct world world;
    world_open(&world);
    world_close(&world);
}

/* ------------------------------------------------------------------ look */

static const char inspect_body[] =
    "{\"Id\":\"%s\",\"Name\":\"/%s\",\"Created\":\"2026-01-01T00:00:00Z\",\"Image\":\"sha256:0\","
    "\"State\":{\"Status\":\"running\",\"Running\":true,\"Pid\":7,\"ExitCode\":0,"
    "\"StartedAt\":\"2026-01-01T00:00:01Z\"},\"Config\":{\"Image\":\"x:1\",\"Labels\":{"
    "\"io.berth.host\":\"h1\"}},\"HostConfig\":{},\"NetworkSettings\":{}}";

static char bodies[100][1024];

static void add_container(struct world *world, int i)
{
    char id[65], name[32], route[128];
    (void)snprintf(id, sizeof id, "%064d", i);
    (void)snprintf(name, sizeof name, "c%d", i);
    (void)snprintf(bodies[i], sizeof bodies[i], inspect_body, id, name);
    (void)snprintf(route, sizeof route, "GET /v1.41/containers/%s/json", id);
    fake_http_on(world->server, route, (struct fake_answer){ .body = bodies[i] });
}

static char *list_of(int count)
{
    AUTO_STR struct str list;
    str_init(&list, 1024 * 1024);
    str_add(&list, "[");
    for (int i = 0; i < count; i++)
        str_addf(&list, "%s{\"Id\":\"%064d\",\"Names\":[\"/c%d\"]}", i ? "," : "", i, i);
    str_add(&list, "]");
    return str_take(&list);
}

static int unclear_count(const struct observed *observed)
{
    int count = 0;
    for (size_t i = 0; i < observed->count; i++)
        count += observed->containers[i].unclear;
    return count;
}

TEST(runtime, a_full_look_lists_by_our_label_and_inspects_each)
{
    struct world world;
    world_open(&world);
    AUTO_FREE char *list = list_of(40);
    fake_http_on(world.server, "GET /v1.41/containers/json", (struct fake_answer){ .body = list });
    for (int i = 0; i < 40; i++)
        add_container(&world, i);
    struct got got = { 0 };
    runtime_look(world.runtime, "", got_on_look, &got);
    finish(&world, &got);
    assert_int_equal(got.outcome, OUTCOME_OK);
    assert_non_null(got.observed);
    assert_true(got.observed->full);
    assert_int_equal(got.observed->count, 40);
    /* At most 8 at once, and the connections of the first 8 are used again. */
    assert_true(fake_http_connections(world.server) <= 9);
    const char *line = fake_http_last(world.server, "GET /v1.41/containers/json")->line;
    assert_string_equal(line, "GET /v1.41/containers/json?all=true&filters="
                              "%7B%22label%22%3A%5B%22io.berth.host%3Dh1%22%5D%7D");
    observed_free(got.observed);
    world_close(&world);
}

TEST(runtime, a_full_look_of_an_empty_host_is_empty)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "GET /v1.41/containers/json", (struct fake_answer){ .body = "[]" });
    struct got got = { 0 };
    runtime_look(world.runtime, NULL, got_on_look, &got);
    finish(&world, &got);
    assert_int_equal(got.outcome, OUTCOME_OK);
    assert_int_equal(got.observed->count, 0);
    observed_free(got.observed);
    world_close(&world);
}

TEST(runtime, what_vanishes_between_list_and_inspect_is_gone_and_what_cannot_be_read_is_unclear)
{
    struct world world;
    world_open_with(&world, (struct runtime_options){ .call_timeout_ms = 150 });
    AUTO_FREE char *list = list_of(5);
    fake_http_on(world.server, "GET /v1.41/containers/json", (struct fake_answer){ .body = list });
    add_container(&world, 0);
    char route[128];
    const struct fake_answer odd[] = {
        { .status = 404, .body = MESSAGE("No such container: 1") },
        { .fault = FAKE_HANG },
        { .status = 500, .body = MESSAGE("boom") },
        { .body = "[1,2" },
    };
    for (int i = 1; i < 5; i++) {
        (void)snprintf(route, sizeof route, "GET /v1.41/containers/%064d/json", i);
        fake_http_on(world.server, route, odd[i - 1]);
    }
    struct got got = { 0 };
    runtime_look(world.runtime, NULL, got_on_look, &got);
    finish(&world, &got);
    assert_int_equal(got.outcome, OUTCOME_OK);
    assert_int_equal(got.observed->count, 4);
    assert_int_equal(unclear_count(got.observed), 3);
    observed_free(got.observed);
    world_close(&world);
}

TEST(runtime, inspects_that_all_hang_do_not_add_up)
{
    struct world world;
    world_open_with(&world, (struct runtime_options){ .call_timeout_ms = 40 });
    AUTO_FREE char *list = list_of(500);
    fake_http_on(world.server, "GET /v1.41/containers/json", (struct fake_answer){ .body = list });
    fake_http_on(world.server, "GET /v1.41/containers/0",
                 (struct fake_answer){ .fault = FAKE_HANG });
    struct got got = { 0 };
    runtime_look(world.runtime, NULL, got_on_look, &got);
    finish(&world, &got);
    assert_int_equal(got.outcome, OUTCOME_OK);
    assert_int_equal(got.observed->count, 500);
    assert_int_equal(unclear_count(got.observed), 500);
    assert_true(fake_http_count(world.server, "GET /v1.41/containers/0") <= 5 * 8);
    observed_free(got.observed);
    world_close(&world);
}

TEST(runtime, a_look_whose_list_fails_says_nothing)
{
    static const char *const lists[] = { "{}", "[{}]", "[{\"Id\":7}]", "garbage", "" };
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        struct world world;
        world_open(&world);
        fake_http_on(world.server, "GET /v1.41/containers/json",
                     (struct fake_answer){ .body = lists[i] });
        struct got got = { 0 };
        runtime_look(world.runtime, NULL, got_on_look, &got);
        finish(&world, &got);
        assert_null(got.observed);
        assert_int_equal(got.outcome, OUTCOME_UNKNOWN);
        assert_string_equal(got.error, "CannotListContainersError");
        assert_true(got.text[0] != '\0');
        world_close(&world);
    }
}

TEST(runtime, a_look_that_loses_the_connection_between_inspects_says_nothing)
{
    struct world world;
    world_open(&world);
    AUTO_FREE char *list = list_of(20);
    fake_http_on(world.server, "GET /v1.41/containers/json", (struct fake_answer){ .body = list });
    for (int i = 0; i < 20; i++)
        add_container(&world, i);
    char route[128];
    (void)snprintf(route, sizeof route, "GET /v1.41/containers/%064d/json", 11);
    fake_http_on(world.server, route, (struct fake_answer){ .fault = FAKE_HANG_UP });
    struct got got = { 0 };
    runtime_look(world.runtime, NULL, got_on_look, &got);
    finish(&world, &got);
    assert_null(got.observed);
    assert_int_equal(got.outcome, OUTCOME_UNKNOWN);
    world_close(&world);
}

TEST(runtime, a_scoped_look_inspects_one_and_knows_when_it_is_gone)
{
    struct world world;
    world_open(&world);
    char body[1024];
    (void)snprintf(body, sizeof body, inspect_body, "abc", "web");
    fake_http_on(world.server, "GET /v1.41/containers/web/json",
                 (struct fake_answer){ .body = body });
    fake_http_on(world.server, "GET /v1.41/containers/gone/json",
                 (struct fake_answer){ .status = 404, .body = MESSAGE("No such container: gone") });
    fake_http_on(world.server, "GET /v1.41/containers/sick/json",
                 (struct fake_answer){ .status = 500, .body = MESSAGE("boom") });
    struct got web = { 0 }, gone = { 0 }, sick = { 0 };
    runtime_look(world.runtime, "web", got_on_look, &web);
    runtime_look(world.runtime, "gone", got_on_look, &gone);
    runtime_look(world.runtime, "sick", got_on_look, &sick);
    loop_run_until(&world.loop, &web.ended);
    loop_run_until(&world.loop, &gone.ended);
    loop_run_until(&world.loop, &sick.ended);
    assert_false(web.observed->full);
    assert_string_equal(web.observed->asked, "web");
    assert_int_equal(web.observed->count, 1);
    assert_int_equal(gone.outcome, OUTCOME_OK);
    assert_int_equal(gone.observed->count, 0);
    assert_null(sick.observed);
    assert_int_equal(sick.outcome, OUTCOME_UNKNOWN);
    observed_free(web.observed);
    observed_free(gone.observed);
    assert_int_equal(fake_http_count(world.server, "GET /v1.41/containers/json"), 0);
    world_close(&world);
}

/* ------------------------------------------------------------------ pull */

#define PULLED                                                                                     \
    "{\"status\":\"Pulling from library/web\",\"id\":\"1\"}\r\n"                                   \
    "{\"status\":\"Downloading\",\"progress\":\"[=> ] 1B/2B\",\"id\":\"3f4d\"}\r\n"                \
    "{\"status\":\"Status: Downloaded newer image for web:1\"}\r\n"
#define PULL_ERROR(text_)                                                                          \
    "{\"errorDetail\":{\"message\":\"" text_ "\"},\"error\":\"" text_ "\"}\r\n"

static void pull(struct world *world, const char *image, enum pull_mode mode, struct got *got)
{
    memset(got, 0, sizeof *got);
    runtime_pull(world->runtime, image, mode, got_on_done, got);
    finish(world, got);
}

TEST(runtime, an_image_that_is_local_needs_no_pull)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "GET /v1.41/images/", (struct fake_answer){ .body = "{}" });
    struct got got;
    pull(&world, "r.example:5000/team/web@sha256:00", PULL_IF_ABSENT, &got);
    assert_int_equal(got.outcome, OUTCOME_OK);
    assert_true(got.was_local);
    assert_string_equal(fake_http_last(world.server, "GET /v1.41/images")->line,
                        "GET /v1.41/images/r.example%3A5000/team/web%40sha256%3A00/json");
    assert_int_equal(fake_http_count(world.server, "POST /"), 0);
    world_close(&world);
}

TEST(runtime, an_absent_image_is_pulled_with_its_progress)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "GET /v1.41/images/",
                 (struct fake_answer){ .status = 404, .body = MESSAGE("No such image: web:1") });
    fake_http_on(world.server, "POST /v1.41/images/create",
                 (struct fake_answer){ .body = PULLED, .chunked = true, .fault = FAKE_BYTEWISE });
    struct got got;
    pull(&world, "web", PULL_IF_ABSENT, &got);
    assert_int_equal(got.outcome, OUTCOME_OK);
    assert_false(got.was_local);
    assert_true(world.progress >= 1);
    assert_string_equal(world.progress_text, "web 1: Pulling from library/web");
    assert_string_equal(fake_http_last(world.server, "POST /")->line,
                        "POST /v1.41/images/create?fromImage=web&tag=latest");
    world_close(&world);
}

TEST(runtime, an_error_line_inside_a_200_is_an_error)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "POST /v1.41/images/create",
                 (struct fake_answer){ .body = PULL_ERROR("manifest unknown") });
    struct got got;
    pull(&world, "web:9", PULL_MUST, &got);
    assert_int_equal(got.outcome, OUTCOME_REFUSED);
    assert_int_equal(got.blame, BLAME_IMAGE);
    assert_string_equal(got.error, "CannotPullContainerError");
    assert_string_equal(got.text, "pull web:9: manifest unknown");
    assert_int_equal(fake_http_count(world.server, "POST /"), 1);
    world_close(&world);
}

TEST(runtime, only_what_may_pass_by_itself_is_tried_again_and_only_so_often)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "POST /v1.41/images/create",
                 (struct fake_answer){ .status = 404,
                                       .body = MESSAGE("pull access denied for web, repository "
                                                       "does not exist") });
    struct got got;
    pull(&world, "web:1", PULL_MUST, &got);
    assert_int_equal(got.blame, BLAME_IMAGE);
    assert_int_equal(fake_http_count(world.server, "POST /"), 1);

    fake_http_on(world.server, "POST /v1.41/images/create",
                 (struct fake_answer){ .body = PULL_ERROR("dial tcp: i/o timeout") });
    pull(&world, "web:1", PULL_MUST, &got);
    assert_int_equal(got.outcome, OUTCOME_REFUSED);
    assert_int_equal(got.blame, BLAME_HOST);
    assert_int_equal(fake_http_count(world.server, "POST /"), 1 + 5);

    fake_http_on(world.server, "POST /v1.41/images/create", (struct fake_answer){ .body = PULLED });
    fake_http_on(world.server, "POST /v1.41/images/create",
                 (struct fake_answer){ .status = 500, .body = MESSAGE("EOF"), .times = 1 });
    fake_http_on(world.server, "POST /v1.41/images/create",
                 (struct fake_answer){ .body = PULLED, .fault = FAKE_CUT, .times = 1 });
    pull(&world, "web:1", PULL_MUST, &got);
    assert_int_equal(got.outcome, OUTCOME_OK);
    assert_int_equal(fake_http_count(world.server, "POST /"), 1 + 5 + 3);
    world_close(&world);
}

TEST(runtime, asking_the_registry_falls_back_to_a_local_image_without_waiting)
{
    struct world world;
    world_open_with(&world, (struct runtime_options){ .pull_retry_ms = SECONDS(60) });
    fake_http_on(world.server, "GET /v1.41/images/", (struct fake_answer){ .body = "{}" });
    fake_http_on(world.server, "POST /v1.41/images/create",
                 (struct fake_answer){ .status = 500, .body = MESSAGE("dial tcp: timeout") });
    struct got got;
    pull(&world, "web:1", PULL_ASK, &got);
    assert_int_equal(got.outcome, OUTCOME_OK);
    assert_true(got.was_local);
    assert_non_null(strstr(got.text, "dial tcp"));
    assert_int_equal(fake_http_count(world.server, "POST /"), 1);

    fake_http_on(world.server, "POST /v1.41/images/create",
                 (struct fake_answer){ .body = "{\"status\":\"Status: Image is up to date for "
                                               "web:1\"}\n" });
    pull(&world, "web:1", PULL_ASK, &got);
    assert_int_equal(got.outcome, OUTCOME_OK);
    assert_true(got.was_local);
    world_close(&world);
}

TEST(runtime, asking_the_registry_for_what_is_nowhere_fails_after_retries)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "GET /v1.41/images/",
                 (struct fake_answer){ .status = 404, .body = MESSAGE("No such image") });
    fake_http_on(world.server, "POST /v1.41/images/create",
                 (struct fake_answer){ .status = 500, .body = MESSAGE("dial tcp: timeout") });
    struct got got;
    pull(&world, "web:1", PULL_ASK, &got);
    assert_int_equal(got.outcome, OUTCOME_REFUSED);
    assert_int_equal(got.blame, BLAME_HOST);
    assert_int_equal(fake_http_count(world.server, "POST /"), 5);
    assert_int_equal(fake_http_count(world.server, "GET /v1.41/images/"), 1);
    world_close(&world);
}

TEST(runtime, a_pull_that_falls_silent_is_given_up)
{
    struct world world;
    world_open_with(&world,
                    (struct runtime_options){ .pull_inactivity_ms = 30, .pull_retry_ms = 1 });
    fake_http_on(world.server, "POST /v1.41/images/create",
                 (struct fake_answer){ .body = PULLED, .fault = FAKE_STALL });
    struct got got;
    pull(&world, "web:1", PULL_MUST, &got);
    assert_int_equal(got.outcome, OUTCOME_REFUSED);
    assert_int_equal(got.blame, BLAME_HOST);
    assert_string_equal(got.error, "CannotPullContainerError");
    assert_string_equal(got.text, "pull web:1: silent for 0.03 s");
    assert_string_equal(world.progress_text, "web:1 attempt 5 of 5 follows: silent for 0.03 s");
    assert_int_equal(fake_http_count(world.server, "POST /"), 5);
    world_close(&world);
}

TEST(runtime, a_pull_that_goes_on_for_ever_is_given_up_in_total)
{
    struct world world;
    world_open_with(&world, (struct runtime_options){ .pull_total_ms = 60, .pull_retry_ms = 1 });
    fake_http_on(world.server, "POST /v1.41/images/create",
                 (struct fake_answer){ .body = PULLED, .fault = FAKE_STALL });
    struct got got;
    pull(&world, "web:1", PULL_MUST, &got);
    assert_int_equal(got.outcome, OUTCOME_REFUSED);
    assert_string_equal(got.text, "pull web:1: not done within 0.06 s");
    assert_int_equal(fake_http_count(world.server, "POST /"), 1);
    world_close(&world);
}

TEST(runtime, the_progress_of_a_pull_is_told_in_numbers)
{
    struct world world;
    world_open(&world);
    const char *lines =
        "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":1,\"total\":2},"
        "\"progress\":\"[=========================>                         ]  1.2MB/3MB\","
        "\"id\":\"3f4d\"}\r\n";
    fake_http_on(world.server, "POST /v1.41/images/create", (struct fake_answer){ .body = lines });
    struct got got;
    pull(&world, "web:1", PULL_MUST, &got);
    assert_int_equal(got.outcome, OUTCOME_OK);
    assert_string_equal(world.progress_text, "web:1 3f4d: Downloading 1.2MB/3MB");
    world_close(&world);
}

#define CREATE_A "POST /v1.41/images/create?fromImage=a&"
#define CREATE_B "POST /v1.41/images/create?fromImage=b&"
#define LOADING "{\"status\":\"Downloading\",\"id\":\"1\"}\n"

TEST(runtime, a_pull_that_waits_for_the_layers_of_another_is_not_given_up)
{
    struct world world;
    world_open_with(&world,
                    (struct runtime_options){ .pull_inactivity_ms = 400, .pull_retry_ms = 1 });
    fake_http_on(world.server, CREATE_A, (struct fake_answer){ .stream = true });
    fake_http_on(world.server, CREATE_B, (struct fake_answer){ .stream = true });
    struct got a = { 0 }, b = { 0 };
    runtime_pull(world.runtime, "a:1", PULL_MUST, got_on_done, &a);
    runtime_pull(world.runtime, "b:1", PULL_MUST, got_on_done, &b);
    while (fake_http_count(world.server, CREATE_B) == 0)
        (void)uv_run(&world.loop, UV_RUN_ONCE);
    const char *waiting = "{\"status\":\"Waiting\",\"id\":\"2\"}\n";
    fake_http_push(world.server, CREATE_B, waiting, strlen(waiting));
    for (int i = 0; i < 20; i++) {
        fake_http_push(world.server, CREATE_A, LOADING, strlen(LOADING));
        loop_run_for(&world.loop, 50);
    }
    assert_int_equal(fake_http_count(world.server, CREATE_B), 1);
    /* Once nothing moves any more, it is as silent as any other. */
    fake_http_finish(world.server, CREATE_A);
    loop_run_until(&world.loop, &a.ended);
    assert_int_equal(a.outcome, OUTCOME_OK);
    while (fake_http_count(world.server, CREATE_B) == 1)
        (void)uv_run(&world.loop, UV_RUN_ONCE);
    assert_false(b.ended);
    world_close(&world);
    assert_int_equal(b.done, 1);
}

TEST(runtime, a_reference_that_is_none_is_refused_without_a_call)
{
    struct world world;
    world_open(&world);
    struct got got;
    pull(&world, ":", PULL_MUST, &got);
    assert_int_equal(got.outcome, OUTCOME_REFUSED);
    assert_int_equal(got.blame, BLAME_IMAGE);
    assert_int_equal(fake_http_count(world.server, "POST /"), 0);
    world_close(&world);
}

TEST(runtime, closing_ends_a_pull_that_waits_for_its_next_attempt)
{
    struct world world;
    world_open_with(&world, (struct runtime_options){ .pull_retry_ms = SECONDS(60) });
    fake_http_on(world.server, "POST /v1.41/images/create",
                 (struct fake_answer){ .status = 500, .body = MESSAGE("EOF") });
    struct got got = { 0 };
    runtime_pull(world.runtime, "web:1", PULL_MUST, got_on_done, &got);
    while (fake_http_count(world.server, "POST /") == 0)
        (void)uv_run(&world.loop, UV_RUN_ONCE);
    loop_run_for(&world.loop, 20);
    assert_int_equal(got.done, 0);
    world_close(&world);
    assert_int_equal(got.done, 1);
    assert_int_equal(got.outcome, OUTCOME_UNKNOWN);
}

/* ------------------------------------------------------------------ events */

#define EVENT(action_, name_, time_)                                                               \
    "{\"status\":\"" action_ "\",\"id\":\"abc\",\"Type\":\"container\",\"Action\":\"" action_      \
    "\",\"Actor\":{\"ID\":\"abc\",\"Attributes\":{\"name\":\"" name_ "\"}},\"time\":" time_        \
    ",\"timeNano\":" time_ "000000001}\n"

static void push(struct world *world, const char *text)
{
    fake_http_push(world->server, "GET /v1.41/events", text, strlen(text));
}

TEST(runtime, watching_hints_at_everything_first_and_then_at_each_container)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "GET /v1.41/events", (struct fake_answer){ .stream = true });
    runtime_watch(world.runtime);
    loop_run_until_count(&world.loop, &world.hints, 1);
    assert_int_equal(world.full_hints, 1);
    assert_int_equal(world.ups, 1);
    push(&world, EVENT("die", "web", "1700000000"));
    loop_run_until_count(&world.loop, &world.hints, 2);
    assert_string_equal(world.hint, "web");
    /* Cut anywhere, several in one piece, a line that is none. */
    push(&world, "{\"Action\":\"start\",\"Actor\":{\"ID\":\"d");
    push(&world, "ef\"}}\nnonsense\n" EVENT("stop", "db", "1700000001"));
    loop_run_until_count(&world.loop, &world.hints, 5);
    assert_string_equal(world.hint, "db");
    assert_int_equal(world.full_hints, 2);
    const char *line = fake_http_last(world.server, "GET /v1.41/events")->line;
    assert_non_null(strstr(line, "%22container%22"));
    assert_non_null(strstr(line, "io.berth.host%3Dh1"));
    assert_non_null(strstr(line, "%22oom%22"));
    assert_null(strstr(line, "since="));
    world_close(&world);
}

TEST(runtime, a_stream_that_ends_is_opened_again_from_the_last_event)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "GET /v1.41/events", (struct fake_answer){ .stream = true });
    runtime_watch(world.runtime);
    loop_run_until_count(&world.loop, &world.full_hints, 1);
    push(&world, EVENT("die", "web", "1700000000"));
    loop_run_until_count(&world.loop, &world.hints, 2);
    fake_http_finish(world.server, NULL);
    loop_run_until_count(&world.loop, &world.full_hints, 2);
    assert_non_null(
        strstr(fake_http_last(world.server, "GET /v1.41/events")->line, "&since=1700000000"));
    assert_int_equal(fake_http_count(world.server, "GET /version"), 2);
    assert_int_equal(world.downs, 0);
    fake_http_drop(world.server);
    loop_run_until_count(&world.loop, &world.full_hints, 3);
    assert_int_equal(world.downs, 1);
    assert_int_equal(world.ups, 2);
    world_close(&world);
}

TEST(runtime, says_once_that_the_runtime_is_down_and_once_that_it_is_back)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "GET /v1.41/events", (struct fake_answer){ .stream = true });
    fake_http_refuse(world.server);
    runtime_watch(world.runtime);
    loop_run_until_count(&world.loop, &world.downs, 1);
    print_message("%s\n", world.down_text);
    assert_non_null(strstr(world.down_text, fake_http_socket(world.server)));
    loop_run_for(&world.loop, 300);
    assert_int_equal(world.downs, 1);
    assert_int_equal(world.hints, 0);
    fake_http_listen(world.server);
    loop_run_until_count(&world.loop, &world.ups, 1);
    assert_int_equal(world.full_hints, 1);
    world_close(&world);
}

TEST(runtime, a_stream_that_is_refused_again_and_again_is_asked_for_ever_more_slowly)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "GET /v1.41/events",
                 (struct fake_answer){ .status = 500, .body = MESSAGE("boom") });
    runtime_watch(world.runtime);
    loop_run_for(&world.loop, 700);
    int tries = fake_http_count(world.server, "GET /v1.41/events");
    assert_true(tries >= 2 && tries <= 6);
    assert_non_null(strstr(world.down_text, "boom"));
    /* So is one that opens and ends at once. */
    fake_http_on(world.server, "GET /v1.41/events", (struct fake_answer){ .chunked = true });
    loop_run_for(&world.loop, 300);
    assert_true(fake_http_count(world.server, "GET /v1.41/events") <= tries + 3);
    world_close(&world);
}

TEST(runtime, a_line_without_end_costs_no_memory_and_hints_at_everything)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "GET /v1.41/events", (struct fake_answer){ .stream = true });
    runtime_watch(world.runtime);
    loop_run_until_count(&world.loop, &world.full_hints, 1);
    AUTO_FREE char *junk = memory_alloc(EVENT_LINE_MAX * 4 + 1);
    memset(junk, '{', EVENT_LINE_MAX * 4);
    push(&world, junk);
    push(&world, "\n" EVENT("die", "web", "1700000000"));
    loop_run_until_count(&world.loop, &world.hints, 3);
    assert_int_equal(world.full_hints, 2);
    assert_string_equal(world.hint, "web");
    world_close(&world);
}

TEST(runtime, a_quiet_stream_stays_as_long_as_the_runtime_answers_a_ping)
{
    struct world world;
    world_open_with(&world, (struct runtime_options){ .ping_interval_ms = 10 });
    fake_http_on(world.server, "GET /v1.41/events", (struct fake_answer){ .stream = true });
    runtime_watch(world.runtime);
    while (fake_http_count(world.server, "GET /_ping") < 5)
        (void)uv_run(&world.loop, UV_RUN_ONCE);
    assert_int_equal(fake_http_count(world.server, "GET /v1.41/events"), 1);
    fake_http_on(world.server, "GET /_ping", (struct fake_answer){ .fault = FAKE_HANG_UP });
    loop_run_until_count(&world.loop, &world.downs, 1);
    print_message("%s\n", world.down_text);
    assert_non_null(strstr(world.down_text, "/_ping"));
    fake_http_on(world.server, "GET /_ping", (struct fake_answer){ .body = "OK" });
    loop_run_until_count(&world.loop, &world.ups, 2);
    assert_true(fake_http_count(world.server, "GET /v1.41/events") >= 2);
    world_close(&world);
}

/* ------------------------------------------------------------------ logs */

struct reader {
    struct str out, err;
    int pieces, stop_after, pause_after, cancel_after;
    struct runtime_logs *logs;
};

static bool reader_on_data(void *ctx, bool is_stderr, const char *bytes, size_t len)
{
    struct reader *reader = ((struct reader **)ctx)[1];
    str_add_len(is_stderr ? &reader->err : &reader->out, bytes, len);
    reader->pieces++;
    if (reader->pause_after && reader->pieces == reader->pause_after)
        runtime_logs_pause(reader->logs);
    if (reader->cancel_after && reader->pieces == reader->cancel_after)
        runtime_logs_cancel(reader->logs);
    return !reader->stop_after || reader->pieces < reader->stop_after;
}

static void reader_on_done(void *ctx, const struct runtime_result *result)
{
    got_on_done(((void **)ctx)[0], result);
}

#define READER(reader_, got_)                                                                      \
    struct got got_ = { 0 };                                                                       \
    struct reader reader_ = { 0 };                                                                 \
    void *reader_##_ctx[2] = { &got_, &reader_ };                                                  \
    str_init(&reader_.out, 16 * 1024 * 1024);                                                      \
    str_init(&reader_.err, 16 * 1024 * 1024)

static void reader_release(struct reader *reader)
{
    str_release(&reader->out);
    str_release(&reader->err);
}

TEST(runtime, logs_lose_their_frames_wherever_they_are_cut)
{
    struct world world;
    world_open(&world);
    static const char frames[] = "\1\0\0\0\0\0\0\3one\2\0\0\0\0\0\0\4oops\1\0\0\0\0\0\0\3two";
    fake_http_on(world.server, "GET /v1.41/containers/web/json",
                 (struct fake_answer){ .body = "{\"Config\":{\"Tty\":false}}" });
    fake_http_on(world.server, "GET /v1.41/containers/web/logs",
                 (struct fake_answer){ .body = frames,
                                       .body_len = sizeof frames - 1,
                                       .chunked = true,
                                       .fault = FAKE_BYTEWISE });
    READER(reader, got);
    reader.logs = runtime_logs_open(world.runtime, "web", true, 10, reader_on_data, reader_on_done,
                                    reader_ctx);
    finish(&world, &got);
    assert_int_equal(got.outcome, OUTCOME_OK);
    assert_string_equal(str_text(&reader.out), "onetwo");
    assert_string_equal(str_text(&reader.err), "oops");
    assert_non_null(strstr(fake_http_last(world.server, "GET /v1.41/containers/web/logs")->line,
                           "?stdout=true&stderr=true&follow=true&tail=10"));
    reader_release(&reader);
    world_close(&world);
}

TEST(runtime, logs_of_a_terminal_are_raw)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "GET /v1.41/containers/web/json",
                 (struct fake_answer){ .body = "{\"Config\":{\"Tty\":true}}" });
    fake_http_on(world.server, "GET /v1.41/containers/web/logs",
                 (struct fake_answer){ .body = "plain" });
    READER(reader, got);
    reader.logs = runtime_logs_open(world.runtime, "web", false, -1, reader_on_data, reader_on_done,
                                    reader_ctx);
    finish(&world, &got);
    assert_string_equal(str_text(&reader.out), "plain");
    assert_null(
        strstr(fake_http_last(world.server, "GET /v1.41/containers/web/logs")->line, "tail"));
    reader_release(&reader);
    world_close(&world);
}

TEST(runtime, logs_that_are_no_logs_end_with_a_message)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "GET /v1.41/containers/web/json",
                 (struct fake_answer){ .body = "{}" });
    fake_http_on(world.server, "GET /v1.41/containers/web/logs",
                 (struct fake_answer){ .body = "this has no frames" });
    fake_http_on(world.server, "GET /v1.41/containers/gone/json",
                 (struct fake_answer){ .status = 404, .body = MESSAGE("No such container: gone") });
    READER(reader, got);
    reader.logs = runtime_logs_open(world.runtime, "web", false, -1, reader_on_data, reader_on_done,
                                    reader_ctx);
    finish(&world, &got);
    assert_int_equal(got.outcome, OUTCOME_UNKNOWN);
    assert_non_null(strstr(got.text, "no log stream"));
    memset(&got, 0, sizeof got);
    reader.logs = runtime_logs_open(world.runtime, "gone", false, -1, reader_on_data,
                                    reader_on_done, reader_ctx);
    finish(&world, &got);
    assert_int_equal(got.outcome, OUTCOME_REFUSED);
    assert_non_null(strstr(got.text, "No such container"));
    assert_int_equal(reader.pieces, 0);
    reader_release(&reader);
    world_close(&world);
}

TEST(runtime, logs_stop_pause_and_cancel)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "GET /v1.41/containers/web/json",
                 (struct fake_answer){ .body = "{\"Config\":{\"Tty\":true}}" });
    fake_http_on(world.server, "GET /v1.41/containers/web/logs",
                 (struct fake_answer){ .filler = 4000000, .chunked = true });
    READER(stopper, stopped);
    stopper.stop_after = 2;
    stopper.logs = runtime_logs_open(world.runtime, "web", true, -1, reader_on_data, reader_on_done,
                                     stopper_ctx);
    finish(&world, &stopped);
    assert_int_equal(stopper.pieces, 2);
    assert_int_equal(stopped.outcome, OUTCOME_OK);
    READER(canceller, cancelled);
    canceller.cancel_after = 2;
    canceller.logs = runtime_logs_open(world.runtime, "web", true, -1, reader_on_data,
                                       reader_on_done, canceller_ctx);
    finish(&world, &cancelled);
    assert_int_equal(canceller.pieces, 2);
    assert_string_equal(cancelled.text, "cancelled");
    READER(pauser, paused);
    pauser.pause_after = 2;
    pauser.logs = runtime_logs_open(world.runtime, "web", true, -1, reader_on_data, reader_on_done,
                                    pauser_ctx);
    loop_run_until_count(&world.loop, &pauser.pieces, 2);
    loop_run_for(&world.loop, 50);
    assert_int_equal(pauser.pieces, 2);
    runtime_logs_resume(pauser.logs);
    finish(&world, &paused);
    assert_int_equal(pauser.out.len, 4000000);
    READER(early, early_got);
    early.logs = runtime_logs_open(world.runtime, "web", true, -1, reader_on_data, reader_on_done,
                                   early_ctx);
    runtime_logs_cancel(early.logs);
    finish(&world, &early_got);
    assert_string_equal(early_got.text, "cancelled");
    reader_release(&stopper);
    reader_release(&canceller);
    reader_release(&pauser);
    reader_release(&early);
    world_close(&world);
}

/* ------------------------------------------------------------------ parsers */

TEST(runtime, takes_image_references_apart)
{
    static const struct {
        const char *image, *name, *tag;
    } cases[] = {
        { "web", "web", "latest" },
        { "web:1", "web", "1" },
        { "r.example:5000/web", "r.example:5000/web", "latest" },
        { "r.example:5000/team/web:1.2", "r.example:5000/team/web", "1.2" },
        { "web@sha256:00ff", "web", "sha256:00ff" },
        { "r.example:5000/web:1@sha256:00ff", "r.example:5000/web", "sha256:00ff" },
    };
    struct image_reference reference;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(image_reference_parse(cases[i].image, &reference), 0);
        assert_string_equal(reference.name, cases[i].name);
        assert_string_equal(reference.tag, cases[i].tag);
    }
    static const char *const bad[] = { "", ":", "web:", ":1", "@sha256:0", "web@" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(image_reference_parse(bad[i], &reference), -EINVAL);
}

TEST(runtime, takes_api_versions_apart)
{
    assert_int_equal(api_version_parse("1.41"), 1041);
    assert_int_equal(api_version_parse("2.0"), 2000);
    static const char *const bad[] = { "",       "1",    ".",    "1.",           ".41",
                                       "1.41.2", "-1.4", "1.4x", "99999999999.1" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(api_version_parse(bad[i]), -1);
}

TEST(runtime, makes_one_printable_line_of_any_message)
{
    char text[RUNTIME_MESSAGE_MAX];
    const char *podman = "{\"cause\":\"no such container\",\"message\":\"no container with name "
                         "x\\n\",\"response\":404}";
    runtime_message(podman, strlen(podman), text);
    assert_string_equal(text, "no container with name x");
    runtime_message("<html>\r\n\x01\xff", 10, text);
    assert_string_equal(text, "<html>   ?");
    runtime_message("", 0, text);
    assert_string_equal(text, "");
    char big[5000];
    memset(big, 'm', sizeof big);
    memcpy(big, "{\"message\":\"", 12);
    memcpy(big + sizeof big - 2, "\"}", 2);
    runtime_message(big, sizeof big, text);
    assert_true(strlen(text) < sizeof text && strlen(text) > 400);
}
