"""YAML that somebody else may have written: plain values, small, and nothing that explodes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

__all__ = ["SIZE_MAX", "load"]

SIZE_MAX = 2**20
DEPTH_MAX = 100
DIGITS_MAX = 1000
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# What a line begins with: its indentation and the marks of lists in lists.
_START = re.compile(r"(?:^|[\r\n\x85\u2028\u2029])((?:[ \t]|[-?:][ \t])*)")


class _Loader(_BASE):  # type: ignore[misc]  # one of two classes
    """A safe loader whose numbers and dates cannot be used against it."""


def _or_text(kind: str) -> Callable[[Any, Any], Any]:
    """Read a scalar of a kind; one that no such value has, or too long to be meant, is text."""

    def construct(loader: Any, node: Any) -> Any:
        if len(node.value) > DIGITS_MAX:
            return node.value
        try:
            return getattr(loader, f"construct_yaml_{kind}")(node)
        except (ValueError, KeyError, IndexError, OverflowError, AttributeError):
            return node.value

    return construct


for _kind in ("int", "float", "bool", "timestamp"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _or_text(_kind))


def load(data: bytes) -> Any:
    """The value of a document.

    Raises
    ------
    ValueError
        It is larger than 1 MB, is not UTF-8, has aliases, or is nested deeper than 100 levels.
    yaml.YAMLError
        It is not YAML, or names something else than plain values.
    """
    if len(data) > SIZE_MAX:
        raise ValueError(f"larger than {SIZE_MAX:,} bytes")
    text = data.decode("utf-8")
    if _may_explode(text):
        _check_events(text)
    return yaml.load(text, Loader=_Loader)  # a SafeLoader, in C where there is one


def _may_explode(text: str) -> bool:
    """Whether aliases or deep nesting are possible; cheap, and never wrongly False."""
    if "*" in text or text.count("[") + text.count("{") > DEPTH_MAX:
        return True
    return max(map(len, _START.findall(text)), default=0) > DEPTH_MAX


def _check_events(text: str) -> None:
    """Look at a document without building it.

    Raises
    ------
    ValueError
        An alias, or too deep. An alias makes a few lines into gigabytes, and the loader in C ends
        the whole process on some ten thousand levels.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("it has aliases, which are not read")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH_MAX:
            raise ValueError(f"it is nested deeper than {DEPTH_MAX} levels")
