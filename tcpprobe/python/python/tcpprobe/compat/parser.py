"""Lines of ftrace text as dictionaries, as ``tcp_probe.parser`` had them.

What is different: the name of a command may have blanks, and the word ``tcp_probe`` in it; such lines failed there.
"""

from __future__ import annotations

import gzip
import io
import re
import sys
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

__all__ = [
    "open_trace",
    "parse_generic_line",
    "parse_tcp_probe_line",
    "parse_tcp_retransmit_skb_line",
    "parse_trace",
]

# COMM-PID (TGID) [CPU] FLAGS TIME: EVENT: FIELDS; the thread group and the flags are not always there.
_LINE = re.compile(
    r"\s*(?P<comm>.*)-\d+\s+(?:\([\s\d-]+\)\s+)?\[\d+\]\s+(?:[^\s:]+\s+)?(?P<time>\d+(?:\.\d+)?):\s+(?P<event>\w+):(?P<fields>.*)",
    re.DOTALL,
)
_INTEGERS = frozenset(["rcv_wnd", "snd_cwnd", "snd_wnd", "srtt", "ssthresh", "data_len"])
_HEX = frozenset(["snd_nxt", "snd_una", "mark"])
_PORTS = frozenset(["sport", "dport"])
_GZIP = b"\x1f\x8b"


def open_trace(f: str, iterator: bool = False) -> Any:
    """The lines of a text trace, a list, or a file to iterate over; gzip is undone, whatever the name ends in."""
    with open(f, "rb") as raw:
        start = raw.read(4)
    if start == b"TCPP":
        raise ValueError(f"{f} is a .tcpp trace, and no text; tcpprobe.open() reads it, `tcpprobectl convert` makes text of it")
    binary: Any = gzip.open(f) if start.startswith(_GZIP) else open(f, "rb")
    lines = io.TextIOWrapper(binary, encoding="utf-8", errors="replace")
    if iterator:
        return lines
    with lines:
        return list(lines)


def _parts(line: str) -> tuple[str, str, str]:
    found = _LINE.match(line)
    if found is None:
        raise ValueError(f"no line of ftrace text: {line.strip()!r}")
    return found["time"], found["event"], found["fields"]


def _pairs(fields: str) -> Iterator[tuple[str, str]]:
    name, value = "", ""
    for word in fields.split():
        key, equals, rest = word.partition("=")
        if equals:
            if name:
                yield name, value
            name, value = key, rest
        elif name:
            # A blank in a value.
            value += " " + word
        else:
            raise ValueError(f"no NAME=VALUE: {word!r}")
    if name:
        yield name, value


def _data(time: str, fields: str, integers: Collection[str], hexadecimals: Collection[str]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for name, value in _pairs(fields):
        if name in integers:
            data[name] = int(value)
        elif name in hexadecimals:
            data[name] = int(value, 16)
        else:
            data[name] = value
    data["timestamp"] = float(time)
    return data


def parse_generic_line(
    line: str, integer_fields: Collection[str] = frozenset(), hex_fields: Collection[str] = frozenset()
) -> dict[str, Any]:
    """The fields of an event, in their order, all as text but those that are said to be numbers; then ``timestamp``, seconds."""
    time, _, fields = _parts(line)
    return _data(time, fields, integer_fields, hex_fields)


def parse_tcp_probe_line(line: str) -> dict[str, Any] | None:
    """A ``tcp_probe`` event with numbers as numbers, ``sport`` and ``dport``; ``None`` for a line of another event.

    ``src`` and ``dest`` are ``address:port``, ``srtt`` is microseconds, ``snd_cwnd`` and ``ssthresh`` packets, windows bytes; ``sock_cookie``
    is hexadecimal text.
    """
    if "tcp_probe" not in line:
        return None
    time, event, fields = _parts(line)
    if event != "tcp_probe":
        return None
    data = _data(time, fields, _INTEGERS, _HEX)
    data["sport"] = int(data["src"].rpartition(":")[2])
    data["dport"] = int(data["dest"].rpartition(":")[2])
    return data


def parse_tcp_retransmit_skb_line(line: str) -> dict[str, Any] | None:
    """A ``tcp_retransmit_skb`` event, all text but the ports; ``None`` for a line of another event."""
    if "tcp_retransmit_skb" not in line:
        return None
    time, event, fields = _parts(line)
    return _data(time, fields, _PORTS, ()) if event == "tcp_retransmit_skb" else None


def parse_trace(f: str) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """The ``tcp_probe`` events and the ``tcp_retransmit_skb`` events of a text trace. A line that cannot be read is printed, and skipped."""
    import pandas

    probes, retransmissions = [], []
    with open_trace(f, iterator=True) as lines:
        for line in lines:
            try:
                probe = parse_tcp_probe_line(line)
                if probe is not None:
                    probes.append(probe)
                    continue
                retransmission = parse_tcp_retransmit_skb_line(line)
                if retransmission is not None:
                    retransmissions.append(retransmission)
            except (ValueError, KeyError):
                print("Exception parsing line:\n", line, "\n", sys.exc_info()[0])
    return pandas.DataFrame(probes), pandas.DataFrame(retransmissions)
