#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "berth/store.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

/* A child that has the lock until it is told to end. */
static pid_t child_with_lock(const char *path, int ends[2])
{
    int ready[2];
    char c = 'x';
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)alarm(60);
        (void)close(ends[1]);
        if (lock_take(path, "a child", NULL) == 0)
            (void)!write(ready[1], "y", 1);
        (void)!read(ends[0], &c, 1);
        _exit(0);
    }
    (void)close(ready[1]);
    (void)close(ends[0]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(c, 'y');
    (void)close(ready[0]);
    return pid;
}

TEST(lock, names_the_process_that_has_it)
{
    struct scratch scratch;
    char path[SCRATCH_PATH_MAX], expected[64];
    int ends[2];
    scratch_make(&scratch);
    scratch_path(&scratch, "runtime", path);
    pid_t pid = child_with_lock(path, ends);
    struct err err = ERR_NONE;
    assert_int_equal(lock_take(path, "runtime unix:///r.sock", &err), -EBUSY);
    (void)snprintf(expected, sizeof expected, "pid %d", (int)pid);
    assert_non_null(strstr(err.text, expected));
    assert_non_null(strstr(err.text, "runtime unix:///r.sock"));
    (void)close(ends[1]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    scratch_remove(&scratch);
}

TEST(lock, is_free_once_its_process_was_killed)
{
    struct scratch scratch;
    char path[SCRATCH_PATH_MAX];
    int ends[2], fd;
    scratch_make(&scratch);
    scratch_path(&scratch, "l", path);
    pid_t pid = child_with_lock(path, ends);
    assert_int_equal(lock_open(path, "it", &fd, NULL), -EBUSY);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(lock_open(path, "it", &fd, NULL), 0);
    char text[32], expected[32];
    (void)snprintf(expected, sizeof expected, "%d\n", (int)getpid());
    char *kept = scratch_read(&scratch, "l.lock", NULL);
    (void)snprintf(text, sizeof text, "%s", kept);
    assert_string_equal(text, expected);
    free(kept);
    (void)close(fd);
    (void)close(ends[1]);
    scratch_remove(&scratch);
}

TEST(lock, excludes_within_one_process_and_ends_with_its_descriptor)
{
    struct scratch scratch;
    char path[SCRATCH_PATH_MAX];
    int first, second;
    scratch_make(&scratch);
    scratch_path(&scratch, "l", path);
    assert_int_equal(lock_open(path, "it", &first, NULL), 0);
    assert_int_equal(lock_open(path, "it", &second, NULL), -EBUSY);
    assert_true(fcntl(first, F_GETFD) & FD_CLOEXEC);
    (void)close(first);
    assert_int_equal(lock_open(path, "it", &second, NULL), 0);
    (void)close(second);
    scratch_remove(&scratch);
}

TEST(lock, says_which_file_it_cannot_open)
{
    struct err err = ERR_NONE;
    assert_int_equal(lock_take("/nonexistent/x", "control socket", &err), -ENOENT);
    assert_non_null(strstr(err.text, "/nonexistent/x.lock"));
}

TEST(lock, does_not_mind_garbage_in_the_file)
{
    struct scratch scratch;
    char path[SCRATCH_PATH_MAX];
    int first, second;
    scratch_make(&scratch);
    scratch_path(&scratch, "l", path);
    assert_int_equal(lock_open(path, "it", &first, NULL), 0);
    scratch_write(&scratch, "l.lock",
                  "\xff\xfe garbage that is no pid at all, and quite long it is");
    struct err err = ERR_NONE;
    assert_int_equal(lock_open(path, "it", &second, &err), -EBUSY);
    assert_string_equal(err.text, "it is in use by another agent");
    (void)close(first);
    scratch_remove(&scratch);
}
