"""The options of each magic, and how its line is split."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from mlxp_nb.core.options import Option, OptionError, Parsed, parse_options

__all__ = [
    "LOGS",
    "PLOT_OPTIONS",
    "RUNS_OPTIONS",
    "SWEEP_OPTIONS",
    "documented",
    "keys",
    "query_line",
    "words",
]

_F = TypeVar("_F", bound=Callable[..., Any])

LOGS = Option(("--logs",), "log directory, the project's unless given", "DIR")

SWEEP_OPTIONS = (
    Option(("-j", "--jobs"), "at most N runs at once; 0: one per core", "N", int),
    Option(
        ("--on",), "executor: local, or a name of configs/mlxp_nb.yaml", "NAME", default="local"
    ),
    Option(("--out",), "name the sweep in this notebook", "VARIABLE"),
    Option(("--name",), "name the sweep for people", "NAME", default=""),
    Option(("--snapshot",), "worktree, head, strict or off", "POLICY"),
    Option(("--wait",), "wait for the end; an error when a run did not complete", default=False),
)
RUNS_OPTIONS = (LOGS,)
PLOT_OPTIONS = (
    Option(("--x",), "horizontal axis: a logged key such as epoch", "KEY"),
    Option(("--by",), "one curve for each value of these, a comma between", "KEYS", default=""),
    Option(("--over",), "average over these", "KEYS", default=""),
    Option(("--stat",), "mean, median, min or max", "NAME", default="mean"),
    Option(("--band",), "std, sem, ci95, minmax, iqr or none", "NAME", default="std"),
    Option(("--where",), "only the runs for which this query holds", "QUERY", default=""),
    Option(("--logx",), "logarithmic horizontal axis", default=False),
    Option(("--logy",), "logarithmic vertical axis", default=False),
    LOGS,
)


def words(line: str, table: Sequence[Option]) -> Parsed:
    """Split a line as a shell does, and read its options.

    Raises
    ------
    OptionError, UnknownNameError
        With what to write instead.
    """
    try:
        # A backslash is a character of the line, as in a path or a regular expression.
        lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
        lexer.whitespace_split, lexer.escape, lexer.commenters = True, "", "#"
        return parse_options(list(lexer), table)
    except ValueError as error:
        if isinstance(error, OptionError):
            raise
        raise OptionError(
            f"the line cannot be split: {error}", "close the quotation", text=line, at=len(line)
        ) from error


def query_line(line: str) -> tuple[str, str | None]:
    """A query as it stands, and the log directory given before it by ``--logs DIR``."""
    text = line.strip()
    if not text.startswith("-"):
        return text, None
    head, _, rest = text.partition(" ")
    if "=" not in head:
        value, _, rest = rest.strip().partition(" ")
        head = f"{head}={value}" if value else head
    return rest.strip(), str(parse_options([head], RUNS_OPTIONS)["logs"])


def keys(text: str) -> tuple[str, ...]:
    """``config.a,config.b`` as names."""
    return tuple(key.strip() for key in text.split(",") if key.strip())


def documented(table: Sequence[Option]) -> Callable[[_F], _F]:
    """Add a table of options to a magic's help, which ``%%magic?`` shows."""

    def decorate(function: _F) -> _F:
        lines = [f"      {option.show():22} {option.help}" for option in table]
        function.__doc__ = "\n".join([f"{function.__doc__}", "    Options:", *lines, ""])
        return function

    return decorate
