"""The Python API: plan, launch, find again, read."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from mlxp_nb import environment
from mlxp_nb.compose import read_mlxp_settings
from mlxp_nb.core.run import RunRecord
from mlxp_nb.core.sweep import SweepPlan, parse_overrides
from mlxp_nb.core.target import CONFIG_PATH, parse_target
from mlxp_nb.errors import UnknownNameError
from mlxp_nb.prepare import Prepared, allocate, describe, prepare
from mlxp_nb.results.frame import RunFrame
from mlxp_nb.results.reader import Reader
from mlxp_nb.store import files, rundir
from mlxp_nb.sweeps import Sweep, sweep_folders

__all__ = ["Project", "open_sweep", "sweep"]


class Project:
    """A folder from which things are launched, and the runs they left.

    Parameters
    ----------
    root : path, optional
        The working directory unless given.
    """

    def __init__(self, root: str | Path | None = None) -> None:
        self._root = Path(root).absolute() if root is not None else None
        self._log_dir: Path | None = None

    @property
    def root(self) -> Path:
        """Where the user is."""
        return self._root or Path.cwd()

    @property
    def log_dir(self) -> Path:
        """The log directory of the last launch, else the one of the project's settings."""
        if self._log_dir is not None and self._log_dir.is_dir():
            return self._log_dir
        settings = read_mlxp_settings(self.root / CONFIG_PATH)
        return Path(os.path.normpath(self.root / settings["logger"]["parent_log_dir"]))

    def plan(
        self,
        target: str,
        overrides: str | Sequence[str] = "",
        *,
        name: str = "",
        on: str = "local",
        parallel: int | None = None,
        policy: str | None = None,
    ) -> SweepPlan:
        """A sweep from text; nothing is looked at on disk yet.

        Parameters
        ----------
        target : str
            ``main.py`` or ``package.module:function``.
        overrides : str or sequence of str
            Hydra's grammar, one or several a line.
        name : str
            For people.
        on : str
            Executor.
        parallel : int, optional
            At most so many runs at once.
        policy : str, optional
            Snapshot policy: worktree, head, strict, off.

        Raises
        ------
        SweepSyntaxError, TargetError
            With the place.
        """
        text = overrides if isinstance(overrides, str) else "\n".join(overrides)
        parsed = parse_target(target)
        return SweepPlan(
            target=parsed,
            overrides=parse_overrides(text),
            text=text,
            name=name or parsed.name,
            executor=on,
            parallel=parallel,
            policy=policy,
        )

    def prepare(self, plan: SweepPlan) -> Prepared:
        """Freeze the code, then compose and check every configuration from it.

        Raises
        ------
        MlxpError
            Anything that would fail later: nothing was started, no run directory was made.
        """
        return prepare(self.root, plan)

    def launch(self, plan: SweepPlan) -> Sweep:
        """Prepare a sweep and submit it; returns at once.

        Raises
        ------
        MlxpError
            As for :meth:`prepare`; then no run directory is left and no job was started.
        """
        prepared = self.prepare(plan)
        folder = _new_sweep_folder(prepared.places.log_dir)
        records: list[RunRecord] = []
        try:
            packages = environment.packages()
            info = describe(prepared, folder.name, packages)
            for number, configuration in enumerate(prepared.grid.configurations):
                records.append(allocate(prepared, configuration, info, number))
            _write_sweep(folder, prepared, records, packages)
            prepared.executor.submit(folder, records)
        except BaseException:
            # A run that was resumed was there before.
            made = [record.path for record in records if record.info["attempt"] == 1]
            for path in (*made, folder):
                shutil.rmtree(path, ignore_errors=True)
            raise
        self._log_dir = prepared.places.log_dir
        return Sweep(folder)

    def runs(self, log_dir: str | Path | None = None) -> RunFrame:
        """All runs of a log directory."""
        return Reader(str(log_dir if log_dir is not None else self.log_dir)).runs()

    def sweeps(self) -> list[Sweep]:
        """The sweeps of the project, oldest first."""
        return [Sweep(folder) for folder in sweep_folders(self.log_dir)]

    def open_sweep(self, name: str) -> Sweep:
        """The live handle of a sweep by its id, or by its name (the newest of that name).

        Raises
        ------
        UnknownNameError
            There is none.
        """
        sweeps = self.sweeps()
        for found in reversed(sweeps):
            if name in (found.id, found.name):
                return found
        raise UnknownNameError("sweep", name, [n for s in sweeps for n in (s.name, s.id)])


def _new_sweep_folder(log_dir: Path) -> Path:
    """A folder for a sweep, named by its moment."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    sweeps = rundir.prepare(log_dir) / rundir.OURS / "sweeps"
    folder = sweeps / f"{stamp}-{secrets.token_hex(3)}"
    folder.mkdir(parents=True)
    return folder


def _write_sweep(
    folder: Path, prepared: Prepared, records: Sequence[RunRecord], packages: Sequence[str]
) -> None:
    """Everything a later process needs to open the sweep again."""
    plan, where = prepared.plan, prepared.executor
    log_dir, root = prepared.places.log_dir, prepared.places.project_dir
    shown = log_dir.relative_to(root) if log_dir.is_relative_to(root) else log_dir
    listed = "".join(f"{package}\n" for package in packages)
    files.replace(folder / "packages.txt", listed.encode("utf-8"))
    files.dump_json(
        folder / "sweep.json",
        {
            "id": folder.name,
            "name": plan.name,
            "created": rundir.now_iso(),
            "target": plan.target.text,
            "text": plan.text,
            "axes": [[axis.key, list(axis.values)] for axis in prepared.grid.axes],
            "runs": [record.id for record in records],
            "executor": {
                "name": where.name,
                "options": where.options,
                "detail": where.describe(),
            },
            "policy": prepared.mode if prepared.mode != "snapshot" else prepared.taken.policy.value,
            "dirty": prepared.warning or prepared.taken.describe(),
            "snapshot": prepared.taken.as_info(),
            "project_dir": str(root),
            "shown_log_dir": str(shown),
        },
    )


def sweep(target: str, overrides: str | Sequence[str] = "", **options: Any) -> Sweep:
    """Launch a sweep from the working directory; see :meth:`Project.plan` for the options."""
    project = Project()
    return project.launch(project.plan(target, overrides, **options))


def open_sweep(name: str) -> Sweep:
    """The live handle of a sweep of the working directory, by id or name."""
    return Project().open_sweep(name)
