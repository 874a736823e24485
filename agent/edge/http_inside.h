/* http_inside.h: what the files of the http module share; for nobody else.
 *
 *   http.c         requests: made, cancelled, paused, ended; the pool's life
 *   http_easy.c    one http_call -> one libcurl handle
 *   http_loop.c    libcurl's multi interface on libuv: sockets, timer, finished transfers
 *   http_answer.c  pure: header lines, CURLcode -> errno, names for messages
 *
 * libcurl may not be called from inside its own callbacks, and callers may do anything from
 * theirs. Therefore sending, cancelling and resuming only leave a note, and the pool's pump, a
 * timer of 0 ms, acts on the notes from the loop. */
#ifndef BERTH_HTTP_INSIDE_H
#define BERTH_HTTP_INSIDE_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "berth/http.h"
#include "berth/str.h"

#define HTTP_TAG_MAX 1024
#define HTTP_DELAY_MAX_S (366 * 24 * 3600)
#define HTTP_IDLE_CONNECTIONS 32L

/* What the caller wants to know of the header lines. A new status line starts it afresh, so that
 * it is always the last answer's after redirects. */
struct http_head {
    char etag[HTTP_TAG_MAX], last_modified[64];
    msec retry_after_ms, max_age_ms;
    int64_t retry_at_s, date_s; /* HTTP dates, -1 = absent; only the difference is used */
};

void http_head_init(struct http_head *head);
void http_head_line(struct http_head *head, const char *line, size_t len);
void http_head_end(struct http_head *head, int64_t wall_s); /* dates -> retry_after_ms */

int http_code_to_rc(CURLcode code, long os_errno);
char *
http_peer_name(const struct http_call *call); /* for messages: without secrets; caller frees */

struct http_socket {
    uv_poll_t poll;
    struct http_pool *pool;
    struct http_socket *next;
    curl_socket_t key; /* libcurl's name for it */
    int fd;            /* ours: the same, or a duplicate when libcurl opened it */
    int events;        /* libuv's, 0 = not polled */
    bool closing;
};

struct http_request {
    struct http_pool *pool;
    struct http_request *previous, *next; /* in pool->first..last */
    CURL *easy;
    CURLM *multi; /* NULL = not added */
    struct curl_slist *headers;
    char *body, *peer;
    http_data_fn on_data;
    http_open_fn on_open;
    http_done_fn done;
    void *ctx;

    uv_timer_t idle;
    msec idle_ms;
    bool paused, held; /* wanted; libcurl really holds a piece back */
    bool ending;       /* rc and why are decided; the pump ends it */
    int rc;
    char why[CURL_ERROR_SIZE];        /* one half-sentence, when rc < 0 */
    char curl_error[CURL_ERROR_SIZE]; /* libcurl writes it at any time */

    struct http_head head;
    struct str received;
    bool opened;
    bool once;
};

struct http_pool {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer; /* libcurl's */
    uv_timer_t pump;
    int open_handles; /* libuv handles of the pool, its sockets and its requests */
    struct http_request *first, *last;
    struct http_socket *sockets;
    bool closing, finishing;
    void (*on_closed)(void *ctx);
    void *ctx;
};

/* http.c */
void http_pump(struct http_pool *pool); /* soon, from the loop */
void http_handle_closed(struct http_pool *pool);
void http_request_finish(struct http_request *request, CURLcode code);
void http_request_decide(struct http_request *request, int rc, const char *why);
/* http_easy.c */
void http_easy_prepare(struct http_request *request, const struct http_call *call);
void http_easy_begin(struct http_request *request);
/* http_loop.c */
void http_loop_open(struct http_pool *pool);
void http_loop_close(struct http_pool *pool);
void http_loop_add(struct http_request *request);
void http_loop_remove(struct http_request *request);
void http_loop_fail(struct http_pool *pool, const char *why);

#endif
