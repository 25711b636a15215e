"""Rows as a pandas table, as text, and as plain HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlxp_nb.core.columns import MISSING, Kind, kind_of
from mlxp_nb.core.keys import Key
from mlxp_nb.core.units import count, short_keys
from mlxp_nb.results.row import Row, Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["cell", "html", "series", "text", "to_pandas"]

ROWS_SHOWN = 20
COLUMNS_SHOWN = 10
CELL_WIDTH = 24


def series(values: Sequence[Any], index: pd.Index | None = None) -> pd.Series[Any]:
    """A pandas column of any values, lists and arrays too, with the type pandas finds."""
    import numpy as np
    import pandas as pd

    column = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):  # a slice would take lists of one length apart
        column[place] = math.nan if value is MISSING else value
    return pd.Series(column, index=index).infer_objects()


def _index(rows: Sequence[Row]) -> pd.Index:
    """Run ids, or the numbers of the rows."""
    import pandas as pd

    if rows and all(isinstance(row, Run) for row in rows):
        return pd.Index([row.id for row in rows if isinstance(row, Run)], name="id")
    return pd.RangeIndex(len(rows))


def to_pandas(rows: Sequence[Row], columns: Sequence[str], *, lazy: bool) -> pd.DataFrame:
    """A pandas table.

    Parameters
    ----------
    rows, columns
        What to show.
    lazy : bool
        Write "METRIC" and "ARTIFACT", as MLXP does, instead of reading.
    """
    import pandas as pd

    index = _index(rows)
    data = {key: series([_value(row, key, lazy) for row in rows], index) for key in columns}
    return pd.DataFrame(data, index=index, columns=list(columns))


def _value(row: Row, key: str, lazy: bool) -> Any:
    """A value, a word for what is not read, or MISSING."""
    if lazy and key not in row.metadata:
        is_artifact = kind_of(key) is Kind.ARTIFACT
        return ("ARTIFACT" if is_artifact else "METRIC") if key in row.lazy else MISSING
    return row.look(Key(key))


def cell(value: Any) -> str:
    """A value in one short line."""
    if value is MISSING or value is None:
        return "–"
    line = str(value) if str(value).isprintable() else repr(value)
    return line if len(line) <= CELL_WIDTH else line[: CELL_WIDTH - 1] + "…"


def _foot(total: int, rows: int, hidden: int) -> str:
    """What is not shown."""
    parts = [count(total, "row")]
    if total > rows:
        parts.append(f"{total - rows:,} more not shown")
    if hidden:
        parts.append(f"{count(hidden, 'column')} more not shown")
    return ", ".join(parts)


def _head(columns: Sequence[str]) -> dict[str, str]:
    """The columns that are shown, and what stands above them."""
    return dict(short_keys(columns[:COLUMNS_SHOWN]))


def text(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """A small table in plain text."""
    if not rows:
        return "no rows"
    shown, head = rows[:ROWS_SHOWN], _head(columns)
    are_runs = bool(rows) and all(isinstance(row, Run) for row in rows)
    lines = [["run"] * are_runs + list(head.values())]
    for row in shown:
        first = [str(row.id)] if are_runs and isinstance(row, Run) else []
        lines.append(first + [cell(_value(row, key, lazy=True)) for key in head])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    return "\n".join([*table, _foot(len(rows), len(shown), len(columns) - len(head))])


def html(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """The same table in HTML; pandas escapes what is in it."""
    if not rows:
        return "<p>no rows</p>"
    shown, head = rows[:ROWS_SHOWN], _head(columns)
    frame = to_pandas(shown, list(head), lazy=True).map(cell).rename(columns=head)
    foot = _foot(len(rows), len(shown), len(columns) - len(head))
    return f"{frame.to_html(escape=True)}\n<p>{foot}</p>"
