/* The runtime module against a real dockerd of the test's own.
 *
 * Two dockerd in one network namespace take each other's nat rules away, so the program moves into
 * a network namespace of its own (and a mount namespace, whose mounts vanish with it).
 * One dockerd serves all tests; the last of them, in order of registration, stops it. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "berth/http.h"
#include "berth/memory.h"
#include "berth/runtime.h"
#include "berth/str.h"
#include "tests/lib/loop.h"
#include "tests/lib/test.h"

#define BUSYBOX "/bin/busybox"
#define IMAGE "berth-test/busybox:1"
#define SCRIPT "tests/lib/private-docker.sh"
#define HOST "docker-test-host"

static char directory[64]; /* of the dockerd, "" = there is none */
static char skip_reason[256];

struct got {
    bool ended;
    int done;
    enum outcome outcome;
    enum blame blame;
    char error[64], text[1100];
    bool was_local;
    struct observed *observed;
    long status;
};

struct world {
    uv_loop_t loop;
    struct runtime *runtime;
    struct http_pool *pool; /* for what the runtime module has no call for */
    char socket[108];
    int closed;
    int hints, full_hints, ups, downs;
    char seen[64][128];
};

/* ------------------------------------------------------------------ the daemon */

static int run_script(const char *command)
{
    pid_t child = fork();
    if (child == 0) {
        (void)execl("/bin/bash", "bash", SCRIPT, command, directory, NULL);
        _exit(127);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool on_path(const char *program)
{
    char command[128];
    (void)snprintf(command, sizeof command, "command -v %s >/dev/null", program);
    return system(command) == 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    (void)remove(path);
    return 0;
}

/* Also when a test failed or only some were asked for. */
static void stop_at_exit(void)
{
    if (directory[0])
        (void)run_script("stop");
}

/* Why there can be no dockerd here, or NULL. */
static const char *why_not(void)
{
    if (geteuid() != 0)
        return "a private dockerd needs root";
    if (!on_path("dockerd") || !on_path("containerd"))
        return "dockerd or containerd is not installed";
    if (access(BUSYBOX, X_OK) < 0)
        return "busybox-static is not installed";
    if (access(SCRIPT, R_OK) < 0)
        return "not started in the root of the source tree";
    if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
        return "no network namespace of its own is possible here";
    if (system("mount --make-rprivate / && ip link set lo up") != 0)
        return "the namespaces cannot be set up";
    return NULL;
}

static void start_once(void)
{
    static bool tried;
    if (tried)
        return;
    tried = true;
    (void)signal(SIGPIPE, SIG_IGN);
    const char *reason = why_not();
    if (reason) {
        (void)snprintf(skip_reason, sizeof skip_reason, "%s", reason);
        return;
    }
    (void)snprintf(directory, sizeof directory, "/tmp/berth-docker-XXXXXX");
    assert_non_null(mkdtemp(directory));
    (void)atexit(stop_at_exit);
    if (run_script("start") != 0)
        fail_msg("the private dockerd does not start; see %s/dockerd.log", directory);
}

#define NEED_DOCKER(world_)                                                                        \
    struct world world_;                                                                           \
    start_once();                                                                                  \
    if (skip_reason[0])                                                                            \
        SKIP("%s", skip_reason);                                                                   \
    world_open(&world_)

/* ------------------------------------------------------------------ world */

static void on_hint(void *ctx, const char *container)
{
    struct world *world = ctx;
    (void)snprintf(world->seen[world->hints % 64], sizeof world->seen[0], "%s",
                   container ? container : "(all)");
    world->hints++;
    world->full_hints += !container;
}

static void on_up(void *ctx, bool up, const char *text)
{
    struct world *world = ctx;
    (void)text;
    world->ups += up;
    world->downs += !up;
}

static void on_closed(void *ctx)
{
    struct world *world = ctx;
    world->closed++;
}

static void world_open(struct world *world)
{
    memset(world, 0, sizeof *world);
    assert_int_equal(uv_loop_init(&world->loop), 0);
    (void)snprintf(world->socket, sizeof world->socket, "%s/docker.sock", directory);
    char url[160];
    (void)snprintf(url, sizeof url, "unix://%s", world->socket);
    struct runtime_options options = { .url = url, .host_id = HOST, .pull_retry_ms = 1 };
    struct runtime_listener listener = { .on_hint = on_hint, .on_up = on_up, .ctx = world };
    world->runtime = runtime_open(&world->loop, &options, &listener, NULL);
    assert_non_null(world->runtime);
    world->pool = http_pool_open(&world->loop);
}

static void world_close(struct world *world)
{
    runtime_close(world->runtime, on_closed, world);
    http_pool_close(world->pool, on_closed, world);
    loop_run_until_count(&world->loop, &world->closed, 2);
    loop_must_close(&world->loop);
}

static void on_done(void *ctx, const struct runtime_result *result)
{
    struct got *got = ctx;
    got->done++;
    got->ended = true;
    got->outcome = result->outcome;
    got->blame = result->blame;
    got->was_local = result->image_was_local;
    (void)snprintf(got->error, sizeof got->error, "%s", result->error);
    (void)snprintf(got->text, sizeof got->text, "%s", result->text);
}

static void on_look(void *ctx, struct observed *observed, const struct runtime_result *result)
{
    struct got *got = ctx;
    got->observed = observed;
    on_done(got, result);
}

static void on_answer(void *ctx, const struct http_answer *answer)
{
    struct got *got = ctx;
    got->status = answer->rc < 0 ? answer->rc : answer->status;
    (void)snprintf(got->text, sizeof got->text, "%.1000s",
                   answer->rc < 0 ? answer->error : answer->body);
    got->ended = true;
}

static void finish(struct world *world, struct got *got)
{
    loop_run_until(&world->loop, &got->ended);
}

static void expect_ok(struct world *world, struct got *got)
{
    finish(world, got);
    if (got->outcome != OUTCOME_OK)
        fail_msg("%s: %s", got->error, got->text);
}

static void create(struct world *world, const char *name, const char *command, const char *more)
{
    AUTO_FREE char *body = memory_printf(
        "{\"Image\":\"" IMAGE "\",\"Cmd\":%s,\"Labels\":{\"io.berth.host\":\"" HOST "\"}%s}",
        command, more);
    struct got got = { 0 };
    runtime_create(world->runtime, name, body, strlen(body), on_done, &got);
    expect_ok(world, &got);
}

static void start(struct world *world, const char *name)
{
    struct got got = { 0 };
    runtime_start(world->runtime, name, on_done, &got);
    expect_ok(world, &got);
}

static void stop(struct world *world, const char *name, msec timeout_ms)
{
    struct got got = { 0 };
    runtime_stop(world->runtime, name, timeout_ms, on_done, &got);
    expect_ok(world, &got);
}

static void drop(struct world *world, const char *name)
{
    struct got got = { 0 };
    runtime_remove(world->runtime, name, on_done, &got);
    expect_ok(world, &got);
}

static struct observed *look(struct world *world, const char *name)
{
    struct got got = { 0 };
    runtime_look(world->runtime, name, on_look, &got);
    expect_ok(world, &got);
    assert_non_null(got.observed);
    return got.observed;
}

/* Look until the container is in a state; events are tested apart. */
static void await_exit(struct world *world, const char *name, int64_t exit_code)
{
    for (int i = 0; i < 400; i++) {
        struct observed *observed = look(world, name);
        assert_int_equal(observed->count, 1);
        bool exited = observed->containers[0].state == RUNTIME_EXITED;
        int64_t code = observed->containers[0].exit_code;
        observed_free(observed);
        if (exited) {
            assert_int_equal(code, exit_code);
            return;
        }
        loop_run_for(&world->loop, 25);
    }
    fail_msg("%s did not exit", name);
}

/* ------------------------------------------------------------------ tests */

/* A root file system of one static busybox, imported: no registry, no build. */
TEST(runtime_docker, imports_an_image_without_a_registry)
{
    NEED_DOCKER(world);
    char tar[128], command[512];
    (void)snprintf(tar, sizeof tar, "%s/image.tar", directory);
    (void)snprintf(command, sizeof command,
                   "set -e; r=%s/rootfs; mkdir -p $r/bin $r/tmp; cp " BUSYBOX " $r/bin/busybox; "
                   "for a in sh sleep true false cat echo; do ln -sf busybox $r/bin/$a; done; "
                   "tar -C $r -cf %s .",
                   directory, tar);
    assert_int_equal(system(command), 0);
    AUTO_FD int fd = open(tar, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    AUTO_FREE char *bytes = memory_alloc((size_t)status.st_size);
    for (off_t at = 0; at < status.st_size;) {
        ssize_t n = read(fd, bytes + at, (size_t)(status.st_size - at));
        assert_true(n > 0);
        at += n;
    }
    struct got got = { 0 };
    (void)http_send(world.pool,
                    &(struct http_call){
                        .method = "POST",
                        .url = "http://runtime/images/create?fromSrc=-&repo=berth-test/busybox"
                               "&tag=1",
                        .unix_socket = world.socket,
                        .body = bytes,
                        .body_len = (size_t)status.st_size,
                        .content_type = "application/x-tar",
                        .timeout_ms = SECONDS(60),
                        .done = on_answer,
                        .ctx = &got,
                    });
    finish(&world, &got);
    print_message("%s\n", got.text);
    assert_int_equal(got.status, 200);
    world_close(&world);
}

TEST(runtime_docker, knows_whom_it_speaks_to)
{
    NEED_DOCKER(world);
    observed_free(look(&world, NULL));
    const struct runtime_info *info = runtime_info(world.runtime);
    print_message("%s %s, API %s\n", info->name, info->version, info->api_version);
    assert_string_equal(info->name, "docker");
    assert_true(info->reachable);
    world_close(&world);
}

TEST(runtime_docker, takes_a_container_through_its_whole_life)
{
    NEED_DOCKER(world);
    create(&world, "life", "[\"sleep\",\"1000\"]", "");
    struct got taken = { 0 };
    static const char body[] = "{\"Image\":\"" IMAGE "\",\"Cmd\":[\"true\"]}";
    runtime_create(world.runtime, "life", body, strlen(body), on_done, &taken);
    finish(&world, &taken);
    assert_int_equal(taken.outcome, OUTCOME_UNKNOWN); /* whose it is only a look can tell */
    struct observed *created = look(&world, "life");
    assert_int_equal(created->count, 1);
    assert_int_equal(created->containers[0].state, RUNTIME_CREATED);
    assert_string_equal(created->containers[0].name, "life");
    assert_string_equal(created->containers[0].host, HOST);
    observed_free(created);

    start(&world, "life");
    start(&world, "life");
    struct observed *running = look(&world, NULL);
    assert_true(running->full);
    assert_int_equal(running->count, 1);
    assert_int_equal(running->containers[0].state, RUNTIME_RUNNING);
    assert_true(running->containers[0].pid > 0);
    observed_free(running);

    struct got refused = { 0 };
    runtime_remove(world.runtime, "life", on_done, &refused);
    finish(&world, &refused);
    assert_int_equal(refused.outcome, OUTCOME_UNKNOWN); /* never by force */

    stop(&world, "life", 1000);
    stop(&world, "life", 1000);
    await_exit(&world, "life", 137); /* busybox sleep as PID 1 ignores SIGTERM */
    drop(&world, "life");
    drop(&world, "life");
    stop(&world, "life", 1000);
    struct observed *gone = look(&world, "life");
    assert_int_equal(gone->count, 0);
    observed_free(gone);
    world_close(&world);
}

TEST(runtime_docker, sees_only_containers_with_our_label)
{
    NEED_DOCKER(world);
    const char body[] = "{\"Image\":\"" IMAGE "\",\"Cmd\":[\"true\"],\"Labels\":{\"io.berth.host\":"
                        "\"somebody-else\"}}";
    struct got got = { 0 };
    runtime_create(world.runtime, "stranger", body, sizeof body - 1, on_done, &got);
    expect_ok(&world, &got);
    struct observed *observed = look(&world, NULL);
    assert_int_equal(observed->count, 0);
    observed_free(observed);
    drop(&world, "stranger");
    world_close(&world);
}

TEST(runtime_docker, tells_the_exit_code)
{
    NEED_DOCKER(world);
    create(&world, "seven", "[\"sh\",\"-c\",\"exit 7\"]", "");
    start(&world, "seven");
    await_exit(&world, "seven", 7);
    struct got killed = { 0 };
    runtime_kill(world.runtime, "seven", "SIGKILL", on_done, &killed);
    expect_ok(&world, &killed); /* it does not run: done already */
    drop(&world, "seven");
    world_close(&world);
}

TEST(runtime_docker, blames_the_image_for_what_it_lacks)
{
    NEED_DOCKER(world);
    struct got absent = { 0 };
    const char body[] = "{\"Image\":\"berth-test/absent:1\"}";
    runtime_create(world.runtime, "absent", body, sizeof body - 1, on_done, &absent);
    finish(&world, &absent);
    assert_int_equal(absent.outcome, OUTCOME_REFUSED);
    assert_int_equal(absent.blame, BLAME_IMAGE);
    assert_string_equal(absent.error, "CannotPullContainerError");

    static const char *const commands[] = { "[\"nope\"]", "[\"/nope\"]", "[\"/tmp\"]" };
    for (size_t i = 0; i < 3; i++) {
        create(&world, "missing", commands[i], "");
        struct got got = { 0 };
        runtime_start(world.runtime, "missing", on_done, &got);
        finish(&world, &got);
        print_message("%s\n", got.text);
        assert_int_equal(got.outcome, OUTCOME_REFUSED);
        assert_int_equal(got.blame, BLAME_IMAGE);
        assert_string_equal(got.error, "CannotStartContainerError");
        drop(&world, "missing");
    }
    world_close(&world);
}

TEST(runtime_docker, blames_the_host_for_a_port_in_use)
{
    NEED_DOCKER(world);
    const char *ports = ",\"ExposedPorts\":{\"80/tcp\":{}},\"HostConfig\":{\"PortBindings\":"
                        "{\"80/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"8099\"}]}}";
    create(&world, "first", "[\"sleep\",\"1000\"]", ports);
    create(&world, "second", "[\"sleep\",\"1000\"]", ports);
    start(&world, "first");
    struct got got = { 0 };
    runtime_start(world.runtime, "second", on_done, &got);
    finish(&world, &got);
    print_message("%s\n", got.text);
    assert_int_equal(got.outcome, OUTCOME_REFUSED);
    assert_int_equal(got.blame, BLAME_HOST);
    stop(&world, "first", 0);
    drop(&world, "first");
    drop(&world, "second");
    world_close(&world);
}

TEST(runtime_docker, pulls_what_is_local_without_asking_and_fails_clearly_otherwise)
{
    NEED_DOCKER(world);
    struct got local = { 0 };
    runtime_pull(world.runtime, IMAGE, PULL_IF_ABSENT, on_done, &local);
    expect_ok(&world, &local);
    assert_true(local.was_local);

    /* There is no registry at that port, and no network beyond it. */
    struct got nowhere = { 0 };
    runtime_pull(world.runtime, "127.0.0.1:1/nope:1", PULL_MUST, on_done, &nowhere);
    finish(&world, &nowhere);
    print_message("%s\n", nowhere.text);
    assert_int_equal(nowhere.outcome, OUTCOME_REFUSED);
    assert_int_equal(nowhere.blame, BLAME_HOST);
    assert_string_equal(nowhere.error, "CannotPullContainerError");

    struct got bad = { 0 };
    runtime_pull(world.runtime, "Not/A:Reference:at/all", PULL_MUST, on_done, &bad);
    finish(&world, &bad);
    print_message("%s\n", bad.text);
    assert_int_equal(bad.outcome, OUTCOME_REFUSED);
    assert_int_equal(bad.blame, BLAME_IMAGE);

    struct got ask = { 0 };
    runtime_pull(world.runtime, IMAGE, PULL_ASK, on_done, &ask);
    expect_ok(&world, &ask);
    assert_true(ask.was_local);
    world_close(&world);
}

TEST(runtime_docker, reports_health)
{
    NEED_DOCKER(world);
    create(&world, "healthy", "[\"sleep\",\"1000\"]",
           ",\"Healthcheck\":{\"Test\":[\"CMD\",\"echo\",\"fine\"],\"Interval\":1000000000,"
           "\"Timeout\":5000000000,\"Retries\":1}");
    runtime_watch(world.runtime);
    loop_run_until_count(&world.loop, &world.full_hints, 1);
    start(&world, "healthy");
    enum container_health health = HEALTH_NONE;
    for (int hints = world.hints; health != HEALTH_HEALTHY;) {
        struct observed *observed = look(&world, "healthy");
        health = observed->containers[0].health;
        if (health == HEALTH_HEALTHY)
            assert_non_null(strstr(observed->containers[0].health_output, "fine"));
        observed_free(observed);
        if (health != HEALTH_HEALTHY) /* the event of the change ends the wait */
            loop_run_until_count(&world.loop, &world.hints, ++hints);
    }
    stop(&world, "healthy", 0);
    drop(&world, "healthy");
    world_close(&world);
}

struct reader {
    struct got got;
    struct str out, err;
};

static bool reader_on_data(void *ctx, bool is_stderr, const char *bytes, size_t len)
{
    struct reader *reader = ctx;
    str_add_len(is_stderr ? &reader->err : &reader->out, bytes, len);
    return true;
}

static void reader_on_done(void *ctx, const struct runtime_result *result)
{
    struct reader *reader = ctx;
    on_done(&reader->got, result);
}

static void read_logs(struct world *world, const char *name, bool follow, int tail, const char *out,
                      const char *err)
{
    struct reader reader = { 0 };
    str_init(&reader.out, 65536);
    str_init(&reader.err, 65536);
    (void)runtime_logs_open(world->runtime, name, follow, tail, reader_on_data, reader_on_done,
                            &reader);
    finish(world, &reader.got);
    assert_int_equal(reader.got.outcome, OUTCOME_OK);
    assert_string_equal(str_text(&reader.out), out);
    assert_string_equal(str_text(&reader.err), err);
    str_release(&reader.out);
    str_release(&reader.err);
}

TEST(runtime_docker, reads_logs_with_and_without_a_terminal)
{
    NEED_DOCKER(world);
    create(&world, "talker", "[\"sh\",\"-c\",\"echo one; echo oops >&2; echo two\"]", "");
    start(&world, "talker");
    await_exit(&world, "talker", 0);
    read_logs(&world, "talker", false, -1, "one\ntwo\n", "oops\n");
    /* Follow ends with the container. Which stream wrote last is the runtime's guess. */
    read_logs(&world, "talker", true, 3, "one\ntwo\n", "oops\n");
    drop(&world, "talker");
    create(&world, "teller", "[\"sh\",\"-c\",\"echo one; echo two\"]", "");
    start(&world, "teller");
    await_exit(&world, "teller", 0);
    read_logs(&world, "teller", true, 1, "two\n", "");
    drop(&world, "teller");
    create(&world, "tty", "[\"sh\",\"-c\",\"echo plain\"]", ",\"Tty\":true");
    start(&world, "tty");
    await_exit(&world, "tty", 0);
    read_logs(&world, "tty", false, -1, "plain\r\n", "");
    drop(&world, "tty");
    world_close(&world);
}

static bool was_seen(const struct world *world, const char *name)
{
    for (int i = 0; i < world->hints && i < 64; i++)
        if (strcmp(world->seen[i], name) == 0)
            return true;
    return false;
}

TEST(runtime_docker, hints_at_each_container_that_changes)
{
    NEED_DOCKER(world);
    runtime_watch(world.runtime);
    loop_run_until_count(&world.loop, &world.full_hints, 1);
    int before = world.hints;
    create(&world, "noisy", "[\"true\"]", "");
    start(&world, "noisy");
    loop_run_until_count(&world.loop, &world.hints, before + 3); /* create, start, die */
    assert_true(was_seen(&world, "noisy"));
    assert_int_equal(world.full_hints, 1);
    await_exit(&world, "noisy", 0);
    drop(&world, "noisy");
    world_close(&world);
}

TEST(runtime_docker, a_restarted_dockerd_loses_nothing)
{
    NEED_DOCKER(world);
    runtime_watch(world.runtime);
    loop_run_until_count(&world.loop, &world.ups, 1);
    create(&world, "survivor", "[\"sleep\",\"1000\"]", "");
    create(&world, "victim", "[\"sleep\",\"1000\"]", "");
    start(&world, "survivor");
    start(&world, "victim");
    struct observed *before = look(&world, "survivor");
    int64_t pid = before->containers[0].pid;
    struct observed *victim = look(&world, "victim");
    pid_t victim_pid = (pid_t)victim->containers[0].pid;
    observed_free(before);
    observed_free(victim);

    assert_int_equal(run_script("kill9"), 0);
    loop_run_until_count(&world.loop, &world.downs, 1);
    struct got down = { 0 };
    runtime_start(world.runtime, "survivor", on_done, &down);
    finish(&world, &down);
    assert_int_equal(down.outcome, OUTCOME_UNKNOWN);
    assert_false(runtime_info(world.runtime)->reachable);
    /* No event will ever tell of what dies now; only a look does. */
    assert_int_equal(kill(victim_pid, SIGKILL), 0);

    assert_int_equal(run_script("start"), 0);
    loop_run_until_count(&world.loop, &world.ups, 2);
    loop_run_until_count(&world.loop, &world.full_hints, 2);
    struct observed *after = look(&world, "survivor");
    assert_int_equal(after->containers[0].state, RUNTIME_RUNNING);
    assert_int_equal(after->containers[0].pid, pid);
    observed_free(after);
    await_exit(&world, "victim", 137);
    int hints = world.hints;
    stop(&world, "survivor", 0);
    loop_run_until_count(&world.loop, &world.hints, hints + 1); /* events go on */
    assert_true(was_seen(&world, "survivor"));
    drop(&world, "survivor");
    drop(&world, "victim");
    world_close(&world);
}

/* Keep this one the last. */
TEST(runtime_docker, the_daemon_ends_and_leaves_nothing)
{
    start_once();
    if (skip_reason[0])
        SKIP("%s", skip_reason);
    assert_int_equal(run_script("stop"), 0);
    (void)nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    assert_int_equal(access(directory, F_OK), -1);
    directory[0] = '\0';
}
