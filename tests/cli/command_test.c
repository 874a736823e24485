/* The command by itself: usage, help, completion, and what it says when there is no daemon. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "berth/json.h"
#include "berth/memory.h"
#include "tests/lib/loop.h"
#include "tests/lib/run_command.h"
#include "tests/lib/test.h"

#define NOBODY "/tmp/berth-nobody-listens-here"

struct expectation {
    const char *words;
    int status;
    const char *says; /* in stderr (or stdout, for status 0) */
};

static void expect(const struct expectation *expectation)
{
    uv_loop_t loop;
    struct command_run run;
    (void)uv_loop_init(&loop);
    command_run(&loop, &run, NOBODY, expectation->words);
    const struct str *text = expectation->status == 0 ? &run.out : &run.err;
    if (run.status != expectation->status || !strstr(str_text(text), expectation->says))
        fail_msg("berth %s: exit code %lld, stdout: %s stderr: %s", expectation->words,
                 (long long)run.status, str_text(&run.out), str_text(&run.err));
    if (expectation->status != 0)
        assert_int_equal(run.out.len, 0);
    command_release(&run);
    loop_must_close(&loop);
}

static void expect_all(const struct expectation *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect(&list[i]);
}

#define EXPECT_ALL(list_) expect_all(list_, sizeof list_ / sizeof list_[0])

TEST(command, explains_wrong_usage_and_exits_2)
{
    static const struct expectation list[] = {
        { "", 2, "which command?" },
        { "nonsense", 2, "there is no command nonsense" },
        { "ps --nonsense", 2, "unknown option --nonsense; see berth ps --help" },
        { "--follow ps", 2, "unknown option --follow" },
        { "ps extra", 2, "one word too many: extra" },
        { "logs", 2, "missing TASK" },
        { "wait", 2, "missing SERVICE" },
        { "ps -o xml", 2, "table or json" },
        { "ps -o", 2, "a value is missing for --output" },
        { "ps --all=yes", 2, "no value goes with --all" },
        { "wait web --timeout soon", 2, "--timeout soon" },
        { "wait web --revision 0", 2, "--revision 0" },
        { "logs 123456 --tail many", 2, "--tail many" },
        { "completion tcsh", 2, "tcsh" },
        { "help nonsense", 2, "nonsense" },
    };
    EXPECT_ALL(list);
}

TEST(command, exits_6_when_the_daemon_is_not_there)
{
    static const struct expectation list[] = {
        { "--socket $S status", 6, "No such file or directory; is berthd running?" },
        { "--socket $S services", 6, "cannot connect to " NOBODY },
        { "--socket $S services web", 6, "cannot connect" },
        { "--socket $S ps", 6, "cannot connect" },
        { "--socket $S plan", 6, "cannot connect" },
        { "--socket $S poll", 6, "cannot connect" },
        { "--socket $S wait web", 6, "cannot connect" },
        { "--socket $S restart web", 6, "cannot connect" },
        { "--socket $S stop 123456", 6, "cannot connect" },
        { "--socket $S logs 123456", 6, "cannot connect" },
        { "--socket $S logs -f 123456", 6, "cannot connect" },
        { "--socket $S events", 6, "cannot connect" },
        { "--socket $S why web", 6, "cannot connect" },
    };
    EXPECT_ALL(list);
}

TEST(command, gives_one_json_object_as_error_with_o_json)
{
    static const struct {
        const char *words, *code;
        int status;
    } list[] = {
        { "-o json --socket $S status", "DaemonNotReachable", 6 },
        { "--socket $S events -f -o json", "DaemonNotReachable", 6 },
        { "--socket $S wait web --output=json", "DaemonNotReachable", 6 },
        { "nonsense -ojson", "Usage", 2 },
        { "-o json validate /nonexistent/file", "FileNotReadable", 1 },
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        uv_loop_t loop;
        struct command_run run;
        cJSON *json AUTO_JSON = NULL;
        (void)uv_loop_init(&loop);
        command_run(&loop, &run, NOBODY, list[i].words);
        assert_int_equal(run.status, list[i].status);
        assert_int_equal(run.out.len, 0);
        assert_int_equal(json_parse(str_text(&run.err), run.err.len, &json, NULL), 0);
        assert_string_equal(json_string(json, "code", ""), list[i].code);
        assert_string_not_equal(json_string(json, "message", ""), "");
        command_release(&run);
        loop_must_close(&loop);
    }
}

TEST(command, says_so_when_nobody_listens_on_the_socket)
{
    uv_loop_t loop;
    struct command_run run;
    char directory[] = "/tmp/berth-cli-XXXXXX";
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    assert_non_null(mkdtemp(directory));
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/stale", directory);
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    (void)uv_loop_init(&loop);
    command_run(&loop, &run, address.sun_path, "--socket $S status");
    assert_int_equal(run.status, 6);
    assert_non_null(strstr(str_text(&run.err), "Connection refused; is berthd running?"));
    command_release(&run);
    loop_must_close(&loop);
    (void)unlink(address.sun_path);
    (void)rmdir(directory);
}

/* ------------------------------------------------------------------ help */

TEST(command, has_help_for_every_command_that_help_lists)
{
    uv_loop_t loop;
    struct command_run run;
    (void)uv_loop_init(&loop);
    command_run(&loop, &run, NOBODY, "--help");
    assert_int_equal(run.status, 0);
    char *rest = strstr(run.out.data, "commands:\n"), *line;
    int found = 0;
    (void)strsep(&rest, "\n");
    while ((line = strsep(&rest, "\n")) && *line) {
        struct command_run help;
        char words[128], name[64];
        assert_int_equal(sscanf(line, " %63s", name), 1);
        (void)snprintf(words, sizeof words, "%s --help", name);
        command_run(&loop, &help, NOBODY, words);
        (void)snprintf(words, sizeof words, "usage: berth %s", name);
        assert_int_equal(help.status, 0);
        assert_non_null(strstr(str_text(&help.out), words));
        command_release(&help);
        found++;
    }
    assert_true(found >= 16);
    command_release(&run);
    loop_must_close(&loop);
}

TEST(command, answers_alone_what_needs_no_daemon)
{
    static const struct expectation list[] = {
        { "help", 0, "usage: berth" },
        { "help wait", 0, "usage: berth wait" },
        { "tasks --help", 0, "usage: berth ps" },
        { "--socket $S version", 0, "berthd not reachable" },
        { "--socket $S --version", 0, "berth " },
        { "--socket $S version -o json", 0, "\"daemon\":null" },
        { "--socket $S config", 0, "BERTH_CLUSTER" },
        { "--socket $S config -o json", 0, "\"BERTH_CLUSTER\"" },
    };
    EXPECT_ALL(list);
}

TEST(command, fails_when_its_output_cannot_be_written)
{
    uv_loop_t loop;
    struct command_run run;
    if (access("/dev/full", W_OK) != 0)
        SKIP("there is no /dev/full");
    (void)uv_loop_init(&loop);
    command_run_into(&loop, &run, "/dev/full", "--help");
    assert_int_equal(run.status, 1);
    assert_non_null(strstr(str_text(&run.err), "could not be written"));
    command_release(&run);
    loop_must_close(&loop);
}

/* ------------------------------------------------------------------ files */

static void write_file(const char *path, const char *text)
{
    AUTO_FD int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

TEST(config, merges_the_file_and_its_drop_ins_when_there_is_no_daemon)
{
    uv_loop_t loop;
    struct command_run run;
    char directory[] = "/tmp/berth-cli-XXXXXX", path[128], words[256];
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/conf.d", directory);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/berth.conf", directory);
    write_file(path, "BERTH_CLUSTER=one\nBERTH_POLL_INTERVAL=20s\n");
    (void)snprintf(path, sizeof path, "%s/conf.d/10.conf", directory);
    write_file(path, "BERTH_CLUSTER=two\n");
    (void)snprintf(words, sizeof words, "--socket $S -o json config --config %s/berth.conf",
                   directory);
    (void)uv_loop_init(&loop);
    command_run(&loop, &run, NOBODY, words);
    cJSON *json AUTO_JSON = NULL;
    assert_int_equal(run.status, 0);
    assert_int_equal(json_parse(str_text(&run.out), run.out.len, &json, NULL), 0);
    const cJSON *cluster = json_get(json, "BERTH_CLUSTER");
    assert_string_equal(json_string(cluster, "value", ""), "two");
    assert_non_null(strstr(json_string(cluster, "origin", ""), "10.conf:1"));
    assert_non_null(
        strstr(json_string(json_get(json, "BERTH_POLL_INTERVAL"), "origin", ""), "berth.conf:2"));
    command_release(&run);
    write_file(path, "BERTH_POLL_INTERVAL=soon\n");
    command_run(&loop, &run, NOBODY, words);
    assert_int_equal(run.status, 1);
    assert_non_null(strstr(str_text(&run.err), "soon"));
    command_release(&run);
    loop_must_close(&loop);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/conf.d", directory);
    (void)rmdir(path);
    (void)snprintf(path, sizeof path, "%s/berth.conf", directory);
    (void)unlink(path);
    (void)rmdir(directory);
}

static void validate(const char *words, const char *document, int status, const char *says)
{
    uv_loop_t loop;
    struct command_run run;
    (void)uv_loop_init(&loop);
    command_start(&loop, &run, NOBODY, words);
    command_feed(&run, document);
    command_await(&run);
    assert_int_equal(run.status, status);
    assert_non_null(strstr(str_text(&run.out), says));
    command_release(&run);
    loop_must_close(&loop);
}

TEST(validate, needs_no_daemon_and_exits_0_or_1)
{
    static const char good[] = "{\"revision\":1,\"taskDefinitions\":[],\"services\":[]}";
    validate("validate -", good, 0, "is valid");
    validate("-o json validate -", good, 0, "\"valid\":true");
    validate("validate -", "{\"revision\":1,\"services\":[]}", 1, "taskDefinitions");
    validate("-o json validate -", "{", 1, "\"NotJson\"");
    validate("-o json validate -", "", 1, "\"valid\":false");
}

/* ------------------------------------------------------------------ completion */

static bool have(const char *program)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/usr/bin/%s", program);
    return access(path, X_OK) == 0;
}

/* The shell reads the script without running it. */
static void check_script(const char *shell)
{
    uv_loop_t loop;
    struct command_run run;
    char path[] = "/tmp/berth-completion-XXXXXX", words[64], check[128];
    AUTO_FD int fd = mkstemp(path);
    (void)uv_loop_init(&loop);
    (void)snprintf(words, sizeof words, "completion %s", shell);
    command_run(&loop, &run, NOBODY, words);
    assert_int_equal(run.status, 0);
    static const char *const names[] = { "status", "services", "tasks", "wait", "completion" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_non_null(strstr(str_text(&run.out), names[i]));
    assert_int_equal(write(fd, run.out.data, run.out.len), (ssize_t)run.out.len);
    (void)snprintf(check, sizeof check, "%s -n %s", shell, path);
    assert_int_equal(system(check), 0);
    (void)unlink(path);
    command_release(&run);
    loop_must_close(&loop);
}

TEST(completion, is_a_script_that_bash_accepts)
{
    check_script("bash");
}

TEST(completion, is_a_script_that_zsh_accepts)
{
    if (!have("zsh"))
        SKIP("zsh is not installed");
    check_script("zsh");
}

TEST(completion, is_a_script_that_fish_accepts)
{
    if (!have("fish"))
        SKIP("fish is not installed");
    check_script("fish");
}
