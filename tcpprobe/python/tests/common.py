"""Where things are, for the tests."""

import importlib.util
import os
import pathlib

TOP = pathlib.Path(__file__).resolve().parents[3]
FIXTURES = TOP / "fixtures"
#: The client, whose numbers ours are compared with.
PROGRAM = os.environ.get("TCPPROBECTL", str(TOP / "target/debug/tcpprobectl"))

TCPP = FIXTURES / "traces/version-2.tcpp"
TEXT = FIXTURES / "captures/6.18.44-fc-v669/ipv4-loss2/trace.txt.gz"
LOSSY = FIXTURES / "captures/6.18.44-fc-v669/overrun/trace.txt.gz"
RCVBUF = FIXTURES / "diagnose/rcvbuf/trace.tcpp"


def check():
    """What other readers' numbers are compared by, beside the client."""
    path = TOP / "tcpprobectl/tests/open_data/check.py"
    spec = importlib.util.spec_from_file_location("check", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def traces():
    """Of each kind: .tcpp of two versions with and without snapshots, text of an old and a new kernel, what perf and trace-cmd recorded, losses."""
    return [
        TCPP,
        LOSSY,
        *sorted(FIXTURES.glob("captures/7.3.4+deb13-cloud-amd64/*/trace.txt.gz")),
        *sorted(FIXTURES.glob("captures/5.10.0-46-cloud-amd64/*/trace.txt.gz")),
        *sorted(FIXTURES.glob("diagnose/*/trace.tcpp")),
        *(FIXTURES / "foreign" / name for name in ("perf.data.gz", "perf-lost.data.gz", "trace-cmd-v6.dat.gz", "trace-cmd-v7-lost.dat.gz")),
    ]


def quiet(function):
    """What a function gives, whatever it warns of."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function()
