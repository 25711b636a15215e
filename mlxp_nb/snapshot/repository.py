"""A user's Git repository, driven by commands that leave it as it is."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxp_nb.errors import SnapshotError
from mlxp_nb.snapshot.values import RepoState

if TYPE_CHECKING:
    from git import Repo

__all__ = ["Repository", "is_below", "opened"]

# Hooks, background work, signatures and the user's way of reporting stay out of it.
_OPTIONS = (
    f"core.hooksPath={os.devnull}",
    "core.fsmonitor=false",
    "core.splitIndex=false",
    "core.sparseCheckout=false",
    "core.safecrlf=false",
    "core.logAllRefUpdates=false",
    "core.quotePath=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "commit.gpgSign=false",
    "i18n.commitEncoding=UTF-8",
    "advice.addEmbeddedRepo=false",
    "diff.ignoreSubmodules=none",
)
# The same content gives the same commit, whoever freezes it and when.
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "mlxp_nb",
    "GIT_AUTHOR_EMAIL": "mlxp_nb@localhost",
    "GIT_AUTHOR_DATE": "@1000000000 +0000",
    "GIT_COMMITTER_NAME": "mlxp_nb",
    "GIT_COMMITTER_EMAIL": "mlxp_nb@localhost",
    "GIT_COMMITTER_DATE": "@1000000000 +0000",
}
_MENDS = (
    ("dubious ownership", "git config --global --add safe.directory {root}"),
    ("No space left", "free some space on the disk of {root}"),
    ("Permission denied", "make it readable, or add it to .gitignore; then: git -C {root} status"),
    ("insufficient permission", "chmod -R u+rwX {root}/.git"),
    ("", "git -C {root} status"),
)


@contextmanager
def opened(folder: Path, *, empty: bool = False) -> Iterator[Repository | None]:
    """The repository whose work tree ``folder`` is in, with an index of our own.

    Parameters
    ----------
    folder : Path
        Any folder of the work tree.
    empty : bool
        Begin with an empty index, not with a copy of the user's.

    Yields
    ------
    Repository or None
        None when there is no repository, none with a work tree, or one that ignores ``folder``.

    Raises
    ------
    SnapshotError
        There is one, and Git is not installed.
    """
    repo = _found(folder)
    if repo is None:
        yield None
        return
    with repo, tempfile.TemporaryDirectory(prefix="mlxp_nb-") as private:
        repository = Repository(repo, Path(private) / "index")
        if not empty:
            repository.copy_index()
        yield None if repository.ignores(folder) else repository


class Repository:
    """Git commands on a work tree, all with an index of our own.

    Parameters
    ----------
    repo : git.Repo
        Open, with a work tree.
    index : Path
        The file of our index; need not exist.
    """

    def __init__(self, repo: Repo, index: Path) -> None:
        self._repo = repo
        self._index = index
        self.root = Path(str(repo.working_tree_dir)).resolve()

    def run(
        self,
        command: str,
        *args: str,
        stdin: bytes = b"",
        work_tree: Path | None = None,
        ok: Sequence[int] = (0,),
    ) -> bytes:
        """What a git command prints.

        Parameters
        ----------
        command, *args : str
            ``run("ls-files", "-z")``.
        stdin : bytes
            What it reads.
        work_tree : Path, optional
            Another folder to work on than the user's.
        ok : sequence of int
            Exit codes that are no failure.

        Raises
        ------
        SnapshotError
            It failed.
        """
        with tempfile.TemporaryFile() as given:
            given.write(stdin)
            given.seek(0)
            call = getattr(self._repo.git(c=list(_OPTIONS)), command.replace("-", "_"))
            code, out, err = call(
                *args,
                env=self._environment(work_tree),
                istream=given,
                with_extended_output=True,
                with_exceptions=False,
                stdout_as_string=False,
                strip_newline_in_stdout=False,
            )
        if code not in ok:
            raise self._failed(command, str(err))
        return bytes(out)

    def line(self, command: str, *args: str, stdin: bytes = b"") -> str:
        """The one line that a git command prints."""
        return self.run(command, *args, stdin=stdin).decode().strip()

    def paths(self, command: str, *args: str) -> list[str]:
        """The paths that a git command prints with ``-z``."""
        return [os.fsdecode(path) for path in self.run(command, *args).split(b"\0") if path]

    def index_paths(self, flags: Sequence[str], paths: Iterable[str]) -> None:
        """``git update-index`` of any number of paths."""
        names = b"\0".join(map(os.fsencode, paths))
        self.run("update-index", *flags, "-z", "--stdin", stdin=names)

    def copy_index(self) -> None:
        """Begin with the user's index, told the truth about every file.

        Its time is kept: entries as young as the index are the ones that Git looks at again.
        Files that the user told Git not to look at are looked at.
        """
        try:
            with (Path(self._repo.git_dir) / "index").open("rb") as source:
                found = os.fstat(source.fileno())
                with self._index.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
        except FileNotFoundError:
            return
        os.utime(self._index, ns=(found.st_atime_ns, found.st_mtime_ns))
        self._unhide()

    def ignores(self, folder: Path) -> bool:
        """Whether the user keeps a folder of the work tree out of the repository."""
        relative = folder.resolve().relative_to(self.root).as_posix()
        if relative == ".":
            return False
        return bool(self.run("check-ignore", "--", relative, ok=(0, 1)))

    def state(self, *pathspecs: str) -> RepoState:
        """What differs from the last commit."""
        flags = ("--porcelain=v2", "--branch", "--no-ahead-behind", "-z", "-uall", "--no-renames")
        return _parsed(self.root, self.paths("status", *flags, "--", ":(top)", *pathspecs))

    def inner(self) -> dict[str, str]:
        """Repositories inside this one that its index names: path to recorded commit."""
        lines = self.run("ls-files", "-s", "-z").split(b"\0")
        fields = [line.partition(b"\t") for line in lines if line.startswith(b"160000 ")]
        return {os.fsdecode(path): head.split()[1].decode() for head, _, path in fields}

    def receive(self, other: Repository, tree: str) -> None:
        """Copy a tree, and all that is in it, from another repository."""
        if not self._has(tree):
            wanted = f"{tree}\n".encode()
            pack = other.run("pack-objects", "-q", "--revs", "--stdout", stdin=wanted)
            self.run("unpack-objects", "-q", stdin=pack)

    def _has(self, tree: str) -> bool:
        """Whether a tree is here, with all that is in it."""
        try:
            self.run("rev-list", "--objects", "--quiet", tree)
        except SnapshotError:
            return False
        return True

    def _unhide(self) -> None:
        """Look at files marked ``assume-unchanged``, and ``skip-worktree`` though they exist."""
        lines = self.paths("ls-files", "-v", "-z")
        hidden = [line for line in lines if not line.startswith(("H ", "M "))]
        assumed = [line[2:] for line in hidden if line[0].islower()]
        skipped = [line[2:] for line in hidden if line[0] in "Ss"]
        skipped = [path for path in skipped if os.path.lexists(self.root / path)]
        if assumed:
            self.index_paths(("--no-assume-unchanged",), assumed)
        if skipped:
            self.index_paths(("--no-skip-worktree",), skipped)

    def _environment(self, work_tree: Path | None) -> dict[str, str]:
        environment = {**_ENVIRONMENT, "GIT_INDEX_FILE": str(self._index)}
        if "GIT_DIR" in os.environ:  # a Git hook, which names its own repository
            environment["GIT_DIR"] = str(self._repo.git_dir)
            environment["GIT_WORK_TREE"] = str(self.root)
        if work_tree is not None:
            environment["GIT_WORK_TREE"] = str(work_tree)
        return environment

    def _failed(self, command: str, stderr: str) -> SnapshotError:
        mend = next(mend for sign, mend in _MENDS if sign in stderr)
        lines = [line for line in stderr.strip().splitlines() if not line.startswith("hint:")]
        return SnapshotError(
            f"git {command} failed in {self.root}: {'; '.join(lines)}", mend.format(root=self.root)
        )


def is_below(path: str, folder: str) -> bool:
    """Whether a relative path is ``folder`` or lies in it."""
    return folder == "." or path == folder or path.startswith(folder + "/")


def _found(folder: Path) -> Repo | None:
    folder = folder.resolve()
    if not any((place / ".git").exists() for place in (folder, *folder.parents)):
        return None
    git = _gitpython()
    try:
        repo: Repo = git.Repo(folder, search_parent_directories=True)
    except (git.exc.InvalidGitRepositoryError, git.exc.NoSuchPathError):
        return None
    if repo.working_tree_dir is None:
        repo.close()
        return None
    return repo


def _gitpython() -> Any:
    """GitPython, which takes a tenth of a second to import and wants git itself."""
    try:
        import git
    except ImportError as error:
        raise SnapshotError(
            "git cannot be run, and this project is in a Git repository",
            "install git, or add to configs/mlxp_nb.yaml:  snapshot: off",
        ) from error
    return git


def _parsed(root: Path, lines: list[str]) -> RepoState:
    """The output of ``git status --porcelain=v2 --branch -z``, a line an item."""
    head: dict[str, str] = {}
    found: dict[str, str] = {}
    for line in lines:
        kind = line[0]
        if kind == "#":
            _, key, value = line.split(" ", 2)
            head[key] = value
        elif kind == "?":
            path = line[2:]
            # Removed from the index, and still there.
            found[path] = "modified" if found.get(path) == "deleted" else "untracked"
        elif kind == "1":
            _, _, _, in_head, _, in_work_tree, _, _, path = line.split(" ", 8)
            if int(in_head, 8) or int(in_work_tree, 8):
                found[path] = "modified" if int(in_work_tree, 8) else "deleted"
        elif kind == "u":
            *_, in_work_tree, _, _, _, path = line.split(" ", 10)
            found[path] = "modified" if int(in_work_tree, 8) else "deleted"
    commit, branch = head.get("branch.oid"), head.get("branch.head")
    kinds = ("modified", "untracked", "deleted")
    return RepoState(
        root,
        None if commit == "(initial)" else commit,
        None if branch == "(detached)" else branch,
        *(tuple(sorted(path for path in found if found[path] == kind)) for kind in kinds),
    )
