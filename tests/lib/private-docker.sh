#!/bin/bash
# private-docker.sh start|kill9|stop|restart DIR: a dockerd with its containerd that share nothing
# with the host's: own roots, sockets, bridge, containerd namespaces and parent cgroup, all named
# after DIR. The engine listens on DIR/docker.sock.
#
#   start    both daemons; returns once the engine answers; nothing happens where it already does
#   kill9    SIGKILL to dockerd; containers live on (--live-restore)
#   restart  kill9, then start
#   stop     both daemons end, every container of theirs is killed, bridge and cgroup are removed
#
# Run it as root inside `unshare -n` with lo up: two dockerd in one network namespace take each
# other's nat rules away. DOCKERD_OPTIONS adds options, PRIVATE_DOCKER_SUBNET (default 10.213.7)
# chooses the bridge's /24.
set -u

command=${1:-}
mkdir -p "${2:?usage: private-docker.sh start|kill9|stop|restart DIR}" || exit 1
dir=$(readlink -f "$2")
tag=$(printf '%s' "$dir" | sha256sum | cut -c1-8)
bridge=bth-$tag
subnet=${PRIVATE_DOCKER_SUBNET:-10.213.7}
cgroup=/berth-test-$tag

die() { echo "private-docker.sh: $*" >&2; exit 1; }

# A pid file may be left behind by a dead process, and a dead process may wait for its parent.
pid_of() {
    local pid state
    pid=$(cat "$dir/$1.pid" 2>/dev/null) || return 1
    state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$pid/status" 2>/dev/null) || return 1
    [ -n "$state" ] && [ "$state" != Z ] && [ "$state" != X ] && echo "$pid"
}

engine_answers() {
    [ "$(curl -s --max-time 2 --unix-socket "$dir/docker.sock" http://engine/_ping)" = OK ]
}

# within SECONDS COMMAND...: until it succeeds
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

is_gone() { ! pid_of "$1" >/dev/null; }

kill_daemon() { # SIGNAL NAME
    local pid
    pid=$(pid_of "$2") || return 0
    kill "-$1" "$pid" 2>/dev/null
    within 30 is_gone "$2" || { kill -KILL "$pid" 2>/dev/null; within 10 is_gone "$2"; }
}

start_containerd() {
    pid_of containerd >/dev/null && return
    rm -f "$dir/containerd.sock" "$dir/containerd.sock.ttrpc"
    cat >"$dir/containerd.toml" <<CONFIG
version = 2
root = "$dir/containerd-root"
state = "$dir/containerd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$dir/containerd.sock"
CONFIG
    setsid containerd --config "$dir/containerd.toml" </dev/null >>"$dir/containerd.log" 2>&1 &
    echo $! >"$dir/containerd.pid"
    within 20 test -S "$dir/containerd.sock" || die "no containerd: see $dir/containerd.log"
}

start_bridge() {
    ip link show "$bridge" >/dev/null 2>&1 && return
    if ! { ip link add "$bridge" type bridge && ip addr add "$subnet.1/24" dev "$bridge" &&
        ip link set "$bridge" up; }; then
        die "cannot make the bridge $bridge"
    fi
}

start_dockerd() {
    pid_of dockerd >/dev/null && return
    rm -f "$dir/dockerd.pid" "$dir/docker.sock"
    # shellcheck disable=SC2086
    setsid dockerd --config-file "$dir/daemon.json" --host "unix://$dir/docker.sock" \
        --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/dockerd.pid" \
        --containerd "$dir/containerd.sock" --containerd-namespace "berth-$tag" \
        --containerd-plugins-namespace "berth-$tag-plugins" --bridge "$bridge" \
        --cgroup-parent "$cgroup" --live-restore ${DOCKERD_OPTIONS:-} \
        </dev/null >>"$dir/dockerd.log" 2>&1 &
}

start() {
    engine_answers && return
    command -v dockerd >/dev/null || die "dockerd is not installed"
    echo '{}' >"$dir/daemon.json"
    start_containerd
    start_bridge
    start_dockerd
    within 60 engine_answers && return
    tail -n 20 "$dir/dockerd.log" >&2
    die "dockerd does not answer"
}

kill_containers() {
    local id url=http://engine/v1.40/containers
    engine_answers || return 0
    for id in $(curl -s --max-time 10 --unix-socket "$dir/docker.sock" "$url/json?all=1" |
        grep -o '"Id":"[0-9a-f]\{64\}"' | cut -d'"' -f4); do
        curl -s --max-time 20 -X DELETE --unix-socket "$dir/docker.sock" \
            "$url/$id?force=true&v=true" >/dev/null
    done
}

# The shims are told by the directory in their command line.
kill_shims() {
    local proc line
    for proc in /proc/[0-9]*; do
        line=$(tr '\0' ' ' 2>/dev/null <"$proc/cmdline") || continue
        case $line in
        *containerd-shim*"$dir/"*) kill -KILL "${proc#/proc/}" 2>/dev/null ;;
        esac
    done
}

stop() {
    kill_containers
    kill_daemon TERM dockerd
    kill_daemon TERM containerd
    kill_shims
    ip link del "$bridge" 2>/dev/null
    local mount group
    while read -r mount; do
        umount -l "$mount"
    done < <(awk -v d="$dir/" 'index($2, d) == 1 { print $2 }' /proc/mounts | sort -r)
    for group in /sys/fs/cgroup"$cgroup" /sys/fs/cgroup/*"$cgroup"; do
        [ -d "$group" ] && find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
    done
    return 0
}

case $command in
start) start ;;
kill9) kill_daemon KILL dockerd ;;
restart) kill_daemon KILL dockerd && start ;;
stop) stop ;;
*) die "unknown command $command" ;;
esac
