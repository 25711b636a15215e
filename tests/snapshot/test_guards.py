"""What must not be frozen by accident is refused by name, with the line that mends it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlxp_nb.errors import SnapshotError
from mlxp_nb.snapshot import Policy, SnapshotSettings, take
from tests.snapshot.conftest import held
from tests.support import git, write

SETTINGS = SnapshotSettings(max_file_mb=1)
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 3\n"


def make_large(path: Path, size_mb: float = 2) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(int(size_mb * 1e6)))


def objects(root: Path) -> int:
    return len(list((root / ".git/objects").rglob("*")))


def test_a_large_file_is_refused_before_it_is_hashed(repo: Path) -> None:
    make_large(repo / "weights/a.pt")
    before = objects(repo)
    with pytest.raises(SnapshotError, match=r"more than 1 MB\): weights/a.pt \(2 MB\)") as caught:
        take(repo, SETTINGS)
    assert objects(repo) == before
    assert caught.value.hint == (
        "add to .gitignore:  /weights/a.pt   "
        "and, if the runs read it, to configs/mlxp_nb.yaml:  link: [weights/a.pt]"
    )


def test_the_mend_of_a_large_file_holds(repo: Path) -> None:
    make_large(repo / "weights/a b[1].pt")
    with pytest.raises(SnapshotError) as caught:
        take(repo, SETTINGS)
    line = caught.value.hint.removeprefix("add to .gitignore:  ").partition("   and")[0]
    (repo / ".gitignore").write_text(f"{line}\n")
    assert "weights/a b[1].pt" not in held(repo, take(repo, SETTINGS).tree)


def test_linking_a_large_file_is_enough(repo: Path) -> None:
    make_large(repo / "weights/a.pt")
    taken = take(repo, replace(SETTINGS, link=("weights",)))
    assert "weights/a.pt" not in held(repo, taken.tree)


def test_the_line_to_add_keeps_what_is_linked_already(repo: Path) -> None:
    make_large(repo / "weights/a.pt")
    with pytest.raises(SnapshotError) as caught:
        take(repo, replace(SETTINGS, link=("data",)))
    assert caught.value.hint.endswith("link: [data, weights/a.pt]")


def test_the_line_to_add_is_relative_to_the_project(repo: Path) -> None:
    make_large(repo / "model/weights/a.pt")
    with pytest.raises(SnapshotError) as caught:
        take(repo / "model", SETTINGS)
    assert caught.value.hint.startswith(f"add to {repo}/.gitignore:  /model/weights/a.pt ")
    assert caught.value.hint.endswith("link: [weights/a.pt]")


def test_what_is_outside_the_project_cannot_be_linked(repo: Path) -> None:
    make_large(repo / "weights/a.pt")
    with pytest.raises(SnapshotError) as caught:
        take(repo / "model", SETTINGS)
    assert "link" not in caught.value.hint


def test_a_large_file_that_git_tracks_needs_another_limit(repo: Path) -> None:
    make_large(repo / "main.py")
    with pytest.raises(SnapshotError, match=r"main.py") as caught:
        take(repo, SETTINGS)
    assert caught.value.hint == "add to configs/mlxp_nb.yaml:  max_file_mb: 3"
    assert take(repo, replace(SETTINGS, max_file_mb=3)).tree


def test_a_large_file_that_is_committed_is_no_matter(repo: Path) -> None:
    make_large(repo / "weights/a.pt")
    git(repo, "add", "weights")
    git(repo, "commit", "-q", "-m", "weights")
    assert "weights/a.pt" in git(repo, "ls-tree", "-r", str(take(repo, SETTINGS).tree))


def test_a_large_included_file_is_refused(repo: Path) -> None:
    make_large(repo / "data/big.bin")
    with pytest.raises(SnapshotError, match=r"data/big.bin") as caught:
        take(repo, replace(SETTINGS, include=("data",)))
    assert caught.value.hint == "add to configs/mlxp_nb.yaml:  max_file_mb: 3"


def test_many_large_files_are_counted(repo: Path) -> None:
    for number in range(7):
        make_large(repo / f"w{number}.pt", 1.1)
    with pytest.raises(SnapshotError, match=r"w4.pt .* and 2 more"):
        take(repo, SETTINGS)


@pytest.mark.parametrize("policy", [Policy.HEAD, Policy.OFF])
def test_a_policy_that_copies_no_changed_file_refuses_none(repo: Path, policy: Policy) -> None:
    make_large(repo / "weights/a.pt")
    write(repo, {".env": "TOKEN=1\n"})
    take(repo, replace(SETTINGS, policy=policy))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param(".env", "TOKEN=1\n", id="env"),
        pytest.param("model/.env.production", "TOKEN=1\n", id="env-of-a-kind"),
        pytest.param(".netrc", "machine x\n", id="netrc"),
        pytest.param("id_ed25519", "anything\n", id="key-by-its-name"),
        pytest.param("deploy/server.pem", KEY, id="key-by-its-content"),
        pytest.param("notes", "-----BEGIN RSA PRIVATE KEY-----\n", id="rsa"),
        pytest.param("notes", "-----BEGIN PRIVATE KEY-----\n", id="pkcs8"),
        pytest.param("key.ppk", "PuTTY-User-Key-File-3: ssh-ed25519\n", id="putty"),
        pytest.param("main.py", KEY, id="in-a-tracked-file"),
    ],
)
def test_a_secret_is_refused_before_it_is_hashed(repo: Path, name: str, text: str) -> None:
    write(repo, {name: text})
    before = objects(repo)
    with pytest.raises(SnapshotError, match=f"secrets would be copied .*{name}") as caught:
        take(repo, SETTINGS)
    assert objects(repo) == before
    assert caught.value.hint in (
        f"add to .gitignore:  /{name}",
        f"add to configs/mlxp_nb.yaml:  exclude: ['*.ipynb', '{name}']",
    )
    assert ("exclude" in caught.value.hint) == (name == "main.py")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param(".env.example", "TOKEN=\n", id="example"),
        pytest.param("cert.pem", "-----BEGIN CERTIFICATE-----\n", id="certificate"),
        pytest.param("id_rsa.pub", "ssh-rsa AAAA\n", id="public-key"),
        pytest.param("keys.md", f"Write it so:\n{KEY}", id="text-about-keys"),
        pytest.param("environment.py", "x\n", id="module"),
    ],
)
def test_what_only_looks_like_a_secret_is_frozen(repo: Path, name: str, text: str) -> None:
    write(repo, {name: text})
    assert name in held(repo, take(repo, SETTINGS).tree)


def test_a_secret_that_is_asked_for_by_name_is_frozen(repo: Path) -> None:
    write(repo, {".env": "TOKEN=1\n"})
    assert ".env" in held(repo, take(repo, replace(SETTINGS, include=(".env",))).tree)


def test_a_secret_that_is_excluded_is_no_matter(repo: Path) -> None:
    write(repo, {".env": "TOKEN=1\n"})
    assert ".env" not in held(repo, take(repo, replace(SETTINGS, exclude=(".env",))).tree)


def test_an_environment_that_nobody_ignores_is_refused(repo: Path) -> None:
    write(repo, {"my env/pyvenv.cfg": "home = /usr/bin\n", "my env/lib/x.py": "1\n"})
    with pytest.raises(SnapshotError, match="my env is a Python environment") as caught:
        take(repo, SETTINGS)
    assert caught.value.hint == "add to .gitignore:  /my env/"


# Git LFS


@pytest.fixture
def lfs(repo: Path) -> Path:
    """A repository with a pointer, as a clone without git-lfs leaves it."""
    write(repo, {".gitattributes": "*.pt filter=lfs diff=lfs merge=lfs -text\n", "a.pt": POINTER})
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "weights")
    return repo


def without_lfs(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A PATH with git, and without git-lfs."""
    folder.mkdir()
    found = subprocess.run(["which", "git"], capture_output=True, text=True, check=True)
    (folder / "git").symlink_to(found.stdout.strip())
    monkeypatch.setenv("PATH", str(folder))


def test_a_pointer_without_git_lfs_is_refused(
    lfs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_lfs(monkeypatch, tmp_path / "bin")
    with pytest.raises(SnapshotError, match=r"git-lfs is not installed: a.pt") as caught:
        take(lfs, SETTINGS)
    assert caught.value.hint == f"install git-lfs; then: git -C {lfs} lfs pull"


def test_what_is_no_pointer_needs_no_git_lfs(
    lfs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_lfs(monkeypatch, tmp_path / "bin")
    write(lfs, {"a.pt": "weights\n", "notes.txt": POINTER})
    assert held(lfs, take(lfs, SETTINGS).tree)["a.pt"] == "weights"


def test_with_git_lfs_pointers_are_followed_later(
    lfs: Path, shell: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = shell("git-lfs", "cat")
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    assert take(lfs, SETTINGS).tree
