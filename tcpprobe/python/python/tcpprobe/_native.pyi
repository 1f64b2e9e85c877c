"""The part of the package that is made in Rust. Use `tcpprobe` instead."""

import os
from collections.abc import Iterator
from typing import Optional, TypeAlias, Union, final

__version__: str

# Name, kind, values (none where all are null), which are null (a byte each, or all of them), texts that the values are places in.
_Column: TypeAlias = tuple[str, str, Optional[bytearray], Union[bytearray, bool, None], Optional[list[str]]]
_Path: TypeAlias = Union[str, "os.PathLike[str]"]

class TraceError(ValueError): ...
class LossWarning(UserWarning): ...

@final
class Rows:
    def __new__(
        cls, path: _Path, table: str, filter: Optional[str] = None, connection: Optional[str] = None
    ) -> Rows: ...
    def stream(self) -> object: ...
    def schema(self) -> object: ...
    def batches(self) -> Batches: ...
    def columns(self) -> tuple[int, list[_Column]]: ...

@final
class Batches(Iterator[Batch]):
    def __iter__(self) -> Batches: ...
    def __next__(self) -> Batch: ...

@final
class Batch:
    def __len__(self) -> int: ...
    def array(self) -> tuple[object, object]: ...
    def columns(self) -> tuple[int, list[_Column]]: ...

def check(path: _Path) -> None: ...
def columns(table: str) -> list[tuple[str, str, bool, str, str]]: ...
def diagnose(
    path: _Path, filter: Optional[str] = None, connection: Optional[str] = None, top: Optional[int] = None
) -> str: ...
def plot(
    path: _Path,
    format: str,
    filter: Optional[str] = None,
    connection: Optional[str] = None,
    *,
    top: Optional[int] = None,
    by: str = "bytes",
    panels: Optional[list[str]] = None,
    ssh: bool = False,
    both_ends: bool = False,
    raw_time: bool = False,
    size: Optional[int] = None,
) -> bytes: ...
