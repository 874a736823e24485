#!/bin/bash
# What dies is replaced, what is ours and unwanted is removed, what is not ours is never touched.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

simple() { # revision
    desire "$1" "$(definition web:1 "$(container app "$sleeper")")" "$(service web web:1 1)"
}

another_than() { # id
    [ "$(containers web | wc -l)" -eq 1 ] && [ "$(containers web)" != "$1" ]
}

test_a_killed_container_is_replaced_at_once() {
    local before began took
    setting[BERTH_RESTART_BACKOFF]=30s setting[BERTH_RESTART_BACKOFF_MAX]=30s
    simple 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    # The first death of a task that ran for BERTH_RESTART_MIN_RUN (1 s here) is repaired at once.
    throughout 1 "it runs" count_is 1 containers web
    before=$(containers web)
    began=$(milliseconds)
    api POST "/containers/$before/kill"
    eventually 10 "another one runs" another_than "$before"
    took=$(($(milliseconds) - began))
    expect "at once ($took ms)" [ "$took" -lt 3000 ]
    eventually 20 "healthy" steady web 1
    expect "the exit is told" tasks_say 'any(.[]; .containers[0] |
        .runtimeId == "'"$before"'" and .exitCode == 137)'
}

test_a_removed_container_is_replaced() {
    local before
    simple 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    before=$(containers web)
    api DELETE "/containers/$before?force=1"
    eventually 15 "another one runs" another_than "$before"
    eventually 20 "healthy" steady web 1
}

test_one_stopped_by_hand_is_replaced() {
    local before
    simple 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    before=$(containers web)
    api POST "/containers/$before/stop?t=1"
    eventually 15 "another one runs" another_than "$before"
}

test_one_renamed_by_hand_is_still_known() {
    local before
    setting[BERTH_RESYNC_INTERVAL]=2s
    simple 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    before=$(containers web)
    api POST "/containers/$before/rename?name=somebody-renamed-me"
    berth restart web
    eventually 30 "replaced and removed" another_than "$before"
    eventually 10 "nothing is left behind" count_is 1 containers_all
}

starts_of() { # service: how often the agent created a task for it
    berth events | jq -r 'select(.service == "'"$1"'" and .kind == "task") | .task // .taskId' |
        sort -u | wc -l
}

test_backoff_slows_a_container_that_exits_at_once() {
    local i created
    setting[BERTH_RESTART_BACKOFF]=2s
    setting[BERTH_RESTART_BACKOFF_MAX]=60s
    desire 1 "$(definition web:1 "$(container app "exit 1")")" "$(service web web:1 1)"
    count_creates >"$test_dir/creates" &
    agent_start
    eventually 10 "why names the backoff" why_says web 'backoff'
    # 2, 4, 8 seconds: within ten seconds there is room for four, not for a hundred.
    throughout 10 "few starts" few_creates 5
    created=$(wc -l <"$test_dir/creates")
    expect "it is tried again ($created)" [ "$created" -ge 2 ]
    expect "why names the exit code" why_says web 'exit.{0,20}1'
    expect "status does not call it healthy" service_says web '.healthyCount == 0'
}

count_creates() {
    local filters
    filters=$(jq -rn '{event: ["create"], type: ["container"]} | tojson | @uri')
    curl -sN --max-time 30 --unix-socket "$docker_socket" "http://d/events?filters=$filters"
}

few_creates() { # most
    [ "$(grep -c '"create"' "$test_dir/creates")" -le "$1" ]
}

test_orphans_of_ours_are_removed() {
    setting[BERTH_RESYNC_INTERVAL]=2s
    simple 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    local orphan
    orphan=$(run_foreign orphan-1 "io.berth.host=$host_id" io.berth.service=gone \
        io.berth.task=00112233445566778899aabbccddeeff io.berth.container=app \
        io.berth.digest=00 io.berth.generation=1 io.berth.slot=0 io.berth.attempt=1)
    eventually 30 "the orphan is gone" gone "$orphan"
    expect "web is untouched" steady web 1
}

gone() { # id
    [ "$(api GET "/containers/$1/json" | jq -r .message)" != null ]
}

test_orphans_from_before_the_start_are_removed() {
    local orphan
    orphan=$(run_foreign orphan-2 "io.berth.host=$host_id" io.berth.service=gone \
        io.berth.task=ffeeddccbbaa99887766554433221100 io.berth.container=app \
        io.berth.digest=00 io.berth.generation=1 io.berth.slot=0 io.berth.attempt=1)
    simple 1
    agent_start
    eventually 30 "the orphan is gone" gone "$orphan"
    eventually 20 "web runs" steady web 1
}

test_what_is_not_ours_is_never_touched() {
    local stranger neighbour lookalike
    stranger=$(run_foreign stranger-1)
    neighbour=$(run_foreign neighbour-1 io.berth.host=another-host io.berth.service=web \
        io.berth.task=0123456789abcdef0123456789abcdef io.berth.container=app)
    lookalike=$(run_foreign berth-web-app-012345678901)
    simple 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    desire 2
    eventually 20 "ours are gone" count_is 0 containers_all
    for id in "$stranger" "$neighbour" "$lookalike"; do
        equal "still running" true "$(inspect "$id" .State.Running)"
        equal "never restarted" 0 "$(inspect "$id" .RestartCount)"
        api DELETE "/containers/$id?force=1" >/dev/null
    done
}

test_berth_stop_replaces_the_task() {
    local before task
    simple 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    before=$(containers web) task=$(task_of web)
    expect "stop is taken" berth stop "$task"
    eventually 20 "another one runs" another_than "$before"
    expect "the reason is the operator" tasks_say 'any(.[]; .taskId == "'"$task"'" and
        (.stoppedReason | test("operator|user|request|stop"; "i")))'
    eventually 20 "not counted as a failure" service_says web '.deployments[0].failedTasks == 0'
}

test_one_hanging_stop_holds_up_nobody_else() {
    desire 1 "$(definition slow:1 "$(container app "$stubborn" '{"stopTimeout": 20}')")" \
        "$(definition web:1 "$(container app "$sleeper")")" \
        "$(service slow slow:1 1)" "$(service web web:1 1)"
    agent_start
    expect "both run" berth wait slow --timeout 30s
    expect "both run" berth wait web --timeout 30s
    desire 2 "$(definition web:2 "$(container app "$sleeper" '{"image": "bb:2"}')")" \
        "$(service web web:2 1)"
    expect "web moves on" berth wait web --revision 2 --timeout 15s
    equal "while slow is still stopping" 1 "$(containers slow | wc -l)"
}

run_tests "$@"
