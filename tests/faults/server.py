"""Forks programs that were imported once, kills them when told to, and hands back what they said.

``python -m tests.faults.server``: a JSON line in, a JSON line out.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from typing import Any

from tests.faults import programs


def fork(name: str, arguments: dict[str, Any]) -> tuple[int, int]:
    """Start a program; its process id and the end of its pipe."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        code = 3
        try:
            code = programs.call(name, writing, arguments)
        finally:
            os._exit(code)
    os.close(writing)
    return pid, reading


def collect(pid: int, pipe: int, kill_after: int | None, delay_us: int) -> dict[str, Any]:
    """What a program said, and how it ended; killed ``delay_us`` after so many lines."""
    said = b""
    killed = False
    while True:
        if not killed and kill_after is not None and said.count(b"\n") >= kill_after:
            time.sleep(delay_us / 1e6)
            os.kill(pid, signal.SIGKILL)
            killed = True
        part = os.read(pipe, 65536)
        if not part:
            break
        said += part
    os.close(pipe)
    _, status = os.waitpid(pid, 0)
    # A line that was cut by the kill was not said.
    lines = [line.split(" ") for line in said.decode().split("\n")[:-1]]
    return {"said": lines, "code": os.waitstatus_to_exitcode(status)}


def answer(order: dict[str, Any]) -> Any:
    """Run the programs of an order at once; background ones go on until their server ends."""
    started = [fork(name, arguments) for name, arguments in order["programs"]]
    if order.get("background"):
        for pid, pipe in started:
            select.select([pipe], [], [])
            os.set_blocking(pipe, False)
            BACKGROUND.append((pid, pipe))
        return len(started)
    if order.get("kill_after") is not None:
        ((pid, pipe),) = started
        return [collect(pid, pipe, order["kill_after"], order["delay_us"])]
    return [collect(pid, pipe, None, 0) for pid, pipe in started]


BACKGROUND: list[tuple[int, int]] = []


def stop_background(_order: dict[str, Any]) -> int:
    """Kill the background programs."""
    count = len(BACKGROUND)
    while BACKGROUND:
        pid, pipe = BACKGROUND.pop()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(pipe)
    return count


def main() -> None:
    """Serve until the orders end."""
    for line in sys.stdin:
        order = json.loads(line)
        result = stop_background(order) if order.get("stop") else answer(order)
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()
    stop_background({})


if __name__ == "__main__":
    main()
