#!/bin/bash
# A flight recorder in a minute: builds it, records real TCP traffic on loopback, and leaves web.png and web.html in this folder.
# Nothing is installed; a daemon of the demo's own runs in a temporary folder, and nothing of it stays.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
# Below the ports that the kernel gives to clients.
port=$((20000 + $$ % 10000))
folder='' daemon='' traffic=''
tracefs=/sys/kernel/tracing mounted=''

say() { printf '\n== %s\n' "$*"; }
die() { echo "demo: $*" >&2; exit 1; }

main() {
    [ "$(id -u)" = 0 ] || die "the kernel's tracing is root's: sudo $0"
    ! mountpoint -q "$tracefs" || mounted=before
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP

    say "Building (the first time takes two minutes or three)"
    build
    folder=$(mktemp -d /tmp/tcpprobe-demo.XXXXXX)
    export TCPPROBED_SOCKET=$folder/run/tcpprobed.sock

    say "Starting a tcpprobed of our own in $folder"
    start_daemon || die "tcpprobed did not start"

    say "Starting a job: what a server on port $port sees"
    show tcpprobectl start web --filter "sport==$port"

    say "Making four seconds of traffic on loopback"
    make_traffic &
    traffic=$!
    wait "$traffic"
    traffic=

    say "Stopping the job, fetching what it recorded, and drawing it"
    show tcpprobectl stop web
    show tcpprobectl fetch web -o "$folder/web.tcpp"
    show tcpprobectl plot web -o web.png
    show tcpprobectl plot web -o web.html
    [ -z "${SUDO_UID:-}" ] || chown "$SUDO_UID:${SUDO_GID:-}" web.png web.html

    say "There is your picture, $PWD/web.png, and the same to zoom and search in, for a browser: $PWD/web.html"
}

# As whoever called sudo: cargo and what it builds are theirs. Not for release, which takes three times as long; and so the tests
# find half of their work done.
build() {
    local as=()
    if [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ]; then
        as=(sudo -u "$SUDO_USER" -H)
    fi
    # shellcheck disable=SC2016 # expanded by the inner shell, whose home it is
    "${as[@]}" env CARGO_TARGET_DIR="$target" bash -c '
        PATH=$PATH:$HOME/.cargo/bin
        command -v cargo >/dev/null || { echo "demo: no cargo; install Rust first: https://rustup.rs" >&2; exit 1; }
        cd "$1" && cargo build --bins' build "$root"
}

start_daemon() {
    # In a session of its own: Ctrl-C is for this script, which then removes the job before it ends the daemon.
    setsid "$target/debug/tcpprobed" --state "$folder/state" --runtime "$folder/run" >>"$folder/log" 2>&1 &
    daemon=$!
    for _ in {1..100}; do
        ! "$target/debug/tcpprobectl" list >/dev/null 2>&1 || return 0
        kill -0 "$daemon" 2>/dev/null || break
        sleep 0.1
    done
    cat "$folder/log" >&2
    return 1
}

make_traffic() {
    local congestion=()
    ! grep -qw cubic /proc/sys/net/ipv4/tcp_available_congestion_control || congestion=(--congestion cubic)
    exec "$target/debug/traffic" --port "$port" --bulk 1 --bursts 1 --slow 1 --short 1 "${congestion[@]}"
}

show() {
    echo "\$ $*"
    "$target/debug/$1" "${@:2}"
}

clean_up() {
    local status=$?
    trap - EXIT
    trap '' INT TERM HUP
    # Ended by a signal, it needs no explanation.
    [ "$status" = 0 ] || [ "$status" -ge 128 ] || [ -z "$daemon" ] || tail -n 5 "$folder/log" >&2
    [ -z "$traffic" ] || kill "$traffic" 2>/dev/null || true
    if [ -n "$daemon" ]; then
        # A daemon that was killed left its kernel instance behind; the next one finds and removes it.
        kill -0 "$daemon" 2>/dev/null || start_daemon || true
        "$target/debug/tcpprobectl" rm web --force 2>/dev/null || true
        kill "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
    fi
    [ -z "$folder" ] || rm -rf "$folder"
    # The daemon mounts it where nobody has.
    [ -n "$mounted" ] || ! mountpoint -q "$tracefs" || umount "$tracefs" || true
    exit "$status"
}

main
