/* berth ps, berth stop TASK. */
#include <stdio.h>
#include <string.h>

#include "agent/cli/cli.h"
#include "berth/assert.h"
#include "berth/str.h"

static const struct column task_columns[] = {
    { .title = "TASK" },   { .title = "GROUP" },      { .title = "TASK DEFINITION" },
    { .title = "STATUS" }, { .title = "HEALTH" },     { .title = "STARTED" },
    { .title = "PORTS" },  { .title = "CONTAINERS" }, { .title = "REASON", .cut = true },
};

static void add_port(struct str *out, const cJSON *binding)
{
    int64_t host = json_integer(binding, "hostPort", 0);
    str_add(out, out->len ? ", " : "");
    if (host > 0)
        str_addf(out, "%lld->", (long long)host);
    str_addf(out, "%lld/%s", (long long)json_integer(binding, "containerPort", 0),
             json_string(binding, "protocol", "tcp"));
}

static void ports_cell(struct table *table, const cJSON *containers)
{
    struct str text AUTO_STR;
    const cJSON *container, *binding;
    str_init(&text, 1024);
    cJSON_ArrayForEach(container, containers)
        cJSON_ArrayForEach(binding, json_get(container, "networkBindings"))
            add_port(&text, binding);
    table_text(table, str_text(&text));
}

/* "web" runs; what does not run says so: "init exited 0", "db PENDING". */
static void add_container(struct str *out, const cJSON *container)
{
    const char *status = json_string(container, "lastStatus", "");
    int64_t restarts = json_integer(container, "restartCount", 0);
    const cJSON *code = json_get(container, "exitCode");
    str_add(out, out->len ? ", " : "");
    str_add(out, json_string(container, "name", ""));
    if (code && !str_equal(status, "RUNNING"))
        str_addf(out, " exited %lld", (long long)json_integer(container, "exitCode", 0));
    else if (!str_equal(status, "RUNNING"))
        str_addf(out, " %s", status);
    if (restarts > 0)
        str_addf(out, " (restarted %lld times)", (long long)restarts);
}

static void containers_cell(struct table *table, const cJSON *containers)
{
    struct str text AUTO_STR;
    const cJSON *container;
    str_init(&text, 4096);
    cJSON_ArrayForEach(container, containers)
        add_container(&text, container);
    table_text(table, str_text(&text));
}

/* Why it stopped, or what it waits for. */
static void reason_cell(struct table *table, const cJSON *task)
{
    char text[512];
    const cJSON *wait = cJSON_GetArrayItem(json_get(task, "waits"), 0);
    const char *reason = json_string(task, "stoppedReason", NULL);
    const char *detail = json_string(wait, "detail", NULL);
    if (!reason && wait) {
        (void)snprintf(text, sizeof text, "waits: %s%s%s", json_string(wait, "text", ""),
                       detail ? ": " : "", detail ? detail : "");
        reason = text;
    }
    table_text(table, reason);
}

static void task_row(struct table *table, const cJSON *task)
{
    char id[13], ago[32];
    const char *arn = json_string(task, "taskDefinitionArn", "");
    const char *definition = strrchr(arn, '/');
    const char *status = json_string(task, "lastStatus", "");
    const char *health = json_string(task, "healthStatus", "");
    const cJSON *containers = json_get(task, "containers");
    ago_text(json_string(task, "startedAt", NULL), ago, sizeof ago);
    table_row(table);
    table_text(table, short_id(json_string(task, "taskId", ""), id));
    table_text(table, json_string(task, "group", ""));
    table_text(table, definition ? definition + 1 : arn);
    table_text(table, status);
    table_color(table, status_color(status));
    table_text(table, health);
    table_color(table, status_color(health));
    table_text(table, ago);
    ports_cell(table, containers);
    containers_cell(table, containers);
    reason_cell(table, task);
}

int command_ps(struct cli *cli)
{
    AUTO_REPLY struct reply reply = { 0 };
    const cJSON *it;
    int rc = client_get(cli, cli->args.all ? "/v1/tasks?all=1" : "/v1/tasks", &reply);
    if (rc != 0 || cli->json)
        return rc != 0 ? rc : print_reply(&reply);
    if (cli->args.quiet) {
        cJSON_ArrayForEach(it, reply.json)
            printf("%s\n", json_string(it, "taskId", ""));
        return EXIT_OK;
    }
    struct table *table = table_open(cli, task_columns, COUNT_OF(task_columns));
    cJSON_ArrayForEach(it, reply.json)
        task_row(table, it);
    table_print(table);
    return EXIT_OK;
}

int command_stop(struct cli *cli)
{
    AUTO_REPLY struct reply reply = { 0 };
    struct str path AUTO_STR;
    str_init(&path, 4096);
    path_add(&path, "/v1/tasks/", cli->args.words[0], "/stop");
    int rc =
        client_call(cli, &(struct request){ .method = "POST", .path = str_text(&path) }, &reply);
    if (rc != 0 || cli->json)
        return rc != 0 ? rc : print_reply(&reply);
    printf("task %s is %s\n", json_string(reply.json, "taskId", ""),
           str_equal(json_string(reply.json, "lastStatus", ""), "STOPPED") ? "STOPPED"
                                                                           : "being stopped");
    return EXIT_OK;
}
