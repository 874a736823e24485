#include "tests/lib/script.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "berth/memory.h"
#include "tests/lib/test.h"

#define TASK_NAMES_MAX 400

struct task_name {
    char id[TASK_ID_LEN + 1];
    char name[100];
};

struct script {
    struct world *world;
    struct str lines;
    unsigned show;
    msec scene_began;
    uint64_t told; /* number of the last change in the transcript */
    uint64_t life;
    struct task_name names[TASK_NAMES_MAX]; /* a ring: a task that is gone is still spoken of */
    size_t name_count;
};

/* ------------------------------------------------------------------ one line */

__attribute__((format(printf, 2, 3))) static void line(struct script *script, const char *format,
                                                       ...)
{
    char text[700];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    msec since = script->world->now - script->scene_began;
    str_addf(&script->lines, "%4lld.%lld  %s\n", (long long)(since / 1000),
             (long long)(since % 1000 / 100), text);
}

static void note_names(struct script *script, const struct core *core)
{
    for (const struct task *task = core->tasks; task; task = task->next) {
        bool known = false;
        for (size_t i = 0; i < TASK_NAMES_MAX && !known; i++)
            known = str_equal(script->names[i].id, task->id);
        if (known)
            continue;
        struct task_name *name = &script->names[script->name_count++ % TASK_NAMES_MAX];
        (void)snprintf(name->id, sizeof name->id, "%s", task->id);
        if (*task->one_off)
            (void)snprintf(name->name, sizeof name->name, "%.90s", task->one_off);
        else if (task->attempt > 1)
            (void)snprintf(name->name, sizeof name->name, "%.50s/%lld@%lld.%lld", task->service,
                           (long long)task->slot, (long long)task->generation,
                           (long long)task->attempt);
        else
            (void)snprintf(name->name, sizeof name->name, "%.50s/%lld@%lld", task->service,
                           (long long)task->slot, (long long)task->generation);
    }
}

static const char *name_of(const struct script *script, const char *id)
{
    for (size_t i = 0; i < TASK_NAMES_MAX; i++)
        if (str_equal(script->names[i].id, id))
            return script->names[i].name;
    return id;
}

/* ------------------------------------------------------------------ what is worth telling */

static bool is_status(const char *text)
{
    return strstr(text, " -> ") || str_starts(text, "task of ") || str_starts(text, "stopping: ") ||
           str_starts(text, "one-off task");
}

static bool is_told(const struct script *script, const struct change *change)
{
    switch (change->kind) {
    case CHANGE_AGENT:
        return change->warning || (script->show & SHOW_STATUS);
    case CHANGE_DOCUMENT:
        return change->warning || (script->show & SHOW_DOCUMENT);
    case CHANGE_TASK:
        return !is_status(change->text) || (script->show & SHOW_STATUS) ||
               strstr(change->text, " ended") || strstr(change->text, " lost");
    case CHANGE_IMAGE:
        return change->warning;
    case CHANGE_RUNTIME:
    case CHANGE_SERVICE:
    case CHANGE_DEPLOYMENT:
    case CHANGE_CONTAINER:
        return true;
    }
    return true;
}

/* Names of tasks instead of their ids, and no numbers that say nothing here. */
static void tell_change(struct script *script, const struct change *change)
{
    char text[600];
    (void)snprintf(text, sizeof text, "%s", change->text);
    char *brackets = strstr(text, " (document revision");
    if (brackets)
        *brackets = '\0';
    if (str_starts(text, "health is "))
        line(script, "%s is %.*s", name_of(script, change->task_id),
             (int)strcspn(text + strlen("health is "), ":"), text + strlen("health is "));
    else if (*change->task_id)
        line(script, "%s%s%s: %s", name_of(script, change->task_id), *change->container ? " " : "",
             change->container, text);
    else if (*change->service)
        line(script, "%s: %s", change->service, text);
    else
        line(script, "%s: %s", change_kind_text(change->kind), text);
}

static void tell_changes(struct script *script)
{
    struct world *world = script->world;
    const struct core *core = world->core;
    if (!core)
        return;
    if (script->life != world->life)
        script->told = 0;
    script->life = world->life;
    note_names(script, core);
    for (; script->told < core->change_sequence; script->told++) {
        const struct change *change = core_change(core, script->told + 1);
        if (change && is_told(script, change))
            tell_change(script, change);
    }
}

static unsigned shown_by(enum action_kind kind)
{
    switch (kind) {
    case ACT_REMOVE:
        return SHOW_REMOVE;
    case ACT_PROBE:
        return SHOW_PROBE;
    case ACT_OBSERVE:
        return SHOW_LOOK;
    case ACT_FETCH:
        return SHOW_FETCH;
    case ACT_SAVE:
        return SHOW_SAVE;
    case ACT_PULL:
    case ACT_CREATE:
    case ACT_START:
    case ACT_STOP:
    case ACT_STEER:
        return SHOW_ALWAYS;
    }
    return 0;
}

static const char *const mode_names[] = { [PULL_IF_ABSENT] = "",
                                          [PULL_ASK] = ", ask the registry",
                                          [PULL_MUST] = ", the registry must answer" };

static void tell_action(struct script *script, const struct action *action)
{
    const char *kind = action_kind_name(action->kind);
    bool because = (script->show & SHOW_CAUSE) || action->kind == ACT_STOP;
    char cause[200] = "";
    if (because)
        (void)snprintf(cause, sizeof cause, " (%s)", action->cause);
    if (action->kind == ACT_PULL)
        line(script, "pull %s%s%s", action->image, mode_names[action->pull_mode], cause);
    else if (action->kind == ACT_OBSERVE)
        line(script, "look at %s", *action->container_name ? "one container" : "everything");
    else if (!action->task)
        line(script, "%s%s", kind, cause);
    else if (action->kind == ACT_PROBE)
        line(script, "%s probe", name_of(script, action->task->id));
    else
        line(script, "%s %s %s%s", name_of(script, action->task->id), kind,
             action->task->containers[action->container].name, cause);
}

static void listen(struct world *world, const struct action *action)
{
    struct script *script = world->listener;
    tell_changes(script);
    if (action && (script->show & shown_by(action->kind)))
        tell_action(script, action);
}

/* ------------------------------------------------------------------ life */

struct script *script_begin_with(const struct core_options *options)
{
    struct script *script = memory_alloc(sizeof *script);
    struct world *world = memory_alloc(sizeof *world);
    script->world = world;
    str_init(&script->lines, 1 << 20);
    script->show = SHOW_ALWAYS;
    const char *seed = getenv("SCRIPT_SEED");
    world_init(world, seed ? strtoull(seed, NULL, 10) : 7, true);
    world->steady = true;
    world->tracing = false;
    world->knobs.latency_max = 100;
    world->knobs.pull_max = 2000;
    if (options)
        world->options = *options;
    world->options.host_id = "host-1";
    world->options.cluster = "sim";
    world->listen = listen;
    world->listener = script;
    world_start_agent(world);
    script_run(script, SECONDS(1));
    script_skip(script);
    return script;
}

struct script *script_begin(void)
{
    return script_begin_with(NULL);
}

void script_end(struct script *script)
{
    script_expect_ok(script);
    world_release(script->world);
    free(script->world);
    str_release(&script->lines);
    free(script);
}

struct world *script_world(struct script *script)
{
    return script->world;
}

struct core *script_core(struct script *script)
{
    return script->world->core;
}

void script_show(struct script *script, unsigned what)
{
    script->show = SHOW_ALWAYS | what;
}

/* ------------------------------------------------------------------ what happens */

void script_publish_as(struct script *script, int64_t revision, const char *text)
{
    AUTO_FREE char *document = script_document(text, revision);
    source_publish(script->world, revision, document);
    script_command(script, COMMAND_POLL, NULL);
}

void script_publish(struct script *script, const char *text)
{
    script_publish_as(script, script->world->published_revision + 1, text);
}

void script_run(struct script *script, msec duration)
{
    (void)world_run_until(script->world, script->world->now + duration);
}

void script_command(struct script *script, enum command_kind command, const char *subject)
{
    struct event event = { .kind = EV_COMMAND, .command = command, .subject = subject };
    world_event(script->world, &event);
}

void script_restart_agent(struct script *script)
{
    world_kill_agent(script->world);
    world_start_agent(script->world);
}

const char *script_container(struct script *script, const char *service, int64_t slot,
                             const char *container)
{
    const char *found = NULL;
    bool running = false;
    const struct world *world = script->world;
    for (size_t i = 0; i < world->container_count; i++) {
        const struct fake_container *each = &world->containers[i];
        bool group = str_equal(each->service, service) || str_equal(each->one_off, service);
        if (each->exists && group && each->slot == slot && str_equal(each->container, container) &&
            (!found || (each->state == RUNTIME_RUNNING && !running))) {
            found = each->name;
            running = each->state == RUNTIME_RUNNING;
        }
    }
    if (!found)
        fail_msg("there is no container %s of %s/%lld", container, service, (long long)slot);
    return found;
}

void script_exits(struct script *script, const char *service, int64_t slot, const char *container,
                  int code)
{
    const char *name = script_container(script, service, slot, container);
    runtime_exit(script->world, name, runtime_find(script->world, name)->run, code, false);
}

void script_sickens(struct script *script, const char *service, int64_t slot, bool sick)
{
    runtime_sicken(script->world, script_container(script, service, slot, "app"), sick);
}

struct fake_container *script_plant(struct script *script, const char *service, char letter)
{
    struct world *world = script->world;
    struct fake_container *planted = &world->containers[world->container_count++];
    *planted = (struct fake_container){ .exists = true,
                                        .ours = true,
                                        .state = RUNTIME_RUNNING,
                                        .started = true,
                                        .essential = true,
                                        .generation = 1,
                                        .attempt = 1,
                                        .stop_timeout_s = 10,
                                        .containers_of_task = 1,
                                        .started_at = world->now,
                                        .created_wall = world_wall(world),
                                        .started_wall = world_wall(world),
                                        .run = 1 };
    memset(planted->task_id, letter, TASK_ID_LEN);
    (void)snprintf(planted->id, sizeof planted->id, "planted-%c-%zu", letter,
                   world->container_count);
    (void)snprintf(planted->name, sizeof planted->name, "berth-planted-%c-%zu", letter,
                   world->container_count);
    (void)snprintf(planted->host, sizeof planted->host, "host-1");
    (void)snprintf(planted->service, sizeof planted->service, "%s", service);
    (void)snprintf(planted->container, sizeof planted->container, "app");
    (void)snprintf(planted->image, sizeof planted->image, "planted:1");
    (void)snprintf(planted->definition, sizeof planted->definition, "planted:1");
    return planted;
}

/* ------------------------------------------------------------------ compare */

void script_skip(struct script *script)
{
    str_clear(&script->lines);
    script->scene_began = script->world->now;
}

void script_expect_ok(struct script *script)
{
    if (script->world->failure[0])
        fail_msg("an invariant is broken %s\n%s", script->world->failure, str_text(&script->lines));
}

static const char *skip_blanks(const char *text)
{
    while (*text == ' ')
        text++;
    return text;
}

/* Tenths of a second. */
static const char *read_time(const char *text, int64_t *ret)
{
    int64_t tenths = 0;
    for (; isdigit((unsigned char)*text); text++)
        tenths = tenths * 10 + (*text - '0');
    tenths *= 10;
    if (*text == '.' && isdigit((unsigned char)text[1])) {
        tenths += text[1] - '0';
        text += 2;
    }
    *ret = tenths;
    return text;
}

/* Both at the beginning of a line. The expected time may be a range. */
static bool line_matches(const char *expected, const char *actual)
{
    int64_t low = 0, high = 0, at = 0;
    expected = skip_blanks(expected);
    bool jitter = *expected == '~';
    expected = read_time(expected + jitter, &low);
    high = low;
    if (jitter)
        low = low * 2 / 3, high = high * 3 / 2;
    actual = skip_blanks(read_time(skip_blanks(actual), &at));
    expected = skip_blanks(expected);
    size_t len = strcspn(expected, "\n");
    return at >= low && at <= high && strcspn(actual, "\n") == len &&
           strncmp(expected, actual, len) == 0;
}

static const char *next_line(const char *text)
{
    text += strcspn(text, "\n");
    return *text ? text + 1 : text;
}

static void print_as_source(const char *text)
{
    for (; *text; text = next_line(text))
        printf("        \"%.*s\\n\"\n", (int)strcspn(text, "\n"), text);
    printf("        --\n");
}

void script_expect(struct script *script, const char *transcript)
{
    script_expect_ok(script);
    if (getenv("SCRIPT_PRINT")) {
        print_as_source(str_text(&script->lines));
        script_skip(script);
        return;
    }
    const char *expected = transcript, *actual = str_text(&script->lines);
    int number = 1;
    while (*expected && *actual && line_matches(expected, actual)) {
        expected = next_line(expected);
        actual = next_line(actual);
        number++;
    }
    if (*expected || *actual)
        fail_msg("line %d: expected \"%.*s\"\n what happened is\n%s", number,
                 (int)strcspn(expected, "\n"), expected, str_text(&script->lines));
    script_skip(script);
}

const char *script_transcript(const struct script *script)
{
    return str_text(&script->lines);
}

void script_expect_wait(struct script *script, const char *service, const char *text)
{
    const struct service_fact *fact = core_service(script->world->core, service);
    assert_non_null(fact);
    char said[400];
    (void)snprintf(said, sizeof said, "%s%s%s", wait_reason_text(fact->wait.reason),
                   *fact->wait.detail ? ": " : "", fact->wait.detail);
    assert_string_equal(said, text);
}
