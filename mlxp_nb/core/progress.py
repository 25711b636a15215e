"""How far a sweep is: its runs at one moment, their counts, and how long it still takes."""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlxp_nb.core.status import State
from mlxp_nb.core.units import count

__all__ = ["AT_WORK", "BAD", "ORDER", "AxisView", "Estimate", "RunView", "SweepView"]

ORDER: tuple[State, ...] = (
    State.COMPLETE,
    State.RUNNING,
    State.STARTING,
    State.PENDING,
    State.CANCELLED,
    State.PREEMPTED,
    State.TIMEOUT,
    State.OUT_OF_MEMORY,
    State.FAILED,
    State.NODE_FAIL,
    State.KILLED,
    State.UNKNOWN,
    State.UNREADABLE,
)
"""The order of states in a bar and its legend; it never depends on how many there are."""

BAD: frozenset[State] = frozenset(ORDER[ORDER.index(State.PREEMPTED) :])
"""The states somebody should look at."""

AT_WORK: frozenset[State] = frozenset((State.RUNNING, State.STARTING))
"""The states in which a process is busy with the run."""


@dataclass(frozen=True)
class AxisView:
    """One swept key and its values, as typed."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class RunView:
    """One run of a sweep, as far as a line of text needs it.

    Attributes
    ----------
    evidence : str
        What the state rests on where the run's own record does not say it; a queue reason.
    varies : tuple of (key, value)
        What sets this run apart in its sweep.
    started, ended, heard : float or None
        Unix seconds; ``heard`` is the last sign of life.
    error, where : str
        Last line of the traceback, and its place in the user's code.
    sign : str
        What the run last said of its progress.
    """

    id: int
    state: State
    evidence: str = ""
    varies: tuple[tuple[str, str], ...] = ()
    attempt: int = 1
    started: float | None = None
    ended: float | None = None
    host: str = ""
    error: str = ""
    where: str = ""
    sign: str = ""
    heard: float | None = None

    def elapsed(self, now: float) -> float | None:
        """Seconds since the start, up to the end when there is one."""
        if self.started is None:
            return None
        return max((now if self.ended is None else self.ended) - self.started, 0.0)


@dataclass(frozen=True)
class Estimate:
    """How long a sweep still takes, and what that rests on.

    Attributes
    ----------
    left_s : float or None
        Seconds; None when nothing is known.
    basis : str
        What it was computed from, or why it could not be.
    """

    left_s: float | None
    basis: str


@dataclass(frozen=True)
class SweepView:
    """A sweep at one moment.

    Attributes
    ----------
    runs : tuple of RunView
        The launched runs. Reused ones are done and are only counted.
    new, reused : int
        Configurations launched, and those for which a complete run was there already.
    snapshot, policy, dirty : str
        Short hash or ``"none"``; snapshot policy; what was not committed.
    executor, executor_detail : str
        Its name, and how it runs: ``"2 at once"``.
    resources : tuple of (str, str)
        What each run gets, and its limit.
    taken : float
        Unix seconds at which this was true.
    problem : str
        Why parts of it may be old or missing; empty when all is well.
    """

    id: str
    name: str
    target: str
    axes: tuple[AxisView, ...]
    runs: tuple[RunView, ...]
    new: int
    reused: int
    snapshot: str
    policy: str
    dirty: str
    executor: str
    executor_detail: str
    resources: tuple[str, str]
    log_dir: str
    taken: float
    problem: str = ""

    def counts(self) -> dict[State, int]:
        """How many launched runs are in each state that occurs, in the order of the bar."""
        states = [run.state for run in self.runs]
        return {state: n for state in ORDER if (n := states.count(state))}

    @property
    def total(self) -> int:
        """All configurations of the sweep."""
        return self.new + self.reused

    @property
    def complete(self) -> int:
        """Configurations with a complete run, reused ones included."""
        return self.reused + sum(run.state is State.COMPLETE for run in self.runs)

    @property
    def active(self) -> tuple[int, ...]:
        """Ids of the runs that can still be cancelled."""
        return tuple(run.id for run in self.runs if not run.state.is_final)

    @property
    def is_over(self) -> bool:
        """Whether no run will change by itself any more."""
        return not self.active

    @property
    def ended(self) -> float | None:
        """Unix seconds at which the last run ended; None while one is active."""
        ends = [run.ended for run in self.runs if run.ended is not None]
        return max(ends) if ends and self.is_over else None

    def estimate(self) -> Estimate:
        """Time left, if each open run takes as long as the finished ones did.

        Returns
        -------
        Estimate
            Runs are dealt to as many places as were seen at work at the same time. Only COMPLETE
            runs count: one that failed in its first second says nothing about the others.
        """
        if self.is_over:
            return Estimate(0.0, "nothing is left to run")
        durations = self._durations()
        if not durations:
            return Estimate(None, "no run has finished yet")
        places = [self._left(run, durations) for run in self.runs if run.state in AT_WORK]
        pending = sum(run.state is State.PENDING for run in self.runs)
        places += [0.0] * (max(_most_at_once(self.runs, self.taken), 1) - len(places))
        heapq.heapify(places)
        for _ in range(pending):
            heapq.heapreplace(places, places[0] + statistics.median(durations))
        return Estimate(max(places), f"from {count(len(durations), 'finished run')}")

    def fraction(self) -> float | None:
        """How far the RUNNING runs are on average, against the finished ones; None if unknown."""
        durations = self._durations()
        elapsed = [run.elapsed(self.taken) for run in self.runs if run.state is State.RUNNING]
        if not durations or not elapsed:
            return None
        usual = max(statistics.median(durations), 1e-9)
        return statistics.fmean(min((e or 0.0) / usual, 1.0) for e in elapsed)

    def _durations(self) -> list[float]:
        """How long the COMPLETE runs of this sweep took."""
        return [
            elapsed
            for run in self.runs
            if run.state is State.COMPLETE
            and run.ended is not None
            and (elapsed := run.elapsed(self.taken)) is not None
        ]

    def _left(self, run: RunView, durations: Sequence[float]) -> float:
        """Seconds a run at work still needs, if it is like those that took longer than it did."""
        elapsed = run.elapsed(self.taken) or 0.0
        longer = [d for d in durations if d > elapsed]
        return statistics.median(longer) - elapsed if longer else 0.0


def _most_at_once(runs: Iterable[RunView], now: float) -> int:
    """The largest number of runs seen at work at the same moment."""
    moments: list[tuple[float, int]] = []
    for run in runs:
        if run.started is not None and (run.ended is not None or run.state in AT_WORK):
            moments += [(run.started, 1), (now if run.ended is None else run.ended, -1)]
    most = at_work = 0
    for _, change in sorted(moments):
        at_work += change
        most = max(most, at_work)
    return most
