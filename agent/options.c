/* options.c: from the command line, the environment and the files to one configuration. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "berth/log.h"
#include "berth/memory.h"
#include "berth/str.h"

#define CONFIG_FILE "/etc/berth/berth.conf"
#define CONFIG_FILE_MAX (256 * 1024)

static bool takes_no_value(const char *word)
{
    return str_equal(word, "--check-config") || str_equal(word, "--help") ||
           str_equal(word, "-h") || str_equal(word, "--version");
}

static void note_switch(struct options *options, const char *word)
{
    options->check_config = options->check_config || str_equal(word, "--check-config");
    options->version = options->version || str_equal(word, "--version");
    options->help = options->help || str_equal(word, "--help") || str_equal(word, "-h");
}

/* One word of the command line, or two: "--flag value", "--flag=value". Returns how many. */
static int option_words(const struct options *options, int at, char *flag, size_t size,
                        const char **ret_value)
{
    const char *word = options->argv[at];
    const char *equals = strchr(word, '=');
    size_t len = equals ? (size_t)(equals - word) : strlen(word);
    if (len >= size)
        len = size - 1;
    memcpy(flag, word, len);
    flag[len] = '\0';
    *ret_value = NULL;
    if (takes_no_value(flag))
        return 1;
    if (equals) {
        *ret_value = equals + 1;
        return 1;
    }
    if (at + 1 < options->argc)
        *ret_value = options->argv[at + 1];
    return 2;
}

static bool flag_is_known(const char *flag)
{
    if (takes_no_value(flag) || str_equal(flag, "--config"))
        return true;
    size_t count;
    const struct config_row *rows = config_rows(&count);
    for (size_t i = 0; i < count; i++)
        if (rows[i].flag && str_equal(rows[i].flag, flag))
            return true;
    return false;
}

int options_parse(int argc, char **argv, struct options *ret, struct err *err)
{
    *ret = (struct options){ .argc = argc, .argv = argv };
    for (int i = 1; i < argc;) {
        char flag[64];
        const char *value;
        int words = option_words(ret, i, flag, sizeof flag, &value);
        if (!flag_is_known(flag))
            return err_say(err, -EINVAL, "unknown option %s; berthd --help lists them", argv[i]);
        if (!takes_no_value(flag) && !value)
            return err_say(err, -EINVAL, "option %s needs a value", flag);
        note_switch(ret, flag);
        if (str_equal(flag, "--config"))
            ret->config_file = value;
        i += words;
    }
    return 0;
}

/* ------------------------------------------------------------------ files */

static int read_file(const char *path, char **ret, struct err *err)
{
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would wait */
    if (fd < 0)
        return err_set(err, -errno, "read configuration %s", path);
    struct stat status;
    if (fstat(fd, &status) < 0)
        return err_set(err, -errno, "read configuration %s", path);
    if (!S_ISREG(status.st_mode) || status.st_size > CONFIG_FILE_MAX)
        return err_say(err, -EINVAL, "read configuration %s: not a file of at most %d kB", path,
                       CONFIG_FILE_MAX / 1024);
    AUTO_FREE char *text = memory_alloc((size_t)status.st_size + 1);
    ssize_t got = read(fd, text, (size_t)status.st_size);
    if (got < 0)
        return err_set(err, -errno, "read configuration %s", path);
    text[got] = '\0';
    if (strlen(text) != (size_t)got)
        return err_say(err, -EINVAL, "read configuration %s: it holds a NUL byte", path);
    *ret = TAKE(text);
    return 0;
}

static int read_config(struct config_set *set, const char *path, bool must_exist, struct err *err)
{
    AUTO_FREE char *text = NULL;
    int rc = read_file(path, &text, err);
    if (rc == -ENOENT && !must_exist)
        return 0;
    if (rc < 0)
        return rc;
    return config_read_text(set, text, path, err);
}

static int is_conf(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && len > 5 && str_equal(entry->d_name + len - 5, ".conf");
}

static int read_drop_ins(struct config_set *set, const char *file, struct err *err)
{
    const char *slash = strrchr(file, '/');
    AUTO_FREE char *directory =
        memory_printf("%.*sconf.d", slash ? (int)(slash - file + 1) : 0, file);
    struct dirent **names = NULL;
    int count = scandir(directory, &names, is_conf, alphasort);
    int rc = 0;
    for (int i = 0; i < count; i++) {
        AUTO_FREE char *path = memory_printf("%s/%s", directory, names[i]->d_name);
        if (rc == 0)
            rc = read_config(set, path, true, err);
        free(names[i]);
    }
    free(names);
    return rc;
}

static const char *environment(const char *name)
{
    return getenv(name);
}

static int read_flags(const struct options *options, struct config_set *set, struct err *err)
{
    for (int i = 1; i < options->argc;) {
        char flag[64];
        const char *value;
        i += option_words(options, i, flag, sizeof flag, &value);
        if (takes_no_value(flag) || str_equal(flag, "--config"))
            continue;
        int rc = config_read_flag(set, flag, value, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int options_config(const struct options *options, struct config_set *ret, struct err *err)
{
    const char *file = options->config_file ? options->config_file : CONFIG_FILE;
    config_init(ret);
    int rc = read_config(ret, file, options->config_file != NULL, err);
    if (rc == 0)
        rc = read_drop_ins(ret, file, err);
    if (rc == 0)
        rc = config_read_environment(ret, environment, err);
    if (rc == 0)
        rc = read_flags(options, ret, err);
    if (rc == 0)
        rc = config_finish(ret, err);
    if (rc == 0)
        rc = source_check(ret->values.desired_url, err);
    if (rc < 0)
        config_release(ret);
    return rc;
}

void options_use_log(const struct config *config)
{
    enum log_level level;
    enum log_format format;
    if (log_level_parse(config->log_level, &level) == 0)
        log_set_level(level);
    if (log_format_parse(config->log_format, &format) == 0)
        log_set_format(format);
}

void options_help(void)
{
    printf("Usage: berthd [OPTION]...\n"
           "Keep the containers of this host as its desired-state document says.\n\n");
    size_t count;
    const struct config_row *rows = config_rows(&count);
    for (size_t i = 0; i < count; i++) {
        char left[64];
        (void)snprintf(left, sizeof left, "%s %s", rows[i].flag ? rows[i].flag : "",
                       rows[i].argument ? rows[i].argument : "");
        printf("  %-30s %s%s%s%s\n", left, rows[i].help, *rows[i].fallback ? " (" : "",
               rows[i].fallback, *rows[i].fallback ? ")" : "");
    }
    printf("  %-30s %s\n", "--config FILE", "the configuration file (" CONFIG_FILE ")");
    printf("  %-30s %s\n", "--check-config", "check the configuration and exit with 0 or 5");
    printf("  %-30s %s\n", "--help, --version", "");
    printf("\nEach option is also an environment variable and a key of the file (BERTH_CLUSTER "
           "for --cluster).\n"
           "Signals: TERM and INT stop the agent and leave containers running, HUP reads the\n"
           "configuration anew and fetches, USR1 writes the state to the log.\n"
           "Exit codes: 0 ok, 1 failure, 2 usage, 5 configuration error (do not restart).\n");
}
