/* desired_publish.c: the published ports of a service, and how each is probed. */
#include <string.h>

#include "agent/model/desired_inside.h"
#include "berth/str.h"

#define STATUS_MIN 100
#define STATUS_MAX 599
#define DEFAULT_TIMEOUT SECONDS(5)

static int matcher_parse(const char *text, int64_t *min, int64_t *max)
{
    char first[4] = "";
    const char *dash = strchr(text, '-');
    if (!dash) {
        int rc = parse_int(text, STATUS_MIN, STATUS_MAX, min);
        *max = rc < 0 ? *max : *min;
        return rc;
    }
    if (dash - text != 3)
        return -EINVAL;
    memcpy(first, text, 3);
    int rc = parse_int(first, STATUS_MIN, STATUS_MAX, min);
    return rc < 0 ? rc : parse_int(dash + 1, *min, STATUS_MAX, max);
}

void desired_read_matcher(const cJSON *value, const struct place *place,
                          struct field_reader *reader, void *ret)
{
    struct probe_definition *probe = ret;
    char digits[32];
    const char *text = digits;
    int64_t number;
    if (cJSON_IsString(value)) {
        text = value->valuestring;
    } else if (cJSON_IsNumber(value) && json_exact(value, &number) == 0) {
        (void)snprintf(digits, sizeof digits, "%lld", (long long)number);
    } else {
        field_wrong_type(value, "a string like \"200-399\"", place, reader->findings);
        return;
    }
    int64_t min = 0;
    int64_t max = 0;
    if (matcher_parse(text, &min, &max) < 0) {
        place_error(reader->findings, place, FINDING_VALUE,
                    "\"%.60s\" is neither one status nor a range of them, like \"200-399\" "
                    "(within %d..%d)",
                    text, STATUS_MIN, STATUS_MAX);
        return;
    }
    if (!probe)
        return;
    probe->status_min = min;
    probe->status_max = max;
}

static void settle_probe(struct probe_definition *probe, bool checked, const struct place *place,
                         struct findings *findings)
{
    if (!checked)
        probe->protocol = PROBE_NONE;
    if (probe->timeout_ms < 0)
        probe->timeout_ms =
            probe->interval_ms < DEFAULT_TIMEOUT ? probe->interval_ms : DEFAULT_TIMEOUT;
    if (probe->status_min == 0) {
        probe->status_min = 200;
        probe->status_max = 399;
    }
    if (probe->timeout_ms > probe->interval_ms)
        place_error(findings, AT_KEY(place, "timeoutSeconds"), FINDING_IMPOSSIBLE,
                    "%lld s is longer than intervalSeconds, which is %lld s",
                    (long long)(probe->timeout_ms / 1000), (long long)(probe->interval_ms / 1000));
}

static void settle_container(struct publish *publish, const struct task_definition *definition,
                             const struct place *place, struct findings *findings)
{
    const struct place *here = AT_KEY(place, "containerName");
    if (!publish->container_name && definition->container_count == 1)
        publish->container_name = definition->containers[0].name;
    if (!publish->container_name) {
        place_error(findings, here, FINDING_MISSING,
                    "%s has %zu containers, so that a published port needs containerName",
                    definition->name, definition->container_count);
        return;
    }
    int index = task_definition_container(definition, publish->container_name);
    if (index < 0)
        place_error(findings, here, FINDING_UNKNOWN_REFERENCE,
                    "%s has no container named \"%.60s\"", definition->name,
                    publish->container_name);
    else
        publish->container = (size_t)index;
}

static void check_network(const struct publish *publish, const struct task_definition *definition,
                          const struct place *place, struct findings *findings)
{
    if (definition->network_mode == NETWORK_NONE)
        place_error(findings, place, FINDING_VALUE,
                    "%s has network mode none, and no port of it can be reached", definition->name);
    bool same = publish->host_port == publish->container_port;
    if (definition->network_mode == NETWORK_HOST && publish->host_port != 0 && !same)
        place_error(findings, AT_KEY(place, "hostPort"), FINDING_VALUE,
                    "%lld must equal containerPort %lld, as %s has network mode host",
                    (long long)publish->host_port, (long long)publish->container_port,
                    definition->name);
}

void desired_build_publish(struct desired_builder *builder, struct service *service,
                           const struct service_input *input, const struct place *place)
{
    struct findings *findings = builder->findings;
    service->publish_count = input->publish_count;
    service->publish =
        arena_array(&builder->desired->arena, service->publish_count, sizeof *service->publish);
    for (size_t i = 0; i < service->publish_count; i++) {
        const struct place *here = AT_INDEX(AT_KEY(place, "publish"), i);
        struct publish *publish = &service->publish[i];
        *publish = input->publish[i].publish;
        settle_probe(&publish->probe, input->publish[i].checked, AT_KEY(here, "healthCheck"),
                     findings);
        if (!service->definition)
            continue;
        settle_container(publish, service->definition, here, findings);
        check_network(publish, service->definition, here, findings);
    }
}
