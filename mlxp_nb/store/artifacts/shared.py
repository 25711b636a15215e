"""Content stored once in a log directory: ``.mlxp_nb/objects/<sha256>`` names a file that has it.

An object is a symbolic link to the artifact of a run that holds this content, so that deleting
the run frees its space: nothing else keeps it alive but the runs that share it. A later artifact
with the same content becomes a hard link to that file, or shares its blocks (reflink), or stays
the copy that it is. Sharing comes after the artifact is whole and in place, and changes nothing
but the space it takes: whatever fails here, the artifact stands.
"""

from __future__ import annotations

import errno
import logging
import os
import uuid
from contextlib import suppress
from pathlib import Path, PurePosixPath

from mlxp_nb.store import opens
from mlxp_nb.store.artifacts import content, folders
from mlxp_nb.store.artifacts.content import Content

__all__ = ["OBJECTS", "clone", "forget", "share", "sweep"]

logger = logging.getLogger(__name__)

OBJECTS = (".mlxp_nb", "objects")
_UP = "../../"
_FICLONE = 0x40049409


def share(run: Path, parts: tuple[str, ...], found: Content) -> None:
    """Let a file of a run, in place and durable, share its content with an equal one.

    Parameters
    ----------
    run : Path
        The run directory.
    parts : tuple of str
        The file, below the run.
    found : Content
        What it holds.
    """
    pointer = f"{_UP}{run.name}/{'/'.join(parts)}"
    try:
        with folders.made(_log_dir(run), *OBJECTS) as objects:
            if not _point(objects, found.sha256, pointer) and not _take(
                run, parts, found, _target(objects, found.sha256)
            ):
                _repoint(objects, found.sha256, pointer)
    except OSError as error:
        logger.debug("%s/%s stays a copy of its own: %s", run, "/".join(parts), error)


def _log_dir(run: Path) -> Path:
    """The log directory, which the user may have made a link."""
    return Path(os.path.realpath(run.parent))


def _point(objects: int, sha256: str, pointer: str) -> bool:
    """Whether the object is ours: made now, or before."""
    try:
        os.symlink(pointer, sha256, dir_fd=objects)
    except FileExistsError:
        return _pointer(objects, sha256) == pointer
    return True


def _pointer(objects: int, sha256: str) -> str:
    """What an object says, whatever it is."""
    try:
        return os.readlink(sha256, dir_fd=objects)
    except OSError:
        return ""


def _target(objects: int, sha256: str) -> tuple[str, ...]:
    """The parts of the file it names, below the log directory; none when it leaves it."""
    pointer = _pointer(objects, sha256)
    parts = PurePosixPath(pointer.removeprefix(_UP)).parts
    if not pointer.startswith(_UP) or ".." in parts or PurePosixPath(*parts).is_absolute():
        return ()
    return parts


def _take(run: Path, parts: tuple[str, ...], found: Content, other: tuple[str, ...]) -> bool:
    """Replace our file by a link to the other, when that holds the same and is this user's."""
    if len(other) < 2:
        return False
    with folders.made(run, *parts[:-1]) as here:
        try:
            with opens.folder(_log_dir(run), *other[:-1]) as there:
                return _link(there, other[-1], here, parts[-1], found)
        except FileNotFoundError:
            return False


def _link(there: int, name: str, here: int, ours: str, found: Content) -> bool:
    """Whether ``ours`` is now, or was, the same file as ``name``."""
    with opens.file(there, name) as source:
        status = os.fstat(source)
        mine = os.stat(ours, dir_fd=here, follow_symlinks=False)
        if (status.st_dev, status.st_ino) == (mine.st_dev, mine.st_ino):
            return True
        # It may have been replaced, or changed in place, since it was stored.
        if status.st_uid != mine.st_uid or status.st_size != found.size:
            return False
        if content.of_file(source) != found:
            return False
        aside = f"{folders.ASIDE}{uuid.uuid4().hex}"
        try:
            try:
                os.link(name, aside, src_dir_fd=there, dst_dir_fd=here, follow_symlinks=False)
            except OSError as error:
                if error.errno == errno.EMLINK:
                    return False  # as many links as it can have: ours is the next to be shared
                clone(source, here, aside)
            linked = os.stat(aside, dir_fd=here, follow_symlinks=False)
            if linked.st_nlink > 1 and linked.st_ino != status.st_ino:
                return False
            os.rename(aside, ours, src_dir_fd=here, dst_dir_fd=here)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(aside, dir_fd=here)
    return True


def clone(source: int, folder: int, name: str) -> None:
    """Make a file that shares the blocks of an open one (btrfs, xfs, …).

    Raises
    ------
    OSError
        The file system cannot.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    target = os.open(name, flags, 0o444, dir_fd=folder)
    try:
        import fcntl

        fcntl.ioctl(target, _FICLONE, source)
        os.fsync(target)
    except OSError:
        os.unlink(name, dir_fd=folder)
        raise
    finally:
        os.close(target)


def _repoint(objects: int, sha256: str, pointer: str) -> None:
    """Let the object name our file: the other is gone, or has changed."""
    aside = f"{folders.ASIDE}{uuid.uuid4().hex}"
    os.symlink(pointer, aside, dir_fd=objects)
    try:
        os.rename(aside, sha256, src_dir_fd=objects, dst_dir_fd=objects)
    except OSError:
        os.unlink(aside, dir_fd=objects)
        raise


def forget(run: Path, parts: tuple[str, ...], sha256: str) -> None:
    """Drop an object that names a file which holds something else now, or is gone."""
    with suppress(OSError), opens.folder(_log_dir(run), *OBJECTS) as objects:
        if _pointer(objects, sha256) == f"{_UP}{run.name}/{'/'.join(parts)}":
            os.unlink(sha256, dir_fd=objects)


def sweep(log_dir: Path) -> list[str]:
    """Drop objects that name no file any more, their runs having been deleted; their names.

    They take no space; only somebody who looks at the folder may want them gone.
    """
    dropped: list[str] = []
    log_dir = Path(os.path.realpath(log_dir))
    with suppress(FileNotFoundError), opens.folder(log_dir, *OBJECTS) as objects:
        for name in sorted(entry.name for entry in os.scandir(objects)):
            try:
                os.stat(name, dir_fd=objects)
            except FileNotFoundError:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=objects)
                dropped.append(name)
    return dropped
