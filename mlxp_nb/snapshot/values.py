"""What is asked of a snapshot, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

__all__ = ["Policy", "RepoState", "Snapshot", "SnapshotSettings", "describe_changes"]

# A record names this many changed files of a kind, and counts the others.
_NAMED = 100


class Policy(str, Enum):
    """Which code a run gets."""

    WORKTREE = "worktree"
    HEAD = "head"
    STRICT = "strict"
    OFF = "off"


@dataclass(frozen=True)
class SnapshotSettings:
    """How to freeze a project.

    Attributes
    ----------
    policy : Policy
        ``worktree``: the work tree as it is; ``head``: the last commit; ``strict``: the last
        commit, refused when anything differs from it; ``off``: nothing is frozen.
    link : tuple of str
        Paths of the project, data for instance, that the snapshot points to and does not hold.
        What Git tracks below them is frozen all the same.
    include : tuple of str
        Ignored paths of the project that the snapshot must hold.
    exclude : tuple of str
        Globs of what it must not hold, tracked or not. Without a ``/`` they hold in every folder
        of the repository, with one they are relative to the project.
    max_file_mb : float
        A changed file that is larger is refused by its name, in 10**6 bytes.
    """

    policy: Policy = Policy.WORKTREE
    link: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ("*.ipynb",)
    max_file_mb: float = 50.0


@dataclass(frozen=True)
class RepoState:
    """A work tree against its last commit.

    Attributes
    ----------
    root : Path
        The top of the work tree.
    commit, branch : str or None
        None in a repository without commit, and with a detached HEAD.
    modified, untracked, deleted : tuple of str
        Sorted paths relative to the root; a repository inside this one ends in ``/``.
    """

    root: Path
    commit: str | None
    branch: str | None
    modified: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()

    @property
    def is_dirty(self) -> bool:
        """Whether anything differs from the last commit."""
        return bool(self.modified or self.untracked or self.deleted)

    def describe(self) -> str:
        """For instance ``2 modified, 1 untracked``, or ``clean``."""
        return describe_changes(self.modified, self.untracked, self.deleted)


@dataclass(frozen=True)
class Snapshot:
    """A frozen source tree, or why there is none.

    Attributes
    ----------
    policy : Policy
        By which it was taken.
    root : Path or None
        The top of the work tree; None outside a Git repository.
    project : str
        Where the project is in it, ``"."`` at the top.
    tree : str or None
        The Git tree hash that names it, kept as ``refs/mlxp/snapshots/<tree>``; None when nothing
        was frozen.
    commit, branch : str or None
        What the user had checked out.
    modified, untracked, deleted : tuple of str
        How the work tree differed from that commit: held by the snapshot, except under ``head``,
        which leaves it out. What is never part of a snapshot is not listed.
    """

    policy: Policy
    root: Path | None = None
    project: str = "."
    tree: str | None = None
    commit: str | None = None
    branch: str | None = None
    modified: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        """The first seven characters of the tree hash; empty when nothing was frozen."""
        return (self.tree or "")[:7]

    def describe(self) -> str:
        """For instance ``2 modified, 1 untracked``; ``clean``; ``unversioned``."""
        if self.root is None:
            return "unversioned"
        changes = describe_changes(self.modified, self.untracked, self.deleted)
        is_left_out = self.policy is Policy.HEAD and changes != "clean"
        return f"without {changes}" if is_left_out else changes

    def as_info(self) -> dict[str, Any]:
        """What a run records of it."""
        dirty: dict[str, Any] = {}
        kinds = {
            "modified": self.modified,
            "untracked": self.untracked,
            "deleted": self.deleted,
        }
        for kind, paths in kinds.items():
            dirty[kind] = list(paths[:_NAMED])
        more = {kind: len(paths) - _NAMED for kind, paths in kinds.items() if len(paths) > _NAMED}
        if more:
            dirty["more"] = more
        return {
            "policy": self.policy.value,
            "tree": self.tree,
            "commit": self.commit,
            "branch": self.branch,
            "dirty": dirty,
            "repository": str(self.root) if self.root else None,
        }


def describe_changes(
    modified: tuple[str, ...], untracked: tuple[str, ...], deleted: tuple[str, ...]
) -> str:
    """Counts of what changed, or ``clean``."""
    counts = {"modified": len(modified), "untracked": len(untracked), "deleted": len(deleted)}
    return ", ".join(f"{n:,} {word}" for word, n in counts.items() if n) or "clean"
