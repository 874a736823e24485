#include <errno.h>
#include <string.h>

#include "berth/assert.h"
#include "berth/json.h"
#include "berth/memory.h"
#include "berth/observed.h"
#include "berth/str.h"
#include "tests/lib/test.h"

#define ID "3f4e8d1c9a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d"

/* As dockerd 20.10 answers, without what nobody here reads. */
static const char docker_running[] =
    "{\"Id\":\"" ID "\",\"Created\":\"2026-11-23T02:13:59.5Z\",\"Path\":\"sleep\","
    "\"State\":{\"Status\":\"running\",\"Running\":true,\"Paused\":false,\"Restarting\":false,"
    "\"OOMKilled\":false,\"Dead\":false,\"Pid\":4711,\"ExitCode\":0,\"Error\":\"\","
    "\"StartedAt\":\"2026-11-23T02:14:00.123456789Z\",\"FinishedAt\":\"0001-01-01T00:00:00Z\","
    "\"Health\":{\"Status\":\"unhealthy\",\"FailingStreak\":3,\"Log\":["
    "{\"Start\":\"x\",\"End\":\"x\",\"ExitCode\":0,\"Output\":\"first\"},"
    "{\"Start\":\"x\",\"End\":\"x\",\"ExitCode\":1,\"Output\":\" wget: server\\n returned "
    "\\u001b[1merror\\u0000\\u0007 500\\n\"}]}},"
    "\"Image\":\"sha256:1111111111111111111111111111111111111111111111111111111111111111\","
    "\"Name\":\"/berth-web-app-0123456789ab\",\"RestartCount\":0,\"Mounts\":[],"
    "\"Config\":{\"Image\":\"app:1\",\"Labels\":{\"io.berth.host\":\"h1\","
    "\"io.berth.cluster\":\"prod\",\"io.berth.service\":\"web\",\"io.berth.task\":\"0123456789ab\","
    "\"io.berth.container\":\"app\",\"io.berth.digest\":\"d1\",\"io.berth.generation\":\"12\","
    "\"io.berth.slot\":\"3\",\"io.berth.attempt\":\"0\",\"io.berth.essential\":\"false\","
    "\"io.berth.depends-on\":\"db:HEALTHY,cache:START\",\"io.berth.stop-timeout\":\"45\","
    "\"io.berth.containers\":\"2\",\"com.amazonaws.ecs.task-definition-family\":\"web\","
    "\"com.amazonaws.ecs.task-definition-version\":\"7\"}},"
    "\"NetworkSettings\":{\"Bridge\":\"\",\"Ports\":{\"8080/tcp\":["
    "{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"32768\"},{\"HostIp\":\"::\",\"HostPort\":\"32768\"},"
    "{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"80\"}],"
    "\"53/udp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"53\"}],\"9000/tcp\":null},"
    "\"IPAddress\":\"172.17.0.2\",\"Networks\":{\"bridge\":{\"IPAddress\":\"172.17.0.2\"}}}}";

static struct observed *look(const char *json)
{
    struct observed *observed = observed_new(true, NULL);
    struct err err = ERR_NONE;
    int rc = observed_add(observed, json, strlen(json), &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    assert_int_equal(observed->count, 1);
    return observed;
}

/* One container with only this State. */
static struct observed *look_at_state(const char *state)
{
    AUTO_FREE char *json = memory_printf("{\"Id\":\"c1\",\"Name\":\"/c\",\"State\":%s}", state);
    return look(json);
}

TEST(observed, reads_a_running_container_of_docker)
{
    struct observed *observed = look(docker_running);
    const struct observed_container *c = &observed->containers[0];
    assert_string_equal(c->runtime_id, ID);
    assert_string_equal(c->name, "berth-web-app-0123456789ab");
    assert_string_equal(c->image, "app:1");
    assert_int_equal(strlen(c->image_id), 7 + 64);
    assert_int_equal(c->state, RUNTIME_RUNNING);
    assert_true(c->started);
    assert_int_equal(c->pid, 4711);
    assert_int_equal(c->exit_code, 0);
    assert_false(c->oom_killed);
    assert_string_equal(c->error, "");
    assert_true(c->created_wall_ms == INT64_C(1795400039500));
    assert_true(c->started_wall_ms == INT64_C(1795400040123));
    assert_true(c->finished_wall_ms == 0);
    assert_string_equal(c->address, "172.17.0.2");
    observed_free(observed);
}

TEST(observed, reads_everything_back_from_labels)
{
    struct observed *observed = look(docker_running);
    const struct observed_container *c = &observed->containers[0];
    assert_string_equal(c->host, "h1");
    assert_string_equal(c->cluster, "prod");
    assert_string_equal(c->service, "web");
    assert_string_equal(c->one_off, "");
    assert_string_equal(c->task_id, "0123456789ab");
    assert_string_equal(c->container_name, "app");
    assert_string_equal(c->definition, "web:7");
    assert_string_equal(c->digest_hex, "d1");
    assert_int_equal(c->generation, 12);
    assert_int_equal(c->slot, 3);
    assert_int_equal(c->attempt, 0);
    assert_false(c->essential);
    assert_string_equal(c->depends_on, "db:HEALTHY,cache:START");
    assert_int_equal(c->stop_timeout_s, 45);
    assert_int_equal(c->task_container_count, 2);
    observed_free(observed);
}

TEST(observed, shows_the_last_health_output_as_one_clean_line)
{
    struct observed *observed = look(docker_running);
    assert_int_equal(observed->containers[0].health, HEALTH_UNHEALTHY);
    /* The NUL ends it: what stands behind is lost, the container is not. */
    assert_string_equal(observed->containers[0].health_output, "wget: server returned [1merror");
    observed_free(observed);
}

TEST(observed, lists_each_published_port_once)
{
    struct observed *observed = look(docker_running);
    const struct observed_container *c = &observed->containers[0];
    static const struct observed_port expected[] = {
        { 8080, 32768, PROTOCOL_TCP },
        { 8080, 80, PROTOCOL_TCP },
        { 53, 53, PROTOCOL_UDP },
    };
    assert_int_equal(c->port_count, COUNT_OF(expected));
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_int_equal(c->ports[i].container_port, expected[i].container_port);
        assert_int_equal(c->ports[i].host_port, expected[i].host_port);
        assert_int_equal(c->ports[i].protocol, expected[i].protocol);
    }
    observed_free(observed);
}

TEST(observed, knows_the_states_of_docker_and_podman)
{
    static const struct {
        const char *state;
        enum runtime_state expected;
    } cases[] = {
        { "{\"Status\":\"created\"}", RUNTIME_CREATED },
        { "{\"Status\":\"configured\"}", RUNTIME_CREATED },
        { "{\"Status\":\"initialized\"}", RUNTIME_CREATED },
        { "{\"Status\":\"running\"}", RUNTIME_RUNNING },
        { "{\"Status\":\"paused\",\"Running\":true}", RUNTIME_RUNNING },
        { "{\"Status\":\"restarting\",\"Running\":true}", RUNTIME_RUNNING },
        { "{\"Status\":\"stopping\"}", RUNTIME_RUNNING },
        { "{\"Status\":\"exited\"}", RUNTIME_EXITED },
        { "{\"Status\":\"stopped\"}", RUNTIME_EXITED },
        { "{\"Status\":\"dead\"}", RUNTIME_DEAD },
        { "{\"Status\":\"removing\"}", RUNTIME_REMOVING },
        /* Nothing that may be running is taken for dead. */
        { "{}", RUNTIME_RUNNING },
        { "{\"Status\":\"hibernating\"}", RUNTIME_RUNNING },
        { "{\"Status\":7,\"Running\":\"no\"}", RUNTIME_RUNNING },
        { "{\"Status\":\"odd\",\"Running\":false}", RUNTIME_CREATED },
        { "{\"Status\":\"odd\",\"Running\":false,\"StartedAt\":\"2026-11-23T02:14:00Z\"}",
          RUNTIME_EXITED },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct observed *observed = look_at_state(cases[i].state);
        assert_int_equal(observed->containers[0].state, cases[i].expected);
        observed_free(observed);
    }
}

TEST(observed, a_container_that_never_ran_has_not_started)
{
    struct observed *observed = look_at_state(
        "{\"Status\":\"created\",\"ExitCode\":0,\"StartedAt\":\"0001-01-01T00:00:00Z\"}");
    assert_false(observed->containers[0].started);
    observed_free(observed);
}

TEST(observed, an_exit_without_a_code_is_no_success)
{
    struct observed *observed =
        look_at_state("{\"Status\":\"exited\",\"OOMKilled\":true,"
                      "\"Error\":\"no such\\nfile\",\"FinishedAt\":\"2026-11-23T02:14:00+01:00\"}");
    const struct observed_container *c = &observed->containers[0];
    assert_int_equal(c->exit_code, -1);
    assert_true(c->oom_killed);
    assert_string_equal(c->error, "no such file");
    assert_true(c->finished_wall_ms == INT64_C(1795396440000));
    observed_free(observed);
}

TEST(observed, an_empty_health_status_is_none)
{
    static const char *const cases[] = {
        "{\"Health\":{\"Status\":\"\",\"FailingStreak\":0,\"Log\":null}}",
        "{\"Health\":{\"Status\":\"none\"}}",
        "{\"Health\":null}",
        "{\"Health\":\"healthy\"}",
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct observed *observed = look_at_state(cases[i]);
        assert_int_equal(observed->containers[0].health, HEALTH_NONE);
        assert_string_equal(observed->containers[0].health_output, "");
        observed_free(observed);
    }
}

TEST(observed, takes_the_address_of_the_first_network_that_has_one)
{
    static const struct {
        const char *settings, *expected;
    } cases[] = {
        { "{\"IPAddress\":\"\",\"Networks\":{\"a\":{\"IPAddress\":\"\"},"
          "\"b\":{\"IPAddress\":\"10.88.0.7\"},\"c\":{\"IPAddress\":\"10.89.0.7\"}}}",
          "10.88.0.7" },
        { "{\"IPAddress\":\"\",\"Networks\":{\"host\":{\"IPAddress\":\"\"}}}", "" },
        { "{\"IPAddress\":\"fe80::1\"}", "" },
        { "{\"IPAddress\":\"1.2.3.256\"}", "" },
        { "{\"IPAddress\":\"1.2.3.4:80\"}", "" },
        { "{\"IPAddress\":\"1.2.3\"}", "" },
        { "{\"IPAddress\":\"1.2.3.4.5\"}", "" },
        { "{\"IPAddress\":\"0001.2.3.4\"}", "" },
        { "{\"IPAddress\":7,\"Networks\":[]}", "" },
        { "null", "" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_FREE char *json =
            memory_printf("{\"Id\":\"c1\",\"Name\":\"/c\",\"State\":{},\"NetworkSettings\":%s}",
                          cases[i].settings);
        struct observed *observed = look(json);
        assert_string_equal(observed->containers[0].address, cases[i].expected);
        observed_free(observed);
    }
}

TEST(observed, passes_over_ports_that_are_none)
{
    struct observed *observed =
        look("{\"Id\":\"c1\",\"Name\":\"/c\",\"State\":{},\"NetworkSettings\":{\"Ports\":{"
             "\"80\":[{\"HostPort\":\"1\"}],\"80/sctp\":[{\"HostPort\":\"1\"}],"
             "\"0/tcp\":[{\"HostPort\":\"1\"}],\"65536/tcp\":[{\"HostPort\":\"1\"}],"
             "\"123456789/tcp\":[{\"HostPort\":\"1\"}],\"/tcp\":[{\"HostPort\":\"1\"}],"
             "\"81/tcp\":[{\"HostPort\":\"\"},{\"HostPort\":\"0\"},{\"HostPort\":70000},{},null,7,"
             "{\"HostPort\":\"8081\"}],\"82/tcp\":{},\"83/tcp\":[]}}}");
    assert_int_equal(observed->containers[0].port_count, 1);
    assert_int_equal(observed->containers[0].ports[0].host_port, 8081);
    observed_free(observed);
}

TEST(observed, labels_that_cannot_be_read_are_minus_one_or_the_safe_reading)
{
    struct observed *observed =
        look("{\"Id\":\"c1\",\"Name\":\"/c\",\"State\":{},\"Config\":{\"Labels\":{"
             "\"io.berth.generation\":\"-1\",\"io.berth.slot\":\"1x\",\"io.berth.attempt\":5,"
             "\"io.berth.stop-timeout\":\"99999999999999999999\",\"io.berth.essential\":\"no\","
             "\"com.amazonaws.ecs.task-definition-family\":\"web\"}}}");
    const struct observed_container *c = &observed->containers[0];
    assert_string_equal(c->host, "");
    assert_int_equal(c->generation, -1);
    assert_int_equal(c->slot, -1);
    assert_int_equal(c->attempt, -1);
    assert_int_equal(c->stop_timeout_s, -1);
    assert_int_equal(c->task_container_count, -1);
    assert_true(c->essential);
    assert_string_equal(c->definition, "");
    observed_free(observed);
}

TEST(observed, takes_podman_ids_of_images_and_names_without_a_slash)
{
    struct observed *observed = look("{\"Id\":\"c1\",\"Name\":\"berth-x\",\"State\":{},\"Image\":"
                                     "\"" ID "\",\"Config\":{\"Image\":\"localhost/bb:1\"}}");
    assert_string_equal(observed->containers[0].image_id, "sha256:" ID);
    assert_string_equal(observed->containers[0].name, "berth-x");
    assert_string_equal(observed->containers[0].image, "localhost/bb:1");
    observed_free(observed);
}

TEST(observed, cuts_health_output_at_a_character)
{
    AUTO_STR struct str output;
    str_init(&output, 10000);
    str_add(&output, "x");
    for (int i = 0; i < 1000; i++)
        str_add(&output, "\xE2\x82\xAC");
    AUTO_FREE char *json = memory_printf(
        "{\"Health\":{\"Status\":\"healthy\",\"Log\":[{\"Output\":\"%s\"}]}}", str_text(&output));
    struct observed *observed = look_at_state(json);
    const char *text = observed->containers[0].health_output;
    assert_int_equal(strlen(text), 1 + 341 * 3);
    assert_true(utf8_valid(text, strlen(text)));
    observed_free(observed);
}

TEST(observed, says_what_is_no_container_and_keeps_what_it_has)
{
    static const struct {
        const char *json, *message;
    } cases[] = {
        { "", "inspect answer: the text is empty" },
        { "<html>", "inspect answer: line 1, column 1: expected a value, found '<'" },
        { "[]", "inspect answer: Id \"\" is no container id" },
        { "{\"message\":\"no such container\"}", "inspect answer: Id \"\" is no container id" },
        { "{\"Id\":\"../x\"}", "inspect answer: Id \"../x\" is no container id" },
        { "{\"Id\":\"c1\",\"State\":{}}", "inspect answer for c1: Name \"\" is no container name" },
        { "{\"Id\":\"c1\",\"Name\":\"/a/b\",\"State\":{}}",
          "inspect answer for c1: Name \"/a/b\" is no container name" },
        { "{\"Id\":\"c1\",\"Name\":\"/c\",\"State\":\"running\"}",
          "inspect answer for c1: no State" },
    };
    struct observed *observed = look(docker_running);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err err = ERR_NONE;
        int rc = observed_add(observed, cases[i].json, strlen(cases[i].json), &err);
        assert_int_equal(rc, -EPROTO);
        assert_string_equal(err.text, cases[i].message);
        assert_int_equal(observed_add(observed, cases[i].json, strlen(cases[i].json), NULL),
                         -EPROTO);
    }
    assert_int_equal(observed->count, 1);
    observed_free(observed);
}

TEST(observed, holds_many_containers_in_the_order_they_came)
{
    struct observed *observed = observed_new(true, NULL);
    for (int i = 0; i < 1000; i++) {
        AUTO_FREE char *json =
            memory_printf("{\"Id\":\"c%d\",\"Name\":\"/n%d\",\"State\":{}}", i, i);
        assert_int_equal(observed_add(observed, json, strlen(json), NULL), 0);
    }
    assert_int_equal(observed->count, 1000);
    assert_string_equal(observed->containers[0].name, "n0");
    assert_string_equal(observed->containers[999].runtime_id, "c999");
    observed_free(observed);
}

TEST(observed, keeps_the_identity_of_what_cannot_be_inspected)
{
    static const char list[] =
        "[{\"Id\":\"c1\",\"Names\":[\"/berth-web\"],\"Image\":\"web:1\",\"State\":\"running\","
        "\"Labels\":{\"io.berth.host\":\"h\",\"io.berth.task\":\"t\",\"io.berth.slot\":\"2\"}},"
        "{\"Id\":\"\",\"Names\":[\"/x\"]},{\"Id\":\"c2\"},7]";
    AUTO_JSON cJSON *json = NULL;
    assert_int_equal(json_parse(list, strlen(list), &json, NULL), 0);
    struct observed *observed = observed_new(true, NULL);
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, json) {
        observed_add_unclear(observed, item);
    }
    assert_int_equal(observed->count, 1);
    const struct observed_container *container = &observed->containers[0];
    assert_true(container->unclear);
    assert_string_equal(container->name, "berth-web");
    assert_string_equal(container->host, "h");
    assert_string_equal(container->task_id, "t");
    assert_int_equal(container->slot, 2);
    assert_int_equal(container->generation, -1);
    observed_free(observed);
}

TEST(observed, remembers_its_scope)
{
    char asked[] = "berth-web";
    struct observed *observed = observed_new(false, asked);
    asked[0] = 'X';
    assert_false(observed->full);
    assert_string_equal(observed->asked, "berth-web");
    observed_free(observed);
    observed_free(NULL);
}
