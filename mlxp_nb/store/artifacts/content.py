"""Content: its size and sha256, taken while it is written or read, never a second time."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from mlxp_nb.store import opens

__all__ = ["Content", "Writer", "copy", "join", "of_file", "of_tree", "walk"]

BLOCK = 2**20


@dataclass(frozen=True)
class Content:
    """What a file holds.

    Attributes
    ----------
    size : int
        In bytes.
    sha256 : str
        In hexadecimal.
    """

    size: int
    sha256: str


class Writer(io.BufferedIOBase):
    """A file that is written from its beginning to its end, hashed as it goes.

    It cannot seek, so that no byte changes after it was hashed; libraries that write archives
    (numpy, torch, pyarrow) write them as streams then.

    Parameters
    ----------
    descriptor : int
        Open for writing, empty; stays the caller's.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._file = os.fdopen(os.dup(descriptor), "wb", buffering=BLOCK)
        self._hash = hashlib.sha256()
        self._size = 0
        self._abandoned = False

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, data: Any) -> int:
        """Append bytes, all of them."""
        with memoryview(data) as view, view.cast("B") as block:
            if self._abandoned:
                return len(block)
            self._hash.update(block)
            self._file.write(block)
            self._size += len(block)
            return len(block)

    def flush(self) -> None:
        """Give what was written to the system."""
        if not self._file.closed:
            self._file.flush()

    def close(self) -> None:
        """Nothing: some libraries close what they are given, and it is finished by us."""

    def finish(self) -> Content:
        """Make it durable, and what it holds."""
        self._file.close()
        os.fsync(self._descriptor)
        return Content(self._size, self._hash.hexdigest())

    def abandon(self) -> None:
        """Write nothing more: a library that is cleaned up after an error may still try."""
        self._abandoned = True
        with suppress(OSError):
            self._file.close()


def _blocks(descriptor: int) -> Iterator[bytes]:
    while block := os.read(descriptor, BLOCK):
        yield block


def of_file(descriptor: int) -> Content:
    """What an open file holds, from where it stands; it is put back to its beginning."""
    digest = hashlib.sha256()
    size = 0
    for block in _blocks(descriptor):
        digest.update(block)
        size += len(block)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return Content(size, digest.hexdigest())


def copy(source: int, target: int) -> Content:
    """Copy an open file, hashing what passes; durable when this returns."""
    writer = Writer(target)
    try:
        for block in _blocks(source):
            writer.write(block)
        return writer.finish()
    except BaseException:
        writer.abandon()
        raise


def join(contents: Iterable[tuple[str, Content]]) -> Content:
    """The content of a folder, from that of its files by relative path."""
    digest = hashlib.sha256()
    size = 0
    for name, content in sorted(contents):
        digest.update(f"{content.sha256} {content.size} ".encode() + os.fsencode(name) + b"\0")
        size += content.size
    return Content(size, digest.hexdigest())


@contextmanager
def _below(at: int, name: str) -> Iterator[int]:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=at)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def walk(at: int, prefix: str = "") -> Iterator[tuple[str, int, str]]:
    """Each file below an open folder: relative path, descriptor of its folder, its name."""
    for name in sorted(os.listdir(at)):
        if stat.S_ISDIR(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
            with _below(at, name) as folder:
                yield from walk(folder, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", at, name


def of_tree(at: int) -> Content:
    """What the files below an open folder hold, their names included.

    Raises
    ------
    OSError
        One of them cannot be read, or is a link.
    """
    found: list[tuple[str, Content]] = []
    for path, folder, name in walk(at):
        with opens.file(folder, name) as descriptor:
            found.append((path, of_file(descriptor)))
    return join(found)
