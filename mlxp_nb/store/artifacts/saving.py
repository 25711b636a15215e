"""Saving: aside, hashed while it is written, signed in the manifest, renamed into place, shared."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlxp_nb.core.run import RunPaths
from mlxp_nb.errors import ArtifactError, MissingArtifactError, MlxpError, StoreError
from mlxp_nb.store import files, opens
from mlxp_nb.store.artifacts import content, exchange, folders, manifest, shared, trust
from mlxp_nb.store.artifacts.content import Content, Writer
from mlxp_nb.store.artifacts.documents import source_of
from mlxp_nb.store.artifacts.entry import Entry, parts_of
from mlxp_nb.store.artifacts.listing import listing
from mlxp_nb.store.artifacts.manifest import Line
from mlxp_nb.store.artifacts.types import ArtifactType, type_of
from mlxp_nb.store.rundir import now_iso

__all__ = ["copy", "remove", "save"]

logger = logging.getLogger(__name__)

# Content is shared between runs, so nobody should change it in place.
_MODE = 0o444
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class _Written:
    """What lies aside.

    Attributes
    ----------
    content : Content
        Of the file, or of the folder with all that is in it.
    files : tuple of (path, Content)
        Of each file: ``""`` for the file itself, else its path below the folder.
    """

    content: Content
    files: tuple[tuple[str, Content], ...]

    @classmethod
    def file(cls, found: Content) -> _Written:
        """A single file."""
        return cls(found, (("", found),))


def save(paths: RunPaths, value: Any, name: str, kind: str, *, rank: int = 0) -> Entry:
    """Save an object whole or not at all.

    Parameters
    ----------
    paths : RunPaths
        The run.
    value : object
        What to save.
    name, kind : str
        Its name, and the word of :data:`~mlxp_nb.store.artifacts.types.ARTIFACTS`.
    rank : int
        Of this process among those of the run; each has a manifest of its own.

    Raises
    ------
    InvalidArtifactError, InvalidKeyError
        Nobody registered this type, or the name cannot be one.
    ArtifactError
        It is not an object of this type; an older one of that name still stands.
    StoreError
        The disk refused it; an older one of that name still stands.
    """
    row = type_of(kind)
    parts = parts_of(kind, name)
    _check_run(paths)
    with _told(name, kind), folders.aside(paths) as (at, aside):
        if row.is_folder:
            written = _copy_tree(_source(paths, value, kind), at, parts[-1])
        else:
            written = _Written.file(_write(row, value, at, aside, parts[-1]))
        line = Line(kind, name, written.content, now_iso())
        return _publish(paths, line, written, at, rank)


def _check_run(paths: RunPaths) -> None:
    """Make the directory of a run that has none (only a logger outside a run has that)."""
    paths.root.mkdir(parents=True, exist_ok=True)


@contextmanager
def _told(name: str, kind: str) -> Iterator[None]:
    """Say which artifact was not saved when something goes wrong."""
    try:
        yield
    except MlxpError:
        raise
    except OSError as error:
        raise StoreError(
            f"artifact {name!r} was not saved as {kind}, and an older one still stands", error
        ) from error
    except Exception as error:
        raise ArtifactError(
            f"artifact {name!r} was not saved as {kind}: {type(error).__name__}: {error}",
            'an older one still stands; save another form of it, such as "pickle" for any object',
        ) from error


def _write(row: ArtifactType, value: Any, at: int, aside: Path, base: str) -> Content:
    """Write the object into the folder aside, durable; what it holds."""
    if row.name == "file":
        return _copy_in(source_of(value, row.name), at, base)
    if row.by_path:
        row.save(value, str(aside / base))
        return _take_over(row, at, base)
    descriptor = os.open(base, _NEW, 0o600, dir_fd=at)
    try:
        writer = Writer(descriptor)
        try:
            row.save(value, writer)
            os.fchmod(descriptor, _MODE)
            return writer.finish()
        except BaseException:
            writer.abandon()
            raise
    finally:
        os.close(descriptor)


def _take_over(row: ArtifactType, at: int, base: str) -> Content:
    """Hash and make durable what a function of the user wrote at the path it was given."""
    written = os.listdir(at)
    if written != [base]:
        raise ArtifactError(
            f"save of type {row.name!r} wrote {written or 'nothing'}, not {base!r}",
            "it must write one file, at the very path that it is given",
        )
    with opens.file(at, base) as descriptor:
        found = content.of_file(descriptor)
        os.fchmod(descriptor, _MODE)
        os.fsync(descriptor)
    return found


def _copy_in(source: Path, at: int, base: str) -> Content:
    """Copy a file from anywhere."""
    reading = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        writing = os.open(base, _NEW, 0o600, dir_fd=at)
        try:
            found = content.copy(reading, writing)
            os.fchmod(writing, _MODE)
        finally:
            os.close(writing)
    finally:
        os.close(reading)
    return found


def _source(paths: RunPaths, value: Any, kind: str) -> Path:
    """The folder to save.

    Raises
    ------
    ArtifactError
        There is none, or the run lies in it.
    """
    source = source_of(value, kind)
    if paths.root.resolve().is_relative_to(source.resolve()):
        raise ArtifactError(
            f"{source} holds this run, and cannot be saved in it", "save a folder below it"
        )
    return source


def _copy_tree(source: Path, at: int, base: str) -> _Written:
    """Copy a folder: links to files are followed, anything but files and folders is refused."""
    found: list[tuple[str, Content]] = []
    os.mkdir(base, dir_fd=at)
    with folders.made_at(at, base) as top:
        for folder, below, names in os.walk(source):
            here = Path(folder).relative_to(source)
            for name in (*below, *names):
                original = Path(folder, name)
                if original.is_dir() if original.is_symlink() else not _is_plain(original):
                    raise ArtifactError(
                        f"{original} is neither a file nor a folder", "leave it out of the folder"
                    )
            with folders.made_at(top, *here.parts) as target:
                for name in names:
                    copied = _copy_in(Path(folder, name), target, name)
                    found.append(((here / name).as_posix(), copied))
                os.fsync(target)
    return _Written(content.join(found), tuple(found))


def _is_plain(path: Path) -> bool:
    return path.is_file() or path.is_dir()


def _publish(paths: RunPaths, line: Line, written: _Written, at: int, rank: int) -> Entry:
    """Sign, note, and put in place what lies aside under the last part of its name."""
    parts = parts_of(line.type, line.name)
    before = manifest.latest(paths.root, line.type, line.name, size_max=manifest.TAIL)
    with folders.made(paths.root, *parts[:-1]) as target:
        # The line first: see manifest.
        manifest.append(paths, trust.sign(line), rank=rank)
        is_new = exchange.put(at, parts[-1], target)
        os.fsync(target)
    if before is not None and before.content and before.content != line.content:
        shared.forget(paths.root, parts, before.content.sha256)
    for path, found in written.files:
        shared.share(paths.root, (*parts, *path.split("/")) if path else parts, found)
    if is_new:
        _tell_mlxp(paths)
    return Entry(line.type, line.name, paths.root.joinpath(*parts))


def _tell_mlxp(paths: RunPaths) -> None:
    """Rewrite the list that MLXP's reader needs; ours does not, so a failure is no loss."""
    noted: dict[str, dict[str, dict[str, str]]] = {}
    for entry in listing(paths.root):
        folder, _, base = entry.name.rpartition("/")
        key = "." + folder.replace("/", ".") if folder else ""
        noted.setdefault(entry.type, {}).setdefault(key, {})[base] = ""
    table = paths.artifacts / ".keys" / "artifacts.yaml"
    try:
        table.parent.mkdir(exist_ok=True)
        files.dump_yaml(table, noted, durable=False)
    except OSError as error:
        logger.warning("MLXP's own reader will not find all artifacts: %s: %s", table, error)


def copy(
    paths: RunPaths,
    entry: Entry,
    name: str,
    *,
    more: Mapping[str, Any] | None = None,
    rank: int = 0,
) -> Entry:
    """Save an artifact of this run under another name too, its content shared.

    Raises
    ------
    MissingArtifactError
        It is not in the manifest.
    StoreError
        The disk refused it; an older one of that name still stands.
    """
    line = manifest.latest(paths.root, entry.type, entry.name)
    if line is None or line.content is None:
        raise MissingArtifactError(
            f"artifact {entry.name!r} is not in the manifest", "log it first"
        )
    parts = parts_of(entry.type, name)
    root, original = entry.place
    with _told(name, entry.type), folders.aside(paths) as (at, _):
        with opens.folder(root, *original[:-1]) as folder:
            found = _duplicate(folder, original[-1], at, parts[-1], line.content)
        copied = Line(entry.type, name, found, now_iso(), more=more or {})
        return _publish(paths, copied, _Written.file(found), at, rank)


def _duplicate(folder: int, name: str, at: int, base: str, known: Content) -> Content:
    """A hard link, shared blocks, or a copy: what it holds."""
    try:
        os.link(name, base, src_dir_fd=folder, dst_dir_fd=at, follow_symlinks=False)
        return known
    except OSError:
        logger.debug("%s is not linked but copied", name)
    with opens.file(folder, name) as source:
        with suppress(OSError):
            shared.clone(source, at, base)
            return known
        writing = os.open(base, _NEW, 0o600, dir_fd=at)
        try:
            found = content.copy(source, writing)
            os.fchmod(writing, _MODE)
        finally:
            os.close(writing)
    return found


def remove(paths: RunPaths, entry: Entry, *, rank: int = 0) -> None:
    """Take an artifact away; the manifest says so, before it is gone.

    Raises
    ------
    StoreError
        The disk refused it.
    """
    parts = parts_of(entry.type, entry.name)
    line = manifest.latest(paths.root, entry.type, entry.name)
    try:
        manifest.append(paths, Line(entry.type, entry.name, None, now_iso()), rank=rank)
        with opens.folder(paths.root, *parts[:-1]) as folder, suppress(FileNotFoundError):
            os.unlink(parts[-1], dir_fd=folder)
    except OSError as error:
        raise StoreError(f"artifact {entry.name!r} was not removed", error) from error
    if line is not None and line.content:
        shared.forget(paths.root, parts, line.content.sha256)
    _tell_mlxp(paths)
