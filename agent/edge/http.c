#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "agent/edge/http_inside.h"
#include "berth/assert.h"
#include "berth/http.h"
#include "berth/memory.h"

static void request_explain(struct http_request *request, CURLcode code);
static void pool_on_pump(uv_timer_t *timer);
static void pool_attend(struct http_request *request);
static void pool_finish(struct http_pool *pool);
static void pool_on_closed(uv_handle_t *handle);
static void request_end(struct http_request *request);
static void request_on_closed(uv_handle_t *handle);

struct http_request *http_send(struct http_pool *pool, const struct http_call *call)
{
    ASSERT(!pool->finishing);
    ASSERT(call->url != NULL);
    ASSERT(call->done != NULL);
    ASSERT(call->timeout_ms > 0 || call->on_data != NULL);

    struct http_request *request = memory_alloc(sizeof *request);
    request->pool = pool;
    request->idle_ms = call->idle_ms;
    http_easy_prepare(request, call);

    (void)uv_timer_init(pool->loop, &request->idle);
    request->idle.data = request;
    pool->open_handles++;
    http_easy_begin(request);

    request->previous = pool->last;
    *(pool->last ? &pool->last->next : &pool->first) = request;
    pool->last = request;
    if (pool->closing)
        http_request_decide(request, -ECANCELED, "berth is closing its connections");
    http_pump(pool);
    return request;
}

void http_cancel(struct http_request *request)
{
    http_request_decide(request, -ECANCELED, "cancelled");
}

void http_pause(struct http_request *request)
{
    request->paused = true;
}

/* libcurl hands out the piece that it holds from inside curl_easy_pause(); a caller of
 * http_resume() does not expect on_data from there. */
void http_resume(struct http_request *request)
{
    request->paused = false;
    if (request->held)
        http_pump(request->pool);
}

/* Decide how the request ends; the pump ends it. The first decision stands. */
void http_request_decide(struct http_request *request, int rc, const char *why)
{
    if (request->ending)
        return;
    request->ending = true;
    request->rc = rc;
    (void)snprintf(request->why, sizeof request->why, "%s", why);
    http_pump(request->pool);
}

/* libcurl is done with it. Runs from the loop, outside of libcurl. */
void http_request_finish(struct http_request *request, CURLcode code)
{
    long os_errno = 0;
    (void)curl_easy_getinfo(request->easy, CURLINFO_OS_ERRNO, &os_errno);
    if (!request->ending) {
        request->ending = true;
        request->rc = http_code_to_rc(code, os_errno);
        request_explain(request, code);
    }
    request_end(request);
}

/* libcurl's text for a failed connection speaks of its own URL ("runtime port 80"), not of the
 * socket, and not of the reason. */
static void request_explain(struct http_request *request, CURLcode code)
{
    char reason[128];
    const char *text = request->curl_error[0] ? request->curl_error : curl_easy_strerror(code);
    if (code == CURLE_COULDNT_CONNECT)
        text = strerror_r(-request->rc, reason, sizeof reason);
    (void)snprintf(request->why, sizeof request->why, "%s", text);
}

struct http_pool *http_pool_open(uv_loop_t *loop)
{
    /* Counted by libcurl; only the first call does anything. */
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    ASSERT(code == CURLE_OK);
    struct http_pool *pool = memory_alloc(sizeof *pool);
    pool->loop = loop;
    (void)uv_timer_init(loop, &pool->timer);
    (void)uv_timer_init(loop, &pool->pump);
    pool->timer.data = pool;
    pool->pump.data = pool;
    pool->open_handles = 2;
    http_loop_open(pool);
    return pool;
}

void http_pool_close(struct http_pool *pool, void (*on_closed)(void *ctx), void *ctx)
{
    ASSERT(!pool->closing);
    pool->closing = true;
    pool->on_closed = on_closed;
    pool->ctx = ctx;
    for (struct http_request *request = pool->first; request; request = request->next)
        http_request_decide(request, -ECANCELED, "cancelled");
    http_pump(pool);
}

void http_pump(struct http_pool *pool)
{
    if (!uv_is_active((uv_handle_t *)&pool->pump))
        (void)uv_timer_start(&pool->pump, pool_on_pump, 0, 0);
}

/* done() may send (at the end of the list) and decide about others, but nothing ends another
 * request from in here, so `next` stays valid. */
static void pool_on_pump(uv_timer_t *timer)
{
    struct http_pool *pool = timer->data;
    for (struct http_request *request = pool->first, *next; request; request = next) {
        next = request->next;
        pool_attend(request);
    }
    if (pool->closing && !pool->first)
        pool_finish(pool);
}

static void pool_attend(struct http_request *request)
{
    if (request->ending) {
        request_end(request);
        return;
    }
    if (!request->multi) {
        http_loop_add(request);
        return;
    }
    if (!request->held || request->paused)
        return;
    request->held = false;
    CURLcode code = curl_easy_pause(request->easy, CURLPAUSE_CONT);
    if (code != CURLE_OK)
        http_request_finish(request, code);
}

static void pool_finish(struct http_pool *pool)
{
    pool->finishing = true;
    http_loop_close(pool);
    uv_close((uv_handle_t *)&pool->timer, pool_on_closed);
    uv_close((uv_handle_t *)&pool->pump, pool_on_closed);
}

static void pool_on_closed(uv_handle_t *handle)
{
    http_handle_closed(handle->data);
}

void http_handle_closed(struct http_pool *pool)
{
    if (--pool->open_handles > 0)
        return;
    void (*on_closed)(void *ctx) = pool->on_closed;
    void *ctx = pool->ctx;
    free(pool);
    curl_global_cleanup();
    if (on_closed)
        on_closed(ctx);
}

/* The only place where done() is called. */
static void request_end(struct http_request *request)
{
    struct http_pool *pool = request->pool;
    long status = 0;
    (void)curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    http_loop_remove(request);
    *(request->previous ? &request->previous->next : &pool->first) = request->next;
    *(request->next ? &request->next->previous : &pool->last) = request->previous;

    http_head_end(&request->head, (int64_t)time(NULL));
    char error[CURL_ERROR_SIZE + 512] = "";
    if (request->rc < 0)
        (void)snprintf(error, sizeof error, "%s: %s", request->peer, request->why);
    request->done(request->ctx, &(struct http_answer){
                                    .rc = request->rc,
                                    .status = request->rc < 0 ? 0 : status,
                                    .body = str_text(&request->received),
                                    .len = request->received.len,
                                    .etag = request->head.etag,
                                    .last_modified = request->head.last_modified,
                                    .retry_after_ms = request->head.retry_after_ms,
                                    .max_age_ms = request->head.max_age_ms,
                                    .error = error,
                                });
    uv_close((uv_handle_t *)&request->idle, request_on_closed);
}

static void request_on_closed(uv_handle_t *handle)
{
    struct http_request *request = handle->data;
    struct http_pool *pool = request->pool;
    curl_easy_cleanup(request->easy);
    curl_slist_free_all(request->headers);
    str_release(&request->received);
    free(request->body);
    free(request->peer);
    free(request);
    http_handle_closed(pool);
}
