/* Any bytes as a file of the store: refused with a reason, or exactly what sealing its payload
 * makes. The first byte chooses the kind. */
#include <stdint.h>
#include <string.h>

#include "agent/edge/store_inside.h"
#include "berth/assert.h"
#include "berth/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *kind = data[0] % 2 ? "memory" : "document";
    const char *bytes = (const char *)data + 1, *payload;
    size_t len = size - 1, payload_len, sealed_len;
    struct err err = ERR_NONE;
    int rc = store_unseal(kind, bytes, len, &payload, &payload_len, &err);
    ASSERT(rc == 0 || rc == -EBADMSG);
    ASSERT((rc == 0) == (err.text[0] == '\0'));

    /* Bytes that are no sealed file are a payload as good as any. */
    if (rc < 0) {
        payload = bytes;
        payload_len = len;
    }
    AUTO_FREE char *sealed = store_seal(kind, payload, payload_len, &sealed_len);
    const char *unsealed;
    size_t unsealed_len;
    rc = store_unseal(kind, sealed, sealed_len, &unsealed, &unsealed_len, NULL);
    ASSERT(rc == 0);
    ASSERT(unsealed_len == payload_len);
    ASSERT(memcmp(unsealed, payload, payload_len) == 0);
    return 0;
}
