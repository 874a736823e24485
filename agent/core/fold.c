/* fold.c: one function per event: it records what the event says and decides nothing. */
#include "inside.h"

#define POLL_MIN SECONDS(1)
#define POLL_MAX MINUTES(60)
#define FETCH_BACKOFF_MAX MINUTES(5)
#define SAVE_RETRY SECONDS(10)
#define STRANGER_LOOK SECONDS(1)

/* ------------------------------------------------------------------ start */

static void fold_start(struct core *core, const struct event *event)
{
    core->started = true;
    prng_seed(&core->prng, event->seed);
    if (event->remembered)
        core_recall(core, event->remembered);
    /* Tasks that died while nobody looked say nothing about their image. */
    core->outage = true;
    core->runtime_reachable = true;
    core->look_at = core->now;
    core->fetch_at = core->now;
    if (core->epoch == 0)
        core->epoch = prng_next(&core->prng) >> 12 | 1; /* JSON keeps 53 bits */
    core_remember(core);
    change_emit(core, CHANGE_AGENT, false, "", "", "", "agent started, %s",
                event->remembered ? "memory is there" : "no memory: labels are read instead");
}

/* ------------------------------------------------------------------ the document */

static void relink_service_tasks(struct core *core)
{
    for (struct task *task = core->tasks; task; task = task->next) {
        task_unbind(task);
        if (*task->one_off) {
            const struct one_off *one_off = desired_one_off(core->desired, task->one_off);
            char digest[DIGEST_HEX_LEN + 1] = "";
            if (one_off)
                digest_hex(&one_off->digest, digest);
            if (one_off && str_equal(digest, task->digest_hex))
                task_bind(core, task, one_off->definition, false);
            continue;
        }
        const struct service *wanted = task->owner ? task->owner->wanted : NULL;
        char digest[DIGEST_HEX_LEN + 1] = "";
        if (wanted)
            digest_hex(&wanted->digest, digest);
        if (!wanted || !str_equal(digest, task->digest_hex))
            continue;
        task_bind(core, task, wanted->definition, task->intent == INTENT_RUN);
        task_bind_probes(task, wanted);
    }
}

/* Services in the order of the document; those that have left it behind them. */
static void order_services(struct core *core)
{
    struct service_fact *rest = core->services, *ordered = NULL, **tail = &ordered;
    for (size_t i = 0; i < core->desired->service_count; i++) {
        struct service_fact **link = &rest;
        while (*link && !str_equal((*link)->name, core->desired->services[i].name))
            link = &(*link)->next;
        ASSERT(*link);
        struct service_fact *found = *link;
        *link = found->next;
        found->next = NULL;
        *tail = found;
        tail = &found->next;
    }
    *tail = rest;
    core->services = ordered;
}

void fold_desired(struct core *core, struct desired *desired)
{
    struct desired *before = core->desired;
    core->desired = desired;
    for (struct service_fact *service = core->services; service; service = service->next)
        service->wanted = NULL;
    for (size_t i = 0; i < desired->service_count; i++)
        service_get(core, desired->services[i].name)->wanted = &desired->services[i];
    order_services(core);
    relink_service_tasks(core);
    images_purge(core);
    core->revision_floor = desired->revision;
    core->document_decided = true;
    core_remember(core);
    desired_unref(before);
}

static void refuse(struct core *core, int64_t revision, const char *text)
{
    bool new_error = !str_equal(core->last_error, text);
    core->document_decided = true;
    core->refused_revision = revision;
    (void)snprintf(core->last_error, sizeof core->last_error, "%s", text);
    if (new_error)
        change_emit(core, CHANGE_DOCUMENT, true, "", "", "", "%s", text);
}

/* Monotonic per source: what is older, or claims a known revision with other content, is refused.
 */
static bool is_acceptable(struct core *core, const struct desired *offered, bool accept_older)
{
    char text[ERR_TEXT_MAX];
    if (accept_older)
        return true;
    if (offered->revision < core->revision_floor) {
        (void)snprintf(text, sizeof text,
                       "document revision %lld refused: %lld is in effect and revisions only grow; "
                       "publish a higher one, or go back with `berth poll --accept-older`",
                       (long long)offered->revision, (long long)core->revision_floor);
        refuse(core, offered->revision, text);
        return false;
    }
    bool same_revision = core->desired && offered->revision == core->desired->revision;
    if (same_revision && !digest_equal(&offered->digest, &core->desired->digest)) {
        (void)snprintf(text, sizeof text,
                       "document revision %lld refused: its content is not that of the revision "
                       "%lld in effect; a changed document needs a higher revision",
                       (long long)offered->revision, (long long)core->desired->revision);
        refuse(core, offered->revision, text);
        return false;
    }
    return true;
}

static bool is_in_effect(const struct core *core, const struct desired *offered)
{
    return core->desired && digest_equal(&offered->digest, &core->desired->digest);
}

static void fold_new_document(struct core *core, const struct event *event)
{
    struct desired *offered = event->desired;
    bool known = is_in_effect(core, offered);
    if (!known && !is_acceptable(core, offered, event->accept_older || core->accept_any)) {
        desired_unref(offered);
        return;
    }
    core->last_error[0] = '\0';
    core->refused_revision = 0;
    core->accept_any = false;
    core->stored_only = false;
    if (known) {
        desired_unref(offered);
        return;
    }
    change_emit(core, CHANGE_DOCUMENT, false, "", "", "", "document revision %lld is in effect",
                (long long)offered->revision);
    fold_desired(core, offered);
}

static void fold_stored_document(struct core *core, struct desired *stored)
{
    core->stored_only = true;
    change_emit(core, CHANGE_DOCUMENT, false, "", "", "",
                "document revision %lld from disk is in effect", (long long)stored->revision);
    fold_desired(core, stored);
}

static msec next_poll(struct core *core, const struct event *event)
{
    msec asked = event->retry_after_ms;
    if (asked > 0) {
        asked = asked < POLL_MIN ? POLL_MIN : asked > POLL_MAX ? POLL_MAX : asked;
        return core->now + asked + prng_range(&core->prng, 0, asked / 10);
    }
    return core->now + prng_range(&core->prng,
                                  POLL_MIN < core->options.poll_interval_ms
                                      ? POLL_MIN
                                      : core->options.poll_interval_ms,
                                  core->options.poll_interval_ms);
}

static msec next_try(struct core *core, const struct event *event)
{
    if (event->retry_after_ms > 0)
        return next_poll(core, event);
    msec limit = core->options.poll_interval_ms;
    for (int i = 1; i < core->fetch_failures && limit < FETCH_BACKOFF_MAX; i++)
        limit *= 2;
    limit = limit > FETCH_BACKOFF_MAX ? FETCH_BACKOFF_MAX : limit;
    return core->now + prng_range(&core->prng, POLL_MIN, limit > POLL_MIN ? limit : POLL_MIN);
}

static void fold_fetch_failed(struct core *core, const struct event *event)
{
    bool new_error = !str_equal(core->last_error, event->text);
    core->fetch_failures++;
    (void)snprintf(core->last_error, sizeof core->last_error, "%s",
                   event->text ? event->text : "no answer");
    core->fetch_at = next_try(core, event);
    if (new_error)
        change_emit(core, CHANGE_DOCUMENT, true, "", "", "", "%s", core->last_error);
}

static void fold_fetched(struct core *core, const struct event *event)
{
    if (event->fetched == FETCH_STORED) {
        ASSERT(!core->desired);
        fold_stored_document(core, event->desired);
        return;
    }
    ASSERT(event->action == core->fetch_action);
    core->fetch_action = 0;
    core->fetch_count++;
    if (event->fetched == FETCH_FAILED) {
        fold_fetch_failed(core, event);
        return;
    }
    core->fetch_failures = 0;
    core->last_fetch_wall = core->wall;
    core->fetch_at = next_poll(core, event);
    if (event->fetched == FETCH_NEW)
        fold_new_document(core, event);
    if (event->fetched == FETCH_BAD)
        refuse(core, 0, event->text ? event->text : "the document is not valid");
    if (event->fetched == FETCH_SAME) {
        core->stored_only = false;
        core->last_error[0] = '\0';
        core->document_decided = true;
    }
}

/* ------------------------------------------------------------------ calls that ended */

static void fold_created(struct core *core, struct task *task, struct container *container,
                         const struct event *event)
{
    if (event->outcome == OUTCOME_OK) {
        container->retries = 0;
        container_move(core, task, container, CONTAINER_CREATED);
        return;
    }
    if (event->outcome == OUTCOME_UNKNOWN) {
        container->create_lost = true;
        container->look_needed = true;
        container_move(core, task, container, CONTAINER_UNKNOWN);
        return;
    }
    container_retry_later(core, container);
    bool image_missing = str_equal(event->error, "CannotPullContainerError");
    if (image_missing) {
        /* Somebody removed the image since it was seen; it is pulled again. */
        struct image *image = image_get(core, container->image);
        if (!image->action)
            image->state = IMAGE_UNKNOWN;
    }
    container_move(core, task, container, CONTAINER_PULLING);
    if (event->blame == BLAME_IMAGE && (!image_missing || container->retries > 3))
        container_fail(core, task, container, BLAME_IMAGE, event->error, "%s", event->text);
    else
        wait_set(&container->wait, core, WAIT_UNKNOWN, "%.150s", event->text);
}

/* A runtime whose helper is down answers every start with an error from which nothing follows; the
 * container is looked at and started again, and people see why. Said once per reason. */
static void say_unanswered(struct core *core, struct task *task, struct container *container,
                           const struct event *event)
{
    char reason[REASON_MAX];
    (void)snprintf(reason, sizeof reason, "%s: %.200s",
                   event->error && *event->error ? event->error : "CannotStartContainerError",
                   event->text ? event->text : "no answer");
    if (!str_equal(reason, container->reason))
        change_emit(core, CHANGE_CONTAINER, true, task->service, task->id, container->name, "%s",
                    reason);
    (void)snprintf(container->reason, sizeof container->reason, "%s", reason);
}

static void fold_started(struct core *core, struct task *task, struct container *container,
                         const struct event *event)
{
    container->look_needed = true;
    if (event->outcome == OUTCOME_OK)
        return; /* STARTING until the look tells pid, address and health */
    if (event->outcome == OUTCOME_UNKNOWN) {
        container_retry_later(core, container);
        container_move(core, task, container, CONTAINER_UNKNOWN);
        say_unanswered(core, task, container, event);
        return;
    }
    container_retry_later(core, container);
    container->start_refused = true;
    container->blame = event->blame;
    (void)snprintf(container->reason, sizeof container->reason, "%s: %.200s",
                   event->error && *event->error ? event->error : "CannotStartContainerError",
                   event->text ? event->text : "");
    change_emit(core, CHANGE_CONTAINER, true, task->service, task->id, container->name, "%s",
                container->reason);
    container_move(core, task, container, CONTAINER_UNKNOWN);
}

static void fold_stopped(struct core *core, struct task *task, struct container *container,
                         const struct event *event)
{
    container->look_needed = true;
    if (event->outcome == OUTCOME_OK)
        return; /* STOPPING until the look says that it is gone: it holds its ports till then */
    container_retry_later(core, container);
    change_emit(core, CHANGE_CONTAINER, true, task->service, task->id, container->name,
                "CannotStopContainerError: %s", event->text ? event->text : "no answer");
    container_move(core, task, container, CONTAINER_UNKNOWN);
}

static void fold_removed(struct core *core, struct task *task, struct container *container,
                         const struct event *event)
{
    if (event->outcome == OUTCOME_OK) {
        container_move(core, task, container, CONTAINER_GONE);
        return;
    }
    container_retry_later(core, container);
    container->look_needed = true;
    container_move(core, task, container, CONTAINER_UNKNOWN);
}

static void fold_container_done(struct core *core, struct task *task, struct container *container,
                                const struct event *event)
{
    enum container_state state = container->state;
    container->action = 0;
    container_touch(core, container); /* looks asked for before now are void */
    switch (state) {
    case CONTAINER_CREATING:
        core->starts--;
        fold_created(core, task, container, event);
        break;
    case CONTAINER_STARTING:
        core->starts--;
        fold_started(core, task, container, event);
        break;
    case CONTAINER_STOPPING:
        core->stops--;
        fold_stopped(core, task, container, event);
        break;
    case CONTAINER_REMOVING:
        core->stops--;
        fold_removed(core, task, container, event);
        break;
    case CONTAINER_NONE:
    case CONTAINER_PULLING:
    case CONTAINER_CREATED:
    case CONTAINER_RUNNING:
    case CONTAINER_STOPPED:
    case CONTAINER_GONE:
    case CONTAINER_UNKNOWN:
        ASSERT(!"an action ended on a container that had none in flight");
        break;
    }
    ASSERT(core->starts >= 0);
    ASSERT(core->stops >= 0);
}

static void fold_saved(struct core *core, const struct event *event)
{
    core->save_action = 0;
    core->saved_version = core->saving_version;
    core->saving_version = 0;
    bool failed = event->outcome != OUTCOME_OK;
    if (failed && !core->save_failed)
        change_emit(core, CHANGE_AGENT, true, "", "", "", "saving failed, trying again: %s",
                    event->text ? event->text : "");
    if (!failed && core->save_failed)
        change_emit(core, CHANGE_AGENT, false, "", "", "", "%s", "saving works again");
    core->save_failed = failed;
    core->save_retry_at = core->now + SAVE_RETRY;
    (void)snprintf(core->save_error, sizeof core->save_error, "%s",
                   failed && event->text ? event->text : "");
}

static void fold_done(struct core *core, const struct event *event)
{
    if (event->action == core->save_action) {
        fold_saved(core, event);
        return;
    }
    for (struct task *task = core->tasks; task; task = task->next) {
        for (size_t i = 0; i < task->container_count; i++) {
            if (task->containers[i].action != event->action)
                continue;
            fold_container_done(core, task, &task->containers[i], event);
            return;
        }
    }
    for (struct image *image = core->images; image; image = image->next) {
        if (image->action != event->action)
            continue;
        fold_pulled(core, event);
        return;
    }
    fold_look_failed(core, event);
}

/* ------------------------------------------------------------------ hints and commands */

static void fold_hint(struct core *core, const struct event *event)
{
    if (!event->hint || !*event->hint) {
        core->look_at = core->now;
        core->look_again = core->look_action != 0;
        return;
    }
    struct task *task = NULL;
    struct container *container = container_by_runtime_name(core, event->hint, &task);
    if (!container && name_was_dropped(core, event->hint))
        return; /* the last events of what was just removed */
    if (!container) {
        /* Something with our label that we do not know: an orphan, or a forgotten create. */
        core->look_at =
            core->look_at < core->now + STRANGER_LOOK ? core->look_at : core->now + STRANGER_LOOK;
        return;
    }
    container->look_needed = true;
    container->look_again = container->look != 0;
}

static void restart_service(struct core *core, const char *name)
{
    struct service_fact *service = service_find(core, name);
    if (service && service->wanted && service->primary)
        (void)deployment_begin(core, service, true);
}

static void stop_task(struct core *core, const char *id)
{
    struct task *task = task_find(core, id);
    if (!task || task->intent == INTENT_STOP)
        return; /* why it stops already is a fact: a failure stays one */
    task->stopped_by_us = true;
    task_stop(core, task, "UserInitiated", "%s", "stopped by an operator");
}

void runtime_down(struct core *core, const struct event *event)
{
    core->outage = true;
    (void)snprintf(core->runtime_error, sizeof core->runtime_error, "%s",
                   event->text ? event->text : "connection lost");
    if (!core->runtime_reachable)
        return;
    core->runtime_reachable = false;
    core->runtime_down_since = core->now;
    core->look_at = core->now;
    change_emit(core, CHANGE_RUNTIME, true, "", "", "", "the container runtime is gone: %s",
                core->runtime_error);
}

static void fold_command(struct core *core, const struct event *event)
{
    switch (event->command) {
    case COMMAND_POLL:
        core->fetch_asked = true;
        core->fetch_accept_older = core->fetch_accept_older || event->accept_older;
        break;
    case COMMAND_RESTART:
        restart_service(core, event->subject);
        break;
    case COMMAND_STOP_TASK:
        stop_task(core, event->subject);
        break;
    case COMMAND_NEW_SOURCE:
        core->revision_floor = 0;
        core->accept_any = true;
        core->fetch_asked = true;
        break;
    case COMMAND_RUNTIME_UP:
        core->look_at = core->now;
        core->look_again = core->look_action != 0;
        break;
    case COMMAND_RUNTIME_DOWN:
        runtime_down(core, event);
        break;
    }
}

void fold_event(struct core *core, const struct event *event)
{
    switch (event->kind) {
    case EV_START:
        fold_start(core, event);
        break;
    case EV_TICK:
        break;
    case EV_FETCHED:
        fold_fetched(core, event);
        break;
    case EV_OBSERVED:
        fold_observed(core, event);
        break;
    case EV_HINT:
        fold_hint(core, event);
        break;
    case EV_DONE:
        fold_done(core, event);
        break;
    case EV_PROBED:
        fold_probed(core, event);
        break;
    case EV_PULL_PROGRESS:
        fold_pull_progress(core, event);
        break;
    case EV_COMMAND:
        fold_command(core, event);
        break;
    }
}
