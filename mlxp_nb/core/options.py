"""Options of a command or a magic, parsed from a table; an unknown one is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlxp_nb.errors import MlxpError, UnknownNameError

__all__ = ["Option", "OptionError", "Parsed", "parse_options"]


class OptionError(MlxpError, ValueError):
    """An option that cannot be used as it was given."""


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes
    ----------
    flags : tuple of str
        ``("-j", "--jobs")``; the last one names it.
    help : str
        One line.
    value : str
        What follows it, for the help; empty when nothing does.
    kind : type
        ``str`` or ``int``.
    default : object
        When it is not given.
    bare : object
        When its value is left out, for an option whose value may be left out; None: it may not.
    """

    flags: tuple[str, ...]
    help: str
    value: str = ""
    kind: type = str
    default: Any = None
    bare: Any = None

    @property
    def name(self) -> str:
        """``--dry-run`` becomes ``dry_run``."""
        return self.flags[-1].lstrip("-").replace("-", "_")

    def show(self) -> str:
        """As it is typed."""
        value = f" {self.value}" if self.value else ""
        if self.bare is not None:
            value = f"[={self.value}]"
        return f"{', '.join(self.flags)}{value}"


@dataclass(frozen=True)
class Parsed:
    """Options by name, and the words that are none.

    Attributes
    ----------
    options : mapping
        A value for each option of the table.
    words : tuple of str
        In order.
    """

    options: Mapping[str, Any]
    words: tuple[str, ...]

    def __getitem__(self, name: str) -> Any:
        return self.options[name]


def parse_options(arguments: Sequence[str], table: Sequence[Option]) -> Parsed:
    """Read a command line that was split into words.

    Parameters
    ----------
    arguments : sequence of str
        ``-j2``, ``-j 2``, ``--jobs=2`` and ``--jobs 2`` are the same; after ``--`` all are words.
    table : sequence of Option
        What may be given.

    Raises
    ------
    UnknownNameError
        There is no such option.
    OptionError
        Its value is missing or of the wrong kind.
    """
    by_flag = {flag: option for option in table for flag in option.flags}
    values = {option.name: option.default for option in table}
    words: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            words += rest
            break
        if not word.startswith("-") or word == "-":
            words.append(word)
            continue
        flag, given = _split(word, by_flag)
        if flag not in by_flag:
            raise UnknownNameError("option", flag, by_flag)
        option = by_flag[flag]
        values[option.name] = _value(option, flag, given, rest)
    return Parsed(values, tuple(words))


def _split(word: str, by_flag: Mapping[str, Option]) -> tuple[str, str | None]:
    """A flag and the value glued to it."""
    if word.startswith("--"):
        flag, equals, given = word.partition("=")
        return flag, given if equals else None
    if len(word) > 2 and word[:2] in by_flag and by_flag[word[:2]].value:
        return word[:2], word[2:].removeprefix("=")
    return word, None


def _value(option: Option, flag: str, given: str | None, rest: list[str]) -> Any:
    """The value of an option, taken from the words after it when it is not glued on."""
    if not option.value:
        if given is not None:
            raise OptionError(f"{flag} takes no value", f"write {flag}")
        return True
    if given is None and option.bare is not None:
        return option.bare
    if given is None:
        if not rest or (rest[0].startswith("-") and not rest[0][1:].isdigit()):
            raise OptionError(f"{flag} needs a value", f"write {flag} {option.value}")
        given = rest.pop(0)
    try:
        return option.kind(given)
    except ValueError:
        raise OptionError(f"{flag} is {given!r}, not a whole number", f"write {flag} 2") from None
