"""Who wrote an artifact: signatures by a key that only this user has, as Jupyter signs notebooks.

The key lies in the user's own configuration, which is the same on every node of a shared home.
A line of a manifest that it signed was written by this user, or was trusted by them since.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import secrets
import shutil
import uuid
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from mlxp_nb.errors import ArtifactError
from mlxp_nb.store import files
from mlxp_nb.store.artifacts.content import Content
from mlxp_nb.store.artifacts.manifest import Line

__all__ = ["CONFIG_DIR", "config_dir", "is_mine", "sign"]

logger = logging.getLogger(__name__)

CONFIG_DIR = "MLXP_NB_CONFIG_DIR"
_FOLDER = "trust"
_KEY = "key"
_CONTEXT = b"mlxp_nb artifact 1\n"
# A run may load what it wrote, also where no key can be kept.
_WRITTEN_HERE: set[bytes] = set()


def config_dir() -> Path:
    """The folder of this user's configuration; ``$MLXP_NB_CONFIG_DIR`` names another."""
    named = os.environ.get(CONFIG_DIR)
    if named:
        return Path(named)
    from platformdirs import user_config_dir

    return Path(user_config_dir("mlxp_nb"))


def _key() -> bytes:
    """The key; made when there is none.

    Raises
    ------
    OSError, ArtifactError
        It cannot be kept, or others could know it.
    """
    path = config_dir() / _FOLDER / _KEY
    try:
        return _read(path)
    except FileNotFoundError:
        _make(path.parent)
        return _read(path)


def _read(path: Path) -> bytes:
    """The key, when it is this user's alone."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise ArtifactError(
                f"the key {path} can be read by others than you, so it proves nothing",
                f"rm {path}; a new one is made, and `mlxp-nb trust DIR` signs what is yours again",
            )
        key = os.read(descriptor, 1024).strip()
    finally:
        os.close(descriptor)
    if len(key) < 64:
        raise ArtifactError(f"{path} is not a key", f"rm {path}; a new one is made")
    return key


def _make(folder: Path) -> None:
    """Make the key aside and rename its folder into place; of many at once, one wins."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.parent / f".{_FOLDER}-{uuid.uuid4().hex}"
    aside.mkdir(mode=0o700)
    try:
        descriptor = os.open(aside / _KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, secrets.token_hex(32).encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        aside.rename(folder)
        files.sync_folder(folder.parent)
    except OSError:
        # rename(2) refuses a folder with something in it: somebody else was first.
        if not (folder / _KEY).exists():
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _message(line: Line) -> bytes:
    """What is signed: name, type, size, sha256."""
    content = line.content or Content(0, "")
    fields = [line.name, line.type, content.size, content.sha256]
    return _CONTEXT + json.dumps(fields).encode("ascii")


def sign(line: Line) -> Line:
    """The line with this user's signature; without one where no key can be kept."""
    message = _message(line)
    _WRITTEN_HERE.add(hashlib.sha256(message).digest())
    try:
        key = _key()
    except (OSError, ArtifactError) as error:
        _warn_once(str(error))
        return line
    return replace(line, signature=hmac.new(key, message, hashlib.sha256).hexdigest())


@lru_cache
def _warn_once(problem: str) -> None:
    logger.warning(
        "artifacts are saved without your signature, and pickles among them will not be loaded "
        "without trust=True: %s. Set %s to a folder that only you can write",
        problem,
        CONFIG_DIR,
    )


def is_mine(line: Line) -> bool:
    """Whether this user signed the line, or this process wrote it."""
    if line.content is None:
        return False
    message = _message(line)
    if hashlib.sha256(message).digest() in _WRITTEN_HERE:
        return True
    if not line.signature:
        return False
    try:
        key = _read(config_dir() / _FOLDER / _KEY)
    except (OSError, ArtifactError):
        return False
    expected = hmac.new(key, message, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), line.signature.encode("utf-8", "replace"))
