#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "berth/assert.h"
#include "berth/str.h"
#include "tests/lib/test.h"

TEST(str, builds_text_of_any_length_within_its_bound)
{
    AUTO_STR struct str str;
    str_init(&str, 100000);
    assert_string_equal(str_text(&str), "");
    for (int i = 0; i < 1000; i++)
        str_addf(&str, "%04d", i);
    assert_int_equal(str.len, 4000);
    assert_false(str.truncated);
    assert_memory_equal(str.data + 3996, "0999", 5);
}

TEST(str, formats_pieces_larger_than_its_inner_buffer)
{
    AUTO_STR struct str str;
    char large[2000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    str_init(&str, 5000);
    str_addf(&str, "<%s>", large);
    assert_int_equal(str.len, 2001);
    assert_int_equal(str.data[2000], '>');
}

TEST(str, drops_what_does_not_fit_and_says_so_until_cleared)
{
    AUTO_STR struct str str;
    str_init(&str, 5);
    str_add(&str, "abc");
    str_add(&str, "defg");
    assert_string_equal(str_text(&str), "abcde");
    assert_true(str.truncated);
    str_add(&str, "");
    str_add_char(&str, 'x');
    assert_string_equal(str_text(&str), "abcde");
    str_clear(&str);
    assert_false(str.truncated);
    assert_string_equal(str_text(&str), "");
    str_add(&str, "12345");
    assert_false(str.truncated);
}

TEST(str, adds_nothing_after_a_hole)
{
    AUTO_STR struct str str;
    str_init(&str, 5);
    str_add(&str, "abc");
    str_add(&str, "\xE2\x82\xAC"); /* a euro sign: three bytes, two free */
    str_add(&str, "d");
    assert_string_equal(str_text(&str), "abc");
    assert_true(str.truncated);
}

TEST(str, take_hands_the_text_over)
{
    struct str str;
    str_init(&str, 10);
    char *empty = str_take(&str);
    assert_string_equal(empty, "");
    free(empty);
    str_add(&str, "abc");
    char *text = str_take(&str);
    assert_string_equal(text, "abc");
    assert_string_equal(str_text(&str), "");
    free(text);
    str_release(&str);
}

TEST(str, parse_int_takes_the_whole_text_or_nothing)
{
    int64_t value = 77;
    assert_int_equal(parse_int("0", 0, 10, &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(parse_int("-12", -20, 10, &value), 0);
    assert_int_equal(value, -12);
    assert_int_equal(parse_int("9223372036854775807", 0, INT64_MAX, &value), 0);
    assert_true(value == INT64_MAX);

    value = 77;
    const char *bad[] = { "", "-", "+1", " 1", "1 ", "1x", "0x10", "1.0", "--1", "\t5" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(parse_int(bad[i], INT64_MIN, INT64_MAX, &value), -EINVAL);
    assert_int_equal(parse_int("11", 0, 10, &value), -ERANGE);
    assert_int_equal(parse_int("-1", 0, 10, &value), -ERANGE);
    assert_int_equal(parse_int("9223372036854775808", 0, INT64_MAX, &value), -ERANGE);
    assert_int_equal(value, 77);
}

TEST(str, parse_duration_knows_its_units_and_its_limits)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = { { "500ms", 500 }, { "30s", 30000 }, { "5m", 300000 }, { "1h", 3600000 },
                 { "30", 30000 },  { "0", 0 },       { "007s", 7000 } };
    int64_t ms = -1;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_int_equal(parse_duration_ms(good[i].text, &ms), 0);
        assert_true(ms == good[i].ms);
    }

    ms = -1;
    const char *bad[] = { "", "s", "-1s", "1.5s", "1 s", "1d", "1S", "1hh", "+1s", " 1s" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(parse_duration_ms(bad[i], &ms), -EINVAL);
    assert_int_equal(parse_duration_ms("9223372036854775807h", &ms), -ERANGE);
    assert_int_equal(parse_duration_ms("99999999999999999999", &ms), -ERANGE);
    assert_int_equal(parse_duration_ms("99999999999999999999999999999999999s", &ms), -ERANGE);
    assert_true(ms == -1);
}

TEST(str, equality_and_prefixes_take_null)
{
    assert_true(str_equal(NULL, NULL));
    assert_false(str_equal(NULL, ""));
    assert_false(str_equal("a", NULL));
    assert_true(str_equal("ab", "ab"));
    assert_true(str_starts("berth-web", "berth-"));
    assert_false(str_starts("be", "berth-"));
    assert_false(str_starts(NULL, "x"));
}

TEST(str, utf8_refuses_what_unicode_refuses)
{
    static const struct {
        const char *bytes;
        bool valid;
    } cases[] = {
        { "", true },
        { "plain", true },
        { "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", true },
        { "\xF4\x8F\xBF\xBF", true },      /* U+10FFFF */
        { "\xED\x9F\xBF", true },          /* the last before the surrogates */
        { "\xEE\x80\x80", true },          /* the first after them */
        { "\x80", false },                 /* continuation alone */
        { "\xC3", false },                 /* cut */
        { "\xE2\x82", false },             /* cut */
        { "\xC0\xAF", false },             /* overlong */
        { "\xC1\x81", false },             /* overlong */
        { "\xE0\x80\xAF", false },         /* overlong */
        { "\xF0\x80\x80\xAF", false },     /* overlong */
        { "\xED\xA0\x80", false },         /* surrogate */
        { "\xF4\x90\x80\x80", false },     /* beyond U+10FFFF */
        { "\xF8\x88\x80\x80\x80", false }, /* five bytes */
        { "\xFF", false },
        { "a\xE2\x28\xA1", false },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(utf8_valid(cases[i].bytes, strlen(cases[i].bytes)), cases[i].valid);
    assert_int_equal(utf8_length("\xE2\x82\xAC", 3), 3);
    assert_int_equal(utf8_length("\xE2\x82\xAC", 2), 0);
    assert_int_equal(utf8_length("", 0), 0);
}
