/* Make an image local.
 *
 *   PULL_IF_ABSENT  inspect; absent -> attempts
 *   PULL_ASK        attempt; failed -> inspect; local -> good enough, absent -> more attempts
 *   PULL_MUST       attempts
 *
 * The answer to a pull is a stream of progress lines under status 200, and an error is just one
 * more line of it. Only what may pass by itself is tried again; a "not found" or "denied" is not.
 * A stream without a line for pull_inactivity_ms is given up; the runtime then stops pulling. One
 * that only waits is not: Docker loads 3 layers at a time, of all pulls together, and is silent
 * about those that wait for their turn. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/edge/runtime_inside.h"
#include "berth/assert.h"
#include "berth/log.h"
#include "berth/memory.h"

#define ATTEMPTS_MAX 5
#define RETRY_MAX_MS 5000
#define RETRY_JITTER_PERCENT 20
#define PULL_LINE_MAX (64 * 1024)
#define PROGRESS_EVERY_MS 1000

struct pull {
    struct runtime *runtime;
    struct pull *next; /* in runtime->pulls */
    char *image;
    enum pull_mode mode;
    runtime_done_fn done;
    void *ctx;
    struct image_reference reference;
    struct exchange *exchange; /* NULL = waiting for the timer */
    uv_timer_t timer;  /* before an attempt or an end without an exchange; of an attempt, silence */
    uint64_t deadline; /* uv_now() */
    struct lines lines;
    int attempts;
    bool up_to_date, local_known_absent, ended;
    bool queues; /* its last line said that a layer waits for others */
    bool silent; /* this attempt was given up for it */
    uint64_t moved_at, told_at;
    char error[RUNTIME_MESSAGE_MAX]; /* of an error line of this attempt */
    struct judgement judgement;      /* of the newest attempt */
};

static void pull_wait(struct pull *pull, msec delay_ms);
static void pull_on_timer(uv_timer_t *timer);
static void pull_inspect(struct pull *pull);
static void pull_on_inspect(void *ctx, const struct http_answer *answer);
static void pull_attempt(struct pull *pull);
static void pull_on_silence(struct pull *pull);
static bool pull_on_data(void *ctx, const char *bytes, size_t len);
static void pull_on_line(void *ctx, const char *line, size_t len);
static void pull_on_done(void *ctx, const struct http_answer *answer);
static void pull_tell(struct pull *pull, const char *text);
static void pull_judge(struct pull *pull, const struct http_answer *answer);
static void pull_failed(struct pull *pull);
static void pull_again(struct pull *pull);
static void pull_say(struct pull *pull, enum outcome outcome, const char *error, const char *text);
static void pull_end(struct pull *pull, bool was_local);
static void pull_on_closed(uv_handle_t *handle);

void runtime_pull(struct runtime *runtime, const char *image, enum pull_mode mode,
                  runtime_done_fn done, void *ctx)
{
    ASSERT(!runtime->finishing);
    struct pull *pull = memory_alloc(sizeof *pull);
    pull->runtime = runtime;
    pull->image = memory_strdup(image);
    pull->mode = mode;
    pull->done = done;
    pull->ctx = ctx;
    pull->deadline = uv_now(runtime->loop) + (uint64_t)runtime->options.pull_total_ms;
    lines_init(&pull->lines, PULL_LINE_MAX);
    (void)uv_timer_init(runtime->loop, &pull->timer);
    pull->timer.data = pull;
    pull->next = runtime->pulls;
    runtime->pulls = pull;
    runtime->busy++;
    pull_wait(pull, 0);
}

/* Cancelled exchanges end by themselves; a pull that waits for its timer is woken. */
void pull_cancel_all(struct runtime *runtime)
{
    for (struct pull *pull = runtime->pulls; pull; pull = pull->next)
        if (!pull->exchange && !pull->ended)
            pull_wait(pull, 0);
}

static void pull_wait(struct pull *pull, msec delay_ms)
{
    uv_update_time(pull->runtime->loop);
    (void)uv_timer_start(&pull->timer, pull_on_timer, (uint64_t)delay_ms, 0);
}

static void pull_on_timer(uv_timer_t *timer)
{
    struct pull *pull = timer->data;
    if (pull->exchange) {
        pull_on_silence(pull);
    } else if (pull->runtime->closing) {
        pull_say(pull, OUTCOME_UNKNOWN, "", "cancelled");
        pull_end(pull, false);
    } else if (image_reference_parse(pull->image, &pull->reference) < 0) {
        runtime_judge_message(CALL_PULL, pull->image, 400, "invalid reference format",
                              &pull->judgement);
        pull_end(pull, false);
    } else if (pull->attempts == 0 && pull->mode == PULL_IF_ABSENT && !pull->local_known_absent) {
        pull_inspect(pull);
    } else {
        pull_attempt(pull);
    }
}

/* ------------------------------------------------------------------ is it local? */

static void pull_inspect(struct pull *pull)
{
    AUTO_STR struct str path;
    str_init(&path, URL_MAX);
    str_add(&path, "/images/");
    url_escape(&path, pull->image, true);
    str_add(&path, "/json");
    pull->exchange =
        exchange_send(pull->runtime,
                      &(struct exchange_spec){ .path = str_text(&path),
                                               .timeout_ms = pull->runtime->options.call_timeout_ms,
                                               .done = pull_on_inspect,
                                               .ctx = pull });
}

static void pull_on_inspect(void *ctx, const struct http_answer *answer)
{
    struct pull *pull = ctx;
    pull->exchange = NULL;
    if (answer->rc == 0 && answer->status == 200) {
        if (pull->attempts > 0)
            log_warn("event=pull_failed", "image=%s using=local reason=%s", LOG_VALUE(pull->image),
                     LOG_VALUE(pull->judgement.text));
        pull_say(pull, OUTCOME_OK, "", pull->attempts > 0 ? pull->judgement.text : "");
        pull_end(pull, true);
        return;
    }
    pull->local_known_absent = answer->rc == 0 && answer->status == 404;
    if (pull->attempts > 0) {
        pull_again(pull);
    } else if (pull->local_known_absent) {
        pull_wait(pull, 0);
    } else {
        runtime_judge(CALL_INSPECT, pull->image, answer, &pull->judgement);
        pull->judgement.result.outcome = OUTCOME_UNKNOWN;
        pull_end(pull, false);
    }
}

/* ------------------------------------------------------------------ one attempt */

static void pull_attempt(struct pull *pull)
{
    struct runtime *runtime = pull->runtime;
    uint64_t now = uv_now(runtime->loop);
    if (now >= pull->deadline) {
        if (pull->attempts == 0)
            pull_say(pull, OUTCOME_UNKNOWN, "DockerTimeoutError", "no time left for a pull");
        pull_end(pull, false);
        return;
    }
    AUTO_STR struct str path;
    str_init(&path, URL_MAX);
    str_add(&path, "/images/create?fromImage=");
    url_escape(&path, pull->reference.name, false);
    str_add(&path, "&tag=");
    url_escape(&path, pull->reference.tag, false);
    pull->attempts++;
    pull->error[0] = '\0';
    pull->queues = pull->silent = false;
    pull->exchange = exchange_send(runtime, &(struct exchange_spec){
                                                .method = "POST",
                                                .path = str_text(&path),
                                                .timeout_ms = (msec)(pull->deadline - now),
                                                .on_data = pull_on_data,
                                                .done = pull_on_done,
                                                .ctx = pull,
                                            });
    pull_wait(pull, runtime->options.pull_inactivity_ms);
}

static bool others_move(const struct pull *pull)
{
    const struct runtime *runtime = pull->runtime;
    uint64_t now = uv_now(runtime->loop);
    uint64_t limit = (uint64_t)runtime->options.pull_inactivity_ms;
    for (const struct pull *other = runtime->pulls; other; other = other->next)
        if (other != pull && other->exchange && now - other->moved_at < limit)
            return true;
    return false;
}

static void pull_on_silence(struct pull *pull)
{
    if (pull->queues && others_move(pull)) {
        pull_wait(pull, pull->runtime->options.pull_inactivity_ms);
        return;
    }
    pull->silent = true;
    exchange_cancel(pull->exchange);
}

static bool pull_on_data(void *ctx, const char *bytes, size_t len)
{
    struct pull *pull = ctx;
    pull->moved_at = uv_now(pull->runtime->loop);
    pull_wait(pull, pull->runtime->options.pull_inactivity_ms);
    lines_feed(&pull->lines, bytes, len, pull_on_line, pull);
    return true;
}

/* What cannot be read is no reason to fail a pull: its end tells. */
static void pull_on_line(void *ctx, const char *line, size_t len)
{
    struct pull *pull = ctx;
    struct pull_line parsed;
    if (!line || pull_line_parse(line, len, &parsed) < 0)
        return;
    if (parsed.error[0] && !pull->error[0])
        memcpy(pull->error, parsed.error, sizeof pull->error);
    pull->up_to_date = pull->up_to_date || parsed.up_to_date;
    pull->queues = parsed.waits;
    if (pull->told_at == 0 || pull->moved_at - pull->told_at >= PROGRESS_EVERY_MS)
        pull_tell(pull, parsed.text);
}

static void pull_tell(struct pull *pull, const char *text)
{
    const struct runtime_listener *listener = &pull->runtime->listener;
    if (!listener->on_pull_progress || pull->runtime->closing)
        return;
    pull->told_at = uv_now(pull->runtime->loop);
    listener->on_pull_progress(listener->ctx, pull->image, text);
}

static void pull_on_done(void *ctx, const struct http_answer *answer)
{
    struct pull *pull = ctx;
    pull->exchange = NULL;
    (void)uv_timer_stop(&pull->timer);
    lines_end(&pull->lines, pull_on_line, pull);
    /* It may have ended by itself just before it was to be cancelled. */
    pull->silent = pull->silent && answer->rc == -ECANCELED;
    bool cancelled = answer->rc == -ECANCELED && !pull->silent;
    pull_judge(pull, answer);
    if (pull->judgement.result.outcome == OUTCOME_OK || cancelled)
        pull_end(pull, pull->up_to_date);
    else
        pull_failed(pull);
}

/* We gave it up ourselves, so it is a definite no, and the host's network is to blame. */
static void pull_judge_late(struct pull *pull)
{
    const struct runtime_options *options = &pull->runtime->options;
    struct judgement *judgement = &pull->judgement;
    (void)snprintf(judgement->text, sizeof judgement->text, "pull %.255s: %s %g s", pull->image,
                   pull->silent ? "silent for" : "not done within",
                   (double)(pull->silent ? options->pull_inactivity_ms : options->pull_total_ms) /
                       1000);
    judgement->transient = true;
    judgement->result = (struct runtime_result){ .outcome = OUTCOME_REFUSED,
                                                 .blame = BLAME_HOST,
                                                 .error = runtime_call_error(CALL_PULL) };
}

static void pull_judge(struct pull *pull, const struct http_answer *answer)
{
    if (pull->error[0] && (answer->rc != -ECANCELED || pull->silent))
        runtime_judge_message(CALL_PULL, pull->image, 0, pull->error, &pull->judgement);
    else if (answer->rc == -ETIMEDOUT || pull->silent)
        pull_judge_late(pull);
    else
        runtime_judge(CALL_PULL, pull->image, answer, &pull->judgement);
}

/* A network error is no reason to wait for retries when a local image will do. */
static void pull_failed(struct pull *pull)
{
    if (pull->mode == PULL_ASK && !pull->local_known_absent)
        pull_inspect(pull);
    else
        pull_again(pull);
}

static void pull_again(struct pull *pull)
{
    struct runtime *runtime = pull->runtime;
    if (runtime->closing)
        pull_say(pull, OUTCOME_UNKNOWN, "", "cancelled");
    if (!pull->judgement.transient || pull->attempts >= ATTEMPTS_MAX || runtime->closing) {
        pull_end(pull, false);
        return;
    }
    msec delay = runtime->options.pull_retry_ms << (pull->attempts - 1);
    if (delay > RETRY_MAX_MS)
        delay = RETRY_MAX_MS;
    delay = prng_jitter(&runtime->prng, delay, RETRY_JITTER_PERCENT);
    log_info("event=pull_retry", "image=%s attempt=%d in_ms=%lld reason=%s", LOG_VALUE(pull->image),
             pull->attempts + 1, (long long)delay, LOG_VALUE(pull->judgement.text));
    const char *why = strstr(pull->judgement.text, ": "); /* people know the image */
    AUTO_FREE char *text = memory_printf("attempt %d of %d follows%.200s", pull->attempts + 1,
                                         ATTEMPTS_MAX, why ? why : "");
    pull_tell(pull, text);
    pull_wait(pull, delay);
}

/* text may be judgement.text itself. */
static void pull_say(struct pull *pull, enum outcome outcome, const char *error, const char *text)
{
    if (text != pull->judgement.text)
        (void)snprintf(pull->judgement.text, sizeof pull->judgement.text, "%s", text);
    pull->judgement.result = (struct runtime_result){ .outcome = outcome, .error = error };
}

static void pull_end(struct pull *pull, bool was_local)
{
    pull->ended = true;
    struct runtime_result result = pull->judgement.result;
    result.text = pull->judgement.text;
    result.image_was_local = was_local;
    pull->done(pull->ctx, &result);
    uv_close((uv_handle_t *)&pull->timer, pull_on_closed);
}

static void pull_on_closed(uv_handle_t *handle)
{
    struct pull *pull = handle->data;
    struct runtime *runtime = pull->runtime;
    struct pull **link = &runtime->pulls;
    while (*link != pull)
        link = &(*link)->next;
    *link = pull->next;
    lines_release(&pull->lines);
    free(pull->image);
    free(pull);
    runtime_release(runtime);
}
