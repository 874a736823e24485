/* reload.c: SIGHUP: the configuration anew, and a fetch. A bad one changes nothing; what cannot
 * change while the agent runs stays and is named. Another URL means another source, which is
 * opened once the old one has closed. */
#include "agent/agent.h"
#include "berth/assert.h"
#include "berth/log.h"
#include "berth/str.h"

static void fetch_now(struct agent *agent, enum command_kind command)
{
    struct event event = { .kind = EV_COMMAND, .command = command };
    host_event(agent, &event);
}

static void on_old_source_closed(void *ctx)
{
    struct agent *agent = ctx;
    agent->source = NULL;
    agent->reopening_source = false;
    if (agent->stage != AGENT_RUNNING) {
        if (agent->close_stage >= CLOSE_STAGE_SOURCE)
            agent_part_closed(agent); /* it was counted as the source that closes */
        return;
    }
    struct err err = ERR_NONE;
    int rc = agent_open_source(agent, &err);
    ASSERT(rc == 0); /* options_config() has checked the URL */
    fetch_now(agent, COMMAND_NEW_SOURCE);
    host_fetch_deferred(agent);
}

/* What is wired into open connections, labels and locks. */
static const char *const fixed_keys[] = {
    "BERTH_SOCKET",
    "BERTH_STATE_DIR",
    "BERTH_RUNTIME",
    "BERTH_CLUSTER",
    "BERTH_GROUP",
    "BERTH_HOST_ID",
    "BERTH_PULL_INACTIVITY_TIMEOUT",
};

static bool is_fixed(const struct config_row *row)
{
    for (size_t i = 0; i < COUNT_OF(fixed_keys); i++)
        if (str_equal(fixed_keys[i], row->key))
            return true;
    return false;
}

/* Nothing said means what was found out at the start: the runtime's socket, the host's id. */
static bool is_unsaid(const struct config_row *row, const struct config *config)
{
    return row->kind == CONFIG_TEXT && !*((const char *)config + row->offset);
}

static void keep_value(const struct config_row *row, const struct config *old, struct config *now)
{
    AUTO_STR struct str was, is;
    str_init(&was, sizeof *old);
    str_init(&is, sizeof *old);
    config_value_text(old, row, &was);
    config_value_text(now, row, &is);
    if (str_equal(str_text(&was), str_text(&is)))
        return;
    if (!is_unsaid(row, now))
        log_warn("event=needs_restart", "key=%s in_effect=%s", row->key, LOG_VALUE(str_text(&was)));
    size_t size = row->kind == CONFIG_TEXT ? row->size : sizeof(msec);
    memcpy((char *)now + row->offset, (const char *)old + row->offset, size);
}

/* What cannot change while the agent runs keeps its old value, and says so. */
static void keep_fixed(const struct config *old, struct config *now)
{
    size_t count;
    const struct config_row *rows = config_rows(&count);
    for (size_t i = 0; i < count; i++)
        if (is_fixed(&rows[i]))
            keep_value(&rows[i], old, now);
}

void agent_reload(struct agent *agent)
{
    struct err err = ERR_NONE;
    struct config_set config;
    notify_reloading(agent->notify);
    int rc = options_config(agent->options, &config, &err);
    if (rc == 0) {
        keep_fixed(&agent->config.values, &config.values);
        rc = config_finish(&config, &err);
        if (rc < 0)
            config_release(&config);
    }
    if (rc < 0) {
        log_error("event=reload_failed", "error=%s effect=old_configuration_stays",
                  LOG_VALUE(err.text));
        notify_ready(agent->notify);
        return;
    }
    bool other_source = !str_equal(agent->config.values.desired_url, config.values.desired_url) ||
                        !str_equal(agent->config.values.ca_file, config.values.ca_file);
    config_release(&agent->config);
    agent->config = config;
    options_use_log(&agent->config.values);
    struct core_options options;
    agent_core_options(agent, &options);
    core_set_options(agent->core, &options);
    log_info("event=reloaded", "desired=%s", LOG_VALUE(agent->config.values.desired_url));
    notify_ready(agent->notify);
    if (!other_source) {
        fetch_now(agent, COMMAND_POLL);
        return;
    }
    if (agent->reopening_source)
        return; /* the one that opens next reads the newest configuration */
    agent->reopening_source = true;
    source_close(agent->source, on_old_source_closed, agent);
}
