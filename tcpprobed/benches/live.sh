#!/bin/bash
# What recording costs: tcpprobed and today's tools, side by side on the same live load over loopback.
#
#   tcpprobed/benches/live.sh [SECONDS [REPEATS [SET]]]      as root, on a machine that does nothing else; 10 and 3 by default
#
# SET is the set of events that all of them record: minimal, two events, or default, all that tcpprobed records of itself.
#
# One recorder at a time, each with a buffer of its own of the same size, because recorders that ran at once would share the
# CPUs and slow each other's load down. The loads are repeated for each of them, the rounds of all recorders interleaved,
# and medians taken. CPU time is user and system time of all threads of the recorder's processes, to the nanosecond
# (/proc/PID/task/*/schedstat), from just before the load until what it left behind is stored. Events and losses are as each
# recorder, or the kernel's own counters for it, tells them.
set -euo pipefail

seconds=${1:-10} repeats=${2:-3} set=${3:-minimal}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
built=${CARGO_TARGET_DIR:-$root/target}/release
tracefs=/sys/kernel/tracing
events='tcp:tcp_probe tcp:tcp_retransmit_skb'
if [ "$set" = default ]; then
    events+=' tcp:tcp_retransmit_synack tcp:tcp_cong_state_set tcp:tcp_destroy_sock tcp:tcp_send_reset tcp:tcp_receive_reset'
    events+=' sock:inet_sock_set_state'
fi
buffer_kb_per_cpu=8192
# The longest that a recorder leaves events lying about, the age of a block of tcpprobed included.
settle=1.5

declare -A loads=([bulk]='--narrow 8' [ping-pong]='--ping-pong 8')
recorders=(untraced unread tcpprobed perf text raw)
declare -A titles=(
    [untraced]='(no tracing)' [unread]='(traced, not read)' [tcpprobed]='tcpprobed' [perf]='perf record'
    [text]='cat trace_pipe | gzip' [raw]='copy of trace_pipe_raw'
)

me=live-$$
instance=$tracefs/instances/tcpprobe-$me
folder='' runtime='' pids=() load_pid=''

die() { echo "live.sh: $*" >&2; exit 1; }
skip() { echo "live.sh: skipped: $*" >&2; exit 0; }

main() {
    [ "$(id -u)" = 0 ] || skip "the kernel's tracing is root's"
    [ -d $tracefs/events/tcp/tcp_probe ] || skip "no tracefs with tcp_probe at $tracefs; mount -t tracefs tracefs $tracefs"
    [ -r /proc/self/schedstat ] || skip "no /proc/PID/schedstat: the kernel was built without CONFIG_SCHED_INFO"
    if ! perf --version >/dev/null 2>&1; then
        echo "live.sh: perf is left out: there is none; apt install linux-perf (Debian), dnf install perf (Fedora)" >&2
        recorders=("${recorders[@]/perf/}")
    fi
    if ! command -v perl >/dev/null; then
        echo "live.sh: the copy of trace_pipe_raw is left out: there is no perl; apt install perl-base" >&2
        recorders=("${recorders[@]/raw/}")
    fi
    for program in tcpprobed tcpprobectl traffic; do
        [ -x "$built/$program" ] || die "no $built/$program: cargo build --release --bins"
    done
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    folder=$(mktemp -d /tmp/tcpprobe-live.XXXXXX)
    # On a tmpfs, as the daemon's own place is.
    local shared=/run
    [ "$(stat -f -c %T /run)" = tmpfs ] || shared=/dev/shm
    runtime=$(mktemp -d $shared/tcpprobe-live.XXXXXX)
    export TCPPROBED_SOCKET=$runtime/tcpprobed.sock

    local round load recorder
    for ((round = 1; round <= repeats; round++)); do
        for load in bulk ping-pong; do
            for recorder in ${recorders[*]}; do
                echo "round $round of $repeats: $load, ${titles[$recorder]}" >&2
                measure "$load" "$recorder"
            done
        done
    done
    report
}

# Appends to results: load, recorder, MB of the load, events, ns of CPU, bytes, events lost.
measure() {
    local load=$1 recorder=$2 before after megabytes
    stored=0 bytes=0 lost=0 pids=()
    mkdir "$folder/out"
    "start_$recorder"
    before=$(cpu_ns)
    # shellcheck disable=SC2086 # words
    "$built/traffic" ${loads[$load]} --seconds "$seconds" >"$folder/traffic" &
    load_pid=$!
    wait "$load_pid" || die "the traffic failed"
    load_pid=''
    sleep $settle
    after=$(cpu_ns)
    "stop_$recorder"
    megabytes=$(sed -n 's/.*, \(.*\) MB$/\1/p' "$folder/traffic")
    echo "$load $recorder $megabytes $stored $((after - before)) $bytes $lost" >>"$folder/results"
    rm -r "$folder/out"
}

cpu_ns() {
    local pid sum=0
    for pid in "${pids[@]}"; do
        sum=$((sum + $(cat "/proc/$pid/task/"*/schedstat | awk '{ sum += $1 } END { printf "%d", sum }')))
    done
    echo $sum
}

size() { du -cb "$@" | tail -n 1 | cut -f 1; }

end() {
    local pid
    for pid in "${pids[@]}"; do
        kill "$1" "$pid" 2>/dev/null || true
    done
    for pid in "${pids[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    pids=()
}

start_untraced() { :; }
stop_untraced() { :; }

start_tcpprobed() {
    setsid "$built/tcpprobed" --state "$folder/out/state" --runtime "$runtime" 2>"$folder/log" &
    pids=($!)
    for _ in {1..100}; do
        ! "$built/tcpprobectl" list >/dev/null 2>&1 || break
        sleep 0.1
    done
    "$built/tcpprobectl" start $me --events "${events// /,}" --buffer $((buffer_kb_per_cpu * $(nproc))) 2>>"$folder/log" ||
        die "tcpprobed: $(tail -n 3 "$folder/log")"
}

stop_tcpprobed() {
    "$built/tcpprobectl" stop $me 2>>"$folder/log" || [ $? = 6 ]
    local status
    status=$("$built/tcpprobectl" status $me --json)
    stored=$(number stored <<<"$status")
    lost=$(($(number lost <<<"$status") + $(number dropped <<<"$status")))
    bytes=$(find "$folder/out/state" -name '*.tcpp' -exec du -cb {} + | tail -n 1 | cut -f 1)
    "$built/tcpprobectl" rm $me 2>>"$folder/log"
    end -TERM
}

# The first field of this name in JSON.
number() { sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p" | head -n 1; }

start_perf() {
    perf record -q -a -m "$((buffer_kb_per_cpu / 4))" -e "${events// /,}" -o "$folder/out/perf.data" 2>"$folder/log" &
    pids=($!)
    sleep 1
}

stop_perf() {
    end -INT
    local stats
    stats=$(perf report -i "$folder/out/perf.data" --stats 2>>"$folder/log")
    stored=$(awk '$1 == "SAMPLE" && $2 == "events:" { print $3; exit }' <<<"$stats")
    lost=$(awk '$1 ~ /^LOST/ { sum += $3 } END { printf "%d", sum }' <<<"$stats")
    bytes=$(size "$folder/out/perf.data")
}

make_instance() {
    mkdir "$instance"
    echo $buffer_kb_per_cpu >"$instance/buffer_size_kb"
    local event
    for event in $events; do
        echo 1 >"$instance/events/${event/://}/enable"
    done
}

remove_instance() {
    echo 0 >"$instance/tracing_on"
    # Of all CPUs: events read, and events that nobody will read any more.
    stored=$(cat "$instance"/per_cpu/cpu*/stats | awk '/^read events/ { sum += $3 } END { printf "%d", sum }')
    lost=$(cat "$instance"/per_cpu/cpu*/stats | awk '/overrun:|^dropped/ { sum += $NF } END { printf "%d", sum }')
    end -TERM
    rmdir "$instance"
}

start_unread() { make_instance; }
stop_unread() { remove_instance; }

start_text() {
    make_instance
    mkfifo "$folder/out/pipe"
    gzip <"$folder/out/pipe" >"$folder/out/trace.gz" &
    pids=($!)
    cat "$instance/trace_pipe" >"$folder/out/pipe" &
    pids+=($!)
}

stop_text() {
    # gzip ends when cat has.
    kill "${pids[1]}"
    wait "${pids[0]}"
    remove_instance
    bytes=$(size "$folder/out/trace.gz")
}

# Not by cat, which takes an empty read for the end: here they happen between.
start_raw() {
    make_instance
    local cpu
    for cpu in "$instance"/per_cpu/cpu*; do
        # shellcheck disable=SC2016 # perl's
        perl -e 'open(my $pages, "<:raw", shift) or die; while (defined(my $n = sysread($pages, my $page, 1 << 17))) {
            syswrite(STDOUT, $page) if $n }' "$cpu/trace_pipe_raw" >"$folder/out/${cpu##*/}.raw" &
        pids+=($!)
    done
}

stop_raw() {
    remove_instance
    bytes=$(size "$folder/out"/*.raw)
}

# Medians, and how they compare with tcpprobed's.
report() {
    echo "$(uname -r), $(nproc) CPUs, $seconds s of each load, medians of $repeats"
    awk -v order="${recorders[*]}" -v titles="$(for r in "${!titles[@]}"; do printf '%s=%s;' "$r" "${titles[$r]}"; done)" \
        -v seconds="$seconds" '
        { runs = ++count[$1, $2]; for (i = 3; i <= 7; i++) value[$1, $2, i, runs] = $i }
        function median(load, recorder, of,    n, i, j, t, list) {
            n = count[load, recorder]
            for (i = 1; i <= n; i++) list[i] = derived(load, recorder, of, i)
            for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (list[j] < list[i]) { t = list[i]; list[i] = list[j]; list[j] = t }
            return (list[int((n + 1) / 2)] + list[int(n / 2) + 1]) / 2
        }
        function derived(load, recorder, of, run,    events) {
            events = value[load, recorder, 4, run]
            if (of == "mb") return value[load, recorder, 3, run]
            if (of == "rate") return events / seconds
            if (of == "lost") return value[load, recorder, 7, run]
            if (of == "ns") return events ? value[load, recorder, 5, run] / events : 0
            return events ? value[load, recorder, 6, run] / events : 0
        }
        function ratio(a, b) { return b ? sprintf("%.1fx", a / b) : "-" }
        END {
            n = split(titles, pairs, ";")
            for (i = 1; i < n; i++) { split(pairs[i], pair, "="); title[pair[1]] = pair[2] }
            n = split(order, list, " ")
            split("bulk ping-pong", names, " ")
            for (l = 1; l <= 2; l++) {
                load = names[l]
                printf "\n%-24s %10s %14s %7s %14s %7s %10s %14s\n", load, "events/s", "CPU ns/event", "", "bytes/event", "", "lost", "load slower by"
                ns = median(load, "tcpprobed", "ns"); bytes = median(load, "tcpprobed", "bytes"); mb = median(load, "untraced", "mb")
                for (i = 1; i <= n; i++) {
                    r = list[i]
                    reads = r != "untraced" && r != "unread"
                    printf "%-24s %10s %14s %7s %14s %7s %10s %13.1f%%\n", title[r],
                        reads ? sprintf("%d", median(load, r, "rate")) : "-",
                        reads ? sprintf("%.1f", median(load, r, "ns")) : "-", reads ? ratio(median(load, r, "ns"), ns) : "-",
                        reads ? sprintf("%.2f", median(load, r, "bytes")) : "-", reads ? ratio(median(load, r, "bytes"), bytes) : "-",
                        reads ? sprintf("%d", median(load, r, "lost")) : "-", 100 * (1 - median(load, r, "mb") / mb)
                }
            }
        }' "$folder/results"
}

# Whatever happened, nothing stays: no process, instance, job or file.
clean_up() {
    local status=$? left
    trap - EXIT
    trap '' INT TERM HUP
    [ -z "$load_pid" ] || kill "$load_pid" 2>/dev/null || true
    end -KILL
    for left in "$instance" $tracefs/instances/tcpprobed*."$me"; do
        [ ! -d "$left" ] || rmdir "$left" || true
    done
    rm -rf "$folder" "$runtime"
    exit "$status"
}

main
