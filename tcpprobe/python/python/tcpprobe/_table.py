"""Tables of a trace, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from . import _native
from ._frame import frame

if TYPE_CHECKING:
    import os

    import pandas


class Column(NamedTuple):
    """A column of a table."""

    #: Its name.
    name: str
    #: Its type, as SQL has it: ``INT64``, ``TIMESTAMP(ns)``, ``STRING``.
    type: str
    #: Whether a row may have no value.
    nullable: bool
    #: The unit of a number: ``us``, ``bytes``, ``packets``; empty where it has none.
    unit: str
    #: What it says, and when it is null.
    meaning: str


class Batch:
    """Some rows of a table, 65,536 at most. pyarrow and polars take it as it is: ``pyarrow.record_batch(batch)``."""

    __slots__ = ("_name", "_native")

    def __init__(self, name: str, native: _native.Batch) -> None:
        self._name, self._native = name, native

    def __len__(self) -> int:
        return len(self._native)

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        """The rows by Arrow's C data interface."""
        return self._native.array()

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a DataFrame; see :meth:`Table.to_pandas`."""
        return frame(self._name, *self._native.columns())

    def __repr__(self) -> str:
        return f"<tcpprobe.Batch of {self._name}, {len(self)} rows>"


class Table:
    """A table of a trace: events, connections, intervals or losses. Nothing is read until it is asked for, and each time anew.

    Whatever takes an Arrow C stream takes it (``pyarrow.table(table)``, ``polars.DataFrame(table)``, ``duckdb.from_arrow(table)``),
    and reads batch by batch, in flat memory: ``pyarrow.RecordBatchReader.from_stream(table)``. Python iterates over the same
    batches. Where events are missing from the trace, a :class:`LossWarning` says so when the end is reached.
    """

    __slots__ = ("_native", "_path", "name")

    #: ``events``, ``connections``, ``intervals`` or ``losses``.
    name: str

    def __init__(
        self, path: str | os.PathLike[str], name: str, filter: str | None = None, connection: str | None = None
    ) -> None:
        self.name, self._path = name, path
        self._native = _native.Rows(path, name, filter, connection)

    @property
    def columns(self) -> list[Column]:
        """The columns, with their units and meanings.

        Of a trace whose clock does not count nanoseconds, ``clock_ns`` of the events is called ``clock_ticks``.
        """
        return [Column(*column) for column in _native.columns(self.name)]

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The rows by Arrow's C stream interface, in batches of 65,536 rows at most. A schema that is asked for is not looked at.

        Texts are plain strings; units and meanings are in the metadata of the fields.
        """
        return self._native.stream()

    def __arrow_c_schema__(self) -> object:
        """The schema by Arrow's C data interface."""
        return self._native.schema()

    def __iter__(self) -> Iterator[Batch]:
        """Batches, read as they are asked for."""
        return (Batch(self.name, batch) for batch in self._native.batches())

    def to_pandas(self) -> pandas.DataFrame:
        """All rows as a DataFrame. Needs pandas, and no pyarrow.

        - Times of day are ``datetime64[ns]``, UTC without a zone; ``NaT`` where the trace does not know them.
        - Integers that may be missing are ``Int64`` and ``Int32``, pandas' own with ``NA``, exact to the last of 64 bits; all
          others are numpy's ``int64`` and ``int32``.
        - Texts of events and intervals are ``category``; those of connections, and the column ``fields``, are objects, or
          ``str`` in pandas 3.
        """
        return frame(self.name, *self._native.columns())

    def __repr__(self) -> str:
        return f"<tcpprobe.Table {self.name} of {self._path!s}>"
