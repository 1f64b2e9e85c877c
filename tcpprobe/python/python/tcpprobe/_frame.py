"""Columns of the native part as pandas' DataFrame; of numpy and pandas alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

    from ._native import _Column

#: Tables in which texts repeat from row to row.
CATEGORIES = ("events", "intervals")
#: What numpy takes for a time that is none.
NOT_A_TIME = -(2**63)
#: A column of JSON, in which each text is another.
JSON = "fields"


def frame(table: str, rows: int, columns: list[_Column]) -> pandas.DataFrame:
    """The columns of a table as a DataFrame."""
    try:
        import numpy
        import pandas
    except ImportError as error:
        raise ImportError("to_pandas() needs pandas: pip install pandas") from error

    def numbers(data: bytearray | bool | None, dtype: str, same: int = 0) -> Any:
        if isinstance(data, bytearray) and rows:
            return numpy.frombuffer(data, dtype=dtype)
        # Zeros cost nothing until they are written.
        return numpy.full(rows, same, dtype) if same else numpy.zeros(rows, dtype)

    def array(name: str, kind: str, values: bytearray | None, nulls: bytearray | bool | None, words: list[str] | None) -> Any:
        if kind == "time":
            return numbers(values, "int64", NOT_A_TIME).view("datetime64[ns]")
        if kind == "text":
            codes = numbers(values, "int32", -1)
            # None is the last one, which is where -1 leads.
            texts = numpy.array([*(words or []), None], dtype=object)
            if table in CATEGORIES and name != JSON:
                return pandas.Categorical.from_codes(codes, categories=pandas.Index(texts[:-1]))
            return texts[codes]
        data = numbers(values, kind)
        if nulls is None:
            return data
        mask = numbers(nulls, "bool", nulls is True)
        if kind == "bool":
            return pandas.arrays.BooleanArray(data, mask)
        if kind == "float64":
            return numpy.where(mask, numpy.nan, data)
        return pandas.arrays.IntegerArray(data, mask)

    data = {name: array(name, kind, values, nulls, words) for name, kind, values, nulls, words in columns}
    made: pandas.DataFrame = pandas.DataFrame(data, copy=False)
    return made
