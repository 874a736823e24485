/* berth: the command that talks to berthd's control socket. */
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/cli/cli.h"
#include "berth/assert.h"
#include "berth/str.h"

static int run(struct cli *cli, int argc, char **argv)
{
    const struct command *command = NULL;
    int rc = arguments_parse(cli, argc, argv, &command);
    if (rc != 0)
        return rc;
    if (cli->args.version)
        command = command_find("version");
    if (cli->args.help && command)
        help_command(command);
    else if (cli->args.help)
        help_all();
    if (cli->args.help)
        return EXIT_OK;
    if (!command) {
        cli_error(cli, "Usage", "which command? see berth --help");
        return EXIT_USAGE;
    }
    rc = cli_find_socket(cli);
    return rc != 0 ? rc : command->run(cli);
}

/* A disk that is full is a failure; a reader that has had enough is not. */
static int finish_output(const struct cli *cli, int rc)
{
    struct pollfd reader = { .fd = STDOUT_FILENO };
    bool flushed = fflush(stdout) == 0;
    if (flushed && !ferror(stdout))
        return rc;
    if (poll(&reader, 1, 0) > 0 && (reader.revents & (POLLERR | POLLHUP)))
        return rc;
    cli_error(cli, "OutputFailed", "standard output could not be written whole");
    return EXIT_FAILED;
}

int main(int argc, char **argv)
{
    struct cli cli = { 0 };
    (void)setlocale(LC_ALL, "");
    /* A reader that goes away shows as EPIPE where we write, not as a death of ours. */
    (void)signal(SIGPIPE, SIG_IGN);
    const char *no_color = getenv("NO_COLOR");
    cli.colors = isatty(STDOUT_FILENO) && (!no_color || !*no_color);
    int rc = uv_loop_init(&cli.loop);
    ASSERT(rc == 0);
    rc = run(&cli, argc, argv);
    client_close(&cli);
    return finish_output(&cli, rc);
}
