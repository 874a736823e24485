/* run_command.h: run the built `berth` on the test's loop, so that a server of the test answers it.
 *
 * The program is $BERTH_COMMAND, or `berth` two directories above the test program. NO_COLOR and
 * BERTH_SOCKET are not inherited; LC_ALL is C.UTF-8. */
#ifndef BERTH_TESTS_RUN_COMMAND_H
#define BERTH_TESTS_RUN_COMMAND_H

#include <stdbool.h>
#include <uv.h>

#include "berth/str.h"

#define COMMAND_ARGUMENTS_MAX 16

struct command_run {
    uv_process_t process;
    uv_pipe_t out_pipe, err_pipe, in_pipe;
    struct str out, err; /* what it wrote */
    int64_t status;      /* exit code */
    int signal;          /* that killed it, or 0 */
    int open_handles;
    bool done; /* it has ended and all of its output is here */
};

/* words are separated by spaces; "$S" stands for the socket. */
void command_start(uv_loop_t *loop, struct command_run *run, const char *socket, const char *words);
void command_feed(struct command_run *run, const char *input); /* and end of input */
void command_stop_reading(struct command_run *run);            /* its stdout has no reader now */
void command_await(struct command_run *run);
void command_release(struct command_run *run);
/* Start with stdout opened on a file, and await. */
void command_run_into(uv_loop_t *loop, struct command_run *run, const char *file,
                      const char *words);
/* Start and await. */
void command_run(uv_loop_t *loop, struct command_run *run, const char *socket, const char *words);

#endif
