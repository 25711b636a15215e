"""Columns: nested records as dotted keys, and which of them tell runs apart."""

from __future__ import annotations

import datetime
import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Final

__all__ = [
    "MISSING",
    "Kind",
    "Missing",
    "flatten",
    "identity",
    "kind_of",
    "order",
    "sort_key",
    "varying",
]


class Missing(Enum):
    """The type of :data:`MISSING`."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING
"""What a run has in a column that it does not have; None is a value."""


class Kind(str, Enum):
    """Where the values of a column come from."""

    CONFIG = "config"
    INFO = "info"
    METRIC = "metric"
    ARTIFACT = "artifact"


_ROOTS = {"config": Kind.CONFIG, "info": Kind.INFO, "artifact": Kind.ARTIFACT}


def kind_of(key: str) -> Kind:
    """The kind of a column, by its first word."""
    return _ROOTS.get(key.partition(".")[0], Kind.METRIC)


def flatten(record: Mapping[Any, Any], root: str = "") -> dict[str, Any]:
    """A nested record as one mapping of dotted keys, in order.

    Parameters
    ----------
    record : mapping
        Keys of any type; they are written as text.
    root : str
        First word of every key.

    Returns
    -------
    dict
        Lists are values, also lists of mappings. A mapping without fields gives no column, as
        in MLXP; one that contains itself ends where it would begin again.
    """
    return dict(_flat(record, root, ()))


def _flat(
    record: Mapping[Any, Any], root: str, above: tuple[int, ...]
) -> Iterator[tuple[str, Any]]:
    """Keys and values; ``above`` are the mappings that this one lies in."""
    inside = (*above, id(record))
    for key, value in record.items():
        name = f"{root}.{key}" if root else str(key)
        if not isinstance(value, Mapping):
            yield name, value
        elif id(value) not in inside:
            yield from _flat(value, name, inside)


def identity(value: Any) -> Hashable:
    """What two values have in common exactly when they are the same value.

    ``1`` and ``1.0`` are the same, ``1`` and ``True`` are not, nan is nan, and lists and mappings
    go by their content.
    """
    try:
        return _identity(value)
    except RecursionError:  # YAML can make a list that contains itself
        return ("repr", repr(value))


def _identity(value: Any) -> Hashable:
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, float) and math.isnan(value):
        return ("nan",)
    if isinstance(value, (list, tuple)):
        return ("list", tuple(_identity(item) for item in value))
    if isinstance(value, Mapping):
        return ("map", frozenset((str(key), _identity(item)) for key, item in value.items()))
    if isinstance(value, Hashable):
        return value
    return ("repr", repr(value))


def sort_key(value: Any) -> tuple[int, Any]:
    """A key by which values of any types can be sorted: numbers, text, dates, the rest, None."""
    if isinstance(value, (bool, int, float)):
        return (1, math.inf) if isinstance(value, float) and math.isnan(value) else (0, value)
    if isinstance(value, str):
        return 2, value
    if isinstance(value, datetime.date):
        return 3, value.isoformat()
    if isinstance(value, (list, tuple)):
        return 4, [sort_key(item) for item in value]
    return (6, "") if value is None else (5, repr(value))


def varying(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys that do not have one same value in every row, in order of first appearance.

    A key that some rows lack varies.
    """
    values: dict[str, set[Hashable]] = {}
    present: dict[str, int] = {}
    for row in rows:
        for key, value in row.items():
            values.setdefault(key, set()).add(identity(value))
            present[key] = present.get(key, 0) + 1
    return [key for key, seen in values.items() if len(seen) > 1 or present[key] < len(rows)]


def order(rows: Sequence[Mapping[str, Any]], lazy: Iterable[str] = ()) -> list[str]:
    """All columns, what varies first.

    Parameters
    ----------
    rows : sequence of mapping
        Flat metadata.
    lazy : iterable of str
        Metric and artifact columns.

    Returns
    -------
    list of str
        Configuration that varies, the status, metrics, the other configuration, the other
        information (again what varies first), artifacts.
    """
    varies = set(varying(rows))
    keys = dict.fromkeys([*(key for row in rows for key in row), *lazy])
    return sorted(keys, key=lambda key: _rank(key, key in varies))


def _rank(key: str, varies: bool) -> int:
    """The place of a column among the others."""
    if key == "info.status":
        return 1
    kind = kind_of(key)
    if kind is Kind.CONFIG:
        return 0 if varies else 3
    if kind is Kind.INFO:
        return 4 if varies else 5
    return 2 if kind is Kind.METRIC else 6
