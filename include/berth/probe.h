/* probe.h: ask one address, once, whether it is healthy.
 *
 * HTTP (GET, no redirects followed, a new connection each time, status against the matcher, body
 * read to a small bound and thrown away) or TCP (connect). done runs exactly once, from the loop,
 * never from inside probe_start(); after probe_cancel() it still runs, unhealthy, "cancelled".
 * definition and address are copied. text is short: "HTTP 200 in 3 ms", "connection refused". */
#ifndef BERTH_PROBE_H
#define BERTH_PROBE_H

#include <stdbool.h>
#include <uv.h>

#include "berth/desired.h"
#include "berth/http.h"

struct probe;
typedef void (*probe_fn)(void *ctx, bool healthy, const char *text);
struct probe *probe_start(uv_loop_t *loop, struct http_pool *pool,
                          const struct probe_definition *definition, const char *address, int port,
                          probe_fn done, void *ctx);
void probe_cancel(struct probe *probe); /* valid until done() has run */

#endif
