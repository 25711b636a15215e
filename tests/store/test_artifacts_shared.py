"""Equal content of a log directory takes its space once."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlxp_nb.core.run import RunPaths
from mlxp_nb.store import artifacts
from mlxp_nb.store.artifacts import Entry, shared


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return tmp_path / "logs"


def save(logs: Path, run_id: int, value: str, name: str = "x") -> Entry:
    return artifacts.save(RunPaths(logs / str(run_id)), value, name, "text")


def objects(logs: Path) -> dict[str, str]:
    folder = logs / ".mlxp_nb" / "objects"
    return {path.name: str(path.readlink()) for path in folder.iterdir()}


def is_shared(one: Entry, two: Entry) -> bool:
    return one.path.samefile(two.path)


def test_equal_content_is_one_file_and_another_is_not(logs: Path) -> None:
    one, two, other = save(logs, 1, "a"), save(logs, 2, "a", "deep/y"), save(logs, 3, "b")
    assert is_shared(one, two)
    assert not is_shared(one, other)
    assert objects(logs)[artifacts.content_of(one).sha256] == "../../1/artifacts/text/x"


def test_what_is_shared_cannot_be_changed_in_place_by_accident(logs: Path) -> None:
    assert save(logs, 1, "a").path.stat().st_mode & 0o222 == 0


def test_replacing_one_leaves_the_others(logs: Path) -> None:
    one, two = save(logs, 1, "a"), save(logs, 2, "a")
    save(logs, 1, "b")
    assert (artifacts.load(one), artifacts.load(two)) == ("b", "a")


def test_objects_of_what_was_replaced_or_removed_are_forgotten(logs: Path) -> None:
    for value in "abc":
        entry = save(logs, 1, value)
    assert list(objects(logs)) == [artifacts.content_of(entry).sha256]
    artifacts.remove(RunPaths(logs / "1"), entry)
    assert objects(logs) == {}


def test_a_deleted_run_frees_its_space_and_its_content_is_stored_anew(logs: Path) -> None:
    one = save(logs, 1, "a")
    with one.path.open("rb") as file:
        shutil.rmtree(logs / "1")
        assert os.fstat(file.fileno()).st_nlink == 0
    two, three = save(logs, 2, "a"), save(logs, 3, "a")
    assert is_shared(two, three)
    assert list(objects(logs).values()) == ["../../2/artifacts/text/x"]


def test_sweeping_drops_objects_of_deleted_runs_only(logs: Path) -> None:
    save(logs, 1, "a")
    save(logs, 2, "b")
    shutil.rmtree(logs / "1")
    assert len(shared.sweep(logs)) == 1
    assert list(objects(logs).values()) == ["../../2/artifacts/text/x"]
    assert shared.sweep(logs / "missing") == []


@pytest.mark.parametrize("changed", [b"b", b"longer"], ids=["same-size", "another-size"])
def test_a_file_that_was_changed_in_place_is_not_taken(logs: Path, changed: bytes) -> None:
    one = save(logs, 1, "a")
    one.path.chmod(0o644)
    one.path.write_bytes(changed)
    two, three = save(logs, 2, "a"), save(logs, 3, "a")
    assert artifacts.load(two) == "a"
    assert not is_shared(one, two)
    assert is_shared(two, three)


@pytest.mark.parametrize(
    "pointer",
    [
        pytest.param("../../../../secret", id="out-of-the-logs"),
        pytest.param("../..//secret", id="absolute"),
        pytest.param("../../1/../../secret", id="back-up"),
        pytest.param("../../link/secret", id="through-a-link"),
        pytest.param("../../1/artifacts/text/link", id="to-a-link"),
        pytest.param("../../pipe/x", id="to-a-pipe"),
        pytest.param("secret", id="beside-it"),
        pytest.param("../../", id="nothing"),
    ],
)
def test_an_object_that_leads_elsewhere_is_not_followed(
    logs: Path, tmp_path: Path, pointer: str
) -> None:
    entry = save(logs, 1, "a")
    folder = logs / ".mlxp_nb" / "objects"
    (tmp_path / "secret").write_text("a")
    (folder / "secret").write_text("a")
    (logs / "link").symlink_to(tmp_path)
    (logs / "pipe").mkdir()
    os.mkfifo(logs / "pipe" / "x")
    (logs / "1" / "artifacts" / "text" / "link").symlink_to(tmp_path / "secret")
    sha256 = artifacts.content_of(entry).sha256
    (folder / sha256).unlink()
    (folder / sha256).symlink_to(pointer)
    two = save(logs, 2, "a")
    assert artifacts.load(two) == "a"
    assert two.path.stat().st_nlink == 1


def test_a_log_directory_that_is_a_link_shares_too(logs: Path, tmp_path: Path) -> None:
    logs.mkdir()
    (tmp_path / "short").symlink_to(logs)
    assert is_shared(save(tmp_path / "short", 1, "a"), save(logs, 2, "a"))


def _refuse(number: int) -> Any:
    def call(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.EXDEV, errno.EMLINK])
def test_without_hard_links_each_keeps_a_copy(
    logs: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "link", _refuse(number))
    monkeypatch.setattr(shared, "clone", _refuse(errno.EOPNOTSUPP))
    one, two = save(logs, 1, "a"), save(logs, 2, "a")
    assert artifacts.load(one) == artifacts.load(two) == "a"
    assert not is_shared(one, two)
    assert not list(logs.rglob(".tmp-*"))


def test_without_hard_links_blocks_are_shared_where_that_is_possible(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloned: list[str] = []

    def clone(source: int, folder: int, name: str) -> None:
        cloned.append(name)
        target = os.open(name, os.O_WRONLY | os.O_CREAT, 0o444, dir_fd=folder)
        os.write(target, os.pread(source, 100, 0))
        os.close(target)

    monkeypatch.setattr(os, "link", _refuse(errno.EPERM))
    monkeypatch.setattr(shared, "clone", clone)
    save(logs, 1, "a")
    assert artifacts.load(save(logs, 2, "a")) == "a"
    assert len(cloned) == 1


def test_without_symbolic_links_nothing_is_shared_and_nothing_is_lost(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "symlink", _refuse(errno.EPERM))
    one, two = save(logs, 1, "a"), save(logs, 2, "a")
    assert artifacts.load(one) == artifacts.load(two) == "a"


def test_processes_that_store_the_same_at_once_all_have_it_and_share_it(logs: Path) -> None:
    code = """
import sys
from pathlib import Path
from mlxp_nb.core.run import RunPaths
from mlxp_nb.store import artifacts
input()
for n in range(20):
    artifacts.save(RunPaths(Path(sys.argv[1]) / sys.argv[2]), f"{n}" * 1000, f"x{n}", "text")
"""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(logs), str(run_id)], stdin=subprocess.PIPE, text=True
        )
        for run_id in range(1, 5)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.close()
    assert [process.wait() for process in started] == [0] * 4
    for n in range(20):
        paths = [logs / str(run_id) / "artifacts" / "text" / f"x{n}" for run_id in range(1, 5)]
        assert {path.read_text() for path in paths} == {f"{n}" * 1000}
        assert len({path.stat().st_ino for path in paths}) == 1
