/* Any bytes give a document or errors, never both, and the same bytes give the same document. */
#include <stddef.h>
#include <stdint.h>

#include "berth/assert.h"
#include "berth/desired.h"
#include "berth/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_findings(const struct findings *findings)
{
    ASSERT(findings->count + findings->dropped == findings->errors + findings->warnings);
    for (size_t i = 0; i < findings->count; i++) {
        ASSERT(findings->list[i].path[0] != '\0');
        ASSERT(findings->list[i].message[0] != '\0');
    }
    AUTO_STR struct str text;
    str_init(&text, (size_t)4 * 1024 * 1024);
    struct json_writer writer;
    json_begin(&writer, &text);
    findings_render(findings, &writer);
    AUTO_JSON cJSON *json = NULL;
    ASSERT(json_parse(str_text(&text), text.len, &json, NULL) == 0);
}

static void check_services(const struct desired *desired, const struct desired *again)
{
    ASSERT(desired->service_count == again->service_count);
    for (size_t i = 0; i < desired->service_count; i++) {
        const struct service *service = &desired->services[i];
        ASSERT(service->definition && service->definition->container_count > 0);
        ASSERT(service->desired_count >= 0 && service->desired_count <= DESIRED_COUNT_MAX);
        ASSERT(desired_service(desired, service->name) == service);
        ASSERT(digest_equal(&service->digest, &again->services[i].digest));
        for (size_t j = 0; j < service->publish_count; j++)
            ASSERT(service->publish[j].container < service->definition->container_count);
    }
}

static void check_dependencies(const struct desired *desired)
{
    for (size_t i = 0; i < desired->definition_count; i++) {
        const struct task_definition *definition = &desired->definitions[i];
        for (size_t j = 0; j < definition->container_count; j++) {
            const struct container_definition *container = &definition->containers[j];
            ASSERT(container->name && container->image);
            for (size_t k = 0; k < container->depends_on_count; k++)
                ASSERT(container->depends_on[k].container < definition->container_count);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct findings findings = { 0 };
    struct findings same = { 0 };
    struct desired *desired = desired_parse((const char *)bytes, size, &findings);
    struct desired *again = desired_parse((const char *)bytes, size, &same);
    ASSERT((desired != NULL) == (findings.errors == 0));
    ASSERT(findings.errors == same.errors && findings.warnings == same.warnings);
    check_findings(&findings);
    if (desired && again) {
        check_services(desired, again);
        check_dependencies(desired);
    }
    desired_unref(desired);
    desired_unref(again);
    findings_release(&findings);
    findings_release(&same);
    return 0;
}
