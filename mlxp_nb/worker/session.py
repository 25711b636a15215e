"""One attempt at a run: its beginning, its end, and a true status whatever ends it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from mlxp_nb.core.config_dict import ConfigDict
from mlxp_nb.core.run import RunPaths
from mlxp_nb.core.status import Status
from mlxp_nb.errors import MissingFieldError, MlxpError, RunError
from mlxp_nb.store import files, owner, rundir
from mlxp_nb.worker.context import Context, Logger, Rooted
from mlxp_nb.worker.mend import line_to_add

__all__ = ["Session", "Terminated", "call", "capture", "current", "make_context"]

_CURRENT: list[Session] = []


class Terminated(BaseException):
    """SIGTERM arrived: scancel, a time limit, or ``sweep.cancel()``."""


def current() -> Session | None:
    """The run that this process is at, if any."""
    return _CURRENT[-1] if _CURRENT else None


@contextmanager
def capture(paths: RunPaths) -> Iterator[None]:
    """Send what is printed, by C code too, to the run's files; give the streams back after."""
    kept: list[tuple[int, int]] = []
    _flush()
    try:
        for descriptor, path in ((1, paths.stdout), (2, paths.stderr)):
            kept.append((descriptor, os.dup(descriptor)))
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            os.dup2(file, descriptor)
            os.close(file)
        yield
    finally:
        _flush()
        for descriptor, copy in kept:
            os.dup2(copy, descriptor)
            os.close(copy)


def _flush() -> None:
    """Empty Python's buffers, which know nothing of descriptors."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def _date(when: datetime) -> str:
    return when.strftime("%d/%m/%Y")


def _time(when: datetime) -> str:
    return when.strftime("%H:%M:%S")


class Session:
    """The attempt of this process at a run; use it in a ``with``.

    Entering writes RUNNING, leaving writes the end: COMPLETE, FAILED with its traceback, or
    CANCELLED. SIGTERM is turned into an exception in between, and given back after.

    Parameters
    ----------
    paths : RunPaths
        The run; its records are complete.
    task_folders : sequence of Path
        Where the user's code lies, for naming the line of a failure.
    """

    def __init__(self, paths: RunPaths, task_folders: tuple[Path, ...] = ()) -> None:
        self.paths = paths
        self.info: dict[str, Any] = files.load_yaml(paths.info)
        self.called = False
        self._folders = task_folders
        self._logger: Logger | None = None
        self._stop: str | None = None
        self._exit = ExitStack()

    def __enter__(self) -> Session:
        self._refuse_a_second_start()
        now = datetime.now()
        me = owner.identity()
        self.info.update(
            status=Status.RUNNING.value,
            hostname=me.host,
            process_id=me.pid,
            executable=sys.executable,
            start_date=_date(now),
            start_time=_time(now),
            started=rundir.now_iso(),
            process={"boot_id": me.boot, "started": me.started},
        )
        rundir.update_info(self.paths, self.info)
        rundir.append_event(
            self.paths, "STARTED", attempt=self.info.get("attempt", 1), host=me.host, pid=me.pid
        )
        self._exit.enter_context(_sigterm(self._terminate))
        _CURRENT.append(self)
        return self

    def _refuse_a_second_start(self) -> None:
        """A final status is written once."""
        status = self.info.get("status")
        if status != Status.STARTING.value:
            raise RunError(
                f"run {self.paths.root.name} is {status}: it was begun already",
                "launch it again as a new run",
            )

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        self._stop = signal.Signals(number).name
        raise Terminated(self._stop)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _CURRENT.remove(self)
        if threading.current_thread() is threading.main_thread():
            # Nothing may interrupt the writing of the end.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            self._end(error)
        finally:
            self._exit.close()

    def _end(self, error: BaseException | None) -> None:
        """Write how it ended."""
        status, end = self._outcome(error)
        if error is not None and status is not Status.COMPLETE:
            self.info["error"] = self.describe(error)
        if self._logger is not None:
            self._logger.close()
        now = datetime.now()
        self.info.update(
            status=status.value,
            end_date=_date(now),
            end_time=_time(now),
            ended=rundir.now_iso(),
            end=end,
        )
        rundir.append_event(self.paths, status.value, **end)
        rundir.update_info(self.paths, self.info)

    def _outcome(self, error: BaseException | None) -> tuple[Status, dict[str, Any]]:
        """The status an exception means, and the reason that is recorded."""
        if isinstance(error, Terminated) or (error is None and self._stop):
            return Status.CANCELLED, {"reason": self._stop or "SIGTERM", "exit_code": 143}
        if isinstance(error, KeyboardInterrupt):
            return Status.CANCELLED, {"reason": "KeyboardInterrupt", "exit_code": 130}
        if isinstance(error, SystemExit):
            code = error.code
            if code is None or code == 0:
                return Status.COMPLETE, {"reason": "SystemExit", "exit_code": 0}
            number = code if isinstance(code, int) else 1
            return Status.FAILED, {"reason": f"SystemExit({code!r})", "exit_code": number}
        if error is not None:
            return Status.FAILED, {"reason": type(error).__name__, "exit_code": 1}
        return Status.COMPLETE, {"reason": "returned", "exit_code": 0}

    def describe(self, error: BaseException) -> dict[str, Any]:
        """``info.error``: what happened, where in the user's code, and how to mend it."""
        message = error.problem if isinstance(error, MlxpError) else str(error)
        hint = error.hint if isinstance(error, MlxpError) else line_to_add(error, self.info)
        return {
            "type": type(error).__name__,
            "message": message,
            "where": self._where(error),
            "hint": hint,
            "traceback": "".join(traceback.format_exception(error)),
        }

    def _where(self, error: BaseException) -> str:
        """``file.py:line`` of the innermost frame that is the user's, else of the innermost."""
        frames = traceback.extract_tb(error.__traceback__)
        mine = [f for f in frames if any(Path(f.filename).is_relative_to(d) for d in self._folders)]
        frame = (mine or list(frames))[-1:]
        return f"{Path(frame[0].filename).name}:{frame[0].lineno}" if frame else ""

    def context(self) -> Context:
        """What the user's function is called with."""
        config = files.load_yaml(self.paths.config) or {}
        settings = files.load_yaml(self.paths.settings) if self.paths.settings.exists() else {}
        if settings.get("use_logger", True):
            self._logger = self._logger or Logger(self.paths)
        return make_context(config, settings, self.info, self._logger)

    def call(
        self, task: Callable[[Context], Any], seeding_function: Callable[[Any], None] | None
    ) -> Any:
        """Seed, then run the user's function.

        Raises
        ------
        MissingFieldError
            There is a seeding function and no ``seed`` in the configuration.
        RunError
            This run was run already: a script calls its launched function once.
        """
        if self.called:
            raise RunError(
                "the launched function was called twice in one run",
                'call it once, under if __name__ == "__main__":',
            )
        self.called = True
        return call(task, seeding_function, self.context())


def make_context(
    config: Mapping[str, Any],
    settings: Mapping[str, Any],
    info: Mapping[str, Any],
    logger: Logger | None,
) -> Context:
    """What a function is called with, in the form that the settings ask for."""
    project_dir = info.get("project_dir")
    return Context(
        config=_config(config, settings),
        mlxp=Rooted("mlxp", settings),
        info=Rooted("info", info),
        logger=logger,
        project_dir=Path(project_dir) if project_dir else None,
    )


def call(
    task: Callable[[Context], Any],
    seeding_function: Callable[[Any], None] | None,
    ctx: Context,
) -> Any:
    """Seed with ``config.seed``, then run the user's function."""
    if seeding_function is not None:
        if "seed" not in ctx.config:
            raise MissingFieldError(
                "the configuration has no field 'seed', which the seeding function needs",
                "add the line 'seed: 0' to configs/config.yaml",
            )
        seeding_function(ctx.config["seed"])
    return task(ctx)


def _config(config: Mapping[str, Any], settings: Mapping[str, Any]) -> Any:
    """The configuration as MLXP's ConfigDict, or as OmegaConf's own class."""
    if settings.get("as_ConfigDict", True):
        return ConfigDict(config)
    from omegaconf import OmegaConf

    return OmegaConf.create(dict(config))


@contextmanager
def _sigterm(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle SIGTERM inside the block; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)
