"""One attempt at a run: a true status whatever ends it."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlxp_nb.core.run import RunRecord
from mlxp_nb.core.status import Status
from mlxp_nb.errors import MissingFieldError, RunError, StoreError
from mlxp_nb.store import rundir
from mlxp_nb.worker import session as sessions
from mlxp_nb.worker.context import Context
from mlxp_nb.worker.session import Session, Terminated, current


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


def test_the_history_tells_each_step(run: RunRecord) -> None:
    attempt(run, lambda ctx: None)
    lines = run.paths.events.read_text().splitlines()
    assert [line.split('"event": "')[1].split('"')[0] for line in lines] == ["STARTED", "COMPLETE"]


def requeue(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setenv("SLURM_RESTART_COUNT", str(count))


def killed(run: RunRecord) -> Session:
    """An attempt whose process is gone without a word."""
    session = Session(run.paths).__enter__()
    session._exit.close()
    sessions._CURRENT.remove(session)
    return session


def test_a_requeued_job_goes_on_as_the_next_attempt(
    run: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(run)
    for count in (1, 2):
        requeue(monkeypatch, count)
        killed(run)
        assert (info_of(run)["attempt"], info_of(run)["status"]) == (count + 1, "RUNNING")
    with pytest.raises(RunError, match="is RUNNING"), Session(run.paths):
        pass


@pytest.mark.parametrize(
    ("end", "may_go_on"),
    [
        pytest.param(SystemExit(0), False, id="complete"),
        pytest.param(ValueError(), True, id="failed"),
        pytest.param(KeyboardInterrupt(), True, id="cancelled"),
    ],
)
def test_only_a_run_that_is_done_cannot_be_requeued(
    run: RunRecord, monkeypatch: pytest.MonkeyPatch, end: BaseException, may_go_on: bool
) -> None:
    attempt(run, _raise(end))
    requeue(monkeypatch, 1)
    info = attempt(run, lambda ctx: None)
    assert info["status"] == "COMPLETE"
    assert info["attempt"] == (2 if may_go_on else 1)
    assert "error" not in info


def test_a_job_requeued_before_it_began_is_still_its_first_attempt(
    run: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    requeue(monkeypatch, 1)
    assert attempt(run, lambda ctx: None)["attempt"] == 1


def test_an_old_attempt_is_fenced_off(run: RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    old = killed(run)
    requeue(monkeypatch, 1)
    killed(run)
    context = old.context()
    assert context.logger is not None
    with pytest.raises(RunError, match="held by its attempt 2, and this is attempt 1"):
        context.logger.log_checkpoint({"epoch": 1})
    assert not list(run.paths.artifacts.iterdir())
    with pytest.raises(RunError, match="held by its attempt 2"):
        old._end(None)
    assert (info_of(run)["attempt"], info_of(run)["status"]) == (2, "RUNNING")
    assert "COMPLETE" not in run.paths.events.read_text()


def test_two_processes_that_begin_at_the_same_moment_do_not_both_end_it(run: RunRecord) -> None:
    first = killed(run)
    taken = {**info_of(run), "process_id": os.getpid() + 1}
    rundir.update_info(run.paths, taken)
    with pytest.raises(RunError, match="held by another process"):
        first._end(None)
    assert info_of(run)["status"] == "RUNNING"


def test_metrics_say_which_attempt_wrote_them(
    run: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def task(ctx: Context) -> None:
        assert ctx.logger is not None
        ctx.logger.log_metrics({"x": 1}, "train")
        raise ValueError

    attempt(run, task)
    requeue(monkeypatch, 1)
    attempt(run, task)
    first, second = (run.path / "metrics" / "train.json").read_text().splitlines()
    assert "_attempt" not in first
    assert '"_attempt": 2' in second


def test_another_rank_writes_its_metrics_and_nothing_else(run: RunRecord) -> None:
    info, files = run.paths.info.read_bytes(), sorted(p.name for p in run.paths.metadata.iterdir())

    def task(ctx: Context) -> None:
        assert ctx.logger is not None
        ctx.logger.log_metrics({"x": 1}, "train")

    with Session(run.paths, rank=1) as session:
        session.call(task, None)
    assert run.paths.info.read_bytes() == info
    assert sorted(p.name for p in run.paths.metadata.iterdir()) == files
    assert [path.name for path in (run.path / "metrics").iterdir()] == ["train.r1.json"]
    assert '"_rank": 1' in (run.path / "metrics" / "train.r1.json").read_text()
    assert session.info["status"] == "COMPLETE"


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """A real disk that takes no larger file; Python ignores the signal that comes with it."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_run_whose_disk_is_full_ends_failed(run: RunRecord) -> None:
    def task(ctx: Context) -> None:
        assert ctx.logger is not None
        for step in range(10_000):
            ctx.logger.log_metrics({"x": step}, "train")

    with file_size_limit(8192):
        info = attempt(run, task)
    assert (info["status"], info["error"]["type"]) == ("FAILED", "StoreError")
    assert "nothing of the record was added" in info["error"]["message"]
    text = (run.path / "metrics" / "train.json").read_text()
    assert text.endswith("}\n")
    assert "FAILED" in run.paths.events.read_text()


def test_a_history_that_cannot_be_written_does_not_end_the_run(
    run: RunRecord, caplog: pytest.LogCaptureFixture
) -> None:
    run.paths.events.mkdir()
    assert attempt(run, lambda ctx: None)["status"] == "COMPLETE"
    assert "STARTED is not in the history" in caplog.text


def test_a_run_that_cannot_be_recorded_as_begun_does_not_begin(run: RunRecord) -> None:
    rundir.update_info(run.paths, {**run.info, "overrides": ["x" * 5000]})
    with file_size_limit(5000), pytest.raises(StoreError), Session(run.paths):
        pytest.fail("it began")
    info = info_of(run)
    assert (info["status"], info["error"]["type"]) == ("FAILED", "StoreError")
    assert current() is None


def test_records_that_the_disk_did_not_confirm_fail_a_run_that_returned(run: RunRecord) -> None:
    def task(ctx: Context) -> None:
        assert ctx.logger is not None
        ctx.logger.log_metrics({"x": 1}, "train")
        os.close(ctx.logger._open["train"]._descriptor)

    with pytest.raises(StoreError, match="did not confirm"), Session(run.paths) as session:
        session.call(task, None)
    info = info_of(run)
    assert (info["status"], info["end"]["exit_code"]) == ("FAILED", 1)


@pytest.mark.parametrize(
    "message",
    [
        pytest.param("x" * 3_000_000, id="large"),
        pytest.param("name\udcff", id="not-utf-8"),
        pytest.param("a\0b\x1b[31m\u2028", id="control-characters"),
    ],
)
def test_a_record_can_be_read_whatever_the_error_says(run: RunRecord, message: str) -> None:
    attempt(run, _raise(ValueError(message)))
    record = rundir.read(run.path.parent, run.id)
    assert record.problem is None
    assert record.info["status"] == "FAILED"
    assert record.info["error"]["message"].startswith(message[:1])


def test_what_a_killed_attempt_left_aside_is_swept(
    run: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(run)
    (run.paths.metadata / ".tmp-abc").write_text("half")
    requeue(monkeypatch, 1)
    attempt(run, lambda ctx: None)
    assert not list(run.path.rglob(".tmp-*"))
