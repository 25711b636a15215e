"""Freezing a work tree: everything that would run is in it, and the user's repository stays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlxp_nb.errors import SnapshotError
from mlxp_nb.snapshot import Policy, RepoState, Snapshot, SnapshotSettings, inspect, take
from tests.snapshot.conftest import footprint, held
from tests.support import git, write

SETTINGS = SnapshotSettings()
WORKTREE = {
    ".gitignore": "logs/\n.work_dir/\ndata/",
    "main.py": "modified",
    "model/mlp.py": "committed",
    "new.py": "new",
    "staged.py": "staged",
}
COMMITTED = {
    ".gitignore": "logs/\n.work_dir/\ndata/",
    "main.py": "committed",
    "model/mlp.py": "committed",
    "old.py": "committed",
    "staged.py": "committed",
}


def snapshot_commit(root: Path, taken: Snapshot) -> str:
    return git(root, "rev-parse", f"refs/mlxp/snapshots/{taken.tree}")


# What is frozen


def test_the_work_tree_is_frozen_as_it_is(repo: Path) -> None:
    taken = take(repo, SETTINGS)
    assert held(repo, taken.tree) == WORKTREE


def test_what_differs_from_the_last_commit_is_told(repo: Path) -> None:
    taken = take(repo, SETTINGS)
    assert taken.modified == ("main.py", "staged.py")
    assert taken.untracked == ("new.py",)
    assert taken.deleted == ("old.py",)
    assert taken.describe() == "2 modified, 1 untracked, 1 deleted"
    assert taken.commit == git(repo, "rev-parse", "HEAD")
    assert taken.branch == "main"
    assert taken.short == git(repo, "rev-parse", f"refs/mlxp/snapshots/{taken.tree}^{{tree}}")[:7]


def test_a_clean_work_tree_has_the_tree_of_its_commit(repo: Path) -> None:
    git(repo, "reset", "-q", "--hard")
    git(repo, "clean", "-qfd")
    taken = take(repo, SETTINGS)
    assert taken.tree == git(repo, "rev-parse", "HEAD^{tree}")
    assert taken.describe() == "clean"


def test_the_snapshot_is_kept_by_a_reference_on_the_users_commit(repo: Path) -> None:
    taken = take(repo, SETTINGS)
    git(repo, "-c", "gc.pruneExpire=now", "gc", "-q", "--prune=now")
    assert held(repo, taken.tree) == WORKTREE
    assert git(repo, "rev-parse", f"{snapshot_commit(repo, taken)}^") == taken.commit


@pytest.mark.parametrize("policy", Policy)
def test_the_users_repository_is_byte_identical_afterwards(repo: Path, policy: Policy) -> None:
    write(repo, {"stashed.py": "1\n"})
    git(repo, "stash", "push", "-q", "-u", "--", "stashed.py")
    git(repo, "tag", "v1")
    git(repo, "config", "core.logAllRefUpdates", "always")
    if policy is Policy.STRICT:
        git(repo, "reset", "-q", "--hard")
        git(repo, "clean", "-qfd")
    before = footprint(repo)
    for _ in range(2):
        taken = take(repo, replace(SETTINGS, policy=policy))
    inspect(repo)
    assert footprint(repo) == before
    assert git(repo, "for-each-ref", "refs/mlxp") != "" or taken.tree is None


def test_the_same_content_gives_the_same_tree_and_commit(repo: Path) -> None:
    first = take(repo, SETTINGS)
    commit = snapshot_commit(repo, first)
    write(repo, {"main.py": "other\n"})
    assert take(repo, SETTINGS).tree != first.tree
    write(repo, {"main.py": "modified\n"})
    assert take(repo, SETTINGS) == first
    git(repo, "update-ref", "-d", f"refs/mlxp/snapshots/{first.tree}")
    assert take(repo, SETTINGS) == first
    assert snapshot_commit(repo, first) == commit


def test_another_clone_with_the_same_content_gives_the_same(repo: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(repo), "clone")
    clone = tmp_path / "clone"
    write(clone, {"main.py": "modified\n", "new.py": "new\n", "staged.py": "staged\n"})
    (clone / "old.py").unlink()
    one, other = take(repo, SETTINGS), take(clone, SETTINGS)
    assert one.tree == other.tree
    assert snapshot_commit(repo, one) == snapshot_commit(clone, other)


def test_the_commit_of_a_snapshot_tells_no_time_and_no_person(repo: Path) -> None:
    commit = snapshot_commit(repo, take(repo, SETTINGS))
    told = git(repo, "log", "-1", "--format=%an %ae %at %cn %ce %ct", commit)
    assert told == " ".join(["mlxp_nb mlxp_nb@localhost 1000000000"] * 2)


def test_modes_and_links_are_kept(repo: Path) -> None:
    write(repo, {"run.sh": "#!/bin/sh\n"})
    (repo / "run.sh").chmod(0o755)
    (repo / "latest").symlink_to("model/mlp.py")
    listed = git(repo, "ls-tree", str(take(repo, SETTINGS).tree))
    assert "100755 blob" in next(line for line in listed.splitlines() if line.endswith("run.sh"))
    assert "120000 blob" in next(line for line in listed.splitlines() if line.endswith("latest"))


def test_a_folder_replaced_by_a_link_is_a_link(repo: Path, tmp_path: Path) -> None:
    (repo / "model").rename(tmp_path / "model")
    (repo / "model").symlink_to(tmp_path / "model")
    tree = take(repo, SETTINGS).tree
    assert git(repo, "ls-tree", str(tree), "model").startswith("120000 blob")


def test_a_file_changed_in_the_same_tick_is_seen(repo: Path) -> None:
    """Git looks again at files as young as its index; a copy of the index must not be younger."""
    git(repo, "config", "core.trustctime", "false")
    moment = 1_700_000_000 * 10**9
    for file in (repo / "main.py", repo / ".git/index"):
        os.utime(file, ns=(moment, moment))
    git(repo, "add", "main.py")
    (repo / "main.py").write_text("MODIFIED\n")
    for file in (repo / "main.py", repo / ".git/index"):
        os.utime(file, ns=(moment, moment))
    assert held(repo, take(repo, SETTINGS).tree)["main.py"] == "MODIFIED"


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_a_file_that_git_was_told_not_to_look_at_is_looked_at(repo: Path, flag: str) -> None:
    git(repo, "update-index", flag, "model/mlp.py")
    write(repo, {"model/mlp.py": "hidden change\n"})
    before = footprint(repo)
    taken = take(repo, SETTINGS)
    assert held(repo, taken.tree)["model/mlp.py"] == "hidden change"
    assert "model/mlp.py" in taken.modified
    assert footprint(repo) == before


def test_what_a_sparse_checkout_leaves_out_is_frozen(repo: Path) -> None:
    git(repo, "reset", "-q", "--hard")
    git(repo, "sparse-checkout", "set", "--no-cone", "/main.py")
    write(repo, {"main.py": "modified\n"})
    taken = take(repo, SETTINGS)
    assert held(repo, taken.tree)["model/mlp.py"] == "committed"
    assert taken.describe() == "1 modified, 1 untracked"


def test_what_is_included_may_lie_outside_a_sparse_checkout(repo: Path) -> None:
    git(repo, "reset", "-q", "--hard")
    git(repo, "sparse-checkout", "set", "--no-cone", "/main.py")
    taken = take(repo, replace(SETTINGS, include=("data/big.bin",)))
    assert held(repo, taken.tree)["data/big.bin"] == "ignored"


def test_line_ends_are_as_git_has_them(repo: Path) -> None:
    git(repo, "config", "core.autocrlf", "true")
    git(repo, "config", "core.safecrlf", "true")
    (repo / "main.py").write_bytes(b"one\r\ntwo\r\nthree\n")
    assert held(repo, take(repo, SETTINGS).tree)["main.py"] == "one\ntwo\nthree"


def test_nothing_the_user_configured_runs(repo: Path, shell: Callable[[str, str], Path]) -> None:
    ran = repo.parent / "ran"
    program = shell("program", f"echo $0 >> {ran}")
    hooks = repo / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("pre-commit", "post-index-change", "reference-transaction", "post-checkout"):
        (hooks / hook).write_bytes(program.read_bytes())
        (hooks / hook).chmod(0o755)
    git(repo, "config", "core.fsmonitor", str(program))
    git(repo, "config", "gpg.program", str(program))
    git(repo, "config", "commit.gpgSign", "true")
    take(repo, SETTINGS)
    assert not ran.exists()


def test_sixteen_at_once_all_give_the_same(repo: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import git; from mlxp_nb import snapshot; "
        "print(flush=True); sys.stdin.read(); "
        f"print(snapshot.take(Path({str(repo)!r}), snapshot.SnapshotSettings()).tree)"
    )
    before = footprint(repo)
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(16)
    ]
    for taker in takers:
        assert taker.stdout
        taker.stdout.readline()
    trees = {taker.communicate()[0].strip() for taker in takers}
    assert len(trees) == 1
    assert held(repo, trees.pop()) == WORKTREE
    assert footprint(repo) == before


# Every kind of repository


def detached(repo: Path) -> Path:
    git(repo, "checkout", "-q", "--detach")
    return repo


def linked_worktree(repo: Path) -> Path:
    git(repo, "worktree", "add", "-q", "-b", "side", str(repo.parent / "side"))
    return repo.parent / "side"


def empty(repo: Path) -> Path:
    (repo.parent / "empty").mkdir()
    git(repo.parent / "empty", "init", "-q", "-b", "main")
    return repo.parent / "empty"


def odd_names(repo: Path) -> Path:
    odd = repo.rename(repo.parent / "a thesis, naïve ß 漢")
    write(odd, {"wei rd/naïve ß.py": "1\n", "new\nline.py": "1\n", "'quote\".py": "1\n"})
    write(odd, {"[glob]*.py": "1\n", ":(top)magic.py": "1\n", "-dash.py": "1\n"})
    return odd


def merging(repo: Path) -> Path:
    git(repo, "reset", "-q", "--hard")
    git(repo, "checkout", "-q", "-b", "theirs")
    write(repo, {"main.py": "theirs\n"})
    git(repo, "commit", "-q", "-am", "theirs")
    git(repo, "checkout", "-q", "main")
    write(repo, {"main.py": "ours\n"})
    git(repo, "commit", "-q", "-am", "ours")
    with pytest.raises(subprocess.CalledProcessError):
        git(repo, "merge", "-q", "theirs")
    return repo


def split_index(repo: Path) -> Path:
    git(repo, "config", "core.splitIndex", "true")
    git(repo, "update-index", "--split-index")
    return repo


def sha256(repo: Path) -> Path:
    root = repo.parent / "sha256"
    root.mkdir()
    git(root, "init", "-q", "-b", "main", "--object-format=sha256")
    return root


def committing(repo: Path) -> Path:
    """Another git command is at work."""
    (repo / ".git/index.lock").write_text("")
    return repo


def promised(repo: Path) -> Path:
    """``git add -N``."""
    git(repo, "add", "-N", "new.py")
    return repo


KINDS = [
    detached, linked_worktree, empty, odd_names, merging, split_index, sha256, committing, promised,
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_repository_of_any_kind_is_frozen_as_it_is(
    repo: Path, kind: Callable[[Path], Path]
) -> None:
    root = kind(repo)
    write(root, {"here.py": "here\n"})
    before = footprint(root)
    taken = take(root, SETTINGS)
    assert footprint(root) == before
    assert taken.root == root
    assert taken.untracked
    on_disk = {
        path.relative_to(root).as_posix(): path.read_text().strip()
        for path in root.rglob("*")
        if path.is_file() and ".git" not in path.parts and "data" not in path.parts
    }
    assert held(root, taken.tree) == on_disk


def test_an_empty_repository_has_no_commit_to_name(repo: Path) -> None:
    root = empty(repo)
    taken = take(root, SETTINGS)
    assert taken.commit is None
    assert taken.branch == "main"
    assert git(root, "log", "--format=%P", "-1", snapshot_commit(root, taken)) == ""


def test_a_detached_head_has_no_branch(repo: Path) -> None:
    assert take(detached(repo), SETTINGS).branch is None


def test_a_project_in_a_folder_of_the_repository_brings_all_of_it(repo: Path) -> None:
    taken = take(repo / "model", SETTINGS)
    assert taken.project == "model"
    assert taken.root == repo
    assert taken.tree == take(repo, SETTINGS).tree


def test_a_repository_reached_by_a_symbolic_link_is_the_same(repo: Path) -> None:
    (repo.parent / "short").symlink_to(repo)
    assert take(repo.parent / "short/model", SETTINGS) == take(repo / "model", SETTINGS)


def test_outside_a_repository_nothing_is_versioned(tmp_path: Path) -> None:
    taken = take(tmp_path, SETTINGS)
    assert taken == Snapshot(Policy.WORKTREE)
    assert taken.describe() == "unversioned"
    assert taken.short == ""
    assert inspect(tmp_path) is None


def test_a_folder_that_the_repository_ignores_is_outside(repo: Path) -> None:
    assert take(repo / "data", SETTINGS) == Snapshot(Policy.WORKTREE)
    assert inspect(repo / "data") is None


def test_a_bare_repository_is_outside(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "bare/.git")
    assert take(tmp_path / "bare", SETTINGS).root is None


def test_a_git_hook_that_launches_freezes_its_own_project(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    git(tmp_path, "init", "-q", "other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
    taken = take(repo, SETTINGS)
    monkeypatch.undo()
    assert held(repo, taken.tree) == WORKTREE


# Repositories inside the repository


@pytest.fixture
def library(tmp_path: Path) -> Path:
    root = tmp_path / "library"
    write(root, {"lib.py": "committed\n", ".gitignore": "built/\n"})
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "first")
    return root


@pytest.fixture
def submodule(repo: Path, library: Path) -> Path:
    allow = ["-c", "protocol.file.allow=always"]
    git(repo, *allow, "submodule", "--quiet", "add", str(library), "deep/library")
    git(repo, "commit", "-q", "-m", "with a submodule")
    return repo / "deep/library"


def test_a_submodule_is_frozen_with_its_files(repo: Path, submodule: Path) -> None:
    write(submodule, {"lib.py": "edited\n", "extra.py": "extra\n", "built/x.o": "ignored\n"})
    before = footprint(repo), footprint(submodule)
    taken = take(repo, SETTINGS)
    assert (footprint(repo), footprint(submodule)) == before
    files = held(repo, taken.tree)
    assert files["deep/library/lib.py"] == "edited"
    assert files["deep/library/extra.py"] == "extra"
    assert "deep/library/built/x.o" not in files
    assert "deep/library" in taken.modified


def test_a_submodule_is_frozen_without_its_own_repository(repo: Path, submodule: Path) -> None:
    taken = take(repo, SETTINGS)
    git(repo, "submodule", "--quiet", "deinit", "-f", "deep/library")
    assert held(repo, taken.tree)["deep/library/lib.py"] == "committed"
    assert take(repo, SETTINGS).tree != taken.tree


def test_the_recorded_commit_of_a_submodule_is_of_the_head(repo: Path, submodule: Path) -> None:
    write(submodule, {"lib.py": "later\n"})
    git(submodule, "commit", "-q", "-am", "later")
    taken = take(repo, replace(SETTINGS, policy=Policy.HEAD))
    assert held(repo, taken.tree)["deep/library/lib.py"] == "committed"


def test_a_repository_inside_that_git_does_not_track_is_frozen(repo: Path, library: Path) -> None:
    library.rename(repo / "library")
    write(repo, {"library/lib.py": "edited\n"})
    taken = take(repo, SETTINGS)
    assert held(repo, taken.tree)["library/lib.py"] == "edited"
    assert "library/" in taken.untracked


def test_a_repository_inside_that_git_does_not_track_is_not_of_the_head(
    repo: Path, library: Path
) -> None:
    library.rename(repo / "library")
    taken = take(repo, replace(SETTINGS, policy=Policy.HEAD))
    assert held(repo, taken.tree) == COMMITTED


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param({"library/.git/HEAD": "damaged\n"}, id="a-folder"),
        pytest.param({"library/.git": "gitdir: /nowhere\n"}, id="a-file"),
    ],
)
def test_a_damaged_repository_inside_is_refused(
    repo: Path, library: Path, damaged: dict[str, str]
) -> None:
    library.rename(repo / "library")
    git(repo, "add", "library")
    (repo / "library/.git").rename(repo.parent / "away")
    write(repo, damaged)
    with pytest.raises(SnapshotError, match="git repository") as caught:
        take(repo, SETTINGS)
    assert caught.value.hint


def test_a_repository_inside_without_a_commit_is_frozen(repo: Path) -> None:
    write(repo, {"fresh/lib.py": "1\n"})
    git(repo / "fresh", "init", "-q")
    assert held(repo, take(repo, SETTINGS).tree)["fresh/lib.py"] == "1"


def test_what_is_left_out_is_left_out_of_submodules_too(repo: Path, submodule: Path) -> None:
    write(submodule, {"a.ipynb": "{}", "results/1.txt": "1"})
    taken = take(repo, SETTINGS, outputs=[submodule / "results"])
    files = held(repo, taken.tree)
    assert not {"deep/library/a.ipynb", "deep/library/results/1.txt"} & set(files)


# What is left out, and what is brought along


def test_notebooks_are_left_out_even_when_git_tracks_them(repo: Path) -> None:
    write(repo, {"a.ipynb": "1", "model/b.ipynb": "1"})
    git(repo, "add", "a.ipynb")
    git(repo, "commit", "-q", "-m", "a notebook")
    first = take(repo, SETTINGS)
    assert not [name for name in held(repo, first.tree) if name.endswith(".ipynb")]
    write(repo, {"a.ipynb": "2", "model/b.ipynb": "2"})
    second = take(repo, SETTINGS)
    assert (first.tree, first.modified) == (second.tree, second.modified)


@pytest.mark.parametrize(
    ("glob", "gone"),
    [
        pytest.param("*.txt", {"model/a.txt", "b.txt", "model/deep/a.txt"}, id="everywhere"),
        pytest.param("deep", {"model/deep/a.txt"}, id="a-folder-of-that-name"),
        pytest.param("deep/", {"model/deep/a.txt"}, id="with-a-slash-at-its-end"),
        pytest.param("deep/*.txt", {"model/deep/a.txt"}, id="from-the-project"),
        pytest.param("./a.txt", {"model/a.txt"}, id="the-project-itself"),
    ],
)
def test_globs_leave_out(repo: Path, glob: str, gone: set[str]) -> None:
    names = {"model/a.txt", "b.txt", "model/deep/a.txt"}
    write(repo, dict.fromkeys(names, "1"))
    taken = take(repo / "model", replace(SETTINGS, exclude=(glob,)))
    assert names - set(held(repo, taken.tree)) == gone


def test_outputs_are_left_out_even_when_git_tracks_them(repo: Path) -> None:
    (repo / ".gitignore").write_text("")
    write(repo, {"results/1/metrics.json": "1"})
    git(repo, "add", "results")
    git(repo, "commit", "-q", "-m", "results")
    outputs = [repo / "results", repo / "snapshots", repo.parent / "elsewhere"]
    first = take(repo, SETTINGS, outputs=outputs)
    write(repo, {"results/2/metrics.json": "1", "results/1/metrics.json": "2", "snapshots/x": ""})
    assert take(repo, SETTINGS, outputs=outputs) == first
    assert not [name for name in held(repo, first.tree) if "results" in name]


def test_an_output_that_is_a_link_is_left_out(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (repo / "results").symlink_to(tmp_path / "scratch")
    taken = take(repo, SETTINGS, outputs=[repo / "results"])
    assert held(repo, taken.tree) == WORKTREE
    assert taken.untracked == ("new.py",)


def test_results_beside_the_sources_are_refused(repo: Path) -> None:
    with pytest.raises(SnapshotError, match="among the sources") as caught:
        take(repo / "model", SETTINGS, outputs=[repo])
    assert "logs for instance" in caught.value.hint


def test_ignored_files_are_brought_along_when_asked_for(repo: Path) -> None:
    taken = take(repo, replace(SETTINGS, include=("data/big.bin",)))
    assert held(repo, taken.tree)["data/big.bin"] == "ignored"
    assert take(repo, SETTINGS).tree != taken.tree


def test_what_is_included_is_relative_to_the_project(repo: Path) -> None:
    write(repo, {"model/data/x": "1\n"})
    taken = take(repo / "model", replace(SETTINGS, include=("data",)))
    assert "model/data/x" in held(repo, taken.tree)
    assert "data/big.bin" not in held(repo, taken.tree)


@pytest.mark.parametrize(
    ("include", "said"),
    [
        pytest.param("nowhere", "include: 'nowhere' does not exist", id="missing"),
        pytest.param("/etc/passwd", "not a path inside the repository", id="absolute"),
        pytest.param("../../outside", "not a path inside the repository", id="outside"),
        pytest.param(".", "not a path inside the repository", id="everything"),
    ],
)
def test_what_cannot_be_included_is_refused(repo: Path, include: str, said: str) -> None:
    with pytest.raises(SnapshotError, match=said) as caught:
        take(repo, replace(SETTINGS, include=(include,)))
    assert caught.value.hint


def test_what_is_linked_is_left_out_but_for_what_git_tracks(repo: Path) -> None:
    write(repo, {"sets/raw.bin": "1", "sets/README.md": "1"})
    git(repo, "add", "sets/README.md")
    git(repo, "commit", "-q", "-m", "read me")
    write(repo, {"sets/README.md": "2"})
    taken = take(repo, replace(SETTINGS, link=("sets",), max_file_mb=50))
    files = held(repo, taken.tree)
    assert files["sets/README.md"] == "2"
    assert "sets/raw.bin" not in files
    assert "sets/raw.bin" not in taken.untracked


# The other policies


def test_the_head_is_its_tree_and_says_what_it_leaves_out(repo: Path) -> None:
    taken = take(repo, replace(SETTINGS, policy=Policy.HEAD))
    assert held(repo, taken.tree) == COMMITTED
    assert taken.tree == git(repo, "rev-parse", "HEAD^{tree}")
    assert taken.describe() == "without 2 modified, 1 untracked, 1 deleted"
    assert taken.untracked == ("new.py",)


def test_strict_refuses_a_dirty_work_tree_by_name(repo: Path) -> None:
    with pytest.raises(
        SnapshotError, match=r"main.py, staged.py, new.py, old.py \(gone\)"
    ) as caught:
        take(repo, replace(SETTINGS, policy=Policy.STRICT))
    assert "git commit" in caught.value.hint


def test_strict_takes_a_clean_work_tree(repo: Path) -> None:
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "all")
    write(repo, {"a.ipynb": "1"})
    taken = take(repo, replace(SETTINGS, policy=Policy.STRICT))
    assert taken.tree == git(repo, "rev-parse", "HEAD^{tree}")


def test_off_freezes_nothing_and_says_where_it_ran(repo: Path) -> None:
    taken = take(repo, replace(SETTINGS, policy=Policy.OFF))
    assert taken.tree is None
    assert taken.root == repo
    assert taken.commit == git(repo, "rev-parse", "HEAD")
    assert taken.describe() == "2 modified, 1 untracked, 1 deleted"
    assert git(repo, "for-each-ref", "refs/mlxp") == ""


@pytest.mark.parametrize("policy", [Policy.HEAD, Policy.STRICT])
def test_a_policy_about_commits_needs_one(repo: Path, tmp_path: Path, policy: Policy) -> None:
    settings = replace(SETTINGS, policy=policy)
    with pytest.raises(SnapshotError, match="has no commit yet"):
        take(empty(repo), settings)
    (tmp_path / "plain").mkdir()
    with pytest.raises(SnapshotError, match="is not in a Git repository") as caught:
        take(tmp_path / "plain", settings)
    assert "git init" in caught.value.hint


# What is recorded


def test_the_record_says_what_was_frozen(repo: Path) -> None:
    taken = take(repo, SETTINGS)
    assert taken.as_info() == {
        "policy": "worktree",
        "tree": taken.tree,
        "commit": git(repo, "rev-parse", "HEAD"),
        "branch": "main",
        "dirty": {
            "modified": ["main.py", "staged.py"],
            "untracked": ["new.py"],
            "deleted": ["old.py"],
        },
        "repository": str(repo),
    }


def test_a_record_names_a_hundred_files_and_counts_the_others() -> None:
    names = tuple(f"{number:03}.py" for number in range(130))
    dirty = Snapshot(Policy.WORKTREE, untracked=names).as_info()["dirty"]
    assert dirty["untracked"] == list(names[:100])
    assert dirty["more"] == {"untracked": 30}


def test_the_state_of_a_work_tree_is_told(repo: Path) -> None:
    state = inspect(repo / "model")
    assert state == RepoState(
        root=repo,
        commit=git(repo, "rev-parse", "HEAD"),
        branch="main",
        modified=("main.py", "staged.py"),
        untracked=("new.py",),
        deleted=("old.py",),
    )
    assert state.is_dirty


def test_a_file_taken_out_of_the_index_and_kept_is_modified(repo: Path) -> None:
    git(repo, "rm", "-q", "--cached", "model/mlp.py")
    state = inspect(repo)
    assert state is not None
    assert "model/mlp.py" in state.modified
    assert "model/mlp.py" not in (*state.untracked, *state.deleted)


def test_a_file_staged_and_deleted_again_is_nothing(repo: Path) -> None:
    write(repo, {"short.py": "1"})
    git(repo, "add", "short.py")
    (repo / "short.py").unlink()
    state = inspect(repo)
    assert state is not None
    assert "short.py" not in (*state.modified, *state.untracked, *state.deleted)


# When Git cannot


def test_what_git_says_is_handed_on(repo: Path) -> None:
    (repo / ".git/index").write_bytes(b"damaged")
    with pytest.raises(SnapshotError, match=r"git ls-files failed in .*index") as caught:
        take(repo, SETTINGS)
    assert caught.value.hint == f"git -C {repo} status"


def test_off_does_not_need_a_repository_that_works(repo: Path) -> None:
    (repo / ".git/index").write_bytes(b"damaged")
    assert take(repo, replace(SETTINGS, policy=Policy.OFF)) == Snapshot(Policy.OFF)


def test_a_repository_of_somebody_else_is_refused_with_the_way_to_trust_it(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(SnapshotError, match="dubious ownership") as caught:
        take(repo, SETTINGS)
    assert caught.value.hint == f"git config --global --add safe.directory {repo}"


def test_git_is_needed_only_in_a_repository(repo: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from mlxp_nb import snapshot as s; "
        "print(s.take(Path(sys.argv[1]), s.SnapshotSettings(s.Policy(sys.argv[2]))).describe())"
    )

    def run(folder: Path, policy: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, str(folder), policy],
            env={"PATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    (tmp_path / "plain").mkdir()
    assert run(tmp_path / "plain", "worktree").stdout == "unversioned\n"
    assert run(repo, "off").stdout == "unversioned\n"
    assert "hint: install git, or add" in run(repo, "worktree").stderr
