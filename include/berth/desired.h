/* desired.h: what should run on this host: the desired-state document, parsed and validated.
 *
 * The only reference-counted thing: core holds one reference, a deployment being rendered another.
 * Immutable after desired_parse(). The whole document is validated before anything happens;
 * a document with one error is no document. */
#ifndef BERTH_DESIRED_H
#define BERTH_DESIRED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "berth/arena.h"
#include "berth/digest.h"
#include "berth/findings.h"
#include "berth/limits.h"
#include "berth/task_definition.h"

enum scheduling_strategy { SCHEDULING_REPLICA, SCHEDULING_DAEMON };
enum probe_protocol { PROBE_NONE, PROBE_HTTP, PROBE_TCP };

/* How the agent itself asks one task "are you healthy?" (publish[].healthCheck). */
struct probe_definition {
    enum probe_protocol protocol; /* PROBE_NONE: no check */
    const char *path;             /* HTTP only, "/" by default */
    msec interval_ms, timeout_ms; /* 30 s and 5 s by default, as a load balancer's target group */
    int64_t healthy_threshold, unhealthy_threshold; /* 2 and 3 by default */
    int64_t status_min, status_max; /* matcher "200-399"; one value gives min == max */
};

struct publish {
    int64_t host_port;
    enum protocol protocol;
    const char *container_name;
    size_t container; /* index in the task definition */
    int64_t container_port;
    struct probe_definition probe;
    msec deregistration_delay_ms; /* 30 s by default */
};

struct deployment_configuration {
    int64_t minimum_healthy_percent; /* REPLICA 100, DAEMON 0 by default */
    int64_t maximum_percent;         /* REPLICA 200, DAEMON 100 by default */
};

struct service {
    const char *name;
    const struct task_definition *definition;
    enum scheduling_strategy strategy;
    int64_t desired_count; /* DAEMON: 1, as there is one host */
    struct deployment_configuration deployment;
    msec grace_ms; /* healthCheckGracePeriodSeconds */
    struct publish *publish;
    size_t publish_count;
    struct digest digest; /* of what a task of this service is: definition and published ports */
};

/* A task that runs exactly once per id. */
struct one_off {
    const char *id;
    const struct task_definition *definition; /* overrides already applied */
    struct digest digest;
};

struct desired {
    struct arena arena;
    int refs;
    int64_t revision;
    struct digest digest; /* of the bytes as received */
    struct task_definition *definitions;
    size_t definition_count;
    struct service *services;
    size_t service_count;
    struct one_off *one_offs;
    size_t one_off_count;
};

/* Parse and validate. Returns a document with one reference, or NULL when findings has errors. */
struct desired *desired_parse(const char *text, size_t len, struct findings *findings);
struct desired *desired_ref(struct desired *desired);
void desired_unref(struct desired *desired); /* NULL is fine */

const struct service *desired_service(const struct desired *desired, const char *name);
const struct one_off *desired_one_off(const struct desired *desired, const char *id);

/* The rounding of ECS deployments: ceil(desired * min / 100) and floor(desired * max / 100). */
int64_t service_minimum_healthy(const struct service *service);
int64_t service_maximum_running(const struct service *service);

#endif
