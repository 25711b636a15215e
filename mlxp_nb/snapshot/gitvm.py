"""MLXP's version manager, on our snapshots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlxp_nb.errors import SnapshotError
from mlxp_nb.snapshot.repository import opened
from mlxp_nb.snapshot.taking import ref_of, take
from mlxp_nb.snapshot.trees import materialise
from mlxp_nb.snapshot.values import Snapshot, SnapshotSettings

__all__ = ["GitVM"]


class GitVM:
    """A working directory made from the code as it is, never by a prompt or a commit.

    Parameters
    ----------
    parent_work_dir : str
        Where working directories are kept; relative to the current folder.
    compute_requirements : bool
        Without a ``requirements.txt``, list the installed packages instead.

    Attributes
    ----------
    work_dir : str
        Where the run is to be: the same place inside the copy, once it is made.
    commit_hash : str or None
        The commit that holds exactly the code of the copy: the user's last one when nothing
        differed from it, else the one that keeps the snapshot.
    repo_path : str or None
        The top of the work tree.
    requirements : list of str
        Lines of ``requirements.txt``; ``["UNKNOWN"]`` without one.
    """

    def __init__(
        self, parent_work_dir: str = "./.work_dir", compute_requirements: bool = False
    ) -> None:
        self.parent_work_dir = str(Path(parent_work_dir).absolute())
        self.compute_requirements = compute_requirements
        self.dst: str | None = None
        self.commit_hash: str | None = None
        self.repo_path: str | None = None
        self.work_dir = str(Path.cwd())
        self.requirements = ["UNKNOWN"]

    def make_working_directory(self) -> str:
        """Freeze the project of the current folder, and give the same place inside the copy.

        Raises
        ------
        SnapshotError
            The folder is not in a Git repository, or cannot be frozen.
        """
        project = Path.cwd()
        outputs = (Path(self.parent_work_dir), project / "logs")
        snapshot = take(project, SnapshotSettings(), outputs=outputs)
        if snapshot.root is None:
            raise SnapshotError(f"{project} is not in a Git repository", f"git init {project}")
        copy = materialise(snapshot, Path(self.parent_work_dir), project_dir=project)
        self.dst = str(copy)
        self.repo_path = str(snapshot.root)
        self.commit_hash = _commit_of(snapshot)
        self.work_dir = str(copy / snapshot.project)
        self.requirements = self._requirements(copy / "requirements.txt")
        return self.work_dir

    def get_info(self) -> dict[str, Any]:
        """What MLXP records of the code: ``requirements``, ``commit_hash`` and ``repo_path``."""
        return {
            "requirements": self.requirements,
            "commit_hash": self.commit_hash,
            "repo_path": self.repo_path,
        }

    def _requirements(self, file: Path) -> list[str]:
        if file.is_file():
            return file.read_text(encoding="utf-8").splitlines()
        if self.compute_requirements:
            import importlib.metadata  # as long to import as all the rest of this room

            installed = importlib.metadata.distributions()
            return sorted({f"{found.name}=={found.version}" for found in installed})
        return ["UNKNOWN"]


def _commit_of(snapshot: Snapshot) -> str | None:
    """The commit whose files are those of the snapshot."""
    with opened(Path(str(snapshot.root))) as repository:
        if repository is None or snapshot.tree is None:
            return None
        if snapshot.commit and snapshot.describe() == "clean":
            return snapshot.commit
        return repository.line("rev-parse", ref_of(snapshot.tree))
