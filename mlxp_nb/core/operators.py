"""Operators of the filter language: a new one is a row of OPERATORS."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mlxp_nb.core.expression import Constant

__all__ = ["CONSTANTS", "OPERATORS", "Operator", "pattern"]


def _type(value: Any) -> str:
    """The type a value is compared as."""
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, (list, tuple)):
        return "list"
    return "null" if value is None else type(value).__name__


def _equal(left: Any, right: Any) -> bool:
    """Same type, same value; nan equals nan."""
    kind = _type(left)
    if kind != _type(right):
        return False
    if kind == "list":
        return len(left) == len(right) and all(map(_equal, left, right))
    return bool(left == right) or (kind == "number" and left != left and right != right)


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """``test`` for two values of one type that has an order."""

    def compare(left: Any, right: Any) -> bool:
        kind = _type(left)
        return kind in ("number", "str", "truth") and kind == _type(right) and test(left, right)

    return compare


def _is_in(value: Any, among: Sequence[Any]) -> bool:
    return any(_equal(value, item) for item in among)


def _contains(value: Any, part: Any) -> bool:
    """A text with this part, or a list with this element."""
    if isinstance(value, str):
        return isinstance(part, str) and part in value
    return isinstance(value, (list, tuple)) and _is_in(part, value)


@lru_cache(maxsize=256)
def pattern(text: str) -> re.Pattern[str]:
    """A compiled regular expression; re's warnings on odd ones are the user's affair."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return re.compile(text)


def _matches(value: Any, expression: str) -> bool:
    return isinstance(value, str) and pattern(expression).search(value) is not None


@dataclass(frozen=True)
class Operator:
    """A row of :data:`OPERATORS`.

    Attributes
    ----------
    name : str
        As written.
    test : callable
        ``test(value of the run, value in the query)``.
    takes : str
        What may stand at the right: "value", "scalar" (no list), "list" or "pattern".
    help : str
        A line for the user.
    negates : str
        The operator that this one is the negation of.
    """

    name: str
    test: Callable[[Any, Any], bool]
    takes: str
    help: str
    negates: str = ""


OPERATORS: dict[str, Operator] = {
    row.name: row
    for row in (
        Operator("==", _equal, "value", "same type and value"),
        Operator("!=", _equal, "value", "not ==; true where the key is missing", "=="),
        Operator("<", _ordered(lambda a, b: a < b), "scalar", "less; text by its letters"),
        Operator("<=", _ordered(lambda a, b: a <= b), "scalar", "less or equal"),
        Operator(">", _ordered(lambda a, b: a > b), "scalar", "greater"),
        Operator(">=", _ordered(lambda a, b: a >= b), "scalar", "greater or equal"),
        Operator("in", _is_in, "list", "equal to one of a list"),
        Operator("not in", _is_in, "list", "not in; true where the key is missing", "in"),
        Operator("contains", _contains, "scalar", "a text with this part, a list with this value"),
        Operator("matches", _matches, "pattern", "a regular expression is found in the text"),
    )
}

CONSTANTS: dict[str, Constant] = {
    "true": True,
    "false": False,
    "none": None,
    "null": None,
    "nan": math.nan,
    "inf": math.inf,
}
