#!/bin/bash
# Replacing one revision by the next inside the healthy bounds, and what happens when it fails.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

checked() { # shell-command that tells health
    jq -cn --arg command "$1" '{healthCheck: {command: ["CMD-SHELL", $command],
        interval: 5, timeout: 2, retries: 1}}'
}

bounds() { # minimum maximum
    printf '{"deploymentConfiguration": {"minimumHealthyPercent": %s, "maximumPercent": %s}}' \
        "$1" "$2"
}

# Samples of "healthy live" as the runtime and the agent see them, until stopped.
sample_bounds() { # service file
    while :; do
        printf '%s %s\n' "$(berth services -o json | jq -r --arg name "$1" \
            '.[] | select(.serviceName == $name).healthyCount')" "$(containers "$1" | wc -l)"
    done >"$2"
}

lowest() { # file column
    awk -v column="$2" 'NF == 2 && (!seen || $column < low) { low = $column; seen = 1 }
        END { print low }' "$1"
}
highest() {
    awk -v column="$2" 'NF == 2 && $column > high { high = $column } END { print high + 0 }' "$1"
}

test_min_100_max_200_keeps_every_healthy_task() {
    local sampler
    desire 1 "$(definition web:1 "$(container app "$sleeper" "$(checked true)")")" \
        "$(service web web:1 2 "$(bounds 100 200)")"
    agent_start
    expect "the first revision" berth wait web --timeout 40s
    sample_bounds web "$test_dir/samples" &
    sampler=$!
    desire 2 "$(definition web:2 "$(container app "$sleeper" \
        "$(checked true | jq -c '. + {image: "bb:2"}')")")" \
        "$(service web web:2 2 "$(bounds 100 200)")"
    expect "the second revision" berth wait web --revision 2 --timeout 60s
    kill "$sampler"
    expect "some samples" [ "$(wc -l <"$test_dir/samples")" -ge 10 ]
    expect "never fewer than 2 healthy" [ "$(lowest "$test_dir/samples" 1)" -ge 2 ]
    expect "never more than 4 containers" [ "$(highest "$test_dir/samples" 2)" -le 4 ]
    eventually 10 "two are left" count_is 2 containers_all web
    expect "of the new image" image_is web bb:2
    expect "steady" steady web 2
}

image_is() { # service image
    local id
    for id in $(containers "$1"); do
        [ "$(inspect "$id" .Config.Image)" = "$2" ] || return 1
    done
}

test_min_50_max_100_goes_one_by_one() {
    local sampler
    desire 1 "$(definition web:1 "$(container app "$sleeper")")" \
        "$(service web web:1 2 "$(bounds 50 100)")"
    agent_start
    expect "the first revision" berth wait web --timeout 30s
    sample_bounds web "$test_dir/samples" &
    sampler=$!
    desire 2 "$(definition web:2 "$(container app "$sleeper")")" \
        "$(service web web:2 2 "$(bounds 50 100)")"
    expect "the second revision" berth wait web --revision 2 --timeout 60s
    kill "$sampler"
    expect "never fewer than 1 healthy" [ "$(lowest "$test_dir/samples" 1)" -ge 1 ]
    expect "never more than 2 containers" [ "$(highest "$test_dir/samples" 2)" -le 2 ]
}

test_a_daemon_stops_first() {
    local sampler
    desire 1 "$(definition web:1 "$(container app "$sleeper")")" \
        "$(service web web:1 1 '{"schedulingStrategy": "DAEMON"}' | jq 'del(.desiredCount)')"
    agent_start
    expect "the first revision" berth wait web --timeout 30s
    sample_bounds web "$test_dir/samples" &
    sampler=$!
    desire 2 "$(definition web:2 "$(container app "$sleeper")")" \
        "$(service web web:2 1 '{"schedulingStrategy": "DAEMON"}' | jq 'del(.desiredCount)')"
    expect "the second revision" berth wait web --revision 2 --timeout 60s
    kill "$sampler"
    expect "never two" [ "$(highest "$test_dir/samples" 2)" -le 1 ]
}

test_100_and_100_stalls_and_says_so() {
    local before
    desire 1 "$(definition web:1 "$(container app "$sleeper")")" \
        "$(service web web:1 1 "$(bounds 100 100)")"
    agent_start
    expect "the first revision" berth wait web --timeout 30s
    before=$(containers web)
    desire 2 "$(definition web:2 "$(container app "$sleeper")")" \
        "$(service web web:2 1 "$(bounds 100 100)")"
    eventually 15 "why says so" why_says web 'no room|minimumHealthyPercent'
    equal "nothing moved" "$before" "$(containers web)"
}

test_a_fixed_port_stops_first_and_says_so() {
    local port pieces
    port=$(free_port)
    pieces=("$(service web web:2 1)" "$(definition web:2 "$(web_container "{\"hostPort\": $port}" \
        '{"image": "bb:2"}')")")
    desire 1 "$(definition web:1 "$(web_container "{\"hostPort\": $port}")")" \
        "$(service web web:1 1)"
    agent_start
    expect "the first revision" berth wait web --timeout 30s
    document 2 "${pieces[@]}" >"$test_dir/next.json"
    exit_of berth plan "$test_dir/next.json"
    equal "plan says that something will change" 2 "$exit_status"
    contains "plan says stop first" "$output" "[Ss]top.{0,20}first|first.{0,60}stop"
    contains "and names the port" "$output" "$port"
    desire 2 "${pieces[@]}"
    expect "the second revision" berth wait web --revision 2 --timeout 60s
    equal "new page" "page 2" "$(curl -s --max-time 2 "http://127.0.0.1:$port/")"
    expect "an event says it" events_say "stop.{0,20}first"
    expect "why says it" why_says web "stop.{0,20}first"
}

test_an_image_that_does_not_exist_keeps_the_old_task() {
    local before
    setting[BERTH_PROGRESS_DEADLINE]=8s
    desire 1 "$(definition web:1 "$(container app "$sleeper")")" "$(service web web:1 1)"
    agent_start
    expect "the first revision" berth wait web --timeout 30s
    before=$(containers web)
    desire 2 "$(definition web:2 \
        "$(container app "$sleeper" '{"image": "127.0.0.1:1/nothing:here"}')")" \
        "$(service web web:2 1)"
    exit_of berth wait web --revision 2 --timeout 60s
    equal "wait says failed" 3 "$exit_status"
    contains "with the reason" "$output" "nothing:here"
    equal "the old one was never touched" "$before" "$(containers web)"
    expect "FAILED" service_says web 'any(.deployments[]; .rolloutState == "FAILED" and
        .taskDefinition == "web:2" and (.rolloutStateReason | length) > 0)'
    expect "why names the image" why_says web 'nothing:here'
}

test_a_command_that_does_not_exist_keeps_the_old_task() {
    local before
    setting[BERTH_PROGRESS_DEADLINE]=10s
    desire 1 "$(definition web:1 "$(container app "$sleeper")")" "$(service web web:1 1)"
    agent_start
    expect "the first revision" berth wait web --timeout 30s
    before=$(containers web)
    desire 2 "$(definition web:2 "$(container app x '{"command": ["/no/such/program"]}')")" \
        "$(service web web:2 1)"
    exit_of berth wait web --revision 2 --timeout 60s
    equal "wait says failed" 3 "$exit_status"
    equal "the old one was never touched" "$before" "$(containers web)"
    expect "failures are counted" service_says web 'any(.deployments[]; .taskDefinition == "web:2"
        and .failedTasks >= 1)'
}

test_one_that_exits_at_once_keeps_the_old_task() {
    local before
    setting[BERTH_PROGRESS_DEADLINE]=10s
    desire 1 "$(definition web:1 "$(container app "$sleeper")")" "$(service web web:1 1)"
    agent_start
    expect "the first revision" berth wait web --timeout 30s
    before=$(containers web)
    desire 2 "$(definition web:2 "$(container app "echo cannot go on; exit 3")")" \
        "$(service web web:2 1)"
    exit_of berth wait web --revision 2 --timeout 60s
    equal "wait says failed" 3 "$exit_status"
    equal "the old one was never touched" "$before" "$(containers web)"
    expect "why shows the exit code" why_says web 'exit.{0,20}3'
    expect "why shows the last lines of its log" why_says web 'cannot go on'
}

test_never_healthy_fails_at_the_deadline() {
    local before
    setting[BERTH_PROGRESS_DEADLINE]=12s
    desire 1 "$(definition web:1 "$(container app "$sleeper")")" "$(service web web:1 1)"
    agent_start
    expect "the first revision" berth wait web --timeout 30s
    before=$(containers web)
    desire 2 "$(definition web:2 "$(container app "$sleeper" "$(checked false)")")" \
        "$(service web web:2 1)"
    exit_of berth wait web --revision 2 --timeout 60s
    equal "wait says failed" 3 "$exit_status"
    expect "the old task is kept" grep -q "$before" <(containers web)
    expect "healthy all along" service_says web '.healthyCount >= 1'
    expect "the deadline or the check is the reason" service_says web 'any(.deployments[];
        .rolloutState == "FAILED" and
        (.rolloutStateReason | test("progress|deadline|health"; "i")))'
    # And the way out is a newer document.
    desire 3 "$(definition web:3 "$(container app "$sleeper" "$(checked true)")")" \
        "$(service web web:3 1)"
    expect "a newer revision mends it" berth wait web --revision 3 --timeout 60s
    # The container of the failed task is kept for its logs, but does not run.
    eventually 20 "only the new one runs" count_is 1 containers web
}

test_a_newer_document_supersedes_one_in_progress() {
    local before
    desire 1 "$(definition web:1 "$(container app "$sleeper")")" "$(service web web:1 1)"
    agent_start
    expect "the first revision" berth wait web --timeout 30s
    before=$(containers web)
    desire 2 "$(definition web:2 "$(container app "$sleeper" "$(checked false)")")" \
        "$(service web web:2 1)"
    eventually 20 "the second is on its way" count_is 2 containers web
    desire 3 "$(definition web:3 "$(container app "$sleeper" '{"image": "bb:2"}')")" \
        "$(service web web:3 1)"
    expect "the third completes" berth wait web --revision 3 --timeout 40s
    eventually 20 "one container" count_is 1 containers_all web
    expect "of the third" image_is web bb:2
}

test_going_back_is_a_deployment_too() {
    local first
    desire 1 "$(definition web:1 "$(container app "$sleeper")")" "$(service web web:1 1)"
    agent_start
    expect "A" berth wait web --timeout 30s
    first=$(containers web)
    desire 2 "$(definition web:2 "$(container app "$sleeper" '{"image": "bb:2"}')")" \
        "$(service web web:2 1)"
    expect "B" berth wait web --revision 2 --timeout 30s
    desire 3 "$(definition web:1 "$(container app "$sleeper")")" "$(service web web:1 1)"
    expect "A again" berth wait web --revision 3 --timeout 30s
    expect "with a new container" [ "$first" != "$(containers web)" ]
    expect "steady" steady web 1
}

test_a_restart_is_rolling() {
    local before sampler
    desire 1 "$(definition web:1 "$(container app "$sleeper")")" "$(service web web:1 2)"
    agent_start
    expect "it runs" berth wait web --timeout 30s
    before=$(containers web | xargs)
    sample_bounds web "$test_dir/samples" &
    sampler=$!
    expect "restart is taken" berth restart web
    eventually 40 "both are new" both_new "$before"
    kill "$sampler"
    expect "never fewer than 2 healthy" [ "$(lowest "$test_dir/samples" 1)" -ge 2 ]
    expect "of the same revision" service_says web '.taskDefinition == "web:1"'
}

both_new() { # ids
    local id
    for id in $1; do
        ! containers_all web | grep -q "$id" || return 1
    done
    steady web 2
}

run_tests "$@"
