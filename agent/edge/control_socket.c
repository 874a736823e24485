/* The listening socket of the control server, and who may connect to it. */
#include "control_inside.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "berth/assert.h"
#include "berth/log.h"
#include "berth/memory.h"

#define GROUPS_MAX 65536 /* the kernel's NGROUPS_MAX */
#define GROUP_ENTRY_MAX (1024 * 1024)
#define BACKLOG 128

static int socket_address(const char *path, struct sockaddr_un *ret, struct err *err)
{
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof ret->sun_path)
        return err_say(err, -ENAMETOOLONG,
                       "control socket \"%s\": the path must have 1 to %zu characters", path,
                       sizeof ret->sun_path - 1);
    *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
    memcpy(ret->sun_path, path, len + 1);
    return 0;
}

/* /run/berth is the service manager's to make; a daemon started by hand has none. */
static void make_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return;
    AUTO_FREE char *parent = memory_strndup(path, (size_t)(slash - path));
    (void)mkdir(parent, 0755);
}

/* Remove the socket file of a daemon that is gone. Whether it is gone is asked by connecting:
 * a full backlog (EAGAIN) is a living one that is busy. */
static int clear_stale(const struct sockaddr_un *address, struct err *err)
{
    struct stat found;
    if (lstat(address->sun_path, &found) < 0)
        return errno == ENOENT ? 0 : err_set(err, -errno, "control socket %s", address->sun_path);
    if (!S_ISSOCK(found.st_mode))
        return err_say(err, -EEXIST, "control socket %s: a file that is no socket is in the way",
                       address->sun_path);

    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set(err, -errno, "control socket %s", address->sun_path);
    int rc = connect(fd, (const struct sockaddr *)address, sizeof *address);
    if (rc == 0 || errno == EAGAIN)
        return err_say(err, -EADDRINUSE, "control socket %s: another daemon answers on it",
                       address->sun_path);
    if (errno != ECONNREFUSED && errno != ENOENT)
        return err_set(err, -errno, "control socket %s", address->sun_path);
    if (unlink(address->sun_path) < 0 && errno != ENOENT)
        return err_set(err, -errno, "remove the stale control socket %s", address->sun_path);
    return 0;
}

/* A daemon that does not run as root can give a file to its own groups only; then the others of
 * the group stay outside, and the daemon runs all the same. */
static int give_to_group(const char *path, gid_t group, struct err *err)
{
    if (lchown(path, (uid_t)-1, group) == 0)
        return 0;
    if (errno != EPERM || geteuid() == 0)
        return err_set(err, -errno, "give control socket %s to group %d", path, (int)group);
    log_warn("event=control_group_unusable", "socket=%s gid=%d", path, (int)group);
    return 0;
}

/* On Linux the file that bind() makes inherits the mode of the socket's own inode, so that it is
 * never wider than meant, whatever the umask: 0600 until the group is set, then 0660. */
static int bind_privately(int fd, const struct sockaddr_un *address, bool group_known, gid_t group,
                          struct err *err)
{
    if (fchmod(fd, 0600) < 0 || bind(fd, (const struct sockaddr *)address, sizeof *address) < 0)
        return err_set(err, -errno, "bind control socket %s", address->sun_path);
    int rc = group_known ? give_to_group(address->sun_path, group, err) : 0;
    if (rc < 0)
        return rc;
    if (chmod(address->sun_path, 0660) < 0)
        return err_set(err, -errno, "set the mode of control socket %s", address->sun_path);
    if (listen(fd, BACKLOG) < 0)
        return err_set(err, -errno, "listen on control socket %s", address->sun_path);
    return 0;
}

int control_listen(const char *path, bool group_known, gid_t group, int *ret_fd, struct err *err)
{
    struct sockaddr_un address;
    int rc = socket_address(path, &address, err);
    if (rc < 0)
        return rc;
    make_parent(path);
    rc = clear_stale(&address, err);
    if (rc < 0)
        return rc;

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set(err, -errno, "control socket %s", path);
    rc = bind_privately(fd, &address, group_known, group, err);
    if (rc == 0) {
        *ret_fd = fd;
        return 0;
    }
    (void)close(fd);
    if (rc != -EADDRINUSE) /* then it is somebody else's */
        (void)unlink(path);
    return rc;
}

bool control_find_group(const char *name, gid_t *ret)
{
    struct group entry;
    struct group *found = NULL;
    int rc = ERANGE;
    for (size_t size = 1024; rc == ERANGE && size <= GROUP_ENTRY_MAX; size *= 4) {
        AUTO_FREE char *buffer = memory_alloc(size);
        rc = getgrnam_r(name, &entry, buffer, size, &found);
        if (rc == 0 && found)
            *ret = entry.gr_gid;
    }
    return rc == 0 && found;
}

/* The supplementary groups of the peer as the kernel knows them since connect(). Looking the
 * user up by name instead could ask a directory server and hold up the loop. */
static bool peer_has_group(int fd, gid_t group)
{
    gid_t few[64];
    socklen_t len = sizeof few;
    AUTO_FREE gid_t *many = NULL;
    const gid_t *groups = few;
    int rc = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, few, &len);
    if (rc < 0 && errno == ERANGE && len <= GROUPS_MAX * sizeof *many) {
        many = memory_alloc(len);
        groups = many;
        rc = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, many, &len);
    }
    if (rc < 0)
        return false;
    for (size_t i = 0; i < len / sizeof *groups; i++) {
        if (groups[i] == group)
            return true;
    }
    return false;
}

bool control_admit(int fd, bool group_known, gid_t group, int *ret_pid, int *ret_uid)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return false;
    *ret_pid = (int)peer.pid;
    *ret_uid = (int)peer.uid;
    /* Our own user could trace us anyway; it matters when the daemon does not run as root. */
    if (peer.uid == 0 || peer.uid == geteuid())
        return true;
    return group_known && (peer.gid == group || peer_has_group(fd, group));
}
