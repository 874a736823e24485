/* Fetching the desired-state document: one fetch at a time, from a file or a server.
 *
 * A file is read on the thread pool, as it may lie on a file system that hangs, and what arrived
 * is judged there: four megabytes take a tenth of a second, in which the loop would answer nobody.
 * Every way ends in source_conclude(), from the loop. */
#include "berth/source.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "berth/assert.h"
#include "berth/digest.h"
#include "berth/json.h"
#include "berth/memory.h"
#include "berth/str.h"
#include "source_inside.h"

#define TIMEOUT_MS SECONDS(30)
#define CONNECT_TIMEOUT_MS SECONDS(10)
#define REDIRECTS_MAX 5
#define RETRY_MIN_MS SECONDS(1)
#define RETRY_MAX_MS MINUTES(60)
#define TEXT_MAX 1024

/* A file to be read, bytes to be judged; belongs to the thread while it works. */
struct source_job {
    uv_work_t work;
    struct source *source;
    const char *path; /* NULL = the bytes are there */
    char *bytes;
    size_t len;
    char *etag, *last_modified;
    msec retry_after_ms;
    bool remembers; /* as the source did when the job began */
    struct digest remembered;

    int rc; /* of reading */
    struct digest digest;
    bool same;
    struct desired *desired;
    struct findings findings;
    struct str text;
};

struct source {
    uv_loop_t *loop;
    struct http_pool *pool;
    char *url, *shown, *ca_file;
    char *path; /* of a file; NULL = remote */
    msec timeout_ms;
    struct source_watch *watch;
    void (*on_changed)(void *ctx);
    void *ctx;

    bool remembers; /* what the last accepted document came with: */
    struct digest digest;
    char *etag, *last_modified;

    source_done_fn done; /* of the fetch under way, or NULL */
    void *done_ctx;
    struct http_request *request;
    struct source_job *job;

    bool closing;
    int open_parts; /* while closing: farewell, watch, fetch */
    uv_timer_t farewell;
    void (*on_closed)(void *ctx);
    void *closed_ctx;
};

static void source_part_closed(void *ctx);

/* ------------------------------------------------------------------ what came of it */

static void source_conclude(struct source *source, const struct source_answer *answer)
{
    source_done_fn done = TAKE(source->done);
    struct source_answer complete = *answer;
    if (!complete.text)
        complete.text = "";
    if (!complete.etag)
        complete.etag = "";
    if (!complete.last_modified)
        complete.last_modified = "";
    bool part = source->closing; /* done() may close */
    done(source->done_ctx, &complete);
    if (part)
        source_part_closed(source);
}

__attribute__((format(printf, 4, 5))) static void source_conclude_text(struct source *source,
                                                                       enum fetch_result result,
                                                                       msec retry_after_ms,
                                                                       const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    source_conclude(source, &(struct source_answer){
                                .result = result, .text = text, .retry_after_ms = retry_after_ms });
}

/* People think in revisions, and a document that is not valid may still say which one it is. */
static void describe_bad(const struct source *source, const char *bytes, size_t len,
                         const struct findings *findings, struct str *out)
{
    AUTO_JSON cJSON *root = NULL;
    int64_t revision = -1;
    if (json_parse(bytes, len, &root, NULL) == 0)
        revision = json_integer(root, "revision", -1);
    char first[512];
    const char *error = findings_first_error(findings, first, sizeof first);
    if (str_starts(error, ".: "))
        error += strlen(".: ");
    str_addf(out, "%s: document", source->shown);
    if (revision >= 0)
        str_addf(out, " revision %lld", (long long)revision);
    str_addf(out, ": %s", error);
    if (findings->errors > 1)
        str_addf(out, " (and %zu more error%s)", findings->errors - 1,
                 findings->errors > 2 ? "s" : "");
}

/* On the thread pool: touches nothing of the source that changes. */
static void judge(struct source_job *job)
{
    digest_of(job->bytes, job->len, &job->digest);
    job->same = job->remembers && digest_equal(&job->digest, &job->remembered);
    if (job->same)
        return;
    job->desired = desired_parse(job->bytes, job->len, &job->findings);
    if (!job->desired)
        describe_bad(job->source, job->bytes, job->len, &job->findings, &job->text);
}

static void conclude_judged(struct source *source, const struct source_job *job)
{
    if (job->same) {
        source_remember(source, &job->digest, job->etag, job->last_modified);
        source_conclude_text(source, FETCH_SAME, job->retry_after_ms, "%s", "");
        return;
    }
    bool good = job->desired != NULL;
    source_conclude(source, &(struct source_answer){
                                .result = good ? FETCH_NEW : FETCH_BAD,
                                .desired = job->desired,
                                .text = str_text(&job->text),
                                .bytes = good ? job->bytes : NULL,
                                .len = good ? job->len : 0,
                                .etag = job->etag,
                                .last_modified = job->last_modified,
                                .retry_after_ms = job->retry_after_ms,
                                .findings = &job->findings,
                            });
}

static void job_free(struct source_job *job)
{
    findings_release(&job->findings);
    str_release(&job->text);
    free(job->bytes);
    free(job->etag);
    free(job->last_modified);
    free(job);
}

static void job_work(uv_work_t *work);
static void job_done(uv_work_t *work, int status);

static struct source_job *job_new(struct source *source)
{
    struct source_job *job = memory_alloc(sizeof *job);
    job->work.data = job;
    job->source = source;
    job->remembers = source->remembers;
    job->remembered = source->digest;
    str_init(&job->text, TEXT_MAX);
    return job;
}

static void job_start(struct source *source, struct source_job *job)
{
    source->job = job;
    int rc = uv_queue_work(source->loop, &job->work, job_work, job_done);
    ASSERT(rc == 0);
}

static void judge_answer(struct source *source, const struct http_answer *answer, msec wish)
{
    struct source_job *job = job_new(source);
    job->bytes = memory_alloc(answer->len + 1); /* it may hold NULs */
    memcpy(job->bytes, answer->body, answer->len);
    job->len = answer->len;
    job->etag = memory_strdup(answer->etag);
    job->last_modified = memory_strdup(answer->last_modified);
    job->retry_after_ms = wish;
    job_start(source, job);
}

/* ------------------------------------------------------------------ a server */

/* "max-age=0" is said by servers that know nothing better; it is no wish to be asked at once. */
static msec wish_of(const struct http_answer *answer)
{
    bool fine = answer->status == 200 || answer->status == 304;
    msec wish = answer->retry_after_ms;
    if (wish <= 0 && fine)
        wish = answer->max_age_ms;
    if (wish <= 0)
        return 0;
    if (wish < RETRY_MIN_MS)
        return RETRY_MIN_MS;
    return wish > RETRY_MAX_MS ? RETRY_MAX_MS : wish;
}

static void source_take_status(struct source *source, const struct http_answer *answer)
{
    msec wish = wish_of(answer);
    switch (answer->status) {
    case 200:
    case 204:
        judge_answer(source, answer, wish);
        return;
    case 304:
        if (source->remembers)
            source_conclude_text(source, FETCH_SAME, wish, "%s", "");
        else
            source_conclude_text(source, FETCH_FAILED, wish,
                                 "GET %s answered 304 to a request without conditions",
                                 source->shown);
        return;
    case 404:
    case 410:
        source_conclude_text(source, FETCH_BAD, wish, "GET %s answered %ld: there is no document",
                             source->shown, answer->status);
        return;
    default:
        source_conclude_text(source, FETCH_FAILED, wish, "GET %s answered %ld", source->shown,
                             answer->status);
    }
}

static void source_on_answer(void *ctx, const struct http_answer *answer)
{
    struct source *source = ctx;
    source->request = NULL;
    if (source->closing)
        source_conclude_text(source, FETCH_FAILED, 0, "cancelled");
    else if (answer->rc == -EFBIG)
        source_conclude_text(source, FETCH_BAD, 0, "%s: document: it is larger than %d bytes",
                             source->shown, DOCUMENT_BYTES_MAX);
    else if (answer->rc < 0)
        source_conclude_text(source, FETCH_FAILED, 0, "%s", answer->error);
    else
        source_take_status(source, answer);
}

static void fetch_remote(struct source *source)
{
    static const char *const headers[] = { "Accept: application/json", NULL };
    source->request = http_send(
        source->pool, &(struct http_call){
                          .url = source->url,
                          .headers = headers,
                          .if_none_match = source->remembers ? source->etag : NULL,
                          .if_modified_since = source->remembers ? source->last_modified : NULL,
                          .ca_file = source->ca_file,
                          .body_max = DOCUMENT_BYTES_MAX,
                          .redirects_max = REDIRECTS_MAX,
                          .timeout_ms = source->timeout_ms,
                          .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                          .done = source_on_answer,
                          .ctx = source,
                      });
}

/* ------------------------------------------------------------------ a file */

/* The size is only a hint: somebody may be writing. */
static int read_whole(int fd, char **ret, size_t *ret_len)
{
    struct stat found;
    if (fstat(fd, &found) < 0)
        return -errno;
    if (S_ISDIR(found.st_mode))
        return -EISDIR;
    if (!S_ISREG(found.st_mode))
        return -EINVAL;
    if (found.st_size > DOCUMENT_BYTES_MAX)
        return -EFBIG;
    size_t capacity = (size_t)found.st_size + 64 * 1024, len = 0;
    AUTO_FREE char *bytes = memory_alloc(capacity + 1);
    for (;;) {
        ssize_t n = read(fd, bytes + len, capacity - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        len += (size_t)n;
        if (len > DOCUMENT_BYTES_MAX)
            return -EFBIG;
        if (n == 0)
            break;
        if (len == capacity) {
            capacity *= 2;
            bytes = memory_grow(bytes, capacity + 1, 1);
        }
    }
    bytes[len] = '\0';
    *ret = TAKE(bytes);
    *ret_len = len;
    return 0;
}

/* On the thread pool. O_NONBLOCK: opening a FIFO would wait for its writer. */
static int read_file(struct source_job *job)
{
    AUTO_FD int fd = open(job->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return fd < 0 ? -errno : read_whole(fd, &job->bytes, &job->len);
}

static void job_work(uv_work_t *work)
{
    struct source_job *job = work->data;
    if (job->path)
        job->rc = read_file(job);
    if (job->rc == 0)
        judge(job);
}

static void source_take_read_error(struct source *source, int rc)
{
    switch (rc) {
    case -ENOENT:
    case -ENOTDIR:
        source_conclude_text(source, FETCH_BAD, 0, "%s: there is no such file", source->shown);
        return;
    case -EISDIR:
    case -EINVAL:
        source_conclude_text(source, FETCH_BAD, 0, "%s: it is no regular file", source->shown);
        return;
    case -EFBIG:
        source_conclude_text(source, FETCH_BAD, 0, "%s: document: it is larger than %d bytes",
                             source->shown, DOCUMENT_BYTES_MAX);
        return;
    default:
        source_conclude_text(source, FETCH_FAILED, 0, "%s: %s", source->shown,
                             strerrordesc_np(-rc));
    }
}

static void job_done(uv_work_t *work, int status)
{
    struct source_job *job = work->data;
    struct source *source = job->source;
    bool cancelled = source->closing || status < 0;
    source->job = NULL;
    if (cancelled)
        desired_unref(job->desired);
    /* The source may be gone after any of these. */
    if (cancelled)
        source_conclude_text(source, FETCH_FAILED, 0, "cancelled");
    else if (job->rc < 0)
        source_take_read_error(source, job->rc);
    else
        conclude_judged(source, job);
    job_free(job);
}

static void fetch_file(struct source *source)
{
    struct source_job *job = job_new(source);
    job->path = source->path;
    job_start(source, job);
}

void source_fetch(struct source *source, source_done_fn done, void *ctx)
{
    ASSERT(!source->closing);
    ASSERT(!source->done);
    ASSERT(done);
    source->done = done;
    source->done_ctx = ctx;
    if (source->path)
        fetch_file(source);
    else
        fetch_remote(source);
}

/* ------------------------------------------------------------------ memory */

void source_remember(struct source *source, const struct digest *digest, const char *etag,
                     const char *last_modified)
{
    source->digest = *digest;
    source->remembers = true;
    free(source->etag);
    free(source->last_modified);
    source->etag = memory_strdup(etag ? etag : "");
    source->last_modified = memory_strdup(last_modified ? last_modified : "");
}

void source_forget(struct source *source)
{
    source->remembers = false;
}

/* ------------------------------------------------------------------ life */

static void source_on_watch(void *ctx)
{
    struct source *source = ctx;
    if (source->on_changed)
        source->on_changed(source->ctx);
}

static int parse_url(const char *url, char **ret_path, char **ret_shown, struct err *err)
{
    int rc = source_url_parse(url, ret_path, ret_shown, err);
    if (rc < 0) {
        bool secret = strchr(url, '@') != NULL; /* it may hold a password */
        (void)err_wrap(err, "desired-state URL%s%s", secret ? "" : " ", secret ? "" : url);
    }
    return rc;
}

int source_check(const char *url, struct err *err)
{
    AUTO_FREE char *path = NULL;
    AUTO_FREE char *shown = NULL;
    return parse_url(url, &path, &shown, err);
}

struct source *source_open(uv_loop_t *loop, struct http_pool *pool,
                           const struct source_options *options, void (*on_changed)(void *ctx),
                           void *ctx, struct err *err)
{
    char *path, *shown;
    if (parse_url(options->url, &path, &shown, err) < 0)
        return NULL;
    ASSERT(path || pool);
    struct source *source = memory_alloc(sizeof *source);
    source->loop = loop;
    source->pool = pool;
    source->url = memory_strdup(options->url);
    source->path = path;
    source->shown = shown;
    source->ca_file = memory_strdup(options->ca_file);
    source->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS;
    source->on_changed = on_changed;
    source->ctx = ctx;
    uv_timer_init(loop, &source->farewell);
    source->farewell.data = source;
    if (path)
        source->watch = source_watch_open(loop, path, source_on_watch, source);
    return source;
}

static void source_part_closed(void *ctx)
{
    struct source *source = ctx;
    if (--source->open_parts > 0)
        return;
    if (source->on_closed)
        source->on_closed(source->closed_ctx);
    free(source->url);
    free(source->path);
    free(source->shown);
    free(source->ca_file);
    free(source->etag);
    free(source->last_modified);
    free(source);
}

static void source_on_farewell_closed(uv_handle_t *handle)
{
    source_part_closed(handle->data);
}

void source_close(struct source *source, void (*on_closed)(void *ctx), void *ctx)
{
    ASSERT(!source->closing);
    source->closing = true;
    source->on_closed = on_closed;
    source->closed_ctx = ctx;
    source->open_parts = 1 + (source->watch != NULL) + (source->done != NULL);
    uv_close((uv_handle_t *)&source->farewell, source_on_farewell_closed);
    if (source->watch)
        source_watch_close(source->watch, source_part_closed, source);
    if (source->request)
        http_cancel(source->request);
    if (source->job)
        (void)uv_cancel((uv_req_t *)&source->job->work);
}
