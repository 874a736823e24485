/* judge.c: is a deployment complete, does it get on, has it failed; is a service well. */
#include "inside.h"

#define STALL_SAID_AFTER SECONDS(30)
#define UNWELL_SAID_EVERY MINUTES(5)

static bool is_steady(const struct service_fact *service)
{
    int64_t good = 0;
    for (const struct task *task = service->tasks; task; task = task->service_next) {
        if (!task_is_live(task))
            continue;
        if (service_may_part_with(service, task) || task->intent == INTENT_STOP)
            return false;
        good += task->last_health == TASK_HEALTHY;
    }
    return good == service->wanted->desired_count;
}

static bool image_is_coming(const struct core *core, const struct service_fact *service)
{
    const struct task_definition *definition = service->wanted->definition;
    for (size_t i = 0; i < definition->container_count; i++) {
        const struct image *image = image_find(core, definition->containers[i].image);
        if (image && image->action && image->attempts == 0)
            return true;
    }
    return false;
}

static void judge_progress(struct step *step, struct service_fact *service)
{
    struct core *core = step->core;
    struct deployment *deployment = service->primary;
    if (image_is_coming(core, service) || !core->runtime_reachable)
        deployment->progress_at = core->now; /* those have deadlines of their own */
    msec deadline = deployment->progress_at + core->options.progress_deadline_ms;
    if (core->now < deadline) {
        step_wake(step, deadline);
        return;
    }
    const struct wait *wait = &service->wait;
    char cause[REASON_MAX];
    if (str_starts(deployment->reason, "in progress; last: "))
        (void)snprintf(cause, sizeof cause, "%.180s",
                       deployment->reason + strlen("in progress; last: "));
    else
        (void)snprintf(cause, sizeof cause, "%s%s%.120s", wait_reason_text(wait->reason),
                       wait->detail[0] ? ": " : "", wait->detail);
    deployment_move(core, service, deployment, DEPLOYMENT_FAILED,
                    "no progress for %lld s; last: %.200s",
                    (long long)(core->options.progress_deadline_ms / 1000), cause);
}

void judge_deployment(struct step *step, struct service_fact *service)
{
    struct core *core = step->core;
    struct deployment *deployment = service->primary;
    if (deployment->state == DEPLOYMENT_COMPLETED)
        return;
    if (is_steady(service)) {
        if (!service_is_confirmed(step, service, NULL))
            return;
        deployment_move(core, service, deployment, DEPLOYMENT_COMPLETED, "%s",
                        deployment->state == DEPLOYMENT_FAILED ? "recovered after its deadline"
                                                               : "all tasks became healthy");
        return;
    }
    if (deployment->state == DEPLOYMENT_IN_PROGRESS)
        judge_progress(step, service);
}

/* A service with no deployment under way that is not what it should be says so, with the cause. */
void judge_service(struct step *step, struct service_fact *service)
{
    struct core *core = step->core;
    bool well = service->healthy >= service->wanted->desired_count;
    if (well) {
        if (service->warned_at)
            change_emit(core, CHANGE_SERVICE, false, service->name, "", "",
                        "healthy again: %lld of %lld tasks", (long long)service->healthy,
                        (long long)service->wanted->desired_count);
        service->warned_at = service->unwell_since = 0;
        if (service->primary->state == DEPLOYMENT_COMPLETED)
            wait_clear(&service->wait); /* else it is well, and not yet where it should be */
        return;
    }
    if (service->primary->state == DEPLOYMENT_IN_PROGRESS || service->unwell_since == 0) {
        service->unwell_since = core->now;
        return;
    }
    msec due = service->warned_at ? service->warned_at + UNWELL_SAID_EVERY
                                  : service->unwell_since + STALL_SAID_AFTER;
    if (core->now < due) {
        step_wake(step, due);
        return;
    }
    service->warned_at = core->now;
    change_emit(core, CHANGE_SERVICE, true, service->name, "", "",
                "%lld of %lld tasks are healthy: %s%s%s", (long long)service->healthy,
                (long long)service->wanted->desired_count, wait_reason_text(service->wait.reason),
                *service->wait.detail ? ": " : "", service->wait.detail);
}
