/* Any bytes as a log stream: however the network cuts it, each stream's bytes are the same, and
 * what is no log stream is refused at the same place. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "agent/edge/runtime_parse.h"
#include "berth/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct trace {
    size_t len[2];
    uint64_t hash[2];
};

static bool on_piece(void *ctx, bool is_stderr, const char *bytes, size_t len)
{
    struct trace *trace = ctx;
    ASSERT(len > 0);
    trace->len[is_stderr] += len;
    for (size_t i = 0; i < len; i++)
        trace->hash[is_stderr] =
            (trace->hash[is_stderr] ^ (unsigned char)bytes[i]) * 1099511628211u;
    return true;
}

static int run(const char *bytes, size_t size, size_t step, bool raw, struct trace *trace)
{
    struct log_frames frames = { .raw = raw };
    memset(trace, 0, sizeof *trace);
    int rc = 0;
    for (size_t at = 0; at < size && rc == 0; at += step)
        rc = log_frames_feed(&frames, bytes + at, size - at < step ? size - at : step, on_piece,
                             trace);
    ASSERT(rc == 0 || rc == -EPROTO);
    ASSERT(frames.failed == (rc == -EPROTO));
    ASSERT(frames.head_len < 8 || frames.failed);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    for (int raw = 0; raw <= 1; raw++) {
        struct trace whole, pieces, single;
        int rc = run(bytes, size, size ? size : 1, raw, &whole);
        ASSERT(run(bytes, size, 5, raw, &pieces) == rc);
        ASSERT(run(bytes, size, 1, raw, &single) == rc);
        ASSERT(memcmp(&whole, &pieces, sizeof whole) == 0);
        ASSERT(memcmp(&whole, &single, sizeof whole) == 0);
        ASSERT(whole.len[0] + whole.len[1] <= size);
        ASSERT(!raw || whole.len[0] == size);
    }
    return 0;
}
