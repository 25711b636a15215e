"""Trusting what others wrote: the artifacts that could execute code, and the user's signature."""

from __future__ import annotations

import pwd
from dataclasses import dataclass
from pathlib import Path

from mlxp_nb.core.run import RunPaths
from mlxp_nb.core.units import size
from mlxp_nb.errors import ArtifactError, StoreError
from mlxp_nb.store import rundir
from mlxp_nb.store.artifacts import manifest, trust
from mlxp_nb.store.artifacts.content import Content
from mlxp_nb.store.artifacts.entry import Entry
from mlxp_nb.store.artifacts.listing import listing
from mlxp_nb.store.artifacts.loading import content_of, is_signed
from mlxp_nb.store.artifacts.manifest import Line
from mlxp_nb.store.artifacts.types import ARTIFACTS

__all__ = ["Unsigned", "sign", "unsigned"]


@dataclass(frozen=True)
class Unsigned:
    """An artifact that could execute code, and that this user has not signed.

    Attributes
    ----------
    run : Path
        The run directory.
    entry : Entry
        The artifact.
    content : Content
        What it holds, and what a signature would be for.
    """

    run: Path
    entry: Entry
    content: Content

    def __str__(self) -> str:
        owner = self.entry.path.lstat().st_uid
        try:
            name = pwd.getpwuid(owner).pw_name
        except KeyError:
            name = str(owner)
        return (
            f"{self.entry.path}  {size(self.content.size)}  of {name}  "
            f"sha256 {self.content.sha256[:16]}"
        )


def _runs(folder: Path) -> list[Path]:
    """The folder itself when it is a run, else the runs of the log directory that it is."""
    folder = Path(folder).absolute()
    if RunPaths(folder).metadata.is_dir() or RunPaths(folder).artifacts.is_dir():
        return [folder]
    log_dir = rundir.check_log_dir(folder)
    return [log_dir / str(run_id) for run_id in rundir.list_ids(log_dir)]


def unsigned(folder: Path) -> list[Unsigned]:
    """What could execute code in a run, or in all runs of a log directory, and is not signed.

    Each of them is read to its end; types that are not registered here are taken to execute.

    Raises
    ------
    LogDirError
        It is neither.
    """
    return [
        Unsigned(run, entry, content_of(entry))
        for run in _runs(folder)
        for entry in listing(run)
        if _executes(entry.type) and not is_signed(entry)
    ]


def _executes(kind: str) -> bool:
    row = ARTIFACTS.get(kind)
    return row is None or row.executes or row.load_trusted is not None


def sign(found: Unsigned) -> None:
    """Add this user's signature for what was looked at to the manifest of the run.

    Raises
    ------
    ArtifactError
        No key can be kept.
    StoreError
        The manifest cannot be written.
    """
    entry = found.entry
    line = trust.sign(Line(entry.type, entry.name, found.content, rundir.now_iso()))
    if not line.signature:
        raise ArtifactError(
            "nothing can be signed without a key of yours",
            f"set {trust.CONFIG_DIR} to a folder that only you can write",
        )
    try:
        manifest.append(RunPaths(found.run), line)
    except OSError as error:
        raise StoreError(
            f"{entry.path} was not signed: its manifest cannot be written; "
            "load(trust=True) needs no signature",
            error,
        ) from error
