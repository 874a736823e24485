/* berth status, berth services [NAME], berth restart SERVICE, berth version. */
#include <stdio.h>
#include <string.h>

#include "agent/cli/cli.h"
#include "berth/assert.h"
#include "berth/str.h"

static const char *yes(bool value)
{
    return value ? "yes" : "no";
}

/* ------------------------------------------------------------------ status */

static void print_desired(const cJSON *desired)
{
    char ago[32];
    const char *error = json_string(desired, "lastError", NULL);
    const char *url = json_string(desired, "url", "-");
    ago_text(json_string(desired, "lastFetchAt", NULL), ago, sizeof ago);
    int64_t revision = json_integer(desired, "revision", -1);
    if (revision < 0)
        printf("document  none yet, from %s\n", url);
    else
        printf("document  revision %lld from %s%s\n", (long long)revision, url,
               json_bool(desired, "fromStore", false) ? " (as stored; not fetched yet)" : "");
    printf("fetched   %s\n", ago);
    if (error)
        printf("error     %s\n", error);
}

static void print_runtime(const cJSON *runtime)
{
    const char *error = json_string(runtime, "lastError", NULL);
    printf("runtime   %s %s, API %s, %s\n", json_string(runtime, "name", "unknown"),
           json_string(runtime, "version", ""), json_string(runtime, "apiVersion", "-"),
           json_bool(runtime, "reachable", false) ? "reachable" : "NOT reachable");
    if (error && !json_bool(runtime, "reachable", false))
        printf("          %s\n", error);
}

static void print_waits(const cJSON *waits)
{
    const cJSON *wait;
    cJSON_ArrayForEach(wait, waits)
        printf("waiting   %s\n", json_string(wait, "text", "-"));
}

int command_status(struct cli *cli)
{
    AUTO_REPLY struct reply reply = { 0 };
    int rc = client_get(cli, "/v1/status", &reply);
    if (rc != 0 || cli->json)
        return rc != 0 ? rc : print_reply(&reply);
    const char *store_error = json_string(json_get(reply.json, "store"), "lastError", NULL);
    printf("cluster   %s\n", json_string(reply.json, "cluster", "-"));
    printf("host      %s\n", json_string(reply.json, "hostId", "-"));
    printf("version   %s\n", json_string(reply.json, "version", "-"));
    printf("ready     %s\n", yes(json_bool(reply.json, "ready", false)));
    print_desired(json_get(reply.json, "desired"));
    print_runtime(json_get(reply.json, "runtime"));
    printf("services  %lld\n", (long long)json_integer(reply.json, "services", 0));
    printf("tasks     %lld\n", (long long)json_integer(reply.json, "tasks", 0));
    if (store_error)
        printf("store     %s\n", store_error);
    print_waits(json_get(reply.json, "waits"));
    return EXIT_OK;
}

/* ------------------------------------------------------------------ services */

static const struct column service_columns[] = {
    { .title = "SERVICE" },
    { .title = "TASK DEFINITION" },
    { .title = "DESIRED", .right = true },
    { .title = "RUNNING", .right = true },
    { .title = "PENDING", .right = true },
    { .title = "HEALTHY", .right = true },
    { .title = "DEPLOYMENT" },
    { .title = "UPDATED" },
    { .title = "WAITS FOR", .cut = true },
};

static void wait_cell(struct table *table, const cJSON *waits)
{
    char text[512] = "";
    const cJSON *wait = cJSON_GetArrayItem(waits, 0);
    const char *detail = json_string(wait, "detail", NULL);
    if (wait)
        (void)snprintf(text, sizeof text, "%s%s%s", json_string(wait, "text", ""),
                       detail ? ": " : "", detail ? detail : "");
    table_text(table, text);
}

static void service_row(struct table *table, const cJSON *service)
{
    const cJSON *primary = cJSON_GetArrayItem(json_get(service, "deployments"), 0);
    bool draining = str_equal(json_string(service, "status", ""), "DRAINING");
    const char *state = draining ? "DRAINING" : json_string(primary, "rolloutState", "-");
    char ago[32];
    ago_text(json_string(primary, "updatedAt", NULL), ago, sizeof ago);
    table_row(table);
    table_text(table, json_string(service, "serviceName", ""));
    table_text(table, json_string(service, "taskDefinition", ""));
    table_number(table, json_integer(service, "desiredCount", 0));
    table_number(table, json_integer(service, "runningCount", 0));
    table_number(table, json_integer(service, "pendingCount", 0));
    table_number(table, json_integer(service, "healthyCount", 0));
    table_text(table, state);
    table_color(table, status_color(state));
    table_text(table, ago);
    wait_cell(table, json_get(service, "waits"));
}

static const struct column deployment_columns[] = {
    { .title = "DEPLOYMENT" },
    { .title = "STATUS" },
    { .title = "TASK DEFINITION" },
    { .title = "STATE" },
    { .title = "FAILED TASKS", .right = true },
    { .title = "REVISION", .right = true },
    { .title = "CREATED" },
    { .title = "REASON", .cut = true },
};

static void print_deployments(const struct cli *cli, const cJSON *service)
{
    const cJSON *it;
    const char *stop_first = json_string(service, "stopFirstReason", NULL);
    struct table *table = table_open(cli, deployment_columns, COUNT_OF(deployment_columns));
    cJSON_ArrayForEach(it, json_get(service, "deployments")) {
        char ago[32];
        const char *state = json_string(it, "rolloutState", "");
        ago_text(json_string(it, "createdAt", NULL), ago, sizeof ago);
        table_row(table);
        table_text(table, json_string(it, "id", ""));
        table_text(table, json_string(it, "status", ""));
        table_text(table, json_string(it, "taskDefinition", ""));
        table_text(table, state);
        table_color(table, status_color(state));
        table_number(table, json_integer(it, "failedTasks", 0));
        table_number(table, json_integer(it, "documentRevision", 0));
        table_text(table, ago);
        table_text(table, json_string(it, "rolloutStateReason", ""));
    }
    (void)putchar('\n');
    table_print(table);
    if (stop_first)
        printf("\nreplacement stops first: %s\n", stop_first);
}

static void print_names(const cJSON *list, const char *key)
{
    const cJSON *it;
    cJSON_ArrayForEach(it, list)
        printf("%s\n", json_string(it, key, ""));
}

int command_services(struct cli *cli)
{
    AUTO_REPLY struct reply reply = { 0 };
    struct str path AUTO_STR;
    const char *name = cli->args.words[0];
    str_init(&path, 4096);
    str_add(&path, "/v1/services");
    if (name)
        path_add(&path, "/", name, "");
    int rc = client_get(cli, str_text(&path), &reply);
    if (rc != 0 || cli->json)
        return rc != 0 ? rc : print_reply(&reply);
    if (cli->args.quiet) {
        print_names(reply.json, "serviceName");
        return EXIT_OK;
    }
    const cJSON *it;
    struct table *table = table_open(cli, service_columns, COUNT_OF(service_columns));
    cJSON_ArrayForEach(it, reply.json)
        service_row(table, it);
    table_print(table);
    if (name)
        print_deployments(cli, cJSON_GetArrayItem(reply.json, 0));
    return EXIT_OK;
}

int command_restart(struct cli *cli)
{
    AUTO_REPLY struct reply reply = { 0 };
    struct str path AUTO_STR;
    str_init(&path, 4096);
    path_add(&path, "/v1/services/", cli->args.words[0], "/restart");
    int rc =
        client_call(cli, &(struct request){ .method = "POST", .path = str_text(&path) }, &reply);
    if (rc != 0 || cli->json)
        return rc != 0 ? rc : print_reply(&reply);
    printf("restarting %s as deployment %s\n", json_string(reply.json, "serviceName", ""),
           json_string(reply.json, "deployment", "-"));
    return EXIT_OK;
}

/* ------------------------------------------------------------------ version */

int command_version(struct cli *cli)
{
    AUTO_REPLY struct reply reply = { 0 };
    long status;
    const struct request request = { .path = "/v1/version", .timeout_ms = SECONDS(5) };
    int rc = client_try(cli, &request, &reply, &status);
    const char *daemon = rc == 0 ? json_string(reply.json, "version", NULL) : NULL;
    if (!cli->json) {
        printf("berth %s\nberthd %s\n", BERTH_VERSION, daemon ? daemon : "not reachable");
        return EXIT_OK;
    }
    struct str out AUTO_STR;
    struct json_writer writer;
    str_init(&out, 4096);
    json_begin(&writer, &out);
    json_object(&writer);
    json_string_member(&writer, "version", BERTH_VERSION);
    json_string_member(&writer, "daemon", daemon);
    json_object_end(&writer);
    printf("%s\n", str_text(&out));
    return EXIT_OK;
}
