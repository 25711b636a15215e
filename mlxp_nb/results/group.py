"""Groups of rows that have the same values of some columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlxp_nb.core.columns import MISSING, sort_key
from mlxp_nb.core.keys import Key
from mlxp_nb.core.units import count, short_keys
from mlxp_nb.errors import UnknownNameError
from mlxp_nb.results import table
from mlxp_nb.results.frame import DataFrame, RunFrame
from mlxp_nb.results.maps import Maps
from mlxp_nb.results.row import Row, Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GroupKey", "GroupedDataFrame", "GroupedFrame", "group"]

GroupKey = tuple[Any, ...]


class GroupedFrame(Mapping[GroupKey, DataFrame[Any]]):
    """Tables by the values that their rows have in common; it never changes.

    Parameters
    ----------
    group_keys : sequence of str
        The columns grouped by.
    grouped_dict : mapping
        A table for each tuple of values, one value a column.
    """

    def __init__(
        self, group_keys: Sequence[str], grouped_dict: Mapping[GroupKey, DataFrame[Any]]
    ) -> None:
        self.group_keys = list(group_keys)
        self._groups: dict[GroupKey, DataFrame[Any]] = dict(grouped_dict)

    @property
    def groups(self) -> tuple[GroupKey, ...]:
        """The values of each group, in order."""
        return tuple(self._groups)

    def __getitem__(self, key: Any) -> DataFrame[Any]:
        """The table of a group: ``grouped[0.1, "mlp"]``, or ``grouped[0.1]`` of a single column."""
        wanted = _hashable(key if isinstance(key, tuple) else (key,))
        for one in (wanted, (wanted,)):  # a list value is a tuple too
            if one in self._groups:
                return self._groups[one]
        raise UnknownNameError("group", repr(key), map(repr, self._groups))

    def __iter__(self) -> Iterator[GroupKey]:
        return iter(self._groups)

    def __len__(self) -> int:
        return len(self._groups)

    def _each(self, of: Callable[[DataFrame[Any]], DataFrame[Any]]) -> GroupedFrame:
        """The same groups, each changed; those left without rows are gone."""
        changed = {key: of(frame) for key, frame in self._groups.items()}
        return GroupedFrame(self.group_keys, {k: f for k, f in changed.items() if len(f)})

    def aggregate(
        self, maps: Maps, ungroup: bool = False, *, mode: str | None = None
    ) -> GroupedFrame | DataFrame[Any]:
        """Every group as one row; see :meth:`DataFrame.aggregate`.

        Parameters
        ----------
        maps : mapping, tuple or list
            ``{"test.loss.last": ["mean", "std", "count"]}``, or MLXP's maps.
        ungroup : bool
            Give one table, with the values of the groups as columns.
        mode : {"min", "max"}, optional
            Which end "best" means, where the name of the column does not tell.
        """
        done = self._each(lambda frame: frame.aggregate(maps, mode=mode))
        return done.ungroup() if ungroup else done

    def filter(
        self,
        filter_map: str | tuple[Any, ...],
        bygroups: str | Sequence[str] | None = None,
        ungroup: bool = False,
    ) -> GroupedFrame | DataFrame[Any]:
        """The rows of every group for which a query or a function holds.

        See :meth:`DataFrame.filter`; a function sees one group at a time.
        """
        done = self._each(lambda frame: frame.filter(filter_map, bygroups))
        return done.ungroup() if ungroup else done

    def sort(self, by: str | Sequence[str], ascending: bool = True) -> GroupedFrame:
        """Every group in the order of some columns."""
        return self._each(lambda frame: frame.sort(by, ascending))

    def select(self, key_list: Iterable[Any]) -> GroupedFrame:
        """Some of the groups, by their values."""
        wanted = [key if isinstance(key, tuple) else (key,) for key in key_list]
        return GroupedFrame(
            self.group_keys,
            {key: frame for key, frame in self._groups.items() if key in map(_hashable, wanted)},
        )

    def ungroup(self) -> DataFrame[Any]:
        """One table; rows that are not runs get the values of their group as columns."""
        rows: list[Row] = []
        for key, frame in self._groups.items():
            common = dict(zip(self.group_keys, key, strict=True))
            rows += [r if isinstance(r, Run) else Row({**common, **r.metadata}) for r in frame]
        runs = [row for row in rows if isinstance(row, Run)]
        if rows and len(runs) == len(rows):
            return RunFrame(runs)
        return DataFrame(rows)

    def to_pandas(self, lazy: bool = True) -> pd.DataFrame:
        """One pandas table, the values of the groups in its index."""
        import pandas as pd

        frames = [frame.to_pandas(lazy) for frame in self._groups.values()]
        if not frames:
            return pd.DataFrame()
        whole: pd.DataFrame = pd.concat(frames)
        repeats = [len(frame) for frame in frames]
        levels = [self._level(place, repeats) for place in range(len(self.group_keys))]
        names = list(self.group_keys)
        if whole.index.name == "id" or max(repeats) > 1:
            levels.append(list(whole.index))
            names.append(str(whole.index.name or "row"))
        if len(levels) == 1:
            whole.index = pd.Index(table.series(levels[0]), name=names[0])
        else:
            whole.index = pd.MultiIndex.from_arrays([table.series(v) for v in levels], names=names)
        return whole

    def _level(self, place: int, repeats: Sequence[int]) -> list[Any]:
        """The values of one column, one a row."""
        return [key[place] for key, n in zip(self._groups, repeats, strict=True) for _ in range(n)]

    def toPandas(self, lazy: bool = True) -> pd.DataFrame:  # noqa: N802 - MLXP's name
        """:meth:`to_pandas`."""
        return self.to_pandas(lazy)

    def __repr__(self) -> str:
        names = short_keys(self.group_keys)
        lines = [count(len(self), "group")]
        for key, frame in self._groups.items():
            pairs = zip(self.group_keys, key, strict=True)
            said = ", ".join(f"{names[name]}={table.cell(value)}" for name, value in pairs)
            lines.append(f"{said}: {_short(frame)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        if not self._groups:
            return "<p>no groups</p>"
        shown = dict.fromkeys(key for frame in self._groups.values() for key in frame.shown)
        whole = self.to_pandas()
        return str(whole[[key for key in shown if key in whole]].to_html(max_rows=60, escape=True))


def _short(frame: DataFrame[Any]) -> str:
    """A group in a line: its size, or the values of its only row."""
    if isinstance(frame, RunFrame) or len(frame) != 1:
        return count(len(frame), "run" if isinstance(frame, RunFrame) else "row")
    names = short_keys(list(frame[0].metadata))
    return ", ".join(f"{names[key]}={table.cell(v)}" for key, v in frame[0].metadata.items())


def _hashable(value: Any) -> Any:
    """A value that can be in a group key: lists are tuples there, and nan is one nan."""
    if isinstance(value, (list, tuple)):
        return tuple(_hashable(item) for item in value)
    if isinstance(value, float) and math.isnan(value):
        return math.nan
    return value if isinstance(value, Hashable) else repr(value)


def group(frame: DataFrame[Any], keys: Sequence[Key]) -> GroupedFrame:
    """The rows of a table in groups, in the order of their values; MISSING counts as None."""
    groups: dict[GroupKey, list[Any]] = {}
    for row in frame:
        values = (row.look(key) for key in keys)
        same = tuple(None if value is MISSING else _hashable(value) for value in values)
        groups.setdefault(same, []).append(row)
    ordered = sorted(groups, key=lambda key: [sort_key(value) for value in key])
    make = type(frame)
    return GroupedFrame([str(k) for k in keys], {key: make(groups[key], frame) for key in ordered})


GroupedDataFrame = GroupedFrame
"""MLXP's name."""
