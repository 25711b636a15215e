"""What a query says: comparisons joined by and, or, not; and its text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from mlxp_nb.core.keys import Key

__all__ = [
    "RESERVED",
    "And",
    "Compare",
    "Constant",
    "Expression",
    "Not",
    "Or",
    "fold",
    "keys",
    "show",
    "unparse",
]

RESERVED = frozenset({"and", "or", "not", "in", "contains", "matches", "AND", "OR", "NOT", "IN"})
"""Words that are no keys unless they stand in backquotes."""

Constant: TypeAlias = "bool | int | float | str | tuple[Constant, ...] | None"


@dataclass(frozen=True)
class Compare:
    """``key operator value``."""

    key: Key
    operator: str
    value: Constant


@dataclass(frozen=True)
class Not:
    """Its term does not hold."""

    term: Expression


@dataclass(frozen=True)
class And:
    """Every term holds; without any it holds always: the empty query."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True)
class Or:
    """At least one term holds."""

    terms: tuple[Expression, ...]


Expression: TypeAlias = "Compare | Not | And | Or"

_SPECIAL = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_PLAIN_KEY = re.compile(r"[^\W\d]\w*(?:\.\w+)*")


def show(value: Constant) -> str:
    """A value as it is written in a query."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + "".join(_SPECIAL.get(sign, sign) for sign in value) + "'"
    if isinstance(value, tuple):
        return "[" + ", ".join(show(item) for item in value) + "]"
    return repr(value)


def _show_key(key: Key) -> str:
    """A key as it is written in a query."""
    if key.reduction is None and _PLAIN_KEY.fullmatch(key.name) and key.name not in RESERVED:
        return key.name
    quoted = "`" + key.name.replace("`", "``") + "`"
    return quoted if key.reduction is None else f"{quoted}.{key.reduction}"


T = TypeVar("T")


def fold(
    expression: Expression,
    leaf: Callable[[Compare], T],
    node: Callable[[Not | And | Or, tuple[T, ...]], T],
) -> T:
    """Build up a value from the leaves, without recursion."""
    results: list[T] = []
    todo: list[tuple[Expression, bool]] = [(expression, False)]
    while todo:
        here, is_ready = todo.pop()
        if isinstance(here, Compare):
            results.append(leaf(here))
            continue
        terms = _terms(here)
        if not is_ready:
            todo.append((here, True))
            todo.extend((term, False) for term in reversed(terms))
            continue
        split = len(results) - len(terms)
        results[split:] = [node(here, tuple(results[split:]))]
    return results[0]


def _terms(node: Not | And | Or) -> tuple[Expression, ...]:
    return (node.term,) if isinstance(node, Not) else node.terms


def unparse(expression: Expression) -> str:
    """The query that says an expression; ``parse`` of it gives the expression back.

    Written as MLXP would, with ``& | ~``, where MLXP has the operator.
    """

    def leaf(term: Compare) -> str:
        return f"{_show_key(term.key)} {term.operator} {show(term.value)}"

    def node(here: Not | And | Or, parts: tuple[str, ...]) -> str:
        if isinstance(here, Not):
            return f"~{_bracketed(here.term, parts[0])}"
        join = " & " if isinstance(here, And) else " | "
        # a & b binds closer than |, so it needs no brackets there
        bare = (Compare, Not, And) if isinstance(here, Or) else (Compare, Not)
        return join.join(
            part if isinstance(term, bare) else f"({part})"
            for term, part in zip(here.terms, parts, strict=True)
        )

    return fold(expression, leaf, node)


def _bracketed(term: Expression, text: str) -> str:
    """What follows ``~``."""
    return text if isinstance(term, Not) else f"({text})"


def keys(expression: Expression) -> tuple[Key, ...]:
    """The keys an expression asks for, each once, in order."""
    found: dict[Key, None] = {}
    todo = [expression]
    while todo:
        here = todo.pop()
        if isinstance(here, Compare):
            found[here.key] = None
        else:
            todo.extend(reversed(_terms(here)))
    return tuple(found)
