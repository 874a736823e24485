/* The event stream: hints that something happened, and the sign that the runtime is there.
 *
 * The runtime remembers only its last 256 events and drops what a slow reader does not take, so
 * no truth is drawn from it. Every opening of the stream is itself a hint to look at everything,
 * given once the runtime has begun to send: subscribe first, then list.
 *
 * A silent stream is normal, a dead one looks the same: while it is open a cheap GET /_ping goes
 * out every 30 s, and the stream is opened again when it fails. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/edge/runtime_inside.h"
#include "berth/assert.h"
#include "berth/json.h"
#include "berth/memory.h"

#define RETRY_FIRST_MS 20
#define RETRY_BASE_MS 100
#define RETRY_MAX_MS 5000
#define RETRY_JITTER_PERCENT 25
#define LIVED_MS 5000 /* a stream that lasted this long was no failure */
#define OPEN_MAX_MS SECONDS(30)
#define PING_TIMEOUT_MS SECONDS(10)

static void events_open(struct runtime *runtime);
static void events_on_retry(uv_timer_t *timer);
static void events_on_open(void *ctx);
static bool events_on_data(void *ctx, const char *bytes, size_t len);
static void events_on_line(void *ctx, const char *line, size_t len);
static void events_on_done(void *ctx, const struct http_answer *answer);
static void events_retry(struct runtime *runtime);
static void events_on_watch(uv_timer_t *timer);
static void events_on_ping(void *ctx, const struct http_answer *answer);
static void events_tell(struct runtime *runtime, bool up, const char *text);
static void events_path(struct runtime *runtime, struct str *ret);
static void events_on_timer_closed(uv_handle_t *handle);

/* Docker's names and those that only Podman uses. */
static const char *const event_names[] = {
    "create",        "start", "die",     "stop",   "kill",    "oom",
    "destroy",       "pause", "unpause", "rename", "restart", "update",
    "health_status", "died",  "remove",  "init",   "cleanup",
};

void events_init(struct runtime *runtime)
{
    struct events *events = &runtime->events;
    lines_init(&events->lines, EVENT_LINE_MAX);
    (void)uv_timer_init(runtime->loop, &events->retry);
    (void)uv_timer_init(runtime->loop, &events->watch);
    events->retry.data = runtime;
    events->watch.data = runtime;
    runtime->open_handles += 2;
}

/* Its exchanges are cancelled with all others. */
void events_close(struct runtime *runtime)
{
    uv_close((uv_handle_t *)&runtime->events.retry, events_on_timer_closed);
    uv_close((uv_handle_t *)&runtime->events.watch, events_on_timer_closed);
}

static void events_on_timer_closed(uv_handle_t *handle)
{
    runtime_handle_closed(handle->data);
}

void runtime_watch(struct runtime *runtime)
{
    if (runtime->events.wanted || runtime->closing)
        return;
    runtime->events.wanted = true;
    events_open(runtime);
}

static void events_open(struct runtime *runtime)
{
    struct events *events = &runtime->events;
    AUTO_STR struct str path;
    str_init(&path, URL_MAX);
    events_path(runtime, &path);
    lines_release(&events->lines);
    events->open = false;
    events->why[0] = '\0';
    (void)uv_timer_start(&events->watch, events_on_watch, OPEN_MAX_MS, 0);
    events->stream = exchange_send(runtime, &(struct exchange_spec){
                                                .path = str_text(&path),
                                                .on_data = events_on_data,
                                                .on_open = events_on_open,
                                                .done = events_on_done,
                                                .ctx = runtime,
                                            });
}

static void events_path(struct runtime *runtime, struct str *ret)
{
    AUTO_STR struct str filters;
    AUTO_FREE char *label = memory_printf("%s=%s", LABEL_HOST, runtime->host_id);
    str_init(&filters, URL_MAX);
    struct json_writer writer;
    json_begin(&writer, &filters);
    json_object(&writer);
    json_key(&writer, "type");
    json_array(&writer);
    json_put_string(&writer, "container");
    json_array_end(&writer);
    json_key(&writer, "label");
    json_array(&writer);
    json_put_string(&writer, label);
    json_array_end(&writer);
    json_key(&writer, "event");
    json_array(&writer);
    for (size_t i = 0; i < COUNT_OF(event_names); i++)
        json_put_string(&writer, event_names[i]);
    json_array_end(&writer);
    json_object_end(&writer);
    str_add(ret, "/events?filters=");
    url_escape(ret, str_text(&filters), false);
    if (runtime->events.since_s > 0)
        str_addf(ret, "&since=%lld", (long long)runtime->events.since_s);
}

static void events_on_open(void *ctx)
{
    struct runtime *runtime = ctx;
    struct events *events = &runtime->events;
    if (runtime->closing)
        return;
    events->open = true;
    events->opened_at = uv_now(runtime->loop);
    (void)uv_timer_start(&events->watch, events_on_watch,
                         (uint64_t)runtime->options.ping_interval_ms, 0);
    events_tell(runtime, true, "");
    runtime->listener.on_hint(runtime->listener.ctx, NULL);
}

static bool events_on_data(void *ctx, const char *bytes, size_t len)
{
    struct runtime *runtime = ctx;
    lines_feed(&runtime->events.lines, bytes, len, events_on_line, runtime);
    return !runtime->closing;
}

/* A line that cannot be read still says that something happened. */
static void events_on_line(void *ctx, const char *line, size_t len)
{
    struct runtime *runtime = ctx;
    struct runtime_event event;
    if (runtime->closing)
        return;
    if (!line || runtime_event_parse(line, len, &event) < 0) {
        runtime->listener.on_hint(runtime->listener.ctx, NULL);
        return;
    }
    /* The newest, not the highest: the runtime's clock may have been set back. */
    if (event.time_s > 0)
        runtime->events.since_s = event.time_s;
    runtime->listener.on_hint(runtime->listener.ctx, event.container[0] ? event.container : NULL);
}

/* A clean end too is a reason to look, which the next opening gives. */
static void events_on_done(void *ctx, const struct http_answer *answer)
{
    struct runtime *runtime = ctx;
    struct events *events = &runtime->events;
    events->stream = NULL;
    if (runtime->closing)
        return;
    bool clean = events->open && answer->rc == 0 && !events->why[0];
    bool lived = events->open && uv_now(runtime->loop) - events->opened_at >= LIVED_MS;
    events->open = false;
    events->failures = lived ? 0 : events->failures;
    runtime->negotiated = false;
    (void)uv_timer_stop(&events->watch);
    if (!clean) {
        struct judgement judgement;
        runtime_judge(CALL_WATCH, "events", answer, &judgement);
        events_tell(runtime, false, events->why[0] ? events->why : judgement.text);
    }
    events_retry(runtime);
}

/* A stream that ended is most often a runtime that restarts, so the first time is quick. */
static void events_retry(struct runtime *runtime)
{
    struct events *events = &runtime->events;
    msec delay = RETRY_FIRST_MS;
    if (events->failures > 0) {
        int doublings = events->failures < 8 ? events->failures - 1 : 7;
        delay = (msec)RETRY_BASE_MS << doublings;
        if (delay > RETRY_MAX_MS)
            delay = RETRY_MAX_MS;
        delay = prng_jitter(&runtime->prng, delay, RETRY_JITTER_PERCENT);
    }
    events->failures++;
    uv_update_time(runtime->loop);
    (void)uv_timer_start(&events->retry, events_on_retry, (uint64_t)delay, 0);
}

static void events_on_retry(uv_timer_t *timer)
{
    events_open(timer->data);
}

static void events_on_watch(uv_timer_t *timer)
{
    struct runtime *runtime = timer->data;
    struct events *events = &runtime->events;
    if (!events->stream)
        return;
    if (!events->open) {
        (void)snprintf(events->why, sizeof events->why,
                       "the event stream of %.200s did not open within %d s", runtime->socket,
                       (int)(OPEN_MAX_MS / 1000));
        exchange_cancel(events->stream);
        return;
    }
    if (!events->ping)
        events->ping = exchange_send(runtime, &(struct exchange_spec){
                                                  .path = "/_ping",
                                                  .timeout_ms = PING_TIMEOUT_MS,
                                                  .unversioned = true,
                                                  .done = events_on_ping,
                                                  .ctx = runtime,
                                              });
}

static void events_on_ping(void *ctx, const struct http_answer *answer)
{
    struct runtime *runtime = ctx;
    struct events *events = &runtime->events;
    events->ping = NULL;
    if (runtime->closing || !events->stream || !events->open)
        return;
    if (answer->rc == 0 && answer->status == 200) {
        runtime->info.reachable = true;
        (void)uv_timer_start(&events->watch, events_on_watch,
                             (uint64_t)runtime->options.ping_interval_ms, 0);
        return;
    }
    struct judgement judgement;
    runtime_judge(CALL_WATCH, "ping", answer, &judgement);
    (void)snprintf(events->why, sizeof events->why, "%.500s", judgement.text);
    exchange_cancel(events->stream);
}

static void events_tell(struct runtime *runtime, bool up, const char *text)
{
    struct events *events = &runtime->events;
    bool known = up ? events->told == UP_YES : events->told == UP_NO;
    events->told = up ? UP_YES : UP_NO;
    if (!known)
        runtime->listener.on_up(runtime->listener.ctx, up, text);
}
