"""A trace, and what can be had of it."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

from . import _native
from ._table import Table

#: Formats by the endings of their files.
FORMATS = {".png": "png", ".svg": "svg", ".html": "html", ".htm": "html"}


def open(path: str | os.PathLike[str]) -> Trace:
    """Opens a trace: a ``.tcpp`` file, or ftrace text as ``trace`` and ``trace_pipe`` give it, either also gzipped.

    Raises ``FileNotFoundError`` and other ``OSError`` where it cannot be read, and :class:`TraceError` (a ``ValueError``)
    where it is no trace.
    """
    return Trace(path)


class Trace:
    """A trace in a file. It holds nothing: each table, diagnosis and picture reads the file anew.

    Most methods take ``filter``, events in the language of ``tcpprobectl help filter`` (``"sport == 443 && srtt > 20ms"``), and
    ``connection``, its ends: ``"10.0.0.1:443"``, ``":443"``, ``"10.0.0.1:443,10.0.0.2:51000"``. Ctrl-C interrupts all of them.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        _native.check(path)
        self._path = path

    @property
    def path(self) -> str:
        """The file."""
        return os.fspath(self._path)

    def events(self, *, filter: str | None = None, connection: str | None = None) -> Table:
        """The table of events, in the order of time."""
        return Table(self._path, "events", filter, connection)

    def connections(self, *, filter: str | None = None, connection: str | None = None) -> Table:
        """The table of connections, in the order in which they end, with their sums over the events chosen."""
        return Table(self._path, "connections", filter, connection)

    def intervals(self, *, filter: str | None = None, connection: str | None = None) -> Table:
        """The table of what held each connection back, and when: of a connection the rows follow each other without a gap."""
        return Table(self._path, "intervals", filter, connection)

    def losses(self) -> Table:
        """The table of places where events are missing; empty where none are."""
        return Table(self._path, "losses")

    def diagnose(
        self, *, filter: str | None = None, connection: str | None = None, top: int | None = None
    ) -> dict[str, Any]:
        """What held each connection back, why it retransmitted, and what to do: the report of ``tcpprobectl diagnose --json``.

        ``connections`` is a list, worst first, at most ``top`` of them. Of each: ``local``, ``peer``, ``owner``, ``headline`` (``limit``,
        ``share`` from 0 to 1, ``certainty``), ``limits`` (the share of each), ``intervals`` (``from_ns``, ``to_ns``, in the trace's
        clock), ``retransmissions`` by cause, ``findings``, ``evidence``, ``remedy``. Beside it ``lost`` events, and places
        where that is not known (``gaps_unknown``).
        """
        report: dict[str, Any] = json.loads(_native.diagnose(self._path, filter, connection, top))
        return report

    def plot(
        self,
        path: str | os.PathLike[str],
        *,
        format: str | None = None,
        filter: str | None = None,
        connection: str | None = None,
        top: int | None = None,
        by: str = "bytes",
        panels: list[str] | None = None,
        ssh: bool = False,
        both_ends: bool = False,
        raw_time: bool = False,
        size: int | None = None,
    ) -> str:
        """Draws connections over time into a file, and returns its path.

        ``format`` is ``png``, ``svg`` or ``html`` (a page of all connections, to zoom and search in), and of itself what the
        path ends in. ``top`` is how many connections are drawn (8; of a page at first 4), the first by ``bytes``, ``retransmissions``,
        ``srtt``, ``duration`` or ``rate``. ``panels`` are some of ``throughput``, ``cwnd``, ``flight``, ``srtt``, ``retransmissions``,
        ``limits``. ``ssh`` draws port 22 too, ``both_ends`` both sockets of a connection, ``raw_time`` the trace's clock. ``size`` is
        the most bytes of a page.
        """
        path = os.fspath(path)
        if format is None:
            ending = pathlib.PurePath(path).suffix.lower()
            if ending not in FORMATS:
                raise ValueError(f"{path}: a plot is .png, .svg or .html; end the name in one of them, or give format=")
            format = FORMATS[ending]
        picture = _native.plot(
            self._path,
            format,
            filter,
            connection,
            top=top,
            by=by,
            panels=panels,
            ssh=ssh,
            both_ends=both_ends,
            raw_time=raw_time,
            size=size,
        )
        pathlib.Path(path).write_bytes(picture)
        return path

    def __repr__(self) -> str:
        return f"tcpprobe.open({self.path!r})"
