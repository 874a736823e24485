#!/bin/bash
# Fuzz each target for a while: tests/fuzz/run.sh SECONDS TARGET...
#
# A target is a libFuzzer program (build/fuzz/NAME). It starts from a scratch copy of
# tests/fuzz/corpus/NAME, so that the repository keeps its seeds as people wrote them. What makes
# it crash is left as build/fuzz/NAME-crash-* (or -timeout-, -oom-): run the target with that file
# to see it again, then add the file to the corpus. Ends with "N passed, N failed".
set -u

if [ $# -lt 2 ]; then
    echo "usage: tests/fuzz/run.sh SECONDS TARGET..." >&2
    exit 2
fi
seconds=$1
shift

corpus=$(dirname "$0")/corpus
scratch=$(mktemp -d "${TMPDIR:-/tmp}/berth-fuzz.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

passed=0 failed=0
for target in "$@"; do
    name=$(basename "$target")
    mkdir -p "$scratch/$name"
    [ ! -d "$corpus/$name" ] || cp "$corpus/$name"/* "$scratch/$name/"

    if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=16384 \
        -print_final_stats=1 -artifact_prefix="$(dirname "$target")/$name-" \
        "$scratch/$name" >"$scratch/$name.log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$scratch/$name.log")
        found=$(find "$scratch/$name" -type f | wc -l)
        echo "$name: ${runs:-0} runs in $seconds s, corpus grew to $found"
        passed=$((passed + 1))
    else
        echo "$name: FAILED"
        tail -n 40 "$scratch/$name.log" | sed 's/^/    /'
        failed=$((failed + 1))
    fi
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
