"""Ignored paths of the live project, data above all, as symbolic links in a snapshot."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from mlxp_nb.errors import SnapshotError
from mlxp_nb.store.tree import read_manifest

__all__ = ["add_links", "carry_links"]

# More would be slower than the copy that a link saves.
_AT_MOST = 1000


def add_links(folder: Path, project: str, project_dir: Path, links: Sequence[str]) -> None:
    """Make paths of the live project appear at the same place in a snapshot.

    A folder that holds tracked files stays, with a link for everything else in it.

    Parameters
    ----------
    folder : Path
        The materialised tree, read-only.
    project : str
        Where the project is in it.
    project_dir : Path
        The live project, absolute.
    links : sequence of str
        Relative to the project.

    Raises
    ------
    SnapshotError
        A link is absolute, leaves the project, does not exist, or is of the snapshot already.
    """
    tracked = frozenset(read_manifest(folder).files)
    folders = frozenset(str(p) for path in tracked for p in PurePosixPath(path).parents)
    for link in links:
        inside = _checked(link, project_dir)
        places = list(
            _places(os.path.normpath(f"{project}/{inside}"), project_dir / inside, tracked, folders)
        )
        if not places:
            raise _refusal(
                link,
                "is in the snapshot already, for Git tracks it",
                f"take {link} out of link: in configs/mlxp_nb.yaml",
            )
        if len(places) > _AT_MOST:
            raise _refusal(
                link,
                f"holds tracked files, and {len(places):,} others to link",
                f"move the others to a folder of their own, for instance {link}/raw",
            )
        for place, live in places:
            _link(folder, place, live)


def carry_links(old: Path, new: Path) -> None:
    """Make the links of one tree in another of the same content, for runs that wait."""
    for place, folders, files in os.walk(old):
        for name in (*folders, *files):
            path = Path(place, name)
            if path.is_symlink() and path.readlink().is_absolute():
                inside = path.relative_to(old).as_posix()
                if not os.path.lexists(new / inside):
                    _link(new, inside, path.readlink())


def _checked(link: str, project_dir: Path) -> str:
    """A link of the settings as a normal relative path."""
    inside = os.path.normpath(link)
    mend = "write a path inside the project, for instance link: [data]"
    if PurePosixPath(link).is_absolute():
        raise _refusal(link, "is absolute", mend)
    if inside in (".", "..") or inside.startswith("../"):
        raise _refusal(link, "is not inside the project", mend)
    if not (project_dir / inside).exists():
        raise _refusal(
            link,
            f"does not exist in {project_dir}",
            f"make it, or take {link} out of link: in configs/mlxp_nb.yaml",
        )
    return inside


def _places(
    place: str, live: Path, tracked: Collection[str], folders: Collection[str]
) -> Iterator[tuple[str, Path]]:
    """What to link so that ``live`` shows at ``place`` beside the tracked files."""
    if place not in tracked and place not in folders:
        yield place, live
    elif place in folders:
        for item in sorted(live.iterdir()):
            if item.name != "__pycache__":
                yield from _places(f"{place}/{item.name}", item, tracked, folders)


def _link(folder: Path, inside: str, live: Path) -> None:
    """Make one link in a read-only tree, unless it is there."""
    place = folder / inside
    if any((folder / parent).is_symlink() for parent in PurePosixPath(inside).parents[:-1]):
        return  # a link above it shows it already
    if place.is_symlink():
        if place.readlink() == live:
            return
        if place.exists():
            raise _refusal(
                inside,
                f"is a link to {place.readlink()}, of another project",
                "give each project a parent_work_dir of its own in configs/mlxp.yaml",
            )
    elif place.exists() and not _holds_only_links(place):
        raise _refusal(inside, f"was written by a run: {place}", f"mv {place} {live.parent}")
    with _writable(_made(place.parent, folder)):
        if place.is_dir() and not place.is_symlink():
            place.chmod(0o755)
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
        place.symlink_to(live)


def _made(parent: Path, folder: Path) -> Path:
    """The folder of a link, made read-only where the snapshot has none."""
    if not parent.exists():
        with _writable(_made(parent.parent, folder)):
            parent.mkdir(mode=0o555)
    return parent


def _holds_only_links(place: Path) -> bool:
    return place.is_dir() and all(item.is_symlink() for item in place.iterdir())


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    mode = folder.stat().st_mode
    folder.chmod(mode | 0o200)
    try:
        yield
    finally:
        folder.chmod(mode)


def _refusal(link: str, problem: str, hint: str) -> SnapshotError:
    return SnapshotError(f"link: {link!r} {problem}", hint)
