#include <stdlib.h>
#include <string.h>

#include "berth/json.h"
#include "berth/memory.h"
#include "berth/observed.h"
#include "berth/render.h"
#include "tests/lib/test.h"

#define TASK_ID "0123456789abcdef0123456789abcdef"
#define DIGEST "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static const struct container_identity web = {
    .host_id = "i-0abc",
    .cluster = "prod",
    .service = "web",
    .task_id = TASK_ID,
    .generation = 12,
    .slot = 3,
    .attempt = 1,
    .digest_hex = DIGEST,
    .default_stop_timeout_ms = SECONDS(30),
};

/* A task definition with one container called "app"; fields are put over it. */
struct fixture {
    struct container_definition containers[2];
    struct task_definition definition;
};

static struct fixture fixture_make(void)
{
    return (struct fixture){
        .containers = {
            { .name = "app", .image = "app:1", .essential = true, .stop_timeout_s = -1 },
            { .name = "db", .image = "db:1", .essential = true, .stop_timeout_s = -1 },
        },
        .definition = { .family = "shop", .revision = 7, .container_count = 1 },
    };
}

static cJSON *render(struct fixture *fixture, const struct container_identity *identity,
                     const struct publish *publish, size_t publish_count, const char *cgroup)
{
    AUTO_STR struct str out;
    str_init(&out, 100000);
    fixture->definition.containers = fixture->containers;
    render_create(&fixture->definition, 0, identity, publish, publish_count, cgroup, &out);
    assert_false(out.truncated);
    cJSON *json = NULL;
    struct err err = ERR_NONE;
    int rc = json_parse(str_text(&out), out.len, &json, &err); /* also: no key twice */
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    return json;
}

/* The member at path ("HostConfig.Memory") is exactly this JSON; "" = there is none. */
static void expect_in(const cJSON *json, const char *path, const char *expected)
{
    while (json && *path) {
        size_t len = strcspn(path, ".");
        AUTO_FREE char *key = memory_strndup(path, len);
        json = json_get(json, key);
        path += len + (path[len] == '.' ? 1 : 0);
    }
    AUTO_FREE char *text = json ? cJSON_PrintUnformatted(json) : memory_strdup("");
    assert_string_equal(text, expected);
}

static void expect(struct fixture *fixture, const char *path, const char *expected)
{
    AUTO_JSON cJSON *json = render(fixture, &web, NULL, 0, NULL);
    expect_in(json, path, expected);
}

#define LIST(...)                                                                                  \
    {                                                                                              \
        (const char *[]){ __VA_ARGS__ }, sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *)  \
    }

TEST(render, leaves_out_what_is_absent)
{
    struct fixture fixture = fixture_make();
    AUTO_JSON cJSON *json = render(&fixture, &web, NULL, 0, NULL);
    static const char *const absent[] = { "Entrypoint",
                                          "Cmd",
                                          "Env",
                                          "User",
                                          "WorkingDir",
                                          "ExposedPorts",
                                          "Healthcheck",
                                          "HostConfig.PortBindings",
                                          "HostConfig.Binds",
                                          "HostConfig.CpuShares",
                                          "HostConfig.Memory",
                                          "HostConfig.MemoryReservation",
                                          "HostConfig.ReadonlyRootfs",
                                          "HostConfig.CgroupParent" };
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
        expect_in(json, absent[i], "");
    expect_in(json, "Image", "\"app:1\"");
    expect_in(json, "HostConfig.NetworkMode", "\"bridge\"");
}

TEST(render, never_lets_the_runtime_restart_or_logs_grow_for_ever)
{
    struct fixture fixture = fixture_make();
    expect(&fixture, "HostConfig.RestartPolicy", "{\"Name\":\"no\"}");
    expect(&fixture, "HostConfig.LogConfig",
           "{\"Type\":\"json-file\",\"Config\":{\"max-size\":\"10m\",\"max-file\":\"3\"}}");
}

TEST(render, passes_commands_and_plain_fields_on)
{
    struct fixture fixture = fixture_make();
    struct container_definition *app = &fixture.containers[0];
    struct key_value environment[] = { { "A", "1=2" }, { "EMPTY", "" } };
    app->entry_point = (struct string_list)LIST("/bin/sh", "-c");
    app->command = (struct string_list)LIST("echo \"hi\"");
    app->entry_point_set = app->command_set = true;
    app->environment = environment;
    app->environment_count = 2;
    app->user = "1000:1000";
    app->working_directory = "/srv";
    app->readonly_root_filesystem = true;
    AUTO_JSON cJSON *json = render(&fixture, &web, NULL, 0, "/berth/" TASK_ID);
    expect_in(json, "Entrypoint", "[\"/bin/sh\",\"-c\"]");
    expect_in(json, "Cmd", "[\"echo \\\"hi\\\"\"]");
    expect_in(json, "Env", "[\"A=1=2\",\"EMPTY=\"]");
    expect_in(json, "User", "\"1000:1000\"");
    expect_in(json, "WorkingDir", "\"/srv\"");
    expect_in(json, "HostConfig.ReadonlyRootfs", "true");
    expect_in(json, "HostConfig.CgroupParent", "\"/berth/" TASK_ID "\"");
}

TEST(render, an_explicit_empty_command_differs_from_an_absent_one)
{
    struct fixture fixture = fixture_make();
    expect(&fixture, "Cmd", "");
    fixture.containers[0].command_set = true;
    expect(&fixture, "Cmd", "[]");
}

TEST(render, bounds_cpu_shares_as_ecs_does)
{
    static const struct {
        int64_t cpu;
        const char *shares;
    } cases[] = { { 0, "" }, { 1, "2" }, { 2, "2" }, { 256, "256" }, { 999999, "262144" } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture fixture = fixture_make();
        fixture.containers[0].cpu = cases[i].cpu;
        expect(&fixture, "HostConfig.CpuShares", cases[i].shares);
    }
}

TEST(render, gives_memory_in_exact_bytes_and_never_less_than_the_runtime_takes)
{
    struct fixture fixture = fixture_make();
    struct container_definition *app = &fixture.containers[0];
    app->memory_mib = 8 * 1024 * 1024; /* 8 TiB: no exponent, no rounding */
    app->memory_reservation_mib = 128;
    AUTO_STR struct str out;
    str_init(&out, 10000);
    fixture.definition.containers = fixture.containers;
    render_create(&fixture.definition, 0, &web, NULL, 0, NULL, &out);
    assert_non_null(strstr(str_text(&out), "\"Memory\":8796093022208,"));
    assert_non_null(strstr(str_text(&out), "\"MemoryReservation\":134217728,"));
    app->memory_mib = 4;
    app->memory_reservation_mib = 0;
    expect(&fixture, "HostConfig.Memory", "6291456");
}

TEST(render, turns_health_check_seconds_into_nanoseconds)
{
    struct fixture fixture = fixture_make();
    fixture.containers[0].health_check = (struct health_check){
        .present = true,
        .command = LIST("CMD-SHELL", "exit 0"),
        .interval_s = 30,
        .timeout_s = 5,
        .retries = 3,
        .start_period_s = 300,
    };
    expect(&fixture, "Healthcheck",
           "{\"Test\":[\"CMD-SHELL\",\"exit 0\"],\"Interval\":30000000000,"
           "\"Timeout\":5000000000,\"Retries\":3,\"StartPeriod\":300000000000}");
    fixture.containers[0].health_check = (struct health_check){ .disabled = true };
    expect(&fixture, "Healthcheck", "{\"Test\":[\"NONE\"]}");
}

TEST(render, groups_port_bindings_by_container_port)
{
    struct fixture fixture = fixture_make();
    struct port_mapping mappings[] = {
        { 8080, 0, PROTOCOL_TCP, NULL },
        { 53, 53, PROTOCOL_UDP, NULL },
        { 8080, 80, PROTOCOL_TCP, NULL },
        { 53, 5353, PROTOCOL_TCP, NULL },
    };
    fixture.containers[0].port_mappings = mappings;
    fixture.containers[0].port_mapping_count = 4;
    expect(&fixture, "HostConfig.PortBindings",
           "{\"53/tcp\":[{\"HostPort\":\"5353\"}],\"53/udp\":[{\"HostPort\":\"53\"}],"
           "\"8080/tcp\":[{\"HostPort\":\"\"},{\"HostPort\":\"80\"}]}");
    expect(&fixture, "ExposedPorts", "{\"53/tcp\":{},\"53/udp\":{},\"8080/tcp\":{}}");
}

TEST(render, binds_published_ports_of_this_container_once)
{
    struct fixture fixture = fixture_make();
    struct port_mapping mapping = { 8080, 80, PROTOCOL_TCP, NULL };
    struct publish publish[] = {
        { .host_port = 80, .container = 0, .container_port = 8080 },
        { .host_port = 443, .container = 0, .container_port = 8443 },
        { .host_port = 5432, .container = 1, .container_port = 5432 },
    };
    fixture.containers[0].port_mappings = &mapping;
    fixture.containers[0].port_mapping_count = 1;
    AUTO_JSON cJSON *json = render(&fixture, &web, publish, 3, NULL);
    expect_in(json, "HostConfig.PortBindings",
              "{\"8080/tcp\":[{\"HostPort\":\"80\"}],\"8443/tcp\":[{\"HostPort\":\"443\"}]}");
}

TEST(render, binds_no_ports_outside_bridge_mode)
{
    static const enum network_mode modes[] = { NETWORK_HOST, NETWORK_NONE };
    for (size_t i = 0; i < 2; i++) {
        struct fixture fixture = fixture_make();
        struct port_mapping mapping = { 8080, 8080, PROTOCOL_TCP, NULL };
        struct publish publish = { .host_port = 80, .container_port = 8080 };
        fixture.containers[0].port_mappings = &mapping;
        fixture.containers[0].port_mapping_count = 1;
        fixture.definition.network_mode = modes[i];
        AUTO_JSON cJSON *json = render(&fixture, &web, &publish, 1, NULL);
        expect_in(json, "HostConfig.NetworkMode",
                  modes[i] == NETWORK_HOST ? "\"host\"" : "\"none\"");
        expect_in(json, "HostConfig.PortBindings", "");
        expect_in(json, "ExposedPorts", "");
    }
}

TEST(render, mounts_host_paths_and_volumes_of_the_task)
{
    struct fixture fixture = fixture_make();
    struct volume volumes[] = { { "data", NULL }, { "etc", "/etc/app" } };
    struct mount_point mounts[] = { { "etc", "/etc/app", true }, { "data", "/data", false } };
    fixture.definition.volumes = volumes;
    fixture.definition.volume_count = 2;
    fixture.containers[0].mount_points = mounts;
    fixture.containers[0].mount_point_count = 2;
    expect(&fixture, "HostConfig.Binds",
           "[\"/etc/app:/etc/app:ro\",\"berth-0123456789ab-data:/data\"]");
}

TEST(render, a_stop_timeout_comes_from_the_container_then_from_the_host)
{
    struct fixture fixture = fixture_make();
    struct container_identity identity = web;
    expect(&fixture, "StopTimeout", "30");
    fixture.containers[0].stop_timeout_s = 0;
    expect(&fixture, "StopTimeout", "0");
    fixture.containers[0].stop_timeout_s = -1;
    identity.default_stop_timeout_ms = 1500;
    AUTO_JSON cJSON *json = render(&fixture, &identity, NULL, 0, NULL);
    expect_in(json, "StopTimeout", "2");
}

static void expect_label(const cJSON *json, const char *label, const char *expected)
{
    const char *text = json_string(json_get(json, "Labels"), label, "none");
    assert_string_equal(text, expected);
}

TEST(render, labels_of_the_document_cannot_pretend_to_be_ours)
{
    struct fixture fixture = fixture_make();
    struct key_value labels[] = {
        { "team", "shop" },
        { LABEL_HOST, "other" },
        { LABEL_SERVICE, "stolen" },
        { "io.berth.later", "x" },
        { LABEL_ECS_CLUSTER, "other" },
        { "com.amazonaws.ecs.custom", "kept" },
        { "empty", NULL },
    };
    fixture.containers[0].docker_labels = labels;
    fixture.containers[0].docker_label_count = sizeof labels / sizeof labels[0];
    struct container_identity one_off = web;
    one_off.service = NULL;
    one_off.one_off = "migrate-1";
    AUTO_JSON cJSON *json = render(&fixture, &one_off, NULL, 0, NULL);
    expect_label(json, "team", "shop");
    expect_label(json, "empty", "");
    expect_label(json, "com.amazonaws.ecs.custom", "kept");
    expect_label(json, LABEL_HOST, "i-0abc");
    expect_label(json, LABEL_SERVICE, "none");
    expect_label(json, LABEL_ONE_OFF, "migrate-1");
    expect_label(json, "io.berth.later", "none");
    expect_label(json, LABEL_ECS_CLUSTER, "prod");
}

TEST(render, gives_existing_tools_the_labels_of_ecs)
{
    struct fixture fixture = fixture_make();
    AUTO_JSON cJSON *json = render(&fixture, &web, NULL, 0, NULL);
    expect_label(json, "com.amazonaws.ecs.cluster", "prod");
    expect_label(json, "com.amazonaws.ecs.container-name", "app");
    expect_label(json, "com.amazonaws.ecs.task-arn",
                 "arn:aws:ecs:local:000000000000:task/prod/" TASK_ID);
    expect_label(json, "com.amazonaws.ecs.task-definition-family", "shop");
    expect_label(json, "com.amazonaws.ecs.task-definition-version", "7");
}

/* What an inspect of a container created with this body says. */
static struct observed *inspect_of(const cJSON *created)
{
    AUTO_FREE char *labels = cJSON_PrintUnformatted(json_get(created, "Labels"));
    AUTO_FREE char *answer =
        memory_printf("{\"Id\":\"c1\",\"Name\":\"/c\",\"State\":{\"Status\":\"created\"},"
                      "\"Config\":{\"Image\":\"%s\",\"Labels\":%s}}",
                      json_string(created, "Image", ""), labels);
    struct observed *observed = observed_new(true, NULL);
    assert_int_equal(observed_add(observed, answer, strlen(answer), NULL), 0);
    return observed;
}

TEST(render, a_restarted_agent_gets_everything_back_from_labels)
{
    struct fixture fixture = fixture_make();
    struct dependency depends[] = { { "db", 1, DEPENDS_HEALTHY }, { "cache", 1, DEPENDS_START } };
    fixture.containers[0].depends_on = depends;
    fixture.containers[0].depends_on_count = 2;
    fixture.containers[0].essential = false;
    fixture.containers[0].stop_timeout_s = 45;
    fixture.definition.container_count = 2;
    AUTO_JSON cJSON *json = render(&fixture, &web, NULL, 0, NULL);
    struct observed *observed = inspect_of(json);
    const struct observed_container *c = &observed->containers[0];
    assert_string_equal(c->image, "app:1");
    assert_string_equal(c->host, web.host_id);
    assert_string_equal(c->cluster, web.cluster);
    assert_string_equal(c->service, web.service);
    assert_string_equal(c->one_off, "");
    assert_string_equal(c->task_id, web.task_id);
    assert_string_equal(c->container_name, "app");
    assert_string_equal(c->definition, "shop:7");
    assert_string_equal(c->digest_hex, web.digest_hex);
    assert_int_equal(c->generation, web.generation);
    assert_int_equal(c->slot, web.slot);
    assert_int_equal(c->attempt, web.attempt);
    assert_false(c->essential);
    assert_string_equal(c->depends_on, "db:HEALTHY,cache:START");
    assert_int_equal(c->stop_timeout_s, 45);
    assert_int_equal(c->task_container_count, 2);
    observed_free(observed);
}

TEST(render, a_restarted_agent_knows_a_one_off_task_by_its_id)
{
    struct fixture fixture = fixture_make();
    struct container_identity one_off = web;
    one_off.service = NULL;
    one_off.one_off = "migrate-2026-11-22";
    AUTO_JSON cJSON *json = render(&fixture, &one_off, NULL, 0, NULL);
    struct observed *observed = inspect_of(json);
    assert_string_equal(observed->containers[0].service, "");
    assert_string_equal(observed->containers[0].one_off, "migrate-2026-11-22");
    assert_true(observed->containers[0].essential);
    assert_string_equal(observed->containers[0].depends_on, "");
    assert_int_equal(observed->containers[0].stop_timeout_s, 30);
    observed_free(observed);
}

TEST(render, container_names_are_plain_when_they_can_be)
{
    char name[128];
    render_container_name("web", "app_1", TASK_ID, name);
    assert_string_equal(name, "berth-web-app_1-0123456789ab");
    render_container_name("web", "app", "short", name);
    assert_string_equal(name, "berth-web-app-short");
}

TEST(render, container_names_stay_apart_when_they_are_cut_or_changed)
{
    char long_a[256], long_b[256], name_a[128], name_b[128], again[128];
    memset(long_a, 'x', 255);
    memset(long_b, 'x', 255);
    long_a[255] = long_b[255] = '\0';
    long_b[254] = 'y';
    render_container_name(long_a, long_a, TASK_ID, name_a);
    render_container_name(long_a, long_b, TASK_ID, name_b);
    render_container_name(long_a, long_a, TASK_ID, again);
    assert_true(strlen(name_a) <= 120);
    assert_string_not_equal(name_a, name_b);
    assert_string_equal(name_a, again);
    assert_string_equal(name_a + strlen(name_a) - 13, "-0123456789ab");

    render_container_name("a/b", "c", TASK_ID, name_a);
    render_container_name("a b", "c", TASK_ID, name_b);
    assert_string_not_equal(name_a, name_b);
    assert_true(strncmp(name_a, "berth-a-b-c-", 12) == 0);
}

TEST(render, volume_names_fit_into_a_directory_name)
{
    char volume[256], name[RENDER_VOLUME_MAX];
    memset(volume, 'v', 255);
    volume[255] = '\0';
    render_volume_name(TASK_ID, volume, name);
    assert_true(strlen(name) <= 255);
    render_volume_name(TASK_ID, "data", name);
    assert_string_equal(name, "berth-0123456789ab-data");
}

TEST(render, knows_which_images_move)
{
    static const struct {
        const char *image;
        bool latest;
    } cases[] = {
        { "nginx", true },
        { "nginx:latest", true },
        { "nginx:1.25", false },
        { "registry:5000/nginx", true },
        { "registry:5000/nginx:latest", true },
        { "registry:5000/nginx:2", false },
        { "nginx@sha256:" DIGEST, false },
        { "nginx:latest@sha256:" DIGEST, false },
        { "registry:5000/team/app", true },
        { "", true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(image_is_latest(cases[i].image), cases[i].latest);
}

TEST(render, arns_have_the_shape_of_ecs)
{
    char arn[512];
    render_task_definition_arn("shop:7", arn);
    assert_string_equal(arn, "arn:aws:ecs:local:000000000000:task-definition/shop:7");
}
