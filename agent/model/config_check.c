/* config_check.c: the form of single configuration values. */
#include "agent/model/config_check.h"

#include <stddef.h>
#include <string.h>

#include "berth/assert.h"
#include "berth/log.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define SPACE " \t\r\n\v\f"
#define SOCKET_PATH_MAX 107 /* sun_path without its NUL */

static bool all_of(const char *value, const char *allowed)
{
    return value[strspn(value, allowed)] == '\0';
}

/* Something after the scheme, and nothing that would end the URL in a log line or a request. */
static bool has_scheme(const char *value, const char *scheme)
{
    if (!str_starts(value, scheme) || value[strlen(scheme)] == '\0')
        return false;
    for (const char *p = value; *p; p++)
        if ((unsigned char)*p <= 0x20 || *p == 0x7F)
            return false;
    return true;
}

static bool is_http(const char *value)
{
    return has_scheme(value, "http://") || has_scheme(value, "https://");
}

bool check_desired_url(const char *value)
{
    return has_scheme(value, "file:///") || is_http(value);
}

bool check_report_url(const char *value)
{
    return *value == '\0' || is_http(value);
}

bool check_runtime(const char *value)
{
    return *value == '\0' ||
           (has_scheme(value, "unix:///") && strlen(value) - strlen("unix://") <= SOCKET_PATH_MAX);
}

bool check_path(const char *value)
{
    return value[0] == '/' && value[1] != '\0' && !strpbrk(value, "\n\r");
}

bool check_path_or_empty(const char *value)
{
    return *value == '\0' || check_path(value);
}

bool check_cluster(const char *value)
{
    return *value && all_of(value, LETTERS "-_");
}

bool check_host_id(const char *value)
{
    return all_of(value, LETTERS "-_.:");
}

bool check_name(const char *value)
{
    return *value && *value != '.' && *value != '-' && all_of(value, LETTERS "-_.");
}

bool check_log_level(const char *value)
{
    enum log_level level;
    return log_level_parse(value, &level) == 0;
}

bool check_log_format(const char *value)
{
    enum log_format format;
    return log_format_parse(value, &format) == 0;
}

/* ------------------------------------------------------------------ text */

char *config_trim(char *text)
{
    text += strspn(text, SPACE);
    size_t len = strlen(text);
    while (len > 0 && strchr(SPACE, text[len - 1]))
        text[--len] = '\0';
    return text;
}

char *config_unquote(char *text)
{
    size_t len = strlen(text);
    if (len < 2 || (text[0] != '"' && text[0] != '\'') || text[len - 1] != text[0])
        return text;
    text[len - 1] = '\0';
    return text + 1;
}

void config_redact(const char *value, bool url, struct str *out)
{
    const char *scheme = strstr(value, "://");
    const char *host = scheme ? scheme + strlen("://") : value;
    /* The last '@' before the path: a password may hold one that nobody escaped. */
    size_t len = scheme || url ? strcspn(host, "/?#") : 0;
    const char *at = NULL;
    for (size_t i = 0; i < len; i++)
        at = host[i] == '@' ? host + i : at;
    if (!at) {
        str_add(out, value);
        return;
    }
    str_add_len(out, value, (size_t)(host - value));
    str_add(out, "***");
    str_add(out, at);
}

int config_expand(const char *url, const char *cluster, const char *host, struct str *out,
                  struct err *err)
{
    const struct {
        const char *name, *value;
    } places[] = { { "{cluster}", cluster }, { "{host}", *host ? host : "{host}" } };

    while (*url) {
        size_t plain = strcspn(url, "{");
        str_add_len(out, url, plain);
        url += plain;
        if (!*url)
            break;
        size_t i = 0;
        while (i < COUNT_OF(places) && !str_starts(url, places[i].name))
            i++;
        if (i == COUNT_OF(places))
            return err_say(err, -EINVAL,
                           "\"%.40s\" is no placeholder; there are {cluster} and {host}", url);
        str_add(out, places[i].value);
        url += strlen(places[i].name);
    }
    if (out->truncated)
        return err_say(err, -EINVAL, "longer than %zu bytes with its placeholders expanded",
                       out->max);
    return 0;
}
