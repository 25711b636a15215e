"""Curves of a frame: a metric against step, grouped, averaged, and what is not in them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlxp_nb.core.columns import MISSING, Kind, identity, kind_of, sort_key, varying
from mlxp_nb.core.curves import BANDS, STATS, Curve, Points, points_of, summarise
from mlxp_nb.core.keys import Key, UnknownKeyError
from mlxp_nb.core.reductions import number
from mlxp_nb.core.status import State
from mlxp_nb.core.units import count, id_ranges, short_keys
from mlxp_nb.errors import UnknownNameError
from mlxp_nb.results.row import Run

if TYPE_CHECKING:
    import pandas as pd

    from mlxp_nb.results.frame import RunFrame

__all__ = ["RECORD", "STEPS", "Curves", "curves"]

STEPS = ("step", "global_step", "iteration", "epoch")
"""Columns that are taken as x, the first that every record has."""

RECORD = "record"
"""x where there is no such column: the number of the record in its file, from 0."""


@dataclass(frozen=True, eq=False)
class Curves:
    """A metric against x, a curve for each group of runs.

    Attributes
    ----------
    metric : str
        ``train.loss``.
    x : str
        The column on the x axis, or "record".
    by, over : tuple of str
        What makes a curve of its own, and what was meant to be averaged over.
    stat, band : str
        What stands in the middle, and around it.
    groups : tuple of Curve
        In the order of their values.
    left_out : tuple of (run id, reason)
        What is not in the curves: whole runs, and points of runs.
    mixed : tuple of str
        Configuration keys, neither in ``by`` nor in ``over``, that vary within a curve: it
        averages over them too.
    """

    metric: str
    x: str
    by: tuple[str, ...]
    over: tuple[str, ...]
    stat: str
    band: str
    groups: tuple[Curve, ...]
    left_out: tuple[tuple[int, str], ...]
    mixed: tuple[str, ...]

    def to_pandas(self) -> pd.DataFrame:
        """One row a group and x: the keys of ``by``, x, the statistic, lower, upper, n."""
        return self._table((curve, range(len(curve.x))) for curve in self.groups)

    def at(self, x: float) -> pd.DataFrame:
        """The same at one x; a group without a point there has n = 0, nothing is interpolated."""
        places = ((curve, np.flatnonzero(curve.x == x)) for curve in self.groups)
        return self._table((curve, found if len(found) else [None]) for curve, found in places)

    def final(self) -> pd.DataFrame:
        """The same at the last x of each group; ``n`` says how many runs came that far."""
        return self._table((curve, [len(curve.x) - 1]) for curve in self.groups)

    def _table(self, parts: Iterable[tuple[Curve, Iterable[int | None]]]) -> pd.DataFrame:
        """Some points of some curves."""
        import pandas as pd

        from mlxp_nb.results.table import series

        names = [*self.by, "x", self.stat, "lower", "upper", "n"]
        rows = [
            (*(value for _, value in curve.key), *_point(curve, place))
            for curve, places in parts
            for place in places
        ]
        columns = list(zip(*rows, strict=True)) or [()] * len(names)
        return pd.concat([series(column) for column in columns], axis=1, keys=names)

    def __repr__(self) -> str:
        lines = [f"{self.metric} against {self.x}, {self.stat} and {BANDS[self.band].help}"]
        for curve in self.groups:
            runs = f"{count(len(curve.runs), 'run')} ({id_ranges(curve.runs)})"
            lines.append(f"  {curve.label}: {runs}, {count(len(curve.x), 'point')}")
        if self.mixed:
            lines.append(f"  averaged also over {', '.join(self.mixed)}")
        lines += [f"  run {run}: {reason}" for run, reason in self.left_out]
        return "\n".join(lines)


def _point(curve: Curve, place: int | None) -> tuple[Any, ...]:
    """x, center, lower, upper and n at a place of a curve; None is no place."""
    if place is None:
        return math.nan, math.nan, math.nan, math.nan, 0
    numbers = (curve.x, curve.center, curve.lower, curve.upper, curve.n)
    return tuple(values[place].item() for values in numbers)


def curves(
    frame: RunFrame,
    metric: str,
    x: str | None,
    by: Sequence[str],
    over: Sequence[str],
    stat: str,
    band: str,
) -> Curves:
    """See :meth:`RunFrame.curves`."""
    _check(stat, band)
    name = _metric(frame, metric)
    keys = [frame.resolve(key) for key in by]
    averaged = tuple(str(frame.resolve(key)) for key in over)
    points, column = _all_points(frame, name, x)
    groups = _grouped([run for run in frame if len(points[run.id].x)], keys)
    labels = short_keys([str(key) for key in keys])
    lines = (
        summarise(
            (points[run.id] for run in runs), stat, band, key=key, label=_label(key, labels, name)
        )
        for key, runs in groups
    )
    named = {*averaged, *map(str, keys)}
    return Curves(
        metric=name,
        x=column,
        by=tuple(map(str, keys)),
        over=averaged,
        stat=stat,
        band=band,
        groups=tuple(lines),
        left_out=tuple((run.id, said) for run in frame for said in points[run.id].problems),
        mixed=_mixed([runs for _, runs in groups], named),
    )


def _check(stat: str, band: str) -> None:
    """Before any file is read."""
    if stat not in STATS:
        raise UnknownNameError("stat", stat, STATS)
    if band not in BANDS:
        raise UnknownNameError("band", band, BANDS)


def _metric(frame: RunFrame, metric: str) -> str:
    """The whole name of a metric."""
    key = frame.resolve(metric)
    if len(frame) and (key.reduction is not None or kind_of(key.name) is not Kind.METRIC):
        metrics = [name for name in frame.fields.lazy() if kind_of(name) is Kind.METRIC]
        raise UnknownKeyError(metric, metrics)
    return key.name


# --- from the records of the runs to points

_Record = tuple[int, Mapping[str, Any]]


def _all_points(frame: RunFrame, metric: str, x: str | None) -> tuple[dict[int, Points], str]:
    """The points of every run, and the column they are placed by."""
    logged = {run.id: _logged(run, metric) for run in frame}
    records = [row for rows in logged.values() for _, row in rows]
    column = _x_column(metric, x, records)
    return {run.id: _points(run, metric, column, logged[run.id]) for run in frame}, column or RECORD


def _logged(run: Run, metric: str) -> list[_Record]:
    """The records of a run that have the metric, with their numbers in the file."""
    place = run.place(metric)
    if place is None:
        return []
    name, column = place
    rows = run.records(name).rows
    return [(i, row) for i, row in enumerate(rows) if row.get(column) is not None]


def _x_column(metric: str, x: str | None, records: Sequence[Mapping[str, Any]]) -> str | None:
    """The column on the x axis; None for the number of the record."""
    if not records:
        return x
    if x is None:
        every = (
            step for step in STEPS if all(number(row.get(step)) is not None for row in records)
        )
        return next(every, None)
    known = dict.fromkeys(key for row in records for key in row)
    ends = (x[i:] for i in range(len(x)) if i == 0 or x[i - 1] == ".")  # train.epoch is epoch
    column = next((end for end in ends if end in known), None)
    if column is None and x != RECORD:
        raise UnknownNameError(f"x for {metric}", x, [*known, RECORD])
    return column


def _points(run: Run, metric: str, column: str | None, logged: Sequence[_Record]) -> Points:
    """The points of a run, and what is not among them."""
    place = run.place(metric)
    said = run.problems(metric)
    if place is None or not logged:
        reason = run.verdict.evidence if run.state is State.UNREADABLE else f"logged no {metric}"
        return points_of(run.id, [], [], said or (reason,))
    _, field = place
    xs = [i if column is None else row.get(column) for i, row in logged]
    if all(x is None for x in xs):
        return points_of(run.id, [], [], (f"its records have no {column}", *said))
    return points_of(run.id, xs, [row[field] for _, row in logged], said)


# --- from runs to groups

_Group = tuple[tuple[tuple[str, Any], ...], list[Run]]


def _grouped(runs: Sequence[Run], keys: Sequence[Key]) -> list[_Group]:
    """The runs in groups of the same values, in the order of the values."""
    groups: dict[Hashable, _Group] = {}
    for run in runs:
        values = [None if (v := run.look(key)) is MISSING else v for key in keys]
        same = tuple(identity(value) for value in values)
        named = tuple((str(key), value) for key, value in zip(keys, values, strict=True))
        groups.setdefault(same, (named, []))[1].append(run)
    return sorted(groups.values(), key=lambda g: [sort_key(value) for _, value in g[0]])


def _label(key: Sequence[tuple[str, Any]], names: Mapping[str, str], metric: str) -> str:
    """What a legend says of a group."""
    said = (f"{names[name]}={'none' if value is None else value}" for name, value in key)
    return ", ".join(said) or metric


def _mixed(groups: Iterable[Sequence[Run]], named: set[str]) -> tuple[str, ...]:
    """Configuration that varies within a group although nobody named it."""
    keys = {key for runs in groups for key in varying([run.metadata for run in runs])}
    return tuple(sorted(key for key in keys - named if key.startswith("config.")))
