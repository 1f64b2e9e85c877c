#!/bin/bash
# Installs the .deb under a real systemd, in a throw-away box, and shows what the package and its units promise; then the
# same of install.sh, in short. By hand, or by TCPPROBE_SYSTEMD=1 .ci/run; as root; two minutes once all is built.
#
#   packaging/tests/systemd.sh [OPTION OF systemd-box...]      --root trixie: under a newer systemd (needs mmdebstrap)
#
# PROFILE      of cargo: what is built is tested (default release)
# DEB          the package, instead of building it
# RPM          the other one, to be tested too where there is an rpm
# SYSTEMD_BOX  the box (default: systemd-box beside this file)
#
# Needs what packaging/build.sh needs, and dpkg, systemd, runuser, ip (Debian: systemd, util-linux, iproute2, procps).
# The box sees this machine's tracefs: no other daemon may have its store in /var/lib/tcpprobed meanwhile.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$(dirname "$here")")
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
    local need
    for need in dpkg-deb systemctl systemd-analyze runuser ip nsenter; do
        command -v "$need" >/dev/null || { echo "$need is missing; Debian: apt install dpkg systemd util-linux iproute2" >&2; exit 1; }
    done
    local target=${CARGO_TARGET_DIR:-$root/target} profile=${PROFILE:-release}
    BIN=$target/${profile/#dev/debug}
    if [ -z "${DEB:-}" ] || [ ! -x "$BIN/traffic" ]; then
        (cd "$root" && cargo build --profile "$profile" -p tcpprobe-traffic)
    fi
    if [ -z "${DEB:-}" ]; then
        PROFILE=$profile "$root/packaging/build.sh" deb
        # The newest: only its name has the version.
        # shellcheck disable=SC2012
        DEB=$(ls -t "$target"/packages/*.deb | head -n 1)
    fi
    DEB=$(readlink -f "$DEB")
    [ -z "${RPM:-}" ] || set -- -e RPM="$(readlink -f "$RPM")" --bind-ro "$RPM" "$@"
    "${SYSTEMD_BOX:-$here/systemd-box}" run -n tcpprobed-test -e BIN="$BIN" -e DEB="$DEB" \
        --bind-ro "$root" --bind-ro "$BIN" --bind-ro "$DEB" "$@" -- "$here/systemd.sh" --inside
}

inside() {
    trap clean_up EXIT
    ip link set lo up
    useradd ann; useradd eve
    local step
    for step in installing unit sandbox access snapshots owners reloading restarts upgrading watchdog stopping socket_activation \
        what_stays_off removing purging from_rpm from_source; do
        hash -r
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
traffic() { "$BIN/traffic" --port "$port" "$@" >/dev/null; }

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

# Has a new run of the job record traffic while STEP is done, and checks that all the kernel traced is stored.
under_load() { # STEP
    check "start the job" ann start web
    shadow_begin
    traffic --seconds 8 --bulk 2 --ping-pong 2 --short 2 &
    local load=$! traced
    sleep 1
    "$1"
    wait "$load"
    traced=$(shadow_end)
    check "stop the job" says 'none lost' ann stop web
    echo "      the kernel traced $traced events, $(stored) are stored"
    check "not one event is lost or doubled" is "$traced" stored
}

# What the kernel recorded of it: snapshots are the daemon's own events.
stored() { tcpprobectl fetch web --events 'tcp_probe,tcp_retransmit_skb' --format csv 2>/dev/null | tail -n +2 | wc -l; }

# ---------------------------------------------------------------- steps
installing() {
    check "dpkg --install" dpkg --install "$DEB"
    usermod -aG tcpprobe ann
    check "it waits to be enabled" is inactive systemctl is-active tcpprobed
    # Manual pages may be left out of a small machine.
    check "systemd-analyze verify is silent" is '' \
        systemd-analyze verify --man=no /usr/lib/systemd/system/tcpprobed{.service,.socket,-sockdiag.socket}
    local exposure
    exposure=$(systemd-analyze security --no-pager --offline=true /usr/lib/systemd/system/tcpprobed.service | tail -n 1)
    echo "      $exposure"
    check "exposure is 1.5 at most" awk "BEGIN { exit !($(grep -oE '[0-9]+\.[0-9]+' <<<"$exposure") <= 1.5) }"
    check "enable --now" systemctl enable --now tcpprobed
    local file
    for file in man/man1/tcpprobectl-start.1.gz man/man5/tcpprobed.toml.5.gz man/man7/tcpprobe-filter.7.gz \
        man/man8/tcpprobed.8.gz bash-completion/completions/tcpprobectl zsh/vendor-completions/_tcpprobectl \
        fish/vendor_completions.d/tcpprobectl.fish doc/tcpprobed/copyright; do
        # What dpkg was told to leave out is listed all the same.
        check "/usr/share/$file" grep -qx "/usr/share/$file" /var/lib/dpkg/info/tcpprobed.list
    done
    check "the configuration is a conffile" says '^ /etc/tcpprobed/tcpprobed.toml ' dpkg-query -W -f '${Conffiles}\n' tcpprobed
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
    # Some boxes are in boxes that may not raise limits.
    if prlimit --rtprio=1:1 true 2>/dev/null; then
        check "its capture goes before other programs" says '^ *RR +1 cap-web' \
            ps -T -o cls=,rtprio=,comm= -p "$(property MainPID)"
    else
        echo "skip  its capture goes before other programs: no CAP_SYS_RESOURCE here, so LimitRTPRIO= does nothing"
    fi
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

# The daemon has no network of its own, and asks the kernel by a socket that systemd made.
snapshots() {
    check "its socket for questions is open" is active systemctl is-active tcpprobed-sockdiag.socket
    check "it may have no other" says '^RestrictAddressFamilies=AF_UNIX$' systemctl show -p RestrictAddressFamilies tcpprobed
    check "the kernel answers" says '^ok +snapshots +the kernel (tells [0-9]+ bytes of tcp_info|answers)' ann doctor
    traffic --seconds 5 --bulk 2 --ping-pong 2
    check "connections have snapshots" says '^[1-9][0-9]*$' taken
    check "of them, not of others" is 0 others
    check "nothing was lost" says '\+ 0 lost \+ 0 dropped$' ann status web
    check "status counts them" says 'a snapshot every 1s .* [1-9][0-9]* taken' ann status web
    # What waits to be read must not start a daemon that was stopped.
    traffic --seconds 8 --bursts 4 &
    local load=$!
    sleep 2
    check "stop it under traffic" systemctl stop tcpprobed
    check "its socket is closed" is inactive systemctl is-active tcpprobed-sockdiag.socket
    sleep 3
    check "it stays stopped" is inactive systemctl is-active tcpprobed.service
    check "start" systemctl start tcpprobed
    check "its socket is open again" is active systemctl is-active tcpprobed-sockdiag.socket
    wait "$load"
    local before
    check "nothing was lost meanwhile" says '\+ 0 lost \+ 0 dropped$' ann status web
    before=$(taken) || true
    traffic --seconds 15 --ping-pong 2 &
    load=$!
    check "snapshots go on" soon more_than "$before"
    wait "$load"
    finals
}

# Closing sockets are told by the second socket, which outlives the daemon and is left as it was made.
finals() {
    check "nobody listens to closing sockets" is 0 listeners
    sed -i.old 's/^final = .*/final = true/' /etc/tcpprobed/tcpprobed.toml
    check "have final snapshots" systemctl reload tcpprobed
    check "the kernel tells of closing sockets" soon says '^ok +final snapshots +the kernel tells of each .* buffer of 34 MB' ann doctor
    check "by one socket" is 1 listeners
    traffic --seconds 4 --ping-pong 2
    check "connections have final snapshots" soon says '^[1-9][0-9]*$' final_taken
    traffic --seconds 8 --short 2 &
    local load=$!
    sleep 2
    check "stop it while connections close" systemctl stop tcpprobed
    sleep 2
    check "it stays stopped" is inactive systemctl is-active tcpprobed.service
    check "nobody listens" is 0 listeners
    check "start" systemctl start tcpprobed
    check "it listens again" soon is 1 listeners
    systemctl kill -s KILL tcpprobed
    check "killed, it comes back and listens" soon says 'the kernel tells of each' ann doctor
    check "by one socket" is 1 listeners
    wait "$load"
    mv /etc/tcpprobed/tcpprobed.toml.old /etc/tcpprobed/tcpprobed.toml
    check "without" systemctl reload tcpprobed
    check "nobody listens any more" soon is 0 listeners
}

# Sockets of sock_diag (protocol 4) that are members of a group.
listeners() { awk '$2 == 4 && $4 != "00000000"' /proc/net/netlink | wc -l; }
final_taken() { tcpprobectl fetch web --events tcp_info --filter "port == $port && tcpi_state == 7" --format csv 2>/dev/null | tail -n +2 | wc -l; }

# Whose the connections are, by an instance of the daemon's own and by /proc, which its sandbox leaves it.
owners() {
    # systemd is the first process of the box, which so has a PID namespace of its own.
    check "the doctor says what can be known here" says 'owners +the daemon is in a PID namespace of its own' ann doctor
    traffic --seconds 3 --bulk 2 --short 4
    check "status counts them" says 'known of [1-9][0-9]* sockets' ann status web
    check "they are those of the program" says '^[1-9][0-9]*$' told_of traffic
    check "by number and name" says 'pid=[1-9][0-9]* uid=4294967295 comm=traffic exe= ' owner_lines
    check "of nobody else" is 0 told_of_others
    check "summary has them" says '^traffic\[[0-9]+\] ' ann summary web --by process
    check "a filter chooses by them" says '"comm": "traffic"' ann diagnose web --json --filter 'comm == "traffic"'
    check "nothing was lost" says '\+ 0 lost \+ 0 dropped$' ann status web
}

owner_lines() { tcpprobectl fetch web --events owner --format text 2>/dev/null; }
told_of() { owner_lines | grep -c " comm=$1 "; }
told_of_others() { owner_lines | grep -vc " comm=traffic " || true; }

more_than() { [ "$(taken)" -gt "$1" ]; }
taken() { tcpprobectl fetch web --events tcp_info --format csv 2>/dev/null | tail -n +2 | wc -l; }
others() { tcpprobectl fetch web --events tcp_info --filter "port != $port" --format csv 2>/dev/null | tail -n +2 | wc -l; }

reloading() {
    ann stop web
    under_load reloads
    notify_reload
}

reloads() {
    local before config=/etc/tcpprobed/tcpprobed.toml
    before=$(property MainPID)
    # The group of the socket: with it as viewers, and no operators, she may look and no more.
    sed -i.old 's/^viewers = .*/viewers = ["tcpprobe"]/; s/^operators = .*/operators = []/' "$config"
    check "reload" systemctl reload tcpprobed
    check "now she may not stop her job" soon fails_with 4 ann stop nosuch
    check "but look" ann list
    echo 'nonsense = 1' >>"$config"
    check "reload a bad configuration" systemctl reload tcpprobed
    check "status line" soon says "^1 of 1 jobs running.*; not reloaded: $config, line [0-9]+: unknown field" property StatusText
    check "the log has it" says "SIGHUP: $config, line [0-9]+: unknown field" journalctl -u tcpprobed -o cat --no-pager
    check "the one before it stays" fails_with 4 ann stop nosuch
    sed 's|^state = .*|state = "/elsewhere"|' "$config.old" >"$config"
    check "reload one that takes a restart in part" systemctl reload tcpprobed
    check "status line" soon says '; waits for a restart: state$' property StatusText
    groupadd latecomers
    sed 's/^viewers = .*/viewers = ["latecomers"]/' "$config.old" >"$config"
    systemctl reload tcpprobed
    check "a group made since the start needs a restart: told so" \
        soon says 'no such group, .*restart it to see them' journalctl -u tcpprobed -o cat --no-pager
    mv "$config.old" "$config"
    check "reload the old one" systemctl reload tcpprobed
    check "she may again" soon fails_with 5 ann stop nosuch
    check "status line" soon says '^1 of 1 jobs running.* lost$' property StatusText
    check "all this was one process" is "$before" property MainPID
    check "and one run" says '^web +running +2 ' ann list
}

# systemd 253 and newer can wait until the configuration is read.
notify_reload() {
    if [ "$(systemctl --version | sed -n 's/^systemd \([0-9]*\).*/\1/p')" -lt 253 ]; then
        echo "skip  Type=notify-reload: this is systemd $(systemctl --version | sed -n 's/^systemd \([0-9]*\).*/\1/p')"
        return
    fi
    with Type=notify-reload ExecReload=
    local config=/etc/tcpprobed/tcpprobed.toml
    sed -i.old 's/^operators = .*/operators = []/' "$config"
    check "Type=notify-reload" systemctl reload tcpprobed
    check "it is in force when that returns" fails_with 4 ann list
    mv "$config.old" "$config"
    check "the other way too" systemctl reload tcpprobed
    check "she may again" ann list
    without
}

restarts() {
    under_load restart_and_kill
    check "names of tasks are known" says '^ *traffic-' ann tail web -n 1
}

restart_and_kill() {
    local before
    before=$(property MainPID)
    check "restart" systemctl restart tcpprobed
    check "another process" not is "$before" property MainPID
    check "the job goes on" says '^web +running +3 ' ann list
    sleep 2
    before=$(property MainPID)
    systemctl kill -s KILL tcpprobed
    check "killed, it comes back by itself" soon not is "$before" property MainPID
    check "is active" soon is active systemctl is-active tcpprobed
    check "the job goes on" soon says '^web +running +3 ' ann list
}

upgrading() {
    # The same files as a newer version.
    dpkg-deb -R "$DEB" /tmp/newer
    sed -i 's/^Version: .*/&+newer/' /tmp/newer/DEBIAN/control
    dpkg-deb -Znone -b /tmp/newer /tmp/newer.deb >/dev/null
    sed -i 's/^jobs = .*/jobs = 63/' /etc/tcpprobed/tcpprobed.toml
    under_load upgrade
    check "the configuration was left alone" says '^jobs = 63$' cat /etc/tcpprobed/tcpprobed.toml
}

upgrade() {
    local before
    before=$(property MainPID)
    check "dpkg --install, a newer version" dpkg --install /tmp/newer.deb
    check "it is there" says '\+newer$' dpkg-query -W -f '${Version}\n' tcpprobed
    check "the daemon was restarted" not is "$before" property MainPID
    check "with the new program" not says deleted readlink "/proc/$(property MainPID)/exe"
    check "the job goes on" soon says '^web +running +4 ' ann list
}

watchdog() {
    with WatchdogSec=2s
    local before
    before=$(property MainPID)
    sleep 5
    check "a daemon that lives is left alone" is "$before" property MainPID
    under_load hang
    check "because of the watchdog" says 'Watchdog timeout' journalctl -u tcpprobed -o cat --no-pager
    without
}

hang() {
    local before
    before=$(property MainPID)
    systemctl kill -s STOP tcpprobed
    check "one that hangs is replaced" soon not is "$before" property MainPID
    check "is active" soon is active systemctl is-active tcpprobed
    check "the job goes on" soon says '^web +running +5 ' ann list
}

stopping() {
    ann start web --no-clear
    check "stop" systemctl stop tcpprobed
    check "without failure" is success property Result
    check "the client says that nobody is there" fails_with 3 ann list
    check "the doctor how to start it" says '^failure +systemd .*systemctl enable --now' ann doctor
    check "start" systemctl start tcpprobed
    check "the job goes on" says '^web +running +5 ' ann list
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
    without
}

without() { # restarts as it is
    rm /run/systemd/system/tcpprobed.service.d/test.conf
    systemctl daemon-reload
    systemctl restart tcpprobed
}

with() { # DIRECTIVE...: restarts under these
    local drop_in=/run/systemd/system/tcpprobed.service.d/test.conf
    mkdir -p "${drop_in%/*}"
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

removing() {
    systemctl enable --now tcpprobed
    tcpprobectl start web --no-clear
    check "dpkg --remove" dpkg --remove tcpprobed
    check "the daemon is gone" not pgrep -x tcpprobed
    check "nothing records any more" not compgen -G "$instances/tcpprobed.*"
    check "no unit" not systemctl cat tcpprobed.service
    check "what was recorded is there" ls /var/lib/tcpprobed/jobs/web
    check "so is the configuration" ls /etc/tcpprobed/tcpprobed.toml
    check "dpkg --install, again" dpkg --install "$DEB"
    check "start" systemctl start tcpprobed
    check "the job goes on, in a new run" soon says '^web +running +6 ' ann list
}

purging() {
    check "dpkg --purge" dpkg --purge tcpprobed
    check "nothing records any more" not compgen -G "$instances/tcpprobed.*"
    local gone
    for gone in /etc/tcpprobed /var/lib/tcpprobed /run/tcpprobed /usr/bin/tcpprobectl; do
        check "$gone is gone" not ls "$gone"
    done
    check "no link to a unit is left" is '' find /etc/systemd /var/lib/systemd -name '*tcpprobed*'
    check "the user stays, lest another one get its number" id tcpprobe
}

from_rpm() {
    if [ -z "${RPM:-}" ] || ! command -v rpm >/dev/null; then
        echo "skip  the .rpm: no RPM is given, or there is no rpm here"
        return
    fi
    # Its dependencies are packages of others.
    check "rpm --install" rpm --install --nodeps --force-debian "$RPM"
    check "enable --now" systemctl enable --now tcpprobed
    check "start a job" tcpprobectl start web
    local before
    before=$(property MainPID)
    check "rpm --upgrade" rpm --upgrade --replacepkgs --nodeps --force-debian "$RPM"
    check "the daemon was restarted" not is "$before" property MainPID
    check "the job goes on" soon says '^web +running +1 ' tcpprobectl list
    check "rpm --erase" rpm --erase --force-debian tcpprobed
    check "nothing records any more" not compgen -G "$instances/tcpprobed.*"
    check "no unit" not systemctl cat tcpprobed.service
    check "what was recorded is there" ls /var/lib/tcpprobed/jobs/web
    rm -r /var/lib/tcpprobed
}

from_source() {
    check "install.sh" "$root/packaging/install.sh"
    check "systemd-analyze verify is silent" is '' \
        systemd-analyze verify --man=no /usr/local/lib/systemd/system/tcpprobed{.service,.socket,-sockdiag.socket}
    check "enable --now" systemctl enable --now tcpprobed
    check "start a job" tcpprobectl start web
    check "uninstall" "$root/packaging/install.sh" --uninstall
    check "nothing records any more" not compgen -G "$instances/tcpprobed.*"
    check "what was recorded is there" ls /var/lib/tcpprobed/jobs/web
    check "purge" "$root/packaging/install.sh" --purge
    local gone
    for gone in /etc/tcpprobed /var/lib/tcpprobed /run/tcpprobed /usr/local/bin/tcpprobectl; do
        check "$gone is gone" not ls "$gone"
    done
    check "so is the user" not id tcpprobe
    check "nothing else is left" is '' find /usr/local/bin /usr/local/lib /usr/local/share /etc -name '*tcpprobe*'
}

if [ "${1:-}" = --inside ]; then inside; else main "$@"; fi
