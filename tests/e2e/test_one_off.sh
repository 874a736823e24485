#!/bin/bash
# One-off tasks: exactly once per id, whatever happens, and the result is kept.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# Every run leaves a line in a file of the host: the truth about how often it ran.
counted() { # family:revision shell-command
    definition "$1" "$(container app "echo ran >> /data/runs; $2" \
        '{"mountPoints": [{"sourceVolume": "data", "containerPath": "/data"}]}')" |
        jq -c --arg path "$test_dir/data" '.volumes = [{name: "data", host: {sourcePath: $path}}]'
}

runs() {
    [ ! -e "$test_dir/data/runs" ] || wc -l <"$test_dir/data/runs"
}

ran() { # times
    [ "$(runs)" -eq "$1" ]
}

task_says() { # id jq-condition
    tasks_say "any(.[]; .startedBy == \"$1\" and ($2))"
}

test_runs_once_and_keeps_its_exit_code() {
    mkdir -p "$test_dir/data"
    desire 1 "$(counted migrate:3 "exit 42")" "$(one_off m-1 migrate:3)"
    agent_start
    eventually 20 "it has run" task_says m-1 '.lastStatus == "STOPPED" and
        .containers[0].exitCode == 42 and .group == "family:migrate"'
    equal "runs" 1 "$(runs)"
    equal "its container is kept" 1 "$(list_containers 1 "io.berth.host=$host_id" | wc -l)"
    desire 2 "$(counted migrate:3 "exit 42")" "$(one_off m-1 migrate:3)"
    eventually 10 "the next document" revision_is 2
    throughout 2 "still once" ran 1
    agent_kill
    agent_start
    expect "known after kill -9" task_says m-1 '.containers[0].exitCode == 42'
    throughout 2 "still once" ran 1
}

test_the_result_survives_the_loss_of_the_store() {
    mkdir -p "$test_dir/data"
    desire 1 "$(counted migrate:3 "exit 4")" "$(one_off m-1 migrate:3)"
    agent_start
    eventually 20 "it has run" task_says m-1 '.lastStatus == "STOPPED"'
    agent_kill
    rm -rf "$test_dir/state"
    agent_start
    eventually 10 "the container remembers" task_says m-1 '.containers[0].exitCode == 4'
    throughout 2 "not run again" ran 1
}

test_the_result_survives_the_loss_of_the_container() {
    mkdir -p "$test_dir/data"
    desire 1 "$(counted migrate:3 "exit 5")" "$(one_off m-1 migrate:3)"
    agent_start
    eventually 20 "it has run" task_says m-1 '.lastStatus == "STOPPED"'
    api DELETE "/containers/$(list_containers 1 "io.berth.host=$host_id")?force=1"
    agent_stop
    agent_start
    throughout 3 "not run again" ran 1
    equal "no new container" 0 "$(list_containers 1 "io.berth.host=$host_id" | wc -l)"
}

test_kill_9_in_the_middle_runs_it_once() {
    mkdir -p "$test_dir/data"
    desire 1 "$(counted migrate:3 "sleep 4; exit 0")" "$(one_off m-1 migrate:3)"
    agent_start
    eventually 20 "it runs" [ -s "$test_dir/data/runs" ]
    agent_kill
    agent_start
    eventually 20 "its end is seen" task_says m-1 '.lastStatus == "STOPPED" and
        .containers[0].exitCode == 0'
    equal "runs" 1 "$(runs)"
}

test_kill_9_at_any_moment_never_runs_it_twice() {
    local delay
    mkdir -p "$test_dir/data"
    for delay in 0 0.02 0.05 0.1 0.2 0.3 0.5; do
        rm -f "$test_dir/data/runs"
        desire $((++revision)) "$(counted migrate:3 "exit 0")" "$(one_off "m-$delay" migrate:3)"
        agent_launch
        sleep "$delay" # the moment of the crash is what this test varies
        agent_kill
        agent_start
        eventually 20 "m-$delay is over" task_says "m-$delay" '.lastStatus == "STOPPED"'
        expect "ran at most once" [ "$(runs)" -le 1 ]
        agent_kill
    done
}
revision=0

test_an_id_that_leaves_is_stopped_and_forgotten() {
    mkdir -p "$test_dir/data"
    desire 1 "$(counted job:1 "trap 'exit 0' TERM; sleep 100000 & wait")" "$(one_off long job:1)"
    agent_start
    eventually 20 "it runs" task_says long '.lastStatus == "RUNNING"'
    desire 2
    eventually 20 "it is gone" count_is 0 list_containers 1 "io.berth.host=$host_id"
    equal "runs" 1 "$(runs)"
}

test_another_id_runs_again() {
    mkdir -p "$test_dir/data"
    desire 1 "$(counted job:1 "exit 0")" "$(one_off first job:1)"
    agent_start
    eventually 20 "it has run" task_says first '.lastStatus == "STOPPED"'
    desire 2 "$(counted job:1 "exit 0")" "$(one_off second job:1)"
    eventually 20 "so has the other" task_says second '.lastStatus == "STOPPED"'
    equal "runs" 2 "$(runs)"
}

test_overrides_change_one_run() {
    desire 1 "$(definition job:1 "$(container app 'echo "$WHO"; exit 0' \
        '{"environment": [{"name": "WHO", "value": "nobody"}]}')")" \
        "$(one_off plain job:1)" \
        "$(one_off other job:1 '{"overrides": {"containerOverrides": [{"name": "app",
            "environment": [{"name": "WHO", "value": "somebody"}]}]}}')"
    agent_start
    eventually 20 "both ran" task_says plain '.lastStatus == "STOPPED"'
    eventually 20 "both ran" task_says other '.lastStatus == "STOPPED"'
    equal "plain" nobody "$(berth logs "$(task_id_of plain)")"
    equal "other" somebody "$(berth logs "$(task_id_of other)")"
}

task_id_of() { # one-off id
    berth ps --all -o json | jq -r --arg id "$1" '[.[] | select(.startedBy == $id)][0].taskId'
}

test_a_failure_is_a_result_and_not_repeated() {
    desire 1 "$(definition job:1 "$(container app x '{"command": ["/no/such/program"]}')")" \
        "$(one_off broken job:1)"
    agent_start
    eventually 20 "it is over" task_says broken '.lastStatus == "STOPPED" and
        ([.stoppedReason, .containers[0].reason] | tostring | test("/no/such/program"))'
    throughout 3 "one container at most" at_most_one
}

at_most_one() {
    [ "$(list_containers 1 "io.berth.host=$host_id" | wc -l)" -le 1 ]
}

run_tests "$@"
