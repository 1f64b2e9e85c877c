#!/bin/bash
# The truth bench of diagnose: records scenarios whose truth is known, and prints how well it said what happened.
#
#   run.sh [--keep DIR | --score DIR] [--brief] [--workers N] [NAME…]
#
# NAME may have a *; all scenarios by default, four at a time, in some ten minutes. kernels.sh does it on other kernels.
#
# Root, for it makes network namespaces, TUN devices and tracing instances, and removes them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
exec cargo test --quiet -p tcpprobed --test truth -- "$@"
