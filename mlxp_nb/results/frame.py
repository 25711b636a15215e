"""Tables of runs: immutable, lazy, like a list of runs and like a mapping of columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from mlxp_nb.core import query
from mlxp_nb.core.columns import MISSING, identity, order, sort_key, varying
from mlxp_nb.core.keys import Fields, Key, resolve
from mlxp_nb.core.status import State
from mlxp_nb.errors import ReductionError
from mlxp_nb.results import table
from mlxp_nb.results.curves import Curves, curves
from mlxp_nb.results.maps import Maps, read_filter, read_maps
from mlxp_nb.results.row import LazyArtifact, Row, Run

if TYPE_CHECKING:
    import pandas as pd

    from mlxp_nb.results.group import GroupedFrame

__all__ = ["DataFrame", "LazyArtifact", "Row", "Run", "RunFrame"]

R = TypeVar("R", bound=Row)


class DataFrame(Sequence[R], Generic[R]):
    """A table of rows. It never changes: every operation gives a new one.

    ``frame[0]`` is a row, ``frame[:10]`` a table, ``frame["config.seed"]`` a column. Where a key is
    asked for, the end of a key is enough (``"seed"``), and a metric may be followed by a reduction
    (``"test.loss.last"``).

    Parameters
    ----------
    rows : iterable of Row
        In order.
    scope : DataFrame, optional
        The table these rows are taken from: a key that any row there has is known here too.
    """

    def __init__(self, rows: Iterable[R] = (), scope: DataFrame[Any] | None = None) -> None:
        self._rows = tuple(rows)
        self._scope: DataFrame[Any] = scope._scope if scope is not None else self

    def _make(self, rows: Iterable[R]) -> DataFrame[R]:
        """Some of the rows of this table."""
        return DataFrame(rows, self)

    # --- as a list, and as columns

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[R]:
        return iter(self._rows)

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> DataFrame[R]: ...
    @overload
    def __getitem__(self, index: str) -> list[Any]: ...
    def __getitem__(self, index: int | slice | str) -> R | DataFrame[R] | list[Any]:
        """A row, a table of some rows, or the values of a column, None where a row has none."""
        if isinstance(index, str):
            return [None if value is MISSING else value for value in self.column(index)]
        if isinstance(index, slice):
            return self._make(self._rows[index])
        return self._rows[index]

    def column(self, name: str) -> list[Any]:
        """The values of a column, MISSING where a row has none.

        Raises
        ------
        UnknownKeyError
            No row has such a key.
        """
        key = self.resolve(name)
        return [row.look(key) for row in self._rows]

    def resolve(self, name: str) -> Key:
        """The column that a name means: a whole key, or the end of exactly one.

        Raises
        ------
        UnknownKeyError, QueryError
            There is none; there are several.
        """
        return resolve(Key(name), self.fields) if self._scope._rows else Key(name)

    @cached_property
    def _own_lazy(self) -> tuple[str, ...]:
        """Metric and artifact columns of these rows."""
        return tuple(dict.fromkeys(key for row in self._rows for key in row.lazy))

    @cached_property
    def _own_fields(self) -> Fields:
        metadata = frozenset(key for row in self._rows for key in row.metadata)
        return Fields(metadata, lambda: self._own_lazy)

    @property
    def fields(self) -> Fields:
        """What can be asked of the table this one is taken from."""
        return self._scope._own_fields

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """All columns, what varies first."""
        return tuple(order([row.metadata for row in self._rows], self._own_lazy))

    def keys(self) -> list[str]:
        """The columns, as MLXP names them."""
        return list(self.columns)

    def diff(self, start_key: str = "config") -> list[str]:
        """Keys whose values are not the same in all rows, sorted.

        Parameters
        ----------
        start_key : str
            Of keys that begin so.
        """
        keys = varying([row.metadata for row in self._rows])
        return sorted(key for key in keys if key.startswith(start_key))

    # --- rows

    def filter(
        self, query_string: str | tuple[Any, ...] = "", bygroups: str | Sequence[str] | None = None
    ) -> DataFrame[R]:
        """The rows for which a query holds.

        Parameters
        ----------
        query_string : str or tuple
            A query; or, as in MLXP, ``(function, columns)``: the function gets the columns as lists
            (None where a row has no value) and says for every row whether it stays.
        bygroups : str or sequence of str, optional
            Keys by which the rows are grouped first, for a function.

        Raises
        ------
        QueryError
            With the place of the fault.
        """
        if bygroups is not None:
            kept = {
                id(r) for _, g in self.groupby(bygroups).items() for r in g.filter(query_string)
            }
            return self._make(row for row in self._rows if id(row) in kept)
        if isinstance(query_string, str):
            return self._make(self._holding(query_string))
        return self._make(self._passing(query_string))

    def _holding(self, text: str) -> Iterator[R]:
        """The rows for which a query holds."""
        expression = query.parse(text)
        if self._scope._rows:
            expression = query.bind(expression, self.fields, text)
        return (row for row in self._rows if query.evaluate(expression, row.look))

    def _passing(self, written: tuple[Any, ...]) -> list[R]:
        """The rows that a function lets pass."""
        only = read_filter(written)
        answers = list(only.of(*(self[name] for name in only.columns)))  # type: ignore[operator]  # read_filter refuses names
        if len(answers) != len(self):
            raise ReductionError(
                f"the function answers {len(answers)} times for {len(self)} rows",
                "return a list of one True or False a row",
            )
        return [row for row, stays in zip(self._rows, answers, strict=True) if stays]

    def sort(self, by: str | Sequence[str], ascending: bool = True) -> DataFrame[R]:
        """The rows in the order of some columns; rows without a value are last either way."""
        rows = list(self._rows)
        for name in reversed(_names(by)):
            key = self.resolve(name)
            values = {id(row): row.look(key) for row in rows}
            there = [row for row in rows if not _is_empty(values[id(row)])]
            there.sort(key=lambda row: sort_key(values[id(row)]), reverse=not ascending)
            rows = there + [row for row in rows if _is_empty(values[id(row)])]
        return self._make(rows)

    # --- groups

    def groupby(self, group_keys: str | Sequence[str]) -> GroupedFrame:
        """The rows in groups that have the same values of some columns.

        Parameters
        ----------
        group_keys : str or sequence of str
            Columns of any values, also lists; a row without a value counts as None.
        """
        from mlxp_nb.results.group import group  # it is made of frames

        return group(self, [self.resolve(name) for name in _names(group_keys)])

    def aggregate(self, maps: Maps, *, mode: str | None = None) -> DataFrame[Row]:
        """One row with columns reduced to one value each.

        Parameters
        ----------
        maps : mapping, tuple or list
            ``{"test.loss.last": ["mean", "std"]}``: reductions by name, the results are named
            ``test.loss.last.mean``, …; or MLXP's maps ``(function, columns[, outputs])``. Rows
            without a value are passed over; "count" says how many have one.
        mode : {"min", "max"}, optional
            Which end "best" means, where the name of the column does not tell.

        Raises
        ------
        ReductionError, UnknownNameError
            A value is not a number; there is no such reduction or column.
        """
        values: dict[str, Any] = {}
        for one in read_maps(maps):
            for name, output in zip(one.columns, one.outputs, strict=True):
                there = [value for value in self.column(name) if value is not MISSING]
                values[output] = one.reduce(name, there, mode)
        return DataFrame([Row(values)])

    # --- as something else

    def to_pandas(self, lazy: bool = True) -> pd.DataFrame:
        """A pandas table, what varies first; a run's id is its index.

        Parameters
        ----------
        lazy : bool
            Leave metrics and artifacts unread: "METRIC" and "ARTIFACT" stand in their place.
        """
        return table.to_pandas(self._rows, self.columns, lazy=lazy)

    def toPandas(self, lazy: bool = True) -> pd.DataFrame:  # noqa: N802 - MLXP's name
        """:meth:`to_pandas`."""
        return self.to_pandas(lazy)

    @property
    def shown(self) -> tuple[str, ...]:
        """The columns of the short form: what varies."""
        return self.columns

    def __repr__(self) -> str:
        return table.text(self._rows, self.shown)

    def _repr_html_(self) -> str:
        return table.html(self._rows, self.shown)


class RunFrame(DataFrame[Run]):
    """A table of runs: metrics and artifacts are read when they are looked at, never before."""

    def _make(self, rows: Iterable[Run]) -> RunFrame:
        return RunFrame(rows, self)

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> RunFrame: ...
    @overload
    def __getitem__(self, index: str) -> list[Any]: ...
    def __getitem__(self, index: int | slice | str) -> Run | DataFrame[Run] | list[Any]:
        """A run, a frame of some runs, or the values of a column, None where a run has none."""
        return super().__getitem__(index)

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids of the runs, in order."""
        return tuple(run.id for run in self)

    @property
    def states(self) -> dict[State, int]:
        """How many runs are in each state."""
        counts: dict[State, int] = {}
        for run in self:
            counts[run.state] = counts.get(run.state, 0) + 1
        return counts

    def filter(
        self, query_string: str | tuple[Any, ...] = "", bygroups: str | Sequence[str] | None = None
    ) -> RunFrame:
        """The runs for which a query holds; see :meth:`DataFrame.filter`."""
        return RunFrame(super().filter(query_string, bygroups), self)

    def sort(self, by: str | Sequence[str], ascending: bool = True) -> RunFrame:
        """The runs in the order of some columns; see :meth:`DataFrame.sort`."""
        return RunFrame(super().sort(by, ascending), self)

    def curves(
        self,
        metric: str,
        x: str | None = None,
        by: str | Sequence[str] = (),
        over: str | Sequence[str] = (),
        stat: str = "mean",
        band: str = "std",
    ) -> Curves:
        """A metric against step, averaged over the runs of each group.

        Parameters
        ----------
        metric : str
            ``train.loss``.
        x : str, optional
            A column of the same records: ``epoch``. By default the first of step, global_step,
            iteration, epoch that every record has, else the number of the record, from 0.
        by : str or sequence of str
            What makes a curve of its own.
        over : str or sequence of str
            What is meant to be averaged over, mostly ``config.seed``. What else varies within a
            curve is named in ``Curves.mixed``.
        stat : {"mean", "median", "min", "max"}
            What stands in the middle.
        band : {"std", "sem", "ci95", "minmax", "iqr", "q10-90", "q5-95", "none"}
            What is drawn around it.

        Raises
        ------
        UnknownNameError
            No such metric, column, stat or band.
        """
        return curves(self, metric, x, _names(by), _names(over), stat, band)

    @property
    def shown(self) -> tuple[str, ...]:
        """The columns of the short form: status and the configuration that varies."""
        return ("info.status", *self._varying_config)

    @cached_property
    def _varying_config(self) -> tuple[str, ...]:
        keys = varying([row.metadata for row in self])
        return tuple(key for key in keys if key.startswith("config."))


def _names(names: str | Sequence[str]) -> list[str]:
    """One name or several."""
    return [names] if isinstance(names, str) else list(names)


def _is_empty(value: Any) -> bool:
    """Whether a value sorts last: none, or nan."""
    return value is MISSING or value is None or identity(value) == ("nan",)
