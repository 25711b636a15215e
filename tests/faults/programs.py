"""What the forked processes do: runs that acknowledge, on a pipe, all that they were promised."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlxp_nb.core.run import RunPaths
from mlxp_nb.core.status import Status
from mlxp_nb.errors import MlxpError
from mlxp_nb.store import rundir
from mlxp_nb.worker.session import Session

ONCE, FROM_THEN_ON, SHORT_WRITE = range(3)


@dataclass(frozen=True)
class Pipe:
    """Where acknowledgements go; a line is written only when the call before it has returned."""

    descriptor: int

    def say(self, *words: object) -> None:
        os.write(self.descriptor, (" ".join(map(str, words)) + "\n").encode())


def new_run(log_dir: str) -> RunPaths:
    """A run, recorded and not begun."""
    info = {"status": Status.STARTING.value, "created": rundir.now_iso(), "attempt": 1}
    return rundir.allocate(Path(log_dir), {"lr": 0.1, "seed": 0}, info).paths


def work(
    paths: RunPaths, pipe: Pipe, *, begin: int, end: int, pad: int = 0, every: int = 10
) -> None:
    """Log records ``begin`` to ``end - 1``, a checkpoint every few."""
    with Session(paths) as session:
        pipe.say("started", paths.root.name)
        logger = session.context().logger
        assert logger is not None
        for i in range(begin, end):
            logger.log_metrics({"i": i, "text": "x" * pad}, "train")
            pipe.say("record", paths.root.name, i)
            if i % every == 0:
                logger.log_checkpoint({"i": i, "data": "y" * pad})
                pipe.say("checkpoint", paths.root.name, i)
            if i % 13 == 0:
                logger.log_artifacts({"i": i}, f"a{i}", "json")
                pipe.say("artifact", paths.root.name, f"a{i}")
    pipe.say("complete", paths.root.name)


def run(pipe: Pipe, *, log_dir: str, records: int, pad: int = 0) -> None:
    """A run from its allocation to its end."""
    paths = new_run(log_dir)
    pipe.say("allocated", paths.root.name)
    work(paths, pipe, begin=0, end=records, pad=pad)


def faulty(
    pipe: Pipe, *, log_dir: str, records: int, n: int, mode: int, number: int, pad: int = 0
) -> None:
    """The same with the n-th I/O call below the log directory failing; says whether one did."""
    shim = ctypes.CDLL(None)
    shim.shim_first.restype = ctypes.c_char_p
    Path(log_dir).mkdir(parents=True, exist_ok=True)
    shim.shim_arm(log_dir.encode(), ctypes.c_long(n), mode, number)
    try:
        run(pipe, log_dir=log_dir, records=records, pad=pad)
    finally:
        first = shim.shim_first().decode()
        calls = shim.shim_calls()
        shim.shim_disarm()
        pipe.say("fault", first or "-", calls)


def limited(pipe: Pipe, *, log_dir: str, records: int, pad: int, size_max: int) -> None:
    """A run whose files may not grow beyond a size; 0 for no limit."""
    if size_max:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size_max, resource.RLIM_INFINITY))
    run(pipe, log_dir=log_dir, records=records, pad=pad)


def greedy(pipe: Pipe, *, path: str, watch: str, size: int) -> None:
    """Once a file has a size, take every block that is or becomes free, until killed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    pipe.say("greedy")
    while not (Path(watch).exists() and Path(watch).stat().st_size >= size):
        time.sleep(0.0002)
    while True:
        try:
            os.write(descriptor, b"g" * 4096)
        except OSError:
            time.sleep(0.0002)


def requeue(pipe: Pipe, *, log_dir: str, run_id: int, begin: int, records: int) -> None:
    """The next attempt at a run that was killed."""
    info = {**rundir.read(Path(log_dir), run_id).info, "status": Status.STARTING.value}
    paths = rundir.allocate(
        Path(log_dir), {"lr": 0.1}, info, forced_id=run_id, token=str(info["token"])
    ).paths
    work(paths, pipe, begin=begin, end=begin + records, pad=100)


def ids(pipe: Pipe, *, log_dir: str, each: int) -> None:
    """Allocate many runs."""
    for _ in range(each):
        pipe.say("id", new_run(log_dir).root.name)


def runs(pipe: Pipe, *, log_dir: str, count: int, records: int) -> None:
    """Several runs, one after the other."""
    for _ in range(count):
        run(pipe, log_dir=log_dir, records=records)


PROGRAMS: dict[str, Callable[..., None]] = {
    row.__name__: row for row in (run, faulty, limited, greedy, requeue, ids, runs)
}


def call(name: str, descriptor: int, arguments: dict[str, Any]) -> int:
    """Run a program in this process; its exit code."""
    pipe = Pipe(descriptor)
    try:
        PROGRAMS[name](pipe, **arguments)
    except (MlxpError, OSError) as error:
        pipe.say("raised", type(error).__name__, str(error).splitlines()[0])
        return 1
    except BaseException as error:  # noqa: BLE001 - told to the test, which fails
        pipe.say("broke", type(error).__name__, str(error).splitlines()[:1])
        return 2
    return 0
