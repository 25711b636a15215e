"""The words of a figure of curves: names of lines, heading, and what the reader must know."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mlxp_nb.core.curves import Curve
from mlxp_nb.core.units import count, id_ranges, short_keys

if TYPE_CHECKING:
    from mlxp_nb.results.curves import Curves

__all__ = ["POINTS", "escaped", "heading", "labels", "note"]

POINTS = 250
"""Points of a line; more cannot be told apart on a screen, and would swell a saved notebook."""

_NOTE_CHARS, _LABEL_CHARS = 112, 32


def escaped(text: object) -> str:
    """Text for plotly, which reads some tags in it."""
    return html.escape(str(text), quote=False)


def labels(groups: Sequence[Curve]) -> list[str]:
    """The name of each line: the values that set its group apart."""
    return [_cut(", ".join(str(v) for _, v in g.key) if g.key else g.label) for g in groups]


def _cut(text: str, most: int = _LABEL_CHARS) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def note(curves: Curves, drawn: Sequence[Curve], colours: int) -> list[str]:
    """What the reader must know of the figure, in lines.

    Parameters
    ----------
    curves : Curves
    drawn : sequence of Curve
        Its groups, without the points that the axes cannot show.
    colours : int
        How many groups are in colour.
    """
    runs = {run for group in curves.groups for run in group.runs}
    groups = count(len(curves.groups), "group")
    said = [f"{count(len(runs), 'run')} in {groups}." if curves.groups else "No runs."]
    if len(curves.groups) > colours:
        said.append(f"The first {colours} groups in colour, the rest in grey.")
    if curves.mixed:
        said.append(f"Averaged over too, for it varies within a line: {_listed(curves.mixed)}.")
    said += _lost(curves, drawn)
    if any(len(group.x) > POINTS for group in drawn):
        said.append(f"At most {POINTS} points of each line are drawn.")
    said += _left_out(curves.left_out)
    return textwrap.wrap(" ".join(said), _NOTE_CHARS, max_lines=4, placeholder=" …")


def _lost(curves: Curves, drawn: Sequence[Curve]) -> list[str]:
    """The points of the groups that have no place on their axes."""
    points = [len(g.x) - len(d.x) for g, d in zip(curves.groups, drawn, strict=True)]
    return [f"{count(sum(points), 'point')} with no place on these axes."] if sum(points) else []


def _left_out(left_out: Iterable[tuple[int, str]]) -> list[str]:
    """The runs that are not in the figure or not wholly, together by reason."""
    reasons: dict[str, list[int]] = {}
    for run_id, reason in left_out:
        reasons.setdefault(reason, []).append(run_id)
    return [f"Left out ({reason}): {id_ranges(ids)}." for reason, ids in reasons.items()]


def heading(curves: Curves) -> str:
    """What is averaged, and what makes a line."""
    short = short_keys([*curves.by, *curves.over])
    band = f" and {curves.band}" if curves.band and curves.band != "none" else ""
    over = f" over {_listed(short[key] for key in curves.over)}" if curves.over else ""
    by = f"One line for each {_listed(short[key] for key in curves.by)}: " if curves.by else ""
    return f"{by}{curves.stat}{band}{over}"


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
