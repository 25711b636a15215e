"""The words and numbers of a sweep's card, decided once for the live, the static and the text one.

What draws the card (``ui``) decides nothing: it puts these strings where they belong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from mlxp_nb.core.progress import AT_WORK, BAD, ORDER, AxisView, Estimate, RunView, SweepView
from mlxp_nb.core.status import State
from mlxp_nb.core.units import count, duration, id_ranges, short_keys

__all__ = ["card"]

_LINES = 5
_CHIPS_PX, _CHIP_PX, _CHAR_PX = 540, 20, 7  # a line of chips in an output 800 px wide
_ALWAYS = (State.COMPLETE, State.RUNNING, State.PENDING)
_NOT_WORDS = frozenset(("true", "false", "null", "none", "nan", "inf"))


def card(view: SweepView, keep: Collection[int] = ()) -> dict[str, Any]:
    """What the card of a sweep shows, as plain values.

    Parameters
    ----------
    view : SweepView
    keep : collection of int
        Runs that have a line wherever they stand: their log is open.

    Returns
    -------
    dict
        Strings ready to be shown. Only ``left_s`` and ``ended`` are numbers: the browser writes
        the time of day in its own zone.
    """
    estimate = view.estimate()
    return {
        "id": view.id,
        "name": view.name,
        "over": view.is_over,
        "active": len(view.active),
        "total": count(view.total, "configuration"),
        "sum": f"= {view.new:,} new + {view.reused:,} reused" if view.reused else "",
        "shape": _shape(view),
        "axes": [_axis(axis) for axis in view.axes],
        "facts": _facts(view),
        "head": f"{view.complete:,} of {view.total:,} complete",
        "left": _took(view) if view.is_over else _left(estimate),
        "basis": estimate.basis if estimate.left_s and not view.is_over else "",
        "left_s": None if view.is_over else estimate.left_s,
        "ended": view.ended,
        "bar": _bar(view),
        "sections": _sections(view, frozenset(keep)),
        "problem": view.problem,
    }


def _shape(view: SweepView) -> str:
    """Number of values of each axis, multiplied; empty for one axis, whose count is the total."""
    sizes = [str(len(axis.values)) for axis in view.axes]
    return " × ".join(sizes) if len(sizes) > 1 else ""


def _axis(axis: AxisView) -> dict[str, Any]:
    """Key, number of values, and as many of them as fit on one line."""
    room, shown = _CHIPS_PX, 0
    for value in axis.values:
        room -= _CHIP_PX + _CHAR_PX * min(len(value), 48)
        shown += room >= 0
    values = list(axis.values[: max(shown, 1)])
    rest = len(axis.values) - len(values)
    front, dot, last = axis.key.rpartition(".")
    return {
        "key": axis.key,
        "front": front + dot,
        "last": last,
        "n": len(axis.values),
        "values": values,
        "rest": rest,
    }


def _left(estimate: Estimate) -> str:
    if estimate.left_s is None:
        return ""
    return f"about {duration(estimate.left_s)} left" if estimate.left_s >= 1 else "about to end"


def _took(view: SweepView) -> str:
    starts = [run.started for run in view.runs if run.started is not None]
    return f"took {duration(view.ended - min(starts))}" if view.ended and starts else ""


def _facts(view: SweepView) -> list[dict[str, Any]]:
    """What the runs are made from, where they run, what they get, where they write."""
    ids = [run.id for run in view.runs]
    what, limit = view.resources
    where = f"{view.log_dir}/{min(ids)}" if ids else view.log_dir
    until = f"to {max(ids)}" if len(ids) > 1 else ""
    return [
        _fact("Snapshot", view.snapshot, view.policy, view.dirty, code=True),
        _fact("Executor", view.executor, "", view.executor_detail),
        _fact("Resources per run", what, "", limit),
        _fact("Logs", where, until, f"of {view.target}" if view.target else "", code=True),
    ]


def _fact(name: str, value: str, beside: str, under: str, *, code: bool = False) -> dict[str, Any]:
    return {"name": name, "value": value, "beside": beside, "under": under, "code": code}


def _bar(view: SweepView) -> list[dict[str, Any]]:
    """Pieces of the bar in their order; the usual ones stay when they are 0."""
    counts = view.counts()
    done = view.fraction()
    reused = [{"kind": "reused", "n": view.reused, "word": "reused"}] if view.reused else []
    return reused + [
        {"kind": state.value, "n": counts.get(state, 0), "word": _word(state)}
        | ({"done": round(done, 2)} if state is State.RUNNING and done is not None else {})
        for state in ORDER
        if state in counts or state in _ALWAYS
    ]


def _word(state: State) -> str:
    return state.value.lower().replace("_", " ")


def _sections(view: SweepView, keep: frozenset[int]) -> list[dict[str, Any]]:
    """What deserves a line: what ended badly, what is at work, what waits, whose log is open."""
    bad = [run for run in view.runs if run.state in BAD]
    work = [run for run in view.runs if run.state in AT_WORK]
    wait = [run for run in view.runs if run.state is State.PENDING]
    quiet = [run for run in view.runs if run.state in (State.COMPLETE, State.CANCELLED)]
    rows = (
        ("bad", "Ended badly", "", bad),
        ("running", "Running", "last sign of life, elapsed", work),
        ("pending", "Pending", "", wait),
        ("quiet", "Log open", "", [run for run in quiet if run.id in keep]),
    )
    return [_section(view, *row, keep) for row in rows if row[3]]


def _section(
    view: SweepView,
    kind: str,
    title: str,
    tip: str,
    runs: Sequence[RunView],
    keep: frozenset[int],
) -> dict[str, Any]:
    most = _LINES + 1 if len(runs) == _LINES + 1 else _LINES  # "1 more" would take a line as well
    shown = [run for i, run in enumerate(runs) if i < most or run.id in keep]
    rest = [run.id for run in runs[most:] if run.id not in keep]
    axes = [axis.key for axis in view.axes]
    return {
        "kind": kind,
        "title": title,
        "n": len(runs),
        "tip": tip,
        "lines": [_line(run, view.taken, axes) for run in shown],
        "more": f"{len(rest):,} more: {id_ranges(rest)}" if rest else "",
    }


def _line(run: RunView, now: float, axes: Sequence[str]) -> dict[str, Any]:
    elapsed = run.elapsed(now)
    heard = run.heard is not None and run.state in AT_WORK
    return {
        "id": run.id,
        "state": run.state.value,
        "evidence": run.evidence,
        "varies": _varying(run, axes),
        "after": _after(run, elapsed) if run.state.is_final else "",
        "error": run.error or (run.evidence if run.state in BAD else ""),
        "where": run.where,
        "sign": run.evidence if run.state is State.PENDING else run.sign,
        "heard": f"heard {duration(max(round(now - (run.heard or 0.0)), 1))} ago" if heard else "",
        "time": duration(elapsed) if elapsed is not None and not run.state.is_final else "",
        "host": "" if run.state.is_final else run.host,
        "attempt": f"attempt {run.attempt}" if run.attempt > 1 else "",
        "open": not run.state.is_final,
        "has_log": run.state is not State.PENDING or run.attempt > 1,
    }


def _after(run: RunView, elapsed: float | None) -> str:
    """How far a run came, in words: ``after 41 min on gpu-07, attempt 2``."""
    took = f"after {duration(elapsed)}" if elapsed is not None else ""
    words = " ".join(part for part in (took, run.host and f"on {run.host}") if part)
    again = f"attempt {run.attempt}" if run.attempt > 1 else ""
    return ", ".join(part for part in (words, again) if part)


def _varying(run: RunView, axes: Iterable[str]) -> list[list[str]]:
    """Key, its short form and value; no short form where the value is a word of its own."""
    short = short_keys([*dict.fromkeys([*axes, *(key for key, _ in run.varies)])])
    return [[key, "" if _speaks(value) else short[key], value] for key, value in run.varies]


def _speaks(value: str) -> bool:
    """Whether a value says by itself what it is: ``resnet18`` does, ``3e-4`` does not."""
    return value[:1].isalpha() and value.lower() not in _NOT_WORDS
