/* How things look: errors, times, bytes. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/cli/cli.h"
#include "berth/assert.h"
#include "berth/memory.h"
#include "berth/str.h"

void cli_error(const struct cli *cli, const char *code, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!cli->json) {
        fprintf(stderr, "berth: %s\n", text);
        return;
    }
    struct str out AUTO_STR;
    struct json_writer writer;
    str_init(&out, 16 * 1024);
    json_begin(&writer, &out);
    json_object(&writer);
    json_string_member(&writer, "code", code);
    json_string_member(&writer, "message", text);
    json_object_end(&writer);
    fprintf(stderr, "%s\n", str_text(&out));
}

void cli_note(const struct cli *cli, const char *format, ...)
{
    va_list args;
    if (cli->json)
        return;
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
}

/* ------------------------------------------------------------------ time */

int64_t wall_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void duration_text(int64_t ms, char *ret, size_t size)
{
    static const struct {
        int64_t below_s, unit_s;
        char letter;
    } scale[] = {
        { 120, 1, 's' },
        { INT64_C(2) * 3600, 60, 'm' },
        { INT64_C(48) * 3600, 3600, 'h' },
        { INT64_MAX, 86400, 'd' },
    };
    int64_t seconds = ms > 0 ? ms / 1000 : 0;
    size_t i = 0;
    while (i + 1 < COUNT_OF(scale) && seconds >= scale[i].below_s)
        i++;
    (void)snprintf(ret, size, "%lld%c", (long long)(seconds / scale[i].unit_s), scale[i].letter);
}

/* A time that just was may look as if it were yet to come: the daemon computes it from another
 * clock. */
#define CLOCK_SLACK_MS 100

void ago_text(const char *time, char *ret, size_t size)
{
    int64_t at = time ? time_parse_wall_ms(time) : 0;
    if (at <= 0) {
        (void)snprintf(ret, size, "-");
        return;
    }
    char duration[32];
    int64_t passed = wall_now_ms() - at;
    duration_text(passed < 0 ? -passed : passed, duration, sizeof duration);
    (void)snprintf(ret, size, passed < -CLOCK_SLACK_MS ? "in %s" : "%s ago", duration);
}

/* ------------------------------------------------------------------ words and bytes */

enum cell_color status_color(const char *status)
{
    static const struct {
        const char *status;
        enum cell_color color;
    } colors[] = {
        { "RUNNING", CELL_GOOD },        { "HEALTHY", CELL_GOOD },  { "COMPLETED", CELL_GOOD },
        { "IN_PROGRESS", CELL_WARN },    { "PENDING", CELL_WARN },  { "PROVISIONING", CELL_WARN },
        { "ACTIVATING", CELL_WARN },     { "STOPPING", CELL_WARN }, { "DEACTIVATING", CELL_WARN },
        { "DEPROVISIONING", CELL_WARN }, { "DRAINING", CELL_WARN }, { "UNHEALTHY", CELL_BAD },
        { "FAILED", CELL_BAD },
    };
    for (size_t i = 0; i < COUNT_OF(colors); i++)
        if (str_equal(colors[i].status, status))
            return colors[i].color;
    return CELL_PLAIN;
}

static void text_tame(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++) {
        bool c1 = c[0] == 0xC2 && c[1] >= 0x80 && c[1] < 0xA0; /* controls beyond ASCII */
        if (*c < 0x20 || *c == 0x7F || c1)
            *c = ' ';
        if (c1)
            *++c = ' ';
    }
}

void json_tame(cJSON *json)
{
    cJSON *child;
    if (cJSON_IsString(json))
        text_tame(json->valuestring);
    cJSON_ArrayForEach(child, json)
        json_tame(child);
}

const char *short_id(const char *id, char ret[13])
{
    (void)snprintf(ret, 13, "%s", id ? id : "");
    return ret;
}

bool print_bytes(const char *bytes, size_t len)
{
    if (fwrite(bytes, 1, len, stdout) != len)
        return false;
    return fflush(stdout) == 0;
}

int print_reply(const struct reply *reply)
{
    (void)print_bytes(reply->body, reply->len);
    if (reply->len == 0 || reply->body[reply->len - 1] != '\n')
        (void)print_bytes("\n", 1);
    return EXIT_OK;
}

/* ------------------------------------------------------------------ files */

static int read_up_to(int fd, size_t max, char **ret, size_t *ret_len)
{
    size_t capacity = 64 * 1024, len = 0;
    AUTO_FREE char *text = memory_alloc(capacity);
    for (;;) {
        if (len + 1 >= capacity) {
            capacity *= 2;
            text = memory_grow(text, capacity, 1);
        }
        size_t room = capacity - 1 - len;
        size_t left = max + 1 - len;
        ssize_t n = read(fd, text + len, room < left ? room : left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        len += (size_t)n;
        if (n == 0 || len > max)
            break;
    }
    text[len] = '\0';
    *ret = TAKE(text);
    *ret_len = len;
    return 0;
}

int read_whole(const char *path, size_t max, char **ret, size_t *ret_len, struct err *err)
{
    AUTO_FD int fd = -1;
    bool standard_input = str_equal(path, "-");
    if (!standard_input)
        fd = open(path, O_RDONLY | O_CLOEXEC);
    if (!standard_input && fd < 0)
        return err_set(err, -errno, "cannot open %s", path);
    int rc = read_up_to(standard_input ? STDIN_FILENO : fd, max, ret, ret_len);
    return rc < 0 ? err_set(err, rc, "cannot read %s", path) : 0;
}
