#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "berth/log.h"
#include "berth/memory.h"
#include "berth/store.h"
#include "tests/lib/loop.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

#define SOME_DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct world {
    uv_loop_t loop;
    struct scratch scratch;
    char directory[SCRATCH_PATH_MAX];
    struct store *store;
    bool closed;
    int done;
    int rc[64];
    char text[ERR_TEXT_MAX];
    bool in_call;
};

static void world_on_done(void *ctx, int rc, const char *text)
{
    struct world *world = ctx;
    assert_false(world->in_call);
    assert_false(world->closed);
    world->rc[world->done++ % 64] = rc;
    (void)snprintf(world->text, sizeof world->text, "%s", text);
}

static void world_on_closed(void *ctx)
{
    struct world *world = ctx;
    assert_false(world->in_call);
    world->closed = true;
}

static void world_start(struct world *world)
{
    struct err err = ERR_NONE;
    world->closed = false;
    if (store_open(&world->loop, world->directory, &world->store, &err) < 0)
        fail_msg("%s", err.text);
}

static void world_stop(struct world *world)
{
    world->in_call = true;
    store_close(world->store, world_on_closed, world);
    world->in_call = false;
    loop_run_until(&world->loop, &world->closed);
}

static void world_open(struct world *world)
{
    log_set_level(LOG_ERROR);
    memset(world, 0, sizeof *world);
    assert_int_equal(uv_loop_init(&world->loop), 0);
    scratch_make(&world->scratch);
    scratch_path(&world->scratch, "state", world->directory);
    world_start(world);
}

static void world_close(struct world *world)
{
    world_stop(world);
    loop_must_close(&world->loop);
    scratch_remove(&world->scratch);
}

static void save_document(struct world *world, const char *bytes, const char *etag)
{
    world->in_call = true;
    store_save_document(world->store, bytes, strlen(bytes), "https://h/d.json", etag,
                        "Mon, 23 Nov 2026 02:00:00 GMT", world_on_done, world);
    world->in_call = false;
}

static void save_document_now(struct world *world, const char *bytes)
{
    int before = world->done;
    save_document(world, bytes, "\"e1\"");
    loop_run_until_count(&world->loop, &world->done, before + 1);
}

static void expect_document(struct world *world, const char *bytes)
{
    struct stored_document document;
    store_load_document(world->store, &document);
    if (bytes) {
        assert_non_null(document.bytes);
        assert_string_equal(document.bytes, bytes);
        assert_int_equal(document.len, strlen(bytes));
    } else {
        assert_null(document.bytes);
    }
    stored_document_release(&document);
    stored_document_release(&document);
}

/* ------------------------------------------------------------------ documents */

TEST(store, gives_a_document_back_with_what_it_came_with)
{
    struct world world;
    world_open(&world);
    expect_document(&world, NULL);
    save_document_now(&world, "{\"revision\": 7,\n \"x\": \"\xc3\xa4\"}\n");
    assert_int_equal(world.rc[0], 0);
    assert_string_equal(world.text, "");
    world_stop(&world);
    world_start(&world);
    struct stored_document document;
    store_load_document(world.store, &document);
    assert_string_equal(document.bytes, "{\"revision\": 7,\n \"x\": \"\xc3\xa4\"}\n");
    assert_string_equal(document.url, "https://h/d.json");
    assert_string_equal(document.etag, "\"e1\"");
    assert_string_equal(document.last_modified, "Mon, 23 Nov 2026 02:00:00 GMT");
    stored_document_release(&document);
    struct stat found;
    assert_int_equal(stat(world.directory, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0700);
    assert_int_equal(scratch_exists(&world.scratch, "state/document.new"), false);
    world_close(&world);
}

TEST(store, keeps_an_empty_document_and_odd_validators)
{
    struct world world;
    world_open(&world);
    save_document(&world, "", "W/\"\xff\xfe\"");
    loop_run_until_count(&world.loop, &world.done, 1);
    struct stored_document document;
    store_load_document(world.store, &document);
    assert_non_null(document.bytes);
    assert_int_equal(document.len, 0);
    assert_string_equal(document.etag, "");
    stored_document_release(&document);
    store_save_document(world.store, "x", 1, NULL, NULL, NULL, world_on_done, &world);
    loop_run_until_count(&world.loop, &world.done, 2);
    expect_document(&world, "x");
    world_close(&world);
}

TEST(store, lets_the_newest_save_win_and_answers_every_one)
{
    struct world world;
    world_open(&world);
    char text[32];
    for (int i = 0; i < 40; i++) {
        (void)snprintf(text, sizeof text, "number %d", i);
        save_document(&world, text, "");
    }
    loop_run_until_count(&world.loop, &world.done, 40);
    for (int i = 0; i < 40; i++)
        assert_int_equal(world.rc[i], 0);
    expect_document(&world, "number 39");
    world_close(&world);
}

TEST(store, finishes_what_is_queued_before_it_closes)
{
    struct world world;
    world_open(&world);
    save_document(&world, "one", "");
    save_document(&world, "two", "");
    world_stop(&world);
    assert_int_equal(world.done, 2);
    world_start(&world);
    expect_document(&world, "two");
    world_close(&world);
}

static void save_again(void *ctx, int rc, const char *text)
{
    struct world *world = ctx;
    world_on_done(ctx, rc, text);
    if (world->done < 5)
        store_save_document(world->store, "again", 5, "", "", "", save_again, world);
}

static void close_then(void *ctx, int rc, const char *text)
{
    struct world *world = ctx;
    world_on_done(ctx, rc, text);
    store_close(world->store, world_on_closed, world);
}

TEST(store, may_be_saved_to_and_closed_from_its_callback)
{
    struct world world;
    world_open(&world);
    store_save_document(world.store, "first", 5, "", "", "", save_again, &world);
    loop_run_until_count(&world.loop, &world.done, 5);
    expect_document(&world, "again");
    store_save_document(world.store, "last", 4, "", "", "", close_then, &world);
    loop_run_until(&world.loop, &world.closed);
    world_start(&world);
    expect_document(&world, "last");
    world_close(&world);
}

/* ------------------------------------------------------------------ damage */

static void expect_set_aside(struct world *world, const char *name, int count)
{
    struct scratch directory;
    char prefix[64];
    (void)snprintf(directory.directory, sizeof directory.directory, "%.63s", world->directory);
    (void)snprintf(prefix, sizeof prefix, "%s.damaged-", name);
    assert_int_equal(scratch_count(&directory, prefix), count);
    assert_int_equal(scratch_count(&directory, name), count);
}

TEST(store, counts_a_truncated_file_as_lost_wherever_it_is_cut)
{
    struct world world;
    world_open(&world);
    log_set_level(LOG_ERROR + 1);
    save_document_now(&world, "{\"revision\": 7}");
    size_t len;
    AUTO_FREE char *whole = scratch_read(&world.scratch, "state/document", &len);
    for (size_t cut = 0; cut < len; cut++) {
        scratch_write_bytes(&world.scratch, "state/document", whole, cut);
        expect_document(&world, NULL);
        assert_false(scratch_exists(&world.scratch, "state/document"));
    }
    scratch_write_bytes(&world.scratch, "state/document", whole, len);
    expect_document(&world, "{\"revision\": 7}");
    world_close(&world);
}

TEST(store, counts_a_file_with_one_wrong_bit_as_lost)
{
    struct world world;
    world_open(&world);
    log_set_level(LOG_ERROR + 1);
    save_document_now(&world, "{\"revision\": 7}");
    size_t len;
    AUTO_FREE char *whole = scratch_read(&world.scratch, "state/document", &len);
    for (size_t at = 0; at < len; at++) {
        whole[at] ^= 1 << (at % 8);
        scratch_write_bytes(&world.scratch, "state/document", whole, len);
        expect_document(&world, NULL);
        whole[at] ^= 1 << (at % 8);
    }
    world_close(&world);
}

TEST(store, sets_every_kind_of_damage_aside)
{
    static const char *const damaged[] = {
        "",
        "\n",
        "garbage",
        "{\"revision\": 7}",
        "berth-document\n",
        "berth-document 1\n",
        "berth-document 1 3 " SOME_DIGEST "\nabc",
        "berth-document 2 0 " SOME_DIGEST "\n",
        "berth-document -1 0 " SOME_DIGEST "\n",
        "berth-document 1 99999999999999999999 " SOME_DIGEST "\n",
        "berth-document 1 -1 " SOME_DIGEST "\n",
        "berth-memory 1 0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n",
        /* a whole file whose payload is no document with metadata */
        "berth-document 1 0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n",
    };
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        struct world world;
        world_open(&world);
        log_set_level(LOG_ERROR + 1);
        scratch_write(&world.scratch, "state/document", damaged[i]);
        expect_document(&world, NULL);
        expect_set_aside(&world, "document", 1);
        save_document_now(&world, "good");
        expect_document(&world, "good");
        world_close(&world);
    }
}

TEST(store, survives_what_is_no_file_at_all)
{
    struct world world;
    world_open(&world);
    log_set_level(LOG_ERROR + 1);
    char path[SCRATCH_PATH_MAX];
    scratch_path(&world.scratch, "state/document", path);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_document(&world, NULL);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_document(&world, NULL);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
    (void)close(fd);
    expect_document(&world, NULL);
    expect_set_aside(&world, "document", 3);
    save_document_now(&world, "good");
    expect_document(&world, "good");
    world_close(&world);
}

TEST(store, keeps_only_a_few_damaged_files)
{
    struct world world;
    world_open(&world);
    log_set_level(LOG_ERROR + 1);
    for (int i = 0; i < 12; i++) {
        scratch_write(&world.scratch, "state/document", "garbage");
        expect_document(&world, NULL);
    }
    expect_set_aside(&world, "document", 4);
    world_close(&world);
}

/* ------------------------------------------------------------------ memory */

static struct memory *some_memory(void)
{
    struct memory *memory = memory_alloc(sizeof *memory);
    struct arena *arena = &memory->arena;
    memory->epoch = UINT64_MAX - 41;
    memory->revision = ((int64_t)1 << 53) - 1;
    memory->service_count = 2;
    memory->services = arena_array(arena, 2, sizeof *memory->services);
    memory->services[0] = (struct memory_service){
        .name = arena_strdup(arena, "web"),
        .generation = 12,
        .digest_hex = arena_strdup(arena, SOME_DIGEST),
        .definition_name = arena_strdup(arena, "web:7"),
        .reason = arena_strdup(arena, "said \"no\"\n\xc3\xa4"),
        .state = DEPLOYMENT_FAILED,
        .failed_tasks = 3,
        .document_revision = 41,
        .completed_once = true,
        .created_wall = 1795400000123,
        .updated_wall = 1795400000124,
    };
    memory->services[1] = (struct memory_service){ .name = arena_strdup(arena, "empty") };
    memory->one_off_count = 1;
    memory->one_offs = arena_array(arena, 1, sizeof *memory->one_offs);
    memory->one_offs[0] = (struct one_off_record){
        .id = arena_strdup(arena, "migrate-2026-11-22"),
        .definition_name = arena_strdup(arena, "migrate:3"),
        .task_id = "0123456789abcdef0123456789abcdef",
        .state = ONE_OFF_STOPPED,
        .exit_known = true,
        .exit_code = -1,
        .reason = "OutOfMemoryError: killed",
        .started_wall = 5,
        .stopped_wall = 6,
    };
    memory->pulled_image_count = 2;
    memory->pulled_images = arena_array(arena, 2, sizeof *memory->pulled_images);
    memory->pulled_images[0] = arena_strdup(arena, "busybox:1");
    memory->pulled_images[1] = arena_strdup(arena, "r.example/a@sha256:00");
    return memory;
}

static void expect_some_memory(const struct memory *memory)
{
    assert_non_null(memory);
    assert_true(memory->epoch == UINT64_MAX - 41);
    assert_int_equal(memory->revision, ((int64_t)1 << 53) - 1);
    assert_int_equal(memory->service_count, 2);
    const struct memory_service *service = &memory->services[0];
    assert_string_equal(service->name, "web");
    assert_int_equal(service->generation, 12);
    assert_string_equal(service->digest_hex, SOME_DIGEST);
    assert_string_equal(service->definition_name, "web:7");
    assert_string_equal(service->reason, "said \"no\"\n\xc3\xa4");
    assert_int_equal(service->state, DEPLOYMENT_FAILED);
    assert_int_equal(service->failed_tasks, 3);
    assert_int_equal(service->document_revision, 41);
    assert_true(service->completed_once);
    assert_int_equal(service->created_wall, 1795400000123);
    assert_int_equal(service->updated_wall, 1795400000124);
    assert_string_equal(memory->services[1].definition_name, "");
    assert_int_equal(memory->one_off_count, 1);
    const struct one_off_record *record = &memory->one_offs[0];
    assert_string_equal(record->id, "migrate-2026-11-22");
    assert_string_equal(record->definition_name, "migrate:3");
    assert_string_equal(record->task_id, "0123456789abcdef0123456789abcdef");
    assert_int_equal(record->state, ONE_OFF_STOPPED);
    assert_true(record->exit_known);
    assert_int_equal(record->exit_code, -1);
    assert_string_equal(record->reason, "OutOfMemoryError: killed");
    assert_int_equal(record->started_wall, 5);
    assert_int_equal(record->stopped_wall, 6);
    assert_int_equal(memory->pulled_image_count, 2);
    assert_string_equal(memory->pulled_images[1], "r.example/a@sha256:00");
}

TEST(store, gives_the_memory_back_exactly)
{
    struct world world;
    world_open(&world);
    assert_null(store_load_memory(world.store));
    struct memory *memory = some_memory();
    world.in_call = true;
    store_save_memory(world.store, memory, world_on_done, &world);
    world.in_call = false;
    memory_free(memory);
    loop_run_until_count(&world.loop, &world.done, 1);
    world_stop(&world);
    world_start(&world);
    memory = store_load_memory(world.store);
    expect_some_memory(memory);
    memory_free(memory);
    world_close(&world);
}

TEST(store, saves_document_and_memory_side_by_side)
{
    struct world world;
    world_open(&world);
    struct memory *memory = some_memory();
    for (int i = 0; i < 10; i++) {
        save_document(&world, "d", "");
        store_save_memory(world.store, memory, world_on_done, &world);
    }
    memory_free(memory);
    loop_run_until_count(&world.loop, &world.done, 20);
    expect_document(&world, "d");
    memory = store_load_memory(world.store);
    expect_some_memory(memory);
    memory_free(memory);
    world_close(&world);
}

static void expect_unusable(const char *text, const char *reason)
{
    struct err err = ERR_NONE;
    struct memory *memory = memory_parse(text, strlen(text), &err);
    assert_null(memory);
    if (!strstr(err.text, reason))
        fail_msg("%s: \"%s\" does not say \"%s\"", text, err.text, reason);
}

#define MEMORY_HEAD "{\"epoch\":\"00000000000000ff\",\"revision\":1,"
#define MEMORY_TAIL ",\"oneOffs\":[],\"pulledImages\":[]}"

TEST(store, refuses_a_memory_that_makes_no_sense)
{
    expect_unusable("", "");
    expect_unusable("[]", "object");
    expect_unusable("{}", "epoch");
    expect_unusable("{\"epoch\":5}", "epoch");
    expect_unusable("{\"epoch\":\"00000000000000fg\",\"revision\":1}", "epoch");
    expect_unusable("{\"epoch\":\"00000000000000ff\",\"revision\":1.5}", "revision");
    expect_unusable("{\"epoch\":\"00000000000000ff\",\"revision\":1e300}", "revision");
    expect_unusable(MEMORY_HEAD "\"services\":{}" MEMORY_TAIL, "services");
    expect_unusable(MEMORY_HEAD "\"services\":[5]" MEMORY_TAIL, "services.name");
    expect_unusable(MEMORY_HEAD "\"services\":[],\"oneOffs\":[{}],\"pulledImages\":[]}",
                    "oneOffs.id");
    expect_unusable(MEMORY_HEAD "\"services\":[],\"oneOffs\":[],\"pulledImages\":[null]}",
                    "pulledImages");
    struct err err = ERR_NONE;
    static const char fine[] = MEMORY_HEAD "\"services\":[],\"later\":{}" MEMORY_TAIL;
    struct memory *memory = memory_parse(fine, strlen(fine), &err);
    assert_non_null(memory);
    assert_int_equal(memory->epoch, 255);
    memory_free(memory);
}

TEST(store, sets_a_memory_aside_that_makes_no_sense)
{
    struct world world;
    world_open(&world);
    log_set_level(LOG_ERROR + 1);
    scratch_write(&world.scratch, "state/memory",
                  "berth-memory 1 2 "
                  "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\n{}");
    assert_null(store_load_memory(world.store));
    expect_set_aside(&world, "memory", 1);
    world_close(&world);
}

/* ------------------------------------------------------------------ full disks, crashes */

TEST(store, keeps_the_old_file_when_the_disk_is_full)
{
    if (getuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        SKIP("only root with its own mounts can make a small disk");
    struct world world;
    world_open(&world);
    world_stop(&world);
    if (mount("tmpfs", world.directory, "tmpfs", 0, "size=64k") < 0)
        SKIP("no tmpfs can be mounted");
    world_start(&world);
    save_document_now(&world, "small");
    AUTO_FREE char *large = memory_alloc(256 * 1024);
    memset(large, 'x', 256 * 1024 - 1);
    save_document_now(&world, large);
    assert_int_equal(world.rc[1], -ENOSPC);
    assert_non_null(strstr(world.text, world.directory));
    assert_non_null(strstr(world.text, "No space left"));
    assert_false(scratch_exists(&world.scratch, "state/document.new"));
    expect_document(&world, "small");
    save_document_now(&world, "small again");
    assert_int_equal(world.rc[2], 0);
    expect_document(&world, "small again");
    world_stop(&world);
    assert_int_equal(umount2(world.directory, MNT_DETACH), 0);
    world_start(&world);
    world_close(&world);
}

static void expect_start_without_saving(struct world *world)
{
    char id[256], again[256];
    world_start(world);
    save_document_now(world, "new");
    assert_true(world->rc[world->done - 1] < 0);
    /* It is found the same way next time; there is always a machine-id where this can run. */
    assert_int_equal(store_host_id(world->store, "edge-7", id, sizeof id, NULL), 0);
    assert_string_equal(id, "edge-7");
    if (access("/etc/machine-id", R_OK) == 0) {
        assert_int_equal(store_host_id(world->store, "", id, sizeof id, NULL), 0);
        assert_int_equal(store_host_id(world->store, "", again, sizeof again, NULL), 0);
        assert_string_equal(id, again);
    }
    world_stop(world);
}

TEST(store, opens_where_nothing_can_be_saved)
{
    if (getuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        SKIP("only root with its own mounts can make a full disk");
    struct world world;
    world_open(&world);
    world_stop(&world);
    if (mount("tmpfs", world.directory, "tmpfs", 0, "size=64k") < 0)
        SKIP("no tmpfs can be mounted");
    log_set_level(LOG_ERROR + 1);
    world_start(&world);
    save_document_now(&world, "old");
    world_stop(&world);
    assert_int_equal(mount(NULL, world.directory, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    expect_start_without_saving(&world);
    world_start(&world);
    expect_document(&world, "old");
    world_stop(&world);
    assert_int_equal(umount2(world.directory, MNT_DETACH), 0);

    /* Not even room for an empty file. */
    assert_int_equal(mount("tmpfs", world.directory, "tmpfs", 0, "size=4k,nr_inodes=1"), 0);
    expect_start_without_saving(&world);
    assert_int_equal(umount2(world.directory, MNT_DETACH), 0);
    log_set_level(LOG_INFO);
    world_start(&world);
    world_close(&world);
}

TEST(store, refuses_what_would_be_too_large_to_read_back)
{
    struct world world;
    world_open(&world);
    save_document_now(&world, "small");
    size_t len = 17 * 1024 * 1024;
    AUTO_FREE char *large = memory_alloc(len);
    memset(large, 'x', len);
    store_save_document(world.store, large, len, "", "", "", world_on_done, &world);
    loop_run_until_count(&world.loop, &world.done, 2);
    assert_int_equal(world.rc[1], -EFBIG);
    expect_document(&world, "small");
    world_close(&world);
}

/* Saves until it is killed; every document is "<n> <n> <n> ...", whole or not at all. */
static void save_for_ever(const char *directory)
{
    struct world world;
    memset(&world, 0, sizeof world);
    (void)alarm(60);
    if (uv_loop_init(&world.loop) < 0 || store_open(&world.loop, directory, &world.store, NULL) < 0)
        _exit(1);
    AUTO_FREE char *text = memory_alloc(8192);
    for (int n = 1; n < 1000000; n++) {
        for (int i = 0; i < 1000; i++)
            (void)snprintf(text + (size_t)i * 8, 9, "%07d ", n % 1000000);
        store_save_document(world.store, text, 8000, "", "", "", world_on_done, &world);
        while (world.done < n)
            (void)uv_run(&world.loop, UV_RUN_ONCE);
    }
    _exit(0);
}

TEST(store, is_whole_however_the_agent_was_killed)
{
    struct world world;
    world_open(&world);
    world_stop(&world);
    for (int round = 0; round < 15; round++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            save_for_ever(world.directory);
        uint64_t until = uv_hrtime() + 20000000ULL + (uint64_t)round * 1700000ULL;
        while (uv_hrtime() < until)
            (void)usleep(500);
        (void)kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        world_start(&world);
        struct stored_document document;
        store_load_document(world.store, &document);
        if (round > 3)
            assert_non_null(document.bytes);
        for (int i = 1; document.bytes && i < 1000; i++)
            assert_memory_equal(document.bytes, document.bytes + (size_t)i * 8, 8);
        stored_document_release(&document);
        world_stop(&world);
    }
    world_start(&world);
    expect_set_aside(&world, "document.damaged", 0);
    world_close(&world);
}

/* ------------------------------------------------------------------ who and where */

TEST(store, refuses_a_directory_that_another_agent_has)
{
    struct world world;
    world_open(&world);
    struct store *second;
    struct err err = ERR_NONE;
    char expected[32];
    (void)snprintf(expected, sizeof expected, "pid %d", (int)getpid());
    assert_int_equal(store_open(&world.loop, world.directory, &second, &err), -EBUSY);
    assert_non_null(strstr(err.text, expected));
    assert_non_null(strstr(err.text, world.directory));
    world_stop(&world);
    world_start(&world);
    world_close(&world);
}

TEST(store, says_which_directory_it_cannot_make)
{
    uv_loop_t loop;
    struct store *store;
    struct err err = ERR_NONE;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_true(store_open(&loop, "/proc/no/such", &store, &err) < 0);
    assert_non_null(strstr(err.text, "/proc/no/such"));
    assert_true(store_open(&loop, "", &store, &err) < 0);
    struct scratch scratch;
    char path[SCRATCH_PATH_MAX];
    scratch_make(&scratch);
    scratch_write(&scratch, "file", "x");
    assert_int_equal(store_open(&loop, scratch_path(&scratch, "file", path), &store, &err),
                     -ENOTDIR);
    scratch_remove(&scratch);
    loop_must_close(&loop);
}

static void expect_host_id(struct world *world, const char *configured, const char *expected)
{
    char id[256];
    struct err err = ERR_NONE;
    assert_int_equal(store_host_id(world->store, configured, id, sizeof id, &err), 0);
    if (expected)
        assert_string_equal(id, expected);
    assert_true(strlen(id) > 0);
}

TEST(store, decides_on_a_host_id_once_and_keeps_it)
{
    struct world world;
    world_open(&world);
    char id[256], again[256];
    assert_int_equal(store_host_id(world.store, "", id, sizeof id, NULL), 0);
    AUTO_FREE char *machine = NULL;
    FILE *file = fopen("/etc/machine-id", "re");
    size_t size = 0;
    if (file && getline(&machine, &size, file) == 33)
        assert_memory_equal(id, machine, 32);
    if (file)
        (void)fclose(file);
    assert_int_equal(strlen(id), 32);
    assert_int_equal(store_host_id(world.store, NULL, again, sizeof again, NULL), 0);
    assert_string_equal(again, id);
    scratch_write(&world.scratch, "state/host-id", "i-0abc123\n");
    expect_host_id(&world, "", "i-0abc123");
    expect_host_id(&world, "edge-7", "edge-7");
    world_stop(&world);
    world_start(&world);
    expect_host_id(&world, "", "edge-7");
    world_close(&world);
}

TEST(store, refuses_a_host_id_that_is_none)
{
    static const char *const bad[] = { "a b", "a/b", "a\nb", "\xc3\xa4", "a\"b" };
    struct world world;
    world_open(&world);
    log_set_level(LOG_ERROR + 1);
    char id[256];
    struct err err = ERR_NONE;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(store_host_id(world.store, bad[i], id, sizeof id, &err), -EINVAL);
        scratch_write(&world.scratch, "state/host-id", bad[i]);
        expect_host_id(&world, "", NULL);
    }
    char small[8];
    assert_int_equal(store_host_id(world.store, "longer-than-that", small, sizeof small, &err),
                     -ENAMETOOLONG);
    world_close(&world);
}
