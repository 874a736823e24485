/* desired_services.c: from what a service says to what it means. */
#include <stdlib.h>
#include <string.h>

#include "agent/model/desired_inside.h"
#include "berth/assert.h"
#include "berth/str.h"

#define DIGEST_TEXT_MAX (16 * 1024)

static void settle_count(struct service *service, bool counted, const struct place *place,
                         struct findings *findings)
{
    const struct place *here = AT_KEY(place, "desiredCount");
    if (service->strategy == SCHEDULING_REPLICA) {
        if (!counted)
            place_error(findings, here, FINDING_MISSING,
                        "a REPLICA service needs desiredCount, and it is missing or empty");
        return;
    }
    if (service->desired_count > 1)
        place_warning(findings, here, FINDING_IGNORED,
                      "%lld has no effect here: a DAEMON service runs one task on each host",
                      (long long)service->desired_count);
    service->desired_count = 1;
}

static void settle_deployment(struct service *service, const struct place *place,
                              struct findings *findings)
{
    struct deployment_configuration *deployment = &service->deployment;
    bool daemon = service->strategy == SCHEDULING_DAEMON;
    if (deployment->minimum_healthy_percent == ABSENT)
        deployment->minimum_healthy_percent = daemon ? 0 : 100;
    if (deployment->maximum_percent == ABSENT)
        deployment->maximum_percent = daemon ? 100 : 200;
    int64_t least = service_minimum_healthy(service);
    int64_t most = service_maximum_running(service);
    if (service->desired_count > 0 && most <= least)
        place_warning(findings, AT_KEY(place, "deploymentConfiguration"), FINDING_IMPOSSIBLE,
                      "%lld healthy tasks are needed and %lld are allowed in all, so that nothing "
                      "can be replaced: lower minimumHealthyPercent or raise maximumPercent",
                      (long long)least, (long long)most);
}

/* Not an error of the document: the agent refuses that one service and moves the others. */
static void warn_of_shared_port(const struct service *service, const struct place *place,
                                struct findings *findings)
{
    enum protocol protocol;
    int64_t port = service_fixed_port(service, &protocol);
    if (port == 0 || service->desired_count < 2)
        return;
    place_warning(findings, AT_KEY(place, "desiredCount"), FINDING_IMPOSSIBLE,
                  "%lld tasks cannot all hold host port %lld/%s: use 1, or a dynamic host port",
                  (long long)service->desired_count, (long long)port, protocol_name(protocol));
}

static int publish_compare(const void *a, const void *b)
{
    const struct publish *left = a;
    const struct publish *right = b;
    if (left->host_port != right->host_port)
        return left->host_port < right->host_port ? -1 : 1;
    return (int)left->protocol - (int)right->protocol;
}

/* What a task of this service is: how it is probed and how many there are is something else. */
static void service_digest(struct service *service)
{
    char hex[DIGEST_HEX_LEN + 1];
    struct publish sorted[PUBLISH_PER_SERVICE_MAX];
    ASSERT(service->publish_count <= PUBLISH_PER_SERVICE_MAX);
    if (service->publish_count > 0)
        memcpy(sorted, service->publish, service->publish_count * sizeof sorted[0]);
    qsort(sorted, service->publish_count, sizeof sorted[0], publish_compare);

    AUTO_STR struct str text;
    str_init(&text, DIGEST_TEXT_MAX);
    digest_hex(&service->definition->digest, hex);
    str_addf(&text, "definition %s\n", hex);
    for (size_t i = 0; i < service->publish_count; i++)
        str_addf(&text, "publish %lld/%s %s %lld\n", (long long)sorted[i].host_port,
                 protocol_name(sorted[i].protocol), sorted[i].container_name,
                 (long long)sorted[i].container_port);
    ASSERT(!text.truncated);
    digest_of(str_text(&text), text.len, &service->digest);
}

static void check_name(const struct desired *desired, size_t index, const struct place *place,
                       struct findings *findings)
{
    const char *name = desired->services[index].name;
    for (size_t i = 0; name && i < index; i++) {
        if (!str_equal(desired->services[i].name, name))
            continue;
        place_error(findings, AT_KEY(place, "serviceName"), FINDING_DUPLICATE,
                    "\"%.100s\" is already the name of services[%zu]", name, i);
        return;
    }
}

static void build_service(struct desired_builder *builder, size_t index,
                          const struct service_input *input, const struct place *place)
{
    struct findings *findings = builder->findings;
    size_t errors = findings->errors;
    struct service *service = &builder->desired->services[index];
    *service = input->service;
    service->definition =
        desired_find_definition(builder, input->definition, AT_KEY(place, "taskDefinition"));
    check_name(builder->desired, index, place, findings);
    settle_count(service, input->counted, place, findings);
    settle_deployment(service, place, findings);
    desired_build_publish(builder, service, input, place);
    warn_of_shared_port(service, place, findings);
    if (service->definition && findings->errors == errors)
        service_digest(service);
}

void desired_build_services(struct desired_builder *builder, const struct document_input *input)
{
    struct desired *desired = builder->desired;
    desired->service_count = input->service_count;
    desired->services =
        arena_array(&desired->arena, desired->service_count, sizeof *desired->services);
    for (size_t i = 0; i < input->service_count; i++)
        build_service(builder, i, &input->services[i], AT_INDEX(AT_KEY(NULL, "services"), i));
}
