/* driver.h: the loop around core_step(): the only way events reach the core.
 *
 * The same driver runs in berthd and in the simulator; struct host is all of the outside as the
 * core sees it. driver_event() stamps the time, steps the core, performs the effects in order and
 * arms the wake-up. host->perform() must not call back into the driver: every action is answered
 * later, exactly once, from the loop.
 *
 * changed() runs after each step that emitted state changes (events, reports, streams). */
#ifndef BERTH_DRIVER_H
#define BERTH_DRIVER_H

#include "berth/core.h"

struct host {
    void *self;
    msec (*now)(void *self);  /* CLOCK_BOOTTIME: goes on during suspend, never jumps */
    msec (*wall)(void *self); /* for display */
    void (*perform)(void *self, const struct action *action);
    void (*wake)(void *self, msec at); /* call driver_wake() then; replaces an earlier wish */
    void (*changed)(void *self);       /* may be NULL */
};

struct driver {
    struct core *core;
    struct host host;
    struct effects effects;
    bool stepping;
    msec wake_at;
};

void driver_init(struct driver *driver, struct core *core, const struct host *host);
void driver_event(struct driver *driver, struct event *event); /* fills in now and wall */
void driver_wake(struct driver *driver);                       /* EV_TICK */

#endif
