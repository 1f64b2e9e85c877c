#!/bin/bash
# What snapshots and owners cost, and minimal events beside default ones: the same daemon with and without them, by turns, under 200 busy
# connections, under some 10,000 short ones a second, and beside a foreign program of many small reads that no job matches.
#
#   tcpprobed/benches/beside.sh [SECONDS [ROUNDS [LOAD...]]]      as root, on a machine that does nothing else; 8 and 3 by default
#
# CPU is that of all threads of the daemon, and of those that ask about sockets and owners, to the nanosecond
# (/proc/PID/task/*/schedstat), in percent of a core over the load. WORK is the CPU time of the traced program for a unit of its work (a
# message, a connection, a read): what it is slowed by. `none` is measured twice in a round: what the two differ by, nothing can be said of.
set -euo pipefail

seconds=${1:-8} rounds=${2:-3}
shift $(($# < 2 ? $# : 2))
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
built=${CARGO_TARGET_DIR:-$root/target}/release
port=4712
declare -A loads=([busy]='--ping-pong 200' [short]='--short 130' [foreign]='--pieces 2')
settings=(none snapshots owners both minimal none)

[ "$(id -u)" = 0 ] || { echo "beside.sh: skipped: the kernel's tracing is root's" >&2; exit 0; }
for program in tcpprobed tcpprobectl traffic; do
    [ -x "$built/$program" ] || { echo "beside.sh: no $built/$program: cargo build --release --bins" >&2; exit 1; }
done
folder=$(mktemp -d /dev/shm/tcpprobe-beside.XXXXXX)
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

# Each thread of the daemon: number, nanoseconds of CPU, name.
threads() {
    local task time comm
    for task in /proc/"$daemon"/task/*; do
        { read -r time _ <"$task/schedstat" && read -r comm <"$task/comm"; } 2>/dev/null || continue
        echo "${task##*/} $time $comm"
    done
}

# Nanoseconds that the threads used since $folder/before, or those of a name. One that ended meanwhile, and did little, is left out.
used() { # [NAME]
    threads | awk -v name="${1:-}" 'NR == FNR { before[$1] = $2; next } name == "" || $3 == name { sum += $2 - before[$1] }
        END { printf "%d", sum }' "$folder/before" -
}

percent() { awk "BEGIN { printf \"%.3f\", $1 / 1e7 / $seconds }"; }

measure() { # LOAD SETTING
    local load=$1 setting=$2 asked told used got spent work traced=$port events=default
    local snapshots=0 owners=false
    case $setting in
        snapshots) snapshots=1 ;;
        owners) owners=true ;;
        both) snapshots=1 owners=true ;;
        minimal) events=minimal ;;
    esac
    [ "$load" != foreign ] || traced=1
    cat >"$folder/config.toml" <<END
state = "$folder/state"
runtime = "$folder/run"
[store]
free_min = 0
[snapshots]
interval_seconds = $snapshots
[owners]
enabled = $owners
END
    "$built/tcpprobed" --config "$folder/config.toml" 2>"$folder/log" &
    daemon=$!
    until "$built/tcpprobectl" list >/dev/null 2>&1; do sleep 0.1; done
    "$built/tcpprobectl" start web --buffer 256M --events $events --filter "port == $traced" 2>/dev/null
    sleep 0.5
    threads >"$folder/before"
    # shellcheck disable=SC2086 # words
    { TIMEFORMAT='%U %S'; time "$built/traffic" --port $port --seconds "$seconds" ${loads[$load]} >"$folder/got"; } 2>"$folder/spent"
    sleep 1.5
    used=$(used) asked=$(used sockdiag) told=$(used owners)
    got=$(cat "$folder/got") spent=$(tail -n 1 "$folder/spent")
    work=$(awk -v load="$load" -v got="$got" -v spent="$spent" 'BEGIN {
        split(got, words, " "); split(spent, cpu, " ");
        units = load == "short" ? words[1] : words[5] * 1e6 / 64;
        printf "%.1f %.0f", (cpu[1] + cpu[2]) * 1e9 / units, units
    }')
    status=$("$built/tcpprobectl" status web --json)
    count() { grep -oE "\"$1\": [0-9]+" <<<"$status" | head -n 1 | grep -oE '[0-9]+$' || echo 0; }
    printf '%-8s %-10s %8s %10s %8s %10d %9d %9d %9d %10.1f %12d\n' "$load" "$setting" "$(percent $used)" "$(percent $asked)" \
        "$(percent $told)" $(($(count stored) / seconds)) "$(count taken)" "$(count left_out)" "$(count known)" \
        "${work% *}" "$((${work#* } / seconds))"
    echo "$load $setting $used $asked $told ${work% *}" >>"$folder/results"
    "$built/tcpprobectl" rm web --force >/dev/null 2>&1
    kill "$daemon"
    wait "$daemon" || true
    daemon=''
    rm -rf "${folder:?}"/{state,run}
}

printf '%-8s %-10s %8s %10s %8s %10s %9s %9s %9s %10s %12s\n' LOAD BESIDE CPU% SOCKDIAG% OWNERS% EVENTS/S TAKEN LEFT KNOWN WORK,NS UNITS/S
for ((round = 0; round < rounds; round++)); do
    for load in "${@:-busy}" $([ $# -gt 0 ] || echo short foreign); do
        for setting in "${settings[@]}"; do measure "$load" "$setting"; done
    done
done
echo
echo "WORK, median of $rounds rounds, and by how much it is more than that of none (two of which are in a round):"
sort -k1,2 "$folder/results" | awk '
    function median(list,   n, sorted) { n = split(list, sorted, " "); asort_(sorted, n); return n % 2 ? sorted[(n + 1) / 2] : (sorted[n / 2] + sorted[n / 2 + 1]) / 2 }
    function asort_(a, n,   i, j, t) { for (i = 2; i <= n; i++) { t = a[i]; for (j = i - 1; j > 0 && a[j] + 0 > t + 0; j--) a[j + 1] = a[j]; a[j + 1] = t } }
    { work[$1 " " $2] = work[$1 " " $2] " " $6; loads[$1]; settings[$2] }
    END {
        for (load in loads) for (setting in settings) if ((load " " setting) in work) {
            value = median(work[load " " setting]); base = median(work[load " none"]);
            printf "%-8s %-10s %12.1f ns %+7.2f %%   of%s\n", load, setting, value, (value / base - 1) * 100, work[load " " setting]
        }
    }' | sort
