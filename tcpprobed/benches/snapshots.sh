#!/bin/bash
# What snapshots cost: the same daemon with and without them, by turns, under 200 busy connections and under as many short ones as go.
#
#   tcpprobed/benches/snapshots.sh [SECONDS [ROUNDS]]      as root, on a machine that does nothing else; 8 and 3 by default
#
# CPU is that of all threads of the daemon, and of its thread that asks, to the nanosecond (/proc/PID/task/*/schedstat), in percent of a
# core over the load. How much the load got done is what it says itself.
set -euo pipefail

seconds=${1:-8} rounds=${2:-3}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
built=${CARGO_TARGET_DIR:-$root/target}/release
port=4712
declare -A loads=([busy]='--ping-pong 200' [short]='--short 8')

[ "$(id -u)" = 0 ] || { echo "snapshots.sh: skipped: the kernel's tracing is root's" >&2; exit 0; }
for program in tcpprobed tcpprobectl traffic; do
    [ -x "$built/$program" ] || { echo "snapshots.sh: no $built/$program: cargo build --release --bins" >&2; exit 1; }
done
folder=$(mktemp -d /dev/shm/tcpprobe-snapshots.XXXXXX)
export TCPPROBED_SOCKET=$folder/run/tcpprobed.sock
daemon=''
clean_up() {
    if [ -n "$daemon" ]; then
        "$built/tcpprobectl" rm web --force >/dev/null 2>&1 || true
        kill "$daemon" 2>/dev/null || true
        wait "$daemon" || true
    fi
    rm -rf "$folder"
}
trap clean_up EXIT

# Nanoseconds of CPU of all threads of the daemon, or of those of a name.
cpu() { # [NAME]
    local task sum=0 time
    for task in /proc/"$daemon"/task/*; do
        [ -z "${1:-}" ] || [ "$(cat "$task/comm")" = "$1" ] || continue
        read -r time _ <"$task/schedstat"
        sum=$((sum + time))
    done
    echo "$sum"
}

percent() { awk "BEGIN { printf \"%.3f\", $1 / 1e7 / $seconds }"; }

printf '%-6s %-4s %10s %10s %12s %10s %10s %10s  %s\n' LOAD SNAP CPU% SOCKDIAG% EVENTS/S TAKEN/S LEFT/S MISSED/S DONE
for ((round = 0; round < rounds; round++)); do
    for load in busy short; do
        for snapshots in off on; do
            cat >"$folder/config.toml" <<END
state = "$folder/state"
runtime = "$folder/run"
[store]
free_min = 0
[snapshots]
interval_seconds = $([ $snapshots = on ] && echo 1 || echo 0)
END
            "$built/tcpprobed" --config "$folder/config.toml" 2>"$folder/log" &
            daemon=$!
            until "$built/tcpprobectl" list >/dev/null 2>&1; do sleep 0.1; done
            "$built/tcpprobectl" start web --buffer 256M --filter "sport == $port || dport == $port" 2>/dev/null
            before=$(cpu) asked=$(cpu sockdiag)
            # shellcheck disable=SC2086 # words
            got=$("$built/traffic" --port $port --seconds "$seconds" ${loads[$load]})
            sleep 1.5
            used=$(($(cpu) - before)) asked=$(($(cpu sockdiag) - asked))
            told=$("$built/tcpprobectl" status web --json)
            count() { grep -oE "\"$1\": [0-9]+" <<<"$told" | head -n 1 | grep -oE '[0-9]+$' || echo 0; }
            printf '%-6s %-4s %10s %10s %12d %10d %10d %10d  %s\n' "$load" "$snapshots" "$(percent $used)" "$(percent $asked)" \
                $(($(count stored) / seconds)) $(($(count taken) / seconds)) $(($(count left_out) / seconds)) \
                $(($(count not_found) / seconds)) "$got"
            "$built/tcpprobectl" rm web --force >/dev/null 2>&1
            kill "$daemon"
            wait "$daemon" || true
            daemon=''
            rm -rf "${folder:?}"/{state,run}
        done
    done
done
