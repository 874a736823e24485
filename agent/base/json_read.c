/* json_read.c: text -> cJSON tree, strictly; lenient getters for the answers of others. */
#include <errno.h>
#include <string.h>

#include "agent/base/json_scan.h"
#include "berth/json.h"

static int parse_text(const char *text, size_t len, bool nul_allowed, cJSON **ret, struct err *err)
{
    static const char mark[] = "\xEF\xBB\xBF";
    if (len >= 3 && memcmp(text, mark, 3) == 0) {
        text += 3;
        len -= 3;
    }
    int rc = json_scan(text, len, nul_allowed, err);
    if (rc < 0)
        return rc;

    cJSON *json = cJSON_ParseWithLengthOpts(text, len, NULL, false);
    if (!json)
        return err_say(err, -EINVAL, "the JSON parser refused a text of %zu bytes", len);
    *ret = json;
    return 0;
}

int json_parse(const char *text, size_t len, cJSON **ret, struct err *err)
{
    return parse_text(text, len, false, ret, err);
}

int json_parse_answer(const char *text, size_t len, cJSON **ret, struct err *err)
{
    return parse_text(text, len, true, ret, err);
}

void json_cleanup(cJSON **json)
{
    cJSON_Delete(*json);
}

const cJSON *json_get(const cJSON *object, const char *key)
{
    if (!cJSON_IsObject(object))
        return NULL;
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNull(member) ? NULL : member;
}

const char *json_string(const cJSON *object, const char *key, const char *fallback)
{
    const cJSON *member = json_get(object, key);
    return cJSON_IsString(member) ? member->valuestring : fallback;
}

int64_t json_integer(const cJSON *object, const char *key, int64_t fallback)
{
    int64_t value = 0;
    return json_exact(json_get(object, key), &value) == 0 ? value : fallback;
}

bool json_bool(const cJSON *object, const char *key, bool fallback)
{
    const cJSON *member = json_get(object, key);
    return cJSON_IsBool(member) ? cJSON_IsTrue(member) : fallback;
}

int json_exact(const cJSON *number, int64_t *ret)
{
    if (!cJSON_IsNumber(number))
        return -EINVAL;
    /* From 2^53 on neighbouring integers share a double: what was written is no longer known. */
    double value = number->valuedouble;
    double bound = (double)JSON_INTEGER_MAX;
    if (!(value > -bound && value < bound))
        return -ERANGE;
    int64_t integer = (int64_t)value;
    if ((double)integer != value)
        return -ERANGE;
    *ret = integer;
    return 0;
}
