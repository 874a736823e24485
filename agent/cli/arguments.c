/* The command line: options by table, words by the command's row. */
#include <stdio.h>
#include <string.h>

#include "agent/cli/cli.h"
#include "berth/assert.h"
#include "berth/str.h"

#define AT(member) offsetof(struct arguments, member)

const struct option_row option_rows[OPTION_COUNT] = {
    [OPTION_SOCKET] = { "--socket", 0, "PATH", "the daemon's control socket (BERTH_SOCKET)",
                        AT(socket) },
    [OPTION_OUTPUT] = { "--output", 'o', "table|json", "for people (default) or for programs",
                        AT(output) },
    [OPTION_HELP] = { "--help", 'h', NULL, "show help", AT(help) },
    [OPTION_VERSION] = { "--version", 0, NULL, "show the version", AT(version) },
    [OPTION_FOLLOW] = { "--follow", 'f', NULL, "go on as more comes", AT(follow) },
    [OPTION_ALL] = { "--all", 'a', NULL, "stopped tasks too", AT(all) },
    [OPTION_QUIET] = { "--quiet", 'q', NULL, "names or ids only", AT(quiet) },
    [OPTION_ACCEPT_OLDER] = { "--accept-older", 0, NULL,
                              "accept a document with a lower revision, this once",
                              AT(accept_older) },
    [OPTION_TAIL] = { "--tail", 'n', "N", "only the last N lines", AT(tail) },
    [OPTION_AFTER] = { "--after", 0, "SEQUENCE", "only events with a higher number", AT(after) },
    [OPTION_REVISION] = { "--revision", 0, "N",
                          "of the document (default: the newest at the source now)", AT(revision) },
    [OPTION_TIMEOUT] = { "--timeout", 't', "DURATION", "give up after this time (default: 5m)",
                         AT(timeout) },
    [OPTION_CONFIG] = { "--config", 0, "FILE",
                        "configuration file to read (default: /etc/berth/berth.conf)", AT(config) },
};

static const enum option_id global_options[] = { OPTION_SOCKET, OPTION_OUTPUT, OPTION_HELP,
                                                 OPTION_VERSION };

const enum option_id *options_global(size_t *ret_count)
{
    *ret_count = COUNT_OF(global_options);
    return global_options;
}

/* ------------------------------------------------------------------ one option */

/* "--name", "--name=value", "-n" and "-nvalue"; *ret_value is what is attached, or NULL. */
static bool option_matches(const struct option_row *row, const char *text, const char **ret_value)
{
    size_t len = strlen(row->name);
    *ret_value = NULL;
    if (strncmp(text, row->name, len) == 0 && (text[len] == '\0' || text[len] == '=')) {
        *ret_value = text[len] == '=' ? text + len + 1 : NULL;
        return true;
    }
    if (!row->letter || text[0] != '-' || text[1] != row->letter)
        return false;
    if (text[2] == '\0')
        return true;
    *ret_value = text + 2;
    return row->argument != NULL;
}

static const struct option_row *option_among(const enum option_id *list, size_t count,
                                             const char *text, const char **ret_value)
{
    for (size_t i = 0; i < count && list[i] != OPTION_NONE; i++)
        if (option_matches(&option_rows[list[i]], text, ret_value))
            return &option_rows[list[i]];
    return NULL;
}

static const struct option_row *option_find(const struct command *command, const char *text,
                                            const char **ret_value)
{
    const struct option_row *row =
        option_among(global_options, COUNT_OF(global_options), text, ret_value);
    if (!row && command)
        row = option_among(command->options, COMMAND_OPTIONS_MAX, text, ret_value);
    return row;
}

static int usage(const struct cli *cli, const struct command *command, const char *what,
                 const char *text)
{
    if (command)
        cli_error(cli, "Usage", "%s %s; see berth %s --help", what, text, command->name);
    else
        cli_error(cli, "Usage", "%s %s; see berth --help", what, text);
    return EXIT_USAGE;
}

/* Takes argv[*i], and argv[*i + 1] when that is the option's value. */
static int option_take(struct cli *cli, const struct command *command, int argc, char **argv,
                       int *i)
{
    const char *value;
    const struct option_row *row = option_find(command, argv[*i], &value);
    if (!row)
        return usage(cli, command, "unknown option", argv[*i]);
    char *at = (char *)&cli->args + row->offset;
    if (!row->argument && value)
        return usage(cli, command, "no value goes with", row->name);
    if (!row->argument) {
        *(bool *)at = true;
        return 0;
    }
    if (!value && *i + 1 >= argc)
        return usage(cli, command, "a value is missing for", row->name);
    if (!value)
        value = argv[++*i];
    *(const char **)(void *)at = value;
    return 0;
}

/* ------------------------------------------------------------------ the whole line */

/* Errors of the line itself shall already look as asked for. */
static void find_output(struct cli *cli, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = NULL;
        if (!option_matches(&option_rows[OPTION_OUTPUT], argv[i], &value))
            continue;
        if (!value && i + 1 < argc)
            value = argv[i + 1];
        cli->json = str_equal(value, "json");
    }
}

static int check_output(struct cli *cli)
{
    const char *output = cli->args.output;
    if (!output || str_equal(output, "table") || str_equal(output, "json"))
        return 0;
    return usage(cli, NULL, "--output is table or json, not", output);
}

static int check_words(struct cli *cli, const struct command *command)
{
    if (!command || cli->args.help || cli->args.version)
        return 0;
    if (cli->args.word_count >= command->words_min)
        return 0;
    cli_error(cli, "Usage", "missing %s: berth %s %s", command->words, command->name,
              command->words);
    return EXIT_USAGE;
}

static int word_take(struct cli *cli, const struct command **command, const char *word)
{
    if (!*command) {
        *command = command_find(word);
        return *command ? 0 : usage(cli, NULL, "there is no command", word);
    }
    if (cli->args.word_count >= (*command)->words_max)
        return usage(cli, *command, "one word too many:", word);
    cli->args.words[cli->args.word_count++] = word;
    return 0;
}

int arguments_parse(struct cli *cli, int argc, char **argv, const struct command **ret_command)
{
    const struct command *command = NULL;
    bool only_words = false;
    find_output(cli, argc, argv);
    for (int i = 1, rc; i < argc; i++) {
        bool option = !only_words && argv[i][0] == '-' && argv[i][1] != '\0';
        if (option && str_equal(argv[i], "--")) {
            only_words = true;
            continue;
        }
        rc = option ? option_take(cli, command, argc, argv, &i) : word_take(cli, &command, argv[i]);
        if (rc != 0)
            return rc;
    }
    *ret_command = command;
    int rc = check_output(cli);
    return rc != 0 ? rc : check_words(cli, command);
}
