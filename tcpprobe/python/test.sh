#!/bin/bash
# The wheel, built and installed as a user would, and its tests: by pandas alone, then with the readers that are named (pyarrow, polars,
# duckdb). Unoptimized, for that is built sooner; PROFILE=release takes the other. All is in a folder that goes.
#
# Usage: test.sh [READER…]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

for reader in "$@"; do
    case $reader in
        pyarrow | polars | duckdb) ;;
        *) echo "no reader $reader" >&2; exit 2 ;;
    esac
done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
target=$(realpath "${CARGO_TARGET_DIR:-target}")

cargo build --quiet -p tcpprobectl
export TCPPROBECTL=$target/debug/tcpprobectl

python3 -m venv "$scratch/plain"
pip() { "$scratch/$1/bin/pip" install --quiet --disable-pip-version-check "${@:2}"; }
pip plain 'maturin>=1.9.4,<2' pandas mypy pandas-stubs
"$scratch/plain/bin/maturin" build --quiet --locked --profile "${PROFILE:-dev}" -m tcpprobe/python/Cargo.toml \
    --target-dir "$target" --out "$scratch/wheels"

run() { (cd tcpprobe/python/tests && "$scratch/$1/bin/python" -W error::ResourceWarning -m unittest "${@:2}"); }
pip plain --no-deps "$scratch"/wheels/*.whl
! "$scratch/plain/bin/python" -c 'import pyarrow' 2>/dev/null || { echo "pandas alone brings pyarrow" >&2; exit 1; }
# Its types, as an editor sees them.
"$scratch/plain/bin/mypy" --strict --cache-dir "$scratch/mypy" -p tcpprobe -p tcp_probe
# What `.ci/run` names readers of Parquet by is not meant here.
TCPPROBE_READERS='' run plain test_numbers test_types test_errors test_compat test_plot test_example test_interrupt

[ $# -gt 0 ] || exit 0
python3 -m venv "$scratch/readers"
pip readers pandas "$@"
pip readers --no-deps "$scratch"/wheels/*.whl
TCPPROBE_READERS="$*" run readers test_readers
[[ " $* " != *" pyarrow "* ]] || TCPPROBE_READERS=pyarrow run readers test_interrupt
