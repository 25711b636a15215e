"""Putting a file or a folder in the place of another, at once."""

from __future__ import annotations

import ctypes
import os
import stat
import uuid

from mlxp_nb.store.artifacts.folders import ASIDE

__all__ = ["put"]

_EXCHANGE = 2


def put(source: int, name: str, target: int) -> bool:
    """Move ``name`` from one open folder to another, over what is there; whether it was new.

    A folder that is replaced ends up in ``source``. Where the system cannot exchange two folders,
    the old one is moved away first: a crash in between leaves both whole, in ``source``.

    Raises
    ------
    OSError
        It could not be moved; what was there still is.
    """
    try:
        there = os.stat(name, dir_fd=target, follow_symlinks=False).st_mode
    except FileNotFoundError:
        there = 0
    if stat.S_ISDIR(there) and stat.S_ISDIR(os.stat(name, dir_fd=source).st_mode):
        if not _exchange(source, name, target):
            old = f"{ASIDE}{uuid.uuid4().hex}"
            os.rename(name, old, src_dir_fd=target, dst_dir_fd=source)
            try:
                os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
            except OSError:
                os.rename(old, name, src_dir_fd=source, dst_dir_fd=target)
                raise
    else:
        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
    return not there


def _exchange(source: int, name: str, target: int) -> bool:
    """renameat2(RENAME_EXCHANGE), which Linux has; whether it was done."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    encoded = os.fsencode(name)
    return int(rename(source, encoded, target, encoded, _EXCHANGE)) == 0
