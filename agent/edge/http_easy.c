/* One http_call -> one libcurl handle, and the handle's callbacks. */
#include <curl/curl.h>
#include <string.h>
#include <uv.h>

#include "agent/edge/http_inside.h"
#include "berth/assert.h"
#include "berth/memory.h"
#include "berth/str.h"

#define CONNECT_TIMEOUT_MS SECONDS(10)
#define HEADER_MAX 8192

static void easy_prepare_method(struct http_request *request, const struct http_call *call);
static void easy_prepare_headers(struct http_request *request, const struct http_call *call);
static void easy_prepare_peer(CURL *easy, const struct http_call *call);
static void easy_add_header(struct http_request *request, const char *name, const char *value);
static size_t easy_on_header(char *line, size_t size, size_t count, void *ctx);
static size_t easy_on_body(char *bytes, size_t size, size_t count, void *ctx);
static size_t easy_stream(struct http_request *request, const char *bytes, size_t len);
static void easy_touch(struct http_request *request);
static void easy_on_idle(uv_timer_t *timer);

void http_easy_prepare(struct http_request *request, const struct http_call *call)
{
    CURL *easy = request->easy = curl_easy_init();
    ASSERT(easy != NULL);
    request->peer = http_peer_name(call);
    request->once = call->once;
    request->on_data = call->on_data;
    request->on_open = call->on_open;
    request->done = call->done;
    request->ctx = call->ctx;
    str_init(&request->received, call->body_max ? call->body_max : HTTP_BODY_MAX);
    http_head_init(&request->head);

    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
    (void)curl_easy_setopt(easy, CURLOPT_URL, call->url);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "berth/" BERTH_VERSION);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
    (void)curl_easy_setopt(
        easy, CURLOPT_CONNECTTIMEOUT_MS,
        (long)(call->connect_timeout_ms ? call->connect_timeout_ms : CONNECT_TIMEOUT_MS));
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->curl_error);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, easy_on_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, easy_on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    easy_prepare_peer(easy, call);
    easy_prepare_method(request, call);
    easy_prepare_headers(request, call);
}

static void easy_prepare_peer(CURL *easy, const struct http_call *call)
{
    bool https = strncmp(call->url, "https:", 6) == 0;
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, https ? "https" : "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, call->redirects_max > 0 ? 1L : 0L);
    (void)curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)call->redirects_max);
    if (call->ca_file && call->ca_file[0])
        (void)curl_easy_setopt(easy, CURLOPT_CAINFO, call->ca_file);
    if (call->once) {
        (void)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
    }
    if (call->unix_socket) {
        (void)curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, call->unix_socket);
        (void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
    } else {
        (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    }
}

/* CURLOPT_POSTFIELDS is not copied by libcurl. A POST without a body says Content-Length: 0. */
static void easy_prepare_method(struct http_request *request, const struct http_call *call)
{
    CURL *easy = request->easy;
    const char *method = call->method ? call->method : "GET";
    bool is_post = strcmp(method, "POST") == 0;
    if (call->body || is_post) {
        request->body = memory_alloc(call->body_len + 1);
        if (call->body)
            memcpy(request->body, call->body, call->body_len);
        (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
    }
    if (strcmp(method, "HEAD") == 0)
        (void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else if (!is_post && (call->body || strcmp(method, "GET") != 0))
        (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

/* "Name:" without a value takes libcurl's own header away: Expect makes it wait a second for a
 * server that does not know 100-continue. */
static void easy_prepare_headers(struct http_request *request, const struct http_call *call)
{
    const char *type = call->content_type ? call->content_type : "application/json";
    easy_add_header(request, "Expect", "");
    easy_add_header(request, "Content-Type", call->body ? type : "");
    if (call->if_none_match && call->if_none_match[0])
        easy_add_header(request, "If-None-Match", call->if_none_match);
    if (call->if_modified_since && call->if_modified_since[0])
        easy_add_header(request, "If-Modified-Since", call->if_modified_since);
    for (const char *const *header = call->headers; header && *header; header++) {
        request->headers = curl_slist_append(request->headers, *header);
        ASSERT(request->headers != NULL);
    }
    (void)curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, request->headers);
}

static void easy_add_header(struct http_request *request, const char *name, const char *value)
{
    AUTO_STR struct str line;
    str_init(&line, HEADER_MAX);
    str_addf(&line, "%s:%s%s", name, value[0] ? " " : "", value);
    request->headers = curl_slist_append(request->headers, str_text(&line));
    ASSERT(request->headers != NULL);
}

static bool easy_streams(struct http_request *request)
{
    long status = 0;
    (void)curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    return request->on_data && status >= 200 && status < 300;
}

static size_t easy_on_header(char *line, size_t size, size_t count, void *ctx)
{
    struct http_request *request = ctx;
    size_t len = size * count;
    if (request->ending)
        return 0;
    easy_touch(request);
    http_head_line(&request->head, line, len);
    bool blank = len == 2 && line[0] == '\r';
    if (blank && !request->opened && easy_streams(request)) {
        request->opened = true;
        if (request->on_open)
            request->on_open(request->ctx);
    }
    return len;
}

/* Taking fewer bytes than offered ends the transfer. */
static size_t easy_on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct http_request *request = ctx;
    size_t len = size * count;
    if (request->ending)
        return 0;
    easy_touch(request);
    if (easy_streams(request))
        return easy_stream(request, bytes, len);
    str_add_len(&request->received, bytes, len);
    if (!request->received.truncated)
        return len;
    if (request->once) {
        http_request_decide(request, 0, "");
        return 0;
    }
    char why[80];
    (void)snprintf(why, sizeof why, "the answer is longer than %zu bytes", request->received.max);
    http_request_decide(request, -EFBIG, why);
    return 0;
}

static size_t easy_stream(struct http_request *request, const char *bytes, size_t len)
{
    if (request->paused) {
        request->held = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (request->on_data(request->ctx, bytes, len))
        return len;
    http_request_decide(request, -ECANCELED, "ended by its reader");
    return 0;
}

/* The idle watchdog. It starts with the transfer, so it covers a peer that never answers. */
static void easy_touch(struct http_request *request)
{
    if (request->idle_ms > 0)
        (void)uv_timer_start(&request->idle, easy_on_idle, (uint64_t)request->idle_ms, 0);
}

static void easy_on_idle(uv_timer_t *timer)
{
    struct http_request *request = timer->data;
    if (request->paused || request->held) {
        easy_touch(request);
        return;
    }
    char why[80];
    (void)snprintf(why, sizeof why, "silent for %lld ms", (long long)request->idle_ms);
    http_request_decide(request, -ETIMEDOUT, why);
}

void http_easy_begin(struct http_request *request)
{
    uv_update_time(request->pool->loop);
    easy_touch(request);
}
