#!/bin/bash
# The berth command against a living agent: answers, streams, exit codes; and plan tells the truth.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

simple() { # revision [count [image]]
    desire "$1" "$(definition "web:$1" \
        "$(container app "echo line one; echo line two >&2; $sleeper" \
        "{\"image\": \"${3:-bb:1}\"}")")" "$(service web "web:$1" "${2:-1}")"
}

test_plan_is_what_then_happens() {
    local before planned began
    simple 1 2
    agent_start
    expect "it runs" berth wait web --timeout 30s
    exit_of berth plan
    equal "nothing to do" 0 "$exit_status"
    before=$(containers web | xargs)
    document 2 "$(definition web:2 "$(container app "$sleeper" '{"image": "bb:2"}')")" \
        "$(service web web:2 2)" "$(definition extra:1 "$(container app "$sleeper")")" \
        "$(service extra extra:1 1)" >"$test_dir/next.json"
    exit_of berth plan "$test_dir/next.json"
    equal "changes pending" 2 "$exit_status"
    contains "the table names the new image" "$output" 'bb:2'
    planned=$(berth plan "$test_dir/next.json" -o json)
    throughout 1 "a plan changes nothing" equal_words "$before" containers web
    expect "and no revision" revision_is 1
    began=$(date +%s.%N)
    put_document "$(cat "$test_dir/next.json")"
    expect "it completes" berth wait web --revision 2 --timeout 40s
    expect "it completes" berth wait extra --revision 2 --timeout 40s
    eventually 20 "the old ones are gone" count_is 2 containers_all web
    changes_since "$began" >"$test_dir/happened"
    equal "creates: planned and done" \
        "$(jq -r '[.steps[] | select(.action == "create")] | length' <<<"$planned")" \
        "$(grep -c '^create' "$test_dir/happened")"
    equal "removes: planned and done" \
        "$(jq -r '[.steps[] | select(.action == "remove")] | length' <<<"$planned")" \
        "$(grep -c '^destroy' "$test_dir/happened")"
    expect "every step has a cause" jq -e 'all(.steps[]; (.cause | length) > 0)' <<<"$planned"
    exit_of berth plan
    equal "nothing left to do" 0 "$exit_status"
}

equal_words() { # words command...
    local words=$1
    shift
    [ "$("$@" | xargs)" = "$words" ]
}

# What the runtime says was created and removed since then.
changes_since() { # time
    local filters
    filters=$(jq -rn --arg host "$host_id" '{event: ["create", "destroy"], type: ["container"],
        label: ["io.berth.host=" + $host]} | tojson | @uri')
    api GET "/events?filters=$filters&since=$1&until=$(date +%s.%N)" | jq -r .Action
}

test_logs_come_from_the_container() {
    simple 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    contains "stdout" "$(berth logs "$(task_of web)")" 'line one'
    contains "stderr" "$(berth logs "$(task_of web)" app 2>&1)" 'line two'
    equal "tail" 1 "$(berth logs "$(task_of web)" --tail 1 2>&1 | wc -l)"
    exit_of berth logs "$(task_of web)" nobody
    equal "unknown container" 1 "$exit_status"
    exit_of berth logs 00000000000000000000000000000000
    equal "unknown task" 1 "$exit_status"
}

test_logs_follow() {
    local follower
    desire 1 "$(definition web:1 "$(container app \
        "trap 'exit 0' TERM; while :; do echo tick; sleep 0.2 & wait \$!; done")")" \
        "$(service web web:1 1)"
    agent_start
    expect "it runs" berth wait web --timeout 30s
    berth logs "$(task_of web)" -f >"$test_dir/followed" 2>&1 &
    follower=$!
    eventually 5 "it streams" grep -q 'tick' "$test_dir/followed"
    local seen
    seen=$(wc -l <"$test_dir/followed")
    eventually 5 "and goes on" longer "$test_dir/followed" "$seen"
    kill -INT "$follower" 2>/dev/null
    kill "$follower" 2>/dev/null
    wait "$follower" 2>/dev/null
    berth logs "$(task_of web)" -f >"$test_dir/followed2" 2>&1 &
    follower=$!
    eventually 5 "again" grep -q 'tick' "$test_dir/followed2"
    api POST "/containers/$(containers web)/kill" >/dev/null
    eventually 10 "it ends with the container" dead "$follower"
}

longer() { # file lines
    [ "$(wc -l <"$1")" -gt "$2" ]
}
dead() { # pid
    ! kill -0 "$1" 2>/dev/null
}

test_a_log_client_that_does_not_read_is_dropped() {
    local before
    desire 1 "$(definition web:1 \
        "$(container app "trap 'exit 0' TERM; yes 01234567890123456789 & wait")")" \
        "$(service web web:1 1)"
    agent_start
    expect "it runs" berth wait web --timeout 30s
    before=$(memory_kib)
    # Never reads: the pipe fills, then the socket, then berthd's own queue up to its bound.
    mkfifo "$test_dir/fifo"
    exec 9<>"$test_dir/fifo"
    curl -sN --unix-socket "$berth_socket" "http://d/v1/tasks/$(task_of web)/logs?follow=1" >&9 &
    throughout 5 "the agent does not hoard" memory_below $((before + 30000))
    expect "and answers others" berth services -o json
    exec 9>&-
}

memory_kib() {
    awk '/^VmRSS/ { print $2 }' "/proc/$agent_pid/status"
}
memory_below() { # KiB
    [ "$(memory_kib)" -lt "$1" ]
}

test_events_tell_and_follow() {
    simple 1
    agent_start
    berth events -f -o json >"$test_dir/events" &
    expect "it runs" berth wait web --timeout 30s
    eventually 5 "events arrive" grep -q web "$test_dir/events"
    expect "each line is JSON" jq -es 'length > 0 and all(.[]; type == "object")' "$test_dir/events"
    simple 2 1 bb:2
    expect "replaced" berth wait web --revision 2 --timeout 30s
    eventually 5 "they follow" grep -q 'web:2' "$test_dir/events"
    expect "past ones without -f" jq -es 'length > 3' <(berth events -o json)
}

test_status_ps_and_services_as_tables() {
    simple 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    contains "status" "$(berth status)" 'e2e'
    contains "services" "$(berth services)" 'web'
    contains "ps" "$(berth ps)" 'RUNNING'
    contains "one service" "$(berth services web)" 'web:1'
    refute "colours without a terminal" grep -q $'\e' <(berth ps)
    exit_of berth services nobody
    equal "unknown service" 1 "$exit_status"
    equal "ps is tasks" "$(berth ps -o json | jq -S 'map(.taskId)')" \
        "$(berth tasks -o json | jq -S 'map(.taskId)')"
}

test_errors_are_json_with_o_json() {
    simple 1
    agent_start
    "$bin/berth" --socket "$berth_socket" -o json services nobody >"$test_dir/out" 2>"$test_dir/err"
    equal "exit status" 1 $?
    equal "stdout is empty" 0 "$(stat -c %s "$test_dir/out")"
    expect "stderr is one object" jq -es 'length == 1 and (.[0] | has("code") and has("message"))' \
        "$test_dir/err"
    "$bin/berth" --socket "$test_dir/nobody.sock" -o json status >"$test_dir/out" 2>"$test_dir/err"
    equal "not reachable" 6 $?
    expect "stderr is one object" jq -es 'length == 1' "$test_dir/err"
}

test_exit_codes() {
    simple 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    exit_of berth status
    equal "ok" 0 "$exit_status"
    exit_of berth no-such-command
    equal "usage" 2 "$exit_status"
    exit_of berth wait
    equal "a missing argument" 2 "$exit_status"
    exit_of berth wait nobody --timeout 2s
    expect "no such service is a failure ($exit_status)" [ "$exit_status" -eq 1 ]
    exit_of berth wait web --revision 99 --timeout 1s
    equal "timed out" 4 "$exit_status"
    exit_of "$bin/berth" --socket "$test_dir/nobody.sock" ps
    equal "not reachable" 6 "$exit_status"
    contains "and says where" "$output" 'nobody.sock'
    exit_of berth restart nobody
    equal "unknown service" 1 "$exit_status"
    exit_of berth stop 00000000000000000000000000000000
    equal "unknown task" 1 "$exit_status"
}

test_poll_fetches_now() {
    simple 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    simple 2 2
    contains "poll tells the revision" "$(berth poll -o json | jq -c .revision)" '^2$'
    expect "in effect on return" revision_is 2
}

test_why_explains_what_is_waited_for() {
    simple 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    contains "a service" "$(berth why web)" 'web'
    contains "a task" "$(berth why "$(task_of web)")" 'RUNNING|running'
    contains "a prefix is enough" "$(berth why "$(task_of web | cut -c1-8)")" 'web'
    exit_of berth why nobody
    equal "unknown" 1 "$exit_status"
    expect "json" berth why web -o json
}

test_config_names_the_origin_of_each_value() {
    printf 'BERTH_MAX_PULLS=2\n' >"$test_dir/berth.conf"
    setting[BERTH_MAX_STOPS]=9
    simple 1
    agent_start --max-starts 7 || true
    expect "file" config_from BERTH_MAX_PULLS 2 'berth.conf'
    expect "environment" config_from BERTH_MAX_STOPS 9 environment
    expect "default" config_from BERTH_TASK_CLEANUP_WAIT '' default
    contains "as a table" "$(berth config)" 'BERTH_MAX_PULLS'
}

config_from() { # key value origin
    berth config -o json | json_says '.[$key] | ($value == "" or (.value | tostring) == $value)
        and (.origin | test($origin))' --arg key "$1" --arg value "$2" --arg origin "$3"
}

test_version_help_and_completion() {
    local shell command
    contains "version" "$("$bin/berth" version)" '[0-9]+\.[0-9]+'
    for command in status services ps validate plan poll wait restart stop logs events why version \
        config completion; do
        exit_of "$bin/berth" $command --help
        equal "$command --help" 0 "$exit_status"
        contains "$command --help" "$output" "$command"
        contains "the overview names it" "$("$bin/berth" --help)" "$command"
    done
    for shell in bash zsh fish; do
        exit_of "$bin/berth" completion $shell
        equal "completion $shell" 0 "$exit_status"
        contains "knows the commands" "$output" services
    done
    "$bin/berth" completion bash >"$test_dir/completion"
    expect "bash reads it" bash -n "$test_dir/completion"
}

test_only_root_and_the_group_may_ask() {
    simple 1
    agent_start
    chmod 666 "$berth_socket"
    chmod 755 "$work" "$test_dir"
    command -v setpriv >/dev/null || skip "setpriv is not installed"
    # The mode is out of the way; what is left is the check of the peer's credentials.
    equal "a stranger" 403 "$(setpriv --reuid 65534 --regid 65534 --clear-groups \
        curl -s -o /dev/null -w '%{http_code}' --unix-socket "$berth_socket" http://d/v1/status)"
    equal "root" 200 "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$berth_socket" \
        http://d/v1/status)"
}

test_http_errors_are_shaped() {
    simple 1
    agent_start
    equal "unknown path" 404 "$(curl -s -o "$test_dir/body" -w '%{http_code}' \
        --unix-socket "$berth_socket" http://d/v1/nothing)"
    expect "code and message" jq -e 'has("code") and has("message")' "$test_dir/body"
    equal "wrong method" 405 "$(curl -s -o /dev/null -w '%{http_code}' -X DELETE \
        --unix-socket "$berth_socket" http://d/v1/status)"
    equal "garbage to validate" true "$(curl -s --unix-socket "$berth_socket" -d '{' \
        http://d/v1/validate | jq '.valid == false and (.errors | length) > 0')"
}

run_tests "$@"
