/* What a URL names. */
#include <ctype.h>

#include "berth/memory.h"
#include "berth/str.h"
#include "source_inside.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int decode_path(const char *text, char **ret, struct err *err)
{
    AUTO_STR struct str path;
    str_init(&path, strlen(text) + 1);
    for (; *text; text++) {
        if (*text != '%') {
            str_add_char(&path, *text);
            continue;
        }
        int high = hex_value(text[1]);
        int low = high < 0 ? -1 : hex_value(text[2]);
        if (low < 0 || (high == 0 && low == 0))
            return err_say(err, -EINVAL, "\"%%\" must be followed by two hexadecimal digits");
        str_add_char(&path, (char)(high * 16 + low));
        text += 2;
    }
    *ret = str_take(&path);
    return 0;
}

/* file:///path, or file://localhost/path as RFC 8089 allows. */
static int parse_file(const char *rest, char **ret_path, struct err *err)
{
    if (str_starts(rest, "localhost/"))
        rest += strlen("localhost");
    if (rest[0] != '/')
        return err_say(err, -EINVAL, "a file is written with three slashes, file:///path");
    if (rest[strlen(rest) - 1] == '/')
        return err_say(err, -EINVAL, "it names a directory, not a file");
    return decode_path(rest, ret_path, err);
}

static int parse_remote(const char *url, const char *rest, char **ret_shown, struct err *err)
{
    size_t authority = strcspn(rest, "/?#");
    const char *at = memrchr(rest, '@', authority);
    const char *host = at ? at + 1 : rest;
    if (host == rest + authority || *host == ':')
        return err_say(err, -EINVAL, "it names no host");
    for (const char *c = url; *c; c++) {
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return err_say(err, -EINVAL, "it holds a space or a control character");
    }
    *ret_shown = memory_printf("%.*s%.*s", (int)(rest - url), url, (int)strcspn(host, "?#"), host);
    return 0;
}

int source_url_parse(const char *url, char **ret_path, char **ret_shown, struct err *err)
{
    AUTO_FREE char *path = NULL;
    AUTO_FREE char *shown = NULL;
    int rc;
    if (str_starts(url, "file://"))
        rc = parse_file(url + strlen("file://"), &path, err);
    else if (str_starts(url, "http://"))
        rc = parse_remote(url, url + strlen("http://"), &shown, err);
    else if (str_starts(url, "https://"))
        rc = parse_remote(url, url + strlen("https://"), &shown, err);
    else
        rc = err_say(err, -EINVAL, "it must begin with file://, http:// or https://");
    if (rc < 0)
        return rc;
    *ret_path = TAKE(path);
    *ret_shown = shown ? TAKE(shown) : memory_strdup(url);
    return 0;
}
