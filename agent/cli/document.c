/* berth validate FILE, berth plan [FILE], berth poll. */
#include <stdio.h>
#include <stdlib.h>

#include "agent/cli/cli.h"
#include "berth/assert.h"
#include "berth/desired.h"
#include "berth/memory.h"
#include "berth/str.h"

#define PLAN_TIMEOUT_MS MINUTES(1)
#define POLL_TIMEOUT_MS SECONDS(75) /* the daemon itself gives up after 60 s */

/* ------------------------------------------------------------------ validate */

static void print_findings(const struct findings *findings, const char *file)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *it = &findings->list[i];
        printf("%s: %s: %s [%s]\n", it->warning ? "warning" : "error", it->path, it->message,
               it->code);
    }
    if (findings->dropped > 0)
        printf("and %zu more\n", findings->dropped);
    printf("%s is %s: %zu error%s, %zu warning%s\n", file,
           findings->errors > 0 ? "not valid" : "valid", findings->errors,
           findings->errors == 1 ? "" : "s", findings->warnings,
           findings->warnings == 1 ? "" : "s");
}

static void print_findings_json(const struct findings *findings)
{
    struct str out AUTO_STR;
    struct json_writer writer;
    str_init(&out, 4 * 1024 * 1024);
    json_begin(&writer, &out);
    findings_render(findings, &writer);
    printf("%s\n", str_text(&out));
}

int command_validate(struct cli *cli)
{
    const char *file = cli->args.words[0];
    AUTO_FREE char *text = NULL;
    size_t len = 0;
    struct err err = ERR_NONE;
    struct findings findings = { 0 };
    if (read_whole(file, DOCUMENT_BYTES_MAX, &text, &len, &err) < 0) {
        cli_error(cli, "FileNotReadable", "%s", err.text);
        return EXIT_FAILED;
    }
    struct desired *desired = desired_parse(text, len, &findings);
    if (cli->json)
        print_findings_json(&findings);
    else
        print_findings(&findings, file);
    int rc = desired ? EXIT_OK : EXIT_FAILED;
    desired_unref(desired);
    findings_release(&findings);
    return rc;
}

/* ------------------------------------------------------------------ plan */

static const struct column plan_columns[] = {
    { .title = "STEP", .right = true },
    { .title = "ACTION" },
    { .title = "SERVICE" },
    { .title = "TASK" },
    { .title = "CONTAINER" },
    { .title = "IMAGE" },
    { .title = "CAUSE", .cut = true },
};

static void print_steps(const struct cli *cli, const cJSON *steps)
{
    const cJSON *it;
    int64_t number = 0;
    struct table *table = table_open(cli, plan_columns, COUNT_OF(plan_columns));
    cJSON_ArrayForEach(it, steps) {
        char id[13];
        table_row(table);
        table_number(table, ++number);
        table_text(table, json_string(it, "action", ""));
        table_text(table, json_string(it, "service", ""));
        table_text(table, short_id(json_string(it, "taskId", ""), id));
        table_text(table, json_string(it, "container", ""));
        table_text(table, json_string(it, "image", ""));
        table_text(table, json_string(it, "cause", ""));
    }
    table_print(table);
}

static void print_plan(const struct cli *cli, const cJSON *plan)
{
    const cJSON *note;
    long long revision = (long long)json_integer(plan, "revision", 0);
    if (json_bool(plan, "changes", false))
        print_steps(cli, json_get(plan, "steps"));
    else
        printf("nothing to do for revision %lld\n", revision);
    if (json_bool(plan, "truncated", false))
        printf("and more: the list is cut\n");
    cJSON_ArrayForEach(note, json_get(plan, "notes")) {
        const char *service = json_string(note, "service", NULL);
        printf("note: %s%s%s\n", service ? service : "", service ? ": " : "",
               json_string(note, "text", ""));
    }
}

int command_plan(struct cli *cli)
{
    const char *file = cli->args.words[0];
    AUTO_REPLY struct reply reply = { 0 };
    AUTO_FREE char *text = NULL;
    size_t len = 0;
    struct err err = ERR_NONE;
    if (file && read_whole(file, DOCUMENT_BYTES_MAX, &text, &len, &err) < 0) {
        cli_error(cli, "FileNotReadable", "%s", err.text);
        return EXIT_FAILED;
    }
    if (file && len == 0) {
        cli_error(cli, "InvalidDocument", "%s is empty", file);
        return EXIT_FAILED;
    }
    const struct request request = { .method = "POST",
                                     .path = "/v1/plan",
                                     .body = text,
                                     .body_len = len,
                                     .timeout_ms = PLAN_TIMEOUT_MS };
    int rc = client_call(cli, &request, &reply);
    if (rc != 0)
        return rc;
    if (cli->json)
        (void)print_reply(&reply);
    else
        print_plan(cli, reply.json);
    return json_bool(reply.json, "changes", false) ? EXIT_CHANGES : EXIT_OK;
}

/* ------------------------------------------------------------------ poll */

int command_poll(struct cli *cli)
{
    AUTO_REPLY struct reply reply = { 0 };
    const struct request request = { .method = "POST",
                                     .path = cli->args.accept_older ? "/v1/poll?acceptOlder=1"
                                                                    : "/v1/poll",
                                     .timeout_ms = POLL_TIMEOUT_MS };
    int rc = client_call(cli, &request, &reply);
    if (rc != 0)
        return rc;
    const char *result = json_string(reply.json, "result", "");
    const char *error = json_string(reply.json, "error", "no reason given");
    if (!str_equal(result, "new") && !str_equal(result, "same")) {
        cli_error(cli, str_equal(result, "refused") ? "DocumentRefused" : "FetchFailed", "%s",
                  error);
        return EXIT_FAILED;
    }
    if (cli->json)
        return print_reply(&reply);
    printf("revision %lld is in effect%s\n", (long long)json_integer(reply.json, "revision", 0),
           str_equal(result, "new") ? ", new" : ", unchanged");
    return EXIT_OK;
}
