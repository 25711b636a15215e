"""A figure drawn by matplotlib from what the plotly figure holds, as a small SVG.

It reads lines, filled outlines, markers, axes and annotations, so what a user changes in the
plotly figure is in the static one too. Drawn on matplotlib's objects alone: nothing of ``pyplot``
or of its current figure is touched.
"""

from __future__ import annotations

import base64
import html
import io
import re
import threading
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.markers import MarkerStyle
from matplotlib.patches import PathPatch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import Affine2D

from mlxp_nb.plots.theme import FONT, LIGHT

__all__ = ["plain", "to_svg"]

_WIDTH, _HEIGHT = 760, 420
_MARKERS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "triangle-down": "v",
    "cross": "P",
}
_PLAIN_FAMILY = "DejaVu Sans"  # comes with matplotlib, so that text is measured alike everywhere
_SETTINGS: Any = {"svg.fonttype": "none", "svg.hashsalt": "mlxp_nb", "path.simplify": True}
_lock = threading.Lock()  # matplotlib reads these settings from one place for the whole process


def plain(text: str | None) -> str:
    """Text of a plotly figure without its tags."""
    return html.unescape(re.sub(r"<[^>]*>", "", (text or "").replace("<br>", "\n")))


def to_svg(figure: Any) -> str:
    """A plotly figure of scatter traces as SVG.

    Parameters
    ----------
    figure : plotly.graph_objects.Figure

    Returns
    -------
    str
        Text stays text, in the fonts of the page; the ground is the figure's own.
    """
    layout = figure.layout
    width, height = layout.width or _WIDTH, layout.height or _HEIGHT
    canvas = Canvas(figsize=(width / 72, height / 72), dpi=72)
    canvas.patch.set_facecolor(layout.paper_bgcolor or LIGHT.ground)
    axes = canvas.add_axes(_inside(layout.margin, width, height))
    axes.patch.set_facecolor("none")
    traces = [t for t in figure.data if t.type == "scatter" and t.visible is not False]
    for trace in traces:
        _draw(axes, trace)
    _dress(axes, layout)
    for trace in traces:
        _mark(axes, trace)
    for annotation in layout.annotations:
        _annotate(axes, annotation, layout)
    _head(canvas, layout, height)
    return _written(canvas, width, height, plain(repr(figure)))


def _inside(margin: Any, width: float, height: float) -> tuple[float, float, float, float]:
    """Where the axes are, as matplotlib counts."""
    left, right, top, bottom = (
        default if given is None else given
        for given, default in ((margin.l, 64), (margin.r, 24), (margin.t, 48), (margin.b, 64))
    )
    return (
        left / width,
        bottom / height,
        max(width - left - right, 40) / width,
        max(height - top - bottom, 40) / height,
    )


def _draw(axes: Axes, trace: Any) -> None:
    """The line of a trace, or its outline, filled."""
    x, y = _numbers(trace.x), _numbers(trace.y)
    if trace.fill == "toself":
        for part in np.split(np.arange(len(x)), np.flatnonzero(np.isnan(x))):
            inside = part[~np.isnan(x[part])]
            axes.fill(x[inside], y[inside], color=_rgba(trace.fillcolor), linewidth=0)
    elif "lines" in (trace.mode or "lines"):
        width = 2 if trace.line.width is None else trace.line.width
        axes.plot(x, y, color=_rgba(trace.line.color), linewidth=width)


def _numbers(values: Any) -> npt.NDArray[np.float64]:
    """The numbers of a trace; a copied figure has its arrays as plotly writes them in JSON."""
    if isinstance(values, dict):
        data = base64.b64decode(values["bdata"])
        return np.frombuffer(data, np.dtype(values["dtype"])).astype(float)
    return np.asarray(values, dtype=float)


def _mark(axes: Axes, trace: Any) -> None:
    """The markers of a trace, each an outline of its own: some pages cut off shared ones."""
    if "markers" not in (trace.mode or ""):
        return
    given, x, y = trace.marker.size, _numbers(trace.x), _numbers(trace.y)
    sizes = np.broadcast_to(_numbers(6 if given is None else given), x.shape)
    marker = MarkerStyle(_MARKERS.get(trace.marker.symbol or "circle", "o"))
    outline = marker.get_path().transformed(marker.get_transform())
    color = _rgba(trace.marker.color or trace.line.color)
    for i in np.flatnonzero(sizes):
        at = axes.transData.transform((x[i], y[i]))
        grown = Affine2D().scale(sizes[i]).translate(*at)
        mark = PathPatch(outline, transform=grown, color=color, linewidth=0, zorder=3)
        axes.add_artist(mark).set_clip_on(False)


def _rgba(color: str | None) -> Any:
    """Plotly's ``rgba(…)`` as matplotlib's tuple."""
    parts = re.findall(r"[\d.]+", color or "") if (color or "").startswith("rgb") else []
    if not parts:
        return color or LIGHT.text
    red, green, blue, *alpha = map(float, parts)
    return (red / 255, green / 255, blue / 255, *(alpha or [1.0]))


def _dress(axes: Axes, layout: Any) -> None:
    """Axes, grid, ticks and titles."""
    for name, axis, given in (("x", axes.xaxis, layout.xaxis), ("y", axes.yaxis, layout.yaxis)):
        is_log = given.type == "log"
        if is_log:
            axes.set(**{f"{name}scale": "log"})
            axis.set_major_locator(LogLocator(subs=(1, 2, 5) if given.dtick == "D2" else (1,)))
            axis.set_minor_locator(NullLocator())
        else:
            axis.set_major_locator(MaxNLocator(nbins=6))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        if given.range is not None:
            ends = [float(end) for end in given.range]
            axes.set(**{f"{name}lim": [10.0**end for end in ends] if is_log else ends})
        axis.set_label_text(
            plain(given.title.text),
            fontsize=given.title.font.size or 12,
            color=given.title.font.color or LIGHT.text,
            family=_PLAIN_FAMILY,
            parse_math=False,
        )
        _ticks(axis, given, layout)
        axis.set_visible(given.visible is not False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_visible(layout.xaxis.visible is not False)
    axes.spines["bottom"].set_color(layout.xaxis.linecolor or LIGHT.axis)
    axes.set_axisbelow(True)


def _ticks(axis: Any, given: Any, layout: Any) -> None:
    axis.set_tick_params(
        length=0,
        pad=6,
        labelsize=given.tickfont.size or 11,
        labelcolor=given.tickfont.color or layout.font.color or LIGHT.quiet,
        labelfontfamily=_PLAIN_FAMILY,
    )
    if given.showgrid is not False:
        axis.grid(True, color=given.gridcolor or LIGHT.grid, linewidth=1)


def _annotate(axes: Axes, note: Any, layout: Any) -> None:
    """A text at a point of the axes, or of the paper, moved by pixels."""
    axes.annotate(
        plain(note.text),
        (_place(note, "x", layout), _place(note, "y", layout)),
        xycoords=(_frame(note.xref), _frame(note.yref)),
        xytext=(note.xshift or 0, note.yshift or 0),
        textcoords="offset points",
        ha={"left": "left", "right": "right"}.get(note.xanchor, "center"),
        va={"top": "top", "bottom": "bottom"}.get(note.yanchor, "center"),
        fontsize=note.font.size or 12,
        color=note.font.color or LIGHT.text,
        family=_PLAIN_FAMILY,
        annotation_clip=False,
        parse_math=False,
    )


def _frame(reference: str | None) -> str:
    return "axes fraction" if reference == "paper" else "data"


def _place(note: Any, name: str, layout: Any) -> float:
    """A coordinate of an annotation; plotly gives those of a log axis as exponents."""
    value = float(note[name])
    in_data = note[f"{name}ref"] != "paper"
    return 10.0**value if in_data and layout[f"{name}axis"].type == "log" else value


def _head(canvas: Canvas, layout: Any, height: float) -> None:
    if layout.title.text:
        canvas.text(
            (layout.margin.l or 64) / (layout.width or _WIDTH),
            1 - 14 / height,
            plain(layout.title.text),
            fontsize=layout.title.font.size or 13,
            color=layout.title.font.color or LIGHT.text,
            family=_PLAIN_FAMILY,
            va="top",
            parse_math=False,
        )


def _written(canvas: Canvas, width: float, height: float, said: str) -> str:
    """The SVG, made small: two decimals, no metadata, and the fonts of the page."""
    out = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with _lock, mpl.rc_context(_SETTINGS):
        canvas.savefig(out, format="svg", metadata=nothing)
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(?<= d=")[^"]+', _rounded, text)
    text = text.replace(f"'{_PLAIN_FAMILY}'", FONT.replace('"', "'"))
    size = f'width="{width:g}" height="{height:g}" style="max-width:100%;height:auto" role="img"'
    label = f' aria-label="{html.escape(said)}"'
    text = re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', lambda _: size + label, text, count=1)
    return re.sub(r"\s*\n\s*", "\n", text)


def _rounded(path: re.Match[str]) -> str:
    return re.sub(r"\d+\.\d+", lambda number: f"{float(number[0]):.1f}", path[0]).replace("\n", "")
