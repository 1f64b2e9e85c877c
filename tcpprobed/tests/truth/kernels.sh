#!/bin/bash
# The truth bench on other kernels: each is booted in QEMU (no KVM needed) and records scenarios there; then they are scored here.
#
#   kernels.sh [-o DIR] K… [-- NAME…]      K: 5.10 6.1 6.12 7.2 7.3; NAME as of run.sh: of each kind one by default, and all that are held out
#
# Root, for it installs QEMU and makes a guest (kernel-box does, once). Some minutes a kernel. An emulated CPU is slow: the programs are
# optimized, one scenario runs at a time, nothing else should, and what the machine was late for is printed and not judged.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=$work/out kernels=()
while [ $# -gt 0 ]; do
    case $1 in
        -o) out=$2; shift 2 ;;
        --) shift; break ;;
        -*) sed -n 2,5p "$0" >&2; exit 2 ;;
        *) kernels+=("$1"); shift ;;
    esac
done
[ ${#kernels[@]} -gt 0 ] || { sed -n 2,5p "$0" >&2; exit 2; }
names=("$@")
[ ${#names[@]} -gt 0 ] || names=('*-3' '*+')

built=$(cd "$top" && CARGO_PROFILE_TEST_OPT_LEVEL=2 cargo test --quiet --locked -p tcpprobed --test truth --no-run --message-format json | grep -o '"executable":"[^"]*/truth-[^"]*"' | cut -d'"' -f4)
strip -o "$work/truth" "$built"
cat >"$work/inside.sh" <<'EOF'
for module in tun veth sch_tbf sch_fq tcp_bbr; do modprobe "$module" || true; done
./truth --keep /out --workers 1 --brief "$@" >/dev/null
EOF

for kernel in "${kernels[@]}"; do
    echo "=== $kernel"
    status=0
    "$here/../kernels/kernel-box" run -k "$kernel" -t 1800 -m 3G -o "$out/$kernel" -f "$work/truth" -f "$work/inside.sh" -- \
        bash inside.sh "${names[@]}" >"$work/$kernel.log" 2>&1 || status=$?
    [ $status = 0 ] || { echo "recording ended with $status:"; grep -v 'lines of trace$' "$work/$kernel.log" || true; }
    "$here/run.sh" --score "$out/$kernel" --brief "${names[@]}"
done
