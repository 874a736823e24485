#!/bin/bash
# Install what `make` has built: install.sh [DESTDIR] [PREFIX]
#
# An existing configuration is kept. Nothing is started: with no desired-state document there is
# nothing to do yet.
set -euo pipefail
cd "$(dirname "$0")/.."
destdir=${1:-}
prefix=${2:-/usr}

put() { # mode source target
    install -D -m "$1" "$2" "$destdir$3"
}

put_once() { # mode source target: a file that belongs to the administrator
    if [ -e "$destdir$3" ]; then
        printf 'install: %s is kept as it is\n' "$3"
    else
        put "$@"
    fi
}

install_programs() {
    put 0755 build/berthd "$prefix/sbin/berthd"
    put 0755 build/berth "$prefix/bin/berth"
}

install_service() {
    local unit
    unit=$(mktemp)
    sed "s|@PREFIX@|$prefix|g" deploy/berth.service >"$unit"
    put 0644 "$unit" "$prefix/lib/systemd/system/berth.service"
    rm -f "$unit"
    put 0644 deploy/berth.sysusers "$prefix/lib/sysusers.d/berth.conf"
    put 0644 deploy/berth.tmpfiles "$prefix/lib/tmpfiles.d/berth.conf"
    put_once 0644 deploy/berth.conf /etc/berth/berth.conf
    install -d -m 0755 "$destdir/etc/berth/conf.d"
}

install_manuals() {
    local page
    for page in build/man/*.[1-8]; do
        [ -e "$page" ] || continue
        put 0644 "$page" "$prefix/share/man/man${page##*.}/$(basename "$page")"
    done
    for page in deploy/examples/*.json; do
        put 0644 "$page" "$prefix/share/doc/berth/examples/$(basename "$page")"
    done
}

install_completions() {
    local scripts
    scripts=$(mktemp -d)
    build/berth completion bash >"$scripts/bash"
    build/berth completion zsh >"$scripts/zsh"
    build/berth completion fish >"$scripts/fish"
    put 0644 "$scripts/bash" "$prefix/share/bash-completion/completions/berth"
    put 0644 "$scripts/zsh" "$prefix/share/zsh/vendor-completions/_berth"
    put 0644 "$scripts/fish" "$prefix/share/fish/vendor_completions.d/berth.fish"
    rm -rf "$scripts"
}

# On a living system, not into a package or an image.
make_group() {
    [ -z "$destdir" ] && [ "$(id -u)" -eq 0 ] || return 0
    getent group berth >/dev/null || groupadd --system berth
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        printf 'install: systemctl enable --now berth   starts it\n'
    fi
}

install_programs
install_service
install_manuals
install_completions
make_group
