/* config.c: every option of the agent, in one table. */
#include "berth/config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/model/config_check.h"
#include "berth/assert.h"
#include "berth/json.h"
#include "berth/memory.h"
#include "berth/str.h"

#define DAY_MS (24 * 60 * MINUTES(1))
#define FIELD(field_) .offset = offsetof(struct config, field_)
#define TEXT(field_) FIELD(field_), .size = sizeof((struct config *)NULL)->field_
#define DURATION(field_, min_, max_)                                                               \
    .kind = CONFIG_DURATION, .argument = "DUR", FIELD(field_), .min = (min_), .max = (max_)
#define NUMBER(field_, min_, max_)                                                                 \
    .kind = CONFIG_NUMBER, .argument = "N", FIELD(field_), .min = (min_), .max = (max_)

static const char *const pull_behaviors[] = {
    [PULL_DEFAULT] = "default",
    [PULL_ALWAYS] = "always",
    [PULL_ONCE] = "once",
    [PULL_PREFER_CACHED] = "prefer-cached",
};

/* clang-format off */
static const struct config_row rows[] = {
    { "--desired", "BERTH_DESIRED_URL", "URL",
      "the desired-state document: file://, http:// or https://; {cluster} and {host} are expanded",
      "file:///etc/berth/desired.json", TEXT(desired_url), .url = true,
      .check = check_desired_url, .allowed = "file:///PATH, http://HOST or https://HOST" },
    { "--report", "BERTH_REPORT_URL", "URL",
      "where to report health and state changes (nothing is sent yet)",
      "", TEXT(report_url), .url = true,
      .check = check_report_url, .allowed = "http://HOST, https://HOST or nothing" },
    { "--runtime", "BERTH_RUNTIME", "URL",
      "the container runtime; by default DOCKER_HOST, else the socket of Docker, else of Podman",
      "", TEXT(runtime),
      .check = check_runtime, .allowed = "unix:///PATH of at most 107 bytes" },
    { "--socket", "BERTH_SOCKET", "PATH", "the control socket",
      "/run/berth/berth.sock", TEXT(socket),
      .check = check_path, .allowed = "an absolute path" },
    { "--state-dir", "BERTH_STATE_DIR", "DIR", "where the agent keeps what it must remember",
      "/var/lib/berth", TEXT(state_dir),
      .check = check_path, .allowed = "an absolute path" },
    { "--cluster", "BERTH_CLUSTER", "NAME", "the cluster that this host belongs to",
      "default", TEXT(cluster),
      .check = check_cluster, .allowed = "up to 255 letters, digits, '-' and '_'" },
    { "--host-id", "BERTH_HOST_ID", "ID",
      "who this host is; by default the machine id, decided once",
      "", TEXT(host_id),
      .check = check_host_id, .allowed = "up to 255 letters, digits, '-', '_', '.' and ':'" },
    { "--image-pull-behavior", "BERTH_IMAGE_PULL_BEHAVIOR", "B",
      "when to pull images: default, always, once or prefer-cached",
      "prefer-cached", .kind = CONFIG_BEHAVIOR, FIELD(pull_behavior),
      .allowed = "default, always, once or prefer-cached" },
    { "--cgroup-parent", "BERTH_CGROUP_PARENT", "NAME",
      "the cgroup that tasks live under (no effect yet)",
      "berth", TEXT(cgroup_parent),
      .check = check_name, .allowed = "letters, digits, '-', '_' and '.'" },
    { "--cgroup-root", "BERTH_CGROUP_ROOT", "DIR",
      "where the cgroup tree is mounted (no effect yet)",
      "/sys/fs/cgroup", TEXT(cgroup_root),
      .check = check_path, .allowed = "an absolute path" },
    { "--poll-interval", "BERTH_POLL_INTERVAL",
      .help = "how often to fetch the document; jittered, the server may set another",
      .fallback = "15s", DURATION(poll_interval_ms, SECONDS(1), DAY_MS) },
    { "--log-level", "BERTH_LOG_LEVEL", "LEVEL", "debug, info, warn or error",
      "info", TEXT(log_level),
      .check = check_log_level, .allowed = "debug, info, warn or error" },
    { "--log-format", "BERTH_LOG_FORMAT", "FORMAT", "text, logfmt or json",
      "text", TEXT(log_format),
      .check = check_log_format, .allowed = "text, logfmt or json" },
    { "--stop-timeout", "BERTH_STOP_TIMEOUT",
      .help = "from SIGTERM to SIGKILL, where a container does not say",
      .fallback = "30s", DURATION(stop_timeout_ms, 0, DAY_MS) },
    { "--start-timeout", "BERTH_START_TIMEOUT",
      .help = "how long a dependency may take, where its container does not say",
      .fallback = "3m", DURATION(start_timeout_ms, SECONDS(1), DAY_MS) },
    { "--settle-time", "BERTH_SETTLE_TIME",
      .help = "a task with no health check is healthy after running that long",
      .fallback = "40s", DURATION(settle_ms, 0, DAY_MS) },
    { "--progress-deadline", "BERTH_PROGRESS_DEADLINE",
      .help = "a deployment that makes no progress for that long has failed",
      .fallback = "10m", DURATION(progress_deadline_ms, SECONDS(1), 7 * DAY_MS) },
    { "--restart-backoff", "BERTH_RESTART_BACKOFF",
      .help = "the first wait before a task that dies again is replaced; doubled each time",
      .fallback = "10s", DURATION(backoff_base_ms, 100, DAY_MS) },
    { "--restart-backoff-max", "BERTH_RESTART_BACKOFF_MAX", .help = "the longest such wait",
      .fallback = "300s", DURATION(backoff_max_ms, 100, DAY_MS) },
    { "--restart-backoff-reset", "BERTH_RESTART_BACKOFF_RESET",
      .help = "after running that long a task's deaths are forgotten",
      .fallback = "10m", DURATION(backoff_reset_ms, SECONDS(1), 7 * DAY_MS) },
    { "--restart-min-run", "BERTH_RESTART_MIN_RUN",
      .help = "the first death of a task that ran less than that is not repaired at once",
      .fallback = "10s", DURATION(quick_death_ms, 0, DAY_MS) },
    { "--resync-interval", "BERTH_RESYNC_INTERVAL",
      .help = "how often to look at every container although nothing was heard",
      .fallback = "5m", DURATION(resync_ms, SECONDS(1), DAY_MS) },
    { "--task-cleanup-wait", "BERTH_TASK_CLEANUP_WAIT",
      .help = "how long the last failed task of a service is kept for its logs",
      .fallback = "1h", DURATION(keep_stopped_ms, 0, 30 * DAY_MS) },
    { "--pull-inactivity-timeout", "BERTH_PULL_INACTIVITY_TIMEOUT",
      .help = "a pull that moves nothing for that long has failed",
      .fallback = "1m", DURATION(pull_inactivity_ms, SECONDS(1), DAY_MS) },
    { "--max-pulls", "BERTH_MAX_PULLS", .help = "image pulls at a time",
      .fallback = "3", NUMBER(max_pulls, 1, 64) },
    { "--max-starts", "BERTH_MAX_STARTS", .help = "container starts at a time",
      .fallback = "8", NUMBER(max_starts, 1, 256) },
    { "--max-stops", "BERTH_MAX_STOPS", .help = "container stops at a time",
      .fallback = "16", NUMBER(max_stops, 1, 256) },
    { "--group", "BERTH_GROUP", "NAME", "who may use the control socket besides root",
      "berth", TEXT(group),
      .check = check_name, .allowed = "letters, digits, '-', '_' and '.'" },
    { "--ca-file", "BERTH_CA_FILE", "FILE", "certificates to trust instead of the system's",
      "", TEXT(ca_file),
      .check = check_path_or_empty, .allowed = "an absolute path or nothing" },
};
/* clang-format on */

const struct config_row *config_rows(size_t *ret_count)
{
    *ret_count = COUNT_OF(rows);
    return rows;
}

const char *pull_behavior_name(enum pull_behavior behavior)
{
    ASSERT((size_t)behavior < COUNT_OF(pull_behaviors));
    return pull_behaviors[behavior];
}

/* ------------------------------------------------------------------ one value */

static int set_text(const struct config_row *row, const char *value, char *field)
{
    size_t len = strlen(value);
    if (len >= row->size || !utf8_valid(value, len) || (row->check && !row->check(value)))
        return -EINVAL;
    memcpy(field, value, len + 1);
    return 0;
}

static int set_behavior(const char *value, enum pull_behavior *field)
{
    for (size_t i = 0; i < COUNT_OF(pull_behaviors); i++) {
        if (str_equal(value, pull_behaviors[i])) {
            *field = (enum pull_behavior)i;
            return 0;
        }
    }
    return -EINVAL;
}

static int set_duration(const struct config_row *row, const char *value, msec *field)
{
    int64_t ms = 0;
    int rc = parse_duration_ms(value, &ms);
    if (rc < 0)
        return rc;
    if (ms < row->min || ms > row->max)
        return -ERANGE;
    *field = ms;
    return 0;
}

static int set_field(struct config *config, const struct config_row *row, const char *value)
{
    void *field = (char *)config + row->offset;
    switch (row->kind) {
    case CONFIG_TEXT:
        return set_text(row, value, field);
    case CONFIG_BEHAVIOR:
        return set_behavior(value, field);
    case CONFIG_DURATION:
        return set_duration(row, value, field);
    case CONFIG_NUMBER:
        return parse_int(value, row->min, row->max, field);
    }
    return -EINVAL;
}

/* The largest unit that gives a whole number. */
static void add_duration(struct str *out, msec ms)
{
    static const struct {
        msec ms;
        const char *unit;
    } units[] = { { MINUTES(60), "h" }, { MINUTES(1), "m" }, { SECONDS(1), "s" }, { 1, "ms" } };
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (ms > 0 && ms % units[i].ms == 0) {
            str_addf(out, "%" PRId64 "%s", ms / units[i].ms, units[i].unit);
            return;
        }
    }
    str_add(out, "0s");
}

static void add_allowed(struct str *out, const struct config_row *row)
{
    switch (row->kind) {
    case CONFIG_TEXT:
        str_addf(out, "%s, in at most %zu bytes", row->allowed, row->size - 1);
        break;
    case CONFIG_BEHAVIOR:
        str_add(out, row->allowed);
        break;
    case CONFIG_DURATION:
        add_duration(out, row->min);
        str_add(out, " to ");
        add_duration(out, row->max);
        str_add(out, ", written like 500ms, 30s, 5m or 1h");
        break;
    case CONFIG_NUMBER:
        str_addf(out, "%" PRId64 " to %" PRId64, row->min, row->max);
        break;
    }
}

static int refuse(const struct config_row *row, const char *value, const char *origin,
                  struct err *err)
{
    AUTO_STR struct str allowed, shown;
    str_init(&allowed, 200);
    str_init(&shown, 100);
    add_allowed(&allowed, row);
    config_redact(value, row->url, &shown);
    return err_say(err, -EINVAL, "%s: %s: \"%s\" is not allowed; allowed: %s", origin, row->key,
                   str_text(&shown), str_text(&allowed));
}

static int set_value(struct config_set *set, const struct config_row *row, const char *value,
                     const char *origin, struct err *err)
{
    if (set_field(&set->values, row, value) < 0)
        return refuse(row, value, origin, err);
    AUTO_STR struct str text;
    str_init(&text, CONFIG_ORIGIN_MAX - 1);
    str_add(&text, origin);
    (void)memcpy(set->origins[row - rows].text, str_text(&text), text.len + 1);
    return 0;
}

/* ------------------------------------------------------------------ sources */

void config_init(struct config_set *set)
{
    *set = (struct config_set){ 0 };
    set->origins = memory_array(COUNT_OF(rows), sizeof *set->origins);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int rc = set_field(&set->values, &rows[i], rows[i].fallback);
        ASSERT(rc == 0);
        memcpy(set->origins[i].text, "default", sizeof "default");
    }
}

void config_release(struct config_set *set)
{
    free(set->origins);
    *set = (struct config_set){ 0 };
}

static const struct config_row *row_by_key(const char *key)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (str_equal(rows[i].key, key))
            return &rows[i];
    return NULL;
}

int config_read_flag(struct config_set *set, const char *flag, const char *value, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!str_equal(rows[i].flag, flag))
            continue;
        if (!value)
            return err_say(err, -EINVAL, "%s needs a value: %s", flag, rows[i].argument);
        return set_value(set, &rows[i], value, "flag", err);
    }
    return err_say(err, -ENOENT, "there is no flag %.80s", flag);
}

int config_read_environment(struct config_set *set, const char *(*lookup)(const char *name),
                            struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *value = lookup(rows[i].key);
        int rc = value && *value ? set_value(set, &rows[i], value, "environment", err) : 0;
        if (rc < 0)
            return rc;
    }
    const struct config_row *runtime = row_by_key("BERTH_RUNTIME");
    const char *docker_host = lookup("DOCKER_HOST");
    if (!docker_host || !*docker_host || *set->values.runtime)
        return 0;
    return set_value(set, runtime, docker_host, "environment (DOCKER_HOST)", err);
}

/* One line without its line feed; space around key and value goes, as does a pair of quotes. */
static int read_line(struct config_set *set, const char *line, size_t len, const char *origin,
                     struct err *err)
{
    AUTO_FREE char *copy = memory_strndup(line, len);
    char *key = config_trim(copy);
    if (*key == '\0' || *key == '#')
        return 0;
    char *equals = strchr(key, '=');
    if (!equals)
        return err_say(err, -EINVAL, "%s: \"%.80s\" is not KEY=VALUE", origin, key);
    *equals = '\0';
    key = config_trim(key);

    const struct config_row *row = row_by_key(key);
    if (!row)
        return err_say(err, -EINVAL, "%s: there is no option %.80s%s", origin, key,
                       str_starts(key, "BERTH_") ? "" : " (all begin with BERTH_)");
    return set_value(set, row, config_unquote(config_trim(equals + 1)), origin, err);
}

int config_read_text(struct config_set *set, const char *text, const char *origin, struct err *err)
{
    for (size_t number = 1; *text; number++) {
        size_t len = strcspn(text, "\n");
        AUTO_FREE char *place = memory_printf("%.250s:%zu", origin, number);
        int rc = read_line(set, text, len, place, err);
        if (rc < 0)
            return rc;
        text += len;
        text += *text == '\n' ? 1 : 0;
    }
    return 0;
}

/* ------------------------------------------------------------------ the whole */

static int expand_urls(struct config_set *set, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!rows[i].url)
            continue;
        char *field = (char *)&set->values + rows[i].offset;
        AUTO_STR struct str expanded;
        str_init(&expanded, rows[i].size - 1);
        int rc = config_expand(field, set->values.cluster, set->values.host_id, &expanded, err);
        if (rc < 0)
            return err_wrap(err, "%s: %s", set->origins[i].text, rows[i].key);
        memcpy(field, str_text(&expanded), expanded.len + 1);
    }
    return 0;
}

int config_finish(struct config_set *set, struct err *err)
{
    const struct config *values = &set->values;
    if (values->backoff_max_ms < values->backoff_base_ms)
        return err_say(err, -EINVAL,
                       "BERTH_RESTART_BACKOFF_MAX (%" PRId64 " ms) is less than "
                       "BERTH_RESTART_BACKOFF (%" PRId64 " ms)",
                       values->backoff_max_ms, values->backoff_base_ms);
    return expand_urls(set, err);
}

void config_value_text(const struct config *config, const struct config_row *row, struct str *out)
{
    const void *field = (const char *)config + row->offset;
    switch (row->kind) {
    case CONFIG_TEXT:
        config_redact(field, row->url, out);
        break;
    case CONFIG_BEHAVIOR:
        str_add(out, pull_behavior_name(*(const enum pull_behavior *)field));
        break;
    case CONFIG_DURATION:
        add_duration(out, *(const msec *)field);
        break;
    case CONFIG_NUMBER:
        str_addf(out, "%" PRId64, *(const int64_t *)field);
        break;
    }
}

void config_render(const struct config_set *set, struct json_writer *writer)
{
    json_object(writer);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_STR struct str text;
        str_init(&text, sizeof set->values);
        config_value_text(&set->values, &rows[i], &text);
        json_key(writer, rows[i].key);
        json_object(writer);
        json_key(writer, "value");
        if (rows[i].kind == CONFIG_NUMBER)
            json_put_raw(writer, str_text(&text));
        else
            json_put_string(writer, str_text(&text));
        json_string_member(writer, "origin", set->origins[i].text);
        json_object_end(writer);
    }
    json_object_end(writer);
}
