"""Traces of the Linux kernel's TCP tracepoints as tables, diagnoses and pictures.

    import tcpprobe

    trace = tcpprobe.open("web.tcpp")          # or ftrace text, either also gzipped
    events = trace.events(filter="sport == 443").to_pandas()
    trace.connections().to_pandas()            # a row each: bytes, retransmissions by cause, RTT, headline
    trace.diagnose()["connections"][0]         # what held it back, on what evidence, and what to do
    trace.plot("web.png")

pyarrow, polars and DuckDB take the tables as they are: ``pyarrow.table(trace.events())``, ``polars.DataFrame(trace.events())``,
``duckdb.from_arrow(trace.events())``. Nothing but the standard library is needed to read, pandas for ``to_pandas``.

Those who come from the package ``tcp_probe`` find its calls in :mod:`tcpprobe.compat`.
"""

from ._native import LossWarning, TraceError, __version__
from ._table import Batch, Column, Table
from ._trace import Trace, open

__all__ = ["Batch", "Column", "LossWarning", "Table", "Trace", "TraceError", "__version__", "open"]
