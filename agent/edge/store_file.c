/* One checked file of the state directory. */
#include "store_inside.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "berth/digest.h"
#include "berth/log.h"
#include "berth/memory.h"

#define HEADER_MAX 160
#define DAMAGED_KEPT 4
#define DAMAGED_MARK ".damaged-"

/* ------------------------------------------------------------------ writing */

static int write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_beside(int directory, const char *name, const char *bytes, size_t len)
{
    int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    int rc = write_all(fd, bytes, len);
    if (rc == 0 && fsync(fd) < 0)
        rc = -errno;
    /* Some file systems (NFS) tell of a full disk only here. */
    int closed = close(fd) < 0 ? -errno : 0;
    return rc < 0 ? rc : closed;
}

int store_write(int directory, const char *name, const char *bytes, size_t len, struct err *err)
{
    AUTO_FREE char *beside = memory_printf("%s.new", name);
    int rc = write_beside(directory, beside, bytes, len);
    if (rc == 0 && renameat(directory, beside, directory, name) < 0)
        rc = -errno;
    if (rc < 0) {
        (void)unlinkat(directory, beside, 0);
        return err_set(err, rc, "write %s", name);
    }
    /* Without this the rename itself may be lost with the power. */
    if (fsync(directory) < 0)
        return err_set(err, -errno, "make the new %s durable", name);
    return 0;
}

bool store_is_unwritable(int rc)
{
    return rc == -ENOSPC || rc == -EDQUOT || rc == -EROFS;
}

/* ------------------------------------------------------------------ reading */

static int read_all(int fd, size_t max, char **ret, size_t *ret_len)
{
    struct stat found;
    if (fstat(fd, &found) < 0)
        return -errno;
    if (!S_ISREG(found.st_mode))
        return -EINVAL;
    if (found.st_size < 0 || (uint64_t)found.st_size > max)
        return -EFBIG;
    size_t size = (size_t)found.st_size, len = 0;
    AUTO_FREE char *bytes = memory_alloc(size + 1);
    while (len < size) {
        ssize_t n = read(fd, bytes + len, size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    *ret = TAKE(bytes);
    *ret_len = len;
    return 0;
}

int store_read(int directory, const char *name, char **ret, size_t *ret_len, struct err *err)
{
    /* O_NONBLOCK: whatever is there, a FIFO included, must not hold up the start. */
    AUTO_FD int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_set(err, -errno, "open %s", name);
    int rc = read_all(fd, STORE_FILE_MAX, ret, ret_len);
    return rc < 0 ? err_set(err, rc, "read %s", name) : 0;
}

/* ------------------------------------------------------------------ the seal */

char *store_seal(const char *kind, const char *payload, size_t len, size_t *ret_len)
{
    struct digest digest;
    char hex[DIGEST_HEX_LEN + 1];
    digest_of(payload, len, &digest);
    digest_hex(&digest, hex);
    char header[HEADER_MAX];
    int used = snprintf(header, sizeof header, "berth-%s %d %zu %s\n", kind, STORE_FORMAT_VERSION,
                        len, hex);
    char *sealed = memory_alloc((size_t)used + len + 1);
    memcpy(sealed, header, (size_t)used);
    memcpy(sealed + used, payload, len);
    *ret_len = (size_t)used + len;
    return sealed;
}

/* The next word of the header line, cut out of `cursor`. */
static const char *next_word(char **cursor)
{
    char *word = *cursor;
    size_t len = strcspn(word, " ");
    *cursor = word + len + (word[len] != '\0');
    word[len] = '\0';
    return word;
}

struct seal {
    int64_t version, len;
    struct digest digest;
};

static int parse_header(const char *kind, char *header, struct seal *ret, struct err *err)
{
    char *cursor = header;
    const char *name = next_word(&cursor);
    if (!str_starts(name, "berth-") || !str_equal(name + strlen("berth-"), kind))
        return err_say(err, -EBADMSG, "it does not begin with \"berth-%s\"", kind);
    if (parse_int(next_word(&cursor), 1, INT32_MAX, &ret->version) < 0)
        return err_say(err, -EBADMSG, "its format version is no number");
    if (ret->version != STORE_FORMAT_VERSION)
        return err_say(err, -EBADMSG, "its format version is %lld, this agent knows %d",
                       (long long)ret->version, STORE_FORMAT_VERSION);
    if (parse_int(next_word(&cursor), 0, STORE_FILE_MAX, &ret->len) < 0)
        return err_say(err, -EBADMSG, "its length is not within 0..%d", STORE_FILE_MAX);
    if (digest_parse(next_word(&cursor), &ret->digest) < 0 || *cursor)
        return err_say(err, -EBADMSG, "its checksum is no SHA-256");
    return 0;
}

int store_unseal(const char *kind, const char *bytes, size_t len, const char **ret_payload,
                 size_t *ret_len, struct err *err)
{
    const char *end = memchr(bytes, '\n', len < HEADER_MAX ? len : HEADER_MAX);
    if (!end || memchr(bytes, '\0', (size_t)(end - bytes)))
        return err_say(err, -EBADMSG, "%s", len == 0 ? "it is empty" : "it has no header line");
    AUTO_FREE char *header = memory_strndup(bytes, (size_t)(end - bytes));
    struct seal seal = { .version = 0 };
    int rc = parse_header(kind, header, &seal, err);
    if (rc < 0)
        return rc;
    const char *payload = end + 1;
    size_t payload_len = len - (size_t)(payload - bytes);
    if (payload_len != (size_t)seal.len)
        return err_say(err, -EBADMSG, "it has %zu bytes of content instead of %lld", payload_len,
                       (long long)seal.len);
    struct digest digest;
    digest_of(payload, payload_len, &digest);
    if (!digest_equal(&digest, &seal.digest))
        return err_say(err, -EBADMSG, "its content does not match its checksum");
    *ret_payload = payload;
    *ret_len = payload_len;
    return 0;
}

/* ------------------------------------------------------------------ damaged files */

/* The oldest damaged file of this name (the time in the names sorts); returns how many. */
static int find_oldest_damaged(int directory, const char *prefix, char *ret, size_t size)
{
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (!listing)
        return 0;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(listing));) {
        if (!str_starts(entry->d_name, prefix))
            continue;
        if (count++ == 0 || strcmp(entry->d_name, ret) < 0)
            (void)snprintf(ret, size, "%s", entry->d_name);
    }
    (void)closedir(listing);
    return count;
}

static void remove_old_damaged(int directory, const char *name)
{
    AUTO_FREE char *prefix = memory_printf("%s" DAMAGED_MARK, name);
    char oldest[NAME_MAX + 1];
    int count = find_oldest_damaged(directory, prefix, oldest, sizeof oldest);
    for (; count > DAMAGED_KEPT; count--) {
        if (unlinkat(directory, oldest, 0) < 0)
            return;
        (void)find_oldest_damaged(directory, prefix, oldest, sizeof oldest);
    }
}

void store_set_aside(int directory, const char *name, const char *reason)
{
    struct timespec now;
    struct tm utc;
    char stamp[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    (void)strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%S", &utc);
    AUTO_FREE char *aside = memory_printf("%s" DAMAGED_MARK "%s.%09ldZ", name, stamp, now.tv_nsec);
    if (renameat(directory, name, directory, aside) < 0) {
        log_error("event=store_damaged", "file=%s reason=%s kept=no error=%s", name,
                  LOG_VALUE(reason), LOG_VALUE(strerrordesc_np(errno)));
        (void)unlinkat(directory, name, 0);
        return;
    }
    log_error("event=store_damaged", "file=%s reason=%s set_aside=%s", name, LOG_VALUE(reason),
              aside);
    remove_old_damaged(directory, name);
}
