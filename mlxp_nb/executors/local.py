"""The local machine: at most ``max_parallel`` runs at once, by a supervisor of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlxp_nb.core.run import RunRecord
from mlxp_nb.core.status import JobState
from mlxp_nb.errors import ExecutorError
from mlxp_nb.executors.base import Job
from mlxp_nb.executors.queue import Queue
from mlxp_nb.store.owner import is_alive

__all__ = ["LocalExecutor"]

# The supervisors that this process started, by sweep; kept so that they are reaped.
_CHILDREN: dict[Path, subprocess.Popen[bytes]] = {}


class LocalExecutor:
    """Runs on this machine, each in a process of its own.

    Parameters
    ----------
    name : str
        As the user names it.
    max_parallel : int
        At most so many at once; 0 means one for each core.
    """

    def __init__(self, name: str = "local", max_parallel: int = 1) -> None:
        if isinstance(max_parallel, bool) or not isinstance(max_parallel, int) or max_parallel < 0:
            raise ExecutorError(
                f"max_parallel is {max_parallel!r}",
                "give a number of runs: -j 2, or 0 for all cores",
            )
        self.name = name
        self.max_parallel = max_parallel or os.cpu_count() or 1

    @property
    def options(self) -> Mapping[str, Any]:
        """What it is made from again."""
        return {"cluster": "local", "max_parallel": self.max_parallel}

    def describe(self) -> str:
        """Name the place and its width: ``this machine, 2 at once``."""
        return f"this machine, {self.max_parallel} at once"

    def submit(self, sweep_dir: Path, runs: Sequence[RunRecord]) -> None:
        """Queue the runs of a sweep, and start the supervisor that works the queue off."""
        Queue.create(sweep_dir, [(run.id, run.path) for run in runs], self.max_parallel)
        _start_supervisor(sweep_dir)

    def states(self, sweep_dir: Path, run_ids: Sequence[int]) -> Mapping[int, Job]:
        """From the supervisor's notes and the process table.

        A supervisor that died with runs waiting is started again; its lock keeps it single.
        """
        queue = Queue(sweep_dir)
        jobs = queue.jobs()
        supervised = self._ensure(queue)
        states: dict[int, Job] = {}
        for run_id in run_ids:
            job = jobs.get(run_id)
            if job is None:
                states[run_id] = supervised
            elif is_alive(job):
                states[run_id] = JobState.RUNNING, ""
            elif is_alive(job) is None:
                states[run_id] = JobState.UNKNOWN, f"it runs on {job.host}"
            else:
                states[run_id] = JobState.GONE, f"process {job.pid} is gone and wrote no end"
        return states

    def _ensure(self, queue: Queue) -> Job:
        """How runs that wait stand, after making sure that somebody will start them."""
        who = queue.supervisor()
        alive = is_alive(who) if who is not None else False
        if alive is None and who is not None:
            return JobState.UNKNOWN, f"it waits on {who.host}"
        if not alive and not queue.is_over():
            _start_supervisor(queue.folder)
        return JobState.PENDING, "waits for a place"

    def cancel(self, sweep_dir: Path, run_ids: Sequence[int]) -> None:
        """Leave a request; the supervisor ends the runs within a moment."""
        queue = Queue(sweep_dir)
        queue.ask_to_cancel(run_ids)
        who = queue.supervisor()
        if who is None or not is_alive(who):
            _start_supervisor(sweep_dir)


def _start_supervisor(sweep_dir: Path) -> None:
    """Start the supervisor in a session of its own, so that no interrupt of ours reaches it."""
    for folder in [folder for folder, child in _CHILDREN.items() if child.poll() is not None]:
        del _CHILDREN[folder]
    if sweep_dir in _CHILDREN:
        return
    log = os.open(sweep_dir / "supervisor.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        _CHILDREN[sweep_dir] = subprocess.Popen(
            [sys.executable, "-m", "mlxp_nb.executors.supervisor", str(sweep_dir)],
            cwd=sweep_dir,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    except OSError as error:
        raise ExecutorError(
            f"the supervisor could not be started: {error}", f"look at {sweep_dir}"
        ) from error
    finally:
        os.close(log)


def _environment() -> dict[str, str]:
    """The environment of this process, less what is true only inside a notebook's kernel."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("JPY_")}
    if env.get("MPLBACKEND", "").startswith("module://"):
        del env["MPLBACKEND"]
    return env
