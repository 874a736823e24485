/* Documents that nobody here wrote. The corpus is found through $BERTH_CORPUS, or beside the
 * repository; without it these tests are skipped. */
#include "tests/lib/test.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "agent/model/desired_inside.h"
#include "agent/model/task_definition_fields.h"
#include "berth/desired.h"
#include "berth/json.h"
#include "berth/memory.h"
#include "berth/str.h"

#define FILE_BYTES_MAX (8 * 1024 * 1024)
#define DEPTH_MAX 16

static const char *corpus(void)
{
    const char *path = getenv("BERTH_CORPUS");
    return path ? path : "../shared/corpus";
}

/* The whole file, or NULL. */
static char *file_read(const char *path, size_t *ret_len)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return NULL;
    char *text = memory_alloc(FILE_BYTES_MAX);
    *ret_len = fread(text, 1, FILE_BYTES_MAX - 1, file);
    (void)fclose(file);
    return text;
}

/* The first object that has containers, at any depth that people paste. */
static const cJSON *find_definition(const cJSON *json, int depth)
{
    if (depth == 0 || !(cJSON_IsObject(json) || cJSON_IsArray(json)))
        return NULL;
    if (json_get(json, "containerDefinitions"))
        return json;
    const cJSON *member;
    cJSON_ArrayForEach(member, json) {
        const cJSON *found = find_definition(member, depth - 1);
        if (found)
            return found;
    }
    return NULL;
}

static char *document_of(const cJSON *definition)
{
    AUTO_FREE char *text = cJSON_PrintUnformatted(definition);
    AUTO_STR struct str document;
    str_init(&document, 2 * FILE_BYTES_MAX);
    struct json_writer writer;
    json_begin(&writer, &document);
    json_object(&writer);
    json_int_member(&writer, "revision", 1);
    json_key(&writer, "taskDefinitions");
    json_array(&writer);
    json_put_raw(&writer, text);
    json_array_end(&writer);
    json_key(&writer, "services");
    json_array(&writer);
    json_object(&writer);
    json_string_member(&writer, "serviceName", "service");
    json_string_member(&writer, "taskDefinition", json_string(definition, "family", "family"));
    json_int_member(&writer, "desiredCount", 1);
    json_object_end(&writer);
    json_array_end(&writer);
    json_object_end(&writer);
    return str_take(&document);
}

/* The path leads to something in the document, or to a member that is missing there. */
static bool path_leads_somewhere(const cJSON *json, const char *path)
{
    char name[256];
    while (*path) {
        if (*path == '[') {
            json = cJSON_GetArrayItem(json, (int)strtol(path + 1, NULL, 10));
            path = strchr(path, ']') + 1;
        } else {
            path += *path == '.';
            size_t len = strcspn(path, ".[");
            assert_true(len > 0 && len < sizeof name);
            memcpy(name, path, len);
            name[len] = '\0';
            path += len;
            json = cJSON_GetObjectItemCaseSensitive(json, name);
        }
        if (!json)
            return *path == '\0';
    }
    return true;
}

struct tally {
    int files, valid, refused, not_json;
};

static void check_findings(const char *file, const char *document, const struct findings *findings)
{
    AUTO_JSON cJSON *json = NULL;
    struct err err = ERR_NONE;
    assert_int_equal(json_parse(document, strlen(document), &json, &err), 0);
    bool verbose = getenv("BERTH_CORPUS_VERBOSE") != NULL;
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->list[i];
        if (verbose)
            printf("%s: %s %s %s: %s\n", file, finding->warning ? "warning" : "error",
                   finding->path, finding->code, finding->message);
        assert_true(finding->message[0] != '\0');
        if (strcmp(finding->code, FINDING_UNKNOWN_FIELD) == 0)
            continue;
        if (strcmp(finding->path, ".") == 0 || !path_leads_somewhere(json, finding->path))
            fail_msg("%s: %s leads nowhere", file, finding->path);
    }
}

static void check_definition(const char *file, const cJSON *definition, struct tally *tally)
{
    AUTO_FREE char *document = document_of(definition);
    struct findings findings = { 0 };
    struct desired *desired = desired_parse(document, strlen(document), &findings);
    assert_int_equal(desired != NULL, findings.errors == 0);
    *(desired ? &tally->valid : &tally->refused) += 1;
    check_findings(file, document, &findings);
    desired_unref(desired);
    findings_release(&findings);
}

static void check_as_it_is(const char *text, size_t len)
{
    struct findings findings = { 0 };
    assert_null(desired_parse(text, len, &findings));
    assert_true(findings.errors > 0);
    findings_release(&findings);
}

static void check_file(const char *path, const char *name, struct tally *tally)
{
    size_t len = 0;
    AUTO_FREE char *text = file_read(path, &len);
    assert_non_null(text);
    tally->files++;
    check_as_it_is(text, len);
    AUTO_JSON cJSON *json = NULL;
    struct err err = ERR_NONE;
    if (json_parse(text, len, &json, &err) < 0) {
        assert_true(err.text[0] != '\0');
        tally->not_json++;
        return;
    }
    const cJSON *definition = find_definition(json, 5);
    check_definition(name, definition ? definition : json, tally);
}

static bool check_folder(const char *folder, struct tally *tally)
{
    AUTO_FREE char *where = memory_printf("%s/%s", corpus(), folder);
    DIR *directory = opendir(where);
    if (!directory)
        return false;
    const struct dirent *entry;
    while ((entry = readdir(directory))) {
        if (entry->d_name[0] == '.')
            continue;
        AUTO_FREE char *path = memory_printf("%s/%s", where, entry->d_name);
        check_file(path, entry->d_name, tally);
    }
    (void)closedir(directory);
    return true;
}

TEST(corpus, every_real_task_definition_is_valid_or_refused_at_a_path)
{
    struct tally tally = { 0 };
    if (!check_folder("taskdefs", &tally))
        SKIP("no corpus at %s (set BERTH_CORPUS)", corpus());
    printf("%d files: %d valid, %d refused with paths, %d not JSON\n", tally.files, tally.valid,
           tally.refused, tally.not_json);
    assert_true(tally.files >= 100);
    assert_true(tally.valid > 0);
}

TEST(corpus, no_real_service_description_is_taken_for_a_document)
{
    struct tally tally = { 0 };
    if (!check_folder("services", &tally))
        SKIP("no corpus at %s (set BERTH_CORPUS)", corpus());
}

/* One line of the tree of ECS's API: "    hostPort: int". */
struct tree_line {
    size_t depth;
    char name[128];
    char type[128];
};

static bool tree_line_read(const char *line, struct tree_line *ret)
{
    size_t spaces = strspn(line, " ");
    ret->depth = spaces / 2;
    return spaces > 0 && sscanf(line, " %127[^:]: %127s", ret->name, ret->type) == 2;
}

static bool type_fits(enum field_type type, const char *ecs)
{
    if (type == FIELD_ANY || type == FIELD_CUSTOM)
        return true;
    if (strcmp(ecs, "string") == 0)
        return type == FIELD_STRING || type == FIELD_ENUM || type == FIELD_CPU ||
               type == FIELD_MEMORY;
    /* Sizes of containers are numbers in ECS, but AWS's own guides have them in quotes, too. */
    if (strcmp(ecs, "int") == 0)
        return type == FIELD_INTEGER || type == FIELD_SECONDS || type == FIELD_CPU ||
               type == FIELD_MEMORY;
    if (strcmp(ecs, "bool") == 0)
        return type == FIELD_BOOL;
    if (strcmp(ecs, "list<int>") == 0)
        return type == FIELD_INTEGERS;
    if (str_starts(ecs, "list<string"))
        return type == FIELD_STRINGS;
    if (str_starts(ecs, "list<"))
        return type == FIELD_OBJECTS;
    return type == (str_starts(ecs, "map<") ? FIELD_MAP : FIELD_OBJECT);
}

/* Walks one shape of the tree; every line of it, down to depth, must have a row that fits. */
static int tree_compare(FILE *tree, const char *shape, const struct field_table *table,
                        size_t deepest)
{
    const struct field_table *tables[DEPTH_MAX] = { [1] = table };
    char line[1024];
    bool inside = false;
    int compared = 0;
    rewind(tree);
    while (fgets(line, sizeof line, tree)) {
        struct tree_line field;
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != ' ')
            inside = strcmp(line, shape) == 0;
        if (!inside || !tree_line_read(line, &field) || field.depth > deepest)
            continue;
        assert_true(field.depth + 1 < DEPTH_MAX);
        const struct field_table *here = tables[field.depth];
        tables[field.depth + 1] = NULL;
        if (!here)
            continue;
        const struct field *row = field_find(here, field.name);
        if (!row)
            fail_msg("%s: no row for %s in %s", shape, field.name, here->noun);
        if (!type_fits(row->type, field.type))
            fail_msg("%s: the row of %s in %s is not a %s", shape, field.name, here->noun,
                     field.type);
        tables[field.depth + 1] = row->table;
        compared++;
    }
    return compared;
}

static FILE *tree_open(void)
{
    AUTO_FREE char *path = memory_printf("%s/ecs-model-tree.txt", corpus());
    return fopen(path, "r");
}

TEST(corpus, every_field_that_can_be_registered_has_a_row)
{
    FILE *tree = tree_open();
    if (!tree)
        SKIP("no corpus at %s (set BERTH_CORPUS)", corpus());
    int compared =
        tree_compare(tree, "RegisterTaskDefinitionRequest", &task_definition_fields, DEPTH_MAX);
    printf("%d fields of RegisterTaskDefinitionRequest have a row\n", compared);
    assert_true(compared > 140);
    assert_true(tree_compare(tree, "TaskDefinition", &task_definition_fields, DEPTH_MAX) > 140);
    (void)fclose(tree);
}

TEST(corpus, every_field_of_a_service_and_a_task_has_a_row)
{
    FILE *tree = tree_open();
    if (!tree)
        SKIP("no corpus at %s (set BERTH_CORPUS)", corpus());
    const struct field_table *service = field_find(&document_fields, "services")->table;
    const struct field_table *task = field_find(&document_fields, "tasks")->table;
    const struct field_table *deployment = field_find(service, "deploymentConfiguration")->table;
    const struct field_table *overrides = field_find(task, "overrides")->table;
    assert_true(tree_compare(tree, "CreateServiceRequest", service, 1) > 20);
    assert_true(tree_compare(tree, "Service", service, 1) > 25);
    assert_true(tree_compare(tree, "DeploymentConfiguration", deployment, 1) > 5);
    assert_true(tree_compare(tree, "RunTaskRequest", task, 3) > 20);
    assert_true(tree_compare(tree, "TaskOverride", overrides, 2) > 10);
    (void)fclose(tree);
}
