/* task_definition_fields.c: every field of a task definition, and what becomes of it. */
#include "agent/model/task_definition_fields.h"

#include "agent/model/field_rows.h"
#include "agent/model/fields_unused.h"
#include "berth/limits.h"
#include "berth/task_definition.h"

#define PORT_MAX 65535
#define CPU_UNITS_MAX 2147483647
#define MEMORY_MIB_MIN 6 /* below it the runtime refuses to create the container */
#define MEMORY_MIB_MAX (64 * 1024 * 1024)
#define TASK_CPU_MIN 128
#define TASK_CPU_MAX 196608
#define MOUNTS_MAX 256

const struct field_word network_mode_words[] = {
    { "bridge", NETWORK_BRIDGE, NULL },
    { "host", NETWORK_HOST, NULL },
    { "none", NETWORK_NONE, NULL },
    { "awsvpc", NETWORK_BRIDGE,
      "tasks get no network interface of their own yet; "
      "use \"bridge\" with \"publish\", or \"host\"" },
    { 0 },
};

const struct field_word depends_condition_words[] = {
    { "START", DEPENDS_START, NULL },
    { "COMPLETE", DEPENDS_COMPLETE, NULL },
    { "SUCCESS", DEPENDS_SUCCESS, NULL },
    { "HEALTHY", DEPENDS_HEALTHY, NULL },
    { 0 },
};

const struct field_word protocol_words[] = {
    { "tcp", PROTOCOL_TCP, NULL },
    { "udp", PROTOCOL_UDP, NULL },
    { 0 },
};

#define WINDOWS "berth runs Linux containers"
static const struct field_word system_family_words[] = {
    { "LINUX", 0, NULL },
    { "WINDOWS_SERVER_2016_FULL", 0, WINDOWS },
    { "WINDOWS_SERVER_2019_FULL", 0, WINDOWS },
    { "WINDOWS_SERVER_2019_CORE", 0, WINDOWS },
    { "WINDOWS_SERVER_2004_CORE", 0, WINDOWS },
    { "WINDOWS_SERVER_20H2_CORE", 0, WINDOWS },
    { "WINDOWS_SERVER_2022_CORE", 0, WINDOWS },
    { "WINDOWS_SERVER_2022_FULL", 0, WINDOWS },
    { "WINDOWS_SERVER_2025_CORE", 0, WINDOWS },
    { "WINDOWS_SERVER_2025_FULL", 0, WINDOWS },
    { 0 },
};

static const struct field port_mapping_rows[] = {
    { "containerPort", INTEGER, TO(port_mapping, container_port), RANGE(1, PORT_MAX),
      .required = true, .unless = "containerPortRange" },
    { "hostPort", INTEGER, TO(port_mapping, host_port), RANGE(0, PORT_MAX) },
    { "protocol", ENUM(protocol_words), TO(port_mapping, protocol) },
    { "name", STRING, TO(port_mapping, name), RANGE(0, 64) },
    { "appProtocol", STRING, IGNORED("there is no Service Connect proxy to tell it to") },
    { "containerPortRange", STRING, REFUSED("the ports would not be bound") },
};
static const struct field_table port_mapping_fields =
    TABLE("a port mapping", port_mapping_rows, struct port_mapping);

static const struct field restart_policy_rows[] = {
    { "enabled", BOOLEAN, TO(restart_policy, enabled), .required = true },
    { "ignoredExitCodes", INTEGERS,
      TO_LIST(restart_policy, ignored_exit_codes, ignored_exit_code_count),
      RANGE(-2147483647, 2147483647) },
    { "restartAttemptPeriod", INTEGER, TO(restart_policy, attempt_period_s), RANGE(60, 1800),
      .fallback = 300 },
};
static const struct field_table restart_policy_fields =
    TABLE("restartPolicy", restart_policy_rows, struct restart_policy);

static const char *check_variable(const char *text)
{
    for (; *text && *text != '='; text++)
        continue;
    return *text ? "must be a variable name without \"=\"" : NULL;
}

static const struct field environment_rows[] = {
    { "name", STRING, TO(key_value, name), .required = true, .check = check_variable },
    { "value", STRING, TO(key_value, value), .fallback_text = "" },
};
const struct field_table environment_fields =
    TABLE("an environment entry", environment_rows, struct key_value);

static const struct field mount_point_rows[] = {
    { "sourceVolume", STRING, TO(mount_point, source_volume), .required = true },
    { "containerPath", STRING, TO(mount_point, container_path), .required = true,
      .check = field_check_container_path },
    { "readOnly", BOOLEAN, TO(mount_point, read_only) },
};
static const struct field_table mount_point_fields =
    TABLE("a mount point", mount_point_rows, struct mount_point);

static const struct field dependency_rows[] = {
    { "containerName", STRING, TO(dependency, container_name), .required = true },
    { "condition", ENUM(depends_condition_words), TO(dependency, condition), .required = true },
};
static const struct field_table dependency_fields =
    TABLE("a dependency", dependency_rows, struct dependency);

static const struct field health_check_rows[] = {
    { "command", STRINGS, TO(health_check, command), .required = true },
    { "interval", INTEGER, TO(health_check, interval_s), RANGE(5, 300), .fallback = 30 },
    { "timeout", INTEGER, TO(health_check, timeout_s), RANGE(2, 60), .fallback = 5 },
    { "retries", INTEGER, TO(health_check, retries), RANGE(1, 10), .fallback = 3 },
    { "startPeriod", INTEGER, TO(health_check, start_period_s), RANGE(0, 300) },
};
static const struct field_table health_check_fields =
    TABLE("healthCheck", health_check_rows, struct health_check);

#define OF(member_) TO(container_definition, member_)
#define OF_LIST(member_, count_) TO_LIST(container_definition, member_, count_)
static const struct field container_rows[] = {
    { "name", STRING, OF(name), .required = true, .check = field_check_name },
    { "image", STRING, OF(image), .required = true, .check = field_check_image, RANGE(0, 512) },
    { "repositoryCredentials", OBJECT(repository_credentials_fields),
      REFUSED("the image would be pulled without credentials") },
    { "cpu", .type = FIELD_CPU, OF(cpu), RANGE(0, CPU_UNITS_MAX) },
    { "memory", .type = FIELD_MEMORY, OF(memory_mib), RANGE(MEMORY_MIB_MIN, MEMORY_MIB_MAX),
      .zero_allowed = true },
    { "memoryReservation", .type = FIELD_MEMORY, OF(memory_reservation_mib),
      RANGE(MEMORY_MIB_MIN, MEMORY_MIB_MAX), .zero_allowed = true },
    { "links", STRINGS, REFUSED("the names of other containers would not resolve") },
    { "portMappings", OBJECTS(port_mapping_fields), OF_LIST(port_mappings, port_mapping_count),
      .max = MOUNTS_MAX },
    { "essential", BOOLEAN, OF(essential), .fallback = true },
    { "restartPolicy", OBJECT(restart_policy_fields), OF(restart_policy) },
    { "entryPoint", STRINGS, OF(entry_point) },
    { "command", STRINGS, OF(command),
      .given_offset = offsetof(struct container_definition, command_set) },
    { "environment", OBJECTS(environment_fields), OF_LIST(environment, environment_count) },
    { "environmentFiles", OBJECTS(environment_file_fields),
      REFUSED("their variables would be missing") },
    { "mountPoints", OBJECTS(mount_point_fields), OF_LIST(mount_points, mount_point_count),
      .max = MOUNTS_MAX },
    { "volumesFrom", OBJECTS(volumes_from_fields), REFUSED("the volumes would be missing") },
    { "linuxParameters", OBJECT(linux_parameters_fields), SILENT },
    { "secrets", OBJECTS(secret_fields), REFUSED("the container would start without its secrets") },
    { "dependsOn", OBJECTS(dependency_fields), OF_LIST(depends_on, depends_on_count),
      .max = 10 * CONTAINERS_PER_TASK_MAX },
    { "startTimeout", INTEGER, OF(start_timeout_s), RANGE(0, FIELD_SECONDS_MAX) },
    { "stopTimeout", INTEGER, OF(stop_timeout_s), RANGE(0, FIELD_SECONDS_MAX), .fallback = -1 },
    { "versionConsistency", STRING, IGNORED("a tag is not pinned to what it means today") },
    { "hostname", STRING, REFUSED("the container would see another host name") },
    { "user", STRING, OF(user) },
    { "workingDirectory", STRING, OF(working_directory), .check = field_check_container_path },
    { "disableNetworking", BOOLEAN, REFUSED("the container would have a network") },
    { "privileged", BOOLEAN, REFUSED("the container would lack the host's devices and rights") },
    { "readonlyRootFilesystem", BOOLEAN, OF(readonly_root_filesystem) },
    { "dnsServers", STRINGS, REFUSED("names would be resolved elsewhere") },
    { "dnsSearchDomains", STRINGS, REFUSED("names would be resolved differently") },
    { "extraHosts", OBJECTS(host_entry_fields), REFUSED("the names would not resolve") },
    { "dockerSecurityOptions", STRINGS, REFUSED("the container would be confined differently") },
    { "interactive", BOOLEAN, REFUSED("the container's standard input would be closed") },
    { "pseudoTerminal", BOOLEAN, REFUSED("the container would have no terminal") },
    { "dockerLabels", MAP, OF_LIST(docker_labels, docker_label_count) },
    { "ulimits", OBJECTS(ulimit_fields), REFUSED("the runtime's own limits would apply") },
    { "logConfiguration", OBJECT(log_configuration_fields),
      WARNED("what the container prints stays with the runtime, where berth logs reads it") },
    { "healthCheck", OBJECT(health_check_fields), OF(health_check),
      .given_offset = offsetof(struct container_definition, health_check.present) },
    { "systemControls", OBJECTS(system_control_fields),
      REFUSED("the kernel's own values would apply") },
    { "resourceRequirements", OBJECTS(resource_requirement_fields),
      REFUSED("the container would get no such device") },
    { "firelensConfiguration", OBJECT(firelens_fields),
      REFUSED("the log router would get neither its configuration nor any logs") },
    { "credentialSpecs", STRINGS, REFUSED("the container would not join its domain") },
};
static const struct field_table container_fields =
    TABLE("a container definition", container_rows, struct container_definition);

static const struct field host_volume_rows[] = {
    { "sourcePath", STRING, TO(volume, host_path), .check = field_check_absolute_path },
};
static const struct field_table host_volume_fields =
    TABLE("the host of a volume", host_volume_rows, struct volume);

/* The one member of "host" is a member of the volume itself, so the sub-table starts at 0. */
#define VOLUME_ELSEWHERE "the volume would be an empty one on this host"
static const struct field volume_rows[] = {
    { "name", STRING, TO(volume, name), .required = true, .check = field_check_name },
    { "host", OBJECT(host_volume_fields), .offset = 0 },
    { "dockerVolumeConfiguration", OBJECT(docker_volume_fields),
      REFUSED("the volume would not be the named one") },
    { "efsVolumeConfiguration", OBJECT(efs_volume_fields), REFUSED(VOLUME_ELSEWHERE) },
    { "s3filesVolumeConfiguration", OBJECT(s3files_volume_fields), REFUSED(VOLUME_ELSEWHERE) },
    { "fsxWindowsFileServerVolumeConfiguration", OBJECT(fsx_volume_fields),
      REFUSED(VOLUME_ELSEWHERE) },
    { "configuredAtLaunch", BOOLEAN, REFUSED(VOLUME_ELSEWHERE) },
};
static const struct field_table volume_fields = TABLE("a volume", volume_rows, struct volume);

static const struct field runtime_platform_rows[] = {
    { "cpuArchitecture", STRING, IGNORED("the image decides on the architecture") },
    { "operatingSystemFamily", ENUM(system_family_words), SILENT },
};
static const struct field_table runtime_platform_fields =
    TABLE_UNUSED("runtimePlatform", runtime_platform_rows);

static const struct field requires_attribute_rows[] = {
    { "name", STRING, SILENT },
    { "value", STRING, SILENT },
    { "targetType", STRING, SILENT },
    { "targetId", STRING, SILENT },
};
static const struct field_table requires_attribute_fields =
    TABLE_UNUSED("an attribute", requires_attribute_rows);

static const struct field task_definition_rows[] = {
    { "family", STRING, TO(task_definition, family), .required = true, .check = field_check_name },
    { "revision", INTEGER, TO(task_definition, revision), RANGE(1, 2147483647), .fallback = 1,
      .given_offset = offsetof(struct task_definition, revision_given) },
    { "taskRoleArn", STRING,
      WARNED("the task gets no role; AWS SDKs in it use whatever credentials the host offers") },
    { "executionRoleArn", STRING, IGNORED("images are pulled with the host's own credentials") },
    { "networkMode", ENUM(network_mode_words), TO(task_definition, network_mode) },
    { "containerDefinitions", OBJECTS(container_fields),
      TO_LIST(task_definition, containers, container_count), .required = true,
      .max = CONTAINERS_PER_TASK_MAX },
    { "volumes", OBJECTS(volume_fields), TO_LIST(task_definition, volumes, volume_count),
      .max = MOUNTS_MAX },
    { "placementConstraints", OBJECTS(placement_constraint_fields),
      IGNORED("the document is for one host") },
    { "requiresCompatibilities", STRINGS, IGNORED("berth is the launch type") },
    { "cpu", .type = FIELD_CPU, TO(task_definition, cpu), RANGE(TASK_CPU_MIN, TASK_CPU_MAX) },
    { "memory", .type = FIELD_MEMORY, TO(task_definition, memory_mib),
      RANGE(MEMORY_MIB_MIN, MEMORY_MIB_MAX) },
    { "tags", OBJECTS(tag_fields), IGNORED("there is nothing to tag") },
    { "pidMode", STRING, REFUSED("the containers would see other processes") },
    { "ipcMode", STRING, REFUSED("the containers would share other memory") },
    { "proxyConfiguration", OBJECT(proxy_fields), REFUSED("traffic would pass by the proxy") },
    { "inferenceAccelerators", OBJECTS(inference_accelerator_fields),
      REFUSED("the containers would get no such device") },
    { "ephemeralStorage", OBJECT(ephemeral_storage_fields),
      IGNORED("containers share the disk of the host") },
    { "runtimePlatform", OBJECT(runtime_platform_fields), SILENT },
    { "enableFaultInjection", BOOLEAN, IGNORED("there is no endpoint to ask for faults") },
    /* What describe output adds. */
    { "taskDefinitionArn", STRING, SILENT },
    { "status", STRING, SILENT },
    { "requiresAttributes", OBJECTS(requires_attribute_fields), SILENT },
    { "compatibilities", STRINGS, SILENT },
    { "registeredAt", ANY, SILENT },
    { "registeredBy", STRING, SILENT },
    { "deregisteredAt", ANY, SILENT },
    { "deleteRequestedAt", ANY, SILENT },
};
const struct field_table task_definition_fields =
    TABLE("a task definition", task_definition_rows, struct task_definition);
