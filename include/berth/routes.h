/* routes.h: what the control socket answers: one table from method and path to a function.
 *
 * A GET renders the core's facts; a POST becomes an event through driver_event(). No route
 * changes a fact itself. Answers are JSON (logs: plain text, events: one JSON object per line);
 * errors are {"code","message"}. Values of environment variables never appear in any of them.
 *
 * routes_handle() is the handler of the control socket: give it to control_open() with the routes
 * as ctx. Call it only from the loop, never from inside a step of the core.
 *
 * routes_changed() tells that a step emitted state changes; call it from host->changed(). It only
 * arms a timer: streams are fed and pending polls answered from the loop, outside the step.
 *
 * Life cycle: routes_open -> routes_handle, routes_changed -> routes_close. At the end call
 * routes_close() first, then control_close() at once: routes_close() answers every pending request
 * and ends every stream; what a slow client still holds open is ended by control_close(). The
 * driver, the runtime and the configuration are borrowed and must outlive on_closed; close the
 * runtime after it. */
#ifndef BERTH_ROUTES_H
#define BERTH_ROUTES_H

#include <uv.h>

#include "berth/config.h"
#include "berth/control.h"
#include "berth/driver.h"
#include "berth/runtime.h"

struct routes;

struct routes_options {
    uv_loop_t *loop;
    struct driver *driver;
    struct runtime *runtime; /* NULL: logs are refused, the runtime's name is unknown */
    const struct config_set *config;
    const char *version;  /* copied */
    msec poll_timeout_ms; /* 0 = 60 s: how long POST /v1/poll waits for the source */
};

struct routes *routes_open(const struct routes_options *options);
void routes_handle(void *routes, struct control_request *request);
void routes_changed(struct routes *routes);
/* From now on requests get 503. on_closed runs once, from the loop. */
void routes_close(struct routes *routes, void (*on_closed)(void *ctx), void *ctx);

#endif
