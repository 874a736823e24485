#!/bin/bash
# Nothing piles up in the agent: not by tasks that come and go, not by fetches that go every way,
# not by clients that misbehave, who do not hold up its work either.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# A revision of four tasks that start and stop as fast as the runtime can.
churn() { # revision
    local app
    app=$(container app "sleep 100000" '{"stopTimeout": 0}')
    desire "$1" "$(definition "web:$1" "$app" | jq -c '.networkMode = "none"')" \
        "$(service web "web:$1" 4 '{"deploymentConfiguration":
            {"minimumHealthyPercent": 0, "maximumPercent": 200}}')"
}

# HTTP_IDLE_CONNECTIONS: the agent keeps so many to the runtime for later calls.
idle_connections=32

descriptors() { find "/proc/$agent_pid/fd" -mindepth 1 | wc -l; }
private_kb() { awk '/^Private_Dirty:/ { print $2 }' "/proc/$agent_pid/smaps_rollup"; }

# Sanitizers keep what was freed, so that memory says nothing there.
is_sanitized() { grep -qa __asan_init "$bin/berthd"; }

remember_size() {
    fds_before=$(descriptors)
    kb_before=$(private_kb)
}

few_descriptors() { # more than before
    [ "$(descriptors)" -le $((fds_before + $1)) ]
}

expect_same_size() { # kB more than before
    local kb
    eventually 15 "$fds_before descriptors were open" few_descriptors "$idle_connections"
    is_sanitized && return
    kb=$(private_kb)
    [ "$kb" -le $((kb_before + $1)) ] || fail "from $kb_before kB to $kb kB of private memory"
}

test_tasks_that_come_and_go() {
    local revision
    setting[BERTH_SETTLE_TIME]=0s
    setting[BERTH_TASK_CLEANUP_WAIT]=1s
    churn 1
    agent_start
    for revision in $(seq 2 "${ROUNDS:-16}"); do
        churn "$revision"
        berth wait web --revision "$revision" --timeout 60s >/dev/null || fail "round $revision"
        [ "$revision" -ne 4 ] || remember_size
    done
    expect_same_size 1024
    eventually 20 "four, nothing else" count_is 4 containers_all web
    agent_stop
}

# Every sixth request is answered in the same way.
moody_server() { # port
    perl -MIO::Socket::INET -e '
        my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $ARGV[0],
            Listen => 64, ReuseAddr => 1) or die;
        my $close = "Connection: close\r\n\r\n";
        for (my $n = 1; my $peer = $server->accept; $n++) {
            my $request = "";
            while (sysread $peer, my $piece, 4096) {
                $request .= $piece;
                last if $request =~ /\r\n\r\n/;
            }
            my $body = "{\"revision\":$n,\"taskDefinitions\":[],\"services\":[]}";
            my $length = "Content-Length: " . length($body) . "\r\n";
            print $peer (
                "HTTP/1.1 304 Not Modified\r\n$close",
                "HTTP/1.1 500 Oops\r\n$close",
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n$close" . "{bad}",
                "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
                "\0garbage",
                "HTTP/1.1 200 OK\r\nETag: \"$n\"\r\n$length$close$body")[$n % 6];
            close $peer;
        }' "$1" &
}

ask() { # method path
    curl -s --max-time 20 --unix-socket "$berth_socket" -X "$1" "http://b$2" >/dev/null
}

test_fetches_of_every_kind() {
    local port i
    port=$(free_port)
    moody_server "$port"
    setting[BERTH_DESIRED_URL]=http://127.0.0.1:$port/d.json
    agent_launch
    eventually 5 "it answers" status_says '.cluster == "e2e"'
    for i in $(seq "${FETCHES:-400}"); do
        ask POST /v1/poll
        [ "$i" -ne 60 ] || remember_size
    done
    expect "it took the good ones" status_says ".desired.revision > $((${FETCHES:-400} / 2))"
    expect_same_size 512
    agent_stop
}

# Clients that ask and do not read, that begin and do not end, that send garbage or nothing.
rude_clients() { # seconds
    perl -MIO::Socket::UNIX -e '
        my $end = time + $ARGV[1];
        my @kept;
        $SIG{PIPE} = "IGNORE";
        while (time < $end) {
            my $peer = IO::Socket::UNIX->new(Peer => $ARGV[0]) or next;
            my $head = "HTTP/1.1\r\nHost: x\r\n";
            syswrite $peer, ("GET /v1/status $head\r\n" x 5, "GET /v1/events?follow=1 $head\r\n",
                "POST /v1/validate $head" . "Content-Length: 100000\r\n\r\n" . "[" x 1000,
                "\0\xff" x 500, "", "GET /v1/tasks?all=1 $head\r\n")[int rand 6];
            push @kept, $peer;
            shift @kept if @kept > 100;
        }' "$berth_socket" "$1" &
}

runs_revision() { # number
    [ "$(list_containers 0 "io.berth.host=$host_id" \
        "com.amazonaws.ecs.task-definition-version=$1" | wc -l)" -eq 4 ]
}

test_a_flood_of_clients_holds_up_nothing() {
    local revision
    churn 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    remember_size
    rude_clients 8
    rude_clients 8
    for revision in 2 3 4; do
        churn "$revision"
        eventually 20 "revision $revision is rolled out meanwhile" runs_revision "$revision"
    done
    # What is kept for a hundred connections at a time is not given back.
    eventually 30 "they are gone" few_descriptors "$idle_connections"
    expect "it answers" revision_is 4
    expect_same_size 40000
    agent_stop
    refute "something was not closed" log_says 'handles_left_open'
}

run_tests "$@"
