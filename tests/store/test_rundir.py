"""Run directories."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mlxp_nb.core.run import RunRecord
from mlxp_nb.errors import LogDirError, RunError, StoreError
from mlxp_nb.store import files, rundir


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


def again(log_dir: Path, run_id: int, token: str | None) -> RunRecord:
    info = {"status": "STARTING", "created": "now"}
    return rundir.allocate(log_dir, {"a": 2}, info, forced_id=run_id, token=token)


@pytest.mark.parametrize("token", [None, "", "wrong"])
def test_a_run_goes_on_only_with_its_token(tmp_path: Path, token: str | None) -> None:
    allocate(tmp_path)
    with pytest.raises(RunError, match="run 1 exists already") as caught:
        again(tmp_path, 1, token)
    assert "mlxp.logger.token=" in caught.value.hint
    assert "MLXP_NB_TOKEN" in caught.value.hint
    assert rundir.read(tmp_path, 1).config == {"a": 1}


@pytest.mark.parametrize("status", ["STARTING", "RUNNING", "COMPLETE", "FAILED", "CANCELLED"])
def test_with_its_token_a_run_goes_on_as_its_next_attempt(tmp_path: Path, status: str) -> None:
    info = {"status": status, "created": "then", "end": {"reason": "x"}}
    first = rundir.allocate(tmp_path, {"a": 1}, info)
    second = again(tmp_path, 1, first.info["token"])
    record = rundir.read(tmp_path, 1)
    assert second.id == 1
    assert (record.info["attempt"], record.info["status"]) == (2, "STARTING")
    assert (record.info["created"], record.info["token"]) == ("then", first.info["token"])
    assert (record.config, "end" in record.info) == ({"a": 2}, False)
    assert '"REQUEUED"' in record.paths.events.read_text()


def test_a_run_of_mlxp_has_no_token_and_is_left_alone(tmp_path: Path) -> None:
    record = rundir.read(tmp_path, allocate(tmp_path))
    rundir.update_info(record.paths, {"status": "FAILED"})
    with pytest.raises(RunError, match="exists already"):
        again(tmp_path, 1, "None")


def advanced(log_dir: Path, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """The status on disk after trying to put one record in the place of another."""
    record = rundir.allocate(log_dir, {}, {"status": "STARTING"})
    rundir.update_info(record.paths, before)
    with contextlib.suppress(RunError):
        rundir.advance(record.paths, after)
    return str(rundir.read(log_dir, record.id).info["status"])


ME = {"hostname": "a", "process_id": 1, "process": {"boot_id": "b", "started": 1.0}}
OTHER = {**ME, "process_id": 2}


@pytest.mark.parametrize(
    ("before", "after", "is_written"),
    [
        pytest.param({"status": "STARTING"}, {"status": "RUNNING", **ME}, True, id="begin"),
        pytest.param({"status": "STARTING"}, {"status": "COMPLETE"}, False, id="end-unbegun"),
        pytest.param({"status": "STARTING"}, {"status": "CANCELLED"}, True, id="cancel"),
        pytest.param({"status": "RUNNING", **ME}, {"status": "COMPLETE", **ME}, True, id="end"),
        pytest.param(
            {"status": "RUNNING", **ME}, {"status": "COMPLETE", **OTHER}, False, id="not-mine"
        ),
        pytest.param({"status": "FAILED"}, {"status": "COMPLETE"}, False, id="second-end"),
        pytest.param({"status": "FAILED"}, {"status": "RUNNING"}, False, id="after-the-end"),
        pytest.param(
            {"status": "RUNNING", "attempt": 2, **ME},
            {"status": "COMPLETE", "attempt": 1, **ME},
            False,
            id="old-attempt",
        ),
        pytest.param(
            {"status": "RUNNING", "attempt": 1, **ME},
            {"status": "RUNNING", "attempt": 2, **OTHER},
            True,
            id="next-attempt",
        ),
        pytest.param(
            {"status": "RUNNING", "attempt": 1},
            {"status": "COMPLETE", "attempt": 2},
            False,
            id="end-of-an-attempt-not-begun",
        ),
        pytest.param(
            {"status": "COMPLETE"}, {"status": "RUNNING", "attempt": 2}, False, id="done-is-done"
        ),
    ],
)
def test_a_record_follows_another_only_where_it_may(
    tmp_path: Path, before: dict[str, Any], after: dict[str, Any], is_written: bool
) -> None:
    assert advanced(tmp_path, before, after) == (after if is_written else before)["status"]


def test_a_damaged_record_does_not_keep_the_end_from_being_written(tmp_path: Path) -> None:
    record = rundir.allocate(tmp_path, {}, {"status": "STARTING"})
    record.paths.info.write_text("{")
    rundir.advance(record.paths, {"status": "COMPLETE"})
    assert rundir.read(tmp_path, 1).info == {"status": "COMPLETE"}


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """A real disk that takes no larger file; Python ignores the signal that comes with it."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_the_end_is_recorded_where_the_whole_record_has_no_room(tmp_path: Path) -> None:
    record = rundir.allocate(tmp_path, {}, {"status": "STARTING"})
    running = {**record.info, "status": "RUNNING"}
    rundir.advance(record.paths, running)
    os.link(rundir.reserve(record.paths), tmp_path / "the-reserve")
    error = {"type": "E", "message": "m" * 1000, "traceback": "t" * 20_000}
    with file_size_limit(4096):
        rundir.advance(record.paths, {**running, "status": "FAILED", "error": error})
    info = rundir.read(tmp_path, 1).info
    assert (info["status"], info["error"]["type"]) == ("FAILED", "E")
    assert record.paths.info.samefile(tmp_path / "the-reserve")
    assert "disk was full" in info["error"]["traceback"]
    assert sorted(path.name for path in record.paths.metadata.iterdir()) == [
        "config.yaml",
        "info.yaml",
    ]


def test_what_is_no_end_is_not_written_at_the_cost_of_the_end(tmp_path: Path) -> None:
    record = rundir.allocate(tmp_path, {}, {"status": "STARTING"})
    with file_size_limit(0), pytest.raises(StoreError, match="what was there before stands"):
        rundir.advance(record.paths, {**record.info, "status": "RUNNING"})
    assert rundir.read(tmp_path, 1).info["status"] == "STARTING"
    assert rundir.reserve(record.paths).stat().st_size >= 4096


def test_the_reserve_becomes_the_record_without_new_blocks(tmp_path: Path) -> None:
    spare, record = tmp_path / "spare", tmp_path / "info.yaml"
    spare.write_bytes(bytes(4096))
    record.write_bytes(b"old")
    inode = spare.stat().st_ino
    assert not files.replace_from(spare, record, bytes(4097))
    assert record.read_bytes() == b"old"
    assert files.replace_from(spare, record, b"new")
    assert (record.read_bytes(), record.stat().st_ino, spare.exists()) == (b"new", inode, False)
    assert not files.replace_from(spare, record, b"newer")


def test_a_disk_that_is_full_leaves_no_half_run(tmp_path: Path) -> None:
    rundir.prepare(tmp_path)
    with file_size_limit(0), pytest.raises(StoreError, match="no run was made"):
        allocate(tmp_path)
    assert rundir.list_ids(tmp_path) == []
    assert [path.name for path in (tmp_path / rundir.OURS).iterdir()] == [".gitignore"]


def test_a_record_too_large_to_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"config.yaml would have 1.1 MB"):
        rundir.allocate(tmp_path, {"a": "x" * 1_100_000}, {"status": "STARTING"})
    assert rundir.list_ids(tmp_path) == []


@pytest.mark.parametrize("rename", [files.rename_new, files._rename_after_a_look])
@pytest.mark.parametrize(
    ("there", "is_done"),
    [
        pytest.param("nothing", True, id="free"),
        pytest.param("empty", False, id="empty-folder"),
        pytest.param("full", False, id="full-folder"),
        pytest.param("file", False, id="file"),
        pytest.param("link", False, id="dangling-link"),
    ],
)
def test_a_new_name_is_never_one_that_is_taken(
    tmp_path: Path, rename: Callable[[Path, Path], bool], there: str, is_done: bool
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    (old / "inside").mkdir(parents=True)
    if there in ("empty", "full"):
        new.mkdir()
    if there == "full":
        (new / "x").write_text("")
    if there == "file":
        new.write_text("")
    if there == "link":
        new.symlink_to("nowhere")
    assert rename(old, new) is is_done
    assert old.exists() is not is_done


def test_a_name_won_by_a_request_that_was_repeated_counts_as_won(tmp_path: Path) -> None:
    record = rundir.allocate(tmp_path, {}, {"status": "STARTING"})
    assert rundir._claim(tmp_path / "gone", record.path, record.info["token"])
    assert not rundir._claim(tmp_path / "gone", record.path, "another")


def test_the_hint_is_never_lowered(tmp_path: Path) -> None:
    rundir.prepare(tmp_path)
    for number in (5, 9, 3):
        rundir._note_hint(tmp_path, number)
    assert rundir._hint(tmp_path) == 9
    for number in range(10, 2000):
        rundir._note_hint(tmp_path, number)
    assert rundir._hint(tmp_path) == 1999


@pytest.mark.parametrize("damage", [b"", b"x", b"\0\0\0\0", b"99999999999999999999999\n", b"-4\n"])
def test_a_damaged_hint_costs_nothing_but_a_listing(tmp_path: Path, damage: bytes) -> None:
    allocate(tmp_path)
    (tmp_path / rundir.OURS / rundir.HINT).write_bytes(damage)
    assert allocate(tmp_path) == 2
    assert allocate(tmp_path) == 3


def test_an_id_that_another_writer_is_about_to_take_is_passed_over(tmp_path: Path) -> None:
    (rundir.prepare(tmp_path) / rundir.OURS / "claim-1").mkdir()
    assert allocate(tmp_path) == 2
    with pytest.raises(RunError, match="being made by another process"):
        allocate(tmp_path, forced_id=1)


def test_what_killed_writers_left_is_swept_when_it_is_old(tmp_path: Path) -> None:
    ours = rundir.prepare(tmp_path) / rundir.OURS
    for name in ("new-old", "new-young", "claim-7", "sweeps"):
        (ours / name / "metadata").mkdir(parents=True)
    (ours / ".tmp-old").write_text("")
    for name in ("new-old", "claim-7", ".tmp-old", "sweeps"):
        os.utime(ours / name, (0, 0))
    allocate(tmp_path)
    left = sorted(path.name for path in ours.iterdir())
    assert left == [".gitignore", "new-young", rundir.HINT, "sweeps"]


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
