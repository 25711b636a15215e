"""Run directories: allocate an id, write the records, read them back."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from mlxp_nb.core.run import RunPaths, RunRecord
from mlxp_nb.core.status import Status, may_move
from mlxp_nb.errors import LogDirError, RunError, StoreError
from mlxp_nb.store import files, opens, plain_yaml

__all__ = [
    "HINT",
    "OURS",
    "advance",
    "allocate",
    "append_event",
    "check_holder",
    "check_log_dir",
    "list_ids",
    "logger_info",
    "now_iso",
    "prepare",
    "read",
    "reserve",
    "update_info",
]

OURS = ".mlxp_nb"
HINT = "next-id"
_ID = re.compile(r"[1-9][0-9]{0,17}|0")
_NEW = "new-"
_CLAIM = "claim-"
_STALE_S = 3600.0
_HINT_TAIL = 4096
_HINT_LINE = re.compile(rb"[1-9][0-9]{0,17}")
_BLOCK = 4096
# What the end adds to a record, without a long traceback.
_END_BYTES = 2048
_SHORT = 300


def now_iso() -> str:
    """Now, ISO 8601 with the local zone."""
    return datetime.now(timezone.utc).astimezone().isoformat(timespec="milliseconds")


def list_ids(log_dir: Path) -> list[int]:
    """Ids of the runs in a log directory, ascending.

    A link named like a run is one too: reading it says that it is not followed.
    """
    with os.scandir(log_dir) as entries:
        return sorted(int(entry.name) for entry in entries if _is_run(entry))


def _is_run(entry: os.DirEntry[str]) -> bool:
    """Whether an entry of a log directory is a run, by its name."""
    if not _ID.fullmatch(entry.name):
        return False
    return entry.is_dir(follow_symlinks=False) or entry.is_symlink()


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
    try:
        if (path / OURS).is_dir() or list_ids(path) or not any(path.iterdir()):
            return path
    except OSError as error:
        raise LogDirError(f"{path} cannot be read: {error.strerror}", f"ls -ld {path}") from error
    raise LogDirError(f"{path} holds no runs", _near(path))


def _near(path: Path) -> str:
    """Where a log directory is instead, for the hint."""
    places = [path / "logs", path.parent / "logs", path.parent]
    for place in places:
        if place != path and place.is_dir() and ((place / OURS).is_dir() or list_ids(place)):
            return f'use Reader("{place}")'
    return 'give the folder that holds the runs 1, 2, 3, …: Reader("logs")'


def prepare(log_dir: Path) -> Path:
    """Make a log directory ready for runs, and give it back absolute.

    Raises
    ------
    StoreError
        It cannot be written.
    """
    log_dir = Path(log_dir).absolute()
    ours = log_dir / OURS
    try:
        ours.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{ours} cannot be made", error) from error
    ignore = ours / ".gitignore"
    if not ignore.exists():
        files.replace(ignore, b"*\n", durable=False)
    _sweep(ours)
    return log_dir


def _sweep(ours: Path) -> None:
    """Remove what writers that were killed left half-made, long ago."""
    before = time.time() - _STALE_S
    with contextlib.suppress(OSError), os.scandir(ours) as entries:
        for entry in entries:
            if not entry.name.startswith((_NEW, _CLAIM, files.TEMPORARY)):
                continue
            if entry.stat(follow_symlinks=False).st_mtime > before:
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink(missing_ok=True)


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
    token: str | None = None,
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
        What ``config.yaml`` and ``info.yaml`` will say; ``info.logger``, ``info.token`` and
        ``info.attempt`` are added.
    settings : mapping, optional
        What ``mlxp.yaml`` will say: the settings the job runs under.
    forced_id : int, optional
        The id to take (MLXP's ``forced_log_id``).
    token : str, optional
        The ``info.token`` of the run ``forced_id``: with it, that run goes on with its next
        attempt.
    durable : bool
        Survive a power cut (fsync).

    Raises
    ------
    RunError
        ``forced_id`` is taken and ``token`` is not its own, or a record is too large to be read.
    StoreError
        The disk refused; no run was made.
    """
    log_dir = prepare(log_dir)
    info = {"attempt": 1, **info, "token": secrets.token_hex(16)}
    new = _New(log_dir, config, info, settings, durable)
    if forced_id is None:
        record = new.take_next(_first_free(log_dir))
    elif os.path.lexists(log_dir / str(forced_id)):
        return _resume(log_dir, forced_id, token, new)
    else:
        taken = new.take(forced_id)
        if taken is None:
            return _resume(log_dir, forced_id, token, new)
        record = taken
    _note_hint(log_dir, record.id + 1)
    return record


@dataclass(frozen=True)
class _New:
    """The records of a run that is being made."""

    log_dir: Path
    config: Mapping[str, Any]
    info: Mapping[str, Any]
    settings: Mapping[str, Any] | None
    durable: bool

    def take_next(self, first: int) -> RunRecord:
        """The run under the first free id from ``first`` on."""
        run_id = first
        while True:
            record = self.take(run_id)
            if record is not None:
                return record
            run_id += 1

    def take(self, run_id: int) -> RunRecord | None:
        """The run under this id; None when the id is taken."""
        final = self.log_dir / str(run_id)
        if os.path.lexists(final):
            return None
        # Writers at the same moment part ways here, before anything is written and synced.
        claim = self.log_dir / OURS / f"{_CLAIM}{run_id}"
        try:
            claim.mkdir()
        except FileExistsError:
            return None
        except OSError as error:
            raise StoreError(f"no run was made in {self.log_dir}", error) from error
        try:
            return self._make(run_id, final)
        finally:
            with contextlib.suppress(OSError):
                claim.rmdir()

    def _make(self, run_id: int, final: Path) -> RunRecord | None:
        """Make the directory aside, complete, and rename it."""
        aside = RunPaths(self.log_dir / OURS / f"{_NEW}{uuid.uuid4().hex}")
        full = {**self.info, "logger": logger_info(RunPaths(final))}
        try:
            for folder in (aside.metadata, aside.metrics, aside.artifacts):
                folder.mkdir(parents=True)
            self._fill(aside, full)
            if not _claim(aside.root, final, str(full["token"])):
                shutil.rmtree(aside.root, ignore_errors=True)
                return None
            if self.durable:
                files.sync_folder(self.log_dir)
        except BaseException as error:
            shutil.rmtree(aside.root, ignore_errors=True)
            if isinstance(error, OSError) and not isinstance(error, StoreError):
                raise StoreError(f"no run was made in {self.log_dir}", error) from error
            raise
        return RunRecord(run_id, final, full, dict(self.config))

    def _fill(self, aside: RunPaths, info: Mapping[str, Any]) -> None:
        """Write all records into a directory that nobody knows yet."""
        for path, data in self.records(aside, info).items():
            durable = self.durable and path != reserve(aside)
            files.write_new(path, data, durable=durable)
        if self.durable:
            files.sync_folder(aside.metadata)
            files.sync_folder(aside.root)

    def records(self, paths: RunPaths, info: Mapping[str, Any]) -> dict[Path, bytes]:
        """The files of the records; ``info.yaml``, by which a run is one, as the last."""
        found = {paths.config: _encoded(paths.config, self.config)}
        if self.settings is not None:
            found[paths.settings] = _encoded(paths.settings, self.settings)
        data = _encoded(paths.info, info)
        # As many blocks as the last record of the run needs when the disk is full.
        blocks = -(-(len(data) + _END_BYTES) // _BLOCK)
        return {**found, reserve(paths): bytes(blocks * _BLOCK), paths.info: data}


def _encoded(path: Path, value: Any) -> bytes:
    """A record that can be read again."""
    data = files.yaml_bytes(value)
    if len(data) > plain_yaml.SIZE_MAX:
        raise RunError(
            f"{path.name} would have {len(data) / 1e6:.1f} MB, and {plain_yaml.SIZE_MAX:,} bytes "
            "are read of it",
            "keep large values in a file, and its path in the configuration",
        )
    return data


def reserve(paths: RunPaths) -> Path:
    """The file that is given up so that the end of a run is recorded on a full disk."""
    return paths.metadata / ".reserve"


def _claim(aside: Path, final: Path, token: str) -> bool:
    """Rename ``aside`` to ``final`` unless something is there."""
    try:
        if files.rename_new(aside, final):
            return True
    except FileNotFoundError:
        pass
    # NFS repeats a request whose answer was lost, and then says that the name is taken.
    return not aside.exists() and _token_of(final) == token


def _token_of(run: Path) -> str | None:
    """The token in the record of a run."""
    token = read(run.parent, int(run.name)).info.get("token")
    return token if isinstance(token, str) else None


def _resume(log_dir: Path, run_id: int, token: str | None, new: _New) -> RunRecord:
    """The next attempt of a run, by whoever has its token."""
    record = read(log_dir, run_id)
    if not record.path.exists():
        raise RunError(f"run {run_id} is being made by another process", "wait, and try again")
    own = record.info.get("token")
    if not token or not isinstance(own, str) or not secrets.compare_digest(token, own):
        raise RunError(
            f"run {run_id} exists already in {log_dir}",
            "leave forced_log_id out: an id is given; or resume that run with its info.token: "
            "mlxp.logger.token=… or the environment variable MLXP_NB_TOKEN=…",
        )
    attempt = int(record.info.get("attempt") or 1) + 1
    kept = {key: record.info[key] for key in ("created",) if key in record.info}
    info = {
        **new.info,
        **kept,
        "attempt": attempt,
        "token": own,
        "logger": logger_info(record.paths),
    }
    _refuse(record.paths, info)
    for path, data in new.records(record.paths, info).items():
        files.replace(path, data, durable=new.durable)
    append_event(record.paths, "REQUEUED", attempt=attempt)
    return RunRecord(run_id, record.path, info, dict(new.config))


def _hint(log_dir: Path) -> int:
    """The high-water mark, or 0 when there is none that can be read."""
    try:
        with (log_dir / OURS / HINT).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _HINT_TAIL))
            lines = file.read().split(b"\n")
    except OSError:
        return 0
    # The first may be cut, and only its end would be read.
    whole = lines[1:] if size > _HINT_TAIL else lines
    return max((int(line) for line in whole if _HINT_LINE.fullmatch(line)), default=0)


def _first_free(log_dir: Path) -> int:
    """Where to begin: the hint, or one past the highest id of a directory without a hint."""
    return _hint(log_dir) or max(list_ids(log_dir), default=0) + 1


def _note_hint(log_dir: Path, next_id: int) -> None:
    """Raise the high-water mark: lines are only added, so that no writer can lower it.

    It is only a hint: one that the disk refuses costs a look at the ids that are taken.
    """
    with contextlib.suppress(OSError):
        path = log_dir / OURS / HINT
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            os.write(descriptor, f"\n{next_id}\n".encode())
        finally:
            os.close(descriptor)


def read(log_dir: Path, run_id: int) -> RunRecord:
    """Read one run; a damaged one becomes a record that says what is wrong with it.

    The directory says which run it is: ``info.logger`` of one that was moved or renamed is put
    right.
    """
    paths = RunPaths(Path(log_dir).absolute() / str(run_id))
    try:
        with opens.folder(paths.root, "metadata") as folder:
            info, problem = _mapping(folder, "info.yaml")
            config, config_problem = _mapping(folder, "config.yaml")
    except FileNotFoundError:
        return RunRecord(run_id, paths.root, problem="metadata/info.yaml is missing")
    except OSError as error:
        name = "metadata" if error.filename == "metadata" else "the run directory"
        return RunRecord(run_id, paths.root, problem=f"{name} cannot be read: {error.strerror}")
    if config_problem is not None and not _may_lack_config(info):
        problem = problem or config_problem
    if isinstance(info.get("logger"), dict):
        info["logger"] = {**info["logger"], **logger_info(paths)}
    return RunRecord(run_id, paths.root, info, config, problem)


def _may_lack_config(info: Mapping[str, Any]) -> bool:
    """Whether MLXP has not written this run's configuration yet (it waits for the job)."""
    return info.get("status") == Status.STARTING.value


def _mapping(folder: int, name: str) -> tuple[dict[str, Any], str | None]:
    """A YAML mapping of an open folder and None, or an empty one and what is wrong."""
    try:
        value = plain_yaml.load(opens.read(folder, name, plain_yaml.SIZE_MAX))
    except FileNotFoundError:
        return {}, f"metadata/{name} is missing"
    except OSError as error:
        return {}, f"metadata/{name} cannot be read: {error.strerror}"
    except (yaml.YAMLError, ValueError) as error:
        return {}, f"metadata/{name} is not YAML: {str(error).splitlines()[0]}"
    if value is None and name == "config.yaml":
        return {}, None
    if not isinstance(value, dict):
        return {}, f"metadata/{name} holds {type(value).__name__}, not fields"
    return value, None


def update_info(paths: RunPaths, info: Mapping[str, Any]) -> None:
    """Replace ``info.yaml`` as it stands; :func:`advance` is for the holder of a run."""
    files.dump_yaml(paths.info, info)


def advance(paths: RunPaths, info: Mapping[str, Any]) -> None:
    """Replace ``info.yaml`` when this attempt still holds the run and its status may follow.

    A final status is recorded on a full disk too: shortened where it must be, in the place that
    was kept for it.

    Raises
    ------
    RunError
        A newer attempt or another process holds the run, or its end was written already; nothing
        was written.
    StoreError
        The disk refused it; the older record stands.
    """
    _refuse(paths, info)
    try:
        files.dump_yaml(paths.info, info)
    except StoreError:
        if not (_is_final(info) and _write_end(paths, info)):
            raise


def check_holder(paths: RunPaths, info: Mapping[str, Any]) -> None:
    """Refuse to go on for an attempt that no longer holds its run.

    Raises
    ------
    RunError
        A newer attempt or another process holds it.
    """
    _refuse(paths, info)


def _refuse(paths: RunPaths, info: Mapping[str, Any]) -> None:
    """Raise unless ``info`` may follow the record on disk; a damaged one is no obstacle."""
    there = read(paths.root.parent, int(paths.root.name))
    before, after = there.status, Status(info["status"])
    if before is None:
        return
    held, mine = _attempt(there.info), _attempt(info)
    name = f"run {paths.root.name}"
    if held > mine:
        raise RunError(
            f"{name} is held by its attempt {held}, and this is attempt {mine}",
            "nothing was written; let this process end",
        )
    if held == mine and before is Status.RUNNING and _process(there.info) != _process(info):
        raise RunError(
            f"{name} is held by another process: {_process(there.info)}",
            "nothing was written; let this process end",
        )
    if not may_move(before, after, next_attempt=held < mine):
        raise RunError(
            f"{name} is {before.value}: it cannot become {after.value}",
            "launch it again as a new run, or resume it: "
            f"mlxp.logger.forced_log_id={paths.root.name} mlxp.logger.token=…, its info.token",
        )


def _attempt(info: Mapping[str, Any]) -> int:
    """The number of the attempt that a record is of."""
    attempt = info.get("attempt", 1)
    return attempt if isinstance(attempt, int) else 1


def _process(info: Mapping[str, Any]) -> tuple[Any, ...]:
    """The process that a record names."""
    process = info.get("process")
    details = process if isinstance(process, Mapping) else {}
    return (
        info.get("hostname"),
        info.get("process_id"),
        details.get("boot_id"),
        details.get("started"),
    )


def _is_final(info: Mapping[str, Any]) -> bool:
    return Status(info["status"]).is_final


def _write_end(paths: RunPaths, info: Mapping[str, Any]) -> bool:
    """Record an end on a disk that is full: first without, then by giving up the reserve."""
    spare = reserve(paths)
    shorter = [files.yaml_bytes(record) for record in _shortened(info)]
    if any(files.replace_from(spare, paths.info, data) for data in shorter):
        return True
    # A file system that copies on write wants the blocks back first.
    with contextlib.suppress(OSError):
        spare.unlink()
    for data in shorter:
        with contextlib.suppress(StoreError):
            files.replace(paths.info, data)
            return True
    return False


def _shortened(info: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A record, and what is left of it when there is less and less room."""
    yield info
    error = info.get("error")
    if isinstance(error, Mapping):
        short = {key: str(text)[:_SHORT] for key, text in error.items() if key != "traceback"}
        info = {**info, "error": {**short, "traceback": "not kept: the disk was full"}}
        yield info
    yield {key: value for key, value in info.items() if key not in ("environment", "overrides")}


def append_event(paths: RunPaths, event: str, **details: Any) -> None:
    """Add a line to the history of a run."""
    files.append_line(paths.events, {"time": now_iso(), "event": event, **details})
