/* Pure: what answers and failures of libcurl mean. */
#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "agent/edge/http_inside.h"
#include "berth/assert.h"
#include "berth/memory.h"
#include "berth/str.h"

typedef void (*head_fn)(struct http_head *head, const char *value);

static void head_etag(struct http_head *head, const char *value);
static void head_last_modified(struct http_head *head, const char *value);
static void head_retry_after(struct http_head *head, const char *value);
static void head_cache_control(struct http_head *head, const char *value);
static void head_date(struct http_head *head, const char *value);

static const struct {
    const char *name;
    head_fn take;
} head_table[] = {
    { "etag", head_etag },
    { "last-modified", head_last_modified },
    { "retry-after", head_retry_after },
    { "cache-control", head_cache_control },
    { "date", head_date },
};

void http_head_init(struct http_head *head)
{
    *head = (struct http_head){
        .retry_after_ms = -1, .max_age_ms = -1, .retry_at_s = -1, .date_s = -1
    };
}

void http_head_line(struct http_head *head, const char *line, size_t len)
{
    if (len >= 5 && strncasecmp(line, "HTTP/", 5) == 0) {
        http_head_init(head);
        return;
    }
    const char *colon = memchr(line, ':', len);
    if (!colon || len > HTTP_TAG_MAX + 64)
        return;
    const char *value = colon + 1, *end = line + len;
    while (value < end && strchr(" \t", *value))
        value++;
    while (end > value && strchr(" \t\r\n", end[-1]))
        end--;
    /* It may go back to the server in a header of ours. */
    for (const char *c = value; c < end; c++)
        if ((unsigned char)*c < 0x20 && *c != '\t')
            return;
    AUTO_FREE char *text = memory_strndup(value, (size_t)(end - value));
    for (size_t i = 0; i < COUNT_OF(head_table); i++) {
        size_t name_len = strlen(head_table[i].name);
        if (name_len == (size_t)(colon - line) &&
            strncasecmp(line, head_table[i].name, name_len) == 0)
            head_table[i].take(head, text);
    }
}

/* A date is compared with the server's own clock where it told it. */
void http_head_end(struct http_head *head, int64_t wall_s)
{
    if (head->retry_at_s < 0 || head->retry_after_ms >= 0)
        return;
    int64_t seconds = head->retry_at_s - (head->date_s >= 0 ? head->date_s : wall_s);
    if (seconds < 0)
        seconds = 0;
    head->retry_after_ms = SECONDS(seconds < HTTP_DELAY_MAX_S ? seconds : HTTP_DELAY_MAX_S);
}

/* One that is too long to keep is as good as none: the next request is then unconditional. */
static void head_etag(struct http_head *head, const char *value)
{
    if (strlen(value) < sizeof head->etag)
        (void)snprintf(head->etag, sizeof head->etag, "%s", value);
}

static void head_last_modified(struct http_head *head, const char *value)
{
    if (strlen(value) < sizeof head->last_modified)
        (void)snprintf(head->last_modified, sizeof head->last_modified, "%s", value);
}

static void head_date(struct http_head *head, const char *value)
{
    head->date_s = (int64_t)curl_getdate(value, NULL);
}

static void head_retry_after(struct http_head *head, const char *value)
{
    int64_t seconds = 0;
    if (parse_int(value, 0, HTTP_DELAY_MAX_S, &seconds) == 0)
        head->retry_after_ms = SECONDS(seconds);
    else
        head->retry_at_s = (int64_t)curl_getdate(value, NULL);
}

/* "public, max-age=30" but not "s-maxage=30" */
static void head_cache_control(struct http_head *head, const char *value)
{
    while (*value) {
        value += strspn(value, " \t,");
        size_t len = strcspn(value, ",");
        if (len > 8 && strncasecmp(value, "max-age=", 8) == 0) {
            size_t digits = strspn(value + 8, "0123456789");
            AUTO_FREE char *number = memory_strndup(value + 8, digits);
            int64_t seconds = 0;
            if (parse_int(number, 0, HTTP_DELAY_MAX_S, &seconds) == 0)
                head->max_age_ms = SECONDS(seconds);
        }
        value += len;
    }
}

static const struct {
    CURLcode code;
    int rc;
} code_table[] = {
    { CURLE_OK, 0 },
    { CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT },
    { CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH },
    { CURLE_COULDNT_RESOLVE_PROXY, -EHOSTUNREACH },
    { CURLE_GOT_NOTHING, -ECONNRESET },
    { CURLE_RECV_ERROR, -ECONNRESET },
    { CURLE_SEND_ERROR, -ECONNRESET },
    { CURLE_PARTIAL_FILE, -ECONNRESET },
    { CURLE_WEIRD_SERVER_REPLY, -EPROTO },
    { CURLE_UNSUPPORTED_PROTOCOL, -EPROTO },
    { CURLE_BAD_CONTENT_ENCODING, -EPROTO },
    { CURLE_SSL_CONNECT_ERROR, -EPROTO },
    { CURLE_PEER_FAILED_VERIFICATION, -EACCES },
    { CURLE_SSL_CACERT_BADFILE, -EACCES },
    { CURLE_URL_MALFORMAT, -EINVAL },
    { CURLE_TOO_MANY_REDIRECTS, -ELOOP },
    { CURLE_FILESIZE_EXCEEDED, -EFBIG },
};

int http_code_to_rc(CURLcode code, long os_errno)
{
    if (code == CURLE_COULDNT_CONNECT)
        return os_errno > 0 && os_errno < 4096 ? -(int)os_errno : -ECONNREFUSED;
    for (size_t i = 0; i < COUNT_OF(code_table); i++)
        if (code_table[i].code == code)
            return code_table[i].rc;
    return -EIO;
}

/* User, password and query may be secrets (signed URLs); they never reach a message. */
char *http_peer_name(const struct http_call *call)
{
    const char *method = call->method ? call->method : "GET";
    const char *start = strstr(call->url, "://");
    start = start ? start + 3 : call->url;
    size_t host_len = strcspn(start, "/?#");
    const char *path = start + host_len;
    int path_len = (int)strcspn(path, "?#");
    if (call->unix_socket)
        return memory_printf("%s %.*s at %s", method, path_len > 200 ? 200 : path_len, path,
                             call->unix_socket);
    const char *at = memrchr(start, '@', host_len);
    const char *host = at ? at + 1 : start;
    return memory_printf("%s %.*s%.*s%.*s", method, (int)(start - call->url), call->url,
                         (int)(host_len - (size_t)(host - start)), host,
                         path_len > 200 ? 200 : path_len, path);
}
