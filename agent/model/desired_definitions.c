/* desired_definitions.c: the task definitions of a document, and references to them. */
#include <string.h>

#include "agent/model/desired_inside.h"
#include "berth/str.h"

static void check_duplicate(const struct desired *desired, size_t index, const struct place *place,
                            struct findings *findings)
{
    const struct task_definition *definition = &desired->definitions[index];
    for (size_t i = 0; definition->name && i < index; i++) {
        const struct task_definition *other = &desired->definitions[i];
        if (!str_equal(other->name, definition->name))
            continue;
        bool both_given = definition->revision_given && other->revision_given;
        place_error(findings, place, FINDING_DUPLICATE, "%.100s is already taskDefinitions[%zu]%s",
                    definition->name, i,
                    both_given ? "" : "; one without a revision is revision 1, so give revisions");
        return;
    }
}

void desired_read_definitions(const cJSON *value, const struct place *place,
                              struct field_reader *reader, void *ret)
{
    (void)ret;
    struct desired_builder *builder = reader->context;
    struct desired *desired = builder->desired;
    if (!cJSON_IsArray(value)) {
        field_wrong_type(value, "a list", place, builder->findings);
        return;
    }
    size_t count = (size_t)cJSON_GetArraySize(value);
    if (count > TASK_DEFINITIONS_MAX) {
        place_error(builder->findings, place, FINDING_TOO_LARGE,
                    "has %zu entries, and at most %d are allowed", count, TASK_DEFINITIONS_MAX);
        return;
    }
    desired->definitions = arena_array(&desired->arena, count, sizeof *desired->definitions);
    builder->definition_sound = arena_array(&desired->arena, count, sizeof(bool));
    const cJSON *entry;
    cJSON_ArrayForEach(entry, value) {
        size_t index = desired->definition_count++;
        char path[PLACE_TEXT_MAX];
        place_text(AT_INDEX(place, index), path);
        builder->definition_sound[index] = task_definition_parse(
            entry, path, &desired->arena, &desired->definitions[index], builder->findings);
        check_duplicate(desired, index, AT_INDEX(place, index), builder->findings);
    }
}

struct reference {
    char family[NAME_MAX_LEN + 1];
    int64_t revision; /* 0: the highest */
};

static int reference_parse(const char *text, struct reference *ret)
{
    if (str_starts(text, "arn:")) {
        const char *resource = strstr(text, ":task-definition/");
        if (!resource)
            return -EINVAL;
        text = strchr(resource, '/') + 1;
    }
    size_t len = strcspn(text, ":");
    if (len == 0 || len > NAME_MAX_LEN)
        return -EINVAL;
    *ret = (struct reference){ 0 };
    memcpy(ret->family, text, len);
    if (field_check_name(ret->family))
        return -EINVAL;
    return text[len] ? parse_int(text + len + 1, 1, INT32_MAX, &ret->revision) : 0;
}

static int reference_find(const struct desired *desired, const struct reference *reference)
{
    int found = -1;
    for (size_t i = 0; i < desired->definition_count; i++) {
        const struct task_definition *definition = &desired->definitions[i];
        if (!str_equal(definition->family, reference->family))
            continue;
        if (reference->revision != 0 && definition->revision != reference->revision)
            continue;
        if (found < 0 || definition->revision > desired->definitions[found].revision)
            found = (int)i;
    }
    return found;
}

/* The other revisions of the family are the likely answer to "why is it unknown?". */
static void reference_unknown(const struct desired_builder *builder, struct reference wanted,
                              const char *text, const struct place *place)
{
    wanted.revision = 0;
    int newest = reference_find(builder->desired, &wanted);
    if (newest < 0)
        place_error(builder->findings, place, FINDING_UNKNOWN_REFERENCE,
                    "\"%.100s\" is not among the taskDefinitions of this document", text);
    else
        place_error(builder->findings, place, FINDING_UNKNOWN_REFERENCE,
                    "\"%.100s\" is not among the taskDefinitions of this document; the newest "
                    "revision of that family is %lld",
                    text, (long long)builder->desired->definitions[newest].revision);
}

const struct task_definition *desired_find_definition(const struct desired_builder *builder,
                                                      const char *reference,
                                                      const struct place *place)
{
    struct reference wanted;
    if (!reference)
        return NULL;
    if (reference_parse(reference, &wanted) < 0) {
        place_error(builder->findings, place, FINDING_VALUE,
                    "\"%.100s\" is neither family, family:revision nor a task definition's ARN",
                    reference);
        return NULL;
    }
    int found = reference_find(builder->desired, &wanted);
    if (found < 0) {
        reference_unknown(builder, wanted, reference, place);
        return NULL;
    }
    return builder->definition_sound[found] ? &builder->desired->definitions[found] : NULL;
}
