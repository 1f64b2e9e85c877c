#!/bin/bash
# The daemon and the client on other kernels: each is booted in QEMU (no KVM needed), records a lossy iperf3 there, and must
# tell it in that kernel's own words.
#
#   run.sh [K...]      K: 5.10 6.1 6.12 7.2 7.3 (Debian's); all of them by default
#
# Root, for it installs QEMU and makes a guest (kernel-box does; once, some minutes). A minute or two a kernel.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../../.." && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
kernels=("$@")
[ ${#kernels[@]} -gt 0 ] || kernels=(5.10 6.1 6.12 7.2 7.3)

(cd "$top" && cargo build --quiet -p tcpprobed -p tcpprobectl)
target=${CARGO_TARGET_DIR:-$top/target}/debug
for program in tcpprobed tcpprobectl; do
    # Symbols would only make the guest's disk large.
    strip -o "$out/$program" "$target/$program"
done

failed=0
for kernel in "${kernels[@]}"; do
    if "$here/kernel-box" run -k "$kernel" -t 600 -m 1G -o "$out/$kernel" \
        -f "$out/tcpprobed" -f "$out/tcpprobectl" -f "$here/inside.sh" -- bash inside.sh >"$out/$kernel.log" 2>&1; then
        tail -n 1 "$out/$kernel.log"
    else
        cat "$out/$kernel.log"
        echo "$kernel: FAILED"
        failed=$((failed + 1))
    fi
done
echo "$((${#kernels[@]} - failed)) passed, $failed failed"
[ "$failed" = 0 ]
