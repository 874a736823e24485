#include "berth/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/edge/runtime_inside.h"
#include "berth/assert.h"
#include "berth/memory.h"

#define CALL_TIMEOUT_MS SECONDS(30)
#define PULL_INACTIVITY_MS MINUTES(1)
#define PULL_TOTAL_MS MINUTES(120)
#define PULL_RETRY_MS 1100
#define PING_INTERVAL_MS SECONDS(30)
#define STOP_TIMEOUT_MAX_S (24 * 3600)

static int socket_path(const char *url, const char **ret, struct err *err);
static void simple_call(struct runtime *runtime, enum runtime_call call, const char *subject,
                        const struct exchange_spec *spec, runtime_done_fn done, void *ctx);
static void container_call(struct runtime *runtime, enum runtime_call call, const char *container,
                           const char *query, msec timeout_ms, runtime_done_fn done, void *ctx);
static void simple_on_done(void *ctx, const struct http_answer *answer);
static void runtime_on_pump(uv_timer_t *timer);
static void runtime_on_timer_closed(uv_handle_t *handle);
static void runtime_on_pool_closed(void *ctx);

/* The calls on one container that answer yes or no. The deadline is a multiple of
 * options.call_timeout_ms, the proportions are the ECS agent's. */
static const struct {
    const char *method, *path;
    int deadline;
} call_table[] = {
    [CALL_CREATE] = { "POST", "/containers/create", 8 },
    [CALL_START] = { "POST", "/start", 6 },
    [CALL_STOP] = { "POST", "/stop", 4 },
    [CALL_KILL] = { "POST", "/kill", 1 },
    [CALL_REMOVE] = { "DELETE", "", 10 },
};

void runtime_create(struct runtime *runtime, const char *name, const char *body, size_t body_len,
                    runtime_done_fn done, void *ctx)
{
    AUTO_STR struct str path;
    str_init(&path, URL_MAX);
    str_addf(&path, "%s?name=", call_table[CALL_CREATE].path);
    url_escape(&path, name, false);
    struct exchange_spec spec = {
        .method = call_table[CALL_CREATE].method,
        .path = str_text(&path),
        .body = body,
        .body_len = body_len,
        .timeout_ms = runtime->options.call_timeout_ms * call_table[CALL_CREATE].deadline,
    };
    simple_call(runtime, CALL_CREATE, name, &spec, done, ctx);
}

void runtime_start(struct runtime *runtime, const char *container, runtime_done_fn done, void *ctx)
{
    container_call(runtime, CALL_START, container, "", 0, done, ctx);
}

/* The runtime counts whole seconds; less than one would mean SIGKILL at once. */
void runtime_stop(struct runtime *runtime, const char *container, msec timeout_ms,
                  runtime_done_fn done, void *ctx)
{
    int64_t seconds = timeout_ms <= 0 ? 0 : timeout_ms / 1000 + (timeout_ms % 1000 > 0);
    if (seconds > STOP_TIMEOUT_MAX_S)
        seconds = STOP_TIMEOUT_MAX_S;
    char query[48];
    (void)snprintf(query, sizeof query, "?t=%lld", (long long)seconds);
    container_call(runtime, CALL_STOP, container, query, SECONDS(seconds), done, ctx);
}

void runtime_kill(struct runtime *runtime, const char *container, const char *signal,
                  runtime_done_fn done, void *ctx)
{
    AUTO_STR struct str query;
    str_init(&query, 128);
    str_add(&query, "?signal=");
    url_escape(&query, signal, false);
    container_call(runtime, CALL_KILL, container, str_text(&query), 0, done, ctx);
}

/* With its anonymous volumes, and never by force. */
void runtime_remove(struct runtime *runtime, const char *container, runtime_done_fn done, void *ctx)
{
    container_call(runtime, CALL_REMOVE, container, "?v=true", 0, done, ctx);
}

static void container_call(struct runtime *runtime, enum runtime_call call, const char *container,
                           const char *query, msec timeout_ms, runtime_done_fn done, void *ctx)
{
    ASSERT(container[0] != '\0');
    AUTO_STR struct str path;
    str_init(&path, URL_MAX);
    str_add(&path, "/containers/");
    url_escape(&path, container, false);
    str_add(&path, call_table[call].path);
    str_add(&path, query);
    struct exchange_spec spec = {
        .method = call_table[call].method,
        .path = str_text(&path),
        .timeout_ms = timeout_ms + runtime->options.call_timeout_ms * call_table[call].deadline,
    };
    simple_call(runtime, call, container, &spec, done, ctx);
}

struct simple {
    enum runtime_call call;
    char *subject;
    runtime_done_fn done;
    void *ctx;
};

static void simple_call(struct runtime *runtime, enum runtime_call call, const char *subject,
                        const struct exchange_spec *spec, runtime_done_fn done, void *ctx)
{
    struct simple *simple = memory_alloc(sizeof *simple);
    simple->call = call;
    simple->subject = memory_strdup(subject);
    simple->done = done;
    simple->ctx = ctx;
    struct exchange_spec own = *spec;
    own.done = simple_on_done;
    own.ctx = simple;
    (void)exchange_send(runtime, &own);
}

static void simple_on_done(void *ctx, const struct http_answer *answer)
{
    struct simple *simple = ctx;
    struct judgement judgement;
    runtime_judge(simple->call, simple->subject, answer, &judgement);
    simple->done(simple->ctx, &judgement.result);
    free(simple->subject);
    free(simple);
}

/* ------------------------------------------------------------------ life */

static msec or_default(msec value, msec fallback)
{
    return value > 0 ? value : fallback;
}

static void options_complete(struct runtime_options *options)
{
    options->call_timeout_ms = or_default(options->call_timeout_ms, CALL_TIMEOUT_MS);
    options->pull_inactivity_ms = or_default(options->pull_inactivity_ms, PULL_INACTIVITY_MS);
    options->pull_total_ms = or_default(options->pull_total_ms, PULL_TOTAL_MS);
    options->pull_retry_ms = or_default(options->pull_retry_ms, PULL_RETRY_MS);
    options->ping_interval_ms = or_default(options->ping_interval_ms, PING_INTERVAL_MS);
}

struct runtime *runtime_open(uv_loop_t *loop, const struct runtime_options *options,
                             const struct runtime_listener *listener, struct err *err)
{
    const char *path = NULL;
    if (socket_path(options->url, &path, err) < 0)
        return NULL;
    struct runtime *runtime = memory_alloc(sizeof *runtime);
    runtime->loop = loop;
    runtime->socket = memory_strdup(path);
    runtime->host_id = memory_strdup(options->host_id);
    runtime->options = *options;
    runtime->options.url = runtime->socket;
    runtime->options.host_id = runtime->host_id;
    options_complete(&runtime->options);
    runtime->listener = *listener;
    prng_seed(&runtime->prng, uv_hrtime() ^ (uint64_t)getpid() << 32);
    runtime->pool = http_pool_open(loop);
    (void)uv_timer_init(loop, &runtime->pump);
    runtime->pump.data = runtime;
    runtime->open_handles = 2; /* the pump and the pool */
    events_init(runtime);
    return runtime;
}

static int socket_path(const char *url, const char **ret, struct err *err)
{
    struct sockaddr_un address;
    if (!url || !str_starts(url, "unix://"))
        return err_say(err, -EINVAL, "runtime %s: only unix:///path/of.sock is possible",
                       url ? url : "");
    const char *path = url + strlen("unix://");
    if (path[0] != '/')
        return err_say(err, -EINVAL, "runtime %s: the path of the socket must be absolute", url);
    if (strlen(path) >= sizeof address.sun_path)
        return err_say(err, -ENAMETOOLONG, "runtime %s: the path of a socket has at most %zu bytes",
                       url, sizeof address.sun_path - 1);
    *ret = path;
    return 0;
}

const struct runtime_info *runtime_info(const struct runtime *runtime)
{
    return &runtime->info;
}

void runtime_close(struct runtime *runtime, void (*on_closed)(void *ctx), void *ctx)
{
    ASSERT(!runtime->closing);
    runtime->closing = true;
    runtime->on_closed = on_closed;
    runtime->ctx = ctx;
    events_close(runtime);
    pull_cancel_all(runtime);
    exchange_cancel_all(runtime);
    runtime_pump(runtime);
}

void runtime_pump(struct runtime *runtime)
{
    if (!runtime->finishing && !uv_is_active((uv_handle_t *)&runtime->pump))
        (void)uv_timer_start(&runtime->pump, runtime_on_pump, 0, 0);
}

void runtime_release(struct runtime *runtime)
{
    ASSERT(runtime->busy > 0);
    if (--runtime->busy == 0 && runtime->closing)
        runtime_pump(runtime);
}

static void runtime_on_pump(uv_timer_t *timer)
{
    struct runtime *runtime = timer->data;
    exchange_attend_all(runtime);
    if (!runtime->closing || runtime->busy > 0 || runtime->finishing)
        return;
    runtime->finishing = true;
    uv_close((uv_handle_t *)&runtime->pump, runtime_on_timer_closed);
    http_pool_close(runtime->pool, runtime_on_pool_closed, runtime);
}

static void runtime_on_timer_closed(uv_handle_t *handle)
{
    runtime_handle_closed(handle->data);
}

static void runtime_on_pool_closed(void *ctx)
{
    runtime_handle_closed(ctx);
}

void runtime_handle_closed(struct runtime *runtime)
{
    if (--runtime->open_handles > 0)
        return;
    void (*on_closed)(void *ctx) = runtime->on_closed;
    void *ctx = runtime->ctx;
    lines_release(&runtime->events.lines);
    free(runtime->socket);
    free(runtime->host_id);
    free(runtime);
    if (on_closed)
        on_closed(ctx);
}
