/* Log lines of one container. Whether the stream has frames depends on the container's tty, which
 * only newer runtimes say in the answer's type, so it is inspected first. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/edge/runtime_inside.h"
#include "berth/json.h"
#include "berth/memory.h"

#define LOGS_IDLE_MS MINUTES(1) /* without follow */

struct runtime_logs {
    struct runtime *runtime;
    char *container;
    bool follow, paused, cancelled;
    int tail;
    log_fn on_data;
    runtime_done_fn done;
    void *ctx;
    struct exchange *exchange;
    struct log_frames frames;
    bool reader_ended;
};

static void logs_on_inspect(void *ctx, const struct http_answer *answer);
static void logs_open(struct runtime_logs *logs);
static bool logs_on_bytes(void *ctx, const char *bytes, size_t len);
static bool logs_on_piece(void *ctx, bool is_stderr, const char *bytes, size_t len);
static void logs_on_done(void *ctx, const struct http_answer *answer);
static void logs_end(struct runtime_logs *logs, const struct judgement *judgement);

struct runtime_logs *
runtime_logs_open(struct runtime *runtime, const char *container, bool follow, int tail,
                  bool (*on_data)(void *ctx, bool is_stderr, const char *bytes, size_t len),
                  runtime_done_fn done, void *ctx)
{
    struct runtime_logs *logs = memory_alloc(sizeof *logs);
    logs->runtime = runtime;
    logs->container = memory_strdup(container);
    logs->follow = follow;
    logs->tail = tail;
    logs->on_data = on_data;
    logs->done = done;
    logs->ctx = ctx;
    AUTO_STR struct str path;
    str_init(&path, URL_MAX);
    str_add(&path, "/containers/");
    url_escape(&path, container, false);
    str_add(&path, "/json");
    logs->exchange = exchange_send(runtime, &(struct exchange_spec){
                                                .path = str_text(&path),
                                                .timeout_ms = runtime->options.call_timeout_ms,
                                                .done = logs_on_inspect,
                                                .ctx = logs,
                                            });
    return logs;
}

void runtime_logs_cancel(struct runtime_logs *logs)
{
    logs->cancelled = true;
    exchange_cancel(logs->exchange);
}

void runtime_logs_pause(struct runtime_logs *logs)
{
    logs->paused = true;
    exchange_pause(logs->exchange);
}

void runtime_logs_resume(struct runtime_logs *logs)
{
    logs->paused = false;
    exchange_resume(logs->exchange);
}

static void logs_on_inspect(void *ctx, const struct http_answer *answer)
{
    struct runtime_logs *logs = ctx;
    struct judgement judgement;
    runtime_judge(CALL_LOGS, logs->container, answer, &judgement);
    AUTO_JSON cJSON *json = NULL;
    struct err err = ERR_NONE;
    bool ok = judgement.result.outcome == OUTCOME_OK;
    if (ok && json_parse_answer(answer->body, answer->len, &json, &err) < 0) {
        judgement.result = (struct runtime_result){ .outcome = OUTCOME_UNKNOWN,
                                                    .error = runtime_call_error(CALL_LOGS) };
        (void)snprintf(judgement.text, sizeof judgement.text, "logs %.255s: %s", logs->container,
                       err.text);
        ok = false;
    }
    if (!ok || logs->cancelled) {
        logs_end(logs, &judgement);
        return;
    }
    logs->frames.raw = json_bool(json_get(json, "Config"), "Tty", false);
    logs_open(logs);
}

static void logs_open(struct runtime_logs *logs)
{
    AUTO_STR struct str path;
    str_init(&path, URL_MAX);
    str_add(&path, "/containers/");
    url_escape(&path, logs->container, false);
    str_addf(&path, "/logs?stdout=true&stderr=true&follow=%s", logs->follow ? "true" : "false");
    if (logs->tail >= 0)
        str_addf(&path, "&tail=%d", logs->tail);
    logs->exchange = exchange_send(logs->runtime, &(struct exchange_spec){
                                                      .path = str_text(&path),
                                                      .idle_ms = logs->follow ? 0 : LOGS_IDLE_MS,
                                                      .on_data = logs_on_bytes,
                                                      .done = logs_on_done,
                                                      .ctx = logs,
                                                  });
    if (logs->paused)
        exchange_pause(logs->exchange);
}

static bool logs_on_bytes(void *ctx, const char *bytes, size_t len)
{
    struct runtime_logs *logs = ctx;
    return log_frames_feed(&logs->frames, bytes, len, logs_on_piece, logs) == 0;
}

static bool logs_on_piece(void *ctx, bool is_stderr, const char *bytes, size_t len)
{
    struct runtime_logs *logs = ctx;
    logs->reader_ended = logs->cancelled || !logs->on_data(logs->ctx, is_stderr, bytes, len);
    return !logs->reader_ended;
}

static void logs_on_done(void *ctx, const struct http_answer *answer)
{
    struct runtime_logs *logs = ctx;
    struct judgement judgement;
    runtime_judge(CALL_LOGS, logs->container, answer, &judgement);
    if (logs->frames.failed) {
        judgement.result.error = runtime_call_error(CALL_LOGS);
        (void)snprintf(judgement.text, sizeof judgement.text,
                       "logs %.255s: the runtime sent something that is no log stream",
                       logs->container);
    } else if (logs->reader_ended && !logs->cancelled && !logs->runtime->closing) {
        judgement.result = (struct runtime_result){ .outcome = OUTCOME_OK, .error = "" };
        judgement.text[0] = '\0';
    }
    logs_end(logs, &judgement);
}

static void logs_end(struct runtime_logs *logs, const struct judgement *judgement)
{
    struct runtime_result result = judgement->result;
    result.text = judgement->text;
    logs->done(logs->ctx, &result);
    free(logs->container);
    free(logs);
}
