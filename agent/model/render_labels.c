/* render_labels.c: labels are the agent's memory on the runtime's side: whose a container is, and
 * what is needed to stop it in order when its document is gone. observed.c reads them back. */
#include "agent/model/render_labels.h"

#include <stdio.h>

#include "berth/assert.h"
#include "berth/json.h"
#include "berth/observed.h"

#define OWN_PREFIX "io.berth."

static const char *const ecs_labels[] = {
    LABEL_ECS_CLUSTER, LABEL_ECS_CONTAINER, LABEL_ECS_TASK_ARN,
    LABEL_ECS_FAMILY,  LABEL_ECS_REVISION,
};

/* The whole prefix is ours: a label that we happen not to set, such as the service of a one-off
 * task, must not be set by the document either. */
bool label_is_reserved(const char *name)
{
    if (str_starts(name, OWN_PREFIX))
        return true;
    for (size_t i = 0; i < COUNT_OF(ecs_labels); i++)
        if (str_equal(name, ecs_labels[i]))
            return true;
    return false;
}

static void put_document_labels(const struct container_definition *container,
                                struct json_writer *writer)
{
    for (size_t i = 0; i < container->docker_label_count; i++) {
        const struct key_value *label = &container->docker_labels[i];
        if (!label_is_reserved(label->name))
            json_string_member(writer, label->name, label->value ? label->value : "");
    }
}

static void put_number(struct json_writer *writer, const char *label, int64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)value);
    json_string_member(writer, label, text);
}

static void put_optional(struct json_writer *writer, const char *label, const char *text)
{
    if (text)
        json_string_member(writer, label, text);
}

/* "db:HEALTHY,cache:START" */
static void put_dependencies(const struct container_definition *container,
                             struct json_writer *writer)
{
    AUTO_STR struct str text;
    str_init(&text, (size_t)64 * 1024);
    for (size_t i = 0; i < container->depends_on_count; i++)
        str_addf(&text, "%s%s:%s", i > 0 ? "," : "", container->depends_on[i].container_name,
                 depends_condition_name(container->depends_on[i].condition));
    if (text.len > 0)
        json_string_member(writer, LABEL_DEPENDS_ON, str_text(&text));
}

static void put_ecs_labels(const struct task_definition *definition, size_t container,
                           const struct container_identity *identity, struct json_writer *writer)
{
    char arn[512];
    render_task_arn(identity->cluster, identity->task_id, arn);
    json_string_member(writer, LABEL_ECS_CLUSTER, identity->cluster);
    json_string_member(writer, LABEL_ECS_CONTAINER, definition->containers[container].name);
    json_string_member(writer, LABEL_ECS_TASK_ARN, arn);
    json_string_member(writer, LABEL_ECS_FAMILY, definition->family);
    put_number(writer, LABEL_ECS_REVISION, definition->revision);
}

void render_labels(const struct task_definition *definition, size_t container,
                   const struct container_identity *identity, struct json_writer *writer)
{
    const struct container_definition *own = &definition->containers[container];
    json_object(writer);
    put_document_labels(own, writer);
    json_string_member(writer, LABEL_HOST, identity->host_id);
    json_string_member(writer, LABEL_CLUSTER, identity->cluster);
    put_optional(writer, LABEL_SERVICE, identity->service);
    put_optional(writer, LABEL_ONE_OFF, identity->one_off);
    json_string_member(writer, LABEL_TASK, identity->task_id);
    json_string_member(writer, LABEL_CONTAINER, own->name);
    json_string_member(writer, LABEL_DIGEST, identity->digest_hex);
    put_number(writer, LABEL_GENERATION, identity->generation);
    put_number(writer, LABEL_SLOT, identity->slot);
    put_number(writer, LABEL_ATTEMPT, identity->attempt);
    json_string_member(writer, LABEL_ESSENTIAL, own->essential ? "true" : "false");
    put_dependencies(own, writer);
    put_number(writer, LABEL_STOP_TIMEOUT, render_stop_timeout_s(own, identity));
    put_number(writer, LABEL_CONTAINERS, (int64_t)definition->container_count);
    put_ecs_labels(definition, container, identity, writer);
    json_object_end(writer);
}

int64_t render_stop_timeout_s(const struct container_definition *container,
                              const struct container_identity *identity)
{
    if (container->stop_timeout_s >= 0)
        return container->stop_timeout_s;
    ASSERT(identity->default_stop_timeout_ms >= 0);
    return identity->default_stop_timeout_ms / 1000 +
           (identity->default_stop_timeout_ms % 1000 > 0 ? 1 : 0);
}
