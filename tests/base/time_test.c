#include <string.h>

#include "berth/assert.h"
#include "berth/json.h"
#include "tests/lib/test.h"

TEST(time, reads_rfc_3339_in_all_its_forms)
{
    static const struct {
        const char *text;
        int64_t wall_ms;
    } cases[] = {
        { "1970-01-01T00:00:00.001Z", 1 },
        { "2000-02-29T12:00:00Z", INT64_C(951825600000) },
        { "2026-11-23T02:14:00Z", INT64_C(1795400040000) },
        { "2026-11-23T02:14:00.123456789Z", INT64_C(1795400040123) },
        { "2026-11-23T02:14:00.1Z", INT64_C(1795400040100) },
        { "2026-11-23t02:14:00z", INT64_C(1795400040000) },
        { "2026-11-23T04:14:00.5+02:00", INT64_C(1795400040500) },
        { "2026-11-22T20:44:00-05:30", INT64_C(1795400040000) },
        { "2016-12-31T23:59:60Z", INT64_C(1483228800000) }, /* a leap second */
        { "9999-12-31T23:59:59.999Z", INT64_C(253402300799999) },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_true(time_parse_wall_ms(cases[i].text) == cases[i].wall_ms);
}

TEST(time, gives_zero_for_never_and_for_nonsense)
{
    static const char *const cases[] = {
        "",
        "0001-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2026-11-23",
        "2026-11-23T02:14:00",
        "2026-11-23T02:14:00.Z",
        "2026-11-23T02:14Z",
        "2026-13-23T02:14:00Z",
        "2026-00-23T02:14:00Z",
        "2026-11-32T02:14:00Z",
        "2026-11-31T02:14:00Z",
        "2025-02-29T02:14:00Z",
        "2026-11-23T24:14:00Z",
        "2026-11-23T02:60:00Z",
        "2026-11-23T02:14:00Zx",
        "2026-11-23T02:14:00+2:00",
        "2026-11-23T02:14:00+02",
        " 2026-11-23T02:14:00Z",
        "12026-11-23T02:14:00Z",
    };
    assert_true(time_parse_wall_ms(NULL) == 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_true(time_parse_wall_ms(cases[i]) == 0);
}

TEST(time, comes_back_from_text_as_it_was)
{
    char text[32];
    time_format_wall(INT64_C(1795400040123), text);
    assert_string_equal(text, "2026-11-23T02:14:00.123Z");
    /* A prime step, so that all months, leap years and centuries are met. */
    for (int64_t ms = 1; ms < INT64_C(253402300799999); ms += INT64_C(7919000003)) {
        time_format_wall(ms, text);
        assert_true(time_parse_wall_ms(text) == ms);
    }
}

TEST(time, stays_within_the_calendar)
{
    char text[32];
    time_format_wall(INT64_MIN, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    time_format_wall(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}
