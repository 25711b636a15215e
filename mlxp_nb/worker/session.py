"""One attempt at a run: its beginning, its end, and a true status whatever ends it."""

from __future__ import annotations

import logging
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
from mlxp_nb.core.settings import logging_settings
from mlxp_nb.core.status import Status
from mlxp_nb.errors import MissingFieldError, MlxpError, RunError, StoreError
from mlxp_nb.store import files, owner, rundir
from mlxp_nb.worker.context import Context, Logger, Rooted
from mlxp_nb.worker.mend import line_to_add
from mlxp_nb.worker.rank import restarts

__all__ = ["Session", "Terminated", "call", "current", "load_settings", "make_context"]

logger = logging.getLogger(__name__)

# A record of more than 1 MB is not read.
MESSAGE_MAX = 10_000
TRACEBACK_MAX = 100_000
_CURRENT: list[Session] = []


class Terminated(BaseException):
    """SIGTERM arrived: scancel, a time limit, or ``sweep.cancel()``."""


def current() -> Session | None:
    """The run that this process is at, if any."""
    return _CURRENT[-1] if _CURRENT else None


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
    rank : int
        Of this process in its job. Only rank 0 writes the record of the run; the others have
        metric files of their own.

    Raises
    ------
    RunError
        On entering: another process began this attempt, or the run has ended. On leaving: a newer
        attempt holds the run; nothing was written.
    StoreError
        The disk refused the record, or did not confirm the last metrics.
    """

    def __init__(
        self, paths: RunPaths, task_folders: tuple[Path, ...] = (), *, rank: int = 0
    ) -> None:
        self.paths = paths
        self.rank = rank
        self.info: dict[str, Any] = files.load_yaml(paths.info)
        self.called = False
        self._settings: dict[str, Any] = load_settings(paths)
        self._folders = task_folders
        self._logger: Logger | None = None
        self._stop: str | None = None
        self._exit = ExitStack()

    def __enter__(self) -> Session:
        self._count_attempt()
        self._begin()
        self._exit.enter_context(_sigterm(self._terminate))
        _CURRENT.append(self)
        return self

    def _count_attempt(self) -> None:
        """A job that SLURM starts again goes on under the same run, as its next attempt."""
        again = restarts()
        is_again = again > int(self.info.get("restarts") or 0)
        if is_again:
            self.info["restarts"] = again
        if self.info.get("status") == Status.STARTING.value:
            return
        if is_again:
            self.info["attempt"] = self.attempt + 1
            for key in ("error", "end", "ended", "end_date", "end_time"):
                self.info.pop(key, None)
        elif not self.rank:
            raise self._begun()

    def _begun(self) -> RunError:
        run_id = self.paths.root.name
        return RunError(
            f"run {run_id} is {self.info.get('status')}: it was begun already",
            "launch it again as a new run, or resume it: "
            f"mlxp.logger.forced_log_id={run_id} mlxp.logger.token=…, its info.token",
        )

    @property
    def attempt(self) -> int:
        """Which attempt at the run this is, from 1."""
        return int(self.info.get("attempt") or 1)

    def _begin(self) -> None:
        """Record RUNNING, and who runs it."""
        if self.rank:
            return
        now = datetime.now()
        me = owner.identity()
        before = dict(self.info)
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
        for folder in (self.paths.metadata, self.paths.metrics / ".keys"):
            files.sweep_temporary(folder)
        try:
            rundir.advance(self.paths, self.info)
        except StoreError as error:
            self.info = before
            self._record_end(error)
            raise
        self._note("STARTED", host=me.host, pid=me.pid)

    def _note(self, event: str, **details: Any) -> None:
        """Add to the history; the record says the same, so a full disk does not end the run."""
        try:
            rundir.append_event(self.paths, event, attempt=self.attempt, **details)
        except StoreError as error:
            logger.warning("%s is not in the history: %s", event, error)

    def check(self) -> None:
        """Refuse to write for an attempt that no longer holds the run.

        Raises
        ------
        RunError
            A newer attempt or another process holds it.
        """
        if not self.rank:
            rundir.check_holder(self.paths, self.info)

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
        """Close what is open and write how it ended.

        Raises
        ------
        StoreError
            The last metrics were not confirmed: a run that returned is FAILED then.
        """
        lost: StoreError | None = None
        try:
            if self._logger is not None:
                self._logger.close()
        except StoreError as unconfirmed:
            lost = unconfirmed
        self._record_end(error or lost)
        if lost is not None and error is None:
            raise lost

    def _record_end(self, error: BaseException | None) -> None:
        """Write the last status of this attempt."""
        status, end = self._outcome(error)
        if error is not None and status is not Status.COMPLETE:
            self.info["error"] = self.describe(error)
        now = datetime.now()
        self.info.update(
            status=status.value,
            end_date=_date(now),
            end_time=_time(now),
            ended=rundir.now_iso(),
            end=end,
        )
        if self.rank:
            return
        rundir.advance(self.paths, self.info)
        self._note(status.value, **end)

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
            "message": _storable(message, MESSAGE_MAX),
            "where": self._where(error),
            "hint": hint,
            "traceback": _storable("".join(traceback.format_exception(error)), TRACEBACK_MAX),
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
        settings = self._settings
        if settings.get("use_logger", True):
            self._logger = self._logger or Logger(
                self.paths,
                attempt=self.attempt,
                rank=self.rank,
                sync_s=logging_settings(settings).sync_s,
                check=self.check,
            )
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


def load_settings(paths: RunPaths) -> dict[str, Any]:
    """MLXP's settings of a run, with ours under ``mlxp_nb``; empty when it has none."""
    return dict(files.load_yaml(paths.settings) or {}) if paths.settings.exists() else {}


def _storable(text: str, most: int) -> str:
    """A text that a record can hold: of one size, and without what UTF-8 has no place for."""
    if len(text) > most:
        text = f"{text[: most // 2]}\n[…]\n{text[-most // 2 :]}"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


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
