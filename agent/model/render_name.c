/* render_name.c: names and ARNs, always the same for the same input. */
#include <stdio.h>
#include <string.h>

#include "berth/digest.h"
#include "berth/render.h"
#include "berth/str.h"

#define NAME_LETTERS "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-"
#define TASK_ID_SHOWN 12
#define NAME_LEN_MAX 120
#define ARN_PREFIX "arn:aws:ecs:local:000000000000:"
/* Where a name had to be changed: how much stays of each part, with 8 digits of a digest. */
#define GROUP_KEPT 40
#define PART_KEPT 50
#define VOLUME_KEPT 200 /* the runtime makes a directory of that name: 255 bytes in all */

static void add_plain(struct str *out, const char *text, size_t max)
{
    for (size_t i = 0; i < max && text[i]; i++)
        str_add_char(out, strchr(NAME_LETTERS, text[i]) ? text[i] : '-');
}

static bool is_plain(const char *text)
{
    return text[strspn(text, NAME_LETTERS)] == '\0';
}

/* Two parts that were cut or changed into the same text must still give two names. */
static void add_digest(struct str *out, const char *group, const char *part)
{
    AUTO_STR struct str both;
    str_init(&both, strlen(group) + strlen(part) + 1);
    str_add_len(&both, group, strlen(group) + 1);
    str_add(&both, part);
    struct digest digest;
    char hex[DIGEST_HEX_LEN + 1];
    digest_of(both.data, both.len, &digest);
    digest_hex(&digest, hex);
    str_addf(out, "-%.8s", hex);
}

void render_container_name(const char *group, const char *container, const char *task_id,
                           char ret[128])
{
    AUTO_STR struct str name;
    str_init(&name, NAME_LEN_MAX);
    bool fits =
        strlen("berth---") + strlen(group) + strlen(container) + TASK_ID_SHOWN <= NAME_LEN_MAX;
    bool kept = fits && is_plain(group) && is_plain(container);
    str_add(&name, "berth-");
    add_plain(&name, group, kept ? NAME_LEN_MAX : GROUP_KEPT);
    str_add_char(&name, '-');
    add_plain(&name, container, kept ? NAME_LEN_MAX : PART_KEPT);
    if (!kept)
        add_digest(&name, group, container);
    str_add_char(&name, '-');
    add_plain(&name, task_id, TASK_ID_SHOWN);
    (void)snprintf(ret, 128, "%s", str_text(&name));
}

void render_volume_name(const char *task_id, const char *volume, char ret[RENDER_VOLUME_MAX])
{
    AUTO_STR struct str name;
    str_init(&name, RENDER_VOLUME_MAX - 1);
    str_add(&name, "berth-");
    add_plain(&name, task_id, TASK_ID_SHOWN);
    str_add_char(&name, '-');
    bool kept = strlen(volume) <= VOLUME_KEPT && is_plain(volume);
    add_plain(&name, volume, VOLUME_KEPT);
    if (!kept)
        add_digest(&name, task_id, volume);
    (void)snprintf(ret, RENDER_VOLUME_MAX, "%s", str_text(&name));
}

void render_task_arn(const char *cluster, const char *task_id, char ret[512])
{
    (void)snprintf(ret, 512, ARN_PREFIX "task/%s/%s", cluster, task_id);
}

void render_task_definition_arn(const char *family_revision, char ret[512])
{
    (void)snprintf(ret, 512, ARN_PREFIX "task-definition/%s", family_revision);
}

bool image_is_latest(const char *image)
{
    if (strchr(image, '@'))
        return false;
    /* A colon before the last slash belongs to the registry's port. */
    const char *slash = strrchr(image, '/');
    const char *tag = strchr(slash ? slash : image, ':');
    return !tag || str_equal(tag + 1, "latest");
}
