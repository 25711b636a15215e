"""A launched sweep: a live handle on its runs, found again by any process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from mlxp_nb.core.columns import flatten
from mlxp_nb.core.progress import AxisView, RunView, SweepView
from mlxp_nb.core.run import RunPaths, RunRecord
from mlxp_nb.core.status import JobState, State, Status, Verdict, reconcile
from mlxp_nb.core.sweep import Axis
from mlxp_nb.errors import RunError, SweepFailed
from mlxp_nb.executors import Executor, executor
from mlxp_nb.results.frame import RunFrame
from mlxp_nb.results.reader import Reader
from mlxp_nb.store import files, owner, rundir
from mlxp_nb.store import records as metric_records
from mlxp_nb.store.index import Index

__all__ = ["Sweep", "read_log", "sweep_folders"]

POLL_S = 0.2
_PROGRESS = ("epoch", "step", "iteration", "iter", "round")
_LOG_BYTES = 64 * 1024


def sweep_folders(log_dir: Path) -> list[Path]:
    """Folders of the sweeps of a log directory, oldest first."""
    folder = Path(log_dir) / rundir.OURS / "sweeps"
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if (path / "sweep.json").is_file())


class Sweep:
    """The runs that were launched together.

    Parameters
    ----------
    folder : Path
        ``logs/.mlxp_nb/sweeps/<id>``.

    Attributes
    ----------
    id, name : str
        The folder's name, and what people call it.
    runs : tuple of int
        Ids of its runs.
    log_dir : Path
        Where they are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        data = files.load_json(self.folder / "sweep.json")
        self._data: Mapping[str, Any] = data
        self.id: str = data["id"]
        self.name: str = data["name"]
        self.runs: tuple[int, ...] = tuple(data["runs"])
        self.log_dir = self.folder.parents[2]
        self.axes = tuple(Axis(key, tuple(values)) for key, values in data["axes"])
        self._index = Index(self.log_dir, self.runs)
        self._lock = threading.Lock()
        self._when_over: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} {state.value}" for state, n in self.view().counts().items())
        return f"<Sweep {self.name} ({self.id}): {len(self.runs)} runs: {counts}>"

    def __len__(self) -> int:
        return len(self.runs)

    @property
    def executor(self) -> Executor:
        """Where its runs run."""
        data = self._data["executor"]
        return executor(data["name"], {data["name"]: data["options"]})

    def records(self) -> Mapping[int, RunRecord]:
        """The records of its runs as they stand now."""
        with self._lock:
            self._index.refresh()
            return dict(self._index.records)

    def states(self) -> dict[int, Verdict]:
        """How each run stands, by id; the job's own word first, then the process table."""
        records = self.records()
        open_ids = [i for i in self.runs if _is_open(records.get(i))]
        jobs = dict(self.executor.states(self.folder, open_ids)) if open_ids else {}
        for run_id in open_ids:
            # The process that writes a run is a better witness than the one that started it.
            own = owner.job_state(records[run_id])
            if own[0] is not JobState.UNKNOWN:
                jobs[run_id] = own
        if any(state is JobState.GONE for state, _ in jobs.values()):
            # It may have written its end between our two looks.
            records = self.records()
        return {i: _verdict(records.get(i), jobs.get(i)) for i in self.runs}

    def view(self) -> SweepView:
        """Everything the card shows, at this moment."""
        states, records = self.states(), self._index.records
        data = self._data
        return SweepView(
            id=self.id,
            name=self.name,
            target=data["target"],
            axes=tuple(AxisView(axis.key, axis.values) for axis in self.axes),
            runs=tuple(self._run_view(i, states[i], records.get(i)) for i in self.runs),
            new=len(self.runs),
            reused=0,
            snapshot=(data["snapshot"].get("tree") or "none")[:7],
            policy=data["policy"],
            dirty=data["dirty"],
            executor=data["executor"]["name"],
            executor_detail=data["executor"]["detail"],
            resources=("1 process", "no time limit"),
            log_dir=data["shown_log_dir"],
            taken=time.time(),
        )

    def _run_view(self, run_id: int, verdict: Verdict, record: RunRecord | None) -> RunView:
        """One run of the view."""
        info = record.info if record is not None else {}
        config = flatten(record.config) if record is not None else {}
        error = info.get("error") or {}
        message = f"{error['type']}: {error['message']}" if error else ""
        said = metric_records.last(record.path) if record and verdict.state is State.RUNNING else {}
        sign = next((f"{key} {said[key]}" for key in _PROGRESS if key in said), "")
        return RunView(
            id=run_id,
            state=verdict.state,
            evidence=verdict.evidence,
            varies=tuple((a.key, _shown(a, config, info)) for a in self.axes),
            attempt=int(info.get("attempt") or 1),
            started=_unix(info.get("started")),
            ended=_unix(info.get("ended")),
            host=str(info.get("hostname") or ""),
            error=message.splitlines()[0] if message else "",
            where=str(error.get("where") or ""),
            sign=sign,
            heard=said.get(metric_records.TIME),
        )

    def when_over(self, callback: Callable[[], None]) -> None:
        """Call back once, from :meth:`wait`, when every run has ended."""
        self._when_over.append(callback)

    def wait(self, timeout: float | None = None, *, check: bool = True) -> RunFrame:
        """Wait until every run has ended.

        Parameters
        ----------
        timeout : float, optional
            Seconds; without it, as long as it takes.
        check : bool
            Raise when a run did not end COMPLETE.

        Returns
        -------
        RunFrame
            The runs.

        Raises
        ------
        SweepFailed
            Some did not end COMPLETE.
        TimeoutError
            The time is over; the runs go on.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            states = self.states()
            left = [i for i, verdict in states.items() if not verdict.state.is_final]
            if not left:
                break
            if until is not None and time.monotonic() > until:
                raise TimeoutError(f"{len(left)} of {len(self.runs)} runs go on: {left[:10]}")
            time.sleep(POLL_S)
        while self._when_over:
            self._when_over.pop()()
        if check:
            self._check(states)
        return self.frame()

    def _check(self, states: Mapping[int, Verdict]) -> None:
        """Raise when something went wrong, with a line a run."""
        bad = {i: v for i, v in states.items() if v.state is not State.COMPLETE}
        if not bad:
            return
        views = {view.id: view for view in self.view().runs}
        lines = [f"{len(bad)} of {len(self.runs)} runs did not complete"]
        for run_id, verdict in list(bad.items())[:10]:
            said = views[run_id].error or verdict.evidence
            lines.append(f"    {run_id}  {verdict.state.value}  {said}".rstrip())
        if len(bad) > 10:
            lines.append(f"    … and {len(bad) - 10} more")
        hint = f"look at {self.log_dir / str(next(iter(bad)))}, or wait(check=False)"
        hints = {
            str((r.info.get("error") or {}).get("hint") or "") for r in self.records().values()
        }
        named = sorted(hint for hint in hints if hint)
        raise SweepFailed("\n".join(lines), "; ".join([*named[:3], hint]), bad)

    def cancel(self, run_ids: int | Sequence[int] | None = None) -> None:
        """End runs, all that have not ended unless some are named; they write their own end."""
        if isinstance(run_ids, int):
            run_ids = (run_ids,)
        wanted = self.runs if run_ids is None else tuple(run_ids)
        for run_id in wanted:
            if run_id not in self.runs:
                raise RunError(
                    f"run {run_id} is not of sweep {self.id}",
                    f"use one of {', '.join(map(str, self.runs[:10]))}",
                )
        records = self.records()
        open_ids = [i for i in wanted if _is_open(records.get(i))]
        if open_ids:
            self.executor.cancel(self.folder, open_ids)

    def frame(self) -> RunFrame:
        """The runs as a table that reads metrics when they are looked at."""
        mine = set(self.runs)
        return RunFrame(run for run in Reader(str(self.log_dir)).runs() if run.id in mine)

    def log(self, run_id: int) -> str:
        """The last lines that a run printed, errors after output."""
        return read_log(RunPaths(self.log_dir / str(run_id)))


def read_log(paths: RunPaths) -> str:
    """The last lines that a run printed, errors after output."""
    return "\n".join(text for text in (_tail(paths.stdout), _tail(paths.stderr)) if text)


def _is_open(record: RunRecord | None) -> bool:
    """Whether more may be written."""
    status = record.status if record is not None else None
    return status is not None and not status.is_final


def _verdict(record: RunRecord | None, job: tuple[JobState, str] | None) -> Verdict:
    """The state of one run from its two witnesses."""
    if record is None:
        return Verdict(State.UNREADABLE, "its directory is gone")
    if record.problem is not None or record.status is None:
        return Verdict(State.UNREADABLE, record.problem or "its status is no word we know")
    if job is None:
        job = JobState.RUNNING, ""
    if record.status is Status.STARTING and job[0] is not JobState.PENDING:
        # Started or just ended: its supervisor or its job writes the next word in a moment.
        return Verdict(State.STARTING, job[1])
    return reconcile(record.status, *job)


def _shown(axis: Axis, config: Mapping[str, Any], info: Mapping[str, Any]) -> str:
    """The value a run has on an axis: of the configuration, else as it was overridden."""
    if axis.key in config:
        return str(config[axis.key])
    return next(_overridden(axis.key, info.get("overrides") or ()), "")


def _overridden(key: str, overrides: Sequence[str]) -> Iterator[str]:
    """The values that overrides give to a key."""
    for override in overrides:
        name, _, value = str(override).partition("=")
        if name.lstrip("+") == key:
            yield value


def _unix(iso: Any) -> float | None:
    """Unix seconds of an ISO time; None when there is none."""
    try:
        return datetime.fromisoformat(str(iso)).timestamp()
    except ValueError:
        return None


def _tail(path: Path) -> str:
    """The end of a log file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LOG_BYTES))
            return file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
