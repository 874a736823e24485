/* render_ports.h: the ports of one container that are bound to the host, grouped as the runtime
 * wants them: {"80/tcp": [{"HostPort": "8080"}, ...]}. Empty but in bridge mode. */
#ifndef BERTH_MODEL_RENDER_PORTS_H
#define BERTH_MODEL_RENDER_PORTS_H

#include <stddef.h>
#include <stdint.h>

#include "berth/desired.h"
#include "berth/task_definition.h"

struct json_writer;

struct port_binding {
    int64_t container_port, host_port; /* host_port 0: the runtime chooses */
    enum protocol protocol;
};

struct port_bindings {
    struct port_binding *list; /* sorted, no two alike */
    size_t count;
};

void port_bindings_init(struct port_bindings *bindings, const struct task_definition *definition,
                        size_t container, const struct publish *publish, size_t publish_count);
void port_bindings_release(struct port_bindings *bindings);
void port_bindings_put(const struct port_bindings *bindings, struct json_writer *writer);
void port_bindings_put_exposed(const struct port_bindings *bindings, struct json_writer *writer);

#endif
