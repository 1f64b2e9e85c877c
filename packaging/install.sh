#!/bin/bash
# Installs what `cargo build --release` built, so that `systemctl enable --now tcpprobed` works.
#
#   install.sh               under PREFIX (/usr/local); a configuration that is there already is kept
#   install.sh --uninstall   stops the daemon and removes the program; what was recorded stays
#   install.sh --purge       removes that, the configuration and the user too
#
# PREFIX   where to (default /usr/local); units go to PREFIX/lib, the configuration to /etc
# DESTDIR  put before every path, to make a package: nothing on this system is then started, stopped or made
# BIN      where the built programs are (default target/release)
# RUNS_HERE  the same programs for this machine, where those are for another (default BIN)
set -euo pipefail

die() { echo "install.sh: $*" >&2; exit 1; }

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
prefix=${PREFIX:-/usr/local}
dest=${DESTDIR:-}
bin=${BIN:-${CARGO_TARGET_DIR:-$root/target}/release}
runs_here=${RUNS_HERE:-$bin}

programs=("$prefix/bin/tcpprobed" "$prefix/bin/tcpprobectl")
units=("$prefix"/lib/systemd/system/tcpprobed{.service,.socket,-sockdiag.socket})
sysusers=$prefix/lib/sysusers.d/tcpprobed.conf
tmpfiles=$prefix/lib/tmpfiles.d/tcpprobed.conf
config=/etc/tcpprobed/tcpprobed.toml
bash_completion=$prefix/share/bash-completion/completions/tcpprobectl
zsh_completion=$prefix/share/zsh/site-functions/_tcpprobectl
fish_completion=$prefix/share/fish/vendor_completions.d/tcpprobectl.fish
manual=$prefix/share/man

# A live system, not the folder of a package; and one that systemd runs.
is_live() { [ -z "$dest" ]; }
has_systemd() { is_live && [ -d /run/systemd/system ]; }

put() { # MODE SOURCE TARGET
    install -D -m "$1" "$2" "$dest$3"
}

completion() { # SHELL TARGET
    mkdir -p "$(dirname "$dest$2")"
    "$runs_here/tcpprobectl" completions "$1" >"$dest$2"
}

manual_pages() {
    local folder page
    folder=$(mktemp -d)
    "$runs_here/tcpprobed" man "$folder"
    "$runs_here/tcpprobectl" man "$folder"
    for page in "$folder"/*; do put 644 "$page" "$manual/man${page##*.}/${page##*/}"; done
    rm -r "$folder"
}

put_all() {
    local program unit
    for program in "${programs[@]}"; do
        [ -x "$bin/${program##*/}" ] || die "${program##*/} is not in $bin; first: cargo build --release"
        put 755 "$bin/${program##*/}" "$program"
    done
    for unit in "${units[@]}"; do
        put 644 "$root/packaging/${unit##*/}" "$unit"
        sed -i "s|/usr/bin/|$prefix/bin/|" "$dest$unit"
    done
    put 644 "$root/packaging/sysusers.conf" "$sysusers"
    put 644 "$root/packaging/tmpfiles.conf" "$tmpfiles"
    completion bash "$bash_completion"
    completion zsh "$zsh_completion"
    completion fish "$fish_completion"
    manual_pages
    [ -e "$dest$config" ] || put 644 "$root/packaging/tcpprobed.toml" "$config"
}

make_user() {
    if command -v systemd-sysusers >/dev/null; then
        systemd-sysusers "$sysusers"
    elif ! id tcpprobe >/dev/null 2>&1; then
        useradd --system --user-group --home-dir /var/lib/tcpprobed --shell /usr/sbin/nologin tcpprobe
    fi
}

install_all() {
    put_all
    is_live || return 0
    make_user
    if has_systemd; then
        systemd-tmpfiles --create "$tmpfiles"
        systemctl daemon-reload
        # One that runs goes on with the new program; its jobs do not stop.
        systemctl try-restart tcpprobed.service
    fi
    echo "Installed. Next:"
    echo "  systemctl enable --now tcpprobed"
    echo "  usermod -aG tcpprobe YOU          # who may use tcpprobectl; then log in again"
    echo "  tcpprobectl start web --filter 'sport==80'"
}

# Instances of jobs that were running go on recording in the kernel when the daemon stops.
remove_instances() {
    local instance
    for instance in /sys/kernel/tracing/instances/tcpprobed.*; do
        [ ! -d "$instance" ] || rmdir "$instance"
    done
}

uninstall() {
    if has_systemd; then
        systemctl disable --now tcpprobed.socket tcpprobed.service 2>/dev/null || true
    fi
    is_live && remove_instances
    local file
    for file in "${programs[@]}" "${units[@]}" "$sysusers" "$tmpfiles" \
        "$bash_completion" "$zsh_completion" "$fish_completion"; do
        rm -f "$dest$file"
    done
    rm -f "$dest$manual"/man?/tcpprobe{d,ctl,-}*
    if has_systemd; then systemctl daemon-reload; fi
}

purge() {
    uninstall
    rm -rf "$dest/etc/tcpprobed" "$dest/var/lib/tcpprobed" "$dest/run/tcpprobed"
    if is_live && id tcpprobe >/dev/null 2>&1; then userdel tcpprobe; fi
}

case ${1:-} in
    '') install_all ;;
    --uninstall) uninstall ;;
    --purge) purge ;;
    *) die "unknown option '$1': none, --uninstall or --purge" ;;
esac
