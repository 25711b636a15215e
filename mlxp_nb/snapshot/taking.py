"""Freeze a work tree: from the files as they are to a Git tree that is kept."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from mlxp_nb.errors import SnapshotError
from mlxp_nb.snapshot.guards import (
    Mends,
    refuse_environments,
    refuse_large,
    refuse_pointers,
    refuse_secrets,
)
from mlxp_nb.snapshot.repository import Repository, opened
from mlxp_nb.snapshot.scope import Scope
from mlxp_nb.snapshot.values import Policy, RepoState, Snapshot, SnapshotSettings

__all__ = ["inspect", "ref_of", "take"]

_SHOWN = 5


def inspect(project_dir: Path) -> RepoState | None:
    """How the work tree of a project differs from its last commit.

    Returns
    -------
    RepoState or None
        None outside a Git repository, and in a folder that the repository ignores.
    """
    with opened(project_dir) as repository:
        return repository.state() if repository is not None else None


def take(
    project_dir: Path, settings: SnapshotSettings, *, outputs: Sequence[Path] = ()
) -> Snapshot:
    """Freeze the repository that a project is in.

    The user's branch, index, stash, configuration and files stay as they are; new are objects,
    and a reference ``refs/mlxp/snapshots/<tree>`` that keeps them.

    Parameters
    ----------
    project_dir : Path
        Any folder of the work tree.
    settings : SnapshotSettings
        Policy, and what is left out or brought along.
    outputs : sequence of Path
        Absolute folders that are never part of the snapshot, tracked or not: the log directory
        and that of the snapshots.

    Returns
    -------
    Snapshot
        Without a tree under policy ``off``; without a root too outside a repository.

    Raises
    ------
    SnapshotError
        The policy refuses, a file is too large or secret, or Git cannot do it.
    """
    try:
        with opened(project_dir) as repository:
            if repository is None:
                return _unversioned(project_dir, settings.policy)
            return _taken(repository, project_dir, settings, outputs)
    except SnapshotError:
        if settings.policy is Policy.OFF:  # asked for nothing, so nothing can fail
            return Snapshot(Policy.OFF)
        raise


def ref_of(tree: str) -> str:
    """The reference that keeps a snapshot."""
    return f"refs/mlxp/snapshots/{tree}"


def _taken(
    repository: Repository,
    project_dir: Path,
    settings: SnapshotSettings,
    outputs: Sequence[Path],
) -> Snapshot:
    """The snapshot of a project that is in a repository."""
    project = project_dir.resolve().relative_to(repository.root).as_posix()
    scope = Scope.of(repository.root, project, settings, outputs)
    state = _state(repository, scope)
    if settings.policy is Policy.STRICT:
        _refuse_dirty(state)
    tree = None
    if settings.policy is not Policy.OFF:
        commit = _head(state) if settings.policy is Policy.HEAD else None
        tree = _freeze(repository, scope, state, commit)
        refuse_pointers(repository)
        _keep(repository, tree, state.commit)
    return Snapshot(
        policy=settings.policy,
        root=repository.root,
        project=project,
        tree=tree,
        commit=state.commit,
        branch=state.branch,
        modified=state.modified,
        untracked=state.untracked,
        deleted=state.deleted,
    )


def _unversioned(project_dir: Path, policy: Policy) -> Snapshot:
    if policy in (Policy.HEAD, Policy.STRICT):
        raise SnapshotError(
            f"policy {policy.value} needs a commit, and {project_dir} is not in a Git repository",
            f"git init {project_dir}; or add to configs/mlxp_nb.yaml:  snapshot: worktree",
        )
    return Snapshot(policy)


def _state(repository: Repository, scope: Scope) -> RepoState:
    """What differs from the last commit, without what is never part of a snapshot."""
    state = repository.state(*scope.without)
    own = tuple(path for path in state.untracked if not scope.is_linked(path))
    return replace(state, untracked=own)


def _refuse_dirty(state: RepoState) -> None:
    if state.commit is None:
        _head(state)
    if state.is_dirty:
        names = [*state.modified, *state.untracked, *(f"{path} (gone)" for path in state.deleted)]
        more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
        raise SnapshotError(
            f"policy strict, and the work tree is not its last commit: "
            f"{', '.join(names[:_SHOWN])}{more}",
            "git commit them; or add to configs/mlxp_nb.yaml:  snapshot: worktree",
        )


def _head(state: RepoState) -> str:
    if state.commit is None:
        raise SnapshotError(
            f"{state.root} has no commit yet",
            "git commit; or add to configs/mlxp_nb.yaml:  snapshot: worktree",
        )
    return state.commit


def _freeze(repository: Repository, scope: Scope, state: RepoState, commit: str | None) -> str:
    """The tree of a commit, or of the work tree when it is None; our index ends up as it."""
    if commit is None:
        _refuse_accidents(repository.root, scope, state)
    else:
        repository.run("read-tree", commit)
    inner = _inner(repository, state if commit is None else None)
    if commit is None:
        _add(repository, state, inner)
    for path, recorded in inner.items():
        tree = _inner_tree(repository, path, scope, commit and recorded)
        _remove(repository, f":(top,literal){path}")
        repository.run("read-tree", f"--prefix={path}/", tree)
    _remove(repository, *scope.left_out)
    if scope.include:
        _include(repository, scope)
    return repository.line("write-tree")


def _refuse_accidents(root: Path, scope: Scope, state: RepoState) -> None:
    """Look at what is not committed before any of it is hashed."""
    mends = Mends(root, scope.project_dir, scope.settings, state.modified)
    changed = (*state.untracked, *state.modified)
    refuse_environments(state.untracked, mends)
    refuse_large(root, changed, scope.settings.max_file_mb, mends)
    refuse_secrets(root, changed, scope.include, mends)


def _inner(repository: Repository, state: RepoState | None) -> dict[str, str]:
    """Checked-out repositories inside this one, with the commit recorded for them.

    With the state of the work tree those too that are not recorded.
    """
    untracked = state.untracked if state is not None else ()
    nested = [path.rstrip("/") for path in untracked if path.endswith("/")]
    known = {**dict.fromkeys(nested, ""), **repository.inner()}
    return {path: at for path, at in known.items() if (repository.root / path / ".git").exists()}


def _add(repository: Repository, state: RepoState, inner: Collection[str]) -> None:
    """Bring our index to the work tree; what was looked at is what is added."""
    changed = (*state.modified, *state.untracked)
    files = [path for path in changed if path.rstrip("/") not in inner]
    if state.deleted:  # first, for a file may have taken the place of a folder
        repository.index_paths(("--force-remove",), state.deleted)
    if files:
        repository.index_paths(("--add", "--remove", "--replace"), files)


def _inner_tree(repository: Repository, path: str, scope: Scope, commit: str | None) -> str:
    """The tree of a repository inside this one, copied here."""
    place = repository.root / path
    inside = scope.inside(path)
    with opened(place) as inner:
        if inner is None or inner.root != place:
            raise SnapshotError(
                f"{place} looks like a Git repository and is not one",
                f"git -C {place} status; or add to .gitignore:  /{path}/",
            )
        tree = _freeze(inner, inside, _state(inner, inside), commit)
        repository.receive(inner, tree)
        return tree


def _remove(repository: Repository, *pathspecs: str) -> None:
    """Take paths out of our index."""
    flags = ("-r", "-q", "-f", "--cached", "--ignore-unmatch")
    repository.run("rm", *flags, "--", *pathspecs)


def _include(repository: Repository, scope: Scope) -> None:
    """Add paths that Git ignores."""
    for path in scope.include:
        if not (repository.root / path).exists():
            raise SnapshotError(
                f"include: {path!r} does not exist in {repository.root}",
                "make it, or take it out of include: in configs/mlxp_nb.yaml",
            )
    specs = [f":(top,literal){path}" for path in scope.include]
    files = repository.paths("ls-files", "-o", "-z", "--", *specs)
    mends = Mends(repository.root, scope.project_dir, scope.settings, files)
    refuse_large(repository.root, files, scope.settings.max_file_mb, mends)
    repository.run("add", "-f", "--", *specs)


def _keep(repository: Repository, tree: str, parent: str | None) -> None:
    """Give the tree a commit and a reference, so that Git never throws it away."""
    if _kept(repository, tree):
        return
    parents = ("-p", parent) if parent is not None else ()
    commit = repository.line("commit-tree", tree, *parents, "-m", "mlxp snapshot")
    try:
        repository.run("update-ref", ref_of(tree), commit)
    except SnapshotError:  # another process holds it, for the same tree
        if not _kept(repository, tree):
            raise


def _kept(repository: Repository, tree: str) -> bool:
    return bool(repository.run("rev-parse", "-q", "--verify", ref_of(tree), ok=(0, 1)))
