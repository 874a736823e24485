/* berth help, berth --help and berth COMMAND --help, all from the two tables. */
#include <stdio.h>
#include <string.h>

#include "agent/cli/cli.h"
#include "berth/str.h"

static void option_line(enum option_id id)
{
    const struct option_row *row = &option_rows[id];
    char left[64], letter[8] = "    ";
    if (row->letter)
        (void)snprintf(letter, sizeof letter, "-%c, ", row->letter);
    (void)snprintf(left, sizeof left, "%s%s%s%s", letter, row->name, row->argument ? " " : "",
                   row->argument ? row->argument : "");
    printf("  %-26s %s\n", left, row->help);
}

static void options_lines(const enum option_id *list, size_t count)
{
    for (size_t i = 0; i < count && list[i] != OPTION_NONE; i++)
        option_line(list[i]);
}

void help_all(void)
{
    size_t count;
    const struct command *list = commands(&count);
    printf("usage: berth [--socket PATH] [-o table|json] COMMAND ...\n\n"
           "Ask and steer berthd, the agent that runs this host's containers.\n\ncommands:\n");
    for (size_t i = 0; i < count; i++) {
        char left[64];
        (void)snprintf(left, sizeof left, "%s %s", list[i].name, list[i].words);
        printf("  %-26s %s\n", left, list[i].summary);
    }
    printf("\noptions:\n");
    const enum option_id *global = options_global(&count);
    options_lines(global, count);
    printf(
        "\nexit codes: 0 ok, 1 failure, 2 usage or (plan) changes pending, 3 deployment failed,\n"
        "4 timed out, 6 daemon not reachable\n");
}

void help_command(const struct command *command)
{
    size_t count;
    printf("usage: berth %s%s%s%s\n\n%s\n", command->name,
           command->options[0] == OPTION_NONE ? "" : " [OPTION]...", *command->words ? " " : "",
           command->words, command->summary);
    if (*command->details)
        printf("\n%s\n", command->details);
    if (command->alias)
        printf("\nalso: berth %s\n", command->alias);
    printf("\noptions:\n");
    options_lines(command->options, COMMAND_OPTIONS_MAX);
    const enum option_id *global = options_global(&count);
    options_lines(global, count);
}

int command_help(struct cli *cli)
{
    const char *name = cli->args.words[0];
    const struct command *command = name ? command_find(name) : NULL;
    if (name && !command) {
        cli_error(cli, "Usage", "there is no command %s; see berth --help", name);
        return EXIT_USAGE;
    }
    if (command)
        help_command(command);
    else
        help_all();
    return EXIT_OK;
}
