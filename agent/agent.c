/* agent.c: open, run, close. What is opened last is closed first; containers are left
 * alone whatever happens here. */
#include "agent/agent.h"

#include <signal.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "berth/assert.h"
#include "berth/digest.h"
#include "berth/log.h"
#include "berth/memory.h"
#include "berth/str.h"

#define SHUTDOWN_MAX SECONDS(10)

static const int signal_numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };

/* ------------------------------------------------------------------ one agent at a time */

static int make_parents(const char *path, struct err *err)
{
    AUTO_FREE char *copy = memory_strdup(path);
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0755) < 0 && errno != EEXIST)
            return err_set(err, -errno, "make directory %s", copy);
        *slash = '/';
    }
    return 0;
}

/* Beside the control socket, so that two agents with other state directories meet as well. */
static int lock_beside_socket(const struct config *config, const char *kind, const char *value,
                              struct err *err)
{
    struct digest digest;
    char hex[DIGEST_HEX_LEN + 1];
    digest_of(value, strlen(value), &digest);
    digest_hex(&digest, hex);
    const char *slash = strrchr(config->socket, '/');
    AUTO_FREE char *path =
        memory_printf("%.*s/%s-%.16s", (int)(slash - config->socket), config->socket, kind, hex);
    AUTO_FREE char *what = memory_printf("%s %s", kind, value);
    return lock_take(path, what, err);
}

static int take_locks(const struct agent *agent, struct err *err)
{
    const struct config *config = &agent->config.values;
    int rc = make_parents(config->socket, err);
    if (rc == 0)
        rc = lock_beside_socket(config, "socket", config->socket, err);
    if (rc == 0)
        rc = lock_beside_socket(config, "runtime", config->runtime, err);
    if (rc == 0)
        rc = lock_beside_socket(config, "host", agent->host_id, err);
    return rc;
}

/* ------------------------------------------------------------------ open */

static void on_source_changed(void *ctx)
{
    struct event event = { .kind = EV_COMMAND, .command = COMMAND_POLL };
    host_event(ctx, &event);
}

int agent_open_source(struct agent *agent, struct err *err)
{
    const struct config *config = &agent->config.values;
    struct source_options options = { .url = config->desired_url,
                                      .ca_file = config->ca_file,
                                      .timeout_ms = SECONDS(30) };
    agent->source =
        source_open(&agent->loop, agent->remote, &options, on_source_changed, agent, err);
    return agent->source ? 0 : err->code;
}

static void on_hint(void *ctx, const char *container)
{
    struct event event = { .kind = EV_HINT, .hint = container };
    host_event(ctx, &event);
}

static void on_runtime_up(void *ctx, bool up, const char *text)
{
    struct event event = { .kind = EV_COMMAND,
                           .command = up ? COMMAND_RUNTIME_UP : COMMAND_RUNTIME_DOWN,
                           .text = text };
    host_event(ctx, &event);
}

static void on_pull_progress(void *ctx, const char *image, const char *text)
{
    struct event event = { .kind = EV_PULL_PROGRESS, .subject = image, .text = text };
    host_event(ctx, &event);
}

static int open_runtime(struct agent *agent, struct err *err)
{
    const struct config *config = &agent->config.values;
    struct runtime_options options = { .url = config->runtime,
                                       .host_id = agent->host_id,
                                       .pull_inactivity_ms = config->pull_inactivity_ms,
                                       .pull_total_ms = MINUTES(120),
                                       .call_timeout_ms = SECONDS(30) };
    struct runtime_listener listener = { .on_hint = on_hint,
                                         .on_up = on_runtime_up,
                                         .on_pull_progress = on_pull_progress,
                                         .ctx = agent };
    agent->runtime = runtime_open(&agent->loop, &options, &listener, err);
    return agent->runtime ? 0 : err->code;
}

static int open_control(struct agent *agent, struct err *err)
{
    struct routes_options routes = { .loop = &agent->loop,
                                     .driver = &agent->driver,
                                     .runtime = agent->runtime,
                                     .config = &agent->config,
                                     .version = BERTH_VERSION };
    agent->routes = routes_open(&routes);
    struct control_options control = { .socket = agent->config.values.socket,
                                       .group = agent->config.values.group,
                                       .handler = routes_handle,
                                       .ctx = agent->routes };
    int rc = control_open(&agent->loop, &control, &agent->control, err);
    return rc == -EADDRINUSE ? err_say(err, -EBUSY, "%s", err->text) : rc;
}

void agent_core_options(const struct agent *agent, struct core_options *ret)
{
    core_options_from(&agent->config.values, ret);
    ret->host_memory_mib = (int64_t)(uv_get_total_memory() / (1024 * 1024));
}

static void on_signal(uv_signal_t *handle, int number);

static void open_loop(struct agent *agent)
{
    int rc = uv_loop_init(&agent->loop);
    ASSERT(rc == 0);
    (void)uv_timer_init(&agent->loop, &agent->wake);
    (void)uv_timer_init(&agent->loop, &agent->shutdown_deadline);
    agent->wake.data = agent->shutdown_deadline.data = agent;
    for (size_t i = 0; i < COUNT_OF(signal_numbers); i++) {
        (void)uv_signal_init(&agent->loop, &agent->signals[i]);
        agent->signals[i].data = agent;
        (void)uv_signal_start(&agent->signals[i], on_signal, signal_numbers[i]);
    }
}

/* Nothing said which runtime: the first socket that is there, else the one that may come. */
static void choose_runtime(struct config *config)
{
    static const char *const sockets[] = { "/run/docker.sock", "/run/podman/podman.sock" };
    if (*config->runtime)
        return;
    const char *chosen = sockets[0];
    for (size_t i = COUNT_OF(sockets); i-- > 0;)
        if (access(sockets[i], F_OK) == 0)
            chosen = sockets[i];
    (void)snprintf(config->runtime, sizeof config->runtime, "unix://%s", chosen);
}

static int open_parts(struct agent *agent, struct err *err)
{
    const struct config *config = &agent->config.values;
    choose_runtime(&agent->config.values);
    int rc = store_open(&agent->loop, config->state_dir, &agent->store, err);
    if (rc == 0)
        rc = store_host_id(agent->store, config->host_id, agent->host_id, sizeof agent->host_id,
                           err);
    if (rc < 0)
        return rc;
    (void)snprintf(agent->config.values.host_id, sizeof agent->config.values.host_id, "%s",
                   agent->host_id);
    rc = config_finish(&agent->config, err);
    if (rc == 0)
        rc = take_locks(agent, err);
    if (rc < 0)
        return rc;
    agent->notify = notify_open(&agent->loop);
    agent->remote = http_pool_open(&agent->loop);
    rc = open_runtime(agent, err);
    if (rc == 0)
        rc = agent_open_source(agent, err);
    return rc;
}

int agent_open(struct agent *agent, const struct options *options, struct config_set *config,
               struct err *err)
{
    *agent = (struct agent){ .options = options, .config = *config };
    open_loop(agent);
    int rc = open_parts(agent, err);
    if (rc < 0)
        return rc;
    struct core_options core_options;
    agent_core_options(agent, &core_options);
    agent->core = core_new(&core_options);
    struct host host;
    host_make(agent, &host);
    driver_init(&agent->driver, agent->core, &host);
    return open_control(agent, err);
}

/* ------------------------------------------------------------------ start */

static uint64_t random_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        seed = uv_hrtime() ^ (uint64_t)getpid() << 32;
    return seed;
}

/* The last good document starts everything with no network call on the way. The source is told
 * before the first step, which asks for a fetch: so that this fetch is conditional already. */
static struct desired *recall_document(struct agent *agent, const struct stored_document *stored)
{
    struct findings findings = { 0 };
    struct desired *desired = desired_parse(stored->bytes, stored->len, &findings);
    char first[ERR_TEXT_MAX];
    if (desired)
        source_remember(agent->source, &desired->digest, stored->etag, stored->last_modified);
    else
        log_error("event=stored_document_unusable", "error=%s",
                  LOG_VALUE(findings_first_error(&findings, first, sizeof first)));
    findings_release(&findings);
    return desired;
}

static void start(struct agent *agent)
{
    struct stored_document stored = { 0 };
    store_load_document(agent->store, &stored);
    struct memory *memory = store_load_memory(agent->store);
    bool same_source = stored.bytes && str_equal(stored.url, agent->config.values.desired_url);
    if (stored.bytes && !same_source) {
        log_warn("event=stored_document_of_another_source", "stored_url=%s url=%s",
                 LOG_VALUE(stored.url), LOG_VALUE(agent->config.values.desired_url));
        if (memory)
            memory->revision = 0; /* a document of another source says nothing about this one */
    }
    struct desired *desired = same_source ? recall_document(agent, &stored) : NULL;
    struct event event = { .kind = EV_START, .seed = random_seed(), .remembered = memory };
    host_event(agent, &event);
    if (desired) {
        event = (struct event){ .kind = EV_FETCHED, .fetched = FETCH_STORED, .desired = desired };
        host_event(agent, &event);
    }
    memory_free(memory);
    stored_document_release(&stored);
    runtime_watch(agent->runtime);
    notify_ready(agent->notify);
    const struct config *config = &agent->config.values;
    log_info("event=started", "version=%s host=%s cluster=%s desired=%s runtime=%s socket=%s",
             BERTH_VERSION, agent->host_id, config->cluster, LOG_VALUE(config->desired_url),
             config->runtime, config->socket);
    if (*config->report_url)
        log_warn("event=report_not_sent", "url=%s reason=%s", LOG_VALUE(config->report_url),
                 LOG_VALUE("this version does not deliver reports"));
}

/* ------------------------------------------------------------------ close */

static void on_handle_closed(uv_handle_t *handle)
{
    agent_part_closed(handle->data);
}

static void close_handles(struct agent *agent)
{
    uv_close((uv_handle_t *)&agent->wake, on_handle_closed);
    uv_close((uv_handle_t *)&agent->shutdown_deadline, on_handle_closed);
    agent->open_parts += 2;
    for (size_t i = 0; i < COUNT_OF(signal_numbers); i++) {
        uv_close((uv_handle_t *)&agent->signals[i], on_handle_closed);
        agent->open_parts++;
    }
}

/* Each stage closes what may go at once; the next begins when all of it is closed. Routes and
 * control first (nobody may ask any more), then what the core's calls use, then the pool that
 * those used, then the store (which waits for its saves) and the handles. */
static void close_next(struct agent *agent, int stage)
{
    switch (stage) {
    case 0:
        agent->open_parts = 2;
        routes_close(agent->routes, agent_part_closed, agent);
        control_close(agent->control, agent_part_closed, agent);
        break;
    case CLOSE_STAGE_SOURCE:
        agent->open_parts = agent->source ? 2 : 1;
        host_cancel_probes(agent);
        runtime_close(agent->runtime, agent_part_closed, agent);
        if (agent->source && !agent->reopening_source)
            source_close(agent->source, agent_part_closed, agent);
        break;
    case 2:
        agent->open_parts = 3;
        http_pool_close(agent->remote, agent_part_closed, agent);
        store_close(agent->store, agent_part_closed, agent);
        notify_close(agent->notify, agent_part_closed, agent);
        break;
    case 3:
        close_handles(agent);
        break;
    default:
        agent->stage = AGENT_CLOSED;
        break;
    }
}

void agent_part_closed(void *ctx)
{
    struct agent *agent = ctx;
    ASSERT(agent->open_parts > 0);
    if (--agent->open_parts > 0)
        return;
    close_next(agent, ++agent->close_stage);
}

static void on_shutdown_deadline(uv_timer_t *timer)
{
    (void)timer;
    log_error("event=shutdown_took_too_long", "seconds=%d", (int)(SHUTDOWN_MAX / 1000));
    _exit(EXIT_FAILED);
}

static void begin_closing(struct agent *agent, const char *why)
{
    if (agent->stage != AGENT_RUNNING) {
        /* Whoever asks twice is in a hurry, and a crash at any point is survived as well. */
        log_warn("event=stopped_at_once", "reason=%s containers=left_running", why);
        _exit(EXIT_OK);
    }
    log_info("event=stopping", "reason=%s containers=left_running", why);
    agent->stage = AGENT_CLOSING;
    notify_stopping(agent->notify);
    (void)uv_timer_start(&agent->shutdown_deadline, on_shutdown_deadline, SHUTDOWN_MAX, 0);
    (void)uv_timer_stop(&agent->wake);
    close_next(agent, 0);
}

/* ------------------------------------------------------------------ signals */

static void on_signal(uv_signal_t *handle, int number)
{
    struct agent *agent = handle->data;
    switch (number) {
    case SIGHUP:
        if (agent->stage == AGENT_RUNNING)
            agent_reload(agent);
        break;
    case SIGUSR1:
        if (agent->stage == AGENT_RUNNING)
            agent_dump(agent);
        break;
    default:
        begin_closing(agent, number == SIGTERM ? "SIGTERM" : "SIGINT");
        break;
    }
}

/* ------------------------------------------------------------------ run */

void agent_run(struct agent *agent)
{
    start(agent);
    while (agent->stage != AGENT_CLOSED)
        (void)uv_run(&agent->loop, UV_RUN_ONCE);
    (void)uv_run(&agent->loop, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&agent->loop);
    if (rc != 0)
        log_warn("event=handles_left_open", "rc=%d", rc);
    host_release(agent);
    core_free(agent->core);
    config_release(&agent->config);
    log_info("event=stopped", "%s", "containers=left_running");
}
