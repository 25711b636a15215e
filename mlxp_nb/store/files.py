"""Files that are never half-written, and names that never leave their folder."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import yaml

from mlxp_nb.core.config_dict import to_plain
from mlxp_nb.errors import InvalidKeyError

__all__ = [
    "append_line",
    "check_name",
    "dump_json",
    "dump_yaml",
    "load_json",
    "load_yaml",
    "replace",
    "sync_folder",
]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_NAME = re.compile(r"[^/\\\x00]+")
NAME_MAX = 200


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
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(descriptor)
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
    """
    handle, aside = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o666 & ~_umask())
            if durable:
                os.fsync(file.fileno())
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def dump_yaml(path: Path, value: Any, *, durable: bool = True) -> None:
    """Replace a YAML file by ``value``, in the block style that MLXP writes."""
    text = yaml.dump(
        to_plain(value), Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=1000
    )
    replace(path, text.encode("utf-8"), durable=durable)


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
    """Append one finished JSON line with one write."""
    line = json.dumps(to_plain(value), ensure_ascii=False).encode("utf-8") + b"\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)
