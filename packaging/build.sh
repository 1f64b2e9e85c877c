#!/bin/bash
# Builds the packages into target/packages: build.sh [--target TRIPLE] [deb] [rpm], both where none is named.
#
# Needs Rust and a C linker; dpkg-dev for the .deb. What is missing of cargo-deb and cargo-generate-rpm, cargo installs.
#
# --target aarch64-unknown-linux-gnu is for other machines than this one. It needs Rust's library for them (rustup target add) and their
# linker (Debian: gcc-aarch64-linux-gnu, libc6-dev-arm64-cross). Manual pages and completions come from programs for this machine, built too.
#
# PROFILE  of cargo: release (default), or dev, which is built sooner and larger
set -euo pipefail

die() { echo "build.sh: $*" >&2; exit 1; }

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
triple=''
if [ "${1:-}" = --target ]; then
    triple=${2:-}
    [[ $triple =~ ^[a-z0-9_]+-[a-z0-9_-]+$ ]] || die "--target is a triple, as aarch64-unknown-linux-gnu"
    shift 2
fi
profile=${PROFILE:-release}
case $profile in
    release) built=$CARGO_TARGET_DIR/release ;;
    dev) built=$CARGO_TARGET_DIR/debug ;;
    *) die "PROFILE is release or dev" ;;
esac
out=$CARGO_TARGET_DIR/packages
# What the packages are made of, laid out as it will be installed. Both tools look for target/release.
work=$out/work
stage=$work/${triple:+$triple/}release/package
# Of what is for other machines: the prefix of their tools.
cross=${triple%%-*}-linux-gnu-
if [ -n "$triple" ]; then
    here=$built
    built=$CARGO_TARGET_DIR/$triple/${built##*/}
    linker=CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<<"$triple")_LINKER
    [ -n "${!linker:-}" ] || export "$linker=${cross}gcc"
fi

main() {
    local kind
    for kind in "$@"; do [[ $kind =~ ^(deb|rpm)$ ]] || die "unknown package '$kind': deb or rpm"; done
    cargo build --profile "$profile" --bins
    [ -z "$triple" ] || cargo build --profile "$profile" --bins --target "$triple"
    lay_out
    for kind in "${@:-deb rpm}"; do
        # Two words by default.
        for kind in $kind; do "make_$kind"; done
    done
    rm -rf "$work"
}

lay_out() {
    rm -rf "$work"
    DESTDIR=$stage PREFIX=/usr BIN=$built RUNS_HERE=${here:-$built} packaging/install.sh
    "${triple:+$cross}strip" "$stage"/usr/bin/*
    gzip -9n "$stage"/usr/share/man/man?/*
    local version date
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
    date=$(date -uR -r Cargo.toml)
    printf 'tcpprobed (%s-1) unstable; urgency=medium\n\n  * Release %s.\n\n -- tcpprobe authors <authors@tcpprobe.example>  %s\n' \
        "$version" "$version" "$date" | gzip -9n >"$stage/changelog.Debian.gz"
}

make_deb() {
    command -v dpkg-shlibdeps >/dev/null || die "dpkg-shlibdeps is missing: apt install dpkg-dev"
    command -v cargo-deb >/dev/null || cargo install --locked cargo-deb
    CARGO_TARGET_DIR=$work cargo deb --quiet -p tcpprobed ${triple:+--target "$triple"} --no-build --no-strip -o "$out/"
}

make_rpm() {
    command -v cargo-generate-rpm >/dev/null || cargo install --locked cargo-generate-rpm
    CARGO_TARGET_DIR=$work cargo generate-rpm -p tcpprobed ${triple:+--target "$triple"} -o "$out/"
}

main "$@"
ls -l "$out"/*
