#!/bin/bash
# The numbers of `summary --json` out of Parquet and Perfetto traces, by the readers that are named: pyarrow, duckdb, pandas, polars,
# spark (which needs Java) and perfetto. They are installed into a virtual environment, which goes when all is done.
#
# Usage: run.sh READER…
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

[ $# -gt 0 ] || { echo "usage: $0 READER…" >&2; exit 2; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

packages=()
for reader in "$@"; do
    case $reader in
        # pandas reads Parquet by pyarrow.
        pandas) packages+=(pandas pyarrow) ;;
        spark) packages+=(pyspark) ;;
        perfetto) packages+=(perfetto protobuf) ;;
        pyarrow | duckdb | polars) packages+=("$reader") ;;
        *) echo "no reader $reader" >&2; exit 2 ;;
    esac
done
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"

cargo build --quiet -p tcpprobectl
program=${CARGO_TARGET_DIR:-target}/debug/tcpprobectl
traces=(
    fixtures/traces/version-2.tcpp
    fixtures/captures/*/overrun/trace.txt.gz
    fixtures/captures/7.3.4+deb13-cloud-amd64/*/trace.txt.gz
    fixtures/diagnose/*/trace.tcpp
)
readers=$*
# Spark takes seconds for what others do at once.
[[ " $readers " != *" spark "* ]] || traces=("${traces[@]::2}" fixtures/diagnose/policed-slow/trace.tcpp)
# Spark's own programs take the Python that runs here, and meet on the loopback.
PYSPARK_PYTHON=$scratch/venv/bin/python SPARK_LOCAL_IP=127.0.0.1 \
    "$scratch/venv/bin/python" tcpprobectl/tests/open_data/check.py "$program" "${readers// /,}" "${traces[@]}"
