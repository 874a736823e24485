#include "tests/lib/fake_agent.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "berth/memory.h"
#include "berth/str.h"
#include "tests/lib/loop.h"
#include "tests/lib/test.h"

#define WALL_BASE INT64_C(1790000000000)
#define ANSWER_EVERY_MS 2

/* ------------------------------------------------------------------ the host */

static msec host_now(void *self)
{
    struct fake_agent *agent = self;
    return (msec)uv_now(agent->loop) + agent->ahead;
}

static msec host_wall(void *self)
{
    return WALL_BASE + host_now(self);
}

static void host_perform(void *self, const struct action *action)
{
    struct fake_agent *agent = self;
    assert_true(agent->pending_count < FAKE_ACTIONS_MAX);
    struct fake_pending *pending = &agent->pending[agent->pending_count++];
    *pending = (struct fake_pending){ .kind = action->kind,
                                      .id = action->id,
                                      .container = action->container,
                                      .accept_older = action->accept_older };
    (void)snprintf(pending->name, sizeof pending->name, "%s",
                   action->container_name ? action->container_name : "");
    if (action->task)
        (void)snprintf(pending->task_id, sizeof pending->task_id, "%s", action->task->id);
}

static void host_wake(void *self, msec at)
{
    (void)self, (void)at; /* the timer compares driver.wake_at */
}

static void host_changed(void *self)
{
    struct fake_agent *agent = self;
    if (agent->routes)
        routes_changed(agent->routes);
}

/* ------------------------------------------------------------------ the runtime */

static struct fake_container *container_find(struct fake_agent *agent, const char *name)
{
    for (size_t i = 0; i < FAKE_CONTAINERS_MAX; i++)
        if (agent->containers[i].exists && str_equal(agent->containers[i].name, name))
            return &agent->containers[i];
    return NULL;
}

static void container_create(struct fake_agent *agent, const struct fake_pending *pending)
{
    size_t i = 0;
    const struct task *task = core_task(agent->core, pending->task_id);
    while (i < FAKE_CONTAINERS_MAX && agent->containers[i].exists)
        i++;
    assert_true(i < FAKE_CONTAINERS_MAX);
    assert_non_null(task);
    struct fake_container *container = &agent->containers[i];
    *container = (struct fake_container){ .exists = true };
    container->seen = (struct observed_container){
        .state = RUNTIME_CREATED,
        .created_wall_ms = host_wall(agent),
        .generation = task->generation,
        .slot = task->slot,
        .attempt = task->attempt,
        .essential = task->containers[pending->container].essential,
        .stop_timeout_s = 1,
        .task_container_count = (int64_t)task->container_count,
    };
    (void)snprintf(container->name, sizeof container->name, "%s", pending->name);
    (void)snprintf(container->task_id, sizeof container->task_id, "%s", task->id);
    (void)snprintf(container->container, sizeof container->container, "%s",
                   task->containers[pending->container].name);
    (void)snprintf(container->image, sizeof container->image, "%s",
                   task->containers[pending->container].image);
}

static void observed_put(struct fake_agent *agent, struct observed *observed,
                         const struct fake_container *container)
{
    struct arena *arena = &observed->arena;
    const struct task *task = core_task(agent->core, container->task_id);
    struct observed_container *seen = &observed->containers[observed->count++];
    *seen = container->seen;
    seen->runtime_id = arena_printf(arena, "%064zx", (size_t)(container - agent->containers) + 1);
    seen->name = arena_strdup(arena, container->name);
    seen->image = arena_strdup(arena, container->image);
    seen->image_id = "sha256:0123456789abcdef";
    seen->error = "";
    seen->health_output = "";
    seen->address = "192.0.2.10";
    seen->host = "host-1";
    seen->cluster = "test";
    seen->service = arena_strdup(arena, task ? task->service : "");
    seen->one_off = arena_strdup(arena, task ? task->one_off : "");
    seen->task_id = arena_strdup(arena, container->task_id);
    seen->container_name = arena_strdup(arena, container->container);
    seen->definition = arena_strdup(arena, task ? task->definition_name : "");
    seen->digest_hex = arena_strdup(arena, task ? task->digest_hex : "");
    seen->depends_on = "";
}

static struct observed *look(struct fake_agent *agent, const char *name)
{
    struct observed *observed = observed_new(!*name, name);
    observed->containers =
        arena_array(&observed->arena, FAKE_CONTAINERS_MAX, sizeof *observed->containers);
    for (size_t i = 0; i < FAKE_CONTAINERS_MAX; i++) {
        const struct fake_container *container = &agent->containers[i];
        if (container->exists && (!*name || str_equal(container->name, name)))
            observed_put(agent, observed, container);
    }
    return observed;
}

static void container_start(struct fake_agent *agent, const char *name)
{
    struct fake_container *container = container_find(agent, name);
    assert_non_null(container);
    container->seen.state = RUNTIME_RUNNING;
    container->seen.started = true;
    container->seen.started_wall_ms = host_wall(agent);
}

static void container_end(struct fake_agent *agent, struct fake_container *container, int64_t code)
{
    container->seen.state = RUNTIME_EXITED;
    container->seen.exit_code = code;
    container->seen.finished_wall_ms = host_wall(agent);
}

/* ------------------------------------------------------------------ answers */

static void answer_fetch(struct fake_agent *agent, struct event *event)
{
    struct findings findings = { 0 };
    char text[ERR_TEXT_MAX];
    event->kind = EV_FETCHED;
    if (!agent->source) {
        event->fetched = FETCH_FAILED;
        event->text = "GET http://source answered 500";
        driver_event(&agent->driver, event);
        return;
    }
    event->desired = desired_parse(agent->source, strlen(agent->source), &findings);
    event->fetched = event->desired ? FETCH_NEW : FETCH_BAD;
    event->text = findings_first_error(&findings, text, sizeof text);
    driver_event(&agent->driver, event);
    findings_release(&findings);
}

static void answer(struct fake_agent *agent, const struct fake_pending *pending)
{
    struct event event = { .kind = EV_DONE, .action = pending->id, .outcome = OUTCOME_OK };
    event.accept_older = pending->accept_older;
    event.text = "";
    event.error = "";
    switch (pending->kind) {
    case ACT_FETCH:
        answer_fetch(agent, &event);
        return;
    case ACT_OBSERVE:
        event.kind = EV_OBSERVED;
        event.observed = look(agent, pending->name);
        break;
    case ACT_PULL:
        event.outcome = agent->pull_error ? OUTCOME_REFUSED : OUTCOME_OK;
        event.blame = agent->pull_error ? BLAME_IMAGE : BLAME_NOBODY;
        event.error = agent->pull_error ? "CannotPullContainerError" : "";
        event.text = agent->pull_error ? agent->pull_error : "";
        event.image_was_local = true;
        break;
    case ACT_CREATE:
        container_create(agent, pending);
        break;
    case ACT_START:
        container_start(agent, pending->name);
        break;
    case ACT_STOP:
        container_end(agent, container_find(agent, pending->name), 143);
        break;
    case ACT_REMOVE:
        container_find(agent, pending->name)->exists = false;
        break;
    case ACT_PROBE:
        event.kind = EV_PROBED;
        event.healthy = !agent->probes_fail;
        event.text = agent->probes_fail ? "HTTP 503 in 1 ms" : "HTTP 200 in 1 ms";
        break;
    case ACT_STEER:
    case ACT_SAVE:
        break;
    }
    driver_event(&agent->driver, &event);
}

static bool answer_next(struct fake_agent *agent)
{
    for (size_t i = 0; i < agent->pending_count; i++) {
        struct fake_pending pending = agent->pending[i];
        if (agent->hold[pending.kind])
            continue;
        agent->pending_count--;
        memmove(&agent->pending[i], &agent->pending[i + 1],
                (agent->pending_count - i) * sizeof pending);
        answer(agent, &pending);
        return true;
    }
    return false;
}

static void on_timer(uv_timer_t *timer)
{
    struct fake_agent *agent = timer->data;
    for (int i = 0; i < 100 && answer_next(agent); i++)
        ;
    if (agent->driver.wake_at <= host_now(agent))
        driver_wake(&agent->driver);
}

/* ------------------------------------------------------------------ life */

static void set_options(struct core_options *options)
{
    core_options_default(options);
    options->host_id = "host-1";
    options->cluster = "test";
    options->poll_interval_ms = MINUTES(60); /* only when asked */
    options->settle_ms = 20;
}

void fake_agent_open(struct fake_agent *agent, uv_loop_t *loop, struct runtime *runtime)
{
    struct core_options options;
    struct err err = ERR_NONE;
    *agent = (struct fake_agent){ .loop = loop };
    set_options(&options);
    config_init(&agent->config);
    assert_int_equal(config_read_text(&agent->config,
                                      "BERTH_CLUSTER=test\n"
                                      "BERTH_DESIRED_URL=http://user:secret@source/doc\n",
                                      "test.conf", &err),
                     0);
    (void)snprintf(agent->directory, sizeof agent->directory, "/tmp/berth-agent-XXXXXX");
    assert_non_null(mkdtemp(agent->directory));
    (void)snprintf(agent->socket, sizeof agent->socket, "%s/sock", agent->directory);
    agent->core = core_new(&options);
    const struct host host = { agent, host_now, host_wall, host_perform, host_wake, host_changed };
    driver_init(&agent->driver, agent->core, &host);
    agent->routes = routes_open(&(struct routes_options){ .loop = loop,
                                                          .driver = &agent->driver,
                                                          .runtime = runtime,
                                                          .config = &agent->config,
                                                          .version = "1.2.3",
                                                          .poll_timeout_ms = 300 });
    const struct control_options control = {
        .socket = agent->socket, .group = "", .handler = routes_handle, .ctx = agent->routes
    };
    assert_int_equal(control_open(loop, &control, &agent->control, &err), 0);
    (void)uv_timer_init(loop, &agent->timer);
    agent->timer.data = agent;
    (void)uv_timer_start(&agent->timer, on_timer, 0, ANSWER_EVERY_MS);
    struct event start = { .kind = EV_START, .seed = 7 };
    driver_event(&agent->driver, &start);
}

void fake_agent_publish(struct fake_agent *agent, const char *document)
{
    struct event event = { .kind = EV_COMMAND, .command = COMMAND_POLL };
    agent->source = document;
    driver_event(&agent->driver, &event);
}

bool fake_agent_ready(const struct fake_agent *agent)
{
    return core_ready(agent->core);
}

bool fake_agent_steady(const struct fake_agent *agent)
{
    bool steady = agent->core->services != NULL;
    for (const struct service_fact *it = agent->core->services; it; it = it->next)
        steady = steady && it->primary && it->primary->state == DEPLOYMENT_COMPLETED;
    return steady;
}

void fake_agent_run_until(struct fake_agent *agent, bool (*holds)(const struct fake_agent *agent))
{
    uint64_t deadline = uv_now(agent->loop) + LOOP_PATIENCE_MS;
    while (!holds(agent) && uv_now(agent->loop) < deadline)
        (void)uv_run(agent->loop, UV_RUN_ONCE);
    assert_true(holds(agent));
}

void fake_agent_exit(struct fake_agent *agent, const char *service, int64_t code)
{
    for (size_t i = 0; i < FAKE_CONTAINERS_MAX; i++) {
        struct fake_container *container = &agent->containers[i];
        const struct task *task =
            container->exists ? core_task(agent->core, container->task_id) : NULL;
        if (!task || !str_equal(task->service, service))
            continue;
        container_end(agent, container, code);
        struct event hint = { .kind = EV_HINT, .hint = container->name };
        driver_event(&agent->driver, &hint);
        return;
    }
    fail_msg("no container of service %s", service);
}

static void on_closed(void *ctx)
{
    struct fake_agent *agent = ctx;
    agent->closed++;
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_closed(handle->data);
}

void fake_agent_close(struct fake_agent *agent)
{
    routes_close(agent->routes, on_closed, agent);
    control_close(agent->control, on_closed, agent);
    agent->routes = NULL;
    uv_close((uv_handle_t *)&agent->timer, on_timer_closed);
    loop_run_until_count(agent->loop, &agent->closed, 3);
    core_free(agent->core);
    config_release(&agent->config);
    (void)unlink(agent->socket);
    (void)rmdir(agent->directory);
}
