/* remember.c: what must survive a restart of the agent, out of the facts and back into them. */
#include "inside.h"

void core_remember(struct core *core)
{
    core->memory_version++;
}

static void remember_service(struct memory *memory, const struct service_fact *service)
{
    const struct deployment *deployment = service->primary;
    if (!deployment)
        return;
    memory->services[memory->service_count++] = (struct memory_service){
        .name = arena_strdup(&memory->arena, service->name),
        .generation = deployment->generation,
        .digest_hex = arena_strdup(&memory->arena, deployment->digest_hex),
        .definition_name = arena_strdup(&memory->arena, deployment->definition_name),
        .reason = arena_strdup(&memory->arena, deployment->reason),
        .state = deployment->state,
        .failed_tasks = deployment->failed_tasks,
        .document_revision = deployment->document_revision,
        .completed_once = deployment->completed_once,
        .created_wall = deployment->created_wall,
        .updated_wall = deployment->updated_wall,
    };
}

static void remember_services(struct memory *memory, const struct core *core)
{
    size_t count = 0;
    for (const struct service_fact *each = core->services; each; each = each->next)
        count++;
    memory->services = arena_array(&memory->arena, count, sizeof *memory->services);
    for (const struct service_fact *each = core->services; each; each = each->next)
        remember_service(memory, each);
}

static void remember_one_offs(struct memory *memory, const struct core *core)
{
    memory->one_offs = arena_array(&memory->arena, core->one_off_count, sizeof *memory->one_offs);
    for (size_t i = 0; i < core->one_off_count; i++) {
        const struct one_off_record *record = &core->one_offs[i];
        if (record->state == ONE_OFF_NEW)
            continue; /* nothing has happened yet that is worth keeping */
        struct one_off_record *copy = &memory->one_offs[memory->one_off_count++];
        *copy = *record;
        copy->id = arena_strdup(&memory->arena, record->id);
        copy->definition_name = arena_strdup(&memory->arena, record->definition_name);
    }
}

static void remember_images(struct memory *memory, const struct core *core)
{
    size_t count = 0;
    for (const struct image *image = core->images; image; image = image->next)
        count += image->pulled_once;
    memory->pulled_images = arena_array(&memory->arena, count, sizeof *memory->pulled_images);
    for (const struct image *image = core->images; image; image = image->next)
        if (image->pulled_once)
            memory->pulled_images[memory->pulled_image_count++] =
                arena_strdup(&memory->arena, image->name);
}

struct memory *core_memory(const struct core *core)
{
    struct memory *memory = memory_alloc(sizeof *memory);
    memory->epoch = core->epoch;
    memory->revision = core->revision_floor;
    memory->generation_floor = core->generation_floor;
    remember_services(memory, core);
    remember_one_offs(memory, core);
    remember_images(memory, core);
    return memory;
}

void memory_free(struct memory *memory)
{
    if (!memory)
        return;
    arena_release(&memory->arena);
    free(memory);
}

/* ------------------------------------------------------------------ back into facts */

static void recall_service(struct core *core, const struct memory_service *remembered)
{
    if (remembered->generation < 1)
        return;
    struct service_fact *service = service_get(core, remembered->name);
    struct deployment *deployment = memory_alloc(sizeof *deployment);
    deployment->generation = remembered->generation;
    (void)snprintf(deployment->digest_hex, sizeof deployment->digest_hex, "%s",
                   remembered->digest_hex);
    deployment->definition_name = memory_strdup(remembered->definition_name);
    (void)snprintf(deployment->reason, sizeof deployment->reason, "%s", remembered->reason);
    deployment->state = remembered->state;
    deployment->failed_tasks = remembered->failed_tasks;
    deployment->document_revision = remembered->document_revision;
    deployment->completed_once = remembered->completed_once;
    deployment->created_wall = remembered->created_wall;
    deployment->updated_wall = remembered->updated_wall;
    deployment->created_at = deployment->progress_at = core->now;
    deployment->older = service->primary;
    service->primary = deployment;
    service->highest_generation = remembered->generation;
}

static void recall_one_off(struct core *core, const struct one_off_record *remembered)
{
    struct one_off_record *record = one_off_get(core, remembered->id);
    char *id = record->id;
    free(record->definition_name);
    *record = *remembered;
    record->id = id;
    record->definition_name = memory_strdup(remembered->definition_name);
    record->memory_version = 0;
}

void core_recall(struct core *core, const struct memory *memory)
{
    core->epoch = memory->epoch;
    core->revision_floor = memory->revision;
    core->generation_floor = memory->generation_floor;
    for (size_t i = 0; i < memory->service_count; i++)
        if (!service_find(core, memory->services[i].name))
            recall_service(core, &memory->services[i]);
    for (size_t i = 0; i < memory->one_off_count; i++)
        recall_one_off(core, &memory->one_offs[i]);
    for (size_t i = memory->pulled_image_count; i-- > 0;) /* the newest is the first again */
        image_get(core, memory->pulled_images[i])->pulled_once = true;
}
