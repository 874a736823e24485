/* task_definition.c: one task definition: read by its table, checked, named, digested. */
#include "berth/task_definition.h"

#include <string.h>

#include "agent/model/environment.h"
#include "agent/model/field.h"
#include "agent/model/field_rows.h"
#include "agent/model/fields_unused.h"
#include "agent/model/task_definition_check.h"
#include "agent/model/task_definition_digest.h"
#include "agent/model/task_definition_fields.h"
#include "berth/assert.h"
#include "berth/limits.h"
#include "berth/str.h"

/* The answer of describe-task-definition. */
static const struct field wrapper_rows[] = {
    { "taskDefinition", OBJECT(task_definition_fields), .offset = 0 },
    { "tags", OBJECTS(tag_fields), IGNORED("there is nothing to tag") },
};
static const struct field_table wrapper_fields =
    TABLE("an answer of describe-task-definition", wrapper_rows, struct task_definition);

static void settle_environments(struct task_definition *definition, const struct place *place,
                                struct findings *findings)
{
    const struct place *containers = AT_KEY(place, "containerDefinitions");
    for (size_t i = 0; i < definition->container_count; i++) {
        struct container_definition *container = &definition->containers[i];
        container->environment_count =
            environment_settle(container->environment, container->environment_count,
                               AT_KEY(AT_INDEX(containers, i), "environment"), findings);
        container->entry_point_set = container->entry_point.count > 0;
    }
}

static void task_definition_check(struct task_definition *definition, const struct place *place,
                                  struct findings *findings)
{
    settle_environments(definition, place, findings);
    task_definition_check_containers(definition, place, findings);
    task_definition_check_memory(definition, place, findings);
    task_definition_check_ports(definition, place, findings);
    task_definition_check_dependencies(definition, place, findings);
}

static bool is_wrapped(const cJSON *json)
{
    return cJSON_IsObject(json_get(json, "taskDefinition"));
}

/* People paste what tools gave them; the two most common other shapes get their own words. */
static bool shape_is_wrong(const cJSON *json, const struct place *place, struct findings *findings)
{
    if (cJSON_IsObject(json))
        return false;
    if (cJSON_IsArray(json))
        place_error(findings, place, FINDING_TYPE,
                    "a task definition must be an object, not a list; if this is a list of "
                    "containers, write {\"family\": ..., \"containerDefinitions\": [...]}");
    else
        field_wrong_type(json, "an object (a task definition)", place, findings);
    return true;
}

bool task_definition_parse(const struct cJSON *json, const char *path, struct arena *arena,
                           struct task_definition *ret, struct findings *findings)
{
    size_t errors = findings->errors;
    struct field_reader reader = { .arena = arena, .findings = findings };
    const struct place *place = &(struct place){ .key = path };
    *ret = (struct task_definition){ 0 };
    if (shape_is_wrong(json, place, findings))
        return false;
    if (is_wrapped(json)) {
        field_read(&wrapper_fields, json, place, &reader, ret);
        place = AT_KEY(place, "taskDefinition");
    } else {
        field_read(&task_definition_fields, json, place, &reader, ret);
    }
    task_definition_check(ret, place, findings);
    if (ret->family)
        ret->name = arena_printf(arena, "%s:%lld", ret->family, (long long)ret->revision);
    if (findings->errors > errors)
        return false;
    task_definition_digest(ret);
    return true;
}

void task_definition_digest(struct task_definition *definition)
{
    AUTO_STR struct str text;
    str_init(&text, (size_t)8 * DOCUMENT_BYTES_MAX); /* escapes make text longer, up to 6 times */
    field_canonical(&task_definition_fields, definition, &text);
    ASSERT(!text.truncated);
    digest_of(str_text(&text), text.len, &definition->digest);
}

int task_definition_container(const struct task_definition *definition, const char *name)
{
    for (size_t i = 0; i < definition->container_count; i++) {
        if (str_equal(definition->containers[i].name, name))
            return (int)i;
    }
    return -1;
}

const char *network_mode_name(enum network_mode mode)
{
    return field_word_name(network_mode_words, (int)mode);
}

const char *depends_condition_name(enum depends_condition condition)
{
    return field_word_name(depends_condition_words, (int)condition);
}

int depends_condition_parse(const char *text, enum depends_condition *ret)
{
    const struct field_word *word = field_word_find(depends_condition_words, text);
    if (!word)
        return -EINVAL;
    *ret = (enum depends_condition)word->value;
    return 0;
}

const char *protocol_name(enum protocol protocol)
{
    return field_word_name(protocol_words, (int)protocol);
}
