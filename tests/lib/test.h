/* test.h: a test says in its name what must hold, and registers itself.
 *
 *     TEST(arena, gives_zeroed_memory) { ... assert_int_equal(...) ... }
 *
 * One program per test file, linked with tests/lib/test_main.c; it runs its tests in the order of
 * their lines under cmocka and ends with cmocka's summary. SKIP("reason") ends a test as skipped.
 */
#ifndef BERTH_TEST_H
#define BERTH_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct test_case {
    const char *name;
    void (*run)(void **state);
    struct test_case *next;
};

void test_register(struct test_case *test);

#define TEST(suite_, name_)                                                                        \
    static void suite_##_##name_(void **state);                                                    \
    __attribute__((constructor)) static void suite_##_##name_##_register(void)                     \
    {                                                                                              \
        static struct test_case test = { #suite_ ": " #name_, suite_##_##name_, NULL };            \
        test_register(&test);                                                                      \
    }                                                                                              \
    static void suite_##_##name_(__attribute__((unused)) void **state)

#define SKIP(...)                                                                                  \
    do {                                                                                           \
        printf("skipped: " __VA_ARGS__);                                                           \
        printf("\n");                                                                              \
        skip();                                                                                    \
    } while (0)

#endif
