#!/bin/bash
# From a document to running containers, and from a changed document to changed containers.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

sleepy() { # family:revision
    definition "$1" "$(container app "$sleeper")"
}

test_launches_what_a_file_asks_for() {
    desire 7 "$(sleepy web:3)" "$(service web web:3 2)"
    agent_start
    expect "wait says completed" berth wait web --timeout 30s
    equal "running containers" 2 "$(containers web | wc -l)"
    expect "status counts" status_says '.desired.revision == 7 and .services == 1 and .tasks == 2
        and .runtime.reachable and .cluster == "e2e" and .hostId == "'"$host_id"'"
        and ((.desired.lastError // "") == "")'
    expect "the service is complete" service_says web '.taskDefinition == "web:3"
        and .desiredCount == 2 and .runningCount == 2 and .healthyCount == 2
        and .deployments[0].status == "PRIMARY"
        and .deployments[0].rolloutState == "COMPLETED"
        and .deployments[0].taskDefinition == "web:3"'
    expect "tasks are described in ECS words" tasks_say 'length == 2 and all(.[]; . as $task |
        .lastStatus == "RUNNING" and .desiredStatus == "RUNNING" and .group == "service:web"
        and (.taskArn | endswith("task/e2e/" + $task.taskId))
        and (.taskDefinitionArn | endswith("task-definition/web:3"))
        and .containers[0].name == "app" and .containers[0].image == "bb:1"
        and .containers[0].lastStatus == "RUNNING"
        and (.containers[0].runtimeId | length) == 64)'
}

test_labels_say_whose_a_container_is() {
    local id labels key
    desire 1 "$(sleepy web:1)" "$(service web web:1 1)"
    agent_start
    expect "it runs" berth wait web --timeout 30s
    id=$(containers web)
    labels=$(inspect "$id" '.Config.Labels')
    for key in host cluster service task container digest generation slot attempt; do
        expect "label io.berth.$key" jq -e --arg key "io.berth.$key" '.[$key] != null' \
            <<<"$labels"
    done
    equal "host" "$host_id" "$(jq -r '.["io.berth.host"]' <<<"$labels")"
    equal "family" web "$(jq -r '.["com.amazonaws.ecs.task-definition-family"]' <<<"$labels")"
    equal "version" 1 "$(jq -r '.["com.amazonaws.ecs.task-definition-version"]' <<<"$labels")"
    equal "container" app "$(jq -r '.["com.amazonaws.ecs.container-name"]' <<<"$labels")"
    equal "cluster" e2e "$(jq -r '.["com.amazonaws.ecs.cluster"]' <<<"$labels")"
    contains "arn" "$(jq -r '.["com.amazonaws.ecs.task-arn"]' <<<"$labels")" \
        ':task/e2e/[0-9a-f]{32}$'
}

test_a_rename_takes_effect_at_once() {
    local began took
    desire 1 "$(sleepy web:1)" "$(service web web:1 1)"
    setting[BERTH_POLL_INTERVAL]=1h
    agent_start
    expect "it runs" berth wait web --timeout 30s
    began=$(milliseconds)
    desire 2 "$(sleepy web:1)" "$(service web web:1 2)"
    eventually 5 "revision 2 is in effect" revision_is 2
    took=$(($(milliseconds) - began))
    expect "noticed without polling, in $took ms" [ "$took" -lt 1000 ]
    eventually 20 "two tasks" steady web 2
}

test_a_document_that_comes_later_is_found() {
    desired=$test_dir/not/there/yet.json
    setting[BERTH_DESIRED_URL]=file://$desired
    agent_launch
    eventually 10 "the missing file is reported" status_says '.desired.lastError | test("yet.json")'
    mkdir -p "$test_dir/not/there"
    desire 1 "$(sleepy web:1)" "$(service web web:1 1)"
    eventually 20 "it is fetched" revision_is 1
    eventually 20 "and runs" steady web 1
}

test_a_symlink_swap_is_a_change() {
    mkdir -p "$test_dir/v1" "$test_dir/v2"
    document 1 "$(sleepy web:1)" "$(service web web:1 1)" >"$test_dir/v1/desired.json"
    document 2 "$(sleepy web:1)" "$(service web web:1 2)" >"$test_dir/v2/desired.json"
    ln -s v1 "$test_dir/current"
    setting[BERTH_DESIRED_URL]=file://$test_dir/current/desired.json
    agent_start
    eventually 20 "one task" steady web 1
    ln -s v2 "$test_dir/current.new"
    mv -T "$test_dir/current.new" "$test_dir/current"
    eventually 20 "two tasks" steady web 2
}

test_counts_follow_the_document() {
    local before
    desire 1 "$(sleepy web:1)" "$(service web web:1 1)"
    agent_start
    expect "one" berth wait web --timeout 30s
    before=$(containers web)
    desire 2 "$(sleepy web:1)" "$(service web web:1 3)"
    expect "three" berth wait web --revision 2 --timeout 30s
    equal "three run" 3 "$(containers web | wc -l)"
    expect "the first was left alone" grep -q "$before" <(containers web)
    desire 3 "$(sleepy web:1)" "$(service web web:1 1)"
    eventually 20 "one again" steady web 1
    eventually 20 "the others are removed" count_is 1 containers_all web
    desire 4 "$(sleepy web:1)" "$(service web web:1 0)"
    eventually 20 "none" count_is 0 containers_all web
}

test_what_leaves_the_document_is_stopped() {
    desire 1 "$(sleepy web:1)" "$(service web web:1 1)" "$(service other web:1 1)"
    agent_start
    eventually 30 "both run" steady other 1
    eventually 30 "both run" steady web 1
    desire 2 "$(sleepy web:1)" "$(service web web:1 1)"
    eventually 20 "the other is gone" count_is 0 containers_all other
    equal "web stays" 1 "$(containers web | wc -l)"
    eventually 5 "and is no service any more" status_says '.services == 1'
    document 3 >"$test_dir/empty"
    put_document "$(cat "$test_dir/empty")"
    eventually 20 "an explicit [] stops everything" count_is 0 containers_all
}

test_a_removed_file_changes_nothing() {
    local before
    desire 1 "$(sleepy web:1)" "$(service web web:1 1)"
    agent_start
    eventually 30 "it runs" steady web 1
    before=$(containers web)
    rm "$desired"
    eventually 10 "the loss is reported" status_says '(.desired.lastError | length) > 0'
    throughout 2 "the container runs on" equal_output "$before" containers web
    expect "still revision 1" revision_is 1
}

test_maps_a_container_definition() {
    local app id
    mkdir -p "$test_dir/data"
    echo from-the-host >"$test_dir/data/file"
    app=$(container app 'unused' "$(jq -cn '{
        "entryPoint": ["sh", "-c"], "command": ["id -u; pwd; echo $GREETING; cat /data/file"
            + " /version; touch /here && echo writable; sleep 100000"],
        "environment": [{"name": "GREETING", "value": "hello world"}],
        "user": "65534", "workingDirectory": "/tmp", "readonlyRootFilesystem": true,
        "cpu": 256, "memory": 64, "memoryReservation": 32, "stopTimeout": 1,
        "dockerLabels": {"team": "blue"},
        "mountPoints": [{"sourceVolume": "data", "containerPath": "/data", "readOnly": true},
                        {"sourceVolume": "scratch", "containerPath": "/scratch"}]}')")
    desire 1 "$(definition app:1 "$app" | jq --arg path "$test_dir/data" \
        '.volumes = [{name: "data", host: {sourcePath: $path}}, {name: "scratch"}]')" \
        "$(service app app:1 1)"
    agent_start
    expect "it runs" berth wait app --timeout 30s
    id=$(containers app)
    eventually 5 "it printed" logs_say app 'from-the-host'
    equal "output" "65534 /tmp hello world from-the-host 1" \
        "$(berth logs "$(task_of app)" | grep -v 'Read-only' | xargs)"
    equal "memory" $((64 << 20)) "$(inspect "$id" .HostConfig.Memory)"
    equal "reservation" $((32 << 20)) "$(inspect "$id" .HostConfig.MemoryReservation)"
    equal "cpu shares" 256 "$(inspect "$id" .HostConfig.CpuShares)"
    equal "label" blue "$(inspect "$id" .Config.Labels.team)"
    equal "read only" true "$(inspect "$id" .HostConfig.ReadonlyRootfs)"
}

test_network_modes_and_ports() {
    local dynamic_port fixed
    fixed=$(free_port)
    desire 1 \
        "$(definition dynamic:1 "$(web_container)")" \
        "$(definition fixed:1 "$(web_container "{\"hostPort\": $fixed}")")" \
        "$(definition host:1 "$(container app "$(web_server 8099)")" |
            jq '.networkMode = "host"')" \
        "$(definition none:1 "$(container app "$sleeper")" | jq '.networkMode = "none"')" \
        "$(service dynamic dynamic:1 2)" "$(service fixed fixed:1 1)" "$(service host host:1 1)" \
        "$(service none none:1 1)"
    agent_start
    for name in dynamic fixed host none; do
        expect "$name runs" berth wait $name --timeout 30s
    done
    tasks_say '[.[] | select(.group == "service:dynamic") | .containers[].networkBindings[] |
        select(.containerPort == 8080 and .protocol == "tcp") | .hostPort] | unique
        | length == 2' ||
        fail "two tasks with two ports of the host"
    dynamic_port=$(berth ps -o json | jq -r '[.[] | select(.group == "service:dynamic")][0]
        .containers[0].networkBindings[0].hostPort')
    eventually 5 "the dynamic port answers" curl -sf --max-time 2 "http://127.0.0.1:$dynamic_port/"
    eventually 5 "the fixed port answers" curl -sf --max-time 2 "http://127.0.0.1:$fixed/"
    eventually 5 "the host's port answers" curl -sf --max-time 2 "http://127.0.0.1:8099/"
    equal "none" none "$(inspect "$(containers none)" .HostConfig.NetworkMode)"
    equal "host" host "$(inspect "$(containers host)" .HostConfig.NetworkMode)"
}

test_publish_makes_a_service_reachable() {
    local port
    port=$(free_port)
    desire 1 "$(definition web:1 "$(web_container)")" \
        "$(service web web:1 1 '{"publish": [{"hostPort": '"$port"', "containerName": "app",
            "containerPort": 8080}]}')"
    agent_start
    expect "it runs" berth wait web --timeout 30s
    eventually 5 "the published port answers" curl -sf --max-time 2 "http://127.0.0.1:$port/"
}

test_what_this_host_cannot_do_fails_one_service_only() {
    local port
    port=$(free_port)
    desire 1 "$(definition web:1 "$(web_container)")" \
        "$(sleepy ok:1)" "$(service ok ok:1 1)" \
        "$(service web web:1 2 '{"publish": [{"hostPort": '"$port"', "containerName": "app",
            "containerPort": 8080}]}')"
    agent_start
    expect "the other one runs" berth wait ok --timeout 30s
    eventually 20 "the reason is told" why_says web "desiredCount|overlap|$port"
}

test_many_tasks_start_and_stop_in_parallel() {
    local began took
    desire 1 "$(sleepy web:1)" "$(service web web:1 12)"
    agent_start
    expect "twelve run" berth wait web --timeout 60s
    equal "twelve" 12 "$(containers web | wc -l)"
    # Each ignores SIGTERM for two seconds; one after the other would take twenty-four.
    desire 2 "$(definition web:2 "$(container app "$stubborn" '{"stopTimeout": 2}')")" \
        "$(service web web:2 12)"
    expect "replaced" berth wait web --revision 2 --timeout 90s
    began=$(milliseconds)
    desire 3 "$(definition web:2 "$(container app "$stubborn" '{"stopTimeout": 2}')")" \
        "$(service web web:2 0)"
    eventually 30 "all are gone" count_is 0 containers_all web
    took=$(($(milliseconds) - began))
    expect "stopped in parallel ($took ms)" [ "$took" -lt 15000 ]
}

run_tests "$@"
