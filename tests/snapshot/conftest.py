"""Real repositories, and what must be the same in them afterwards."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import git, write

Footprint = dict[str, tuple[object, ...]]


def _is_ours(path: str) -> bool:
    """Whether a snapshot may add to a folder of Git: objects, and what keeps them."""
    return path == "refs/mlxp" or path.rpartition("/")[2] == "objects"


def files_below(folder: Path, is_left_out: Callable[[str], bool]) -> Footprint:
    """Content, mode and time of every file, and the mode of every folder."""
    found: Footprint = {}
    for place, folders, names in os.walk(folder):
        relative = Path(place).relative_to(folder).as_posix()
        if is_left_out(relative):
            folders.clear()
            continue
        found[relative] = (stat.S_IMODE(Path(place).stat().st_mode),)
        for name in names:
            path = Path(place, name)
            told = path.lstat()
            content = path.readlink() if path.is_symlink() else path.read_bytes()
            found[f"{relative}/{name}"] = (content, told.st_mode, told.st_mtime_ns)
    return found


def footprint(root: Path) -> tuple[Footprint, Footprint]:
    """A repository and its work tree, byte by byte, but for what a snapshot adds."""
    git_dir = Path(git(root, "rev-parse", "--absolute-git-dir"))
    common = (root / git(root, "rev-parse", "--git-common-dir")).resolve()
    # Reading a split index freshens its shared part, so times are not compared in there.
    inside = {
        f"{place}:{path}": told[:2]
        for place in {git_dir.resolve(), common}
        for path, told in files_below(place, _is_ours).items()
    }
    return inside, files_below(root, lambda path: path == ".git")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A committed project, edited: one file modified, one new, one deleted, one ignored."""
    root = tmp_path / "thesis"
    write(
        root,
        {
            ".gitignore": "logs/\n.work_dir/\ndata/\n",
            "main.py": "committed\n",
            "model/mlp.py": "committed\n",
            "old.py": "committed\n",
            "staged.py": "committed\n",
        },
    )
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "first")
    write(root, {"main.py": "modified\n", "new.py": "new\n", "data/big.bin": "ignored\n"})
    write(root, {"staged.py": "staged\n"})
    git(root, "add", "staged.py")
    (root / "old.py").unlink()
    return root


def held(root: Path, tree: str | None) -> dict[str, str]:
    """The files of a tree as Git has them."""
    assert tree is not None
    names = git(root, "ls-tree", "-r", "-z", "--name-only", tree).split("\0")
    return {name: git(root, "cat-file", "-p", f"{tree}:{name}") for name in names if name}


@pytest.fixture
def shell(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a program that a repository is told to run."""

    def write_program(name: str, text: str) -> Path:
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        program.chmod(0o755)
        return program

    return write_program
