/* main.c: berthd, from argv to an exit code. */
#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include "agent/agent.h"
#include "berth/log.h"

static int complain(const struct err *err, enum exit_code code)
{
    log_error("event=cannot_start", "error=%s", LOG_VALUE(err->text));
    return code;
}

/* -EBUSY: another agent owns this host, and trying again changes nothing. */
static enum exit_code exit_code_of(int rc)
{
    return rc == -EINVAL || rc == -EBUSY ? EXIT_CONFIG : EXIT_FAILED;
}

static int run(const struct options *options)
{
    struct err err = ERR_NONE;
    struct config_set config;
    if (options_config(options, &config, &err) < 0)
        return complain(&err, EXIT_CONFIG);
    if (options->check_config) {
        printf("the configuration is fine\n");
        config_release(&config);
        return EXIT_OK;
    }
    options_use_log(&config.values);
    struct agent agent;
    int rc = agent_open(&agent, options, &config, &err);
    if (rc < 0)
        _exit(complain(&err, exit_code_of(rc))); /* half open: the kernel closes it best */
    agent_run(&agent);
    return EXIT_OK;
}

int main(int argc, char **argv)
{
    struct options options;
    struct err err = ERR_NONE;
    (void)signal(SIGPIPE, SIG_IGN);
    /* A heap for each thread of the pool would keep the garbage of one large document each. */
    (void)mallopt(M_ARENA_MAX, 1);
    if (options_parse(argc, argv, &options, &err) < 0) {
        fprintf(stderr, "berthd: %s\n", err.text);
        return EXIT_USAGE;
    }
    if (options.help) {
        options_help();
        return EXIT_OK;
    }
    if (options.version) {
        printf("berthd %s\n", BERTH_VERSION);
        return EXIT_OK;
    }
    return run(&options);
}
