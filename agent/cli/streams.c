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

/* ------------------------------------------------------------------ lines */

/* Lines are cut anywhere by the transport: what has no end yet waits in `rest`. */
struct lines {
    const struct cli *cli;
    struct str rest;
    bool (*print)(const struct lines *lines, const char *line, size_t len);
};

static bool lines_end(struct lines *lines)
{
    bool read = lines->print(lines, str_text(&lines->rest), lines->rest.len);
    str_clear(&lines->rest);
    lines->rest.truncated = false;
    return read;
}

static bool lines_take(void *ctx, const char *bytes, size_t len)
{
    struct lines *lines = ctx;
    while (len > 0) {
        const char *end = memchr(bytes, '\n', len);
        size_t piece = end ? (size_t)(end - bytes) : len;
        str_add_len(&lines->rest, bytes, piece);
        if (!end)
            return true;
        if (!lines_end(lines))
            return false;
        bytes += piece + 1;
        len -= piece + 1;
    }
    return true;
}

static int stream_lines(struct cli *cli, const char *path, struct lines *lines)
{
    str_init(&lines->rest, EVENT_LINE_MAX);
    int rc = client_stream(cli, path, cli->args.follow, lines_take, lines);
    if (lines->rest.len > 0)
        (void)lines_end(lines);
    str_release(&lines->rest);
    return rc;
}

/* ------------------------------------------------------------------ logs */

static bool logs_take(void *ctx, const char *bytes, size_t len)
{
    (void)ctx;
    return print_bytes(bytes, len);
}

static bool print_log_line(const struct lines *lines, const char *line, size_t len)
{
    (void)lines;
    struct str out AUTO_STR;
    struct json_writer writer;
    str_init(&out, 8 * EVENT_LINE_MAX);
    AUTO_FREE char *text = memory_strndup(line, len);
    json_begin(&writer, &out);
    json_object(&writer);
    json_string_member(&writer, "line", text);
    json_object_end(&writer);
    str_add_char(&out, '\n');
    return print_bytes(str_text(&out), out.len);
}

int command_logs(struct cli *cli)
{
    const struct arguments *args = &cli->args;
    struct lines lines = { .cli = cli, .print = print_log_line };
    struct str path AUTO_STR;
    str_init(&path, 8192);
    int rc = check_number(cli, "--tail", args->tail, INT32_MAX);
    if (rc != 0)
        return rc;
    path_add(&path, "/v1/tasks/", args->words[0], "/logs");
    path_query(&path, "container", args->words[1]);
    path_query(&path, "tail", args->tail);
    path_query(&path, "follow", args->follow ? "1" : NULL);
    if (cli->json)
        return stream_lines(cli, str_text(&path), &lines);
    return client_stream(cli, str_text(&path), args->follow, logs_take, NULL);
}

/* ------------------------------------------------------------------ events */

static void add_word(struct str *out, const char *word)
{
    if (*word)
        str_addf(out, "%s ", word);
}

static bool print_event(const struct lines *lines, const char *line, size_t len)
{
    cJSON *json AUTO_JSON = NULL;
    char id[13];
    if (lines->cli->json)
        return print_bytes(line, len) && print_bytes("\n", 1);
    if (json_parse(line, len, &json, NULL) < 0)
        return true;
    json_tame(json);
    struct str out AUTO_STR;
    str_init(&out, EVENT_LINE_MAX);
    str_addf(&out, "%s %-10s ", json_string(json, "time", "-"), json_string(json, "kind", "-"));
    add_word(&out, json_bool(json, "warning", false) ? "WARNING" : "");
    add_word(&out, json_string(json, "service", ""));
    add_word(&out, short_id(json_string(json, "taskId", ""), id));
    add_word(&out, json_string(json, "container", ""));
    str_addf(&out, "%s\n", json_string(json, "text", ""));
    return print_bytes(str_text(&out), out.len);
}

int command_events(struct cli *cli)
{
    const struct arguments *args = &cli->args;
    struct lines lines = { .cli = cli, .print = print_event };
    struct str path AUTO_STR;
    str_init(&path, 1024);
    int rc = check_number(cli, "--after", args->after, JSON_INTEGER_MAX);
    if (rc != 0)
        return rc;
    str_add(&path, "/v1/events");
    path_query(&path, "after", args->after);
    path_query(&path, "follow", args->follow ? "1" : NULL);
    return stream_lines(cli, str_text(&path), &lines);
}
