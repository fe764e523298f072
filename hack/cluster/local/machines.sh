# shellcheck shell=bash
# Machines: made by one process each (machine-init.sh, which becomes pid 1 of the
# machine). Its end takes every process and mount of the machine with it.

start_machine() {
    local machine=$1 run home
    run=$(run_of "$machine")
    home=$(home_of "$machine")
    is_running "$run/init.pid" && return
    # Whatever ran there ended with the former pid 1.
    rm -rf -- "$run"
    mkdir -p "$run" "$home"
    setsid nsenter --net="/run/netns/$(namespace_of "$machine")" \
        unshare --mount --pid --fork --kill-child --uts --ipc --mount-proc -- \
        "$ROOT/hack/cluster/local/machine-init.sh" "$machine" "$home" "$RUN" "$STATE" "$TOOLS" \
        >>"$(log_of "$machine" init)" 2>&1 </dev/null {LOCK}>&- {QUIET_PIPE}>&- &
    record_process "$run/init.pid" $! machine
    disown $!
    wait_until 10 "machine $machine" test -e "$run/made" ||
        fail "machine $machine could not be made; see $(log_of "$machine" init)"
}

end_machine() {
    # SIGKILL: pid 1 of a namespace ignores what it has no handler for, and there is nothing to save.
    end_process "$(run_of "$1")/init.pid" KILL
    rm -rf -- "$(run_of "$1")"
}
