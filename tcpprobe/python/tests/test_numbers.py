"""The numbers are those of the client, by pandas alone."""

import json
import unittest

import common
import tcpprobe

CHECK = common.check()
#: Columns that are the kernel's fields as they are.
FIELDS = "clock_ns cpu pid comm event sport dport mark data_len snd_nxt snd_una snd_cwnd ssthresh snd_wnd srtt rcv_wnd".split()
#: No threshold is set.
INFINITE = 0x7FFFFFFF


def by_pandas(trace):
    read = {name: common.quiet(getattr(trace, name)().to_pandas) for name in CHECK.TABLES}
    events, probes = read["events"], read["events"][read["events"].event == "tcp_probe"]
    srtt = probes.srtt
    some = (srtt.min(), srtt.max(), srtt.sum()) if len(srtt) else (None, None, 0)
    return CHECK.found(
        [
            [None if value is None or value is NA() else value for value in row]
            for row in read["connections"][CHECK.ENDS + CHECK.COLUMNS].astype(object).itertuples(index=False, name=None)
        ],
        read["intervals"].groupby("limit", observed=True).duration_ns.sum().items(),
        events.event.value_counts().items(),
        (srtt.count(), *some),
        read["losses"].lost.sum(),
    )


def NA():
    import pandas

    return pandas.NA


class Numbers(unittest.TestCase):
    maxDiff = None

    def test_sums_are_those_of_summary_and_diagnose(self):
        for path in common.traces():
            with self.subTest(path=path):
                wanted, got = CHECK.expected(common.PROGRAM, str(path)), by_pandas(tcpprobe.open(path))
                for what in wanted:
                    self.assertEqual(got[what], wanted[what], what)

    def test_events_are_those_of_json(self):
        for path in (common.TCPP, common.TEXT, common.LOSSY, common.RCVBUF):
            with self.subTest(path=path):
                said = CHECK.run(common.PROGRAM, "convert", str(path), "--format", "json", "-o", "-").splitlines()
                said = [event for event in map(json.loads, said) if event["event"] is not None]
                events = common.quiet(tcpprobe.open(path).events().to_pandas)
                self.assertEqual(len(events), len(said))
                for name in FIELDS:
                    got = [None if value is NA() else value for value in events[name].astype(object)]
                    wanted = [event.get(name) for event in said]
                    if name == "ssthresh":
                        wanted = [None if value == INFINITE else value for value in wanted]
                    self.assertEqual(got, wanted, name)

    def test_the_report_is_that_of_the_client(self):
        for path in common.traces():
            with self.subTest(path=path):
                wanted = json.loads(CHECK.run(common.PROGRAM, "diagnose", str(path), "--json"))
                self.assertEqual(common.quiet(tcpprobe.open(path).diagnose), wanted)
        self.assertEqual(len(tcpprobe.open(common.TCPP).diagnose(top=1)["connections"]), 1)

    def test_a_filter_and_a_connection_choose_events(self):
        trace = tcpprobe.open(common.TCPP)
        events = trace.events().to_pandas()
        filter = "sport == 5297 && srtt > 20ms"
        got = trace.events(filter=filter).to_pandas()
        said = CHECK.run(common.PROGRAM, "convert", str(common.TCPP), "--filter", filter, "--format", "json", "-o", "-")
        self.assertEqual(list(got.clock_ns), [json.loads(line)["clock_ns"] for line in said.splitlines()])
        wanted = events[(events.event == "tcp_probe") & (events.sport == 5297) & (events.srtt > 20_000)]
        self.assertEqual(list(got[got.event == "tcp_probe"].clock_ns), list(wanted.clock_ns))
        self.assertEqual(len(wanted), 1300)
        some = events[events.event == "tcp_probe"].iloc[0]
        ends = f"{some.saddr}:{some.sport},{some.daddr}:{some.dport}"
        got = trace.connections(connection=ends).to_pandas()
        self.assertTrue(all({some.sport, some.dport} == {a, b} for a, b in zip(got.local_port, got.peer_port)))
        self.assertGreater(len(got), 0)
        self.assertLess(len(got), len(trace.connections().to_pandas()))
        self.assertEqual(len(trace.diagnose(connection=ends)["connections"]), len(got))

    def test_tables_join_by_conn(self):
        trace = tcpprobe.open(common.TCPP)
        events, connections = trace.events().to_pandas(), trace.connections().to_pandas().set_index("conn")
        self.assertEqual(dict(events.conn.value_counts()), dict(connections.events))
        self.assertEqual(set(trace.intervals().to_pandas().conn), set(connections.index))

    def test_batches_are_the_whole(self):
        import pandas

        trace = tcpprobe.open(common.LOSSY)
        for name in CHECK.TABLES:
            table = getattr(trace, name)()
            whole, parts = common.quiet(table.to_pandas), common.quiet(lambda table=table: list(table))
            self.assertEqual(sum(map(len, parts)), len(whole))
            joined = pandas.concat([part.to_pandas().astype(object) for part in parts], ignore_index=True)
            pandas.testing.assert_frame_equal(joined, whole.astype(object), check_dtype=False)


if __name__ == "__main__":
    unittest.main()
