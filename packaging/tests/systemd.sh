#!/bin/bash
# Installs the daemon under a real systemd, in a throw-away box, and shows what the units promise. Run by hand, as
# root, after `cargo build --release --bins --example traffic`:
#
#   packaging/tests/systemd.sh [OPTION OF systemd-box...]      --root trixie: under a newer systemd
#
# SYSTEMD_BOX  the box (default: systemd-box beside this file)
# BIN          where the built programs are (default target/release)
# The box sees this machine's tracefs: no other daemon may have its store in /var/lib/tcpprobed meanwhile.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$(dirname "$here")")
export BIN=${BIN:-${CARGO_TARGET_DIR:-$root/target}/release}
instances=/sys/kernel/tracing/instances
shadow=$instances/tcpprobe-shadow
port=4711
failures=0

main() {
    [ "$(id -u)" = 0 ] || { echo "must be root" >&2; exit 1; }
    if compgen -G "$instances/tcpprobed.*" >/dev/null; then
        echo "a tcpprobed runs on this machine, or ran: $(echo "$instances"/tcpprobed.*)" >&2
        exit 1
    fi
    "${SYSTEMD_BOX:-$here/systemd-box}" run -n tcpprobed-test -e BIN="$BIN" \
        --bind-ro "$root" --bind-ro "$BIN" "$@" -- "$here/systemd.sh" --inside
}

inside() {
    trap clean_up EXIT
    ip link set lo up
    useradd ann; useradd eve
    local step
    for step in installing unit sandbox access restarts watchdog stopping socket_activation what_stays_off purging; do
        printf '\n== %s\n' "${step//_/ }"
        "$step"
    done
    printf '\n%s\n' "$([ "$failures" = 0 ] && echo "all is well" || echo "$failures FAILED")"
    [ "$failures" = 0 ]
}

clean_up() {
    systemctl stop tcpprobed.socket tcpprobed.service 2>/dev/null || true
    local instance
    for instance in "$shadow" "$instances"/tcpprobed.*; do
        [ ! -d "$instance" ] || rmdir "$instance"
    done
}

# ---------------------------------------------------------------- tools
check() { # WHAT COMMAND...
    local what=$1 output
    shift
    if output=$("$@" 2>&1); then
        echo "ok    $what"
    else
        echo "FAIL  $what ($*)"
        [ -z "$output" ] || printf '      %s\n' "${output//$'\n'/$'\n'      }"
        failures=$((failures + 1))
    fi
}

is() { # EXPECTED COMMAND...
    local expected=$1 output
    shift
    output=$("$@" 2>&1) || true
    [ "$output" = "$expected" ] || { echo "'$output', not '$expected'"; return 1; }
}

says() { # PATTERN COMMAND...
    local pattern=$1 output
    shift
    output=$("$@" 2>&1) || true
    grep -qE -- "$pattern" <<<"$output" || { echo "'$output' has no '$pattern'"; return 1; }
}

fails_with() { # STATUS COMMAND...
    local expected=$1 status=0
    shift
    "$@" || status=$?
    [ "$status" = "$expected" ] || { echo "status $status, not $expected"; return 1; }
}

soon() { # COMMAND...: within 20 s
    local output
    for _ in {1..100}; do
        output=$("$@" 2>&1) && return 0
        sleep 0.2
    done
    echo "$output"
    return 1
}

not() { ! "$@"; }
ann() { runuser -u ann -- tcpprobectl "$@"; }
eve() { runuser -u eve -- tcpprobectl "$@"; }
property() { systemctl show -P "$1" tcpprobed.service; }
traffic() { "$BIN/examples/traffic" --port "$port" "$@" >/dev/null; }

# An instance of the test's own that traces the same.
shadow_begin() {
    mkdir "$shadow"
    echo 131072 >"$shadow/buffer_size_kb"
    local event
    for event in tcp_probe tcp_retransmit_skb; do
        echo "sport == $port || dport == $port" >"$shadow/events/tcp/$event/filter"
        echo 1 >"$shadow/events/tcp/$event/enable"
    done
}

shadow_end() { # prints how many events the kernel traced
    echo 0 >"$shadow/tracing_on"
    cat "$shadow"/per_cpu/cpu*/stats | awk '/^entries|^overrun|^dropped events/ { sum += $NF } END { print sum }'
    rmdir "$shadow"
}

stored() { tcpprobectl fetch web --format csv 2>/dev/null | tail -n +2 | wc -l; }

# ---------------------------------------------------------------- steps
installing() {
    check "install" env PREFIX=/usr "$root/packaging/install.sh"
    usermod -aG tcpprobe ann
    check "systemd-analyze verify is silent" is '' \
        systemd-analyze verify /usr/lib/systemd/system/tcpprobed.{service,socket}
    local exposure
    exposure=$(systemd-analyze security --no-pager --offline=true /usr/lib/systemd/system/tcpprobed.service | tail -n 1)
    echo "      $exposure"
    check "exposure is 1.5 at most" awk "BEGIN { exit !($(grep -oE '[0-9]+\.[0-9]+' <<<"$exposure") <= 1.5) }"
    check "enable --now" systemctl enable --now tcpprobed
}

unit() {
    check "is active" is active systemctl is-active tcpprobed
    check "is enabled" is enabled systemctl is-enabled tcpprobed
    check "status line" soon says '^0 of 0 jobs running' property StatusText
    check "socket" is 'srw-rw---- tcpprobe tcpprobe' stat -c '%A %U %G' /run/tcpprobed/tcpprobed.sock
    check "runtime folder" is 'drwxr-xr-x tcpprobe tcpprobe' stat -c '%A %U %G' /run/tcpprobed
    check "state folder" is 'drwx------ tcpprobe tcpprobe' stat -c '%A %U %G' /var/lib/tcpprobed
    check "log is in the journal" says '^ready$' journalctl -u tcpprobed -o cat --no-pager
}

sandbox() {
    local proc
    proc=/proc/$(property MainPID)
    check "user tcpprobe" is tcpprobe stat -c %U "$proc"
    check "CAP_DAC_OVERRIDE alone" says '^CapBnd:\s+0000000000000002$' cat "$proc/status"
    local hidden
    for hidden in etc/shadow etc/ssh run/dbus run/systemd/private var/log/journal; do
        check "/$hidden is not there" not ls "$proc/root/$hidden"
    done
    check "/root is empty" is '' ls -A "$proc/root/root"
    check "tracefs is read-only" says ' /sys/kernel/tracing ro,' cat "$proc/mountinfo"
    check "but for instances" says ' /sys/kernel/tracing/instances rw,' cat "$proc/mountinfo"
    check "no network but lo" is lo nsenter -n -t "$(property MainPID)" ls /sys/class/net
}

access() {
    check "a member of the group starts a job" ann start web --buffer 256M --filter "sport == $port || dport == $port"
    check "it is hers" says '^web +running .* ann$' ann list
    check "a stranger is denied" fails_with 4 eve list
    check "and told how to be let in" says 'usermod -aG tcpprobe' eve list
    check "the log names who did it" is 'started' journalctl _SYSTEMD_UNIT=tcpprobed.service F_JOB=web \
        "F_UID=$(id -u ann)" -o cat --no-pager
    check "status line" soon says '^1 of 1 jobs running' property StatusText
    check "her doctor finds that captures work" ann doctor
    check "and the unit well" says '^ok +systemd +tcpprobed.service is active, and enabled' ann doctor
    check "the stranger's finds the group missing" says '^failure +group .*usermod -aG tcpprobe' eve doctor
    check "and fails" fails_with 4 eve doctor
}

restarts() {
    shadow_begin
    traffic --seconds 10 --bulk 2 --ping-pong 2 --short 2 &
    local load=$! before traced
    before=$(property MainPID)
    sleep 2
    check "restart" systemctl restart tcpprobed
    check "another process" not is "$before" property MainPID
    check "the job goes on" says '^web +running +1 ' ann list
    sleep 2
    before=$(property MainPID)
    systemctl kill -s KILL tcpprobed
    check "killed, it comes back by itself" soon not is "$before" property MainPID
    check "is active" soon is active systemctl is-active tcpprobed
    check "the job goes on" soon says '^web +running +1 ' ann list
    wait "$load"
    traced=$(shadow_end)
    check "stop the job" says 'none lost' ann stop web
    echo "      the kernel traced $traced events, $(stored) are stored"
    check "not one event is lost or doubled" is "$traced" stored
    check "names of tasks are known" says '^ *traffic-' ann tail web -n 1
}

watchdog() {
    mkdir -p /run/systemd/system/tcpprobed.service.d
    printf '[Service]\nWatchdogSec=2s\n' >/run/systemd/system/tcpprobed.service.d/test.conf
    systemctl daemon-reload
    systemctl restart tcpprobed
    local before
    before=$(property MainPID)
    sleep 5
    check "a daemon that lives is left alone" is "$before" property MainPID
    systemctl kill -s STOP tcpprobed
    check "one that hangs is replaced" soon not is "$before" property MainPID
    check "is active" soon is active systemctl is-active tcpprobed
    check "because of the watchdog" says 'Watchdog timeout' journalctl -u tcpprobed -o cat --no-pager
    rm /run/systemd/system/tcpprobed.service.d/test.conf
    systemctl daemon-reload
    systemctl restart tcpprobed
}

stopping() {
    ann start web --no-clear
    check "stop" systemctl stop tcpprobed
    check "without failure" is success property Result
    check "the client says that nobody is there" fails_with 3 ann list
    check "the doctor how to start it" says '^failure +systemd .*systemctl enable --now' ann doctor
    check "start" systemctl start tcpprobed
    check "the job goes on" says '^web +running +1 ' ann list
}

socket_activation() {
    systemctl disable --now tcpprobed
    check "enable --now tcpprobed.socket" systemctl enable --now tcpprobed.socket
    check "the daemon does not run" is inactive systemctl is-active tcpprobed.service
    check "socket" is 'srw-rw---- tcpprobe tcpprobe' stat -c '%A %U %G' /run/tcpprobed/tcpprobed.sock
    check "a stranger cannot wake it" fails_with 4 eve list
    check "still not" is inactive systemctl is-active tcpprobed.service
    check "a member of the group does" says '^web +running' ann list
    check "now it runs" is active systemctl is-active tcpprobed.service
    systemctl stop tcpprobed.service
    check "stopped, it is woken again" says '^web +running' ann list
    ann stop web
    systemctl disable --now tcpprobed.socket
    systemctl stop tcpprobed.service
}

# Each directive that would harden the unit more, and what then goes wrong.
what_stays_off() {
    with AmbientCapabilities=
    check "without CAP_DAC_OVERRIDE: tracefs is closed" says 'tracing: permission denied' started
    with AmbientCapabilities= AmbientCapabilities=CAP_DAC_READ_SEARCH CapabilityBoundingSet=CAP_DAC_READ_SEARCH
    check "CAP_DAC_READ_SEARCH: no instance can be made" says 'instances/tcpprobed.other: permission denied' other_job
    with ProtectKernelTunables=yes ReadWritePaths=
    check "tracefs all read-only: told so" says 'instances is mounted read-only' started
    with ProtectProc=invisible
    check "ProtectProc=: groups of callers are unknown" fails_with 4 ann list
    with ProcSubset=pid
    check "ProcSubset=: the machine's memory is unknown" says '/proc/meminfo' other_job
    with PrivateUsers=yes
    ann start other 2>/dev/null
    check "PrivateUsers=: every caller is nobody" says '^other +running .* nobody$' ann list
    tcpprobectl rm other --force
    rm /run/systemd/system/tcpprobed.service.d/test.conf
    systemctl daemon-reload
    systemctl restart tcpprobed
}

with() { # DIRECTIVE...: restarts under these
    local drop_in=/run/systemd/system/tcpprobed.service.d/test.conf
    { echo '[Service]'; printf '%s\n' "$@"; } >"$drop_in"
    systemctl daemon-reload
    systemctl stop tcpprobed
    systemctl reset-failed tcpprobed 2>/dev/null || true
    cursor=$(journalctl -u tcpprobed -n 0 --show-cursor --no-pager | sed -n 's/^-- cursor: //p')
    systemctl start tcpprobed 2>/dev/null || systemctl stop tcpprobed
}

started() { journalctl -u tcpprobed --after-cursor "$cursor" -o cat --no-pager; }

other_job() {
    tcpprobectl start other && tcpprobectl rm other --force
}

purging() {
    tcpprobectl start web --no-clear
    check "uninstall" env PREFIX=/usr "$root/packaging/install.sh" --uninstall
    check "nothing records any more" not compgen -G "$instances/tcpprobed.*"
    check "what was recorded is there" ls /var/lib/tcpprobed/jobs/web
    check "no unit" not systemctl cat tcpprobed.service
    check "purge" env PREFIX=/usr "$root/packaging/install.sh" --purge
    local gone
    for gone in /etc/tcpprobed /var/lib/tcpprobed /run/tcpprobed /usr/bin/tcpprobectl; do
        check "$gone is gone" not ls "$gone"
    done
    check "so is the user" not id tcpprobe
}

if [ "${1:-}" = --inside ]; then inside; else main "$@"; fi
