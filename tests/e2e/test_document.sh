#!/bin/bash
# A bad document changes nothing and says what is wrong; revisions only grow.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

good() { # revision [count]
    document "$1" "$(definition web:1 "$(container app "$sleeper")")" \
        "$(service web web:1 "${2:-1}")"
}

# Put bytes in place and see that they are refused with this in the status, and nothing moves.
refused() { # what pattern   (bytes on stdin)
    cat >"$desired.new"
    mv "$desired.new" "$desired"
    eventually 10 "$1 is reported as \"$2\"" error_says "$2"
    expect "revision 1 stays in effect after $1" revision_is 1
    equal "the container stays after $1" "$before" "$(containers_all web)"
    # Back to good, so that the next error is known to be new.
    put_document "$(good 1)"
    eventually 10 "the error goes away after $1" no_error
}

error_says() { # pattern
    berth status -o json 2>/dev/null | jq -r '.desired.lastError // ""' | grep -qiE -- "$1"
}

no_error() {
    status_says '(.desired.lastError // "") == ""'
}

broken() { # jq program applied to a good document of revision 2
    good 2 | jq "$1"
}

test_every_bad_document_changes_nothing() {
    local before app='.taskDefinitions[0].containerDefinitions[0]'
    put_document "$(good 1)"
    agent_start
    expect "it runs" berth wait web --timeout 30s
    before=$(containers_all web)
    printf '' | refused "an empty file" 'empty|expected|end'
    printf '{"revision": 2,' | refused "a truncated document" 'JSON|line|byte|end'
    good 2 | head -c 100 | refused "a cut document" 'JSON|line|byte|end|string'
    printf 'hello' | refused "no JSON" 'JSON|byte|value'
    printf '[]' | refused "an array" 'object'
    { printf '{"x": "'; printf '\xff\xfe'; printf '"}'; } | refused "invalid UTF-8" 'UTF-8'
    { printf '%0.s[' {1..5000}; printf '%0.s]' {1..5000}; } |
        refused "deep nesting" 'deep|depth|nest'
    { printf '{"revision": 2, "x": "'; head -c 5000000 /dev/zero | tr '\0' a; printf '"}'; } |
        refused "an oversized document" 'large|big|bytes|MiB|4194304'
    printf '{"revision": 2, "revision": 3, "taskDefinitions": [], "services": []}' |
        refused "a duplicate key" 'duplicate|twice'
    printf '{"revision": 2, "taskDefinitions": []}' | refused "no services" 'services'
    printf '{"revision": 2, "services": []}' | refused "no task definitions" 'taskDefinitions'
    broken 'del(.revision)' | refused "no revision" 'revision'
    broken '.revision = "two"' | refused "a revision that is text" 'revision'
    broken '.services[0].desiredCount = "many"' |
        refused "a wrong type" 'services\[0\]\.desiredCount'
    broken '.services[0].desiredCount = -1' | refused "a bad range" 'services\[0\]\.desiredCount'
    broken '.services[0].taskDefinition = "nobody:1"' | refused "an unknown task definition" \
        'services\[0\]\.taskDefinition'
    broken '.services += .services' | refused "a service twice" 'services\[1\]'
    broken '.taskDefinitions[0].containerDefinitions += .taskDefinitions[0].containerDefinitions' |
        refused "a container twice" 'containerDefinitions\[1\]'
    broken '.taskDefinitions += .taskDefinitions' | refused "a task definition twice" \
        'taskDefinitions\[1\]'
    broken "$app.portMappings"' = [{containerPort: 70000}]' |
        refused "a port out of range" 'portMappings\[0\]\.containerPort'
    broken "$app.dependsOn"' = [{containerName: "app", condition: "START"}]' |
        refused "a dependency on itself" 'cycle|itself'
    broken 'def on(other): {dependsOn: [{containerName: other, condition: "START"}]};
        .taskDefinitions[0].containerDefinitions |= [.[0] + {name: "aa"} + on("bb"),
            .[0] + {name: "bb"} + on("aa")]' |
        refused "a cycle" 'cycle'
    broken "$app.dependsOn"' = [{containerName: "zz", condition: "START"}]' |
        refused "an unknown dependency" 'zz'
    broken '.services |= [.[0] + {publish: [{hostPort: 81, containerName: "app",
        containerPort: 80}]} | ., . + {serviceName: "other"}]' |
        refused "one host port twice" '81'
}

test_the_document_is_repaired_in_place() {
    put_document '{"revision": 1'
    agent_launch
    eventually 10 "ready although the only document is bad" status_says .ready
    eventually 10 "the error is told" error_says .
    put_document "$(good 1)"
    eventually 20 "it runs" steady web 1
    eventually 5 "the error is gone" no_error
}

test_revisions_only_grow() {
    local before
    put_document "$(good 5)"
    agent_start
    expect "it runs" berth wait web --timeout 30s
    before=$(containers_all web)
    put_document "$(good 4 3)"
    eventually 10 "an older one is refused" error_says 'revision.*(4|5)'
    expect "5 stays" revision_is 5
    put_document "$(good 5 3)"
    eventually 10 "an equal one with other content is refused" error_says 'revision.*5'
    equal "nothing moved" "$before" "$(containers_all web)"
    expect "an event tells" events_say 'revision'
    put_document "$(good 4 2)"
    eventually 10 "refused" error_says 'revision'
    expect "the way back" berth poll --accept-older
    eventually 10 "in effect" revision_is 4
    eventually 20 "two tasks" steady web 2
    put_document "$(good 6 1)"
    eventually 20 "and forward again" steady web 1
}

test_the_refusal_is_remembered_over_a_restart() {
    put_document "$(good 5)"
    agent_start
    expect "it runs" berth wait web --timeout 30s
    agent_stop
    put_document "$(good 4 2)"
    agent_start
    eventually 10 "refused" error_says 'revision'
    expect "5 stays" revision_is 5
    equal "one task" 1 "$(containers_all web | wc -l)"
}

test_the_same_bytes_again_do_nothing() {
    local before
    put_document "$(good 1)"
    agent_start
    expect "it runs" berth wait web --timeout 30s
    before=$(containers_all web)
    put_document "$(good 1)"
    expect "polled" berth poll
    expect "no error" no_error
    equal "nothing moved" "$before" "$(containers_all web)"
}

test_validate_works_with_no_daemon() {
    good 1 >"$test_dir/good.json"
    exit_of "$bin/berth" --socket /nonexistent validate "$test_dir/good.json"
    equal "good" 0 "$exit_status"
    good 1 | jq '.services[0].taskDefinition = "nobody"' >"$test_dir/bad.json"
    exit_of "$bin/berth" --socket /nonexistent validate "$test_dir/bad.json"
    equal "bad" 1 "$exit_status"
    contains "path" "$output" 'services\[0\]\.taskDefinition'
    "$bin/berth" --socket /nonexistent validate -o json "$test_dir/bad.json" >"$test_dir/answer"
    expect "json" jq -e '.valid == false and (.errors[0] | has("path") and has("code") and
        has("message")) and (.warnings | type) == "array"' "$test_dir/answer"
    exit_of "$bin/berth" validate "$test_dir/absent.json"
    equal "no such file" 1 "$exit_status"
}

test_validate_over_the_socket_says_the_same() {
    put_document "$(good 1)"
    agent_start
    good 1 | jq '.services[0].desiredCount = 1.5' >"$test_dir/bad.json"
    "$bin/berth" --socket /nonexistent validate -o json "$test_dir/bad.json" >"$test_dir/local"
    curl -s --unix-socket "$berth_socket" --data-binary @"$test_dir/bad.json" \
        http://d/v1/validate >"$test_dir/remote"
    equal "same answer" "$(jq -S '{valid, errors, warnings}' "$test_dir/local")" \
        "$(jq -S '{valid, errors, warnings}' "$test_dir/remote")"
}

test_the_examples_validate() {
    local file
    for file in "$e2e_root"/deploy/examples/*.json; do
        exit_of "$bin/berth" validate "$file"
        equal "$(basename "$file"): $output" 0 "$exit_status"
        expect "$(basename "$file") has no warning" jq -e '.warnings == []' \
            <("$bin/berth" validate -o json "$file")
    done
    sed 's/@REVISION@/1/g' "$e2e_root/deploy/demo/desired.json" >"$test_dir/demo.json"
    exit_of "$bin/berth" validate "$test_dir/demo.json"
    equal "the demo's: $output" 0 "$exit_status"
}

test_unknown_fields_are_warnings() {
    good 1 | jq '.services[0].somethingNew = true' >"$test_dir/new.json"
    "$bin/berth" validate -o json "$test_dir/new.json" >"$test_dir/answer"
    expect "valid, with a warning that names the path" jq -e '.valid and
        any(.warnings[]; .path == "services[0].somethingNew")' "$test_dir/answer"
}

run_tests "$@"
