"""Timings in fresh interpreters, and the one line that every benchmark prints for a figure."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping

ROUNDS = 15
PROGRAM = """\
{setup}
import time
start = time.perf_counter()
{timed}
print(time.perf_counter() - start)
"""


def say(name: str, value: float, unit: str) -> None:
    """Print a figure: ``name value unit``."""
    print(f"{name} {value:.4g} {unit}", flush=True)


def say_seconds(statements: Mapping[str, str], setup: str = "", rounds: int = ROUNDS) -> None:
    """Print the median time of each statement, in fresh interpreters after an untimed ``setup``.

    The statements take turns, so that a machine that slows down slows them all; the first turn
    only warms the disk.
    """
    taken: dict[str, list[float]] = {name: [] for name in statements}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(rounds + 1):
            for name, statement in statements.items():
                seconds = _seconds(PROGRAM.format(setup=setup, timed=statement), folder)
                if turn:
                    taken[name].append(seconds)
    for name, values in taken.items():
        say(name, statistics.median(values), "s")


def _seconds(program: str, folder: str) -> float:
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    return float(said.stdout.split()[-1])
