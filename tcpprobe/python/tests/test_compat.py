"""The calls of tcp_probe: what its own tests asked, and the lines at which it failed."""

import contextlib
import gzip
import io
import os
import pathlib
import shutil
import tempfile
import unittest

import common
import tcp_probe
import tcp_probe.plot
import tcpprobe
from tcpprobe.compat import parser, plot

PROBE = (
    "           iperf3-3829  [003] .... 1892945.576997: tcp_probe: src=10.0.1.1:58760 dest=10.0.0.1:5201 mark=0x0 data_len=0 "
    "snd_nxt=0x35a5a298 snd_una=0x35a4a298 snd_cwnd=10 ssthresh=2147483647 snd_wnd=65536 srtt=105 rcv_wnd=65536 sock_cookie=ab41"
)
RETRANSMISSION = (
    "          <idle>-0     [008] ..s2 1892947.095690: tcp_retransmit_skb: sport=58760 dport=5201 saddr=10.0.1.1 daddr=10.0.0.1 "
    "saddrv6=::ffff:10.0.1.1 daddrv6=::ffff:10.0.0.1 state=TCP_ESTABLISHED"
)
FOUND = {
    "src": "10.0.1.1:58760",
    "dest": "10.0.0.1:5201",
    "mark": 0,
    "data_len": 0,
    "snd_nxt": 900047512,
    "snd_una": 899981976,
    "snd_cwnd": 10,
    "ssthresh": 2147483647,
    "snd_wnd": 65536,
    "srtt": 105,
    "rcv_wnd": 65536,
    "sock_cookie": "ab41",
    "timestamp": 1892945.576997,
    "sport": 58760,
    "dport": 5201,
}


class Lines(unittest.TestCase):
    def test_a_probe(self):
        found = parser.parse_tcp_probe_line(PROBE)
        self.assertEqual(list(found.items()), list(FOUND.items()))
        self.assertEqual(parser.parse_tcp_probe_line(PROBE + " test=test\n")["test"], "test")

    def test_a_retransmission(self):
        found = parser.parse_tcp_retransmit_skb_line(RETRANSMISSION)
        self.assertEqual(
            found,
            {
                "sport": 58760,
                "dport": 5201,
                "saddr": "10.0.1.1",
                "daddr": "10.0.0.1",
                "saddrv6": "::ffff:10.0.1.1",
                "daddrv6": "::ffff:10.0.0.1",
                "state": "TCP_ESTABLISHED",
                "timestamp": 1892947.095690,
            },
        )

    def test_other_events_are_none(self):
        self.assertIsNone(parser.parse_tcp_probe_line(RETRANSMISSION))
        self.assertIsNone(parser.parse_tcp_retransmit_skb_line(PROBE))
        self.assertIsNone(parser.parse_tcp_probe_line("CPU:1 [LOST 2050 EVENTS]"))

    def test_a_line_of_any_event(self):
        found = parser.parse_generic_line(PROBE, {"srtt"}, {"snd_nxt"})
        self.assertEqual((found["srtt"], found["snd_nxt"], found["snd_cwnd"]), (105, 900047512, "10"))
        self.assertEqual(list(found)[-1], "timestamp")

    def test_names_of_commands_are_theirs(self):
        # Blanks moved the fields, and the name was taken for the event.
        for name in ("Web Content", "my tcp_probe", "tcp_probe", "a-b c-1", "x[1] y", "kworker/0:1"):
            for dress in ("", "  ( 3829)", "  (-----)"):
                line = PROBE.replace("iperf3-3829", f"{name}-3829{dress}")
                self.assertEqual(parser.parse_tcp_probe_line(line), FOUND, line)
                line = RETRANSMISSION.replace("<idle>-0", f"{name}-1{dress}")
                self.assertIsNone(parser.parse_tcp_probe_line(line), line)
                self.assertEqual(parser.parse_tcp_retransmit_skb_line(line)["sport"], 58760)
        self.assertEqual(parser.parse_tcp_probe_line(PROBE.replace(" ....", "")), FOUND)

    def test_ipv6(self):
        line = PROBE.replace("10.0.1.1:58760", "[2001:db8::1]:58760")
        self.assertEqual(parser.parse_tcp_probe_line(line)["sport"], 58760)
        self.assertEqual(parser.parse_tcp_probe_line(line)["src"], "[2001:db8::1]:58760")

    def test_lines_that_are_none(self):
        for line in ("tcp_probe", "# tcp_probe: x", PROBE.replace("snd_cwnd=10", "snd_cwnd=many"), PROBE[:60]):
            with self.assertRaises((ValueError, KeyError)):
                parser.parse_tcp_probe_line(line)


class Traces(unittest.TestCase):
    def test_both_tables_are_those_of_the_events(self):
        for path in [common.TEXT, *sorted(common.FIXTURES.glob("captures/*/overrun/trace.txt.gz"))]:
            with self.subTest(path=path):
                probes, retransmissions = parser.parse_trace(str(path))
                events = common.quiet(tcpprobe.open(path).events().to_pandas)
                for found, name in ((probes, "tcp_probe"), (retransmissions, "tcp_retransmit_skb")):
                    wanted = events[events.event == name]
                    self.assertEqual(len(found), len(wanted))
                    for field in ("sport", "dport", "snd_cwnd", "srtt", "snd_nxt") if name == "tcp_probe" else ("sport",):
                        self.assertEqual(list(found[field]), list(wanted[field]), field)
                    if len(found):
                        self.assertTrue(((found.timestamp * 1e9 - wanted.clock_ns.values).abs() < 1001).all())

    def test_lines_that_cannot_be_read_are_printed_and_skipped(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "web.log")
            pathlib.Path(path).write_text(f"# tracer: nop\n{PROBE}\n{PROBE[:90]}\n{RETRANSMISSION}\n")
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                probes, retransmissions = parser.parse_trace(path)
            self.assertEqual((len(probes), len(retransmissions)), (1, 1))
            self.assertIn("Exception parsing line:", said.getvalue())
            self.assertEqual(len(parser.open_trace(path)), 4)
            self.assertEqual(list(parser.open_trace(path))[1], PROBE + "\n")
            with parser.open_trace(path, iterator=True) as lines:
                self.assertEqual(next(lines), "# tracer: nop\n")
            with gzip.open(path + ".gz", "wt") as zipped:
                zipped.write(PROBE)
            self.assertEqual(parser.open_trace(path + ".gz"), [PROBE])
            pathlib.Path(path).write_text("nothing\n")
            self.assertEqual([len(table) for table in parser.parse_trace(path)], [0, 0])
        with self.assertRaisesRegex(ValueError, "tcpprobe.open"):
            parser.open_trace(str(common.TCPP))

    def test_pictures_are_where_they_are_said_to_be(self):
        with tempfile.TemporaryDirectory() as folder:
            trace = os.path.join(folder, "web.gz")
            shutil.copy(common.TEXT, trace)
            os.mkdir(os.path.join(folder, "plots"))
            self.assertEqual(plot.plot_trace(None, trace, True), trace + ".png")
            path = plot.plot_trace("plots", trace, False)
            self.assertEqual(path, os.path.join(folder, "plots", "web.gz.png"))
            for path in (trace + ".png", path):
                self.assertEqual(pathlib.Path(path).read_bytes()[:4], b"\x89PNG")

    def test_the_old_name_has_the_old_calls(self):
        self.assertIs(tcp_probe.parser.parse_trace, parser.parse_trace)
        self.assertIs(tcp_probe.plot.plot_trace, plot.plot_trace)
        from tcp_probe.plot.plot import plot_trace

        self.assertIs(plot_trace, plot.plot_trace)
        for name in parser.__all__:
            self.assertIs(getattr(tcp_probe.parser, name), getattr(parser, name))


if __name__ == "__main__":
    unittest.main()
