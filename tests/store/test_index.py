"""The index of a log directory."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mlxp_nb.store import rundir
from mlxp_nb.store.index import Delta, Index


def make(log_dir: Path, count: int = 3) -> Index:
    for _ in range(count):
        rundir.allocate(log_dir, {"a": 1}, {"status": "STARTING"})
    return Index(log_dir)


def test_the_first_look_brings_everything_and_the_second_nothing(tmp_path: Path) -> None:
    index = make(tmp_path)
    assert index.refresh() == Delta(added=(1, 2, 3))
    assert index.refresh() == Delta()
    assert list(index.records) == [1, 2, 3]


def test_changes_are_told_apart(tmp_path: Path) -> None:
    index = make(tmp_path)
    index.refresh()
    rundir.update_info(index.records[2].paths, {"status": "COMPLETE"})
    shutil.rmtree(tmp_path / "1")
    rundir.allocate(tmp_path, {}, {"status": "STARTING"})
    assert index.refresh() == Delta(added=(4,), changed=(2,), removed=(1,))
    assert index.records[2].info["status"] == "COMPLETE"


def test_a_file_put_back_with_its_old_time_is_seen(tmp_path: Path) -> None:
    index = make(tmp_path, 1)
    index.refresh()
    paths = index.records[1].paths
    before = paths.info.stat()
    rundir.update_info(paths, {"status": "STARTINX"})
    os.utime(paths.info, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert index.refresh().changed == (1,)


def test_unchanged_runs_are_not_read_again(tmp_path: Path) -> None:
    index = make(tmp_path)
    index.refresh()
    kept = index.records[1]
    rundir.update_info(index.records[2].paths, {"status": "COMPLETE"})
    index.refresh()
    assert index.records[1] is kept


def test_it_can_look_at_some_runs_only(tmp_path: Path) -> None:
    make(tmp_path)
    index = Index(tmp_path, [3, 1, 9])
    assert index.refresh().added == (1, 3)


def test_a_directory_that_is_gone_is_empty(tmp_path: Path) -> None:
    assert Index(tmp_path / "none").refresh() == Delta()


def test_it_writes_nothing(tmp_path: Path) -> None:
    index = make(tmp_path)
    before = sorted(p.stat().st_mtime_ns for p in tmp_path.rglob("*"))
    index.refresh()
    assert sorted(p.stat().st_mtime_ns for p in tmp_path.rglob("*")) == before
