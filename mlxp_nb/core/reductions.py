"""Many values to one: of a metric within a run, and of a column within a group of runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mlxp_nb.core.student import half_width
from mlxp_nb.errors import ReductionError, UnknownNameError

__all__ = [
    "AGGREGATES",
    "REDUCTIONS",
    "Reduction",
    "aggregate",
    "better",
    "number",
    "reduce_metric",
]


@dataclass(frozen=True)
class Reduction:
    """A row of a table of reductions.

    Attributes
    ----------
    name : str
        What the user writes.
    of : callable
        Values, at least one, to one value.
    help : str
        A line for the user.
    passes_nan : bool
        Of a group: whether it looks past nan, the value of a run that diverged.
    """

    name: str
    of: Callable[[Sequence[Any]], Any]
    help: str
    passes_nan: bool = False


def number(value: Any) -> float | None:
    """A value as a float; None when it is no number (nan and inf are)."""
    if not isinstance(value, (bool, int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _numbers(values: Sequence[Any]) -> list[float]:
    """The numbers among logged values; nan is none."""
    found = (number(value) for value in values)
    return [value for value in found if value is not None and not math.isnan(value)]


def _over_numbers(of: Callable[[Sequence[float]], float]) -> Callable[[Sequence[Any]], Any]:
    """``of`` the numbers among the values; nan when values were logged and none is a number."""

    def reduce(values: Sequence[Any]) -> float:
        found = _numbers(values)
        return of(found) if found else math.nan

    return reduce


def _total(values: Iterable[float]) -> float:
    """The sum, rounded once; inf or nan where it has no number."""
    every = list(values)
    try:
        return math.fsum(every)
    except (OverflowError, ValueError):  # too large; or both inf and -inf
        return sum(every)


def _mean(values: Sequence[float]) -> float:
    return _total(values) / len(values)


REDUCTIONS: dict[str, Reduction] = {
    row.name: row
    for row in (
        Reduction("last", lambda values: values[-1], "the last value logged"),
        Reduction("first", lambda values: values[0], "the first value logged"),
        Reduction("min", _over_numbers(min), "the least number logged; nan is no number"),
        Reduction("max", _over_numbers(max), "the greatest number logged; nan is no number"),
        Reduction("mean", _over_numbers(_mean), "the mean of the numbers logged"),
        Reduction("count", len, "how many values were logged"),
    )
}


def reduce_metric(name: str, values: Sequence[Any]) -> Any:
    """One value of a metric of one run.

    Parameters
    ----------
    name : str
        A row of :data:`REDUCTIONS`.
    values : sequence
        What was logged, in order; at least one.
    """
    return REDUCTIONS[name].of(values)


def _quantile(values: Sequence[float], q: float) -> float:
    """Linear between the two nearest, as numpy's default."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _std(values: Sequence[float]) -> float:
    if len(values) < 2:
        return math.nan
    center = _mean(values)
    squares = ((value - center) * (value - center) for value in values)
    return math.sqrt(_total(squares) / (len(values) - 1))


def _sem(values: Sequence[float]) -> float:
    return _std(values) / math.sqrt(len(values))


def _ci95(values: Sequence[float]) -> float:
    return half_width(len(values)) * _sem(values)


AGGREGATES: dict[str, Reduction] = {
    row.name: row
    for row in (
        Reduction("mean", _mean, "mean"),
        Reduction("std", _std, "standard deviation of a sample (ddof=1); nan for one run"),
        Reduction("sem", _sem, "standard error of the mean: std / sqrt(n)"),
        Reduction("ci95", _ci95, "half width of the 95 % interval of the mean, Student's t"),
        Reduction("median", lambda values: _quantile(values, 0.5), "median"),
        Reduction(
            "iqr",
            lambda values: _quantile(values, 0.75) - _quantile(values, 0.25),
            "distance of the quartiles",
        ),
        Reduction("min", min, "least; nan is no number", passes_nan=True),
        Reduction("max", max, "greatest; nan is no number", passes_nan=True),
        Reduction("count", len, "runs that have a value"),
        Reduction("best", min, "least of a loss, greatest of a score", passes_nan=True),
    )
}

_LOWER = ("loss", "err", "error", "nll", "perplexity", "ppl", "mse", "mae", "rmse", "regret")
_HIGHER = ("acc", "accuracy", "score", "auc", "f1", "precision", "recall", "reward", "return")


def better(column: str, mode: str | None = None) -> Callable[[Sequence[float]], float]:
    """``min`` or ``max``: which end of a column is the best one.

    Parameters
    ----------
    column : str
        A loss or an error is better when lower, an accuracy or a score when higher, by the words
        of its name.
    mode : {"min", "max"}, optional
        Says it for any column.

    Raises
    ------
    ReductionError
        Neither the name nor ``mode`` tells.
    """
    if mode is not None:
        ends = {"min": min, "max": max}
        if mode not in ends:
            raise UnknownNameError("mode", mode, ends)
        return ends[mode]
    words = column.lower().replace("_", ".").replace("-", ".").split(".")
    lower, higher = (any(word in words for word in side) for side in (_LOWER, _HIGHER))
    if lower == higher:
        raise ReductionError(
            f"nothing tells whether a low or a high {column!r} is best",
            'write aggregate(…, mode="min") or mode="max"',
        )
    return min if lower else max


def aggregate(name: str, column: str, values: Sequence[Any], mode: str | None = None) -> Any:
    """One value of a column of a group of runs.

    Parameters
    ----------
    name : str
        A row of :data:`AGGREGATES`.
    column : str
        For errors, and for ``best``.
    values : sequence
        One a run; None is no value. A nan gives nan (a run that diverged is not averaged away),
        except where the row of the table passes it.
    mode : {"min", "max"}, optional
        For ``best``.

    Raises
    ------
    UnknownNameError
        No such reduction.
    ReductionError
        A value is not a number.
    """
    if name not in AGGREGATES:
        raise UnknownNameError("reduction", name, AGGREGATES)
    row = AGGREGATES[name]
    present = [value for value in values if value is not None]
    if name == "count":
        return row.of(present)
    numbers = [_must_be_number(column, value) for value in present]
    if row.passes_nan:
        numbers = [value for value in numbers if not math.isnan(value)]
    if not numbers or any(math.isnan(value) for value in numbers):
        return math.nan
    return better(column, mode)(numbers) if name == "best" else row.of(numbers)


def _must_be_number(column: str, value: Any) -> float:
    """``value`` as a float."""
    found = number(value)
    if found is None and isinstance(value, (list, tuple)):
        raise ReductionError(
            f"{column!r} has many values a run",
            f"write {column}.last (or another of {', '.join(REDUCTIONS)}), or use curves()",
        )
    if found is None:
        raise ReductionError(
            f"{column!r} has the value {value!r}, which is not a number",
            'use "count", or a column of numbers',
        )
    return found
