#!/bin/sh
# Install what berth needs: install-deps.sh [build] [runtime] [test]   (default: all three)
#
# Idempotent, and quick when nothing is missing. Written for /bin/sh and nothing else, because a
# fresh machine has neither bash guarantees nor curl nor sudo.
#
# shellcheck disable=SC2086,SC2046 # lists of package names are meant to be split
set -eu

# apparmor: where the kernel has it enabled, Docker starts no container without apparmor_parser.
apt_packages() {
    case $1 in
    build)
        echo gcc libc6-dev make pkg-config libuv1-dev libcurl4-openssl-dev libcjson-dev \
            libmicrohttpd-dev libssl-dev libsmartcols-dev
        ;;
    runtime)
        echo docker.io containerd runc apparmor iptables iproute2 kmod busybox-static curl \
            ca-certificates jq util-linux procps
        ;;
    test)
        echo bash libcmocka-dev git clang "$(apt_clang_runtime)" clang-format clang-tidy cppcheck \
            shellcheck scdoc nginx-light docker-registry openssl util-linux procps curl jq \
            busybox-static
        ;;
    esac
}

dnf_packages() {
    case $1 in
    build)
        echo gcc make pkgconf-pkg-config libuv-devel libcurl-devel cjson-devel \
            libmicrohttpd-devel openssl-devel libsmartcols-devel
        ;;
    runtime)
        echo docker containerd runc iptables-nft iproute kmod busybox jq util-linux procps-ng \
            ca-certificates
        ;;
    test)
        echo bash libcmocka-devel git clang compiler-rt clang-tools-extra cppcheck ShellCheck \
            scdoc nginx openssl
        ;;
    esac
}

say() {
    printf 'install-deps: %s\n' "$*"
}

die() {
    printf 'install-deps: %s\n' "$*" >&2
    exit 1
}

need_root() {
    [ "$(id -u)" -eq 0 ] || die "these packages are missing and only root can install them: $*"
}

# Debian and Ubuntu start a service as soon as it is installed: an nginx on port 80 that nobody
# asked for, a second Docker beside the private ones of demo and tests. While we install,
# invoke-rc.d is told not to.
POLICY=/usr/sbin/policy-rc.d
hold_services() {
    [ ! -e "$POLICY" ] || return 0
    trap 'rm -f "$POLICY"' EXIT
    trap 'exit 1' INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
}

apt_missing() {
    for package in "$@"; do
        state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || state=absent
        [ "$state" = installed ] || printf '%s ' "$package"
    done
}

# The sanitizer and fuzzer runtimes are packaged per clang version; take the installed default.
apt_clang_runtime() {
    version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' |
        head -n 1)
    printf 'libclang-rt-%s-dev' "${version:-14}"
}

# With systemd a freshly installed nginx or registry would come up at the next boot. The tests start
# their own.
apt_disable_new() { # packages
    [ -d /run/systemd/system ] || return 0
    case " $1 " in *" nginx-light "*) disable nginx ;; esac
    case " $1 " in *" docker-registry "*) disable docker-registry ;; esac
}

disable() { # service
    systemctl --quiet disable "$1" || say "could not disable the $1 service"
}

apt_install() {
    missing=$(apt_missing $(packages_of apt "$@"))
    [ -n "$missing" ] || return 0
    need_root "$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update
    # Once more: only now is it known which clang runtime fits the clang of this release.
    missing=$(apt_missing $(packages_of apt "$@"))
    [ -n "$missing" ] || return 0
    say "installing: $missing"
    hold_services
    apt-get -q install -y --no-install-recommends $missing
    apt_disable_new "$missing"
}

dnf_missing() {
    for package in "$@"; do
        rpm -q --quiet --whatprovides "$package" || printf '%s ' "$package"
    done
}

dnf_install() {
    missing=$(dnf_missing $(packages_of dnf "$@"))
    # curl-minimal is there on Amazon Linux and conflicts with curl, so ask for the command.
    command -v curl >/dev/null 2>&1 || missing="$missing curl"
    [ -n "$missing" ] || return 0
    need_root "$missing"
    say "installing: $missing"
    dnf install -y --setopt=install_weak_deps=False $missing
}

packages_of() {
    tool=$1
    shift
    for group in "$@"; do
        "${tool}_packages" "$group"
    done
}

main() {
    [ $# -gt 0 ] || set -- build runtime test
    for group in "$@"; do
        case $group in
        build | runtime | test) ;;
        *) die "unknown group \"$group\": build, runtime or test" ;;
        esac
    done
    if command -v apt-get >/dev/null 2>&1; then
        apt_install "$@"
    elif command -v dnf >/dev/null 2>&1; then
        dnf_install "$@"
    else
        die "neither apt-get nor dnf is here; install these by hand: $(packages_of apt "$@")"
    fi
    say "everything is there ($*)"
}

main "$@"
