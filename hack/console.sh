# shellcheck shell=bash
# What a script says to a human, and how it waits.

# Seconds since this script, or the script that called it, began.
STARTED=${STARTED:-$EPOCHREALTIME}
export STARTED

elapsed() { # [since]
    local now=${EPOCHREALTIME/./} since=${1:-$STARTED}
    local ms=$(((now - ${since/./}) / 1000))
    printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100))
}

say() { printf '%7ss  %s\n' "$(elapsed)" "$*"; }

fail() {
    printf '%7ss  error: %s\n' "$(elapsed)" "$*" >&2
    exit 1
}

# step <text> <command...>: runs the command and prints one line when it is done.
# Never call it in a condition: bash would then ignore failures inside the command.
step() {
    local text=$1 since=$EPOCHREALTIME
    shift
    STEP=$text
    "$@"
    printf '%7ss  %s (%ss)\n' "$(elapsed)" "$text" "$(elapsed "$since")"
    STEP=
}
STEP=

report_failed_step() {
    local status=$?
    if [[ $status != 0 && -n $STEP ]]; then
        printf '%7ss  failed: %s\n' "$(elapsed)" "$STEP" >&2
    fi
}
trap report_failed_step EXIT

# A pipe that nobody writes to: reading it with a timeout is a pause.
exec {QUIET_PIPE}<> <(:)
pause() { read -rt "$1" -u "$QUIET_PIPE" || true; }

# wait_until <seconds> <what> <command...>: until the command succeeds.
wait_until() {
    local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        if ((${EPOCHREALTIME/./} > deadline)); then
            say "waited too long for: $what" >&2
            return 1
        fi
        pause 0.1
    done
}

# in_parallel <function> <argument...>: one background run per argument; fails if one fails.
in_parallel() {
    local run=$1 argument pids=() failed=0
    shift
    for argument in "$@"; do
        "$run" "$argument" &
        pids+=($!)
    done
    for argument in "${pids[@]}"; do
        wait "$argument" || failed=1
    done
    return $failed
}
