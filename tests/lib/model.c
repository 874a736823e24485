#include "tests/lib/model.h"

#include <string.h>

#include "berth/json.h"
#include "berth/memory.h"
#include "tests/lib/test.h"

static char *unquote(const char *quoted)
{
    char *text = memory_strdup(quoted);
    for (char *c = text; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    return text;
}

struct reading read_definition(const char *quoted)
{
    struct reading reading = { 0 };
    AUTO_FREE char *text = unquote(quoted);
    AUTO_JSON cJSON *json = NULL;
    struct err err = ERR_NONE;
    if (json_parse(text, strlen(text), &json, &err) < 0)
        fail_msg("the test's own JSON is broken: %s", err.text);
    reading.valid =
        task_definition_parse(json, "t", &reading.arena, &reading.definition, &reading.findings);
    assert_int_equal(reading.valid, reading.findings.errors == 0);
    return reading;
}

struct reading read_document(const char *quoted)
{
    struct reading reading = { 0 };
    AUTO_FREE char *text = unquote(quoted);
    reading.desired = desired_parse(text, strlen(text), &reading.findings);
    reading.valid = reading.desired != NULL;
    assert_int_equal(reading.valid, reading.findings.errors == 0);
    return reading;
}

struct reading read_services(const char *quoted_services)
{
    AUTO_FREE char *text = memory_printf(
        "{'revision': 1, 'taskDefinitions': [{'family': 'web', 'containerDefinitions': "
        "[{'name': 'web', 'image': 'nginx'}]}], 'services': %s}",
        quoted_services);
    return read_document(text);
}

void reading_release(struct reading *reading)
{
    desired_unref(reading->desired);
    arena_release(&reading->arena);
    findings_release(&reading->findings);
}

static void print_findings(const struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->list[i];
        printf("  %s %s: %s: %s\n", finding->warning ? "warning" : "error", finding->path,
               finding->code, finding->message);
    }
}

static void expect(const struct reading *reading, const char *path, const char *code, bool warning)
{
    for (size_t i = 0; i < reading->findings.count; i++) {
        const struct finding *finding = &reading->findings.list[i];
        if (strcmp(finding->path, path) == 0 && strcmp(finding->code, code) == 0 &&
            finding->warning == warning)
            return;
    }
    print_findings(&reading->findings);
    fail_msg("no %s %s at %s", warning ? "warning" : "error", code, path);
}

void expect_error(const struct reading *reading, const char *path, const char *code)
{
    expect(reading, path, code, false);
    assert_false(reading->valid);
}

void expect_warning(const struct reading *reading, const char *path, const char *code)
{
    expect(reading, path, code, true);
}

void expect_message(const struct reading *reading, const char *path, const char *text)
{
    for (size_t i = 0; i < reading->findings.count; i++) {
        const struct finding *finding = &reading->findings.list[i];
        if (strcmp(finding->path, path) == 0 && strstr(finding->message, text))
            return;
    }
    print_findings(&reading->findings);
    fail_msg("no message with \"%s\" at %s", text, path);
}

void expect_no_error(const struct reading *reading)
{
    if (reading->findings.errors > 0)
        print_findings(&reading->findings);
    assert_int_equal(reading->findings.errors, 0);
}

void expect_nothing(const struct reading *reading)
{
    if (reading->findings.count > 0)
        print_findings(&reading->findings);
    assert_int_equal(reading->findings.count, 0);
}
