#!/bin/bash
# Health: from container checks, from probes of our own, and from neither.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

check() { # shell-command
    jq -cn --arg command "$1" '{healthCheck: {command: ["CMD-SHELL", $command],
        interval: 5, timeout: 2, retries: 1}}'
}

healthz_server="trap 'exit 0' TERM; mkdir -p /tmp/w; touch /tmp/w/healthz
    httpd -f -p 8080 -h /tmp/w & wait"

probed() { # host-port container-port [more health check json]
    local more=${3:-}
    jq -cn --argjson host "$1" --argjson port "$2" --argjson more "${more:-null}" '{publish: [{
        hostPort: $host, containerName: "app", containerPort: $port, healthCheck: ({
            protocol: "HTTP", path: "/healthz", intervalSeconds: 1, timeoutSeconds: 1,
            healthyThresholdCount: 2, unhealthyThresholdCount: 2} + ($more // {}))}]}'
}

test_a_healthy_container_makes_a_healthy_task() {
    desire 1 "$(definition web:1 "$(container app "$sleeper" "$(check true)")")" \
        "$(service web web:1 1)"
    agent_start
    eventually 15 "it runs" tasks_say '.[0].lastStatus == "RUNNING"'
    expect "not known to be healthy yet" tasks_say '.[0].healthStatus != "UNHEALTHY"'
    expect "completed" berth wait web --timeout 30s
    expect "healthy" tasks_say '.[0].healthStatus == "HEALTHY"'
}

test_one_unhealthy_container_makes_an_unhealthy_task() {
    desire 1 "$(definition web:1 "$(container app "$sleeper" "$(check true)")" \
        "$(container side "$sleeper" "$(check "test ! -e /tmp/sick")")")" "$(service web web:1 1)"
    agent_start
    expect "completed" berth wait web --timeout 40s
    local before side exec
    before=$(task_of web)
    side=$(container_named web side)
    exec=$(api POST "/containers/$side/exec" -H 'Content-Type: application/json' \
        -d '{"Cmd": ["touch", "/tmp/sick"]}' | jq -r .Id)
    api POST "/exec/$exec/start" -H 'Content-Type: application/json' -d '{"Detach": true}'
    eventually 40 "replaced" tasks_say 'any(.[]; .taskId != "'"$before"'"
        and .group == "service:web" and .healthStatus == "HEALTHY")'
    eventually 20 "the sick one is gone" tasks_say 'all(.[]; .taskId != "'"$before"'"
        or .lastStatus == "STOPPED")'
    expect "health is the reason" tasks_say 'any(.[]; .taskId == "'"$before"'" and
        (.stoppedReason | test("health"; "i")))'
    expect "an event tells" events_say 'health'
}

test_a_sick_task_stays_until_its_replacement_is_healthy() {
    # Both go sick at the same time; the bound of 100 % forbids stopping one before there is
    # another, so two containers run at every moment. Only what was there before falls sick.
    local app
    mkdir -p "$test_dir/flag"
    app=$(container app "test -e /flag/sick || touch /tmp/first; $sleeper" \
        "$(check 'test ! -e /flag/sick || test ! -e /tmp/first' |
            jq -c '.mountPoints = [{sourceVolume: "flag", containerPath: "/flag"}]')")
    desire 1 "$(definition web:1 "$app" | jq --arg path "$test_dir/flag" \
        '.volumes = [{name: "flag", host: {sourcePath: $path}}]')" "$(service web web:1 2)"
    agent_start
    expect "completed" berth wait web --timeout 40s
    local before
    before=$(containers web | xargs)
    (while :; do containers web | wc -l; sleep 0.2; done) >"$test_dir/samples" &
    touch "$test_dir/flag/sick"
    eventually 60 "both replaced" both_replaced "$before"
    kill $!
    expect "never fewer than two containers" [ "$(sort -n "$test_dir/samples" | head -n 1)" -ge 2 ]
}

both_replaced() { # ids
    local id
    for id in $1; do
        ! containers web | grep -q "$id" || return 1
    done
    steady web 2
}

test_an_http_probe_decides() {
    local port
    port=$(free_port)
    desire 1 "$(definition web:1 "$(container app "trap 'exit 0' TERM; mkdir -p /tmp/w
        httpd -f -p 8080 -h /tmp/w & sleep 2; touch /tmp/w/healthz; wait" \
        '{"portMappings": [{"containerPort": 8080}]}')")" \
        "$(service web web:1 1 "$(probed "$port" 8080 '{"unhealthyThresholdCount": 8}')")"
    agent_start
    eventually 10 "it runs" tasks_say '.[0].lastStatus | IN("RUNNING", "ACTIVATING")'
    expect "not healthy while it answers 404" service_says web '.healthyCount == 0'
    eventually 5 "why shows the answer" why_says web '404'
    expect "completed" berth wait web --timeout 30s
    expect "healthy" service_says web '.healthyCount == 1'
}

test_probes_go_to_the_task_itself() {
    # Nothing of the host's ports is involved: what listens on the published port says 500.
    local port address
    port=$(free_port)
    desire 1 "$(definition web:1 "$(container app "$healthz_server" \
        '{"portMappings": [{"containerPort": 8080}]}')")" \
        "$(service web web:1 1 "$(probed "$port" 8080)")"
    agent_start
    expect "completed" berth wait web --timeout 30s
    address=$(inspect "$(containers web)" .NetworkSettings.IPAddress)
    # Cut the published port off; the task stays healthy, as its own address still answers.
    iptables -t nat -I PREROUTING -p tcp --dport "$port" -j REDIRECT --to-ports 1
    iptables -t nat -I OUTPUT -p tcp --dport "$port" -j REDIRECT --to-ports 1
    refute "the published port answers" curl -sf --max-time 2 "http://127.0.0.1:$port/healthz"
    throughout 4 "healthy without it" service_says web '.healthyCount == 1'
    expect "its own address answers" curl -sf --max-time 2 "http://$address:8080/healthz"
    iptables -t nat -D PREROUTING 1
    iptables -t nat -D OUTPUT 1
}

test_a_failing_probe_replaces_the_task() {
    local port before
    port=$(free_port)
    desire 1 "$(definition web:1 "$(container app "$healthz_server" \
        '{"portMappings": [{"containerPort": 8080}]}')")" \
        "$(service web web:1 1 "$(probed "$port" 8080)")"
    agent_start
    expect "completed" berth wait web --timeout 30s
    before=$(task_of web)
    api POST "/containers/$(containers web)/pause"
    eventually 30 "replaced" tasks_say 'any(.[]; .taskId != "'"$before"'" and
        .lastStatus == "RUNNING" and .healthStatus != "UNHEALTHY")'
    eventually 20 "healthy again" service_says web '.healthyCount == 1 and .runningCount == 1'
}

test_a_tcp_probe_decides() {
    local port
    port=$(free_port)
    desire 1 "$(definition web:1 "$(container app \
        "trap 'exit 0' TERM; sleep 2; httpd -f -p 8080 & wait" \
        '{"portMappings": [{"containerPort": 8080}]}')")" \
        "$(service web web:1 1 "$(probed "$port" 8080 \
            '{"protocol": "TCP", "path": null, "unhealthyThresholdCount": 8}')")"
    agent_start
    expect "completed" berth wait web --timeout 30s
    expect "healthy" service_says web '.healthyCount == 1'
}

test_the_grace_period_forgives_early_failures() {
    local port before
    port=$(free_port)
    desire 1 "$(definition web:1 "$(container app "trap 'exit 0' TERM; mkdir -p /tmp/w
        httpd -f -p 8080 -h /tmp/w & sleep 6; touch /tmp/w/healthz; wait" \
        '{"portMappings": [{"containerPort": 8080}]}')")" \
        "$(service web web:1 1 "$(probed "$port" 8080 |
            jq -c '. + {healthCheckGracePeriodSeconds: 20}')")"
    agent_start
    eventually 10 "it runs" count_is 1 containers web
    before=$(containers web)
    expect "completed" berth wait web --timeout 30s
    equal "by the first task" "$before" "$(containers web)"
}

test_without_any_check_running_is_healthy_after_settling() {
    setting[BERTH_SETTLE_TIME]=4s
    desire 1 "$(definition web:1 "$(container app "$sleeper")")" "$(service web web:1 1)"
    agent_start
    eventually 10 "it runs" tasks_say '.[0].lastStatus == "RUNNING"'
    expect "not healthy at once" service_says web '.healthyCount == 0'
    eventually 10 "healthy after settling" service_says web '.healthyCount == 1'
}

run_tests "$@"
