"""From a trace to a figure and a table: why was it slow?

    python why_slow.py fixtures/diagnose/rcvbuf/trace.tcpp .

Each part is a cell of a notebook. It needs pandas; the figure is tcpprobe's own.
"""

# %% The trace: .tcpp, or ftrace text, gzipped or not.
import pathlib
import sys

import tcpprobe

trace = tcpprobe.open(sys.argv[1])
folder = pathlib.Path(sys.argv[2])

# %% Its connections, those with the most data first. A row each; `columns` tells units and meanings.
connections = trace.connections().to_pandas().set_index("conn")
connections["bytes"] = connections.bytes_acked + connections.bytes_received
connections = connections.sort_values("bytes", ascending=False)
print(connections[["local_address", "peer_address", "bytes", "loss", "srtt_median", "headline"]].to_string())

# %% What held each of them back, in seconds: a connection's intervals are its life, without a gap.
intervals = trace.intervals().to_pandas()
seconds = intervals.pivot_table("duration_ns", "conn", "limit", "sum", fill_value=0, observed=True) / 1e9
print(seconds.round(2).to_string())
seconds.join(connections[["headline", "retransmissions", "bytes"]]).to_csv(folder / "trace.csv")

# %% In words: on what evidence, and what to do.
for found in trace.diagnose(top=3)["connections"]:
    headline = found["headline"]
    print(f"{found['local']} → {found['peer']}: {headline['limit'].replace('_', ' ')}, {headline['share']:.0%}")
    print(f"  {found['evidence']}\n  → {found['remedy']}")

# %% The figure.
print("see", trace.plot(folder / "trace.png"))

# %% Numbers of one's own: how the window of the largest connection grew, by the second.
largest = connections.index[0]
events = trace.events().to_pandas()
probes = events[(events.conn == largest) & (events.event == "tcp_probe")]
second = ((probes.clock_ns - probes.clock_ns.min()) // 1_000_000_000).rename("second")
print(probes.groupby(second)[["snd_cwnd", "srtt", "in_flight_bytes"]].max().head(10).to_string())

# %% With matplotlib, where it is installed, the same as a curve:
#     probes.plot("time", ["snd_cwnd", "ssthresh"], drawstyle="steps-post")
