"""How a run stands: what its job wrote, what is known of its process, and the two joined."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["FINAL", "MOVES", "JobState", "State", "Status", "Verdict", "may_move", "reconcile"]


class Status(str, Enum):
    """An outcome, written by the job itself. The first four are MLXP's words."""

    STARTING = "STARTING"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    PREEMPTED = "PREEMPTED"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will be written by this attempt."""
        return self not in (Status.STARTING, Status.RUNNING)


_ENDS = frozenset({Status.COMPLETE, Status.FAILED, Status.CANCELLED, Status.PREEMPTED})
_AGAIN = frozenset({Status.STARTING, Status.RUNNING})

# status: (what the same attempt may write next, what the next attempt may begin with).
# A run that is done goes on only when somebody resumes it, which records it as STARTING.
MOVES: dict[Status, tuple[frozenset[Status], frozenset[Status]]] = {
    Status.STARTING: (
        frozenset({Status.STARTING, Status.RUNNING, Status.FAILED, Status.CANCELLED}),
        _AGAIN,
    ),
    Status.RUNNING: (frozenset({Status.RUNNING}) | _ENDS, _AGAIN),
    Status.COMPLETE: (frozenset(), frozenset({Status.STARTING})),
    Status.FAILED: (frozenset(), _AGAIN),
    Status.CANCELLED: (frozenset(), _AGAIN),
    Status.PREEMPTED: (frozenset(), _AGAIN),
}


def may_move(before: Status, after: Status, *, next_attempt: bool = False) -> bool:
    """Whether a run may go from one status to another; a final one is written once an attempt."""
    return after in MOVES[before][next_attempt]


class JobState(str, Enum):
    """A process, as told by the scheduler or the process table."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    GONE = "GONE"
    UNKNOWN = "UNKNOWN"


class State(str, Enum):
    """What a run is shown as: a status, or a verdict where the job could not write one."""

    PENDING = "PENDING"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    PREEMPTED = "PREEMPTED"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    TIMEOUT = "TIMEOUT"
    NODE_FAIL = "NODE_FAIL"
    KILLED = "KILLED"
    UNKNOWN = "UNKNOWN"
    UNREADABLE = "UNREADABLE"

    @property
    def is_final(self) -> bool:
        """Whether waiting for a change makes no sense."""
        return self not in (State.PENDING, State.STARTING, State.RUNNING)


FINAL = frozenset(state for state in State if state.is_final)


@dataclass(frozen=True)
class Verdict:
    """The state of a run, and what it rests on.

    Attributes
    ----------
    state : State
        The word the table shows.
    evidence : str
        Why, in a few words; empty when the job's own record says it.
    """

    state: State
    evidence: str = ""


def reconcile(status: Status, job: JobState, evidence: str = "") -> Verdict:
    """Join what the job wrote with what is known of its process.

    Parameters
    ----------
    status : Status
        From the run's own record.
    job : JobState
        From the process table or the scheduler.
    evidence : str
        What that second witness said.

    Returns
    -------
    Verdict
        A final status always stands. A run whose process is gone and that wrote no end was
        KILLED; a run nobody can vouch for is UNKNOWN, never RUNNING.
    """
    if status.is_final:
        return Verdict(State(status.value))
    if job is JobState.GONE:
        return Verdict(State.KILLED, evidence or "its process is gone and wrote no end")
    if job is JobState.UNKNOWN:
        return Verdict(State.UNKNOWN, evidence or "nobody here can see its process")
    if job is JobState.PENDING and status is Status.STARTING:
        return Verdict(State.PENDING, evidence)
    return Verdict(State(status.value), evidence)
