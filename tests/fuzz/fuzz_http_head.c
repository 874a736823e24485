/* Any bytes as header lines of an answer: times stay within their bounds, texts within theirs. */
#include <stdint.h>
#include <string.h>

#include "agent/edge/http_inside.h"
#include "berth/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data, *end = bytes + size;
    struct http_head head;
    http_head_init(&head);
    while (bytes < end) {
        const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
        const char *next = newline ? newline + 1 : end;
        http_head_line(&head, bytes, (size_t)(next - bytes));
        bytes = next;
    }
    http_head_end(&head, 1700000000);
    ASSERT(head.retry_after_ms >= -1 && head.retry_after_ms <= SECONDS(HTTP_DELAY_MAX_S));
    ASSERT(head.max_age_ms >= -1 && head.max_age_ms <= SECONDS(HTTP_DELAY_MAX_S));
    ASSERT(strnlen(head.etag, sizeof head.etag) < sizeof head.etag);
    ASSERT(!strpbrk(head.etag, "\r\n"));
    ASSERT(strnlen(head.last_modified, sizeof head.last_modified) < sizeof head.last_modified);
    return 0;
}
