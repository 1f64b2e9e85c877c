"""How long a trace takes into pandas: the least of several runs, by the clock and of CPU; and how large the process got.

    python measure.py TRACE [RUNS]
"""

import resource
import sys
import time

import pandas  # noqa: F401: not to be measured
import tcpprobe

trace = tcpprobe.open(sys.argv[1])
for name in ("events", "connections", "intervals"):
    seconds, of_cpu, rows = [], [], 0
    for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 5):
        begun, used = time.perf_counter(), time.process_time()
        rows = len(getattr(trace, name)().to_pandas())
        seconds.append(time.perf_counter() - begun)
        of_cpu.append(time.process_time() - used)
    print(f"{name}: {rows} rows in {min(seconds):.3f} s (median {sorted(seconds)[len(seconds) // 2]:.3f}), {min(of_cpu):.3f} s of CPU")
print(f"resident at most: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")
