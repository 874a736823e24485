/* config.h: every option of berthd: flag, environment variable, file key, default, one table.
 *
 * Precedence: flag > environment > file (berth.conf, then conf.d/ in name order) > default; the
 * origin of each value is kept for `berth config`. Pure: the caller reads files and environment
 * and feeds text, weakest first, as a later call always wins; config_finish() checks what only
 * makes sense together. A call that fails leaves the value it names as it was.
 *
 * A bad value is a terminal configuration error (exit code 5): the message names origin, key,
 * value and what is allowed. Durations are written "500ms", "30s", "5m", "1h"; a bare number
 * means seconds. */
#ifndef BERTH_CONFIG_H
#define BERTH_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include <stdint.h>

#include "berth/err.h"
#include "berth/limits.h"

struct json_writer;
struct str;

enum pull_behavior { PULL_DEFAULT, PULL_ALWAYS, PULL_ONCE, PULL_PREFER_CACHED };
const char *pull_behavior_name(enum pull_behavior behavior);

struct config {
    char desired_url[2048], report_url[2048], runtime[512], socket[108], state_dir[512];
    char cluster[256], host_id[256], cgroup_parent[256], cgroup_root[512];
    char log_level[16], log_format[16];
    enum pull_behavior pull_behavior;
    msec poll_interval_ms;
    msec stop_timeout_ms;      /* BERTH_STOP_TIMEOUT 30s: where a container has none */
    msec start_timeout_ms;     /* BERTH_START_TIMEOUT 3m: how long a dependency may take */
    msec settle_ms;            /* BERTH_SETTLE_TIME 40s: healthy by running, with no check */
    msec progress_deadline_ms; /* BERTH_PROGRESS_DEADLINE 10m */
    msec backoff_base_ms, backoff_max_ms,
        backoff_reset_ms;    /* BERTH_RESTART_BACKOFF[_MAX|_RESET] 10s 300s 10m */
    msec quick_death_ms;     /* BERTH_RESTART_MIN_RUN 10s: below it, the first death waits too */
    msec resync_ms;          /* BERTH_RESYNC_INTERVAL 5m: full look */
    msec keep_stopped_ms;    /* BERTH_TASK_CLEANUP_WAIT 1h: the last failed task, for its logs */
    msec pull_inactivity_ms; /* BERTH_PULL_INACTIVITY_TIMEOUT 1m */
    int64_t max_pulls, max_starts, max_stops; /* BERTH_MAX_PULLS 3, _STARTS 8, _STOPS 16 */
    char group[64];    /* BERTH_GROUP "berth": who may use the socket besides root */
    char ca_file[512]; /* BERTH_CA_FILE "": the system's */
};

#define CONFIG_ORIGIN_MAX 300

struct config_set {
    struct config values;
    struct config_origin {
        char text[CONFIG_ORIGIN_MAX];
    } * origins; /* by row: "default", "environment", "flag", "/etc/berth/berth.conf:3" */
};

void config_init(struct config_set *set); /* defaults */
void config_release(struct config_set *set);

/* One KEY=VALUE text (a file): "#" begins a comment line, the space around key and value goes, as
 * does one pair of quotes around the value. Later lines and calls win. Unknown keys are errors. */
int config_read_text(struct config_set *set, const char *text, const char *origin, struct err *err);
/* getenv-like lookup for every key; an empty variable counts as absent, as systemd and shells
 * cannot unset one. DOCKER_HOST stands in for BERTH_RUNTIME, but only while that is the default. */
int config_read_environment(struct config_set *set, const char *(*lookup)(const char *name),
                            struct err *err);
/* One flag, "--poll-interval" and its value. -ENOENT when there is no such flag. */
int config_read_flag(struct config_set *set, const char *flag, const char *value, struct err *err);
/* Checks across values; expands {cluster} and {host} in URLs. Without a host_id yet, {host} stays:
 * call it again once the id is known. */
int config_finish(struct config_set *set, struct err *err);

/* {"BERTH_CLUSTER": {"value": ..., "origin": ...}, ...}; values of userinfo in URLs redacted. */
void config_render(const struct config_set *set, struct json_writer *writer);

enum config_kind {
    CONFIG_TEXT,     /* char[] */
    CONFIG_BEHAVIOR, /* enum pull_behavior */
    CONFIG_DURATION, /* msec */
    CONFIG_NUMBER,   /* int64_t */
};

/* The table: it drives parsing, checking, rendering, --help and the man page. */
struct config_row {
    const char *flag, *key, *argument, *help;
    const char *fallback; /* default as text; "" = none, or found out at start */
    enum config_kind kind;
    size_t offset, size;              /* in struct config; size of char[] */
    int64_t min, max;                 /* durations in ms */
    bool (*check)(const char *value); /* CONFIG_TEXT; NULL = anything */
    const char *allowed;              /* what check() takes, for messages */
    bool url;                         /* placeholders are expanded, userinfo is redacted */
};
const struct config_row *config_rows(size_t *ret_count);
/* The value of one row as text ("5m", "3", "prefer-cached"), as config_render() shows it. */
void config_value_text(const struct config *config, const struct config_row *row, struct str *out);

#endif
