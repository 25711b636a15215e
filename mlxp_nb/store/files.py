"""Files that are never half-written, and names that never leave their folder."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import yaml

from mlxp_nb.core.config_dict import to_plain
from mlxp_nb.errors import InvalidKeyError, StoreError

__all__ = [
    "append_line",
    "check_name",
    "dump_json",
    "dump_yaml",
    "fence",
    "load_json",
    "load_yaml",
    "rename_new",
    "replace",
    "replace_from",
    "sweep_temporary",
    "sync_folder",
    "write_line",
    "write_new",
    "yaml_bytes",
]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_NAME = re.compile(r"[^/\\\x00]+")
NAME_MAX = 200
TEMPORARY = ".tmp-"
_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
# What a kernel or a file system says that cannot do what was asked, which it then did not.
_CANNOT = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


def check_name(name: str, what: str) -> str:
    """``name`` as it stands, when it is one plain file name.

    Raises
    ------
    InvalidKeyError
        Empty, too long (200 characters), with a separator or NUL, or beginning with a dot.
    """
    if len(name) > NAME_MAX or name.startswith(".") or not _NAME.fullmatch(name):
        raise InvalidKeyError(
            f"{name!r} cannot be the name of a {what}",
            "use a plain file name: no '/', '\\\\', leading dot, at most 200 characters",
        )
    return name


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    finally:
        os.close(descriptor)


def replace(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file aside and rename it into place: it is the old one or the new one, whole.

    Parameters
    ----------
    path : Path
        Its folder exists.
    data : bytes
        The whole content.
    durable : bool
        Also survive a power cut (fsync of file and folder).

    Raises
    ------
    StoreError
        The disk refused; the older one stands.
    """
    try:
        _replace(path, data, durable)
    except OSError as error:
        raise StoreError(f"{path} was not written; what was there before stands", error) from error
    if durable:
        _confirm(path)


def write_new(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file that is not there yet, in a folder that nobody looks into yet.

    Raises
    ------
    OSError
        The disk refused; a part of the file may be there.
    """
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        if durable:
            os.fsync(file.fileno())


def _replace(path: Path, data: bytes, durable: bool) -> None:
    """Write aside and rename; nothing stays aside."""
    handle, aside = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o666 & ~_umask())
            if durable:
                os.fsync(file.fileno())
        Path(aside).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(aside).unlink()
        raise


def _confirm(path: Path) -> None:
    """Make the new name durable."""
    try:
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(
            f"{path} was written, and may be the older one after a power cut", error
        ) from error


def replace_from(spare: Path, path: Path, data: bytes) -> bool:
    """Replace a file when the disk is full: write over ``spare`` and rename that into place.

    The blocks of ``spare`` are ours already, so nobody who writes at the same time can take them.

    Returns
    -------
    bool
        Whether it was done; else ``path`` and ``spare`` are as they were, or ``spare`` is gone.
    """
    try:
        with spare.open("r+b") as file:
            if os.fstat(file.fileno()).st_size < len(data):
                return False
            file.write(data)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        spare.replace(path)
        sync_folder(path.parent)
    except OSError:
        return False
    return True


def rename_new(old: Path, new: Path) -> bool:
    """Rename a folder unless something has the new name, be it an empty folder.

    Returns
    -------
    bool
        False when the name is taken.

    Notes
    -----
    ``renameat2(RENAME_NOREPLACE)`` where kernel and file system have it. Elsewhere (NFS) we look
    first: rename(2) itself refuses everything but an empty folder.
    """
    done = _rename_noreplace(old, new)
    return _rename_after_a_look(old, new) if done is None else done


def _rename_after_a_look(old: Path, new: Path) -> bool:
    """The same where the kernel cannot: a folder made and left empty in between is taken."""
    if os.path.lexists(new):
        return False
    try:
        old.rename(new)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            return False
        raise
    return True


def _rename_noreplace(old: Path, new: Path) -> bool | None:
    """True when renamed, False when taken, None when this system cannot say."""
    import ctypes

    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is None:
        return None
    done = function(
        _AT_FDCWD, os.fsencode(old), _AT_FDCWD, os.fsencode(new), ctypes.c_uint(_RENAME_NOREPLACE)
    )
    number = ctypes.get_errno()
    if done == 0:
        return True
    if number == errno.EEXIST:
        return False
    if number in _CANNOT:
        return None
    raise OSError(number, os.strerror(number), str(old))


def sweep_temporary(folder: Path) -> None:
    """Remove what a killed writer left aside in a folder that is now ours."""
    with contextlib.suppress(OSError):
        for path in list(folder.glob(f"{TEMPORARY}*")):
            path.unlink(missing_ok=True)


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def yaml_bytes(value: Any) -> bytes:
    """YAML in the block style that MLXP writes."""
    text: str = yaml.dump(
        to_plain(value), Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=1000
    )
    return text.encode("utf-8")


def dump_yaml(path: Path, value: Any, *, durable: bool = True) -> None:
    """Replace a YAML file by ``value``."""
    replace(path, yaml_bytes(value), durable=durable)


def load_yaml(path: Path) -> Any:
    """Read a YAML file of plain values; nothing in it can execute."""
    return yaml.load(path.read_bytes(), Loader=_LOADER)  # a SafeLoader in C


def dump_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """Replace a JSON file by ``value``."""
    text = json.dumps(to_plain(value), indent=1, ensure_ascii=False)
    replace(path, text.encode("utf-8") + b"\n", durable=durable)


def load_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_bytes())


def append_line(path: Path, value: Any) -> None:
    """Append one finished JSON line, whole or not at all.

    Raises
    ------
    StoreError
        The disk refused; nothing of the line is in the file.
    """
    line = json.dumps(to_plain(value)).encode("ascii") + b"\n"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fence(descriptor)
            write_line(descriptor, line)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StoreError(f"nothing was added to {path}", error) from error


def fence(descriptor: int) -> None:
    """End a line that a killed writer left unfinished, so that ours is not glued to it."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        os.write(descriptor, b"\n")


def write_line(descriptor: int, line: bytes) -> None:
    """Append a finished line with one write; what the disk refuses is taken back.

    Parameters
    ----------
    descriptor : int
        Opened with ``O_APPEND``.
    line : bytes
        With its newline.

    Raises
    ------
    OSError
        Nothing of the line is in the file, or at worst a part that is no record.
    """
    done = os.write(descriptor, line)
    if done != len(line):
        _finish(descriptor, line, done)


def _finish(descriptor: int, line: bytes, done: int) -> None:
    """Write the rest of a line, else take back what was written of it."""
    try:
        while done < len(line):
            # A disk that is full takes a part, and says so when asked for more.
            more = os.write(descriptor, line[done:])
            if not more:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            done += more
    except BaseException:
        _take_back(descriptor, done)
        raise


def _take_back(descriptor: int, done: int) -> None:
    """Cut the last ``done`` bytes that this descriptor wrote, if nobody wrote after them."""
    end = os.lseek(descriptor, 0, os.SEEK_CUR)
    if os.fstat(descriptor).st_size == end:
        os.ftruncate(descriptor, end - done)
    else:
        os.write(descriptor, b"\n")
