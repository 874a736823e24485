/* one_off.c: tasks that run exactly once per id.
 *
 * Before the first container starts, the record says STARTED and has been saved; the stopped
 * containers stay until the id leaves the document, as the second copy of the fact that it ran.
 * A task whose record says STARTED and whose containers are gone is LOST: reported, never
 * repeated. */
#include "inside.h"

static const unsigned legal_moves[] = {
    [ONE_OFF_NEW] = (1u << ONE_OFF_STARTED) | (1u << ONE_OFF_STOPPED),
    [ONE_OFF_STARTED] = (1u << ONE_OFF_STOPPED) | (1u << ONE_OFF_LOST),
    [ONE_OFF_STOPPED] = 0,
    [ONE_OFF_LOST] = (1u << ONE_OFF_STARTED), /* its container turned up after all */
};

static void one_off_move(struct core *core, struct one_off_record *record, enum one_off_state to)
{
    if (record->state == to)
        return;
    ASSERT((legal_moves[record->state] & (1u << to)) != 0);
    record->state = to;
    core_remember(core);
    record->memory_version = core->memory_version;
}

static struct one_off_record *record_find(const struct core *core, const char *id)
{
    for (size_t i = 0; i < core->one_off_count; i++)
        if (str_equal(core->one_offs[i].id, id))
            return &core->one_offs[i];
    return NULL;
}

static void record_release(struct one_off_record *record)
{
    free(record->id);
    free(record->definition_name);
}

void one_offs_free(struct core *core)
{
    for (size_t i = 0; i < core->one_off_count; i++)
        record_release(&core->one_offs[i]);
    free(core->one_offs);
    core->one_offs = NULL;
    core->one_off_count = 0;
}

/* The oldest record that no document needs makes room. */
static void forget_oldest(struct core *core)
{
    for (size_t i = 0; i < core->one_off_count; i++) {
        if (core->desired && desired_one_off(core->desired, core->one_offs[i].id))
            continue;
        record_release(&core->one_offs[i]);
        memmove(&core->one_offs[i], &core->one_offs[i + 1],
                (core->one_off_count - i - 1) * sizeof *core->one_offs);
        core->one_off_count--;
        return;
    }
}

struct one_off_record *one_off_get(struct core *core, const char *id)
{
    struct one_off_record *record = record_find(core, id);
    if (record)
        return record;
    if (core->one_off_count >= ONE_OFF_RECORDS_KEPT)
        forget_oldest(core);
    core->one_offs = memory_grow(core->one_offs, core->one_off_count + 1, sizeof *core->one_offs);
    record = &core->one_offs[core->one_off_count++];
    *record = (struct one_off_record){ .id = memory_strdup(id), .state = ONE_OFF_NEW };
    return record;
}

/* ------------------------------------------------------------------ start once */

static bool all_created(const struct task *task)
{
    for (size_t i = 0; i < task->container_count; i++) {
        enum container_state state = task->containers[i].state;
        if (state == CONTAINER_NONE || state == CONTAINER_PULLING || state == CONTAINER_CREATING)
            return false;
    }
    return true;
}

/* Every container exists before the first one starts, so that after a restart of the agent a
 * missing one can only mean that somebody took it away. */
bool one_off_may_start(struct core *core, const struct task *task)
{
    struct one_off_record *record = one_off_get(core, task->one_off);
    if (!all_created(task))
        return false;
    if (record->state == ONE_OFF_NEW) {
        record->started_wall = core->wall;
        one_off_move(core, record, ONE_OFF_STARTED);
    }
    return record->memory_version <= core->saved_version;
}

static void create_one_off(struct core *core, const struct one_off *wanted,
                           struct one_off_record *record)
{
    struct task_identity identity = { .service = "",
                                      .one_off = wanted->id,
                                      .definition_name = wanted->definition->name };
    char digest[DIGEST_HEX_LEN + 1], id[TASK_ID_LEN + 1];
    digest_hex(&wanted->digest, digest);
    identity.digest_hex = digest;
    task_id_make(core, &identity, id);
    if (task_find(core, id))
        return;
    struct task *task = task_add(core, id, &identity);
    task_bind(core, task, wanted->definition, true);
    (void)snprintf(record->task_id, sizeof record->task_id, "%s", id);
    free(record->definition_name);
    record->definition_name = memory_strdup(wanted->definition->name);
    change_emit(core, CHANGE_TASK, false, "", id, "", "one-off task %s of %s", wanted->id,
                wanted->definition->name);
}

/* ------------------------------------------------------------------ the end */

static const struct container *first_essential(const struct task *task)
{
    for (size_t i = 0; i < task->container_count; i++)
        if (task->containers[i].essential)
            return &task->containers[i];
    return NULL;
}

/* The document changed what the id means before it ran: it is made again from the new one. */
static bool is_outdated(const struct one_off_record *record, const struct task *task)
{
    return record->state == ONE_OFF_NEW && !task->definition && !task_ever_started(task);
}

static void note_result(struct core *core, struct task *task)
{
    struct one_off_record *record = one_off_get(core, task->one_off);
    if (record->state == ONE_OFF_STOPPED || !task->dead_at || is_outdated(record, task))
        return;
    const struct container *main = first_essential(task);
    record->exit_known = main && main->exit_known;
    record->exit_code = main ? main->exit_code : 0;
    record->stopped_wall = core->wall;
    (void)snprintf(record->reason, sizeof record->reason, "%s", task->stopped_reason);
    if (record->state == ONE_OFF_LOST)
        one_off_move(core, record, ONE_OFF_STARTED);
    one_off_move(core, record, ONE_OFF_STOPPED);
    if (record->exit_known)
        change_emit(core, CHANGE_TASK, record->exit_code != 0, "", task->id, "",
                    "one-off task %s ended with exit code %lld", record->id,
                    (long long)record->exit_code);
    else
        change_emit(core, CHANGE_TASK, true, "", task->id, "", "one-off task %s ended: %s",
                    record->id, record->reason);
}

static void note_lost(struct core *core, struct one_off_record *record)
{
    one_off_move(core, record, ONE_OFF_LOST);
    (void)snprintf(record->reason, sizeof record->reason,
                   "started, but its containers are gone and its result is unknown; it is not "
                   "run again (use another id for that)");
    record->stopped_wall = core->wall;
    change_emit(core, CHANGE_TASK, true, "", record->task_id, "", "one-off task %s is lost: %s",
                record->id, record->reason);
}

/* A lost record is made again from what the containers themselves say, whenever they say it. */
static void note_started(struct core *core, const struct task *task)
{
    struct one_off_record *record = one_off_get(core, task->one_off);
    bool ran_unknown = record->state == ONE_OFF_NEW || record->state == ONE_OFF_LOST;
    if (!ran_unknown || !task_ever_started(task))
        return;
    record->started_wall = task->started_wall ? task->started_wall : core->wall;
    one_off_move(core, record, ONE_OFF_STARTED);
}

/* From labels: the containers themselves say that it was started. */
void one_off_adopt(struct core *core, struct task *task)
{
    struct one_off_record *record = one_off_get(core, task->one_off);
    (void)snprintf(record->task_id, sizeof record->task_id, "%s", task->id);
    if (!record->definition_name)
        record->definition_name = memory_strdup(task->definition_name);
    note_started(core, task);
    if (record->state != ONE_OFF_STOPPED)
        return;
    task->stopped_by_us = true;
    task_stop(core, task, "EssentialContainerExited", "%s",
              *record->reason ? record->reason : "it has run already");
}

static void plan_wanted(struct step *step, const struct one_off *wanted)
{
    struct core *core = step->core;
    struct one_off_record *record = one_off_get(core, wanted->id);
    struct task *task = NULL;
    if (record->task_id[0])
        task = task_find(core, record->task_id);
    if (task)
        return;
    if (record->state == ONE_OFF_NEW)
        create_one_off(core, wanted, record);
    else if (record->state == ONE_OFF_STARTED)
        note_lost(core, record);
}

void plan_one_offs(struct step *step)
{
    struct core *core = step->core;
    for (size_t i = 0; core->desired && i < core->desired->one_off_count; i++)
        plan_wanted(step, &core->desired->one_offs[i]);
    for (struct task *task = core->tasks; task; task = task->next) {
        if (!*task->one_off)
            continue;
        note_started(core, task);
        note_result(core, task);
        if (is_outdated(one_off_get(core, task->one_off), task)) {
            task->stopped_by_us = true;
            task_stop(core, task, "UserInitiated", "one-off task %.200s was changed before it ran",
                      task->one_off);
        }
        if (core->desired && !desired_one_off(core->desired, task->one_off)) {
            task->stopped_by_us = true;
            task_stop(core, task, "UserInitiated", "one-off task %.200s is not in the document",
                      task->one_off);
        }
    }
}
