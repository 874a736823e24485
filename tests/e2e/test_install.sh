#!/bin/bash
# What is installed fits together: paths, unit, configuration, examples.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

installed() { # path
    [ -s "$test_dir/root$1" ] || fail "$1 is not installed"
}

test_install_puts_everything_in_place() {
    expect "install" make -s -C "$e2e_root" install DESTDIR="$test_dir/root" PREFIX=/usr
    for path in /usr/sbin/berthd /usr/bin/berth /usr/lib/systemd/system/berth.service \
        /usr/lib/sysusers.d/berth.conf /usr/lib/tmpfiles.d/berth.conf /etc/berth/berth.conf \
        /usr/share/bash-completion/completions/berth /usr/share/zsh/vendor-completions/_berth \
        /usr/share/fish/vendor_completions.d/berth.fish; do
        installed $path
    done
    contains "the unit starts what is installed" \
        "$(cat "$test_dir/root/usr/lib/systemd/system/berth.service")" '^ExecStart=/usr/sbin/berthd'
    # A second installation keeps what the administrator wrote.
    echo BERTH_CLUSTER=mine >"$test_dir/root/etc/berth/berth.conf"
    expect "install again" make -s -C "$e2e_root" install DESTDIR="$test_dir/root" PREFIX=/usr
    equal "kept" BERTH_CLUSTER=mine "$(cat "$test_dir/root/etc/berth/berth.conf")"
}

test_the_prefix_reaches_the_unit() {
    expect "install" make -s -C "$e2e_root" install DESTDIR="$test_dir/root" PREFIX=/opt/berth
    contains "ExecStart" "$(cat "$test_dir/root/opt/berth/lib/systemd/system/berth.service")" \
        '^ExecStart=/opt/berth/sbin/berthd'
}

test_systemd_accepts_the_unit() {
    command -v systemd-analyze >/dev/null || skip "systemd-analyze is not installed"
    sed "s|@PREFIX@/sbin/berthd|/bin/true|; /^Documentation/d" "$e2e_root/deploy/berth.service" \
        >"$test_dir/berth.service"
    exit_of systemd-analyze verify "$test_dir/berth.service"
    equal "no complaint" "" "$(grep -i 'berth.service' <<<"$output")"
}

test_the_configuration_file_lists_every_key_with_its_default() {
    local key value written
    setting=([BERTH_SOCKET]="$berth_socket")
    env -i PATH="$PATH" "$bin/berth" --socket /nonexistent config -o json >"$test_dir/config" ||
        fail "berth config does not work with no daemon"
    while read -r key; do
        grep -qE "^#?$key=" "$e2e_root/deploy/berth.conf" || fail "$key is not in berth.conf"
    done < <(jq -r 'keys[]' "$test_dir/config")
    while IFS='=' read -r key written; do
        value=$(jq -r --arg key "$key" '.[$key].value // "(no such key)"' "$test_dir/config")
        case $key in
        BERTH_RUNTIME) continue ;; # its default depends on the host
        esac
        equal "default of $key" "$(in_ms "$written")" "$(in_ms "$value")"
    done < <(sed -n 's/^#\(BERTH_[A-Z_]*=.*\)/\1/p' "$e2e_root/deploy/berth.conf")
}

# Durations may be written in different units.
in_ms() { # text
    case $1 in
    *[0-9]ms) echo "${1%ms}" ;;
    *[0-9]s) echo $((${1%s} * 1000)) ;;
    *[0-9]m) echo $((${1%m} * 60000)) ;;
    *[0-9]h) echo $((${1%h} * 3600000)) ;;
    *) echo "$1" ;;
    esac
}

test_the_configuration_file_is_accepted() {
    sed 's/^#BERTH/BERTH/' "$e2e_root/deploy/berth.conf" >"$test_dir/all.conf"
    exit_of env -i PATH="$PATH" "$bin/berthd" --config "$test_dir/all.conf" --check-config
    equal "check-config: $output" 0 "$exit_status"
}

test_manuals_are_installed() {
    command -v scdoc >/dev/null || skip "scdoc is not installed"
    expect "install" make -s -C "$e2e_root" install DESTDIR="$test_dir/root" PREFIX=/usr
    installed /usr/share/man/man1/berth.1
    installed /usr/share/man/man8/berthd.8
    installed /usr/share/man/man5/berth-desired.5
}

run_tests "$@"
