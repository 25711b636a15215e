"""What stands around the lines of a figure: axes, names at the ends of lines, the note under it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlxp_nb.core.curves import Curve
from mlxp_nb.plots.captions import escaped
from mlxp_nb.plots.theme import FONT, Theme

__all__ = ["HEIGHT", "AxisSpan", "Line", "ends", "frame", "span"]

HEIGHT, _LEFT, _TOP, _BOTTOM = 420, 64, 44, 48
_LINE_PX, _LABEL_PX, _CHAR_PX = 15, 15, 6.6

Json = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Line:
    """A group of runs with its look; a line without a band opacity is one of the grey rest."""

    group: Curve
    label: str
    color: str
    marker: str
    band: float
    width: float


@dataclass(frozen=True)
class AxisSpan:
    """What an axis shows; ``low`` and ``high`` are exponents where it is logarithmic."""

    name: str
    is_log: bool
    low: float
    high: float

    def at(self, value: float) -> float:
        """A value as plotly counts it on this axis."""
        return math.log10(value) if self.is_log else float(value)

    def part(self, value: float) -> float:
        """How far along the axis a value is, from 0 to 1."""
        return (self.at(value) - self.low) / (self.high - self.low)


def span(name: str, values: Sequence[Any], is_log: bool, room: float) -> AxisSpan:
    """The span of all finite values, with ``room`` of it at both ends."""
    found = np.concatenate([np.asarray(v, float) for v in values]) if values else np.empty(0)
    found = found[np.isfinite(found)]
    found = found[found > 0] if is_log else found
    if not len(found):
        return AxisSpan(name, is_log, 0.0, 1.0)
    low, high = float(found.min()), float(found.max())
    if is_log:
        low, high = math.log10(low), math.log10(high)
    beside = (high - low) * room or abs(high) * 0.1 or 0.5
    return AxisSpan(name, is_log, low - beside, high + beside)


def frame(
    x: AxisSpan, y: AxisSpan, lines: Sequence[Line], heading: str, note: Sequence[str], theme: Theme
) -> Json:
    """The whole layout of a figure; ``template`` empty, for plotly's own is 7 kB."""
    bottom = _BOTTOM + _LINE_PX * (len(note) + 1)
    right = int(24 + _CHAR_PX * max((len(line.label) for line in lines), default=0))
    return {
        "template": {},
        "height": HEIGHT,
        "margin": {"l": _LEFT, "r": right, "t": _TOP, "b": bottom},
        "paper_bgcolor": theme.ground,
        "plot_bgcolor": theme.ground,
        "font": {"family": FONT, **_font(12, theme.text)},
        "title": {
            "text": escaped(heading),
            "font": _font(12, theme.quiet),
            "x": 0,
            "xref": "paper",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 14},
        },
        "xaxis": {**_axis(x, theme), "showgrid": False, "showline": True, "visible": bool(lines)},
        "yaxis": {**_axis(y, theme), "showline": False, "visible": bool(lines)},
        "hovermode": "x unified",
        "hoverlabel": {
            "bgcolor": theme.ground,
            "bordercolor": theme.axis,
            "font": _font(11, theme.text),
        },
        "showlegend": False,
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": theme.axis, "activecolor": theme.quiet},
        "annotations": [
            *ends(lines, x, y, HEIGHT - _TOP - bottom),
            _under(note, theme),
            *([] if lines else [_empty(y.name, theme)]),
        ],
    }


def _axis(axis: AxisSpan, theme: Theme) -> Json:
    return {
        "title": {"text": escaped(axis.name), "font": _font(12, theme.text), "standoff": 10},
        **(_log(axis) if axis.is_log else {"type": "linear"}),
        "range": [axis.low, axis.high],
        "gridcolor": theme.grid,
        "linecolor": theme.axis,
        "tickfont": _font(11, theme.quiet),
        "zeroline": False,
    }


def _log(axis: AxisSpan) -> Json:
    """Ticks at 1, 2 and 5 of each decade or at every few decades, written in full."""
    decades = axis.high - axis.low
    dtick = "D2" if decades < 2.5 else math.ceil(decades / 8)
    return {"type": "log", "dtick": dtick, "tickformat": "~g"}


def _font(size: int, color: str) -> Json:
    return {"size": size, "color": color}


def ends(lines: Sequence[Line], x: AxisSpan, y: AxisSpan, height_px: float) -> list[Json]:
    """The name of each coloured line at its end.

    Names that would lie on each other (lines that end close together) are moved up, in the order
    of their lines.
    """
    named = [line for line in lines if line.band and line.label]
    named.sort(key=lambda line: line.group.center[-1])
    placed: list[tuple[float, float]] = []
    made: list[Json] = []
    for line in named:
        last_x, last_y = line.group.x[-1], line.group.center[-1]
        along, up = x.part(last_x), y.part(last_y) * height_px
        free = max([up, *(p + _LABEL_PX for a, p in placed if abs(a - along) < 0.1)])
        placed.append((along, free))
        made.append(
            {
                "x": x.at(last_x),
                "y": y.at(last_y),
                "xref": "x",
                "yref": "y",
                "xanchor": "left",
                "yanchor": "middle",
                "xshift": 9,
                "yshift": round(free - up, 1),
                "text": escaped(line.label),
                "showarrow": False,
                "font": _font(12, line.color),
            }
        )
    return made


def _under(note: Sequence[str], theme: Theme) -> Json:
    """The note, under the title of the axis."""
    return {
        "text": "<br>".join(escaped(line) for line in note),
        "x": 0,
        "y": 0,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "top",
        "align": "left",
        "yshift": -_BOTTOM,
        "showarrow": False,
        "font": _font(11, theme.quiet),
    }


def _empty(metric: str, theme: Theme) -> Json:
    return {
        "text": escaped(f"Nothing to draw: no run has numbers of {metric}"),
        "x": 0.5,
        "y": 0.5,
        "xref": "paper",
        "yref": "paper",
        "showarrow": False,
        "font": _font(13, theme.quiet),
    }
