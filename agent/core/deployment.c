/* deployment.c: one digest of one service going out: its machine, its slots and their backoff. */
#include "inside.h"

static const char *const state_names[] = {
    [DEPLOYMENT_IN_PROGRESS] = "IN_PROGRESS",
    [DEPLOYMENT_COMPLETED] = "COMPLETED",
    [DEPLOYMENT_FAILED] = "FAILED",
};

const char *deployment_state_name(enum deployment_state state)
{
    ASSERT((size_t)state < COUNT_OF(state_names));
    return state_names[state];
}

#define TO(state) (1u << DEPLOYMENT_##state)

/* FAILED -> COMPLETED: with nothing older to keep the service alive, the agent goes on trying. */
static const unsigned legal_moves[] = {
    [DEPLOYMENT_IN_PROGRESS] = TO(COMPLETED) | TO(FAILED),
    [DEPLOYMENT_COMPLETED] = 0,
    [DEPLOYMENT_FAILED] = TO(COMPLETED),
};

void deployment_move(struct core *core, struct service_fact *service, struct deployment *deployment,
                     enum deployment_state to, const char *format, ...)
{
    ASSERT((legal_moves[deployment->state] & (1u << to)) != 0);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(deployment->reason, sizeof deployment->reason, format, args);
    va_end(args);
    deployment->state = to;
    deployment->updated_wall = core->wall;
    deployment->completed_once = deployment->completed_once || to == DEPLOYMENT_COMPLETED;
    core_remember(core);
    change_emit(core, CHANGE_DEPLOYMENT, to == DEPLOYMENT_FAILED, service->name, "", "",
                "deployment %lld of %s is %s: %s", (long long)deployment->generation,
                deployment->definition_name, deployment_state_name(to), deployment->reason);
}

/* ------------------------------------------------------------------ services as facts */

struct service_fact *service_find(const struct core *core, const char *name)
{
    for (struct service_fact *service = core->services; service; service = service->next)
        if (str_equal(service->name, name))
            return service;
    return NULL;
}

struct service_fact *service_get(struct core *core, const char *name)
{
    struct service_fact *service = service_find(core, name);
    if (service)
        return service;
    service = memory_alloc(sizeof *service);
    service->name = memory_strdup(name);
    service->highest_generation = core->generation_floor;
    struct service_fact **link = &core->services;
    while (*link)
        link = &(*link)->next;
    *link = service;
    return service;
}

void deployment_free(struct deployment *deployment)
{
    free(deployment->definition_name);
    free(deployment->slots);
    free(deployment);
}

void service_free(struct service_fact *service)
{
    while (service->primary) {
        struct deployment *deployment = service->primary;
        service->primary = deployment->older;
        deployment_free(deployment);
    }
    free(service->name);
    free(service);
}

struct deployment *deployment_find(const struct service_fact *service, int64_t generation)
{
    for (struct deployment *each = service->primary; each; each = each->older)
        if (each->generation == generation)
            return each;
    return NULL;
}

/* Newest first. */
static void deployment_insert(struct service_fact *service, struct deployment *deployment)
{
    struct deployment **link = &service->primary;
    while (*link && (*link)->generation > deployment->generation)
        link = &(*link)->older;
    deployment->older = *link;
    *link = deployment;
    if (deployment->generation > service->highest_generation)
        service->highest_generation = deployment->generation;
}

/* A generation is monotonic per service: going A, B, A again, or restarting A, is a new
 * generation of an old digest. */
struct deployment *deployment_begin(struct core *core, struct service_fact *service, bool restart)
{
    struct deployment *deployment = memory_alloc(sizeof *deployment);
    deployment->generation = service->highest_generation + 1;
    digest_hex(&service->wanted->digest, deployment->digest_hex);
    deployment->definition_name = memory_strdup(service->wanted->definition->name);
    deployment->document_revision = core->desired->revision;
    deployment->created_wall = deployment->updated_wall = core->wall;
    deployment->created_at = deployment->progress_at = core->now;
    deployment->fresh = restart || !core->stored_only;
    (void)snprintf(deployment->reason, sizeof deployment->reason, "%s",
                   restart ? "restart asked for" : "in progress");
    deployment_insert(service, deployment);
    core_remember(core);
    deployment->memory_version = core->memory_version;
    change_emit(core, CHANGE_DEPLOYMENT, false, service->name, "", "",
                "deployment %lld of %s begins (document revision %lld%s)",
                (long long)deployment->generation, deployment->definition_name,
                (long long)core->desired->revision, restart ? ", restart" : "");
    return deployment;
}

/* From the labels of a running task, where memory has been lost. Whether it ever completed is
 * not known; it completes (again) when its tasks are healthy. */
struct deployment *deployment_adopt(struct core *core, struct service_fact *service,
                                    const struct task *task)
{
    struct deployment *deployment = memory_alloc(sizeof *deployment);
    deployment->generation = task->generation;
    (void)snprintf(deployment->digest_hex, sizeof deployment->digest_hex, "%s", task->digest_hex);
    deployment->definition_name = memory_strdup(task->definition_name);
    deployment->created_wall = deployment->updated_wall = core->wall;
    deployment->created_at = deployment->progress_at = core->now;
    (void)snprintf(deployment->reason, sizeof deployment->reason, "%s",
                   "found running, adopted from its labels");
    deployment_insert(service, deployment);
    return deployment;
}

/* ------------------------------------------------------------------ slots and backoff */

struct slot *deployment_slot(struct deployment *deployment, int64_t slot)
{
    ASSERT(slot >= 0 && slot < DESIRED_COUNT_MAX);
    size_t needed = (size_t)slot + 1;
    if (needed > deployment->slot_count) {
        deployment->slots = memory_grow(deployment->slots, needed, sizeof *deployment->slots);
        memset(deployment->slots + deployment->slot_count, 0,
               (needed - deployment->slot_count) * sizeof *deployment->slots);
        deployment->slot_count = needed;
    }
    return &deployment->slots[slot];
}

static void slot_back_off(struct core *core, struct slot *slot, msec ran)
{
    const struct core_options *options = &core->options;
    if (ran >= options->backoff_reset_ms)
        slot->deaths = slot->level = 0;
    slot->deaths++;
    if (slot->deaths == 1 && ran >= options->quick_death_ms) {
        slot->not_before = core->now;
        return;
    }
    msec delay = options->backoff_base_ms;
    for (int i = 0; i < slot->level && delay < options->backoff_max_ms; i++)
        delay *= 2;
    slot->level++;
    if (delay > options->backoff_max_ms)
        delay = options->backoff_max_ms;
    slot->not_before = core->now + prng_jitter(&core->prng, delay, 25);
}

static void count_failure(struct core *core, struct service_fact *service,
                          struct deployment *deployment, const struct task *task)
{
    if (task->blame != BLAME_IMAGE)
        return;
    deployment->failed_tasks++;
    deployment->updated_wall = core->wall;
    core_remember(core);
    if (deployment->state == DEPLOYMENT_IN_PROGRESS)
        (void)snprintf(deployment->reason, sizeof deployment->reason, "in progress; last: %.200s",
                       task->stopped_reason);
    (void)service;
}

/* Called once when a task is over and once when it is found sick, whichever comes first. What the
 * agent or an operator stopped is no failure; nor is what an outage of the runtime took. */
void deployment_count_death(struct core *core, struct task *task)
{
    struct service_fact *service = task->owner;
    struct deployment *deployment = service ? deployment_find(service, task->generation) : NULL;
    if (!deployment || task->counted)
        return;
    task->counted = true;
    deployment->progress_at =
        task->stopped_by_us ? core->now : deployment->progress_at; /* an old one is gone */
    bool ours = task->stopped_by_us || (task->blame == BLAME_NOBODY && task->lost_in_outage);
    if (ours)
        return;
    msec end = task->dead_at ? task->dead_at : core->now;
    slot_back_off(core, deployment_slot(deployment, task->slot),
                  task->running_at ? end - task->running_at : 0);
    count_failure(core, service, deployment, task);
}

/* ------------------------------------------------------------------ images first */

/* Everything the new generation runs is local before anything old stops. */
bool deployment_images_ready(struct step *step, struct service_fact *service)
{
    const struct task_definition *definition = service->wanted->definition;
    const struct deployment *deployment = service->primary;
    bool ready = true;
    for (size_t i = 0; i < definition->container_count; i++) {
        struct image_wish wish = { .confirmed_since = deployment->created_at,
                                   .asked_since = MSEC_NEVER,
                                   .fresh = deployment->fresh };
        enum image_verdict verdict =
            image_need(step, definition->containers[i].image, &wish, service->name, &service->wait);
        ready = ready && verdict == IMAGE_READY;
    }
    return ready;
}

/* ------------------------------------------------------------------ the end of old ones */

static bool has_tasks(const struct service_fact *service, int64_t generation)
{
    for (const struct task *task = service->tasks; task; task = task->service_next)
        if (task->generation == generation && !task->dead_at)
            return true; /* one that is only kept for its logs does not count */
    return false;
}

void deployments_drop_finished(struct service_fact *service)
{
    struct deployment **link = service->primary ? &service->primary->older : NULL;
    while (link && *link) {
        struct deployment *old = *link;
        if (has_tasks(service, old->generation)) {
            link = &old->older;
            continue;
        }
        *link = old->older;
        deployment_free(old);
    }
}
