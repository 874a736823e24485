#!/bin/bash
# Images from a real registry: how they come, what is asked for them and when, and what happens
# while the registry is slow, silent, down or does not have them.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# ------------------------------------------------------------------ a registry and its faults

# docker-registry, and before it an nginx that writes down what was asked and has faults that are
# switched by files: slow (layers come at 400 kB/s), down (503 for everything). Images are pushed
# past it, so that its access log holds pulls only. Plain http is allowed on loopback.
registry_start() {
    command -v docker-registry >/dev/null || skip "docker-registry is not installed"
    command -v nginx >/dev/null || skip "nginx is not installed"
    place=$test_dir/registry
    proxy_port=$(free_port) registry_port=$((proxy_port + 10000))
    registry=127.0.0.1:$proxy_port
    mkdir -p "$place/tree"/{bin,www}
    cp "$(command -v busybox)" "$place/tree/bin/busybox"
    for applet in sh sleep httpd cat; do
        ln -s busybox "$place/tree/bin/$applet"
    done
    cat >"$place/registry.yml" <<CONFIG
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: $place/data}
  maintenance: {uploadpurging: {enabled: false}}
http: {addr: "127.0.0.1:$registry_port"}
CONFIG
    cat >"$place/nginx.conf" <<NGINX
daemon off; master_process off; pid $place/pid; error_log $place/error; user root;
events { worker_connections 64; }
http {
    log_format seen '\$request_method \$uri \$status \$msec \$request_time';
    access_log $place/access seen;
    client_body_temp_path $place/t1; proxy_temp_path $place/t2; fastcgi_temp_path $place/t3;
    uwsgi_temp_path $place/t4; scgi_temp_path $place/t5;
    map \$uri \$slowly { default 0; ~/blobs/ 400k; }
    server {
        listen 127.0.0.1:$proxy_port;
        if (-f $place/slow) { set \$limit_rate \$slowly; }
        location / {
            if (-f $place/down) { return 503; }
            proxy_set_header Host \$http_host;
            proxy_pass http://127.0.0.1:$registry_port;
        }
    }
}
NGINX
    docker-registry serve "$place/registry.yml" >"$place/out" 2>&1 &
    proxy_start
    # What is tested here is not how a service settles.
    setting[BERTH_SETTLE_TIME]=200ms
    setting[BERTH_RESTART_MIN_RUN]=100ms
}

proxy_start() {
    nginx -c "$place/nginx.conf" -e "$place/error" &
    proxy_pid=$!
    eventually 10 "the registry answers" curl -sf -o /dev/null "http://$registry/v2/"
    forget_requests
}

# Nobody listens any more.
proxy_stop() {
    kill "$proxy_pid"
    wait "$proxy_pid" 2>/dev/null
}

# nginx appends, so emptying the file is enough.
forget_requests() {
    : >"$place/access"
}

# Make an image with a file that nothing can compress, and leave it in the registry only. Its
# digest is left in $digest.
publish() { # name:tag [kilobytes]
    local pushed=127.0.0.1:$registry_port/${1%:*} tag=${1##*:} answer
    echo "$1" >"$place/tree/www/index.html"
    head -c "${2:-1}K" /dev/urandom >"$place/tree/ballast"
    tar -C "$place/tree" -c . | api POST "/images/create?fromSrc=-&repo=$pushed&tag=$tag" \
        -H 'Content-Type: application/x-tar' --data-binary @- >/dev/null
    answer=$(api POST "/images/$pushed/push?tag=$tag" -H 'X-Registry-Auth: e30=')
    digest=$(jq -r '.aux.Digest // empty' <<<"$answer")
    [ -n "$digest" ] || fail "$1 was not pushed: $answer"
    api DELETE "/images/$pushed:$tag" >/dev/null
}

# How often a tag or digest was asked for. A pull begins with a HEAD of a tag, and with the GET of
# a digest.
asked() { # name:tag | name@digest
    local method=HEAD
    [[ $1 != *@* ]] || method=GET
    grep -c "^$method /v2/${1%%[:@]*}/manifests/${1#*[:@]} " "$place/access"
}

equal_asked() { # what name:tag number
    equal "$1: requests for $2" "$3" "$(asked "$2")"
}

nobody_asked() { # what
    equal "$1: requests" "" "$(cat "$place/access")"
}

# Their manifests were read; what comes next are the layers.
layers_under_way() { # name...
    local name
    for name in "$@"; do
        grep -q "^GET /v2/$name/manifests/" "$place/access" || return 1
    done
}

# ------------------------------------------------------------------ documents

running() { # image [more json of the container]
    local more=${2:-}
    container app "$sleeper" "$(jq -cn --arg image "$registry/$1" --argjson more "${more:-null}" \
        '{image: $image} + ($more // {})')"
}

# One service "web" of one image, in as many revisions as there are calls.
desire_web() { # revision image [count]
    desire "$1" "$(definition "web:$1" "$(running "$2")")" "$(service web "web:$1" "${3:-1}")"
}

is_local() { # image
    [ "$(api GET "/images/$registry/$1/json" -o /dev/null -w '%{http_code}')" = 200 ]
}

image_id() { # image
    api GET "/images/$registry/$1/json" | jq -r .Id
}

all_run_image() { # service id
    local id
    for id in $(containers "$1"); do
        [ "$(inspect "$id" .Image)" = "$2" ] || return 1
    done
}

kill_one() { # service: the id of what was killed is left in $killed
    killed=$(containers "$1" | head -n 1)
    api POST "/containers/$killed/kill"
}

replaced() { # service count
    ! containers "$1" | grep -q "$killed" && count_is "$2" containers "$1"
}

repaired() { # service count
    replaced "$1" "$2" && steady "$1" "$2"
}

# ------------------------------------------------------------------ how an image comes

test_an_absent_image_is_pulled_and_its_progress_shows() {
    registry_start
    publish app:1
    touch "$place/slow"
    desire_web 1 app:1
    agent_start
    eventually 10 "why counts the bytes" why_says web \
        "image is being pulled: $registry/app:1: .*Downloading.* [0-9.]+[kM]B/[0-9.]+MB"
    eventually 20 "it runs" steady web 1
    expect "from that image" is_local app:1
    expect "an event tells" events_say "$registry/app:1 pulled"
    equal_asked "once" app:1 1
}

test_no_more_pulls_at_a_time_than_allowed() {
    local image containers=()
    registry_start
    setting[BERTH_MAX_PULLS]=2
    for image in a b c; do
        publish "$image:1"
        containers+=("$(running "$image:1" | jq -c --arg name "$image" '.name = $name')")
    done
    touch "$place/slow"
    desire 1 "$(definition web:1 "${containers[@]}")" "$(service web web:1 1)"
    agent_start
    eventually 10 "why shows how both get on" both_get_on a b c
    expect "and that the third waits" why_says web '2 pulls under way'
    eventually 30 "it runs" steady web 1
    equal "pulls at a time" 2 "$(pulls_at_a_time)"
}

both_get_on() { # name...
    local name count=0
    for name in "$@"; do
        ! why_says web "^container $name .*Downloading" || count=$((count + 1))
    done
    [ "$count" -eq 2 ]
}

# The most images of which something was on its way at the same time.
pulls_at_a_time() {
    awk '$2 ~ /\/(manifests|blobs)\// {
            split($2, part, "/"); name = part[3]; begin = $4 - $5
            if (!(name in first) || begin < first[name]) first[name] = begin
            if ($4 > last[name]) last[name] = $4
        }
        END {
            for (a in first) {
                n = 0
                for (b in first) n += first[b] <= first[a] && first[a] < last[b]
                if (n > most) most = n
            }
            print most + 0
        }' "$place/access"
}

test_a_pull_that_falls_silent_is_given_up_and_tried_again() {
    registry_start
    publish app:1 1000
    touch "$place/slow"
    setting[BERTH_PULL_INACTIVITY_TIMEOUT]=2s
    desire_web 1 app:1
    agent_start
    eventually 10 "it is on its way" why_says web 'Downloading'
    # The kernel goes on accepting for a stopped server: connections without a byte.
    kill -STOP "$proxy_pid"
    eventually 8 "the log tells why it is tried again" log_says \
        "pull_retry.*$registry/app:1.*silent for 2 s"
    expect "and so does why" why_says web "$registry/app:1: attempt 2 of 5 .*silent for 2 s"
    rm "$place/slow"
    kill -CONT "$proxy_pid"
    eventually 20 "it succeeds by itself" steady web 1
    refute "nobody is blamed" service_says web '.deployments[0].failedTasks > 0'
}

# Docker loads three layers at a time, whatever they belong to, and tells nothing about a fourth.
test_a_pull_that_waits_for_its_turn_is_not_silent() {
    local image containers=()
    registry_start
    setting[BERTH_MAX_PULLS]=4
    setting[BERTH_PULL_INACTIVITY_TIMEOUT]=2s
    for image in a b c d; do
        publish "$image:1" 100
        containers+=("$(running "$image:1" | jq -c --arg name "$image" '.name = $name')")
    done
    touch "$place/slow"
    desire 1 "$(definition web:1 "${containers[@]}")" "$(service web web:1 1)"
    agent_start
    eventually 10 "three are under way" layers_under_way a b c d
    rm "$place/slow" # for the fourth
    eventually 30 "it runs" steady web 1
    refute "none was given up" log_says pull_retry
}

test_a_reference_by_digest() {
    registry_start
    publish app:1
    desire_web 1 "app@$digest"
    agent_start
    eventually 20 "it runs" steady web 1
    equal_asked "by its digest" "app@$digest" 1
    equal_asked "and not by a tag" app:1 0
    touch "$place/down"
    forget_requests
    kill_one web
    eventually 15 "another one" repaired web 1
    nobody_asked "a repair"
}

test_what_the_registry_does_not_have() {
    registry_start
    publish app:1
    desire_web 1 app:no
    agent_start
    eventually 10 "why names the error" why_says web "CannotPullContainerError.*$registry/app:no"
    eventually 10 "so does an event" events_say "CannotPullContainerError.*$registry/app:no"
    eventually 15 "it counts against the deployment, and is tried again" service_says web \
        '.deployments[0].failedTasks >= 2'
    contains "each time" "$(asked app:no)" '^[2-9]$'
    publish app:no
    eventually 20 "until it is there" steady web 1
}

# ------------------------------------------------------------------ what asks whom: prefer-cached

test_what_is_local_is_asked_of_nobody() {
    registry_start
    publish app:1
    desire_web 1 app:1 2
    agent_start
    eventually 20 "it runs" steady web 2
    touch "$place/down"
    forget_requests
    kill_one web
    eventually 15 "a repair" repaired web 2
    desire_web 2 app:1 2
    expect "a new deployment" berth wait web --revision 2 --timeout 20s
    nobody_asked "both"
}

test_a_new_deployment_of_latest_asks_once() {
    local first
    registry_start
    publish app:latest
    desire_web 1 app:latest 2
    agent_start
    eventually 20 "it runs" steady web 2
    equal_asked "the first deployment" app:latest 1
    first=$(image_id app:latest)
    publish app:latest
    kill_one web
    eventually 15 "a repair" repaired web 2
    equal_asked "does not ask" app:latest 1
    expect "and changes nothing" all_run_image web "$first"
    desire_web 2 app:latest 2
    expect "the next deployment" berth wait web --revision 2 --timeout 20s
    equal_asked "asks once" app:latest 2
    refute "and takes what is new" [ "$first" = "$(image_id app:latest)" ]
    expect "everywhere" all_run_image web "$(image_id app:latest)"
    touch "$place/down"
    forget_requests
    desire_web 3 app:latest 2
    expect "one with the registry down" berth wait web --revision 3 --timeout 20s
    equal_asked "asks once, too, and takes what is local" app:latest 1
    expect "saying so" log_says "pull_failed.*using=local.*503"
}

test_a_start_from_the_stored_document_asks_nobody() {
    local id
    registry_start
    publish app:latest
    desire_web 1 app:latest
    agent_start
    eventually 20 "it runs" steady web 1
    agent_stop
    for id in $(containers_all); do
        api DELETE "/containers/$id?force=1" >/dev/null
    done
    touch "$place/down"
    forget_requests
    agent_start
    eventually 15 "it runs again" steady web 1
    nobody_asked "the start"
}

# ------------------------------------------------------------------ always, once, default

test_always_asks_each_time_and_insists() {
    registry_start
    publish app:1
    setting[BERTH_IMAGE_PULL_BEHAVIOR]=always
    desire_web 1 app:1
    agent_start
    eventually 20 "it runs" steady web 1
    equal_asked "the first start" app:1 1
    kill_one web
    eventually 15 "another one" repaired web 1
    equal_asked "the second start" app:1 2
    proxy_stop
    kill_one web
    eventually 10 "why says what it waits for" why_says web "image.*$registry/app:1"
    throughout 1 "nothing starts" count_is 0 containers web
    proxy_start
    eventually 15 "it starts when the registry is back" repaired web 1
}

test_once_asks_once() {
    registry_start
    publish app:1
    setting[BERTH_IMAGE_PULL_BEHAVIOR]=once
    desire_web 1 app:1
    agent_start
    eventually 20 "it runs" steady web 1
    equal_asked "the first start" app:1 1
    publish app:1
    touch "$place/down"
    forget_requests
    desire_web 2 app:1
    expect "a new deployment" berth wait web --revision 2 --timeout 20s
    agent_stop
    agent_start
    kill_one web
    eventually 15 "a repair after a restart" repaired web 1
    nobody_asked "both"
}

test_once_asks_once_about_what_was_local_before() {
    registry_start
    publish app:1
    api POST "/images/create?fromImage=$registry/app&tag=1" >/dev/null
    forget_requests
    setting[BERTH_IMAGE_PULL_BEHAVIOR]=once
    desire_web 1 app:1
    agent_start
    eventually 20 "it runs" steady web 1
    equal_asked "the first start" app:1 1
    kill_one web
    eventually 15 "a repair" repaired web 1
    equal_asked "does not ask again" app:1 1
}

test_default_asks_each_time_and_makes_do() {
    registry_start
    publish app:1
    setting[BERTH_IMAGE_PULL_BEHAVIOR]=default
    desire_web 1 app:1
    agent_start
    eventually 20 "it runs" steady web 1
    equal_asked "the first start" app:1 1
    kill_one web
    eventually 15 "another one" repaired web 1
    equal_asked "the second start" app:1 2
    touch "$place/down"
    kill_one web
    eventually 15 "another one of what is local" repaired web 1
    equal_asked "the third start" app:1 3
}

# ------------------------------------------------------------------ what happens meanwhile

fixed_port() { # revision image port
    desire "$1" "$(definition "web:$1" "$(web_container "{\"hostPort\": $3}" \
        "$(jq -cn --arg image "$2" '{image: $image}')")")" "$(service web "web:$1" 1)"
}

# The first line that does not answer ends it: "failed", or how often it answered.
visit() { # port file
    local count=0
    while curl -s -o /dev/null --max-time 2 "http://127.0.0.1:$1/"; do
        count=$((count + 1))
        echo "$count" >"$2"
        sleep 0.02
    done
    date +%s.%3N >"$2.failed"
}

test_stop_first_stops_nothing_before_the_new_image_is_there() {
    local port=$((20900 + RANDOM % 50)) before visitor
    registry_start
    publish app:2
    fixed_port 1 bb:1 "$port"
    agent_start
    expect "the first revision" berth wait web --timeout 30s
    before=$(containers web)
    touch "$place/slow"
    visit "$port" "$test_dir/visits" &
    visitor=$!
    fixed_port 2 "$registry/app:2" "$port"
    eventually 5 "the pull has begun" layers_under_way app
    expect "why says what is waited for" why_says web "$registry/app:2"
    eventually 20 "the image is there" is_local_while_runs app:2 "$before"
    eventually 20 "the new one runs" equal_output app:2 curl -s "http://127.0.0.1:$port/"
    wait "$visitor"
    expect "the visits were many" [ "$(cat "$test_dir/visits")" -ge 20 ]
    expect "and the first in vain came after the last byte of the image" \
        awk -v failed="$(cat "$test_dir/visits.failed")" '
            $2 ~ /^\/v2\/app\/blobs\// { last = $4 }
            END { exit !(last && failed > last) }' "$place/access"
    expect "the second revision" berth wait web --revision 2 --timeout 20s
}

# What ran before the image was not yet there must have been the old one.
is_local_while_runs() { # image id
    local ids
    ids=$(containers web)
    is_local "$1" && return
    expect "the old one runs" grep -q "$2" <<<"$ids"
    return 1
}

test_a_newer_document_does_not_wait_for_the_pull_of_an_older_one() {
    registry_start
    publish app:1
    publish slow:2
    desire_web 1 app:1
    agent_start
    eventually 20 "it runs" steady web 1
    touch "$place/slow"
    desire_web 2 slow:2
    eventually 10 "the pull has begun" layers_under_way slow
    kill -STOP "$proxy_pid"
    desire "3" "$(definition web:3 "$(container app "$sleeper" '{"image": "bb:2"}')")" \
        "$(service web web:3 1)"
    expect "the third completes" berth wait web --revision 3 --timeout 20s
    refute "before the image of the second is there" is_local slow:2
    kill -CONT "$proxy_pid"
    eventually 20 "which comes nevertheless" is_local slow:2
    throughout 1 "and is not used" not_used slow:2
    expect "steady" steady web 1
}

not_used() { # image
    [ -z "$(api GET "/containers/json?all=1" | jq -r --arg image "$registry/$1" \
        '.[] | select(.Image == $image) | .Id')" ]
}

test_an_agent_that_is_killed_while_it_pulls_pulls_again() {
    registry_start
    publish app:1
    touch "$place/slow"
    desire_web 1 app:1
    agent_start
    eventually 10 "the pull has begun" layers_under_way app
    agent_kill
    rm "$place/slow"
    agent_start
    eventually 20 "it runs" steady web 1
    equal "one container" 1 "$(containers_all web | wc -l)"
}

test_a_runtime_that_dies_while_it_pulls_pulls_again() {
    registry_start
    publish app:1
    touch "$place/slow"
    desire_web 1 app:1
    agent_start
    eventually 10 "the pull has begun" layers_under_way app
    docker_kill
    rm "$place/slow"
    docker_start
    eventually 30 "it runs" steady web 1
    refute "nobody is blamed" service_says web '.deployments[0].failedTasks > 0'
}

run_tests "$@"
