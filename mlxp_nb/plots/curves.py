"""Curves of a metric against step: the middle of each group of runs, and a band around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlxp_nb.core.curves import Curve
from mlxp_nb.plots import captions
from mlxp_nb.plots.captions import POINTS, escaped
from mlxp_nb.plots.figure import Figure
from mlxp_nb.plots.layout import Line, frame, span
from mlxp_nb.plots.theme import MARKERS, Theme, current

if TYPE_CHECKING:
    from mlxp_nb.results.curves import Curves

__all__ = ["curves_figure"]

_MARK_PX = {"triangle-up": 10, "triangle-down": 10, "diamond": 9}  # else they look smaller
_GAP = np.array([np.nan])


def curves_figure(
    curves: Curves,
    *,
    log_x: bool = False,
    log_y: bool = False,
    theme: Theme | None = None,
) -> Figure:
    """Draw curves.

    Parameters
    ----------
    curves : Curves
        From ``frame.curves(...)``.
    log_x, log_y : bool
        Logarithmic axes; what is not above zero is not drawn there, and that is said.
    theme : Theme, optional
        For a light or a dark page; by default as the page was last seen.

    Returns
    -------
    Figure
        A line and a band for each group, named at the end of its line. Past six groups the rest
        is grey. Under it: how many runs, which were left out and why, what was mixed.
    """
    chosen = theme or current()
    drawable = [_drawable(group, log_x, log_y) for group in curves.groups]
    lines = _lines([_thin(group) for group in drawable if len(group.x)], chosen)
    heights = [part for ln in lines for part in (ln.group.center, ln.group.lower, ln.group.upper)]
    layout = frame(
        span(curves.x, [line.group.x for line in lines], log_x, room=0.005),
        span(curves.metric, heights, log_y, room=0.05),
        lines,
        captions.heading(curves),
        captions.note(curves, drawable, len(chosen.series)),
        chosen,
    )
    bands = [_band(line) for line in lines if line.band]
    return Figure(data=[*bands, *map(_middle, lines)], layout=layout)


def _drawable(group: Curve, log_x: bool, log_y: bool) -> Curve:
    """A group without the points that its axes cannot show."""
    keep = np.isfinite(group.center)
    if log_x:
        keep &= np.asarray(group.x) > 0
    if log_y:
        keep &= group.center > 0
    return _take(group, keep)


def _thin(group: Curve) -> Curve:
    """A group with at most ``POINTS`` of its points, evenly chosen, first and last among them."""
    if len(group.x) <= POINTS:
        return group
    return _take(group, np.linspace(0, len(group.x) - 1, POINTS).round().astype(np.int64))


def _take(group: Curve, which: npt.NDArray[Any]) -> Curve:
    names = ("x", "center", "lower", "upper", "n")
    return replace(group, **{name: getattr(group, name)[which] for name in names})


def _lines(groups: Sequence[Curve], theme: Theme) -> list[Line]:
    """Each group with a colour and a marker of its own, grey past the last colour."""
    looks = [
        (color, marker, theme.band, 2.0)
        for color, marker in zip(theme.series, MARKERS, strict=True)
    ]
    rest = (theme.rest, "circle", 0.0, 1.2)
    labels = captions.labels(groups)
    return [
        Line(group, label, *(looks[i] if i < len(looks) else rest))
        for i, (group, label) in enumerate(zip(groups, labels, strict=True))
    ]


def _band(line: Line) -> dict[str, Any]:
    """The area between lower and upper: one outline for each stretch where both are known."""
    group = line.group
    known = np.isfinite(group.lower) & np.isfinite(group.upper)
    xs, ys = [_GAP], [_GAP]
    for part in np.split(np.arange(len(known)), np.flatnonzero(np.diff(known)) + 1):
        if known[part[0]]:
            xs += [group.x[part], group.x[part][::-1], _GAP]
            ys += [group.lower[part], group.upper[part][::-1], _GAP]
    return {
        "type": "scatter",
        "x": np.concatenate(xs)[1:-1],
        "y": np.concatenate(ys)[1:-1],
        "mode": "lines",
        "fill": "toself",
        "fillcolor": _faint(line.color, line.band),
        "line": {"width": 0},
        "hoverinfo": "skip",
    }


def _faint(color: str, opacity: float) -> str:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def _middle(line: Line) -> dict[str, Any]:
    """The line in the middle, with its marker at the end; under the pointer band and n too."""
    group = line.group
    sizes = np.zeros(len(group.x), dtype=np.int8)
    sizes[-1] = _MARK_PX.get(line.marker, 8) if line.band else 0
    ends = " [%{customdata[0]:.3~g}, %{customdata[1]:.3~g}]" if line.band else ""
    has_band = bool(np.isfinite(group.lower).any())
    marker = {"color": line.color, "symbol": line.marker, "size": sizes, "opacity": 1}
    return {
        "type": "scatter",
        "name": escaped(line.label),
        "x": np.asarray(group.x, dtype=np.float64),
        "y": group.center,
        "customdata": np.column_stack([group.lower, group.upper, group.n]),
        "mode": "lines+markers",
        "line": {"color": line.color, "width": line.width},
        "marker": {**marker, "line": {"width": 0}},
        "cliponaxis": False,
        "hovertemplate": f"%{{y:.4~g}}{ends if has_band else ''}  n %{{customdata[2]}}",
    }
