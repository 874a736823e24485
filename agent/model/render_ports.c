/* render_ports.c: port mappings and published ports, sorted, grouped by container port. */
#include "agent/model/render_ports.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "berth/json.h"
#include "berth/memory.h"

static int binding_compare(const void *left, const void *right)
{
    const struct port_binding *a = left, *b = right;
    if (a->container_port != b->container_port)
        return a->container_port < b->container_port ? -1 : 1;
    if (a->protocol != b->protocol)
        return a->protocol < b->protocol ? -1 : 1;
    if (a->host_port != b->host_port)
        return a->host_port < b->host_port ? -1 : 1;
    return 0;
}

/* A published port may be a port mapping too. Bound twice, the runtime would refuse the start. */
static void sort_and_unite(struct port_bindings *bindings)
{
    if (bindings->count == 0)
        return;
    qsort(bindings->list, bindings->count, sizeof *bindings->list, binding_compare);
    size_t kept = 1;
    for (size_t i = 1; i < bindings->count; i++)
        if (binding_compare(&bindings->list[i], &bindings->list[kept - 1]) != 0)
            bindings->list[kept++] = bindings->list[i];
    bindings->count = kept;
}

void port_bindings_init(struct port_bindings *bindings, const struct task_definition *definition,
                        size_t container, const struct publish *publish, size_t publish_count)
{
    *bindings = (struct port_bindings){ 0 };
    if (definition->network_mode != NETWORK_BRIDGE)
        return;
    const struct container_definition *own = &definition->containers[container];
    bindings->list = memory_array(own->port_mapping_count + publish_count, sizeof *bindings->list);
    for (size_t i = 0; i < own->port_mapping_count; i++) {
        const struct port_mapping *mapping = &own->port_mappings[i];
        bindings->list[bindings->count++] =
            (struct port_binding){ mapping->container_port, mapping->host_port, mapping->protocol };
    }
    for (size_t i = 0; i < publish_count; i++) {
        if (publish[i].container == container)
            bindings->list[bindings->count++] =
                (struct port_binding){ publish[i].container_port, publish[i].host_port,
                                       publish[i].protocol };
    }
    sort_and_unite(bindings);
}

void port_bindings_release(struct port_bindings *bindings)
{
    free(bindings->list);
    *bindings = (struct port_bindings){ 0 };
}

static bool starts_group(const struct port_bindings *bindings, size_t i)
{
    const struct port_binding *list = bindings->list;
    return i == 0 || list[i].container_port != list[i - 1].container_port ||
           list[i].protocol != list[i - 1].protocol;
}

static void put_key(const struct port_binding *binding, struct json_writer *writer)
{
    char key[40];
    (void)snprintf(key, sizeof key, "%" PRId64 "/%s", binding->container_port,
                   protocol_name(binding->protocol));
    json_key(writer, key);
}

void port_bindings_put(const struct port_bindings *bindings, struct json_writer *writer)
{
    json_object(writer);
    for (size_t i = 0; i < bindings->count; i++) {
        const struct port_binding *binding = &bindings->list[i];
        if (starts_group(bindings, i)) {
            put_key(binding, writer);
            json_array(writer);
        }
        /* The runtime wants text; empty lets it choose. */
        char port[24] = "";
        if (binding->host_port > 0)
            (void)snprintf(port, sizeof port, "%" PRId64, binding->host_port);
        json_object(writer);
        json_string_member(writer, "HostPort", port);
        json_object_end(writer);
        if (i + 1 == bindings->count || starts_group(bindings, i + 1))
            json_array_end(writer);
    }
    json_object_end(writer);
}

void port_bindings_put_exposed(const struct port_bindings *bindings, struct json_writer *writer)
{
    json_object(writer);
    for (size_t i = 0; i < bindings->count; i++) {
        if (!starts_group(bindings, i))
            continue;
        put_key(&bindings->list[i], writer);
        json_object(writer);
        json_object_end(writer);
    }
    json_object_end(writer);
}
