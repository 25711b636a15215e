"""Works off the queue of one local sweep: ``python -m mlxp_nb.executors.supervisor SWEEP_DIR``.

It starts each run through submitit, at most so many at once, ends those that should be cancelled,
and leaves when nothing is left. It lives in a session of its own: closing the notebook, its kernel
or the terminal does not reach it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxp_nb.core.run import RunPaths
from mlxp_nb.core.status import Status
from mlxp_nb.errors import RunError, StoreError
from mlxp_nb.executors.queue import Queue
from mlxp_nb.store import files, rundir
from mlxp_nb.store.owner import Identity, identity, is_alive
from mlxp_nb.worker import job

if TYPE_CHECKING:
    from submitit import LocalExecutor

__all__ = ["Supervisor", "main"]

logger = logging.getLogger(__name__)

POLL_S = 0.05
GRACE_S = 15.0
_NO_LIMIT_MIN = 60 * 24 * 365
_TAIL = 2000


class Supervisor:
    """The only starter of the runs of one sweep.

    Parameters
    ----------
    queue : Queue
        What to run.
    """

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.runs, self.max_parallel = queue.read()
        self.submitit = _submitit(queue.folder / "jobs")
        self.active: dict[int, Identity] = {}
        self.children: dict[int, Any] = {}
        self.terminated: dict[int, float] = {}
        self.pending: list[int] = []

    def run(self) -> None:
        """Until every run has ended."""
        self.adopt()
        while self.pending or self.active:
            self.cancel()
            self.reap()
            self.start()
            time.sleep(POLL_S)

    def adopt(self) -> None:
        """Take over from a supervisor that died: its runs go on, the others wait."""
        jobs = self.queue.jobs()
        for run_id in self.runs:
            who = jobs.get(run_id)
            if who is not None and is_alive(who):
                self.active[run_id] = who
            elif self._status(run_id) is Status.STARTING:
                if who is None:
                    self.pending.append(run_id)
                else:
                    self._never_began(run_id, who)

    def start(self) -> None:
        """Begin runs while there is room."""
        while self.pending and len(self.active) < self.max_parallel:
            run_id = self.pending.pop(0)
            child = self.submitit.submit(job.run, str(self.runs[run_id]))
            try:
                who = identity(int(child.job_id))
            except ProcessLookupError:
                logger.warning("run %s ended at once", run_id)
                who = Identity("", "", int(child.job_id), 0.0)
            self.queue.note_job(run_id, who)
            self.children[run_id] = child
            self.active[run_id] = who

    def reap(self) -> None:
        """Forget what has ended; a run that never began is told so in its record."""
        for run_id, who in list(self.active.items()):
            child = self.children.get(run_id)
            over = child.done() if child is not None else not is_alive(who)
            if over:
                del self.active[run_id]
                if self._status(run_id) is Status.STARTING:
                    self._never_began(run_id, who)

    def cancel(self) -> None:
        """End what somebody asked to end: first politely, after a while for good."""
        for run_id in self.queue.to_cancel():
            if run_id in self.pending:
                self.pending.remove(run_id)
                self._end(run_id, Status.CANCELLED, {"reason": "cancelled before it began"})
            elif run_id in self.active:
                self._terminate(run_id, self.active[run_id])

    def _terminate(self, run_id: int, who: Identity) -> None:
        """SIGTERM once, which submitit's controller hands to the job; SIGKILL after the grace."""
        if not is_alive(who):
            return
        now = time.monotonic()
        if run_id not in self.terminated:
            self.terminated[run_id] = now
            os.kill(who.pid, signal.SIGTERM)
        elif now - self.terminated[run_id] > GRACE_S:
            _kill_tree(who.pid)

    def _status(self, run_id: int) -> Status | None:
        return rundir.read(self.runs[run_id].parent, run_id).status

    def _never_began(self, run_id: int, who: Identity) -> None:
        """The process of a run ended before it could write anything: say what it printed."""
        tail = ""
        for path in sorted((self.queue.folder / "jobs").glob(f"{who.pid}_0_log.*")):
            tail += path.read_text(encoding="utf-8", errors="replace")[-_TAIL:]
        if run_id in self.terminated:
            self._end(run_id, Status.CANCELLED, {"reason": "SIGTERM"})
            return
        last = tail.strip().splitlines()[-1:] or ["it printed nothing"]
        error = {
            "type": "ExecutorError",
            "message": f"its process ended before it began: {last[0]}",
            "where": "",
            "hint": f"look at {self.queue.folder / 'jobs'}",
            "traceback": tail,
        }
        self._end(run_id, Status.FAILED, {"reason": "never began"}, error)

    def _end(
        self,
        run_id: int,
        status: Status,
        end: dict[str, Any],
        error: dict[str, Any] | None = None,
    ) -> None:
        """Write the end of a run that no process holds: it never began, so we hold it still."""
        paths = RunPaths(self.runs[run_id])
        info = {**files.load_yaml(paths.info), "status": status.value, "end": end}
        info["ended"] = rundir.now_iso()
        if error is not None:
            info["error"] = error
        try:
            rundir.advance(paths, info)
            rundir.append_event(paths, status.value, **end)
        except (RunError, StoreError) as problem:  # the other runs go on
            logger.warning("the end of run %s was not recorded: %s", run_id, problem)


def _submitit(folder: Path) -> LocalExecutor:
    """Submitit's local executor, told to hide no GPU and to set no time limit."""
    from submitit import LocalExecutor

    devices = os.environ.get("CUDA_VISIBLE_DEVICES")
    given = "-u CUDA_VISIBLE_DEVICES" if devices is None else f"CUDA_VISIBLE_DEVICES={devices}"
    executor = LocalExecutor(folder, python=f"env {given} {shlex.quote(sys.executable)}")
    executor.update_parameters(timeout_min=_NO_LIMIT_MIN)
    executor._throttling = 0.0  # the pause between submissions is meant for clusters
    return executor


def _kill_tree(pid: int) -> None:
    """SIGKILL a process and all that came from it."""
    import psutil

    try:
        process = psutil.Process(pid)
        for child in [*process.children(recursive=True), process]:
            child.kill()
    except psutil.NoSuchProcess:
        return


def main() -> None:
    """Hold the sweep's lock, and work."""
    folder = Path(sys.argv[1])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    # The folder we were started in is not a place to import from.
    sys.path[:] = [entry for entry in sys.path if entry not in ("", str(Path.cwd()))]
    with (folder / "supervisor.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        queue, me = Queue(folder), identity()
        queue.note_supervisor(me)
        Supervisor(queue).run()
        queue.note_supervisor(me, ended=rundir.now_iso())


if __name__ == "__main__":
    main()
