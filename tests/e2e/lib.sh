# shellcheck shell=bash
# End-to-end tests: the real berthd and berth against a real dockerd. Sourced first by test_*.sh.
#
# A script re-executes itself in network, mount and process namespaces of its own, starts a
# private dockerd there, runs every function test_* in order and counts. Whatever a test leaves
# running dies with the namespaces. Each test gets a fresh directory, host id, state directory and
# socket, so that tests know nothing of each other.
#
# Waiting is always polling with a deadline (eventually). A failed test shows the agent's log and
# what the agent and the runtime say.
#
# What is set or takes arguments here is meant for the scripts that source this.
# shellcheck disable=SC2034,SC2119,SC2120

e2e_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bin=${BERTH_BIN:-$e2e_root/build}

# ------------------------------------------------------------------ a world of our own

skip_all() { # reason
    printf 'skipped: %s\n0 passed, 0 failed, 1 skipped\n' "$1"
    exit 0
}

if [ -z "${E2E_INSIDE:-}" ]; then
    [ "$(id -u)" -eq 0 ] || skip_all "needs root for namespaces and dockerd"
    for e2e_need in dockerd containerd jq curl busybox ip unshare; do
        command -v "$e2e_need" >/dev/null || skip_all "$e2e_need is not installed"
    done
    unshare --net --mount --pid --fork true 2>/dev/null || skip_all "no namespaces here"
    export E2E_INSIDE=1
    exec unshare --net --mount --pid --fork --kill-child --mount-proc bash "$0" "$@"
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/be.XXXXXX")
docker_dir=$work/d
docker_socket=$docker_dir/docker.sock
private_docker=$e2e_root/tests/lib/private-docker.sh
e2e_cgroup=berth-e2e-$(basename "$work" | tr -d .)

e2e_cleanup() {
    trap '' TERM INT
    "$private_docker" stop "$docker_dir" >/dev/null 2>&1
    find /sys/fs/cgroup -depth -type d -path "*/$e2e_cgroup*" -exec rmdir {} + 2>/dev/null
    grep -oE " $work/[^ ]*" /proc/mounts | sort -r | xargs -r -n 1 umount -l 2>/dev/null
    rm -rf --one-file-system "$work"
}

# DOCKERD_OPTIONS goes through to dockerd.
docker_start() { "$private_docker" start "$docker_dir" >>"$work/docker.out" 2>&1; }
docker_kill() { "$private_docker" kill9 "$docker_dir"; }
docker_pid() { cat "$docker_dir/dockerd.pid"; }

# One call to the runtime, past the agent: api METHOD PATH [curl option...].
api() {
    local method=$1 path=$2
    shift 2
    curl -sS --max-time 30 --unix-socket "$docker_socket" -X "$method" "$@" "http://d$path"
}

# bb:1, bb:2 and bb:latest: busybox with all its names and a file that tells which is which.
import_images() {
    local tree=$work/tree tag
    mkdir -p "$tree"/{bin,tmp,etc,www,dev,proc,sys}
    cp "$(command -v busybox)" "$tree/bin/busybox"
    busybox --list | while read -r applet; do
        [ "$applet" = busybox ] || ln -s busybox "$tree/bin/$applet"
    done
    printf 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$tree/etc/passwd"
    printf 'root:x:0:\nnobody:x:65534:\n' >"$tree/etc/group"
    for tag in 1 2 latest; do
        echo "$tag" >"$tree/version"
        echo "page $tag" >"$tree/www/index.html"
        tar -C "$tree" -c . | api POST "/images/create?fromSrc=-&repo=bb&tag=$tag" \
            -H 'Content-Type: application/x-tar' --data-binary @- >/dev/null || return 1
    done
    rm -rf "$tree"
}

# ------------------------------------------------------------------ documents

# What runs until it is told to stop, and then stops at once.
sleeper="trap 'exit 0' TERM INT; sleep 100000 & wait"
# What does not care, and must be killed in the end.
stubborn="trap '' TERM; sleep 100000 & wait"
# The same with a web server, on the port given.
web_server() { # port
    echo "trap 'exit 0' TERM INT; httpd -f -p $1 -h /www & wait"
}

container() { # name shell-command [more json]
    local more=${3:-}
    jq -cn --arg name "$1" --arg command "$2" --argjson more "${more:-null}" \
        '{name: $name, image: "bb:1", command: ["sh", "-c", $command]} + ($more // {})'
}

# A container "app" with a web server on port 8080, and more of a port mapping if given.
web_container() { # [more json of the port mapping [more json of the container]]
    local mapping=${1:-} more=${2:-}
    container app "$(web_server 8080)" "$(jq -cn --argjson mapping "${mapping:-null}" \
        --argjson more "${more:-null}" \
        '{portMappings: [{containerPort: 8080} + ($mapping // {})]} + ($more // {})')"
}

definition() { # family:revision container...
    local name=$1
    shift
    printf '%s\n' "$@" | jq -cs --arg family "${name%:*}" --argjson revision "${name#*:}" \
        '{family: $family, revision: $revision, containerDefinitions: .}'
}

service() { # name family:revision count [more json]
    local more=${4:-}
    jq -cn --arg name "$1" --arg definition "$2" --argjson count "$3" \
        --argjson more "${more:-null}" \
        '{serviceName: $name, taskDefinition: $definition, desiredCount: $count} + ($more // {})'
}

one_off() { # id family:revision [more json]
    local more=${3:-}
    jq -cn --arg id "$1" --arg definition "$2" --argjson more "${more:-null}" \
        '{id: $id, taskDefinition: $definition} + ($more // {})'
}

document() { # revision piece...
    local revision=$1
    shift
    printf '%s\n' "$@" | jq -s --argjson revision "$revision" '{
        revision: $revision,
        taskDefinitions: map(select(.containerDefinitions)),
        services: map(select(.serviceName)),
        tasks: map(select(.id))}'
}

# Put a document in place as everybody should: by a rename.
put_document() { # text
    printf '%s\n' "$1" >"$desired.new"
    mv "$desired.new" "$desired"
}

desire() { # revision piece...
    put_document "$(document "$@")"
}

# ------------------------------------------------------------------ the agent

# Times that a test can wait for; a test changes them before agent_start.
agent_defaults() {
    setting=(
        [BERTH_DESIRED_URL]=file://$desired
        [BERTH_RUNTIME]=unix://$docker_socket
        [BERTH_SOCKET]=$berth_socket
        [BERTH_STATE_DIR]=$test_dir/state
        [BERTH_HOST_ID]=$host_id
        [BERTH_CLUSTER]=e2e
        [BERTH_CGROUP_PARENT]=$e2e_cgroup
        [BERTH_SETTLE_TIME]=1s
        [BERTH_RESTART_BACKOFF]=1s
        [BERTH_RESTART_BACKOFF_MAX]=4s
        [BERTH_RESTART_MIN_RUN]=1s
        [BERTH_STOP_TIMEOUT]=5s
        [BERTH_POLL_INTERVAL]=1s
        [BERTH_GROUP]=''
    )
}

agent_environment() {
    local key
    for key in "${!setting[@]}"; do
        printf '%s=%s\n' "$key" "${setting[$key]}"
    done
}

agent_launch() { # flag...
    local environment
    mapfile -t environment < <(agent_environment)
    # ASan builds are told to fail loudly.
    env -i PATH="$PATH" ASAN_OPTIONS=detect_leaks=1 "${environment[@]}" "${agent_extra[@]}" \
        "$bin/berthd" --config "$test_dir/berth.conf" "$@" >>"$agent_log" 2>&1 </dev/null &
    agent_pid=$!
    echo "$agent_pid" >"$test_dir/pid"
}

agent_ready() {
    status_says .ready
}

agent_start() { # flag...
    agent_launch "$@"
    eventually 15 "the agent is ready" agent_ready_or_dead
    agent_ready || fail "the agent ended instead of starting"
}

agent_ready_or_dead() {
    agent_ready || ! kill -0 "$agent_pid" 2>/dev/null
}

# The exit status of the agent, within a deadline.
agent_await() { # seconds
    local i
    for ((i = 0; i < $1 * 20; i++)); do
        kill -0 "$agent_pid" 2>/dev/null || break
        sleep 0.05
    done
    ! kill -0 "$agent_pid" 2>/dev/null || fail "the agent (pid $agent_pid) does not end"
    agent_status=0
    wait "$agent_pid" || agent_status=$?
}

agent_stop() {
    kill "$agent_pid"
    agent_await 15
    [ "$agent_status" -eq 0 ] || fail "the agent ended with $agent_status after SIGTERM"
}

agent_kill() {
    kill -9 "$agent_pid"
    wait "$agent_pid" 2>/dev/null
    true
}

berth() {
    "$bin/berth" --socket "$berth_socket" "$@"
}

# ------------------------------------------------------------------ saying what must hold

fail() {
    printf 'FAIL: %s\n' "$*"
    local i
    for ((i = 1; i < ${#FUNCNAME[@]} - 2; i++)); do
        printf '  at %s:%s (%s)\n' "$(basename "${BASH_SOURCE[i + 1]}")" "${BASH_LINENO[i]}" \
            "${FUNCNAME[i]}"
    done
    exit 1
}

skip() { # reason
    printf 'skipped: %s\n' "$*"
    exit 77
}

expect() { # what command...
    local what=$1
    shift
    "$@" || fail "expected: $what"
}

refute() { # what command...
    local what=$1
    shift
    ! "$@" || fail "expected not: $what"
}

equal() { # what expected actual
    [ "$2" = "$3" ] || fail "$1: expected \"$2\", got \"$3\""
}

equal_output() { # text command...
    local text=$1
    shift
    [ "$("$@")" = "$text" ]
}

contains() { # what text pattern
    grep -qE -- "$3" <<<"$2" || fail "$1: no \"$3\" in: $2"
}

milliseconds() {
    echo $((${EPOCHREALTIME/[.,]/} / 1000))
}

eventually() { # seconds what command...
    local until=$(($(milliseconds) + $1 * 1000)) what=$2 seconds=$1
    shift 2
    until "$@"; do
        [ "$(milliseconds)" -lt "$until" ] || fail "not within $seconds s: $what"
        sleep 0.1
    done
}

# Holds at every look for as long as it takes to see so.
throughout() { # seconds what command...
    local until=$(($(milliseconds) + $1 * 1000)) what=$2 seconds=$1
    shift 2
    while [ "$(milliseconds)" -lt "$until" ]; do
        "$@" || fail "not throughout $seconds s: $what"
        sleep 0.1
    done
}

exit_of() { # command... : its exit status, output in $output
    output=$("$@" 2>&1)
    exit_status=$?
}

# jq -e calls no input at all a success, which an agent that is not there would pass.
json_says() { # jq condition [jq option...]
    local condition=$1
    shift
    jq -es "$@" "if length == 0 then false else .[0] | ($condition) end" >/dev/null 2>&1
}

status_says() { # jq condition
    berth status -o json 2>/dev/null | json_says "$1"
}

service_says() { # name jq-condition
    berth services -o json 2>/dev/null |
        json_says ".[] | select(.serviceName == \$name) | $2" --arg name "$1"
}

tasks_say() { # jq condition on the array, stopped ones included
    berth ps --all -o json 2>/dev/null | json_says "$1"
}

events_say() { # extended regular expression
    berth events 2>/dev/null | grep -qE -- "$1"
}

why_says() { # subject regular-expression
    berth why "$1" 2>/dev/null | grep -qiE -- "$2"
}

task_of() { # service
    berth ps -o json | jq -r --arg group "service:$1" '[.[] | select(.group == $group)][0].taskId'
}

logs_say() { # service pattern
    berth logs "$(task_of "$1")" 2>/dev/null | grep -q "$2"
}

log_says() {
    grep -qE -- "$1" "$agent_log"
}

revision_is() {
    status_says ".desired.revision == $1"
}

steady() { # service count: exactly so many tasks, all healthy, one deployment
    service_says "$1" ".runningCount == $2 and .healthyCount == $2 and .pendingCount == 0
        and (.deployments | length) == 1 and .deployments[0].rolloutState == \"COMPLETED\"" &&
        [ "$(containers "$1" | wc -l)" -ge "$2" ]
}

# ------------------------------------------------------------------ what the runtime says

list_containers() { # all? label=value...
    local all=$1 labels
    shift
    labels=$(printf '%s\n' "$@" | jq -cRn '{label: [inputs]} | tojson | @uri' -r)
    api GET "/containers/json?all=$all&filters=$labels" | jq -r '.[].Id' | sort
}

containers() { # [service]: ids that run
    list_containers 0 "io.berth.host=$host_id" ${1:+"io.berth.service=$1"}
}

containers_all() { # [service]: stopped ones too
    list_containers 1 "io.berth.host=$host_id" ${1:+"io.berth.service=$1"}
}

container_named() { # service container-name: one id, running or not
    list_containers 1 "io.berth.host=$host_id" "io.berth.service=$1" "io.berth.container=$2" |
        head -n 1
}

count_is() { # number command...
    local number=$1
    shift
    [ "$("$@" | wc -l)" -eq "$number" ]
}

inspect() { # id jq-filter
    api GET "/containers/$1/json" | jq -r "$2"
}

run_foreign() { # name [label=value...]: a container that is none of the agent's business
    local name=$1 labels='{}'
    shift
    [ $# -eq 0 ] || labels=$(printf '%s\n' "$@" |
        jq -cRn '[inputs | split("=") | {(.[0]): .[1]}] | add')
    api POST "/containers/create?name=$name" -H 'Content-Type: application/json' -d "$(jq -cn \
        --argjson labels "$labels" --arg command "$sleeper" \
        '{Image: "bb:1", Cmd: ["sh", "-c", $command], Labels: $labels}')" >/dev/null
    api POST "/containers/$name/start"
    inspect "$name" .Id
}

# A port that nothing listens on; the namespace is ours alone, so it stays so.
next_port=20000
free_port() {
    next_port=$((next_port + 1))
    printf '%s' "$next_port"
}

# ------------------------------------------------------------------ running

declare -A setting
agent_extra=()

test_world() { # index
    test_dir=$work/$1
    host_id=e2e-$1
    desired=$test_dir/desired.json
    berth_socket=$test_dir/s.sock
    agent_log=$test_dir/agent.log
    agent_pid=
    # Tests share the namespace, and a process that one leaves behind may keep its port.
    next_port=$((20000 + $1 * 50))
    mkdir -p "$test_dir"
    : >"$agent_log"
    : >"$test_dir/berth.conf"
    agent_defaults
}

test_explain() {
    local id
    printf -- '--- status\n'
    timeout 10 "$bin/berth" --socket "$berth_socket" status -o json 2>&1 | jq -c . 2>&1
    printf -- '--- services\n'
    timeout 10 "$bin/berth" --socket "$berth_socket" services -o json 2>&1 | jq -c '.[]' 2>&1
    printf -- '--- ps --all\n'
    timeout 10 "$bin/berth" --socket "$berth_socket" ps --all -o json 2>&1 | jq -c '.[]' 2>&1
    printf -- '--- events\n'
    timeout 10 "$bin/berth" --socket "$berth_socket" events 2>&1 | tail -n 40
    printf -- '--- containers\n'
    for id in $(containers_all); do
        inspect "$id" '[.Name, .Config.Image, .State.Status, .State.ExitCode, .State.Health.Status,
            .State.Error] | map(tostring) | join("  ")'
    done
    printf -- '--- agent log\n'
    tail -n 60 "$agent_log"
}

test_teardown() { # status
    local id
    [ "$1" -eq 0 ] || [ "$1" -eq 77 ] || test_explain
    jobs -p | xargs -r kill -9 2>/dev/null
    [ ! -s "$test_dir/pid" ] || kill -9 "$(cat "$test_dir/pid")" 2>/dev/null
    if grep -qE 'AddressSanitizer|LeakSanitizer|runtime error:' "$agent_log"; then
        grep -E -A 20 'AddressSanitizer|LeakSanitizer|runtime error:' "$agent_log" | head -n 60
        exit 1
    fi
    # A test that stopped dockerd and failed must not take the next ones with it.
    docker_start
    for id in $(containers_all); do
        api DELETE "/containers/$id?force=1&v=1" >/dev/null
    done
    exit "$1"
}

run_test() { # index name
    (
        trap 'test_teardown $?' EXIT
        set -u
        test_world "$1"
        "$2"
    ) >"$work/test.out" 2>&1
}

run_tests() { # [name...]
    local names=("$@") name index=0 passed=0 failed=0 skipped=0 began status
    set +e
    trap 'exit 143' TERM INT
    trap e2e_cleanup EXIT
    ip link set lo up
    echo 0 >/proc/sys/net/ipv4/ip_forward
    if ! docker_start || ! import_images; then
        cat "$work/docker.out"
        printf '0 passed, 1 failed, 0 skipped\n'
        exit 1
    fi
    [ $# -gt 0 ] || mapfile -t names < <(sed -n 's/^\(test_[a-z0-9_]*\)() {.*/\1/p' "$0")
    for name in "${names[@]}"; do
        index=$((index + 1)) began=$(milliseconds)
        run_test "$index" "$name"
        status=$?
        case $status in
        0)
            passed=$((passed + 1))
            printf 'ok %s (%d ms)\n' "$name" $(($(milliseconds) - began))
            ;;
        77)
            skipped=$((skipped + 1))
            printf 'skipped: %s: %s\n' "$name" \
                "$(sed -n 's/^skipped: //p' "$work/test.out" | head -n 1)"
            ;;
        *)
            failed=$((failed + 1))
            printf 'FAILED %s (%d ms)\n' "$name" $(($(milliseconds) - began))
            sed 's/^/    /' "$work/test.out"
            ;;
        esac
    done
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" -eq 0 ]
}
