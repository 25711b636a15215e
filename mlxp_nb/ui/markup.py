"""Markup from values: the one place that escapes.

Text becomes :class:`Html` only through :func:`tag` and :func:`escape`; whatever is not
:class:`Html` is escaped when it is put inside, so that forgetting to escape is not possible.
"""

from __future__ import annotations

import html
import re
from functools import cache
from pathlib import Path

from mlxp_nb.core.status import State
from mlxp_nb.ui.shapes import REUSED, SHAPES, Shape

__all__ = [
    "Html",
    "clean",
    "cut",
    "escape",
    "mark",
    "shape_of",
    "state_html",
    "static",
    "style",
    "tag",
]

_STATIC = Path(__file__).parent / "static"
_VOID = frozenset(("br", "circle", "path", "rect"))
# Controls other than tab and newline, and those that turn the direction of what follows them.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Html(str):
    """Markup that is safe as it stands."""

    __slots__ = ()


def clean(text: object) -> str:
    """``text`` with its invisible control characters written out, so that none acts on the page."""
    return _HIDDEN.sub(lambda found: f"\\x{ord(found[0]):02x}", str(text))


def cut(text: object, most: int = 200) -> str:
    """``text`` without its end past ``most`` characters."""
    shown = str(text)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def escape(text: object) -> Html:
    """``text`` as it is to be read: no character of it is markup."""
    return text if isinstance(text, Html) else Html(html.escape(clean(text)))


def tag(name: str, *inside: object, **attributes: object) -> Html:
    """One element.

    Parameters
    ----------
    name : str
        ``"td"``; ours, never from a value.
    *inside : object
        :class:`Html` goes in as it is, everything else escaped.
    **attributes : object
        ``cls`` is ``class``; ``_`` in a name is ``-``; None and False leave an attribute out.
    """
    named = {"class" if k == "cls" else k.replace("_", "-"): v for k, v in attributes.items()}
    written = "".join(
        f' {key}="{escape(value)}"' for key, value in named.items() if value not in (None, False)
    )
    if name in _VOID and not inside:
        return Html(f"<{name}{written}/>")
    return Html(f"<{name}{written}>{''.join(map(escape, inside))}</{name}>")


def mark(shape: Shape) -> Html:
    """The shape of a state, 12 by 12, in the colour of its tone."""
    parts = [tag(name, **attributes) for name, attributes in shape.parts]
    return tag("svg", *parts, cls="xp-mark", viewBox="0 0 12 12", aria_hidden="true")


def state_html(state: State, title: str = "") -> Html:
    """A state by shape, word and colour."""
    shape = SHAPES[state]
    classes = f"xp-st xp-{shape.tone} xp-{state.value}" + (" xp-tint" if shape.tint else "")
    return tag("span", mark(shape), state.value, cls=classes, title=title or None)


def shape_of(kind: str) -> Shape:
    """The shape of a piece of a bar: a state, or ``reused``."""
    return REUSED if kind == "reused" else SHAPES[State(kind)]


@cache
def static(name: str) -> str:
    """The text of a file of the front end."""
    return (_STATIC / name).read_text(encoding="utf-8")


@cache
def style(*names: str) -> Html:
    """Style sheets as an element, without comments and indentation."""
    text = "\n".join(static(name) for name in names)
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*\n\s*", " ", text).strip()
    return Html(f"<style>{text}</style>")
