"""Folders of a run opened for writing: made where they are missing, and no link is followed."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mlxp_nb.core.run import RunPaths
from mlxp_nb.store import opens

__all__ = ["ASIDE", "aside", "made", "made_at"]

ASIDE = ".tmp-"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def made(root: Path, *names: str) -> Iterator[int]:
    """The descriptor of a folder below ``root``; what is missing is made, and durable.

    Raises
    ------
    OSError
        It cannot be made, or a link is in the way.
    """
    with opens.folder(root) as at, made_at(at, *names) as below:
        yield below


@contextmanager
def made_at(at: int, *names: str) -> Iterator[int]:
    """The same, below an open folder."""
    at = os.dup(at)
    try:
        for name in names:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=at)
                os.fsync(at)
            below = os.open(name, _FOLDER, dir_fd=at)
            os.close(at)
            at = below
        yield at
    finally:
        os.close(at)


@contextmanager
def aside(paths: RunPaths) -> Iterator[tuple[int, Path]]:
    """A folder to write in before anybody looks, and its path; it is gone at the end."""
    name = f"{ASIDE}{uuid.uuid4().hex}"
    with made(paths.root, paths.artifacts.name) as above:
        path = paths.artifacts / name
        try:
            os.mkdir(name, dir_fd=above)
            at = os.open(name, _FOLDER, dir_fd=above)
            try:
                yield at, path
            finally:
                os.close(at)
        finally:
            shutil.rmtree(path, ignore_errors=True)
