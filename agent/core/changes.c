/* changes.c: numbered state changes, and the history of tasks that are gone. */
#include "inside.h"

static const char *const kind_texts[] = {
#define X(name, text) [name] = text,
    CHANGE_KINDS(X)
#undef X
};

const char *change_kind_text(enum change_kind kind)
{
    ASSERT((size_t)kind < COUNT_OF(kind_texts));
    return kind_texts[kind];
}

static void change_release(struct change *change)
{
    free(change->service);
    free(change->task_id);
    free(change->container);
    free(change->text);
    *change = (struct change){ 0 };
}

void changes_clear(struct core *core)
{
    for (size_t i = 0; i < CHANGES_KEPT; i++)
        change_release(&core->changes[i]);
}

void change_emit(struct core *core, enum change_kind kind, bool warning, const char *service,
                 const char *task_id, const char *container, const char *format, ...)
{
    char text[ERR_TEXT_MAX + 128];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);

    struct change *change = &core->changes[++core->change_sequence % CHANGES_KEPT];
    change_release(change);
    *change = (struct change){
        .sequence = core->change_sequence,
        .wall = core->wall,
        .kind = kind,
        .warning = warning,
        .service = memory_strdup(service ? service : ""),
        .task_id = memory_strdup(task_id ? task_id : ""),
        .container = memory_strdup(container ? container : ""),
        .text = memory_strdup(text),
    };
}

const struct change *core_change(const struct core *core, uint64_t sequence)
{
    const struct change *change = &core->changes[sequence % CHANGES_KEPT];
    return sequence > 0 && change->sequence == sequence ? change : NULL;
}

static void stopped_release(struct stopped_task *stopped)
{
    for (size_t i = 0; i < stopped->container_count; i++) {
        struct stopped_container *container = &stopped->containers[i];
        free(container->name);
        free(container->runtime_name);
        free(container->image);
        free(container->image_id);
        free(container->runtime_id);
        free(container->reason);
    }
    free(stopped->containers);
    free(stopped->service);
    free(stopped->one_off);
    free(stopped->definition_name);
    free(stopped->reason);
    *stopped = (struct stopped_task){ 0 };
}

void history_clear(struct core *core)
{
    for (size_t i = 0; i < STOPPED_TASKS_KEPT; i++)
        stopped_release(&core->stopped[i]);
}

static void history_copy_containers(struct stopped_task *stopped, const struct task *task)
{
    stopped->container_count = task->container_count;
    stopped->containers = memory_array(task->container_count, sizeof *stopped->containers);
    for (size_t i = 0; i < task->container_count; i++) {
        const struct container *container = &task->containers[i];
        stopped->containers[i] = (struct stopped_container){
            .name = memory_strdup(container->name),
            .runtime_name = memory_strdup(container->runtime_name),
            .image = memory_strdup(container->image),
            .image_id = memory_strdup(container->image_id),
            .runtime_id = memory_strdup(container->runtime_id),
            .reason = memory_strdup(container->reason),
            .essential = container->essential,
            .exit_known = container->exit_known,
            .oom_killed = container->oom_killed,
            .exit_code = container->exit_code,
            .restart_count = container->restart_count,
            .started_wall = container->started_wall,
            .finished_wall = container->finished_wall,
        };
    }
}

void history_add(struct core *core, const struct task *task)
{
    struct stopped_task *stopped = &core->stopped[core->stopped_next];
    stopped_release(stopped);
    memcpy(stopped->id, task->id, sizeof stopped->id);
    stopped->service = memory_strdup(task->service);
    stopped->one_off = memory_strdup(task->one_off);
    stopped->definition_name = memory_strdup(task->definition_name);
    stopped->generation = task->generation;
    stopped->slot = task->slot;
    stopped->attempt = task->attempt;
    stopped->stop_code = task->stop_code;
    stopped->reason = memory_strdup(task->stopped_reason);
    stopped->created_wall = task->created_wall;
    stopped->started_wall = task->started_wall;
    stopped->stopping_wall = task->stopping_wall;
    stopped->stopped_wall = task->stopped_wall ? task->stopped_wall : core->wall;
    history_copy_containers(stopped, task);
    core->stopped_next = (core->stopped_next + 1) % STOPPED_TASKS_KEPT;
    if (core->stopped_count < STOPPED_TASKS_KEPT)
        core->stopped_count++;
}
