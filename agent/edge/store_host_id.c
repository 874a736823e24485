/* Who this host is: decided once, kept in a file of its own, so that a lost store does not make
 * another host of it. */
#include "store_inside.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/random.h>

#include "berth/assert.h"
#include "berth/log.h"
#include "berth/memory.h"

#define HOST_ID_FILE "host-id"
#define MACHINE_ID_LEN 32

/* It goes into labels, task ids and URLs. */
static bool is_host_id(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len > NAME_MAX_LEN)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)text[i]) && !strchr("-_.:", text[i]))
            return false;
    }
    return true;
}

/* The id kept before, or NULL. A damaged file is set aside. */
static char *read_kept(int directory)
{
    AUTO_FREE char *text = NULL;
    size_t len;
    struct err err = ERR_NONE;
    int rc = store_read(directory, HOST_ID_FILE, &text, &len, &err);
    if (rc == -ENOENT)
        return NULL;
    if (rc == 0 && len > 0 && text[len - 1] == '\n')
        text[--len] = '\0';
    if (rc == 0 && strlen(text) == len && is_host_id(text))
        return TAKE(text);
    store_set_aside(directory, HOST_ID_FILE, rc < 0 ? err.text : "it holds no host id");
    return NULL;
}

/* machine-id(5): 32 hexadecimal digits; "uninitialized" in an image that has not booted yet. */
static char *machine_id(void)
{
    AUTO_FREE char *text = NULL;
    size_t len;
    if (store_read(AT_FDCWD, "/etc/machine-id", &text, &len, NULL) < 0)
        return NULL;
    if (strspn(text, "0123456789abcdef") != MACHINE_ID_LEN)
        return NULL;
    text[MACHINE_ID_LEN] = '\0';
    return TAKE(text);
}

static char *random_id(void)
{
    unsigned char bytes[MACHINE_ID_LEN / 2];
    ssize_t got = getrandom(bytes, sizeof bytes, 0);
    ASSERT(got == (ssize_t)sizeof bytes); /* never short up to 256 bytes */
    AUTO_STR struct str text;
    str_init(&text, MACHINE_ID_LEN);
    for (size_t i = 0; i < sizeof bytes; i++)
        str_addf(&text, "%02x", bytes[i]);
    return str_take(&text);
}

static char *decide(const char *configured, const char *kept, bool *ret_random)
{
    *ret_random = false;
    if (configured && *configured)
        return memory_strdup(configured);
    if (kept)
        return memory_strdup(kept);
    char *id = machine_id();
    *ret_random = !id;
    return id ? id : random_id();
}

/* Where nothing can be saved, an id that will be found again the same way is good enough. */
static int keep(const struct store_directory *directory, const char *id, bool random,
                struct err *err)
{
    AUTO_FREE char *line = memory_printf("%s\n", id);
    struct err why = ERR_NONE;
    int rc = store_write(directory->fd, HOST_ID_FILE, line, strlen(line), &why);
    if (rc == 0)
        return 0;
    if (random || !store_is_unwritable(rc))
        return err_say(err, rc, "state directory %s: %s", directory->path, why.text);
    log_error("event=host_id_not_kept", "id=%s error=%s", id, LOG_VALUE(why.text));
    return 0;
}

int store_host_id(struct store *store, const char *configured, char *ret, size_t size,
                  struct err *err)
{
    const struct store_directory *directory = store_where(store);
    if (configured && *configured && !is_host_id(configured))
        return err_say(err, -EINVAL,
                       "host id \"%s\": 1 to %d letters, digits, '-', '_', '.' and ':' are allowed",
                       configured, NAME_MAX_LEN);
    AUTO_FREE char *kept = read_kept(directory->fd);
    bool random;
    AUTO_FREE char *id = decide(configured, kept, &random);
    if (strlen(id) >= size)
        return err_say(err, -ENAMETOOLONG, "host id \"%s\" is too long", id);
    if (kept && !str_equal(kept, id))
        log_warn("event=host_id_changed", "from=%s to=%s", kept, id);
    int rc = str_equal(kept, id) ? 0 : keep(directory, id, random, err);
    if (rc < 0)
        return rc;
    (void)snprintf(ret, size, "%s", id);
    return 0;
}
