#!/bin/bash
# See berth work in two minutes, and leave no trace: demo.sh start | stop
#
# start: builds, finds a container runtime or starts a private one, makes a small image, runs
# berthd with a document of one service, replaces the service by its second revision, kills a
# container, and leaves everything running to look at. stop: removes what start made.
set -uo pipefail
# The log calls of make would only clutter the story.
unset MAKEFLAGS MFLAGS MAKELEVEL

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
run=/run/berth-demo
lib=/var/lib/berth-demo
host_id="berth-demo"
image="berth-demo/web"
socket=
# shellcheck source=deploy/demo/runtime.sh
. "$here/runtime.sh"

say() {
    printf '\n== %s\n' "$*"
}

die() {
    printf 'demo: %s\n' "$*" >&2
    [ ! -s "$run/berthd.log" ] || tail -n 20 "$run/berthd.log" >&2
    exit 1
}

# Show a command as a person would type it, then run it.
show() {
    printf '\n$ %s\n' "$*"
    "$@"
}

berth() {
    "$root/build/berth" --socket "$run/berth.sock" "$@"
}

# ------------------------------------------------------------------ what start does

build_all() {
    "$root/deploy/install-deps.sh" build runtime || die "could not install what is needed"
    make -C "$root" --no-print-directory -j"$(nproc)" all >"$run/build.log" 2>&1 || {
        tail -n 20 "$run/build.log" >&2
        die "the build failed; all of it is in $run/build.log"
    }
}

choose_runtime() {
    mkdir -p "$run"
    if socket=$(runtime_find); then
        say "Using the container runtime at $socket"
    else
        say "No container runtime answers here: starting a private dockerd under $run"
        private_start
        socket=$run/docker.sock
    fi
    echo "$socket" >"$run/runtime"
}

# An image with no registry: busybox and one page, packed and handed to the runtime.
make_image() { # tag
    local tree=$run/image
    rm -rf "$tree"
    mkdir -p "$tree"/{bin,tmp,www,etc}
    cp "$(command -v busybox)" "$tree/bin/busybox"
    for applet in sh httpd wget sleep date cat kill; do
        ln -s busybox "$tree/bin/$applet"
    done
    printf 'hello from revision %s\n' "$1" >"$tree/www/index.html"
    tar -C "$tree" -c . | api POST "/images/create?fromSrc=-&repo=$image&tag=$1" \
        -H 'Content-Type: application/x-tar' --data-binary @- >"$run/import.log" ||
        die "the runtime did not take the image: $(cat "$run/import.log")"
    ! grep -q '"error"' "$run/import.log" || die "the image was refused: $(cat "$run/import.log")"
    rm -rf "$tree"
}

# A rename, as everything that replaces a living file should: the agent sees all of it or none.
desire() { # revision
    sed "s/@REVISION@/$1/g" "$here/desired.json" >"$run/desired.json.new"
    mv "$run/desired.json.new" "$run/desired.json"
}

start_agent() {
    cat >"$run/berth.conf" <<CONF
BERTH_DESIRED_URL=file://$run/desired.json
BERTH_RUNTIME=unix://$socket
BERTH_SOCKET=$run/berth.sock
BERTH_STATE_DIR=$run/state
BERTH_CLUSTER=demo
BERTH_HOST_ID=$host_id
BERTH_CGROUP_PARENT=berth-demo
BERTH_RESTART_MIN_RUN=1s
CONF
    # Nothing of the caller's environment: a BERTH_ variable there would beat our file.
    env -i PATH="$PATH" setsid "$root/build/berthd" --config "$run/berth.conf" \
        >>"$run/berthd.log" 2>&1 </dev/null &
    echo $! >"$run/berthd.pid"
    local i
    for i in {1..100}; do
        ! berth status -o json 2>/dev/null | jq -e .ready >/dev/null || return 0
        sleep 0.1
    done
    die "berthd is not ready after 10 s; its log is above"
}

healthy_count() {
    berth services web -o json 2>/dev/null | jq -r 'if type == "array" then .[0] else . end
        | .healthyCount // 0'
}

# Ask every task of the service for its page, through the port that the runtime gave it.
visit() {
    local port
    for port in $(berth ps -o json | jq -r '.[] | select(.group == "service:web")
            | .containers[].networkBindings[].hostPort' | sort -un); do
        printf '$ curl http://127.0.0.1:%s/   ' "$port"
        curl -s --max-time 5 "http://127.0.0.1:$port/" || printf '(no answer)\n'
    done
}

# The lowest number of healthy tasks ever seen while a file exists.
watch_healthy() {
    local lowest=999 now
    while [ -e "$run/watching" ]; do
        now=$(healthy_count)
        if [ -n "$now" ] && [ "$now" -lt "$lowest" ]; then
            lowest=$now
            echo "$lowest" >"$run/lowest"
        fi
        sleep 0.1
    done
}

show_first_revision() {
    say "Revision 1: two tasks of one service"
    show berth wait web --revision 1 --timeout 2m || die "the service does not become healthy"
    show berth services
    show berth ps
    visit
}

show_replacement() {
    say "Revision 2, renamed over $run/desired.json: new tasks first, then the old ones go"
    touch "$run/watching"
    watch_healthy &
    desire 2
    show berth wait web --revision 2 --timeout 3m || die "the second revision does not come up"
    rm -f "$run/watching"
    wait $!
    show berth services
    show berth ps
    visit
    printf '\nhealthy tasks during the replacement: never fewer than %s of 2\n' \
        "$(cat "$run/lowest")"
}

show_repair() {
    local victim i
    victim=$(berth ps -o json |
        jq -r '[.[] | select(.group == "service:web")][0].containers[0].runtimeId')
    say "Killing container ${victim:0:12} behind the agent's back"
    api POST "/containers/$victim/kill" >/dev/null
    for i in {1..1200}; do
        if [ "$(healthy_count)" = 2 ] && ! berth ps -o json | grep -q "$victim"; then
            show berth ps
            return 0
        fi
        sleep 0.1
    done
    die "the killed task was not replaced within 2 minutes"
}

where_to_look() {
    local berth="build/berth --socket $run/berth.sock"
    cat <<TEXT

== It keeps running. Where to look next
  $berth status
  $berth why web
  $berth events
  $berth logs \$($berth ps -o json | jq -r '.[0].taskId')
  edit $run/desired.json (raise "revision", change "desiredCount"), then:
  $berth plan; $berth wait web
  the agent's log:        $run/berthd.log
  remove everything:      make demo-stop
TEXT
}

start() {
    trap 'rm -f "$run/watching"' EXIT
    stop_all
    mkdir -p "$run"
    build_all
    choose_runtime
    make_image 1
    make_image 2
    desire 1
    start_agent
    show_first_revision
    show_replacement
    show_repair
    where_to_look
}

# ------------------------------------------------------------------ what stop does

remove_containers() {
    local id filter
    filter=$(jq -rn --arg host "$host_id" '{label: ["io.berth.host=" + $host]} | tojson | @uri')
    for id in $(api GET "/containers/json?all=1&filters=$filter" | jq -r '.[].Id'); do
        api DELETE "/containers/$id?force=1&v=1" >/dev/null
    done
}

remove_images() {
    local tag
    for tag in 1 2; do
        api DELETE "/images/$image:$tag" >/dev/null 2>&1
    done
}

stop_all() {
    rm -f "$run/watching"
    process_end "$run/berthd.pid" berthd
    socket=$(cat "$run/runtime" 2>/dev/null)
    if [ -n "$socket" ] && runtime_answers "$socket"; then
        remove_containers
        remove_images
    fi
    private_stop
    rm -rf --one-file-system "$run"
}

[ "$(id -u)" -eq 0 ] || die "needs root: it speaks to a container runtime and may start one"
case ${1:-} in
start) start ;;
stop)
    stop_all
    printf 'demo: everything that it made is removed\n'
    ;;
*)
    printf 'usage: demo.sh start | stop\n' >&2
    exit 2
    ;;
esac
