"""How often each attack is made: ``MLXP_NB_FAULTS=full`` for all, else what CI has time for."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

MODE = os.environ.get("MLXP_NB_FAULTS", "ci")
REPORT = os.environ.get("MLXP_NB_FAULTS_REPORT")


class Count(NamedTuple):
    full: int
    ci: int


COUNTS: dict[str, Count] = {
    "kills": Count(1000, 60),
    "io_stride": Count(1, 4),
    "disk_full": Count(100, 10),
    "mutated": Count(10_000, 300),
    "requeues": Count(200, 20),
    "reads": Count(400, 40),
    "id_processes": Count(64, 16),
    "ids_each": Count(100, 25),
}


def count(name: str) -> int:
    """How often, in this run of the suite."""
    if MODE not in Count._fields:
        raise ValueError(f"MLXP_NB_FAULTS is {MODE!r}; write full or ci")
    return int(getattr(COUNTS[name], MODE))


@dataclass(frozen=True)
class Line:
    """A measured figure."""

    name: str
    value: object
    unit: str

    def __str__(self) -> str:
        return f"{self.name} {self.value} {self.unit}"


SAID: list[Line] = []


def say(name: str, value: object, unit: str) -> None:
    """Print a figure as ``name value unit``, now and at the end of the suite."""
    line = Line(name, value, unit)
    SAID.append(line)
    print(line, flush=True)
    if REPORT:
        with Path(REPORT).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


SEED = int(os.environ.get("MLXP_NB_FAULTS_SEED", "1"))


def dice(name: str, number: int) -> random.Random:
    """Random numbers that are the same whenever this trial is made again."""
    return random.Random(f"{SEED} {name} {number}")
