#!/bin/bash
# All of `make check`: every stage runs, also after one that failed, and the last line is the sum.
#
# A stage that counts ("N passed, N failed, N skipped" as its last such line) adds its counts; any
# other adds one. A stage that cannot run at all is a failure. Logs: build/check/STAGE.log.
#   tests/check.sh [STAGE...]    default: all of them, in this order
set -u
cd "$(dirname "$0")/.." || exit 1
# We are usually started by make; its flags and job server are not meant for the makes below.
unset MAKEFLAGS MFLAGS MAKELEVEL

all_stages=(deps gcc clang lint lint_rules unit asan sim mutants e2e)
jobs=$(nproc)
logs=build/check
passed=0 failed=0 skipped=0
summary=()

stage_deps() { deploy/install-deps.sh; }
stage_gcc() { make -j"$jobs" CC=gcc all; }
stage_clang() { make -j"$jobs" CC=clang all; }
stage_lint() { tests/lint.sh; }
stage_lint_rules() { tests/lint_test.sh; }
stage_unit() { make -j"$jobs" unit; }
stage_asan() { make -j"$jobs" BUILD=asan unit; }
stage_sim() { make -j"$jobs" SEEDS=2000 sim; }
stage_mutants() { make -j"$jobs" mutants; }
stage_e2e() { make -j"$jobs" e2e; }

run_stage() { # name
    local name=$1 log=$logs/$1.log status counts p=0 f=0 s=0 began=$SECONDS
    printf '== %s\n' "$name"
    "stage_$name" >"$log" 2>&1
    status=$?
    counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$log" | tail -n 1)
    if [ -n "$counts" ]; then
        read -r p _ f _ s _ <<<"$counts 0"
    elif [ "$status" -eq 0 ]; then
        p=1
    fi
    [ "$status" -eq 0 ] || [ "$f" -gt 0 ] || f=1
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    summary+=("$(printf '%-11s %5d passed %3d failed %3d skipped %5d s' "$name" "$p" "$f" "$s" \
        $((SECONDS - began)))")
    show_log "$log" "$status" "$f"
}

# A stage that went well shows what it did not test, and its last words.
show_log() { # log status failed
    if [ "$2" -ne 0 ] || [ "$3" -gt 0 ]; then
        cat "$1"
        return
    fi
    grep -iE '^ *skipped:' "$1"
    tail -n 1 "$1"
}

main() {
    local stages=("$@") stage
    [ $# -gt 0 ] || stages=("${all_stages[@]}")
    mkdir -p "$logs"
    for stage in "${stages[@]}"; do
        run_stage "$stage"
    done
    printf '\n'
    printf '%s\n' "${summary[@]}"
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" -eq 0 ]
}

main "$@"
