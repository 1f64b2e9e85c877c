"""How long a trace takes into pandas: the least of several runs, and how large the process got.

    python measure.py TRACE [RUNS]
"""

import resource
import sys
import time

import pandas  # noqa: F401: not to be measured
import tcpprobe

trace = tcpprobe.open(sys.argv[1])
for name in ("events", "connections", "intervals"):
    seconds, rows = [], 0
    for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 5):
        begun = time.perf_counter()
        rows = len(getattr(trace, name)().to_pandas())
        seconds.append(time.perf_counter() - begun)
    print(f"{name}: {rows} rows in {min(seconds):.3f} s (median {sorted(seconds)[len(seconds) // 2]:.3f})")
print(f"resident at most: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")
