/* berth completion bash|zsh|fish: scripts made from the tables of commands and options.
 *
 * Names of services and tasks are asked of the daemon when they are needed (services -q, ps -q). */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "agent/cli/cli.h"
#include "berth/assert.h"
#include "berth/str.h"

static void command_words(const struct command *command, const char *separator)
{
    printf("%s", command->name);
    if (command->alias)
        printf("%s%s", separator, command->alias);
}

static void all_names(void)
{
    size_t count;
    const struct command *list = commands(&count);
    for (size_t i = 0; i < count; i++) {
        printf("%s", i ? " " : "");
        command_words(&list[i], " ");
    }
}

/* What a shell offers for the words of a command: a shell word that yields the list. */
static const char *const word_sources[] = {
    [WORD_NONE] = "",
    [WORD_SERVICE] = "$(berth services -q 2>/dev/null)",
    [WORD_TASK] = "$(berth ps -q 2>/dev/null)",
    [WORD_ANY] = "$(berth services -q 2>/dev/null; berth ps -q 2>/dev/null)",
    [WORD_FILE] = "",
    [WORD_SHELL] = "bash zsh fish",
    [WORD_COMMAND] = NULL, /* the names of commands */
};

static void word_source(const struct command *command)
{
    if (command->word == WORD_COMMAND)
        all_names();
    else
        printf("%s", word_sources[command->word]);
}

/* ------------------------------------------------------------------ bash */

static void option_names(const enum option_id *list, size_t count)
{
    for (size_t i = 0; i < count && list[i] != OPTION_NONE; i++) {
        const struct option_row *row = &option_rows[list[i]];
        printf(" %s", row->name);
        if (row->letter)
            printf(" -%c", row->letter);
    }
}

static void bash_case(const struct command *command)
{
    printf("    ");
    command_words(command, "|");
    printf(")");
    if (command->options[0] != OPTION_NONE) {
        printf(" options+=\"");
        option_names(command->options, COMMAND_OPTIONS_MAX);
        printf("\"");
    }
    if (command->word == WORD_FILE) {
        printf(" files=1");
    } else if (command->word != WORD_NONE) {
        printf(" words=\"");
        word_source(command);
        printf("\"");
    }
    printf(" ;;\n");
}

static void print_bash(void)
{
    size_t count;
    const enum option_id *global = options_global(&count);
    printf("# bash completion for berth\n"
           "_berth()\n{\n"
           "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    local command='' files='' words='' word i options=\"");
    option_names(global, count);
    printf("\"\n"
           "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "        word=${COMP_WORDS[i]}\n"
           "        case $word in\n"
           "        --socket|--output|-o) i=$((i + 1)) ;;\n"
           "        -*) ;;\n"
           "        *) command=$word; break ;;\n"
           "        esac\n"
           "    done\n"
           "    case $previous in\n"
           "    -o|--output) COMPREPLY=($(compgen -W 'table json' -- \"$current\")); return ;;\n"
           "    --socket|--config) COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n"
           "    esac\n"
           "    case $command in\n"
           "    '') words=\"");
    all_names();
    printf("\" ;;\n");
    const struct command *list = commands(&count);
    for (size_t i = 0; i < count; i++)
        bash_case(&list[i]);
    printf("    esac\n"
           "    if [[ $current == -* ]]; then words=$options; files=''; fi\n"
           "    if [[ $files ]]; then compopt -o filenames; fi\n"
           "    COMPREPLY=($(compgen ${files:+-f} -W \"$words\" -- \"$current\"))\n"
           "}\n"
           "complete -F _berth berth\n");
}

/* ------------------------------------------------------------------ zsh */

/* Inside '...' of a shell; `syntax` are characters that mean something to what reads it then. */
static void quoted_from(const char *text, const char *syntax)
{
    for (; *text; text++) {
        if (*text == '\'')
            printf("'\\''");
        else if (strchr(syntax, *text))
            printf("\\%c", *text);
        else
            putchar(*text);
    }
}

static void quoted(const char *text) /* for _arguments and _describe */
{
    quoted_from(text, "[]:");
}

static void zsh_option(enum option_id id)
{
    const struct option_row *row = &option_rows[id];
    const char *action = id == OPTION_OUTPUT                          ? "(table json)"
                         : id == OPTION_SOCKET || id == OPTION_CONFIG ? "_files"
                                                                      : " ";
    printf(" '%s[", row->name);
    quoted(row->help);
    printf("]");
    if (row->argument) {
        printf(":");
        quoted(row->argument);
        printf(":%s", action);
    }
    printf("'");
    if (row->letter)
        printf(" '-%c[%s]%s'", row->letter, row->name + 2, row->argument ? ":value: " : "");
}

static void zsh_options(const enum option_id *list, size_t count)
{
    for (size_t i = 0; i < count && list[i] != OPTION_NONE; i++)
        zsh_option(list[i]);
}

static void zsh_case(const struct command *command)
{
    printf("    ");
    command_words(command, "|");
    printf(")\n        _arguments $common");
    zsh_options(command->options, COMMAND_OPTIONS_MAX);
    if (command->word == WORD_FILE) {
        printf(" '*:file:_files'");
    } else if (command->word != WORD_NONE) {
        printf(" \"*:name:(");
        word_source(command);
        printf(")\"");
    }
    printf("\n        ;;\n");
}

static void print_zsh(void)
{
    size_t count;
    const struct command *list = commands(&count);
    printf("#compdef berth\n# zsh completion for berth\n_berth() {\n"
           "    local -a commands common\n    commands=(\n");
    for (size_t i = 0; i < count; i++) {
        printf("        '%s:", list[i].name);
        quoted(list[i].summary);
        printf("'\n");
    }
    printf("    )\n    common=(");
    size_t global_count;
    const enum option_id *global = options_global(&global_count);
    zsh_options(global, global_count);
    printf(")\n"
           "    local context state state_descr line\n    typeset -A opt_args\n"
           "    _arguments -C $common '1:command:->command' '*::argument:->argument'\n"
           "    case $state in\n"
           "    command) _describe command commands; return ;;\n"
           "    esac\n"
           "    case $words[1] in\n");
    for (size_t i = 0; i < count; i++)
        zsh_case(&list[i]);
    printf("    esac\n}\n"
           "if [[ $funcstack[1] == _berth ]]; then _berth \"$@\"; else compdef _berth berth; fi\n");
}

/* ------------------------------------------------------------------ fish */

static void fish_option(const struct command *command, enum option_id id)
{
    const struct option_row *row = &option_rows[id];
    printf("complete -c berth");
    if (command)
        printf(" -n '__fish_seen_subcommand_from %s%s%s'", command->name, command->alias ? " " : "",
               command->alias ? command->alias : "");
    printf(" -l %s", row->name + 2);
    if (row->letter)
        printf(" -s %c", row->letter);
    if (row->argument)
        printf(" -r");
    if (id == OPTION_OUTPUT)
        printf(" -a 'table json'");
    if (id == OPTION_SOCKET || id == OPTION_CONFIG)
        printf(" -F");
    printf(" -d '");
    quoted_from(row->help, "");
    printf("'\n");
}

/* fish has no $( ) in old versions: ( ) in single quotes is run when it is needed. */
static const char *const fish_sources[] = {
    [WORD_NONE] = NULL,
    [WORD_SERVICE] = "(berth services -q 2>/dev/null)",
    [WORD_TASK] = "(berth ps -q 2>/dev/null)",
    [WORD_ANY] = "(berth services -q 2>/dev/null; berth ps -q 2>/dev/null)",
    [WORD_FILE] = NULL,
    [WORD_SHELL] = "bash zsh fish",
    [WORD_COMMAND] = NULL,
};

static void fish_command(const struct command *command)
{
    printf("complete -c berth -f -n __fish_use_subcommand -a %s -d '", command->name);
    quoted_from(command->summary, "");
    printf("'\n");
    for (size_t i = 0; i < COMMAND_OPTIONS_MAX && command->options[i] != OPTION_NONE; i++)
        fish_option(command, command->options[i]);
    const char *source = fish_sources[command->word];
    if (source)
        printf("complete -c berth -f -n '__fish_seen_subcommand_from %s' -a '%s'\n", command->name,
               source);
    if (command->word == WORD_FILE)
        printf("complete -c berth -F -n '__fish_seen_subcommand_from %s'\n", command->name);
}

static void print_fish(void)
{
    size_t count;
    const enum option_id *global = options_global(&count);
    printf("# fish completion for berth\ncomplete -c berth -f\n");
    for (size_t i = 0; i < count; i++)
        fish_option(NULL, global[i]);
    const struct command *list = commands(&count);
    for (size_t i = 0; i < count; i++)
        fish_command(&list[i]);
}

/* ------------------------------------------------------------------ the command */

int command_completion(struct cli *cli)
{
    static const struct {
        const char *shell;
        void (*print)(void);
    } shells[] = { { "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish } };
    const char *shell = cli->args.words[0];
    for (size_t i = 0; i < COUNT_OF(shells); i++) {
        if (!str_equal(shells[i].shell, shell))
            continue;
        shells[i].print();
        return EXIT_OK;
    }
    cli_error(cli, "Usage", "completion for %s? there is bash, zsh and fish", shell);
    return EXIT_USAGE;
}
