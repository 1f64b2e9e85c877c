"""What the columns are in pandas, and what the package says of itself."""

import ast
import inspect
import pathlib
import unittest

import common
import tcpprobe
from tcpprobe import _native

TABLES = ["events", "connections", "intervals", "losses"]
DTYPES = {
    ("TIMESTAMP(ns)", True): {"datetime64[ns]"},
    ("INT32", False): {"int32"},
    ("INT64", False): {"int64"},
    ("INT32", True): {"Int32"},
    ("INT64", True): {"Int64"},
    ("DOUBLE", False): {"float64"},
    ("BOOLEAN", False): {"bool"},
}
TEXTS = {"object", "str"}


class Types(unittest.TestCase):
    def test_each_column_has_the_type_that_is_promised(self):
        for path in (common.TCPP, common.LOSSY):
            trace = tcpprobe.open(path)
            for name in TABLES:
                table = getattr(trace, name)()
                read = common.quiet(table.to_pandas)
                self.assertEqual(list(read.columns), [column.name for column in table.columns])
                for column in table.columns:
                    is_category = name in ("events", "intervals") and column.name != "fields"
                    texts = {"category"} if is_category else TEXTS
                    wanted = texts if column.type == "STRING" else DTYPES[column.type, column.nullable]
                    self.assertIn(str(read[column.name].dtype), wanted, (name, column))

    def test_what_is_null_is_null(self):
        import pandas

        events = common.quiet(tcpprobe.open(common.LOSSY).events().to_pandas)
        # Text does not tell the time of day, and a retransmission has no window.
        self.assertTrue(events.time.isna().all())
        self.assertTrue(events[events.event != "tcp_probe"].snd_cwnd.isna().all())
        self.assertTrue(events[events.event == "tcp_probe"].snd_cwnd.notna().all())
        self.assertTrue(events[events.event == "tcp_probe"].state.isna().all())
        tcpp = tcpprobe.open(common.RCVBUF).events().to_pandas()
        self.assertTrue(tcpp.time.notna().all())
        self.assertGreater(tcpp.time.min(), pandas.Timestamp("2026-01-01"))
        # 64 bits are 64 bits.
        self.assertTrue((tcpp.sock_cookie.dropna() == tcpp.sock_cookie.dropna().astype("int64")).all())

    def test_numbers_can_be_written(self):
        events = tcpprobe.open(common.TCPP).events().to_pandas()
        events.loc[0, "clock_ns"] = 1
        events["sport"] += 1
        self.assertEqual(events.clock_ns[0], 1)

    def test_an_empty_table_has_its_columns(self):
        trace = tcpprobe.open(common.TCPP)
        for name in TABLES:
            table = trace.losses() if name == "losses" else getattr(trace, name)(filter="sport == 1")
            read = table.to_pandas()
            self.assertEqual((len(read), list(read.columns)), (0, [column.name for column in table.columns]), name)
            self.assertEqual(sum(map(len, table)), 0)
        self.assertEqual(trace.diagnose(filter="sport == 1")["connections"], [])

    def test_units_are_told(self):
        units = {column.name: column.unit for column in tcpprobe.open(common.TCPP).events().columns}
        self.assertEqual((units["srtt"], units["snd_cwnd"], units["snd_wnd"]), ("us", "packets", "bytes"))

    def test_all_that_is_public_says_what_it_is(self):
        for name in tcpprobe.__all__:
            thing = getattr(tcpprobe, name)
            if inspect.isclass(thing) or callable(thing):
                self.assertTrue(thing.__doc__, name)
            if thing in (tcpprobe.Trace, tcpprobe.Table, tcpprobe.Batch):
                for member, value in vars(thing).items():
                    if not member.startswith("_") and callable(value):
                        self.assertTrue(value.__doc__, f"{name}.{member}")

    def test_the_stubs_have_what_the_native_part_has(self):
        folder = pathlib.Path(tcpprobe.__file__).parent
        self.assertTrue((folder / "py.typed").is_file())
        stubs = ast.parse((folder / "_native.pyi").read_text())
        told = {node.name: node for node in stubs.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
        public = {name for name in vars(_native) if not name.startswith("_")}
        self.assertEqual(set(told), public)
        for name in ("Rows", "Batch", "Batches"):
            members = {node.name for node in told[name].body if isinstance(node, ast.FunctionDef)}
            own = {member for member in vars(getattr(_native, name)) if not member.startswith("_")}
            self.assertEqual({member for member in members if not member.startswith("_")}, own)
        for name in ("check", "columns", "diagnose", "plot"):
            arguments = told[name].args
            names = [argument.arg for argument in [*arguments.args, *arguments.kwonlyargs]]
            self.assertEqual(names, list(inspect.signature(getattr(_native, name)).parameters), name)


if __name__ == "__main__":
    unittest.main()
