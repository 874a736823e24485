/* desired_ports.c: every port of the host that the document takes, and who takes it twice. */
#include <stdlib.h>

#include "agent/model/desired_inside.h"
#include "berth/memory.h"

/* Who takes a port: a published port, or else a fixed host port of a task definition. */
struct claim {
    int64_t port;
    enum protocol protocol;
    size_t order; /* in the document: services first */
    bool by_one_off;
    size_t owner; /* index of the service or one-off task */
    bool published;
    size_t publish;
    size_t container;
    int64_t container_port;
};

struct claims {
    struct claim *list;
    size_t count, capacity;
};

static void claims_add(struct claims *claims, struct claim claim)
{
    if (claims->count == claims->capacity) {
        claims->capacity = claims->capacity ? 2 * claims->capacity : 64;
        claims->list = memory_grow(claims->list, claims->capacity, sizeof *claims->list);
    }
    claim.order = claims->count;
    claims->list[claims->count++] = claim;
}

static void claim_mappings(struct claims *claims, const struct task_definition *definition,
                           struct claim claim)
{
    for (size_t i = 0; definition && i < definition->container_count; i++) {
        const struct container_definition *container = &definition->containers[i];
        for (size_t j = 0; j < container->port_mapping_count; j++) {
            const struct port_mapping *mapping = &container->port_mappings[j];
            if (mapping->host_port == 0)
                continue;
            claim.port = mapping->host_port;
            claim.protocol = mapping->protocol;
            claim.container = i;
            claim.container_port = mapping->container_port;
            claims_add(claims, claim);
        }
    }
}

static void claim_published(struct claims *claims, const struct service *service, size_t owner)
{
    for (size_t i = 0; i < service->publish_count; i++) {
        const struct publish *publish = &service->publish[i];
        claims_add(claims, (struct claim){ .port = publish->host_port,
                                           .protocol = publish->protocol,
                                           .owner = owner,
                                           .published = true,
                                           .publish = i,
                                           .container = publish->container,
                                           .container_port = publish->container_port });
    }
}

static void claims_collect(struct claims *claims, const struct desired *desired)
{
    for (size_t i = 0; i < desired->service_count; i++) {
        const struct service *service = &desired->services[i];
        claim_published(claims, service, i);
        claim_mappings(claims, service->definition, (struct claim){ .owner = i });
    }
    for (size_t i = 0; i < desired->one_off_count; i++)
        claim_mappings(claims, desired->one_offs[i].definition,
                       (struct claim){ .owner = i, .by_one_off = true });
}

static int claim_compare(const void *a, const void *b)
{
    const struct claim *left = a;
    const struct claim *right = b;
    if (left->port != right->port)
        return left->port < right->port ? -1 : 1;
    if (left->protocol != right->protocol)
        return left->protocol < right->protocol ? -1 : 1;
    return left->order < right->order ? -1 : 1;
}

static void claim_path(const struct claim *claim, char ret[PLACE_TEXT_MAX])
{
    const struct place *owner =
        AT_INDEX(AT_KEY(NULL, claim->by_one_off ? "tasks" : "services"), claim->owner);
    if (claim->published)
        place_text(AT_KEY(AT_INDEX(AT_KEY(owner, "publish"), claim->publish), "hostPort"), ret);
    else
        place_text(AT_KEY(owner, "taskDefinition"), ret);
}

/* Publishing what a port mapping binds already is one binding, said twice. Two port mappings of
 * one definition were compared when it was read. */
static bool claims_agree(const struct claim *a, const struct claim *b)
{
    if (a->by_one_off || b->by_one_off)
        return a->by_one_off == b->by_one_off;
    if (a->owner != b->owner || (a->published && b->published))
        return false;
    bool same_target = a->container == b->container && a->container_port == b->container_port;
    return same_target || a->published == b->published;
}

static void report_clash(const struct claim *first, const struct claim *second,
                         struct findings *findings)
{
    char here[PLACE_TEXT_MAX];
    char there[PLACE_TEXT_MAX];
    claim_path(first, there);
    claim_path(second, here);
    if (second->by_one_off)
        findings_warning(
            findings, here, FINDING_PORT_CONFLICT,
            "host port %lld/%s is also taken by %.200s; the task waits until it is free",
            (long long)second->port, protocol_name(second->protocol), there);
    else
        findings_error(findings, here, FINDING_PORT_CONFLICT,
                       "host port %lld/%s is also taken by %.200s", (long long)second->port,
                       protocol_name(second->protocol), there);
}

void desired_check_ports(const struct desired_builder *builder)
{
    struct claims claims = { 0 };
    claims_collect(&claims, builder->desired);
    AUTO_FREE struct claim *list = claims.list;
    if (claims.count > 1)
        qsort(list, claims.count, sizeof *list, claim_compare);
    size_t first = 0;
    for (size_t i = 1; i < claims.count; i++) {
        bool same = list[i].port == list[first].port && list[i].protocol == list[first].protocol;
        if (!same)
            first = i;
        else if (list[i].port != 0 && !claims_agree(&list[first], &list[i]))
            report_clash(&list[first], &list[i], builder->findings);
    }
}

int64_t service_fixed_port(const struct service *service, enum protocol *ret_protocol)
{
    struct claims claims = { 0 };
    claim_published(&claims, service, 0);
    claim_mappings(&claims, service->definition, (struct claim){ 0 });
    AUTO_FREE struct claim *list = claims.list;
    if (claims.count == 0)
        return 0;
    *ret_protocol = list[0].protocol;
    return list[0].port;
}
