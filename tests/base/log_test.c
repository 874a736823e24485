#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "berth/json.h"
#include "berth/log.h"
#include "berth/memory.h"
#include "tests/lib/test.h"

/* stderr goes to a file that has no name while a test looks at it. */
struct capture {
    int saved, file;
    char text[40000];
};

static void capture_begin(struct capture *capture)
{
    char path[] = "/tmp/berth-log-test.XXXXXX";
    capture->file = mkstemp(path);
    assert_true(capture->file >= 0);
    (void)unlink(path);
    capture->saved = dup(STDERR_FILENO);
    (void)dup2(capture->file, STDERR_FILENO);
}

static const char *capture_end(struct capture *capture)
{
    (void)dup2(capture->saved, STDERR_FILENO);
    (void)close(capture->saved);
    ssize_t len = pread(capture->file, capture->text, sizeof capture->text - 1, 0);
    (void)close(capture->file);
    assert_true(len >= 0);
    capture->text[len] = '\0';
    log_set_level(LOG_INFO);
    log_set_format(LOG_TEXT);
    return capture->text;
}

TEST(log, writes_one_fact_per_line)
{
    struct capture capture;
    capture_begin(&capture);
    log_info("event=one", "service=%s revision=%d", "web", 7);
    log_warn("event=two", "");
    assert_string_equal(capture_end(&capture), "info event=one service=web revision=7\n"
                                               "warn event=two\n");
}

TEST(log, keeps_quiet_below_its_level)
{
    struct capture capture;
    capture_begin(&capture);
    log_debug("event=hidden", "");
    log_set_level(LOG_ERROR);
    assert_false(log_wanted(LOG_WARN));
    log_warn("event=hidden", "");
    log_error("event=shown", "");
    assert_string_equal(capture_end(&capture), "error event=shown\n");
}

TEST(log, a_value_cannot_begin_a_line_of_its_own)
{
    struct capture capture;
    capture_begin(&capture);
    log_info("event=forged", "name=%s", "a\nerror event=fake\x1b[31m");
    assert_string_equal(capture_end(&capture), "info event=forged name=a error event=fake [31m\n");
}

TEST(log, holds_a_repeated_line_back_and_counts_it)
{
    struct capture capture;
    capture_begin(&capture);
    for (int i = 0; i < 1000; i++)
        log_warn("event=storm", "");
    log_info("event=calm", "");
    assert_string_equal(capture_end(&capture), "warn event=storm\n"
                                               "info event=repeated times=999\n"
                                               "info event=calm\n");
}

TEST(log, logfmt_begins_with_time_and_level)
{
    struct capture capture;
    capture_begin(&capture);
    log_set_format(LOG_LOGFMT);
    log_info("event=stamped", "a=1");
    const char *text = capture_end(&capture);
    char stamp[32] = "";
    assert_int_equal(sscanf(text, "ts=%31s level=info event=stamped a=1\n", stamp), 1);
    assert_true(time_parse_wall_ms(stamp) > INT64_C(1500000000000));
}

TEST(log, json_holds_the_pairs_as_members)
{
    struct capture capture;
    capture_begin(&capture);
    log_set_format(LOG_JSON);
    log_error("event=failed",
              "service=%s count=%d ok=false id=00000000000000000000000000000007 odd code=-1 end=%s",
              LOG_VALUE("my \"web\" = \\ x"), 3, LOG_VALUE(""));
    const char *text = capture_end(&capture);
    AUTO_JSON cJSON *json = NULL;
    struct err err = ERR_NONE;
    assert_int_equal(json_parse(text, strlen(text), &json, &err), 0);
    assert_string_equal(json_string(json, "level", ""), "error");
    assert_string_equal(json_string(json, "event", ""), "failed");
    assert_string_equal(json_string(json, "service", ""), "my \"web\" = \\ x");
    assert_int_equal(json_integer(json, "count", 0), 3);
    assert_int_equal(json_integer(json, "code", 0), -1);
    assert_false(json_bool(json, "ok", true));
    assert_string_equal(json_string(json, "id", ""), "00000000000000000000000000000007");
    assert_string_equal(json_string(json, "odd", "none"), "");
    assert_string_equal(json_string(json, "end", "none"), "");
}

TEST(log, has_a_priority_in_front_only_when_stderr_is_the_journal)
{
    struct capture capture;
    struct stat status;
    capture_begin(&capture);
    assert_int_equal(fstat(STDERR_FILENO, &status), 0);
    AUTO_FREE char *stream =
        memory_printf("%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_warn("event=journal", "");
    setenv("JOURNAL_STREAM", "1:1", 1);
    log_warn("event=elsewhere", "");
    unsetenv("JOURNAL_STREAM");
    assert_string_equal(capture_end(&capture), "<4>warn event=journal\nwarn event=elsewhere\n");
}

TEST(log, cuts_a_line_that_is_too_long)
{
    struct capture capture;
    AUTO_FREE char *large = memory_alloc(100001);
    memset(large, 'x', 100000);
    capture_begin(&capture);
    log_info("event=large", "text=%s", large);
    const char *text = capture_end(&capture);
    assert_in_range(strlen(text), 8000, 8300);
    assert_int_equal(text[strlen(text) - 1], '\n');
}

TEST(log, quotes_only_what_needs_it)
{
    assert_string_equal(LOG_VALUE("plain-1.2/x"), "plain-1.2/x");
    assert_string_equal(LOG_VALUE(""), "\"\"");
    assert_string_equal(LOG_VALUE(NULL), "\"\"");
    assert_string_equal(LOG_VALUE("a b"), "\"a b\"");
    assert_string_equal(LOG_VALUE("a=\"b\"\\"), "\"a=\\\"b\\\"\\\\\"");
    assert_string_equal(LOG_VALUE("a\nb\xFF"), "\"a b?\"");
    assert_string_equal(LOG_VALUE("\xC3\xA4"), "\xC3\xA4");
}

TEST(log, a_quoted_value_never_outgrows_its_room)
{
    char large[3000];
    static const char *const fillings[] = { "x", "\"", "\\", " ", "\xE2\x82\xAC", "\xFF" };
    for (size_t i = 0; i < sizeof fillings / sizeof fillings[0]; i++) {
        size_t step = strlen(fillings[i]);
        for (size_t at = 0; at + step < sizeof large; at += step)
            memcpy(large + at, fillings[i], step + 1);
        struct log_value value;
        const char *text = log_quote(&value, large);
        assert_true(strlen(text) < sizeof value.text);
        assert_true(utf8_valid(text, strlen(text)));
    }
}

TEST(log, parses_its_own_words)
{
    enum log_level level = LOG_INFO;
    enum log_format format = LOG_TEXT;
    assert_int_equal(log_level_parse("debug", &level), 0);
    assert_int_equal(level, LOG_DEBUG);
    assert_int_equal(log_level_parse("loud", &level), -EINVAL);
    assert_int_equal(log_level_parse(NULL, &level), -EINVAL);
    assert_int_equal(log_format_parse("json", &format), 0);
    assert_int_equal(format, LOG_JSON);
    assert_int_equal(log_format_parse("JSON", &format), -EINVAL);
}
