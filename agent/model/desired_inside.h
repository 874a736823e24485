/* desired_inside.h: how a document becomes a struct desired, in parts.
 *
 * Its objects are first read by their tables into the *_input structs (JSON's view: references by
 * name, absent values as -1), and then built into the nouns of berth/desired.h. */
#ifndef BERTH_MODEL_DESIRED_INSIDE_H
#define BERTH_MODEL_DESIRED_INSIDE_H

#include "agent/model/field.h"
#include "agent/model/place.h"
#include "berth/desired.h"

#define ABSENT (-1)

struct publish_input {
    struct publish publish; /* container and the probe's defaults are not settled yet */
    bool checked;           /* there is a healthCheck */
};

struct service_input {
    struct service service; /* what can be taken as it is */
    bool counted;           /* there is a desiredCount, be it good or bad */
    const char *definition;
    struct publish_input *publish;
    size_t publish_count;
};

struct container_override {
    const char *name;
    struct string_list command;
    struct key_value *environment;
    size_t environment_count;
    int64_t cpu, memory_mib, memory_reservation_mib;
};

struct one_off_input {
    const char *id;
    const char *definition;
    struct overrides {
        struct container_override *containers;
        size_t container_count;
        int64_t cpu, memory_mib;
    } overrides;
};

struct document_input {
    int64_t revision;
    bool definitions; /* the list itself is read by desired_read_definitions() */
    struct service_input *services;
    size_t service_count;
    struct one_off_input *one_offs;
    size_t one_off_count;
};

extern const struct field_table document_fields;

/* The context of the reader while a document is read, and of everything that is built. */
struct desired_builder {
    struct desired *desired;
    struct findings *findings;
    bool *definition_sound; /* beside desired->definitions: it had no error of its own */
};

/* desired_definitions.c. The reader's context is the builder. */
void desired_read_definitions(const cJSON *value, const struct place *place,
                              struct field_reader *reader, void *ret);
/* "family", "family:revision" or an ARN; NULL after a finding, or when its target has errors. */
const struct task_definition *desired_find_definition(const struct desired_builder *builder,
                                                      const char *reference,
                                                      const struct place *place);
/* desired_services.c, desired_publish.c, desired_one_offs.c */
void desired_build_services(struct desired_builder *builder, const struct document_input *input);
void desired_build_publish(struct desired_builder *builder, struct service *service,
                           const struct service_input *input, const struct place *place);
void desired_build_one_offs(struct desired_builder *builder, const struct document_input *input);
/* desired_ports.c: no two may hold the same port of the host. */
void desired_check_ports(const struct desired_builder *builder);
/* The first fixed port of the host that every task of the service would hold, or 0. */
int64_t service_fixed_port(const struct service *service, enum protocol *ret_protocol);

/* For the row of a matcher: "200", 200 or "200-399", into a struct probe_definition. */
void desired_read_matcher(const cJSON *value, const struct place *place,
                          struct field_reader *reader, void *ret);

#endif
