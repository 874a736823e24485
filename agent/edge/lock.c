/* Keeping a second agent away: flock on a file that names the first one's pid.
 *
 * The kernel drops the lock with the process, however it ends; the file stays and means nothing
 * by itself. The descriptor is close-on-exec: a child that lives on must not hold the lock. */
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "berth/memory.h"
#include "berth/store.h"

static int64_t read_pid(int fd)
{
    char text[32];
    ssize_t len = pread(fd, text, sizeof text - 1, 0);
    int64_t pid = 0;
    if (len <= 0)
        return 0;
    text[len] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return parse_int(text, 1, INT32_MAX, &pid) == 0 ? pid : 0;
}

static int say_who_has_it(int fd, const char *what, struct err *err)
{
    int64_t pid = read_pid(fd);
    if (pid > 0)
        return err_say(err, -EBUSY, "%s is in use by another agent, pid %lld", what,
                       (long long)pid);
    return err_say(err, -EBUSY, "%s is in use by another agent", what);
}

/* Best effort: the pid is for the message of the next one only. */
static void write_pid(int fd)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) == 0)
        (void)!pwrite(fd, text, (size_t)len, 0);
}

static int lock_file(int fd, const char *name, const char *what, struct err *err)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return say_who_has_it(fd, what, err);
    return err_set(err, -errno, "%s: lock %s", what, name);
}

int lock_open(const char *path, const char *what, int *ret_fd, struct err *err)
{
    AUTO_FREE char *name = memory_printf("%s.lock", path);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set(err, -errno, "%s: open %s", what, name);
    int rc = lock_file(fd, name, what, err);
    if (rc < 0) {
        (void)close(fd);
        return rc;
    }
    write_pid(fd);
    *ret_fd = fd;
    return 0;
}

int lock_take(const char *path, const char *what, struct err *err)
{
    int fd; /* on purpose never closed */
    return lock_open(path, what, &fd, err);
}
