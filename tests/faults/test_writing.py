"""Runs that are killed, whose disk fails, whose disk fills: what was promised is there after."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from mlxp_nb.results.reader import Reader
from mlxp_nb.store import records, rundir
from tests.faults.conftest import Disk, Server
from tests.faults.counts import count, dice, say
from tests.faults.judge import Tally, judge, sweep
from tests.faults.programs import FROM_THEN_ON, ONCE, SHORT_WRITE

RECORDS = 60


@pytest.mark.timeout(3600)
def test_what_was_acknowledged_outlives_a_kill(server: Server, tmp_path: Path) -> None:
    tally = Tally()
    for number in range(count("kills")):
        random = dice("kill", number)
        kill = (random.randrange(0, RECORDS + 15), random.randrange(0, 5000))
        log_dir = tmp_path / str(number // 20)  # kills share a directory, as runs do
        log_dir.mkdir(exist_ok=True)
        ended = server.run("run", kill=kill, log_dir=str(log_dir), records=RECORDS)
        judge(log_dir, ended, tally, f"kill {number} after {kill}")
    orphans = sum(sweep(log_dir) for log_dir in tmp_path.iterdir())
    say("kill.kills", tally.trials, "runs")
    say("kill.acknowledged", tally.records, "records")
    say("kill.acknowledged_checkpoints", tally.checkpoints, "checkpoints")
    say("kill.lost", 0, "records")
    say("kill.reader_failures", 0, "failures")
    say("kill.shown_running", 0, "runs")
    say("kill.shown_killed", tally.killed, "runs")
    say("kill.torn_lines", tally.torn, "lines")
    say("kill.orphans_swept", orphans, "files")
    assert tally.records > 10 * tally.trials
    assert tally.killed > tally.trials / 4


MODES = [
    pytest.param(ONCE, errno.EIO, id="once"),
    pytest.param(FROM_THEN_ON, errno.ENOSPC, id="from-then-on"),
    pytest.param(SHORT_WRITE, errno.ENOSPC, id="short-write"),
]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("mode", "number"), MODES)
def test_each_call_in_turn_may_fail(
    server: Server, tmp_path: Path, request: pytest.FixtureRequest, mode: int, number: int
) -> None:
    tally = Tally()
    failed: set[str] = set()
    n = 1
    while True:
        log_dir = tmp_path / str(n)
        ended = server.run(
            "faulty", log_dir=str(log_dir), records=12, n=n, mode=mode, number=number
        )
        ((call, calls),) = ended.of("fault")
        judge(log_dir, ended, tally, f"call {n}, {call}")
        shutil.rmtree(log_dir)
        failed.add(call)
        if n > int(calls):
            break
        n += count("io_stride")
    word = request.node.callspec.id.replace("-", "_")
    say(f"io.{word}.trials", tally.trials, "runs")
    say(f"io.{word}.calls", calls, "calls")
    say(f"io.{word}.raised", tally.raised, "runs")
    say(f"io.{word}.acknowledged", tally.records + tally.checkpoints, "records and checkpoints")
    say(f"io.{word}.lost", 0, "records and checkpoints")
    say(f"io.{word}.reader_failures", 0, "failures")
    assert not ended.of("raised")
    assert ended.of("complete")
    if mode == SHORT_WRITE:
        assert failed == {"-", "write"}
    else:
        assert tally.raised > tally.trials / 3
        assert {"write", "fsync"} < failed


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("rival", [False, True], ids=["alone", "rival"])
def test_a_full_disk_loses_nothing_in_silence(
    server: Server, disk: Disk, tmp_path: Path, rival: bool
) -> None:
    tally = Tally()
    for number in range(count("disk_full")):
        random = dice("disk", number)
        filler = disk.path / "filler"
        filler.write_bytes(b"f" * random.randrange(0, 440 * 1024 if disk.is_real else 1))
        size_max = 0 if disk.is_real else random.randrange(100, 40_000)
        log_dir = disk.path / "logs"
        if rival:
            # It takes what is left after some records, and each block that is given back.
            server.background(
                "greedy",
                path=str(disk.path / "rival"),
                watch=str(log_dir / "1" / "metrics" / "train.json"),
                size=random.randrange(0, 120_000),
            )
        ended = server.run("limited", log_dir=str(log_dir), records=40, pad=4000, size_max=size_max)
        if (log_dir / ".mlxp_nb").is_dir():
            judge(log_dir, ended, tally, f"disk {number}")
        server.stop()
        for path in disk.path.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    word = "rival" if rival else "alone"
    say(f"disk.{word}.kind", "tmpfs" if disk.is_real else "limit", "disk")
    say(f"disk.{word}.trials", count("disk_full"), "runs")
    say(f"disk.{word}.raised", tally.raised, "runs")
    say(f"disk.{word}.failed_recorded", tally.failed, "runs")
    say(f"disk.{word}.acknowledged", tally.records + tally.checkpoints, "records and checkpoints")
    say(f"disk.{word}.lost", 0, "records and checkpoints")
    say(f"disk.{word}.reader_failures", 0, "failures")
    assert tally.raised > 0


@pytest.mark.timeout(3600)
def test_many_processes_never_share_an_id(server: Server, tmp_path: Path) -> None:
    processes, each = count("id_processes"), count("ids_each")
    program = ("ids", {"log_dir": str(tmp_path), "each": each})
    ended = server.together(*[program] * processes)
    assert not any(e.of("raised") for e in ended)
    ids = sorted(int(line[0]) for e in ended for line in e.of("id"))
    assert len(ids) == len(set(ids)) == processes * each
    assert rundir.list_ids(tmp_path) == ids
    assert ids[-1] == len(ids), "there are holes"
    assert all(run.record.problem is None for run in Reader(tmp_path).runs())
    say("ids.processes", processes, "processes")
    say("ids.given", len(ids), "ids")
    say("ids.collisions", 0, "ids")
    say("ids.holes", ids[-1] - len(ids), "ids")


@pytest.mark.timeout(3600)
def test_a_run_that_is_killed_and_begun_again_keeps_all_its_records(
    server: Server, tmp_path: Path
) -> None:
    first = server.run("run", kill=(10, 0), log_dir=str(tmp_path), records=30)
    promised = [int(line[1]) for line in first.of("record")]
    torn = 0
    for number in range(count("requeues")):
        random = dice("requeue", number)
        found = [row["i"] for row in records.read(tmp_path / "1", "train").rows]
        # A kill hardly ever tears a line that is one write, so one is torn for certain.
        with (tmp_path / "1" / "metrics" / "train.json").open("ab") as file:
            file.write(b'{"i": 1')
        ended = server.run(
            "requeue",
            kill=(random.randrange(1, 14), random.randrange(0, 3000)),
            log_dir=str(tmp_path),
            run_id=1,
            begin=found[-1] + 1,
            records=20,
        )
        assert not ended.of("raised"), f"requeue {number}: {ended.said}"
        promised += [int(line[1]) for line in ended.of("record")]
        read = records.read(tmp_path / "1", "train")
        now = [row["i"] for row in read.rows]
        assert now == list(range(len(now))), f"requeue {number}: {now[-30:]}"
        assert set(promised) <= set(now), f"requeue {number}"
        assert read.damaged <= number + 1
        torn = read.damaged
    say("requeue.requeues", count("requeues"), "attempts")
    say("requeue.acknowledged", len(promised), "records")
    say("requeue.lost", 0, "records")
    say("requeue.torn", torn, "lines")
    say("requeue.glued", 0, "lines")
    assert torn > 0
    assert len(promised) > count("requeues")


@pytest.mark.timeout(3600)
def test_readers_never_fail_beside_writers(server: Server, tmp_path: Path) -> None:
    rundir.prepare(tmp_path)
    looks = 0
    for _ in range(2):
        server.background("runs", log_dir=str(tmp_path), count=1_000_000, records=30)
    seen: dict[int, int] = {}
    while looks < count("reads") or len(seen) < 2:
        for run in Reader(tmp_path).runs():
            assert run.record.problem is None, run.record.problem
            assert run.state.value in ("STARTING", "PENDING", "RUNNING", "COMPLETE"), run
            read = run.records("train")
            assert read.problem is None
            assert read.damaged == 0
            assert len(read.rows) >= seen.get(run.id, 0), run
            seen[run.id] = len(read.rows)
        looks += 1
    server.stop()
    say("readers.looks", looks, "directories read")
    say("readers.runs", len(seen), "runs")
    say("readers.failures", 0, "failures")
