/* cli.h: what the files of the `berth` command share.
 *
 * A command is one row of the table in commands.c: help, completion and the parser are made from
 * the same row. It gets parsed arguments and returns the exit code. Data goes to stdout, messages
 * to stderr; with -o json an error is one JSON object on stderr and stdout stays empty. */
#ifndef BERTH_CLI_H
#define BERTH_CLI_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "berth/http.h"
#include "berth/json.h"
#include "berth/limits.h"

enum exit_code {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_CHANGES = 2, /* plan */
    EXIT_DEPLOYMENT_FAILED = 3,
    EXIT_TIMED_OUT = 4,
    EXIT_UNREACHABLE = 6,
};

/* ------------------------------------------------------------------ arguments */

#define WORDS_MAX 2

struct arguments {
    bool help, version;
    bool follow, all, quiet, accept_older;
    const char *output, *socket;
    const char *tail, *after, *revision, *timeout, *config;
    const char *words[WORDS_MAX]; /* what is not an option; NULL = not given */
    size_t word_count;
};

enum option_id {
    OPTION_NONE,
    OPTION_SOCKET,
    OPTION_OUTPUT,
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_FOLLOW,
    OPTION_ALL,
    OPTION_QUIET,
    OPTION_ACCEPT_OLDER,
    OPTION_TAIL,
    OPTION_AFTER,
    OPTION_REVISION,
    OPTION_TIMEOUT,
    OPTION_CONFIG,
    OPTION_COUNT,
};

struct option_row {
    const char *name;     /* "--follow" */
    char letter;          /* or 0 */
    const char *argument; /* NULL: a flag */
    const char *help;
    size_t offset; /* in struct arguments: bool, or const char * with an argument */
};
extern const struct option_row option_rows[OPTION_COUNT];

/* What completion offers for a command's words. */
enum word_kind {
    WORD_NONE,
    WORD_SERVICE,
    WORD_TASK,
    WORD_ANY,
    WORD_FILE,
    WORD_SHELL,
    WORD_COMMAND
};

#define COMMAND_OPTIONS_MAX 4

struct cli;

struct command {
    const char *name;
    const char *alias; /* or NULL */
    const char *words; /* "SERVICE", "[FILE]", "" */
    size_t words_min, words_max;
    enum word_kind word;
    const char *summary;
    const char *details; /* paragraphs for --help; "" */
    enum option_id options[COMMAND_OPTIONS_MAX];
    int (*run)(struct cli *cli);
};

const struct command *commands(size_t *ret_count);
const struct command *command_find(const char *name); /* also by alias; NULL */
/* Options that every command takes. */
const enum option_id *options_global(size_t *ret_count);

/* Returns 0, or EXIT_USAGE after saying what is wrong. *ret_command may be NULL. */
int arguments_parse(struct cli *cli, int argc, char **argv, const struct command **ret_command);

void help_all(void);
void help_command(const struct command *command);

/* ------------------------------------------------------------------ one run of the command */

struct cli {
    struct arguments args;
    bool json;        /* -o json */
    bool colors;      /* of stdout: a terminal, and NO_COLOR is not set */
    char socket[108]; /* as long as the kernel allows */
    uv_loop_t loop;
    struct http_pool *pool;
};

/* "berth: text" or {"code","message"} on stderr. */
__attribute__((format(printf, 3, 4))) void cli_error(const struct cli *cli, const char *code,
                                                     const char *format, ...);
/* A remark that is no error: never with -o json. */
__attribute__((format(printf, 2, 3))) void cli_note(const struct cli *cli, const char *format, ...);
/* Where the daemon's socket is: flag, environment, configuration files, default. */
int cli_find_socket(struct cli *cli); /* 0 or EXIT_USAGE */

/* ------------------------------------------------------------------ the daemon */

struct reply {
    char *body;
    size_t len;
    cJSON *json;
};
void reply_release(struct reply *reply);
#define AUTO_REPLY __attribute__((cleanup(reply_release)))

struct request {
    const char *method; /* "GET" when NULL */
    const char *path;   /* escaped, with query */
    const char *body;
    size_t body_len;
    msec timeout_ms; /* 0 = 30 s */
};

/* 0 with a JSON reply, or the exit code after printing the error. */
int client_call(struct cli *cli, const struct request *request, struct reply *ret);
int client_get(struct cli *cli, const char *path, struct reply *ret);
/* Like client_call, but an HTTP error or a daemon that is away is not printed: for those who go
 * on after it. *ret_status is the HTTP status, or 0. */
int client_try(struct cli *cli, const struct request *request, struct reply *ret, long *ret_status);

/* A body in pieces, until it ends, take() returns false or stdout's reader has gone. follow: no
 * limit on silence. Returns an exit code. */
typedef bool (*client_take_fn)(void *ctx, const char *bytes, size_t len);
int client_stream(struct cli *cli, const char *path, bool follow, client_take_fn take, void *ctx);

/* "/v1/tasks/" + escaped name + tail, into a str. */
void path_add(struct str *path, const char *before, const char *name, const char *after);
void path_query(struct str *path, const char *key, const char *value); /* NULL value: nothing */

void client_close(struct cli *cli); /* when the command is over; the loop ends empty */

/* ------------------------------------------------------------------ output */

enum cell_color { CELL_PLAIN, CELL_GOOD, CELL_WARN, CELL_BAD };

struct column {
    const char *title;
    bool right;
    bool cut; /* may be shortened to fit the terminal */
};
struct table;
struct table *table_open(const struct cli *cli, const struct column *columns, size_t count);
void table_row(struct table *table);                    /* a new one */
void table_text(struct table *table, const char *text); /* its next cell; NULL or "" is "-" */
void table_number(struct table *table, int64_t number);
void table_color(struct table *table, enum cell_color color); /* of the last cell */
void table_print(struct table *table);                        /* and free */

int64_t wall_now_ms(void);
void duration_text(int64_t ms, char *ret, size_t size);  /* "45s", "3m", "2h", "5d" */
void ago_text(const char *time, char *ret, size_t size); /* RFC 3339 -> "3m ago"; NULL: "-" */
enum cell_color status_color(const char *status);
/* Take out of every text of the tree what a terminal would obey: others wrote it. */
void json_tame(cJSON *json);
bool print_bytes(const char *bytes, size_t len); /* to stdout; false when nobody reads it */
int print_reply(const struct reply *reply);      /* as it came; EXIT_OK */
const char *short_id(const char *id, char ret[13]);

/* A file, or stdin for "-", of at most max bytes (one more is read, so that it shows). */
int read_whole(const char *path, size_t max, char **ret, size_t *ret_len, struct err *err);

/* ------------------------------------------------------------------ commands */

int command_status(struct cli *cli);
int command_services(struct cli *cli);
int command_ps(struct cli *cli);
int command_validate(struct cli *cli);
int command_plan(struct cli *cli);
int command_poll(struct cli *cli);
int command_wait(struct cli *cli);
int command_restart(struct cli *cli);
int command_stop(struct cli *cli);
int command_logs(struct cli *cli);
int command_events(struct cli *cli);
int command_why(struct cli *cli);
int command_config(struct cli *cli);
int command_version(struct cli *cli);
int command_completion(struct cli *cli);
int command_help(struct cli *cli);

#endif
