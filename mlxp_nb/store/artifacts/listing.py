"""Which artifacts a run has, from the files that are there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mlxp_nb.core.run import RunPaths
from mlxp_nb.errors import MissingArtifactError, closest
from mlxp_nb.store.artifacts import manifest
from mlxp_nb.store.artifacts.entry import Entry
from mlxp_nb.store.artifacts.types import ARTIFACTS

__all__ = ["find", "listing"]


def listing(run_dir: Path) -> list[Entry]:
    """The artifacts of a run, by type and name; links are not followed."""
    root = RunPaths(Path(run_dir)).artifacts
    if root.is_symlink() or root.parent.is_symlink():
        return []
    return [entry for kind in _names(root)[0] for entry in _of_type(Path(run_dir), root, kind)]


def _names(folder: Path) -> tuple[list[str], list[str]]:
    """The folders and the files in a folder, sorted; hidden ones and links left out."""
    try:
        entries = [e for e in os.scandir(folder) if not e.name.startswith(".")]
    except OSError:
        return [], []
    below = sorted(e.name for e in entries if e.is_dir(follow_symlinks=False))
    return below, sorted(e.name for e in entries if e.is_file(follow_symlinks=False))


def _of_type(run_dir: Path, root: Path, kind: str) -> Iterator[Entry]:
    """The artifacts in the folder of a type."""
    row = ARTIFACTS.get(kind)
    if row is None or not row.is_folder:
        yield from _files(root / kind, kind, "")
        return
    # The manifest tells where the name of a saved folder ends and what is in it begins.
    known = {line.name for line in manifest.read(run_dir) if line.type == kind}
    yield from _folders(root / kind, kind, "", known)


def _files(folder: Path, kind: str, prefix: str) -> Iterator[Entry]:
    below, names = _names(folder)
    for name in names:
        yield Entry(kind, f"{prefix}{name}", folder / name)
    for name in below:
        yield from _files(folder / name, kind, f"{prefix}{name}/")


def _folders(folder: Path, kind: str, prefix: str, known: set[str]) -> Iterator[Entry]:
    for base in _names(folder)[0]:
        name = f"{prefix}{base}"
        if name in known or not any(other.startswith(f"{name}/") for other in known):
            yield Entry(kind, name, folder / base)
        else:
            yield from _folders(folder / base, kind, f"{name}/", known)


def find(paths: RunPaths, name: str, kind: str | None) -> Entry:
    """The artifact of that name; of any type when ``kind`` is None.

    Raises
    ------
    MissingArtifactError
        The run has none, or several and no type was given.
    """
    entries = listing(paths.root)
    hits = [e for e in entries if e.name == name and kind in (None, e.type)]
    if len(hits) == 1:
        return hits[0]
    if hits:
        raise MissingArtifactError(
            f"run {paths.root.name} has several artifacts {name!r}",
            f'give artifact_type="{hits[0].type}"',
        )
    near = closest(name, [entry.name for entry in entries])
    raise MissingArtifactError(
        f"run {paths.root.name} has no artifact {name!r}" + (f" of type {kind}" if kind else ""),
        f"did you mean {near!r}?" if near else "log it first",
    )
