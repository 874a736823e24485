/* One probe: HTTP through http.h, TCP by connecting.
 *
 * All ends lead to probe_finish(), from the loop, once. */
#include "berth/probe.h"

#include <stdlib.h>

#include "berth/assert.h"
#include "berth/memory.h"
#include "berth/str.h"

#define BODY_MAX (16 * 1024)

struct probe {
    uv_loop_t *loop;
    probe_fn done;
    void *ctx;
    int64_t status_min, status_max;
    uint64_t started_ns;
    msec timeout_ms;
    bool healthy, cancelled;
    char text[200];

    struct http_request *request; /* HTTP */

    uv_timer_t deadline; /* TCP, and what fails before it begins */
    uv_tcp_t connection;
    uv_connect_t connecting;
    int open_handles;
    bool closing;
};

static void probe_tcp(struct probe *probe, const struct sockaddr *address);
static void probe_http(struct probe *probe, struct http_pool *pool, const char *address, int port,
                       const char *path);
static void probe_fail_soon(struct probe *probe, const char *text);

/* A numeric address, as the runtime tells it; names are not looked up. */
static int parse_address(const char *text, int port, struct sockaddr_storage *ret)
{
    if (strchr(text, ':'))
        return uv_ip6_addr(text, port, (struct sockaddr_in6 *)ret);
    return uv_ip4_addr(text, port, (struct sockaddr_in *)ret);
}

struct probe *probe_start(uv_loop_t *loop, struct http_pool *pool,
                          const struct probe_definition *definition, const char *address, int port,
                          probe_fn done, void *ctx)
{
    ASSERT(definition->protocol != PROBE_NONE);
    ASSERT(definition->timeout_ms > 0);
    struct probe *probe = memory_alloc(sizeof *probe);
    probe->loop = loop;
    probe->done = done;
    probe->ctx = ctx;
    probe->status_min = definition->status_min;
    probe->status_max = definition->status_max;
    probe->timeout_ms = definition->timeout_ms;
    probe->started_ns = uv_hrtime();

    struct sockaddr_storage parsed;
    if (port < 1 || port > 65535 || parse_address(address, port, &parsed) < 0)
        probe_fail_soon(probe,
                        *address ? "the task's address is not usable" : "the task has no address");
    else if (definition->protocol == PROBE_HTTP)
        probe_http(probe, pool, address, port, definition->path);
    else
        probe_tcp(probe, (const struct sockaddr *)&parsed);
    return probe;
}

static long long elapsed_ms(const struct probe *probe)
{
    return (long long)((uv_hrtime() - probe->started_ns) / 1000000);
}

/* What people know by name is said in few words; the rest names the peer. */
static void explain(struct probe *probe, int rc, const char *otherwise)
{
    if (rc == -ECONNREFUSED)
        (void)snprintf(probe->text, sizeof probe->text, "connection refused");
    else if (rc == -ETIMEDOUT)
        (void)snprintf(probe->text, sizeof probe->text, "no answer within %lld ms",
                       (long long)probe->timeout_ms);
    else if (rc == -ECANCELED)
        (void)snprintf(probe->text, sizeof probe->text, "cancelled");
    else
        (void)snprintf(probe->text, sizeof probe->text, "%s", otherwise);
}

static void probe_finish(struct probe *probe)
{
    if (probe->cancelled)
        explain(probe, -ECANCELED, "");
    probe->done(probe->ctx, probe->healthy && !probe->cancelled, probe->text);
    free(probe);
}

/* ------------------------------------------------------------------ HTTP */

static void probe_on_answer(void *ctx, const struct http_answer *answer)
{
    struct probe *probe = ctx;
    probe->request = NULL;
    if (answer->rc < 0) {
        explain(probe, answer->rc, answer->error);
    } else {
        probe->healthy = answer->status >= probe->status_min && answer->status <= probe->status_max;
        (void)snprintf(probe->text, sizeof probe->text, "HTTP %ld in %lld ms", answer->status,
                       elapsed_ms(probe));
    }
    probe_finish(probe);
}

static void probe_http(struct probe *probe, struct http_pool *pool, const char *address, int port,
                       const char *path)
{
    bool v6 = strchr(address, ':') != NULL;
    bool rooted = path && path[0] == '/';
    AUTO_FREE char *url = memory_printf("http://%s%s%s:%d%s%s", v6 ? "[" : "", address,
                                        v6 ? "]" : "", port, rooted ? "" : "/", path ? path : "");
    probe->request = http_send(pool, &(struct http_call){
                                         .url = url,
                                         .once = true,
                                         .body_max = BODY_MAX,
                                         .timeout_ms = probe->timeout_ms,
                                         .connect_timeout_ms = probe->timeout_ms,
                                         .done = probe_on_answer,
                                         .ctx = probe,
                                     });
}

/* ------------------------------------------------------------------ TCP */

static void probe_on_closed(uv_handle_t *handle)
{
    struct probe *probe = handle->data;
    if (--probe->open_handles == 0)
        probe_finish(probe);
}

static void probe_close(struct probe *probe)
{
    if (probe->closing)
        return;
    probe->closing = true;
    uv_close((uv_handle_t *)&probe->deadline, probe_on_closed);
    if (probe->open_handles > 1)
        uv_close((uv_handle_t *)&probe->connection, probe_on_closed);
}

static void probe_on_deadline(uv_timer_t *handle)
{
    struct probe *probe = handle->data;
    if (!probe->text[0])
        explain(probe, -ETIMEDOUT, "");
    probe_close(probe);
}

/* Also runs, with UV_ECANCELED, when the connection is closed before; it is too late then. */
static void probe_on_connect(uv_connect_t *connecting, int status)
{
    struct probe *probe = connecting->data;
    if (probe->closing)
        return;
    probe->healthy = status == 0;
    if (probe->healthy)
        (void)snprintf(probe->text, sizeof probe->text, "connected in %lld ms", elapsed_ms(probe));
    else
        explain(probe, status, uv_strerror(status));
    probe_close(probe);
}

static void start_deadline(struct probe *probe, msec after_ms)
{
    uv_timer_init(probe->loop, &probe->deadline);
    probe->deadline.data = probe;
    probe->open_handles++;
    uv_update_time(probe->loop);
    uv_timer_start(&probe->deadline, probe_on_deadline, (uint64_t)after_ms, 0);
}

static void probe_fail_soon(struct probe *probe, const char *text)
{
    (void)snprintf(probe->text, sizeof probe->text, "%s", text);
    start_deadline(probe, 0);
}

static void probe_tcp(struct probe *probe, const struct sockaddr *address)
{
    start_deadline(probe, probe->timeout_ms);
    uv_tcp_init(probe->loop, &probe->connection);
    probe->connection.data = probe;
    probe->open_handles++;
    probe->connecting.data = probe;
    int rc = uv_tcp_connect(&probe->connecting, &probe->connection, address, probe_on_connect);
    if (rc == 0)
        return;
    explain(probe, rc, uv_strerror(rc));
    uv_timer_start(&probe->deadline, probe_on_deadline, 0, 0);
}

void probe_cancel(struct probe *probe)
{
    probe->cancelled = true;
    if (probe->request)
        http_cancel(probe->request);
    else
        probe_close(probe);
}
