# shellcheck shell=bash
# The container runtime of the demo: one that is there, or a private dockerd. Sourced by demo.sh.
#
# The private one has everything of its own: root, sockets, pid files, containerd, bridge, cgroup.
# What it changes on the host (forwarding, iptables) is written down first, so that the way back
# is exact.

: "${run:?} ${lib:?}"
private_bridge="berth-demo0"
private_cgroup="berth-demo"

runtime_answers() { # socket path
    [ -S "$1" ] && [ "$(curl -s --max-time 5 --unix-socket "$1" http://runtime/_ping)" = OK ]
}

# Prints the path of a socket that answers.
runtime_find() {
    local socket named=${DOCKER_HOST:-}
    for socket in "${named#unix://}" /run/docker.sock /var/run/docker.sock \
        /run/podman/podman.sock; do
        if [ -n "$socket" ] && runtime_answers "$socket"; then
            echo "$socket"
            return 0
        fi
    done
    return 1
}

# One call to the runtime: api METHOD PATH [curl option...]. Body on stdout.
api() {
    local method=$1 path=$2
    shift 2
    curl -sS --max-time 60 --unix-socket "$socket" -X "$method" "$@" "http://runtime$path"
}

# A pid file is only a hint: the number may long belong to somebody else.
process_is() { # pid-file program
    local pid
    pid=$(cat "$1" 2>/dev/null) || return 1
    [ -n "$pid" ] && [ "$(basename "$(readlink "/proc/$pid/exe")" 2>/dev/null)" = "$2" ]
}

process_end() { # pid-file program
    local pid i
    process_is "$1" "$2" || return 0
    pid=$(cat "$1")
    kill "$pid" 2>/dev/null
    for i in {1..150}; do
        process_is "$1" "$2" || break
        [ "$i" -lt 150 ] || kill -9 "$pid" 2>/dev/null
        sleep 0.1
    done
    rm -f "$1"
}

free_subnet() {
    local candidate
    for candidate in 10.213.77 10.187.33 172.30.213 192.168.213; do
        if ! ip -4 route | grep -q "${candidate//./\\.}\."; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}

# dockerd sets the policy of FORWARD to DROP when it is the one that turns forwarding on, which
# would cut off whatever else is routed here; so forwarding is turned on before it looks.
private_network_up() {
    local subnet
    subnet=$(free_subnet) || die "found no free subnet for the demo's bridge"
    cat /proc/sys/net/ipv4/ip_forward >"$run/ip_forward.before"
    iptables-save >"$run/iptables.before" 2>/dev/null
    echo 1 >/proc/sys/net/ipv4/ip_forward || say "forwarding cannot be turned on here"
    ip link show "$private_bridge" >/dev/null 2>&1 || ip link add "$private_bridge" type bridge
    ip addr replace "$subnet.1/24" dev "$private_bridge"
    ip link set "$private_bridge" up
}

# dockerd leaves its chains behind. A chain that was there before it is not ours.
private_iptables_down() {
    local table line chain
    for table in nat filter; do
        iptables-save -t $table 2>/dev/null | grep -E "^-A .*(DOCKER|$private_bridge)" |
            while read -r line; do
                grep -qxF -- "$line" "$run/iptables.before" && continue
                # shellcheck disable=SC2086 # a rule is words
                iptables -t $table ${line/#-A/-D} 2>/dev/null
            done
        for chain in DOCKER DOCKER-ISOLATION-STAGE-1 DOCKER-ISOLATION-STAGE-2 DOCKER-USER; do
            grep -q "^:$chain " "$run/iptables.before" && continue
            iptables -t $table -F $chain 2>/dev/null && iptables -t $table -X $chain 2>/dev/null
        done
    done
}

private_network_down() {
    ip link del "$private_bridge" 2>/dev/null
    if [ -f "$run/iptables.before" ]; then
        private_iptables_down
    fi
    if [ "$(cat "$run/ip_forward.before" 2>/dev/null)" = 0 ]; then
        echo 0 >/proc/sys/net/ipv4/ip_forward
    fi
}

# A machine with no init system may not even have cgroups mounted.
private_cgroup_up() {
    grep -qE ' cgroup2? ' /proc/mounts && return 0
    mount -t cgroup2 none /sys/fs/cgroup && touch "$run/cgroup.mounted"
}

private_cgroup_down() {
    local root
    for root in /sys/fs/cgroup /sys/fs/cgroup/*/; do
        if [ -d "${root%/}/$private_cgroup" ]; then
            find "${root%/}/$private_cgroup" -depth -type d -exec rmdir {} + 2>/dev/null
        fi
    done
    [ ! -e "$run/cgroup.mounted" ] || umount /sys/fs/cgroup
}

private_containerd() {
    cat >"$run/containerd.toml" <<TOML
version = 2
root = "$lib/containerd"
state = "$run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$run/containerd.sock"
TOML
    setsid containerd --config "$run/containerd.toml" >>"$run/containerd.log" 2>&1 </dev/null &
    echo $! >"$run/containerd.pid"
}

private_dockerd() {
    rm -f "$run/docker.pid"
    setsid dockerd --containerd "$run/containerd.sock" --data-root "$lib/docker" \
        --exec-root "$run/docker" --pidfile "$run/docker.pid" -H "unix://$run/docker.sock" \
        --bridge "$private_bridge" --cgroup-parent "/$private_cgroup" \
        --exec-opt native.cgroupdriver=cgroupfs --live-restore \
        --containerd-namespace berth-demo --containerd-plugins-namespace berth-demo-plugins \
        >>"$run/dockerd.log" 2>&1 </dev/null &
}

private_start() {
    local i
    mkdir -p "$lib" "$run"
    private_cgroup_up
    private_network_up
    private_containerd
    for i in {1..200}; do
        [ -S "$run/containerd.sock" ] && break
        sleep 0.05
    done
    private_dockerd
    for i in {1..600}; do
        ! runtime_answers "$run/docker.sock" || return 0
        if [ "$i" -gt 40 ] && ! process_is "$run/docker.pid" dockerd; then
            break
        fi
        sleep 0.05
    done
    tail -n 20 "$run/dockerd.log" >&2
    die "a private dockerd does not start here; its log is above and in $run/dockerd.log"
}

private_stop() {
    process_end "$run/docker.pid" dockerd
    process_end "$run/containerd.pid" containerd
    private_network_down
    private_cgroup_down
    # Mounts of containers that were still there go first, or removing would reach into them.
    grep -oE " ($run|$lib)/[^ ]*" /proc/mounts | sort -r | xargs -r -n 1 umount -l 2>/dev/null
    rm -rf --one-file-system "$lib"
}
