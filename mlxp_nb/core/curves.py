"""Curves of many runs: aligned on the logged step, aggregated, with a band. Pure numpy.

No point is invented: a step belongs to a curve when a run logged it, and every point says from
how many runs it comes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mlxp_nb.core.reductions import number
from mlxp_nb.core.student import half_width
from mlxp_nb.errors import UnknownNameError

__all__ = ["BANDS", "STATS", "Band", "Curve", "Points", "Segments", "points_of", "summarise"]

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Points:
    """What one run logged of a metric: its numbers, and what was left out.

    Attributes
    ----------
    run : int
        Its id.
    x, y : arrays of one length
        ``x`` strictly increases; all are finite.
    problems : tuple of str
        What is not shown, and why.
    """

    run: int
    x: npt.NDArray[Any]
    y: Floats
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Curve:
    """A metric against x over a group of runs.

    Attributes
    ----------
    key : tuple of (field, value)
        What the runs of the group have in common.
    label : str
        The same for a legend.
    x, center, lower, upper, n : arrays of one length
        ``x`` strictly increases; ``n`` runs have a number there. Where the band is not defined
        (a standard deviation of one run) its ends are nan.
    runs : tuple of int
        Ids of the runs in it.
    """

    key: tuple[tuple[str, Any], ...]
    label: str
    x: npt.NDArray[Any]
    center: Floats
    lower: Floats
    upper: Floats
    n: Ints
    runs: tuple[int, ...]


def points_of(
    run: int, xs: Sequence[Any], ys: Sequence[Any], problems: Iterable[str] = ()
) -> Points:
    """The points of one run, in order of x.

    Parameters
    ----------
    run : int
        Its id.
    xs, ys : sequences of one length
        As logged, in the order they were logged; None where a record lacks it.
    problems : iterable of str
        What is known to be missing already.

    Returns
    -------
    Points
        A value that is None was not logged. Of several values at one x the last stands: a resumed
        run repeats the steps since its checkpoint. Values that are not finite numbers, and
        records without a place on the x axis, are left out and said.
    """
    logged = [(x, y) for x, y in zip(xs, ys, strict=True) if y is not None]
    placed = [(x, y) for x, y in logged if _is_finite(x)]
    last = dict(placed)
    finite = sorted(((x, number(y)) for x, y in last.items() if _is_finite(y)), key=_first)
    x = np.array([x for x, _ in finite]) if finite else np.empty(0)
    if x.dtype.kind not in "iuf":  # integers beyond 64 bits
        x = x.astype(np.float64)
    y = np.array([y for _, y in finite], dtype=np.float64)
    return Points(run, x, y, (*_problems(logged, placed, last), *problems))


def _first(pair: tuple[Any, Any]) -> Any:
    return pair[0]


def _is_finite(value: Any) -> bool:
    found = number(value)
    return found is not None and math.isfinite(found)


def _problems(
    logged: Sequence[tuple[Any, Any]], placed: Sequence[tuple[Any, Any]], last: dict[Any, Any]
) -> list[str]:
    """What of the records does not become a point."""
    said: list[str] = []
    if len(placed) < len(logged):
        said.append(f"{len(logged) - len(placed)} of {len(logged)} records have no number as x")
    if len(last) < len(placed):
        said.append(f"{len(placed) - len(last)} points repeat an x; the last one of each stands")
    wrong = sorted(((x, y) for x, y in last.items() if not _is_finite(y)), key=_first)
    if wrong:
        x, y = wrong[0]
        what = f"{len(wrong)} of {len(last)} points are no finite numbers"
        said.append(f"{what}, first {repr(y)[:40]} at x={x}")
    return said


class Segments:
    """The values of many runs, side by side at every x that any of them logged.

    Kept as one long array sorted by x, so that a million different x cost no more than a million
    equal ones.

    Parameters
    ----------
    points : sequence of Points
        One a run.

    Attributes
    ----------
    x : array, shape (steps,)
        The union, increasing.
    n : array of int, shape (steps,)
        How many runs have a value there.
    """

    def __init__(self, points: Sequence[Points]) -> None:
        xs = np.concatenate([p.x for p in points]) if points else np.empty(0)
        ys = np.concatenate([p.y for p in points]) if points else np.empty(0)
        order = np.lexsort((ys, xs))
        xs, self._y = xs[order], ys[order]
        self._start = np.flatnonzero(np.r_[True, xs[1:] != xs[:-1]]) if len(xs) else _NOWHERE
        self.x = xs[self._start]
        self.n = np.diff(np.r_[self._start, len(xs)]).astype(np.int64)

    def _sum(self, values: Floats) -> Floats:
        sums: Floats = np.add.reduceat(values, self._start) if len(values) else np.empty(0)
        return sums

    def mean(self) -> Floats:
        """The mean at every x."""
        mean: Floats = self._sum(self._y) / self.n
        return mean

    def std(self) -> Floats:
        """The standard deviation of a sample (ddof=1); nan where n is 1."""
        away = self._y - np.repeat(self.mean(), self.n)
        spread: Floats = np.sqrt(self._sum(away * away) / np.maximum(self.n - 1, 1))
        spread[self.n < 2] = np.nan
        return spread

    def sem(self) -> Floats:
        """The standard error of the mean; nan where n is 1."""
        sem: Floats = self.std() / np.sqrt(self.n)
        return sem

    def ci95(self) -> Floats:
        """Half the width of the 95 % interval of the mean, by Student's t; nan where n is 1."""
        counts, place = np.unique(self.n, return_inverse=True)
        widths: Floats = np.array([half_width(int(count)) for count in counts], dtype=np.float64)
        return self.sem() * widths[place]

    def quantile(self, q: float) -> Floats:
        """A quantile at every x; linear between the two nearest values, as numpy's default."""
        place = q * (self.n - 1)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, self.n - 1)
        low, high = self._y[self._start + below], self._y[self._start + above]
        between: Floats = low + (place - below) * (high - low)
        exact = below == place
        between[exact] = low[exact]  # else inf - inf where values near 1e308 lie apart
        return between


_NOWHERE = np.empty(0, dtype=np.int64)

STATS: dict[str, Callable[[Segments], Floats]] = {
    "mean": Segments.mean,
    "median": lambda at: at.quantile(0.5),
    "min": lambda at: at.quantile(0.0),
    "max": lambda at: at.quantile(1.0),
}
"""What stands in the middle of a band, by name."""


@dataclass(frozen=True)
class Band:
    """A row of :data:`BANDS`.

    Attributes
    ----------
    name : str
        What the user writes.
    help : str
        What the legend says.
    ends : callable
        ``ends(segments, center)`` gives the lower and the upper end at every x.
    """

    name: str
    help: str
    ends: Callable[[Segments, Floats], tuple[Floats, Floats]]


def _around(width: Callable[[Segments], Floats]) -> Callable[..., tuple[Floats, Floats]]:
    """The band of a half width on both sides of the center."""

    def ends(at: Segments, center: Floats) -> tuple[Floats, Floats]:
        half = width(at)
        return center - half, center + half

    return ends


def _between(low: float, high: float) -> Callable[..., tuple[Floats, Floats]]:
    """The band between two quantiles."""
    return lambda at, _: (at.quantile(low), at.quantile(high))


def _none(at: Segments, center: Floats) -> tuple[Floats, Floats]:
    nothing = np.full(len(center), np.nan)
    return nothing, nothing


BANDS: dict[str, Band] = {
    row.name: row
    for row in (
        Band("std", "standard deviation (ddof=1)", _around(Segments.std)),
        Band("sem", "standard error of the mean", _around(Segments.sem)),
        Band("ci95", "95 % interval of the mean (Student's t)", _around(Segments.ci95)),
        Band("minmax", "least to greatest", _between(0.0, 1.0)),
        Band("iqr", "quartiles", _between(0.25, 0.75)),
        Band("q10-90", "10 % to 90 % quantile", _between(0.1, 0.9)),
        Band("q5-95", "5 % to 95 % quantile", _between(0.05, 0.95)),
        Band("none", "no band", _none),
    )
}


def summarise(
    points: Iterable[Points],
    stat: str = "mean",
    band: str = "std",
    *,
    key: tuple[tuple[str, Any], ...] = (),
    label: str = "",
) -> Curve:
    """The curve of a group of runs.

    Parameters
    ----------
    points : iterable of Points
        One a run; runs without any point are left out.
    stat, band : str
        Rows of :data:`STATS` and :data:`BANDS`.
    key, label
        Handed on.

    Raises
    ------
    UnknownNameError
        No such stat or band.
    """
    if stat not in STATS:
        raise UnknownNameError("stat", stat, STATS)
    if band not in BANDS:
        raise UnknownNameError("band", band, BANDS)
    used = [p for p in points if len(p.x)]
    with np.errstate(all="ignore"):  # values near 1e308: inf is the answer
        at = Segments(used)
        center = STATS[stat](at)
        lower, upper = BANDS[band].ends(at, center)
    runs = tuple(p.run for p in used)
    return Curve(key, label, at.x, center, lower, upper, at.n, runs)
