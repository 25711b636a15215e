"""Run directories: allocate an id, write the records, read them back."""

from __future__ import annotations

import errno
import os
import re
import shutil
import uuid
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from mlxp_nb.core.run import RunPaths, RunRecord
from mlxp_nb.core.status import Status
from mlxp_nb.errors import LogDirError, RunError
from mlxp_nb.store import files

__all__ = [
    "HINT",
    "OURS",
    "allocate",
    "append_event",
    "check_log_dir",
    "list_ids",
    "logger_info",
    "now_iso",
    "prepare",
    "read",
    "update_info",
]

OURS = ".mlxp_nb"
HINT = "next-id"
_ID = re.compile(r"[1-9][0-9]{0,17}|0")
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)


def now_iso() -> str:
    """Now, ISO 8601 with the local zone."""
    return datetime.now(timezone.utc).astimezone().isoformat(timespec="milliseconds")


def list_ids(log_dir: Path) -> list[int]:
    """Ids of the runs in a log directory, ascending."""
    return sorted(
        int(entry.name)
        for entry in os.scandir(log_dir)
        if _ID.fullmatch(entry.name) and entry.is_dir()
    )


def check_log_dir(path: Path) -> Path:
    """``path``, absolute, when it is a log directory.

    Raises
    ------
    LogDirError
        It does not exist, is a file, or holds other things and not a single run.
    """
    path = Path(path).absolute()
    if not path.exists():
        raise LogDirError(f"no log directory at {path}", _near(path))
    if not path.is_dir():
        raise LogDirError(f"{path} is a file, not a log directory", _near(path))
    if (path / OURS).is_dir() or list_ids(path):
        return path
    if not any(path.iterdir()):
        return path
    raise LogDirError(f"{path} holds no runs", _near(path))


def _near(path: Path) -> str:
    """Where a log directory is instead, for the hint."""
    places = [path / "logs", path.parent / "logs", path.parent]
    for place in places:
        if place != path and place.is_dir() and ((place / OURS).is_dir() or list_ids(place)):
            return f'use Reader("{place}")'
    return 'give the folder that holds the runs 1, 2, 3, …: Reader("logs")'


def prepare(log_dir: Path) -> Path:
    """Make a log directory ready for runs, and give it back absolute."""
    log_dir = Path(log_dir).absolute()
    ours = log_dir / OURS
    ours.mkdir(parents=True, exist_ok=True)
    ignore = ours / ".gitignore"
    if not ignore.exists():
        files.replace(ignore, b"*\n", durable=False)
    return log_dir


def logger_info(paths: RunPaths) -> dict[str, Any]:
    """MLXP's ``info.logger``: the id and the folders of a run."""
    return {
        "log_id": int(paths.root.name),
        "log_dir": str(paths.root),
        "metrics_dir": str(paths.metrics),
        "metadata_dir": str(paths.metadata),
        "artifacts_dir": str(paths.artifacts),
    }


def allocate(
    log_dir: Path,
    config: Mapping[str, Any],
    info: Mapping[str, Any],
    *,
    settings: Mapping[str, Any] | None = None,
    forced_id: int | None = None,
    durable: bool = True,
) -> RunRecord:
    """Give a run its id and its directory, with complete records, at once.

    The directory is made aside and renamed to its id, so that no reader ever sees half a run.
    Ids rise and are not given twice, also after a run was deleted.

    Parameters
    ----------
    log_dir : Path
        Made when missing.
    config, info : mapping
        What ``config.yaml`` and ``info.yaml`` will say; ``info.logger`` is added.
    settings : mapping, optional
        What ``mlxp.yaml`` will say: the settings the job runs under.
    forced_id : int, optional
        The id to take (MLXP's ``forced_log_id``).
    durable : bool
        Survive a power cut (fsync).

    Raises
    ------
    RunError
        ``forced_id`` is taken.
    """
    log_dir = prepare(log_dir)
    first = forced_id if forced_id is not None else _first_free(log_dir)
    aside = log_dir / OURS / f"new-{uuid.uuid4().hex}"
    made = RunPaths(aside)
    try:
        for folder in (made.metadata, made.metrics, made.artifacts):
            folder.mkdir(parents=True)
        files.dump_yaml(made.config, config, durable=durable)
        if settings is not None:
            files.dump_yaml(made.settings, settings, durable=durable)
        run_id = first
        while True:
            final = RunPaths(log_dir / str(run_id))
            full = {**info, "logger": logger_info(final)}
            files.dump_yaml(made.info, full, durable=durable)
            if _claim(aside, final.root):
                break
            if forced_id is not None:
                raise RunError(
                    f"run {forced_id} exists already in {log_dir}",
                    "choose another forced_log_id, or leave it out: an id is given",
                )
            run_id += 1
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    if durable:
        files.sync_folder(log_dir)
    _note_hint(log_dir, run_id + 1)
    return RunRecord(run_id, final.root, full, dict(config))


def _claim(aside: Path, final: Path) -> bool:
    """Rename ``aside`` to ``final`` unless something is there; rename(2) is the authority."""
    # rename(2) replaces an empty directory; MLXP makes an empty one first, so look for it.
    if final.exists():
        return False
    try:
        aside.rename(final)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True


def _hint(log_dir: Path) -> int:
    """The high-water mark, or 0 when there is none that can be read."""
    try:
        return int((log_dir / OURS / HINT).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return 0


def _first_free(log_dir: Path) -> int:
    """Where to begin: the hint, or one past the highest id of a directory without a hint."""
    return _hint(log_dir) or max(list_ids(log_dir), default=0) + 1


def _note_hint(log_dir: Path, next_id: int) -> None:
    """Raise the high-water mark; it is only a hint, so a lost one costs a listing."""
    if next_id > _hint(log_dir):
        files.replace(log_dir / OURS / HINT, f"{next_id}\n".encode(), durable=False)


def read(log_dir: Path, run_id: int) -> RunRecord:
    """Read one run; a damaged one becomes a record that says what is wrong with it."""
    paths = RunPaths(Path(log_dir).absolute() / str(run_id))
    info, problem = _mapping(paths.info)
    config, config_problem = _mapping(paths.config)
    if config_problem is not None and not _may_lack_config(info):
        problem = problem or config_problem
    return RunRecord(run_id, paths.root, info, config, problem)


def _may_lack_config(info: Mapping[str, Any]) -> bool:
    """Whether MLXP has not written this run's configuration yet (it waits for the job)."""
    return info.get("status") == Status.STARTING.value


def _mapping(path: Path) -> tuple[dict[str, Any], str | None]:
    """A YAML mapping and None, or an empty one and what is wrong."""
    name = f"metadata/{path.name}"
    try:
        value = files.load_yaml(path)
    except FileNotFoundError:
        return {}, f"{name} is missing"
    except OSError as error:
        return {}, f"{name} cannot be read: {error.strerror}"
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return {}, f"{name} is not YAML: {str(error).splitlines()[0]}"
    if value is None and path.name == "config.yaml":
        return {}, None
    if not isinstance(value, dict):
        return {}, f"{name} holds {type(value).__name__}, not fields"
    return value, None


def update_info(paths: RunPaths, info: Mapping[str, Any]) -> None:
    """Replace ``info.yaml``; only the holder of the run calls this."""
    files.dump_yaml(paths.info, info)


def append_event(paths: RunPaths, event: str, **details: Any) -> None:
    """Add a line to the history of a run."""
    files.append_line(paths.events, {"time": now_iso(), "event": event, **details})
