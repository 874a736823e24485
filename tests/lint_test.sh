#!/bin/bash
# Every rule of tests/lint.sh fires on a bad file in a scratch tree, and is silent on a good one.
set -u
lint=$(realpath "$(dirname "$0")/lint.sh")
root=$(realpath "$(dirname "$0")/..")
scratch=$(mktemp -d "${TMPDIR:-/tmp}/berth-lint.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
passed=0 failed=0

# A small tree that breaks no rule.
fresh_tree() {
    rm -rf "${scratch:?}/tree"
    mkdir -p "$scratch"/tree/{agent/{base,model,core,edge,cli},include/berth,cgroups,tests,deploy}
    cd "$scratch/tree" || exit 1
    cp "$root"/.clang-format "$root"/.clang-tidy .
    cp "$root"/tests/cppcheck.{txt,cfg} tests/
    touch Makefile README.md
    printf '#ifndef A_H\n#define A_H\nint str_length(void);\n#endif\n' >include/berth/str.h
    printf '#ifndef J_H\n#define J_H\n#include "berth/str.h"\n#endif\n' >include/berth/json.h
    printf '#ifndef C_H\n#define C_H\n#include "berth/str.h"\n#endif\n' >include/berth/core.h
    printf '#include "berth/str.h"\n\nint str_length(void)\n{\n    return 0;\n}\n' >agent/base/str.c
}

verdict() { # name ok? output
    if [ "$2" = 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED %s\n%s\n' "$1" "$3"
    fi
}

silent() { # rule
    local output
    output=$(LINT_ROOT=$PWD "$lint" "$1")
    verdict "$1 is silent on a good tree" $? "$output"
}

fires() { # rule pattern
    local output status=0
    output=$(LINT_ROOT=$PWD "$lint" "$1") || status=$?
    if [ "$status" -ne 0 ] && grep -qE "$2" <<<"$output"; then
        verdict "$1" 0 ""
    else
        verdict "$1 must say \"$2\"" 1 "$output"
    fi
}

notes() { # rule pattern
    local output status=0
    output=$(LINT_ROOT=$PWD "$lint" "$1") || status=$?
    if [ "$status" -eq 0 ] && grep -qE "^note: .*$2" <<<"$output"; then
        verdict "$1" 0 ""
    else
        verdict "$1 must note \"$2\"" 1 "$output"
    fi
}

fresh_tree
for rule in toplevel layers purity private_headers banned width format headers_alone size shell \
    cppcheck tidy; do
    silent $rule
done

mkdir scripts
fires toplevel '^scripts:1: has no place'
rmdir scripts
rm README.md
fires toplevel '^README.md:1: is missing'

fresh_tree
echo '#include "berth/core.h"' >agent/base/log.c
fires layers 'agent/base/log.c:1: base includes include/berth/core.h'
fresh_tree
echo '#include "../core/plan.h"' >agent/model/field.c
fires layers 'agent/model/field.c:1: model includes agent/core/plan.h'
fresh_tree
echo '#include "berth/core.h"' >agent/cli/ps.c
fires layers 'cli includes include/berth/core.h'
fresh_tree
echo '#include "berth/str.h"' >cgroups/v1.c
fires layers 'cgroups includes include/berth/str.h'
fresh_tree
printf '#ifndef N_H\n#define N_H\n#endif\n' >include/berth/novelty.h
fires layers 'novelty.h:1: belongs to no layer'

for header in uv.h curl/curl.h time.h unistd.h; do
    fresh_tree
    echo "#include <$header>" >agent/core/fold.c
    fires purity "agent/core/fold.c:1: core includes <$header>"
done
fresh_tree
echo '#include "berth/json.h"' >agent/core/fold.c
fires purity 'core knows no JSON'

fresh_tree
touch agent/edge/runtime_parse.h
echo '#include "agent/edge/runtime_parse.h"' >agent/edge/probe.c
fires private_headers 'agent/edge/probe.c:1: reaches into runtime_parse.h'
mv agent/edge/probe.c agent/edge/runtime_events.c
silent private_headers

for call in strcpy strcat sprintf strtok atoi strncpy gets; do
    fresh_tree
    printf 'void f(char *a);\nvoid f(char *a)\n{\n    (void)%s(a);\n}\n' $call >agent/edge/probe.c
    fires banned "probe.c:4: $call\(\) is banned"
done
fresh_tree
printf 'int f(void)\n{\n    goto out;\nout:\n    return 0;\n}\n' >agent/edge/probe.c
fires banned 'probe.c:3: goto is banned'
fresh_tree
printf '/* sprintf(x) is banned,\n * atoi(x) too */\nconst char *text = "strcpy(a, b)";\n' \
    >agent/edge/probe.c
silent banned

fresh_tree
printf '/* %0110d */\n' 1 >agent/base/log.c
fires width 'agent/base/log.c:1: 116 columns'

if [ "$(clang-format --version | sed -E 's/.*version ([0-9]+).*/\1/')" = 14 ]; then
    fresh_tree
    printf 'int f( void ){return 0;}\n' >agent/base/log.c
    fires format 'agent/base/log.c:1:'
fi

fresh_tree
printf '#ifndef H_H\n#define H_H\nsize_t hash(void);\n#endif\n' >include/berth/prng.h
fires headers_alone 'include/berth/prng.h:1: .*size_t'

fresh_tree
{
    printf 'int f(void);\nint f(void)\n{\n'
    printf '    (void)%d;\n' {1..70}
    printf '    return 0;\n}\n'
} >agent/base/log.c
notes size 'agent/base/log.c:3: a function of 71 lines: int f'

fresh_tree
# shellcheck disable=SC2016 # this is the bad script itself
printf '#!/bin/bash\nrm -rf $1/*\n' >deploy/clean.sh
fires shell 'deploy/clean.sh:2:.*SC2086'

fresh_tree
printf 'int f(void);\nint f(void)\n{\n    int a[2] = { 0, 0 };\n    return a[2];\n}\n' \
    >agent/base/log.c
fires cppcheck 'arrayIndexOutOfBounds'

fresh_tree
printf 'int f(int a);\nint f(int a)\n{\n    if (a == 1 || a == 1)\n        return 1;\n    return 0;\n}\n' \
    >agent/base/log.c
fires tidy 'agent/base/log.c:4:.*redundant'

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
