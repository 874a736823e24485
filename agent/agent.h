/* agent.h: the resident agent: everything wired together, and its life. Private to agent/.
 *
 * options.c  flags, environment and files -> struct config_set
 * agent.c    open, run, close: what exists when, and in which order it goes
 * reload.c   SIGHUP: what may change while it runs
 * host.c     struct host: the core's actions become calls, their answers become events
 * dump.c     SIGUSR1: the state, to the log
 * main.c     from argv to an exit code */
#ifndef BERTH_AGENT_H
#define BERTH_AGENT_H

#include <stdbool.h>
#include <uv.h>

#include "berth/config.h"
#include "berth/control.h"
#include "berth/driver.h"
#include "berth/err.h"
#include "berth/http.h"
#include "berth/notify.h"
#include "berth/probe.h"
#include "berth/routes.h"
#include "berth/runtime.h"
#include "berth/source.h"
#include "berth/store.h"

enum exit_code { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CONFIG = 5 };

/* What the command line said; the words are needed again when SIGHUP reads everything anew. */
struct options {
    int argc;
    char **argv;
    const char *config_file;
    bool check_config, help, version;
};

int options_parse(int argc, char **argv, struct options *ret, struct err *err);
/* Defaults, file, conf.d, environment, flags. -EINVAL: a terminal configuration error. */
int options_config(const struct options *options, struct config_set *ret, struct err *err);
void options_use_log(const struct config *config); /* its level and format, from now on */
void options_help(void);

#define CLOSE_STAGE_SOURCE 1 /* of close_next() in agent.c */

enum agent_stage { AGENT_RUNNING, AGENT_CLOSING, AGENT_CLOSED };

struct agent {
    uv_loop_t loop;
    const struct options *options;
    struct config_set config;
    char host_id[256];
    enum agent_stage stage;

    struct store *store;
    struct http_pool *remote; /* source and probes */
    struct source *source;
    struct runtime *runtime;
    struct control *control;
    struct routes *routes;
    struct notify *notify;
    struct core *core;
    struct driver driver;

    uv_timer_t wake;
    uv_timer_t shutdown_deadline;
    uv_signal_t signals[4];
    int close_stage, open_parts; /* see close_next() in agent.c */
    struct pending *pending;     /* actions under way */
    uint64_t changes_logged;     /* core's state changes that are in the log */
    bool reopening_source;       /* a fetch asked for meanwhile waits in deferred_fetch */
    struct pending *deferred_fetch;
};

int agent_open(struct agent *agent, const struct options *options, struct config_set *config,
               struct err *err);     /* takes config; -EBUSY and -EINVAL are terminal */
void agent_run(struct agent *agent); /* until SIGTERM or SIGINT; everything is closed after it */
int agent_open_source(struct agent *agent, struct err *err);
void agent_core_options(const struct agent *agent, struct core_options *ret);
void agent_part_closed(void *ctx); /* one of agent->open_parts */

/* reload.c: SIGHUP: read the configuration anew and fetch. A bad one changes nothing. */
void agent_reload(struct agent *agent);

/* host.c */
void host_make(struct agent *agent, struct host *ret);
void host_fetch_deferred(struct agent *agent);
void host_release(struct agent *agent); /* at the end: what was never begun */
void host_cancel_probes(struct agent *agent);
void host_event(struct agent *agent, struct event *event); /* nothing once it is closing */

/* dump.c */
void agent_dump(const struct agent *agent);

#endif
