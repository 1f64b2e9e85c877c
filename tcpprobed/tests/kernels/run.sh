#!/bin/bash
# The daemon and the client on other kernels: each is booted in QEMU (no KVM needed), records a lossy iperf3 there, and must
# tell it in that kernel's own words.
#
#   run.sh [K...]      K: 5.10 6.1 6.12 7.2 7.3 (Debian's for amd64), arm64-6.12 (pages of 4 KiB), arm64-6.12-16k (of 16 KiB);
#                      all of them by default
#
# On arm64 the tests of tracefs run too, for they depend on the size of a page.
#
# Root, for it installs QEMU, for arm64 a cross compiler too, and makes a guest (kernel-box and arm64-box do; once, some
# minutes). A minute or two a kernel.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../../.." && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
kernels=("$@")
[ ${#kernels[@]} -gt 0 ] || kernels=(5.10 6.1 6.12 7.2 7.3 arm64-6.12 arm64-6.12-16k)

# Into $out/amd64 or $out/arm64, once.
build() {
    local into=$out/$1 target=${CARGO_TARGET_DIR:-$top/target}
    [ ! -d "$into" ] || return 0
    mkdir "$into"
    # Symbols would only make the guest's disk large.
    case $1 in
        amd64)
            (cd "$top" && cargo build --quiet --locked -p tcpprobed -p tcpprobectl)
            strip -o "$into/tcpprobed" "$target/debug/tcpprobed"
            strip -o "$into/tcpprobectl" "$target/debug/tcpprobectl" ;;
        arm64)
            "$here/arm64-box" build "$top" --quiet --locked -p tcpprobed -p tcpprobectl --bins >/dev/null
            "$here/arm64-box" build "$top" test --quiet --locked --no-run -p tcpprobed --test tracefs >/dev/null
            local built=$target/aarch64-unknown-linux-gnu/debug test
            test=$(find "$built/deps" -name 'tracefs-*' -type f -executable -printf '%T@ %p\n' | sort -rn | head -n 1)
            aarch64-linux-gnu-strip -o "$into/tcpprobed" "$built/tcpprobed"
            aarch64-linux-gnu-strip -o "$into/tcpprobectl" "$built/tcpprobectl"
            aarch64-linux-gnu-strip -o "$into/tracefs-test" "${test#* }" ;;
    esac
}

failed=0
for kernel in "${kernels[@]}"; do
    case $kernel in
        arm64-*) arch=arm64 box=arm64-box ;;
        *) arch=amd64 box=kernel-box ;;
    esac
    build $arch
    files=(-f "$here/inside.sh")
    for file in "$out/$arch"/*; do files+=(-f "$file"); done
    if "$here/$box" run -k "${kernel#arm64-}" -t 900 -m 1G -o "$out/$kernel" "${files[@]}" -- bash inside.sh >"$out/$kernel.log" 2>&1; then
        tail -n 1 "$out/$kernel.log"
    else
        cat "$out/$kernel.log"
        echo "$kernel: FAILED"
        failed=$((failed + 1))
    fi
done
echo "$((${#kernels[@]} - failed)) passed, $failed failed"
[ "$failed" = 0 ]
