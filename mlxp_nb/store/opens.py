"""Opening what somebody else may have put there: regular files only, and no link is followed."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["TooLargeError", "file", "folder", "read"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK, else opening a FIFO waits for somebody who writes to it.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LINK = (errno.ELOOP, errno.EMLINK, errno.ENOTDIR)


class TooLargeError(ValueError):
    """A file with more in it than is read."""


@contextmanager
def folder(root: Path, *names: str) -> Iterator[int]:
    """The descriptor of a folder at or below ``root``; neither it nor a part of it is a link.

    Raises
    ------
    OSError
        It is not there, is no folder, or is a link.
    """
    at = _open(str(root), _FOLDER)
    try:
        for name in names:
            below = _open(name, _FOLDER, at)
            os.close(at)
            at = below
        yield at
    finally:
        os.close(at)


@contextmanager
def file(at: int, name: str) -> Iterator[int]:
    """The descriptor of a regular file in an open folder, for reading.

    Raises
    ------
    OSError
        It is not there, is a link, or is not a regular file (a FIFO, a device, a folder).
    """
    descriptor = _open(name, _FILE, at)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", name)
        yield descriptor
    finally:
        os.close(descriptor)


def read(at: int, name: str, size_max: int) -> bytes:
    """The content of a regular file in an open folder.

    Raises
    ------
    OSError
        It cannot be read.
    TooLargeError
        It holds more than ``size_max`` bytes.
    """
    with file(at, name) as descriptor:
        parts: list[bytes] = []
        left = size_max + 1
        while left and (part := os.read(descriptor, min(left, 2**20))):
            parts.append(part)
            left -= len(part)
    if not left:
        raise TooLargeError(f"larger than {size_max:,} bytes")
    return b"".join(parts)


def _open(name: str, flags: int, at: int | None = None) -> int:
    """Open, with an error that says so when a link is in the way."""
    try:
        return os.open(name, flags, dir_fd=at)
    except OSError as error:
        if error.errno in _LINK and _is_link(name, at):
            raise OSError(errno.ELOOP, "a link, which is not followed", name) from error
        raise


def _is_link(name: str, at: int | None) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode)
    except OSError:
        return False
