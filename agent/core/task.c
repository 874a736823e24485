/* task.c: tasks as facts: who they are, how they are made, adopted, bound to a definition, and
 * what can be derived from their containers. */
#include "berth/digest.h"
#include "berth/render.h"
#include "inside.h"

#define INDEX_SIZE_MIN 64
#define STOP_TIMEOUT_LABEL_MAX 86400

/* ------------------------------------------------------------------ index by id */

static uint64_t hash_of(const char *text)
{
    uint64_t hash = 1469598103934665603u;
    for (const char *c = text; *c; c++)
        hash = (hash ^ (uint8_t)*c) * 1099511628211u;
    return hash;
}

static size_t index_place(const struct core *core, const char *id)
{
    return (size_t)(hash_of(id) & (core->task_index_size - 1));
}

static void index_insert(struct core *core, struct task *task)
{
    size_t place = index_place(core, task->id);
    while (core->task_index[place])
        place = (place + 1) & (core->task_index_size - 1);
    core->task_index[place] = task;
}

/* Open addressing without tombstones: removals are rare, and rebuilding is linear. */
void task_index_rebuild(struct core *core)
{
    size_t size = INDEX_SIZE_MIN;
    while (size < core->task_count * 2 + 2)
        size *= 2;
    free(core->task_index);
    core->task_index = memory_array(size, sizeof *core->task_index);
    core->task_index_size = size;
    for (struct task *task = core->tasks; task; task = task->next)
        index_insert(core, task);
}

struct task *task_find(const struct core *core, const char *id)
{
    size_t place = index_place(core, id);
    while (core->task_index[place]) {
        if (str_equal(core->task_index[place]->id, id))
            return core->task_index[place];
        place = (place + 1) & (core->task_index_size - 1);
    }
    return NULL;
}

/* ------------------------------------------------------------------ identity */

/* A restarted agent and a repeated call must speak of the same task, and no two hosts may ever
 * share an id. A one-off task is known by its id alone: it is the same task after a lost store. */
void task_id_make(const struct core *core, const struct task_identity *identity,
                  char ret[TASK_ID_LEN + 1])
{
    struct str text;
    str_init(&text, 4096);
    if (*identity->one_off)
        str_addf(&text, "%s\n%s\none-off\n%s", core->options.cluster, core->options.host_id,
                 identity->one_off);
    else
        str_addf(&text, "%s\n%s\n%s\n%lld\n%lld\n%lld\n%llu", core->options.cluster,
                 core->options.host_id, identity->service, (long long)identity->generation,
                 (long long)identity->slot, (long long)identity->attempt,
                 (unsigned long long)core->epoch);
    struct digest digest;
    char hex[DIGEST_HEX_LEN + 1];
    digest_of(str_text(&text), text.len, &digest);
    digest_hex(&digest, hex);
    memcpy(ret, hex, TASK_ID_LEN);
    ret[TASK_ID_LEN] = '\0';
    str_release(&text);
}

struct task *task_add(struct core *core, const char *id, const struct task_identity *identity)
{
    ASSERT(!task_find(core, id));
    struct task *task = memory_alloc(sizeof *task);
    (void)snprintf(task->id, sizeof task->id, "%s", id);
    task->service = arena_strdup(&task->arena, identity->service);
    task->owner = *identity->service ? service_get(core, identity->service) : NULL;
    task->one_off = arena_strdup(&task->arena, identity->one_off);
    task->definition_name = arena_strdup(&task->arena, identity->definition_name);
    (void)snprintf(task->digest_hex, sizeof task->digest_hex, "%s", identity->digest_hex);
    task->generation = identity->generation;
    task->slot = identity->slot;
    task->attempt = identity->attempt;
    task->created_at = core->now;
    task->created_wall = core->wall;
    if (core->last_task)
        core->last_task->next = task;
    else
        core->tasks = task;
    core->last_task = task;
    core->task_count++;
    if (core->task_count * 2 > core->task_index_size)
        task_index_rebuild(core);
    else
        index_insert(core, task);
    return task;
}

void task_free(struct task *task)
{
    for (size_t i = 0; i < task->container_count; i++)
        free(task->containers[i].ports);
    arena_release(&task->arena);
    free(task);
}

void task_drop(struct core *core, struct task *task)
{
    struct task **link = &core->tasks, *before = NULL;
    while (*link != task) {
        before = *link;
        link = &(*link)->next;
    }
    *link = task->next;
    if (core->last_task == task)
        core->last_task = before;
    core->task_count--;
    for (size_t i = 0; i < task->container_count; i++)
        core->dropped[core->dropped_next++ % DROPPED_NAMES_KEPT] =
            (uint32_t)hash_of(task->containers[i].runtime_name);
    core->dropped_before = core->next_action;
    history_add(core, task);
    task_free(task);
    task_index_rebuild(core);
}

/* ------------------------------------------------------------------ containers of a task */

struct container *task_container(const struct task *task, const char *name)
{
    for (size_t i = 0; i < task->container_count; i++)
        if (str_equal(task->containers[i].name, name))
            return &task->containers[i];
    return NULL;
}

struct container *container_by_runtime_name(const struct core *core, const char *name,
                                            struct task **ret_task)
{
    for (struct task *task = core->tasks; task; task = task->next) {
        for (size_t i = 0; i < task->container_count; i++) {
            struct container *container = &task->containers[i];
            if (!str_equal(container->runtime_name, name) &&
                !str_equal(container->runtime_id, name))
                continue;
            *ret_task = task;
            return container;
        }
    }
    return NULL;
}

bool name_was_dropped(const struct core *core, const char *runtime_name)
{
    uint32_t hash = (uint32_t)hash_of(runtime_name);
    for (size_t i = 0; i < DROPPED_NAMES_KEPT; i++)
        if (core->dropped[i] == hash)
            return true;
    return false;
}

static struct container *task_grow(struct task *task, const char *name)
{
    struct container *grown = arena_array(&task->arena, task->container_count + 1, sizeof *grown);
    if (task->container_count)
        memcpy(grown, task->containers, task->container_count * sizeof *grown);
    task->containers = grown;
    struct container *container = &grown[task->container_count++];
    char runtime_name[128];
    const char *group = *task->service ? task->service : task->one_off;
    render_container_name(group, name, task->id, runtime_name);
    container->name = arena_strdup(&task->arena, name);
    container->runtime_name = arena_strdup(&task->arena, runtime_name);
    container->image = "";
    container->essential = true;
    container->health = HEALTH_NONE;
    return container;
}

static void container_bind(struct core *core, struct task *task, struct container *container,
                           const struct container_definition *definition)
{
    container->definition = definition;
    container->essential = definition->essential;
    if (!str_equal(container->image, definition->image))
        container->image = arena_strdup(&task->arena, definition->image);
    container->start_timeout_ms = SECONDS(definition->start_timeout_s);
    container->stop_timeout_ms = definition->stop_timeout_s >= 0
                                     ? SECONDS(definition->stop_timeout_s)
                                     : core->options.stop_timeout_ms;
    if (container->depends_on_count == definition->depends_on_count)
        return; /* an equal digest means equal dependencies */
    struct dependency *copies =
        arena_array(&task->arena, definition->depends_on_count, sizeof *copies);
    for (size_t i = 0; i < definition->depends_on_count; i++) {
        copies[i] = definition->depends_on[i];
        copies[i].container_name = arena_strdup(&task->arena, copies[i].container_name);
    }
    container->depends_on = copies;
    container->depends_on_count = definition->depends_on_count;
}

/* Its part is done: whatever depends on it has been started. */
static bool has_served(const struct task *task, const struct task_definition *definition, size_t at)
{
    for (size_t i = 0; i < definition->container_count; i++) {
        const struct container_definition *other = &definition->containers[i];
        const struct container *there = task_container(task, other->name);
        for (size_t k = 0; there && there->ever_started && k < other->depends_on_count; k++)
            if (other->depends_on[k].container == at)
                return true;
    }
    return false;
}

/* The definition lives in the document in effect; every other string of a task is its own, so
 * that a document can go while its tasks still stop in order. */
void task_bind(struct core *core, struct task *task, const struct task_definition *definition,
               bool create_missing)
{
    task->definition = definition;
    for (size_t i = 0; i < definition->container_count; i++) {
        const struct container_definition *wanted = &definition->containers[i];
        struct container *container = task_container(task, wanted->name);
        if (!container && (!create_missing || has_served(task, definition, i)))
            continue;
        if (!container)
            container = task_grow(task, wanted->name);
        container_bind(core, task, container, wanted);
    }
}

void task_unbind(struct task *task)
{
    task->definition = NULL;
    for (size_t i = 0; i < task->container_count; i++)
        task->containers[i].definition = NULL;
}

static void probe_bind(struct task *task, struct probe_fact *fact, const struct publish *publish,
                       const struct task_definition *definition)
{
    const char *name = definition->containers[publish->container].name;
    bool same_path = fact->definition.path && publish->probe.path &&
                     str_equal(fact->definition.path, publish->probe.path);
    const char *kept = fact->definition.path;
    fact->definition = publish->probe;
    fact->definition.path = same_path ? kept : arena_strdup(&task->arena, publish->probe.path);
    if (!fact->container_name)
        fact->container_name = arena_strdup(&task->arena, name);
    fact->container_port = publish->container_port;
    fact->protocol = publish->protocol;
    fact->host_port = publish->host_port;
}

/* Probes outlive the document that asked for them: an old task is probed until it stops. */
void task_bind_probes(struct task *task, const struct service *service)
{
    if (task->probe_count != service->publish_count) {
        task->probes = arena_array(&task->arena, service->publish_count, sizeof *task->probes);
        task->probe_count = service->publish_count;
    }
    for (size_t i = 0; i < task->probe_count; i++)
        probe_bind(task, &task->probes[i], &service->publish[i], service->definition);
}

/* "db:HEALTHY,cache:START", as the label holds it. */
static void parse_depends_on(struct task *task, struct container *container, const char *label)
{
    size_t count = *label ? 1 : 0;
    for (const char *c = label; *c; c++)
        count += *c == ',';
    struct dependency *list = arena_array(&task->arena, count, sizeof *list);
    size_t used = 0;
    while (*label && used < count) {
        const char *end = strchrnul(label, ',');
        const char *colon = memrchr(label, ':', (size_t)(end - label));
        if (colon) {
            const char *word = arena_strndup(&task->arena, colon + 1, (size_t)(end - colon - 1));
            list[used].container_name = arena_strndup(&task->arena, label, (size_t)(colon - label));
            if (depends_condition_parse(word, &list[used].condition) == 0)
                used++;
        }
        label = *end ? end + 1 : end;
    }
    container->depends_on = list;
    container->depends_on_count = used;
}

void task_adopt_container(struct core *core, struct task *task,
                          const struct observed_container *seen)
{
    struct container *container = task_grow(task, seen->container_name);
    container->runtime_name = arena_strdup(&task->arena, seen->name);
    container->image = arena_strdup(&task->arena, seen->image);
    container->essential = seen->essential;
    container->stop_timeout_ms =
        seen->stop_timeout_s >= 0 && seen->stop_timeout_s <= STOP_TIMEOUT_LABEL_MAX
            ? SECONDS(seen->stop_timeout_s)
            : core->options.stop_timeout_ms;
    parse_depends_on(task, container, seen->depends_on);
}

/* ------------------------------------------------------------------ what follows from them */

bool task_is_over(const struct core *core, const struct task *task)
{
    for (size_t i = 0; i < task->container_count; i++)
        if (!container_is_over(core, &task->containers[i]))
            return false;
    return true;
}

static bool container_may_live(const struct container *container)
{
    switch (container->state) {
    case CONTAINER_CREATING:
    case CONTAINER_STARTING:
    case CONTAINER_RUNNING:
    case CONTAINER_STOPPING:
    case CONTAINER_UNKNOWN:
        return true;
    case CONTAINER_NONE:
    case CONTAINER_PULLING:
    case CONTAINER_CREATED:
    case CONTAINER_STOPPED:
    case CONTAINER_REMOVING:
    case CONTAINER_GONE:
        return false;
    }
    return true;
}

bool task_has_begun(const struct task *task)
{
    for (size_t i = 0; i < task->container_count; i++)
        if (container_may_live(&task->containers[i]))
            return true;
    return false;
}

bool task_is_live(const struct task *task)
{
    return task->intent == INTENT_RUN || task_has_begun(task);
}

/* Every container is where it is meant to be: essential ones run; the others ran at least once,
 * or will never run (which is their own affair). */
bool task_is_running(const struct core *core, const struct task *task)
{
    if (task->intent != INTENT_RUN)
        return false;
    for (size_t i = 0; i < task->container_count; i++) {
        const struct container *container = &task->containers[i];
        bool there = container->state == CONTAINER_RUNNING;
        if (container->essential && !there)
            return false;
        if (!there && !container->ever_started && !container_is_over(core, container))
            return false;
    }
    return task->container_count > 0;
}

bool task_ever_started(const struct task *task)
{
    for (size_t i = 0; i < task->container_count; i++)
        if (task->containers[i].ever_started)
            return true;
    return false;
}

static bool wants_port(const struct task *task, int64_t port, enum protocol protocol)
{
    for (size_t i = 0; i < task->probe_count; i++)
        if (task->probes[i].host_port == port && task->probes[i].protocol == protocol)
            return true;
    if (!task->definition)
        return false;
    for (size_t i = 0; i < task->definition->container_count; i++) {
        const struct container_definition *container = &task->definition->containers[i];
        for (size_t k = 0; k < container->port_mapping_count; k++)
            if (container->port_mappings[k].host_port == port &&
                container->port_mappings[k].protocol == protocol)
                return true;
    }
    return false;
}

/* Does a live task hold a fixed host port that another task wants to have? */
bool task_holds_port(const struct task *task, const struct task *wants, int64_t *ret_port)
{
    for (size_t i = 0; i < task->probe_count; i++) {
        if (!wants_port(wants, task->probes[i].host_port, task->probes[i].protocol))
            continue;
        *ret_port = task->probes[i].host_port;
        return true;
    }
    for (size_t i = 0; i < task->container_count; i++) {
        const struct container *container = &task->containers[i];
        for (size_t k = 0; k < container->port_count; k++) {
            if (!wants_port(wants, container->ports[k].host_port, container->ports[k].protocol))
                continue;
            *ret_port = container->ports[k].host_port;
            return true;
        }
    }
    if (!task->definition)
        return false;
    for (size_t i = 0; i < task->definition->container_count; i++) {
        const struct container_definition *container = &task->definition->containers[i];
        for (size_t k = 0; k < container->port_mapping_count; k++) {
            const struct port_mapping *mapping = &container->port_mappings[k];
            if (!mapping->host_port || !wants_port(wants, mapping->host_port, mapping->protocol))
                continue;
            *ret_port = mapping->host_port;
            return true;
        }
    }
    return false;
}

/* The only way from RUN to STOP; there is none back. The first reason stays. */
void task_stop(struct core *core, struct task *task, const char *stop_code, const char *format, ...)
{
    if (task->intent == INTENT_STOP)
        return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(task->stopped_reason, sizeof task->stopped_reason, format, args);
    va_end(args);
    task->intent = INTENT_STOP;
    task->stop_code = stop_code;
    task->stop_at = core->now;
    task->stopping_wall = core->wall;
    wait_clear(&task->wait);
    change_emit(core, CHANGE_TASK, !task->stopped_by_us, task->service, task->id, "",
                "stopping: %s", task->stopped_reason);
}

/* ------------------------------------------------------------------ ECS's words */

const char *task_desired_status(const struct task *task)
{
    return task->intent == INTENT_RUN ? "RUNNING" : "STOPPED";
}

static bool any_in(const struct task *task, enum container_state state)
{
    for (size_t i = 0; i < task->container_count; i++)
        if (task->containers[i].state == state)
            return true;
    return false;
}

static const char *stopping_status(const struct core *core, const struct task *task)
{
    if (!task_is_over(core, task))
        return "STOPPING";
    return any_in(task, CONTAINER_REMOVING) ? "DEPROVISIONING" : "STOPPED";
}

const char *task_last_status(const struct core *core, const struct task *task)
{
    if (task->intent == INTENT_STOP)
        return stopping_status(core, task);
    if (task_is_running(core, task))
        return task->probe_count > 0 && !task->running_at ? "ACTIVATING" : "RUNNING";
    if (task->running_at)
        return "RUNNING"; /* ECS: a task that ran never goes back to PENDING */
    for (size_t i = 0; i < task->container_count; i++)
        if (task->containers[i].state > CONTAINER_PULLING)
            return "PENDING";
    return "PROVISIONING";
}

/* ------------------------------------------------------------------ a copy, for plan */

static void container_clone(struct arena *arena, struct container *copy)
{
    copy->name = arena_strdup(arena, copy->name);
    copy->runtime_name = arena_strdup(arena, copy->runtime_name);
    copy->image = arena_strdup(arena, copy->image);
    struct dependency *list = arena_array(arena, copy->depends_on_count, sizeof *list);
    for (size_t i = 0; i < copy->depends_on_count; i++) {
        list[i] = copy->depends_on[i];
        list[i].container_name = arena_strdup(arena, list[i].container_name);
    }
    copy->depends_on = list;
    struct observed_port *ports = memory_array(copy->port_count, sizeof *ports);
    for (size_t i = 0; i < copy->port_count; i++)
        ports[i] = copy->ports[i];
    copy->ports = ports;
}

struct task *task_clone(const struct task *task)
{
    struct task *copy = memory_alloc(sizeof *copy);
    *copy = *task;
    copy->next = copy->service_next = NULL;
    copy->owner = NULL;
    copy->arena = (struct arena){ 0 };
    copy->service = arena_strdup(&copy->arena, task->service);
    copy->one_off = arena_strdup(&copy->arena, task->one_off);
    copy->definition_name = arena_strdup(&copy->arena, task->definition_name);
    copy->containers = arena_array(&copy->arena, task->container_count, sizeof *copy->containers);
    for (size_t i = 0; i < task->container_count; i++) {
        copy->containers[i] = task->containers[i];
        container_clone(&copy->arena, &copy->containers[i]);
    }
    copy->probes = arena_array(&copy->arena, task->probe_count, sizeof *copy->probes);
    for (size_t i = 0; i < task->probe_count; i++) {
        struct probe_fact *probe = &copy->probes[i];
        *probe = task->probes[i];
        probe->definition.path = arena_strdup(&copy->arena, probe->definition.path);
        probe->container_name = arena_strdup(&copy->arena, probe->container_name);
    }
    return copy;
}
