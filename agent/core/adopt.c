/* adopt.c: what a look says, folded into the facts; tasks of an earlier life are recognised by
 * their labels. A look says nothing about a container that was touched after it was asked for. */
#include "berth/digest.h"
#include "berth/render.h"
#include "inside.h"

#define LOOK_RETRY_MIN 200
#define LOOK_RETRY_MAX SECONDS(5)

static bool look_counts(const struct container *container, uint64_t asked_by)
{
    return !container_in_flight(container) && asked_by >= container->touched;
}

/* Labels are outside input: an image committed from a container of ours carries them, and people
 * write their own. */
static bool is_name(const char *text)
{
    return *text && strlen(text) <= NAME_MAX_LEN;
}

static bool is_ours(const struct core *core, const struct observed_container *seen)
{
    return str_equal(seen->host, core->options.host_id) && strlen(seen->task_id) == TASK_ID_LEN &&
           is_name(seen->container_name) && is_name(*seen->service ? seen->service : seen->one_off);
}

static int64_t label_number(int64_t number, int64_t max)
{
    return number > 0 && number <= max ? number : 0;
}

static const char *label_digest(const char *hex)
{
    struct digest digest;
    return digest_parse(hex, &digest) == 0 ? hex : "";
}

/* ------------------------------------------------------------------ adoption */

static void bind_adopted(struct core *core, struct task *task)
{
    if (!core->desired)
        return;
    char digest[DIGEST_HEX_LEN + 1] = "";
    if (*task->one_off) {
        const struct one_off *one_off = desired_one_off(core->desired, task->one_off);
        if (one_off)
            digest_hex(&one_off->digest, digest);
        if (one_off && str_equal(digest, task->digest_hex))
            task_bind(core, task, one_off->definition, false);
        return;
    }
    const struct service *wanted = task->owner->wanted;
    if (!wanted)
        return;
    digest_hex(&wanted->digest, digest);
    if (str_equal(digest, task->digest_hex))
        task_bind(core, task, wanted->definition, false);
    task_bind_probes(task, wanted);
}

static struct task *adopt_task(struct core *core, const struct observed_container *seen)
{
    struct task_identity identity = {
        .service = seen->service,
        .one_off = *seen->service ? "" : seen->one_off,
        .definition_name = strlen(seen->definition) <= NAME_MAX_LEN ? seen->definition : "",
        .digest_hex = label_digest(seen->digest_hex),
        .generation = label_number(seen->generation, GENERATION_MAX),
        .slot = label_number(seen->slot, DESIRED_COUNT_MAX - 1),
        .attempt = label_number(seen->attempt, GENERATION_MAX),
    };
    struct task *task = task_add(core, seen->task_id, &identity);
    task->adopted = true;
    task->created_wall = seen->created_wall_ms ? seen->created_wall_ms : core->wall;
    if (!task->owner)
        return task;
    struct deployment *deployment = deployment_find(task->owner, task->generation);
    if (!deployment)
        deployment = deployment_adopt(core, task->owner, task);
    struct slot *slot = deployment_slot(deployment, task->slot);
    if (slot->attempt < task->attempt)
        slot->attempt = task->attempt;
    return task;
}

/* It is there, and that is all: nothing follows for what is known, and nothing may be done to what
 * is not until a look at it alone succeeds. */
static void observe_unclear(struct core *core, struct task *task, struct container *container)
{
    container->look_needed = true;
    container->look_failures++;
    container_retry_later(core, container);
    if (container->state == CONTAINER_NONE)
        container_move(core, task, container, CONTAINER_UNKNOWN);
}

/* Two containers with the same labels: the one with the name that we gave is meant. The other is
 * somebody's copy, and nobody's business until that one is gone. */
static bool is_it(struct task *task, struct container *container,
                  const struct observed_container *seen)
{
    if (str_equal(container->runtime_name, seen->name))
        return true;
    char given[128];
    render_container_name(*task->service ? task->service : task->one_off, container->name, task->id,
                          given);
    if (!str_equal(given, seen->name) || container_in_flight(container))
        return false;
    container->runtime_name = arena_strdup(&task->arena, given);
    return true;
}

static void observe_one(struct core *core, const struct observed_container *seen, uint64_t asked_by)
{
    if (!is_ours(core, seen))
        return;
    struct task *task = task_find(core, seen->task_id);
    if (!task && core->task_count >= TASKS_MAX)
        return;
    if (!task && asked_by < core->dropped_before && name_was_dropped(core, seen->name))
        return; /* it was removed after this look was asked for */
    bool adopted = !task;
    if (adopted)
        task = adopt_task(core, seen);
    struct container *container = task_container(task, seen->container_name);
    if (container && !is_it(task, container, seen))
        return;
    if (!container && task->container_count >= ADOPTED_CONTAINERS_MAX)
        return; /* its turn comes when the others have gone */
    if (!container)
        task_adopt_container(core, task, seen);
    if (adopted)
        bind_adopted(core, task);
    container = task_container(task, seen->container_name);
    container->seen_by = asked_by;
    if (!look_counts(container, asked_by))
        return;
    if (seen->unclear) {
        observe_unclear(core, task, container);
        return;
    }
    container->look_needed = container->look_again;
    container->look_again = false;
    container_observe(core, task, container, seen);
}

/* A task of the newest generation that was found with some of its containers missing goes on
 * where it was: they are created now, except what has done its part. */
static void complete_adopted(struct core *core, struct task *task)
{
    if (!task->adopted || !task->owner || !task->definition || task->intent != INTENT_RUN)
        return;
    task_bind(core, task, task->definition, true);
}

/* ------------------------------------------------------------------ full looks */

static bool expected_in_runtime(const struct container *container)
{
    switch (container->state) {
    case CONTAINER_NONE:
    case CONTAINER_PULLING:
    case CONTAINER_GONE:
        return false;
    case CONTAINER_CREATING:
    case CONTAINER_CREATED:
    case CONTAINER_STARTING:
    case CONTAINER_RUNNING:
    case CONTAINER_STOPPING:
    case CONTAINER_STOPPED:
    case CONTAINER_REMOVING:
    case CONTAINER_UNKNOWN:
        return true;
    }
    return true;
}

static void sweep(struct core *core, uint64_t asked_by)
{
    for (struct task *task = core->tasks; task; task = task->next) {
        for (size_t i = 0; i < task->container_count; i++) {
            struct container *container = &task->containers[i];
            if (container->seen_by == asked_by || !expected_in_runtime(container) ||
                !look_counts(container, asked_by))
                continue;
            container->look_needed = false;
            container_vanished(core, task, container);
        }
    }
}

static void runtime_is_up(struct core *core)
{
    if (!core->runtime_reachable) {
        core->runtime_reachable = true;
        core->runtime_down_since = 0;
        change_emit(core, CHANGE_RUNTIME, false, "", "", "", "%s",
                    "the container runtime answers again");
    }
    core->runtime_error[0] = '\0';
    core->look_failures = 0;
}

static void fold_full_look(struct core *core, const struct observed *observed, uint64_t asked_by)
{
    core->look_action = 0;
    core->look_at = core->look_again ? core->now : core->now + core->options.resync_ms;
    core->look_again = false;
    runtime_is_up(core);
    for (size_t i = 0; i < observed->count; i++)
        observe_one(core, &observed->containers[i], asked_by);
    sweep(core, asked_by);
    for (struct task *task = core->tasks; task; task = task->next) {
        complete_adopted(core, task);
        if (*task->one_off && task->adopted && task->intent == INTENT_RUN)
            one_off_adopt(core, task);
    }
    core->observed_once = true;
    core->outage = false;
}

/* ------------------------------------------------------------------ scoped looks */

static struct container *looking(struct core *core, uint64_t action, struct task **ret_task)
{
    for (struct task *task = core->tasks; task; task = task->next) {
        for (size_t i = 0; i < task->container_count; i++) {
            if (task->containers[i].look != action)
                continue;
            *ret_task = task;
            return &task->containers[i];
        }
    }
    return NULL;
}

/* A container of that name that is not ours: nothing of it may be touched. */
static void foreign_name(struct core *core, struct task *task, struct container *container)
{
    if (container->state != CONTAINER_UNKNOWN)
        return;
    container_retry_later(core, container);
    container->create_lost = false;
    container_move(core, task, container, CONTAINER_PULLING);
    change_emit(core, CHANGE_CONTAINER, true, task->service, task->id, container->name,
                "CannotCreateContainerError: the name %s is taken by a container that is not "
                "berth's; remove or rename it",
                container->runtime_name);
}

static void fold_scoped_look(struct core *core, const struct observed *observed, uint64_t asked_by)
{
    struct task *task = NULL;
    struct container *container = looking(core, asked_by, &task);
    core->looks--;
    ASSERT(core->looks >= 0);
    if (!container)
        return; /* its task was dropped meanwhile */
    container->look = 0;
    container->look_failures = 0;
    if (!look_counts(container, asked_by)) {
        container->look_needed = true;
        return;
    }
    container->look_needed = container->look_again;
    container->look_again = false;
    if (observed->count == 0)
        container_vanished(core, task, container);
    else if (is_ours(core, &observed->containers[0]) &&
             str_equal(observed->containers[0].task_id, task->id))
        container_observe(core, task, container, &observed->containers[0]);
    else
        foreign_name(core, task, container);
}

void fold_observed(struct core *core, const struct event *event)
{
    if (event->action == core->look_action)
        fold_full_look(core, event->observed, event->action);
    else
        fold_scoped_look(core, event->observed, event->action);
    observed_free(event->observed);
}

/* One container that cannot be inspected holds up only itself; a list that cannot be had means
 * that the runtime is not there. */
void fold_look_failed(struct core *core, const struct event *event)
{
    if (event->action == core->look_action) {
        core->look_action = 0;
        core->look_failures++;
        struct event down = *event;
        runtime_down(core, &down);
        msec delay = LOOK_RETRY_MIN;
        for (int i = 1; i < core->look_failures && delay < LOOK_RETRY_MAX; i++)
            delay *= 2;
        delay = delay < LOOK_RETRY_MAX ? delay : LOOK_RETRY_MAX;
        core->look_at = core->now + prng_jitter(&core->prng, delay, 25);
        return;
    }
    struct task *task = NULL;
    struct container *container = looking(core, event->action, &task);
    core->looks--;
    ASSERT(core->looks >= 0);
    if (!container)
        return;
    container->look = 0;
    container->look_needed = true;
    container->look_failures++;
    container_retry_later(core, container);
    wait_set(&container->wait, core, WAIT_UNKNOWN, "%.150s", event->text ? event->text : "");
}
