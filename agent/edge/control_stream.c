/* An answer of unknown length.
 *
 * libmicrohttpd asks for bytes when the client can take some (stream_read). With nothing queued
 * the connection is suspended, and the next write resumes it. What is queued here is exactly what
 * the client lags behind, but for one buffer of libmicrohttpd and the kernel's. */
#include "control_inside.h"

#include <stdlib.h>

#include "berth/assert.h"
#include "berth/log.h"
#include "berth/memory.h"

#define BLOCK_SIZE (32 * 1024)

struct control_stream {
    struct control_request *request; /* NULL: the connection was gone from the start */
    char *bytes;                     /* queued are bytes[start .. start + len] */
    size_t start, len, capacity;
    bool ended;       /* the sender is through */
    bool cut;         /* the client is, or was too slow */
    bool drained_due; /* on_drained is owed */
    void (*on_close)(void *ctx);
    void (*on_drained)(void *ctx);
    void *ctx;
    uv_timer_t farewell; /* only of a stream without a connection */
};

static ssize_t stream_read(void *cls, uint64_t position, char *buffer, size_t max)
{
    (void)position;
    struct control_stream *stream = cls;
    if (stream->cut)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (stream->len == 0 && stream->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (stream->len == 0) {
        control_suspend(stream->request);
        return 0;
    }
    size_t n = stream->len < max ? stream->len : max;
    memcpy(buffer, stream->bytes + stream->start, n);
    stream->start += n;
    stream->len -= n;
    if (stream->len == 0) {
        stream->start = 0;
        stream->drained_due = true;
    }
    return (ssize_t)n;
}

void control_stream_drained(struct control_stream *stream)
{
    if (!stream->drained_due)
        return;
    stream->drained_due = false;
    if (stream->on_drained && !stream->ended && !stream->cut && stream->len == 0)
        stream->on_drained(stream->ctx);
}

void control_stream_closed(struct control_stream *stream)
{
    stream->on_close(stream->ctx);
    free(stream->bytes);
    free(stream);
}

/* ------------------------------------------------------------------ a client that is gone */

static void stream_on_farewell_closed(uv_handle_t *handle)
{
    control_stream_closed(handle->data);
}

static void stream_on_farewell(uv_timer_t *handle)
{
    uv_close((uv_handle_t *)handle, stream_on_farewell_closed);
}

/* The server closed while the handler was at work: on_close is still owed, and from the loop. */
static void stream_say_farewell(struct control_stream *stream, uv_loop_t *loop)
{
    stream->cut = true;
    uv_timer_init(loop, &stream->farewell);
    stream->farewell.data = stream;
    uv_timer_start(&stream->farewell, stream_on_farewell, 0, 0);
}

/* ------------------------------------------------------------------ for the handler */

struct control_stream *control_stream(struct control_request *request, const char *content_type,
                                      void (*on_close)(void *ctx), void *ctx)
{
    ASSERT(on_close);
    struct control_stream *stream = memory_alloc(sizeof *stream);
    stream->on_close = on_close;
    stream->ctx = ctx;
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, stream_read, stream, NULL);
    ASSERT(response); /* fails only for want of memory */
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    if (request->peer) {
        stream->request = request;
        request->stream = stream;
    } else {
        stream_say_farewell(stream, request->loop);
    }
    control_respond(request, MHD_HTTP_OK, content_type, response);
    return stream;
}

static void stream_make_room(struct control_stream *stream, size_t len)
{
    if (stream->capacity - stream->start - stream->len >= len)
        return;
    if (stream->start > 0)
        memmove(stream->bytes, stream->bytes + stream->start, stream->len);
    stream->start = 0;
    size_t needed = stream->len + len;
    if (needed <= stream->capacity)
        return;
    size_t doubled = stream->capacity * 2;
    stream->capacity = needed > doubled ? needed : doubled;
    stream->bytes = memory_grow(stream->bytes, stream->capacity, 1);
}

static void stream_wake(struct control_stream *stream)
{
    if (stream->request && stream->request->suspended)
        control_resume(stream->request);
}

size_t control_stream_write(struct control_stream *stream, const char *bytes, size_t len)
{
    ASSERT(!stream->ended);
    if (stream->cut)
        return 0;
    if (len > STREAM_LAG_MAX - stream->len) {
        control_stream_cut(stream, "lag");
        return 0;
    }
    if (len == 0)
        return stream->len;
    stream_make_room(stream, len);
    memcpy(stream->bytes + stream->start + stream->len, bytes, len);
    stream->len += len;
    stream_wake(stream);
    return stream->len;
}

void control_stream_on_drained(struct control_stream *stream, void (*fn)(void *ctx))
{
    stream->on_drained = fn;
}

void control_stream_end(struct control_stream *stream)
{
    if (stream->ended || stream->cut)
        return;
    stream->ended = true;
    stream_wake(stream);
}

void control_stream_cut(struct control_stream *stream, const char *reason)
{
    if (stream->cut)
        return;
    if (reason)
        log_warn("event=stream_cut", "reason=%s queued=%zu pid=%d", reason, stream->len,
                 stream->request->pid);
    stream->cut = true;
    free(TAKE(stream->bytes));
    stream->start = stream->len = stream->capacity = 0;
    control_peer_end(stream->request->peer);
    stream_wake(stream);
}
