"""The records of a log directory, read once and again only where a file has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mlxp_nb.core.run import RunPaths, RunRecord
from mlxp_nb.store import rundir

__all__ = ["Delta", "Index"]

_Signature = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True)
class Delta:
    """What a look brought: ids of runs, ascending."""

    added: tuple[int, ...] = ()
    changed: tuple[int, ...] = ()
    removed: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


class Index:
    """Advisory: the files are the truth, and an index can be dropped at any time.

    Parameters
    ----------
    log_dir : Path
        The folder of the runs; never written to.
    ids : sequence of int, optional
        Look at these runs only.
    """

    def __init__(self, log_dir: Path, ids: Sequence[int] | None = None) -> None:
        self.log_dir = Path(log_dir).absolute()
        self._ids = ids
        self._records: dict[int, RunRecord] = {}
        self._signatures: dict[int, _Signature] = {}

    @property
    def records(self) -> Mapping[int, RunRecord]:
        """The runs as they stood at the last refresh, by id, ascending."""
        return MappingProxyType(self._records)

    def refresh(self) -> Delta:
        """Look again, and read what is new or changed."""
        ids = self._present()
        known = self._signatures
        signatures = {run_id: _signature(self.log_dir / str(run_id)) for run_id in ids}
        added = tuple(i for i in ids if i not in known)
        changed = tuple(i for i in ids if i in known and known[i] != signatures[i])
        removed = tuple(i for i in known if i not in signatures)
        fresh = set(added) | set(changed)
        self._records = {
            i: rundir.read(self.log_dir, i) if i in fresh else self._records[i] for i in ids
        }
        self._signatures = signatures
        return Delta(added, changed, removed)

    def _present(self) -> list[int]:
        """Ids of the runs that are there, ascending."""
        if self._ids is not None:
            return sorted(i for i in self._ids if (self.log_dir / str(i)).is_dir())
        try:
            return rundir.list_ids(self.log_dir)
        except (FileNotFoundError, NotADirectoryError):
            return []


def _signature(run: Path) -> _Signature:
    """Inode, size and time of the records of a run."""
    paths = RunPaths(run)
    return _stat(paths.info), _stat(paths.config)


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
