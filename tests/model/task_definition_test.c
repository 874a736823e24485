/* What a task definition may say, what it means, and what is said about the rest. */
#include "tests/lib/test.h"

#include <string.h>

#include "berth/memory.h"
#include "tests/lib/model.h"

/* A task definition with one container, which has the given further fields. */
static struct reading container_with(const char *fields)
{
    AUTO_FREE char *text = memory_printf(
        "{'family': 'web', 'containerDefinitions': [{'name': 'web', 'image': 'nginx'%s%s}]}",
        fields[0] ? ", " : "", fields);
    return read_definition(text);
}

static struct reading task_with(const char *fields)
{
    AUTO_FREE char *text = memory_printf(
        "{'family': 'web', 'containerDefinitions': [{'name': 'web', 'image': 'nginx'}], %s}",
        fields);
    return read_definition(text);
}

static struct reading containers(const char *list)
{
    AUTO_FREE char *text = memory_printf("{'family': 'web', 'containerDefinitions': [%s]}", list);
    return read_definition(text);
}

#define C "t.containerDefinitions[0]"

static void container_fails(const char *fields, const char *path, const char *code)
{
    struct reading reading = container_with(fields);
    expect_error(&reading, path, code);
    reading_release(&reading);
}

static void task_fails(const char *fields, const char *path, const char *code)
{
    struct reading reading = task_with(fields);
    expect_error(&reading, path, code);
    reading_release(&reading);
}

static void container_is_fine(const char *fields)
{
    struct reading reading = container_with(fields);
    expect_nothing(&reading);
    reading_release(&reading);
}

TEST(task_definition, has_the_defaults_of_ecs)
{
    struct reading reading = container_with("");
    expect_nothing(&reading);
    const struct task_definition *web = &reading.definition;
    assert_string_equal(web->name, "web:1");
    assert_false(web->revision_given);
    assert_int_equal(web->network_mode, NETWORK_BRIDGE);
    assert_int_equal(web->cpu, 0);
    assert_int_equal(web->container_count, 1);
    const struct container_definition *container = &web->containers[0];
    assert_true(container->essential);
    assert_int_equal(container->memory_mib, 0);
    assert_int_equal(container->start_timeout_s, 0);
    assert_int_equal(container->stop_timeout_s, -1);
    assert_false(container->restart_policy.enabled);
    assert_int_equal(container->restart_policy.attempt_period_s, 300);
    assert_false(container->health_check.present);
    assert_false(container->command_set);
    assert_null(container->user);
    reading_release(&reading);
}

TEST(task_definition, reads_every_field_that_it_maps)
{
    struct reading reading = read_definition(
        "{'family': 'app', 'revision': 7, 'networkMode': 'bridge', 'cpu': '512', 'memory': '1 GB',"
        " 'volumes': [{'name': 'data', 'host': {'sourcePath': '/srv/data'}}, {'name': 'tmp'}],"
        " 'containerDefinitions': [{'name': 'db', 'image': 'reg.example:5000/db@sha256:ab',"
        "  'cpu': 10, 'memory': 512, 'memoryReservation': 256, 'essential': true,"
        "  'entryPoint': ['sh', '-c'], 'command': ['run'], 'user': '1000:1000',"
        "  'workingDirectory': '/w', 'readonlyRootFilesystem': true, 'startTimeout': 60,"
        "  'stopTimeout': 0, 'environment': [{'name': 'A', 'value': '1'}, {'name': 'B'}],"
        "  'dockerLabels': {'z': '1', 'a': '2'},"
        "  'mountPoints': [{'sourceVolume': 'data', 'containerPath': '/data', 'readOnly': true}],"
        "  'portMappings': [{'containerPort': 53, 'hostPort': 5353, 'protocol': 'udp',"
        " 'name': 'd'}],"
        "  'restartPolicy': {'enabled': true, 'ignoredExitCodes': [0, 3],"
        "   'restartAttemptPeriod': 60},"
        "  'healthCheck': {'command': ['CMD', 'true'], 'interval': 5, 'timeout': 2, 'retries': 1,"
        "   'startPeriod': 300}},"
        " {'name': 'app', 'image': 'app', 'dependsOn': [{'containerName': 'db',"
        "  'condition': 'HEALTHY'}]}]}");
    expect_nothing(&reading);
    const struct task_definition *app = &reading.definition;
    assert_string_equal(app->name, "app:7");
    assert_true(app->revision_given);
    assert_int_equal(app->cpu, 512);
    assert_int_equal(app->memory_mib, 1024);
    assert_string_equal(app->volumes[0].host_path, "/srv/data");
    assert_null(app->volumes[1].host_path);
    const struct container_definition *db = &app->containers[0];
    assert_int_equal(db->cpu, 10);
    assert_int_equal(db->memory_mib, 512);
    assert_int_equal(db->memory_reservation_mib, 256);
    assert_int_equal(db->entry_point.count, 2);
    assert_true(db->entry_point_set);
    assert_true(db->command_set);
    assert_string_equal(db->command.items[0], "run");
    assert_string_equal(db->user, "1000:1000");
    assert_string_equal(db->working_directory, "/w");
    assert_true(db->readonly_root_filesystem);
    assert_int_equal(db->start_timeout_s, 60);
    assert_int_equal(db->stop_timeout_s, 0);
    assert_string_equal(db->environment[1].value, "");
    assert_string_equal(db->docker_labels[0].name, "a");
    assert_true(db->mount_points[0].read_only);
    assert_int_equal(db->port_mappings[0].host_port, 5353);
    assert_int_equal(db->port_mappings[0].protocol, PROTOCOL_UDP);
    assert_string_equal(db->port_mappings[0].name, "d");
    assert_int_equal(db->restart_policy.ignored_exit_code_count, 2);
    assert_int_equal(db->restart_policy.ignored_exit_codes[1], 3);
    assert_int_equal(db->restart_policy.attempt_period_s, 60);
    assert_true(db->health_check.present);
    assert_int_equal(db->health_check.start_period_s, 300);
    assert_int_equal(app->containers[1].depends_on[0].container, 0);
    assert_int_equal(app->containers[1].depends_on[0].condition, DEPENDS_HEALTHY);
    reading_release(&reading);
}

static void sizes_are(const char *cpu, const char *memory, int64_t units, int64_t mib)
{
    AUTO_FREE char *text = memory_printf("'cpu': %s, 'memory': %s", cpu, memory);
    struct reading reading = task_with(text);
    expect_nothing(&reading);
    assert_int_equal(reading.definition.cpu, units);
    assert_int_equal(reading.definition.memory_mib, mib);
    reading_release(&reading);
}

TEST(task_definition, reads_task_sizes_in_every_spelling_of_ecs)
{
    sizes_are("'0.5 vCPU'", "'2 GB'", 512, 2048);
    sizes_are("'.25 vcpu'", "'0.5GB'", 256, 512);
    sizes_are("1024", "512", 1024, 512);
    sizes_are("'1vCPU'", "'512'", 1024, 512);
    sizes_are("''", "null", 0, 0);
}

TEST(task_definition, refuses_sizes_that_are_none)
{
    task_fails("'cpu': 'half'", "t.cpu", FINDING_VALUE);
    task_fails("'cpu': '0.5'", "t.cpu", FINDING_VALUE);
    task_fails("'cpu': 0.5", "t.cpu", FINDING_TYPE);
    task_fails("'cpu': '.'", "t.cpu", FINDING_VALUE);
    task_fails("'cpu': '99999999999999999999'", "t.cpu", FINDING_VALUE);
    task_fails("'cpu': '64'", "t.cpu", FINDING_RANGE);
    task_fails("'memory': '2 TB'", "t.memory", FINDING_VALUE);
    task_fails("'memory': ['2']", "t.memory", FINDING_TYPE);
}

TEST(task_definition, takes_null_and_empty_for_absent)
{
    struct reading reading =
        container_with("'command': null, 'entryPoint': [], 'user': '', 'healthCheck': {},"
                       " 'portMappings': [], 'secrets': [], 'linuxParameters': {'capabilities': {},"
                       " 'devices': []}, 'privileged': false, 'links': null, 'hostname': '',"
                       " 'logConfiguration': null, 'environment': [], 'memory': 0");
    expect_nothing(&reading);
    assert_false(reading.definition.containers[0].entry_point_set);
    reading_release(&reading);
}

TEST(task_definition, tells_an_empty_command_from_none)
{
    struct reading reading = container_with("'command': []");
    expect_nothing(&reading);
    assert_true(reading.definition.containers[0].command_set);
    assert_int_equal(reading.definition.containers[0].command.count, 0);
    reading_release(&reading);
}

TEST(task_definition, takes_describe_output_without_a_word)
{
    struct reading reading = read_definition(
        "{'taskDefinition': {'taskDefinitionArn': 'arn:aws:ecs:x:1:task-definition/web:3',"
        " 'family': 'web', 'revision': 3, 'status': 'ACTIVE', 'volumes': [],"
        " 'requiresAttributes': [{'name': 'x'}], 'compatibilities': ['EC2'],"
        " 'registeredAt': 1700000000.5, 'registeredBy': 'arn', 'placementConstraints': [],"
        " 'containerDefinitions': [{'name': 'web', 'image': 'nginx', 'cpu': '10',"
        " 'portMappings': [{'containerPort': 80, 'hostPort': 0}], 'volumesFrom': []}]}}");
    expect_nothing(&reading);
    assert_string_equal(reading.definition.name, "web:3");
    assert_int_equal(reading.definition.containers[0].port_mappings[0].container_port, 80);
    reading_release(&reading);
}

TEST(task_definition, names_the_place_inside_the_wrapper)
{
    struct reading reading = read_definition("{'taskDefinition': {'family': 'a b'}}");
    expect_error(&reading, "t.taskDefinition.family", FINDING_VALUE);
    expect_error(&reading, "t.taskDefinition.containerDefinitions", FINDING_MISSING);
    reading_release(&reading);
}

TEST(task_definition, explains_what_a_bare_list_lacks)
{
    struct reading reading = read_definition("[{'name': 'web', 'image': 'nginx'}]");
    expect_error(&reading, "t", FINDING_TYPE);
    expect_message(&reading, "t", "containerDefinitions");
    reading_release(&reading);
    reading = read_definition("'web.json'");
    expect_error(&reading, "t", FINDING_TYPE);
    reading_release(&reading);
}

TEST(task_definition, collects_all_findings)
{
    struct reading reading = containers("{'image': 'x', 'cpu': -1}, {'name': 'a/b', 'memory': 'x'},"
                                        "'text', null");
    expect_error(&reading, "t.containerDefinitions[0].name", FINDING_MISSING);
    expect_error(&reading, "t.containerDefinitions[0].cpu", FINDING_RANGE);
    expect_error(&reading, "t.containerDefinitions[1].name", FINDING_VALUE);
    expect_error(&reading, "t.containerDefinitions[1].memory", FINDING_VALUE);
    expect_error(&reading, "t.containerDefinitions[2]", FINDING_TYPE);
    expect_error(&reading, "t.containerDefinitions[3]", FINDING_TYPE);
    reading_release(&reading);
}

TEST(task_definition, names_the_path_the_value_and_the_range)
{
    struct reading reading =
        container_with("'portMappings': [{'containerPort': 80}, {'containerPort': 70000}]");
    expect_error(&reading, C ".portMappings[1].containerPort", FINDING_RANGE);
    expect_message(&reading, C ".portMappings[1].containerPort", "70000 is outside 1..65535");
    reading_release(&reading);
}

TEST(task_definition, refuses_wrong_types)
{
    container_fails("'portMappings': {'containerPort': 80}", C ".portMappings", FINDING_TYPE);
    container_fails("'essential': 'yes'", C ".essential", FINDING_TYPE);
    container_fails("'environment': {'A': '1'}", C ".environment", FINDING_TYPE);
    container_fails("'environment': [{'name': 'A', 'value': 5}]", C ".environment[0].value",
                    FINDING_TYPE);
    container_fails("'command': 'run it'", C ".command", FINDING_TYPE);
    container_fails("'command': ['a', 5]", C ".command[1]", FINDING_TYPE);
    container_fails("'command': [null]", C ".command[0]", FINDING_TYPE);
    container_fails("'dockerLabels': {'a': 1}", C ".dockerLabels.a", FINDING_TYPE);
    container_fails("'logConfiguration': [{'logDriver': 'x'}]", C ".logConfiguration",
                    FINDING_TYPE);
    container_fails("'cpu': 1.5", C ".cpu", FINDING_TYPE);
    container_fails("'cpu': 1e300", C ".cpu", FINDING_TYPE);
    container_fails("'cpu': '0x10'", C ".cpu", FINDING_VALUE);
    container_fails("'portMappings': [{'containerPort': '80'}]", C ".portMappings[0].containerPort",
                    FINDING_TYPE);
    container_fails("'stopTimeout': '30'", C ".stopTimeout", FINDING_TYPE);
    task_fails("'revision': '7'", "t.revision", FINDING_TYPE);
    container_fails("'restartPolicy': {'enabled': true, 'ignoredExitCodes': ['x']}",
                    C ".restartPolicy.ignoredExitCodes[0]", FINDING_TYPE);
    task_fails("'tags': 'x'", "t.tags", FINDING_TYPE);
}

TEST(task_definition, refuses_values_outside_the_ranges_of_ecs)
{
    container_fails("'healthCheck': {'command': ['CMD', 'x'], 'interval': 4}",
                    C ".healthCheck.interval", FINDING_RANGE);
    container_fails("'healthCheck': {'command': ['CMD', 'x'], 'interval': 301}",
                    C ".healthCheck.interval", FINDING_RANGE);
    container_fails("'healthCheck': {'command': ['CMD', 'x'], 'timeout': 61}",
                    C ".healthCheck.timeout", FINDING_RANGE);
    container_fails("'healthCheck': {'command': ['CMD', 'x'], 'timeout': 1}",
                    C ".healthCheck.timeout", FINDING_RANGE);
    container_fails("'healthCheck': {'command': ['CMD', 'x'], 'retries': 11}",
                    C ".healthCheck.retries", FINDING_RANGE);
    container_fails("'healthCheck': {'command': ['CMD', 'x'], 'startPeriod': 301}",
                    C ".healthCheck.startPeriod", FINDING_RANGE);
    container_fails("'restartPolicy': {'enabled': true, 'restartAttemptPeriod': 59}",
                    C ".restartPolicy.restartAttemptPeriod", FINDING_RANGE);
    container_fails("'restartPolicy': {'enabled': true, 'restartAttemptPeriod': 1801}",
                    C ".restartPolicy.restartAttemptPeriod", FINDING_RANGE);
    container_fails("'restartPolicy': {'restartAttemptPeriod': 60}", C ".restartPolicy.enabled",
                    FINDING_MISSING);
    container_fails("'stopTimeout': -1", C ".stopTimeout", FINDING_RANGE);
    container_fails("'memory': 3", C ".memory", FINDING_RANGE);
    task_fails("'revision': 0", "t.revision", FINDING_RANGE);
}

TEST(task_definition, refuses_names_that_ecs_refuses)
{
    struct reading reading = read_definition(
        "{'family': 'a.b', 'containerDefinitions': [{'name': 'a b', 'image': 'x'}]}");
    expect_error(&reading, "t.family", FINDING_VALUE);
    expect_error(&reading, C ".name", FINDING_VALUE);
    reading_release(&reading);
    reading = containers("{'name': 'a', 'image': ''}");
    expect_error(&reading, C ".image", FINDING_MISSING);
    reading_release(&reading);
    reading = containers("{'name': 'a', 'image': '<IMAGE1_NAME>'}");
    expect_error(&reading, C ".image", FINDING_VALUE);
    reading_release(&reading);
}

TEST(task_definition, needs_containers_and_one_of_them_essential)
{
    struct reading reading = containers("");
    expect_error(&reading, "t.containerDefinitions", FINDING_MISSING);
    reading_release(&reading);
    reading = containers("{'name': 'a', 'image': 'x', 'essential': false}");
    expect_error(&reading, "t.containerDefinitions", FINDING_IMPOSSIBLE);
    reading_release(&reading);
    reading = containers("{},{},{},{},{},{},{},{},{},{},{}");
    expect_error(&reading, "t.containerDefinitions", FINDING_TOO_LARGE);
    reading_release(&reading);
}

TEST(task_definition, refuses_duplicate_names)
{
    struct reading reading = containers("{'name': 'a', 'image': 'x'}, {'name': 'a', 'image': 'x'}");
    expect_error(&reading, "t.containerDefinitions[1].name", FINDING_DUPLICATE);
    reading_release(&reading);
    task_fails("'volumes': [{'name': 'v'}, {'name': 'v'}]", "t.volumes[1].name", FINDING_DUPLICATE);
}

TEST(task_definition, names_the_cycle)
{
    struct reading reading = containers(
        "{'name': 'a', 'image': 'x', 'dependsOn': [{'containerName': 'b', 'condition': 'START'}]},"
        "{'name': 'b', 'image': 'x', 'dependsOn': [{'containerName': 'c', 'condition': 'START'}]},"
        "{'name': 'c', 'image': 'x', 'dependsOn': [{'containerName': 'b', 'condition': 'START'}]}");
    expect_error(&reading, "t.containerDefinitions[1].dependsOn", FINDING_CYCLE);
    expect_message(&reading, "t.containerDefinitions[1].dependsOn", "b -> c -> b");
    reading_release(&reading);
    container_fails("'dependsOn': [{'containerName': 'web', 'condition': 'START'}]", C ".dependsOn",
                    FINDING_CYCLE);
}

TEST(task_definition, leaves_out_of_the_cycle_what_is_not_in_it)
{
    struct reading reading = containers(
        "{'name': 'a', 'image': 'x', 'dependsOn': [{'containerName': 'd', 'condition': 'START'},"
        " {'containerName': 'b', 'condition': 'START'}]},"
        "{'name': 'b', 'image': 'x', 'dependsOn': [{'containerName': 'a', 'condition': 'START'}]},"
        "{'name': 'd', 'image': 'x'}");
    expect_message(&reading, C ".dependsOn", "containers wait for each other: a -> b -> a");
    assert_int_equal(reading.findings.errors, 1);
    reading_release(&reading);
}

TEST(task_definition, takes_a_diamond_of_dependencies)
{
    struct reading reading = containers(
        "{'name': 'a', 'image': 'x', 'dependsOn': [{'containerName': 'b', 'condition': 'START'},"
        " {'containerName': 'c', 'condition': 'START'}]},"
        "{'name': 'b', 'image': 'x', 'dependsOn': [{'containerName': 'd', 'condition': 'START'}]},"
        "{'name': 'c', 'image': 'x', 'dependsOn': [{'containerName': 'd',"
        " 'condition': 'SUCCESS'}]},"
        "{'name': 'd', 'image': 'x', 'essential': false}");
    expect_nothing(&reading);
    assert_int_equal(reading.definition.containers[2].depends_on[0].container, 3);
    reading_release(&reading);
}

TEST(task_definition, refuses_dependencies_that_can_never_be_met)
{
    container_fails("'dependsOn': [{'containerName': 'nobody', 'condition': 'START'}]",
                    C ".dependsOn[0].containerName", FINDING_UNKNOWN_REFERENCE);
    container_fails("'dependsOn': [{'containerName': 'web', 'condition': 'RUNNING'}]",
                    C ".dependsOn[0].condition", FINDING_VALUE);
    static const char *const conditions[] = { "COMPLETE", "SUCCESS", "HEALTHY" };
    for (size_t i = 0; i < 3; i++) {
        AUTO_FREE char *text = memory_printf(
            "{'name': 'a', 'image': 'x', 'dependsOn': [{'containerName': 'b', 'condition': '%s'}]},"
            "{'name': 'b', 'image': 'x'}",
            conditions[i]);
        struct reading reading = containers(text);
        expect_error(&reading, C ".dependsOn[0].condition", FINDING_IMPOSSIBLE);
        reading_release(&reading);
    }
    struct reading reading =
        containers("{'name': 'a', 'image': 'x', 'dependsOn': [{'containerName': 'b',"
                   " 'condition': 'HEALTHY'}]},"
                   "{'name': 'b', 'image': 'x', 'healthCheck': {'command': ['NONE']}}");
    expect_error(&reading, C ".dependsOn[0].condition", FINDING_IMPOSSIBLE);
    reading_release(&reading);
}

TEST(task_definition, compares_memory_with_reservation_and_task)
{
    container_fails("'memory': 128, 'memoryReservation': 256", C ".memory", FINDING_IMPOSSIBLE);
    container_is_fine("'memory': 256, 'memoryReservation': 256");
    struct reading reading =
        read_definition("{'family': 'a', 'memory': '512', 'containerDefinitions': ["
                        "{'name': 'a', 'image': 'x', 'memory': 513},"
                        "{'name': 'b', 'image': 'x', 'memoryReservation': 600}]}");
    expect_error(&reading, C ".memory", FINDING_IMPOSSIBLE);
    expect_error(&reading, "t.containerDefinitions[1].memoryReservation", FINDING_IMPOSSIBLE);
    reading_release(&reading);
}

TEST(task_definition, checks_ports_by_network_mode)
{
    struct reading reading = read_definition(
        "{'family': 'a', 'networkMode': 'host', 'containerDefinitions': [{'name': 'a',"
        " 'image': 'x',"
        " 'portMappings': [{'containerPort': 80}, {'containerPort': 81, 'hostPort': 82}]}]}");
    expect_error(&reading, C ".portMappings[1].hostPort", FINDING_VALUE);
    assert_int_equal(reading.definition.containers[0].port_mappings[0].host_port, 80);
    reading_release(&reading);
    reading = read_definition(
        "{'family': 'a', 'networkMode': 'none', 'containerDefinitions': [{'name': 'a',"
        " 'image': 'x',"
        " 'portMappings': [{'containerPort': 80}]}]}");
    expect_error(&reading, C ".portMappings", FINDING_VALUE);
    reading_release(&reading);
}

TEST(task_definition, refuses_a_host_port_taken_twice)
{
    struct reading reading = containers(
        "{'name': 'a', 'image': 'x', 'portMappings': [{'containerPort': 1, 'hostPort': 8},"
        " {'containerPort': 1, 'hostPort': 8, 'protocol': 'udp'}, {'containerPort': 2}]},"
        "{'name': 'b', 'image': 'x', 'portMappings': [{'containerPort': 2},"
        " {'containerPort': 3, 'hostPort': 8}]}");
    expect_error(&reading, "t.containerDefinitions[1].portMappings[1].hostPort",
                 FINDING_PORT_CONFLICT);
    assert_int_equal(reading.findings.errors, 1);
    reading_release(&reading);
}

TEST(task_definition, says_what_to_use_instead_of_awsvpc)
{
    struct reading reading = task_with("'networkMode': 'awsvpc'");
    expect_error(&reading, "t.networkMode", FINDING_UNSUPPORTED);
    expect_message(&reading, "t.networkMode", "bridge");
    reading_release(&reading);
    reading = task_with("'networkMode': 'aws-vpc'");
    expect_error(&reading, "t.networkMode", FINDING_VALUE);
    expect_message(&reading, "t.networkMode", "bridge, host, none");
    reading_release(&reading);
}

TEST(task_definition, checks_the_words_of_a_health_check)
{
    container_fails("'healthCheck': {'command': ['/bin/true']}", C ".healthCheck.command[0]",
                    FINDING_VALUE);
    container_fails("'healthCheck': {'command': ['CMD-SHELL']}", C ".healthCheck.command",
                    FINDING_VALUE);
    container_fails("'healthCheck': {'interval': 30}", C ".healthCheck.command", FINDING_MISSING);
    struct reading reading = container_with("'healthCheck': {'command': ['NONE']}");
    expect_nothing(&reading);
    assert_true(reading.definition.containers[0].health_check.disabled);
    assert_false(reading.definition.containers[0].health_check.present);
    reading_release(&reading);
}

TEST(task_definition, checks_volumes_and_mount_points)
{
    container_fails("'mountPoints': [{'sourceVolume': 'v', 'containerPath': '/v'}]",
                    C ".mountPoints[0].sourceVolume", FINDING_UNKNOWN_REFERENCE);
    container_fails("'mountPoints': [{'sourceVolume': 'v', 'containerPath': 'v'}]",
                    C ".mountPoints[0].containerPath", FINDING_VALUE);
    container_fails("'mountPoints': [{'sourceVolume': 'v', 'containerPath': '/v:/etc'}]",
                    C ".mountPoints[0].containerPath", FINDING_VALUE);
    task_fails("'volumes': [{'name': 'v', 'host': {'sourcePath': 'srv'}}]",
               "t.volumes[0].host.sourcePath", FINDING_VALUE);
    task_fails("'volumes': [{'name': 'v', 'host': {'sourcePath': '/srv/../etc'}}]",
               "t.volumes[0].host.sourcePath", FINDING_VALUE);
    task_fails("'volumes': [{'name': 'v', 'host': {'sourcePath': '/srv/..'}}]",
               "t.volumes[0].host.sourcePath", FINDING_VALUE);
    task_fails("'volumes': [{'name': 'v', 'efsVolumeConfiguration': {'fileSystemId': 'fs-1'}}]",
               "t.volumes[0].efsVolumeConfiguration", FINDING_UNSUPPORTED);
    struct reading reading =
        task_with("'volumes': [{'name': 'v', 'host': {'sourcePath': '/srv/..data/x..'}}]");
    expect_nothing(&reading);
    reading_release(&reading);
}

TEST(task_definition, refuses_what_it_would_run_differently)
{
    container_fails("'secrets': [{'name': 'A', 'valueFrom': 'arn'}]", C ".secrets",
                    FINDING_UNSUPPORTED);
    container_fails("'privileged': true", C ".privileged", FINDING_UNSUPPORTED);
    container_fails("'links': ['db']", C ".links", FINDING_UNSUPPORTED);
    container_fails("'volumesFrom': [{'sourceContainer': 'a'}]", C ".volumesFrom",
                    FINDING_UNSUPPORTED);
    container_fails("'environmentFiles': [{'value': 'arn', 'type': 's3'}]", C ".environmentFiles",
                    FINDING_UNSUPPORTED);
    container_fails("'firelensConfiguration': {'type': 'fluentbit'}", C ".firelensConfiguration",
                    FINDING_UNSUPPORTED);
    container_fails("'linuxParameters': {'maxSwap': 0}", C ".linuxParameters.maxSwap",
                    FINDING_UNSUPPORTED);
    container_fails("'linuxParameters': {'capabilities': {'add': ['NET_ADMIN']}}",
                    C ".linuxParameters.capabilities.add", FINDING_UNSUPPORTED);
    container_fails("'resourceRequirements': [{'type': 'GPU', 'value': '1'}]",
                    C ".resourceRequirements", FINDING_UNSUPPORTED);
    container_fails("'portMappings': [{'containerPortRange': '80-90'}]",
                    C ".portMappings[0].containerPortRange", FINDING_UNSUPPORTED);
    task_fails("'pidMode': 'host'", "t.pidMode", FINDING_UNSUPPORTED);
    task_fails("'runtimePlatform': {'operatingSystemFamily': 'WINDOWS_SERVER_2022_CORE'}",
               "t.runtimePlatform.operatingSystemFamily", FINDING_UNSUPPORTED);
}

TEST(task_definition, does_not_ask_for_a_port_beside_a_range_of_ports)
{
    struct reading reading = container_with("'portMappings': [{'containerPortRange': '80-90'}]");
    assert_int_equal(reading.findings.errors, 1);
    reading_release(&reading);
}

TEST(task_definition, warns_of_what_it_leaves_out)
{
    struct reading reading =
        task_with("'executionRoleArn': 'arn', 'taskRoleArn': 'arn', 'tags': [{'key': 'a'}],"
                  " 'requiresCompatibilities': ['EC2'], '_comment': 'x', 'Memory': '1',"
                  " 'runtimePlatform': {'cpuArchitecture': 'ARM64'}");
    expect_no_error(&reading);
    expect_warning(&reading, "t.executionRoleArn", FINDING_IGNORED);
    expect_warning(&reading, "t.taskRoleArn", FINDING_UNSUPPORTED);
    expect_warning(&reading, "t.tags", FINDING_IGNORED);
    expect_warning(&reading, "t.requiresCompatibilities", FINDING_IGNORED);
    expect_warning(&reading, "t.runtimePlatform.cpuArchitecture", FINDING_IGNORED);
    expect_warning(&reading, "t._comment", FINDING_UNKNOWN_FIELD);
    expect_message(&reading, "t.Memory", "memory");
    reading_release(&reading);

    reading = container_with("'logConfiguration': {'logDriver': 'awslogs', 'options': {'a': 'b'}}");
    expect_no_error(&reading);
    expect_warning(&reading, C ".logConfiguration", FINDING_UNSUPPORTED);
    reading_release(&reading);

    reading = container_with("'dockerLabels': {'io.berth.task': 'x', 'mine': 'y'}");
    expect_no_error(&reading);
    expect_warning(&reading, C ".dockerLabels.io.berth.task", FINDING_IGNORED);
    reading_release(&reading);
}

TEST(task_definition, lets_the_last_value_of_a_variable_count)
{
    struct reading reading =
        container_with("'environment': [{'name': 'A', 'value': '1'}, {'name': 'B', 'value': '2'},"
                       " {'name': 'A', 'value': '3'}]");
    expect_warning(&reading, C ".environment[0]", FINDING_DUPLICATE);
    const struct container_definition *container = &reading.definition.containers[0];
    assert_int_equal(container->environment_count, 2);
    assert_string_equal(container->environment[1].value, "3");
    reading_release(&reading);
    container_fails("'environment': [{'name': 'A=B', 'value': '1'}]", C ".environment[0].name",
                    FINDING_VALUE);
}

TEST(task_definition, never_repeats_a_value_of_the_environment)
{
    struct reading reading = container_with("'environment': [{'name': 'A', 'value': ['hunter2']}]");
    expect_error(&reading, C ".environment[0].value", FINDING_TYPE);
    for (size_t i = 0; i < reading.findings.count; i++)
        assert_null(strstr(reading.findings.list[i].message, "hunter2"));
    reading_release(&reading);
}

static bool same_digest(const char *left, const char *right)
{
    struct reading a = read_definition(left);
    struct reading b = read_definition(right);
    expect_no_error(&a);
    expect_no_error(&b);
    bool same = digest_equal(&a.definition.digest, &b.definition.digest);
    reading_release(&a);
    reading_release(&b);
    return same;
}

#define WEB "'family': 'web', 'containerDefinitions': [{'name': 'web', 'image': 'nginx'"

TEST(task_definition, has_one_digest_for_one_meaning)
{
    const char *plain = "{" WEB "}]}";
    assert_true(same_digest(plain, "{" WEB ", 'cpu': null, 'essential': true}]}"));
    assert_true(same_digest(plain, "{" WEB "}], 'revision': 1, 'networkMode': 'bridge'}"));
    assert_true(same_digest(plain, "{" WEB "}], 'tags': [{'key': 'a'}], '_comment': 1}"));
    assert_true(same_digest(plain, "{'taskDefinition': {" WEB "}]}}"));
    assert_true(same_digest(plain, "{'containerDefinitions': [{'image': 'nginx', 'name': 'web'}],"
                                   " 'family': 'web'}"));
    assert_true(same_digest("{" WEB ", 'cpu': 10}], 'cpu': '512'}",
                            "{" WEB ", 'cpu': '10'}], 'cpu': '0.5 vCPU'}"));
    assert_true(same_digest("{" WEB ", 'dockerLabels': {'a': '1', 'b': '2'}}]}",
                            "{" WEB ", 'dockerLabels': {'b': '2', 'a': '1'}}]}"));
    assert_true(same_digest("{" WEB ", 'healthCheck': {'command': ['CMD', 'x']}}]}",
                            "{" WEB
                            ", 'healthCheck': {'command': ['CMD', 'x'], 'interval': 30}}]}"));
}

TEST(task_definition, has_another_digest_for_another_meaning)
{
    static const char *const others[] = {
        "{" WEB "}], 'revision': 2}",
        "{" WEB "}], 'cpu': '512'}",
        "{" WEB "}], 'networkMode': 'host'}",
        "{" WEB "}], 'volumes': [{'name': 'v'}]}",
        "{" WEB "}], 'volumes': [{'name': 'v', 'host': {'sourcePath': '/v'}}]}",
        "{" WEB ", 'command': ['a', 'b']}]}",
        "{" WEB ", 'command': ['a b']}]}",
        "{" WEB ", 'entryPoint': ['a', 'b']}]}",
        "{" WEB ", 'environment': [{'name': 'a', 'value': 'b'}]}]}",
        "{" WEB ", 'dockerLabels': {'a': 'b'}}]}",
        "{" WEB ", 'stopTimeout': 0}]}",
        "{" WEB ", 'user': 'a'}]}",
        "{" WEB ", 'workingDirectory': '/a'}]}",
        "{" WEB ", 'readonlyRootFilesystem': true}]}",
        "{" WEB ", 'portMappings': [{'containerPort': 80}]}]}",
        "{" WEB ", 'portMappings': [{'containerPort': 80, 'protocol': 'udp'}]}]}",
        "{" WEB ", 'portMappings': [{'containerPort': 80, 'hostPort': 80}]}]}",
        "{" WEB ", 'healthCheck': {'command': ['CMD', 'a']}}]}",
        "{" WEB ", 'healthCheck': {'command': ['NONE']}}]}",
        "{" WEB ", 'restartPolicy': {'enabled': true}}]}",
        "{" WEB ", 'restartPolicy': {'enabled': true, 'ignoredExitCodes': [0]}}]}",
        "{" WEB "}, {'name': 'b', 'image': 'nginx', 'essential': false}]}",
        "{" WEB "}, {'name': 'b', 'image': 'nginx'}]}",
        "{" WEB "}]}",
    };
    size_t count = sizeof others / sizeof others[0];
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1; j < count; j++) {
            if (same_digest(others[i], others[j]))
                fail_msg("same digest: %s and %s", others[i], others[j]);
        }
    }
}

TEST(task_definition, knows_the_names_of_its_words)
{
    enum depends_condition condition;
    assert_string_equal(network_mode_name(NETWORK_HOST), "host");
    assert_string_equal(protocol_name(PROTOCOL_UDP), "udp");
    assert_string_equal(depends_condition_name(DEPENDS_SUCCESS), "SUCCESS");
    assert_int_equal(depends_condition_parse("COMPLETE", &condition), 0);
    assert_int_equal(condition, DEPENDS_COMPLETE);
    assert_true(depends_condition_parse("complete", &condition) < 0);
}
