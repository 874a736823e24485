/* berth why SERVICE|TASK: everything that is known, in sentences. */
#include <stdio.h>
#include <string.h>

#include "agent/cli/cli.h"
#include "berth/str.h"

/* "3m" since an RFC 3339 time; "" when it is not known. */
static const char *since(const cJSON *object, const char *key, char ret[40])
{
    char duration[32];
    const char *time = json_string(object, key, NULL);
    int64_t at = time ? time_parse_wall_ms(time) : 0;
    ret[0] = '\0';
    if (at <= 0)
        return ret;
    duration_text(wall_now_ms() - at, duration, sizeof duration);
    (void)snprintf(ret, 40, " for %s", duration);
    return ret;
}

static const char *ago(const cJSON *object, const char *key, char ret[40])
{
    ago_text(json_string(object, key, NULL), ret, 40);
    return ret;
}

static const char *task_word(const cJSON *object, char ret[13])
{
    return short_id(json_string(object, "taskId", "-"), ret);
}

/* ------------------------------------------------------------------ what it is */

static void say_service(const cJSON *service)
{
    char time[40];
    const cJSON *it;
    const char *stop_first = json_string(service, "stopFirstReason", NULL);
    printf("Service %s: %lld of %lld wanted tasks run, %lld healthy, %lld pending.\n",
           json_string(service, "serviceName", ""),
           (long long)json_integer(service, "runningCount", 0),
           (long long)json_integer(service, "desiredCount", 0),
           (long long)json_integer(service, "healthyCount", 0),
           (long long)json_integer(service, "pendingCount", 0));
    if (!str_equal(json_string(service, "status", ""), "ACTIVE"))
        printf("It has left the document and is being stopped.\n");
    if (stop_first)
        printf("Its replacement stops the old task first: %s.\n", stop_first);
    cJSON_ArrayForEach(it, json_get(service, "deployments")) {
        const char *reason = json_string(it, "rolloutStateReason", NULL);
        printf("Deployment %s of %s is %s (changed %s, %lld failed tasks)%s%s.\n",
               json_string(it, "id", ""), json_string(it, "taskDefinition", ""),
               json_string(it, "rolloutState", ""), ago(it, "updatedAt", time),
               (long long)json_integer(it, "failedTasks", 0), reason ? ": " : "",
               reason ? reason : "");
    }
}

static void say_task(const cJSON *task)
{
    char id[13], time[40];
    const char *reason = json_string(task, "stoppedReason", NULL);
    const char *code = json_string(task, "stopCode", NULL);
    printf("Task %s of %s is %s (wanted %s, health %s)", task_word(task, id),
           json_string(task, "taskDefinition", ""), json_string(task, "lastStatus", ""),
           json_string(task, "desiredStatus", ""), json_string(task, "healthStatus", ""));
    if (json_string(task, "createdAt", NULL))
        printf(", created %s", ago(task, "createdAt", time));
    if (reason || code)
        printf(": %s%s%s", code ? code : "", reason && code ? ", " : "", reason ? reason : "");
    printf(".\n");
    if (json_bool(task, "adopted", false))
        printf("  It was found running when the agent started.\n");
}

/* ------------------------------------------------------------------ what holds it up */

static void say_wait(const cJSON *wait)
{
    char time[40];
    const char *detail = json_string(wait, "detail", NULL);
    printf("%s waits%s: %s%s%s.\n", json_string(wait, "subject", "It"), since(wait, "since", time),
           json_string(wait, "text", ""), detail ? ": " : "", detail ? detail : "");
}

static void say_backoff(const cJSON *backoff)
{
    char time[40];
    long long deaths = (long long)json_integer(backoff, "deathsInARow", 0);
    printf("Slot %lld died %lld time%s in a row; the next attempt is %s.\n",
           (long long)json_integer(backoff, "slot", 0), deaths, deaths == 1 ? "" : "s",
           ago(backoff, "nextAttemptAt", time));
}

static void say_image(const cJSON *image)
{
    char time[40];
    const char *error = json_string(image, "error", NULL);
    const char *progress = json_string(image, "progress", NULL);
    bool pulling = str_equal(json_string(image, "state", ""), "PULLING");
    printf("Image %s %s", json_string(image, "image", ""),
           pulling ? "is being pulled" : "could not be pulled");
    if (progress)
        printf(" (%s)", progress);
    if (error)
        printf("%s: %s", pulling ? "; the attempt before failed" : "", error);
    if (json_string(image, "nextAttemptAt", NULL))
        printf("; next attempt %s", ago(image, "nextAttemptAt", time));
    printf(".\n");
}

static void say_probe(const cJSON *probe)
{
    char id[13], time[40];
    const char *answer = json_string(probe, "answer", NULL);
    printf("Probe of task %s, container %s, port %lld: %s", task_word(probe, id),
           json_string(probe, "container", ""), (long long)json_integer(probe, "port", 0),
           json_string(probe, "state", ""));
    if (answer)
        printf(", last answer %s: %s", ago(probe, "at", time), answer);
    printf(" (%lld good, %lld bad in a row).\n", (long long)json_integer(probe, "successes", 0),
           (long long)json_integer(probe, "failures", 0));
}

static void say_health(const cJSON *health)
{
    char id[13];
    const char *output = json_string(health, "output", NULL);
    printf("Health check of task %s, container %s: %s%s%s.\n", task_word(health, id),
           json_string(health, "container", ""), json_string(health, "healthStatus", ""),
           output ? ", last output: " : "", output ? output : "");
}

/* "exited with code 3 5s ago", "did not start", "has an end that is not known" */
static void say_end(const cJSON *end)
{
    char time[40];
    bool named = json_string(end, "container", NULL) != NULL;
    if (json_get(end, "exitCode"))
        printf(" exited with code %lld", (long long)json_integer(end, "exitCode", 0));
    else
        printf(named ? " did not run to an end" : " has an end that nobody saw");
    if (json_string(end, "at", NULL))
        printf(", %s", ago(end, "at", time));
    if (json_bool(end, "oomKilled", false))
        printf(", killed for want of memory");
}

static void say_exit(const cJSON *end)
{
    char id[13];
    const char *container = json_string(end, "container", NULL);
    const char *reason = json_string(end, "reason", NULL);
    if (container)
        printf("Container %s of task %s", container, task_word(end, id));
    else
        printf("Task %s", task_word(end, id));
    say_end(end);
    printf("%s%s.\n", reason ? ": " : "", reason ? reason : "");
}

static void say_log(const cJSON *log)
{
    char id[13];
    const cJSON *line, *lines = json_get(log, "lines");
    if (cJSON_GetArraySize(lines) == 0)
        return;
    printf("Last lines of container %s of task %s:\n", json_string(log, "container", ""),
           task_word(log, id));
    cJSON_ArrayForEach(line, lines)
        printf("  %s\n", cJSON_IsString(line) ? line->valuestring : "");
}

/* ------------------------------------------------------------------ the whole */

static const struct {
    const char *key;
    void (*say)(const cJSON *item);
} paragraphs[] = {
    { "tasks", say_task },   { "waits", say_wait },   { "backoff", say_backoff },
    { "images", say_image }, { "probes", say_probe }, { "healthChecks", say_health },
    { "exits", say_exit },
};

int command_why(struct cli *cli)
{
    AUTO_REPLY struct reply reply = { 0 };
    struct str path AUTO_STR;
    str_init(&path, 4096);
    path_add(&path, "/v1/why/", cli->args.words[0], "");
    int rc = client_get(cli, str_text(&path), &reply);
    if (rc != 0 || cli->json)
        return rc != 0 ? rc : print_reply(&reply);
    const cJSON *item;
    if (json_get(reply.json, "service") &&
        str_equal(json_string(reply.json, "kind", ""), "service"))
        say_service(json_get(reply.json, "service"));
    for (size_t i = 0; i < sizeof paragraphs / sizeof paragraphs[0]; i++)
        cJSON_ArrayForEach(item, json_get(reply.json, paragraphs[i].key))
            paragraphs[i].say(item);
    if (json_get(reply.json, "waits") && cJSON_GetArraySize(json_get(reply.json, "waits")) == 0)
        printf("Nothing is waited for.\n");
    say_log(json_get(reply.json, "log"));
    return EXIT_OK;
}
