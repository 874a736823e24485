#!/bin/bash
# Run test programs and scripts, add up what they count: tests/run.sh PROGRAM...
#
# cmocka programs end with its summary, scripts and everything else with a line
# "N passed, N failed[, N skipped]". A program that ends badly, hangs or counts nothing is a
# failure of its own. The output of a program is shown when something in it failed; skipped tests
# are always named with their reason. The last line is the sum.
#
#   JOBS=n            programs at a time (default: processors, at most 4)
#   TEST_DEADLINE=s   seconds that one program may take (default 420)
#   VERBOSE=1         show all output
set -u

jobs_max=${JOBS:-$(nproc)}
[ "$jobs_max" -le 4 ] || jobs_max=4
deadline=${TEST_DEADLINE:-420}
verbose=${VERBOSE:-0}

logs=$(mktemp -d "${TMPDIR:-/tmp}/berth-run.XXXXXX")
trap 'rm -rf "$logs"' EXIT

passed=0 failed=0 skipped=0

# Prints "passed failed skipped" as the log counts them; nothing when it does not count.
count_log() {
    awk '
        function number(text) { gsub(/[^0-9]/, "", text); return text + 0 }
        /^\[  PASSED  \] [0-9]+ test/ { sub(/test.*/, ""); p += number($0); found = 1 }
        /^\[  SKIPPED \] [0-9]+ test/ { sub(/test.*/, ""); s += number($0); found = 1 }
        /^\[  FAILED  \] [0-9]+ test/ { sub(/test.*/, ""); f += number($0); found = 1 }
        /^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$/ {
            split($0, part, ",")
            p += number(part[1]); f += number(part[2]); s += number(part[3]); found = 1
        }
        END { if (found) print p + 0, f + 0, s + 0 }' "$1"
}

run_one() { # index program
    local began ended
    began=$(date +%s%N)
    # TERM first, so that a script can take its processes with it; then KILL.
    timeout --kill-after=20 "$deadline" "$2" >"$logs/$1.out" 2>&1 </dev/null
    echo $? >"$logs/$1.status"
    ended=$(date +%s%N)
    echo $(((ended - began) / 1000000)) >"$logs/$1.ms"
}

report_one() { # index program
    local name=$2 status counts p=0 f=0 s=0 note=''
    status=$(cat "$logs/$1.status" 2>/dev/null || echo 127)
    counts=$(count_log "$logs/$1.out")
    [ -z "$counts" ] || read -r p f s <<<"$counts"

    if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
        note=", took more than $deadline s and was ended"
        f=$((f + 1))
    elif [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then
        note=", ended with status $status"
        f=$((f + 1))
    elif [ -z "$counts" ]; then
        note=", counted nothing"
        f=$((f + 1))
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))

    printf '%s: %d passed, %d failed, %d skipped (%s ms)%s\n' "$name" "$p" "$f" "$s" \
        "$(cat "$logs/$1.ms" 2>/dev/null || echo '?')" "$note"
    if [ "$f" -gt 0 ] || [ "$verbose" != 0 ]; then
        sed "s|^|    |" "$logs/$1.out"
    elif [ "$s" -gt 0 ]; then
        grep -i '^skipped:' "$logs/$1.out" | sed 's|^|    |'
    fi
}

main() {
    local programs=("$@") running=0 next=0 reported=0 i
    declare -A index_of
    while [ "$reported" -lt "${#programs[@]}" ]; do
        while [ "$running" -lt "$jobs_max" ] && [ "$next" -lt "${#programs[@]}" ]; do
            run_one "$next" "${programs[next]}" &
            index_of[$!]=$next
            next=$((next + 1)) running=$((running + 1))
        done
        wait -n -p finished "${!index_of[@]}"
        i=${index_of[$finished]}
        unset "index_of[$finished]"
        running=$((running - 1)) reported=$((reported + 1))
        report_one "$i" "${programs[i]}"
    done

    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" -eq 0 ]
}

main "$@"
