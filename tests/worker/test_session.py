"""One attempt at a run: a true status whatever ends it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxp_nb.core.run import RunRecord
from mlxp_nb.core.status import Status
from mlxp_nb.errors import MissingFieldError, RunError
from mlxp_nb.store import rundir
from mlxp_nb.worker.context import Context
from mlxp_nb.worker.session import Session, Terminated, capture, current


@pytest.fixture
def run(tmp_path: Path) -> RunRecord:
    return rundir.allocate(tmp_path / "logs", {"seed": 3, "a": {"b": 1}}, {"status": "STARTING"})


def info_of(run: RunRecord) -> dict[str, Any]:
    return dict(rundir.read(run.path.parent, run.id).info)


def attempt(run: RunRecord, task: Callable[[Context], Any]) -> dict[str, Any]:
    """Run a task, whatever it raises; the record it left."""
    with contextlib.suppress(BaseException), Session(run.paths) as session:
        session.call(task, None)
    return info_of(run)


def _raise(error: BaseException) -> Callable[[Context], None]:
    def task(ctx: Context) -> None:
        raise error

    return task


@pytest.mark.parametrize(
    ("task", "status", "code"),
    [
        pytest.param(lambda ctx: None, Status.COMPLETE, 0, id="returned"),
        pytest.param(_raise(ValueError("bad")), Status.FAILED, 1, id="exception"),
        pytest.param(_raise(KeyboardInterrupt()), Status.CANCELLED, 130, id="interrupt"),
        pytest.param(_raise(SystemExit(0)), Status.COMPLETE, 0, id="exit-0"),
        pytest.param(_raise(SystemExit()), Status.COMPLETE, 0, id="exit"),
        pytest.param(_raise(SystemExit(3)), Status.FAILED, 3, id="exit-3"),
        pytest.param(_raise(SystemExit("no data")), Status.FAILED, 1, id="exit-text"),
        pytest.param(_raise(MemoryError()), Status.FAILED, 1, id="memory"),
        pytest.param(
            lambda ctx: os.kill(os.getpid(), signal.SIGTERM), Status.CANCELLED, 143, id="sigterm"
        ),
    ],
)
def test_the_end_of_a_run_is_true(
    run: RunRecord, task: Callable[[Context], Any], status: Status, code: int
) -> None:
    info = attempt(run, task)
    assert info["status"] == status.value
    assert info["end"]["exit_code"] == code
    assert info["ended"] >= info["started"]


def test_a_swallowed_sigterm_is_a_cancellation_still(run: RunRecord) -> None:
    def task(ctx: Context) -> None:
        with contextlib.suppress(Terminated):
            os.kill(os.getpid(), signal.SIGTERM)

    assert attempt(run, task)["status"] == "CANCELLED"


def test_a_failure_keeps_its_traceback_and_its_place(run: RunRecord) -> None:
    def task(ctx: Context) -> None:
        raise ValueError("loss is nan")

    folders = (Path(__file__).parent,)
    with contextlib.suppress(ValueError), Session(run.paths, folders) as session:
        session.call(task, None)
    error = info_of(run)["error"]
    assert (error["type"], error["message"]) == ("ValueError", "loss is nan")
    assert "loss is nan" in error["traceback"]
    assert error["where"].startswith("test_session.py:")


def test_the_record_says_running_with_its_process_in_between(run: RunRecord) -> None:
    def task(ctx: Context) -> None:
        info = info_of(run)
        assert (info["status"], info["process_id"]) == ("RUNNING", os.getpid())
        assert info["process"]["boot_id"]
        assert ctx.info.status == ctx.info.info.status == "RUNNING"

    assert attempt(run, task)["status"] == "COMPLETE"


def test_the_function_gets_its_configuration_and_logger(run: RunRecord) -> None:
    def task(ctx: Context) -> None:
        assert ctx.config.a.b == ctx.config["a"]["b"] == 1
        assert ctx.logger is not None
        assert ctx.logger.log_id == run.id
        ctx.logger.log_metrics({"x": 1}, "train")
        ctx.logger.log_checkpoint({"epoch": 2})
        assert ctx.logger.load_checkpoint() == ctx.logger.load_checkpoint("checkpoint")
        assert ctx.logger.load_checkpoint() == {"epoch": 2}

    assert attempt(run, task)["status"] == "COMPLETE"
    assert (run.path / "metrics" / "train.json").read_text().count("\n") == 1


def test_the_seeding_function_gets_the_seed(run: RunRecord) -> None:
    seeds: list[int] = []
    with Session(run.paths) as session:
        session.call(lambda ctx: None, seeds.append)
    assert seeds == [3]


def test_seeding_without_a_seed_says_what_to_add(tmp_path: Path) -> None:
    run = rundir.allocate(tmp_path, {}, {"status": "STARTING"})
    with pytest.raises(MissingFieldError, match="seed") as caught, Session(run.paths) as session:
        session.call(lambda ctx: None, print)
    assert "configs/config.yaml" in caught.value.hint
    assert info_of(run)["status"] == "FAILED"


def test_a_final_status_is_written_once(run: RunRecord) -> None:
    attempt(run, lambda ctx: None)
    with pytest.raises(RunError, match="is COMPLETE"), Session(run.paths):
        pass
    assert info_of(run)["status"] == "COMPLETE"


def test_a_function_called_twice_fails(run: RunRecord) -> None:
    with Session(run.paths) as session:
        session.call(lambda ctx: None, None)
        with pytest.raises(RunError, match="twice"):
            session.call(lambda ctx: None, None)


def test_handlers_and_the_current_run_are_given_back(run: RunRecord) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Session(run.paths) as session:
        assert current() is session
        assert signal.getsignal(signal.SIGTERM) != before
    assert current() is None
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_c_code_and_children_print_is_captured_and_given_back(
    run: RunRecord, capfd: pytest.CaptureFixture[str]
) -> None:
    with capture(run.paths):
        os.write(1, b"from c\n")
        subprocess.run([sys.executable, "-c", "import os; os.write(2, b'child')"], check=True)
    os.write(1, b"after\n")
    assert (run.path / "log.stdout").read_text() == "from c\n"
    assert (run.path / "log.stderr").read_text() == "child"
    assert capfd.readouterr().out == "after\n"


def test_the_history_tells_each_step(run: RunRecord) -> None:
    attempt(run, lambda ctx: None)
    lines = run.paths.events.read_text().splitlines()
    assert [line.split('"event": "')[1].split('"')[0] for line in lines] == ["STARTED", "COMPLETE"]
