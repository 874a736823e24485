#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "berth/notify.h"
#include "tests/lib/loop.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

struct manager {
    uv_loop_t loop;
    struct scratch scratch;
    int fd;
    char text[2048]; /* the newest message */
    bool closed;
};

static void manager_on_closed(void *ctx)
{
    struct manager *manager = ctx;
    manager->closed = true;
}

/* Listens at a path, or in the abstract name space. */
static void manager_open(struct manager *manager, bool abstract)
{
    memset(manager, 0, sizeof *manager);
    assert_int_equal(uv_loop_init(&manager->loop), 0);
    scratch_make(&manager->scratch);
    char path[SCRATCH_PATH_MAX];
    scratch_path(&manager->scratch, "notify", path);
    if (abstract)
        path[0] = '@';
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t len = strlen(path);
    assert_true(len < sizeof address.sun_path);
    memcpy(address.sun_path, path, len);
    if (abstract)
        address.sun_path[0] = '\0';
    manager->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    assert_int_equal(bind(manager->fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}

static bool manager_hears(struct manager *manager)
{
    ssize_t n = recv(manager->fd, manager->text, sizeof manager->text - 1, 0);
    manager->text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static void manager_close(struct manager *manager, struct notify *notify)
{
    notify_close(notify, manager_on_closed, manager);
    loop_run_until(&manager->loop, &manager->closed);
    loop_must_close(&manager->loop);
    (void)close(manager->fd);
    (void)unsetenv("NOTIFY_SOCKET");
    scratch_remove(&manager->scratch);
}

TEST(notify, tells_ready_status_and_stopping)
{
    struct manager manager;
    manager_open(&manager, false);
    struct notify *notify = notify_open(&manager.loop);
    assert_false(manager_hears(&manager));
    notify_ready(notify);
    assert_true(manager_hears(&manager));
    assert_string_equal(manager.text, "READY=1");
    notify_status(notify, "%d services,\n%s", 3, "2 healthy");
    assert_true(manager_hears(&manager));
    assert_string_equal(manager.text, "STATUS=3 services, 2 healthy");
    notify_status(notify, "%d services, %s", 3, "2 healthy");
    assert_false(manager_hears(&manager));
    notify_stopping(notify);
    assert_true(manager_hears(&manager));
    assert_string_equal(manager.text, "STOPPING=1");
    manager_close(&manager, notify);
}

TEST(notify, reaches_an_abstract_socket)
{
    struct manager manager;
    manager_open(&manager, true);
    struct notify *notify = notify_open(&manager.loop);
    notify_ready(notify);
    assert_true(manager_hears(&manager));
    assert_string_equal(manager.text, "READY=1");
    manager_close(&manager, notify);
}

TEST(notify, says_since_when_it_reloads)
{
    struct manager manager;
    manager_open(&manager, false);
    struct notify *notify = notify_open(&manager.loop);
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    notify_reloading(notify);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true(manager_hears(&manager));
    static const char prefix[] = "RELOADING=1\nMONOTONIC_USEC=";
    assert_int_equal(strncmp(manager.text, prefix, strlen(prefix)), 0);
    long long usec = strtoll(manager.text + strlen(prefix), NULL, 10);
    assert_true(usec >= before.tv_sec * 1000000LL + before.tv_nsec / 1000);
    assert_true(usec <= after.tv_sec * 1000000LL + after.tv_nsec / 1000);
    manager_close(&manager, notify);
}

TEST(notify, pings_the_watchdog_at_half_of_its_time)
{
    struct manager manager;
    manager_open(&manager, false);
    (void)setenv("WATCHDOG_USEC", "40000", 1);
    struct notify *notify = notify_open(&manager.loop);
    int pings = 0;
    uint64_t start = uv_hrtime();
    while (pings < 6) {
        (void)uv_run(&manager.loop, UV_RUN_ONCE);
        while (manager_hears(&manager)) {
            assert_string_equal(manager.text, "WATCHDOG=1");
            pings++;
        }
    }
    /* One at once, then one every 20 ms. */
    assert_true(uv_hrtime() - start >= 90 * 1000000ULL);
    manager_close(&manager, notify);
}

TEST(notify, does_not_ping_for_somebody_else)
{
    static const char *const values[][2] = { { "40000", "1" },  { "0", NULL },  { "-5", NULL },
                                             { "soon", NULL },  { "", NULL },   { NULL, NULL },
                                             { "40000", "me" }, { "40000", "" } };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct manager manager;
        manager_open(&manager, false);
        if (values[i][0])
            (void)setenv("WATCHDOG_USEC", values[i][0], 1);
        if (values[i][1])
            (void)setenv("WATCHDOG_PID", values[i][1], 1);
        struct notify *notify = notify_open(&manager.loop);
        loop_run_for(&manager.loop, 60);
        assert_false(manager_hears(&manager));
        manager_close(&manager, notify);
    }
}

TEST(notify, is_quiet_without_a_manager)
{
    static const char *const names[] = { NULL, "", "relative", "/", "@", "/no/such/socket" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct manager manager;
        manager_open(&manager, false);
        if (names[i])
            (void)setenv("NOTIFY_SOCKET", names[i], 1);
        else
            (void)unsetenv("NOTIFY_SOCKET");
        struct notify *notify = notify_open(&manager.loop);
        notify_ready(notify);
        notify_status(notify, "x");
        notify_reloading(notify);
        notify_stopping(notify);
        assert_false(manager_hears(&manager));
        manager_close(&manager, notify);
    }
}
