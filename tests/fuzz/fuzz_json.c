/* Any bytes as JSON: what the strict scan lets through, cJSON takes, prints, and is taken again;
 * and whatever text the writer is given, its output is JSON. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "berth/assert.h"
#include "berth/json.h"
#include "berth/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_reader(const char *text, size_t len)
{
    AUTO_JSON cJSON *json = NULL, *answer = NULL, *again = NULL;
    struct err err = ERR_NONE;
    int rc = json_parse(text, len, &json, &err);
    ASSERT((rc == 0) == (json != NULL));
    ASSERT(!strstr(err.text, "JSON parser refused"));
    ASSERT(utf8_valid(err.text, strlen(err.text)));
    int answer_rc = json_parse_answer(text, len, &answer, NULL);
    ASSERT(rc < 0 || answer_rc == 0); /* answers are read less strictly, never more */
    if (rc < 0)
        return;

    AUTO_FREE char *printed = cJSON_PrintUnformatted(json);
    ASSERT(printed);
    rc = json_parse(printed, strlen(printed), &again, NULL);
    ASSERT(rc == 0);
}

static void check_writer(const char *text)
{
    AUTO_STR struct str out;
    str_init(&out, (size_t)64 * 1024 * 1024);
    struct json_writer writer;
    json_begin(&writer, &out);
    json_object(&writer);
    json_string_member(&writer, text, text);
    json_object_end(&writer);

    AUTO_JSON cJSON *json = NULL;
    int rc = json_parse(str_text(&out), out.len, &json, NULL);
    ASSERT(rc == 0);
    if (utf8_valid(text, strlen(text)))
        ASSERT(str_equal(json_string(json, text, NULL), text));
}

static void check_leaves(const char *text)
{
    int64_t value = 0;
    int64_t wall_ms = time_parse_wall_ms(text);
    ASSERT(wall_ms >= 0);
    int rc = parse_duration_ms(text, &value);
    ASSERT(rc < 0 || value >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE char *text = memory_alloc(size + 1);
    if (size > 0)
        memcpy(text, data, size);
    check_reader((const char *)data, size);
    check_writer(text);
    check_leaves(text);
    return 0;
}
