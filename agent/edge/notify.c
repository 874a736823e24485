/* sd_notify without its library: one datagram per message. */
#include "berth/notify.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "berth/assert.h"
#include "berth/err.h"
#include "berth/log.h"
#include "berth/memory.h"
#include "berth/str.h"

#define STATUS_MAX 512
#define WATCHDOG_MAX_USEC ((int64_t)24 * 3600 * 1000 * 1000)

struct notify {
    int fd; /* -1: nobody listens */
    struct sockaddr_un address;
    socklen_t address_len;
    uv_timer_t watchdog;
    char status[STATUS_MAX];
    void (*on_closed)(void *ctx);
    void *closed_ctx;
};

/* A path, or "@name" in the abstract name space, which begins with a NUL and has no other. */
static bool notify_address(const char *name, struct notify *notify)
{
    size_t len = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof notify->address.sun_path)
        return false;
    notify->address.sun_family = AF_UNIX;
    memcpy(notify->address.sun_path, name, len + 1);
    if (name[0] == '@')
        notify->address.sun_path[0] = '\0';
    notify->address_len =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '/'));
    return true;
}

static void notify_send(struct notify *notify, const char *text)
{
    if (notify->fd < 0)
        return;
    ssize_t sent = sendto(notify->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
                          (struct sockaddr *)&notify->address, notify->address_len);
    if (sent < 0)
        log_debug("event=notify_failed", "error=%s", LOG_VALUE(strerrordesc_np(errno)));
}

static void notify_on_watchdog(uv_timer_t *handle)
{
    notify_send(handle->data, "WATCHDOG=1");
}

/* WATCHDOG_PID says whom the watchdog is for: a parent's is not ours. */
static int64_t watchdog_usec(void)
{
    const char *usec_text = getenv("WATCHDOG_USEC"), *pid_text = getenv("WATCHDOG_PID");
    int64_t usec, pid;
    if (!usec_text || parse_int(usec_text, 1, WATCHDOG_MAX_USEC, &usec) < 0)
        return 0;
    if (pid_text && (parse_int(pid_text, 1, INT32_MAX, &pid) < 0 || pid != getpid()))
        return 0;
    return usec;
}

static void start_watchdog(struct notify *notify)
{
    int64_t usec = watchdog_usec();
    if (notify->fd < 0 || usec == 0)
        return;
    uint64_t half_ms = (uint64_t)usec / 2 / 1000;
    if (half_ms < 1)
        half_ms = 1;
    uv_timer_start(&notify->watchdog, notify_on_watchdog, half_ms, half_ms);
    notify_send(notify, "WATCHDOG=1");
}

struct notify *notify_open(uv_loop_t *loop)
{
    struct notify *notify = memory_alloc(sizeof *notify);
    notify->fd = -1;
    uv_timer_init(loop, &notify->watchdog);
    notify->watchdog.data = notify;
    const char *name = getenv("NOTIFY_SOCKET");
    if (!name || !*name)
        return notify;
    if (notify_address(name, notify))
        notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    else
        log_warn("event=notify_unusable", "socket=%s", LOG_VALUE(name));
    start_watchdog(notify);
    return notify;
}

static void notify_on_handle_closed(uv_handle_t *handle)
{
    struct notify *notify = handle->data;
    if (notify->fd >= 0)
        (void)close(notify->fd);
    if (notify->on_closed)
        notify->on_closed(notify->closed_ctx);
    free(notify);
}

void notify_close(struct notify *notify, void (*on_closed)(void *ctx), void *ctx)
{
    notify->on_closed = on_closed;
    notify->closed_ctx = ctx;
    uv_close((uv_handle_t *)&notify->watchdog, notify_on_handle_closed);
}

void notify_ready(struct notify *notify)
{
    notify_send(notify, "READY=1");
}

void notify_status(struct notify *notify, const char *format, ...)
{
    char status[STATUS_MAX], message[STATUS_MAX + 16];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(status, sizeof status, format, args);
    va_end(args);
    /* A line break would begin another assignment. */
    for (char *c = status; (c = strpbrk(c, "\r\n"));)
        *c = ' ';
    if (str_equal(status, notify->status))
        return;
    memcpy(notify->status, status, sizeof status);
    (void)snprintf(message, sizeof message, "STATUS=%s", status);
    notify_send(notify, message);
}

/* The manager compares the time with that of its own request, to tell an old message from this
 * reload's (Type=notify-reload). */
void notify_reloading(struct notify *notify)
{
    struct timespec now;
    char message[80];
    clock_gettime(CLOCK_MONOTONIC, &now);
    (void)snprintf(message, sizeof message, "RELOADING=1\nMONOTONIC_USEC=%lld",
                   (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    notify_send(notify, message);
}

void notify_stopping(struct notify *notify)
{
    notify_send(notify, "STOPPING=1");
}
