/* What a list of findings keeps, drops and prints. */
#include "tests/lib/test.h"

#include <string.h>

#include "berth/findings.h"
#include "berth/json.h"
#include "berth/str.h"

TEST(findings, says_nothing_when_there_is_nothing)
{
    struct findings findings = { 0 };
    char text[64];
    assert_string_equal(findings_first_error(&findings, text, sizeof text), "");
    findings_release(&findings);
    findings_release(&findings);
}

TEST(findings, gives_the_first_error_and_passes_over_warnings)
{
    struct findings findings = { 0 };
    char text[64];
    findings_warning(&findings, "a", FINDING_IGNORED, "a warning");
    findings_error(&findings, "b.c", FINDING_RANGE, "%d is outside 1..2", 3);
    findings_error(&findings, "d", FINDING_TYPE, "another");
    assert_string_equal(findings_first_error(&findings, text, sizeof text),
                        "b.c: 3 is outside 1..2");
    assert_int_equal(findings.errors, 2);
    assert_int_equal(findings.warnings, 1);
    findings_release(&findings);
}

TEST(findings, keeps_errors_rather_than_warnings_when_full)
{
    struct findings findings = { 0 };
    for (int i = 0; i < FINDINGS_MAX; i++)
        findings_warning(&findings, "w", FINDING_IGNORED, "warning %d", i);
    findings_error(&findings, "e", FINDING_TYPE, "the error");
    findings_warning(&findings, "w", FINDING_IGNORED, "one too many");

    assert_int_equal(findings.count, FINDINGS_MAX);
    assert_int_equal(findings.dropped, 2);
    assert_int_equal(findings.warnings, FINDINGS_MAX + 1);
    assert_int_equal(findings.errors, 1);
    assert_string_equal(findings.list[FINDINGS_MAX - 1].message, "the error");
    assert_string_equal(findings.list[FINDINGS_MAX - 2].message, "warning 198");
    findings_release(&findings);
}

TEST(findings, counts_the_errors_that_it_does_not_keep)
{
    struct findings findings = { 0 };
    for (int i = 0; i < FINDINGS_MAX + 5; i++)
        findings_error(&findings, "e", FINDING_TYPE, "error %d", i);
    assert_int_equal(findings.count, FINDINGS_MAX);
    assert_int_equal(findings.errors, FINDINGS_MAX + 5);
    assert_int_equal(findings.dropped, 5);
    findings_release(&findings);
}

TEST(findings, never_passes_on_control_characters_or_broken_text)
{
    struct findings findings = { 0 };
    findings_error(&findings, "a\033[2Jb", FINDING_VALUE, "\"\n%.3s\"", "ab\xc3\xa9");
    assert_string_equal(findings.list[0].path, "a?[2Jb");
    assert_string_equal(findings.list[0].message, "\"?ab?\"");
    findings_release(&findings);
}

TEST(findings, keeps_text_of_any_length_within_bounds)
{
    struct findings findings = { 0 };
    char long_text[4096];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    findings_error(&findings, long_text, FINDING_VALUE, "%s", long_text);
    assert_true(strlen(findings.list[0].path) < 1024);
    assert_true(strlen(findings.list[0].message) < 1024);
    findings_release(&findings);
}

TEST(findings, are_rendered_as_the_answer_of_validate)
{
    struct findings findings = { 0 };
    findings_warning(&findings, "services[0].tags", FINDING_IGNORED, "no \"tags\"");
    findings_error(&findings, ".", FINDING_TYPE, "wrong");
    AUTO_STR struct str text;
    str_init(&text, 4096);
    struct json_writer writer;
    json_begin(&writer, &text);
    findings_render(&findings, &writer);
    assert_string_equal(str_text(&text),
                        "{\"valid\":false,\"errors\":[{\"path\":\".\",\"code\":\"InvalidType\","
                        "\"message\":\"wrong\"}],\"warnings\":[{\"path\":\"services[0].tags\","
                        "\"code\":\"IgnoredField\",\"message\":\"no \\\"tags\\\"\"}]}");
    findings_release(&findings);
}
