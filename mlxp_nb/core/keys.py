"""Names of columns: what a user writes, and which column it means."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from mlxp_nb.core.columns import Kind, kind_of
from mlxp_nb.core.reductions import REDUCTIONS
from mlxp_nb.errors import QueryError, UnknownNameError, closest

__all__ = ["MAY_COME", "Fields", "Key", "UnknownKeyError", "resolve"]

MAY_COME: Final = frozenset(
    {
        "info.status",
        "info.problem",
        "info.started",
        "info.ended",
        "info.start_date",
        "info.start_time",
        "info.end_date",
        "info.end_time",
        "info.end.reason",
        "info.end.exit_code",
        "info.error.type",
        "info.error.message",
        "info.error.where",
        "info.sweep.id",
        "info.sweep.name",
        "info.sweep.index",
    }
)
"""Fields a run gets when it starts, ends or fails: asking for one that none has yet is no slip."""


@dataclass(frozen=True)
class Key:
    """One column, or a metric column reduced to one value a run.

    Attributes
    ----------
    name : str
        Dotted: ``config.optimizer.lr``, ``test.loss``.
    reduction : str or None
        A row of :data:`~mlxp_nb.core.reductions.REDUCTIONS`: ``last`` of ``test.loss.last``.
    at : int
        Where it stands in the text it was written in.
    """

    name: str
    reduction: str | None = None
    at: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        return self.name if self.reduction is None else f"{self.name}.{self.reduction}"


@dataclass(frozen=True)
class Fields:
    """The columns that a name can mean.

    Attributes
    ----------
    metadata : collection of str
        Columns whose values are at hand.
    lazy : callable
        Gives the metric and artifact columns; called only for a name that needs them.
    """

    metadata: Collection[str]
    lazy: Callable[[], Collection[str]] = tuple


class UnknownKeyError(QueryError, UnknownNameError):
    """A key that no run has.

    Parameters
    ----------
    name : str
        What was written.
    known : collection of str
        The keys there are.
    """

    def __init__(
        self, name: str, known: Collection[str], *, text: str | None = None, at: int = 0
    ) -> None:
        slip = UnknownNameError("key", name, known)
        near = slip.near or _near_by_its_end(name, slip.known)
        hint = slip.hint if near is None else f"did you mean {near!r}?"
        QueryError.__init__(self, slip.problem, hint, text=text, at=at)
        self.name, self.known, self.near = name, slip.known, near


def _near_by_its_end(name: str, known: Iterable[str]) -> str | None:
    """The key whose last words are most like ``name``."""
    words = name.count(".") + 1
    by_end = {".".join(key.split(".")[-words:]): key for key in known}
    near = closest(name, by_end)
    return None if near is None else by_end[near]


def _matches(name: str, keys: Iterable[str]) -> list[str]:
    """Keys that are ``name`` or end in it."""
    return [key for key in keys if key == name or key.endswith(f".{name}")]


def resolve(key: Key, fields: Fields, text: str | None = None) -> Key:
    """The column that a name means.

    A name is a whole key, or the end of exactly one; of a metric, it may say a reduction.

    Parameters
    ----------
    key : Key
        As it was written.
    fields : Fields
        What there is.
    text : str, optional
        What ``key.at`` counts in; shown in errors.

    Raises
    ------
    UnknownKeyError
        No run has such a key.
    QueryError
        Several keys end in that name.
    """
    name = key.name
    if key.reduction is None and (name in fields.metadata or name in MAY_COME):
        return key
    rooted = name.partition(".")[0] in ("config", "info")
    readings = [] if rooted else _readings(key)
    if "." in name or key.reduction is not None:
        for reading in readings:
            if reading.name in _lazy(reading, fields):
                return reading
    if not rooted and key.reduction is None:
        found = _matches(name, fields.metadata)
        if found:
            return Key(_only(name, found, text, key.at), None, key.at)
    for reading in readings:
        found = _matches(reading.name, _lazy(reading, fields))
        if found:
            return Key(_only(reading.name, found, text, key.at), reading.reduction, key.at)
    if not rooted and not fields.lazy() and readings[-1].reduction is not None:
        return readings[-1]  # nothing is logged yet: missing in every run, but no slip
    raise _unknown(key, readings, fields, text)


def _readings(key: Key) -> list[Key]:
    """A name as a column, and where its last word is a reduction, as a reduced column."""
    column, _, last = key.name.rpartition(".")
    if key.reduction is None and column and last in REDUCTIONS:
        return [key, Key(column, last, key.at)]
    return [key]


def _lazy(reading: Key, fields: Fields) -> Collection[str]:
    """What a reading can be among the lazy columns: only a metric has a reduction."""
    if reading.reduction is None:
        return fields.lazy()
    return [name for name in fields.lazy() if kind_of(name) is Kind.METRIC]


def _only(name: str, found: Sequence[str], text: str | None, at: int) -> str:
    """The one key found."""
    if len(found) > 1:
        shown = " or ".join(sorted(found)[:4])
        raise QueryError(f"several keys end in {name!r}", f"write {shown}", text=text, at=at)
    return found[0]


def _unknown(key: Key, readings: Sequence[Key], fields: Fields, text: str | None) -> QueryError:
    """The error for a name that is no column."""
    column, _, last = key.name.rpartition(".")
    metrics = [name for name in fields.lazy() if kind_of(name) is Kind.METRIC] if readings else []
    if column in metrics:
        return _unknown_reduction(key, column, last, text)
    error = UnknownKeyError(key.name, {*fields.metadata, *metrics}, text=text, at=key.at)
    if error.near in metrics and last in REDUCTIONS:
        error.near = f"{error.near}.{last}"
        error.hint = f"did you mean {error.near!r}?"
    return error


def _unknown_reduction(key: Key, column: str, last: str, text: str | None) -> QueryError:
    """The error for a metric with a word after it that is no reduction."""
    near = closest(last, REDUCTIONS)
    every = " ".join(f".{name}" for name in REDUCTIONS)
    hint = f"write {column}.{near}" if near else f"write one of {every} after {column}"
    return QueryError(f"unknown reduction {last!r}", hint, text=text, at=key.at)
