#!/bin/bash
# The agent starts, dies at any moment, starts again, and the containers do not notice.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

simple() { # revision [count]
    desire "$1" "$(definition web:1 "$(container app "$sleeper")")" "$(service web web:1 "${2:-1}")"
}

test_sigterm_leaves_containers_running() {
    local before
    simple 1 2
    agent_start
    expect "it runs" berth wait web --timeout 30s
    before=$(containers web | xargs)
    agent_stop
    equal "they run on" "$before" "$(containers web | xargs)"
    refute "the socket is gone" test -e "$berth_socket"
    agent_start
    eventually 20 "adopted" steady web 2
    equal "the same" "$before" "$(containers web | xargs)"
    equal "and no others" 2 "$(containers_all web | wc -l)"
}

test_sigint_is_the_same() {
    simple 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    # A background job of a script ignores SIGINT unless it says otherwise; berthd does.
    kill -INT "$agent_pid"
    agent_await 10
    equal "exit status" 0 "$agent_status"
    equal "it runs on" 1 "$(containers web | wc -l)"
}

test_kill_9_when_steady_is_adopted() {
    local before
    simple 1 2
    agent_start
    expect "it runs" berth wait web --timeout 30s
    before=$(containers web | xargs)
    agent_kill
    agent_start
    eventually 20 "adopted" steady web 2
    equal "the same" "$before" "$(containers_all web | xargs)"
}

test_kill_9_at_any_moment_of_a_start_doubles_nothing() {
    local delay revision=0
    for delay in 0.02 0.05 0.1 0.15 0.2 0.3 0.5 0.8; do
        revision=$((revision + 1))
        desire "$revision" "$(definition "web:$revision" "$(container app "$sleeper")")" \
            "$(service web "web:$revision" 2)"
        agent_launch
        sleep "$delay" # the moment of the crash is what this test varies
        agent_kill
    done
    agent_start
    expect "it completes" berth wait web --revision "$revision" --timeout 60s
    eventually 20 "two, nothing else" count_is 2 containers_all web
}

test_kill_9_in_a_rollout_goes_on() {
    local round
    simple 1 3
    agent_start
    expect "it runs" berth wait web --timeout 30s
    desire 2 "$(definition web:2 "$(container app "$sleeper" '{"image": "bb:2"}')")" \
        "$(service web web:2 3)"
    for round in 1 2 3; do
        eventually 20 "round $round" status_says '.desired.revision == 2'
        agent_kill
        expect "never fewer than 3 run" [ "$(containers web | wc -l)" -ge 3 ]
        agent_start
    done
    expect "it completes" berth wait web --revision 2 --timeout 60s
    eventually 20 "three, nothing else" count_is 3 containers_all web
}

test_kill_9_and_a_lost_store_are_survived() {
    local before
    simple 1 2
    agent_start
    expect "it runs" berth wait web --timeout 30s
    before=$(containers web | xargs)
    agent_kill
    rm -rf "$test_dir/state"
    agent_start
    eventually 20 "adopted from labels" steady web 2
    equal "the same" "$before" "$(containers_all web | xargs)"
    desire 2 "$(definition web:2 "$(container app "$sleeper")")" "$(service web web:2 2)"
    expect "and replaced" berth wait web --revision 2 --timeout 60s
    eventually 20 "two, nothing else" count_is 2 containers_all web
}

test_a_damaged_store_is_set_aside() {
    local before
    simple 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    before=$(containers web)
    agent_kill
    for file in "$test_dir"/state/memory "$test_dir"/state/document; do
        printf 'garbage' | dd of="$file" bs=1 seek=20 conv=notrunc 2>/dev/null
    done
    agent_start
    eventually 20 "adopted" steady web 1
    equal "the same" "$before" "$(containers_all web)"
    expect "the damage is told" log_says 'damaged'
}

test_starts_from_the_stored_document_without_its_source() {
    simple 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    agent_stop
    for id in $(containers web); do
        api DELETE "/containers/$id?force=1"
    done
    rm "$desired"
    agent_start
    expect "revision" revision_is 1
    eventually 20 "it runs from what was stored" steady web 1
    expect "the missing source is told" status_says '(.desired.lastError | length) > 0'
}

test_sighup_reloads_and_fetches() {
    setting[BERTH_LOG_LEVEL]=''
    unset "setting[BERTH_LOG_LEVEL]"
    printf 'BERTH_LOG_LEVEL=info\nBERTH_MAX_STARTS=4\n' >"$test_dir/berth.conf"
    simple 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    printf 'BERTH_LOG_LEVEL=debug\nBERTH_MAX_STARTS=2\n' >"$test_dir/berth.conf"
    kill -HUP "$agent_pid"
    eventually 5 "the new value is in force" config_is BERTH_MAX_STARTS 2
    expect "the agent lives" kill -0 "$agent_pid"
    # A mistake in the file must not take a running agent down.
    printf 'BERTH_MAX_STARTS=many\n' >"$test_dir/berth.conf"
    kill -HUP "$agent_pid"
    eventually 5 "the mistake is told" log_says 'many'
    expect "the agent lives" revision_is 1
    expect "with the old value" config_is BERTH_MAX_STARTS 2
}

config_is() { # key value
    berth config -o json | json_says '.[$key].value | tostring == $value' --arg key "$1" \
        --arg value "$2"
}

test_sigusr1_dumps_the_state() {
    local before
    simple 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    before=$(wc -l <"$agent_log")
    kill -USR1 "$agent_pid"
    eventually 5 "the log has grown" grown "$before"
    expect "the dump names the service" tail_says "$before" web
    expect "the agent lives" revision_is 1
}

grown() { # lines
    [ "$(wc -l <"$agent_log")" -gt "$1" ]
}
tail_says() { # lines pattern
    tail -n +"$(($1 + 1))" "$agent_log" | grep -q "$2"
}

test_a_second_agent_is_refused() {
    local first
    simple 1
    agent_start
    first=$agent_pid
    expect "it runs" berth wait web --timeout 30s
    agent_launch
    agent_await 10
    equal "same everything" 5 "$agent_status"
    expect "and names the first" log_says "(^|[^0-9])$first([^0-9]|$)"
    # The same runtime and host id with another state directory and socket would fight as well.
    setting[BERTH_STATE_DIR]=$test_dir/state2
    setting[BERTH_SOCKET]=$test_dir/s2.sock
    : >"$agent_log"
    agent_launch
    agent_await 10
    equal "same host id and runtime" 5 "$agent_status"
    expect "and names the first" log_says "(^|[^0-9])$first([^0-9]|$)"
    setting[BERTH_SOCKET]=$test_dir/s.sock
    setting[BERTH_HOST_ID]=another
    : >"$agent_log"
    agent_launch
    agent_await 10
    equal "same socket" 5 "$agent_status"
    agent_pid=$first
    expect "the first is not disturbed" revision_is 1
}

test_the_lock_of_a_dead_agent_is_no_obstacle() {
    simple 1
    agent_start
    agent_kill
    agent_start
    expect "it answers" revision_is 1
}

test_bad_configuration_ends_with_5() {
    agent_launch --poll-interval soon
    agent_await 10
    equal "a bad value" 5 "$agent_status"
    expect "named with its value" log_says 'soon'
    agent_launch --no-such-flag
    agent_await 10
    equal "an unknown flag is usage" 2 "$agent_status"
    printf 'BERTH_NO_SUCH_KEY=1\n' >"$test_dir/berth.conf"
    agent_launch
    agent_await 10
    equal "an unknown key" 5 "$agent_status"
    expect "named with its place" log_says 'BERTH_NO_SUCH_KEY'
}

test_a_configuration_file_that_is_none() {
    mkfifo "$test_dir/fifo"
    agent_launch --config "$test_dir/fifo"
    agent_await 10
    equal "a FIFO" 5 "$agent_status"
    printf 'BERTH_CLUSTER=a\0b\n' >"$test_dir/berth.conf"
    agent_launch
    agent_await 10
    equal "a NUL byte" 5 "$agent_status"
    expect "said so" log_says 'NUL'
    agent_launch --config "$test_dir"
    agent_await 10
    equal "a directory" 5 "$agent_status"
    agent_launch --config "$test_dir/none"
    agent_await 10
    equal "one that is missing" 5 "$agent_status"
}

test_check_config_only_checks() {
    agent_launch --check-config
    agent_await 10
    equal "good" 0 "$agent_status"
    agent_launch --check-config --image-pull-behavior sometimes
    agent_await 10
    equal "bad" 5 "$agent_status"
    refute "nothing was started" test -e "$berth_socket"
}

test_help_and_version() {
    exit_of "$bin/berthd" --help
    equal "help" 0 "$exit_status"
    contains "help" "$output" '--desired'
    exit_of "$bin/berthd" --version
    equal "version" 0 "$exit_status"
    contains "version" "$output" '[0-9]+\.[0-9]+'
}

test_tells_the_service_manager() {
    # A datagram socket of our own stands in for systemd.
    simple 1
    notify_listener "$test_dir/notify" >"$test_dir/notified" &
    eventually 5 "the listener is there" test -S "$test_dir/notify"
    agent_extra=("NOTIFY_SOCKET=$test_dir/notify" WATCHDOG_USEC=400000)
    agent_start
    eventually 10 "READY" grep -q '^READY=1' "$test_dir/notified"
    eventually 10 "WATCHDOG" grep -q '^WATCHDOG=1' "$test_dir/notified"
    eventually 10 "STATUS" grep -q '^STATUS=' "$test_dir/notified"
    kill -HUP "$agent_pid"
    eventually 10 "RELOADING" grep -q '^RELOADING=1' "$test_dir/notified"
    eventually 10 "with its time" grep -q '^MONOTONIC_USEC=' "$test_dir/notified"
    agent_stop
    eventually 10 "STOPPING" grep -q '^STOPPING=1' "$test_dir/notified"
}

notify_listener() { # socket
    perl -MSocket -e '
        socket(my $socket, PF_UNIX, SOCK_DGRAM, 0) or die;
        bind($socket, sockaddr_un($ARGV[0])) or die;
        $| = 1;
        while (defined recv($socket, my $text, 4096, 0)) { print "$text\n" }' "$1"
}

test_ready_does_not_wait_for_the_runtime() {
    setting[BERTH_RUNTIME]=unix://$test_dir/none.sock
    simple 1
    agent_launch
    eventually 10 "it answers" status_says '.runtime.reachable == false'
    expect "not ready before the first look" status_says '.ready == false'
}

test_a_live_socket_file_is_not_stolen_and_a_dead_one_is_replaced() {
    simple 1
    mkdir -p "$test_dir"
    perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1)' \
        "$berth_socket"
    expect "a dead socket file" test -S "$berth_socket"
    agent_start
    equal "mode" 660 "$(stat -c %a "$berth_socket")"
    equal "state directory" 700 "$(stat -c %a "$test_dir/state")"
}

run_tests "$@"
