"""pyarrow, polars and DuckDB take tables as they are, and find the client's numbers. TCPPROBE_READERS says which are here."""

import gzip
import os
import re
import subprocess
import sys
import tempfile
import unittest
import warnings

import common
import tcpprobe

CHECK = common.check()
READERS = os.environ.get("TCPPROBE_READERS", "").split()


def by_pyarrow(trace):
    import pyarrow
    import pyarrow.compute as pc

    read = {name: pyarrow.table(getattr(trace, name)()) for name in CHECK.TABLES}
    events, connections = read["events"], read["connections"]
    field = events.schema.field("srtt")
    assert field.metadata[b"unit"] == b"us" and field.metadata[b"meaning"], field
    assert str(events.schema.field("time").type) == "timestamp[ns]" and str(events.schema.field("saddr").type) == "string"
    for table in read.values():
        table.validate(full=True)
    limits = read["intervals"].group_by("limit").aggregate([("duration_ns", "sum")])
    counts = events.group_by("event").aggregate([("event", "count")])
    srtt = events.filter(pc.field("event") == "tcp_probe")["srtt"]
    return CHECK.found(
        [tuple(row[name] for name in CHECK.ENDS + CHECK.COLUMNS) for row in connections.to_pylist()],
        zip(limits["limit"].to_pylist(), limits["duration_ns_sum"].to_pylist()),
        zip(counts["event"].to_pylist(), counts["event_count"].to_pylist()),
        (len(srtt) - srtt.null_count, pc.min(srtt).as_py(), pc.max(srtt).as_py(), pc.sum(srtt).as_py() or 0),
        pc.sum(read["losses"]["lost"]).as_py(),
    )


def by_polars(trace):
    import polars

    read = {name: polars.DataFrame(getattr(trace, name)()) for name in CHECK.TABLES}
    events, probes = read["events"], read["events"].filter(polars.col("event") == "tcp_probe")
    assert events.schema["time"] == polars.Datetime("ns") and events.schema["saddr"] == polars.String, events.schema
    return CHECK.found(
        read["connections"].select(CHECK.ENDS + CHECK.COLUMNS).iter_rows(),
        read["intervals"].group_by("limit").agg(polars.col("duration_ns").sum()).iter_rows(),
        events.group_by("event").len().iter_rows(),
        (probes["srtt"].count(), probes["srtt"].min(), probes["srtt"].max(), probes["srtt"].sum()),
        read["losses"]["lost"].sum(),
    )


def by_duckdb(trace):
    import duckdb

    connection = duckdb.connect()
    for name in CHECK.TABLES:
        connection.from_arrow(getattr(trace, name)()).create(name)
    types = {name: kind for name, kind, *_ in connection.execute("describe events").fetchall()}
    assert types["time"] == "TIMESTAMP_NS" and types["saddr"] == "VARCHAR" and types["snd_cwnd"] == "BIGINT", types
    return CHECK.by_sql(lambda text: connection.execute(text).fetchall())


KNOWN = {"pyarrow": by_pyarrow, "polars": by_polars, "duckdb": by_duckdb}


class Readers(unittest.TestCase):
    maxDiff = None

    def test_each_reader_finds_the_clients_numbers(self):
        self.assertTrue(READERS, "TCPPROBE_READERS names none")
        for path in common.traces():
            wanted = CHECK.expected(common.PROGRAM, str(path))
            for reader in READERS:
                with self.subTest(path=path, reader=reader):
                    got = common.quiet(lambda reader=reader, path=path: KNOWN[reader](tcpprobe.open(path)))
                    for what in wanted:
                        self.assertEqual(got[what], wanted[what], what)

    @unittest.skipUnless("pyarrow" in READERS, "pyarrow is not asked for")
    def test_pyarrow_and_pandas_see_the_same(self):
        import pandas
        import pyarrow

        for path in (common.TCPP, common.LOSSY, common.RCVBUF):
            trace = tcpprobe.open(path)
            for name in CHECK.TABLES:
                ours = common.quiet(getattr(trace, name)().to_pandas).astype(object)
                theirs = common.quiet(lambda: pyarrow.table(getattr(trace, name)()))
                theirs = pandas.DataFrame({column: pandas.Series(theirs[column].to_pylist(), dtype=object) for column in theirs.column_names})
                for column in ours.columns:
                    if column.endswith("time"):
                        continue
                    a, b = ([None if pandas.isna(value) else value for value in frame[column]] for frame in (ours, theirs))
                    self.assertEqual(a, b, (path, name, column))

    @unittest.skipUnless("pyarrow" in READERS, "pyarrow is not asked for")
    def test_batches_and_schemas_are_taken(self):
        import pyarrow

        events = tcpprobe.open(common.TCPP).events()
        parts = [pyarrow.record_batch(batch) for batch in events]
        whole = pyarrow.table(events)
        self.assertTrue(pyarrow.Table.from_batches(parts).equals(whole))
        self.assertEqual(pyarrow.schema(events), whole.schema)

    @unittest.skipUnless("pyarrow" in READERS, "pyarrow is not asked for")
    def test_what_goes_wrong_on_the_way_is_told(self):
        import pyarrow

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            pyarrow.table(tcpprobe.open(common.LOSSY).events())
        self.assertEqual([warning.category for warning in caught], [tcpprobe.LossWarning])
        self.assertEqual(caught[0].filename, __file__)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with self.assertRaisesRegex(Exception, "2050 events were lost"):
                pyarrow.table(tcpprobe.open(common.LOSSY).events())

    @unittest.skipUnless("pyarrow" in READERS, "pyarrow is not asked for")
    def test_memory_stays_flat(self):
        # 211,200 events: their columns take some 60 MB, what is on the way a few.
        lines = gzip.decompress(common.TEXT.read_bytes()).decode().splitlines(keepends=True)
        time = re.compile(r"(?<= )(\d+)(?=\.\d{6}: )")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "long.txt")
            with open(path, "w") as long:
                for turn in range(100):
                    long.writelines(time.sub(lambda found, turn=turn: str(int(found[0]) + 100 * turn), line) for line in lines)
            program = f"""
import resource, pyarrow, tcpprobe
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = 0
for batch in pyarrow.RecordBatchReader.from_stream(tcpprobe.open({path!r}).events()):
    rows += len(batch)
for batch in tcpprobe.open({path!r}).events():
    rows += len(batch)
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
            said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
            rows, grown_kb = map(int, said.split())
            self.assertEqual(rows, 2 * 100 * 2112)
            self.assertLess(grown_kb, 30_000)


if __name__ == "__main__":
    unittest.main()
