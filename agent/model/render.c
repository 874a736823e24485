/* render.c: the body of POST /containers/create, one table row per field.
 *
 * A plain field of the container definition needs a row with its offset; what follows rules of its
 * own has two small functions, "is it wanted" and "put its value". */
#include "berth/render.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/model/render_labels.h"
#include "agent/model/render_ports.h"
#include "berth/assert.h"
#include "berth/json.h"
#include "berth/memory.h"

#define MIB ((int64_t)1024 * 1024)
#define NANOSECONDS INT64_C(1000000000)
#define CPU_SHARES_MIN 2
#define CPU_SHARES_MAX 262144
/* dockerd refuses less than 6 MiB; ECS raises small values too instead of failing the task. */
#define MEMORY_MIN_MIB 6

struct render {
    const struct task_definition *definition;
    const struct container_definition *container;
    size_t index; /* of container */
    const struct container_identity *identity;
    const char *cgroup_parent;
    const struct port_bindings *ports;
};

enum row_kind {
    ROW_RULE, /* wanted() and put() */
    ROW_TEXT, /* const char * at offset, left out when NULL */
    ROW_FLAG, /* bool at offset, left out when false */
    ROW_LIST, /* struct string_list at offset, left out when empty */
    ROW_MIB,  /* int64_t at offset, left out when 0 */
};

struct render_row {
    const char *key;
    enum row_kind kind;
    size_t offset; /* in struct container_definition */
    bool (*wanted)(const struct render *render);
    void (*put)(const struct render *render, struct json_writer *writer);
};

#define TEXT(field_) ROW_TEXT, offsetof(struct container_definition, field_), NULL, NULL
#define FLAG(field_) ROW_FLAG, offsetof(struct container_definition, field_), NULL, NULL
#define LIST(field_) ROW_LIST, offsetof(struct container_definition, field_), NULL, NULL
#define MEMORY(field_) ROW_MIB, offsetof(struct container_definition, field_), NULL, NULL
#define RULE(name_) ROW_RULE, 0, name_##_wanted, name_##_put
#define ALWAYS(name_) ROW_RULE, 0, NULL, name_##_put

static void put_rows(const struct render *render, const struct render_row *rows, size_t count,
                     struct json_writer *writer);

static void list_put(const struct string_list *list, struct json_writer *writer)
{
    json_array(writer);
    for (size_t i = 0; i < list->count; i++)
        json_put_string(writer, list->items[i]);
    json_array_end(writer);
}

/* ------------------------------------------------------------------ HostConfig */

static void network_put(const struct render *render, struct json_writer *writer)
{
    json_put_string(writer, network_mode_name(render->definition->network_mode));
}

static bool ports_wanted(const struct render *render)
{
    return render->ports->count > 0;
}

static void bindings_put(const struct render *render, struct json_writer *writer)
{
    port_bindings_put(render->ports, writer);
}

static bool binds_wanted(const struct render *render)
{
    return render->container->mount_point_count > 0;
}

static const struct volume *volume_find(const struct task_definition *definition, const char *name)
{
    for (size_t i = 0; i < definition->volume_count; i++)
        if (str_equal(definition->volumes[i].name, name))
            return &definition->volumes[i];
    return NULL;
}

static void binds_put(const struct render *render, struct json_writer *writer)
{
    json_array(writer);
    for (size_t i = 0; i < render->container->mount_point_count; i++) {
        const struct mount_point *mount = &render->container->mount_points[i];
        const struct volume *volume = volume_find(render->definition, mount->source_volume);
        ASSERT(volume); /* the document's validation refused unknown ones */
        char own[RENDER_VOLUME_MAX];
        render_volume_name(render->identity->task_id, volume->name, own);
        AUTO_FREE char *bind = memory_printf("%s:%s%s", volume->host_path ? volume->host_path : own,
                                             mount->container_path, mount->read_only ? ":ro" : "");
        json_put_string(writer, bind);
    }
    json_array_end(writer);
}

static bool shares_wanted(const struct render *render)
{
    return render->container->cpu > 0;
}

static void shares_put(const struct render *render, struct json_writer *writer)
{
    int64_t shares = render->container->cpu;
    if (shares < CPU_SHARES_MIN) /* the kernel's smallest; ECS does the same with 1 */
        shares = CPU_SHARES_MIN;
    if (shares > CPU_SHARES_MAX)
        shares = CPU_SHARES_MAX;
    json_put_int(writer, shares);
}

/* Restarting is decided in the core, where backoff and dependencies are known. */
static void restart_put(const struct render *render, struct json_writer *writer)
{
    (void)render;
    json_object(writer);
    json_string_member(writer, "Name", "no");
    json_object_end(writer);
}

/* Without these two options the runtime keeps every line for ever, until the disk is full. */
static void log_put(const struct render *render, struct json_writer *writer)
{
    (void)render;
    json_object(writer);
    json_string_member(writer, "Type", "json-file");
    json_key(writer, "Config");
    json_object(writer);
    json_string_member(writer, "max-size", "10m");
    json_string_member(writer, "max-file", "3");
    json_object_end(writer);
    json_object_end(writer);
}

static bool cgroup_wanted(const struct render *render)
{
    return render->cgroup_parent && *render->cgroup_parent;
}

static void cgroup_put(const struct render *render, struct json_writer *writer)
{
    json_put_string(writer, render->cgroup_parent);
}

static const struct render_row host_rows[] = {
    { "NetworkMode", ALWAYS(network) },
    { "PortBindings", .wanted = ports_wanted, .put = bindings_put },
    { "Binds", RULE(binds) },
    { "CpuShares", RULE(shares) },
    { "Memory", MEMORY(memory_mib) },
    { "MemoryReservation", MEMORY(memory_reservation_mib) },
    { "ReadonlyRootfs", FLAG(readonly_root_filesystem) },
    { "RestartPolicy", ALWAYS(restart) },
    { "LogConfig", ALWAYS(log) },
    { "CgroupParent", RULE(cgroup) },
};

/* ------------------------------------------------------------------ the container itself */

static bool command_wanted(const struct render *render)
{
    return render->container->command_set;
}

static void command_put(const struct render *render, struct json_writer *writer)
{
    list_put(&render->container->command, writer);
}

static bool environment_wanted(const struct render *render)
{
    return render->container->environment_count > 0;
}

static void environment_put(const struct render *render, struct json_writer *writer)
{
    json_array(writer);
    for (size_t i = 0; i < render->container->environment_count; i++) {
        const struct key_value *variable = &render->container->environment[i];
        AUTO_FREE char *pair =
            memory_printf("%s=%s", variable->name, variable->value ? variable->value : "");
        json_put_string(writer, pair);
    }
    json_array_end(writer);
}

static void labels_put(const struct render *render, struct json_writer *writer)
{
    render_labels(render->definition, render->index, render->identity, writer);
}

static void exposed_put(const struct render *render, struct json_writer *writer)
{
    port_bindings_put_exposed(render->ports, writer);
}

static void stop_timeout_put(const struct render *render, struct json_writer *writer)
{
    json_put_int(writer, render_stop_timeout_s(render->container, render->identity));
}

static bool health_wanted(const struct render *render)
{
    return render->container->health_check.present || render->container->health_check.disabled;
}

static void health_put(const struct render *render, struct json_writer *writer)
{
    const struct health_check *check = &render->container->health_check;
    static const char *none_word[] = { "NONE" };
    const struct string_list none = { none_word, 1 };
    json_object(writer);
    json_key(writer, "Test");
    list_put(check->disabled ? &none : &check->command, writer);
    if (!check->disabled) {
        json_int_member(writer, "Interval", check->interval_s * NANOSECONDS);
        json_int_member(writer, "Timeout", check->timeout_s * NANOSECONDS);
        json_int_member(writer, "Retries", check->retries);
        json_int_member(writer, "StartPeriod", check->start_period_s * NANOSECONDS);
    }
    json_object_end(writer);
}

static void host_config_put(const struct render *render, struct json_writer *writer)
{
    put_rows(render, host_rows, COUNT_OF(host_rows), writer);
}

static const struct render_row container_rows[] = {
    { "Image", TEXT(image) },
    { "Entrypoint", LIST(entry_point) },
    { "Cmd", RULE(command) }, /* an explicit [] is passed on */
    { "Env", RULE(environment) },
    { "User", TEXT(user) },
    { "WorkingDir", TEXT(working_directory) },
    { "Labels", ALWAYS(labels) },
    { "ExposedPorts", .wanted = ports_wanted, .put = exposed_put },
    { "Healthcheck", RULE(health) },
    { "StopTimeout", ALWAYS(stop_timeout) },
    { "HostConfig", ALWAYS(host_config) },
};

/* ------------------------------------------------------------------ rows */

static const void *row_field(const struct render *render, const struct render_row *row)
{
    return (const char *)render->container + row->offset;
}

static void put_mib(const struct render_row *row, int64_t mib, struct json_writer *writer)
{
    if (mib <= 0)
        return;
    ASSERT(mib <= INT64_MAX / MIB);
    json_int_member(writer, row->key, (mib < MEMORY_MIN_MIB ? MEMORY_MIN_MIB : mib) * MIB);
}

static void put_list(const struct render_row *row, const struct string_list *list,
                     struct json_writer *writer)
{
    if (list->count == 0)
        return;
    json_key(writer, row->key);
    list_put(list, writer);
}

static void put_row(const struct render *render, const struct render_row *row,
                    struct json_writer *writer)
{
    const void *field = row_field(render, row);
    switch (row->kind) {
    case ROW_TEXT:
        if (*(const char *const *)field)
            json_string_member(writer, row->key, *(const char *const *)field);
        break;
    case ROW_FLAG:
        if (*(const bool *)field)
            json_bool_member(writer, row->key, true);
        break;
    case ROW_LIST:
        put_list(row, field, writer);
        break;
    case ROW_MIB:
        put_mib(row, *(const int64_t *)field, writer);
        break;
    case ROW_RULE:
        if (row->wanted && !row->wanted(render))
            break;
        json_key(writer, row->key);
        row->put(render, writer);
        break;
    }
}

static void put_rows(const struct render *render, const struct render_row *rows, size_t count,
                     struct json_writer *writer)
{
    json_object(writer);
    for (size_t i = 0; i < count; i++)
        put_row(render, &rows[i], writer);
    json_object_end(writer);
}

void render_create(const struct task_definition *definition, size_t container,
                   const struct container_identity *identity, const struct publish *publish,
                   size_t publish_count, const char *cgroup_parent, struct str *out)
{
    ASSERT(container < definition->container_count);
    struct port_bindings ports;
    port_bindings_init(&ports, definition, container, publish, publish_count);
    struct render render = {
        .definition = definition,
        .container = &definition->containers[container],
        .index = container,
        .identity = identity,
        .cgroup_parent = cgroup_parent,
        .ports = &ports,
    };
    struct json_writer writer;
    json_begin(&writer, out);
    put_rows(&render, container_rows, COUNT_OF(container_rows), &writer);
    port_bindings_release(&ports);
}
