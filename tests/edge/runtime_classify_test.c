#include <errno.h>
#include <string.h>

#include "agent/edge/runtime_classify.h"
#include "berth/assert.h"
#include "tests/lib/test.h"

struct expectation {
    enum runtime_call call;
    long status;
    const char *message;
    enum outcome outcome;
    enum blame blame;
    const char *error;
    int transient; /* -1 = not of interest */
};

#define PULL_ERROR "CannotPullContainerError"
#define CREATE_ERROR "CannotCreateContainerError"
#define START_ERROR "CannotStartContainerError"
#define STOP_ERROR "CannotStopContainerError"
#define REMOVE_ERROR "CannotRemoveContainerError"
#define OK OUTCOME_OK, BLAME_NOBODY, ""
#define IMAGE(error) OUTCOME_REFUSED, BLAME_IMAGE, error
#define HOST(error) OUTCOME_REFUSED, BLAME_HOST, error
#define UNKNOWN(error) OUTCOME_UNKNOWN, BLAME_NOBODY, error

static void expect(const struct expectation *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct expectation *row = &rows[i];
        struct verdict verdict = runtime_classify(row->call, row->status, row->message);
        if (verdict.outcome != row->outcome || verdict.blame != row->blame ||
            strcmp(verdict.error, row->error) != 0 ||
            (row->transient >= 0 && verdict.transient != row->transient))
            fail_msg("%s %ld \"%s\": outcome %d blame %d error %s transient %d",
                     runtime_call_name(row->call), row->status, row->message, (int)verdict.outcome,
                     (int)verdict.blame, verdict.error, verdict.transient);
    }
}

TEST(runtime_classify, any_2xx_is_a_yes)
{
    for (int call = CALL_PULL; call <= CALL_WATCH; call++) {
        struct verdict verdict = runtime_classify((enum runtime_call)call, 204, "");
        assert_int_equal(verdict.outcome, OUTCOME_OK);
        assert_string_equal(verdict.error, "");
    }
}

TEST(runtime_classify, what_is_done_already_is_a_yes)
{
    static const struct expectation rows[] = {
        { CALL_START, 304, "", OK, -1 },
        { CALL_STOP, 304, "", OK, -1 },
        { CALL_STOP, 404, "No such container: berth-web", OK, -1 },
        { CALL_STOP, 404, "no container with name or ID \"berth-web\" found: no such container", OK,
          -1 },
        { CALL_KILL, 404, "No such container: berth-web", OK, -1 },
        { CALL_KILL, 409, "Cannot kill container: 3f: Container 3f is not running", OK, -1 },
        { CALL_KILL, 409,
          "can only kill running containers. 3f is in state exited: container state improper", OK,
          -1 },
        { CALL_REMOVE, 404, "No such container: berth-web", OK, -1 },
    };
    expect(rows, COUNT_OF(rows));
}

TEST(runtime_classify, a_404_of_something_else_is_no_proof_that_the_container_is_gone)
{
    static const struct expectation rows[] = {
        { CALL_REMOVE, 404, "page not found", UNKNOWN(REMOVE_ERROR), -1 },
        { CALL_STOP, 404, "Not Found", UNKNOWN(STOP_ERROR), -1 },
        { CALL_INSPECT, 404, "page not found", UNKNOWN("CannotInspectContainerError"), -1 },
        { CALL_INSPECT, 404, "No such container: x", HOST("CannotInspectContainerError"), -1 },
    };
    expect(rows, COUNT_OF(rows));
}

TEST(runtime_classify, a_command_that_cannot_be_executed_blames_the_image)
{
    static const struct expectation rows[] = {
        { CALL_START, 400,
          "failed to create shim: OCI runtime create failed: container_linux.go:380: starting "
          "container process caused: exec: \"nope\": executable file not found in $PATH: unknown",
          IMAGE(START_ERROR), 0 },
        { CALL_START, 400,
          "failed to create task for container: failed to create shim task: OCI runtime create "
          "failed: runc create failed: unable to start container process: error during container "
          "init: exec: \"/nope\": stat /nope: no such file or directory: unknown",
          IMAGE(START_ERROR), 0 },
        { CALL_START, 500,
          "OCI runtime create failed: runc create failed: unable to start container process: exec: "
          "\"/etc\": permission denied: unknown",
          IMAGE(START_ERROR), 0 },
        { CALL_START, 500,
          "crun: executable file `nope` not found in $PATH: No such file or directory: OCI runtime "
          "attempted to invoke a command that was not found",
          IMAGE(START_ERROR), 0 },
        { CALL_START, 500,
          "standard_init_linux.go:228: exec user process caused: exec format error",
          IMAGE(START_ERROR), -1 },
        { CALL_START, 400, "unable to find user nope: no matching entries in passwd file",
          IMAGE(START_ERROR), -1 },
        { CALL_START, 400,
          "OCI runtime create failed: runc create failed: unable to start container process: "
          "chdir to cwd (\"/nope\") set in config.json failed: permission denied: unknown",
          IMAGE(START_ERROR), -1 },
    };
    expect(rows, COUNT_OF(rows));
}

TEST(runtime_classify, what_the_host_lacks_blames_the_host)
{
    static const struct expectation rows[] = {
        { CALL_START, 500,
          "driver failed programming external connectivity on endpoint web (3f): Bind for "
          "0.0.0.0:80 failed: port is already allocated",
          HOST(START_ERROR), 1 },
        { CALL_START, 500,
          "driver failed programming external connectivity on endpoint web (3f): Error starting "
          "userland proxy: listen tcp4 0.0.0.0:80: bind: address already in use",
          HOST(START_ERROR), 1 },
        { CALL_START, 500, "rootlessport listen tcp 0.0.0.0:80: bind: address already in use",
          HOST(START_ERROR), 1 },
        { CALL_START, 500,
          "failed to set up container networking: driver failed programming external connectivity "
          "on endpoint web: Bind for :::80 failed: port is already allocated",
          HOST(START_ERROR), 1 },
        { CALL_START, 500,
          "OCI runtime create failed: runc create failed: unable to start container process: error "
          "during container init: error mounting \"/x\" to rootfs at \"/y\": no such file or "
          "directory: unknown",
          HOST(START_ERROR), -1 },
        { CALL_START, 400,
          "OCI runtime create failed: container_linux.go:380: process_linux.go:545: applying "
          "cgroup configuration: mkdir /sys/fs/cgroup/x: no such file or directory: unknown",
          HOST(START_ERROR), -1 },
        { CALL_START, 500,
          "OCI runtime create failed: error setting rlimits for ready process: error setting "
          "rlimit type 7: operation not permitted: unknown",
          HOST(START_ERROR), -1 },
        { CALL_START, 404, "network berth-net not found", HOST(START_ERROR), -1 },
        { CALL_CREATE, 500,
          "create x: error looking up volume plugin nope: plugin \"nope\" not found",
          HOST(CREATE_ERROR), -1 },
        { CALL_CREATE, 400,
          "invalid mount config for type \"bind\": bind source path does not exist: /nope",
          HOST(CREATE_ERROR), -1 },
        { CALL_CREATE, 400, "logger: no log driver named 'nope' is registered", HOST(CREATE_ERROR),
          -1 },
        { CALL_CREATE, 500, "write /var/lib/docker/tmp: no space left on device",
          HOST(CREATE_ERROR), -1 },
        { CALL_CREATE, 404, "No such container: helper", HOST(CREATE_ERROR), -1 },
    };
    expect(rows, COUNT_OF(rows));
}

TEST(runtime_classify, a_create_without_its_image_asks_for_a_pull)
{
    static const struct expectation rows[] = {
        { CALL_CREATE, 404, "No such image: nope:1", IMAGE(PULL_ERROR), -1 },
        { CALL_CREATE, 404, "No such image: docker.io/library/nope:1: image not known",
          IMAGE(PULL_ERROR), -1 },
        { CALL_CREATE, 400, "invalid reference format", IMAGE(CREATE_ERROR), -1 },
        { CALL_CREATE, 400, "Minimum memory limit allowed is 6MB", IMAGE(CREATE_ERROR), -1 },
    };
    expect(rows, COUNT_OF(rows));
}

TEST(runtime_classify, an_answer_from_which_nothing_follows_is_unknown)
{
    static const struct expectation rows[] = {
        { CALL_START, 500, "", UNKNOWN(START_ERROR), 1 },
        { CALL_START, 404, "No such container: x", UNKNOWN(START_ERROR), -1 },
        { CALL_START, 409, "container is marked for removal and cannot be started",
          UNKNOWN(START_ERROR), -1 },
        { CALL_START, 500,
          "connection error: desc = \"transport: error while dialing: dial unix "
          "/run/containerd/containerd.sock: connect: no such file or directory\": unknown",
          UNKNOWN(START_ERROR), -1 },
        /* Whose container has the name, only a look can tell. */
        { CALL_CREATE, 409,
          "Conflict. The container name \"/berth-web\" is already in use by container \"3f\". You "
          "have to remove (or rename) that container to be able to reuse that name.",
          UNKNOWN(CREATE_ERROR), -1 },
        { CALL_CREATE, 500,
          "creating container storage: the container name \"berth-web\" is already in use by 3f. "
          "You have to remove that container to be able to reuse that name: that name is already "
          "in use",
          UNKNOWN(CREATE_ERROR), -1 },
        { CALL_CREATE, 500, "context canceled", UNKNOWN(CREATE_ERROR), -1 },
        { CALL_CREATE, 503, "", UNKNOWN(CREATE_ERROR), -1 },
        { CALL_CREATE, 400, "client version 1.44 is too new. Maximum supported API version is 1.41",
          UNKNOWN(CREATE_ERROR), -1 },
        { CALL_PULL, 400, "client version 1.44 is too new. Maximum supported API version is 1.41",
          UNKNOWN(PULL_ERROR), 1 },
        { CALL_REMOVE, 409, "removal of container x is already in progress", UNKNOWN(REMOVE_ERROR),
          -1 },
        { CALL_REMOVE, 409,
          "You cannot remove a running container 3f. Stop the container before attempting removal "
          "or force remove",
          UNKNOWN(REMOVE_ERROR), -1 },
        { CALL_STOP, 500,
          "cannot stop container: x: tried to kill container, but did not receive "
          "an exit event",
          UNKNOWN(STOP_ERROR), -1 },
    };
    expect(rows, COUNT_OF(rows));
}

TEST(runtime_classify, a_pull_of_what_does_not_exist_is_not_tried_again)
{
    static const struct expectation rows[] = {
        { CALL_PULL, 404,
          "pull access denied for nope, repository does not exist or may require 'docker login': "
          "denied: requested access to the resource is denied",
          IMAGE(PULL_ERROR), 0 },
        { CALL_PULL, 404, "manifest for busybox:nope not found: manifest unknown: manifest unknown",
          IMAGE(PULL_ERROR), 0 },
        { CALL_PULL, 0, "manifest unknown", IMAGE(PULL_ERROR), 0 },
        { CALL_PULL, 0, "repository localhost:5000/x not found: does not exist or no pull access",
          IMAGE(PULL_ERROR), 0 },
        { CALL_PULL, 500,
          "initializing source docker://localhost:5000/x:1: reading manifest 1 in "
          "localhost:5000/x: name unknown: repository name not known to registry",
          IMAGE(PULL_ERROR), 0 },
        { CALL_PULL, 500,
          "Get \"https://r.example/v2/x/manifests/1\": unauthorized: authentication required",
          IMAGE(PULL_ERROR), 0 },
        { CALL_PULL, 0, "no matching manifest for linux/arm64/v8 in the manifest list entries",
          IMAGE(PULL_ERROR), 0 },
        { CALL_PULL, 400, "invalid reference format: repository name must be lowercase",
          IMAGE(PULL_ERROR), 0 },
        { CALL_PULL, 0,
          "failed to resolve reference \"docker.io/library/nope:1\": docker.io/library/nope:1: not "
          "found",
          IMAGE(PULL_ERROR), 0 },
    };
    expect(rows, COUNT_OF(rows));
}

TEST(runtime_classify, names_inside_a_message_mislead_nobody)
{
    static const struct expectation rows[] = {
        { CALL_PULL, 404,
          "pull access denied for enix/x509-exporter, repository does not exist or may require "
          "'docker login'",
          IMAGE(PULL_ERROR), 0 },
        { CALL_PULL, 404, "manifest for dial-tcp/timeout:9 not found: manifest unknown",
          IMAGE(PULL_ERROR), 0 },
        { CALL_START, 400,
          "OCI runtime create failed: exec: \"/bin/cgroup-seccomp\": stat /bin/cgroup-seccomp: no "
          "such file or directory: unknown",
          IMAGE(START_ERROR), 0 },
        { CALL_START, 500,
          "driver failed programming external connectivity on endpoint web (3f): exec: "
          "\"docker-proxy\": executable file not found in $PATH",
          HOST(START_ERROR), -1 },
        { CALL_START, 500,
          "failed to create shim task: OCI runtime create failed: unable to retrieve OCI runtime "
          "error (open log.json: no such file or directory): exec: \"crun\": executable file not "
          "found in $PATH: unknown",
          HOST(START_ERROR), 0 },
    };
    expect(rows, COUNT_OF(rows));
}

TEST(runtime_classify, a_pull_that_the_network_failed_is_tried_again)
{
    static const struct expectation rows[] = {
        { CALL_PULL, 500, "Get \"https://r.example/v2/\": dial tcp: lookup r.example: no such host",
          HOST(PULL_ERROR), 1 },
        { CALL_PULL, 500, "Get \"https://r.example/v2/\": net/http: TLS handshake timeout",
          HOST(PULL_ERROR), 1 },
        { CALL_PULL, 500,
          "Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused",
          HOST(PULL_ERROR), 1 },
        { CALL_PULL, 500,
          "toomanyrequests: You have reached your unauthenticated pull rate limit. "
          "https://www.docker.com/increase-rate-limit",
          HOST(PULL_ERROR), 1 },
        { CALL_PULL, 0, "received unexpected HTTP status: 503 Service Unavailable",
          HOST(PULL_ERROR), 1 },
        { CALL_PULL, 0, "unexpected EOF", HOST(PULL_ERROR), 1 },
        { CALL_PULL, 0, "write /var/lib/docker/tmp/x: no space left on device", HOST(PULL_ERROR),
          0 },
        { CALL_PULL, 500, "x509: certificate signed by unknown authority", HOST(PULL_ERROR), 0 },
    };
    expect(rows, COUNT_OF(rows));
}

TEST(runtime_classify, says_what_was_asked_and_what_was_answered)
{
    struct judgement judgement;
    const char *body = "{\"message\":\"Bind for 0.0.0.0:80 failed: port is already\\nallocated\"}";
    runtime_judge(CALL_START, "berth-web",
                  &(struct http_answer){ .status = 500, .body = body, .len = strlen(body) },
                  &judgement);
    assert_string_equal(judgement.result.text,
                        "start berth-web: Bind for 0.0.0.0:80 failed: port is already allocated");
    runtime_judge(CALL_START, "berth-web", &(struct http_answer){ .status = 502, .body = "" },
                  &judgement);
    assert_string_equal(judgement.result.text, "start berth-web: the runtime answered HTTP 502");
    assert_int_equal(judgement.result.outcome, OUTCOME_UNKNOWN);
    runtime_judge(CALL_STOP, "berth-web",
                  &(struct http_answer){ .rc = -ETIMEDOUT, .error = "POST /x: timed out" },
                  &judgement);
    assert_string_equal(judgement.result.error, "DockerTimeoutError");
    assert_string_equal(judgement.result.text, "stop berth-web: POST /x: timed out");
    assert_int_equal(judgement.result.outcome, OUTCOME_UNKNOWN);
    runtime_judge(CALL_STOP, "berth-web", &(struct http_answer){ .rc = -ECANCELED, .error = "x" },
                  &judgement);
    assert_string_equal(judgement.result.text, "cancelled");
    assert_int_equal(judgement.result.outcome, OUTCOME_UNKNOWN);
}

TEST(runtime_classify, puts_the_cause_before_what_the_layers_say)
{
    static const struct {
        const char *message, *text;
    } rows[] = {
        { "failed to create shim task: OCI runtime create failed: runc create failed: unable to "
          "start container process: exec: \"/x\": stat /x: no such file or directory: unknown",
          "start c: exec: \"/x\": stat /x: no such file or directory: unknown" },
        { "driver failed programming external connectivity on endpoint c (33936bd6888c3b96): Error "
          "starting userland proxy: listen tcp4 0.0.0.0:80: bind: address already in use",
          "start c: Error starting userland proxy: listen tcp4 0.0.0.0:80: bind: address already "
          "in use" },
        { "driver failed programming external connectivity", /* as it is: no cause follows */
          "start c: driver failed programming external connectivity" },
        { "runc create failed: ", "start c: runc create failed: " },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct judgement judgement;
        runtime_judge_message(CALL_START, "c", 500, rows[i].message, &judgement);
        assert_string_equal(judgement.result.text, rows[i].text);
    }
}
