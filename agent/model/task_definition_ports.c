/* task_definition_ports.c: which port mappings the network mode allows. */
#include "agent/model/task_definition_check.h"

/* In host mode a container listens on the host itself: its port is the host's port. */
static void settle_host_mode(struct port_mapping *mapping, const struct place *place,
                             struct findings *findings)
{
    if (mapping->host_port != 0 && mapping->host_port != mapping->container_port)
        place_error(findings, AT_KEY(place, "hostPort"), FINDING_VALUE,
                    "%lld must equal containerPort %lld in network mode host, or be left out",
                    (long long)mapping->host_port, (long long)mapping->container_port);
    mapping->host_port = mapping->container_port;
}

static const struct port_mapping *find_clash(const struct task_definition *definition,
                                             size_t container, size_t mapping)
{
    const struct port_mapping *wanted = &definition->containers[container].port_mappings[mapping];
    for (size_t i = 0; i <= container; i++) {
        const struct container_definition *other = &definition->containers[i];
        size_t end = i == container ? mapping : other->port_mapping_count;
        for (size_t j = 0; j < end; j++) {
            const struct port_mapping *taken = &other->port_mappings[j];
            if (taken->host_port == wanted->host_port && taken->protocol == wanted->protocol)
                return taken;
        }
    }
    return NULL;
}

static void check_mapping(struct task_definition *definition, size_t container, size_t index,
                          const struct place *place, struct findings *findings)
{
    struct port_mapping *mapping = &definition->containers[container].port_mappings[index];
    if (definition->network_mode == NETWORK_HOST)
        settle_host_mode(mapping, place, findings);
    if (mapping->host_port != 0 && find_clash(definition, container, index))
        place_error(findings, AT_KEY(place, "hostPort"), FINDING_PORT_CONFLICT,
                    "host port %lld/%s is taken by an earlier port mapping of this task definition",
                    (long long)mapping->host_port, protocol_name(mapping->protocol));
}

void task_definition_check_ports(struct task_definition *definition, const struct place *place,
                                 struct findings *findings)
{
    const struct place *containers = AT_KEY(place, "containerDefinitions");
    for (size_t i = 0; i < definition->container_count; i++) {
        const struct container_definition *container = &definition->containers[i];
        const struct place *mappings = AT_KEY(AT_INDEX(containers, i), "portMappings");
        if (definition->network_mode == NETWORK_NONE && container->port_mapping_count > 0)
            place_error(findings, mappings, FINDING_VALUE,
                        "network mode none has no ports to map; remove them or use bridge");
        for (size_t j = 0; j < container->port_mapping_count; j++)
            check_mapping(definition, i, j, AT_INDEX(mappings, j), findings);
    }
}
