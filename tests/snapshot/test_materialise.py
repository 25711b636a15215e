"""A snapshot as a folder: complete or not there, read-only, whoever makes it and how often."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlxp_nb.errors import SnapshotError
from mlxp_nb.snapshot import Policy, Snapshot, SnapshotSettings, materialise, take
from mlxp_nb.store.tree import MANIFEST, Report, verify
from tests.snapshot.conftest import footprint
from tests.snapshot.test_take import KINDS
from tests.support import git, write

SETTINGS = SnapshotSettings()


def made(repo: Path, **settings: object) -> Path:
    """A snapshot of the work tree, as a folder."""
    taken = take(repo, replace(SETTINGS, **settings), outputs=[repo / ".work_dir"])  # type: ignore[arg-type]  # rows of settings
    return materialise(taken, repo / ".work_dir", project_dir=repo)


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text().strip()
        for path in folder.rglob("*")
        if path.is_file() and path.name != MANIFEST
    }


def is_read_only(folder: Path) -> bool:
    """By the bits, for a superuser may write anyway."""
    return not any(
        path.stat().st_mode & 0o222
        for path in (folder, *folder.rglob("*"))
        if not path.is_symlink()
    )


def test_the_folder_is_the_tree_at_its_place(repo: Path) -> None:
    taken = take(repo, SETTINGS)
    folder = materialise(taken, Path(".work_dir"), project_dir=repo)
    assert folder == repo / ".work_dir" / "thesis" / str(taken.tree)
    assert files(folder) == {
        ".gitignore": "logs/\n.work_dir/\ndata/",
        "main.py": "modified",
        "model/mlp.py": "committed",
        "new.py": "new",
        "staged.py": "staged",
    }
    assert verify(folder, str(taken.tree)) == Report()


def test_nothing_in_it_can_be_written(repo: Path) -> None:
    assert is_read_only(made(repo))


def test_modes_and_links_are_as_they_were(repo: Path) -> None:
    write(repo, {"run.sh": "#!/bin/sh\n"})
    (repo / "run.sh").chmod(0o755)
    (repo / "latest").symlink_to("model/mlp.py")
    folder = made(repo)
    assert stat.S_IMODE((folder / "run.sh").stat().st_mode) == 0o555
    assert stat.S_IMODE((folder / "main.py").stat().st_mode) == 0o444
    assert (folder / "latest").readlink() == Path("model/mlp.py")


def test_the_users_repository_stays_and_shows_nothing_of_it(repo: Path) -> None:
    (repo / ".gitignore").write_text("data/\n")
    before, status = footprint(repo)[0], git(repo, "status", "--porcelain")
    made(repo)
    assert footprint(repo)[0] == before
    assert git(repo, "status", "--porcelain") == status


def test_other_files_beside_the_snapshots_stay_seen(repo: Path) -> None:
    (repo / ".gitignore").write_text("data/\n")
    write(repo, {".work_dir/mine.txt": "1"})
    made(repo)
    assert git(repo, "status", "--porcelain", "-uall").splitlines()[-2:] == [
        "?? .work_dir/mine.txt",
        "?? new.py",
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_repository_of_any_kind_can_be_materialised(
    repo: Path, kind: Callable[[Path], Path]
) -> None:
    root = kind(repo)
    write(root, {"here.py": "here\n"})
    before = footprint(root)[0]
    folder = made(root)
    assert files(folder)["here.py"] == "here"
    assert footprint(root)[0] == before


def test_a_submodule_is_there_with_its_files(repo: Path) -> None:
    library = repo.parent / "library"
    write(library, {"lib.py": "committed\n"})
    git(library, "init", "-q")
    git(library, "add", "-A")
    git(library, "commit", "-q", "-m", "first")
    allow = ["-c", "protocol.file.allow=always"]
    git(repo, *allow, "submodule", "--quiet", "add", str(library), "library")
    folder = made(repo)
    assert files(folder)["library/lib.py"] == "committed"
    assert not (folder / "library/.git").exists()


def test_a_submodule_that_is_not_checked_out_is_an_empty_folder(repo: Path) -> None:
    commit = git(repo, "rev-parse", "HEAD")
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{commit},library")
    (repo / "library").mkdir()
    folder = made(repo)
    assert (folder / "library").is_dir()
    assert verify(folder, folder.name) == Report()


def test_what_a_sparse_checkout_leaves_out_is_there(repo: Path) -> None:
    git(repo, "reset", "-q", "--hard")
    git(repo, "sparse-checkout", "set", "--no-cone", "/main.py")
    assert files(made(repo))["model/mlp.py"] == "committed"


def test_a_snapshot_copied_into_a_project_is_not_taken_for_its_own(repo: Path) -> None:
    write(repo, {MANIFEST: "{}", f"copy/{MANIFEST}": "{}"})
    folder = made(repo)
    assert (folder / "copy" / MANIFEST).read_text() == "{}"
    assert verify(folder, folder.name) == Report()


def test_files_that_an_archive_would_leave_out_are_there(repo: Path) -> None:
    write(repo, {".gitattributes": "model export-ignore\n*.py export-subst\n"})
    assert "model/mlp.py" in files(made(repo))


@pytest.mark.parametrize(
    ("attributes", "config", "committed", "expected"),
    [
        pytest.param("*.txt eol=crlf\n", {}, b"a\r\nb\r\n", b"a\r\nb\r\n", id="crlf"),
        pytest.param("", {"core.autocrlf": "true"}, b"a\r\nb\r\n", b"a\r\nb\r\n", id="autocrlf"),
        pytest.param("*.txt ident\n", {}, b"$Id$\n", None, id="ident"),
        pytest.param(
            "*.txt working-tree-encoding=UTF-16LE\n",
            {},
            "naïve\n".encode("utf-16-le"),
            "naïve\n".encode("utf-16-le"),
            id="encoding",
        ),
        pytest.param(
            "*.txt filter=swap\n",
            {"filter.swap.clean": "tr a-z A-Z", "filter.swap.smudge": "tr A-Z a-z"},
            b"abc\n",
            b"abc\n",
            id="filter",
        ),
    ],
)
def test_files_that_git_converts_are_as_in_the_work_tree(
    repo: Path,
    attributes: str,
    config: dict[str, str],
    committed: bytes,
    expected: bytes | None,
) -> None:
    for key, value in config.items():
        git(repo, "config", key, value)
    write(repo, {".gitattributes": attributes})
    (repo / "a.txt").write_bytes(committed)
    written = (made(repo) / "a.txt").read_bytes()
    if expected is not None:
        assert written == expected
    else:
        assert written.startswith(b"$Id: ")


def test_a_file_committed_against_its_own_attributes_is_written_as_it_is(repo: Path) -> None:
    """``git add`` of the written file would give another blob; the bytes are right."""
    (repo / "a.txt").write_bytes(b"a\r\nb\r\n")
    git(repo, "add", "a.txt")
    write(repo, {".gitattributes": "*.txt text\n"})
    git(repo, "add", ".gitattributes")
    git(repo, "commit", "-q", "-m", "attributes later")
    assert (made(repo, policy=Policy.HEAD) / "a.txt").read_bytes() == b"a\r\nb\r\n"


def test_a_file_that_cannot_be_written_as_it_was_taken_is_refused(repo: Path) -> None:
    git(repo, "config", "filter.dice.clean", "cat")
    git(repo, "config", "filter.dice.smudge", "od -An -N8 -tx1 /dev/urandom")
    write(repo, {".gitattributes": "*.txt filter=dice\n", "a.txt": "1\n"})
    with pytest.raises(SnapshotError, match=r"was not written as it was taken: a.txt") as caught:
        made(repo)
    assert caught.value.hint
    assert not list((repo / ".work_dir/thesis").glob("*"))


def test_attributes_are_those_of_the_snapshot(repo: Path) -> None:
    write(repo, {".gitattributes": "*.txt eol=crlf\n", "a.txt": "a\n"})
    taken = take(repo, SETTINGS)
    write(repo, {".gitattributes": "*.txt eol=lf\n"})
    folder = materialise(taken, repo / ".work_dir", project_dir=repo)
    assert (folder / "a.txt").read_bytes() == b"a\r\n"


def test_what_is_there_is_used_again(repo: Path) -> None:
    folder = made(repo)
    before = folder.stat().st_ino
    assert made(repo) == folder
    assert folder.stat().st_ino == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_what_is_there_needs_no_git(repo: Path) -> None:
    taken = take(repo, SETTINGS)
    folder = materialise(taken, repo / ".work_dir", project_dir=repo)
    (repo / ".git").rename(repo / "hidden")
    assert materialise(taken, repo / ".work_dir", project_dir=repo) == folder


def test_strays_do_not_make_it_anew(repo: Path) -> None:
    folder = made(repo)
    folder.chmod(0o755)
    (folder / "stray.txt").write_text("1")
    assert made(repo) == folder
    assert (folder / "stray.txt").exists()


def _edit(folder: Path) -> None:
    (folder / "main.py").chmod(0o644)
    (folder / "main.py").write_text("edited\n")


def _empty(folder: Path) -> None:
    """Half made: nothing but some files."""
    folder.chmod(0o755)
    (folder / MANIFEST).unlink()
    (folder / "main.py").unlink()


def _file(folder: Path) -> None:
    folder.rename(folder.with_name("away"))
    folder.write_text("no folder")


def _nothing_in_it(folder: Path) -> None:
    folder.rename(folder.with_name("away"))
    folder.mkdir()


@pytest.mark.parametrize("damage", [_edit, _empty, _file, _nothing_in_it])
def test_what_is_damaged_is_not_trusted(repo: Path, damage: Callable[[Path], None]) -> None:
    folder = made(repo)
    whole = files(folder)
    damage(folder)
    assert made(repo) == folder
    assert files(folder) == whole
    assert is_read_only(folder)
    assert verify(folder, folder.name) == Report()


def test_what_a_run_wrote_in_a_damaged_one_is_kept_aside(repo: Path) -> None:
    folder = made(repo)
    _edit(folder)
    folder.chmod(0o755)
    (folder / "model.pt").write_text("weights")
    made(repo)
    aside = [path for path in folder.parent.iterdir() if path.name.startswith(".damaged-")]
    assert [(path / "model.pt").read_text() for path in aside] == ["weights"]


def race(repo: Path, code: str) -> list[str]:
    """Sixteen processes that do the same at once; what each printed."""
    start = (
        "import sys; from pathlib import Path; import git; from mlxp_nb.snapshot import *; "
        f"repo = Path({str(repo)!r}); print(flush=True); sys.stdin.read(); "
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", start + code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(16)
    ]
    for racer in racers:
        assert racer.stdout
        racer.stdout.readline()
    told = []
    for racer in racers:
        assert racer.stdin
        racer.stdin.close()
        racer.stdin = None
    for racer in racers:
        out, err = racer.communicate()
        assert racer.returncode == 0, err
        told.append(out.strip())
    return told


MAKE = "s = take(repo, SnapshotSettings()); print(materialise(s, repo / '.work_dir', project_dir=repo, link={link!r}))"  # noqa: E501


def test_sixteen_makers_at_once_end_with_one_complete_tree(repo: Path) -> None:
    told = set(race(repo, MAKE.format(link=())))
    folder = Path(told.pop())
    assert not told
    assert verify(folder, folder.name) == Report()
    assert is_read_only(folder)
    assert {path.name for path in folder.parent.iterdir()} <= {folder.name, ".lock"}


def test_sixteen_menders_at_once_end_with_one_complete_tree(repo: Path) -> None:
    folder = made(repo)
    _edit(folder)
    assert set(race(repo, MAKE.format(link=()))) == {str(folder)}
    assert verify(folder, folder.name) == Report()
    assert is_read_only(folder)
    left = [path.name for path in folder.parent.iterdir() if path.name.startswith(".tmp-")]
    assert left == []


def test_sixteen_linkers_at_once_end_with_the_links(repo: Path) -> None:
    write(repo, {"data/raw/x": "1", "cache/y": "2"})
    (repo / ".git/info/exclude").write_text("cache/\n")
    folder = Path(race(repo, MAKE.format(link=("data/raw", "cache")))[0])
    assert (folder / "data/raw").readlink() == repo / "data/raw"
    assert (folder / "cache").readlink() == repo / "cache"
    assert is_read_only(folder)


def test_nothing_frozen_cannot_be_materialised(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=r"nothing was frozen \(unversioned\)") as caught:
        materialise(Snapshot(Policy.WORKTREE), tmp_path, project_dir=tmp_path)
    assert caught.value.hint == "take it with policy worktree"


def test_a_tree_that_git_has_lost_is_said(repo: Path) -> None:
    taken = replace(take(repo, SETTINGS), tree="1" * 40)
    with pytest.raises(SnapshotError, match="git read-tree failed"):
        materialise(taken, repo / ".work_dir", project_dir=repo)
    assert not list((repo / ".work_dir/thesis").glob("*"))


def test_a_repository_that_is_gone_is_said(repo: Path) -> None:
    taken = take(repo, SETTINGS)
    (repo / ".git").rename(repo / "hidden")
    with pytest.raises(SnapshotError, match="is no Git repository any more"):
        materialise(taken, repo / ".work_dir", project_dir=repo)


def test_a_place_that_cannot_be_written_is_said(repo: Path) -> None:
    (repo / ".work_dir").write_text("a file")
    with pytest.raises(SnapshotError, match="the snapshot cannot be written"):
        made(repo)


def test_snapshots_among_the_sources_are_refused(repo: Path) -> None:
    with pytest.raises(SnapshotError, match="among the sources") as caught:
        materialise(take(repo, SETTINGS), Path(".."), project_dir=repo)
    assert "parent_work_dir" in caught.value.hint


# Links to the live project


def linked(repo: Path, *link: str, project: str = ".") -> Path:
    taken = take(repo / project, SnapshotSettings(link=link), outputs=[repo / ".work_dir"])
    return materialise(taken, repo / ".work_dir", project_dir=repo / project, link=link)


@pytest.mark.parametrize("when", ["at-first", "later"])
def test_an_ignored_folder_is_linked_at_its_place(repo: Path, when: str) -> None:
    if when == "later":
        made(repo)
    folder = linked(repo, "data")
    assert (folder / "data/big.bin").read_text() == "ignored\n"
    assert (folder / "data").readlink() == repo / "data"
    assert is_read_only(folder)
    assert verify(folder, folder.name) == Report()


def test_a_link_deep_in_ignored_folders_gets_folders(repo: Path) -> None:
    write(repo, {"data/a/b/c.bin": "1"})
    folder = linked(repo, "data/a/b", "./data/big.bin")
    assert (folder / "data/a/b").readlink() == repo / "data/a/b"
    assert (folder / "data/big.bin").readlink() == repo / "data/big.bin"
    assert is_read_only(folder)
    assert verify(folder, folder.name) == Report()


@pytest.mark.parametrize(
    "order", [("data/a", "data"), ("data", "data/a")], ids=["inner-first", "outer-first"]
)
def test_a_link_inside_a_link_is_shown_by_it(repo: Path, order: tuple[str, str]) -> None:
    write(repo, {"data/a/c.bin": "1"})
    for link in order:
        folder = linked(repo, link)
    assert (folder / "data").readlink() == repo / "data"
    assert (folder / "data/a/c.bin").read_text() == "1"
    assert is_read_only(folder)


def test_beside_tracked_files_everything_else_is_linked(repo: Path) -> None:
    """The usual ``data/.gitkeep``."""
    write(repo, {"data/.gitkeep": "", "data/sub/README": "1", "data/sub/x.bin": "1"})
    git(repo, "add", "-f", "data/.gitkeep", "data/sub/README")
    folder = linked(repo, "data")
    assert not (folder / "data/.gitkeep").is_symlink()
    assert (folder / "data/big.bin").readlink() == repo / "data/big.bin"
    assert (folder / "data/sub/x.bin").readlink() == repo / "data/sub/x.bin"
    assert verify(folder, folder.name) == Report()


def test_links_are_relative_to_the_project(repo: Path) -> None:
    write(repo, {"model/data/x": "1"})
    folder = linked(repo, "data", project="model")
    assert (folder / "model/data").readlink() == repo / "model/data"
    assert not (folder / "data").exists()


def test_a_link_to_a_link_follows_it_where_it_points_now(repo: Path, tmp_path: Path) -> None:
    for name in ("one", "other"):
        write(tmp_path, {f"{name}/x": name})
    (repo / ".git/info/exclude").write_text("scratch\n")
    (repo / "scratch").symlink_to(tmp_path / "one")
    folder = linked(repo, "scratch")
    (repo / "scratch").unlink()
    (repo / "scratch").symlink_to(tmp_path / "other")
    assert (folder / "scratch/x").read_text() == "other"


@pytest.mark.parametrize(
    ("link", "said"),
    [
        pytest.param("nowhere", "link: 'nowhere' does not exist in", id="missing"),
        pytest.param("/etc", "link: '/etc' is absolute", id="absolute"),
        pytest.param("../sibling", "link: '../sibling' is not inside", id="outside"),
        pytest.param("data/../../x", "link: 'data/../../x' is not inside", id="around-a-corner"),
        pytest.param(".", "link: '.' is not inside", id="the-project"),
        pytest.param("main.py", "link: 'main.py' is in the snapshot already", id="tracked"),
        pytest.param("model", "link: 'model' is in the snapshot already", id="all-tracked"),
    ],
)
def test_what_cannot_be_linked_is_refused_by_name(repo: Path, link: str, said: str) -> None:
    taken = take(repo, SETTINGS)
    with pytest.raises(SnapshotError, match=said) as caught:
        materialise(taken, repo / ".work_dir", project_dir=repo, link=[link])
    assert "link" in caught.value.hint or "make it" in caught.value.hint


def test_a_dangling_link_does_not_exist(repo: Path) -> None:
    (repo / "data/gone").symlink_to("/nowhere/at/all")
    with pytest.raises(SnapshotError, match="'data/gone' does not exist"):
        linked(repo, "data/gone")


def test_too_many_files_beside_tracked_ones_are_refused(repo: Path) -> None:
    write(repo, {f"data/{number}": "" for number in range(1001)})
    write(repo, {"data/.gitkeep": ""})
    git(repo, "add", "-f", "data/.gitkeep")
    with pytest.raises(SnapshotError, match="holds tracked files, and 1,002 others") as caught:
        linked(repo, "data")
    assert "data/raw" in caught.value.hint


def test_what_a_run_wrote_at_the_place_of_a_link_is_not_lost(repo: Path) -> None:
    folder = made(repo)
    folder.chmod(0o755)
    write(folder, {"data/result.txt": "1"})
    with pytest.raises(SnapshotError, match="'data' was written by a run"):
        linked(repo, "data")
    assert (folder / "data/result.txt").exists()


def test_a_project_that_was_moved_is_linked_anew(repo: Path) -> None:
    linked(repo, "data")
    moved = repo.rename(repo.with_name("moved"))
    (moved / ".work_dir/thesis").rename(moved / ".work_dir/moved")
    folder = linked(moved, "data")
    assert (folder / "data").readlink() == moved / "data"


def test_two_projects_do_not_share_their_links(repo: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(repo), "elsewhere/thesis")
    other = tmp_path / "elsewhere/thesis"
    for root in (repo, other):
        git(root, "reset", "-q", "--hard")
        git(root, "clean", "-qfd")
        write(root, {"data/x": "1"})
        taken = take(root, SETTINGS)
        if root == repo:
            materialise(taken, tmp_path / "shared", project_dir=root, link=["data"])
    with pytest.raises(SnapshotError, match="of another project") as caught:
        materialise(taken, tmp_path / "shared", project_dir=other, link=["data"])
    assert "parent_work_dir" in caught.value.hint


def test_links_of_runs_that_wait_stay_when_a_tree_is_mended(repo: Path) -> None:
    folder = linked(repo, "data")
    _edit(folder)
    assert materialise(take(repo, SETTINGS), repo / ".work_dir", project_dir=repo) == folder
    assert (folder / "data").readlink() == repo / "data"
    assert is_read_only(folder)


def test_a_folder_that_others_may_read_is_made(repo: Path) -> None:
    folder = made(repo)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777 & ~umask & ~0o222
