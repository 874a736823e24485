#include "agent/edge/runtime_classify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/edge/runtime_parse.h"
#include "berth/assert.h"

#define ANY 0
#define NO_STATUS (-1) /* an error line inside a 200 answer */

static const struct {
    const char *name, *error;
} call_names[] = {
    [CALL_PULL] = { "pull", "CannotPullContainerError" },
    [CALL_CREATE] = { "create", "CannotCreateContainerError" },
    [CALL_START] = { "start", "CannotStartContainerError" },
    [CALL_STOP] = { "stop", "CannotStopContainerError" },
    [CALL_KILL] = { "kill", "CannotStopContainerError" },
    [CALL_REMOVE] = { "remove", "CannotRemoveContainerError" },
    [CALL_LIST] = { "list", "CannotListContainersError" },
    [CALL_INSPECT] = { "inspect", "CannotInspectContainerError" },
    [CALL_LOGS] = { "logs", "CannotReadLogsError" },
    [CALL_WATCH] = { "watch", "CannotWatchEventsError" },
};

#define OK OUTCOME_OK, BLAME_NOBODY
#define IMAGE OUTCOME_REFUSED, BLAME_IMAGE
#define HOST OUTCOME_REFUSED, BLAME_HOST
#define UNKNOWN OUTCOME_UNKNOWN, BLAME_NOBODY

struct rule {
    long status;
    const char *words, *more; /* both must occur, whatever their case; NULL = any */
    enum outcome outcome;
    enum blame blame;
    bool transient;
    const char *error; /* NULL = the call's own */
};

/* The order matters: messages quote names of images and commands, so what is unmistakable comes
 * before single words (an image may be called x509-exporter); and runc ends nearly every message
 * with "no such file or directory: unknown", so rows about the host come before those. */
static const struct rule pull_rules[] = {
    { ANY, "toomanyrequests", NULL, HOST, true, NULL },
    { ANY, "pull access denied", NULL, IMAGE, false, NULL },
    { ANY, "repository does not exist", NULL, IMAGE, false, NULL },
    { ANY, "manifest unknown", NULL, IMAGE, false, NULL },
    { ANY, "name unknown", NULL, IMAGE, false, NULL },
    { ANY, "no matching manifest", NULL, IMAGE, false, NULL },
    { ANY, "no match for platform", NULL, IMAGE, false, NULL },
    { ANY, "no image found in", NULL, IMAGE, false, NULL },
    { ANY, "invalid reference format", NULL, IMAGE, false, NULL },
    { ANY, "parsing reference", NULL, IMAGE, false, NULL },
    { ANY, "no space left", NULL, HOST, false, NULL },
    { ANY, "read-only file system", NULL, HOST, false, NULL },
    { ANY, "permission denied", NULL, HOST, false, NULL },
    { ANY, "x509: ", NULL, HOST, false, NULL },
    { ANY, "dial tcp", NULL, HOST, true, NULL },
    { ANY, "dial unix", NULL, HOST, true, NULL },
    { ANY, "no such host", NULL, HOST, true, NULL },
    { ANY, "unexpected http status", NULL, HOST, true, NULL },
    { ANY, "unsupported media type", NULL, IMAGE, false, NULL },
    { ANY, "unauthorized", NULL, IMAGE, false, NULL },
    { ANY, "authentication required", NULL, IMAGE, false, NULL },
    { ANY, "no basic auth credentials", NULL, IMAGE, false, NULL },
    { ANY, "denied", NULL, IMAGE, false, NULL },
    { 404, NULL, NULL, IMAGE, false, NULL },
    { NO_STATUS, "not found", NULL, IMAGE, false, NULL },
    { 500, "not found", NULL, IMAGE, false, NULL },
    { 400, NULL, NULL, IMAGE, false, NULL },
    { ANY, NULL, NULL, HOST, true, NULL },
};

static const struct rule create_rules[] = {
    /* The name is taken: by an earlier call of ours whose answer was lost, or by a stranger's
     * container, which a yes would start. Only a look can tell. */
    { 409, "in use", NULL, UNKNOWN, false, NULL },
    { ANY, "container name", "in use", UNKNOWN, false, NULL },
    { 404, "no such image", NULL, IMAGE, false, "CannotPullContainerError" },
    { 404, "image not known", NULL, IMAGE, false, "CannotPullContainerError" },
    { ANY, "no space left", NULL, HOST, false, NULL },
    { ANY, "bind source path does not exist", NULL, HOST, false, NULL },
    { ANY, "volume plugin", NULL, HOST, false, NULL },
    { ANY, "volumedriver", NULL, HOST, false, NULL },
    { ANY, "logger:", NULL, HOST, false, NULL },
    { ANY, "no log driver named", NULL, HOST, false, NULL },
    { ANY, "could not select device driver", NULL, HOST, false, NULL },
    { ANY, "unknown or invalid runtime", NULL, HOST, false, NULL },
    { ANY, "network", "not found", HOST, false, NULL },
    { 404, "no such container", NULL, HOST, false, NULL },
    { 404, NULL, NULL, UNKNOWN, false, NULL },
    { ANY, "cgroup", NULL, HOST, false, NULL },
    { ANY, "cannot be used on this platform", NULL, IMAGE, false, NULL },
    { ANY, "no command specified", NULL, IMAGE, false, NULL },
    { 400, NULL, NULL, IMAGE, false, NULL },
    { 403, NULL, NULL, HOST, false, NULL },
};

static const struct rule start_rules[] = {
    { 304, NULL, NULL, OK, false, NULL },
    { ANY, "port is already allocated", NULL, HOST, true, NULL },
    { ANY, "address already in use", NULL, HOST, true, NULL },
    { ANY, "ports are not available", NULL, HOST, true, NULL },
    { ANY, "cannot assign requested address", NULL, HOST, false, NULL },
    { ANY, "driver failed programming external connectivity", NULL, HOST, true, NULL },
    { ANY, "failed to set up container networking", NULL, HOST, true, NULL },
    /* Programs of the runtime itself that are missing. */
    { ANY, "unable to retrieve oci runtime error", NULL, HOST, false, NULL },
    { ANY, "fork/exec", NULL, HOST, false, NULL },
    { ANY, "error running hook", NULL, HOST, false, NULL },
    { ANY, "exec: \"containerd-shim", NULL, HOST, false, NULL },
    { ANY, "exec: \"docker-init\"", NULL, HOST, false, NULL },
    { ANY, "exec: \"docker-proxy\"", NULL, HOST, false, NULL },
    { ANY, "executable file", "not found", IMAGE, false, NULL },
    { ANY, "exec: \"", "no such file or directory", IMAGE, false, NULL },
    { ANY, "exec: \"", "permission denied", IMAGE, false, NULL },
    { ANY, "exec: \"", "not a directory", IMAGE, false, NULL },
    { ANY, "no space left", NULL, HOST, false, NULL },
    { ANY, "cannot allocate memory", NULL, HOST, true, NULL },
    { ANY, "rlimit", NULL, HOST, false, NULL },
    { ANY, "apparmor", NULL, HOST, false, NULL },
    { ANY, "seccomp", NULL, HOST, false, NULL },
    { ANY, "cgroup", NULL, HOST, false, NULL },
    { ANY, "error mounting", NULL, HOST, false, NULL },
    { ANY, "error while mounting volume", NULL, HOST, false, NULL },
    { ANY, "failed to mount", NULL, HOST, false, NULL },
    { ANY, "gathering device information", NULL, HOST, false, NULL },
    { ANY, "network", "not found", HOST, false, NULL },
    { ANY, "failed to initialize logging driver", NULL, HOST, false, NULL },
    { ANY, "containerd", "no such file or directory", UNKNOWN, true, NULL },
    { ANY, "dial unix", NULL, UNKNOWN, true, NULL },
    { ANY, "command that was not found", NULL, IMAGE, false, NULL },
    { ANY, "no such file or directory: unknown", NULL, IMAGE, false, NULL },
    { ANY, "permission denied: unknown", NULL, IMAGE, false, NULL },
    { ANY, "oci permission denied", NULL, IMAGE, false, NULL },
    { ANY, "exec format error", NULL, IMAGE, false, NULL },
    { ANY, "is a directory: unknown", NULL, IMAGE, false, NULL },
    { ANY, "not a directory: unknown", NULL, IMAGE, false, NULL },
    { ANY, "exit status 126", NULL, IMAGE, false, NULL },
    { ANY, "exit status 127", NULL, IMAGE, false, NULL },
    { ANY, "unable to find user", NULL, IMAGE, false, NULL },
    { ANY, "unable to find group", NULL, IMAGE, false, NULL },
    { ANY, "no matching entries in", NULL, IMAGE, false, NULL },
    { 400, NULL, NULL, IMAGE, false, NULL },
};

static const struct rule stop_rules[] = {
    { 304, NULL, NULL, OK, false, NULL },
    { 404, "no such container", NULL, OK, false, NULL },
    { ANY, "is not running", NULL, OK, false, NULL },
};

static const struct rule kill_rules[] = {
    { 304, NULL, NULL, OK, false, NULL },
    { 404, "no such container", NULL, OK, false, NULL },
    { ANY, "is not running", NULL, OK, false, NULL },
    { ANY, "can only kill running containers", NULL, OK, false, NULL },
    { 400, NULL, NULL, HOST, false, NULL },
};

static const struct rule remove_rules[] = {
    { 404, "no such container", NULL, OK, false, NULL },
};

/* A 404 of a look is an answer and never comes here. */
static const struct rule read_rules[] = {
    { 404, "no such container", NULL, HOST, false, NULL },
};

#define RULES(table)                                                                               \
    {                                                                                              \
        (table), COUNT_OF(table)                                                                   \
    }
static const struct {
    const struct rule *rules;
    size_t count;
} rule_tables[] = {
    [CALL_PULL] = RULES(pull_rules),   [CALL_CREATE] = RULES(create_rules),
    [CALL_START] = RULES(start_rules), [CALL_STOP] = RULES(stop_rules),
    [CALL_KILL] = RULES(kill_rules),   [CALL_REMOVE] = RULES(remove_rules),
    [CALL_LIST] = RULES(read_rules),   [CALL_INSPECT] = RULES(read_rules),
    [CALL_LOGS] = RULES(read_rules),   [CALL_WATCH] = RULES(read_rules),
};

const char *runtime_call_name(enum runtime_call call)
{
    return call_names[call].name;
}

const char *runtime_call_error(enum runtime_call call)
{
    return call_names[call].error;
}

static bool rule_fits(const struct rule *rule, long status, const char *message)
{
    if (rule->status == NO_STATUS ? status != 0 : rule->status != ANY && rule->status != status)
        return false;
    if (rule->words && !strcasestr(message, rule->words))
        return false;
    return !rule->more || strcasestr(message, rule->more);
}

struct verdict runtime_classify(enum runtime_call call, long status, const char *message)
{
    if (status >= 200 && status < 300)
        return (struct verdict){ OK, .error = "" };
    /* "client version 1.44 is too new": the runtime was replaced; we negotiate again. */
    if (status == 400 && strcasestr(message, "client version"))
        return (struct verdict){ UNKNOWN, runtime_call_error(call), true };
    for (size_t i = 0; i < rule_tables[call].count; i++) {
        const struct rule *rule = &rule_tables[call].rules[i];
        if (!rule_fits(rule, status, message))
            continue;
        const char *error = rule->error ? rule->error : runtime_call_error(call);
        return (struct verdict){ rule->outcome, rule->blame,
                                 rule->outcome == OUTCOME_OK ? "" : error, rule->transient };
    }
    return (struct verdict){ UNKNOWN, runtime_call_error(call), true };
}

/* What the layers of the runtime put in front of the cause. People read these messages, in places
 * that hold a few hundred bytes, and the cause stands last. */
static const char *const preambles[] = {
    "failed to create shim task: ",
    "failed to create task for container: ",
    "OCI runtime create failed: ",
    "runc create failed: ",
    "crun: ",
    "unable to start container process: ",
    "error during container init: ",
};

static const char *skip_preamble(const char *message)
{
    for (size_t i = 0; i < COUNT_OF(preambles); i++)
        if (str_starts(message, preambles[i]))
            return message + strlen(preambles[i]);
    /* "driver failed programming external connectivity on endpoint NAME (ID): cause" */
    const char *cause =
        str_starts(message, "driver failed programming") ? strstr(message, "): ") : NULL;
    return cause ? cause + strlen("): ") : message;
}

static const char *without_preambles(const char *message)
{
    for (const char *rest = skip_preamble(message); rest != message && *rest;
         rest = skip_preamble(rest))
        message = rest;
    return message;
}

void runtime_judge_message(enum runtime_call call, const char *subject, long status,
                           const char *message, struct judgement *ret)
{
    struct verdict verdict = runtime_classify(call, status, message);
    *ret = (struct judgement){ .transient = verdict.transient };
    if (verdict.outcome != OUTCOME_OK && message[0])
        (void)snprintf(ret->text, sizeof ret->text, "%s %.255s: %s", runtime_call_name(call),
                       subject, without_preambles(message));
    else if (verdict.outcome != OUTCOME_OK)
        (void)snprintf(ret->text, sizeof ret->text, "%s %.255s: the runtime answered HTTP %ld",
                       runtime_call_name(call), subject, status);
    ret->result = (struct runtime_result){ .outcome = verdict.outcome,
                                           .blame = verdict.blame,
                                           .error = verdict.error,
                                           .text = ret->text };
}

void runtime_judge(enum runtime_call call, const char *subject, const struct http_answer *answer,
                   struct judgement *ret)
{
    if (answer->rc == 0) {
        char message[RUNTIME_MESSAGE_MAX] = "";
        if (answer->status < 200 || answer->status >= 300)
            runtime_message(answer->body, answer->len, message);
        runtime_judge_message(call, subject, answer->status, message, ret);
        return;
    }
    *ret = (struct judgement){ .transient = answer->rc != -ECANCELED };
    bool late = answer->rc == -ETIMEDOUT;
    ret->result = (struct runtime_result){
        .outcome = OUTCOME_UNKNOWN,
        .error = late ? "DockerTimeoutError" : runtime_call_error(call),
        .text = ret->text,
    };
    if (answer->rc == -ECANCELED) {
        ret->result.error = "";
        (void)snprintf(ret->text, sizeof ret->text, "cancelled");
        return;
    }
    (void)snprintf(ret->text, sizeof ret->text, "%s %.255s: %s", runtime_call_name(call), subject,
                   answer->error);
}
