/* replay.c: a fuzz target over its seed corpus, as an ordinary test.
 *
 * NAME_replay runs every file of tests/fuzz/corpus/NAME through LLVMFuzzerTestOneInput, whole and
 * cut at every sixteenth of its length; run it from the root of the repository. A target that finds
 * something aborts. Ends with "N passed, 0 failed". */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "berth/memory.h"

#define CUTS 16
#define SUFFIX "_replay"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly that size, so that a sanitizer sees the first byte read beyond it. */
static void run_once(const uint8_t *bytes, size_t len)
{
    AUTO_FREE uint8_t *exact = memory_alloc(len);
    if (len > 0)
        memcpy(exact, bytes, len);
    (void)LLVMFuzzerTestOneInput(exact, len);
}

static bool replay_file(const char *path)
{
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
        return false;
    size_t size = (size_t)status.st_size;
    AUTO_FREE uint8_t *bytes = memory_alloc(size);
    if (read(fd, bytes, size) != (ssize_t)size)
        return false;

    /* Flushed, so that the name of the file stands before an abort. */
    printf("%s\n", path);
    (void)fflush(stdout);
    for (size_t cut = 0; cut <= CUTS; cut++)
        run_once(bytes, size * cut / CUTS);
    return true;
}

static char *corpus_of(const char *program)
{
    const char *slash = strrchr(program, '/');
    const char *name = slash ? slash + 1 : program;
    const char *suffix = strstr(name, SUFFIX);
    size_t len = suffix ? (size_t)(suffix - name) : strlen(name);
    return memory_printf("tests/fuzz/corpus/%.*s", (int)len, name);
}

int main(int argc, char **argv)
{
    AUTO_FREE char *folder = corpus_of(argc > 0 ? argv[0] : "");
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, alphasort);
    int passed = 0, failed = 0;
    for (int i = 0; i < count; i++) {
        AUTO_FREE char *path = memory_printf("%s/%s", folder, entries[i]->d_name);
        bool hidden = entries[i]->d_name[0] == '.';
        free(entries[i]);
        if (hidden)
            continue;
        if (replay_file(path)) {
            passed++;
        } else {
            printf("%s: cannot be read\n", path);
            failed++;
        }
    }
    free(entries);
    if (passed + failed == 0) {
        printf("%s: no corpus here; run this from the root of the repository\n", folder);
        failed = 1;
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
