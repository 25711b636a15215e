"""Compares what was acknowledged with what a reader finds."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mlxp_nb.core.run import RunPaths
from mlxp_nb.core.status import State
from mlxp_nb.results.reader import Reader
from mlxp_nb.store import artifacts, check, records
from tests.faults.conftest import Ended


@dataclass
class Tally:
    """Figures over many trials."""

    trials: int = 0
    records: int = 0
    checkpoints: int = 0
    artifacts: int = 0
    torn: int = 0
    complete: int = 0
    raised: int = 0
    killed: int = 0
    failed: int = 0


def judge(log_dir: Path, ended: Ended, tally: Tally, trial: str) -> None:
    """Everything that a program was promised is there, and the reader says what became of it.

    The program has ended: no run of it may be shown as running.
    """
    tally.trials += 1
    frame = Reader(log_dir).runs()  # must not raise whatever the others left
    states = {run.id: run.state for run in frame}
    for (name,) in ended.of("allocated"):
        run_id = int(name)
        assert run_id in states, f"{trial}: run {run_id} is not there"
        assert states[run_id] is not State.UNREADABLE, f"{trial}: run {run_id} cannot be read"
    for run_id in {int(line[0]) for line in ended.of("started")}:
        state = states[run_id]
        assert state.is_final, f"{trial}: run {run_id} is shown as {state.value}"
        assert state is not State.UNKNOWN, f"{trial}: nobody knows of run {run_id}"
        _judge_records(log_dir / str(run_id), _numbers(ended, "record", run_id), tally, trial)
        _judge_artifacts(log_dir / str(run_id), ended, tally, trial)
        tally.killed += state is State.KILLED
        tally.failed += state is State.FAILED
    for (name,) in ended.of("complete"):
        assert states[int(name)] is State.COMPLETE, f"{trial}: {states[int(name)]}"
        tally.complete += 1
    tally.raised += bool(ended.of("raised"))


def _numbers(ended: Ended, word: str, run_id: int) -> list[int]:
    return [int(line[1]) for line in ended.of(word) if int(line[0]) == run_id]


def _judge_records(run: Path, promised: Iterable[int], tally: Tally, trial: str) -> None:
    """Acknowledged records are there, in order, once; one more may be."""
    promised = list(promised)
    read = records.read(run, "train")
    found = [row["i"] for row in read.rows]
    assert read.problem is None, f"{trial}: {read.problem}"
    assert found[: len(promised)] == promised, f"{trial}: {found} instead of {promised}"
    assert len(found) <= len(promised) + 1, f"{trial}: {found[len(promised) :]} too many"
    assert read.damaged <= 1, f"{trial}: {read.damaged} damaged lines"
    tally.records += len(promised)
    tally.torn += read.damaged


def _judge_artifacts(run: Path, ended: Ended, tally: Tally, trial: str) -> None:
    """The last acknowledged checkpoint, or a newer one, loads; each acknowledged artifact does."""
    paths = RunPaths(run)
    numbers = _numbers(ended, "checkpoint", int(run.name))
    if numbers:
        loaded = artifacts.load(artifacts.find(paths, "checkpoint", "pickle"))
        assert loaded["i"] >= numbers[-1], f"{trial}: checkpoint {loaded['i']}, not {numbers[-1]}"
    for number, name in ended.of("artifact"):
        if number == run.name:
            assert artifacts.load(artifacts.find(paths, name, "json")) == {"i": int(name[1:])}
            tally.artifacts += 1
    tally.checkpoints += len(numbers)


def age(root: Path) -> None:
    """Make everything below a folder two days old, so that what is orphaned is old enough."""
    then = time.time() - 2 * 24 * 3600
    for folder, _, names in os.walk(root):
        for name in names:
            os.utime(Path(folder) / name, (then, then), follow_symlinks=False)
        os.utime(folder, (then, then))


def sweep(log_dir: Path) -> int:
    """Repair a log directory; how many orphans were moved. None may be left."""
    age(log_dir)
    mended = check.repair(log_dir, check.check(log_dir))
    left = [f for f in check.check(log_dir) if f.mendable]
    assert not left, left
    kept = log_dir / ".mlxp_nb" / check.LOST
    hidden = [p for p in log_dir.rglob(".tmp-*") if kept not in p.parents]
    hidden += list((log_dir / ".mlxp_nb").glob("new-*"))
    assert not hidden, hidden
    return sum(finding.kind.name == "orphan" for finding in mended)
