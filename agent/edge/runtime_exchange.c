/* One HTTP exchange with the runtime, and what comes before the first: the version.
 *
 * Exchanges wait in the runtime's list until /version has been answered. After a lost connection
 * the next one asks again, because what answers then may be another version. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/edge/runtime_inside.h"
#include "berth/assert.h"
#include "berth/json.h"
#include "berth/memory.h"

static void exchange_begin(struct exchange *exchange);
static void exchange_on_done(void *ctx, const struct http_answer *answer);
static bool exchange_on_data(void *ctx, const char *bytes, size_t len);
static void exchange_on_open(void *ctx);
static void exchange_end(struct exchange *exchange, const struct http_answer *answer);
static void exchange_give_up(struct exchange *exchange, int rc, const char *why);
static void negotiate(struct runtime *runtime);
static void negotiate_on_done(void *ctx, const struct http_answer *answer);
static int negotiate_take(struct runtime *runtime, const struct http_answer *answer,
                          struct err *err);
static void connection_judge(struct runtime *runtime, const struct http_answer *answer);

struct exchange *exchange_send(struct runtime *runtime, const struct exchange_spec *spec)
{
    ASSERT(!runtime->finishing);
    struct exchange *exchange = memory_alloc(sizeof *exchange);
    exchange->runtime = runtime;
    exchange->spec = *spec;
    exchange->method = memory_strdup(spec->method ? spec->method : "GET");
    exchange->path = memory_strdup(spec->path);
    exchange->body = spec->body ? memory_strndup(spec->body, spec->body_len) : NULL;
    exchange->previous = runtime->last;
    *(runtime->last ? &runtime->last->next : &runtime->first) = exchange;
    runtime->last = exchange;
    runtime->busy++;

    if (runtime->closing)
        exchange_give_up(exchange, -ECANCELED, "cancelled");
    else if (runtime->negotiated || spec->unversioned)
        exchange_begin(exchange);
    else
        negotiate(runtime);
    return exchange;
}

void exchange_cancel(struct exchange *exchange)
{
    if (exchange->request)
        http_cancel(exchange->request);
    else
        exchange_give_up(exchange, -ECANCELED, "cancelled");
}

void exchange_pause(struct exchange *exchange)
{
    exchange->paused = true;
    if (exchange->request)
        http_pause(exchange->request);
}

void exchange_resume(struct exchange *exchange)
{
    exchange->paused = false;
    if (exchange->request)
        http_resume(exchange->request);
}

void exchange_cancel_all(struct runtime *runtime)
{
    if (runtime->negotiation)
        http_cancel(runtime->negotiation);
    for (struct exchange *exchange = runtime->first; exchange; exchange = exchange->next)
        exchange_cancel(exchange);
}

/* done() may send (at the end of the list) and cancel others (a note), so `next` stays valid. */
void exchange_attend_all(struct runtime *runtime)
{
    for (struct exchange *exchange = runtime->first, *next; exchange; exchange = next) {
        next = exchange->next;
        if (exchange->ended && !exchange->request)
            exchange_end(exchange, &(struct http_answer){ .rc = exchange->rc,
                                                          .body = "",
                                                          .etag = "",
                                                          .last_modified = "",
                                                          .retry_after_ms = -1,
                                                          .max_age_ms = -1,
                                                          .error = exchange->why });
    }
}

static void exchange_begin(struct exchange *exchange)
{
    struct runtime *runtime = exchange->runtime;
    const struct exchange_spec *spec = &exchange->spec;
    AUTO_STR struct str url;
    str_init(&url, URL_MAX);
    str_add(&url, "http://runtime");
    if (!spec->unversioned)
        str_addf(&url, "/v%d.%d", runtime->api / 1000, runtime->api % 1000);
    str_add(&url, exchange->path);
    if (url.truncated) {
        exchange_give_up(exchange, -ENAMETOOLONG, "the name is too long to ask for");
        return;
    }
    exchange->request =
        http_send(runtime->pool, &(struct http_call){
                                     .method = exchange->method,
                                     .url = str_text(&url),
                                     .unix_socket = runtime->socket,
                                     .body = exchange->body,
                                     .body_len = spec->body_len,
                                     .timeout_ms = spec->timeout_ms,
                                     .idle_ms = spec->idle_ms,
                                     .on_data = spec->on_data ? exchange_on_data : NULL,
                                     .on_open = exchange_on_open,
                                     .done = exchange_on_done,
                                     .ctx = exchange,
                                 });
    if (exchange->paused)
        http_pause(exchange->request);
}

static bool exchange_on_data(void *ctx, const char *bytes, size_t len)
{
    struct exchange *exchange = ctx;
    return exchange->spec.on_data(exchange->spec.ctx, bytes, len);
}

static void exchange_on_open(void *ctx)
{
    struct exchange *exchange = ctx;
    if (exchange->spec.on_open)
        exchange->spec.on_open(exchange->spec.ctx);
}

static void exchange_on_done(void *ctx, const struct http_answer *answer)
{
    struct exchange *exchange = ctx;
    connection_judge(exchange->runtime, answer);
    exchange_end(exchange, answer);
}

static void exchange_give_up(struct exchange *exchange, int rc, const char *why)
{
    if (exchange->ended)
        return;
    exchange->ended = true;
    exchange->rc = rc;
    (void)snprintf(exchange->why, sizeof exchange->why, "%s", why);
    runtime_pump(exchange->runtime);
}

static void exchange_end(struct exchange *exchange, const struct http_answer *answer)
{
    struct runtime *runtime = exchange->runtime;
    *(exchange->previous ? &exchange->previous->next : &runtime->first) = exchange->next;
    *(exchange->next ? &exchange->next->previous : &runtime->last) = exchange->previous;
    exchange->spec.done(exchange->spec.ctx, answer);
    free(exchange->method);
    free(exchange->path);
    free(exchange->body);
    free(exchange);
    runtime_release(runtime);
}

/* A slow answer says nothing about the connection; these do. */
static void connection_judge(struct runtime *runtime, const struct http_answer *answer)
{
    bool lost = answer->rc < 0 && answer->rc != -ECANCELED && answer->rc != -ETIMEDOUT &&
                answer->rc != -EFBIG;
    /* The runtime was replaced while we held on to a connection or to its old version. */
    bool other_version =
        answer->rc == 0 && answer->status == 400 && strstr(answer->body, "client version") != NULL;
    if (lost || other_version)
        runtime->negotiated = false;
    if (lost)
        runtime->info.reachable = false;
}

/* ------------------------------------------------------------------ negotiation */

static void negotiate(struct runtime *runtime)
{
    if (runtime->negotiation)
        return;
    runtime->busy++;
    runtime->negotiation = http_send(
        runtime->pool, &(struct http_call){ .url = "http://runtime/version",
                                            .unix_socket = runtime->socket,
                                            .timeout_ms = runtime->options.call_timeout_ms,
                                            .body_max = 1024 * 1024,
                                            .done = negotiate_on_done,
                                            .ctx = runtime });
}

static void negotiate_on_done(void *ctx, const struct http_answer *answer)
{
    struct runtime *runtime = ctx;
    struct err err = ERR_NONE;
    runtime->negotiation = NULL;
    int rc = negotiate_take(runtime, answer, &err);
    runtime->negotiated = rc == 0;
    runtime->info.reachable = rc == 0;
    for (struct exchange *exchange = runtime->first; exchange; exchange = exchange->next) {
        if (exchange->request || exchange->ended)
            continue;
        if (rc == 0 && !runtime->closing)
            exchange_begin(exchange);
        else
            exchange_give_up(exchange, rc < 0 ? rc : -ECANCELED, err.text);
    }
    runtime_release(runtime);
}

/* Podman names itself among the components; Docker's own name depends on who packaged it. */
static bool version_is_podman(const cJSON *json)
{
    const cJSON *component;
    cJSON_ArrayForEach(component, json_get(json, "Components"))
        if (strcasestr(json_string(component, "Name", ""), "podman"))
            return true;
    return false;
}

static int negotiate_take(struct runtime *runtime, const struct http_answer *answer,
                          struct err *err)
{
    if (answer->rc < 0)
        return err_say(err, answer->rc, "%s", answer->error);
    if (answer->status != 200) {
        char message[RUNTIME_MESSAGE_MAX];
        runtime_message(answer->body, answer->len, message);
        return err_say(err, -EPROTO, "GET /version at %s: HTTP %ld: %s", runtime->socket,
                       answer->status, message);
    }
    AUTO_JSON cJSON *json = NULL;
    int rc = json_parse_answer(answer->body, answer->len, &json, err);
    if (rc < 0) {
        (void)err_wrap(err, "GET /version at %s", runtime->socket);
        return -EPROTO;
    }
    const char *theirs = json_string(json, "ApiVersion", "");
    const char *oldest = json_string(json, "MinAPIVersion", "");
    int newest_api = api_version_parse(theirs), oldest_api = api_version_parse(oldest);
    if (newest_api < 0)
        return err_say(err, -EPROTO, "GET /version at %s: no usable ApiVersion", runtime->socket);
    int api = newest_api < API_NEWEST ? newest_api : API_NEWEST;
    if (api < API_OLDEST || oldest_api > API_NEWEST)
        return err_say(err, -EPROTONOSUPPORT,
                       "the runtime at %s speaks API %.15s to %.15s; berth needs 1.40 to 1.44",
                       runtime->socket, oldest[0] ? oldest : "?", theirs);
    runtime->api = api;
    struct runtime_info *info = &runtime->info;
    (void)snprintf(info->name, sizeof info->name, "%s",
                   version_is_podman(json) ? "podman" : "docker");
    (void)snprintf(info->version, sizeof info->version, "%s", json_string(json, "Version", ""));
    (void)snprintf(info->api_version, sizeof info->api_version, "%d.%d", api / 1000, api % 1000);
    return 0;
}
