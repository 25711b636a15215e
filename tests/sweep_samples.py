"""Sweeps to show: one as large as life, and one that moves when the test says so."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from pathlib import Path

from mlxp_nb.core.progress import AxisView, RunView, SweepView
from mlxp_nb.core.status import State

LRS = ("1e-4", "3e-4", "1e-3", "3e-3", "1e-2")
MODELS = ("resnet18", "vit_tiny")


def view(runs: Iterable[RunView], now: float = 1_000_000.0, **changes: object) -> SweepView:
    """A sweep over one learning rate and three seeds, with these runs."""
    runs = tuple(runs)
    plain = SweepView(
        id="s1",
        name="lr-scan",
        target="main.py",
        axes=(AxisView("optimizer.lr", ("0.1",)), AxisView("seed", ("0", "1", "2"))),
        runs=runs,
        new=len(runs),
        reused=0,
        snapshot="a1b2c3d",
        policy="worktree",
        dirty="2 modified, 1 untracked",
        executor="local",
        executor_detail="2 at once",
        resources=("4 CPUs", "no limit"),
        log_dir="logs",
        taken=now,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # names are checked by replace


def large(now: float) -> SweepView:
    """Thirty configurations of which some failed, ran out of memory, run, and wait."""
    grid = list(product(MODELS, LRS, ("0", "1", "2")))[6:]
    return view(
        [_run(1042 + i, i, values, now) for i, values in enumerate(grid)],
        now,
        axes=(
            AxisView("model", MODELS),
            AxisView("optimizer.lr", LRS),
            AxisView("seed", ("0", "1", "2")),
        ),
        reused=6,
        executor="a100",
        executor_detail="1 array of 24, 16 at once",
        resources=("1 GPU, 32 GB, 8 CPUs", "6 h limit"),
    )


def _run(run_id: int, i: int, values: tuple[str, str, str], now: float) -> RunView:
    varies = tuple(zip(("model", "optimizer.lr", "seed"), values, strict=True))
    run = RunView(run_id, State.COMPLETE, varies=varies, host=f"gpu-{i % 12:02d}")
    if i < 8:
        return replace(run, started=now - 9000 + 40 * i, ended=now - 3600 + 100 * i)
    if i < 10:
        said = f"oom_kill in 88123_{i}.batch: peak 31.9 of 32 GB (sacct)"
        ends = replace(run, started=now - 6000, ended=now - 3540)
        return replace(ends, state=State.OUT_OF_MEMORY, evidence=said)
    if i == 10:
        failed = replace(run, state=State.FAILED, started=now - 2000, ended=now - 1280)
        return replace(
            failed, error="FloatingPointError: loss is nan at step 1240", where="train.py:88"
        )
    if i < 18:
        at_work = replace(
            run, state=State.RUNNING, started=now - 4300 + 60 * i, heard=now - i % 5 - 1
        )
        return replace(at_work, sign=f"epoch {40 + i} / 90", attempt=2 if i == 14 else 1)
    return replace(run, state=State.PENDING, host="", evidence="waits for a free place")


def put(path: Path, value: object) -> None:
    """Write JSON that another process reads whole."""
    aside = path.with_suffix(".aside")
    aside.write_text(json.dumps(value), encoding="utf-8")
    aside.replace(path)


class SteppedSweep:
    """Six runs that go on by one step each time the test writes a number into a file.

    Step n has n runs complete (the third one failed), two at work, and the rest pending.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.born = time.time()

    def view(self) -> SweepView:
        """How it stands at the step in ``step.json``; each look leaves a byte in ``looks``."""
        with (self.folder / "looks").open("a", encoding="utf-8") as looks:
            looks.write(".")
        said = json.loads((self.folder / "step.json").read_text(encoding="utf-8"))
        if "fails" in said:
            raise RuntimeError(said["fails"])
        cancelled = set(self.cancelled)
        runs = [self._run(i, said["step"], cancelled) for i in range(6)]
        return view(runs, time.time(), axes=self._axes(), problem=said.get("problem", ""))

    def cancel(self, ids: tuple[int, ...]) -> None:
        """Remember what was to be cancelled."""
        put(self.folder / "cancelled.json", [*self.cancelled, *ids])

    def log(self, run_id: int) -> str:
        """What the run printed."""
        return "\n".join(f"run {run_id}: epoch {n} loss {1 / (n + 1):.4f}" for n in range(40))

    @property
    def cancelled(self) -> list[int]:
        """Ids given to cancel so far."""
        path = self.folder / "cancelled.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []

    def _axes(self) -> tuple[AxisView, ...]:
        return AxisView("optimizer.lr", ("0.01", "0.1")), AxisView("seed", ("0", "1", "2"))

    def _run(self, i: int, step: int, cancelled: set[int]) -> RunView:
        varies = (("optimizer.lr", ("0.01", "0.1")[i // 3]), ("seed", str(i % 3)))
        run = RunView(i + 1, State.PENDING, varies=varies, host="")
        if run.id in cancelled:
            return replace(run, state=State.CANCELLED, started=self.born, ended=self.born + 5)
        started = replace(run, started=self.born, host="laptop")
        if i < step and i == 2:
            ended = replace(started, state=State.FAILED, ended=self.born + 4)
            return replace(ended, error="ValueError: <b>lr</b> is too large", where="train.py:12")
        if i < step:
            return replace(started, state=State.COMPLETE, ended=self.born + 5)
        if i < step + 2 and step >= 0:
            return replace(started, state=State.RUNNING, sign=f"epoch {i}", heard=time.time())
        return replace(run, evidence="waits for a free place")
