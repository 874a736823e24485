/* berth wait SERVICE: until a document revision is in effect and its deployment is over. */
#include <stdio.h>
#include <string.h>

#include "agent/cli/cli.h"
#include "berth/str.h"

#define LOOK_EVERY_MS 200
#define POLL_EVERY_MS 2000
#define DEFAULT_TIMEOUT_MS MINUTES(5)
#define ABSENCE_MS SECONDS(15) /* of a daemon that was there: it is being restarted */

struct wait_state {
    struct cli *cli;
    const char *service;
    int64_t revision;        /* to wait for; 0 = whatever the source has, not known yet */
    int64_t deadline;        /* on the loop's clock */
    int64_t reached_at;      /* the daemon answered last; 0 = never */
    char last[ERR_TEXT_MAX]; /* what stood in the way last, for the message at the end */
};

static int64_t loop_now(const struct wait_state *wait)
{
    uv_update_time(&wait->cli->loop);
    return (int64_t)uv_now(&wait->cli->loop);
}

static void remember(struct wait_state *wait, const char *what)
{
    (void)snprintf(wait->last, sizeof wait->last, "%s", what);
}

/* No single call may outlast the whole. */
static msec call_timeout(const struct wait_state *wait, msec most)
{
    msec left = wait->deadline - loop_now(wait);
    if (left < 100)
        left = 100;
    return left < most ? left : most;
}

static int fail_timed_out(const struct wait_state *wait)
{
    cli_error(wait->cli, "TimedOut", "service %s: the time is over: %s", wait->service,
              *wait->last ? wait->last : "the daemon did not answer");
    return EXIT_TIMED_OUT;
}

/* ------------------------------------------------------------------ the revision */

/* A document that is refused will not get better by waiting, unless it is known to be another one
 * than the caller waits for. */
static int judge_refusal(struct wait_state *wait, const cJSON *poll)
{
    const char *error = json_string(poll, "error", "no reason given");
    remember(wait, error);
    int64_t refused = json_integer(poll, "refusedRevision", 0);
    if (wait->revision > 0 && refused > 0 && refused != wait->revision)
        return 0;
    cli_error(wait->cli, "DocumentRefused", "%s", error);
    return EXIT_FAILED;
}

/* Returns 0 or an exit code; *ret_done once the revision is in effect. */
static int judge_poll(struct wait_state *wait, const cJSON *poll, bool *ret_done)
{
    const char *result = json_string(poll, "result", "");
    int64_t revision = json_integer(poll, "revision", 0);
    char text[128];
    *ret_done = wait->revision > 0 && revision >= wait->revision;
    if (*ret_done)
        return 0;
    if (str_equal(result, "refused"))
        return judge_refusal(wait, poll);
    if (str_equal(result, "failed")) {
        remember(wait, json_string(poll, "error", "the source does not answer"));
        return 0;
    }
    if (wait->revision == 0)
        wait->revision = revision;
    *ret_done = revision >= wait->revision;
    (void)snprintf(text, sizeof text, "revision %lld is in effect, not %lld", (long long)revision,
                   (long long)wait->revision);
    remember(wait, text);
    return 0;
}

/* Returns 0 with an answer, an exit code that ends the wait, or -1: ask again later. */
static int ask(struct wait_state *wait, const struct request *request, struct reply *ret)
{
    long status = 0;
    int rc = client_try(wait->cli, request, ret, &status);
    if (rc == 0 || status != 0)
        wait->reached_at = loop_now(wait);
    if (rc == 0)
        return 0;
    if (rc == EXIT_TIMED_OUT || status == 504) {
        remember(wait, "the daemon takes long to answer");
        return -1;
    }
    /* A restart of the daemon changes nothing about a deployment: its containers outlive it. */
    bool was_there = wait->reached_at > 0 && loop_now(wait) - wait->reached_at < ABSENCE_MS;
    if (rc != EXIT_UNREACHABLE || !was_there)
        return client_call(wait->cli, request, ret); /* says why */
    remember(wait, "the daemon is not reachable");
    return -1;
}

static int poll_once(struct wait_state *wait, bool *ret_done)
{
    AUTO_REPLY struct reply reply = { 0 };
    const struct request request = { .method = "POST",
                                     .path = "/v1/poll",
                                     .timeout_ms = call_timeout(wait, SECONDS(75)) };
    *ret_done = false;
    int rc = ask(wait, &request, &reply);
    if (rc == 0)
        rc = judge_poll(wait, reply.json, ret_done);
    return rc < 0 ? 0 : rc;
}

static int await_revision(struct wait_state *wait)
{
    bool done = false;
    for (;;) {
        int rc = poll_once(wait, &done);
        if (rc != 0 || done)
            return rc;
        if (loop_now(wait) + POLL_EVERY_MS >= wait->deadline)
            return fail_timed_out(wait);
        uv_sleep(POLL_EVERY_MS);
    }
}

/* ------------------------------------------------------------------ the deployment */

static int finish_completed(const struct wait_state *wait, const cJSON *deployment)
{
    struct cli *cli = wait->cli;
    const char *definition = json_string(deployment, "taskDefinition", "");
    const char *id = json_string(deployment, "id", "");
    if (!cli->json) {
        printf("service %s: deployment %s of %s completed\n", wait->service, id, definition);
        return EXIT_OK;
    }
    struct str out AUTO_STR;
    struct json_writer writer;
    str_init(&out, 64 * 1024);
    json_begin(&writer, &out);
    json_object(&writer);
    json_string_member(&writer, "serviceName", wait->service);
    json_int_member(&writer, "revision", wait->revision);
    json_string_member(&writer, "deployment", id);
    json_string_member(&writer, "taskDefinition", definition);
    json_string_member(&writer, "rolloutState", "COMPLETED");
    json_object_end(&writer);
    printf("%s\n", str_text(&out));
    return EXIT_OK;
}

static int finish_failed(const struct wait_state *wait, const cJSON *deployment)
{
    cli_error(wait->cli, "DeploymentFailed", "service %s: deployment %s of %s failed: %s",
              wait->service, json_string(deployment, "id", ""),
              json_string(deployment, "taskDefinition", ""),
              json_string(deployment, "rolloutStateReason", "no reason given"));
    return EXIT_DEPLOYMENT_FAILED;
}

static void remember_progress(struct wait_state *wait, const cJSON *service,
                              const cJSON *deployment)
{
    char text[ERR_TEXT_MAX];
    const cJSON *why = cJSON_GetArrayItem(json_get(service, "waits"), 0);
    const char *detail = json_string(why, "detail", NULL);
    (void)snprintf(text, sizeof text, "deployment %s is %s, %lld of %lld tasks healthy%s%s%s%s",
                   json_string(deployment, "id", "-"),
                   json_string(deployment, "rolloutState", "not made yet"),
                   (long long)json_integer(service, "healthyCount", 0),
                   (long long)json_integer(service, "desiredCount", 0), why ? "; waits for: " : "",
                   json_string(why, "text", ""), detail ? ": " : "", detail ? detail : "");
    remember(wait, text);
}

/* Returns an exit code when it is over, else -1. */
static int judge_service(struct wait_state *wait, const cJSON *service)
{
    const cJSON *primary = cJSON_GetArrayItem(json_get(service, "deployments"), 0);
    const cJSON *why = cJSON_GetArrayItem(json_get(service, "waits"), 0);
    const char *state = json_string(primary, "rolloutState", "");
    if (!str_equal(json_string(service, "status", "ACTIVE"), "ACTIVE")) {
        cli_error(wait->cli, "ServiceNotActiveException",
                  "service %s is not in the document: it is being stopped", wait->service);
        return EXIT_FAILED;
    }
    remember_progress(wait, service, primary);
    if (str_equal(json_string(why, "reason", ""), "IMPOSSIBLE")) {
        cli_error(wait->cli, "DeploymentFailed", "service %s: %s: %s", wait->service,
                  json_string(why, "text", ""), json_string(why, "detail", "no reason given"));
        return EXIT_DEPLOYMENT_FAILED;
    }
    /* The newest deployment may still be the one before: it must be of what is wanted now. */
    if (!str_equal(json_string(service, "digest", ""), json_string(primary, "digest", "")))
        return -1;
    /* A document that changes only the count leaves the deployment as it is: completed, but
     * what it now asks for is still to come. */
    if (str_equal(state, "COMPLETED"))
        return json_integer(service, "healthyCount", 0) >= json_integer(service, "desiredCount", 0)
                   ? finish_completed(wait, primary)
                   : -1;
    if (str_equal(state, "FAILED"))
        return finish_failed(wait, primary);
    return -1;
}

static int follow_deployment(struct wait_state *wait)
{
    struct str path AUTO_STR;
    str_init(&path, 4096);
    path_add(&path, "/v1/services/", wait->service, "");
    for (;;) {
        AUTO_REPLY struct reply reply = { 0 };
        const struct request request = { .path = str_text(&path),
                                         .timeout_ms = call_timeout(wait, SECONDS(30)) };
        int rc = ask(wait, &request, &reply);
        if (rc == 0)
            rc = judge_service(wait, cJSON_GetArrayItem(reply.json, 0));
        if (rc >= 0)
            return rc;
        if (loop_now(wait) >= wait->deadline)
            return fail_timed_out(wait);
        uv_sleep(LOOK_EVERY_MS);
    }
}

/* ------------------------------------------------------------------ the command */

int command_wait(struct cli *cli)
{
    struct wait_state wait = { .cli = cli, .service = cli->args.words[0] };
    int64_t timeout_ms = DEFAULT_TIMEOUT_MS;
    const char *timeout = cli->args.timeout, *revision = cli->args.revision;
    if (timeout && parse_duration_ms(timeout, &timeout_ms) < 0) {
        cli_error(cli, "Usage", "--timeout %s: write 90s, 5m or 1h", timeout);
        return EXIT_USAGE;
    }
    if (revision && parse_int(revision, 1, JSON_INTEGER_MAX, &wait.revision) < 0) {
        cli_error(cli, "Usage", "--revision %s: it must be a whole number above 0", revision);
        return EXIT_USAGE;
    }
    wait.deadline = loop_now(&wait) + timeout_ms;
    int rc = await_revision(&wait);
    return rc != 0 ? rc : follow_deployment(&wait);
}
