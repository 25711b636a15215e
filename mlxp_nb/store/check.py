"""What is wrong in a log directory, and what can be mended without losing a record."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from mlxp_nb.core.run import RunRecord
from mlxp_nb.core.status import State
from mlxp_nb.errors import ArtifactError, StoreError
from mlxp_nb.store import artifacts, opens, owner, records, rundir
from mlxp_nb.store.artifacts import Entry, manifest
from mlxp_nb.store.artifacts.content import Content

__all__ = ["KINDS", "LOST", "Finding", "Kind", "check", "repair"]

LOST = "lost+found"
ORPHAN_AGE_S = 24 * 3600
# What writers make aside: runs, claims to an id, files.
_ASIDE = ("new-", "claim-", ".tmp-")


@dataclass(frozen=True)
class Kind:
    """A row of the table of what can be found.

    Attributes
    ----------
    name : str
        The word that is shown.
    help : str
        What it means, one line.
    mend : str
        What repair does about it; empty when it leaves it as it is.
    """

    name: str
    help: str
    mend: str = ""


KINDS: dict[str, Kind] = {
    row.name: row
    for row in (
        Kind(
            "torn-tail",
            "the last line of a file was begun and not finished",
            "end the line, so that the next record is not glued to it",
        ),
        Kind(
            "orphan",
            "a file or a run that a killed process left half-made",
            f"move it to {rundir.OURS}/{LOST} once it is a day old",
        ),
        Kind("no-end", "a run whose process is gone and that wrote no end; it is shown so"),
        Kind("manifest-mismatch", "an artifact is not what was saved"),
        Kind("file-missing", "an artifact that was saved is not there"),
        Kind("unknown-file", "a file that neither we nor MLXP write there"),
        Kind("unreadable-record", "a record, or a line of a metric file, that cannot be read"),
    )
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    kind : Kind
        A row of :data:`KINDS`.
    run : int or None
        The run it belongs to; None for the log directory itself.
    path : str
        Relative to the log directory.
    detail : str
        What exactly.
    mendable : bool
        Whether repair would do something about it now.
    """

    kind: Kind
    run: int | None
    path: str
    detail: str
    mendable: bool = False

    def __str__(self) -> str:
        mend = f"; repair: {self.kind.mend}" if self.mendable else ""
        return f"{self.kind.name:18} {self.path}: {self.detail}{mend}"


@dataclass(frozen=True)
class _Run:
    """A run that is looked at."""

    record: RunRecord
    state: State
    files: dict[str, os.stat_result] = field(default_factory=dict)

    @property
    def is_at_rest(self) -> bool:
        """Whether nobody writes in it: it has ended, or its process is known to be gone."""
        return self.state.is_final and self.state is not State.UNKNOWN

    def found(self, kind: str, name: str, detail: str, *, mendable: bool = False) -> Finding:
        """Something wrong with a file of this run."""
        run_id = self.record.id
        path = f"{run_id}/{name}" if name else str(run_id)
        return Finding(KINDS[kind], run_id, path, detail, mendable and bool(KINDS[kind].mend))


def check(log_dir: Path) -> list[Finding]:
    """Look at everything in a log directory; nothing is written.

    Every artifact is read, to compare its hash.

    Raises
    ------
    LogDirError
        It is no log directory.
    """
    log_dir = rundir.check_log_dir(log_dir)
    found = list(_in_log_dir(log_dir))
    for run_id in rundir.list_ids(log_dir):
        record = rundir.read(log_dir, run_id)
        run = _Run(record, owner.state_of(record).state, dict(_walk(record.path)))
        for look in _LOOKS:
            found += look(run)
    return found


def _in_log_dir(log_dir: Path) -> Iterator[Finding]:
    """What lies beside the runs, and half-made runs."""
    ids = set(map(str, rundir.list_ids(log_dir)))
    known = {*ids, rundir.OURS, "database.json", ".gitignore"}
    for name in sorted(os.listdir(log_dir)):  # noqa: PTH208 - names, which need not be UTF-8
        if name not in known:
            yield Finding(KINDS["unknown-file"], None, _shown(name), "it is no run")
    for name, info in sorted(_entries(log_dir / rundir.OURS)):
        if name.startswith(_ASIDE):
            yield _orphan(None, f"{rundir.OURS}/{name}", info)


def _entries(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Names in a folder, and what they are; links are not followed."""
    try:
        with opens.folder(folder) as at:
            for name in os.listdir(at):  # noqa: PTH208 - a descriptor, which no link can replace
                yield name, os.stat(name, dir_fd=at, follow_symlinks=False)
    except OSError:
        return


def _walk(root: Path, prefix: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Files below a folder, by relative path, and folders that were made aside."""
    for name, info in sorted(_entries(root / prefix if prefix else root), key=lambda e: e[0]):
        path = f"{prefix}{name}"
        if stat.S_ISDIR(info.st_mode) and not name.startswith(_ASIDE):
            yield from _walk(root, f"{path}/")
        else:
            yield path, info


def _shown(name: str) -> str:
    """A name that can be printed."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


# --- what is looked for in a run


def _torn(run: _Run) -> Iterator[Finding]:
    """Files of lines whose last one has no end."""
    for name, info in run.files.items():
        if not (run.is_at_rest and _is_lines(name) and stat.S_ISREG(info.st_mode)):
            continue
        if _tail(run, name) not in (b"", b"\n"):
            yield run.found("torn-tail", name, "its last line has no end", mendable=True)


def _is_lines(name: str) -> bool:
    folder = PurePosixPath(name).parent
    return name.endswith((".json", ".jsonl")) and str(folder) in (
        "metrics",
        "metadata",
        "artifacts",
    )


def _tail(run: _Run, name: str) -> bytes:
    """The last byte of a file; empty when it has none, or cannot be read."""
    *folders, base = name.split("/")
    try:
        with (
            opens.folder(run.record.path, *folders) as at,
            opens.file(at, base) as descriptor,
        ):
            size = os.fstat(descriptor).st_size
            return os.pread(descriptor, 1, size - 1) if size else b""
    except OSError:
        return b""


def _orphans(run: _Run) -> Iterator[Finding]:
    """Temporary files of a run that nobody writes in."""
    seen: set[str] = set()
    for name, info in run.files.items():
        whole = _temporary(name)
        if whole is not None and whole not in seen and (run.is_at_rest or _never_began(run, info)):
            seen.add(whole)
            yield _orphan(run.record.id, f"{run.record.id}/{whole}", info)


def _never_began(run: _Run, info: os.stat_result) -> bool:
    """Whether a run was killed at its very beginning: it waits, and what is aside is old."""
    return run.state in (State.PENDING, State.STARTING) and _is_old(info)


def _is_old(info: os.stat_result) -> bool:
    return time.time() - info.st_mtime > ORPHAN_AGE_S


def _temporary(name: str) -> str | None:
    """The part of a path up to what was made aside; None when nothing in it was."""
    parts = name.split("/")
    for i, part in enumerate(parts):
        if part.startswith(".tmp-"):
            return "/".join(parts[: i + 1])
    return None


def _orphan(run_id: int | None, path: str, info: os.stat_result) -> Finding:
    old = _is_old(info)
    detail = "left half-made" if old else "half-made, and less than a day old"
    return Finding(KINDS["orphan"], run_id, _shown(path), detail, old)


def _endless(run: _Run) -> Iterator[Finding]:
    """A run that was killed."""
    if run.state is State.KILLED:
        verdict = owner.state_of(run.record)
        yield run.found("no-end", "", f"{verdict.state.value}: {verdict.evidence}")


def _unreadable(run: _Run) -> Iterator[Finding]:
    """Records and lines that cannot be read."""
    if run.record.problem is not None:
        yield run.found("unreadable-record", "", run.record.problem)
    elif run.record.status is None:
        yield run.found(
            "unreadable-record", "", f"unknown status {run.record.info.get('status')!r}"
        )
    for name in records.names(run.record.path):
        read = records.read(run.record.path, name)
        path = f"metrics/{name}.json"
        if read.damaged:
            yield run.found("unreadable-record", path, f"damaged lines: {read.damaged}")
        if read.problem is not None:
            yield run.found("unreadable-record", path, read.problem)


_MANIFEST = re.compile(r"artifacts/manifest(\.r\d+)?\.jsonl")
_KNOWN = tuple(
    re.compile(pattern)
    for pattern in (
        r"metadata/(config|info|mlxp|mlxp_nb)\.yaml",
        r"metadata/\.reserve",
        r"metadata/events\.jsonl",
        r"metrics/[^/]+\.json",
        r"metrics/\.keys/[^/]+\.yaml",
        _MANIFEST.pattern,
        r"artifacts/\.keys/[^/]+\.yaml",
        r"log\.(stdout|stderr)(\.\d+)?",
        r"script\.sh",
    )
)


def _unknown(run: _Run) -> Iterator[Finding]:
    """Files that nobody is known to write, and what is no file at all."""
    listed = _listed(run)
    for name, info in run.files.items():
        if _temporary(name):
            continue
        if not stat.S_ISREG(info.st_mode):
            yield run.found(
                "unknown-file", _shown(name), "a link, a FIFO or a device; never opened"
            )
        elif not _is_known(name, listed):
            yield run.found("unknown-file", _shown(name), "nobody is known to write it")


def _is_known(name: str, listed: set[str] | None) -> bool:
    """Whether a file belongs there; without a manifest (MLXP) every artifact does."""
    if any(pattern.fullmatch(name) for pattern in _KNOWN):
        return True
    if not name.startswith("artifacts/"):
        return False
    return listed is None or any(name == path or name.startswith(f"{path}/") for path in listed)


def _listed(run: _Run) -> set[str] | None:
    """Paths of the artifacts that were ever saved; None when there is no manifest."""
    if not any(_MANIFEST.fullmatch(name) for name in run.files):
        return None
    return {_place(line.type, line.name) for line in manifest.read(run.record.path)}


def _place(kind: str, name: str) -> str:
    return f"artifacts/{kind}/{name}"


def _artifacts(run: _Run) -> Iterator[Finding]:
    """Artifacts that are gone, or are not what was saved.

    A save that was cut off has its line in the manifest, and the older file: that is what was
    saved too.
    """
    saved: dict[Entry, list[Content | None]] = {}
    for line in manifest.read(run.record.path):
        file = run.record.path / _place(line.type, line.name)
        saved.setdefault(Entry(line.type, line.name, file), []).append(line.content)
    for entry, contents in saved.items():
        path = _place(entry.type, entry.name)
        if not any(name == path or name.startswith(f"{path}/") for name in run.files):
            if contents[-1] is not None:
                yield run.found("file-missing", path, "its manifest names it")
            continue
        problem = _differs(entry, contents)
        if problem:
            yield run.found("manifest-mismatch", path, problem)


def _differs(entry: Entry, contents: Sequence[Content | None]) -> str:
    """How an artifact differs from all that was saved under its name; empty when it does not."""
    try:
        content = artifacts.content_of(entry)
    except (OSError, ArtifactError) as error:
        return f"it cannot be read: {error}".splitlines()[0]
    sizes = {saved.size for saved in contents if saved is not None}
    if content in contents:
        return ""
    if content.size in sizes:
        return f"{content.size} bytes as saved, but other ones"
    return f"{content.size} bytes, saved were {', '.join(map(str, sorted(sizes))) or 'none'}"


_LOOKS: tuple[Callable[[_Run], Iterator[Finding]], ...] = (
    _unreadable,
    _endless,
    _torn,
    _orphans,
    _artifacts,
    _unknown,
)


# --- mending


def repair(log_dir: Path, findings: Sequence[Finding]) -> list[Finding]:
    """Mend what can be mended; no record is deleted or changed.

    Parameters
    ----------
    log_dir : Path
        The log directory.
    findings : sequence of Finding
        From :func:`check`, just now.

    Returns
    -------
    list of Finding
        What was mended.

    Raises
    ------
    StoreError
        The disk, or the owner of a file, does not allow it.
    """
    log_dir = rundir.check_log_dir(log_dir)
    mended = [finding for finding in findings if finding.mendable]
    for finding in mended:
        try:
            _MENDS[finding.kind.name](log_dir, finding.path)
        except OSError as error:
            raise StoreError(f"{finding.path} was not mended, and is as it was", error) from error
    return mended


def _end_line(log_dir: Path, path: str) -> None:
    """Add the end of the last line."""
    *folders, name = path.split("/")
    flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with opens.folder(log_dir, *folders) as at:
        descriptor = os.open(name, flags, dir_fd=at)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            os.write(descriptor, b"\n")
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _move_aside(log_dir: Path, path: str) -> None:
    """Move to the lost and found, under a name that says where it was."""
    *folders, name = path.split("/")
    with opens.folder(log_dir, rundir.OURS) as ours, contextlib.suppress(FileExistsError):
        os.mkdir(LOST, dir_fd=ours)
    with opens.folder(log_dir, rundir.OURS, LOST) as lost, opens.folder(log_dir, *folders) as at:
        taken = set(os.listdir(lost))  # noqa: PTH208 - a descriptor, which no link can replace
        new = path.replace("/", "__")
        names = itertools.chain([new], (f"{new}.{i}" for i in itertools.count(1)))
        free = (name for name in names if name not in taken)
        os.rename(name, next(free), src_dir_fd=at, dst_dir_fd=lost)


_MENDS: dict[str, Callable[[Path, str], None]] = {"torn-tail": _end_line, "orphan": _move_aside}
