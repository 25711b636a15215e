"""What must not be frozen by accident, found before anything is hashed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from mlxp_nb.errors import SnapshotError
from mlxp_nb.snapshot.repository import Repository
from mlxp_nb.snapshot.values import SnapshotSettings

__all__ = [
    "Mends",
    "refuse_environments",
    "refuse_large",
    "refuse_pointers",
    "refuse_secrets",
]

_SECRET_NAMES = (
    ".env",
    ".env.*",
    ".netrc",
    ".pypirc",
    ".git-credentials",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
)
_HARMLESS_NAMES = ("*.example", "*.sample", "*.template", "*.dist")
_KEY = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----|PuTTY-User-Key-File-")
_ENVIRONMENT_MARK = "pyvenv.cfg"
_POINTER = "^version https://git-lfs"
_SETTINGS = "configs/mlxp_nb.yaml"
_SHOWN = 5


@dataclass(frozen=True)
class Mends:
    """The lines that keep files out of a snapshot.

    Attributes
    ----------
    root : Path
        The top of the work tree that the files are in.
    project_dir : Path
        The project, to which the settings are relative.
    settings : SnapshotSettings
        As they are, for a line that replaces one must repeat it.
    tracked : collection of str
        Files that ``.gitignore`` says nothing about.
    """

    root: Path
    project_dir: Path
    settings: SnapshotSettings
    tracked: Collection[str]

    def ignore(self, paths: Sequence[str]) -> str:
        """The lines of ``.gitignore`` that mean these paths and no others."""
        lines = ["/" + re.sub(r"([\\*?\[]| $)", r"\\\1", path) for path in paths]
        place = self.root / ".gitignore"
        shown = place.name if self.root == self.project_dir else place
        return f"add to {shown}:  {_listed(lines, '   ')}"

    def keep_out(self, paths: Sequence[str], *, largest_mb: float) -> str:
        """For large files: ignore and link them, or raise the limit when Git has them anyway."""
        untracked = [path for path in paths if path not in self.tracked]
        if not untracked:
            return f"add to {_SETTINGS}:  max_file_mb: {int(largest_mb) + 1}"
        links = self._inside(untracked)
        line = f"link: [{', '.join((*self.settings.link, *links[:_SHOWN]))}]"
        read = f"   and, if the runs read it, to {_SETTINGS}:  {line}" if links else ""
        return self.ignore(untracked) + read

    def keep_secret(self, paths: Sequence[str]) -> str:
        """For secrets: ignore them, or leave them out when Git has them anyway."""
        untracked = [path for path in paths if path not in self.tracked]
        if untracked:
            return self.ignore(untracked)
        globs = [f"'{glob}'" for glob in (*self.settings.exclude, *self._inside(paths)[:_SHOWN])]
        return f"add to {_SETTINGS}:  exclude: [{', '.join(globs)}]"

    def _inside(self, paths: Sequence[str]) -> list[str]:
        """Those in the project, relative to it."""
        places = [self.root / path for path in paths]
        inside = [place for place in places if place.is_relative_to(self.project_dir)]
        return [place.relative_to(self.project_dir).as_posix() for place in inside]


def refuse_large(root: Path, paths: Collection[str], limit_mb: float, mends: Mends) -> None:
    """Refuse files over the limit.

    Parameters
    ----------
    root : Path
        The top of the work tree.
    paths : collection of str
        What would be frozen and is not committed.
    limit_mb : float
        In 10**6 bytes.
    mends : Mends
        Writes the line to add.

    Raises
    ------
    SnapshotError
        Names them.
    """
    sizes = {path: _size_mb(root / path) for path in paths}
    large = {path: size for path, size in sizes.items() if size > limit_mb}
    if large:
        named = [f"{path} ({size:,.0f} MB)" for path, size in large.items()]
        raise SnapshotError(
            f"too large to be copied (more than {limit_mb:g} MB): {_listed(named)}",
            mends.keep_out(list(large), largest_mb=max(large.values())),
        )


def refuse_environments(untracked: Collection[str], mends: Mends) -> None:
    """Refuse Python environments that nobody ignores.

    Raises
    ------
    SnapshotError
        Names the first.
    """
    for path in map(PurePosixPath, untracked):
        if path.name == _ENVIRONMENT_MARK:
            folder = path.parent.as_posix()
            raise SnapshotError(
                f"{folder} is a Python environment, and not ignored", mends.ignore([f"{folder}/"])
            )


def refuse_secrets(
    root: Path, changed: Collection[str], wanted: Collection[str], mends: Mends
) -> None:
    """Refuse changed files that hold passwords or private keys.

    Parameters
    ----------
    root : Path
        The top of the work tree.
    changed : collection of str
        Untracked and modified files.
    wanted : collection of str
        Those that the settings include by name.
    mends : Mends
        Writes the line to add.

    Raises
    ------
    SnapshotError
        Names them.
    """
    secrets = [path for path in changed if path not in wanted and _is_secret(root / path)]
    if secrets:
        raise SnapshotError(
            f"secrets would be copied into the snapshot: {_listed(secrets)}",
            mends.keep_secret(secrets),
        )


def refuse_pointers(repository: Repository) -> None:
    """Refuse a tree whose large files are Git LFS pointers that nobody here can follow.

    Raises
    ------
    SnapshotError
        Names them.
    """
    if shutil.which("git-lfs") or not any(_lfs_attributes(repository)):
        return
    flags = ("--cached", "-l", "-z", "--no-color", "-e", _POINTER, "--", ":(top,attr:filter=lfs)")
    out = repository.run("grep", *flags, ok=(0, 1))
    pointers = [path.decode(errors="replace") for path in out.split(b"\0") if path]
    if pointers:
        raise SnapshotError(
            f"Git LFS keeps these files elsewhere, and git-lfs is not installed: "
            f"{_listed(pointers)}",
            f"install git-lfs; then: git -C {repository.root} lfs pull",
        )


def _lfs_attributes(repository: Repository) -> Iterator[bool]:
    for path in repository.paths("ls-files", "-z", "--", ":(top,glob)**/.gitattributes"):
        file = repository.root / path
        yield file.is_file() and b"filter=lfs" in file.read_bytes()


def _is_secret(file: Path) -> bool:
    name = file.name
    if any(fnmatch(name, pattern) for pattern in _SECRET_NAMES):
        return not any(fnmatch(name, pattern) for pattern in _HARMLESS_NAMES)
    if file.is_symlink() or not file.is_file():
        return False
    try:
        with file.open("rb") as content:
            return _KEY.match(content.read(80)) is not None
    except OSError:  # Git says it better when it cannot read a file
        return False


def _size_mb(file: Path) -> float:
    try:
        return file.lstat().st_size / 1e6
    except OSError:
        return 0.0


def _listed(names: Sequence[str], between: str = ", ") -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return between.join(names[:_SHOWN]) + more
