"""Everything about a sweep that is checked before anything of it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mlxp_nb import environment, snapshot
from mlxp_nb.compose import Configuration, Grid, compose, read_mlxp_settings, read_project_settings
from mlxp_nb.core.run import RunRecord
from mlxp_nb.core.settings import POLICIES, ProjectSettings
from mlxp_nb.core.status import Status
from mlxp_nb.core.sweep import SweepPlan
from mlxp_nb.core.target import CONFIG_PATH, Target, check_function, config_path_of
from mlxp_nb.errors import ConfigError, SnapshotError, TargetError, UnknownNameError, closest
from mlxp_nb.executors import Executor, executor
from mlxp_nb.snapshot import Policy, Snapshot, SnapshotSettings
from mlxp_nb.store import rundir
from mlxp_nb.worker.context import TOKEN_VARIABLE

__all__ = ["Places", "Prepared", "allocate", "describe", "in_place", "prepare"]


@dataclass(frozen=True)
class Places:
    """The folders of a target; MLXP's rule: relative to its script.

    Attributes
    ----------
    project_dir : Path
        Where the user is.
    script_dir : Path
        Where the script is; the project for a function.
    config_dir, log_dir, work_dir : Path
        Absolute.
    """

    project_dir: Path
    script_dir: Path
    config_dir: Path
    log_dir: Path
    work_dir: Path


@dataclass(frozen=True)
class Prepared:
    """A sweep checked in full; nothing of it exists on disk but its snapshot.

    Attributes
    ----------
    plan : SweepPlan
        What was asked for.
    places : Places
        Its folders in the live project.
    grid : Grid
        Every configuration, composed.
    taken : Snapshot
        The code.
    tree_dir : Path or None
        The materialised tree; None when it runs in place.
    executor : Executor
        Where.
    settings : ProjectSettings
        Ours.
    """

    plan: SweepPlan
    places: Places
    grid: Grid
    taken: Snapshot
    tree_dir: Path | None
    executor: Executor
    settings: ProjectSettings

    @property
    def mode(self) -> str:
        """``snapshot``, ``in_place``, or ``unversioned`` outside a Git repository."""
        if self.tree_dir is not None:
            return "snapshot"
        return "in_place" if self.taken.root is not None else "unversioned"

    @property
    def warning(self) -> str:
        """What the user must know of code that is not frozen; empty when it is."""
        if self.mode == "unversioned":
            return "no Git repository: later edits reach the runs"
        return "" if self.mode == "snapshot" else "in place: later edits reach the runs"

    @property
    def workdir(self) -> Path:
        """The working directory of its runs."""
        if self.tree_dir is None:
            return self.places.project_dir
        return self.tree_dir / self.taken.project


def prepare(root: Path, plan: SweepPlan, *, config_path: str | None = None) -> Prepared:
    """Freeze the code, then compose and check every configuration from it.

    Parameters
    ----------
    root : Path
        Where the user is.
    plan : SweepPlan
        What to run.
    config_path : str, optional
        As given to ``@launch``; read from the script when left out.

    Raises
    ------
    MlxpError
        Anything that would fail later: nothing was started, no run directory was made.
    """
    places, settings = _places(root, plan, config_path)
    where = executor(plan.executor, settings.executors, parallel=plan.parallel)
    name = plan.policy or settings.snapshot
    if name not in POLICIES:
        raise UnknownNameError("snapshot policy", name, POLICIES)
    policy = Policy(name)
    taken = _take(places, settings, policy)
    if plan.policy not in (None, Policy.OFF.value) and taken.tree is None:
        raise SnapshotError(
            f"there is no Git repository at {root}, so nothing can be frozen",
            "git init, or run in place: leave out --snapshot",
        )
    tree_dir = None
    if taken.tree is not None and policy is not Policy.OFF:
        tree_dir = snapshot.materialise(
            taken, places.work_dir, project_dir=places.project_dir, link=settings.link
        )
        _check_in_tree(plan.target, tree_dir / taken.project)
    config_dir = _frozen(places.config_dir, places, taken, tree_dir)
    grid = compose(config_dir, plan.overrides)
    _refuse_schedulers(grid.configurations)
    return Prepared(plan, places, grid, taken, tree_dir, where, settings)


def _places(root: Path, plan: SweepPlan, config_path: str | None) -> tuple[Places, ProjectSettings]:
    """Where things are, and what the project's settings say."""
    target = plan.target
    source = _source(root, target)
    script_dir = source.parent if target.is_script else root
    if config_path is None:
        config_path = CONFIG_PATH
        if target.is_script:
            config_path = config_path_of(source.read_text(encoding="utf-8"), target.text)
    config_dir = Path(os.path.normpath(script_dir / config_path))
    mlxp = read_mlxp_settings(config_dir, plan.overrides)
    return Places(
        project_dir=root,
        script_dir=script_dir,
        config_dir=config_dir,
        log_dir=Path(os.path.normpath(script_dir / mlxp["logger"]["parent_log_dir"])),
        work_dir=Path(os.path.normpath(script_dir / mlxp["version_manager"]["parent_work_dir"])),
    ), read_project_settings(config_dir)


def _source(root: Path, target: Target) -> Path:
    """The file of a target.

    Raises
    ------
    TargetError
        There is none; the nearest one is named.
    """
    for path in target.source_paths():
        if (root / path).is_file():
            source = Path(os.path.normpath(root / path))
            if not target.is_script:
                function = target.text.partition(":")[2]
                check_function(source.read_text(encoding="utf-8"), path, function)
            return source
    if not target.is_script:
        module = target.text.partition(":")[0]
        if find_spec(module.partition(".")[0]) is None:
            raise TargetError(
                f"there is no module {module} in {root}, and none is installed",
                "name a module that exists: package.module:function",
            )
        return root / target.source_paths()[0]
    folder = (root / target.text).parent
    scripts = [p.name for p in folder.glob("*.py")] if folder.is_dir() else []
    near = closest(Path(target.text).name, scripts)
    below = [p.relative_to(root).as_posix() for p in root.glob(f"*/{target.text}")]
    raise TargetError(
        f"there is no {target.text} in {root}",
        f"did you mean {near or below[0]!r}?" if near or below else "name a script that exists",
    )


def _take(places: Places, settings: ProjectSettings, policy: Policy) -> Snapshot:
    """Freeze the code of a project."""
    return snapshot.take(
        places.project_dir,
        SnapshotSettings(
            policy=policy,
            link=settings.link,
            include=settings.include,
            exclude=settings.exclude,
            max_file_mb=settings.max_file_mb,
        ),
        outputs=(places.log_dir, places.work_dir),
    )


def _check_in_tree(target: Target, workdir: Path) -> None:
    """Raise when the script is not part of the snapshot: Git ignores it, or it is not committed."""
    if target.is_script and not (workdir / target.text).is_file():
        raise TargetError(
            f"{target.text} is not in the snapshot: Git ignores it, or the policy leaves it out",
            f"commit it, or add to configs/mlxp_nb.yaml:  include: [{target.text}]",
        )


def _frozen(path: Path, places: Places, taken: Snapshot, tree_dir: Path | None) -> Path:
    """The same place inside the snapshot; a folder outside the repository stays where it is."""
    if tree_dir is None or taken.root is None or not path.is_relative_to(taken.root):
        return path
    return tree_dir / path.relative_to(taken.root)


def _refuse_schedulers(configurations: Sequence[Configuration]) -> None:
    """MLXP's way to a cluster is not ours."""
    if any(configuration.settings["use_scheduler"] for configuration in configurations):
        raise ConfigError(
            "use_scheduler is set, which belongs to mlxpsub",
            "leave it out; choose where to run by --on",
        )


def in_place(root: Path, plan: SweepPlan, config_path: str) -> Prepared:
    """Prepare to run in this process, in place, with the tree it runs from recorded all the same.

    A tree that cannot be recorded (a file too large, a secret) does not stop a run in place: the
    record says why there is none.
    """
    places, settings = _places(root, plan, config_path)
    try:
        taken = _take(places, settings, Policy.WORKTREE)
    except SnapshotError as error:
        sys.stderr.write(f"mlxp_nb: the code of these runs is not recorded: {error}\n")
        taken = _take(places, settings, Policy.OFF)
    grid = compose(places.config_dir, plan.overrides)
    _refuse_schedulers(grid.configurations)
    where = executor("local", {})
    return Prepared(plan, places, grid, taken, None, where, settings)


def describe(
    prepared: Prepared, sweep_id: str | None = None, packages: Sequence[str] | None = None
) -> dict[str, Any]:
    """What the records of all runs of a sweep have in common.

    Parameters
    ----------
    prepared : Prepared
        The sweep.
    sweep_id : str, optional
        Its folder's name; left out for runs that are launched one by one.
    packages : sequence of str, optional
        What is installed, when that was asked already.
    """
    plan, places = prepared.plan, prepared.places
    code = prepared.taken.as_info()
    info: dict[str, Any] = {
        "status": Status.STARTING.value,
        "current_file_path": str(prepared.workdir / plan.target.source_paths()[0]),
        "executable": sys.executable,
        "work_dir": str(prepared.workdir),
        "project_dir": str(places.project_dir),
        "target": plan.target.text,
        "snapshot": {
            **code,
            "mode": prepared.mode,
            "path": str(prepared.tree_dir) if prepared.tree_dir is not None else None,
            "link": list(prepared.settings.link),
            "settings": _settings_file(places),
        },
        "environment": environment.describe(packages),
    }
    if sweep_id is not None:
        size = len(prepared.grid.configurations)
        info["sweep"] = {"id": sweep_id, "name": plan.name, "size": size}
    return info


def _settings_file(places: Places) -> str:
    """Our settings file, as the user would open it."""
    return os.path.relpath(places.config_dir / "mlxp_nb.yaml", places.project_dir)


def allocate(
    prepared: Prepared,
    configuration: Configuration,
    info: Mapping[str, Any],
    number: int = 0,
) -> RunRecord:
    """Make the directory of one run, with complete records."""
    full = {**info, "overrides": list(configuration.overrides), "created": rundir.now_iso()}
    if "sweep" in full:
        full["sweep"] = {**full["sweep"], "index": number}
    logger = configuration.settings["logger"]
    forced = int(logger["forced_log_id"])
    record = rundir.allocate(
        prepared.places.log_dir,
        configuration.config,
        full,
        settings={**configuration.settings, **prepared.settings.logging.as_section()},
        forced_id=forced if forced >= 0 else None,
        token=logger.get("token") or os.environ.get(TOKEN_VARIABLE),
    )
    rundir.append_event(record.paths, "QUEUED", attempt=record.info["attempt"])
    return record
