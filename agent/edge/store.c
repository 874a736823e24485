/* The store: loads at the start, saves on the thread pool.
 *
 * Per kind of file there is at most one save under way and one waiting; a newer save takes the
 * waiting one's place and inherits those who wait for it. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "berth/assert.h"
#include "berth/digest.h"
#include "berth/json.h"
#include "berth/log.h"
#include "berth/memory.h"
#include "store_inside.h"

enum store_kind { STORE_DOCUMENT, STORE_MEMORY, STORE_KINDS };

static const char *const kind_names[STORE_KINDS] = {
    [STORE_DOCUMENT] = "document",
    [STORE_MEMORY] = "memory",
};

struct store_waiter {
    store_done_fn done;
    void *ctx;
};

struct store_save {
    uv_work_t work;
    struct store *store;
    enum store_kind kind;
    char *payload;
    size_t len;
    int rc; /* of rendering already, when negative */
    struct err err;
    struct store_waiter *waiters;
    size_t waiter_count;
};

struct store {
    uv_loop_t *loop;
    struct store_directory directory;
    int lock; /* -1: none could be written */
    struct store_save *running[STORE_KINDS], *waiting[STORE_KINDS];
    bool closing;
    uv_timer_t farewell;
    void (*on_closed)(void *ctx);
    void *closed_ctx;
};

const struct store_directory *store_where(const struct store *store)
{
    return &store->directory;
}

/* ------------------------------------------------------------------ open */

static int make_directories(const char *path, struct err *err)
{
    AUTO_FREE char *partial = memory_strdup(path);
    for (char *slash = partial + 1; *slash; slash++) {
        if (*slash != '/')
            continue;
        *slash = '\0';
        (void)mkdir(partial, 0755);
        *slash = '/';
    }
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set(err, -errno, "create state directory %s", path);
    return 0;
}

static void close_lock(int lock)
{
    if (lock >= 0)
        (void)close(lock);
}

/* A full or read-only directory is no reason to leave the containers alone: what it holds can
 * still be read, and saving goes on trying. The locks beside the control socket remain. */
static int take_lock(const char *directory, int *ret_lock, struct err *err)
{
    AUTO_FREE char *path = memory_printf("%s/agent", directory);
    AUTO_FREE char *what = memory_printf("state directory %s", directory);
    struct err why = ERR_NONE;
    int rc = lock_open(path, what, ret_lock, &why);
    if (!store_is_unwritable(rc))
        return rc < 0 ? err_say(err, rc, "%s", why.text) : 0;
    log_error("event=state_not_writable", "error=%s effect=nothing_is_saved", LOG_VALUE(why.text));
    *ret_lock = -1;
    return 0;
}

int store_open(uv_loop_t *loop, const char *directory, struct store **ret, struct err *err)
{
    if (!directory || !*directory)
        return err_say(err, -EINVAL, "the state directory has no name");
    int rc = make_directories(directory, err);
    if (rc < 0)
        return rc;
    int lock;
    rc = take_lock(directory, &lock, err);
    if (rc < 0)
        return rc;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        rc = err_set(err, -errno, "open state directory %s", directory);
        close_lock(lock);
        return rc;
    }

    struct store *store = memory_alloc(sizeof *store);
    store->loop = loop;
    store->directory.path = memory_strdup(directory);
    store->directory.fd = fd;
    store->lock = lock;
    uv_timer_init(loop, &store->farewell);
    store->farewell.data = store;
    *ret = store;
    return 0;
}

/* ------------------------------------------------------------------ load */

/* The payload of a file that is whole; NULL when there is none. The caller frees *bytes. */
static const char *load(struct store *store, enum store_kind kind, char **bytes, size_t *ret_len)
{
    const char *name = kind_names[kind], *payload = NULL;
    struct err err = ERR_NONE;
    size_t len;
    int rc = store_read(store->directory.fd, name, bytes, &len, &err);
    if (rc == -ENOENT)
        return NULL;
    if (rc == 0)
        rc = store_unseal(name, *bytes, len, &payload, ret_len, &err);
    if (rc == 0)
        return payload;
    /* What cannot be read now may be readable later, but would be overwritten by the next save:
     * it is set aside as well. */
    store_set_aside(store->directory.fd, name, err.text);
    return NULL;
}

/* The first line of the payload is metadata, the rest is the document as it was received. */
static int parse_document(const char *payload, size_t len, struct stored_document *ret,
                          struct err *err)
{
    const char *end = memchr(payload, '\n', len);
    if (!end)
        return err_say(err, -EBADMSG, "it has no metadata");
    AUTO_JSON cJSON *metadata = NULL;
    int rc = json_parse(payload, (size_t)(end - payload), &metadata, err);
    if (rc < 0)
        return err_wrap(err, "its metadata");
    size_t used = (size_t)(end + 1 - payload);
    ret->len = len - used;
    ret->bytes = memory_alloc(ret->len + 1); /* it may hold NULs */
    memcpy(ret->bytes, end + 1, ret->len);
    ret->url = memory_strdup(json_string(metadata, "url", ""));
    ret->etag = memory_strdup(json_string(metadata, "etag", ""));
    ret->last_modified = memory_strdup(json_string(metadata, "lastModified", ""));
    return 0;
}

void store_load_document(struct store *store, struct stored_document *ret)
{
    *ret = (struct stored_document){ .bytes = NULL };
    AUTO_FREE char *bytes = NULL;
    size_t len;
    const char *payload = load(store, STORE_DOCUMENT, &bytes, &len);
    struct err err = ERR_NONE;
    if (payload && parse_document(payload, len, ret, &err) < 0)
        store_set_aside(store->directory.fd, kind_names[STORE_DOCUMENT], err.text);
}

void stored_document_release(struct stored_document *document)
{
    free(TAKE(document->bytes));
    free(TAKE(document->url));
    free(TAKE(document->etag));
    free(TAKE(document->last_modified));
    document->len = 0;
}

struct memory *store_load_memory(struct store *store)
{
    AUTO_FREE char *bytes = NULL;
    size_t len;
    const char *payload = load(store, STORE_MEMORY, &bytes, &len);
    if (!payload)
        return NULL;
    struct err err = ERR_NONE;
    struct memory *memory = memory_parse(payload, len, &err);
    if (!memory)
        store_set_aside(store->directory.fd, kind_names[STORE_MEMORY], err.text);
    return memory;
}

/* ------------------------------------------------------------------ save */

static void store_start(struct store *store, struct store_save *save);
static void store_maybe_closed(struct store *store);

/* On the thread pool: touches nothing but the save and the directory's descriptor. */
static void save_work(uv_work_t *work)
{
    struct store_save *save = work->data;
    if (save->rc < 0)
        return;
    const char *name = kind_names[save->kind];
    size_t len;
    AUTO_FREE char *sealed = store_seal(name, save->payload, save->len, &len);
    save->rc = store_write(save->store->directory.fd, name, sealed, len, &save->err);
    if (save->rc < 0)
        (void)err_wrap(&save->err, "state directory %s", save->store->directory.path);
}

static void save_free(struct store_save *save)
{
    free(save->payload);
    free(save->waiters);
    free(save);
}

static void save_done(uv_work_t *work, int status)
{
    ASSERT(status == 0); /* never cancelled */
    struct store_save *save = work->data;
    struct store *store = save->store;
    enum store_kind kind = save->kind;
    store->running[kind] = NULL;
    /* Before the callbacks: one that saves again must queue behind this one. */
    if (store->waiting[kind])
        store_start(store, TAKE(store->waiting[kind]));
    for (size_t i = 0; i < save->waiter_count; i++)
        save->waiters[i].done(save->waiters[i].ctx, save->rc, save->rc < 0 ? save->err.text : "");
    save_free(save);
    store_maybe_closed(store);
}

static void store_start(struct store *store, struct store_save *save)
{
    store->running[save->kind] = save;
    save->work.data = save;
    int rc = uv_queue_work(store->loop, &save->work, save_work, save_done);
    ASSERT(rc == 0);
}

static void save_add_waiters(struct store_save *save, const struct store_waiter *waiters,
                             size_t count)
{
    if (count == 0)
        return;
    save->waiters = memory_grow(save->waiters, save->waiter_count + count, sizeof *save->waiters);
    memcpy(save->waiters + save->waiter_count, waiters, count * sizeof *waiters);
    save->waiter_count += count;
}

/* Takes what `text` built. */
static void store_save(struct store *store, enum store_kind kind, struct str *text,
                       store_done_fn done, void *ctx)
{
    ASSERT(!store->closing);
    ASSERT(done);
    struct store_save *save = memory_alloc(sizeof *save);
    save->store = store;
    save->kind = kind;
    save->len = text->len;
    if (text->truncated)
        save->rc = err_say(&save->err, -EFBIG, "%s/%s would be larger than %d bytes",
                           store->directory.path, kind_names[kind], STORE_FILE_MAX);
    save->payload = str_take(text);

    struct store_save *older = TAKE(store->waiting[kind]);
    if (older)
        save_add_waiters(save, older->waiters, older->waiter_count);
    save_add_waiters(save, &(struct store_waiter){ done, ctx }, 1);
    if (older)
        save_free(older);
    if (store->running[kind])
        store->waiting[kind] = save;
    else
        store_start(store, save);
}

/* A validator that JSON cannot carry is not worth keeping: the next fetch is unconditional. */
static const char *presentable(const char *text)
{
    return text && utf8_valid(text, strlen(text)) ? text : "";
}

void store_save_document(struct store *store, const char *bytes, size_t len, const char *url,
                         const char *etag, const char *last_modified, store_done_fn done, void *ctx)
{
    AUTO_STR struct str text;
    struct json_writer writer;
    str_init(&text, STORE_FILE_MAX - 256);
    json_begin(&writer, &text);
    json_object(&writer);
    json_string_member(&writer, "url", presentable(url));
    json_string_member(&writer, "etag", presentable(etag));
    json_string_member(&writer, "lastModified", presentable(last_modified));
    json_object_end(&writer);
    str_add_char(&text, '\n');
    str_add_len(&text, bytes, len);
    store_save(store, STORE_DOCUMENT, &text, done, ctx);
}

void store_save_memory(struct store *store, const struct memory *memory, store_done_fn done,
                       void *ctx)
{
    AUTO_STR struct str text;
    str_init(&text, STORE_FILE_MAX - 256);
    memory_render(memory, &text);
    store_save(store, STORE_MEMORY, &text, done, ctx);
}

/* ------------------------------------------------------------------ close */

static void store_on_farewell_closed(uv_handle_t *handle)
{
    struct store *store = handle->data;
    close_lock(store->lock);
    (void)close(store->directory.fd);
    if (store->on_closed)
        store->on_closed(store->closed_ctx);
    free(store->directory.path);
    free(store);
}

static void store_maybe_closed(struct store *store)
{
    if (!store->closing)
        return;
    for (size_t kind = 0; kind < STORE_KINDS; kind++) {
        if (store->running[kind])
            return;
    }
    /* store_close() from inside a done() gets here twice. */
    if (!uv_is_closing((uv_handle_t *)&store->farewell))
        uv_close((uv_handle_t *)&store->farewell, store_on_farewell_closed);
}

void store_close(struct store *store, void (*on_closed)(void *ctx), void *ctx)
{
    ASSERT(!store->closing);
    store->closing = true;
    store->on_closed = on_closed;
    store->closed_ctx = ctx;
    store_maybe_closed(store);
}
