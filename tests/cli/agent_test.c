/* The command against the real routes and core: what it prints, and its exit codes. */
#include <string.h>

#include "berth/json.h"
#include "tests/lib/fake_agent.h"
#include "tests/lib/loop.h"
#include "tests/lib/run_command.h"
#include "tests/lib/test.h"

#define WEB(revision_, image_, extra_)                                                             \
    "{\"revision\":" #revision_                                                                    \
    ",\"taskDefinitions\":[{\"family\":\"web\",\"revision\":" #revision_                           \
    ",\"containerDefinitions\":[{\"name\":\"app\",\"image\":\"" image_ "\",\"memory\":64}]}],"     \
    "\"services\":[{\"serviceName\":\"web\",\"taskDefinition\":\"web\"" extra_ "}]}"
#define ONE ",\"desiredCount\":1"

struct fixture {
    uv_loop_t loop;
    struct fake_agent agent;
    struct command_run run;
};

static void start(struct fixture *fixture)
{
    (void)uv_loop_init(&fixture->loop);
    fake_agent_open(&fixture->agent, &fixture->loop, NULL);
}

static void start_web(struct fixture *fixture)
{
    start(fixture);
    fake_agent_publish(&fixture->agent, WEB(1, "app:1", ONE));
    fake_agent_run_until(&fixture->agent, fake_agent_steady);
}

static void finish(struct fixture *fixture)
{
    fake_agent_close(&fixture->agent);
    loop_must_close(&fixture->loop);
}

/* Runs it, checks the exit code, and keeps what it wrote until the next run. */
static void begin(struct fixture *fixture, const char *words)
{
    char line[512];
    (void)snprintf(line, sizeof line, "--socket $S %s", words);
    command_release(&fixture->run);
    command_start(&fixture->loop, &fixture->run, fixture->agent.socket, line);
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

static void out_has(const struct fixture *fixture, const char *text)
{
    if (!strstr(str_text(&fixture->run.out), text))
        fail_msg("no \"%s\" in stdout: %s", text, str_text(&fixture->run.out));
}

static void err_has(const struct fixture *fixture, const char *text)
{
    if (!strstr(str_text(&fixture->run.err), text))
        fail_msg("no \"%s\" in stderr: %s", text, str_text(&fixture->run.err));
}

static cJSON *out_json(const struct fixture *fixture)
{
    cJSON *json = NULL;
    assert_int_equal(json_parse(str_text(&fixture->run.out), fixture->run.out.len, &json, NULL), 0);
    return json;
}

/* ------------------------------------------------------------------ looking */

TEST(command, shows_status_services_and_tasks_as_tables)
{
    struct fixture fixture = { 0 };
    start_web(&fixture);
    run(&fixture, "status", 0);
    out_has(&fixture, "document  revision 1 from http://REDACTED@source/doc");
    out_has(&fixture, "ready     yes");
    run(&fixture, "services", 0);
    out_has(&fixture, "SERVICE");
    out_has(&fixture, "web:1");
    out_has(&fixture, "COMPLETED");
    assert_null(strstr(str_text(&fixture.run.out), "\033"));
    run(&fixture, "services web", 0);
    out_has(&fixture, "web/1");
    run(&fixture, "ps", 0);
    out_has(&fixture, "service:web");
    out_has(&fixture, "RUNNING");
    run(&fixture, "tasks", 0);
    out_has(&fixture, "ago");
    run(&fixture, "services -q", 0);
    assert_string_equal(str_text(&fixture.run.out), "web\n");
    run(&fixture, "ps --quiet", 0);
    assert_int_equal(fixture.run.out.len, TASK_ID_LEN + 1);
    run(&fixture, "version", 0);
    out_has(&fixture, "berthd 1.2.3");
    run(&fixture, "config", 0);
    out_has(&fixture, "test.conf:1");
    command_release(&fixture.run);
    finish(&fixture);
}

TEST(command, passes_the_daemons_json_on)
{
    struct fixture fixture = { 0 };
    start_web(&fixture);
    run(&fixture, "-o json services", 0);
    cJSON *services AUTO_JSON = out_json(&fixture);
    assert_string_equal(json_string(cJSON_GetArrayItem(services, 0), "serviceName", ""), "web");
    run(&fixture, "-o json status", 0);
    cJSON *status AUTO_JSON = out_json(&fixture);
    assert_string_equal(json_string(status, "hostId", ""), "host-1");
    run(&fixture, "-o json ps --all", 0);
    cJSON *tasks AUTO_JSON = out_json(&fixture);
    assert_int_equal(cJSON_GetArraySize(tasks), 1);
    run(&fixture, "-o json version", 0);
    cJSON *version AUTO_JSON = out_json(&fixture);
    assert_string_equal(json_string(version, "daemon", ""), "1.2.3");
    run(&fixture, "-o json services none", 1);
    assert_int_equal(fixture.run.out.len, 0);
    err_has(&fixture, "{\"code\":\"ServiceNotFoundException\"");
    command_release(&fixture.run);
    finish(&fixture);
}

TEST(why, is_prose)
{
    struct fixture fixture = { 0 };
    start_web(&fixture);
    run(&fixture, "why web", 0);
    out_has(&fixture, "Service web: 1 of 1 wanted tasks run");
    out_has(&fixture, "Nothing is waited for.");
    fake_agent_exit(&fixture.agent, "web", 42);
    for (int i = 0; i < 100 && !strstr(str_text(&fixture.run.out), "backoff"); i++)
        run(&fixture, "why web", 0);
    out_has(&fixture, "restart backoff");
    out_has(&fixture, "exited with code 42");
    run(&fixture, "why nobody", 1);
    err_has(&fixture, "no service and no task nobody");
    command_release(&fixture.run);
    finish(&fixture);
}

/* ------------------------------------------------------------------ steering */

TEST(plan, exits_2_when_there_are_changes)
{
    struct fixture fixture = { 0 };
    start_web(&fixture);
    run(&fixture, "plan", 0);
    out_has(&fixture, "nothing to do for revision 1");
    begin(&fixture, "plan -");
    command_feed(&fixture.run, WEB(2, "app:2", ONE));
    end(&fixture, 2);
    out_has(&fixture, "create");
    out_has(&fixture, "app:2");
    begin(&fixture, "-o json plan -");
    command_feed(&fixture.run, WEB(2, "app:2", ONE));
    end(&fixture, 2);
    cJSON *json AUTO_JSON = out_json(&fixture);
    assert_true(json_bool(json, "changes", false));
    begin(&fixture, "plan -");
    command_feed(&fixture.run, "{\"revision\":2}");
    end(&fixture, 1);
    err_has(&fixture, "taskDefinitions");
    run(&fixture, "plan /nonexistent/file", 1);
    err_has(&fixture, "No such file");
    begin(&fixture, "plan -");
    command_feed(&fixture.run, "");
    end(&fixture, 1);
    command_release(&fixture.run);
    finish(&fixture);
}

TEST(poll, exits_1_when_the_document_is_refused)
{
    struct fixture fixture = { 0 };
    start_web(&fixture);
    run(&fixture, "poll", 0);
    out_has(&fixture, "revision 1 is in effect, unchanged");
    fixture.agent.source = WEB(7, "app:7", ONE);
    run(&fixture, "poll", 0);
    out_has(&fixture, "revision 7 is in effect, new");
    fixture.agent.source = WEB(6, "app:6", ONE);
    run(&fixture, "-o json poll", 1);
    err_has(&fixture, "{\"code\":\"DocumentRefused\"");
    run(&fixture, "poll --accept-older", 0);
    out_has(&fixture, "revision 6 is in effect");
    fixture.agent.source = NULL;
    run(&fixture, "poll", 1);
    err_has(&fixture, "answered 500");
    fixture.agent.hold[ACT_FETCH] = true;
    run(&fixture, "poll", 4);
    err_has(&fixture, "source has not answered");
    fixture.agent.hold[ACT_FETCH] = false;
    command_release(&fixture.run);
    finish(&fixture);
}

TEST(restart, and_stop_make_new_tasks)
{
    struct fixture fixture = { 0 };
    char words[64];
    start_web(&fixture);
    run(&fixture, "restart web", 0);
    out_has(&fixture, "restarting web as deployment web/2");
    run(&fixture, "wait web", 0);
    out_has(&fixture, "deployment web/2 of web:1 completed");
    run(&fixture, "restart none", 1);
    (void)snprintf(words, sizeof words, "stop %.10s", fixture.agent.core->tasks->id);
    run(&fixture, words, 0);
    out_has(&fixture, "being stopped");
    run(&fixture, "stop ffffffffffff", 1);
    err_has(&fixture, "there is no task");
    command_release(&fixture.run);
    finish(&fixture);
}

/* ------------------------------------------------------------------ wait */

TEST(wait, exits_0_when_the_newest_revision_is_out)
{
    struct fixture fixture = { 0 };
    start_web(&fixture);
    fixture.agent.source = WEB(2, "app:2", ONE); /* nobody has told the daemon */
    run(&fixture, "wait web --timeout 30s", 0);
    out_has(&fixture, "web:2 completed");
    run(&fixture, "-o json wait web", 0);
    cJSON *json AUTO_JSON = out_json(&fixture);
    assert_int_equal(json_integer(json, "revision", 0), 2);
    assert_string_equal(json_string(json, "rolloutState", ""), "COMPLETED");
    run(&fixture, "wait web --revision 1", 0);
    command_release(&fixture.run);
    finish(&fixture);
}

TEST(wait, exits_4_when_the_time_is_over)
{
    struct fixture fixture = { 0 };
    start_web(&fixture);
    run(&fixture, "wait web --revision 99 --timeout 300ms", 4);
    err_has(&fixture, "revision 1 is in effect, not 99");
    fixture.agent.hold[ACT_CREATE] = true;
    fixture.agent.source = WEB(2, "app:2", ONE);
    run(&fixture, "-o json wait web --timeout 1s", 4);
    err_has(&fixture, "{\"code\":\"TimedOut\"");
    err_has(&fixture, "IN_PROGRESS");
    assert_int_equal(fixture.run.out.len, 0);
    fixture.agent.source = NULL;
    run(&fixture, "wait web --timeout 300ms", 4);
    err_has(&fixture, "answered 500");
    command_release(&fixture.run);
    finish(&fixture);
}

static bool was_probed(const struct fake_agent *agent)
{
    const struct task *task = agent->core->tasks;
    return task && task->probe_count > 0 && task->probes[0].answered;
}

TEST(wait, exits_3_with_the_reason_when_the_deployment_fails)
{
    struct fixture fixture = { 0 };
    start(&fixture);
    fixture.agent.probes_fail = true;
    fixture.agent.source =
        WEB(1, "app:1",
            ONE ",\"publish\":[{\"hostPort\":8080,\"containerName\":\"app\",\"containerPort\":80,"
                "\"healthCheck\":{\"protocol\":\"TCP\"}}]");
    begin(&fixture, "wait web --timeout 15s");
    fake_agent_run_until(&fixture.agent, was_probed);
    fixture.agent.ahead += MINUTES(11); /* past the progress deadline */
    end(&fixture, 3);
    err_has(&fixture, "deployment web/1 of web:1 failed: no progress");
    assert_int_equal(fixture.run.out.len, 0);
    command_release(&fixture.run);
    finish(&fixture);
}

TEST(wait, exits_3_when_this_host_cannot_do_what_is_asked)
{
    struct fixture fixture = { 0 };
    start(&fixture);
    fixture.agent.source =
        WEB(1, "app:1",
            ",\"desiredCount\":2,\"publish\":[{\"hostPort\":8080,\"containerName\":\"app\","
            "\"containerPort\":80}]");
    run(&fixture, "wait web --timeout 20s", 3);
    err_has(&fixture, "service web");
    command_release(&fixture.run);
    finish(&fixture);
}

TEST(wait, exits_1_for_a_refused_document_and_an_unknown_service)
{
    struct fixture fixture = { 0 };
    start_web(&fixture);
    run(&fixture, "wait none", 1);
    err_has(&fixture, "there is no service none");
    fixture.agent.source = "{\"revision\":2}";
    run(&fixture, "wait web --timeout 20s", 1);
    err_has(&fixture, "taskDefinitions");
    command_release(&fixture.run);
    finish(&fixture);
}

/* ------------------------------------------------------------------ events */

static void await_out(struct fixture *fixture, const char *text)
{
    uint64_t deadline = uv_now(&fixture->loop) + LOOP_PATIENCE_MS;
    while (!strstr(str_text(&fixture->run.out), text) && uv_now(&fixture->loop) < deadline)
        (void)uv_run(&fixture->loop, UV_RUN_ONCE);
    out_has(fixture, text);
}

TEST(events, are_lines_for_people_and_for_programs)
{
    struct fixture fixture = { 0 };
    start_web(&fixture);
    run(&fixture, "events", 0);
    out_has(&fixture, "deployment web ");
    run(&fixture, "events -o json", 0);
    cJSON *json AUTO_JSON = NULL;
    size_t line = strcspn(str_text(&fixture.run.out), "\n");
    assert_int_equal(json_parse(str_text(&fixture.run.out), line, &json, NULL), 0);
    assert_int_equal(json_integer(json, "sequence", 0), 1);
    run(&fixture, "events --after 1 -o json", 0);
    assert_null(strstr(str_text(&fixture.run.out), "\"sequence\":1,"));
    command_release(&fixture.run);
    finish(&fixture);
}

TEST(events, are_followed_until_nobody_reads)
{
    struct fixture fixture = { 0 };
    start_web(&fixture);
    begin(&fixture, "events -f");
    await_out(&fixture, "COMPLETED");
    fake_agent_exit(&fixture.agent, "web", 42);
    await_out(&fixture, "42");
    command_stop_reading(&fixture.run);
    end(&fixture, 0);
    assert_string_equal(str_text(&fixture.run.err), "");
    command_release(&fixture.run);
    finish(&fixture);
}
