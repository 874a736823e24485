#include "berth/prng.h"
#include "tests/lib/test.h"

TEST(prng, gives_the_same_sequence_for_the_same_seed_for_ever)
{
    struct prng prng;
    prng_seed(&prng, 0);
    /* Fixed values: recorded seeds of failures must stay good. */
    assert_true(prng_next(&prng) == UINT64_C(11091344671253066420));
    assert_true(prng_next(&prng) == UINT64_C(13793997310169335082));

    struct prng again;
    prng_seed(&prng, 42);
    prng_seed(&again, 42);
    for (int i = 0; i < 1000; i++)
        assert_true(prng_next(&prng) == prng_next(&again));
}

TEST(prng, range_includes_both_ends_and_nothing_else)
{
    struct prng prng;
    prng_seed(&prng, 1);
    unsigned seen = 0;
    for (int i = 0; i < 1000; i++) {
        int64_t value = prng_range(&prng, -3, 4);
        assert_in_range(value + 3, 0, 7);
        seen |= 1U << (value + 3);
    }
    assert_int_equal(seen, 0xFF);
    assert_int_equal(prng_range(&prng, 9, 9), 9);
    (void)prng_range(&prng, INT64_MIN, INT64_MAX);
    assert_true(prng_range(&prng, INT64_MAX - 1, INT64_MAX) >= INT64_MAX - 1);
}

TEST(prng, chance_is_exact_at_its_ends_and_right_in_between)
{
    struct prng prng;
    prng_seed(&prng, 2);
    int hits = 0;
    for (int i = 0; i < 10000; i++) {
        assert_false(prng_chance(&prng, 0.0));
        assert_true(prng_chance(&prng, 1.0));
        hits += prng_chance(&prng, 0.25);
    }
    assert_in_range(hits, 2300, 2700);
}

TEST(prng, jitter_stays_within_its_percentage_and_never_overflows)
{
    struct prng prng;
    prng_seed(&prng, 3);
    int64_t low = INT64_MAX, high = 0;
    for (int i = 0; i < 10000; i++) {
        int64_t value = prng_jitter(&prng, 100, 25);
        low = value < low ? value : low;
        high = value > high ? value : high;
    }
    assert_int_equal(low, 75);
    assert_int_equal(high, 125);
    assert_int_equal(prng_jitter(&prng, 0, 25), 0);
    assert_int_equal(prng_jitter(&prng, 50, 0), 50);
    for (int i = 0; i < 100; i++)
        assert_true(prng_jitter(&prng, INT64_MAX, 100) >= 0);
}
