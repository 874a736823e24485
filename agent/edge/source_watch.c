/* Notices that a file has changed: written, renamed over, removed, or reached by other links.
 *
 * Directories are watched, because a watch on a file follows the inode that a rename replaces.
 * Which ones: that of the file, those of the symbolic links on the way to it, and of what is
 * missing the nearest one that exists. Every event starts a short wait, in which a burst comes
 * together; then the directories are found anew and the file is looked at. That look also happens
 * every few seconds, for what cannot be watched (no inotify watch left, a network file system). */
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "berth/assert.h"
#include "berth/limits.h"
#include "berth/log.h"
#include "berth/memory.h"
#include "berth/str.h"
#include "source_inside.h"

#define PLACES_MAX 8
#define LINKS_MAX 16
#define SETTLE_MS 20
#define LOOK_MS SECONDS(5)
/* A walk can be outrun by whoever makes the directories that it looks for. */
#define WALKS_MAX 4

struct place {
    char directory[PATH_MAX];
    char name[NAME_MAX + 1]; /* what matters in it: */
    bool is_file;            /* the file itself, not a link or directory on the way to it */
    dev_t device;
    ino_t inode;
};

struct places {
    struct place list[PLACES_MAX];
    size_t count;
};

/* What tells one state of the file from another. */
struct signature {
    bool exists;
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

struct watcher {
    uv_fs_event_t event;
    struct source_watch *watch;
    struct place place;
    bool active;
};

struct source_watch {
    char *path;
    struct watcher watchers[PLACES_MAX];
    uv_timer_t settle, look;
    int open_handles;
    bool closing;
    bool touched; /* an event named the file itself */
    bool stale;   /* a watched directory itself was moved or removed */
    bool warned;
    struct signature seen;
    void (*changed)(void *ctx);
    void *ctx;
    void (*on_closed)(void *ctx);
    void *closed_ctx;
};

/* ------------------------------------------------------------------ looking */

static struct signature look_at(const char *path)
{
    struct stat found;
    if (stat(path, &found) < 0)
        return (struct signature){ .exists = false };
    return (struct signature){
        .exists = true,
        .device = found.st_dev,
        .inode = found.st_ino,
        .size = found.st_size,
        .modified = found.st_mtim,
        .changed = found.st_ctim,
    };
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_signature(const struct signature *a, const struct signature *b)
{
    return a->exists == b->exists && a->device == b->device && a->inode == b->inode &&
           a->size == b->size && same_time(a->modified, b->modified) &&
           same_time(a->changed, b->changed);
}

/* ------------------------------------------------------------------ places */

static void add_place(struct places *places, const char *prefix, bool is_file)
{
    if (places->count == PLACES_MAX)
        return;
    struct place *place = &places->list[places->count];
    const char *slash = strrchr(prefix, '/');
    size_t len = slash == prefix ? 1 : (size_t)(slash - prefix);
    memcpy(place->directory, prefix, len);
    place->directory[len] = '\0';
    (void)snprintf(place->name, sizeof place->name, "%s", slash + 1);
    place->is_file = is_file;

    struct stat found;
    if (stat(place->directory, &found) < 0)
        return;
    place->device = found.st_dev;
    place->inode = found.st_ino;
    for (size_t i = 0; i < places->count; i++) {
        if (places->list[i].device != place->device || places->list[i].inode != place->inode)
            continue;
        if (is_file)
            places->list[i] = *place;
        return;
    }
    places->count++;
}

/* Replace the link that ends at path[end] by what it points to. */
static int splice_link(char path[PATH_MAX], size_t end)
{
    char prefix[PATH_MAX], target[PATH_MAX], spliced[PATH_MAX];
    memcpy(prefix, path, end);
    prefix[end] = '\0';
    ssize_t len = readlink(prefix, target, sizeof target - 1);
    if (len <= 0)
        return -ENOENT;
    target[len] = '\0';
    size_t parent = target[0] == '/' ? 0 : (size_t)(strrchr(prefix, '/') + 1 - prefix);
    int used =
        snprintf(spliced, sizeof spliced, "%.*s%s%s", (int)parent, prefix, target, path + end);
    if (used < 0 || (size_t)used >= sizeof spliced)
        return -ENAMETOOLONG;
    memcpy(path, spliced, (size_t)used + 1);
    return 0;
}

/* Where the first component that is a link or missing ends; or the whole length. */
static size_t plain_part(const char *path, bool *ret_link)
{
    size_t end = 0;
    do {
        end += 1 + strcspn(path + end + 1, "/");
        char prefix[PATH_MAX];
        memcpy(prefix, path, end);
        prefix[end] = '\0';
        struct stat found;
        *ret_link = false;
        if (lstat(prefix, &found) < 0)
            return end;
        *ret_link = S_ISLNK(found.st_mode);
    } while (!*ret_link && path[end]);
    return end;
}

static void find_places(const char *start, struct places *ret)
{
    char path[PATH_MAX];
    ret->count = 0;
    if (snprintf(path, sizeof path, "%s", start) >= (int)sizeof path)
        return;
    for (int links = 0; links < LINKS_MAX; links++) {
        bool is_link;
        size_t end = plain_part(path, &is_link);
        char prefix[PATH_MAX];
        memcpy(prefix, path, end);
        prefix[end] = '\0';
        add_place(ret, prefix, !is_link && !path[end]);
        if (!is_link || splice_link(path, end) < 0)
            return;
    }
}

/* ------------------------------------------------------------------ watching */

static void watch_on_settled(uv_timer_t *handle);

static void watch_on_event(uv_fs_event_t *handle, const char *name, int events, int status)
{
    (void)events;
    struct watcher *watcher = handle->data;
    struct source_watch *watch = watcher->watch;
    if (status < 0)
        watch->stale = true;
    /* libuv tells of the directory itself by its own name. */
    const char *slash = strrchr(watcher->place.directory, '/');
    if (name && str_equal(name, slash + 1))
        watch->stale = true;
    if (name && watcher->place.is_file && str_equal(name, watcher->place.name))
        watch->touched = true;
    if (!uv_is_active((uv_handle_t *)&watch->settle))
        uv_timer_start(&watch->settle, watch_on_settled, SETTLE_MS, 0);
}

static bool places_changed(const struct source_watch *watch, const struct places *places)
{
    for (size_t i = 0; i < PLACES_MAX; i++) {
        const struct watcher *watcher = &watch->watchers[i];
        if (watcher->active != (i < places->count))
            return true;
        if (watcher->active && (watcher->place.device != places->list[i].device ||
                                watcher->place.inode != places->list[i].inode ||
                                watcher->place.is_file != places->list[i].is_file ||
                                !str_equal(watcher->place.name, places->list[i].name)))
            return true;
    }
    return false;
}

static void watcher_start(struct watcher *watcher, const struct place *place)
{
    watcher->place = *place;
    watcher->active = true;
    int rc = uv_fs_event_start(&watcher->event, watch_on_event, place->directory, 0);
    if (rc == 0 || watcher->watch->warned)
        return;
    watcher->watch->warned = true;
    log_warn("event=watch_failed", "directory=%s error=%s looking_every_ms=%d",
             LOG_VALUE(place->directory), LOG_VALUE(uv_strerror(rc)), (int)LOOK_MS);
}

/* Watch where the path leads now. What changed before a watch began is seen by the look after. */
static void watch_places(struct source_watch *watch)
{
    AUTO_FREE struct places *places = memory_alloc(sizeof *places);
    for (int walk = 0; walk < WALKS_MAX; walk++) {
        find_places(watch->path, places);
        if (!watch->stale && !places_changed(watch, places))
            return;
        watch->stale = false;
        for (size_t i = 0; i < PLACES_MAX; i++) {
            struct watcher *watcher = &watch->watchers[i];
            (void)uv_fs_event_stop(&watcher->event);
            watcher->active = false;
            if (i < places->count)
                watcher_start(watcher, &places->list[i]);
        }
    }
}

static void watch_check(struct source_watch *watch)
{
    watch_places(watch);
    struct signature now = look_at(watch->path);
    if (!watch->touched && same_signature(&now, &watch->seen))
        return;
    watch->touched = false;
    watch->seen = now;
    watch->changed(watch->ctx); /* may close us */
}

static void watch_on_settled(uv_timer_t *handle)
{
    watch_check(handle->data);
}

static void watch_on_look(uv_timer_t *handle)
{
    watch_check(handle->data);
}

/* ------------------------------------------------------------------ life */

struct source_watch *source_watch_open(uv_loop_t *loop, const char *path,
                                       void (*changed)(void *ctx), void *ctx)
{
    ASSERT(path[0] == '/');
    struct source_watch *watch = memory_alloc(sizeof *watch);
    watch->path = memory_strdup(path);
    watch->changed = changed;
    watch->ctx = ctx;
    for (size_t i = 0; i < PLACES_MAX; i++) {
        uv_fs_event_init(loop, &watch->watchers[i].event);
        watch->watchers[i].event.data = &watch->watchers[i];
        watch->watchers[i].watch = watch;
    }
    uv_timer_init(loop, &watch->settle);
    uv_timer_init(loop, &watch->look);
    watch->settle.data = watch->look.data = watch;
    watch->open_handles = PLACES_MAX + 2;
    watch_places(watch);
    watch->seen = look_at(path);
    uv_timer_start(&watch->look, watch_on_look, LOOK_MS, LOOK_MS);
    return watch;
}

static void watch_on_handle_closed(struct source_watch *watch)
{
    if (--watch->open_handles > 0)
        return;
    watch->on_closed(watch->closed_ctx);
    free(watch->path);
    free(watch);
}

static void watch_on_timer_closed(uv_handle_t *handle)
{
    watch_on_handle_closed(handle->data);
}

static void watch_on_event_closed(uv_handle_t *handle)
{
    struct watcher *watcher = handle->data;
    watch_on_handle_closed(watcher->watch);
}

void source_watch_close(struct source_watch *watch, void (*on_closed)(void *ctx), void *ctx)
{
    ASSERT(!watch->closing);
    watch->closing = true;
    watch->on_closed = on_closed;
    watch->closed_ctx = ctx;
    uv_close((uv_handle_t *)&watch->settle, watch_on_timer_closed);
    uv_close((uv_handle_t *)&watch->look, watch_on_timer_closed);
    for (size_t i = 0; i < PLACES_MAX; i++)
        uv_close((uv_handle_t *)&watch->watchers[i].event, watch_on_event_closed);
}
