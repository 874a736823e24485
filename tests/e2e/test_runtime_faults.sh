#!/bin/bash
# The runtime is late, dies, comes back, hangs or talks nonsense; nothing is lost.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

simple() { # revision [count]
    desire "$1" "$(definition web:1 "$(container app "$sleeper")")" "$(service web web:1 "${2:-1}")"
}

reachable() {
    status_says .runtime.reachable
}
unreachable() {
    status_says '.runtime.reachable | not'
}

test_live_restore_keeps_everything() {
    local before
    simple 1 2
    agent_start
    expect "it runs" berth wait web --timeout 30s
    before=$(containers web | xargs)
    docker_kill
    eventually 15 "the loss is seen" unreachable
    expect "the agent still answers" berth services -o json
    expect "and names what it waits for" status_says 'any(.waits[]; .reason == "RUNTIME")'
    expect "an event tells" events_say 'runtime is gone'
    docker_start
    eventually 15 "it is back" reachable
    eventually 20 "steady" steady web 2
    equal "the same containers" "$before" "$(containers web | xargs)"
}

test_a_death_while_the_runtime_is_away_is_seen_and_repaired() {
    local before pid
    simple 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    before=$(containers web)
    pid=$(inspect "$before" .State.Pid)
    docker_kill
    kill -9 "$pid"
    docker_start
    eventually 30 "another one runs" another_than "$before"
    eventually 20 "steady" steady web 1
}

another_than() { # id
    [ "$(containers web | wc -l)" -eq 1 ] && [ "$(containers web)" != "$1" ]
}

test_a_document_during_the_outage_is_done_afterwards() {
    simple 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    docker_kill
    simple 2 3
    eventually 10 "the document is taken" revision_is 2
    docker_start
    eventually 40 "three run" steady web 3
    equal "three, not more" 3 "$(containers_all web | wc -l)"
}

test_killed_in_the_middle_of_a_rollout() {
    simple 1 2
    agent_start
    expect "it runs" berth wait web --timeout 30s
    desire 2 "$(definition web:2 "$(container app "$sleeper" '{"image": "bb:2"}')")" \
        "$(service web web:2 2)"
    eventually 10 "it has begun" service_says web '.deployments | length == 2'
    docker_kill
    docker_start
    expect "it goes on" berth wait web --revision 2 --timeout 60s
    eventually 20 "two of the new" count_is 2 containers_all web
}

test_without_live_restore_everything_is_started_again() {
    simple 1 2
    agent_start
    expect "it runs" berth wait web --timeout 30s
    # Without live-restore a dockerd that starts ends what it finds running.
    docker_kill
    DOCKERD_OPTIONS=--live-restore=false docker_start
    eventually 40 "steady again after a crash" steady web 2
    # And one that is told to stop takes its containers with it.
    kill "$(docker_pid)"
    eventually 30 "it ends" docker_gone
    DOCKERD_OPTIONS=--live-restore=false docker_start
    eventually 40 "steady again after a stop" steady web 2
    eventually 20 "with nothing left over" count_is 2 containers web
    docker_kill
    docker_start
}

docker_gone() {
    ! kill -0 "$(docker_pid)" 2>/dev/null
}

test_a_socket_that_is_missing_at_start_is_waited_for() {
    setting[BERTH_RUNTIME]=unix://$test_dir/late.sock
    simple 1
    agent_launch
    eventually 10 "the agent answers" status_says 'true'
    expect "unreachable" unreachable
    expect "the log says so" log_says 'late.sock'
    ln -s "$docker_socket" "$test_dir/late.sock"
    eventually 20 "found" reachable
    eventually 30 "it runs" steady web 1
}

test_a_socket_that_talks_nonsense_is_survived() {
    setting[BERTH_RUNTIME]=unix://$test_dir/bad.sock
    nonsense "$test_dir/bad.sock" &
    simple 1
    agent_launch
    eventually 10 "the agent answers" status_says 'true'
    eventually 10 "unreachable" unreachable
    throughout 2 "still alive" kill -0 "$agent_pid"
    rm -f "$test_dir/bad.sock"
    ln -s "$docker_socket" "$test_dir/bad.sock"
    eventually 40 "and recovers" steady web 1
}

nonsense() { # socket: answers every connection with bytes that are no HTTP
    perl -MIO::Socket::UNIX -e '
        my $listener = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 50) or die;
        while (my $client = $listener->accept) {
            print $client "\x00\xff{]not http\n";
            close $client;
        }
    ' "$1"
}

test_a_frozen_runtime_blocks_nothing_but_itself() {
    local began took pid
    simple 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    pid=$(docker_pid)
    kill -STOP "$pid"
    simple 2 2
    began=$(milliseconds)
    eventually 10 "the document is taken" revision_is 2
    expect "services are answered" berth services -o json
    expect "and why" berth why web
    took=$(($(milliseconds) - began))
    kill -CONT "$pid"
    expect "without waiting for the runtime ($took ms)" [ "$took" -lt 5000 ]
    eventually 60 "and it goes on" steady web 2
    equal "two, not more" 2 "$(containers_all web | wc -l)"
}

test_containerd_dies_and_comes_back() {
    simple 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    local pid command
    pid=$(cat "$docker_dir/containerd.pid")
    mapfile -d '' command <"/proc/$pid/cmdline"
    kill -9 "$pid"
    simple 2 2
    eventually 10 "it is tried in vain" tasks_say 'any(.[]; .lastStatus == "PENDING")'
    setsid "${command[@]}" >/dev/null 2>&1 &
    echo $! >"$docker_dir/containerd.pid"
    eventually 60 "it goes on" steady web 2
}

run_tests "$@"
