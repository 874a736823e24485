/* The one table of commands: parsing, --help, the completion scripts and dispatch read it. */
#include "agent/cli/cli.h"
#include "berth/assert.h"
#include "berth/str.h"

static const struct command command_table[] = {
    { .name = "status",
      .words = "",
      .summary = "show the agent, its document and its runtime",
      .details = "",
      .run = command_status },
    { .name = "services",
      .words = "[NAME]",
      .words_max = 1,
      .word = WORD_SERVICE,
      .summary = "list services and their deployments",
      .details = "",
      .options = { OPTION_QUIET },
      .run = command_services },
    { .name = "ps",
      .alias = "tasks",
      .words = "",
      .summary = "list tasks",
      .details = "A task is named by its id, or by the first 6 characters of it or more.",
      .options = { OPTION_ALL, OPTION_QUIET },
      .run = command_ps },
    { .name = "validate",
      .words = "FILE",
      .words_min = 1,
      .words_max = 1,
      .word = WORD_FILE,
      .summary = "check a desired-state document; needs no daemon",
      .details = "FILE may be - for standard input. Exits 0 when the document is valid, else 1.",
      .run = command_validate },
    { .name = "plan",
      .words = "[FILE]",
      .words_max = 1,
      .word = WORD_FILE,
      .summary = "show what would be done, and why",
      .details =
          "Without FILE: for the document in effect. Nothing is done. Exits 0 when there is\n"
          "nothing to do, 2 when there are changes.",
      .run = command_plan },
    { .name = "poll",
      .words = "",
      .summary = "fetch the document now",
      .details = "Returns when the document has been decided on and planned. Exits 1 when the\n"
                 "source does not answer or its document is refused.",
      .options = { OPTION_ACCEPT_OLDER },
      .run = command_poll },
    { .name = "wait",
      .words = "SERVICE",
      .words_min = 1,
      .words_max = 1,
      .word = WORD_SERVICE,
      .summary = "wait until a service's deployment is over",
      .details = "Polls the source first, waits until the revision is in effect, then follows the\n"
                 "deployment. Exits 0 when it completed, 3 when it failed or was rolled back, 4\n"
                 "when the time is over, 1 when the document is refused.",
      .options = { OPTION_REVISION, OPTION_TIMEOUT },
      .run = command_wait },
    { .name = "restart",
      .words = "SERVICE",
      .words_min = 1,
      .words_max = 1,
      .word = WORD_SERVICE,
      .summary = "replace a service's tasks by new ones of the same revision",
      .details = "A rolling restart within the service's bounds; see berth wait.",
      .run = command_restart },
    { .name = "stop",
      .words = "TASK",
      .words_min = 1,
      .words_max = 1,
      .word = WORD_TASK,
      .summary = "stop one task; its service starts another",
      .details = "",
      .run = command_stop },
    { .name = "logs",
      .words = "TASK [CONTAINER]",
      .words_min = 1,
      .words_max = 2,
      .word = WORD_TASK,
      .summary = "show what a container wrote",
      .details =
          "CONTAINER is needed when the task has several. With -o json each line is an object,\n"
          "{\"line\": ...}.",
      .options = { OPTION_FOLLOW, OPTION_TAIL },
      .run = command_logs },
    { .name = "events",
      .words = "",
      .summary = "show what has happened",
      .details = "",
      .options = { OPTION_FOLLOW, OPTION_AFTER },
      .run = command_events },
    { .name = "why",
      .words = "SERVICE|TASK",
      .words_min = 1,
      .words_max = 1,
      .word = WORD_ANY,
      .summary = "explain why a service or task is in its state",
      .details =
          "What it waits for and since when, answers of probes, exit codes, backoff, and the\n"
          "last log lines.",
      .run = command_why },
    { .name = "config",
      .words = "",
      .summary = "show the daemon's options and where each value comes from",
      .details = "When the daemon is not reachable: what it would read from files and environment.",
      .options = { OPTION_CONFIG },
      .run = command_config },
    { .name = "version",
      .words = "",
      .summary = "show the version of the command and of the daemon",
      .details = "",
      .run = command_version },
    { .name = "completion",
      .words = "bash|zsh|fish",
      .words_min = 1,
      .words_max = 1,
      .word = WORD_SHELL,
      .summary = "print a completion script",
      .details = "bash: source <(berth completion bash)\n"
                 "zsh:  berth completion zsh > \"${fpath[1]}/_berth\"\n"
                 "fish: berth completion fish > ~/.config/fish/completions/berth.fish",
      .run = command_completion },
    { .name = "help",
      .words = "[COMMAND]",
      .words_max = 1,
      .word = WORD_COMMAND,
      .summary = "show help",
      .details = "",
      .run = command_help },
};

const struct command *commands(size_t *ret_count)
{
    *ret_count = COUNT_OF(command_table);
    return command_table;
}

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(command_table); i++) {
        const struct command *command = &command_table[i];
        if (str_equal(command->name, name) || (command->alias && str_equal(command->alias, name)))
            return command;
    }
    return NULL;
}
