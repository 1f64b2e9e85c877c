"""What is wrong comes as an exception that says what, where, and what to do; what is missing as a warning."""

import gzip
import os
import pathlib
import sys
import tempfile
import threading
import unittest
import warnings

import common
import tcpprobe
from tcpprobe import _native


class Errors(unittest.TestCase):
    def fails(self, kind, words, function, *arguments, **named):
        with self.assertRaises(kind) as caught:
            function(*arguments, **named)
        self.assertIs(type(caught.exception), kind)
        for word in words:
            self.assertIn(word, str(caught.exception))
        return caught.exception

    def test_files_that_cannot_be_read(self):
        error = self.fails(FileNotFoundError, ["/no/such.tcpp"], tcpprobe.open, "/no/such.tcpp")
        self.assertEqual((error.filename, error.errno), ("/no/such.tcpp", 2))
        self.fails(FileNotFoundError, [], tcpprobe.open, pathlib.Path("/no/such.tcpp"))
        self.fails(IsADirectoryError, ["/tmp"], tcpprobe.open, "/tmp")
        self.fails(TypeError, [], tcpprobe.open, 7)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "gone.tcpp")
            path.write_bytes(common.TCPP.read_bytes())
            trace = tcpprobe.open(path)
            path.unlink()
            self.fails(FileNotFoundError, [str(path)], trace.events().to_pandas)
            self.fails(FileNotFoundError, [str(path)], trace.events().__arrow_c_stream__)
            self.fails(FileNotFoundError, [str(path)], iter, trace.events())
            self.fails(FileNotFoundError, [str(path)], trace.diagnose)
            self.fails(FileNotFoundError, [str(path)], trace.plot, os.path.join(folder, "x.png"))

    def test_files_that_are_no_traces(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "x.pcap")
            path.write_bytes(bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000") + bytes(100))
            self.fails(tcpprobe.TraceError, [str(path), "packet capture", "; "], tcpprobe.open, path)
            path.write_bytes(gzip.compress(path.read_bytes()))
            self.fails(tcpprobe.TraceError, ["packet capture"], tcpprobe.open, path)
            self.assertTrue(issubclass(tcpprobe.TraceError, ValueError))

    def test_arguments_that_mean_nothing(self):
        trace = tcpprobe.open(common.TCPP)
        error = self.fails(ValueError, ["column 7", "write =="], trace.events, filter="sport = 80")
        self.assertEqual(str(error).splitlines()[1:3], ["  sport = 80", "        ^"])
        self.fails(ValueError, ["sprot"], trace.events(filter="sprot == 80").to_pandas)
        self.fails(ValueError, ["connections()"], trace.events, filter="unit == nginx.service")
        self.fails(ValueError, ["connections()"], trace.diagnose, filter="limit == timeout")
        self.fails(ValueError, ["ADDR:PORT"], trace.connections, connection="somewhere")
        self.fails(ValueError, ["events, connections"], _native.Rows, common.TCPP, "packets")

    def test_a_clock_that_counts_no_time(self):
        trace = tcpprobe.open(common.FIXTURES / "wild/clock-counter.txt")
        events = common.quiet(trace.events().to_pandas)
        self.assertIn("clock_ticks", events.columns)
        self.assertGreater(len(events), 0)
        for function in (trace.connections().to_pandas, trace.diagnose, lambda: trace.plot("/tmp/never.png")):
            self.fails(tcpprobe.TraceError, ["events()"], function)
        self.assertFalse(os.path.exists("/tmp/never.png"))

    def test_without_pandas_it_is_said(self):
        kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "pandas"}
        sys.modules["pandas"] = None
        try:
            self.fails(ImportError, ["pip install pandas"], tcpprobe.open(common.TCPP).events().to_pandas)
        finally:
            del sys.modules["pandas"]
            sys.modules.update(kept)

    def test_a_defect_is_an_exception(self):
        self.fails(RuntimeError, ["a defect in tcpprobe", "of a test"], _native._fail, "of a test")


class Losses(unittest.TestCase):
    def warned(self, function):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            function()
        for warning in caught:
            self.assertIs(warning.category, tcpprobe.LossWarning)
            self.assertEqual(warning.filename, __file__)
        return [str(warning.message) for warning in caught]

    def test_lost_events_are_told_by_each_reading(self):
        trace = tcpprobe.open(common.LOSSY)
        with tempfile.TemporaryDirectory() as folder:
            for function in (
                lambda: trace.events().to_pandas(),
                lambda: list(trace.connections()),
                lambda: trace.diagnose(),
                lambda: trace.plot(os.path.join(folder, "x.png")),
            ):
                (words,) = self.warned(function)
                self.assertIn("2050 events were lost", words)
                self.assertIn("losses()", words)
        self.assertEqual(common.quiet(trace.losses().to_pandas).lost.sum(), 2050)

    def test_nothing_is_told_where_nothing_is_missing(self):
        trace = tcpprobe.open(common.TCPP)
        self.assertEqual(self.warned(lambda: (trace.events().to_pandas(), trace.diagnose(), list(trace.intervals()))), [])

    def test_a_file_that_is_cut_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "cut.tcpp")
            path.write_bytes(common.TCPP.read_bytes()[:9000])
            (words,) = self.warned(lambda: tcpprobe.open(path).events().to_pandas())
            self.assertIn(str(path), words)
        (words,) = self.warned(tcpprobe.open(common.FIXTURES / "wild/ctrl-c-cut.txt.gz").events().to_pandas)
        self.assertIn("gzip", words)

    def test_a_warning_that_is_made_an_error_is_one(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for function in (tcpprobe.open(common.LOSSY).events().to_pandas, tcpprobe.open(common.LOSSY).diagnose):
                with self.assertRaises(tcpprobe.LossWarning):
                    function()


class Threads(unittest.TestCase):
    def test_many_read_at_once(self):
        table, found = tcpprobe.open(common.TCPP).events(), []
        threads = [threading.Thread(target=lambda: found.append(len(table.to_pandas()))) for _ in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        self.assertEqual(found, [2112] * 8)

    def test_what_reads_does_not_hold_the_interpreter(self):
        # Who writes into the pipe is of the same interpreter: were it held, neither would end.
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "pipe")
            for read in (
                lambda: len(tcpprobe.open(path).events().to_pandas()),
                lambda: sum(map(len, tcpprobe.open(path).events())),
                lambda: sum(map(lambda _: 528, tcpprobe.open(path).diagnose()["connections"])),
            ):
                os.mkfifo(path)
                writer = threading.Thread(target=path.write_bytes, args=[common.TCPP.read_bytes()])
                writer.start()
                self.assertEqual(read(), 2112)
                writer.join()
                path.unlink()


if __name__ == "__main__":
    unittest.main()
