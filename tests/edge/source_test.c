#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "berth/digest.h"
#include "berth/memory.h"
#include "berth/source.h"
#include "berth/str.h"
#include "tests/lib/fake_http.h"
#include "tests/lib/loop.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

#define DOCUMENT(revision_)                                                                        \
    "{\"revision\": " #revision_ ", \"taskDefinitions\": [], \"services\": []}"

struct world {
    uv_loop_t loop;
    struct scratch scratch;
    struct http_pool *pool;
    struct fake_http *server;
    struct source *source;
    char url[400];
    bool source_closed, pool_closed;
    bool in_call;

    int changed;
    uint64_t changed_ns;
    bool close_on_change;

    int done;
    enum fetch_result result;
    int64_t revision;
    char text[1024], etag[128], last_modified[128];
    char *bytes;
    msec retry_after_ms;
    size_t error_count;
};

static void world_on_source_closed(void *ctx)
{
    struct world *world = ctx;
    assert_false(world->in_call);
    world->source_closed = true;
}

static void world_on_pool_closed(void *ctx)
{
    struct world *world = ctx;
    world->pool_closed = true;
}

static void world_on_changed(void *ctx)
{
    struct world *world = ctx;
    assert_false(world->in_call);
    assert_false(world->source_closed);
    world->changed++;
    world->changed_ns = uv_hrtime();
    if (world->close_on_change)
        source_close(world->source, world_on_source_closed, world);
}

static void world_on_fetched(void *ctx, const struct source_answer *answer)
{
    struct world *world = ctx;
    assert_false(world->in_call);
    assert_false(world->source_closed);
    world->done++;
    world->result = answer->result;
    world->revision = answer->desired ? answer->desired->revision : -1;
    world->retry_after_ms = answer->retry_after_ms;
    world->error_count = answer->findings ? answer->findings->errors : 0;
    (void)snprintf(world->text, sizeof world->text, "%s", answer->text);
    (void)snprintf(world->etag, sizeof world->etag, "%s", answer->etag);
    (void)snprintf(world->last_modified, sizeof world->last_modified, "%s", answer->last_modified);
    free(world->bytes);
    world->bytes = answer->bytes ? memory_strndup(answer->bytes, answer->len) : NULL;
    assert_true((answer->desired != NULL) == (answer->result == FETCH_NEW));
    desired_unref(answer->desired);
}

static void world_open(struct world *world)
{
    (void)signal(SIGPIPE, SIG_IGN);
    memset(world, 0, sizeof *world);
    assert_int_equal(uv_loop_init(&world->loop), 0);
    scratch_make(&world->scratch);
    world->pool = http_pool_open(&world->loop);
    world->server = fake_http_open(&world->loop, FAKE_TCP);
}

static void world_source_with(struct world *world, struct source_options options)
{
    struct err err = ERR_NONE;
    options.url = world->url;
    world->source_closed = false;
    world->changed = 0;
    world->source = source_open(&world->loop, world->pool, &options, world_on_changed, world, &err);
    if (!world->source)
        fail_msg("%s", err.text);
}

static void world_file(struct world *world, const char *name)
{
    (void)snprintf(world->url, sizeof world->url, "file://%s/%s", world->scratch.directory, name);
    world_source_with(world, (struct source_options){ .ca_file = "" });
}

static void world_remote(struct world *world)
{
    (void)snprintf(world->url, sizeof world->url, "%s/d.json", fake_http_url(world->server));
    world_source_with(world, (struct source_options){ .ca_file = NULL });
}

static void world_close_source(struct world *world)
{
    world->in_call = true;
    if (!world->source_closed)
        source_close(world->source, world_on_source_closed, world);
    world->in_call = false;
    loop_run_until(&world->loop, &world->source_closed);
}

static void world_close(struct world *world)
{
    world_close_source(world);
    http_pool_close(world->pool, world_on_pool_closed, world);
    loop_run_until(&world->loop, &world->pool_closed);
    fake_http_close(world->server);
    loop_must_close(&world->loop);
    free(world->bytes);
    scratch_remove(&world->scratch);
}

static void start_fetch(struct world *world)
{
    world->in_call = true;
    world->done = 0;
    source_fetch(world->source, world_on_fetched, world);
    world->in_call = false;
}

static void fetch(struct world *world)
{
    start_fetch(world);
    loop_run_until_count(&world->loop, &world->done, 1);
}

static void expect(const struct world *world, enum fetch_result result, const char *text)
{
    if (world->result != result || !strstr(world->text, text))
        fail_msg("result %d instead of %d, \"%s\" instead of \"%s\"", world->result, result,
                 world->text, text);
}

/* What an agent does once it has accepted what was fetched. */
static void accept_fetched(struct world *world)
{
    struct digest digest;
    assert_non_null(world->bytes);
    digest_of(world->bytes, strlen(world->bytes), &digest);
    source_remember(world->source, &digest, world->etag, world->last_modified);
}

/* ------------------------------------------------------------------ URLs */

TEST(source, refuses_urls_that_it_cannot_fetch_and_says_why)
{
    static const char *const bad[][2] = {
        { "", "must begin" },
        { "/etc/berth/desired.json", "must begin" },
        { "ftp://h/d", "must begin" },
        { "file://etc/desired.json", "three slashes" },
        { "file:///etc/berth/", "directory" },
        { "file:///etc/%zz", "hexadecimal" },
        { "file:///etc/%00", "hexadecimal" },
        { "file:///etc/%4", "hexadecimal" },
        { "http://", "no host" },
        { "http:///d", "no host" },
        { "https://user@/d", "no host" },
        { "http://h/a b", "space" },
        { "http://h/a\r\nX: y", "control" },
    };
    struct world world;
    world_open(&world);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err = ERR_NONE;
        struct source_options options = { .url = bad[i][0] };
        assert_null(source_open(&world.loop, world.pool, &options, NULL, NULL, &err));
        if (!strstr(err.text, bad[i][1]))
            fail_msg("%s: \"%s\" does not say \"%s\"", bad[i][0], err.text, bad[i][1]);
    }
    world.source_closed = true;
    world_close(&world);
}

/* ------------------------------------------------------------------ files */

TEST(source, reads_a_file)
{
    struct world world;
    world_open(&world);
    scratch_write(&world.scratch, "d.json", DOCUMENT(7));
    world_file(&world, "d.json");
    fetch(&world);
    expect(&world, FETCH_NEW, "");
    assert_int_equal(world.revision, 7);
    assert_string_equal(world.bytes, DOCUMENT(7));
    /* Not accepted by anybody, it is new again. */
    fetch(&world);
    expect(&world, FETCH_NEW, "");
    accept_fetched(&world);
    fetch(&world);
    expect(&world, FETCH_SAME, "");
    scratch_write(&world.scratch, "d.json", DOCUMENT(8));
    fetch(&world);
    expect(&world, FETCH_NEW, "");
    assert_int_equal(world.revision, 8);
    scratch_write(&world.scratch, "d.json", DOCUMENT(7));
    fetch(&world);
    expect(&world, FETCH_SAME, "");
    source_forget(world.source);
    fetch(&world);
    expect(&world, FETCH_NEW, "");
    world_close(&world);
}

TEST(source, decodes_the_path_of_a_file_url)
{
    struct world world;
    world_open(&world);
    scratch_write(&world.scratch, "a b%.json", DOCUMENT(7));
    (void)snprintf(world.url, sizeof world.url, "file://localhost%s/a%%20b%%25.json",
                   world.scratch.directory);
    world_source_with(&world, (struct source_options){ .ca_file = NULL });
    fetch(&world);
    expect(&world, FETCH_NEW, "");
    world_close(&world);
}

TEST(source, calls_a_document_with_errors_bad_and_names_revision_path_and_count)
{
    struct world world;
    world_open(&world);
    scratch_write(&world.scratch, "d.json",
                  "{\"revision\": 9, \"taskDefinitions\": [], \"services\": [{}, 5, {}]}");
    world_file(&world, "d.json");
    fetch(&world);
    expect(&world, FETCH_BAD, "/d.json: document revision 9: services[0]");
    assert_non_null(strstr(world.text, " more error"));
    assert_true(world.error_count >= 3);
    static const char *const bad[] = {
        "", "{", "[]", "{}", "\xff\xfe", "{} {}", "{\"revision\": 1}"
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        scratch_write(&world.scratch, "d.json", bad[i]);
        fetch(&world);
        expect(&world, FETCH_BAD, "/d.json: document");
        assert_null(strstr(world.text, ": .:"));
        assert_true(world.error_count >= 1);
    }
    world_close(&world);
}

TEST(source, calls_what_is_no_document_file_bad)
{
    struct world world;
    world_open(&world);
    world_file(&world, "d.json");
    char path[SCRATCH_PATH_MAX];
    scratch_path(&world.scratch, "d.json", path);
    fetch(&world);
    expect(&world, FETCH_BAD, "no such file");
    assert_non_null(strstr(world.text, world.url));
    assert_int_equal(mkdir(path, 0700), 0);
    fetch(&world);
    expect(&world, FETCH_BAD, "no regular file");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    fetch(&world);
    expect(&world, FETCH_BAD, "no regular file");
    assert_int_equal(unlink(path), 0);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, DOCUMENT_BYTES_MAX + 1), 0);
    (void)close(fd);
    fetch(&world);
    expect(&world, FETCH_BAD, "larger than 4194304 bytes");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("d.json", path), 0);
    fetch(&world);
    expect(&world, FETCH_FAILED, "symbolic links");
    world_close(&world);
}

TEST(source, reads_a_document_of_the_largest_size)
{
    struct world world;
    world_open(&world);
    AUTO_FREE char *large = memory_alloc(DOCUMENT_BYTES_MAX);
    memset(large, ' ', DOCUMENT_BYTES_MAX);
    memcpy(large, DOCUMENT(3), strlen(DOCUMENT(3)));
    scratch_write_bytes(&world.scratch, "d.json", large, DOCUMENT_BYTES_MAX);
    world_file(&world, "d.json");
    fetch(&world);
    expect(&world, FETCH_NEW, "");
    assert_int_equal(strlen(world.bytes), DOCUMENT_BYTES_MAX);
    world_close(&world);
}

static double cpu_ms(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* A valid document of nearly the largest size, or one with an error at its very end. */
static void write_large(struct world *world, const char *tail)
{
    AUTO_STR struct str text;
    str_init(&text, DOCUMENT_BYTES_MAX);
    str_add(&text, "{\"revision\": 5, \"services\": [], \"taskDefinitions\": [");
    for (int i = 0; text.len < DOCUMENT_BYTES_MAX - 4096; i++) {
        str_addf(&text, "%s{\"family\": \"f%d\", \"containerDefinitions\": [{\"name\": \"app\", ",
                 i > 0 ? ", " : "", i);
        str_add(&text, "\"image\": \"i:1\", \"memory\": 16, \"environment\": [");
        for (int j = 0; j < 60; j++)
            str_addf(&text, "%s{\"name\": \"V%d\", \"value\": \"xxxxxxxxxx\"}", j > 0 ? ", " : "",
                     j);
        str_add(&text, "]}]}");
    }
    str_addf(&text, "], %s}", tail);
    assert_false(text.truncated);
    scratch_write(&world->scratch, "d.json", str_text(&text));
}

static void expect_loop_is_free(struct world *world)
{
    double all = cpu_ms(CLOCK_PROCESS_CPUTIME_ID), own = cpu_ms(CLOCK_THREAD_CPUTIME_ID);
    fetch(world);
    all = cpu_ms(CLOCK_PROCESS_CPUTIME_ID) - all;
    own = cpu_ms(CLOCK_THREAD_CPUTIME_ID) - own;
    if (own > all / 4)
        fail_msg("%.1f of %.1f ms were spent on the loop", own, all);
}

TEST(source, judges_a_large_document_beside_the_loop)
{
    struct world world;
    world_open(&world);
    write_large(&world, "\"tasks\": []");
    world_file(&world, "d.json");
    expect_loop_is_free(&world);
    expect(&world, FETCH_NEW, "");
    assert_int_equal(world.revision, 5);
    write_large(&world, "\"tasks\": 7");
    expect_loop_is_free(&world);
    expect(&world, FETCH_BAD, "document revision 5: tasks: ");

    /* The loop turns while a thread is at work, and the source may close then. */
    start_fetch(&world);
    loop_run_for(&world.loop, 5);
    world_close_source(&world);
    assert_int_equal(world.done, 1);
    world_close(&world);
}

/* ------------------------------------------------------------------ watching */

/* The slow look would find it, too, after 5 s: seen sooner, it was seen by watching. */
#define SEEN_BY_WATCHING_MS 2000

/* Turn by turn: a change is told from a timer, after which uv_run() would wait for another. */
static uint64_t wait_for_change(struct world *world, uint64_t start_ns)
{
    struct pollfd fd = { .fd = uv_backend_fd(&world->loop), .events = POLLIN };
    while (world->changed == 0 && uv_hrtime() - start_ns < LOOP_PATIENCE_MS * 1000000ULL) {
        (void)poll(&fd, 1, 1);
        (void)uv_run(&world->loop, UV_RUN_NOWAIT);
    }
    assert_true(world->changed > 0);
    world->changed = 0;
    return (world->changed_ns - start_ns) / 1000000;
}

static void expect_change(struct world *world, uint64_t start_ns)
{
    uint64_t took_ms = wait_for_change(world, start_ns);
    if (took_ms >= SEEN_BY_WATCHING_MS)
        fail_msg("seen only after %d ms", (int)took_ms);
    /* Let what belongs to the same change pass. */
    loop_run_for(&world->loop, 60);
    world->changed = 0;
}

static void move(const struct world *world, const char *from, const char *to)
{
    char from_path[SCRATCH_PATH_MAX], to_path[SCRATCH_PATH_MAX];
    assert_int_equal(rename(scratch_path(&world->scratch, from, from_path),
                            scratch_path(&world->scratch, to, to_path)),
                     0);
}

static void link_to(const struct world *world, const char *target, const char *name)
{
    char path[SCRATCH_PATH_MAX];
    assert_int_equal(symlink(target, scratch_path(&world->scratch, name, path)), 0);
}

static void drop(const struct world *world, const char *name)
{
    char path[SCRATCH_PATH_MAX];
    assert_int_equal(remove(scratch_path(&world->scratch, name, path)), 0);
}

TEST(source, sees_a_rename_over_the_file_within_100_ms)
{
    struct world world;
    world_open(&world);
    scratch_write(&world.scratch, "d.json", DOCUMENT(1));
    world_file(&world, "d.json");
    uint64_t best_ms = UINT64_MAX;
    /* Of several: a loaded machine may hold one up. */
    for (int i = 0; i < 5; i++) {
        scratch_write(&world.scratch, "d.json.new", DOCUMENT(2));
        loop_run_for(&world.loop, 60);
        world.changed = 0;
        uint64_t start_ns = uv_hrtime();
        move(&world, "d.json.new", "d.json");
        uint64_t took_ms = wait_for_change(&world, start_ns);
        assert_true(took_ms < SEEN_BY_WATCHING_MS);
        best_ms = took_ms < best_ms ? took_ms : best_ms;
    }
    assert_true(best_ms <= 100);
    world_close(&world);
}

TEST(source, sees_a_write_in_place_even_of_the_same_size)
{
    struct world world;
    world_open(&world);
    scratch_write(&world.scratch, "d.json", DOCUMENT(1));
    world_file(&world, "d.json");
    for (int i = 0; i < 5; i++) {
        uint64_t start_ns = uv_hrtime();
        scratch_write(&world.scratch, "d.json", DOCUMENT(2));
        expect_change(&world, start_ns);
    }
    world_close(&world);
}

TEST(source, does_not_mind_other_files)
{
    struct world world;
    world_open(&world);
    scratch_write(&world.scratch, "d.json", DOCUMENT(1));
    world_file(&world, "d.json");
    for (int i = 0; i < 5; i++) {
        scratch_write(&world.scratch, "other.json", DOCUMENT(2));
        scratch_write(&world.scratch, "d.json.swp", "x");
        drop(&world, "d.json.swp");
        loop_run_for(&world.loop, 30);
    }
    assert_int_equal(world.changed, 0);
    world_close(&world);
}

TEST(source, sees_a_file_appear_go_and_come_back)
{
    struct world world;
    world_open(&world);
    world_file(&world, "d.json");
    uint64_t start_ns = uv_hrtime();
    scratch_write(&world.scratch, "d.json", DOCUMENT(1));
    expect_change(&world, start_ns);
    start_ns = uv_hrtime();
    drop(&world, "d.json");
    expect_change(&world, start_ns);
    start_ns = uv_hrtime();
    scratch_write(&world.scratch, "d.json", DOCUMENT(1));
    expect_change(&world, start_ns);
    world_close(&world);
}

TEST(source, sees_a_file_appear_whose_directories_were_missing)
{
    struct world world;
    world_open(&world);
    world_file(&world, "a/b/c/d.json");
    uint64_t start_ns = uv_hrtime();
    scratch_write(&world.scratch, "a/b/c/d.json", DOCUMENT(1));
    expect_change(&world, start_ns);
    start_ns = uv_hrtime();
    scratch_write(&world.scratch, "a/b/c/d.json", DOCUMENT(2));
    expect_change(&world, start_ns);
    world_close(&world);
}

TEST(source, sees_directories_appear_one_after_the_other)
{
    struct world world;
    world_open(&world);
    char path[SCRATCH_PATH_MAX];
    world_file(&world, "a/b/d.json");
    assert_int_equal(mkdir(scratch_path(&world.scratch, "a", path), 0755), 0);
    loop_run_for(&world.loop, 80);
    assert_int_equal(mkdir(scratch_path(&world.scratch, "a/b", path), 0755), 0);
    loop_run_for(&world.loop, 80);
    assert_int_equal(world.changed, 0);
    uint64_t start_ns = uv_hrtime();
    scratch_write(&world.scratch, "a/b/d.json", DOCUMENT(1));
    expect_change(&world, start_ns);
    world_close(&world);
}

TEST(source, goes_on_when_its_directory_is_replaced)
{
    struct world world;
    world_open(&world);
    scratch_write(&world.scratch, "a/d.json", DOCUMENT(1));
    scratch_write(&world.scratch, "b/d.json", DOCUMENT(2));
    world_file(&world, "a/d.json");
    uint64_t start_ns = uv_hrtime();
    move(&world, "a", "old");
    move(&world, "b", "a");
    expect_change(&world, start_ns);
    start_ns = uv_hrtime();
    scratch_write(&world.scratch, "a/d.json", DOCUMENT(3));
    expect_change(&world, start_ns);
    for (int i = 0; i < 3; i++) {
        start_ns = uv_hrtime();
        drop(&world, "a/d.json");
        drop(&world, "a");
        expect_change(&world, start_ns);
        start_ns = uv_hrtime();
        scratch_write(&world.scratch, "a/d.json", DOCUMENT(4));
        expect_change(&world, start_ns);
    }
    world_close(&world);
}

/* A volume of Kubernetes: d.json -> ..data/d.json, ..data -> ..2026_1, which is swapped. */
TEST(source, sees_a_link_on_the_way_swapped)
{
    struct world world;
    world_open(&world);
    scratch_write(&world.scratch, "..2026_1/d.json", DOCUMENT(1));
    scratch_write(&world.scratch, "..2026_2/d.json", DOCUMENT(2));
    link_to(&world, "..2026_1", "..data");
    link_to(&world, "..data/d.json", "d.json");
    world_file(&world, "d.json");
    link_to(&world, "..2026_2", "..data_new");
    loop_run_for(&world.loop, 60);
    world.changed = 0;
    uint64_t start_ns = uv_hrtime();
    move(&world, "..data_new", "..data");
    expect_change(&world, start_ns);
    fetch(&world);
    assert_int_equal(world.revision, 2);
    start_ns = uv_hrtime();
    scratch_write(&world.scratch, "..2026_2/d.json", DOCUMENT(3));
    expect_change(&world, start_ns);
    world_close(&world);
}

TEST(source, sees_the_target_of_a_link_elsewhere_change)
{
    struct world world;
    world_open(&world);
    scratch_write(&world.scratch, "far/away/real.json", DOCUMENT(1));
    scratch_write(&world.scratch, "near/keep", "");
    link_to(&world, "../far/away/real.json", "near/d.json");
    world_file(&world, "near/d.json");
    uint64_t start_ns = uv_hrtime();
    scratch_write(&world.scratch, "far/away/real.json", DOCUMENT(2));
    expect_change(&world, start_ns);
    start_ns = uv_hrtime();
    scratch_write(&world.scratch, "far/away/new.json", DOCUMENT(3));
    move(&world, "far/away/new.json", "far/away/real.json");
    expect_change(&world, start_ns);
    start_ns = uv_hrtime();
    drop(&world, "near/d.json");
    expect_change(&world, start_ns);
    world_close(&world);
}

TEST(source, sees_a_linked_directory_swapped_above_the_file)
{
    struct world world;
    world_open(&world);
    scratch_write(&world.scratch, "v1/etc/d.json", DOCUMENT(1));
    scratch_write(&world.scratch, "v2/etc/d.json", DOCUMENT(2));
    link_to(&world, "v1", "current");
    link_to(&world, "v2", "next");
    world_file(&world, "current/etc/d.json");
    uint64_t start_ns = uv_hrtime();
    move(&world, "next", "current");
    expect_change(&world, start_ns);
    fetch(&world);
    assert_int_equal(world.revision, 2);
    world_close(&world);
}

TEST(source, sees_a_dangling_link_become_whole)
{
    struct world world;
    world_open(&world);
    link_to(&world, "data/d.json", "d.json");
    world_file(&world, "d.json");
    uint64_t start_ns = uv_hrtime();
    scratch_write(&world.scratch, "data/d.json", DOCUMENT(1));
    expect_change(&world, start_ns);
    world_close(&world);
}

TEST(source, does_not_run_in_circles)
{
    struct world world;
    world_open(&world);
    link_to(&world, "b", "a");
    link_to(&world, "a", "b");
    world_file(&world, "a/d.json");
    drop(&world, "a");
    uint64_t start_ns = uv_hrtime();
    scratch_write(&world.scratch, "a/d.json", DOCUMENT(1));
    expect_change(&world, start_ns);
    world_close(&world);
}

TEST(source, may_be_closed_when_it_tells_of_a_change)
{
    struct world world;
    world_open(&world);
    world_file(&world, "d.json");
    world.close_on_change = true;
    scratch_write(&world.scratch, "d.json", DOCUMENT(1));
    loop_run_until(&world.loop, &world.source_closed);
    world_close(&world);
}

TEST(source, answers_a_fetch_before_it_is_closed)
{
    struct world world;
    world_open(&world);
    scratch_write(&world.scratch, "d.json", DOCUMENT(1));
    world_file(&world, "d.json");
    start_fetch(&world);
    world_close_source(&world);
    assert_int_equal(world.done, 1);
    expect(&world, FETCH_FAILED, "cancelled");

    fake_http_on(world.server, "GET /", (struct fake_answer){ .fault = FAKE_HANG });
    world_remote(&world);
    start_fetch(&world);
    world_close_source(&world);
    assert_int_equal(world.done, 1);
    expect(&world, FETCH_FAILED, "cancelled");

    world_remote(&world);
    start_fetch(&world);
    loop_run_for(&world.loop, 30);
    assert_int_equal(world.done, 0);
    world_close_source(&world);
    assert_int_equal(world.done, 1);
    world_close(&world);
}

/* ------------------------------------------------------------------ servers */

TEST(source, fetches_from_a_server_and_asks_conditionally)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "GET /d.json",
                 (struct fake_answer){
                     .headers = "ETag: \"v1\"\r\nLast-Modified: Mon, 23 Nov 2026 02:00:00 GMT\r\n",
                     .body = DOCUMENT(4) });
    world_remote(&world);
    fetch(&world);
    expect(&world, FETCH_NEW, "");
    assert_int_equal(world.revision, 4);
    assert_string_equal(world.etag, "\"v1\"");
    assert_string_equal(world.last_modified, "Mon, 23 Nov 2026 02:00:00 GMT");
    const struct fake_request *last = fake_http_last(world.server, "GET /d.json");
    assert_null(strcasestr(last->headers, "If-None-Match"));
    assert_non_null(strcasestr(last->headers, "Accept: application/json"));
    accept_fetched(&world);

    fake_http_on(world.server, "GET /d.json", (struct fake_answer){ .status = 304 });
    fetch(&world);
    expect(&world, FETCH_SAME, "");
    last = fake_http_last(world.server, "GET /d.json");
    assert_non_null(strcasestr(last->headers, "If-None-Match: \"v1\""));
    assert_non_null(strcasestr(last->headers, "If-Modified-Since: Mon, 23 Nov 2026 02:00:00 GMT"));

    source_forget(world.source);
    fetch(&world);
    expect(&world, FETCH_FAILED, "answered 304 to a request without conditions");
    last = fake_http_last(world.server, "GET /d.json");
    assert_null(strcasestr(last->headers, "If-None-Match"));
    world_close(&world);
}

TEST(source, counts_every_byte_of_an_answer)
{
    struct world world;
    world_open(&world);
    static const char body[] = DOCUMENT(4) "\0\0and more behind what ends a string";
    fake_http_on(world.server, "GET /d.json",
                 (struct fake_answer){ .body = body, .body_len = sizeof body - 1 });
    world_remote(&world);
    fetch(&world);
    expect(&world, FETCH_BAD, "document");
    world_close(&world);
}

TEST(source, knows_the_same_bytes_by_their_digest_and_learns_their_new_etag)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "GET /d.json",
                 (struct fake_answer){ .headers = "ETag: \"v1\"\r\n", .body = DOCUMENT(4) });
    world_remote(&world);
    fetch(&world);
    accept_fetched(&world);
    fake_http_on(world.server, "GET /d.json",
                 (struct fake_answer){ .headers = "ETag: \"v2\"\r\n", .body = DOCUMENT(4) });
    fetch(&world);
    expect(&world, FETCH_SAME, "");
    fetch(&world);
    const struct fake_request *last = fake_http_last(world.server, "GET /d.json");
    assert_non_null(strcasestr(last->headers, "If-None-Match: \"v2\""));
    world_close(&world);
}

TEST(source, names_url_and_cause_of_every_failure)
{
    static const struct {
        struct fake_answer answer;
        enum fetch_result result;
        const char *text;
    } cases[] = {
        { { .status = 500 }, FETCH_FAILED, "/d.json answered 500" },
        { { .status = 503 }, FETCH_FAILED, "/d.json answered 503" },
        { { .status = 403 }, FETCH_FAILED, "/d.json answered 403" },
        { { .status = 404 }, FETCH_BAD, "/d.json answered 404" },
        { { .status = 410 }, FETCH_BAD, "/d.json answered 410" },
        { { .status = 204 }, FETCH_BAD, "/d.json: document" },
        { { .body = "" }, FETCH_BAD, "/d.json: document" },
        { { .body = "<html>" }, FETCH_BAD, "/d.json: document" },
        { { .body = DOCUMENT(5) "x" }, FETCH_BAD, "/d.json: document" },
        { { .body = "{\"revision\": 5}" }, FETCH_BAD, "/d.json: document revision 5: " },
        { { .filler = 5 * 1024 * 1024 }, FETCH_BAD, "larger than 4194304 bytes" },
        { { .fault = FAKE_HANG_UP }, FETCH_FAILED, "GET http://127.0.0.1:" },
        { { .fault = FAKE_GARBAGE }, FETCH_FAILED, "GET http://127.0.0.1:" },
        { { .body = DOCUMENT(5), .fault = FAKE_CUT }, FETCH_FAILED, "GET http://127.0.0.1:" },
        { { .body = DOCUMENT(5), .fault = FAKE_STALL }, FETCH_FAILED, "GET http://127.0.0.1:" },
        { { .fault = FAKE_HANG }, FETCH_FAILED, "GET http://127.0.0.1:" },
    };
    struct world world;
    world_open(&world);
    (void)snprintf(world.url, sizeof world.url, "%s/d.json?token=secret",
                   fake_http_url(world.server));
    world_source_with(&world, (struct source_options){ .timeout_ms = 200 });
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_http_reset(world.server);
        fake_http_on(world.server, "GET /d.json", cases[i].answer);
        fetch(&world);
        expect(&world, cases[i].result, cases[i].text);
        assert_null(strstr(world.text, "secret"));
    }
    fake_http_refuse(world.server);
    fetch(&world);
    expect(&world, FETCH_FAILED, "GET http://127.0.0.1:");
    world_close(&world);
}

TEST(source, follows_a_few_redirects_and_no_more)
{
    struct world world;
    world_open(&world);
    fake_http_on(world.server, "GET /d.json",
                 (struct fake_answer){ .status = 302, .headers = "Location: /there\r\n" });
    fake_http_on(world.server, "GET /there", (struct fake_answer){ .body = DOCUMENT(6) });
    world_remote(&world);
    fetch(&world);
    expect(&world, FETCH_NEW, "");
    fake_http_on(world.server, "GET /there",
                 (struct fake_answer){ .status = 302, .headers = "Location: /there\r\n" });
    int before = fake_http_count(world.server, "GET ");
    fetch(&world);
    expect(&world, FETCH_FAILED, "GET http://127.0.0.1:");
    assert_int_equal(fake_http_count(world.server, "GET ") - before, 6);
    fake_http_on(
        world.server, "GET /there",
        (struct fake_answer){ .status = 302, .headers = "Location: file:///etc/passwd\r\n" });
    fetch(&world);
    expect(&world, FETCH_FAILED, "");
    world_close(&world);
}

TEST(source, passes_the_servers_wish_on_within_bounds)
{
    static const struct {
        int status;
        const char *headers;
        msec wish_ms;
    } cases[] = {
        { 200, "", 0 },
        { 200, "Cache-Control: max-age=30\r\n", 30000 },
        { 200, "Cache-Control: no-cache, max-age=0\r\n", 0 },
        { 200, "Cache-Control: max-age=999999\r\n", 3600000 },
        { 200, "Retry-After: 5\r\nCache-Control: max-age=30\r\n", 5000 },
        { 503, "Retry-After: 120\r\n", 120000 },
        { 503, "Retry-After: 0\r\n", 0 },
        { 503, "Retry-After: soon\r\n", 0 },
        { 503, "Retry-After: 99999999999999999999\r\n", 0 },
        { 503, "Cache-Control: max-age=30\r\n", 0 },
        { 429,
          "Date: Mon, 23 Nov 2026 02:00:00 GMT\r\n"
          "Retry-After: Mon, 23 Nov 2026 02:01:00 GMT\r\n",
          60000 },
        { 404, "Retry-After: 7\r\n", 7000 },
    };
    struct world world;
    world_open(&world);
    world_remote(&world);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_http_reset(world.server);
        fake_http_on(world.server, "GET /d.json",
                     (struct fake_answer){ .status = cases[i].status,
                                           .headers = cases[i].headers,
                                           .body = DOCUMENT(1) });
        fetch(&world);
        if (world.retry_after_ms != cases[i].wish_ms)
            fail_msg("%s: %lld ms", cases[i].headers, (long long)world.retry_after_ms);
    }
    world_close(&world);
}

/* ------------------------------------------------------------------ nginx */

static int free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    (void)close(fd);
    return ntohs(address.sin_port);
}

/* Its output goes to a file of the scratch directory; the caller waits for it. */
static pid_t run(const struct world *world, const char *const argv[])
{
    char log[SCRATCH_PATH_MAX];
    scratch_path(&world->scratch, "log", log);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid != 0)
        return pid;
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)dup2(fd, 1);
    (void)dup2(fd, 2);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

static bool run_to_end(const struct world *world, const char *const argv[])
{
    int status;
    pid_t pid = run(world, argv);
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool port_answers(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                   .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool answers = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    (void)close(fd);
    return answers;
}

#define SOME_KEY "ec_paramgen_curve:prime256v1"

static bool make_certificate(const struct world *world)
{
    char key[SCRATCH_PATH_MAX], certificate[SCRATCH_PATH_MAX];
    scratch_path(&world->scratch, "key.pem", key);
    scratch_path(&world->scratch, "ca.pem", certificate);
    const char *argv[] = { "openssl", "req",
                           "-x509",   "-newkey",
                           "ec",      "-pkeyopt",
                           SOME_KEY,  "-nodes",
                           "-keyout", key,
                           "-out",    certificate,
                           "-days",   "2",
                           "-subj",   "/CN=berth test",
                           "-addext", "subjectAltName=IP:127.0.0.1",
                           NULL };
    return run_to_end(world, argv);
}

/* Starts nginx on two ports; 0 when there is none. */
static pid_t start_nginx(struct world *world, int *plain, int *tls)
{
    *plain = free_port();
    *tls = free_port();
    AUTO_STR struct str text;
    str_init(&text, 16384);
    const char *d = world->scratch.directory;
    str_addf(&text, "daemon off; master_process off; pid %s/nginx.pid; error_log stderr;\n", d);
    str_addf(&text, "events {}\nhttp { access_log off; client_body_temp_path %s/t1;\n", d);
    str_addf(&text, "proxy_temp_path %s/t2; fastcgi_temp_path %s/t3; uwsgi_temp_path %s/t4;\n", d,
             d, d);
    str_addf(&text, "scgi_temp_path %s/t5; server { root %s/www; listen 127.0.0.1:%d;\n", d, d,
             *plain);
    str_addf(&text, "listen 127.0.0.1:%d ssl; ssl_certificate %s/ca.pem;\n", *tls, d);
    str_addf(&text, "ssl_certificate_key %s/key.pem; } }\n", d);
    scratch_write(&world->scratch, "nginx.conf", str_text(&text));
    char conf[SCRATCH_PATH_MAX];
    scratch_path(&world->scratch, "nginx.conf", conf);
    const char *argv[] = { "nginx", "-c", conf, NULL };
    pid_t pid = run(world, argv);
    for (uint64_t start = uv_hrtime(); uv_hrtime() - start < 10 * 1000000000ULL;) {
        int status;
        if (port_answers(*plain) && port_answers(*tls))
            return pid;
        if (waitpid(pid, &status, WNOHANG) == pid)
            return 0;
        (void)poll(NULL, 0, 5);
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    return 0;
}

static void nginx_url(struct world *world, const char *scheme, int port)
{
    (void)snprintf(world->url, sizeof world->url, "%s://127.0.0.1:%d/d.json", scheme, port);
}

static void check_plain(struct world *world, int port)
{
    nginx_url(world, "http", port);
    world_source_with(world, (struct source_options){ .ca_file = NULL });
    fetch(world);
    expect(world, FETCH_NEW, "");
    assert_true(strlen(world->etag) > 0);
    assert_true(strlen(world->last_modified) > 0);
    accept_fetched(world);
    fetch(world);
    expect(world, FETCH_SAME, "");
    scratch_write(&world->scratch, "www/d.json", DOCUMENT(21000));
    fetch(world);
    expect(world, FETCH_NEW, "");
    assert_int_equal(world->revision, 21000);
    drop(world, "www/d.json");
    fetch(world);
    expect(world, FETCH_BAD, "answered 404");
    scratch_write(&world->scratch, "www/d.json", DOCUMENT(22));
    world_close_source(world);
}

static void check_tls(struct world *world, int port)
{
    nginx_url(world, "https", port);
    world_source_with(world, (struct source_options){ .ca_file = NULL });
    fetch(world);
    expect(world, FETCH_FAILED, "certificate");
    world_close_source(world);
    char ca[SCRATCH_PATH_MAX];
    scratch_path(&world->scratch, "ca.pem", ca);
    world_source_with(world, (struct source_options){ .ca_file = ca });
    fetch(world);
    expect(world, FETCH_NEW, "");
    assert_int_equal(world->revision, 22);
    world_close_source(world);
    /* The right authority for another name. */
    (void)snprintf(world->url, sizeof world->url, "https://localhost:%d/d.json", port);
    world_source_with(world, (struct source_options){ .ca_file = ca });
    fetch(world);
    expect(world, FETCH_FAILED, "GET https://localhost:");
    world_close_source(world);
}

TEST(source, speaks_with_a_real_server_plainly_and_over_tls)
{
    struct world world;
    world_open(&world);
    scratch_write(&world.scratch, "www/d.json", DOCUMENT(20));
    int plain = 0, tls = 0;
    bool certificate = make_certificate(&world);
    pid_t pid = certificate ? start_nginx(&world, &plain, &tls) : 0;
    if (pid > 0) {
        check_plain(&world, plain);
        check_tls(&world, tls);
        (void)kill(pid, SIGTERM);
        (void)waitpid(pid, NULL, 0);
    }
    world.source_closed = true;
    world_close(&world);
    if (!certificate)
        SKIP("openssl is not installed");
    if (pid == 0)
        SKIP("nginx is not installed or does not start");
}
