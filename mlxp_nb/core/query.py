r"""The filter language: text to expression, back, and whether it holds for a run.

MLXP's grammar, and more::

    query      = [ either ]
    either     = both { ("|" | "or") both }
    both       = negation { ("&" | "and") negation }
    negation   = { "~" | "not" } ( "(" either ")" | comparison )
    comparison = key operator value
    operator   = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in" | "contains" | "matches"
    key        = word { "." word } | "`" any text "`" [ "." reduction ]
    value      = number | text | "true" | "false" | "null" | "nan" | "inf" | "[" values "]"

A key is a whole one (``config.optimizer.lr``) or the end of exactly one (``lr``); a metric is
asked by a reduction (``test.loss.last``). Text stands in either quotes; ``\n \t \r \\ \' \"``,
``\x41`` and ``\u00e9`` are escapes, any other backslash stands for itself.

A comparison with a value of another type, or with a key that the run lacks, is false, and its
negation is true: ``!=`` is exactly the negation of ``==``, ``not in`` of ``in``. nan equals nan,
so that ``train.loss.last == nan`` finds what diverged. Dates compare as ISO text.
Nothing raises but :class:`~mlxp_nb.errors.QueryError`; a key that no run has is one as well
(:class:`~mlxp_nb.core.keys.UnknownKeyError`), since it is nearly always a slip of the pen.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace
from operator import itemgetter
from typing import Any

from mlxp_nb.core.columns import MISSING, Kind, kind_of
from mlxp_nb.core.expression import And, Compare, Constant, Expression, Not, Or, fold, keys, unparse
from mlxp_nb.core.keys import Fields, Key, resolve
from mlxp_nb.core.operators import CONSTANTS, OPERATORS, Operator
from mlxp_nb.core.query_text import parse
from mlxp_nb.core.reductions import REDUCTIONS
from mlxp_nb.errors import QueryError

__all__ = [
    "CONSTANTS",
    "OPERATORS",
    "And",
    "Compare",
    "Constant",
    "Expression",
    "Key",
    "Not",
    "Operator",
    "Or",
    "bind",
    "evaluate",
    "keys",
    "parse",
    "unparse",
]


def bind(expression: Expression, fields: Fields, text: str | None = None) -> Expression:
    """The same expression with every key a whole one, and what is cheap to ask first.

    Parameters
    ----------
    expression : Expression
        From :func:`parse`.
    fields : Fields
        The columns of the runs it will be asked of.
    text : str, optional
        The query, for errors.

    Raises
    ------
    UnknownKeyError
        No run has such a key.
    QueryError
        Several keys end in that name, or a metric is asked without a reduction.
    """

    # With each part goes whether answering it opens a metric file.
    def leaf(term: Compare) -> tuple[bool, Expression]:
        key = resolve(term.key, fields, text)
        _must_have_one_value(key, fields, text)
        return key.reduction is not None, replace(term, key=key)

    def node(
        here: Not | And | Or, parts: tuple[tuple[bool, Expression], ...]
    ) -> tuple[bool, Expression]:
        terms = tuple(term for _, term in sorted(parts, key=itemgetter(0)))
        bound = Not(terms[0]) if isinstance(here, Not) else type(here)(terms)
        return any(opens for opens, _ in parts), bound

    return fold(expression, leaf, node)[1]


def _must_have_one_value(key: Key, fields: Fields, text: str | None) -> None:
    """Refuse a metric without a reduction, and an artifact."""
    if key.reduction is not None or key.name in fields.metadata:
        return
    kind = kind_of(key.name)
    if kind is Kind.ARTIFACT:
        hint = "ask for a config, info or metric key"
        raise QueryError(f"{key.name!r} is an artifact", hint, text=text, at=key.at)
    if kind is Kind.METRIC:
        others = " ".join(f".{name}" for name in REDUCTIONS if name != "last")
        raise QueryError(
            f"{key.name!r} has many values a run",
            f"write {key.name}.last (or {others})",
            text=text,
            at=key.at,
        )


def evaluate(expression: Expression, lookup: Callable[[Key], Any]) -> bool:
    """Whether an expression holds for one run.

    Parameters
    ----------
    expression : Expression
        From :func:`bind`, or from :func:`parse` when its keys are whole ones.
    lookup : callable
        The value the run has for a key, or MISSING. Asked from left to right, and no more than
        the answer needs.
    """
    result = True
    todo: list[tuple[Expression, int]] = [(expression, 0)]
    while todo:
        here, done = todo.pop()
        if isinstance(here, Compare):
            result = _holds(here, lookup(here.key))
        elif isinstance(here, Not):
            if done:
                result = not result
            else:
                todo += [(here, 1), (here.term, 0)]
        else:
            settles = isinstance(here, Or)
            if done == 0:
                result = not settles  # what no terms at all give
            if result is not settles and done < len(here.terms):
                todo += [(here, done + 1), (here.terms[done], 0)]
    return result


def _holds(term: Compare, value: Any) -> bool:
    """Whether a comparison holds for a value."""
    operator = OPERATORS[term.operator]
    plain = value.isoformat() if isinstance(value, datetime.date) else value
    return (plain is not MISSING and operator.test(plain, term.value)) != bool(operator.negates)
