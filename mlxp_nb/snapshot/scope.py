"""What of a work tree is part of a snapshot, as Git pathspecs."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from mlxp_nb.errors import SnapshotError
from mlxp_nb.snapshot.repository import is_below
from mlxp_nb.snapshot.values import SnapshotSettings
from mlxp_nb.store.tree import MANIFEST

__all__ = ["Scope"]


@dataclass(frozen=True)
class Scope:
    """Paths relative to the top of the work tree.

    Attributes
    ----------
    project_dir : Path
        The live project.
    settings : SnapshotSettings
        Its settings.
    outputs : tuple of str
        Where results and snapshots are written.
    globs : tuple of str
        What else is left out, tracked or not.
    links : tuple of str
        What the snapshot points to: its untracked files are left out.
    include : tuple of str
        What Git ignores and the snapshot holds.
    """

    project_dir: Path
    settings: SnapshotSettings
    outputs: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    include: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, root: Path, project: str, settings: SnapshotSettings, outputs: Iterable[Path]
    ) -> Scope:
        """The scope of a project in the folder ``project`` of a work tree.

        Raises
        ------
        SnapshotError
            Results would be written to the project folder itself, or a path of the settings is
            not in the work tree.
        """
        places = [place for output in outputs for place in _inside(output, root)]
        for place in places:
            if is_below(project, place):
                raise SnapshotError(
                    f"results would be written to {root / place}, among the sources",
                    "name a folder of their own, logs for instance",
                )
        return cls(
            project_dir=root / project,
            settings=settings,
            outputs=(MANIFEST, *places),
            globs=tuple(_anchored(glob, project) for glob in settings.exclude),
            links=tuple(_placed(root, project, link, "link") for link in settings.link),
            include=tuple(_placed(root, project, path, "include") for path in settings.include),
        )

    @property
    def left_out(self) -> list[str]:
        """Pathspecs of what is never part of the snapshot."""
        globs = [f":(top,glob){spec}" for glob in self.globs for spec in (glob, f"{glob}/**")]
        return [*(f":(top,literal){path}" for path in self.outputs), *globs]

    @property
    def without(self) -> list[str]:
        """Pathspecs that leave that out."""
        return [f":(exclude,{spec[2:]}" for spec in self.left_out]

    def is_linked(self, path: str) -> bool:
        """Whether a path lies in what the snapshot points to."""
        return any(is_below(path, link) for link in self.links)

    def inside(self, folder: str) -> Scope:
        """The scope of a repository in that folder."""

        def below(paths: Sequence[str]) -> tuple[str, ...]:
            return tuple(path[len(folder) + 1 :] for path in paths if path.startswith(f"{folder}/"))

        anywhere = tuple(glob for glob in self.globs if glob.startswith("**/"))
        return replace(
            self,
            outputs=below(self.outputs),
            globs=anywhere,
            links=below(self.links),
            include=below(self.include),
        )


def _inside(output: Path, root: Path) -> Iterable[str]:
    """Where an output is in the work tree, by its name and by what that name points to."""
    by_name = output.parent.resolve() / output.name
    for place in {by_name, output.resolve()}:
        if place.is_relative_to(root):
            yield place.relative_to(root).as_posix()


def _anchored(glob: str, project: str) -> str:
    """A glob from the top: in every folder, or below the project when it has a ``/``."""
    is_anywhere = "/" not in glob.rstrip("/")
    glob = posixpath.normpath(glob).lstrip("/")
    if is_anywhere:
        return f"**/{glob}"
    folder = "" if project == "." else re.sub(r"([\\*?\[])", r"\\\1", project) + "/"
    return folder + glob


def _placed(root: Path, project: str, path: str, what: str) -> str:
    """A path of the settings, from the top of the work tree."""
    place = os.path.normpath(root / project / path)
    is_inside = Path(place).is_relative_to(root) and not (root / project).is_relative_to(place)
    if PurePosixPath(path).is_absolute() or not is_inside:
        raise SnapshotError(
            f"{what}: {path!r} is not a path inside the repository {root}",
            f"write it relative to the project, for instance {what}: [data]",
        )
    return Path(place).relative_to(root).as_posix()
