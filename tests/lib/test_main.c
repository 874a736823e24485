/* Runs the tests of one program, in order of registration. */
#include <stdlib.h>
#include <string.h>

#include "test.h"

#define TESTS_MAX 500

static struct test_case *first;
static struct test_case **last = &first;

void test_register(struct test_case *test)
{
    *last = test;
    last = &test->next;
}

int main(int argc, char **argv)
{
    struct CMUnitTest tests[TESTS_MAX];
    size_t count = 0;
    const char *only = argc > 1 ? argv[1] : NULL;
    for (struct test_case *test = first; test; test = test->next) {
        if (count == TESTS_MAX)
            abort();
        if (only && !strstr(test->name, only))
            continue;
        tests[count++] = (struct CMUnitTest){ .name = test->name, .test_func = test->run };
    }
    return _cmocka_run_group_tests(argv[0], tests, count, NULL, NULL);
}
