#!/bin/bash
# The state directory is a convenience: without it everything but the memory goes on, and says so.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

rollout() { # revision [count]
    desire "$1" "$(definition "web:$1" "$(container app "$sleeper")")" \
        "$(service web "web:$1" "${2:-1}")"
}

# A state directory of its own size, which a test can fill or make read-only.
small_state() { # size
    mkdir -p "$test_dir/state"
    mount -t tmpfs -o "size=$1,mode=700" tmpfs "$test_dir/state"
}

fill_state() {
    dd if=/dev/zero of="$test_dir/state/filler" bs=4k 2>/dev/null
    true
}

repaired() { # id that was killed
    [ "$(containers web | wc -l)" -eq 1 ] && [ "$(containers web)" != "$1" ]
}

expect_supervision() {
    local before
    before=$(containers web)
    api POST "/containers/$before/kill" >/dev/null
    eventually 20 "the dead one is replaced" repaired "$before"
}

test_a_state_directory_that_fills_up() {
    small_state 64k
    rollout 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    fill_state
    rollout 2
    expect "a rollout goes on" berth wait web --revision 2 --timeout 30s
    expect "status says so" status_says '.store.lastError | test("No space left")'
    expect "the log says so" log_says 'document_not_saved.*No space left'
    expect_supervision
    rm "$test_dir/state/filler"
    eventually 20 "saving works again" status_says '(.store.lastError // "") == ""'
    agent_kill
    rm "$desired"
    agent_start
    expect "the memory is what was saved last" log_says 'event=started'
    refute "nothing is damaged" log_says 'event=store_damaged'
    eventually 20 "adopted" count_is 1 containers web
}

test_a_state_directory_that_is_full_at_the_start() {
    local before
    small_state 64k
    rollout 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    before=$(containers web)
    agent_stop
    fill_state
    agent_start
    eventually 20 "adopted" steady web 1
    equal "the same" "$before" "$(containers_all web)"
    eventually 5 "status says so" status_says '.store.lastError | test("No space left")'
    expect_supervision
    agent_stop
    # One that has never been used, with no room for a single file.
    umount "$test_dir/state"
    mount -t tmpfs -o size=4k,mode=700,nr_inodes=1 tmpfs "$test_dir/state"
    : >"$agent_log"
    agent_start
    eventually 20 "adopted from labels" steady web 1
    expect "the log says so" log_says 'state_not_writable'
    expect_supervision
    agent_stop
}

test_a_state_directory_that_is_read_only() {
    local before
    small_state 1m
    rollout 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    before=$(containers web)
    agent_stop
    mount -o remount,ro "$test_dir/state"
    agent_start
    eventually 20 "adopted" steady web 1
    equal "the same" "$before" "$(containers_all web)"
    rollout 2
    expect "a rollout goes on" berth wait web --revision 2 --timeout 30s
    expect "status says so" status_says '.store.lastError | test("[Rr]ead-only")'
    expect "it knows who it is" status_says ".hostId == \"$host_id\""
    # The locks beside the socket still keep a second one away.
    agent_first=$agent_pid
    agent_launch
    agent_await 10
    equal "a second one" 5 "$agent_status"
    expect "is told by whom" log_says "pid $agent_first"
    agent_pid=$agent_first
    agent_stop
}

test_damaged_files_of_every_kind() {
    local before damage file
    rollout 1
    agent_start
    expect "it runs" berth wait web --timeout 30s
    before=$(containers web)
    agent_stop
    cp -a "$test_dir/state" "$test_dir/good"
    for damage in truncate garbage directory fifo dangling huge; do
        for file in memory document host-id; do
            rm -rf "$test_dir/state"
            cp -a "$test_dir/good" "$test_dir/state"
            damage_"$damage" "$test_dir/state/$file"
            : >"$agent_log"
            agent_start
            eventually 20 "$damage $file: adopted" steady web 1
            equal "$damage $file: the same" "$before" "$(containers_all web)"
            agent_stop
        done
    done
}

damage_truncate() { truncate -s 10 "$1"; }
damage_garbage() { head -c 500 /dev/urandom >"$1"; }
damage_directory() { rm "$1" && mkdir "$1" && touch "$1/x"; }
damage_fifo() { rm "$1" && mkfifo "$1"; }
damage_dangling() { rm "$1" && ln -s /nowhere/at/all "$1"; }
damage_huge() { truncate -s 2G "$1"; }

# kill -9 in a loop, while a document that changes makes it save all the time.
test_kill_9_during_saves() {
    local round revision=0 last
    agent_launch
    for round in $(seq "${KILLS:-10}"); do
        for _ in 1 2 3; do
            revision=$((revision + 1))
            rollout "$revision" 2
            sleep "0.0$((RANDOM % 10))" # the moment of the crash is what this test varies
        done
        agent_kill
        refute "round $round: damage" log_says 'event=store_damaged|stored_document_unusable'
        agent_launch
    done
    eventually 15 "it has the newest" revision_is "$revision"
    expect "it completes" berth wait web --revision "$revision" --timeout 60s
    eventually 20 "two, no others" count_is 2 containers web
    # What was saved is whole and the newest, with no source at all.
    eventually 5 "the document is on disk" grep -qa "\"revision\": $revision," \
        "$test_dir/state/document"
    agent_kill
    rm "$desired"
    last=$(containers web | xargs)
    agent_start
    expect "it comes from disk" revision_is "$revision"
    eventually 20 "adopted" steady web 2
    equal "the same" "$last" "$(containers web | xargs)"
    agent_stop
}

run_tests "$@"
