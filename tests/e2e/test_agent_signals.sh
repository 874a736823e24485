#!/bin/bash
# Signals find the agent in every state: it obeys, ends with 0, leaks nothing, and containers stay.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

simple() { # revision [count]
    desire "$1" "$(definition web:1 "$(container app "$sleeper")")" "$(service web web:1 "${2:-1}")"
}

# One option in the file instead of the environment, so that a reload can change it.
by_file() { # key...
    local key
    for key in "$@"; do
        printf '%s=%s\n' "$key" "${setting[$key]}" >>"$test_dir/berth.conf"
        unset "setting[$key]"
    done
}

config_is() { # key value
    berth config -o json | json_says '.[$key].value | tostring == $value' --arg key "$1" \
        --arg value "$2"
}

# A server that accepts and says nothing, or says a piece and then nothing.
hanging_server() { # port [text]
    perl -MIO::Socket::INET -e '
        my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $ARGV[0],
            Listen => 16, ReuseAddr => 1) or die;
        my @kept;
        $SIG{PIPE} = "IGNORE";
        while (my $peer = $server->accept) {
            syswrite $peer, $ARGV[1] if length($ARGV[1] // "");
            push @kept, $peer;
        }' "$1" "${2:-}" &
}

# The same behind a unix socket, as a runtime.
hanging_runtime() { # path [text]
    perl -MIO::Socket::UNIX -e '
        my $server = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 64) or die;
        my @kept;
        $SIG{PIPE} = "IGNORE";
        while (my $peer = $server->accept) {
            syswrite $peer, $ARGV[1] if length($ARGV[1] // "");
            push @kept, $peer;
        }' "$1" "${2:-}" &
}

ends_well() { # signal
    kill "-$1" "$agent_pid"
    agent_await 15
    equal "exit status" 0 "$agent_status"
    refute "something was not closed" log_says 'handles_left_open|shutdown_took_too_long'
    expect "it says goodbye" log_says 'event=stopped'
}

log_level_is_debug() { log_says 'event=action'; }

test_sighup_changes_the_log_level() {
    by_file BERTH_DESIRED_URL
    simple 1
    agent_start
    refute "no debug lines yet" log_level_is_debug
    printf 'BERTH_LOG_LEVEL=debug\n' >>"$test_dir/berth.conf"
    kill -HUP "$agent_pid"
    eventually 5 "debug lines" log_level_is_debug
}

test_sighup_says_what_needs_a_restart() {
    by_file BERTH_HOST_ID BERTH_CLUSTER BERTH_SOCKET
    simple 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    printf 'BERTH_HOST_ID=another\nBERTH_CLUSTER=other\nBERTH_SOCKET=%s\n%s\n' "$berth_socket" \
        'BERTH_PULL_INACTIVITY_TIMEOUT=7s' >"$test_dir/berth.conf"
    kill -HUP "$agent_pid"
    eventually 5 "reloaded" log_says 'event=reloaded'
    expect "the cluster" log_says 'needs_restart.*key=BERTH_CLUSTER.*in_effect=e2e'
    expect "the host id" log_says "needs_restart.*key=BERTH_HOST_ID.*in_effect=$host_id"
    expect "the pull's timeout" log_says 'needs_restart.*key=BERTH_PULL_INACTIVITY.*in_effect=1m'
    refute "what did not change" log_says 'needs_restart.*key=BERTH_(SOCKET|RUNTIME|STATE_DIR)'
    expect "and goes on as it was" config_is BERTH_HOST_ID "$host_id"
    expect "with its task" steady web 1
}

test_sighup_with_an_unusable_url_changes_nothing() {
    local good
    by_file BERTH_DESIRED_URL
    good=$(cat "$test_dir/berth.conf")
    simple 1
    agent_start
    for url in 'file:///etc/%zz' 'file:///etc/' 'http://:80/' 'ftp://there' \
        'http://user:pw@:80/'; do
        : >"$agent_log"
        printf 'BERTH_DESIRED_URL=%s\n' "$url" >"$test_dir/berth.conf"
        kill -HUP "$agent_pid"
        eventually 5 "$url is refused" log_says 'event=reload_failed'
        refute "a password is shown" log_says 'user:pw'
        expect "the agent lives" kill -0 "$agent_pid"
        expect "with the old URL" config_is BERTH_DESIRED_URL "file://$desired"
        agent_launch_other --check-config
        equal "--check-config sees it, too: $url" 5 "$other_status"
    done
    printf '%s\n' "$good" >"$test_dir/berth.conf"
    desire 2 "$(definition web:1 "$(container app "$sleeper")")" "$(service web web:1 1)"
    eventually 5 "and it goes on" revision_is 2
    ends_well TERM
}

# A second berthd beside the one of the test.
agent_launch_other() { # flag...
    local first=$agent_pid log=$agent_log
    agent_log=$test_dir/other.log
    agent_launch "$@"
    agent_await 10
    other_status=$agent_status
    agent_pid=$first agent_log=$log
}

test_sighup_to_a_server_and_back_in_the_middle_of_a_fetch() {
    local port round
    by_file BERTH_DESIRED_URL
    port=$(free_port)
    hanging_server "$port"
    simple 1
    agent_start
    for round in 1 2 3; do
        printf 'BERTH_DESIRED_URL=http://127.0.0.1:%s/%s\n' "$port" "$round" \
            >"$test_dir/berth.conf"
        kill -HUP "$agent_pid"
        eventually 5 "to the server" config_is BERTH_DESIRED_URL "http://127.0.0.1:$port/$round"
        expect "what was good stays" revision_is 1
        printf 'BERTH_DESIRED_URL=file://%s\n' "$desired" >"$test_dir/berth.conf"
        kill -HUP "$agent_pid"
        eventually 5 "and back" config_is BERTH_DESIRED_URL "file://$desired"
    done
    simple 2
    eventually 5 "the file is read again" revision_is 2
    ends_well TERM
}

test_sighup_and_sigterm_at_once() {
    local port round
    by_file BERTH_DESIRED_URL
    port=$(free_port)
    hanging_server "$port"
    simple 1
    for round in 1 2 3 4 5; do
        : >"$agent_log"
        printf 'BERTH_DESIRED_URL=file://%s\n' "$desired" >"$test_dir/berth.conf"
        agent_start
        printf 'BERTH_DESIRED_URL=http://127.0.0.1:%s/\n' "$port" >"$test_dir/berth.conf"
        # Stopped meanwhile, so that it finds both in the same turn of its loop.
        kill -STOP "$agent_pid"
        kill -HUP "$agent_pid"
        kill -TERM "$agent_pid"
        kill -CONT "$agent_pid"
        agent_await 15
        equal "exit status" 0 "$agent_status"
        refute "something was not closed" log_says 'handles_left_open|shutdown_took_too_long'
    done
}

test_many_sighups_are_one_reload_after_the_other() {
    local round
    by_file BERTH_DESIRED_URL
    simple 1
    agent_start
    cp "$desired" "$test_dir/other.json"
    for round in $(seq 40); do
        if [ $((round % 2)) -eq 0 ]; then
            printf 'BERTH_DESIRED_URL=file://%s\n' "$desired" >"$test_dir/berth.conf"
        else
            printf 'BERTH_DESIRED_URL=file://%s\n' "$test_dir/other.json" >"$test_dir/berth.conf"
        fi
        kill -HUP "$agent_pid"
        [ $((round % 5)) -ne 0 ] || expect "it answers" revision_is 1
    done
    eventually 5 "the last one counts" config_is BERTH_DESIRED_URL "file://$desired"
    simple 2
    eventually 5 "and is read" revision_is 2
    ends_well TERM
}

test_sigterm_twice_ends_at_once() {
    local round
    simple 1
    for round in 1 2 3; do
        agent_start
        kill -STOP "$agent_pid"
        kill -TERM "$agent_pid"
        kill -INT "$agent_pid"
        kill -CONT "$agent_pid"
        agent_await 5
        equal "exit status" 0 "$agent_status"
    done
}

test_sigterm_while_the_runtime_hangs() {
    local text
    simple 1
    for text in '' 'HTTP/1.1 200 OK' $'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"Api'; do
        rm -f "$test_dir/r.sock"
        hanging_runtime "$test_dir/r.sock" "$text"
        eventually 5 "the socket is there" test -S "$test_dir/r.sock"
        setting[BERTH_RUNTIME]=unix://$test_dir/r.sock
        agent_launch
        eventually 5 "it answers" revision_is 1
        ends_well TERM
    done
}

test_sigterm_while_the_source_hangs() {
    local port text
    for text in '' $'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"rev'; do
        port=$(free_port)
        hanging_server "$port" "$text"
        setting[BERTH_DESIRED_URL]=http://127.0.0.1:$port/d.json
        agent_launch
        eventually 5 "it answers" status_says '.ready == false'
        ends_well INT
    done
}

test_sigterm_while_a_pull_hangs() {
    local port
    port=$(free_port)
    hanging_server "$port"
    desire 1 "$(definition web:1 \
        "$(container app "$sleeper" '{"image": "127.0.0.1:'"$port"'/some:1"}')")" \
        "$(service web web:1 1)"
    agent_start
    eventually 10 "it pulls" why_says web 'pull'
    ends_well TERM
}

test_sigterm_while_a_stop_takes_long() {
    desire 1 "$(definition web:1 "$(container app "$stubborn" '{"stopTimeout": 8}')")" \
        "$(service web web:1 1)"
    agent_start
    expect "it runs" berth wait web --timeout 30s
    desire 2 "$(definition web:1 "$(container app "$stubborn" '{"stopTimeout": 8}')")"
    eventually 10 "it stops" tasks_say '.[0].lastStatus == "STOPPING"'
    ends_well TERM
    # The runtime goes on with what it was asked, and the next agent finds out.
    agent_start
    eventually 30 "gone" count_is 0 containers web
    ends_well TERM
}

test_sigterm_in_the_middle_of_saves() {
    local round revision=0
    for round in 1 2 3 4 5; do
        agent_launch
        eventually 5 "it answers" status_says '.cluster == "e2e"'
        revision=$((revision + 1))
        simple "$revision"
        eventually 5 "it has it" revision_is "$revision"
        ends_well TERM
        expect "round $round: saved before the end" \
            grep -qa "\"revision\": $revision," "$test_dir/state/document"
    done
}

test_sigterm_with_clients_that_wait() {
    local id port
    port=$(free_port)
    desire 1 "$(definition web:1 "$(container app 'while :; do echo line; sleep 0.01; done')")" \
        "$(service web web:1 1)"
    agent_start
    expect "it runs" berth wait web --timeout 30s
    id=$(task_of web)
    berth logs -f "$id" >"$test_dir/followed" 2>&1 &
    berth events -f >"$test_dir/events" 2>&1 &
    # One that asks and never reads, and one that never asks.
    hanging_client "GET /v1/tasks/$id/logs?follow=1 HTTP/1.1"
    hanging_client "GET /v1/sta"
    eventually 5 "lines flow" test -s "$test_dir/followed"
    ends_well TERM
    equal "it runs on" 1 "$(containers web | wc -l)"
}

hanging_client() { # request line
    perl -MIO::Socket::UNIX -e '
        my $peer = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die;
        syswrite $peer, "$ARGV[1]\r\nHost: x\r\n\r\n";
        sleep 60' "$berth_socket" "$1" &
}

test_sigterm_with_a_pending_poll() {
    local port
    port=$(free_port)
    hanging_server "$port"
    setting[BERTH_DESIRED_URL]=http://127.0.0.1:$port/d.json
    agent_launch
    eventually 5 "it answers" status_says '.ready == false'
    berth poll >"$test_dir/poll" 2>&1 &
    ends_well TERM
}

test_sigterm_in_the_middle_of_a_rollout() {
    local delay revision=1 before
    simple 1 2
    agent_start
    expect "it runs" berth wait web --timeout 30s
    for delay in 0.02 0.05 0.1 0.2 0.4 0.8; do
        revision=$((revision + 1))
        before=$(containers web | wc -l)
        expect "some run" [ "$before" -ge 2 ]
        desire "$revision" "$(definition "web:$revision" "$(container app "$sleeper")")" \
            "$(service web "web:$revision" 2)"
        sleep "$delay" # the moment of the signal is what this test varies
        ends_well TERM
        expect "they run on" [ "$(containers web | wc -l)" -ge 2 ]
        : >"$agent_log"
        agent_start
    done
    expect "it completes" berth wait web --revision "$revision" --timeout 60s
    eventually 20 "two, nothing else" count_is 2 containers_all web
    ends_well TERM
}

test_sigusr1_while_everything_is_under_way() {
    local round revision
    simple 1
    agent_start
    for revision in 2 3 4 5 6; do
        desire "$revision" "$(definition "web:$revision" "$(container app "$sleeper")")" \
            "$(service web "web:$revision" 2)" "$(service 'other' "web:$revision" 1)"
        for round in 1 2 3 4 5 6; do
            kill -USR1 "$agent_pid"
            sleep 0.03 # the moment of the dump is what this test varies
        done
    done
    eventually 20 "it converges" steady web 2
    expect "dumped" log_says 'event=dump_container .*state='
    ends_well TERM
}

run_tests "$@"
