"""MLXP's version manager, on our snapshots: no prompt, no commit, and a hash that is true."""

from __future__ import annotations

import importlib.metadata
import io
import sys
from pathlib import Path

import mlxp.version_manager
import pytest

import mlxp_nb
from mlxp_nb.errors import SnapshotError
from mlxp_nb.snapshot import GitVM
from tests.snapshot.conftest import footprint, held
from tests.support import git, write


@pytest.fixture(autouse=True)
def here(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo)
    monkeypatch.setattr(sys, "stdin", io.StringIO())  # a prompt would raise EOFError


def test_the_package_gives_it_under_mlxps_name() -> None:
    assert mlxp_nb.GitVM is GitVM


def test_it_tells_what_mlxps_own_tells() -> None:
    theirs = mlxp.version_manager.GitVM("./.work_dir", False)
    assert GitVM().get_info() == theirs.get_info()
    assert vars(GitVM()).keys() <= vars(theirs).keys()
    assert GitVM().parent_work_dir == theirs.parent_work_dir


def test_the_working_directory_is_the_same_place_in_the_copy(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repo / "model")
    manager = GitVM(parent_work_dir=str(repo / ".work_dir"))
    place = Path(manager.make_working_directory())
    assert place.name == "model"
    assert place.is_relative_to(repo / ".work_dir/thesis")
    assert (place / "mlp.py").read_text() == "committed\n"
    assert (place.parent / "main.py").read_text() == "modified\n"
    assert manager.work_dir == str(place)


def test_it_changes_nothing_and_says_nothing(repo: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = footprint(repo)[0]
    GitVM().make_working_directory()
    assert footprint(repo)[0] == before
    assert capfd.readouterr() == ("", "")


def test_the_hash_of_a_dirty_work_tree_is_of_what_runs(repo: Path) -> None:
    manager = GitVM()
    manager.make_working_directory()
    commit = manager.get_info()["commit_hash"]
    assert commit != git(repo, "rev-parse", "HEAD")
    assert held(repo, commit)["main.py"] == "modified"
    assert manager.get_info()["repo_path"] == str(repo)


def test_the_hash_of_a_clean_work_tree_is_the_users_commit(repo: Path) -> None:
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "all")
    manager = GitVM()
    manager.make_working_directory()
    assert manager.get_info()["commit_hash"] == git(repo, "rev-parse", "HEAD")


def test_results_do_not_change_the_copy(repo: Path) -> None:
    (repo / ".gitignore").write_text("data/\n")
    first = GitVM().make_working_directory()
    write(repo, {"logs/1/metadata/info.yaml": "status: RUNNING\n"})
    assert GitVM().make_working_directory() == first


def test_requirements_are_read_from_the_copy(repo: Path) -> None:
    write(repo, {"requirements.txt": "numpy\npyyaml>=6\n"})
    manager = GitVM()
    manager.make_working_directory()
    assert manager.get_info()["requirements"] == ["numpy", "pyyaml>=6"]


@pytest.mark.parametrize("compute", [True, False])
def test_requirements_are_computed_when_asked_for(compute: bool) -> None:
    manager = GitVM(compute_requirements=compute)
    manager.make_working_directory()
    told = manager.get_info()["requirements"]
    assert (f"pytest=={importlib.metadata.version('pytest')}" in told) == compute
    assert (told == ["UNKNOWN"]) != compute


def test_outside_a_repository_it_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plain").mkdir()
    monkeypatch.chdir(tmp_path / "plain")
    with pytest.raises(SnapshotError, match="is not in a Git repository") as caught:
        GitVM().make_working_directory()
    assert caught.value.hint.startswith("git init")
