"""A picture of a trace, where ``tcp_probe.plot`` left it."""

from __future__ import annotations

import os

from .._trace import open as open_trace

__all__ = ["plot_trace"]


def plot_trace(output_dir: str | None, trace_path: str, normalize_time: bool = True) -> str:
    """Draws a trace, and returns the picture's path: the trace's with ``.png``, or of that name in ``output_dir``, a folder
    beside the trace (or an absolute path).

    What is different: the picture is this package's, and always a PNG, where ``tcp_probe`` made a ``.jpg`` with an ``output_dir``.
    Port 22 is left out of all of it.
    """
    if output_dir is None:
        path = f"{trace_path}.png"
    else:
        path = os.path.join(os.path.dirname(trace_path), output_dir, f"{os.path.basename(trace_path)}.png")
    return open_trace(trace_path).plot(path, raw_time=not normalize_time)
