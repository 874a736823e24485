/* Any text as a source's URL: refused with a reason, or a path from the root, or a name that
 * shows neither password nor query. */
#include <stdint.h>
#include <string.h>

#include "agent/edge/source_inside.h"
#include "berth/assert.h"
#include "berth/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE char *url = memory_strndup((const char *)data, size);
    AUTO_FREE char *path = NULL;
    AUTO_FREE char *shown = NULL;
    struct err err = ERR_NONE;
    int rc = source_url_parse(url, &path, &shown, &err);
    ASSERT(rc == 0 || rc == -EINVAL);
    ASSERT((rc == 0) == (err.text[0] == '\0'));
    ASSERT((rc == 0) == (shown != NULL));
    if (path)
        ASSERT(path[0] == '/');
    if (shown && !path)
        ASSERT(!strchr(shown, '?'));
    return 0;
}
