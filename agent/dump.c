/* dump.c: SIGUSR1: every fact that explains what the agent does, to the log. */
#include "agent/agent.h"
#include "berth/log.h"

static void dump_container(const struct task *task, const struct container *container)
{
    log_info("event=dump_container",
             "task=%.12s name=%s state=%s in_flight=%d health=%d restarts=%d exit=%lld wait=%s "
             "detail=%s reason=%s",
             task->id, container->name, container_state_name(container->state),
             container->action != 0, (int)container->health, container->restart_count,
             (long long)(container->exit_known ? container->exit_code : -1),
             LOG_VALUE(wait_reason_text(container->wait.reason)), LOG_VALUE(container->wait.detail),
             LOG_VALUE(container->reason));
}

static void dump_task(const struct core *core, const struct task *task)
{
    log_info("event=dump_task",
             "task=%s group=%s definition=%s generation=%lld slot=%lld attempt=%lld intent=%s "
             "status=%s health=%s wait=%s reason=%s",
             task->id, *task->service ? task->service : task->one_off, task->definition_name,
             (long long)task->generation, (long long)task->slot, (long long)task->attempt,
             task_desired_status(task), task_last_status(core, task),
             task_health_name(task_health(core, task)),
             LOG_VALUE(wait_reason_text(task->wait.reason)), LOG_VALUE(task->stopped_reason));
    for (size_t i = 0; i < task->container_count; i++)
        dump_container(task, &task->containers[i]);
}

static void dump_service(const struct service_fact *service)
{
    const struct deployment *primary = service->primary;
    log_info("event=dump_service",
             "service=%s wanted=%d minimum=%lld maximum=%lld live=%lld running=%lld healthy=%lld "
             "deployment=%lld state=%s reason=%s wait=%s detail=%s",
             service->name, service->wanted != NULL, (long long)service->minimum,
             (long long)service->maximum, (long long)service->live, (long long)service->running,
             (long long)service->healthy, (long long)(primary ? primary->generation : 0),
             primary ? deployment_state_name(primary->state) : "none",
             LOG_VALUE(primary ? primary->reason : ""),
             LOG_VALUE(wait_reason_text(service->wait.reason)), LOG_VALUE(service->wait.detail));
}

void agent_dump(const struct agent *agent)
{
    const struct core *core = agent->core;
    log_info("event=dump",
             "revision=%lld ready=%d runtime_reachable=%d tasks=%zu pulls=%lld starts=%lld "
             "stops=%lld probes=%lld looks=%lld memory_version=%llu saved_version=%llu error=%s",
             (long long)(core->desired ? core->desired->revision : 0), core_ready(core),
             core->runtime_reachable, core->task_count, (long long)core->pulls,
             (long long)core->starts, (long long)core->stops, (long long)core->probes,
             (long long)core->looks, (unsigned long long)core->memory_version,
             (unsigned long long)core->saved_version, LOG_VALUE(core->last_error));
    for (const struct service_fact *service = core->services; service; service = service->next)
        dump_service(service);
    for (const struct task *task = core->tasks; task; task = task->next)
        dump_task(core, task);
}
