/* driver.c: the loop around core_step(), the same in berthd and in the simulator. */
#include "berth/driver.h"

#include "berth/assert.h"

void driver_init(struct driver *driver, struct core *core, const struct host *host)
{
    *driver = (struct driver){ .core = core, .host = *host, .wake_at = MSEC_NEVER };
}

void driver_event(struct driver *driver, struct event *event)
{
    const struct host *host = &driver->host;
    ASSERT(!driver->stepping);
    driver->stepping = true;
    event->now = host->now(host->self);
    event->wall = host->wall(host->self);
    uint64_t changes = driver->core->change_sequence;
    core_step(driver->core, event, &driver->effects);
    for (size_t i = 0; i < driver->effects.count; i++)
        host->perform(host->self, &driver->effects.list[i]);
    driver->wake_at = driver->effects.wake_at;
    driver->stepping = false;
    host->wake(host->self, driver->wake_at);
    if (host->changed && driver->core->change_sequence != changes)
        host->changed(host->self);
}

void driver_wake(struct driver *driver)
{
    struct event event = { .kind = EV_TICK };
    driver_event(driver, &event);
}
