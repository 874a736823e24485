#!/bin/bash
# What a reviewer should not have to say: tests/lint.sh [RULE...]   (default: every rule)
#
# Each rule is a function that prints one line per finding, "FILE:LINE: what is wrong"; no line
# means that it holds. A line that begins with "note:" informs and does not fail.
# tests/lint_test.sh proves that each rule fires. LINT_ROOT checks another tree.
set -u
cd "${LINT_ROOT:-$(dirname "$0")/..}" || exit 1

all_rules=(toplevel layers purity private_headers banned width format headers_alone size shell
    cppcheck tidy)

# A header of include/berth belongs to the folder that implements it, and a new one must be told
# here, because this list is the layering.
declare -A header_layer
assign_layer() { # layer header...
    local layer=$1 header
    shift
    for header in "$@"; do
        header_layer[$header]=$layer
    done
}
assign_layer base arena assert digest err json limits log memory prng str
assign_layer model config desired findings observed render task_definition
assign_layer core core driver
assign_layer edge control http notify probe report routes runtime sandbox source store traffic \
    policy
assign_layer cgroups cgroup

declare -A rank=([base]=1 [model]=2 [core]=3 [edge]=4 [agent]=5)

sources() { # extension... : every file of ours with it
    local extension arguments=()
    for extension in "$@"; do
        arguments+=(-o -name "*.$extension")
    done
    find agent include cgroups tests deploy -type f \( "${arguments[@]:1}" \) 2>/dev/null | sort
}

layer_of() { # path of a file or header
    case $1 in
    include/berth/*.h) echo "${header_layer[$(basename "$1" .h)]:-unknown}" ;;
    agent/*/*) cut -d/ -f2 <<<"$1" ;;
    agent/*) echo agent ;;
    cgroups/*) echo cgroups ;;
    *) echo tests ;;
    esac
}

# "FILE:LINE HEADER" for every #include "..." of one file, as a path from the root.
quoted_includes() {
    grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$1" |
        sed -E 's/^([0-9]+):[^"]*"([^"]*)".*/\1 \2/' |
        while read -r line header; do
            case $header in
            berth/*) header=include/$header ;;
            agent/* | cgroups/* | tests/*) ;;
            *) header=$(realpath -m --relative-to=. "$(dirname "$1")/$header") ;;
            esac
            echo "$1:$line $header"
        done
}

rule_toplevel() {
    local name
    while read -r name; do
        case $name in
        Makefile | agent | include | cgroups | tests | deploy | README.md | .* | build) ;;
        *) echo "$name:1: has no place at the top level" ;;
        esac
    done < <(ls -A)
    for name in Makefile agent include tests deploy README.md; do
        [ -e "$name" ] || echo "$name:1: is missing"
    done
}

may_include() { # layer-of-file layer-of-header header
    case $1 in
    tests) return 0 ;;
    cgroups) [ "$2" = cgroups ] || [ "$3" = include/berth/err.h ] ;;
    cli)
        # The command speaks to the daemon over its socket and shares no decision with it.
        [ "$2" = cli ] || [ "$2" = base ] || [ "$2" = model ] || [ "$3" = include/berth/http.h ]
        ;;
    edge | agent) [ "$2" = cgroups ] || [ "${rank[$2]:-9}" -le "${rank[$1]}" ] ;;
    *) [ "${rank[$2]:-9}" -le "${rank[$1]:-0}" ] ;;
    esac
}

rule_layers() {
    local file place header mine theirs
    while read -r file; do
        mine=$(layer_of "$file")
        if [ "$mine" = unknown ]; then
            echo "$file:1: belongs to no layer; name its layer in tests/lint.sh"
            continue
        fi
        while read -r place header; do
            theirs=$(layer_of "$header")
            [ "$theirs" != unknown ] || continue
            may_include "$mine" "$theirs" "$header" ||
                echo "$place: $mine includes $header of layer $theirs"
        done < <(quoted_includes "$file")
    done < <(sources c h | grep -v '^tests/')
}

rule_purity() {
    local file layer
    while read -r file; do
        layer=$(layer_of "$file")
        case $layer in model | core) ;; *) continue ;; esac
        grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*<(uv\.h|curl/|time\.h|unistd\.h|sys/|pthread)' \
            "$file" | sed -E "s|^([0-9]+):.*<(.*)>.*|$file:\1: $layer includes <\2>|"
        [ "$layer" = core ] || continue
        grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"](cjson/|berth/json\.h)' "$file" |
            sed -E "s|^([0-9]+):.*|$file:\1: core knows no JSON|"
    done < <(sources c h)
}

# runtime_parse.h is private to runtime.c and runtime_*.c; probe.c must not reach for it.
rule_private_headers() {
    local file place header module
    while read -r file; do
        while read -r place header; do
            case $header in agent/edge/*.h) ;; *) continue ;; esac
            module=$(basename "$header" .h)
            case $(basename "$file") in
            "${module%%_*}".[ch] | "${module%%_*}"_*) ;;
            *) echo "$place: reaches into ${header#agent/edge/}, a private header" ;;
            esac
        done < <(quoted_includes "$file")
    done < <(sources c h | grep -E '^agent/')
}

# Code without comments and string contents, line by line, so that words in them do not count.
bare_code() {
    awk '
        {
            line = $0; out = ""
            while (length(line) > 0) {
                if (comment) {
                    at = index(line, "*/")
                    if (!at) { line = ""; break }
                    line = substr(line, at + 2); comment = 0
                    continue
                }
                c = substr(line, 1, 1)
                if (substr(line, 1, 2) == "/*") { comment = 1; line = substr(line, 3) }
                else if (substr(line, 1, 2) == "//") { line = "" }
                else if (match(line, /^"([^"\\]|\\.)*"/)) { out = out "\"\""; line = substr(line, RLENGTH + 1) }
                else if (match(line, /^\x27([^\x27\\]|\\.)*\x27/)) { out = out "0"; line = substr(line, RLENGTH + 1) }
                else { out = out c; line = substr(line, 2) }
            }
            print out
        }' "$1"
}

rule_banned() {
    local file calls='strcpy|strcat|stpcpy|sprintf|vsprintf|strtok|strtok_r|atoi|atol|atoll|atof|strncpy|strncat|gets|alloca|strdupa|tmpnam|mktemp'
    while read -r file; do
        bare_code "$file" | grep -nE "(^|[^A-Za-z0-9_])($calls)[[:space:]]*\(" |
            sed -E "s~^([0-9]+):.*[^A-Za-z0-9_]($calls)[[:space:]]*\(.*~$file:\1: \2() is banned~; s~^([0-9]+):($calls).*~$file:\1: \2() is banned~"
        bare_code "$file" | grep -nE '(^|[^A-Za-z0-9_])goto[[:space:]]+[a-z]' |
            sed -E "s~^([0-9]+):.*~$file:\1: goto is banned~"
    done < <(sources c h)
}

rule_width() {
    sources c h sh | while read -r file; do
        case $file in tests/lint*.sh) continue ;; esac
        LC_ALL=C.UTF-8 awk -v file="$file" \
            'length($0) > 100 { printf "%s:%d: %d columns, 100 are allowed\n", file, NR, length($0) }' \
            "$file"
    done
}

rule_format() {
    local version
    version=$(clang-format --version | sed -E 's/.*version ([0-9]+).*/\1/')
    if [ "$version" != 14 ]; then
        echo "skip: clang-format is $version; the format is that of 14"
        return
    fi
    sources c h | xargs -r clang-format --dry-run -Werror 2>&1 |
        grep -E ': (error|warning):' | sed -E 's/error: //'
}

compile_flags() {
    pkg-config --cflags libuv libcurl libcjson libmicrohttpd libcrypto smartcols
}

rule_headers_alone() {
    local file
    while read -r file; do
        # The header is the whole translation unit: whatever it needs, it must include itself.
        # shellcheck disable=SC2046
        gcc -std=gnu17 -D_GNU_SOURCE -Iinclude -I. $(compile_flags) -Wall -Wextra \
            -fsyntax-only -x c -include "$file" /dev/null 2>&1 | grep -E 'error|warning' |
            sed "s|^|$file:1: |"
    done < <(sources h)
}

rule_size() {
    local file
    while read -r file; do
        case $file in tests/*) ;; *)
            awk -v file="$file" 'END { if (NR > 500) printf "note: %s:1: %d lines in one file\n", file, NR }' \
                "$file"
            ;;
        esac
        awk -v file="$file" '
            /^[A-Za-z_].*[)]$/ || /^[A-Za-z_].*,$/ { name = $0 }
            /^{/ { start = NR }
            /^}/ {
                if (start && NR - start - 1 > 60)
                    printf "note: %s:%d: a function of %d lines: %s\n", file, start, NR - start - 1, name
                start = 0
            }' "$file"
    done < <(sources c)
}

rule_shell() {
    { sources sh; ls .ci/run 2>/dev/null; } | xargs -r shellcheck --external-sources -f gcc
}

rule_cppcheck() {
    local files
    mapfile -t files < <(sources c | grep -vE '^tests/')
    [ "${#files[@]}" -gt 0 ] || return 0
    mkdir -p build/cppcheck
    cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
        --suppressions-list=tests/cppcheck.txt --cppcheck-build-dir=build/cppcheck \
        --template='{file}:{line}: {id}: {message}' -j "$(nproc)" -Iinclude -I. -D_GNU_SOURCE \
        -D__linux__ --library=tests/cppcheck.cfg "${files[@]}" 2>&1 | grep -v '^nofile:0'
}

# clang-tidy is by far the slowest rule. A file whose preprocessed text was clean is not read again.
tidy_one() { # file flag...
    local file=$1 key stamp findings
    shift
    key=$({ clang -E "$@" "$file" 2>/dev/null; cat .clang-tidy; } | sha256sum | cut -c1-40)
    stamp=build/tidy/$key
    [ ! -e "$stamp" ] || return 0
    findings=$(clang-tidy --quiet "$file" -- "$@" 2>/dev/null | grep -E ': (warning|error):' |
        sed "s|^$PWD/||" | sort -u)
    if [ -n "$findings" ]; then
        printf '%s\n' "$findings"
    else
        : >"$stamp"
    fi
}

rule_tidy() {
    mkdir -p build/tidy
    export -f tidy_one
    # shellcheck disable=SC2046,SC2016
    sources c | grep -vE '^tests/' |
        xargs -r -P "$(nproc)" -I{} bash -c 'tidy_one "$@"' tidy {} -std=gnu17 -D_GNU_SOURCE \
            -DBERTH_VERSION='"0"' -Iinclude -I. $(compile_flags)
}

main() {
    local rules=("$@") rule findings passed=0 failed=0 skipped=0
    [ $# -gt 0 ] || rules=("${all_rules[@]}")
    for rule in "${rules[@]}"; do
        findings=$("rule_$rule" 2>&1)
        if grep -q '^skip:' <<<"$findings"; then
            skipped=$((skipped + 1))
            printf 'lint: %s\nskipped: %s\n' "$rule" "${findings#skip: }"
        elif grep -qv '^note:' <<<"${findings:-note:}"; then
            failed=$((failed + 1))
            printf 'lint: %s FAILED\n%s\n' "$rule" "$findings"
        else
            passed=$((passed + 1))
            printf 'lint: %s\n%s' "$rule" "${findings:+$findings$'\n'}"
        fi
    done
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" -eq 0 ]
}

main "$@"
