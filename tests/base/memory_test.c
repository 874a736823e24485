#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "berth/assert.h"
#include "berth/memory.h"
#include "tests/lib/test.h"

TEST(memory, is_zeroed_and_never_null_even_when_empty)
{
    AUTO_FREE char *bytes = memory_alloc(100);
    AUTO_FREE char *none = memory_array(0, 8);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(bytes[i], 0);
    assert_non_null(none);
}

TEST(memory, grows_and_keeps_what_was_there)
{
    AUTO_FREE int *numbers = NULL;
    numbers = memory_grow(numbers, 2, sizeof *numbers);
    numbers[0] = 1;
    numbers[1] = 2;
    numbers = memory_grow(numbers, 1000, sizeof *numbers);
    assert_int_equal(numbers[0], 1);
    assert_int_equal(numbers[1], 2);
}

TEST(memory, take_leaves_null_behind)
{
    AUTO_FREE char *text = memory_strdup("kept");
    char *taken = TAKE(text);
    assert_null(text);
    assert_string_equal(taken, "kept");
    free(taken);
}

TEST(memory, copies_and_formats_text)
{
    AUTO_FREE char *part = memory_strndup("abcdef", 2);
    AUTO_FREE char *formatted = memory_printf("%s:%d", "web", 8080);
    assert_null(memory_strdup(NULL));
    assert_string_equal(part, "ab");
    assert_string_equal(formatted, "web:8080");
}

TEST(memory, a_descriptor_closes_with_its_scope)
{
    int seen = -1;
    {
        AUTO_FD int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        AUTO_FD int none = -1;
        assert_true(fd >= 0);
        assert_int_equal(none, -1);
        seen = fd;
    }
    assert_int_equal(fcntl(seen, F_GETFD), -1);
}

/* Run something that must end in abort(), without its message and a core file. */
static bool aborts(void (*run)(void))
{
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        (void)dup2(null, STDERR_FILENO);
        run();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void overflow_the_product(void)
{
    volatile size_t many = SIZE_MAX / 2;
    free(memory_grow(NULL, many, 8));
}

static void break_an_assertion(void)
{
    volatile int one = 1;
    ASSERT(one == 2);
}

TEST(memory, an_overflowing_size_aborts)
{
    assert_true(aborts(overflow_the_product));
}

TEST(memory, a_broken_assertion_aborts_in_every_build)
{
    assert_true(aborts(break_an_assertion));
}
