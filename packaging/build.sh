#!/bin/bash
# Builds the packages into target/packages: build.sh [deb] [rpm], both where none is named.
#
# Needs Rust and a C linker; dpkg-dev for the .deb. What is missing of cargo-deb and cargo-generate-rpm, cargo installs.
#
# PROFILE  of cargo: release (default), or dev, which is built sooner and larger
set -euo pipefail

die() { echo "build.sh: $*" >&2; exit 1; }

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
profile=${PROFILE:-release}
case $profile in
    release) built=$CARGO_TARGET_DIR/release ;;
    dev) built=$CARGO_TARGET_DIR/debug ;;
    *) die "PROFILE is release or dev" ;;
esac
out=$CARGO_TARGET_DIR/packages
# What the packages are made of, laid out as it will be installed. Both tools look for target/release.
work=$out/work
stage=$work/release/package

main() {
    local kind
    for kind in "$@"; do [[ $kind =~ ^(deb|rpm)$ ]] || die "unknown package '$kind': deb or rpm"; done
    cargo build --profile "$profile" --bins
    lay_out
    for kind in "${@:-deb rpm}"; do
        # Two words by default.
        for kind in $kind; do "make_$kind"; done
    done
    rm -rf "$work"
}

lay_out() {
    rm -rf "$work"
    DESTDIR=$stage PREFIX=/usr BIN=$built packaging/install.sh
    strip "$stage"/usr/bin/*
    local version date
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
    date=$(date -uR -r Cargo.toml)
    printf 'tcpprobed (%s-1) unstable; urgency=medium\n\n  * Release %s.\n\n -- tcpprobe authors <authors@tcpprobe.example>  %s\n' \
        "$version" "$version" "$date" | gzip -9n >"$stage/changelog.Debian.gz"
}

make_deb() {
    command -v dpkg-shlibdeps >/dev/null || die "dpkg-shlibdeps is missing: apt install dpkg-dev"
    command -v cargo-deb >/dev/null || cargo install --locked cargo-deb
    CARGO_TARGET_DIR=$work cargo deb --quiet -p tcpprobed --no-build --no-strip -o "$out/"
}

make_rpm() {
    command -v cargo-generate-rpm >/dev/null || cargo install --locked cargo-generate-rpm
    CARGO_TARGET_DIR=$work cargo generate-rpm -p tcpprobed -o "$out/"
}

main "$@"
ls -l "$out"/*
