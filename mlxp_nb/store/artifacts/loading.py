"""Loading: nothing that could execute code is opened unless this user wrote it, or says so."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlxp_nb.errors import ArtifactError, MissingArtifactError, MlxpError, UntrustedArtifactError
from mlxp_nb.store import opens
from mlxp_nb.store.artifacts import content, manifest, trust
from mlxp_nb.store.artifacts.content import Content
from mlxp_nb.store.artifacts.entry import Entry
from mlxp_nb.store.artifacts.types import ARTIFACTS, ArtifactType, type_of

__all__ = ["content_of", "is_signed", "load"]


def load(entry: Entry, *, trust: bool = False) -> Any:
    """The object.

    Parameters
    ----------
    entry : Entry
        Of a run.
    trust : bool
        Load also what could execute code and is not signed by this user.

    Raises
    ------
    UntrustedArtifactError
        It could execute code, is not signed by this user, and ``trust`` is not given.
    ArtifactError
        It cannot be read as what it is said to be.
    """
    row = type_of(entry.type)
    try:
        if row.is_folder:
            return _load_folder(row, entry)
        with _opened(entry) as descriptor:
            return _load_file(row, entry, descriptor, trust)
    except MlxpError:
        raise
    except FileNotFoundError as error:
        raise MissingArtifactError(
            f"{entry.path} is gone", "look which artifacts there are"
        ) from error
    except Exception as error:
        raise ArtifactError(
            f"artifact {entry.name!r} cannot be loaded as {entry.type}: "
            f"{type(error).__name__}: {error}",
            f"look at {entry.path}"
            + ("; what is more than weights needs load(trust=True)" if row.load_trusted else ""),
        ) from error


@contextmanager
def _opened(entry: Entry) -> Iterator[int]:
    """The file, when neither it nor a folder on the way from its run is a link."""
    root, parts = entry.place
    with opens.folder(root, *parts[:-1]) as folder, opens.file(folder, parts[-1]) as descriptor:
        yield descriptor


def _load_folder(row: ArtifactType, entry: Entry) -> Any:
    """A saved folder; its loader gives the path."""
    root, parts = entry.place
    with opens.folder(root, *parts):
        return row.load(str(entry.path))


def _load_file(row: ArtifactType, entry: Entry, descriptor: int, trusted: bool) -> Any:
    """The object in an open file."""
    if not row.executes and row.load_trusted is None:
        return _call(row, entry, descriptor, row.load)
    if trusted:
        return _call(row, entry, descriptor, row.load_trusted or row.load)
    with _still(descriptor, entry.path.name, private=row.by_path) as (still, path):
        if _is_signed(entry, content.of_file(still)):
            checked = Entry(entry.type, entry.name, path or entry.path)
            return _call(row, checked, still, row.load_trusted or row.load)
        if row.executes:
            raise _refusal(entry)
        return _call(row, entry, still, row.load)


def _call(row: ArtifactType, entry: Entry, descriptor: int, loader: Any) -> Any:
    """The loader, with the file or the path it takes."""
    if row.by_path:
        return loader(str(entry.path))
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        return loader(file)


@contextmanager
def _still(descriptor: int, name: str, *, private: bool) -> Iterator[tuple[int, Path | None]]:
    """The file, or a private copy when others could change it between the check and the load.

    What is loaded by its path is always copied, for a path can lead elsewhere a moment later.
    """
    status = os.fstat(descriptor)
    if not private and status.st_uid in (0, os.geteuid()) and not status.st_mode & 0o022:
        yield descriptor, None
        return
    with tempfile.TemporaryDirectory(prefix="mlxp_nb-") as folder:
        path = Path(folder, name)
        copied = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            content.copy(descriptor, copied)
            os.lseek(copied, 0, os.SEEK_SET)
            yield copied, path
        finally:
            os.close(copied)


def content_of(entry: Entry) -> Content:
    """What an artifact holds now, read to its end.

    Raises
    ------
    OSError
        It cannot be read, or a link is in the way.
    """
    row = ARTIFACTS.get(entry.type)
    if row is not None and row.is_folder:
        root, parts = entry.place
        with opens.folder(root, *parts) as folder:
            return content.of_tree(folder)
    with _opened(entry) as descriptor:
        return content.of_file(descriptor)


def is_signed(entry: Entry) -> bool:
    """Whether this user signed what an artifact holds now."""
    return _is_signed(entry, content_of(entry))


def _is_signed(entry: Entry, found: Content) -> bool:
    run = entry.run
    return run is not None and any(
        line.content == found and trust.is_mine(line)
        for line in manifest.read(run)
        if (line.type, line.name) == (entry.type, entry.name)
    )


def _refusal(entry: Entry) -> UntrustedArtifactError:
    """What it is, and the two mends."""
    where = entry.run or entry.path.parent
    return UntrustedArtifactError(
        f"{entry.path} can execute code when it is loaded ({entry.type}), and you have not signed "
        "what it holds",
        f"look who wrote it, then load(trust=True), or sign it: mlxp-nb trust {where}",
    )
