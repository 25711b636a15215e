"""A snapshot as a folder: complete, read-only, made by one rename."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from mlxp_nb.errors import SnapshotError
from mlxp_nb.snapshot.links import add_links, carry_links
from mlxp_nb.snapshot.repository import Repository, opened
from mlxp_nb.snapshot.values import Snapshot
from mlxp_nb.store.tree import Manifest, verify, write_manifest

__all__ = ["materialise"]

_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)
_SHOWN = 5


def materialise(
    snapshot: Snapshot, parent_work_dir: Path, *, project_dir: Path, link: Sequence[str] = ()
) -> Path:
    """The folder of a snapshot, made unless it is there complete.

    Parameters
    ----------
    snapshot : Snapshot
        With a tree.
    parent_work_dir : Path
        Where snapshots are kept; relative to the project.
    project_dir : Path
        The live project.
    link : sequence of str
        Paths of it that become symbolic links in the snapshot.

    Returns
    -------
    Path
        ``<parent_work_dir>/<repository>/<tree>``, absolute.

    Raises
    ------
    SnapshotError
        Nothing was frozen, Git has lost the tree, the folder cannot be written, or a link cannot
        be made.
    """
    if snapshot.tree is None or snapshot.root is None:
        raise SnapshotError(
            f"nothing was frozen ({snapshot.describe()})", "take it with policy worktree"
        )
    project = project_dir.absolute()
    parent = Path(os.path.normpath(project / parent_work_dir))
    folder = parent / (snapshot.root.name or "root") / snapshot.tree
    if folder.parent.resolve() == snapshot.root:
        raise SnapshotError(
            f"snapshots would be written to {snapshot.root}, among the sources",
            "name a folder of their own in configs/mlxp.yaml:  parent_work_dir: ./.work_dir",
        )
    try:
        _prepare(parent, folder.parent)
        if not _is_complete(folder, snapshot.tree):
            _make(folder, snapshot.root, snapshot.tree)
        if link:
            with _alone(folder.parent):
                add_links(folder, snapshot.project, project, link)
    except OSError as error:
        raise SnapshotError(
            f"the snapshot cannot be written: {error}", f"ls -ld {folder.parent}; df {parent}"
        ) from error
    return folder


def _prepare(parent: Path, folder: Path) -> None:
    """Make the folder of a repository's snapshots, unseen by ``git status``.

    What else the user keeps in ``parent`` stays seen.
    """
    folder.mkdir(parents=True, exist_ok=True)
    is_ours = {item.name for item in parent.iterdir()} <= {folder.name, ".gitignore"}
    ignore = (parent if is_ours else folder) / ".gitignore"
    if not _ignores_all(parent / ".gitignore"):
        with suppress(FileExistsError), ignore.open("x", encoding="utf-8") as file:
            file.write("*\n")


def _ignores_all(file: Path) -> bool:
    return file.is_file() and "*" in file.read_text(encoding="utf-8").splitlines()


def _is_complete(folder: Path, tree: str) -> bool:
    try:
        return verify(folder, tree).is_intact
    except SnapshotError:
        return False


def _make(folder: Path, root: Path, tree: str) -> None:
    """Fill a folder aside and rename it; when others were faster, theirs stands."""
    aside = folder.with_name(f".tmp-{uuid.uuid4().hex}")
    aside.mkdir()
    try:
        _fill(aside, root, tree)
        _set_writable(aside, writable=False)
        _install(aside, folder, tree)
    finally:
        _discard(aside)


def _fill(folder: Path, root: Path, tree: str) -> None:
    """Write the files of a tree, and compare them with it."""
    with opened(root, empty=True) as repository:
        if repository is None:
            raise SnapshotError(f"{root} is no Git repository any more", f"git -C {root} status")
        repository.run("read-tree", tree)
        repository.run("checkout-index", "-a", "-q", work_tree=folder)
        manifest = write_manifest(folder, tree)
        wrong = _differing(repository, folder, manifest)
    if wrong:
        named = ", ".join(wrong[:_SHOWN]) + (", …" if len(wrong) > _SHOWN else "")
        raise SnapshotError(
            f"snapshot {tree[:7]} was not written as it was taken: {named}",
            f"launch it again; if it stays so: git -C {root} fsck",
        )


def _differing(repository: Repository, folder: Path, manifest: Manifest) -> list[str]:
    """Paths whose files are not what the tree says."""
    expected = {}
    for line in repository.paths("ls-tree", "-r", "-z", manifest.tree):
        head, _, path = line.partition("\t")
        mode, kind, content = head.split(" ")
        if kind == "blob":
            expected[path] = (mode == "120000", content)
    found = {path: (e.mode == "120000", e.content) for path, e in manifest.files.items()}
    differing = {path for path, _ in expected.items() ^ found.items()}
    return sorted(differing and _unconverted(repository, folder, manifest.tree, differing))


def _unconverted(repository: Repository, folder: Path, tree: str, differing: set[str]) -> set[str]:
    """Those that differ by more than line ends, encodings and other filters of Git."""
    repository.run("add", "-u", "--", ":(top)", work_tree=folder)
    still = set(repository.paths("diff-index", "--cached", "--name-only", "-z", tree))
    missing = {path for path in differing if not os.path.lexists(folder / path)}
    return missing | {
        path
        for path in still - missing
        if repository.run("cat-file", "--filters", f"{tree}:{path}", work_tree=folder)
        != (folder / path).read_bytes()
    }


def _install(aside: Path, folder: Path, tree: str) -> None:
    """Rename a finished tree to its place, and one that is damaged out of it."""
    try:
        aside.rename(folder)
        return
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
    with _alone(folder.parent):
        if _is_complete(folder, tree):
            return
        damaged = folder.with_name(f".damaged-{tree}-{uuid.uuid4().hex[:8]}")
        folder.rename(damaged)
        aside.rename(folder)
        carry_links(damaged, folder)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time, where the file system can lock."""
    with (folder / ".lock").open("a") as file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _discard(folder: Path) -> None:
    """Remove a folder that may be read-only, if it is still there."""
    if folder.exists():
        _set_writable(folder, writable=True)
        shutil.rmtree(folder)


def _set_writable(folder: Path, *, writable: bool) -> None:
    """Let the owner write in every folder of a tree, or nobody in anything."""
    for place, _, files in os.walk(folder):
        mode = Path(place).stat().st_mode
        Path(place).chmod(mode | 0o700 if writable else mode & ~0o222)
        for name in () if writable else files:
            path = f"{place}/{name}"
            mode = os.lstat(path).st_mode
            if not stat.S_ISLNK(mode):
                os.chmod(path, mode & ~0o222)  # noqa: PTH101 - ten thousand times
