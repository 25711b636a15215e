"""Who writes a run, and whether that process still lives: boot id, pid and start time."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlxp_nb.core.run import RunRecord
from mlxp_nb.core.status import JobState, State, Status, Verdict, reconcile

__all__ = ["Identity", "boot_id", "identity", "is_alive", "job_state", "state_of"]


@dataclass(frozen=True)
class Identity:
    """A process that no other process can be mistaken for.

    Attributes
    ----------
    host : str
        Name of the machine.
    boot : str
        Changes with every start of the machine.
    pid : int
        Process id.
    started : float
        Start of the process: clock ticks since boot on Linux, else unix seconds.
    """

    host: str
    boot: str
    pid: int
    started: float

    def as_dict(self) -> dict[str, Any]:
        """For a record on disk."""
        return {"host": self.host, "boot_id": self.boot, "pid": self.pid, "started": self.started}

    @classmethod
    def from_dict(cls, data: Any) -> Identity | None:
        """From a record on disk; None when it does not say."""
        try:
            return cls(
                str(data["host"]), str(data["boot_id"]), int(data["pid"]), float(data["started"])
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            return None


def boot_id() -> str:
    """Id of this start of this machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        import psutil

        return str(int(psutil.boot_time()))


def _start_of(pid: int) -> float | None:
    """When a process began; None when there is no such process, or it is a zombie."""
    try:
        # The command may hold blanks and parentheses: fields count from the last ")".
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
        return _start_elsewhere(pid)
    except (ProcessLookupError, OSError):
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else float(fields[19])


def _start_elsewhere(pid: int) -> float | None:
    """The same on a system without /proc."""
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return round(float(process.create_time()), 1)
    except psutil.Error:
        return None


def identity(pid: int | None = None) -> Identity:
    """Who this process is, or the one with ``pid``.

    Raises
    ------
    ProcessLookupError
        There is no such process.
    """
    pid = os.getpid() if pid is None else pid
    started = _start_of(pid)
    if started is None:
        raise ProcessLookupError(pid)
    return Identity(socket.gethostname(), boot_id(), pid, started)


def is_alive(who: Identity) -> bool | None:
    """Whether that very process lives; None when it is on another machine."""
    if who.host != socket.gethostname():
        return None
    return who.boot == boot_id() and _start_of(who.pid) == who.started


def job_state(record: RunRecord) -> tuple[JobState, str]:
    """What the process table of this host says of a run, and the evidence."""
    info = record.info
    process = info.get("process")
    who = Identity.from_dict(
        {
            **(process if isinstance(process, dict) else {}),
            "host": info.get("hostname"),
            "pid": info.get("process_id"),
        }
    )
    if who is None:
        return JobState.UNKNOWN, "its record names no process"
    alive = is_alive(who)
    if alive is None:
        return JobState.UNKNOWN, f"it ran on {who.host}"
    if alive:
        return JobState.RUNNING, ""
    if who.boot != boot_id():
        return JobState.GONE, f"{who.host} was started again since"
    return JobState.GONE, f"process {who.pid} is gone and wrote no end"


def state_of(record: RunRecord) -> Verdict:
    """How a run stands, from its own record and the processes of this host."""
    if record.problem is not None:
        return Verdict(State.UNREADABLE, record.problem)
    status = record.status
    if status is None:
        return Verdict(State.UNREADABLE, f"unknown status {record.info.get('status')!r}")
    if status.is_final:
        return Verdict(State(status.value))
    state, evidence = job_state(record)
    if status is Status.STARTING and state is JobState.UNKNOWN:
        return Verdict(State.PENDING, "recorded, not begun")
    return reconcile(status, state, evidence)
