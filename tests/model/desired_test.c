/* The document as a whole: what it must hold, how its parts refer to each other, what clashes. */
#include "tests/lib/test.h"

#include <string.h>

#include "berth/limits.h"
#include "berth/memory.h"
#include "berth/str.h"
#include "tests/lib/model.h"

/* One service named "web" of one definition, with further fields. */
static struct reading service_with(const char *fields)
{
    AUTO_FREE char *text =
        memory_printf("[{'serviceName': 'web', 'taskDefinition': 'web', 'desiredCount': 1%s%s}]",
                      fields[0] ? ", " : "", fields);
    return read_services(text);
}

static struct reading publish_with(const char *fields)
{
    AUTO_FREE char *text = memory_printf("'publish': [{'hostPort': 80, 'containerPort': 8080%s%s}]",
                                         fields[0] ? ", " : "", fields);
    return service_with(text);
}

static void document_fails(const char *text, const char *path, const char *code)
{
    struct reading reading = read_document(text);
    expect_error(&reading, path, code);
    reading_release(&reading);
}

static void service_fails(const char *fields, const char *path, const char *code)
{
    struct reading reading = service_with(fields);
    expect_error(&reading, path, code);
    reading_release(&reading);
}

static void publish_fails(const char *fields, const char *path, const char *code)
{
    struct reading reading = publish_with(fields);
    expect_error(&reading, path, code);
    reading_release(&reading);
}

#define S "services[0]"
#define P "services[0].publish[0]"

TEST(desired, has_the_defaults_of_ecs)
{
    struct reading reading = publish_with("'healthCheck': {'protocol': 'HTTP'}");
    expect_nothing(&reading);
    const struct desired *desired = reading.desired;
    assert_int_equal(desired->revision, 1);
    assert_int_equal(desired->refs, 1);
    const struct service *web = desired_service(desired, "web");
    assert_non_null(web);
    assert_ptr_equal(web->definition, &desired->definitions[0]);
    assert_int_equal(web->strategy, SCHEDULING_REPLICA);
    assert_int_equal(web->deployment.minimum_healthy_percent, 100);
    assert_int_equal(web->deployment.maximum_percent, 200);
    assert_int_equal(web->grace_ms, 0);
    const struct publish *publish = &web->publish[0];
    assert_string_equal(publish->container_name, "web");
    assert_int_equal(publish->container, 0);
    assert_int_equal(publish->protocol, PROTOCOL_TCP);
    assert_int_equal(publish->deregistration_delay_ms, 30000);
    assert_int_equal(publish->probe.protocol, PROBE_HTTP);
    assert_string_equal(publish->probe.path, "/");
    assert_int_equal(publish->probe.interval_ms, 30000);
    assert_int_equal(publish->probe.timeout_ms, 5000);
    assert_int_equal(publish->probe.healthy_threshold, 2);
    assert_int_equal(publish->probe.unhealthy_threshold, 3);
    assert_int_equal(publish->probe.status_min, 200);
    assert_int_equal(publish->probe.status_max, 399);
    assert_null(desired_service(desired, "other"));
    assert_null(desired_one_off(desired, "other"));
    reading_release(&reading);
}

TEST(desired, reads_the_documented_example)
{
    struct reading reading = read_document(
        "{'revision': 42, 'taskDefinitions': [{'family': 'web', 'revision': 7,"
        "  'containerDefinitions': [{'name': 'side', 'image': 'b'}, {'name': 'web', 'image': 'a',"
        "   'portMappings': [{'containerPort': 8080}]}]},"
        "  {'family': 'migrate', 'revision': 3, 'containerDefinitions': [{'name': 'm',"
        "   'image': 'c', 'environment': [{'name': 'A', 'value': '1'}]}]}],"
        " 'services': [{'serviceName': 'web', 'taskDefinition': 'web:7', 'desiredCount': 1,"
        "  'schedulingStrategy': 'REPLICA', 'deploymentConfiguration': {"
        "   'minimumHealthyPercent': 50, 'maximumPercent': 200},"
        "  'healthCheckGracePeriodSeconds': 15, 'publish': [{'hostPort': 80, 'protocol': 'tcp',"
        "   'containerName': 'web', 'containerPort': 8080, 'healthCheck': {'protocol': 'HTTP',"
        "    'path': '/healthz', 'intervalSeconds': 5, 'timeoutSeconds': 2,"
        "    'healthyThresholdCount': 4, 'unhealthyThresholdCount': 5, 'matcher': '200-299'},"
        "   'deregistrationDelaySeconds': 10}]}],"
        " 'tasks': [{'id': 'migrate-2026-11-22', 'taskDefinition': 'migrate:3',"
        "  'overrides': {}}]}");
    expect_nothing(&reading);
    const struct service *web = desired_service(reading.desired, "web");
    assert_int_equal(reading.desired->revision, 42);
    assert_int_equal(web->grace_ms, 15000);
    assert_int_equal(web->deployment.minimum_healthy_percent, 50);
    assert_int_equal(web->publish[0].container, 1);
    assert_int_equal(web->publish[0].deregistration_delay_ms, 10000);
    assert_string_equal(web->publish[0].probe.path, "/healthz");
    assert_int_equal(web->publish[0].probe.interval_ms, 5000);
    assert_int_equal(web->publish[0].probe.timeout_ms, 2000);
    assert_int_equal(web->publish[0].probe.healthy_threshold, 4);
    assert_int_equal(web->publish[0].probe.unhealthy_threshold, 5);
    assert_int_equal(web->publish[0].probe.status_max, 299);
    const struct one_off *migrate = desired_one_off(reading.desired, "migrate-2026-11-22");
    assert_non_null(migrate);
    assert_string_equal(migrate->definition->name, "migrate:3");
    assert_true(digest_equal(&migrate->digest, &reading.desired->definitions[1].digest));
    reading_release(&reading);
}

TEST(desired, stops_everything_only_for_a_real_empty_list)
{
    struct reading reading =
        read_document("{'revision': 1, 'taskDefinitions': [], 'services': []}");
    expect_nothing(&reading);
    assert_int_equal(reading.desired->service_count, 0);
    reading_release(&reading);
    document_fails("{'revision': 1, 'taskDefinitions': []}", "services", FINDING_MISSING);
    document_fails("{'revision': 1, 'services': []}", "taskDefinitions", FINDING_MISSING);
    document_fails("{'revision': 1, 'taskDefinitions': [], 'services': null}", "services",
                   FINDING_MISSING);
    document_fails("{'revision': 1, 'taskDefinitions': [], 'services': {}}", "services",
                   FINDING_TYPE);
    document_fails("{'revision': 1, 'taskDefinitions': [], 'services': ''}", "services",
                   FINDING_TYPE);
    document_fails("{'revision': 1, 'taskDefinitions': {}, 'services': []}", "taskDefinitions",
                   FINDING_TYPE);
    document_fails("{'revision': 1, 'taskDefinitions': [], 'services': [], 'tasks': {}}", "tasks",
                   FINDING_TYPE);
}

TEST(desired, needs_a_revision)
{
    document_fails("{'taskDefinitions': [], 'services': []}", "revision", FINDING_MISSING);
    document_fails("{'revision': 0, 'taskDefinitions': [], 'services': []}", "revision",
                   FINDING_RANGE);
    document_fails("{'revision': -1, 'taskDefinitions': [], 'services': []}", "revision",
                   FINDING_RANGE);
    document_fails("{'revision': 1.5, 'taskDefinitions': [], 'services': []}", "revision",
                   FINDING_TYPE);
    document_fails("{'revision': 1e17, 'taskDefinitions': [], 'services': []}", "revision",
                   FINDING_TYPE);
    document_fails("{'revision': '7', 'taskDefinitions': [], 'services': []}", "revision",
                   FINDING_TYPE);
    document_fails("{'revision': 'new', 'taskDefinitions': [], 'services': []}", "revision",
                   FINDING_TYPE);
}

static void bytes_fail(const char *bytes, size_t len, const char *code)
{
    struct findings findings = { 0 };
    assert_null(desired_parse(bytes, len, &findings));
    assert_int_equal(findings.errors, 1);
    assert_string_equal(findings.list[0].path, ".");
    assert_string_equal(findings.list[0].code, code);
    findings_release(&findings);
}

static void text_fails(const char *text, const char *code)
{
    bytes_fail(text, strlen(text), code);
}

TEST(desired, refuses_what_is_not_json)
{
    text_fails("", FINDING_NOT_JSON);
    text_fails("revision: 1\n", FINDING_NOT_JSON);
    text_fails("<html>", FINDING_NOT_JSON);
    text_fails("{\"revision\": 1, \"services\": [", FINDING_NOT_JSON);
    text_fails("{\"revision\": 1,}", FINDING_NOT_JSON);
    text_fails("{\"revision\": 1} x", FINDING_NOT_JSON);
    text_fails("{\"revision\": 1, \"revision\": 2}", FINDING_NOT_JSON);
    text_fails("{\"a\": \"\\u0000\"}", FINDING_NOT_JSON);
    text_fails("{\"a\": \"\xff\"}", FINDING_NOT_JSON);
    bytes_fail("{\0\"\0a\0\"\0", 8, FINDING_NOT_JSON);
    bytes_fail("{} \0", 4, FINDING_NOT_JSON);
}

TEST(desired, must_be_an_object)
{
    text_fails("[]", FINDING_TYPE);
    text_fails("null", FINDING_TYPE);
    text_fails("\"file\"", FINDING_TYPE);
    text_fails("5", FINDING_TYPE);
}

TEST(desired, refuses_a_truncated_document_at_every_byte)
{
    const char *whole =
        "{\"revision\":1,\"taskDefinitions\":[{\"family\":\"w\",\"containerDefinitions\":"
        "[{\"name\":\"w\",\"image\":\"n\"}]}],\"services\":[{\"serviceName\":\"w\","
        "\"taskDefinition\":\"w\",\"desiredCount\":1}]}";
    size_t len = strlen(whole);
    for (size_t cut = 0; cut < len; cut++) {
        struct findings findings = { 0 };
        assert_null(desired_parse(whole, cut, &findings));
        findings_release(&findings);
    }
    struct findings findings = { 0 };
    struct desired *desired = desired_parse(whole, len, &findings);
    assert_non_null(desired);
    desired_unref(desired);
    findings_release(&findings);
}

TEST(desired, refuses_what_is_too_deep_or_too_large)
{
    AUTO_FREE char *deep = memory_alloc(20001);
    memset(deep, '[', 20000);
    text_fails(deep, FINDING_NOT_JSON);
    size_t len = DOCUMENT_BYTES_MAX + 1;
    AUTO_FREE char *large = memory_alloc(len);
    memset(large, ' ', len);
    bytes_fail(large, len, FINDING_TOO_LARGE);
}

TEST(desired, bounds_the_number_of_everything)
{
    AUTO_STR struct str text;
    str_init(&text, DOCUMENT_BYTES_MAX);
    str_add(&text, "{\"revision\": 1, \"taskDefinitions\": [], \"services\": [");
    for (int i = 0; i <= SERVICES_MAX; i++)
        str_add(&text, i ? ",{}" : "{}");
    str_add(&text, "]}");
    struct findings findings = { 0 };
    assert_null(desired_parse(str_text(&text), text.len, &findings));
    assert_int_equal(findings.errors, 1);
    assert_string_equal(findings.list[0].path, "services");
    assert_string_equal(findings.list[0].code, FINDING_TOO_LARGE);
    findings_release(&findings);
}

TEST(desired, takes_an_environment_of_a_thousand_entries)
{
    AUTO_STR struct str text;
    str_init(&text, DOCUMENT_BYTES_MAX);
    str_add(&text, "{'revision': 1, 'services': [], 'taskDefinitions': [{'family': 'w',"
                   "'containerDefinitions': [{'name': 'w', 'image': 'n', 'environment': [");
    for (int i = 0; i < 1000; i++)
        str_addf(&text, "%s{'name': 'V%d', 'value': 'line\\nline'}", i ? "," : "", i);
    str_add(&text, "]}]}]}");
    struct reading reading = read_document(str_text(&text));
    expect_nothing(&reading);
    assert_int_equal(reading.desired->definitions[0].containers[0].environment_count, 1000);
    reading_release(&reading);
}

/* Definitions a:1, a:3 and b:1, and one service that refers to one of them. */
static struct reading referring_to(const char *reference)
{
    AUTO_FREE char *text = memory_printf(
        "{'revision': 1, 'taskDefinitions': ["
        "{'family': 'a', 'revision': 3, 'containerDefinitions': [{'name': 'x', 'image': 'x'}]},"
        "{'family': 'a', 'revision': 1, 'containerDefinitions': [{'name': 'x', 'image': 'x'}]},"
        "{'family': 'b', 'containerDefinitions': [{'name': 'x', 'image': 'x'}]}],"
        "'services': [{'serviceName': 's', 'desiredCount': 1, 'taskDefinition': '%s'}]}",
        reference);
    return read_document(text);
}

static void refers_to(const char *reference, const char *name)
{
    struct reading reading = referring_to(reference);
    expect_nothing(&reading);
    assert_string_equal(reading.desired->services[0].definition->name, name);
    reading_release(&reading);
}

TEST(desired, resolves_references_as_ecs_does)
{
    refers_to("a", "a:3");
    refers_to("a:1", "a:1");
    refers_to("b", "b:1");
    refers_to("arn:aws:ecs:eu-west-1:123456789012:task-definition/a:1", "a:1");
    refers_to("arn:aws-cn:ecs:x:1:task-definition/b", "b:1");
}

TEST(desired, refuses_references_to_nothing)
{
    struct reading reading = referring_to("a:2");
    expect_error(&reading, S ".taskDefinition", FINDING_UNKNOWN_REFERENCE);
    expect_message(&reading, S ".taskDefinition", "newest revision of that family is 3");
    reading_release(&reading);
    static const char *const bad[] = { "a:",   "a:0", "a:x",
                                       ":1",   "a b", "arn:aws:ecs:x:1:service/a",
                                       "a:1:2" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        reading = referring_to(bad[i]);
        expect_error(&reading, S ".taskDefinition", FINDING_VALUE);
        reading_release(&reading);
    }
    reading = referring_to("c");
    expect_error(&reading, S ".taskDefinition", FINDING_UNKNOWN_REFERENCE);
    reading_release(&reading);
}

TEST(desired, does_not_blame_a_reference_for_the_errors_of_its_target)
{
    struct reading reading = read_document(
        "{'revision': 1, 'taskDefinitions': [{'family': 'a', 'containerDefinitions': []}],"
        "'services': [{'serviceName': 's', 'desiredCount': 1, 'taskDefinition': 'a',"
        " 'publish': [{'hostPort': 80, 'containerPort': 80}]}]}");
    expect_error(&reading, "taskDefinitions[0].containerDefinitions", FINDING_MISSING);
    assert_int_equal(reading.findings.errors, 1);
    reading_release(&reading);
}

TEST(desired, refuses_duplicates)
{
    const char *container = "'containerDefinitions': [{'name': 'x', 'image': 'x'}]";
    AUTO_FREE char *text = memory_printf(
        "{'revision': 1, 'taskDefinitions': [{'family': 'a', 'revision': 1, %s},"
        " {'family': 'a', %s}, {'family': 'a', %s}],"
        "'services': [{'serviceName': 's', 'desiredCount': 1, 'taskDefinition': 'a'},"
        " {'serviceName': 's', 'desiredCount': 1, 'taskDefinition': 'a'}],"
        "'tasks': [{'id': 't', 'taskDefinition': 'a'}, {'id': 't', 'taskDefinition': 'a'}]}",
        container, container, container);
    struct reading reading = read_document(text);
    expect_error(&reading, "taskDefinitions[1]", FINDING_DUPLICATE);
    expect_error(&reading, "taskDefinitions[2]", FINDING_DUPLICATE);
    expect_error(&reading, "services[1].serviceName", FINDING_DUPLICATE);
    expect_error(&reading, "tasks[1].id", FINDING_DUPLICATE);
    reading_release(&reading);
}

TEST(desired, checks_a_service)
{
    service_fails("'deploymentConfiguration': {'minimumHealthyPercent': 101}",
                  S ".deploymentConfiguration.minimumHealthyPercent", FINDING_RANGE);
    service_fails("'deploymentConfiguration': {'maximumPercent': 99}",
                  S ".deploymentConfiguration.maximumPercent", FINDING_RANGE);
    service_fails("'deploymentConfiguration': {'strategy': 'CANARY'}",
                  S ".deploymentConfiguration.strategy", FINDING_UNSUPPORTED);
    service_fails("'deploymentController': {'type': 'CODE_DEPLOY'}", S ".deploymentController.type",
                  FINDING_UNSUPPORTED);
    service_fails("'schedulingStrategy': 'daemon'", S ".schedulingStrategy", FINDING_VALUE);
    service_fails("'healthCheckGracePeriodSeconds': -1", S ".healthCheckGracePeriodSeconds",
                  FINDING_RANGE);
    struct reading reading = read_services("[{'serviceName': 'a b', 'desiredCount': -1}, 5, {}]");
    expect_error(&reading, S ".serviceName", FINDING_VALUE);
    expect_error(&reading, S ".taskDefinition", FINDING_MISSING);
    expect_error(&reading, S ".desiredCount", FINDING_RANGE);
    expect_error(&reading, "services[1]", FINDING_TYPE);
    expect_error(&reading, "services[2].desiredCount", FINDING_MISSING);
    reading_release(&reading);
}

TEST(desired, runs_a_daemon_once)
{
    struct reading reading = read_services(
        "[{'serviceName': 'a', 'taskDefinition': 'web', 'schedulingStrategy': 'DAEMON',"
        " 'desiredCount': 3}]");
    expect_no_error(&reading);
    expect_warning(&reading, S ".desiredCount", FINDING_IGNORED);
    const struct service *service = &reading.desired->services[0];
    assert_int_equal(service->desired_count, 1);
    assert_int_equal(service->deployment.minimum_healthy_percent, 0);
    assert_int_equal(service->deployment.maximum_percent, 100);
    reading_release(&reading);
}

TEST(desired, rounds_bounds_as_ecs_does)
{
    static const struct {
        int64_t count, min, max, least, most;
    } rows[] = {
        { 4, 50, 200, 2, 8 },
        { 2, 75, 200, 2, 4 },
        { 3, 0, 125, 0, 3 },
        { 1, 50, 150, 1, 1 },
        { 3, 34, 134, 2, 4 },
        { 0, 100, 200, 0, 0 },
        { 10000, 99, 1000, 9900, 100000 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct service service = { .desired_count = rows[i].count,
                                   .deployment = { rows[i].min, rows[i].max } };
        assert_int_equal(service_minimum_healthy(&service), rows[i].least);
        assert_int_equal(service_maximum_running(&service), rows[i].most);
    }
}

TEST(desired, warns_of_a_deployment_that_cannot_move)
{
    struct reading reading = service_with("'deploymentConfiguration': {'maximumPercent': 100}");
    expect_no_error(&reading);
    expect_warning(&reading, S ".deploymentConfiguration", FINDING_IMPOSSIBLE);
    reading_release(&reading);
}

TEST(desired, warns_of_copies_that_share_a_port)
{
    struct reading reading =
        read_services("[{'serviceName': 'a', 'taskDefinition': 'web', 'desiredCount': 2,"
                      " 'publish': [{'hostPort': 80, 'containerPort': 80}]}]");
    expect_no_error(&reading);
    expect_warning(&reading, S ".desiredCount", FINDING_IMPOSSIBLE);
    reading_release(&reading);
}

TEST(desired, warns_of_the_fields_of_ecs_that_it_leaves_out)
{
    struct reading reading = service_with(
        "'loadBalancers': [{'targetGroupArn': 'x'}], 'cluster': 'c', 'launchType': 'EC2',"
        " 'typo': 1, 'events': [], 'runningCount': 3, 'serviceArn': 'arn',"
        " 'deploymentConfiguration': {'deploymentCircuitBreaker': {'enable': true,"
        " 'rollback': true}}");
    expect_no_error(&reading);
    expect_warning(&reading, S ".loadBalancers", FINDING_UNSUPPORTED);
    expect_warning(&reading, S ".cluster", FINDING_IGNORED);
    expect_warning(&reading, S ".launchType", FINDING_IGNORED);
    expect_warning(&reading, S ".typo", FINDING_UNKNOWN_FIELD);
    expect_warning(&reading, S ".deploymentConfiguration.deploymentCircuitBreaker",
                   FINDING_UNSUPPORTED);
    assert_int_equal(reading.findings.count, 5);
    reading_release(&reading);
}

TEST(desired, checks_a_published_port)
{
    publish_fails("'containerName': 'db'", P ".containerName", FINDING_UNKNOWN_REFERENCE);
    publish_fails("'protocol': 'sctp'", P ".protocol", FINDING_VALUE);
    publish_fails("'deregistrationDelaySeconds': 3601", P ".deregistrationDelaySeconds",
                  FINDING_RANGE);
    publish_fails("'healthCheck': {'protocol': 'HTTPS'}", P ".healthCheck.protocol",
                  FINDING_UNSUPPORTED);
    publish_fails("'healthCheck': {'path': 'healthz'}", P ".healthCheck.path", FINDING_VALUE);
    publish_fails("'healthCheck': {'path': '/a b'}", P ".healthCheck.path", FINDING_VALUE);
    publish_fails("'healthCheck': {'path': '/\\r\\nHost: x'}", P ".healthCheck.path",
                  FINDING_VALUE);
    publish_fails("'healthCheck': {'intervalSeconds': 5, 'timeoutSeconds': 6}",
                  P ".healthCheck.timeoutSeconds", FINDING_IMPOSSIBLE);
    publish_fails("'healthCheck': {'intervalSeconds': 0}", P ".healthCheck.intervalSeconds",
                  FINDING_RANGE);
    service_fails("'publish': [{'containerPort': 80}]", P ".hostPort", FINDING_MISSING);
    service_fails("'publish': [{'hostPort': 0, 'containerPort': 80}]", P ".hostPort",
                  FINDING_RANGE);
    service_fails("'publish': [{'hostPort': 70000, 'containerPort': 80}]", P ".hostPort",
                  FINDING_RANGE);
    service_fails("'publish': {'hostPort': 80}", S ".publish", FINDING_TYPE);
}

TEST(desired, needs_a_container_name_when_there_are_two)
{
    struct reading reading = read_document(
        "{'revision': 1, 'taskDefinitions': [{'family': 'a', 'containerDefinitions': ["
        "{'name': 'x', 'image': 'x'}, {'name': 'y', 'image': 'x'}]}], 'services': ["
        "{'serviceName': 's', 'taskDefinition': 'a', 'desiredCount': 1,"
        " 'publish': [{'hostPort': 80, 'containerPort': 80}]}]}");
    expect_error(&reading, P ".containerName", FINDING_MISSING);
    reading_release(&reading);
}

static struct reading published_in_mode(const char *mode, int host_port)
{
    AUTO_FREE char *text =
        memory_printf("{'revision': 1, 'taskDefinitions': [{'family': 'a', 'networkMode': '%s',"
                      "'containerDefinitions': [{'name': 'x', 'image': 'x'}]}], 'services': ["
                      "{'serviceName': 's', 'taskDefinition': 'a', 'desiredCount': 1,"
                      " 'publish': [{'hostPort': %d, 'containerPort': 80}]}]}",
                      mode, host_port);
    return read_document(text);
}

TEST(desired, publishes_only_what_the_network_mode_can)
{
    struct reading reading = published_in_mode("host", 80);
    expect_nothing(&reading);
    reading_release(&reading);
    reading = published_in_mode("host", 81);
    expect_error(&reading, P ".hostPort", FINDING_VALUE);
    reading_release(&reading);
    reading = published_in_mode("none", 80);
    expect_error(&reading, P, FINDING_VALUE);
    reading_release(&reading);
}

TEST(desired, has_no_probe_without_a_health_check)
{
    struct reading reading = publish_with("");
    assert_int_equal(reading.desired->services[0].publish[0].probe.protocol, PROBE_NONE);
    reading_release(&reading);
    reading = publish_with("'healthCheck': {'protocol': 'TCP', 'intervalSeconds': 2}");
    expect_nothing(&reading);
    assert_int_equal(reading.desired->services[0].publish[0].probe.protocol, PROBE_TCP);
    assert_int_equal(reading.desired->services[0].publish[0].probe.timeout_ms, 2000);
    reading_release(&reading);
}

static void matcher_gives(const char *matcher, int64_t min, int64_t max)
{
    AUTO_FREE char *text = memory_printf("'healthCheck': {'matcher': %s}", matcher);
    struct reading reading = publish_with(text);
    if (min == 0) {
        expect_error(&reading, P ".healthCheck.matcher", FINDING_VALUE);
    } else {
        expect_nothing(&reading);
        assert_int_equal(reading.desired->services[0].publish[0].probe.status_min, min);
        assert_int_equal(reading.desired->services[0].publish[0].probe.status_max, max);
    }
    reading_release(&reading);
}

TEST(desired, reads_matchers)
{
    matcher_gives("'200'", 200, 200);
    matcher_gives("204", 204, 204);
    matcher_gives("'200-399'", 200, 399);
    matcher_gives("'200-200'", 200, 200);
    matcher_gives("'399-200'", 0, 0);
    matcher_gives("'200,301'", 0, 0);
    matcher_gives("'200-'", 0, 0);
    matcher_gives("'-200'", 0, 0);
    matcher_gives("'99'", 0, 0);
    matcher_gives("'600'", 0, 0);
    matcher_gives("'0200-0300'", 0, 0);
    publish_fails("'healthCheck': {'matcher': {'HttpCode': '200'}}", P ".healthCheck.matcher",
                  FINDING_TYPE);
}

/* Two services of two definitions; each may publish and may have a fixed host port. */
static struct reading two_services(const char *publish_a, const char *mapping_a,
                                   const char *publish_b, const char *mapping_b)
{
    AUTO_FREE char *text = memory_printf(
        "{'revision': 1, 'taskDefinitions': ["
        "{'family': 'a', 'containerDefinitions': [{'name': 'a', 'image': 'x',"
        " 'portMappings': [%s]}]},"
        "{'family': 'b', 'containerDefinitions': [{'name': 'b', 'image': 'x',"
        " 'portMappings': [%s]}]}],"
        "'services': ["
        "{'serviceName': 'a', 'taskDefinition': 'a', 'desiredCount': 1, 'publish': [%s]},"
        "{'serviceName': 'b', 'taskDefinition': 'b', 'desiredCount': 1, 'publish': [%s]}]}",
        mapping_a, mapping_b, publish_a, publish_b);
    return read_document(text);
}

TEST(desired, finds_every_port_that_is_taken_twice)
{
    const char *publish = "{'hostPort': 80, 'containerPort': 8080}";
    const char *mapping = "{'hostPort': 80, 'containerPort': 8080}";
    struct reading reading = two_services(publish, "", publish, "");
    expect_error(&reading, "services[1].publish[0].hostPort", FINDING_PORT_CONFLICT);
    expect_message(&reading, "services[1].publish[0].hostPort", "services[0].publish[0].hostPort");
    reading_release(&reading);
    reading = two_services(publish, "", "", mapping);
    expect_error(&reading, "services[1].taskDefinition", FINDING_PORT_CONFLICT);
    expect_message(&reading, "services[1].taskDefinition", "services[0].publish[0].hostPort");
    reading_release(&reading);
    reading = two_services("", mapping, "", mapping);
    expect_error(&reading, "services[1].taskDefinition", FINDING_PORT_CONFLICT);
    reading_release(&reading);
    reading = two_services("{'hostPort': 80, 'containerPort': 1}, {'hostPort': 80, "
                           "'containerPort': 2}",
                           "", "", "");
    expect_error(&reading, "services[0].publish[1].hostPort", FINDING_PORT_CONFLICT);
    reading_release(&reading);
    reading = two_services("{'hostPort': 80, 'containerPort': 9090}", mapping, "", "");
    expect_error(&reading, "services[0].taskDefinition", FINDING_PORT_CONFLICT);
    reading_release(&reading);
}

TEST(desired, lets_different_ports_and_one_binding_said_twice_be)
{
    const char *publish = "{'hostPort': 80, 'containerPort': 8080}";
    struct reading reading = two_services(
        publish, "{'hostPort': 80, 'containerPort': 8080}",
        "{'hostPort': 80, 'containerPort': 8080, 'protocol': 'udp'}", "{'containerPort': 80}");
    expect_nothing(&reading);
    reading_release(&reading);
}

TEST(desired, only_warns_of_a_port_that_a_one_off_task_wants_too)
{
    struct reading reading = read_document(
        "{'revision': 1, 'taskDefinitions': [{'family': 'a', 'containerDefinitions': [{'name': 'a',"
        " 'image': 'x', 'portMappings': [{'hostPort': 80, 'containerPort': 80}]}]}],"
        "'services': [{'serviceName': 'a', 'taskDefinition': 'a', 'desiredCount': 1}],"
        "'tasks': [{'id': '1', 'taskDefinition': 'a'}, {'id': '2', 'taskDefinition': 'a'}]}");
    expect_no_error(&reading);
    expect_warning(&reading, "tasks[0].taskDefinition", FINDING_PORT_CONFLICT);
    expect_warning(&reading, "tasks[1].taskDefinition", FINDING_PORT_CONFLICT);
    reading_release(&reading);
}

/* A one-off task of a definition with 512 MiB, A=1 and the given overrides. */
static struct reading overridden(const char *overrides)
{
    AUTO_FREE char *text = memory_printf(
        "{'revision': 1, 'services': [], 'taskDefinitions': [{'family': 'm', 'memory': '512',"
        " 'containerDefinitions': [{'name': 'm', 'image': 'x', 'command': ['old'], 'cpu': 10,"
        " 'environment': [{'name': 'A', 'value': '1'}, {'name': 'B', 'value': '2'}]}]}],"
        "'tasks': [{'id': 'one.1', 'taskDefinition': 'm', 'overrides': %s}]}",
        overrides);
    return read_document(text);
}

TEST(desired, applies_overrides_to_a_copy)
{
    struct reading reading =
        overridden("{'cpu': '256', 'memory': '1 GB', 'containerOverrides': [{'name': 'm',"
                   " 'command': ['new', 'x'], 'cpu': '20', 'memory': 600, 'memoryReservation': 100,"
                   " 'environment': [{'name': 'A', 'value': '3'}, {'name': 'C', 'value': '4'}]}]}");
    expect_nothing(&reading);
    const struct one_off *task = desired_one_off(reading.desired, "one.1");
    const struct container_definition *container = &task->definition->containers[0];
    assert_string_equal(task->definition->name, "m:1");
    assert_int_equal(task->definition->cpu, 256);
    assert_int_equal(task->definition->memory_mib, 1024);
    assert_int_equal(container->command.count, 2);
    assert_int_equal(container->cpu, 20);
    assert_int_equal(container->memory_mib, 600);
    assert_int_equal(container->memory_reservation_mib, 100);
    assert_int_equal(container->environment_count, 3);
    assert_string_equal(container->environment[0].name, "B");
    assert_string_equal(container->environment[1].value, "3");
    assert_string_equal(container->environment[2].value, "4");

    const struct task_definition *original = &reading.desired->definitions[0];
    assert_int_equal(original->cpu, 0);
    assert_int_equal(original->containers[0].cpu, 10);
    assert_int_equal(original->containers[0].environment_count, 2);
    assert_string_equal(original->containers[0].environment[0].value, "1");
    assert_string_equal(original->containers[0].command.items[0], "old");
    assert_false(digest_equal(&task->digest, &original->digest));
    reading_release(&reading);
}

static void override_fails(const char *overrides, const char *path, const char *code)
{
    struct reading reading = overridden(overrides);
    expect_error(&reading, path, code);
    reading_release(&reading);
}

TEST(desired, checks_overrides)
{
    override_fails("{'containerOverrides': [{'name': 'x', 'cpu': 1}]}",
                   "tasks[0].overrides.containerOverrides[0].name", FINDING_UNKNOWN_REFERENCE);
    override_fails("{'containerOverrides': [{'cpu': 1}]}",
                   "tasks[0].overrides.containerOverrides[0].name", FINDING_MISSING);
    override_fails("{'containerOverrides': [{'name': 'm', 'memory': 513}]}", "tasks[0].overrides",
                   FINDING_IMPOSSIBLE);
    override_fails("{'containerOverrides': [{'name': 'm', 'environmentFiles': [{'value': 'a'}]}]}",
                   "tasks[0].overrides.containerOverrides[0].environmentFiles",
                   FINDING_UNSUPPORTED);
    override_fails("{'cpu': 'x'}", "tasks[0].overrides.cpu", FINDING_VALUE);
    override_fails("[1]", "tasks[0].overrides", FINDING_TYPE);
    document_fails("{'revision': 1, 'taskDefinitions': [], 'services': [], 'tasks': [{'id': 'a/b'},"
                   " {}]}",
                   "tasks[0].id", FINDING_VALUE);
    document_fails("{'revision': 1, 'taskDefinitions': [], 'services': [], 'tasks': [{'id': 'a/b'},"
                   " {}]}",
                   "tasks[1].id", FINDING_MISSING);
}

static struct digest service_digest_with(const char *fields)
{
    struct reading reading = service_with(fields);
    expect_no_error(&reading);
    struct digest digest = reading.desired->services[0].digest;
    reading_release(&reading);
    return digest;
}

static bool same_service(const char *left, const char *right)
{
    struct digest a = service_digest_with(left);
    struct digest b = service_digest_with(right);
    return digest_equal(&a, &b);
}

TEST(desired, digests_what_a_task_of_a_service_is)
{
    const char *publish = "'publish': [{'hostPort': 80, 'containerPort': 1},"
                          " {'hostPort': 81, 'containerPort': 2}]";
    assert_true(same_service("", "'healthCheckGracePeriodSeconds': 5"));
    assert_true(same_service("", "'deploymentConfiguration': {'minimumHealthyPercent': 50}"));
    assert_true(same_service("", "'publish': []"));
    assert_true(same_service(publish, "'publish': [{'hostPort': 81, 'containerPort': 2},"
                                      " {'hostPort': 80, 'containerPort': 1,"
                                      " 'containerName': 'web', 'deregistrationDelaySeconds': 1,"
                                      " 'healthCheck': {'protocol': 'TCP'}}]"));
    assert_false(same_service("", publish));
    assert_false(same_service(publish, "'publish': [{'hostPort': 80, 'containerPort': 1}]"));
    assert_false(same_service("'publish': [{'hostPort': 80, 'containerPort': 1}]",
                              "'publish': [{'hostPort': 80, 'containerPort': 2}]"));
    assert_false(same_service("'publish': [{'hostPort': 80, 'containerPort': 1}]",
                              "'publish': [{'hostPort': 82, 'containerPort': 1}]"));
    assert_false(same_service("'publish': [{'hostPort': 80, 'containerPort': 1}]",
                              "'publish': [{'hostPort': 80, 'containerPort': 1,"
                              " 'protocol': 'udp'}]"));
}

TEST(desired, lives_as_long_as_its_last_reference)
{
    struct reading reading = service_with("");
    struct desired *second = desired_ref(reading.desired);
    desired_unref(reading.desired);
    reading.desired = NULL;
    assert_string_equal(second->services[0].name, "web");
    desired_unref(second);
    desired_unref(NULL);
    reading_release(&reading);
}
