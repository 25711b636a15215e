"""The local executor: presets, the queue on disk, and jobs that never begin."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlxp_nb.core.status import JobState
from mlxp_nb.errors import ExecutorError, UnknownNameError
from mlxp_nb.executors import LocalExecutor, executor
from mlxp_nb.executors.queue import Queue
from mlxp_nb.store import files, rundir
from mlxp_nb.store.owner import Identity, identity


def test_local_is_there_without_a_preset() -> None:
    where = executor("local", {}, parallel=3)
    assert isinstance(where, LocalExecutor)
    assert (where.name, where.max_parallel) == ("local", 3)


def test_a_preset_is_used_and_the_line_is_put_over_it() -> None:
    presets = {"wide": {"cluster": "local", "max_parallel": 4}}
    assert executor("wide", presets).describe() == "this machine, 4 at once"
    assert executor("wide", presets, parallel=2).describe() == "this machine, 2 at once"


def test_zero_means_one_for_each_core() -> None:
    assert LocalExecutor(max_parallel=0).max_parallel == os.cpu_count()


def test_an_executor_is_made_again_from_its_options() -> None:
    where = LocalExecutor("wide", 4)
    again = executor("wide", {"wide": where.options})
    assert (again.name, again.options) == (where.name, where.options)


@pytest.mark.parametrize(
    ("name", "presets", "problem", "hint"),
    [
        pytest.param("loc", {}, "unknown executor 'loc'", "'local'", id="name"),
        pytest.param("a", {"a": {"cluster": "slrum"}}, "unknown cluster", "local", id="cluster"),
        pytest.param("a", {"a": {"max_paralel": 2}}, "'max_paralel'", "max_parallel", id="option"),
        pytest.param("a", {"a": {"max_parallel": "x"}}, "max_parallel is 'x'", "-j 2", id="value"),
    ],
)
def test_a_wrong_preset_is_named(
    name: str, presets: dict[str, Any], problem: str, hint: str
) -> None:
    with pytest.raises((UnknownNameError, ExecutorError), match=problem) as caught:
        executor(name, presets)
    assert hint in caught.value.hint


def test_the_queue_is_read_by_another_process_as_it_was_written(tmp_path: Path) -> None:
    Queue.create(tmp_path, [(3, tmp_path / "3"), (4, tmp_path / "4")], 2)
    queue = Queue(tmp_path)
    assert queue.read() == ({3: tmp_path / "3", 4: tmp_path / "4"}, 2)
    assert (queue.supervisor(), queue.jobs(), queue.to_cancel()) == (None, {}, set())
    me = identity()
    queue.note_supervisor(me)
    queue.note_job(3, Identity("h", "b", 1, 2.0))
    queue.note_job(3, me)
    queue.ask_to_cancel([3])
    queue.ask_to_cancel([4, 3])
    assert (queue.supervisor(), queue.is_over()) == (me, False)
    assert (queue.jobs(), queue.to_cancel()) == ({3: me}, {3, 4})
    queue.note_supervisor(me, ended="now")
    assert queue.is_over()


def test_a_line_that_is_still_being_written_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "cancel.jsonl").write_bytes(b'{"runs": [1]}\n{"runs": [2')
    assert Queue(tmp_path).to_cancel() == {1}


def supervise(folder: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "mlxp_nb.executors.supervisor", str(folder)],
        cwd=folder,
        check=True,
        timeout=60,
    )


def test_a_job_that_never_began_fails_with_what_it_printed(tmp_path: Path) -> None:
    record = rundir.allocate(
        tmp_path / "logs", {}, {"status": "STARTING", "work_dir": "/", "target": "x.py"}
    )
    # Its settings cannot be read, so the job ends before it can write anything.
    folder = tmp_path / "sweep"
    folder.mkdir()
    Queue.create(folder, [(record.id, record.path)], 1)
    (record.path / "log.stdout").mkdir()
    supervise(folder)
    info = rundir.read(tmp_path / "logs", record.id).info
    assert info["status"] == "FAILED"
    assert "ended before it began" in info["error"]["message"]
    assert "IsADirectoryError" in info["error"]["traceback"]
    assert Queue(folder).is_over()


def test_only_one_supervisor_works(tmp_path: Path) -> None:
    import fcntl

    Queue.create(tmp_path, [], 1)
    with (tmp_path / "supervisor.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        supervise(tmp_path)
        assert not (tmp_path / "supervisor.json").exists()
    supervise(tmp_path)
    assert files.load_json(tmp_path / "supervisor.json")["ended"]


def test_states_come_from_the_notes_and_the_process_table(tmp_path: Path) -> None:
    Queue.create(tmp_path, [(i, tmp_path / str(i)) for i in (1, 2, 3, 4)], 1)
    queue, me = Queue(tmp_path), identity()
    queue.note_supervisor(me)
    queue.note_job(1, me)
    queue.note_job(2, Identity(me.host, me.boot, me.pid, me.started - 1))
    queue.note_job(3, Identity("elsewhere", me.boot, me.pid, me.started))
    states = LocalExecutor().states(tmp_path, [1, 2, 3, 4])
    assert [states[i][0] for i in (1, 2, 3, 4)] == [
        JobState.RUNNING,
        JobState.GONE,
        JobState.UNKNOWN,
        JobState.PENDING,
    ]
    assert "elsewhere" in states[3][1]
