#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "berth/assert.h"
#include "berth/json.h"
#include "berth/limits.h"
#include "berth/memory.h"
#include "tests/lib/test.h"

static int parse(const char *text, cJSON **ret, struct err *err)
{
    *err = ERR_NONE;
    /* A copy of exactly that size shows a sanitizer any read beyond the end. */
    size_t len = strlen(text);
    AUTO_FREE char *exact = memory_alloc(len);
    memcpy(exact, text, len);
    return json_parse(exact, len, ret, err);
}

static void refuses(const char *text, const char *message)
{
    AUTO_JSON cJSON *json = NULL;
    struct err err;
    assert_int_equal(parse(text, &json, &err), -EINVAL);
    assert_null(json);
    assert_string_equal(err.text, message);
}

static void accepts(const char *text)
{
    AUTO_JSON cJSON *json = NULL;
    struct err err;
    assert_int_equal(parse(text, &json, &err), 0);
    assert_non_null(json);
}

TEST(json, takes_every_form_that_the_rfc_allows)
{
    accepts("null");
    accepts(" \t\r\n[ 1 , -0 , 0.5 , 1e3 , 1E-2 , 1e+2 , -12.5e0 ] \n");
    accepts("{\"a\":{\"a\":[{\"a\":1},{\"a\":2}]},\"b\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\"}");
    accepts("\"\\ud83d\\ude00 \xF0\x9F\x98\x80 \x7F\"");
    accepts("\xEF\xBB\xBF{}");
    accepts("{\"\":1,\" \":2}");
}

TEST(json, names_line_and_column_of_what_it_refuses)
{
    refuses("", "the text is empty");
    refuses(" \n ", "the text is empty");
    refuses("\xEF\xBB\xBF", "the text is empty");
    refuses("{\n  \"a\": 1,\n  \"b\" 2\n}",
            "line 3, column 7: expected ':' after a key, found '2'");
    refuses("{\"\xC3\xA4\xC3\xA4\": x}", "line 1, column 8: expected a value, found 'x'");
    refuses("[1,\n2", "line 2, column 2: expected ',' or ']' in an array, but the text ends");
    refuses("{\"a\":1", "line 1, column 7: expected ',' or '}' in an object, but the text ends");
    refuses("{\"a\":1,}", "line 1, column 8: expected a key in double quotes, found '}'");
    refuses("{a:1}", "line 1, column 2: expected a key in double quotes, found 'a'");
    refuses("[1,]", "line 1, column 4: expected a value, found ']'");
    refuses("[1] x", "line 1, column 5: expected the end of the text, found 'x'");
    refuses("{}{}", "line 1, column 3: expected the end of the text, found '{'");
    refuses("\x01", "line 1, column 1: expected a value, found byte 0x01");
    refuses("tru", "line 1, column 1: expected a value, found 't'");
    refuses("nulll", "line 1, column 5: expected the end of the text, found 'l'");
    refuses("NaN", "line 1, column 1: expected a value, found 'N'");
    refuses("[1]\xC2\xA0", "line 1, column 4: expected the end of the text, found '\xC2\xA0'");
}

TEST(json, refuses_numbers_that_are_none)
{
    refuses("01", "line 1, column 1: a number may not start with a zero");
    refuses("-01", "line 1, column 1: a number may not start with a zero");
    refuses("1.", "line 1, column 3: expected a digit after the decimal point, but the text ends");
    refuses(".5", "line 1, column 1: expected a value, found '.'");
    refuses("+1", "line 1, column 1: expected a value, found '+'");
    refuses("[-]", "line 1, column 3: expected a digit, found ']'");
    refuses("1e", "line 1, column 3: expected a digit in the exponent, but the text ends");
    refuses("[1e+]", "line 1, column 5: expected a digit in the exponent, found ']'");
    refuses("0x10", "line 1, column 2: expected the end of the text, found 'x'");
    refuses("1000000000000000000000000000000000000000000000000000000000000000",
            "line 1, column 1: a number of 64 characters is too long");
}

TEST(json, refuses_strings_that_are_none)
{
    refuses("\"abc", "line 1, column 1: a string that starts here does not end");
    refuses("\"abc\\\"", "line 1, column 1: a string that starts here does not end");
    refuses("\"a\nb\"", "line 1, column 3: control character 0x0A in a string");
    refuses("\"\\x\"",
            "line 1, column 3: expected one of \" \\ / b f n r t u after a backslash, found 'x'");
    refuses("\"\\",
            "line 1, column 3: expected one of \" \\ / b f n r t u after a backslash, but the text "
            "ends");
    refuses("\"\\u12g4\"",
            "line 1, column 6: expected four hexadecimal digits after \\u, found 'g'");
    refuses("\"\\u0000\"", "line 1, column 2: \\u0000 is not allowed: it would end the text early");
    refuses("\"\\ud800\"", "line 1, column 2: half of a surrogate pair, \\ud800");
    refuses("\"\\ud800\\n\"", "line 1, column 2: half of a surrogate pair, \\ud800");
    refuses("\"\\ud800\\u0041\"", "line 1, column 2: half of a surrogate pair, \\ud800");
    refuses("\"\\udc00\"", "line 1, column 2: half of a surrogate pair, \\udc00");
    refuses("\"\xC3\"", "line 1, column 2: byte 0xC3 is not valid UTF-8");
    refuses("\"\xED\xA0\x80\"", "line 1, column 2: byte 0xED is not valid UTF-8");
    refuses("'a'", "line 1, column 1: expected a value, found '''");
}

TEST(json, refuses_a_nul_byte_anywhere)
{
    AUTO_JSON cJSON *json = NULL;
    struct err err = ERR_NONE;
    assert_int_equal(json_parse("{}\0", 3, &json, &err), -EINVAL);
    assert_int_equal(json_parse("\"a\0b\"", 5, &json, &err), -EINVAL);
    assert_int_equal(json_parse("[1\0]", 4, &json, &err), -EINVAL);
    assert_int_equal(json_parse("\"\\\0\"", 4, &json, &err), -EINVAL);
}

TEST(json, refuses_a_key_twice_however_it_is_written)
{
    refuses("{\"a\":1,\"b\":2,\"a\":3}", "line 1, column 14: duplicate key \"a\"");
    refuses("{\"a\":1,\"\\u0061\":2}", "line 1, column 8: duplicate key \"\\u0061\"");
    refuses("{\"\\ud83d\\ude00\":1,\n\"\xF0\x9F\x98\x80\":2}",
            "line 2, column 1: duplicate key \"\xF0\x9F\x98\x80\"");
    refuses("[{\"x\":{\"\":1,\"\":2}}]", "line 1, column 13: duplicate key \"\"");
    accepts("{\"a\":1,\"A\":2,\"aa\":3}");
    accepts("[{\"a\":1},{\"a\":1}]");
    accepts("{\"a\":{\"a\":1}}");
}

TEST(json, shows_long_keys_in_part_and_never_half_a_character)
{
    AUTO_STR struct str text;
    str_init(&text, 5000);
    str_add(&text, "{\"");
    for (int i = 0; i < 99; i++)
        str_add_char(&text, 'k');
    str_add(&text, "\xC3\xA4\":1,\"");
    for (int i = 0; i < 99; i++)
        str_add_char(&text, 'k');
    str_add(&text, "\xC3\xA4\":1}");
    AUTO_JSON cJSON *json = NULL;
    struct err err;
    assert_int_equal(parse(str_text(&text), &json, &err), -EINVAL);
    assert_true(utf8_valid(err.text, strlen(err.text)));
    assert_non_null(strstr(err.text, "kkk\""));
}

TEST(json, refuses_what_is_nested_too_deep)
{
    char text[2 * JSON_DEPTH_MAX + 3];
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    text[2 * JSON_DEPTH_MAX] = '\0';
    accepts(text);
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    text[2 * JSON_DEPTH_MAX + 2] = '\0';
    refuses(text, "line 1, column 65: nested more than 64 deep");
}

/* Objects of many keys must not take quadratic time: 100,000 keys would take minutes. */
TEST(json, checks_many_keys_in_no_time)
{
    AUTO_STR struct str text;
    str_init(&text, 4000000);
    str_add_char(&text, '{');
    for (int i = 0; i < 100000; i++)
        str_addf(&text, "\"\\u006bey-%d\":%d,", i, i);
    str_add(&text, "\"last\":1");
    clock_t begin = clock();
    size_t good_len = text.len;
    str_add_char(&text, '}');
    accepts(str_text(&text));
    text.len = good_len;
    str_add(&text, ",\"key-4711\":2}");
    AUTO_JSON cJSON *json = NULL;
    struct err err;
    assert_int_equal(parse(str_text(&text), &json, &err), -EINVAL);
    assert_non_null(strstr(err.text, "duplicate key \"key-4711\""));
    assert_true(clock() - begin < 10 * CLOCKS_PER_SEC);
}

TEST(json, an_answer_may_hold_an_escaped_nul)
{
    static const char text[] = "{\"a\\u0000x\":1,\"a\\u0000y\":2,\"out\":\"one\\u0000two\"}";
    AUTO_JSON cJSON *json = NULL;
    struct err err = ERR_NONE;
    assert_int_equal(json_parse_answer(text, strlen(text), &json, &err), 0);
    assert_string_equal(json_string(json, "out", ""), "one");
}

TEST(json, getters_give_the_fallback_for_absence_null_and_wrong_types)
{
    static const char text[] =
        "{\"s\":\"x\",\"n\":7,\"b\":true,\"z\":null,\"f\":1.5,\"big\":1e400,\"N\":1}";
    AUTO_JSON cJSON *json = NULL;
    struct err err = ERR_NONE;
    assert_int_equal(json_parse(text, strlen(text), &json, &err), 0);
    assert_string_equal(json_string(json, "s", "d"), "x");
    assert_string_equal(json_string(json, "S", "d"), "d");
    assert_string_equal(json_string(json, "n", "d"), "d");
    assert_string_equal(json_string(json, "z", "d"), "d");
    assert_string_equal(json_string(NULL, "s", "d"), "d");
    assert_int_equal(json_integer(json, "n", -1), 7);
    assert_int_equal(json_integer(json, "f", -1), -1);
    assert_int_equal(json_integer(json, "big", -1), -1);
    assert_int_equal(json_integer(json, "s", -1), -1);
    assert_true(json_bool(json, "b", false));
    assert_true(json_bool(json, "n", true));
    assert_null(json_get(json, "z"));
    assert_null(json_get(json_get(json, "s"), "s"));
}

TEST(json, exact_integers_end_below_two_to_the_53)
{
    static const struct {
        const char *text;
        int rc;
        int64_t value;
    } cases[] = {
        { "0", 0, 0 },
        { "-5", 0, -5 },
        { "3000000000", 0, INT64_C(3000000000) },
        { "1e3", 0, 1000 },
        { "7.0", 0, 7 },
        { "9007199254740991", 0, JSON_INTEGER_MAX - 1 },
        { "9007199254740993", -ERANGE, 0 },
        { "-9007199254740993", -ERANGE, 0 },
        { "1.5", -ERANGE, 0 },
        { "1e400", -ERANGE, 0 },
        { "-1e400", -ERANGE, 0 },
        { "\"1\"", -EINVAL, 0 },
        { "true", -EINVAL, 0 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *json = NULL;
        struct err err;
        int64_t value = 0;
        assert_int_equal(parse(cases[i].text, &json, &err), 0);
        assert_int_equal(json_exact(json, &value), cases[i].rc);
        assert_true(value == cases[i].value);
    }
    int64_t value = 0;
    assert_int_equal(json_exact(NULL, &value), -EINVAL);
}

TEST(json, writes_what_a_reader_gets_back)
{
    AUTO_STR struct str out;
    str_init(&out, 10000);
    struct json_writer writer;
    json_begin(&writer, &out);
    json_object(&writer);
    json_string_member(&writer, "text", "a\"b\\c\n\t\x01\xC3\xA4");
    json_int_member(&writer, "large", INT64_MAX);
    json_int_member(&writer, "small", INT64_MIN);
    json_bool_member(&writer, "yes", true);
    json_string_member(&writer, "none", NULL);
    json_time_member(&writer, "at", 1);
    json_time_member(&writer, "never", 0);
    json_key(&writer, "list");
    json_array(&writer);
    json_put_int(&writer, 1);
    json_object(&writer);
    json_object_end(&writer);
    json_array(&writer);
    json_array_end(&writer);
    json_put_raw(&writer, "[2]");
    json_put_null(&writer);
    json_array_end(&writer);
    json_object_end(&writer);
    assert_string_equal(str_text(&out),
                        "{\"text\":\"a\\\"b\\\\c\\n\\t\\u0001\xC3\xA4\","
                        "\"large\":9223372036854775807,\"small\":-9223372036854775808,"
                        "\"yes\":true,\"none\":null,\"at\":\"1970-01-01T00:00:00.001Z\","
                        "\"never\":null,\"list\":[1,{},[],[2],null]}");
    accepts(str_text(&out));
}

TEST(json, writes_valid_utf8_whatever_it_is_given)
{
    AUTO_STR struct str out;
    str_init(&out, 100);
    struct json_writer writer;
    json_begin(&writer, &out);
    json_put_string(&writer, "a\xFF\xC3(\xE2\x82");
    assert_string_equal(str_text(&out), "\"a\xEF\xBF\xBD\xEF\xBF\xBD(\xEF\xBF\xBD\xEF\xBF\xBD\"");
}
