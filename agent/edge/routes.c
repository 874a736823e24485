/* The table of routes, the way to a row, and the life of what outlives one request. */
#include <stdlib.h>
#include <string.h>

#include "agent/edge/routes_internal.h"
#include "berth/assert.h"
#include "berth/log.h"
#include "berth/memory.h"

#define ROUTES_LOOK_MS 25

static void route_version(struct route_call *call);
static void route_config(struct route_call *call);

struct route {
    const char *method, *path; /* one "*" stands for a part that names something */
    void (*run)(struct route_call *call);
    bool changes; /* what runs: who asked for it is logged */
};

static const struct route routes_table[] = {
    { .method = "GET", .path = "/v1/status", .run = route_status },
    { .method = "GET", .path = "/v1/services", .run = route_services },
    { .method = "GET", .path = "/v1/services/*", .run = route_service },
    { .method = "POST", .path = "/v1/services/*/restart", .run = route_restart, .changes = true },
    { .method = "GET", .path = "/v1/tasks", .run = route_tasks },
    { .method = "POST", .path = "/v1/tasks/*/stop", .run = route_stop, .changes = true },
    { .method = "GET", .path = "/v1/tasks/*/logs", .run = route_logs },
    { .method = "POST", .path = "/v1/validate", .run = route_validate },
    { .method = "POST", .path = "/v1/plan", .run = route_plan },
    { .method = "POST", .path = "/v1/poll", .run = route_poll },
    { .method = "GET", .path = "/v1/events", .run = route_events },
    { .method = "GET", .path = "/v1/why/*", .run = route_why },
    { .method = "GET", .path = "/v1/config", .run = route_config },
    { .method = "GET", .path = "/v1/version", .run = route_version },
};

/* ------------------------------------------------------------------ finding the row */

static bool part_copy(const char *start, size_t len, char ret[ROUTES_PART_MAX])
{
    if (len == 0 || len >= ROUTES_PART_MAX)
        return false;
    memcpy(ret, start, len);
    ret[len] = '\0';
    return true;
}

static bool path_matches(const char *pattern, const char *path, char ret_part[ROUTES_PART_MAX])
{
    const char *star = strchr(pattern, '*');
    if (!star)
        return str_equal(pattern, path);
    size_t before = (size_t)(star - pattern), after = strlen(star + 1), len = strlen(path);
    if (len <= before + after || strncmp(pattern, path, before) != 0)
        return false;
    if (!str_equal(star + 1, path + len - after))
        return false;
    size_t part = len - before - after;
    return !memchr(path + before, '/', part) && part_copy(path + before, part, ret_part);
}

/* Returns the row, or NULL with the methods that this path does have ("" = unknown path). */
static const struct route *route_find(const char *method, const char *path,
                                      char ret_part[ROUTES_PART_MAX], const char **ret_allow)
{
    *ret_allow = "";
    for (size_t i = 0; i < COUNT_OF(routes_table); i++) {
        const struct route *route = &routes_table[i];
        if (!path_matches(route->path, path, ret_part))
            continue;
        if (str_equal(route->method, method))
            return route;
        *ret_allow = route->method;
    }
    return NULL;
}

static void answer_no_route(struct control_request *request, const char *allow)
{
    const char *path = control_path(request);
    if (!*allow) {
        control_error(request, 404, "NotFound", "there is no %.200s", path);
        return;
    }
    control_header(request, "Allow", allow);
    control_error(request, 405, "MethodNotAllowed", "%.200s takes %s, not %.20s", path, allow,
                  control_method(request));
}

void routes_log_change(struct control_request *request)
{
    int pid = 0, uid = 0;
    control_peer(request, &pid, &uid);
    log_info("event=control_request", "method=%s path=%s pid=%d uid=%d", control_method(request),
             LOG_VALUE(control_path(request)), pid, uid);
}

void routes_handle(void *ctx, struct control_request *request)
{
    struct routes *routes = ctx;
    if (routes->closing) {
        control_error(request, 503, "ShuttingDown", "the agent is shutting down");
        return;
    }
    struct route_call call;
    const char *allow;
    routes_call_init(routes, request, &call);
    const struct route *route =
        route_find(control_method(request), control_path(request), call.part, &allow);
    if (!route) {
        answer_no_route(request, allow);
        return;
    }
    if (route->changes)
        routes_log_change(request);
    route->run(&call);
}

void routes_call_init(struct routes *routes, struct control_request *request,
                      struct route_call *ret)
{
    const struct host *host = &routes->options.driver->host;
    *ret = (struct route_call){
        .routes = routes,
        .request = request,
        .core = routes->options.driver->core,
        .now = host->now(host->self),
        .wall = host->wall(host->self),
    };
}

/* ------------------------------------------------------------------ things that outlive a call */

static void routes_arm(struct routes *routes, msec in_ms);

static struct routes_item *routes_unseen(struct routes *routes)
{
    for (struct routes_item *item = routes->items; item; item = item->next)
        if (item->round != routes->round)
            return item;
    return NULL;
}

/* Answering one item may end it, and any other, before the call is back: search anew each time. */
static void routes_look(struct routes *routes)
{
    struct routes_item *item;
    bool timed = false;
    routes->round++;
    while ((item = routes_unseen(routes))) {
        item->round = routes->round;
        item->look(item);
    }
    for (item = routes->items; item; item = item->next)
        timed |= item->timed;
    if (timed && !routes->closing)
        routes_arm(routes, ROUTES_LOOK_MS);
}

static void routes_on_timer(uv_timer_t *timer)
{
    routes_look(timer->data);
}

static void routes_arm(struct routes *routes, msec in_ms)
{
    int rc = uv_timer_start(&routes->timer, routes_on_timer, (uint64_t)in_ms, 0);
    ASSERT(rc == 0);
}

void routes_changed(struct routes *routes)
{
    if (!routes->closing && routes->items)
        routes_arm(routes, 0);
}

static void routes_closed_maybe(struct routes *routes)
{
    if (!routes->timer_closed || routes->items)
        return;
    void (*on_closed)(void *) = routes->on_closed;
    void *ctx = routes->on_closed_ctx;
    free(routes->version);
    free(routes);
    if (on_closed)
        on_closed(ctx);
}

void routes_item_add(struct routes *routes, struct routes_item *item)
{
    item->routes = routes;
    item->next = routes->items;
    routes->items = item;
    if (item->timed)
        routes_arm(routes, ROUTES_LOOK_MS);
}

void routes_item_remove(struct routes_item *item)
{
    struct routes *routes = item->routes;
    struct routes_item **link = &routes->items;
    while (*link && *link != item)
        link = &(*link)->next;
    ASSERT(*link == item);
    *link = item->next;
    routes_closed_maybe(routes);
}

struct routes *routes_open(const struct routes_options *options)
{
    ASSERT(options->driver);
    ASSERT(options->config);
    struct routes *routes = memory_alloc(sizeof *routes);
    routes->options = *options;
    routes->version = memory_strdup(options->version);
    if (routes->options.poll_timeout_ms == 0)
        routes->options.poll_timeout_ms = SECONDS(60);
    int rc = uv_timer_init(options->loop, &routes->timer);
    ASSERT(rc == 0);
    routes->timer.data = routes;
    return routes;
}

static void routes_on_timer_closed(uv_handle_t *handle)
{
    struct routes *routes = handle->data;
    routes->timer_closed = true;
    routes_closed_maybe(routes);
}

void routes_close(struct routes *routes, void (*on_closed)(void *ctx), void *ctx)
{
    if (routes->closing)
        return;
    routes->closing = true;
    routes->on_closed = on_closed;
    routes->on_closed_ctx = ctx;
    uv_close((uv_handle_t *)&routes->timer, routes_on_timer_closed);
    routes_look(routes);
}

/* ------------------------------------------------------------------ shared by the routes */

void routes_answer(struct control_request *request, int status, struct str *out)
{
    str_add_char(out, '\n');
    if (out->truncated)
        control_error(request, 500, "AnswerTooLarge", "the answer is larger than %d bytes",
                      ROUTES_ANSWER_MAX);
    else
        control_answer(request, status, "application/json", str_text(out), out->len);
    str_release(out);
}

int routes_query_int(struct route_call *call, const char *key, int64_t min, int64_t max,
                     int64_t fallback, int64_t *ret)
{
    const char *text = control_query(call->request, key);
    if (!text) {
        *ret = fallback;
        return 0;
    }
    int rc = parse_int(text, min, max, ret);
    if (rc < 0)
        control_error(call->request, 400, "InvalidParameter",
                      "%s=%.40s: it must be a whole number from %lld to %lld", key, text,
                      (long long)min, (long long)max);
    return rc;
}

bool routes_query_flag(struct route_call *call, const char *key)
{
    const char *text = control_query(call->request, key);
    return text && (str_equal(text, "1") || str_equal(text, "true") || str_equal(text, ""));
}

msec routes_wall(const struct route_call *call, msec at)
{
    if (at <= 0 || at == MSEC_NEVER)
        return 0;
    return call->wall + (at - call->now);
}

void routes_text_member(struct json_writer *writer, const char *key, const char *text)
{
    json_string_member(writer, key, text && *text ? text : NULL);
}

/* ------------------------------------------------------------------ the two smallest */

static void route_version(struct route_call *call)
{
    struct str out;
    struct json_writer writer;
    str_init(&out, ROUTES_ANSWER_MAX);
    json_begin(&writer, &out);
    json_object(&writer);
    json_string_member(&writer, "version", call->routes->version);
    json_string_member(&writer, "api", "v1");
    json_object_end(&writer);
    routes_answer(call->request, 200, &out);
}

static void route_config(struct route_call *call)
{
    struct str out;
    struct json_writer writer;
    str_init(&out, ROUTES_ANSWER_MAX);
    json_begin(&writer, &out);
    config_render(call->routes->options.config, &writer);
    routes_answer(call->request, 200, &out);
}
