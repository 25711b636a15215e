"""The mark of each state: a shape that differs without colour, and a tone that says what to do.

Shapes are drawn in a box of 12 by 12. They are data, so that Python writes them into static pages
and the browser builds them as nodes, both from this one table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mlxp_nb.core.status import State

__all__ = ["REUSED", "SHAPES", "Shape", "shapes_json"]

Part = tuple[str, Mapping[str, str]]


@dataclass(frozen=True)
class Shape:
    """How one state is marked.

    Attributes
    ----------
    tone : str
        ``good`` (nothing to do), ``active`` (at work), ``wait`` (waiting or put aside), ``bad``
        (look at the code or the node), ``res`` (give more, run again), ``doubt`` (unknown).
    tint : bool
        Whether its word stands on a ground; what is normal is quiet.
    parts : tuple of (tag, attributes)
        SVG elements.
    """

    tone: str
    tint: bool
    parts: tuple[Part, ...]


_INK = "currentColor"
_HOLE = "var(--xp-hole)"


def _line(path: str, width: str = "1.4", ink: str = _INK, **more: str) -> Part:
    drawn = {"d": path, "fill": "none", "stroke": ink, "stroke-width": width}
    return "path", {**drawn, "stroke-linecap": "round", "stroke-linejoin": "round", **more}


def _solid(path: str, **more: str) -> Part:
    return "path", {"d": path, "fill": _INK, **more}


def _disc(radius: str, y: str = "6") -> Part:
    return "circle", {"cx": "6", "cy": y, "r": radius, "fill": _INK}


def _ring(**more: str) -> Part:
    ring = {"cx": "6", "cy": "6", "r": "4.8", "fill": "none", "stroke": _INK}
    return "circle", {**ring, "stroke-width": "1.4", **more}


def _box(at: str, side: str, **more: str) -> Part:
    return "rect", {"x": at, "y": at, "width": side, "height": side, **more}


REUSED = Shape(
    "good",
    False,
    (_line("M2 6.2a4 4 0 1 1 1.3 2.9", "1.5"), _line("M.6 4.2 2 6.4 4.2 5", "1.5")),
)
"""The mark of a configuration whose run was there already."""

SHAPES: Mapping[State, Shape] = {
    State.COMPLETE: Shape(
        "good", False, (_disc("5.4"), _line("M3.6 6.2 5.4 8 8.5 4.4", "1.5", _HOLE))
    ),
    State.RUNNING: Shape(
        "active", True, (_ring(), _solid("M6 2.9a3.1 3.1 0 0 1 0 6.2z", **{"class": "xp-turn"}))
    ),
    State.STARTING: Shape("active", True, (_ring(), _disc("1.7"))),
    State.PENDING: Shape("wait", False, (_ring(**{"stroke-dasharray": "2.1 1.67"}),)),
    State.CANCELLED: Shape("wait", False, (_ring(), _line("M2.8 9.2 9.2 2.8"))),
    State.PREEMPTED: Shape("res", True, (_line("M3.8 2v8M8.2 2v8", "2.4"),)),
    State.TIMEOUT: Shape("res", True, (_ring(), _line("M6 3.2V6l2 1.4"))),
    State.OUT_OF_MEMORY: Shape(
        "res",
        True,
        (
            _box("1.1", "9.8", rx="1.6", fill="none", stroke=_INK, **{"stroke-width": "1.4"}),
            _box("3", "6", fill=_INK),
        ),
    ),
    State.FAILED: Shape("bad", True, (_line("M2.2 2.2 9.8 9.8M9.8 2.2 2.2 9.8", "2.3"),)),
    State.NODE_FAIL: Shape(
        "bad", True, (_solid("M6 1.2 11.2 10.8H.8z"), _line("M6 4.6v3M6 9.1v.2", "1.3", _HOLE))
    ),
    State.KILLED: Shape(
        "bad",
        True,
        (_solid("M3.8.8h4.4l3 3v4.4l-3 3H3.8l-3-3V3.8z"), _line("M3.7 6h4.6", "1.5", _HOLE)),
    ),
    State.UNKNOWN: Shape(
        "doubt",
        True,
        (_line("M3.6 4.2a2.4 2.4 0 1 1 3.6 2.1C6.3 6.8 6 7.2 6 8", "1.6"), _disc("1", "10.4")),
    ),
    State.UNREADABLE: Shape(
        "doubt",
        True,
        (_solid("M2 1h6l2 2v3.2l-2-1.2-2 1.6-2-1.6-2 1.2zM2 8.4l2-1.2 2 1.6 2-1.6 2 1.2V11H2z"),),
    ),
}


def shapes_json() -> dict[str, Any]:
    """The table for the browser, by the word of the state; ``reused`` is one of them."""
    return {"reused": asdict(REUSED)} | {state.value: asdict(s) for state, s in SHAPES.items()}
