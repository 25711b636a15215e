"""A sweep as data: the text of a cell, its overrides, and how they should be run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from mlxp_nb.core.target import Target
from mlxp_nb.errors import SweepSyntaxError

__all__ = ["Axis", "Override", "SweepPlan", "parse_overrides", "unparse_overrides"]

_KEYED = re.compile(r"(?:\+\+?)?[A-Za-z_][\w./@:$-]*=|~[A-Za-z_]")
_OPEN, _CLOSE = "([{", ")]}"


@dataclass(frozen=True)
class Override:
    """One override in Hydra's grammar, and where it was written.

    Attributes
    ----------
    text : str
        ``optimizer.lr=0.01,0.1``.
    source : str
        The whole line it stands on.
    line : int or None
        1-based number of that line in the cell; None on a command line.
    at : int
        0-based offset of the override in that line.
    """

    text: str
    source: str = ""
    line: int | None = None
    at: int = 0

    @property
    def key(self) -> str:
        """What it sets, without ``+``, ``++`` or ``~``."""
        return self.text.partition("=")[0].lstrip("+~").partition("@")[0]

    def error(self, problem: str, hint: str, within: int = 0) -> SweepSyntaxError:
        """An error that points at offset ``within`` of this override."""
        return SweepSyntaxError(
            problem, hint, text=self.source or self.text, at=self.at + within, line=self.line
        )


@dataclass(frozen=True)
class Axis:
    """A key that takes several values.

    Attributes
    ----------
    key : str
        ``optimizer.lr``.
    values : tuple of str
        As typed or expanded, in order.
    """

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class SweepPlan:
    """What should be run, and how; pure data, made from text.

    Attributes
    ----------
    target : Target
        The function to run.
    overrides : tuple of Override
        The grid, in Hydra's grammar.
    text : str
        The cell's body as typed; it is the truth of the sweep.
    name : str
        For people.
    executor : str
        Where: ``local``.
    parallel : int or None
        At most so many runs at once; None leaves it to the executor.
    policy : str or None
        Snapshot policy; None leaves it to the project.
    """

    target: Target
    overrides: tuple[Override, ...] = ()
    text: str = ""
    name: str = ""
    executor: str = "local"
    parallel: int | None = None
    policy: str | None = None


def parse_overrides(body: str) -> tuple[Override, ...]:
    """The overrides of a cell: one or several a line, ``#`` begins a comment.

    Only quotes, brackets and blanks are understood here; what is inside an override is Hydra's.

    Raises
    ------
    SweepSyntaxError
        A line does not begin like an override.
    """
    found: list[Override] = []
    for number, line in enumerate(body.splitlines(), start=1):
        found.extend(_of_line(line, number))
    return tuple(found)


def unparse_overrides(overrides: tuple[Override, ...]) -> str:
    """A cell's text with one override a line."""
    return "".join(f"{override.text}\n" for override in overrides)


def _of_line(line: str, number: int) -> list[Override]:
    """The overrides of one line."""
    end = _end(line)
    starts = _starts(line, end)
    overrides = [
        Override(line[at:until].strip(), line, number, at) for at, until in pairwise([*starts, end])
    ]
    for override in overrides:
        if not _KEYED.match(override.text):
            raise override.error(
                f"{override.text.split()[0]!r} is not an override",
                "write key=value, key=a,b,c or ~key",
            )
    return overrides


def _end(line: str) -> int:
    """Where the comment of a line begins, else its length."""
    quote = ""
    for at, char in enumerate(line):
        if quote:
            quote = "" if char == quote and line[at - 1] != "\\" else quote
        elif char in "'\"":
            quote = char
        elif char == "#" and (at == 0 or line[at - 1].isspace()):
            return at
    return len(line)


def _starts(line: str, end: int) -> list[int]:
    """Offsets where overrides begin.

    The first word, and each ``key=`` after a blank outside quotes and brackets.
    """
    starts: list[int] = []
    quote, depth, fresh = "", 0, True
    for at in range(end):
        char = line[at]
        if quote:
            quote = "" if char == quote and line[at - 1] != "\\" else quote
        elif char in "'\"":
            quote = char
        elif char in _OPEN:
            depth += 1
        elif char in _CLOSE:
            depth = max(0, depth - 1)
        if char.isspace():
            fresh = True
            continue
        if (fresh and not starts) or (
            fresh and depth == 0 and not quote and _KEYED.match(line[at:end])
        ):
            starts.append(at)
        fresh = False
    return starts
