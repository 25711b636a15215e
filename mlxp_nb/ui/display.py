"""The static form of what is shown: for saved, exported and headless notebooks.

It has the look of the live one, needs no script, and is read well without JupyterLab's own
variables, in a light page and in a dark one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mlxp_nb.core.status import State
from mlxp_nb.core.units import count, short_keys, significant
from mlxp_nb.errors import MlxpError
from mlxp_nb.ui.markup import Html, cut, escape, state_html, style, tag
from mlxp_nb.ui.sweep_page import sweep_html, sweep_text

__all__ = [
    "Run",
    "Table",
    "error_html",
    "escape",
    "frame_html",
    "state_html",
    "sweep_html",
    "sweep_text",
]

_COLUMNS = 12
_KEY_CHARS, _CELL_CHARS, _TITLE_CHARS = 28, 80, 1000


class Run(Protocol):
    """A row of a table of runs."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def state(self) -> State:
        """How it stands."""

    def get(self, key: str, /) -> Any:
        """A value by its whole key; None where there is none."""

    def __getitem__(self, key: str, /) -> Any:
        """A value by its key, with a reduction for a metric; a ``KeyError`` where there is none."""


class Table(Protocol):
    """What is needed of a table of runs to show it."""

    @property
    def columns(self) -> Sequence[str]:
        """All keys."""

    @property
    def shown(self) -> Sequence[str]:
        """The keys that set the runs apart."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Any]: ...


@dataclass(frozen=True)
class _Column:
    key: str
    head: str
    values: tuple[Any, ...]
    is_metric: bool

    @property
    def side(self) -> str | None:
        """Numbers stand at the right."""
        there = [value for value in self.values if value is not None]
        is_number = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in there)
        return "xp-num" if there and is_number else None


def frame_html(frame: Table, limit: int = 200, metrics: Sequence[str] = ()) -> Html:
    """A table of runs: id, state, what varies, metrics.

    Parameters
    ----------
    frame : Table
    limit : int
        Rows written; the rest is counted under the table.
    metrics : sequence of str
        Metrics to add, each by its last value; reading them is the caller's wish.
    """
    if not len(frame):
        said = (
            tag("b", "No runs"),
            tag("span", "Nothing is here, or nothing matches.", cls="xp-dim"),
        )
        return _page("xp-frame", tag("div", *said, cls="xp-none"))
    runs: list[Run] = [run for run, _ in zip(frame, range(limit), strict=False)]
    keys = _keys(frame)
    columns = _columns(runs, keys[:_COLUMNS], metrics)
    head = tag("tr", tag("th", "Run", cls="xp-num"), tag("th", "State"), *map(_head, columns))
    body = [_row(run, i, columns) for i, run in enumerate(runs)]
    table = tag("table", tag("thead", head), tag("tbody", *body))
    foot = _foot(len(frame), len(runs), len(keys) - _COLUMNS)
    return _page("xp-frame", table, tag("div", foot, cls="xp-foot"))


def _keys(frame: Table) -> list[str]:
    """What sets the runs apart; the whole configuration where nothing does."""
    varying = [key for key in frame.shown if key != "info.status"]
    return varying or [key for key in frame.columns if key.startswith("config.")]


def _columns(runs: Sequence[Run], keys: Sequence[str], metrics: Sequence[str]) -> list[_Column]:
    short = short_keys(keys)
    varying = [_Column(k, short[k], tuple(run.get(k) for run in runs), False) for k in keys]
    return varying + [_Column(m, m, tuple(_last(run, m) for run in runs), True) for m in metrics]


def _last(run: Run, metric: str) -> Any:
    try:
        return run[f"{metric}.last"]
    except KeyError:
        return None


def _head(column: _Column) -> Html:
    """A heading that loses the front of its key, never its last part."""
    head = column.head
    shown = head if len(head) <= _KEY_CHARS else "…" + head[1 - _KEY_CHARS :]
    return tag("th", tag("span", shown, cls="xp-v"), cls=column.side, title=cut(column.key))


def _row(run: Run, i: int, columns: Sequence[_Column]) -> Html:
    problem = run.get("info.problem") if run.state is State.UNREADABLE else None
    first = tag("td", run.id, cls="xp-num"), tag("td", state_html(run.state, cut(problem or "")))
    if problem and columns:
        said = tag("span", cut(problem, 2 * _CELL_CHARS), cls="xp-v xp-code")
        return tag("tr", *first, tag("td", said, colspan=len(columns), title=cut(problem)))
    return tag("tr", *first, *(_cell(column, column.values[i]) for column in columns))


def _cell(column: _Column, value: Any) -> Html:
    if value is None:
        return tag("td", tag("span", "–", cls="xp-dim", title="missing"), cls=column.side)
    text = _text(value, column.is_metric)
    title = cut(value, _TITLE_CHARS) if text != str(value) or len(text) > _KEY_CHARS else None
    return tag("td", tag("span", text, cls="xp-v"), cls=column.side, title=title)


def _text(value: Any, is_metric: bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if is_metric and isinstance(value, (int, float)):
        return significant(value)
    return cut(value, _CELL_CHARS)


def _foot(total: int, shown: int, hidden: int) -> str:
    said = [count(total, "run")]
    if total > shown:
        said.append(f"{total - shown:,} more not shown")
    if hidden > 0:
        said.append(f"{count(hidden, 'column')} more not shown")
    return ", ".join(said)


def error_html(error: BaseException) -> Html:
    """What is wrong, where, and what to write instead."""
    kind = tag("span", type(error).__name__, cls="xp-kind")
    if not isinstance(error, MlxpError):
        return _page("xp-error", kind, tag("span", str(error), cls="xp-v"))
    inside = [tag("div", kind, tag("b", error.problem, cls="xp-v"))]
    if error.text is not None:
        inside.append(_place(error.text, error.at))
    if error.hint:
        inside.append(tag("div", tag("span", "hint: ", cls="xp-dim"), error.hint, cls="xp-v"))
    return _page("xp-error", *inside)


def _place(text: str, at: int | None) -> Html:
    """The faulty text with a caret under the fault."""
    line = text.expandtabs(1)
    if at is None:
        return tag("pre", line)
    return tag("pre", line, "\n" + " " * min(at, len(line)), tag("span", "^", cls="xp-at"))


def _page(cls: str, *inside: Html) -> Html:
    return Html(style("base.css") + tag("div", *inside, cls=f"xp {cls}"))
