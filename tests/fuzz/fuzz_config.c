/* Any bytes as berth.conf: refused with a reason that shows no password, or values that can be
 * rendered. */
#include <stdint.h>
#include <string.h>

#include "berth/assert.h"
#include "berth/config.h"
#include "berth/json.h"
#include "berth/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_rendering(const struct config_set *set)
{
    AUTO_STR struct str out;
    str_init(&out, (size_t)1024 * 1024);
    struct json_writer writer;
    json_begin(&writer, &out);
    config_render(set, &writer);
    AUTO_JSON cJSON *json = NULL;
    int rc = json_parse(str_text(&out), out.len, &json, NULL);
    ASSERT(rc == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE char *text = memory_alloc(size + 1);
    if (size > 0)
        memcpy(text, data, size);

    struct config_set set;
    config_init(&set);
    struct err err = ERR_NONE;
    int rc = config_read_text(&set, text, "fuzz.conf", &err);
    if (rc == 0)
        rc = config_finish(&set, &err);
    ASSERT(rc == 0 || rc == -EINVAL);
    ASSERT((rc == 0) == (err.text[0] == '\0'));
    check_rendering(&set);
    config_release(&set);
    return 0;
}
