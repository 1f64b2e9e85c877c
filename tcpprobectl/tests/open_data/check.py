"""The numbers of `summary --json` and `diagnose --json`, out of Parquet by each reader that is installed, and out of a Perfetto trace.

Usage: check.py TCPPROBECTL READER,READER… TRACE…
READER is pyarrow, duckdb, pandas, polars, spark or perfetto; one that is named must be installed.
"""

import json
import math
import pathlib
import subprocess
import sys
import tempfile
import zlib

CAUSES = ["fast", "timeout", "slow_start", "tail_loss_probe", "syn", "syn_ack", "mtu", "window_probe"]
TABLES = ["events", "connections", "intervals", "losses"]


def run(program, *arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    # 6: done, but events were lost.
    assert done.returncode in (0, 6), (arguments, done.stderr)
    return done.stdout


def expected(program, trace):
    """What the program says of a trace: of each connection, and of all."""
    summary = json.loads(run(program, "summary", trace, "--json", "--top", "1000000"))
    assert summary["untracked"] == 0
    rows = {}
    for row in summary["rows"]:
        rows.setdefault(row["key"], []).append(
            (
                row["events"],
                row["duration_ns"],
                row["bytes_acked"],
                row["bytes_received"],
                row["segments"],
                row["retransmissions"],
                *[row["causes"][cause] for cause in CAUSES],
                *[row["causes"][name] for name in ("spurious", "not_sent", "again")],
                *[row["srtt_us"][name] for name in ("min", "median", "p95")],
                *[row["cwnd"][name] for name in ("min", "median", "p95")],
                row["headline"],
                round(row["loss"], 9),
                round(row["headline_share"], 9),
            )
        )
    limits = {}
    for connection in json.loads(run(program, "diagnose", trace, "--json"))["connections"]:
        for interval in connection["intervals"]:
            limits[interval["limit"]] = limits.get(interval["limit"], 0) + interval["to_ns"] - interval["from_ns"]
    events, srtts, lost = {}, [], 0
    for line in run(program, "convert", trace, "--format", "json", "-o", "-").splitlines():
        event = json.loads(line)
        if event["event"] is None:
            lost += event["lost"] or 0
            continue
        events[event["event"]] = events.get(event["event"], 0) + 1
        if event["event"] == "tcp_probe":
            srtts.append(event["srtt"])
    return {
        "connections": {key: sorted(rows, key=str) for key, rows in rows.items()},
        "limits": limits,
        "events": events,
        "srtt": (len(srtts), min(srtts, default=None), max(srtts, default=None), sum(srtts)),
        "lost": lost,
    }


COLUMNS = (
    ["events", "duration_ns", "bytes_acked", "bytes_received", "segments", "retransmissions"]
    + ["retransmissions_" + cause for cause in CAUSES]
    + ["spurious", "not_sent", "again", "srtt_min", "srtt_median", "srtt_p95", "cwnd_min", "cwnd_median", "cwnd_p95"]
    + ["headline", "loss", "headline_share"]
)
ENDS = ["local_address", "local_port", "peer_address", "peer_port"]


def plain(value):
    """A value as Python has it: readers give NaN for null, and numbers of their own."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) or hasattr(value, "dtype"):
        if math.isnan(value):
            return None
        return round(float(value), 9) if float(value) != int(value) else int(value)
    return value


def end(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def found(connections, limits, events, srtt, lost):
    """What a reader found, in the form of `expected`: rows of ENDS + COLUMNS, and pairs."""
    rows = {}
    for row in connections:
        ends, values = row[: len(ENDS)], [plain(value) for value in row[len(ENDS) :]]
        key = f"{end(ends[0], int(ends[1]))} → {end(ends[2], int(ends[3]))}"
        rows.setdefault(key, []).append(tuple(round(v, 9) if isinstance(v, float) else v for v in values))
    return {
        "connections": {key: sorted(rows, key=str) for key, rows in rows.items()},
        "limits": {limit: int(ns) for limit, ns in limits if ns},
        "events": {event: int(count) for event, count in events},
        "srtt": tuple(plain(value) for value in srtt),
        "lost": int(plain(lost) or 0),
    }


PROBES = "event = 'tcp_probe'"


def by_sql(query):
    """With a function that gives the rows of a query over the tables."""
    return found(
        query(f"select {', '.join(ENDS + COLUMNS)} from connections"),
        query('select "limit", sum(duration_ns) from intervals group by 1'),
        query("select event, count(*) from events group by 1"),
        query(f"select count(srtt), min(srtt), max(srtt), coalesce(sum(srtt), 0) from events where {PROBES}")[0],
        query("select sum(lost) from losses")[0][0],
    )


def by_duckdb(folder):
    import duckdb

    connection = duckdb.connect()
    for table in TABLES:
        connection.execute(f"create view {table} as select * from '{folder}/{table}.parquet'")
    types = {name: kind for name, kind, *_ in connection.execute("describe events").fetchall()}
    assert types["time"] == "TIMESTAMP_NS" and types["saddr"] == "VARCHAR" and types["snd_cwnd"] == "BIGINT", types
    # The tables join.
    joined = connection.execute(
        "select count(*) from connections c where c.events != (select count(*) from events e where e.conn = c.conn)"
        " or c.bytes_acked != (select coalesce(max(acked_bytes), 0) from events e where e.conn = c.conn)"
    ).fetchall()[0][0]
    assert joined == 0, joined
    return by_sql(lambda text: connection.execute(text).fetchall())


def by_pyarrow(folder):
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    read = {table: pq.read_table(f"{folder}/{table}.parquet") for table in TABLES}
    for table in TABLES:
        file = pq.ParquetFile(f"{folder}/{table}.parquet")
        assert file.metadata.metadata[b"tcpprobe.schema_version"] == b"2"
        assert b"tcpprobe.lost" in file.metadata.metadata and b"tcpprobe.kernel" in file.metadata.metadata
        for field in file.schema_arrow:
            assert field.metadata[b"meaning"], field
    assert read["events"].schema.field("srtt").metadata[b"unit"] == b"us"
    events, limits = read["events"], read["intervals"].group_by("limit").aggregate([("duration_ns", "sum")])
    counts = events.group_by("event").aggregate([("event", "count")])
    srtt = events.filter(pc.field("event") == "tcp_probe")["srtt"]
    rows = [tuple(row[name] for name in ENDS + COLUMNS) for row in read["connections"].select(ENDS + COLUMNS).to_pylist()]
    some = len(srtt) - srtt.null_count
    return found(
        rows,
        zip(limits["limit"].to_pylist(), limits["duration_ns_sum"].to_pylist()),
        zip(counts["event"].to_pylist(), counts["event_count"].to_pylist()),
        (some, pc.min(srtt).as_py(), pc.max(srtt).as_py(), pc.sum(srtt).as_py() or 0),
        pc.sum(read["losses"]["lost"]).as_py(),
    )


def by_pandas(folder):
    import pandas

    read = {table: pandas.read_parquet(f"{folder}/{table}.parquet") for table in TABLES}
    events, probes = read["events"], read["events"][read["events"].event == "tcp_probe"]
    assert str(events.time.dtype) == "datetime64[ns]", events.dtypes
    return found(
        read["connections"][ENDS + COLUMNS].astype(object).itertuples(index=False, name=None),
        read["intervals"].groupby("limit").duration_ns.sum().items(),
        events.event.value_counts().items(),
        (probes.srtt.count(), probes.srtt.min(), probes.srtt.max(), probes.srtt.sum()),
        read["losses"].lost.sum(),
    )


def by_polars(folder):
    import polars

    read = {table: polars.read_parquet(f"{folder}/{table}.parquet") for table in TABLES}
    events, probes = read["events"], read["events"].filter(polars.col("event") == "tcp_probe")
    assert events.schema["time"] == polars.Datetime("ns"), events.schema
    return found(
        read["connections"].select(ENDS + COLUMNS).iter_rows(),
        read["intervals"].group_by("limit").agg(polars.col("duration_ns").sum()).iter_rows(),
        events.group_by("event").len().iter_rows(),
        (probes["srtt"].count(), probes["srtt"].min(), probes["srtt"].max(), probes["srtt"].sum()),
        read["losses"]["lost"].sum(),
    )


SPARK = []


def by_spark(folder):
    from pyspark.sql import SparkSession

    if not SPARK:
        builder = SparkSession.builder.master("local-cluster[1,1,1024]").config("spark.ui.enabled", "false")
        # Small tables, on a machine that may be busy.
        builder = builder.config("spark.sql.shuffle.partitions", "1").config("spark.network.timeout", "600s")
        # Spark has no times of nanoseconds: with this it takes them as numbers.
        builder = builder.config("spark.sql.legacy.parquet.nanosAsLong", "true")
        builder = builder.config("spark.sql.ansi.doubleQuotedIdentifiers", "true").config("spark.sql.ansi.enabled", "true")
        builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
        SPARK.append(builder.getOrCreate())
    for table in TABLES:
        SPARK[0].read.parquet(f"{folder}/{table}.parquet").createOrReplaceTempView(table)
    return by_sql(lambda text: [tuple(row) for row in SPARK[0].sql(text).collect()])


def packets(messages, path):
    """The packets of a Perfetto trace, unpacked."""
    for packet in messages.Trace.FromString(path.read_bytes()).packet:
        if packet.compressed_packets:
            yield from messages.Trace.FromString(zlib.decompress(packet.compressed_packets)).packet
        else:
            yield packet


def unknown(message):
    """Fields that the messages of Perfetto do not have."""
    from google.protobuf.unknown_fields import UnknownFieldSet

    names = [(message.DESCRIPTOR.name, field.field_number) for field in UnknownFieldSet(message)]
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for one in [value] if hasattr(value, "ListFields") else value:
                names += unknown(one)
    return names


def check_perfetto(path, wanted, lost):
    from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as messages

    tracks, names, arguments, counters, slices, instants, open_slices = {}, {}, {}, {}, {}, {}, {}
    for packet in packets(messages, path):
        assert not unknown(packet), (unknown(packet), packet)
        assert packet.trusted_packet_sequence_id == 1
        for name in packet.interned_data.event_names:
            assert name.iid and name.iid not in names
            names[name.iid] = name.name
        for name in packet.interned_data.debug_annotation_names:
            assert name.iid and name.iid not in arguments
            arguments[name.iid] = name.name
        if packet.HasField("track_descriptor"):
            track = packet.track_descriptor
            assert track.uuid and track.uuid not in tracks, track
            assert not track.parent_uuid or track.parent_uuid in tracks, track
            tracks[track.uuid] = track
        if packet.HasField("track_event"):
            event, track = packet.track_event, tracks[packet.track_event.track_uuid]
            assert packet.HasField("timestamp")
            said = {arguments[a.name_iid]: a.uint_value or a.bool_value for a in event.debug_annotations}
            if event.type == event.TYPE_COUNTER:
                assert track.HasField("counter")
                counters.setdefault(track.uuid, []).append((packet.timestamp, event.counter_value))
            elif event.type == event.TYPE_SLICE_BEGIN:
                assert track.uuid not in open_slices, "slices of a track do not overlap"
                open_slices[track.uuid] = (packet.timestamp, names[event.name_iid], said)
            elif event.type == event.TYPE_SLICE_END:
                begun, name, said = open_slices.pop(track.uuid)
                slices.setdefault(track.uuid, []).append((packet.timestamp - begun, name, said))
            else:
                assert event.type == event.TYPE_INSTANT
                instants.setdefault(track.uuid, []).append((names[event.name_iid], said["count"]))
    assert not open_slices
    limits, of_losses, causes, acked, received = {}, 0, {}, {}, {}
    tops = {uuid for uuid, track in tracks.items() if not track.parent_uuid}
    for uuid, track in tracks.items():
        if uuid in tops:
            continue
        top = tracks[track.parent_uuid]
        for duration, name, said in slices.get(uuid, []):
            if top.name == "lost events":
                of_losses += said.get("events", 0)
            else:
                assert track.name == "limit"
                limits[name] = limits.get(name, 0) + duration
        for name, count in instants.get(uuid, []):
            assert track.name == "retransmissions"
            causes[name] = causes.get(name, 0) + count
        values = counters.get(uuid, [])
        assert all(a != b for (_, a), (_, b) in zip(values, values[1:])), "only changes are written"
        if track.name in ("acknowledged", "received"):
            sums = acked if track.name == "acknowledged" else received
            sums.setdefault(top.name, []).append(values[-1][1] if values else 0)
        if track.HasField("counter"):
            keys = {"congestion window": "packets", "ssthresh": "packets", "in flight": "bytes", "peer's window": "bytes"}
            assert track.counter.y_axis_share_key == keys.get(track.name, track.counter.y_axis_share_key)
    place = COLUMNS.index
    total = {cause: 0 for cause in CAUSES}
    for rows in wanted["connections"].values():
        for row in rows:
            for cause in CAUSES:
                total[cause] += row[place("retransmissions_" + cause)]
    sums = lambda name: {key: sorted(row[place(name)] for row in rows) for key, rows in wanted["connections"].items()}
    assert {key: sorted(values) for key, values in acked.items()} == sums("bytes_acked")
    assert {key: sorted(values) for key, values in received.items()} == sums("bytes_received")
    assert causes == {cause: count for cause, count in total.items() if count}, (causes, total)
    assert limits == wanted["limits"], (limits, wanted["limits"])
    assert of_losses == lost, (of_losses, lost)


READERS = {"pyarrow": by_pyarrow, "duckdb": by_duckdb, "pandas": by_pandas, "polars": by_polars, "spark": by_spark}


def main(program, readers, *traces):
    checked = 0
    with tempfile.TemporaryDirectory() as scratch:
        for number, trace in enumerate(traces):
            wanted = expected(program, trace)
            folder, drawn = pathlib.Path(scratch, f"{number}"), pathlib.Path(scratch, f"{number}.pftrace")
            run(program, "convert", trace, "--format", "parquet", "-o", str(folder))
            for reader in readers.split(","):
                if reader == "perfetto":
                    run(program, "convert", trace, "-o", str(drawn))
                    check_perfetto(drawn, wanted, wanted["lost"])
                else:
                    got = READERS[reader](folder)
                    for what in wanted:
                        assert got[what] == wanted[what], f"{trace}, {reader}, {what}: {got[what]}, not {wanted[what]}"
                checked += 1
    print(f"{checked} passed, 0 failed")


if __name__ == "__main__":
    main(*sys.argv[1:])
