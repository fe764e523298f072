# shellcheck shell=bash
# Long runs in stages: `stage <name> <command...>` runs one, and where_the_time_went
# prints the table of them. Needs console.sh.

STAGES=()

# A failing stage ends the script; the table is printed then, too.
stage() {
    local name=$1 since=$EPOCHREALTIME
    shift
    printf '\n== %s\n' "$name"
    UNFINISHED=$name UNFINISHED_SINCE=$since
    "$@"
    UNFINISHED=''
    STAGES+=("$(elapsed "$since") $name")
}

where_the_time_went() {
    local entry
    printf '\nWhere the time went:\n'
    for entry in "${STAGES[@]}"; do
        printf '%9ss  %s\n' "${entry%% *}" "${entry#* }"
    done
    [[ -z ${UNFINISHED:-} ]] || printf '%9ss  %s (did not finish)\n' "$(elapsed "$UNFINISHED_SINCE")" "$UNFINISHED"
    printf '%9ss  in all\n' "$(elapsed)"
}
