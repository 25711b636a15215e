"""What a run prints, by C code and children too, goes to its files and not beyond a size."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlxp_nb.core.run import RunPaths
from mlxp_nb.errors import StoreError

__all__ = ["capture", "output_files", "rotate"]

POLL_S = 0.25
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
_BLOCK = 2**20


def output_files(paths: RunPaths, rank: int = 0) -> tuple[Path, Path]:
    """The files of stdout and stderr; each process of a job has its own."""
    if not rank:
        return paths.stdout, paths.stderr
    return tuple(  # type: ignore[return-value]  # two in, two out
        path.with_name(f"{path.stem}.r{rank}{path.suffix}") for path in (paths.stdout, paths.stderr)
    )


@contextmanager
def capture(paths: RunPaths, *, rank: int = 0, max_mb: float = 0.0) -> Iterator[None]:
    """Send what is printed to the run's files; give the streams back after.

    Parameters
    ----------
    paths : RunPaths
        The run.
    rank : int
        Of this process in its job.
    max_mb : float
        What is kept of each stream, in two halves: the newest in ``log.stdout``, what came
        before in ``log.stdout.1``. 0 keeps all.

    Raises
    ------
    StoreError
        The files cannot be opened; nothing was redirected.
    """
    kept: list[tuple[int, int]] = []
    opened: list[int] = []
    guard: _Guard | None = None
    _flush()
    try:
        places = output_files(paths, rank)
        for path in places:
            opened.append(_open(path))
        for descriptor, file in zip((1, 2), opened, strict=True):
            kept.append((descriptor, os.dup(descriptor)))
            os.dup2(file, descriptor)
        if max_mb:
            guard = _Guard(opened, places, int(max_mb * 1e6 / 2))
        yield
    finally:
        _flush()
        if guard is not None:
            guard.stop()
        for descriptor, copy in kept:
            os.dup2(copy, descriptor)
            os.close(copy)
        for file in opened:
            os.close(file)


def _open(path: Path) -> int:
    try:
        return os.open(path, _FLAGS, 0o666)
    except OSError as error:
        raise StoreError(f"{path} cannot be written; nothing was redirected", error) from error


def _flush() -> None:
    """Empty Python's buffers, which know nothing of descriptors."""
    for stream in (sys.stdout, sys.stderr):
        # A stream may be closed, and a disk may be full: neither may hide how the run ended.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


class _Guard:
    """Looks at the size of output files now and then, and rotates what grew too large."""

    def __init__(self, descriptors: Sequence[int], places: Sequence[Path], max_bytes: int) -> None:
        self._files = tuple(zip(descriptors, places, strict=True))
        self._max_bytes = max_bytes
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="mlxp_nb output", daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(POLL_S):
            self._look()

    def _look(self) -> None:
        for descriptor, path in self._files:
            rotate(descriptor, path, self._max_bytes)

    def stop(self) -> None:
        """End, after a last look."""
        self._stop.set()
        self._thread.join()
        self._look()


def rotate(descriptor: int, path: Path, max_bytes: int) -> bool:
    """Move the newest ``max_bytes`` of a file to ``<file>.1`` when it has more than that.

    The file itself stays, emptied, for children write to it too. What is older, and what is
    printed during the copy, is dropped; where the disk takes no copy, all of it is.

    Returns
    -------
    bool
        Whether it was too large.
    """
    with contextlib.suppress(OSError):
        size = os.fstat(descriptor).st_size
        if size <= max_bytes:
            return False
        older = path.with_name(f"{path.name}.1")
        with contextlib.suppress(OSError):
            _copy_end(descriptor, older, size, max_bytes)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"[more than {max_bytes:,} bytes; see {older.name}]\n".encode())
        return True
    return False


def _copy_end(descriptor: int, older: Path, size: int, count: int) -> None:
    """Write the last ``count`` bytes of a file anew."""
    at = size - count
    target = os.open(older, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o666)
    try:
        while at < size and (block := os.pread(descriptor, min(_BLOCK, size - at), at)):
            at += os.write(target, block)
    finally:
        os.close(target)
