#!/bin/bash
# A task is a graph of containers: order at start, reverse order at stop, what an exit means.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# The order of events is read from the runtime, not from the agent.
started_at() { # service container
    inspect "$(container_named "$1" "$2")" .State.StartedAt
}
finished_at() {
    inspect "$1" .State.FinishedAt
}
earlier() { # time time
    [[ $1 < $2 || $1 == "$2" ]]
}

depends() { # container:CONDITION...
    printf '%s\n' "$@" | jq -cRn '{dependsOn: [inputs | split(":") |
        {containerName: .[0], condition: .[1]}]}'
}

test_start_waits_for_the_start_of_another() {
    desire 1 "$(definition app:1 \
        "$(container second "$sleeper" "$(depends first:START)")" \
        "$(container first "$sleeper")")" "$(service app app:1 1)"
    agent_start
    expect "it runs" berth wait app --timeout 30s
    expect "first before second" earlier "$(started_at app first)" "$(started_at app second)"
}

test_complete_and_success_wait_for_the_end_of_another() {
    local setup
    desire 1 "$(definition app:1 \
        "$(container main "$sleeper" "$(depends setup:SUCCESS cleanup:COMPLETE)")" \
        "$(container setup "sleep 0.5; exit 0" '{"essential": false}')" \
        "$(container cleanup "sleep 0.5; exit 3" '{"essential": false}')")" \
        "$(service app app:1 1)"
    agent_start
    expect "it runs" berth wait app --timeout 30s
    setup=$(container_named app setup)
    expect "setup ended before main began" earlier \
        "$(finished_at "$setup")" "$(started_at app main)"
    expect "cleanup ended before main began" earlier \
        "$(finished_at "$(container_named app cleanup)")" "$(started_at app main)"
    expect "exit codes are told" tasks_say '[.[0].containers[] | select(.name == "cleanup")][0]
        | .exitCode == 3 and .lastStatus == "STOPPED"'
}

test_a_failed_success_dependency_stops_the_task() {
    setting[BERTH_RESTART_BACKOFF]=60s setting[BERTH_RESTART_BACKOFF_MAX]=60s
    desire 1 "$(definition app:1 \
        "$(container main "touch /never; $sleeper" "$(depends setup:SUCCESS)")" \
        "$(container setup "exit 9" '{"essential": false}')")" \
        "$(service app app:1 1)"
    agent_start
    eventually 20 "the task stops" tasks_say 'any(.[]; .desiredStatus == "STOPPED"
        and (.stoppedReason | length) > 0)'
    refute "main ever started" main_started app
    expect "the cause names the container" tasks_say 'any(.[];
        ([.stoppedReason] + [.containers[].reason] | tostring | test("setup|main")))'
}

main_started() { # service
    local id
    for id in $(containers_all "$1"); do
        [ "$(inspect "$id" '.Config.Labels["io.berth.container"]')" != main ] ||
            [[ "$(inspect "$id" .State.StartedAt)" == 0001-* ]] || return 0
    done
    return 1
}

test_healthy_waits_for_health() {
    desire 1 "$(definition app:1 \
        "$(container main "$sleeper" "$(depends db:HEALTHY)")" \
        "$(container db "sleep 1; touch /tmp/up; $sleeper" '{"healthCheck":
            {"command": ["CMD-SHELL", "test -e /tmp/up"], "interval": 5, "timeout": 2}}')")" \
        "$(service app app:1 1)"
    agent_start
    eventually 15 "db runs" tasks_say '.[0].containers[] | select(.name == "db") |
        .lastStatus == "RUNNING"'
    refute "main runs before db is healthy" tasks_say '.[0].containers[] |
        select(.name == "main") | .lastStatus == "RUNNING"'
    expect "it completes" berth wait app --timeout 40s
    expect "db is healthy" tasks_say '.[0].healthStatus == "HEALTHY" and
        ([.[0].containers[] | select(.name == "db")][0].healthStatus == "HEALTHY")'
    equal "the runtime agrees" healthy "$(inspect "$(container_named app db)" .State.Health.Status)"
}

test_stops_in_reverse_order() {
    local first second
    desire 1 "$(definition app:1 \
        "$(container second "trap 'sleep 1; exit 0' TERM; sleep 100000 & wait" \
            "$(depends first:START)")" \
        "$(container first "$sleeper")")" "$(service app app:1 1)" \
        "$(definition keep:1 "$(container app "$sleeper")")"
    agent_start
    expect "it runs" berth wait app --timeout 30s
    first=$(container_named app first) second=$(container_named app second)
    watch_ends "$first" "$second" >"$test_dir/ends" &
    desire 2
    eventually 20 "both are gone" count_is 0 containers_all
    eventually 5 "both ends are seen" two_lines "$test_dir/ends"
    equal "order of ends" "$second $first" "$(xargs <"$test_dir/ends")"
}

two_lines() { # file
    [ "$(wc -l <"$1")" -eq 2 ]
}

# The runtime's own events: ids in the order of their deaths.
watch_ends() { # id...
    local filters
    filters=$(printf '%s\n' "$@" | jq -cRrn '{container: [inputs], event: ["die"]} | tojson | @uri')
    curl -sN --max-time 60 --unix-socket "$docker_socket" "http://d/events?filters=$filters" |
        jq --unbuffered -r .id
}

test_an_essential_exit_stops_the_task() {
    local task
    desire 1 "$(definition app:1 \
        "$(container main "sleep 3; exit 7")" \
        "$(container side "$sleeper" '{"essential": false}')")" "$(service app app:1 1)"
    agent_start
    eventually 15 "it runs" tasks_say '.[0].lastStatus == "RUNNING"'
    task=$(task_of app)
    eventually 20 "the task is stopped" tasks_say 'any(.[]; .taskId == "'"$task"'" and
        .desiredStatus == "STOPPED")'
    eventually 20 "side was stopped as well" tasks_say 'any(.[]; .taskId == "'"$task"'" and
        .lastStatus == "STOPPED" and all(.containers[]; .lastStatus == "STOPPED"))'
    expect "with ECS's words" tasks_say 'any(.[]; .taskId == "'"$task"'" and
        (.stoppedReason | test("[Ee]ssential container")) and
        ([.containers[] | select(.name == "main")][0].exitCode == 7))'
    eventually 20 "and replaced" tasks_say 'any(.[]; .taskId != "'"$task"'" and
        .lastStatus == "RUNNING")'
}

test_a_non_essential_exit_changes_nothing() {
    local before
    desire 1 "$(definition app:1 "$(container main "$sleeper")" \
        "$(container side "exit 4" '{"essential": false}')")" "$(service app app:1 1)"
    agent_start
    expect "it completes" berth wait app --timeout 30s
    before=$(container_named app main)
    expect "side's exit code is told" tasks_say '[.[0].containers[] | select(.name == "side")][0]
        | .exitCode == 4'
    equal "one task" 1 "$(berth ps --all -o json | jq length)"
    equal "the same container" "$before" "$(containers app)"
}

test_a_start_timeout_ends_the_dependent_with_143() {
    setting[BERTH_RESTART_BACKOFF]=60s setting[BERTH_RESTART_BACKOFF_MAX]=60s
    desire 1 "$(definition app:1 \
        "$(container main "$sleeper" "$(depends slow:SUCCESS)")" \
        "$(container slow "trap 'exit 0' TERM; sleep 100 & wait" \
            '{"essential": false, "startTimeout": 2, "stopTimeout": 1}')")" "$(service app app:1 1)"
    agent_start
    eventually 20 "main is given up with 143" tasks_say 'any(.[]; [.containers[] |
        select(.name == "main")][0].exitCode == 143)'
    eventually 20 "and so is the task" tasks_say 'any(.[]; .lastStatus == "STOPPED")'
    expect "the reason tells" tasks_say 'any(.[]; [.stoppedReason, .containers[].reason] |
        tostring | test("start|time|depend"; "i"))'
}

test_a_restart_policy_ignores_the_codes_that_it_names() {
    desire 1 "$(definition app:1 "$(container main "exit 5" \
        '{"restartPolicy": {"enabled": true, "ignoredExitCodes": [5],
            "restartAttemptPeriod": 60}}')" \
        "$(container other "$sleeper" '{"essential": false}')")" "$(service app app:1 1)"
    agent_start
    eventually 20 "an ignored code ends the task" tasks_say 'any(.[]; .lastStatus == "STOPPED" and
        ([.containers[] | select(.name == "main")][0] | .exitCode == 5 and .restartCount == 0))'
}

test_a_restart_policy_restarts_the_same_container() {
    # 60 s is the shortest period that ECS allows; what ran for less is not restarted.
    local id task
    desire 1 "$(definition app:1 "$(container main "sleep 62; exit 5" \
        '{"restartPolicy": {"enabled": true, "restartAttemptPeriod": 60}}')")" \
        "$(service app app:1 1)"
    agent_start
    eventually 20 "it runs" tasks_say '.[0].lastStatus == "RUNNING"'
    id=$(containers app) task=$(task_of app)
    eventually 80 "it is restarted" tasks_say '.[0].containers[0].restartCount == 1'
    eventually 5 "it runs again" equal_output "$id" containers app
    equal "the same task" "$task" "$(task_of app)"
    equal "and no other" 1 "$(berth ps --all -o json | jq length)"
}

test_one_that_ignores_sigterm_is_killed_after_its_timeout() {
    local id began took
    desire 1 "$(definition app:1 "$(container main "trap '' TERM; sleep 100000 & wait" \
        '{"stopTimeout": 2}')")" "$(service app app:1 1)"
    agent_start
    expect "it runs" berth wait app --timeout 30s
    id=$(containers app)
    began=$(milliseconds)
    desire 2 "$(definition app:1 "$(container main "$sleeper")")" "$(service app app:1 0)"
    eventually 15 "it is stopped" count_is 0 containers app
    took=$(($(milliseconds) - began))
    expect "not before its two seconds ($took ms)" [ "$took" -ge 1800 ]
    eventually 10 "killed, and told so" tasks_say 'any(.[]; .containers[0] |
        .runtimeId == "'"$id"'" and .exitCode == 137)'
}

test_a_command_that_does_not_exist_is_named() {
    desire 1 "$(definition app:1 "$(container main x '{"command": ["/no/such/program"]}')")" \
        "$(service app app:1 1)"
    agent_start
    eventually 20 "the reason names program and error" tasks_say 'any(.[];
        .containers[0].reason | test("CannotStartContainerError") and test("/no/such/program"))'
    expect "why tells it" why_says app '/no/such/program'
}

run_tests "$@"
