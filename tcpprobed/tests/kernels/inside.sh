#!/bin/bash
# Runs in the guest of run.sh, which is thrown away afterwards: nothing here is cleaned up.
set -euo pipefail

tracefs=/sys/kernel/tracing
export TCPPROBED_SOCKET=/run/t/tcpprobed.sock
client=./tcpprobectl

fail() {
    echo "$(uname -r): $*" >&2
    [ ! -e /tmp/daemon.log ] || cat /tmp/daemon.log >&2
    exit 1
}

# An event's text without its pointers: the kernel prints them hashed, a trace knows them by ids.
without_pointers() {
    grep -v '^#' | sed -E 's/(skbaddr|skaddr)=(0x)?[0-9a-f]+//g'
}

pages="pages of $(($(getconf PAGESIZE) / 1024)) KiB"
if [ -e tracefs-test ]; then
    TCPPROBE_REQUIRE_TRACEFS=1 ./tracefs-test --test-threads 1 >/tmp/tests.txt 2>&1 || { cat /tmp/tests.txt >&2; fail "$pages: a test of tracefs failed"; }
    pages+=", $(grep -o '[0-9]* passed' /tmp/tests.txt) of tracefs"
fi

modprobe sch_netem || true
tc qdisc add dev lo root netem delay 5ms loss 2%
ip link set lo mtu 1500 gso_max_segs 1
mkdir -p /tmp/state /run/t
# The guest's disk is memory, and little of it is free.
printf '[store]\nfree_min = 1048576\n' >/tmp/tcpprobed.toml
./tcpprobed --config /tmp/tcpprobed.toml --state /tmp/state --runtime /run/t --socket "$TCPPROBED_SOCKET" >/tmp/daemon.log 2>&1 &
daemon=$!
for _ in $(seq 100); do
    [ -S "$TCPPROBED_SOCKET" ] && break
    sleep 0.1
done
$client doctor >/tmp/doctor.txt 2>&1 || { cat /tmp/doctor.txt >&2; fail "the doctor says that a capture would not work"; }

# What is said of a small buffer is what the kernel holds, whatever the size of its pages.
promised=$($client start small --buffer 64 --dry-run --json | grep -o '"buffer_kb_total": *[0-9]*' | grep -o '[0-9]*$')
$client start small --filter 'port == 1' --buffer 64
held=$(cat "$tracefs"/instances/tcpprobed*.small/buffer_total_size_kb)
[ "$promised" = "$held" ] || fail "$pages: $promised KB were promised of --buffer 64, and the kernel holds $held"
$client rm small --force

# An address is for user space, a port is for the kernel.
$client start web --filter 'port == 5201 && addr == 127.0.0.0/8' --events 'tcp_probe,tcp_retransmit_skb,inet_sock_set_state' --buffer 32768
$client start sets --filter 'port == 1' --buffer 4096
# What this kernel lacks of the default events is said, and nothing else.
lacking=$($client status sets --json | tr -d ' \n' | grep -o '"lacking_events":\[[^]]*\]')
expected='"lacking_events":[]'
[ -d "$tracefs/events/tcp/tcp_cong_state_set" ] || expected='"lacking_events":["tcp:tcp_cong_state_set"]'
[ "$lacking" = "$expected" ] || fail "of the default events, it says $lacking"
$client rm sets --force
# A daemon with directories of its own has names of its own.
instance=$(echo "$tracefs"/instances/tcpprobed*.web)
[ -d "$instance" ] || fail "no instance: $(ls $tracefs/instances)"
iperf3 -s -D -1 >/dev/null
sleep 1
# While the daemon stands still, its instance holds all that the kernel traced, and can be asked for the text of it.
kill -STOP "$daemon"
iperf3 -c 127.0.0.1 -n 2M >/dev/null
sleep 1
# What is left to the daemon of the filter: a socket that listens has no address of that network yet.
without_pointers <"$instance/trace" | grep -v 'saddr=0.0.0.0 daddr=0.0.0.0' >/tmp/kernel.txt
kill -CONT "$daemon"
sleep 2
$client stop web
$client status web
$client fetch web --events 'tcp:*,sock:*' --format text | without_pointers >/tmp/ours.txt
diff -u /tmp/kernel.txt /tmp/ours.txt >/tmp/diff || { head -20 /tmp/diff >&2; fail "another text than the kernel's"; }
events=$(wc -l </tmp/ours.txt)
retransmissions=$(grep -c tcp_retransmit_skb /tmp/ours.txt || true)
[ "$events" -gt 500 ] && [ "$retransmissions" -gt 0 ] || fail "$events events, $retransmissions retransmissions: this shows little"
$client plot web -o /out/web.png
[ "$(head -c 4 /out/web.png | tail -c 3)" = PNG ] && [ "$(stat -c %s /out/web.png)" -gt 20000 ] || fail "no picture"
$client rm web
[ ! -e "$instance" ] || fail "the instance was left behind"

# Whose the connections are, by what this kernel tells, and no one else's.
iperf3 -s -p 5202 -D -1 >/dev/null
sleep 1
$client start whose --filter 'port == 5202'
sleep 1
iperf3 -c 127.0.0.1 -p 5202 -t 3 -b 2M >/dev/null
sleep 1
$client stop whose
$client fetch whose --events owner --format text | grep -v '^#' >/tmp/owners.txt || true
owners=$(grep -c ' comm=iperf3 ' /tmp/owners.txt || true)
[ "$owners" -gt 0 ] && [ "$owners" = "$(wc -l </tmp/owners.txt)" ] || { cat /tmp/owners.txt >&2; $client status whose >&2; fail "owners: $owners are iperf3"; }
$client diagnose whose --json --filter 'comm == "iperf3" && uid == 0' >/tmp/whose.json || fail "no connection is chosen by its owner"
told=$($client status whose | sed -n 's/^ *owners *: *//p')
$client rm whose
kill "$daemon"
wait "$daemon" || fail "the daemon ended with $?"
echo "$(uname -r), $pages: $events events, $retransmissions retransmissions, as the kernel tells them; plotted; owners $told"
