"""A live project and its snapshot as places on disk, symbolic links resolved."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

__all__ = ["PACKAGES", "Places", "is_path", "unique"]

# Folders of installed packages are called so in every environment.
PACKAGES = ("site-packages", "dist-packages")


@dataclass(frozen=True)
class Places:
    """The live project and its snapshot, as real paths.

    Attributes
    ----------
    live, tree : str
        Roots, symbolic links resolved; the tree may lie below the live root.
    environments : tuple of str
        Folders of installed packages below the live root, such as ``.venv``.
    """

    live: str
    tree: str
    environments: tuple[str, ...]

    @classmethod
    def of(cls, live_root: Path, tree: Path) -> Places:
        """From paths as they are given."""
        live = os.path.realpath(live_root)
        inside = (folder for folder in _environments() if _is_below(folder, live))
        return cls(live, os.path.realpath(tree), tuple(f for f in inside if f != live))

    def is_live(self, path: str) -> bool:
        """Whether it is the user's own file or folder, symbolic links resolved."""
        real = _real(path)
        if not _is_below(real, self.live) or _is_below(real, self.tree):
            return False
        return not any(_is_below(real, folder) for folder in self.environments)

    def is_frozen(self, path: str) -> bool:
        """Whether it is of the snapshot."""
        return _is_below(_real(path), self.tree)

    def moved(self, path: str) -> str:
        """The same place inside the snapshot."""
        return os.path.normpath(_join(self.tree, os.path.relpath(_real(path), self.live)))

    def counterpart(self, path: str) -> str:
        """The live place of one inside the snapshot."""
        return os.path.normpath(_join(self.live, os.path.relpath(_real(path), self.tree)))


@lru_cache(maxsize=1)
def _environments() -> tuple[str, ...]:
    """Folders of interpreters and installed packages that this process uses."""
    prefixes = [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix]
    packages = [site.getusersitepackages(), *site.getsitepackages()]
    on_path = [p for p in sys.path if Path(p).name in PACKAGES]
    known = [*prefixes, *sysconfig.get_paths().values(), *packages, *on_path]
    return tuple(unique(os.path.realpath(folder) for folder in known))


@lru_cache(maxsize=4096)
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)


def _real(path: str) -> str:
    """The real path of a file or folder; folders are remembered, for modules share them."""
    folder, name = os.path.split(path)
    if name in ("", ".", "..") or not Path(path).is_absolute() or Path(path).is_symlink():
        return os.path.realpath(path)
    return _join(_real_folder(folder), name)


def _join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


def _is_below(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or lies in it; both real."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def is_path(value: object) -> bool:
    """Whether it is the text of an absolute path."""
    return isinstance(value, str) and value.startswith("/")


def unique(values: Iterable[str]) -> list[str]:
    """The values, each where it is first."""
    return list(dict.fromkeys(values))
