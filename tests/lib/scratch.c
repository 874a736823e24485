#include "tests/lib/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/test.h"

void scratch_make(struct scratch *scratch)
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(scratch->directory, sizeof scratch->directory, "%s/berth-test.XXXXXX",
                   base && strlen(base) < 32 ? base : "/tmp");
    assert_non_null(mkdtemp(scratch->directory));
}

static int remove_entry(const char *path, const struct stat *found, int kind, struct FTW *where)
{
    (void)found, (void)kind, (void)where;
    (void)remove(path);
    return 0;
}

void scratch_remove(struct scratch *scratch)
{
    (void)nftw(scratch->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

const char *scratch_path(const struct scratch *scratch, const char *name,
                         char ret[SCRATCH_PATH_MAX])
{
    int used = snprintf(ret, SCRATCH_PATH_MAX, "%s/%s", scratch->directory, name);
    assert_true(used > 0 && used < SCRATCH_PATH_MAX);
    return ret;
}

void scratch_write_bytes(const struct scratch *scratch, const char *name, const char *bytes,
                         size_t len)
{
    char path[SCRATCH_PATH_MAX];
    scratch_path(scratch, name, path);
    for (char *slash = path + strlen(scratch->directory) + 1; *slash; slash++) {
        if (*slash != '/')
            continue;
        *slash = '\0';
        (void)mkdir(path, 0755);
        *slash = '/';
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    assert_int_equal(close(fd), 0);
}

void scratch_write(const struct scratch *scratch, const char *name, const char *text)
{
    scratch_write_bytes(scratch, name, text, strlen(text));
}

char *scratch_read(const struct scratch *scratch, const char *name, size_t *ret_len)
{
    char path[SCRATCH_PATH_MAX];
    FILE *file = fopen(scratch_path(scratch, name, path), "re");
    if (!file)
        return NULL;
    size_t capacity = 64 * 1024 * 1024, len;
    char *text = malloc(capacity);
    assert_non_null(text);
    len = fread(text, 1, capacity - 1, file);
    (void)fclose(file);
    text[len] = '\0';
    if (ret_len)
        *ret_len = len;
    return text;
}

bool scratch_exists(const struct scratch *scratch, const char *name)
{
    char path[SCRATCH_PATH_MAX];
    struct stat found;
    return lstat(scratch_path(scratch, name, path), &found) == 0;
}

int scratch_count(const struct scratch *scratch, const char *prefix)
{
    DIR *listing = opendir(scratch->directory);
    assert_non_null(listing);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(listing));)
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    (void)closedir(listing);
    return count;
}
