/* Any bytes as the runtime's stream of JSON lines: events, pull progress, error answers. However
 * the network cuts them, the same lines come out, and every text that does is printable. */
#include <stdint.h>
#include <string.h>

#include "agent/edge/runtime_parse.h"
#include "berth/assert.h"
#include "berth/limits.h"

#define LINE_MAX_HERE 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct trace {
    size_t lines, dropped;
    uint64_t hash; /* of all that was given */
};

static void trace_add(struct trace *trace, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        trace->hash = (trace->hash ^ (unsigned char)bytes[i]) * 1099511628211u;
    trace->hash = (trace->hash ^ len) * 1099511628211u;
}

static void check_printable(const char *text, size_t size)
{
    size_t len = strnlen(text, size);
    ASSERT(len < size);
    ASSERT(utf8_valid(text, len));
    for (size_t i = 0; i < len; i++)
        ASSERT((unsigned char)text[i] >= 0x20);
}

static void on_line(void *ctx, const char *line, size_t len)
{
    struct trace *trace = ctx;
    trace->lines++;
    trace->dropped += !line;
    if (!line)
        return;
    ASSERT(len > 0 && len <= LINE_MAX_HERE);
    ASSERT(line[len] == '\0');
    trace_add(trace, line, len);

    struct runtime_event event;
    if (runtime_event_parse(line, len, &event) == 0) {
        ASSERT(strnlen(event.container, sizeof event.container) < sizeof event.container);
        ASSERT(event.time_s <= (int64_t)1 << 53);
    }
    struct pull_line pull;
    if (pull_line_parse(line, len, &pull) == 0) {
        check_printable(pull.error, sizeof pull.error);
        check_printable(pull.text, sizeof pull.text);
    }
}

static struct trace run(const char *bytes, size_t size, size_t step)
{
    struct trace trace = { 0 };
    struct lines lines;
    lines_init(&lines, LINE_MAX_HERE);
    for (size_t at = 0; at < size; at += step)
        lines_feed(&lines, bytes + at, size - at < step ? size - at : step, on_line, &trace);
    lines_end(&lines, on_line, &trace);
    lines_release(&lines);
    return trace;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    struct trace whole = run(bytes, size, size ? size : 1);
    struct trace pieces = run(bytes, size, 7);
    struct trace single = run(bytes, size, 1);
    ASSERT(whole.lines == pieces.lines && whole.lines == single.lines);
    ASSERT(whole.dropped == pieces.dropped && whole.dropped == single.dropped);
    ASSERT(whole.hash == pieces.hash && whole.hash == single.hash);

    char message[RUNTIME_MESSAGE_MAX];
    runtime_message(bytes, size, message);
    check_printable(message, sizeof message);
    return 0;
}
