"""One saved object: its type, its name, and where it lies inside its run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mlxp_nb.errors import InvalidKeyError
from mlxp_nb.store import files

__all__ = ["ARTIFACTS_FOLDER", "Entry", "parts_of"]

ARTIFACTS_FOLDER = "artifacts"


@dataclass(frozen=True)
class Entry:
    """One saved object of a run.

    Attributes
    ----------
    type, name : str
        As given when it was logged; a name may have folders (``best/model``).
    path : Path
        The file, or the folder of a ``directory``.
    """

    type: str
    name: str
    path: Path = field(compare=False)

    @property
    def run(self) -> Path | None:
        """The directory of its run; None when it lies somewhere else."""
        inside = (ARTIFACTS_FOLDER, self.type, *self.name.split("/"))
        if self.path.parts[-len(inside) :] != inside:
            return None
        return self.path.parents[len(inside) - 1]

    @property
    def place(self) -> tuple[Path, tuple[str, ...]]:
        """A folder the user named, and the names below it that nobody may turn into links."""
        run = self.run
        if run is None:
            return self.path.parent, (self.path.name,)
        return run, self.path.relative_to(run).parts


def parts_of(kind: str, name: str) -> tuple[str, ...]:
    """The names of the folders and the file of an artifact, below its run.

    Raises
    ------
    InvalidKeyError
        It could leave the run, is hidden, or is longer than 200 characters.
    """
    parts = name.split("/")
    for part in parts:
        files.check_name(part, "artifact")
    if len(name) > files.NAME_MAX:
        raise InvalidKeyError(
            f"the name of an artifact has {len(name)} characters: {name[:40]!r}…",
            f"use at most {files.NAME_MAX}, folders included",
        )
    return (ARTIFACTS_FOLDER, files.check_name(kind, "artifact type"), *parts)
