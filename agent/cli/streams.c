/* berth logs TASK [CONTAINER] and berth events: bytes as they come. */
#include <stdio.h>
#include <string.h>

#include "agent/cli/cli.h"
#include "berth/limits.h"
#include "berth/memory.h"
#include "berth/str.h"

static int check_number(const struct cli *cli, const char *option, const char *text, int64_t max)
{
    int64_t number;
    if (!text || parse_int(text, 0, max, &number) == 0)
        return 0;
    cli_error(cli, "Usage", "%s %s: it must be a whole number from 0", option, text);
    return EXIT_USAGE;
}

/* ------------------------------------------------------------------ logs */

static bool logs_take(void *ctx, const char *bytes, size_t len)
{
    (void)ctx;
    return print_bytes(bytes, len);
}

int command_logs(struct cli *cli)
{
    const struct arguments *args = &cli->args;
    struct str path AUTO_STR;
    str_init(&path, 8192);
    int rc = check_number(cli, "--tail", args->tail, INT32_MAX);
    if (rc != 0)
        return rc;
    path_add(&path, "/v1/tasks/", args->words[0], "/logs");
    path_query(&path, "container", args->words[1]);
    path_query(&path, "tail", args->tail);
    path_query(&path, "follow", args->follow ? "1" : NULL);
    return client_stream(cli, str_text(&path), args->follow, logs_take, NULL);
}

/* ------------------------------------------------------------------ events */

/* Lines are cut anywhere by the transport: what has no end yet waits in `rest`. */
struct event_lines {
    struct cli *cli;
    struct str rest;
};

static bool print_event(const struct event_lines *lines, const char *line, size_t len)
{
    cJSON *json AUTO_JSON = NULL;
    char id[13];
    if (lines->cli->json)
        return print_bytes(line, len) && print_bytes("\n", 1);
    if (json_parse(line, len, &json, NULL) < 0)
        return true;
    const char *service = json_string(json, "service", "");
    const char *task = short_id(json_string(json, "taskId", ""), id);
    const char *container = json_string(json, "container", "");
    struct str out AUTO_STR;
    str_init(&out, EVENT_LINE_MAX);
    str_addf(&out, "%s %-10s %s", json_string(json, "time", "-"), json_string(json, "kind", "-"),
             json_bool(json, "warning", false) ? "WARNING " : "");
    if (*service)
        str_addf(&out, "%s ", service);
    if (*task)
        str_addf(&out, "%s ", task);
    if (*container)
        str_addf(&out, "%s ", container);
    str_addf(&out, "%s\n", json_string(json, "text", ""));
    return print_bytes(str_text(&out), out.len);
}

static bool events_take(void *ctx, const char *bytes, size_t len)
{
    struct event_lines *lines = ctx;
    while (len > 0) {
        const char *end = memchr(bytes, '\n', len);
        size_t piece = end ? (size_t)(end - bytes) : len;
        str_add_len(&lines->rest, bytes, piece);
        if (!end)
            return true;
        bool read = print_event(lines, str_text(&lines->rest), lines->rest.len);
        str_clear(&lines->rest);
        lines->rest.truncated = false;
        if (!read)
            return false;
        bytes += piece + 1;
        len -= piece + 1;
    }
    return true;
}

int command_events(struct cli *cli)
{
    const struct arguments *args = &cli->args;
    struct str path AUTO_STR;
    struct event_lines lines = { .cli = cli };
    str_init(&path, 1024);
    int rc = check_number(cli, "--after", args->after, JSON_INTEGER_MAX);
    if (rc != 0)
        return rc;
    str_add(&path, "/v1/events");
    path_query(&path, "after", args->after);
    path_query(&path, "follow", args->follow ? "1" : NULL);
    str_init(&lines.rest, EVENT_LINE_MAX);
    rc = client_stream(cli, str_text(&path), args->follow, events_take, &lines);
    str_release(&lines.rest);
    return rc;
}
