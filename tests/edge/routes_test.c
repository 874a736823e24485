/* The routes over a real control socket, with the real core behind them. The runtime is the one
 * below: this file defines the few functions of runtime.h that the routes call. */
#include "berth/routes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "berth/http.h"
#include "berth/json.h"
#include "berth/memory.h"
#include "tests/lib/fake_agent.h"
#include "tests/lib/loop.h"
#include "tests/lib/test.h"

/* ------------------------------------------------------------------ a runtime with logs */

struct runtime_logs {
    bool (*on_data)(void *ctx, bool is_stderr, const char *bytes, size_t len);
    runtime_done_fn done;
    void *ctx;
    uv_timer_t timer;
    bool cancelled, follow;
    int tail;
};

struct runtime {
    uv_loop_t *loop;
    struct runtime_logs *open;
    char container[80];
    const char *text;    /* given to each reader */
    const char *refusal; /* instead */
    size_t flood;        /* so many bytes, in pieces, while it is not paused */
    size_t given;
    int pauses, resumes, opened;
    bool paused, hang;
};

const struct runtime_info *runtime_info(const struct runtime *runtime)
{
    static const struct runtime_info info = { "docker", "20.10.24", "1.41", true };
    (void)runtime;
    return &info;
}

static struct runtime *fake_runtime; /* of the test that runs */

static void logs_on_closed(uv_handle_t *handle)
{
    struct runtime_logs *logs = handle->data;
    const struct runtime_result cancelled = { .outcome = OUTCOME_UNKNOWN, .text = "cancelled" };
    const struct runtime_result refused = { .outcome = OUTCOME_REFUSED,
                                            .text = fake_runtime->refusal };
    const struct runtime_result ok = { .outcome = OUTCOME_OK, .text = "" };
    fake_runtime->open = NULL;
    logs->done(logs->ctx, logs->cancelled ? &cancelled : fake_runtime->refusal ? &refused : &ok);
    free(logs);
}

static void logs_end(struct runtime_logs *logs)
{
    if (!uv_is_closing((uv_handle_t *)&logs->timer))
        uv_close((uv_handle_t *)&logs->timer, logs_on_closed);
}

static void logs_on_timer(uv_timer_t *timer)
{
    struct runtime_logs *logs = timer->data;
    static const char piece[16 * 1024];
    if (fake_runtime->hang || fake_runtime->paused)
        return;
    if (fake_runtime->given < fake_runtime->flood) {
        fake_runtime->given += sizeof piece;
        if (!logs->on_data(logs->ctx, false, piece, sizeof piece))
            logs_end(logs);
        return;
    }
    if (fake_runtime->text && !fake_runtime->refusal)
        (void)logs->on_data(logs->ctx, true, fake_runtime->text, strlen(fake_runtime->text));
    if (logs->follow)
        fake_runtime->hang = true;
    else
        logs_end(logs);
}

struct runtime_logs *
runtime_logs_open(struct runtime *runtime, const char *container, bool follow, int tail,
                  bool (*on_data)(void *ctx, bool is_stderr, const char *bytes, size_t len),
                  runtime_done_fn done, void *ctx)
{
    struct runtime_logs *logs = memory_alloc(sizeof *logs);
    *logs = (struct runtime_logs){
        .on_data = on_data, .done = done, .ctx = ctx, .follow = follow, .tail = tail
    };
    (void)snprintf(runtime->container, sizeof runtime->container, "%s", container);
    runtime->open = logs;
    runtime->opened++;
    fake_runtime = runtime;
    (void)uv_timer_init(runtime->loop, &logs->timer);
    logs->timer.data = logs;
    (void)uv_timer_start(&logs->timer, logs_on_timer, 1, 1);
    return logs;
}

void runtime_logs_cancel(struct runtime_logs *logs)
{
    logs->cancelled = true;
    logs_end(logs);
}

void runtime_logs_pause(struct runtime_logs *logs)
{
    (void)logs;
    fake_runtime->paused = true;
    fake_runtime->pauses++;
}

void runtime_logs_resume(struct runtime_logs *logs)
{
    (void)logs;
    fake_runtime->paused = false;
    fake_runtime->resumes++;
}

/* ------------------------------------------------------------------ a client */

struct fixture {
    uv_loop_t loop;
    struct fake_agent agent;
    struct runtime runtime;
    struct http_pool *pool;
};

struct answer {
    bool done;
    int rc;
    long status;
    cJSON *json;
    struct str body;
    size_t stop_at; /* a stream is ended after so many bytes */
    bool hold;      /* a stream is never read */
    struct http_request *request;
};

static void on_done(void *ctx, const struct http_answer *answer)
{
    struct answer *ret = ctx;
    ret->done = true;
    ret->rc = answer->rc;
    ret->status = answer->status;
    str_add_len(&ret->body, answer->body ? answer->body : "", answer->len);
    (void)json_parse(str_text(&ret->body), ret->body.len, &ret->json, NULL);
}

static bool on_data(void *ctx, const char *bytes, size_t len)
{
    struct answer *ret = ctx;
    str_add_len(&ret->body, bytes, len);
    if (ret->hold)
        http_pause(ret->request);
    return ret->stop_at == 0 || ret->body.len < ret->stop_at;
}

static void answer_release(struct answer *answer)
{
    cJSON_Delete(answer->json);
    str_release(&answer->body);
}

static void send_call(struct fixture *fixture, const char *method, const char *path,
                      const char *body, bool stream, struct answer *ret)
{
    AUTO_FREE char *url = memory_printf("http://berth%s", path);
    const struct http_call call = {
        .method = method,
        .url = url,
        .unix_socket = fixture->agent.socket,
        .body = body,
        .body_len = body ? strlen(body) : 0,
        .timeout_ms = stream ? 0 : SECONDS(10),
        .on_data = stream ? on_data : NULL,
        .done = on_done,
        .ctx = ret,
    };
    str_init(&ret->body, 64 * 1024 * 1024);
    ret->request = http_send(fixture->pool, &call);
}

static void ask(struct fixture *fixture, const char *method, const char *path, const char *body,
                struct answer *ret)
{
    *ret = (struct answer){ 0 };
    send_call(fixture, method, path, body, false, ret);
    loop_run_until(&fixture->loop, &ret->done);
    assert_int_equal(ret->rc, 0);
}

/* Asserts the status; the caller owns the tree. */
static cJSON *get(struct fixture *fixture, const char *path, int status)
{
    struct answer answer;
    ask(fixture, "GET", path, NULL, &answer);
    assert_int_equal(answer.status, status);
    assert_non_null(answer.json);
    cJSON *json = TAKE(answer.json);
    answer_release(&answer);
    return json;
}

static cJSON *post(struct fixture *fixture, const char *path, const char *body, int status)
{
    struct answer answer;
    ask(fixture, "POST", path, body, &answer);
    assert_int_equal(answer.status, status);
    assert_non_null(answer.json);
    cJSON *json = TAKE(answer.json);
    answer_release(&answer);
    return json;
}

/* Until a stream has brought something that contains text. */
static void await_text(struct fixture *fixture, const struct answer *answer, size_t from,
                       const char *text)
{
    uint64_t deadline = uv_now(&fixture->loop) + LOOP_PATIENCE_MS;
    while (uv_now(&fixture->loop) < deadline &&
           (answer->body.len <= from || !strstr(str_text(&answer->body) + from, text)))
        (void)uv_run(&fixture->loop, UV_RUN_ONCE);
    assert_true(answer->body.len > from);
    assert_non_null(strstr(str_text(&answer->body) + from, text));
}

static void open_fixture(struct fixture *fixture)
{
    *fixture = (struct fixture){ 0 };
    (void)uv_loop_init(&fixture->loop);
    fixture->runtime.loop = &fixture->loop;
    fake_runtime = &fixture->runtime;
    fake_agent_open(&fixture->agent, &fixture->loop, &fixture->runtime);
    fixture->pool = http_pool_open(&fixture->loop);
}

static void close_fixture(struct fixture *fixture)
{
    http_pool_close(fixture->pool, NULL, NULL);
    fake_agent_close(&fixture->agent);
    while (uv_run(&fixture->loop, UV_RUN_DEFAULT) != 0)
        ;
    loop_must_close(&fixture->loop);
}

static const char *text_of(const cJSON *json, const char *key)
{
    return json_string(json, key, "(none)");
}

#define WEB(revision_, image_, extra_)                                                             \
    "{\"revision\":" #revision_                                                                    \
    ",\"taskDefinitions\":[{\"family\":\"web\",\"revision\":" #revision_                           \
    ",\"containerDefinitions\":[{\"name\":\"app\",\"image\":\"" image_                             \
    "\",\"memory\":64,\"environment\":[{\"name\":\"TOKEN\",\"value\":\"hush-hush\"}]}]}],"         \
    "\"services\":[{\"serviceName\":\"web\",\"taskDefinition\":\"web\",\"desiredCount\":1" extra_  \
    "}]}"

static void start_web(struct fixture *fixture)
{
    open_fixture(fixture);
    fake_agent_publish(&fixture->agent, WEB(1, "app:1", ""));
    fake_agent_run_until(&fixture->agent, fake_agent_steady);
}

static const char *web_task(const struct fixture *fixture)
{
    return fixture->agent.core->tasks->id;
}

/* ------------------------------------------------------------------ routing */

TEST(routes, answer_an_unknown_path_with_404)
{
    struct fixture fixture;
    open_fixture(&fixture);
    static const char *const paths[] = { "/",
                                         "/v1",
                                         "/v1/nothing",
                                         "/v2/status",
                                         "/v1/services/a/b",
                                         "/v1/services/",
                                         "/v1/tasks//stop" };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        cJSON *json AUTO_JSON = get(&fixture, paths[i], 404);
        assert_string_equal(text_of(json, "code"), "NotFound");
    }
    close_fixture(&fixture);
}

TEST(routes, answer_a_wrong_method_with_405)
{
    struct fixture fixture;
    open_fixture(&fixture);
    cJSON *status AUTO_JSON = post(&fixture, "/v1/status", NULL, 405);
    cJSON *poll AUTO_JSON = get(&fixture, "/v1/poll", 405);
    assert_string_equal(text_of(status, "code"), "MethodNotAllowed");
    assert_non_null(strstr(text_of(status, "message"), "GET"));
    assert_non_null(strstr(text_of(poll, "message"), "POST"));
    close_fixture(&fixture);
}

/* http.h keeps few headers: read the answer as it comes over the socket. */
static void raw_request(struct fixture *fixture, const char *request, char *ret, size_t size)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t len = 0;
    ssize_t n = -1;
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", fixture->agent.socket);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(write(fd, request, strlen(request)), (ssize_t)strlen(request));
    uint64_t deadline = uv_now(&fixture->loop) + LOOP_PATIENCE_MS;
    while (n != 0 && len + 1 < size && uv_now(&fixture->loop) < deadline) {
        (void)uv_run(&fixture->loop, UV_RUN_ONCE);
        n = recv(fd, ret + len, size - 1 - len, MSG_DONTWAIT);
        len += n > 0 ? (size_t)n : 0;
    }
    ret[len] = '\0';
    assert_int_equal(n, 0);
}

TEST(routes, name_the_allowed_method_in_a_header)
{
    struct fixture fixture;
    char answer[4096];
    open_fixture(&fixture);
    raw_request(&fixture,
                "DELETE /v1/services/web/restart HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                answer, sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 405"));
    assert_non_null(strstr(answer, "\r\nAllow: POST\r\n"));
    close_fixture(&fixture);
}

TEST(routes, answer_503_while_they_close)
{
    struct fixture fixture;
    struct answer answer = { 0 };
    open_fixture(&fixture);
    fixture.agent.hold[ACT_FETCH] = true;
    send_call(&fixture, "POST", "/v1/poll", NULL, false, &answer);
    loop_run_for(&fixture.loop, 50);
    assert_false(answer.done);
    fake_agent_close(&fixture.agent);
    if (!answer.done)
        loop_run_until(&fixture.loop, &answer.done);
    http_pool_close(fixture.pool, NULL, NULL);
    loop_must_close(&fixture.loop);
    /* The connection may go before the answer is read: either way the request is over. */
    assert_true(answer.rc < 0 || answer.status == 503);
    answer_release(&answer);
}

/* ------------------------------------------------------------------ status and services */

TEST(status, says_what_is_missing_before_the_first_document)
{
    struct fixture fixture;
    open_fixture(&fixture);
    cJSON *json AUTO_JSON = get(&fixture, "/v1/status", 200);
    assert_string_equal(text_of(json, "cluster"), "test");
    assert_string_equal(text_of(json, "hostId"), "host-1");
    assert_string_equal(text_of(json, "version"), "1.2.3");
    assert_false(json_bool(json, "ready", true));
    assert_null(json_get(json_get(json, "desired"), "revision"));
    assert_true(cJSON_GetArraySize(json_get(json, "waits")) > 0);
    close_fixture(&fixture);
}

TEST(status, has_the_document_and_the_runtime)
{
    struct fixture fixture;
    start_web(&fixture);
    cJSON *json AUTO_JSON = get(&fixture, "/v1/status", 200);
    const cJSON *desired = json_get(json, "desired"), *runtime = json_get(json, "runtime");
    assert_true(json_bool(json, "ready", false));
    assert_int_equal(json_integer(json, "services", 0), 1);
    assert_int_equal(json_integer(json, "tasks", 0), 1);
    assert_int_equal(json_integer(desired, "revision", 0), 1);
    assert_null(json_get(desired, "lastError"));
    assert_non_null(strstr(text_of(desired, "lastFetchAt"), "T"));
    assert_string_equal(text_of(runtime, "name"), "docker");
    assert_string_equal(text_of(runtime, "apiVersion"), "1.41");
    assert_true(json_bool(runtime, "reachable", false));
    close_fixture(&fixture);
}

TEST(status, hides_the_password_of_the_source)
{
    struct fixture fixture;
    struct answer answer;
    open_fixture(&fixture);
    ask(&fixture, "GET", "/v1/status", NULL, &answer);
    assert_null(strstr(str_text(&answer.body), "secret"));
    assert_string_equal(text_of(json_get(answer.json, "desired"), "url"),
                        "http://REDACTED@source/doc");
    answer_release(&answer);
    ask(&fixture, "GET", "/v1/config", NULL, &answer);
    assert_int_equal(answer.status, 200);
    assert_null(strstr(str_text(&answer.body), "secret"));
    answer_release(&answer);
    close_fixture(&fixture);
}

TEST(services, are_shown_with_one_primary_deployment_when_steady)
{
    struct fixture fixture;
    start_web(&fixture);
    cJSON *json AUTO_JSON = get(&fixture, "/v1/services", 200);
    const cJSON *web = cJSON_GetArrayItem(json, 0);
    const cJSON *deployments = json_get(web, "deployments");
    const cJSON *primary = cJSON_GetArrayItem(deployments, 0);
    assert_int_equal(cJSON_GetArraySize(json), 1);
    assert_string_equal(text_of(web, "serviceName"), "web");
    assert_string_equal(text_of(web, "taskDefinition"), "web:1");
    assert_int_equal(json_integer(web, "desiredCount", 0), 1);
    assert_int_equal(json_integer(web, "runningCount", 0), 1);
    assert_int_equal(json_integer(web, "pendingCount", -1), 0);
    assert_int_equal(json_integer(web, "healthyCount", 0), 1);
    assert_int_equal(cJSON_GetArraySize(deployments), 1);
    assert_string_equal(text_of(primary, "id"), "web/1");
    assert_string_equal(text_of(primary, "status"), "PRIMARY");
    assert_string_equal(text_of(primary, "taskDefinition"), "web:1");
    assert_string_equal(text_of(primary, "rolloutState"), "COMPLETED");
    assert_int_equal(json_integer(primary, "failedTasks", -1), 0);
    assert_int_equal(json_integer(primary, "documentRevision", 0), 1);
    assert_string_equal(text_of(primary, "digest"), text_of(web, "digest"));
    close_fixture(&fixture);
}

TEST(services, show_the_old_deployment_as_active_while_it_has_tasks)
{
    struct fixture fixture;
    start_web(&fixture);
    fixture.agent.hold[ACT_STOP] = true;
    fake_agent_publish(&fixture.agent, WEB(2, "app:2", ""));
    bool two = false;
    for (int i = 0; i < 200 && !two; i++) {
        cJSON *json AUTO_JSON = get(&fixture, "/v1/services/web", 200);
        const cJSON *list = json_get(cJSON_GetArrayItem(json, 0), "deployments");
        two = cJSON_GetArraySize(list) == 2;
        if (!two)
            continue;
        assert_string_equal(text_of(cJSON_GetArrayItem(list, 0), "taskDefinition"), "web:2");
        assert_string_equal(text_of(cJSON_GetArrayItem(list, 1), "taskDefinition"), "web:1");
        assert_string_equal(text_of(cJSON_GetArrayItem(list, 1), "status"), "ACTIVE");
    }
    assert_true(two);
    fixture.agent.hold[ACT_STOP] = false;
    close_fixture(&fixture);
}

TEST(services, answer_404_for_a_name_that_is_not_there)
{
    struct fixture fixture;
    start_web(&fixture);
    cJSON *one AUTO_JSON = get(&fixture, "/v1/services/none", 404);
    cJSON *restart AUTO_JSON = post(&fixture, "/v1/services/none/restart", NULL, 404);
    assert_string_equal(text_of(one, "code"), "ServiceNotFoundException");
    assert_string_equal(text_of(restart, "code"), "ServiceNotFoundException");
    close_fixture(&fixture);
}

TEST(services, restart_as_a_new_generation)
{
    struct fixture fixture;
    start_web(&fixture);
    cJSON *json AUTO_JSON = post(&fixture, "/v1/services/web/restart", NULL, 202);
    assert_string_equal(text_of(json, "deployment"), "web/2");
    assert_int_equal(json_integer(json, "generation", 0), 2);
    fake_agent_run_until(&fixture.agent, fake_agent_steady);
    cJSON *after AUTO_JSON = get(&fixture, "/v1/services/web", 200);
    const cJSON *primary =
        cJSON_GetArrayItem(json_get(cJSON_GetArrayItem(after, 0), "deployments"), 0);
    assert_string_equal(text_of(primary, "id"), "web/2");
    close_fixture(&fixture);
}

/* ------------------------------------------------------------------ tasks */

TEST(tasks, are_shown_in_the_shape_of_ecs)
{
    struct fixture fixture;
    start_web(&fixture);
    cJSON *json AUTO_JSON = get(&fixture, "/v1/tasks", 200);
    const cJSON *task = cJSON_GetArrayItem(json, 0);
    const cJSON *container = cJSON_GetArrayItem(json_get(task, "containers"), 0);
    assert_int_equal(cJSON_GetArraySize(json), 1);
    assert_string_equal(text_of(task, "taskId"), web_task(&fixture));
    assert_non_null(strstr(text_of(task, "taskArn"), web_task(&fixture)));
    assert_string_equal(text_of(task, "group"), "service:web");
    assert_string_equal(text_of(task, "startedBy"), "web/1");
    assert_non_null(strstr(text_of(task, "taskDefinitionArn"), "task-definition/web:1"));
    assert_string_equal(text_of(task, "lastStatus"), "RUNNING");
    assert_string_equal(text_of(task, "desiredStatus"), "RUNNING");
    assert_string_equal(text_of(task, "healthStatus"), "HEALTHY");
    assert_string_equal(text_of(container, "name"), "app");
    assert_string_equal(text_of(container, "image"), "app:1");
    assert_string_equal(text_of(container, "lastStatus"), "RUNNING");
    assert_int_equal(strlen(text_of(container, "runtimeId")), 64);
    assert_true(cJSON_IsArray(json_get(container, "networkBindings")));
    assert_null(json_get(container, "exitCode"));
    close_fixture(&fixture);
}

TEST(tasks, never_show_values_of_environment_variables)
{
    struct fixture fixture;
    start_web(&fixture);
    char why_task[128];
    (void)snprintf(why_task, sizeof why_task, "/v1/why/%s", web_task(&fixture));
    const char *paths[] = { "/v1/status",  "/v1/services", "/v1/tasks?all=1", "/v1/events",
                            "/v1/why/web", why_task,       "/v1/config" };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct answer answer;
        ask(&fixture, "GET", paths[i], NULL, &answer);
        assert_int_equal(answer.status, 200);
        assert_null(strstr(str_text(&answer.body), "hush-hush"));
        answer_release(&answer);
    }
    close_fixture(&fixture);
}

static bool no_task_runs(const struct fake_agent *agent)
{
    return agent->core->stopped_count > 0;
}

TEST(tasks, stop_one_by_the_beginning_of_its_id_and_show_it_with_all)
{
    struct fixture fixture;
    start_web(&fixture);
    char id[TASK_ID_LEN + 1], path[128];
    (void)snprintf(id, sizeof id, "%s", web_task(&fixture));
    (void)snprintf(path, sizeof path, "/v1/tasks/%.8s/stop", id);
    cJSON *stopping AUTO_JSON = post(&fixture, path, NULL, 202);
    assert_string_equal(text_of(stopping, "taskId"), id);
    assert_string_equal(text_of(stopping, "desiredStatus"), "STOPPED");
    fake_agent_run_until(&fixture.agent, no_task_runs);
    cJSON *all AUTO_JSON = get(&fixture, "/v1/tasks?all=1", 200);
    const cJSON *it, *found = NULL;
    cJSON_ArrayForEach(it, all)
        if (str_equal(text_of(it, "taskId"), id))
            found = it;
    assert_non_null(found);
    assert_string_equal(text_of(found, "lastStatus"), "STOPPED");
    assert_string_equal(text_of(found, "group"), "service:web");
    assert_string_equal(text_of(found, "stopCode"), "UserInitiated");
    cJSON *again AUTO_JSON = post(&fixture, path, NULL, 202);
    assert_string_equal(text_of(again, "lastStatus"), "STOPPED");
    close_fixture(&fixture);
}

TEST(tasks, answer_404_for_an_unknown_id)
{
    struct fixture fixture;
    start_web(&fixture);
    cJSON *stop AUTO_JSON = post(&fixture, "/v1/tasks/ffffffffffff/stop", NULL, 404);
    cJSON *logs AUTO_JSON = get(&fixture, "/v1/tasks/ffffffffffff/logs", 404);
    assert_string_equal(text_of(stop, "code"), "TaskNotFoundException");
    assert_string_equal(text_of(logs, "code"), "TaskNotFoundException");
    close_fixture(&fixture);
}

static bool one_off_ended(const struct fake_agent *agent)
{
    return agent->core->one_off_count == 1 && agent->core->one_offs[0].state == ONE_OFF_STOPPED;
}

static void start_one_off(struct fixture *fixture)
{
    open_fixture(fixture);
    fake_agent_publish(
        &fixture->agent,
        "{\"revision\":1,\"taskDefinitions\":[{\"family\":\"migrate\",\"revision\":3,"
        "\"containerDefinitions\":[{\"name\":\"m\",\"image\":\"m:1\",\"memory\":8}]}],"
        "\"services\":[],\"tasks\":[{\"id\":\"once-1\","
        "\"taskDefinition\":\"migrate:3\"}]}");
    for (int i = 0; i < 200; i++) {
        cJSON *json AUTO_JSON = get(fixture, "/v1/tasks?all=1", 200);
        if (cJSON_GetArraySize(json) == 1 &&
            str_equal(text_of(cJSON_GetArrayItem(json, 0), "lastStatus"), "RUNNING"))
            break;
    }
}

TEST(tasks, show_a_one_off_task_with_its_id_and_result)
{
    struct fixture fixture;
    start_one_off(&fixture);
    fake_agent_exit(&fixture.agent, "", 3);
    fake_agent_run_until(&fixture.agent, one_off_ended);
    cJSON *json AUTO_JSON = get(&fixture, "/v1/tasks?all=1", 200);
    const cJSON *task = cJSON_GetArrayItem(json, 0);
    const cJSON *container = cJSON_GetArrayItem(json_get(task, "containers"), 0);
    assert_string_equal(text_of(task, "group"), "family:migrate");
    assert_string_equal(text_of(task, "startedBy"), "once-1");
    assert_string_equal(text_of(task, "lastStatus"), "STOPPED");
    assert_int_equal(json_integer(container, "exitCode", -1), 3);
    cJSON *why AUTO_JSON = get(&fixture, "/v1/why/once-1", 200);
    assert_string_equal(text_of(why, "kind"), "task");
    close_fixture(&fixture);
}

static bool no_task_left(const struct fake_agent *agent)
{
    return !agent->core->tasks;
}

static void same_members(const cJSON *a, const cJSON *b)
{
    const cJSON *it;
    cJSON_ArrayForEach(it, a)
        if (!cJSON_GetObjectItemCaseSensitive(b, it->string))
            fail_msg("a task has %s and another has not", it->string);
    assert_int_equal(cJSON_GetArraySize(a), cJSON_GetArraySize(b));
}

TEST(tasks, look_the_same_whether_they_live_or_are_gone)
{
    struct fixture fixture;
    start_web(&fixture);
    cJSON *before AUTO_JSON = get(&fixture, "/v1/tasks", 200);
    const cJSON *living = cJSON_GetArrayItem(before, 0);
    fake_agent_publish(&fixture.agent, "{\"revision\":9,\"taskDefinitions\":[],\"services\":[]}");
    fake_agent_run_until(&fixture.agent, no_task_left);
    cJSON *after AUTO_JSON = get(&fixture, "/v1/tasks?all=1", 200);
    const cJSON *gone = cJSON_GetArrayItem(after, 0);
    same_members(living, gone);
    same_members(cJSON_GetArrayItem(json_get(living, "containers"), 0),
                 cJSON_GetArrayItem(json_get(gone, "containers"), 0));
    assert_string_equal(text_of(gone, "startedBy"), "web/1");
    assert_string_equal(text_of(gone, "group"), "service:web");
    close_fixture(&fixture);
}

static void forget_all_but_the_record(struct fixture *fixture)
{
    fake_agent_exit(&fixture->agent, "", 3);
    fake_agent_run_until(&fixture->agent, one_off_ended);
    fake_agent_publish(&fixture->agent, "{\"revision\":2,\"taskDefinitions\":[],\"services\":[]}");
    fake_agent_run_until(&fixture->agent, no_task_left);
    fixture->agent.core->stopped_count = 0; /* as after a restart of the agent */
}

TEST(tasks, keep_the_result_of_a_one_off_of_which_nothing_else_is_left)
{
    struct fixture fixture;
    start_one_off(&fixture);
    cJSON *before AUTO_JSON = get(&fixture, "/v1/tasks", 200);
    forget_all_but_the_record(&fixture);
    cJSON *all AUTO_JSON = get(&fixture, "/v1/tasks?all=1", 200);
    assert_int_equal(cJSON_GetArraySize(all), 1);
    same_members(cJSON_GetArrayItem(before, 0), cJSON_GetArrayItem(all, 0));
    assert_string_equal(text_of(cJSON_GetArrayItem(all, 0), "startedBy"), "once-1");
    cJSON *why AUTO_JSON = get(&fixture, "/v1/why/once-1", 200);
    const cJSON *end = cJSON_GetArrayItem(json_get(why, "exits"), 0);
    assert_int_equal(json_integer(end, "exitCode", -1), 3);
    cJSON *stop AUTO_JSON = post(&fixture, "/v1/tasks/once-1/stop", NULL, 202);
    assert_string_equal(text_of(stop, "lastStatus"), "STOPPED");
    cJSON *logs AUTO_JSON = get(&fixture, "/v1/tasks/once-1/logs", 404);
    assert_string_equal(text_of(logs, "code"), "LogsUnavailable");
    close_fixture(&fixture);
}

TEST(tasks, say_that_a_one_off_is_lost)
{
    struct fixture fixture;
    start_one_off(&fixture);
    forget_all_but_the_record(&fixture);
    struct one_off_record *record = &fixture.agent.core->one_offs[0];
    record->state = ONE_OFF_LOST;
    record->exit_known = false;
    (void)snprintf(record->reason, sizeof record->reason, "its result is unknown");
    cJSON *why AUTO_JSON = get(&fixture, "/v1/why/once-1", 200);
    const cJSON *task = cJSON_GetArrayItem(json_get(why, "tasks"), 0);
    const cJSON *end = cJSON_GetArrayItem(json_get(why, "exits"), 0);
    assert_string_equal(text_of(task, "stoppedReason"), "its result is unknown");
    assert_null(json_get(task, "stopCode"));
    assert_null(json_get(end, "exitCode"));
    close_fixture(&fixture);
}

TEST(tasks, are_not_services)
{
    struct fixture fixture;
    start_web(&fixture);
    cJSON *logs AUTO_JSON = get(&fixture, "/v1/tasks/web/logs", 404);
    assert_non_null(strstr(text_of(logs, "message"), "web is a service"));
    assert_non_null(strstr(text_of(logs, "message"), "its newest task is "));
    close_fixture(&fixture);
}

/* ------------------------------------------------------------------ validate and plan */

TEST(validate, names_the_path_of_what_is_wrong)
{
    struct fixture fixture;
    open_fixture(&fixture);
    cJSON *good AUTO_JSON = post(&fixture, "/v1/validate", WEB(1, "app:1", ""), 200);
    cJSON *bad AUTO_JSON =
        post(&fixture, "/v1/validate", WEB(1, "app:1", ",\"schedulingStrategy\":7"), 200);
    const cJSON *error = cJSON_GetArrayItem(json_get(bad, "errors"), 0);
    assert_true(json_bool(good, "valid", false));
    assert_false(json_bool(bad, "valid", true));
    assert_string_equal(text_of(error, "path"), "services[0].schedulingStrategy");
    cJSON *empty AUTO_JSON = post(&fixture, "/v1/validate", NULL, 200);
    assert_false(json_bool(empty, "valid", true));
    close_fixture(&fixture);
}

TEST(plan, lists_steps_with_their_cause_and_does_nothing)
{
    struct fixture fixture;
    start_web(&fixture);
    cJSON *same AUTO_JSON = post(&fixture, "/v1/plan", NULL, 200);
    assert_false(json_bool(same, "changes", true));
    cJSON *other AUTO_JSON = post(&fixture, "/v1/plan", WEB(2, "app:2", ""), 200);
    const cJSON *steps = json_get(other, "steps"), *it;
    bool created = false, stopped = false;
    cJSON_ArrayForEach(it, steps) {
        assert_string_not_equal(text_of(it, "cause"), "(none)");
        created = created || str_equal(text_of(it, "action"), "create");
        stopped = stopped || str_equal(text_of(it, "action"), "stop");
    }
    assert_true(json_bool(other, "changes", false));
    assert_int_equal(json_integer(other, "revision", 0), 2);
    assert_true(created);
    assert_true(stopped);
    assert_int_equal(fixture.agent.core->desired->revision, 1);
    close_fixture(&fixture);
}

TEST(plan, refuses_a_document_that_is_not_valid)
{
    struct fixture fixture;
    start_web(&fixture);
    cJSON *json AUTO_JSON = post(&fixture, "/v1/plan", "{\"revision\":2}", 400);
    assert_string_equal(text_of(json, "code"), "InvalidDocument");
    assert_non_null(strstr(text_of(json, "message"), "taskDefinitions"));
    close_fixture(&fixture);
}

TEST(plan, waits_for_the_first_look_and_a_document)
{
    struct fixture fixture;
    open_fixture(&fixture);
    fixture.agent.hold[ACT_OBSERVE] = true;
    cJSON *early AUTO_JSON = post(&fixture, "/v1/plan", WEB(1, "app:1", ""), 503);
    assert_string_equal(text_of(early, "code"), "NotReady");
    fixture.agent.hold[ACT_OBSERVE] = false;
    loop_run_for(&fixture.loop, 50);
    cJSON *bare AUTO_JSON = post(&fixture, "/v1/plan", NULL, 503);
    assert_string_equal(text_of(bare, "message"), wait_reason_text(WAIT_DOCUMENT));
    cJSON *given AUTO_JSON = post(&fixture, "/v1/plan", WEB(1, "app:1", ""), 200);
    assert_true(json_bool(given, "changes", false));
    close_fixture(&fixture);
}

/* ------------------------------------------------------------------ poll */

TEST(poll, answers_with_the_revision_that_is_in_effect)
{
    struct fixture fixture;
    start_web(&fixture);
    cJSON *same AUTO_JSON = post(&fixture, "/v1/poll", NULL, 200);
    assert_string_equal(text_of(same, "result"), "same");
    fixture.agent.source = WEB(5, "app:5", "");
    cJSON *new AUTO_JSON = post(&fixture, "/v1/poll", NULL, 200);
    assert_string_equal(text_of(new, "result"), "new");
    assert_int_equal(json_integer(new, "revision", 0), 5);
    const struct service_fact *web = core_service(fixture.agent.core, "web");
    assert_string_equal(web->primary->definition_name, "web:5");
    close_fixture(&fixture);
}

TEST(poll, tells_a_refused_document_from_a_silent_source)
{
    struct fixture fixture;
    start_web(&fixture);
    fixture.agent.source = NULL;
    cJSON *failed AUTO_JSON = post(&fixture, "/v1/poll", NULL, 200);
    assert_string_equal(text_of(failed, "result"), "failed");
    assert_int_equal(json_integer(failed, "revision", 0), 1);
    fixture.agent.source = "{\"revision\":9}";
    cJSON *refused AUTO_JSON = post(&fixture, "/v1/poll", NULL, 200);
    assert_string_equal(text_of(refused, "result"), "refused");
    assert_int_equal(json_integer(refused, "revision", 0), 1);
    close_fixture(&fixture);
}

TEST(poll, accepts_an_older_revision_only_when_asked)
{
    struct fixture fixture;
    open_fixture(&fixture);
    fake_agent_publish(&fixture.agent, WEB(9, "app:9", ""));
    fake_agent_run_until(&fixture.agent, fake_agent_steady);
    fixture.agent.source = WEB(3, "app:3", "");
    cJSON *refused AUTO_JSON = post(&fixture, "/v1/poll", NULL, 200);
    assert_string_equal(text_of(refused, "result"), "refused");
    assert_int_equal(json_integer(refused, "refusedRevision", 0), 3);
    cJSON *taken AUTO_JSON = post(&fixture, "/v1/poll?acceptOlder=1", NULL, 200);
    assert_string_equal(text_of(taken, "result"), "new");
    assert_int_equal(json_integer(taken, "revision", 0), 3);
    close_fixture(&fixture);
}

TEST(poll, is_not_answered_by_a_fetch_that_was_under_way_before)
{
    struct fixture fixture;
    start_web(&fixture);
    fixture.agent.hold[ACT_FETCH] = true;
    fake_agent_publish(&fixture.agent, WEB(1, "app:1", ""));
    struct answer answer = { 0 };
    send_call(&fixture, "POST", "/v1/poll", NULL, false, &answer);
    loop_run_for(&fixture.loop, 50);
    fixture.agent.source = WEB(2, "app:2", "");
    fixture.agent.hold[ACT_FETCH] = false;
    loop_run_until(&fixture.loop, &answer.done);
    assert_int_equal(json_integer(answer.json, "revision", 0), 2);
    answer_release(&answer);
    close_fixture(&fixture);
}

TEST(poll, gives_up_when_the_source_never_answers)
{
    struct fixture fixture;
    start_web(&fixture);
    fixture.agent.hold[ACT_FETCH] = true;
    cJSON *json AUTO_JSON = post(&fixture, "/v1/poll", NULL, 504);
    assert_string_equal(text_of(json, "code"), "TimedOut");
    fixture.agent.hold[ACT_FETCH] = false;
    close_fixture(&fixture);
}

/* ------------------------------------------------------------------ events */

TEST(events, are_lines_of_json_with_growing_numbers)
{
    struct fixture fixture;
    struct answer answer;
    start_web(&fixture);
    ask(&fixture, "GET", "/v1/events", NULL, &answer);
    assert_int_equal(answer.status, 200);
    int64_t last = 0;
    char *rest = answer.body.data, *line;
    while ((line = strsep(&rest, "\n")) && *line) {
        cJSON *json AUTO_JSON = NULL;
        assert_int_equal(json_parse(line, strlen(line), &json, NULL), 0);
        assert_int_equal(json_integer(json, "sequence", 0), last + 1);
        assert_non_null(strstr(text_of(json, "time"), "T"));
        last++;
    }
    assert_true(last >= 3);
    assert_int_equal(last, (int64_t)fixture.agent.core->change_sequence);
    answer_release(&answer);
    char path[64];
    (void)snprintf(path, sizeof path, "/v1/events?after=%lld", (long long)last - 1);
    ask(&fixture, "GET", path, NULL, &answer);
    assert_int_equal(json_integer(answer.json, "sequence", 0), last);
    answer_release(&answer);
    cJSON *bad AUTO_JSON = get(&fixture, "/v1/events?after=x", 400);
    assert_string_equal(text_of(bad, "code"), "InvalidParameter");
    close_fixture(&fixture);
}

TEST(events, follow_what_happens_next)
{
    struct fixture fixture;
    struct answer answer = { 0 };
    start_web(&fixture);
    send_call(&fixture, "GET", "/v1/events?follow=1", NULL, true, &answer);
    await_text(&fixture, &answer, 0, "COMPLETED");
    size_t before = answer.body.len;
    fake_agent_exit(&fixture.agent, "web", 42);
    await_text(&fixture, &answer, before, "42");
    http_cancel(answer.request);
    loop_run_until(&fixture.loop, &answer.done);
    answer_release(&answer);
    close_fixture(&fixture);
}

TEST(events, end_for_followers_when_the_agent_stops)
{
    struct fixture fixture;
    struct answer answer = { 0 };
    start_web(&fixture);
    send_call(&fixture, "GET", "/v1/events?follow=1", NULL, true, &answer);
    await_text(&fixture, &answer, 0, "COMPLETED");
    fake_agent_close(&fixture.agent);
    if (!answer.done)
        loop_run_until(&fixture.loop, &answer.done);
    http_pool_close(fixture.pool, NULL, NULL);
    loop_must_close(&fixture.loop);
    answer_release(&answer);
}

/* ------------------------------------------------------------------ logs */

static void logs_path(const struct fixture *fixture, const char *query, char ret[160])
{
    (void)snprintf(ret, 160, "/v1/tasks/%s/logs%s", web_task(fixture), query);
}

TEST(logs, are_plain_text_of_the_only_container)
{
    struct fixture fixture;
    struct answer answer;
    char path[160];
    start_web(&fixture);
    fixture.runtime.text = "hello\nworld\n";
    logs_path(&fixture, "?tail=2", path);
    ask(&fixture, "GET", path, NULL, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(str_text(&answer.body), "hello\nworld\n");
    assert_string_equal(fixture.runtime.container,
                        fixture.agent.core->tasks->containers[0].runtime_id);
    answer_release(&answer);
    close_fixture(&fixture);
}

TEST(logs, pass_on_what_the_runtime_refuses)
{
    struct fixture fixture;
    char path[160];
    start_web(&fixture);
    fixture.runtime.refusal = "the logging driver keeps none";
    logs_path(&fixture, "", path);
    cJSON *json AUTO_JSON = get(&fixture, path, 404);
    assert_non_null(strstr(text_of(json, "message"), "keeps none"));
    logs_path(&fixture, "?container=db", path);
    cJSON *unknown AUTO_JSON = get(&fixture, path, 404);
    assert_non_null(strstr(text_of(unknown, "message"), "app"));
    logs_path(&fixture, "?tail=-1", path);
    cJSON *bad AUTO_JSON = get(&fixture, path, 400);
    assert_string_equal(text_of(bad, "code"), "InvalidParameter");
    close_fixture(&fixture);
}

TEST(logs, hold_the_runtime_back_for_a_slow_client_and_go_on)
{
    struct fixture fixture;
    struct answer answer = { .hold = true };
    char path[160];
    start_web(&fixture);
    fixture.runtime.flood = 4 * 1024 * 1024;
    logs_path(&fixture, "?follow=1", path);
    send_call(&fixture, "GET", path, NULL, true, &answer);
    for (int i = 0; i < 2000 && fixture.runtime.pauses == 0; i++)
        loop_run_for(&fixture.loop, 5);
    assert_int_equal(fixture.runtime.pauses, 1);
    loop_run_for(&fixture.loop, 50);
    assert_true(fixture.runtime.given < fixture.runtime.flood);
    answer.hold = false;
    http_resume(answer.request);
    for (int i = 0; i < 2000 && answer.body.len < fixture.runtime.flood; i++)
        loop_run_for(&fixture.loop, 5);
    assert_int_equal(answer.body.len, fixture.runtime.flood);
    assert_true(fixture.runtime.resumes > 0);
    http_cancel(answer.request);
    loop_run_until(&fixture.loop, &answer.done);
    answer_release(&answer);
    close_fixture(&fixture);
}

TEST(logs, let_the_runtime_go_when_the_client_leaves_a_silent_stream)
{
    struct fixture fixture;
    struct answer answer = { 0 };
    char path[160];
    start_web(&fixture);
    logs_path(&fixture, "?follow=1", path);
    fixture.runtime.hang = true;
    send_call(&fixture, "GET", path, NULL, true, &answer);
    loop_run_for(&fixture.loop, 400);
    assert_non_null(fixture.runtime.open);
    http_cancel(answer.request);
    loop_run_until(&fixture.loop, &answer.done);
    for (int i = 0; i < 1000 && fixture.runtime.open; i++)
        loop_run_for(&fixture.loop, 5);
    assert_null(fixture.runtime.open);
    answer_release(&answer);
    close_fixture(&fixture);
}

TEST(logs, are_cut_when_the_agent_stops)
{
    struct fixture fixture;
    struct answer silent = { 0 }, speaking = { 0 };
    char path[160];
    start_web(&fixture);
    logs_path(&fixture, "?follow=1", path);
    fixture.runtime.text = "line\n";
    send_call(&fixture, "GET", path, NULL, true, &speaking);
    await_text(&fixture, &speaking, 0, "line");
    fixture.runtime.hang = true;
    send_call(&fixture, "GET", path, NULL, true, &silent);
    loop_run_for(&fixture.loop, 20);
    fake_agent_close(&fixture.agent);
    if (!silent.done)
        loop_run_until(&fixture.loop, &silent.done);
    if (!speaking.done)
        loop_run_until(&fixture.loop, &speaking.done);
    http_pool_close(fixture.pool, NULL, NULL);
    loop_must_close(&fixture.loop);
    answer_release(&silent);
    answer_release(&speaking);
}

/* ------------------------------------------------------------------ why */

static bool has_reason(const cJSON *waits, const char *reason)
{
    const cJSON *it;
    cJSON_ArrayForEach(it, waits)
        if (str_equal(text_of(it, "reason"), reason))
            return true;
    return false;
}

TEST(why, shows_the_exit_code_the_backoff_and_the_last_lines)
{
    struct fixture fixture;
    start_web(&fixture);
    fixture.runtime.text = "cannot open /data\nbye\n";
    fake_agent_exit(&fixture.agent, "web", 42);
    bool seen = false;
    for (int i = 0; i < 200 && !seen; i++) {
        cJSON *json AUTO_JSON = get(&fixture, "/v1/why/web", 200);
        seen = cJSON_GetArraySize(json_get(json, "backoff")) > 0 &&
               cJSON_GetArraySize(json_get(json, "exits")) > 0;
        if (!seen)
            continue;
        const cJSON *end = cJSON_GetArrayItem(json_get(json, "exits"), 0);
        assert_int_equal(json_integer(end, "exitCode", 0), 42);
        assert_string_equal(text_of(json, "kind"), "service");
        assert_true(has_reason(json_get(json, "waits"), "BACKOFF"));
    }
    assert_true(seen);
    close_fixture(&fixture);
}

TEST(why, asks_for_the_last_lines_and_does_not_wait_for_ever)
{
    struct fixture fixture;
    start_web(&fixture);
    fixture.runtime.text = "one\ntwo\n";
    cJSON *json AUTO_JSON = get(&fixture, "/v1/why/web", 200);
    const cJSON *lines = json_get(json_get(json, "log"), "lines");
    assert_int_equal(cJSON_GetArraySize(lines), 2);
    assert_string_equal(cJSON_GetArrayItem(lines, 1)->valuestring, "two");
    fixture.runtime.hang = true;
    struct answer answer = { 0 };
    send_call(&fixture, "GET", "/v1/why/web", NULL, false, &answer);
    loop_run_for(&fixture.loop, 30);
    assert_false(answer.done);
    fixture.agent.ahead += SECONDS(3);
    loop_run_until(&fixture.loop, &answer.done);
    assert_int_equal(answer.status, 200);
    answer_release(&answer);
    close_fixture(&fixture);
}

TEST(why, names_the_image_that_cannot_be_pulled)
{
    struct fixture fixture;
    open_fixture(&fixture);
    fixture.agent.pull_error = "manifest unknown";
    fake_agent_publish(&fixture.agent, WEB(1, "app:gone", ""));
    bool seen = false;
    for (int i = 0; i < 200 && !seen; i++) {
        struct answer answer;
        loop_run_for(&fixture.loop, 5);
        ask(&fixture, "GET", "/v1/why/web", NULL, &answer);
        seen = answer.status == 200 && strstr(str_text(&answer.body), "manifest unknown");
        answer_release(&answer);
    }
    assert_true(seen);
    close_fixture(&fixture);
}

TEST(why, shows_the_last_answer_of_a_probe)
{
    struct fixture fixture;
    open_fixture(&fixture);
    fixture.agent.probes_fail = true;
    fake_agent_publish(
        &fixture.agent,
        WEB(1, "app:1",
            ",\"publish\":[{\"hostPort\":8080,\"containerName\":\"app\",\"containerPort\":80,"
            "\"healthCheck\":{\"protocol\":\"HTTP\",\"path\":\"/up\"}}]"));
    bool seen = false;
    for (int i = 0; i < 200 && !seen; i++) {
        loop_run_for(&fixture.loop, 5);
        struct answer answer;
        ask(&fixture, "GET", "/v1/why/web", NULL, &answer);
        const cJSON *probe = cJSON_GetArrayItem(json_get(answer.json, "probes"), 0);
        seen = probe && str_equal(text_of(probe, "answer"), "HTTP 503 in 1 ms");
        answer_release(&answer);
    }
    assert_true(seen);
    close_fixture(&fixture);
}

TEST(why, says_what_the_agent_itself_waits_for)
{
    struct fixture fixture;
    open_fixture(&fixture);
    fixture.agent.hold[ACT_OBSERVE] = true;
    fake_agent_publish(&fixture.agent, WEB(1, "app:1", ""));
    cJSON *poll AUTO_JSON = post(&fixture, "/v1/poll", NULL, 200);
    assert_int_equal(json_integer(poll, "revision", 0), 1);
    cJSON *why AUTO_JSON = get(&fixture, "/v1/why/web", 200);
    assert_true(has_reason(json_get(why, "waits"), "FIRST_LOOK"));
    cJSON *restart AUTO_JSON = post(&fixture, "/v1/services/web/restart", NULL, 409);
    assert_string_equal(text_of(restart, "code"), "NotReady");
    close_fixture(&fixture);
}

TEST(why, still_knows_a_task_that_is_gone)
{
    struct fixture fixture;
    char path[64];
    start_web(&fixture);
    (void)snprintf(path, sizeof path, "/v1/tasks/%s/stop", web_task(&fixture));
    cJSON *stop AUTO_JSON = post(&fixture, path, NULL, 202);
    (void)snprintf(path, sizeof path, "/v1/why/%s", text_of(stop, "taskId"));
    fake_agent_run_until(&fixture.agent, no_task_runs);
    cJSON *why AUTO_JSON = get(&fixture, path, 200);
    const cJSON *task = cJSON_GetArrayItem(json_get(why, "tasks"), 0);
    const cJSON *exit = cJSON_GetArrayItem(json_get(why, "exits"), 0);
    assert_string_equal(text_of(task, "lastStatus"), "STOPPED");
    assert_string_equal(text_of(task, "stopCode"), "UserInitiated");
    assert_int_equal(json_integer(exit, "exitCode", 0), 143);
    close_fixture(&fixture);
}

TEST(why, answers_404_for_a_name_that_nobody_has)
{
    struct fixture fixture;
    start_web(&fixture);
    cJSON *json AUTO_JSON = get(&fixture, "/v1/why/nobody", 404);
    assert_string_equal(text_of(json, "code"), "NotFound");
    close_fixture(&fixture);
}
