/* desired.c: one document from bytes to nouns, or the list of what is wrong with it. */
#include "berth/desired.h"

#include <stdlib.h>

#include "agent/model/desired_inside.h"
#include "berth/assert.h"
#include "berth/json.h"
#include "berth/memory.h"
#include "berth/str.h"

static void desired_build(struct desired *desired, const cJSON *json, struct findings *findings)
{
    struct desired_builder builder = { .desired = desired, .findings = findings };
    struct field_reader reader = { .arena = &desired->arena,
                                   .findings = findings,
                                   .context = &builder };
    struct document_input input = { 0 };
    field_read(&document_fields, json, NULL, &reader, &input);
    if (!cJSON_IsObject(json))
        return;
    desired->revision = input.revision;
    desired_build_services(&builder, &input);
    desired_build_one_offs(&builder, &input);
    desired_check_ports(&builder);
}

struct desired *desired_parse(const char *text, size_t len, struct findings *findings)
{
    size_t errors = findings->errors;
    if (len > DOCUMENT_BYTES_MAX) {
        findings_error(findings, ".", FINDING_TOO_LARGE,
                       "the document is %zu bytes long, and at most %d are allowed", len,
                       DOCUMENT_BYTES_MAX);
        return NULL;
    }
    AUTO_JSON cJSON *json = NULL;
    struct err err = ERR_NONE;
    int rc = json_parse(text, len, &json, &err);
    if (rc < 0) {
        findings_error(findings, ".", FINDING_NOT_JSON, "%s", err.text);
        return NULL;
    }
    struct desired *desired = memory_alloc(sizeof *desired);
    desired->refs = 1;
    digest_of(text, len, &desired->digest);
    desired_build(desired, json, findings);
    if (findings->errors == errors)
        return desired;
    desired_unref(desired);
    return NULL;
}

struct desired *desired_ref(struct desired *desired)
{
    ASSERT(desired->refs > 0);
    desired->refs++;
    return desired;
}

void desired_unref(struct desired *desired)
{
    if (!desired)
        return;
    ASSERT(desired->refs > 0);
    if (--desired->refs > 0)
        return;
    arena_release(&desired->arena);
    free(desired);
}

const struct service *desired_service(const struct desired *desired, const char *name)
{
    for (size_t i = 0; i < desired->service_count; i++) {
        if (str_equal(desired->services[i].name, name))
            return &desired->services[i];
    }
    return NULL;
}

const struct one_off *desired_one_off(const struct desired *desired, const char *id)
{
    for (size_t i = 0; i < desired->one_off_count; i++) {
        if (str_equal(desired->one_offs[i].id, id))
            return &desired->one_offs[i];
    }
    return NULL;
}

int64_t service_minimum_healthy(const struct service *service)
{
    return (service->desired_count * service->deployment.minimum_healthy_percent + 99) / 100;
}

int64_t service_maximum_running(const struct service *service)
{
    return service->desired_count * service->deployment.maximum_percent / 100;
}
