/* core.c: life of the core, its one entry, and the readers that others use. */
#include "inside.h"

void core_options_default(struct core_options *ret)
{
    *ret = (struct core_options){
        .host_id = "",
        .cluster = "default",
        .pull_behavior = PULL_PREFER_CACHED,
        .poll_interval_ms = SECONDS(15),
        .stop_timeout_ms = SECONDS(30),
        .start_timeout_ms = MINUTES(3),
        .settle_ms = SECONDS(40),
        .progress_deadline_ms = MINUTES(10),
        .backoff_base_ms = SECONDS(10),
        .backoff_max_ms = SECONDS(300),
        .backoff_reset_ms = MINUTES(10),
        .quick_death_ms = SECONDS(10),
        .resync_ms = MINUTES(5),
        .keep_stopped_ms = MINUTES(60),
        .max_pulls = 3,
        .max_starts = 8,
        .max_stops = 16,
        .max_probes = 64,
    };
}

void core_options_from(const struct config *config, struct core_options *ret)
{
    core_options_default(ret);
    ret->host_id = config->host_id;
    ret->cluster = config->cluster;
    ret->pull_behavior = config->pull_behavior;
    ret->poll_interval_ms = config->poll_interval_ms;
    ret->stop_timeout_ms = config->stop_timeout_ms;
    ret->start_timeout_ms = config->start_timeout_ms;
    ret->settle_ms = config->settle_ms;
    ret->progress_deadline_ms = config->progress_deadline_ms;
    ret->backoff_base_ms = config->backoff_base_ms;
    ret->backoff_max_ms = config->backoff_max_ms;
    ret->backoff_reset_ms = config->backoff_reset_ms;
    ret->quick_death_ms = config->quick_death_ms;
    ret->resync_ms = config->resync_ms;
    ret->keep_stopped_ms = config->keep_stopped_ms;
    ret->max_pulls = config->max_pulls;
    ret->max_starts = config->max_starts;
    ret->max_stops = config->max_stops;
}

static void options_copy(struct core *core, const struct core_options *options)
{
    core->options = *options;
    core->options.host_id = memory_strdup(options->host_id);
    core->options.cluster = memory_strdup(options->cluster);
}

struct core *core_new(const struct core_options *options)
{
    struct core *core = memory_alloc(sizeof *core);
    options_copy(core, options);
    core->next_action = 1;
    core->fetch_at = MSEC_NEVER;
    core->look_at = MSEC_NEVER;
    task_index_rebuild(core);
    return core;
}

void core_set_options(struct core *core, const struct core_options *options)
{
    ASSERT(str_equal(core->options.host_id, options->host_id));
    struct core_options kept = core->options;
    core->options = *options;
    core->options.host_id = kept.host_id;
    core->options.cluster = kept.cluster;
}

void core_free(struct core *core)
{
    if (!core)
        return;
    while (core->tasks) {
        struct task *task = core->tasks;
        core->tasks = task->next;
        task_free(task);
    }
    while (core->services) {
        struct service_fact *service = core->services;
        core->services = service->next;
        service_free(service);
    }
    images_free(core);
    one_offs_free(core);
    changes_clear(core);
    history_clear(core);
    desired_unref(core->desired);
    free(core->task_index);
    free((char *)core->options.host_id);
    free((char *)core->options.cluster);
    free(core);
}

void core_step(struct core *core, const struct event *event, struct effects *effects)
{
    ASSERT(core->started == (event->kind != EV_START));
    effects->count = 0;
    effects->wake_at = MSEC_NEVER;
    /* Monotonic time never runs backwards; a caller's rounding must not make it. */
    core->now = event->now > core->now ? event->now : core->now;
    core->wall = event->wall;
    fold_event(core, event);
    struct step step = { .core = core, .effects = effects };
    plan(&step);
}

bool core_ready(const struct core *core)
{
    return core->observed_once && core->document_decided;
}

const struct service_fact *core_service(const struct core *core, const char *name)
{
    return service_find(core, name);
}

const struct task *core_task(const struct core *core, const char *id)
{
    size_t len = strlen(id);
    if (len < 6 || len > TASK_ID_LEN)
        return NULL;
    const struct task *found = NULL;
    for (const struct task *task = core->tasks; task; task = task->next) {
        if (!str_starts(task->id, id))
            continue;
        if (found)
            return NULL;
        found = task;
    }
    return found;
}

const struct one_off_record *core_one_off(const struct core *core, const char *id)
{
    for (size_t i = 0; i < core->one_off_count; i++)
        if (str_equal(core->one_offs[i].id, id))
            return &core->one_offs[i];
    return NULL;
}

static const char *const wait_texts[] = {
#define X(name, text) [name] = text,
    WAIT_REASONS(X)
#undef X
};

const char *wait_reason_text(enum wait_reason reason)
{
    ASSERT((size_t)reason < COUNT_OF(wait_texts));
    return wait_texts[reason];
}

static const char *const action_names[] = {
    [ACT_FETCH] = "fetch", [ACT_OBSERVE] = "look", [ACT_PULL] = "pull",     [ACT_CREATE] = "create",
    [ACT_START] = "start", [ACT_STOP] = "stop",    [ACT_REMOVE] = "remove", [ACT_PROBE] = "probe",
    [ACT_STEER] = "steer", [ACT_SAVE] = "save",
};

const char *action_kind_name(enum action_kind kind)
{
    ASSERT((size_t)kind < COUNT_OF(action_names));
    return action_names[kind];
}
