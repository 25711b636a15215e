"""The manifest of a materialised source tree: what it must hold, read without Git."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mlxp_nb.errors import SnapshotError

__all__ = [
    "MANIFEST",
    "Entry",
    "Manifest",
    "Report",
    "content_id",
    "read_manifest",
    "require",
    "verify",
    "write_manifest",
]

MANIFEST = ".mlxp_nb-tree.json"
_FORMAT = 1
_BLOCK = 1 << 20
_SHOWN = 5


class Entry(NamedTuple):
    """One tracked file as it was written.

    Attributes
    ----------
    mode : str
        Git's: ``100644``, ``100755`` (executable) or ``120000`` (symbolic link).
    size : int
        In bytes; of a link, of its target's name.
    mtime_ns : int
        While it and the size are the same, the content is taken to be.
    content : str
        Git's blob id of the bytes on disk.
    """

    mode: str
    size: int
    mtime_ns: int
    content: str


@dataclass(frozen=True)
class Manifest:
    """What a tree holds, by path relative to it (with ``/``)."""

    tree: str
    files: Mapping[str, Entry]


@dataclass(frozen=True)
class Report:
    """How a tree on disk differs from its manifest, as sorted relative paths.

    Attributes
    ----------
    changed : tuple of str
        Other content, other kind of file, or other executable bit.
    missing : tuple of str
        Not there.
    strays : tuple of str
        There, and not of the tree. Links to the live project are none, nor is ``__pycache__``.
    """

    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()

    @property
    def is_intact(self) -> bool:
        """Whether every tracked file is as it was written; strays do not count."""
        return not (self.changed or self.missing)

    def describe(self) -> str:
        """For instance ``changed: main.py; missing: model/mlp.py``; empty when intact."""
        named = (("changed", self.changed), ("missing", self.missing))
        return "; ".join(f"{word}: {_listed(paths)}" for word, paths in named if paths)


def write_manifest(folder: Path, tree: str) -> Manifest:
    """Write down what is in ``folder`` now.

    Parameters
    ----------
    folder : Path
        A complete tree that nothing else was put in.
    tree : str
        Its Git tree hash, by which it is asked for later.

    Returns
    -------
    Manifest
        What was written.
    """
    files = {path: _entry(item, tree) for path, item in _walk(folder) if path != MANIFEST}
    content = {"format": _FORMAT, "tree": tree, "files": files}
    (folder / MANIFEST).write_text(json.dumps(content), encoding="utf-8")
    return Manifest(tree, files)


def read_manifest(folder: Path) -> Manifest:
    """What ``folder`` must hold.

    Raises
    ------
    SnapshotError
        There is no such file, or it is damaged.
    """
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = {path: Entry(*fields) for path, fields in content["files"].items()}
        return Manifest(str(content["tree"]), files)
    except (FileNotFoundError, NotADirectoryError) as error:
        problem = "has no manifest" if folder.is_dir() else "does not exist"
        raise _not_a_tree(folder, problem) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _not_a_tree(folder, "has a damaged manifest") from error


def verify(folder: Path, tree: str) -> Report:
    """Compare ``folder`` with its manifest.

    A file whose size and time of change are those written down is trusted; any other is hashed.

    Parameters
    ----------
    folder : Path
        The tree on disk.
    tree : str
        The Git tree hash it must be of.

    Raises
    ------
    SnapshotError
        There is no manifest, it is another tree's, or a file cannot be read.
    """
    manifest = read_manifest(folder)
    if manifest.tree != tree:
        raise SnapshotError(
            f"{folder} is snapshot {manifest.tree[:7]}, not {tree[:7]}",
            "launch the sweep again: the snapshot is made anew",
        )
    try:
        return _compare(folder, manifest)
    except OSError as error:
        raise _not_a_tree(folder, f"cannot be read: {error}") from error


def require(folder: Path, tree: str) -> Report:
    """Verify, and refuse a tree that is not as it was written.

    Raises
    ------
    SnapshotError
        As ``verify``, or naming the files that changed or are missing.
    """
    report = verify(folder, tree)
    if not report.is_intact:
        raise SnapshotError(
            f"snapshot {tree[:7]} is not as it was made ({report.describe()})",
            "launch the sweep again: the snapshot is made anew",
        )
    return report


def content_id(data: bytes, tree: str) -> str:
    """Git's blob id of ``data``, by the hash that ``tree`` is of (SHA-1 or SHA-256)."""
    digest = _blob(len(data), tree)
    digest.update(data)
    return digest.hexdigest()


def _compare(folder: Path, manifest: Manifest) -> Report:
    """What changed, is missing, and was added."""
    unseen = dict(manifest.files)
    changed, strays = [], []
    for path, item in _walk(folder):
        expected = unseen.pop(path, None)
        if expected is None:
            if not _is_unnoticed(path, item):
                strays.append(path)
        elif not _is_unchanged(item, expected, manifest.tree):
            changed.append(path)
    return Report(tuple(sorted(changed)), tuple(sorted(unseen)), tuple(sorted(strays)))


def _walk(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every file and link below ``folder`` with its relative path; links are not followed."""
    waiting = [(os.fspath(folder), "")]
    while waiting:
        place, prefix = waiting.pop()
        with os.scandir(place) as items:
            for item in items:
                if item.is_dir(follow_symlinks=False):
                    waiting.append((item.path, f"{prefix}{item.name}/"))
                else:
                    yield prefix + item.name, item


def _entry(item: os.DirEntry[str], tree: str) -> Entry:
    """A file as it is on disk, its content hashed."""
    found = item.stat(follow_symlinks=False)
    if item.is_symlink():
        target = os.readlink(item.path)  # noqa: PTH115 - a Path would drop ./ and a last slash
        content = content_id(os.fsencode(target), tree)
    else:
        content = _content_of(item.path, found.st_size, tree)
    return Entry(_mode(found), found.st_size, found.st_mtime_ns, content)


def _content_of(path: str, size: int, tree: str) -> str:
    digest = _blob(size, tree)
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - 10,000 Paths take as long again
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _blob(size: int, tree: str) -> hashlib._Hash:
    name = "sha256" if len(tree) == 64 else "sha1"
    return hashlib.new(name, b"blob %d\0" % size, usedforsecurity=False)


def _is_unchanged(item: os.DirEntry[str], expected: Entry, tree: str) -> bool:
    found = item.stat(follow_symlinks=False)
    if _mode(found) != expected.mode or found.st_size != expected.size:
        return False
    return found.st_mtime_ns == expected.mtime_ns or _entry(item, tree).content == expected.content


def _mode(found: os.stat_result) -> str:
    """Git's mode of a file; empty for what Git cannot keep (a pipe, a device)."""
    if stat.S_ISLNK(found.st_mode):
        return "120000"
    if not stat.S_ISREG(found.st_mode):
        return ""
    return "100755" if found.st_mode & stat.S_IXUSR else "100644"


def _is_unnoticed(path: str, item: os.DirEntry[str]) -> bool:
    """Whether a file that is not of the tree is no stray.

    The manifest, what Python compiles, and links such as ``link: [data]`` makes: absolute ones.
    """
    if path == MANIFEST or "__pycache__" in path.split("/"):
        return True
    return item.is_symlink() and Path(item.path).readlink().is_absolute()


def _not_a_tree(folder: Path, problem: str) -> SnapshotError:
    return SnapshotError(
        f"the snapshot {folder} {problem}", "launch the sweep again: the snapshot is made anew"
    )


def _listed(paths: tuple[str, ...]) -> str:
    more = f" and {len(paths) - _SHOWN:,} more" if len(paths) > _SHOWN else ""
    return ", ".join(paths[:_SHOWN]) + more
