/* One request of the control socket: it arrives, is handed over once, and is answered once.
 *
 * libmicrohttpd calls control_on_request() when the headers are there, for every piece of the
 * body, when all is there, and again after control_resume(). */
#include "control_inside.h"

#include <stdlib.h>

#include "berth/assert.h"
#include "berth/json.h"
#include "berth/log.h"
#include "berth/memory.h"

#define ERROR_BODY_MAX 4096

/* ------------------------------------------------------------------ arriving */

static enum MHD_Result add_query(void *cls, enum MHD_ValueKind kind, const char *key,
                                 const char *value)
{
    (void)kind;
    struct control_request *request = cls;
    if (request->query_count == CONTROL_QUERY_MAX)
        return MHD_NO;
    request->query[request->query_count++] = (struct control_pair){
        .key = memory_strdup(key),
        .value = memory_strdup(value ? value : ""),
    };
    return MHD_YES;
}

static void refuse(struct control_request *request, int status, const char *code, const char *text)
{
    if (request->refusal)
        return;
    request->refusal = status;
    request->refusal_code = code;
    request->refusal_text = text;
}

static bool announces_too_much(struct MHD_Connection *connection)
{
    const char *text =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    int64_t announced;
    return text && parse_int(text, 0, CONTROL_REQUEST_MAX, &announced) < 0;
}

static void check_headers(struct control_request *request, struct MHD_Connection *connection)
{
    const struct control_peer *peer = request->peer;
    if (!peer->allowed) {
        log_warn("event=control_denied", "pid=%d uid=%d", peer->pid, peer->uid);
        refuse(request, MHD_HTTP_FORBIDDEN, "AccessDenied",
               "only root and members of the daemon's group may use this socket");
    }
    if (peer->turned_away)
        refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "TooManyConnections",
               "too many requests are being answered; try again later");
    if (peer->control->closing)
        refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "ShuttingDown", "the daemon is stopping");
    if (announces_too_much(connection))
        refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "RequestTooLarge",
               "the body is larger than the daemon accepts");
    if (!utf8_valid(request->path, strlen(request->path)))
        refuse(request, MHD_HTTP_BAD_REQUEST, "BadRequest", "the path is not valid UTF-8");
}

static struct control_request *request_new(struct control_peer *peer, const char *method,
                                           const char *path)
{
    struct control_request *request = memory_alloc(sizeof *request);
    request->loop = peer->control->loop;
    request->peer = peer;
    request->pid = peer->pid;
    request->uid = peer->uid;
    request->method = memory_strdup(method);
    request->path = memory_strdup(path);
    ASSERT(!peer->request);
    peer->request = request;
    return request;
}

static void body_drop(struct control_request *request)
{
    request->peer->control->uploading -= request->body_capacity;
    free(request->body);
    request->body = NULL;
    request->body_len = request->body_capacity = 0;
}

static void body_add(struct control_request *request, const char *bytes, size_t len)
{
    struct control *control = request->peer->control;
    if (request->refusal)
        return; /* the rest is read and dropped; the deadline bounds that */
    if (len > CONTROL_REQUEST_MAX - request->body_len) {
        body_drop(request);
        refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "RequestTooLarge",
               "the body is larger than the daemon accepts");
        return;
    }
    size_t needed = request->body_len + len + 1;
    if (needed > request->body_capacity) {
        size_t capacity = needed < 4096 ? 4096 : needed * 2;
        if (capacity > CONTROL_REQUEST_MAX + 1)
            capacity = CONTROL_REQUEST_MAX + 1;
        size_t more = capacity - request->body_capacity;
        if (more > CONTROL_UPLOADS_MAX - control->uploading) {
            body_drop(request);
            refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "TooManyUploads",
                   "too much is being uploaded at the same time; try again later");
            return;
        }
        control->uploading += more;
        request->body = memory_grow(request->body, capacity, 1);
        request->body_capacity = capacity;
    }
    memcpy(request->body + request->body_len, bytes, len);
    request->body_len += len;
    request->body[request->body_len] = '\0';
}

static void pairs_release(struct control_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(pairs[i].key);
        free(pairs[i].value);
    }
}

void control_request_free(struct control_request *request)
{
    free(request->body);
    pairs_release(request->query, request->query_count);
    pairs_release(request->headers, request->header_count);
    free(request->method);
    free(request->path);
    free(request);
}

/* ------------------------------------------------------------------ turns */

static enum MHD_Result request_queue(struct control_request *request)
{
    struct control_peer *peer = request->peer;
    enum MHD_Result queued =
        MHD_queue_response(peer->connection, (unsigned)request->status, request->response);
    MHD_destroy_response(TAKE(request->response));
    control_peer_set_deadline(peer, request->stream ? MSEC_NEVER : peer->control->deliver_ms);
    return queued;
}

static enum MHD_Result request_answer_refusal(struct control_request *request)
{
    request->handed = true;
    control_error(request, request->refusal, request->refusal_code, "%s", request->refusal_text);
    return request_queue(request);
}

static enum MHD_Result request_begin(struct control_request *request,
                                     struct MHD_Connection *connection)
{
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_query, request);
    check_headers(request, connection);
    if (request->refusal)
        return request_answer_refusal(request);
    return MHD_YES;
}

static enum MHD_Result request_complete(struct control_request *request)
{
    if (!request->handed && request->refusal)
        return request_answer_refusal(request);
    if (!request->handed) {
        struct control *control = request->peer->control;
        request->handed = true;
        control_peer_set_deadline(request->peer, MSEC_NEVER);
        control->handler(control->ctx, request);
    }
    if (request->response)
        return request_queue(request);
    control_suspend(request);
    return MHD_YES;
}

enum MHD_Result control_on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                   const char *method, const char *version, const char *upload,
                                   size_t *upload_len, void **context)
{
    (void)cls, (void)version;
    struct control_request *request = *context;
    if (!request) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        ASSERT(info && info->socket_context);
        request = request_new(info->socket_context, method, url);
        *context = request;
        return request_begin(request, connection);
    }
    if (*upload_len > 0) {
        body_add(request, upload, *upload_len);
        *upload_len = 0;
        return MHD_YES;
    }
    return request_complete(request);
}

/* The answer is delivered, or the connection broke. Runs exactly once per request. */
void control_on_completed(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_RequestTerminationCode code)
{
    (void)cls, (void)connection, (void)code;
    struct control_request *request = *context;
    if (!request)
        return;
    *context = NULL;
    struct control_peer *peer = request->peer;
    peer->control->uploading -= request->body_capacity;
    peer->request = NULL;
    request->peer = NULL;
    request->suspended = false;
    control_peer_await(peer);
    if (request->response)
        MHD_destroy_response(TAKE(request->response));
    if (request->stream)
        control_stream_closed(TAKE(request->stream));
    /* One that the handler still has is freed when it answers. */
    if (!request->handed || request->answered)
        control_request_free(request);
}

void control_suspend(struct control_request *request)
{
    ASSERT(!request->suspended);
    request->suspended = true;
    MHD_suspend_connection(request->peer->connection);
}

void control_resume(struct control_request *request)
{
    ASSERT(request->suspended);
    request->suspended = false;
    MHD_resume_connection(request->peer->connection);
    control_turn_soon(request->peer->control);
}

/* ------------------------------------------------------------------ for the handler */

const char *control_method(const struct control_request *request)
{
    return request->method;
}

const char *control_path(const struct control_request *request)
{
    return request->path;
}

const char *control_query(const struct control_request *request, const char *key)
{
    for (size_t i = 0; i < request->query_count; i++) {
        if (str_equal(request->query[i].key, key))
            return request->query[i].value;
    }
    return NULL;
}

const char *control_body(const struct control_request *request, size_t *ret_len)
{
    *ret_len = request->body_len;
    return request->body ? request->body : "";
}

void control_peer(const struct control_request *request, int *ret_pid, int *ret_uid)
{
    *ret_pid = request->pid;
    *ret_uid = request->uid;
}

void control_header(struct control_request *request, const char *name, const char *value)
{
    ASSERT(!request->answered);
    ASSERT(request->header_count < CONTROL_HEADERS_MAX);
    request->headers[request->header_count++] = (struct control_pair){
        .key = memory_strdup(name),
        .value = memory_strdup(value),
    };
}

void control_respond(struct control_request *request, int status, const char *content_type,
                     struct MHD_Response *response)
{
    ASSERT(request->handed);
    ASSERT(!request->answered);
    request->answered = true;
    if (!request->peer) {
        MHD_destroy_response(response);
        control_request_free(request);
        return;
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    for (size_t i = 0; i < request->header_count; i++)
        (void)MHD_add_response_header(response, request->headers[i].key, request->headers[i].value);
    request->status = status;
    request->response = response;
    if (request->suspended)
        control_resume(request);
}

void control_answer(struct control_request *request, int status, const char *content_type,
                    const char *body, size_t len)
{
    char *copy = memory_alloc(len + 1);
    if (len > 0)
        memcpy(copy, body, len);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, copy, MHD_RESPMEM_MUST_FREE);
    ASSERT(response); /* fails only for want of memory */
    control_respond(request, status, content_type, response);
}

void control_error(struct control_request *request, int status, const char *code,
                   const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);

    AUTO_STR struct str body;
    struct json_writer writer;
    str_init(&body, ERROR_BODY_MAX * 4);
    json_begin(&writer, &body);
    json_object(&writer);
    json_string_member(&writer, "code", code);
    json_string_member(&writer, "message", text);
    json_object_end(&writer);
    str_add_char(&body, '\n');
    control_answer(request, status, "application/json", str_text(&body), body.len);
}
