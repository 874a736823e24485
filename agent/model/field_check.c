/* field_check.c: what strings of a document may look like. */
#include <string.h>

#include "agent/model/field.h"
#include "berth/limits.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

const char *field_check_name(const char *text)
{
    size_t len = strlen(text);
    if (len >= 1 && len <= NAME_MAX_LEN && strspn(text, LETTERS DIGITS "_-") == len)
        return NULL;
    return "must be 1 to 255 letters, digits, hyphens and underscores";
}

/* The runtime takes a bind as "source:target:ro", so that a colon would change what is mounted. */
const char *field_check_container_path(const char *text)
{
    if (text[0] == '/' && !strchr(text, ':'))
        return NULL;
    return "must be an absolute path without a colon";
}

static bool path_climbs(const char *text)
{
    for (const char *part = text; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
            return true;
    }
    return false;
}

const char *field_check_absolute_path(const char *text)
{
    if (!field_check_container_path(text) && !path_climbs(text))
        return NULL;
    return "must be an absolute path without a colon and without \"..\"";
}

const char *field_check_image(const char *text)
{
    size_t len = strspn(text, LETTERS DIGITS "_-.:/@#+");
    if (text[len] == '\0')
        return NULL;
    return "must be an image reference: letters, digits and _ - . : / @ only "
           "(is a placeholder left in it?)";
}
