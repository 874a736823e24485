/* service.c: one service moved towards its document: count, create, retire, judge. The order is
 * the policy. */
#include "inside.h"

/* ------------------------------------------------------------------ counting */

static void count_tasks(struct core *core, struct service_fact *service)
{
    service->running = service->pending = service->healthy = 0;
    service->live = service->old_live = 0;
    for (const struct task *task = service->tasks; task; task = task->service_next) {
        if (!task_is_live(task))
            continue;
        service->live++;
        service->old_live += is_old_generation(service, task);
        if (task->intent != INTENT_RUN)
            continue;
        bool running = task_is_running(core, task);
        service->running += running;
        service->pending += !running;
        service->healthy += task->last_health == TASK_HEALTHY;
    }
}

static bool is_sick(const struct task *task)
{
    return task->intent == INTENT_RUN && task->last_health == TASK_UNHEALTHY;
}

/* The newest task of a slot that is meant to stay. */
static struct task *slot_keeper(const struct service_fact *service, int64_t slot)
{
    if (!service->primary || (size_t)slot >= service->primary->slot_count)
        return NULL;
    return service->primary->slots[slot].keeper;
}

static void index_slots(struct service_fact *service)
{
    struct deployment *primary = service->primary;
    for (size_t i = 0; i < primary->slot_count; i++)
        primary->slots[i].keeper = NULL;
    for (struct task *task = service->tasks; task; task = task->service_next)
        if (task->generation == primary->generation && task->intent == INTENT_RUN) {
            struct slot *slot = deployment_slot(primary, task->slot);
            if (!slot->keeper || slot->keeper->attempt <= task->attempt)
                slot->keeper = task;
        }
}

/* Who goes first when fewer are wanted: what never ran, what is sick, what is not known to be
 * healthy, and among equals the highest slot. A slot is a name, not a rank: a healthy task in slot
 * 3 stays rather than one in slot 0 that has yet to start. */
static int surplus_order(const struct task *task)
{
    if (!task->running_at)
        return 0;
    if (task->last_health == TASK_UNHEALTHY)
        return 1;
    return task->last_health == TASK_HEALTHY ? 3 : 2;
}

static void find_surplus(struct service_fact *service)
{
    const struct deployment *primary = service->primary;
    int64_t keepers = 0;
    for (size_t i = 0; i < primary->slot_count; i++) {
        if (!primary->slots[i].keeper)
            continue;
        primary->slots[i].keeper->surplus = false;
        keepers++;
    }
    int64_t excess = keepers - service->wanted->desired_count;
    for (int order = 0; order <= 3 && excess > 0; order++) {
        for (size_t i = primary->slot_count; i-- > 0 && excess > 0;) {
            struct task *task = primary->slots[i].keeper;
            if (!task || task->surplus || surplus_order(task) != order)
                continue;
            task->surplus = true;
            excess--;
        }
    }
}

/* ------------------------------------------------------------------ create */

/* Not wanted any more, or never was after all: an adopted one whose stop was under way when the
 * agent went down. */
bool service_has_done_with(const struct service_fact *service, const struct task *task)
{
    if (!service->wanted || is_old_generation(service, task) || task->surplus)
        return true;
    const struct task *keeper = slot_keeper(service, task->slot);
    return keeper && keeper != task;
}

/* maximumPercent is lower now than when it was made, or an earlier life left more behind: what has
 * not begun waits until there is room. */
bool service_holds_back(const struct service_fact *service, const struct task *task)
{
    return service->wanted && service->live > service->maximum && !task->running_at &&
           !task_has_begun(task);
}

static void create_task(struct step *step, struct service_fact *service, int64_t slot_number)
{
    struct core *core = step->core;
    struct deployment *deployment = service->primary;
    struct slot *slot = deployment_slot(deployment, slot_number);
    slot->attempt++;
    slot->last_start = core->now;
    struct task_identity identity = {
        .service = service->name,
        .one_off = "",
        .definition_name = deployment->definition_name,
        .digest_hex = deployment->digest_hex,
        .generation = deployment->generation,
        .slot = slot_number,
        .attempt = slot->attempt,
    };
    char id[TASK_ID_LEN + 1];
    task_id_make(core, &identity, id);
    if (task_find(core, id))
        return; /* its leftovers are still being removed; the next attempt has another id */
    struct task *task = task_add(core, id, &identity);
    task_bind(core, task, service->wanted->definition, true);
    task_bind_probes(task, service->wanted);
    if (service->last_task)
        service->last_task->service_next = task;
    else
        service->tasks = task;
    service->last_task = task;
    slot = deployment_slot(deployment, slot_number);
    slot->keeper = task;
    service->live++;
    service->pending++;
    change_emit(core, CHANGE_TASK, false, service->name, task->id, "",
                "task of %s for slot %lld, attempt %lld", deployment->definition_name,
                (long long)slot_number, (long long)slot->attempt);
}

static bool launches_are_over(const struct service_fact *service)
{
    return service->primary->state == DEPLOYMENT_FAILED && service->old_live > 0;
}

/* Returns true when the slot waits for room under maximumPercent. */
static bool fill_slot(struct step *step, struct service_fact *service, int64_t slot_number)
{
    struct core *core = step->core;
    struct task *keeper = slot_keeper(service, slot_number);
    if (keeper && !is_sick(keeper))
        return service_holds_back(service, keeper);
    if (keeper && !keeper->counted) {
        keeper->blame = BLAME_IMAGE;
        (void)snprintf(keeper->stopped_reason, sizeof keeper->stopped_reason,
                       "task %.12s failed its health checks", keeper->id);
        deployment_count_death(core, keeper);
    }
    if (launches_are_over(service)) {
        wait_set(&service->wait, core, WAIT_FAILED, "%s", "");
        return false;
    }
    struct slot *slot = deployment_slot(service->primary, slot_number);
    if (core->now < slot->not_before) {
        step_wake(step, slot->not_before);
        wait_set(&service->wait, core, WAIT_BACKOFF, "slot %lld, %d death%s in a row",
                 (long long)slot_number, slot->deaths, slot->deaths == 1 ? "" : "s");
        return false;
    }
    if (service->live >= service->maximum)
        return true;
    if (core->task_count < TASKS_MAX)
        create_task(step, service, slot_number);
    return false;
}

/* Replacements for the sick, and tasks for as many empty slots as are wanting. Returns how many
 * found no room. */
static int64_t fill_slots(struct step *step, struct service_fact *service)
{
    int64_t without_room = 0, wanting = service->wanted->desired_count;
    int64_t slots = wanting;
    if ((int64_t)service->primary->slot_count > slots)
        slots = (int64_t)service->primary->slot_count;
    for (int64_t slot = 0; slot < slots; slot++) {
        const struct task *keeper = slot_keeper(service, slot);
        wanting -= keeper && !keeper->surplus;
    }
    for (int64_t slot = 0; slot < slots; slot++) {
        const struct task *keeper = slot_keeper(service, slot);
        if (keeper ? keeper->surplus : wanting <= 0)
            continue;
        wanting -= !keeper;
        without_room += fill_slot(step, service, slot);
    }
    return without_room;
}

/* ------------------------------------------------------------------ retire */

static void retire(struct step *step, struct service_fact *service, struct task *task,
                   const char *why)
{
    if (task->last_health == TASK_HEALTHY)
        service->healthy--;
    if (task_is_running(step->core, task))
        service->running--;
    else
        service->pending--;
    task->stopped_by_us = !is_sick(task);
    task_stop(step->core, task, "ServiceSchedulerInitiated", "%s", why);
}

static const char *retire_reason(const struct service_fact *service, const struct task *task)
{
    if (is_old_generation(service, task))
        return service->stop_first ? "replaced by a newer deployment, stop first: its host port "
                                     "is fixed"
                                   : "replaced by a newer deployment";
    if (task->surplus)
        return "desiredCount is lower now";
    return is_sick(task) ? "failed its health checks" : "its replacement is healthy";
}

bool service_may_part_with(const struct service_fact *service, const struct task *task)
{
    if (task->intent == INTENT_STOP)
        return false;
    return is_old_generation(service, task) || task->surplus || is_sick(task) ||
           slot_keeper(service, task->slot) != task;
}

static bool has_replacement_under_way(const struct service_fact *service, const struct task *task)
{
    const struct task *keeper = slot_keeper(service, task->slot);
    return keeper && keeper != task && !is_sick(keeper);
}

/* One of the newest generation is on its way up or down. */
static bool change_under_way(const struct service_fact *service)
{
    for (const struct task *task = service->tasks; task; task = task->service_next) {
        if (is_old_generation(service, task) || !task_is_live(task))
            continue;
        if (task->intent == INTENT_STOP || task->last_health == TASK_HEALTH_UNKNOWN)
            return true;
    }
    return false;
}

/* A sick task of the newest generation: its replacement first where maximumPercent has room;
 * without room one at a time. */
static enum wait_reason may_retire_sick(struct step *step, const struct service_fact *service,
                                        const struct task *task)
{
    const struct task *keeper = slot_keeper(service, task->slot);
    if (has_replacement_under_way(service, task))
        return keeper->last_health == TASK_HEALTHY ? WAIT_NONE : WAIT_REPLACEMENT;
    if (service->primary->state == DEPLOYMENT_FAILED && service->old_live > 0)
        return WAIT_NONE;
    if (service->live < service->maximum)
        return WAIT_REPLACEMENT; /* its backoff runs; then the replacement comes first */
    if (change_under_way(service))
        return WAIT_REPLACEMENT;
    return may_retire(step, service, task, true);
}

static void retire_pass(struct step *step, struct service_fact *service, bool healthy_ones,
                        int64_t *room_needed)
{
    for (struct task *task = service->tasks; task; task = task->service_next) {
        if (!service_may_part_with(service, task) ||
            (task->last_health == TASK_HEALTHY) != healthy_ones)
            continue;
        bool sick_here = is_sick(task) && !is_old_generation(service, task) && !task->surplus;
        enum wait_reason reason = sick_here ? may_retire_sick(step, service, task)
                                            : may_retire(step, service, task, *room_needed > 0);
        if (reason != WAIT_NONE) {
            char cause[160] = "";
            if (is_sick(task))
                task_unhealthy_cause(task, cause, sizeof cause);
            wait_set(&task->wait, step->core, reason, "%s", cause);
            if (service->wait.reason == WAIT_NONE || service->wait.reason == WAIT_MAXIMUM)
                wait_set(&service->wait, step->core,
                         reason == WAIT_MINIMUM && service->minimum >= service->maximum
                             ? WAIT_STALLED
                             : reason,
                         "%s", cause);
            continue;
        }
        retire(step, service, task, retire_reason(service, task));
        if (*room_needed > 0)
            (*room_needed)--;
    }
}

/* Those that serve nobody go first. */
static void retire_tasks(struct step *step, struct service_fact *service, int64_t room_needed)
{
    retire_pass(step, service, false, &room_needed);
    retire_pass(step, service, true, &room_needed);
}

/* ------------------------------------------------------------------ one service */

static void ensure_deployment(struct core *core, struct service_fact *service)
{
    char wanted[DIGEST_HEX_LEN + 1];
    digest_hex(&service->wanted->digest, wanted);
    if (service->primary && str_equal(service->primary->digest_hex, wanted))
        return;
    deployment_begin(core, service, false);
    service_find_fixed_port(service);
    if (service->stop_first && service->tasks)
        change_emit(core, CHANGE_DEPLOYMENT, false, service->name, "", "",
                    "stop-first replacement: %s", service->stop_first_reason);
}

/* Nothing holds the service itself up: what its tasks wait for is the reason. */
static void blame_newest_task(const struct core *core, struct service_fact *service,
                              const struct wait *before)
{
    service->wait = (struct wait){ .reason = WAIT_HEALTH };
    for (const struct task *task = service->tasks; task; task = task->service_next) {
        for (size_t i = 0; task->intent == INTENT_RUN && i < task->container_count; i++) {
            const struct wait *wait = &task->containers[i].wait;
            if (wait->reason != WAIT_NONE && wait->reason != WAIT_DEPENDENCY)
                service->wait = *wait;
        }
    }
    service->wait.since = before->reason == service->wait.reason ? before->since : core->now;
}

static void plan_service(struct step *step, struct service_fact *service)
{
    struct core *core = step->core;
    service_find_fixed_port(service);
    service_find_bounds(service);
    count_tasks(core, service);
    struct wait before = service->wait;
    if (!service_is_possible(core, service))
        return;
    ensure_deployment(core, service);
    deployments_drop_finished(service);
    index_slots(service);
    find_surplus(service);
    count_tasks(core, service);
    service->wait.reason = WAIT_NONE;
    bool goes_out =
        service->primary->state == DEPLOYMENT_IN_PROGRESS && service->wanted->desired_count > 0;
    service->images_ready = !goes_out || deployment_images_ready(step, service);
    int64_t room_needed = fill_slots(step, service);
    if (room_needed > 0 && service->wait.reason == WAIT_NONE)
        wait_set(&service->wait, core, WAIT_MAXIMUM, "%s", "");
    retire_tasks(step, service, room_needed);
    if (service->wait.reason == before.reason)
        service->wait.since = before.since;
    bool carries_on = service->healthy >= service->wanted->desired_count &&
                      service->primary->state == DEPLOYMENT_COMPLETED;
    if (service->wait.reason == WAIT_NONE && !carries_on)
        blame_newest_task(core, service, &before);
    judge_deployment(step, service);
    judge_service(step, service);
}

static bool retire_removed(struct step *step, struct service_fact *service)
{
    for (struct task *task = service->tasks; task; task = task->service_next) {
        task->stopped_by_us = true;
        task_stop(step->core, task, "ServiceSchedulerInitiated",
                  "service %.200s is not in the document", service->name);
    }
    return service->tasks == NULL;
}

void plan_removed_services(struct step *step)
{
    struct core *core = step->core;
    struct service_fact **link = &core->services;
    while (*link) {
        struct service_fact *service = *link;
        if (service->wanted || !retire_removed(step, service)) {
            link = &service->next;
            continue;
        }
        *link = service->next;
        if (service->highest_generation > core->generation_floor)
            core->generation_floor = service->highest_generation;
        change_emit(core, CHANGE_SERVICE, false, service->name, "", "", "%s",
                    "removed: it is not in the document");
        service_free(service);
        core_remember(core);
    }
}

void plan_services(struct step *step)
{
    for (struct service_fact *service = step->core->services; service; service = service->next)
        if (service->wanted)
            plan_service(step, service);
}
