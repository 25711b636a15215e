"""Run directories."""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path

import pytest

from mlxp_nb.errors import LogDirError, RunError
from mlxp_nb.store import rundir


def allocate(log_dir: Path, forced_id: int | None = None) -> int:
    return rundir.allocate(log_dir, {"a": 1}, {"status": "STARTING"}, forced_id=forced_id).id


def test_ids_begin_at_one_and_rise(tmp_path: Path) -> None:
    assert [allocate(tmp_path / "logs") for _ in range(3)] == [1, 2, 3]
    assert rundir.list_ids(tmp_path / "logs") == [1, 2, 3]


def test_an_id_is_not_given_twice_after_its_run_was_deleted(tmp_path: Path) -> None:
    for _ in range(2):
        allocate(tmp_path)
    shutil.rmtree(tmp_path / "2")
    assert allocate(tmp_path) == 3


def test_a_lost_hint_costs_nothing_but_a_listing(tmp_path: Path) -> None:
    for _ in range(2):
        allocate(tmp_path)
    (tmp_path / rundir.OURS / rundir.HINT).unlink()
    assert allocate(tmp_path) == 3


def test_a_stale_hint_never_overwrites_a_run(tmp_path: Path) -> None:
    for _ in range(3):
        allocate(tmp_path)
    (tmp_path / rundir.OURS / rundir.HINT).write_text("1\n")
    assert allocate(tmp_path) == 4


def test_an_empty_directory_of_another_writer_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / rundir.OURS).mkdir()
    (tmp_path / rundir.OURS / rundir.HINT).write_text("1\n")
    assert allocate(tmp_path) == 2
    assert not list((tmp_path / "1").iterdir())


def test_a_run_is_complete_when_it_appears(tmp_path: Path) -> None:
    record = rundir.read(tmp_path, allocate(tmp_path))
    assert record.problem is None
    assert record.config == {"a": 1}
    assert record.info["status"] == "STARTING"
    assert record.info["logger"]["log_id"] == 1
    assert record.info["logger"]["log_dir"] == str(tmp_path / "1")
    assert not [p for p in (tmp_path / rundir.OURS).iterdir() if p.name.startswith("new-")]


def test_a_forced_id_is_taken_or_refused(tmp_path: Path) -> None:
    assert allocate(tmp_path, forced_id=7) == 7
    with pytest.raises(RunError, match="run 7 exists already"):
        allocate(tmp_path, forced_id=7)
    assert allocate(tmp_path) == 8


def _allocate_many(log_dir: Path, count: int) -> list[int]:
    return [allocate(log_dir) for _ in range(count)]


def test_eight_processes_at_once_never_share_an_id(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(8) as pool:
        ids = pool.starmap(_allocate_many, [(tmp_path, 10)] * 8)
    assert sorted(i for some in ids for i in some) == list(range(1, 81))


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        pytest.param("info.yaml", b"", "holds NoneType", id="empty"),
        pytest.param("info.yaml", b"a: [1", "is not YAML", id="torn"),
        pytest.param("info.yaml", b"- 1\n", "holds list", id="a-list"),
        pytest.param("info.yaml", b"a: \xff\xfe\n", "is not YAML", id="not-utf-8"),
        pytest.param("config.yaml", b"!!python/object:os.system {}", "is not YAML", id="tag"),
    ],
)
def test_a_damaged_run_says_what_is_wrong(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    allocate(tmp_path)
    (tmp_path / "1" / "metadata" / name).write_bytes(content)
    if name == "config.yaml":
        rundir.update_info(rundir.read(tmp_path, 1).paths, {"status": "COMPLETE"})
    record = rundir.read(tmp_path, 1)
    assert problem in (record.problem or "")


@pytest.mark.parametrize("text", ["1: a", "d: 2024-01-01", "{}", ""])
def test_legal_yaml_is_read(tmp_path: Path, text: str) -> None:
    allocate(tmp_path)
    (tmp_path / "1" / "metadata" / "config.yaml").write_text(text)
    assert rundir.read(tmp_path, 1).problem is None


@pytest.mark.parametrize("name", ["٣", "²", "0003", "x", ".mlxp_nb", "-1", "1.5"])
def test_only_plain_numbers_are_runs(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert rundir.list_ids(tmp_path) == []


def test_what_is_no_log_directory_is_refused_with_the_nearest(tmp_path: Path) -> None:
    allocate(tmp_path / "logs")
    (tmp_path / "file").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("")
    for name, problem in [
        ("nope", "no log directory"),
        ("file", "is a file"),
        ("other", "no runs"),
    ]:
        with pytest.raises(LogDirError, match=problem) as caught:
            rundir.check_log_dir(tmp_path / name)
        assert str(tmp_path / "logs") in caught.value.hint
    assert rundir.check_log_dir(tmp_path / "logs") == tmp_path / "logs"
