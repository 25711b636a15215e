"""The manifest of a materialised tree: what changed in it is told, by name."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxp_nb.errors import SnapshotError
from mlxp_nb.store import tree
from mlxp_nb.store.tree import MANIFEST, Report
from tests.support import write

TREE = "0123456789abcdef0123456789abcdef01234567"
FILES = {"main.py": "x = 1\n", "model/mlp.py": "y = 2\n", "run.sh": "#!/bin/sh\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    write(folder, FILES)
    (folder / "run.sh").chmod(0o755)
    (folder / "latest").symlink_to("model/mlp.py")
    tree.write_manifest(folder, TREE)
    return folder


def test_a_tree_as_it_was_written_is_intact(folder: Path) -> None:
    report = tree.verify(folder, TREE)
    assert report == Report()
    assert report.is_intact
    assert report.describe() == ""


def _rewrite(path: Path) -> None:
    """Other content of the same size, and a time that differs."""
    path.write_bytes(path.read_bytes().swapcase())
    os.utime(path, ns=(1, 1))


def _make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("damage", "report"),
    [
        pytest.param(
            lambda f: _rewrite(f / "main.py"), Report(changed=("main.py",)), id="same-size"
        ),
        pytest.param(
            lambda f: (f / "main.py").write_text("longer than it was\n"),
            Report(changed=("main.py",)),
            id="other-size",
        ),
        pytest.param(
            lambda f: (f / "model/mlp.py").unlink(), Report(missing=("model/mlp.py",)), id="deleted"
        ),
        pytest.param(
            lambda f: (f / "run.sh").chmod(0o644), Report(changed=("run.sh",)), id="not-executable"
        ),
        pytest.param(
            lambda f: ((f / "latest").unlink(), (f / "latest").symlink_to("main.py")),
            Report(changed=("latest",)),
            id="link-elsewhere",
        ),
        pytest.param(
            lambda f: ((f / "latest").unlink(), (f / "latest").write_text("model/mlp.py")),
            Report(changed=("latest",)),
            id="file-for-a-link",
        ),
        pytest.param(
            lambda f: _make_pipe(f / "main.py"),
            Report(changed=("main.py",)),
            id="pipe-for-a-file",
        ),
        pytest.param(
            lambda f: ((f / "main.py").unlink(), (f / "main.py").mkdir()),
            Report(missing=("main.py",)),
            id="folder-for-a-file",
        ),
        pytest.param(
            lambda f: (f / "model/out.txt").write_text("1"),
            Report(strays=("model/out.txt",)),
            id="stray",
        ),
    ],
)
def test_says_what_is_not_as_it_was(
    folder: Path, damage: Callable[[Path], object], report: Report
) -> None:
    damage(folder)
    assert tree.verify(folder, TREE) == report


@pytest.mark.parametrize(
    "leave",
    [
        pytest.param(lambda f: os.utime(f / "main.py", ns=(1, 1)), id="a-time"),
        pytest.param(lambda f: (f / "main.py").chmod(0o444), id="read-only"),
        pytest.param(lambda f: (f / "data").symlink_to("/somewhere/data"), id="a-link-to-data"),
        pytest.param(lambda f: write(f, {"model/__pycache__/mlp.pyc": ""}), id="compiled"),
        pytest.param(lambda f: (f / "empty").mkdir(), id="an-empty-folder"),
    ],
)
def test_what_changes_no_source_is_no_matter(folder: Path, leave: Callable[[Path], object]) -> None:
    leave(folder)
    assert tree.verify(folder, TREE) == Report()


def test_a_relative_link_is_a_stray(folder: Path) -> None:
    (folder / "other").symlink_to("main.py")
    assert tree.verify(folder, TREE).strays == ("other",)


def test_a_compiled_file_that_is_tracked_is_watched(tmp_path: Path) -> None:
    write(tmp_path, {"__pycache__/a.pyc": "one"})
    tree.write_manifest(tmp_path, TREE)
    (tmp_path / "__pycache__/a.pyc").write_text("longer")
    assert tree.verify(tmp_path, TREE).changed == ("__pycache__/a.pyc",)


@pytest.mark.parametrize("name", ["with space.py", "naïve-ß-漢.py", "new\nline.py", b"\xff.py"])
def test_any_name_is_kept(tmp_path: Path, name: str | bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_text("1")
    assert tree.write_manifest(tmp_path, TREE).files.keys() == {path.name}
    assert tree.verify(tmp_path, TREE) == Report()
    path.unlink()
    assert tree.verify(tmp_path, TREE).missing == (path.name,)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(lambda f: (f / MANIFEST).unlink(), "has no manifest", id="missing"),
        pytest.param(lambda f: f.rename(f.with_name("gone")), "does not exist", id="no-folder"),
        pytest.param(lambda f: (f / MANIFEST).write_text("{"), "damaged manifest", id="torn"),
        pytest.param(lambda f: (f / MANIFEST).write_text("[]"), "damaged manifest", id="list"),
        pytest.param(lambda f: (f / MANIFEST).write_bytes(b"\xff"), "damaged", id="not-utf8"),
        pytest.param(
            lambda f: (f / MANIFEST).write_text(json.dumps({"tree": TREE, "files": {"a": [1]}})),
            "damaged manifest",
            id="short-entry",
        ),
    ],
)
def test_a_tree_without_a_good_manifest_is_refused(
    folder: Path, damage: Callable[[Path], object], said: str
) -> None:
    damage(folder)
    with pytest.raises(SnapshotError, match=said) as caught:
        tree.verify(folder, TREE)
    assert "launch the sweep again" in caught.value.hint


def test_another_tree_is_refused(folder: Path) -> None:
    other = "f" * 40
    with pytest.raises(SnapshotError, match="is snapshot 0123456, not fffffff"):
        tree.verify(folder, other)


def test_requiring_a_tree_names_its_damage(folder: Path) -> None:
    (folder / "main.py").write_text("changed\n")
    (folder / "run.sh").unlink()
    with pytest.raises(SnapshotError, match=r"\(changed: main.py; missing: run.sh\)"):
        tree.require(folder, TREE)


def test_requiring_a_tree_tells_strays_and_lets_them_be(folder: Path) -> None:
    (folder / "out.txt").write_text("1")
    assert tree.require(folder, TREE).strays == ("out.txt",)


def test_much_damage_is_counted(folder: Path) -> None:
    report = Report(changed=tuple(f"f{n}.py" for n in range(9)))
    assert report.describe() == "changed: f0.py, f1.py, f2.py, f3.py, f4.py and 4 more"


@pytest.mark.parametrize(
    ("format_", "tree_hash"),
    [pytest.param("sha1", "0" * 40, id="sha1"), pytest.param("sha256", "0" * 64, id="sha256")],
)
def test_contents_are_named_as_git_names_them(tmp_path: Path, format_: str, tree_hash: str) -> None:
    subprocess.run(["git", "init", "-q", f"--object-format={format_}", tmp_path], check=True)
    data = b"x" * (tree._BLOCK + 1)
    (tmp_path / "big").write_bytes(data)
    told = subprocess.run(
        ["git", "hash-object", "--no-filters", "big"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert tree.content_id(data, tree_hash) == told.stdout.strip()
    written = tree.write_manifest(tmp_path, tree_hash).files["big"]
    assert written.content == told.stdout.strip()
