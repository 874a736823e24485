/* GET /v1/status, /v1/services and /v1/services/NAME; POST /v1/services/NAME/restart. */
#include <string.h>

#include "agent/edge/routes_internal.h"
#include "berth/assert.h"

/* ------------------------------------------------------------------ waits */

static const char *const wait_words[] = {
#define X(name, text) [name] = #name,
    WAIT_REASONS(X)
#undef X
};

void routes_wait(const struct route_call *call, const struct wait *wait, const char *subject,
                 struct json_writer *writer)
{
    if (wait->reason == WAIT_NONE)
        return;
    ASSERT((size_t)wait->reason < COUNT_OF(wait_words));
    json_object(writer);
    if (subject)
        json_string_member(writer, "subject", subject);
    json_string_member(writer, "reason", wait_words[wait->reason] + strlen("WAIT_"));
    json_string_member(writer, "text", wait_reason_text(wait->reason));
    json_time_member(writer, "since", routes_wall(call, wait->since));
    routes_text_member(writer, "detail", wait->detail);
    json_object_end(writer);
}

/* ------------------------------------------------------------------ status */

/* A password in a URL's user information is nobody's business. */
static void url_member(struct json_writer *writer, const char *key, const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    size_t authority = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', authority);
    if (!at) {
        routes_text_member(writer, key, url);
        return;
    }
    struct str text AUTO_STR;
    str_init(&text, 4096);
    str_add_len(&text, url, (size_t)(host - url));
    str_add(&text, "REDACTED");
    str_add(&text, at);
    json_string_member(writer, key, str_text(&text));
}

static void status_desired(const struct route_call *call, struct json_writer *writer)
{
    const struct core *core = call->core;
    json_key(writer, "desired");
    json_object(writer);
    url_member(writer, "url", call->routes->options.config->values.desired_url);
    json_key(writer, "revision");
    if (core->desired)
        json_put_int(writer, core->desired->revision);
    else
        json_put_null(writer);
    json_time_member(writer, "lastFetchAt", core->last_fetch_wall);
    routes_text_member(writer, "lastError", core->last_error);
    json_key(writer, "refusedRevision");
    if (core->refused_revision > 0)
        json_put_int(writer, core->refused_revision);
    else
        json_put_null(writer);
    json_bool_member(writer, "fromStore", core->stored_only);
    json_bool_member(writer, "fetching", core->fetch_action != 0);
    json_time_member(writer, "nextFetchAt", routes_wall(call, core->fetch_at));
    json_object_end(writer);
}

static void status_runtime(const struct route_call *call, struct json_writer *writer)
{
    const struct core *core = call->core;
    static const struct runtime_info nothing;
    struct runtime *runtime = call->routes->options.runtime;
    const struct runtime_info *info = runtime ? runtime_info(runtime) : &nothing;
    json_key(writer, "runtime");
    json_object(writer);
    routes_text_member(writer, "name", info->name);
    routes_text_member(writer, "version", info->version);
    routes_text_member(writer, "apiVersion", info->api_version);
    json_bool_member(writer, "reachable", core->runtime_reachable);
    bool down = !core->runtime_reachable;
    json_time_member(writer, "downSince", down ? routes_wall(call, core->runtime_down_since) : 0);
    routes_text_member(writer, "lastError", core->runtime_error);
    json_object_end(writer);
}

void routes_agent_waits(const struct route_call *call, const char *subject,
                        struct json_writer *writer)
{
    const struct core *core = call->core;
    const struct wait look = { .reason = core->observed_once ? WAIT_NONE : WAIT_FIRST_LOOK };
    const struct wait document = { .reason = core->document_decided ? WAIT_NONE : WAIT_DOCUMENT };
    struct wait runtime = { .reason = core->runtime_reachable ? WAIT_NONE : WAIT_RUNTIME,
                            .since = core->runtime_down_since };
    (void)snprintf(runtime.detail, sizeof runtime.detail, "%.150s", core->runtime_error);
    routes_wait(call, &look, subject, writer);
    routes_wait(call, &document, subject, writer);
    routes_wait(call, &runtime, subject, writer);
}

static int64_t count_services(const struct core *core)
{
    int64_t count = 0;
    for (const struct service_fact *service = core->services; service; service = service->next)
        count++;
    return count;
}

static int64_t count_tasks(const struct core *core)
{
    int64_t count = 0;
    for (const struct task *task = core->tasks; task; task = task->next)
        if (!str_equal(task_last_status(core, task), "STOPPED"))
            count++;
    return count;
}

void route_status(struct route_call *call)
{
    const struct core *core = call->core;
    struct str out;
    struct json_writer writer;
    str_init(&out, ROUTES_ANSWER_MAX);
    json_begin(&writer, &out);
    json_object(&writer);
    json_string_member(&writer, "cluster", core->options.cluster);
    json_string_member(&writer, "hostId", core->options.host_id);
    json_string_member(&writer, "version", call->routes->version);
    json_bool_member(&writer, "ready", core_ready(core));
    status_desired(call, &writer);
    status_runtime(call, &writer);
    json_int_member(&writer, "services", count_services(core));
    json_int_member(&writer, "tasks", count_tasks(core));
    json_key(&writer, "store");
    json_object(&writer);
    routes_text_member(&writer, "lastError", core->save_error);
    json_object_end(&writer);
    json_key(&writer, "waits");
    json_array(&writer);
    routes_agent_waits(call, NULL, &writer);
    json_array_end(&writer);
    json_object_end(&writer);
    routes_answer(call->request, 200, &out);
}

/* ------------------------------------------------------------------ services */

static void deployment_id(const struct service_fact *service, const struct deployment *deployment,
                          char *ret, size_t size)
{
    (void)snprintf(ret, size, "%s/%lld", service->name, (long long)deployment->generation);
}

static void deployment_render(const struct service_fact *service,
                              const struct deployment *deployment, struct json_writer *writer)
{
    char id[NAME_MAX_LEN + 32];
    deployment_id(service, deployment, id, sizeof id);
    json_object(writer);
    json_string_member(writer, "id", id);
    json_string_member(writer, "status", deployment == service->primary ? "PRIMARY" : "ACTIVE");
    json_string_member(writer, "taskDefinition", deployment->definition_name);
    json_string_member(writer, "rolloutState", deployment_state_name(deployment->state));
    routes_text_member(writer, "rolloutStateReason", deployment->reason);
    json_int_member(writer, "failedTasks", deployment->failed_tasks);
    json_int_member(writer, "generation", deployment->generation);
    json_int_member(writer, "documentRevision", deployment->document_revision);
    json_string_member(writer, "digest", deployment->digest_hex);
    json_time_member(writer, "createdAt", deployment->created_wall);
    json_time_member(writer, "updatedAt", deployment->updated_wall);
    json_object_end(writer);
}

/* What the document wants; a service that left it is DRAINING until its last task is gone. */
static void service_wanted(const struct service_fact *service, struct json_writer *writer)
{
    const struct service *wanted = service->wanted;
    const char *definition = service->primary ? service->primary->definition_name : NULL;
    char digest[DIGEST_HEX_LEN + 1] = "";
    if (wanted)
        digest_hex(&wanted->digest, digest);
    json_string_member(writer, "status", wanted ? "ACTIVE" : "DRAINING");
    json_string_member(writer, "taskDefinition", wanted ? wanted->definition->name : definition);
    json_string_member(writer, "schedulingStrategy",
                       wanted && wanted->strategy == SCHEDULING_DAEMON ? "DAEMON" : "REPLICA");
    json_int_member(writer, "desiredCount", wanted ? wanted->desired_count : 0);
    routes_text_member(writer, "digest", digest);
}

void routes_service(const struct route_call *call, const struct service_fact *service,
                    struct json_writer *writer)
{
    json_object(writer);
    json_string_member(writer, "serviceName", service->name);
    service_wanted(service, writer);
    json_int_member(writer, "runningCount", service->running);
    json_int_member(writer, "pendingCount", service->pending);
    json_int_member(writer, "healthyCount", service->healthy);
    json_int_member(writer, "minimumHealthy", service->minimum);
    json_int_member(writer, "maximumRunning", service->maximum);
    json_bool_member(writer, "stopFirst", service->stop_first);
    routes_text_member(writer, "stopFirstReason",
                       service->stop_first ? service->stop_first_reason : NULL);
    json_key(writer, "deployments");
    json_array(writer);
    for (const struct deployment *it = service->primary; it; it = it->older)
        deployment_render(service, it, writer);
    json_array_end(writer);
    json_key(writer, "waits");
    json_array(writer);
    routes_wait(call, &service->wait, NULL, writer);
    if (service->wait.reason == WAIT_NONE)
        routes_agent_waits(call, NULL, writer);
    json_array_end(writer);
    json_object_end(writer);
}

void route_services(struct route_call *call)
{
    struct str out;
    struct json_writer writer;
    str_init(&out, ROUTES_ANSWER_MAX);
    json_begin(&writer, &out);
    json_array(&writer);
    for (const struct service_fact *it = call->core->services; it; it = it->next)
        routes_service(call, it, &writer);
    json_array_end(&writer);
    routes_answer(call->request, 200, &out);
}

static const struct service_fact *service_or_404(struct route_call *call)
{
    const struct service_fact *service = core_service(call->core, call->part);
    if (!service)
        control_error(call->request, 404, "ServiceNotFoundException",
                      "there is no service %s on this host", call->part);
    return service;
}

void route_service(struct route_call *call)
{
    const struct service_fact *service = service_or_404(call);
    if (!service)
        return;
    struct str out;
    struct json_writer writer;
    str_init(&out, ROUTES_ANSWER_MAX);
    json_begin(&writer, &out);
    json_array(&writer);
    routes_service(call, service, &writer);
    json_array_end(&writer);
    routes_answer(call->request, 200, &out);
}

static int64_t newest_generation(const struct service_fact *service)
{
    return service && service->primary ? service->primary->generation : 0;
}

static void answer_restarted(struct route_call *call, const struct service_fact *service)
{
    char id[NAME_MAX_LEN + 32];
    deployment_id(service, service->primary, id, sizeof id);
    struct str out;
    struct json_writer writer;
    str_init(&out, ROUTES_ANSWER_MAX);
    json_begin(&writer, &out);
    json_object(&writer);
    json_string_member(&writer, "serviceName", service->name);
    json_string_member(&writer, "deployment", id);
    json_int_member(&writer, "generation", service->primary->generation);
    json_object_end(&writer);
    routes_answer(call->request, 202, &out);
}

void route_restart(struct route_call *call)
{
    const struct service_fact *service = service_or_404(call);
    if (!service)
        return;
    if (!service->wanted) {
        control_error(call->request, 409, "ServiceNotActiveException",
                      "service %s left the document and is being stopped", service->name);
        return;
    }
    int64_t before = newest_generation(service);
    struct event event = { .kind = EV_COMMAND, .command = COMMAND_RESTART, .subject = call->part };
    driver_event(call->routes->options.driver, &event);
    service = core_service(call->core, call->part);
    if (newest_generation(service) > before)
        answer_restarted(call, service);
    else
        control_error(call->request, 409, "NotReady",
                      "service %s has no deployment yet that could be restarted", call->part);
}
