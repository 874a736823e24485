/* fake_http.h: an HTTP server that a test scripts, on the test's own loop.
 *
 *     struct fake_http *server = fake_http_open(loop, FAKE_UNIX);
 *     fake_http_on(server, "GET /_ping", (struct fake_answer){ .body = "OK" });
 *     ... url fake_http_url(server), socket fake_http_socket(server) ...
 *     fake_http_close(server);   then run the loop: loop_must_close()
 *
 * A route is the beginning of "METHOD /target"; the longest one that matches answers, of equals
 * the one added last. Nothing matches: 404 with a JSON message. `times` bounds how often a route
 * answers before it is skipped. Every request is counted and the last 64 are kept.
 *
 * FAKE_UNIX listens on a socket in a temporary directory of its own, FAKE_TCP on 127.0.0.1 and a
 * port that the kernel chose. */
#ifndef BERTH_TESTS_FAKE_HTTP_H
#define BERTH_TESTS_FAKE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

enum fake_kind { FAKE_UNIX, FAKE_TCP };

enum fake_fault {
    FAKE_NONE,
    FAKE_HANG,        /* the request is read, nothing is ever answered */
    FAKE_HANG_UP,     /* closed without a byte */
    FAKE_CUT,         /* closed in the middle of the body */
    FAKE_CUT_HEAD,    /* closed in the middle of the headers */
    FAKE_GARBAGE,     /* bytes that are no HTTP */
    FAKE_BYTEWISE,    /* one byte per turn of the loop */
    FAKE_CLOSE_AFTER, /* a whole keep-alive answer, then the connection is closed */
    FAKE_STALL,       /* headers and half of the body, then nothing */
};

struct fake_answer {
    int status;          /* 200 when 0 */
    const char *headers; /* "Name: value\r\n"..., or NULL */
    const char *body;    /* or NULL */
    size_t body_len;     /* strlen(body) when 0 */
    size_t filler;       /* a body of this many 'x' instead */
    bool chunked;
    bool stream; /* chunked and left open: fake_http_push(), fake_http_finish() */
    bool close;  /* "Connection: close" */
    enum fake_fault fault;
    int times; /* 0 = for ever */
    unsigned delay_ms;
    /* When set, called with each request; may change the answer. body must stay valid. */
    void (*decide)(void *ctx, const char *method, const char *target, const char *body,
                   struct fake_answer *answer);
    void *ctx;
};

struct fake_request {
    char line[1024]; /* "GET /path?query" */
    char *headers;   /* as received, "Name: value\r\n"... */
    char *body;
    size_t body_len;
};

struct fake_http;

struct fake_http *fake_http_open(uv_loop_t *loop, enum fake_kind kind);
void fake_http_close(struct fake_http *server); /* asynchronous; also removes the socket */

const char *fake_http_url(const struct fake_http *server);    /* "http://127.0.0.1:4711" or
                                                                 "http://runtime" */
const char *fake_http_socket(const struct fake_http *server); /* path, or NULL for TCP */

void fake_http_on(struct fake_http *server, const char *route, struct fake_answer answer);
void fake_http_reset(struct fake_http *server); /* forget every route; counts stay */

/* Requests whose "METHOD /target" begins with route. */
int fake_http_count(const struct fake_http *server, const char *route);
/* The newest such request of those kept, or NULL. */
const struct fake_request *fake_http_last(const struct fake_http *server, const char *route);
int fake_http_connections(const struct fake_http *server); /* accepted so far */
int fake_http_open_connections(const struct fake_http *server);

/* On every open stream of a route (NULL = all): */
void fake_http_push(struct fake_http *server, const char *route, const char *bytes, size_t len);
void fake_http_finish(struct fake_http *server, const char *route); /* a clean end */

void fake_http_drop(struct fake_http *server);   /* close every connection */
void fake_http_refuse(struct fake_http *server); /* stop listening: connection refused */
void fake_http_listen(struct fake_http *server); /* listen again, at the same address */

#endif
