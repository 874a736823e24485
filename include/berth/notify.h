/* notify.h: tell the service manager how we are (sd_notify(3) without its library).
 *
 * Without NOTIFY_SOCKET in the environment everything here does nothing, so that callers need not
 * know. With it, READY, STATUS, RELOADING and STOPPING are sent as they are called; with
 * WATCHDOG_USEC as well, a timer on the loop sends WATCHDOG=1 at half of that time: a loop that
 * hangs is ended by the manager. Nothing blocks; a message that cannot be sent is logged at debug
 * level and lost. */
#ifndef BERTH_NOTIFY_H
#define BERTH_NOTIFY_H

#include <uv.h>

struct notify;

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. Never fails. */
struct notify *notify_open(uv_loop_t *loop);
void notify_close(struct notify *notify, void (*on_closed)(void *ctx), void *ctx);

void notify_ready(struct notify *notify); /* also ends what notify_reloading() began */
/* One line for people, in `systemctl status`; sent only when it differs from the last one. */
__attribute__((format(printf, 2, 3))) void notify_status(struct notify *notify, const char *format,
                                                         ...);
void notify_reloading(struct notify *notify);
void notify_stopping(struct notify *notify);

#endif
