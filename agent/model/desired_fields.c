/* desired_fields.c: every field of the document, of a service and of a one-off task. */
#include "agent/model/desired_inside.h"
#include "agent/model/field_rows.h"
#include "agent/model/fields_unused.h"
#include "agent/model/task_definition_fields.h"

#define PORT_MAX 65535

static const struct field_word scheduling_words[] = {
    { "REPLICA", SCHEDULING_REPLICA, NULL },
    { "DAEMON", SCHEDULING_DAEMON, NULL },
    { 0 },
};

static const struct field_word probe_words[] = {
    { "HTTP", PROBE_HTTP, NULL },
    { "TCP", PROBE_TCP, NULL },
    { "HTTPS", PROBE_NONE, "probe over HTTP, or use TCP" },
    { 0 },
};

#define STRATEGY_LATER "replacement is rolling; use ROLLING or leave strategy out"
static const struct field_word strategy_words[] = {
    { "ROLLING", 0, NULL },
    { "BLUE_GREEN", 0, STRATEGY_LATER },
    { "LINEAR", 0, STRATEGY_LATER },
    { "CANARY", 0, STRATEGY_LATER },
    { 0 },
};

#define CONTROLLER_OTHER "berth is the deployment controller; use ECS or leave it out"
static const struct field_word controller_words[] = {
    { "ECS", 0, NULL },
    { "CODE_DEPLOY", 0, CONTROLLER_OTHER },
    { "EXTERNAL", 0, CONTROLLER_OTHER },
    { 0 },
};

/* It goes into the request line as it is. */
static const char *check_http_path(const char *text)
{
    bool fits = text[0] == '/';
    for (const char *c = text; *c; c++)
        fits = fits && *c > ' ' && *c < 0x7f;
    return fits ? NULL : "must be a path that starts with \"/\", without spaces, in ASCII";
}

static const char *check_one_off_id(const char *text)
{
    size_t len = 0;
    for (const char *c = text; *c; c++, len++) {
        char one[2] = { *c, '\0' };
        if (*c != '.' && field_check_name(one))
            return "must be 1 to 255 letters, digits, dots, hyphens and underscores";
    }
    return len <= NAME_MAX_LEN ? NULL : "must be at most 255 characters long";
}

static const struct field probe_rows[] = {
    { "protocol", ENUM(probe_words), TO(probe_definition, protocol), .fallback = PROBE_HTTP },
    { "path", STRING, TO(probe_definition, path), .fallback_text = "/", .check = check_http_path,
      RANGE(0, 1024) },
    { "intervalSeconds", SECONDS_ROW, TO(probe_definition, interval_ms), RANGE(1, 300),
      .fallback = 30 },
    { "timeoutSeconds", SECONDS_ROW, TO(probe_definition, timeout_ms), RANGE(1, 120),
      .fallback = ABSENT },
    { "healthyThresholdCount", INTEGER, TO(probe_definition, healthy_threshold), RANGE(1, 10),
      .fallback = 2 },
    { "unhealthyThresholdCount", INTEGER, TO(probe_definition, unhealthy_threshold), RANGE(1, 10),
      .fallback = 3 },
    { "matcher", .type = FIELD_CUSTOM, .read = desired_read_matcher },
};
static const struct field_table probe_fields =
    TABLE("the healthCheck of a published port", probe_rows, struct probe_definition);

#define OF_PUBLISH(member_) TO(publish_input, publish.member_)
static const struct field publish_rows[] = {
    { "hostPort", INTEGER, OF_PUBLISH(host_port), RANGE(1, PORT_MAX), .required = true },
    { "protocol", ENUM(protocol_words), OF_PUBLISH(protocol) },
    { "containerName", STRING, OF_PUBLISH(container_name) },
    { "containerPort", INTEGER, OF_PUBLISH(container_port), RANGE(1, PORT_MAX), .required = true },
    { "healthCheck", OBJECT(probe_fields), OF_PUBLISH(probe),
      .given_offset = offsetof(struct publish_input, checked) },
    { "deregistrationDelaySeconds", SECONDS_ROW, OF_PUBLISH(deregistration_delay_ms),
      RANGE(0, 3600), .fallback = 30 },
};
static const struct field_table publish_fields =
    TABLE("a published port", publish_rows, struct publish_input);

static const struct field deployment_rows[] = {
    { "maximumPercent", INTEGER, TO(deployment_configuration, maximum_percent), RANGE(100, 1000),
      .fallback = ABSENT },
    { "minimumHealthyPercent", INTEGER, TO(deployment_configuration, minimum_healthy_percent),
      RANGE(0, 100), .fallback = ABSENT },
    { "deploymentCircuitBreaker", ANY,
      WARNED("a deployment that fails is reported and waits for a newer document") },
    { "alarms", ANY, WARNED("no alarm is watched during a deployment") },
    { "strategy", ENUM(strategy_words), SILENT },
    { "bakeTimeInMinutes", INTEGER, IGNORED("a rolling deployment has no bake time") },
    { "lifecycleHooks", ANY, REFUSED("a deployment would not wait for the hooks") },
    { "linearConfiguration", ANY, IGNORED("replacement is rolling") },
    { "canaryConfiguration", ANY, IGNORED("replacement is rolling") },
};
static const struct field_table deployment_fields =
    TABLE("deploymentConfiguration", deployment_rows, struct deployment_configuration);

static const struct field controller_rows[] = {
    { "type", ENUM(controller_words), SILENT },
};
static const struct field_table controller_fields =
    TABLE_UNUSED("deploymentController", controller_rows);

static const struct field service_connect_rows[] = {
    { "enabled", BOOLEAN, REFUSED("tasks would not reach each other by their names") },
    { "namespace", STRING, SILENT },
    { "services", ANY, SILENT },
    { "logConfiguration", ANY, SILENT },
    { "accessLogConfiguration", ANY, SILENT },
};
static const struct field_table service_connect_fields =
    TABLE_UNUSED("serviceConnectConfiguration", service_connect_rows);

#define ONE_HOST "the document is for one host"
#define NO_TAGS "there is nothing to tag"
#define USE_PUBLISH "use publish to reach the service"
#define OF_SERVICE(member_) TO(service_input, service.member_)
static const struct field service_rows[] = {
    { "serviceName", STRING, OF_SERVICE(name), .required = true, .check = field_check_name },
    { "taskDefinition", STRING, TO(service_input, definition), .required = true },
    { "desiredCount", INTEGER, OF_SERVICE(desired_count), RANGE(0, DESIRED_COUNT_MAX),
      .given_offset = offsetof(struct service_input, counted) },
    { "schedulingStrategy", ENUM(scheduling_words), OF_SERVICE(strategy) },
    { "deploymentConfiguration", OBJECT(deployment_fields), OF_SERVICE(deployment) },
    { "healthCheckGracePeriodSeconds", SECONDS_ROW, OF_SERVICE(grace_ms),
      RANGE(0, FIELD_SECONDS_MAX) },
    { "publish", OBJECTS(publish_fields), TO_LIST(service_input, publish, publish_count),
      .max = PUBLISH_PER_SERVICE_MAX },
    { "deploymentController", OBJECT(controller_fields), SILENT },
    { "serviceConnectConfiguration", OBJECT(service_connect_fields), SILENT },
    { "loadBalancers", ANY, WARNED(USE_PUBLISH) },
    { "serviceRegistries", ANY, WARNED("the service is not entered in a registry") },
    { "vpcLatticeConfigurations", ANY, WARNED(USE_PUBLISH) },
    { "volumeConfigurations", ANY, REFUSED("the volume would be an empty one on this host") },
    { "enableExecuteCommand", BOOLEAN, WARNED("use the runtime's own exec on the host") },
    { "networkConfiguration", ANY, IGNORED("it belongs to network mode awsvpc") },
    { "cluster", STRING, IGNORED("berthd --cluster says which cluster this is") },
    { "availabilityZoneRebalancing", STRING, IGNORED(ONE_HOST) },
    { "placementConstraints", ANY, IGNORED(ONE_HOST) },
    { "placementStrategy", ANY, IGNORED(ONE_HOST) },
    { "launchType", STRING, IGNORED("berth is the launch type") },
    { "capacityProviderStrategy", ANY, IGNORED(ONE_HOST) },
    { "platformVersion", STRING, IGNORED("berth is the platform") },
    { "role", STRING, IGNORED("there is no load balancer to register with") },
    { "clientToken", STRING, IGNORED("the document's revision takes its place") },
    { "forceNewDeployment", BOOLEAN, IGNORED("berth restart does it") },
    { "tags", ANY, IGNORED(NO_TAGS) },
    { "enableECSManagedTags", BOOLEAN, IGNORED(NO_TAGS) },
    { "propagateTags", STRING, IGNORED(NO_TAGS) },
    { "monitoring", ANY, IGNORED("berth metrics are there for every service") },
    /* What describe output adds. */
    { "serviceArn", STRING, SILENT },
    { "clusterArn", STRING, SILENT },
    { "status", STRING, SILENT },
    { "runningCount", INTEGER, SILENT },
    { "pendingCount", INTEGER, SILENT },
    { "platformFamily", STRING, SILENT },
    { "taskSets", ANY, SILENT },
    { "deployments", ANY, SILENT },
    { "roleArn", STRING, SILENT },
    { "events", ANY, SILENT },
    { "createdAt", ANY, SILENT },
    { "createdBy", STRING, SILENT },
    { "currentServiceDeployment", STRING, SILENT },
    { "currentServiceRevisions", ANY, SILENT },
    { "resourceManagementType", STRING, SILENT },
};
static const struct field_table service_fields =
    TABLE("a service", service_rows, struct service_input);

#define CPU_UNITS_MAX 2147483647
#define MEMORY_MIB_MIN 6
#define MEMORY_MIB_MAX (64 * 1024 * 1024)
static const struct field container_override_rows[] = {
    { "name", STRING, TO(container_override, name), .required = true },
    { "command", STRINGS, TO(container_override, command) },
    { "environment", OBJECTS(environment_fields),
      TO_LIST(container_override, environment, environment_count) },
    { "environmentFiles", ANY, REFUSED("their variables would be missing") },
    { "cpu", .type = FIELD_CPU, TO(container_override, cpu), RANGE(0, CPU_UNITS_MAX),
      .fallback = ABSENT },
    { "memory", .type = FIELD_MEMORY, TO(container_override, memory_mib),
      RANGE(MEMORY_MIB_MIN, MEMORY_MIB_MAX), .fallback = ABSENT },
    { "memoryReservation", .type = FIELD_MEMORY, TO(container_override, memory_reservation_mib),
      RANGE(MEMORY_MIB_MIN, MEMORY_MIB_MAX), .fallback = ABSENT },
    { "resourceRequirements", ANY, REFUSED("the container would get no such device") },
};
static const struct field_table container_override_fields =
    TABLE("a container override", container_override_rows, struct container_override);

static const struct field overrides_rows[] = {
    { "containerOverrides", OBJECTS(container_override_fields),
      TO_LIST(overrides, containers, container_count), .max = CONTAINERS_PER_TASK_MAX },
    { "cpu", .type = FIELD_CPU, TO(overrides, cpu), RANGE(128, 196608), .fallback = ABSENT },
    { "memory", .type = FIELD_MEMORY, TO(overrides, memory_mib),
      RANGE(MEMORY_MIB_MIN, MEMORY_MIB_MAX), .fallback = ABSENT },
    { "inferenceAcceleratorOverrides", ANY, REFUSED("the containers would get no such device") },
    { "executionRoleArn", STRING, IGNORED("images are pulled with the host's own credentials") },
    { "taskRoleArn", STRING,
      WARNED("the task gets no role; AWS SDKs in it use whatever credentials the host offers") },
    { "ephemeralStorage", ANY, IGNORED("containers share the disk of the host") },
};
static const struct field_table overrides_fields =
    TABLE("overrides", overrides_rows, struct overrides);

static const struct field one_off_rows[] = {
    { "id", STRING, TO(one_off_input, id), .required = true, .check = check_one_off_id },
    { "taskDefinition", STRING, TO(one_off_input, definition), .required = true },
    { "overrides", OBJECT(overrides_fields), TO(one_off_input, overrides) },
    { "volumeConfigurations", ANY, REFUSED("the volume would be an empty one on this host") },
    { "count", INTEGER, IGNORED("a task runs once per id; give each copy an id of its own") },
    { "cluster", STRING, IGNORED("berthd --cluster says which cluster this is") },
    { "group", STRING, IGNORED("the group is the family") },
    { "startedBy", STRING, IGNORED("the id says who started it") },
    { "referenceId", STRING, IGNORED("the id takes its place") },
    { "clientToken", STRING, IGNORED("the id takes its place") },
    { "launchType", STRING, IGNORED("berth is the launch type") },
    { "platformVersion", STRING, IGNORED("berth is the platform") },
    { "networkConfiguration", ANY, IGNORED("it belongs to network mode awsvpc") },
    { "capacityProviderStrategy", ANY, IGNORED(ONE_HOST) },
    { "placementConstraints", ANY, IGNORED(ONE_HOST) },
    { "placementStrategy", ANY, IGNORED(ONE_HOST) },
    { "enableExecuteCommand", BOOLEAN, WARNED("use the runtime's own exec on the host") },
    { "tags", ANY, IGNORED(NO_TAGS) },
    { "enableECSManagedTags", BOOLEAN, IGNORED(NO_TAGS) },
    { "propagateTags", STRING, IGNORED(NO_TAGS) },
};
static const struct field_table one_off_fields =
    TABLE("a one-off task", one_off_rows, struct one_off_input);

/* Strict where absence and emptiness must not be mixed up: only a real [] stops everything. */
static const struct field document_rows[] = {
    { "revision", INTEGER, TO(document_input, revision), RANGE(1, JSON_INTEGER_MAX),
      .required = true },
    { "taskDefinitions", .type = FIELD_CUSTOM, .read = desired_read_definitions, .required = true,
      .strict = true },
    { "services", OBJECTS(service_fields), TO_LIST(document_input, services, service_count),
      .required = true, .strict = true, .max = SERVICES_MAX },
    { "tasks", OBJECTS(one_off_fields), TO_LIST(document_input, one_offs, one_off_count),
      .strict = true, .max = ONE_OFFS_MAX },
};
const struct field_table document_fields =
    TABLE("the document", document_rows, struct document_input);
