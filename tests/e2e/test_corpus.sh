#!/bin/bash
# Task definitions that nobody here wrote, on a real runtime, with the image replaced by ours.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

corpus=${BERTH_CORPUS:-$e2e_root/../shared/corpus}

need_corpus() {
    [ -d "$corpus/taskdefs" ] || skip "no corpus of task definitions beside the repository"
}

# Register input or describe output, wrapped or not, with our image.
with_our_image() { # file
    jq -c '(.taskDefinition // .) | .containerDefinitions[].image = "bb:1"' "$1"
}

is_valid() { # document on stdin
    "$bin/berth" validate -o json /dev/stdin 2>/dev/null | json_says .valid
}

# What the original test of each definition expects: the exit code of each container.
test_containers_end_as_their_authors_expect() {
    local file expectation name pieces=() names=() refused=()
    need_corpus
    for expectation in "$corpus"/expectations/*simpletests_unix*.json; do
        name=$(jq -r .TaskDefinition "$expectation")
        file=$(find "$corpus/taskdefs" -name "*__${name}__task-definition.json" \
            ! -name '*windows*' | head -n 1)
        [ -n "$file" ] || continue
        with_our_image "$file" >"$test_dir/definition"
        if ! document 1 "$(cat "$test_dir/definition")" | is_valid; then
            refused+=("$name")
            continue
        fi
        names+=("$name $expectation")
        pieces+=("$(cat "$test_dir/definition")" \
            "$(one_off "$name" "$(jq -r .family "$test_dir/definition")")")
    done
    printf 'refused, as a field of them is not supported: %s\n' "${refused[*]}"
    expect "some that can run" [ "${#names[@]}" -ge 4 ]
    desire 1 "${pieces[@]}"
    agent_start
    for expectation in "${names[@]}"; do
        name=${expectation%% *}
        eventually 60 "$name is over" tasks_say 'any(.[]; .startedBy == "'"$name"'" and
            .lastStatus == "STOPPED")'
        equal "exit codes of $name" "$(jq -cS .ExitCodes "${expectation#* }")" \
            "$(berth ps --all -o json | jq -cS --arg name "$name" --argjson wanted \
                "$(jq -c .ExitCodes "${expectation#* }")" '[.[] | select(.startedBy == $name)][0]
                .containers | map(select($wanted[.name] != null) | {(.name): .exitCode}) | add')"
    done
}

# Everything but image and program is the author's: ports, limits, volumes, environment, labels.
test_real_task_definitions_run() {
    local file pieces=() names=() name
    need_corpus
    for file in "$corpus"/taskdefs/*.json; do
        [ "${#names[@]}" -lt 12 ] || break
        jq -e '(.taskDefinition // .) | type == "object" and
            (.containerDefinitions | type) == "array"' "$file" >/dev/null 2>&1 || continue
        with_our_image "$file" 2>/dev/null | jq -c --arg command "$sleeper" \
            --arg family "real-${#names[@]}" '.family = $family | .revision = 1 |
            .containerDefinitions[] |= (del(.entryPoint, .healthCheck, .user) |
                .command = ["sh", "-c", $command] | .workingDirectory = "/tmp")
            | .containerDefinitions[].portMappings[]? |= (.hostPort = 0)' \
            >"$test_dir/definition" 2>/dev/null || continue
        document 1 "$(cat "$test_dir/definition")" | is_valid || continue
        name=real-${#names[@]}
        names+=("$name")
        printf '%s: %s\n' "$name" "$(basename "$file")"
        pieces+=("$(cat "$test_dir/definition")" "$(service "$name" "$name:1" 1)")
    done
    expect "a dozen that this host can run" [ "${#names[@]}" -ge 6 ]
    desire 1 "${pieces[@]}"
    agent_start
    for name in "${names[@]}"; do
        expect "$name runs" berth wait "$name" --timeout 60s
    done
    for name in "${names[@]}"; do
        expect "$name is complete" service_says "$name" '.runningCount == 1 and .healthyCount == 1'
    done
}

# One of them untouched but for its image: its own command, its own limits.
test_one_runs_exactly_as_written() {
    local file
    need_corpus
    file=$(find "$corpus/taskdefs" -name '*.json' ! -name '*windows*' | sort |
        while read -r file; do
        jq -e '(.taskDefinition // .).containerDefinitions | length == 1 and
            (.[0].command[0] == "sleep")' "$file" >/dev/null 2>&1 && echo "$file"
    done | head -n 1)
    [ -n "$file" ] || skip "no definition in the corpus runs sleep"
    with_our_image "$file" >"$test_dir/definition"
    desire 1 "$(cat "$test_dir/definition")" \
        "$(service web "$(jq -r .family "$test_dir/definition")" 1)"
    agent_start
    expect "it runs" berth wait web --timeout 30s
    equal "its command" "$(jq -c '.containerDefinitions[0].command' "$test_dir/definition")" \
        "$(inspect "$(containers web)" '.Config.Cmd | tojson')"
    equal "its memory" \
        "$(jq '.containerDefinitions[0].memory // 0 | . * 1048576' "$test_dir/definition")" \
        "$(inspect "$(containers web)" .HostConfig.Memory)"
}

run_tests "$@"
