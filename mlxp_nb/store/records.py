"""Reading metric files: every finished line that is a record, and none that is not."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mlxp_nb.core.run import RunPaths
from mlxp_nb.store import files

__all__ = ["TIME", "Records", "keys", "last", "names", "noted_keys", "read"]

TIME = "_time"
LINE_MAX = 16 * 2**20
TAIL = 65536


@dataclass(frozen=True)
class Records:
    """What a metric file holds.

    Attributes
    ----------
    rows : list of dict
        One a line, in the order they were logged.
    damaged : int
        Lines that are not records; they are left out, never guessed.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    damaged: int = 0


def noted_keys(path: Path) -> list[str]:
    """Columns named by a ``.keys`` file; none when it is missing or damaged."""
    try:
        noted = files.load_yaml(path)
    except (OSError, yaml.YAMLError, ValueError):
        return []
    return [str(key) for key in noted] if isinstance(noted, dict) else []


def names(run_dir: Path) -> list[str]:
    """Stems of the metric files of a run, sorted."""
    try:
        entries = [path.name for path in RunPaths(Path(run_dir)).metrics.iterdir()]
    except OSError:
        return []
    return sorted(
        name[:-5] for name in entries if name.endswith(".json") and not name.startswith(".")
    )


def keys(run_dir: Path, name: str) -> list[str]:
    """Columns of a metric file, in order, without reading all of it.

    From MLXP's ``.keys`` file together with the first and the last record.
    """
    metrics = RunPaths(Path(run_dir)).metrics
    found = dict.fromkeys(noted_keys(metrics / ".keys" / f"{name}.yaml"))
    path = metrics / f"{name}.json"
    try:
        with path.open("rb") as file:
            first = file.readline(LINE_MAX)
            file.seek(max(0, path.stat().st_size - TAIL))
            rest = file.read().split(b"\n")
    except OSError:
        return list(found)
    for line in (first, *rest[-2:-1]):
        row = _row(line)
        if row is not None:
            found.update(dict.fromkeys(row))
    found.pop(TIME, None)
    return list(found)


def _row(line: bytes) -> dict[str, Any] | None:
    """The record of a line; None when it is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def last(run_dir: Path) -> dict[str, Any]:
    """The newest finished record of a run over all its metric files; empty when there is none."""
    newest: dict[str, Any] = {}
    for name in names(run_dir):
        path = RunPaths(Path(run_dir)).metrics / f"{name}.json"
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            lines = file.read().split(b"\n")[:-1]
        row = _row(lines[-1]) if lines else None
        if row is not None and row.get(TIME, 0) >= newest.get(TIME, 0):
            newest = row
    return newest


def read(run_dir: Path, name: str) -> Records:
    """All records of a metric file.

    A last line without its end is still being written: it is not a record yet, and is not
    counted as damaged.
    """
    path = RunPaths(Path(run_dir)).metrics / f"{name}.json"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Records()
    lines = data.split(b"\n")[:-1]
    rows: list[dict[str, Any]] = []
    damaged = 0
    for line in lines:
        row = _row(line) if len(line) <= LINE_MAX else None
        if row is not None:
            rows.append(row)
        elif line.strip():
            damaged += 1
    return Records(rows, damaged)
