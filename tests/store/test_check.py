"""``mlxp-nb fsck``: what is found in a log directory, and what repair does about it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxp_nb.core.run import RunPaths
from mlxp_nb.errors import LogDirError, StoreError
from mlxp_nb.store import artifacts, check, records, rundir
from mlxp_nb.store.metrics import MetricFile

GONE = {"boot_id": "another boot", "started": 1.0}


def make(log_dir: Path, status: str = "COMPLETE") -> RunPaths:
    """A run with a record, two metric lines and an artifact; whoever wrote it is gone."""
    info = {"status": status, "hostname": os.uname().nodename, "process_id": 1, "process": GONE}
    paths = rundir.allocate(log_dir, {"lr": 0.1}, info).paths
    file = MetricFile(paths, "train")
    for i in range(2):
        file.append({"i": i})
    file.close()
    artifacts.save(paths, {"a": 1}, "best/model", "json")
    return paths


def age(path: Path) -> None:
    then = time.time() - 2 * check.ORPHAN_AGE_S
    os.utime(path, (then, then), follow_symlinks=False)


def tear(run: RunPaths) -> None:
    with (run.metrics / "train.json").open("ab") as file:
        file.write(b'{"i": 2')


def tear_events(run: RunPaths) -> None:
    run.events.write_bytes(b'{"event": "STAR')


def tear_manifest(run: RunPaths) -> None:
    with run.manifest.open("ab") as file:
        file.write(b'{"name": ')


def leave(run: RunPaths) -> None:
    path = run.metadata / ".tmp-abc"
    path.write_bytes(b"half")
    age(path)


def leave_fresh(run: RunPaths) -> None:
    (run.metadata / ".tmp-abc").write_bytes(b"half")


def leave_run(run: RunPaths) -> None:
    path = run.root.parent / rundir.OURS / "new-abc"
    (path / "metadata").mkdir(parents=True)
    age(path)


def kill(run: RunPaths) -> None:
    info = dict(rundir.read(run.root.parent, int(run.root.name)).info)
    rundir.update_info(run, {**info, "status": "RUNNING"})


def swap_byte(run: RunPaths) -> None:
    path = run.artifacts / "json" / "best" / "model"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-1] + b"X")


def lengthen(run: RunPaths) -> None:
    path = run.artifacts / "json" / "best" / "model"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data + b"X")


def lose(run: RunPaths) -> None:
    (run.artifacts / "json" / "best" / "model").unlink()


def add_stray(run: RunPaths) -> None:
    (run.metadata / "notes.txt").write_text("mine")


def add_artifact(run: RunPaths) -> None:
    (run.artifacts / "json" / "other").write_text("{}")


def add_link(run: RunPaths) -> None:
    (run.metadata / "link").symlink_to("/etc/hostname")


def add_beside(run: RunPaths) -> None:
    (run.root.parent / "notes.txt").write_text("mine")


def spoil_info(run: RunPaths) -> None:
    run.info.write_bytes(b"a: [1")


def spoil_line(run: RunPaths) -> None:
    path = run.metrics / "train.json"
    path.write_bytes(b"garbage\n" + path.read_bytes())


def spoil_status(run: RunPaths) -> None:
    rundir.update_info(run, {"status": "DANCING"})


DAMAGES = [
    pytest.param(tear, "torn-tail", "1/metrics/train.json", True, id="metric-tail"),
    pytest.param(tear_events, "torn-tail", "1/metadata/events.jsonl", True, id="events-tail"),
    pytest.param(tear_manifest, "torn-tail", "1/artifacts/manifest.jsonl", True, id="list-tail"),
    pytest.param(leave, "orphan", "1/metadata/.tmp-abc", True, id="old-orphan"),
    pytest.param(leave_fresh, "orphan", "1/metadata/.tmp-abc", False, id="fresh-orphan"),
    pytest.param(leave_run, "orphan", ".mlxp_nb/new-abc", True, id="half-made-run"),
    pytest.param(kill, "no-end", "1", False, id="killed"),
    pytest.param(swap_byte, "manifest-mismatch", "1/artifacts/json/best/model", False, id="byte"),
    pytest.param(lengthen, "manifest-mismatch", "1/artifacts/json/best/model", False, id="size"),
    pytest.param(lose, "file-missing", "1/artifacts/json/best/model", False, id="missing"),
    pytest.param(add_stray, "unknown-file", "1/metadata/notes.txt", False, id="stray"),
    pytest.param(add_artifact, "unknown-file", "1/artifacts/json/other", False, id="artifact"),
    pytest.param(add_link, "unknown-file", "1/metadata/link", False, id="link"),
    pytest.param(add_beside, "unknown-file", "notes.txt", False, id="beside"),
    pytest.param(spoil_info, "unreadable-record", "1", False, id="info"),
    pytest.param(spoil_line, "unreadable-record", "1/metrics/train.json", False, id="line"),
    pytest.param(spoil_status, "unreadable-record", "1", False, id="status"),
]


def everything(log_dir: Path) -> dict[str, bytes]:
    """All regular files by relative path."""
    paths = (p for p in log_dir.rglob("*") if p.is_file() and not p.is_symlink())
    return {str(p.relative_to(log_dir)): p.read_bytes() for p in paths}


def test_nothing_is_found_in_a_good_directory(tmp_path: Path) -> None:
    make(tmp_path)
    make(tmp_path)
    assert check.check(tmp_path) == []


@pytest.mark.parametrize(("damage", "kind", "path", "mendable"), DAMAGES)
def test_a_damage_is_found_and_only_that(
    tmp_path: Path, damage: Callable[[RunPaths], None], kind: str, path: str, mendable: bool
) -> None:
    run = make(tmp_path)
    make(tmp_path)
    damage(run)
    before = everything(tmp_path)
    found = check.check(tmp_path)
    assert [(f.kind.name, f.path, f.mendable) for f in found] == [(kind, path, mendable)]
    assert found[0].detail
    assert everything(tmp_path) == before


@pytest.mark.parametrize(("damage", "kind", "path", "mendable"), DAMAGES)
def test_repair_mends_or_leaves_and_deletes_nothing(
    tmp_path: Path, damage: Callable[[RunPaths], None], kind: str, path: str, mendable: bool
) -> None:
    damage(make(tmp_path))
    before = everything(tmp_path)
    mended = check.repair(tmp_path, check.check(tmp_path))
    assert [f.path for f in mended] == ([path] if mendable else [])
    after = everything(tmp_path)
    for name, content in before.items():
        moved = f".mlxp_nb/{check.LOST}/{name.replace('/', '__')}"
        kept = after.get(name, after.get(moved))
        assert kept in (content, content + b"\n"), name
    assert not [f for f in check.check(tmp_path) if f.mendable]


def test_a_torn_tail_is_ended_so_that_the_next_record_stands_alone(tmp_path: Path) -> None:
    run = make(tmp_path)
    tear(run)
    check.repair(tmp_path, check.check(tmp_path))
    assert (run.metrics / "train.json").read_bytes().endswith(b'{"i": 2\n')
    with (run.metrics / "train.json").open("ab") as file:
        file.write(b'{"i": 3}\n')
    read = records.read(run.root, "train")
    assert ([row["i"] for row in read.rows], read.damaged) == ([0, 1, 3], 1)


def test_what_is_moved_twice_under_one_name_is_kept_twice(tmp_path: Path) -> None:
    run = make(tmp_path)
    for _ in range(2):
        leave(run)
        check.repair(tmp_path, check.check(tmp_path))
    lost = sorted(p.name for p in (tmp_path / rundir.OURS / check.LOST).iterdir())
    assert lost == ["1__metadata__.tmp-abc", "1__metadata__.tmp-abc.1"]


def test_a_run_that_is_alive_is_left_alone(tmp_path: Path) -> None:
    from mlxp_nb.store import owner

    run = make(tmp_path)
    me = owner.identity()
    info = dict(rundir.read(tmp_path, 1).info)
    info.update(status="RUNNING", hostname=me.host, process_id=me.pid)
    info["process"] = {"boot_id": me.boot, "started": me.started}
    rundir.update_info(run, info)
    tear(run)
    leave(run)
    assert check.check(tmp_path) == []


def test_what_a_run_left_that_was_killed_before_it_began_is_moved(tmp_path: Path) -> None:
    run = rundir.allocate(tmp_path, {}, {"status": "STARTING"}).paths
    leave_fresh(run)
    assert check.check(tmp_path) == []
    leave(run)
    assert [f.path for f in check.repair(tmp_path, check.check(tmp_path))] == [
        "1/metadata/.tmp-abc"
    ]


def test_an_older_save_under_the_newest_line_is_no_mismatch(tmp_path: Path) -> None:
    run = make(tmp_path)
    line = run.manifest.read_text().splitlines()[0]
    newer = line.replace('"sha256": "', '"sha256": "0')
    with run.manifest.open("a") as file:
        file.write(newer + "\n")
    assert check.check(tmp_path) == []


def test_a_linked_lost_and_found_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    run = make(tmp_path / "logs")
    leave(run)
    (tmp_path / "logs" / rundir.OURS / check.LOST).symlink_to(outside)
    with pytest.raises(StoreError, match="was not mended, and is as it was"):
        check.repair(tmp_path / "logs", check.check(tmp_path / "logs"))
    assert not list(outside.iterdir())
    assert (run.metadata / ".tmp-abc").exists()


def test_what_is_no_log_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LogDirError):
        check.check(tmp_path / "none")


def fsck(log_dir: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from mlxp_nb.cli import main; main()", "fsck", *words]
    return subprocess.run(
        [*command, str(log_dir)], capture_output=True, text=True, check=False, timeout=120
    )


def test_the_command_shows_what_it_found_and_mends_when_told_to(tmp_path: Path) -> None:
    tear(make(tmp_path))
    found = fsck(tmp_path)
    assert found.returncode == 1
    assert "torn-tail          1/metrics/train.json: its last line has no end; repair: " in (
        found.stdout
    )
    mended = fsck(tmp_path, "--repair")
    assert mended.returncode == 0
    assert mended.stdout.splitlines()[-1] == "1 run, 1 found, 1 mended"
    after = fsck(tmp_path)
    # The torn line is still there: it is a damaged line now.
    assert after.returncode == 1
    assert "damaged lines: 1" in after.stdout


def test_each_kind_says_what_it_means() -> None:
    assert {d.values[1] for d in DAMAGES} == set(check.KINDS)
    assert all(kind.help for kind in check.KINDS.values())
