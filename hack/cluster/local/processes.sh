# shellcheck shell=bash
# Processes that outlive the script: recorded as "pid start-time digest", ended by
# that pid only. The start time tells a process from a later one with its number.
# What runs in a machine is recorded by the nsenter or unshare that waits for it.

start_time() { # pid
    local stat
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
    # Field 22 of proc(5), counted behind the command's name.
    read -ra stat <<<"${stat##*) }"
    echo "${stat[19]}"
}

record_process() { # record, pid, digest
    echo "$2 $(start_time "$2") $3" >"$1"
}

# is_running <record> [digest]: the recorded process lives (and was started so).
is_running() {
    local pid began digest
    [[ -s $1 ]] || return 1
    read -r pid began digest <"$1"
    [[ $(start_time "$pid") == "$began" ]] || return 1
    [[ -z ${2:-} || $digest == "$2" ]]
}

is_gone() { ! is_running "$1"; }

# The process that a record is about: itself, or the one that it waits for.
payload_of() { # record
    local pid child
    pid=$(cut -d' ' -f1 "$1")
    case $(cat "/proc/$pid/comm") in
    nsenter | unshare)
        read -r child _ <"/proc/$pid/task/$pid/children" || [[ -n $child ]] || return 1
        echo "$child"
        ;;
    *) echo "$pid" ;;
    esac
}

end_process() { # record, [signal]
    local record=$1 signal=${2:-TERM} pid
    if is_running "$record" && pid=$(payload_of "$record" 2>/dev/null); then
        kill -s "$signal" "$pid" 2>/dev/null || true
        if ! wait_until 10 "end of $record" is_gone "$record"; then
            kill -s KILL "$pid" 2>/dev/null || true
            wait_until 10 "end of $record" is_gone "$record"
        fi
    fi
    rm -f -- "$record"
}

# What a command line says, and the configuration files that it names.
digest_of() {
    local word file
    {
        printf '%s\n' "$@"
        for word in "$@"; do
            file=${word#*=}
            case $file in *.yaml | *.toml | *.kubeconfig | *.crt) cat -- "$file" 2>/dev/null || true ;; esac
        done
    } | sha256sum | cut -c1-12
}

# start_on_host <name> <command...>
start_on_host() {
    local name=$1 record=$RUN/$1.pid digest
    shift
    digest=$(digest_of "$@")
    is_running "$record" "$digest" && return
    end_process "$record"
    setsid "$@" >>"$(log_of host "$name")" 2>&1 </dev/null {LOCK}>&- {QUIET_PIPE}>&- &
    record_process "$record" $! "$digest"
    disown $!
}

# start_on <machine> <name> <command...>: in all namespaces of the machine.
start_on() {
    local machine=$1 name=$2 record digest
    record=$(run_of "$1")/$2.pid
    shift 2
    digest=$(digest_of "$@")
    is_running "$record" "$digest" && return
    end_process "$record"
    setsid nsenter --target "$(payload_of "$(run_of "$machine")/init.pid")" --all -- "$@" \
        >>"$(log_of "$machine" "$name")" 2>&1 </dev/null {LOCK}>&- {QUIET_PIPE}>&- &
    record_process "$record" $! "$digest"
    disown $!
}
