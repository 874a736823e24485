/* clone.c: a copy of all facts that shares only the document: `plan` tries the future on it. */
#include "inside.h"

static struct deployment *deployment_clone(const struct deployment *deployment)
{
    struct deployment *copy = memory_alloc(sizeof *copy);
    *copy = *deployment;
    copy->definition_name = memory_strdup(deployment->definition_name);
    copy->slots = memory_array(deployment->slot_count, sizeof *copy->slots);
    for (size_t i = 0; i < deployment->slot_count; i++) {
        copy->slots[i] = deployment->slots[i];
        copy->slots[i].keeper = NULL;
    }
    copy->older = deployment->older ? deployment_clone(deployment->older) : NULL;
    return copy;
}

static void clone_services(struct core *copy, const struct core *core)
{
    copy->services = NULL;
    struct service_fact **link = &copy->services;
    for (const struct service_fact *each = core->services; each; each = each->next) {
        struct service_fact *service = memory_alloc(sizeof *service);
        *service = *each;
        service->name = memory_strdup(each->name);
        service->primary = each->primary ? deployment_clone(each->primary) : NULL;
        service->tasks = service->last_task = NULL;
        service->next = NULL;
        *link = service;
        link = &service->next;
    }
}

static void clone_tasks(struct core *copy, const struct core *core)
{
    copy->tasks = copy->last_task = NULL;
    copy->task_index = NULL;
    struct task **link = &copy->tasks;
    for (const struct task *each = core->tasks; each; each = each->next) {
        struct task *task = task_clone(each);
        task->owner = each->owner ? service_find(copy, each->owner->name) : NULL;
        *link = task;
        link = &task->next;
        copy->last_task = task;
    }
    task_index_rebuild(copy);
}

static void clone_images(struct core *copy, const struct core *core)
{
    copy->images = NULL;
    struct image **link = &copy->images;
    for (const struct image *each = core->images; each; each = each->next) {
        struct image *image = memory_alloc(sizeof *image);
        *image = *each;
        image->name = memory_strdup(each->name);
        image->next = NULL;
        *link = image;
        link = &image->next;
    }
}

static void clone_one_offs(struct core *copy, const struct core *core)
{
    copy->one_offs = memory_array(core->one_off_count, sizeof *copy->one_offs);
    for (size_t i = 0; i < core->one_off_count; i++) {
        copy->one_offs[i] = core->one_offs[i];
        copy->one_offs[i].id = memory_strdup(core->one_offs[i].id);
        copy->one_offs[i].definition_name = memory_strdup(core->one_offs[i].definition_name);
    }
}

/* Events and history are not facts that decisions rest on: the copy starts without them. */
struct core *core_clone(const struct core *core)
{
    struct core *copy = memory_alloc(sizeof *copy);
    *copy = *core;
    copy->options.host_id = memory_strdup(core->options.host_id);
    copy->options.cluster = memory_strdup(core->options.cluster);
    copy->desired = core->desired ? desired_ref(core->desired) : NULL;
    memset(copy->changes, 0, sizeof copy->changes);
    memset(copy->stopped, 0, sizeof copy->stopped);
    copy->stopped_count = copy->stopped_next = 0;
    clone_services(copy, core);
    clone_tasks(copy, core);
    clone_images(copy, core);
    clone_one_offs(copy, core);
    return copy;
}
