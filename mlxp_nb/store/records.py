"""Reading metric files: every finished line that is a record, and none that is not."""

from __future__ import annotations

import heapq
import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mlxp_nb.store import opens, plain_yaml

__all__ = [
    "ATTEMPT",
    "HIDDEN",
    "RANK",
    "TIME",
    "Records",
    "keys",
    "last",
    "names",
    "noted_keys",
    "read",
]

TIME = "_time"
ATTEMPT = "_attempt"
RANK = "_rank"
HIDDEN = (TIME, ATTEMPT, RANK)
"""What is written into a record beside what was logged; no columns of their own."""

LINE_MAX = 16 * 2**20
SKIP_MAX = 2**30
BLOCK = 2**20
TAIL = 65536
_RANKED = re.compile(r"(.+)\.r[1-9][0-9]{0,8}")
_Row = dict[str, Any]


@dataclass(frozen=True)
class Records:
    """What the files of a metric name hold, those of all ranks together.

    Attributes
    ----------
    rows : list of dict
        One a line, in the order they were logged; ranks are merged by time.
    damaged : int
        Lines that are not records; they are left out, never guessed.
    problem : str or None
        Why a file could not be read, or not to its end; None when all were.
    """

    rows: list[_Row] = field(default_factory=list)
    damaged: int = 0
    problem: str | None = None


def noted_keys(path: Path) -> list[str]:
    """Columns named by a ``.keys`` file; none when it is missing or damaged."""
    try:
        with opens.folder(path.parent) as folder:
            noted = plain_yaml.load(opens.read(folder, path.name, plain_yaml.SIZE_MAX))
    except (OSError, yaml.YAMLError, ValueError):
        return []
    return [key for key in noted if isinstance(key, str)] if isinstance(noted, dict) else []


def names(run_dir: Path) -> list[str]:
    """Names that a run logged metrics under, sorted: ``train`` for ``metrics/train.json``."""
    return sorted(_files(Path(run_dir)))


def _files(run_dir: Path) -> dict[str, list[str]]:
    """The metric files of each name, rank 0 first."""
    try:
        with opens.folder(run_dir, "metrics") as folder:
            found = os.listdir(folder)  # noqa: PTH208 - a descriptor, which no link can replace
    except OSError:
        return {}
    files: dict[str, list[str]] = {}
    for entry in sorted(found, key=lambda entry: (len(entry), entry)):
        if entry.endswith(".json") and not entry.startswith(".") and _is_text(entry):
            stem = entry[:-5]
            ranked = _RANKED.fullmatch(stem)
            files.setdefault(ranked[1] if ranked else stem, []).append(entry)
    return files


def _is_text(name: str) -> bool:
    """Whether a file name is UTF-8, so that it can be shown."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def keys(run_dir: Path, name: str) -> list[str]:
    """Columns of a metric, in order, without reading all of its files.

    From MLXP's ``.keys`` files together with the first and the last record of each.
    """
    run_dir = Path(run_dir)
    found: dict[str, None] = {}
    for entry in _files(run_dir).get(name, []):
        note = run_dir / "metrics" / ".keys" / f"{entry[:-5]}.yaml"
        found.update(dict.fromkeys(noted_keys(note)))
        for row in _ends(run_dir, entry):
            found.update(dict.fromkeys(row))
    return [key for key in found if key not in HIDDEN]


def _ends(run_dir: Path, entry: str) -> list[_Row]:
    """The first and the last record of a file, where the two lines are records."""
    try:
        with (
            opens.folder(run_dir, "metrics") as folder,
            opens.file(folder, entry) as descriptor,
            os.fdopen(os.dup(descriptor), "rb") as file,
        ):
            first = file.readline(LINE_MAX)
            start = max(0, os.fstat(descriptor).st_size - TAIL)
            file.seek(start)
            lines = file.read(2 * TAIL).split(b"\n")[:-1]
    except OSError:
        return []
    whole = lines[1:] if start else lines
    rows = (_row(line) for line in (first if first.endswith(b"\n") else b"", *whole[-1:]))
    return [row for row in rows if row is not None]


def _row(line: bytes) -> _Row | None:
    """The record of a line; None when it is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def last(run_dir: Path) -> _Row:
    """The newest finished record of a run over all its metric files; empty when there is none."""
    run_dir = Path(run_dir)
    ends = [_ends(run_dir, entry)[-1:] for some in _files(run_dir).values() for entry in some]
    return max((row for rows in ends for row in rows), key=_time, default={})


def _time(row: _Row) -> float:
    """When a record was logged; long ago when it does not say."""
    time = row.get(TIME)
    return float(time) if isinstance(time, float) and not math.isnan(time) else -math.inf


def read(run_dir: Path, name: str) -> Records:
    """All records of a metric name.

    A last line without its end is still being written: it is not a record yet, and is not
    counted as damaged. Never raises: what cannot be read is in ``problem``.
    """
    run_dir = Path(run_dir)
    parts = [_read(run_dir, entry) for entry in _files(run_dir).get(name, [])]
    if len(parts) == 1:
        return parts[0]
    problems = [part.problem for part in parts if part.problem is not None]
    return Records(
        rows=_merged(part.rows for part in parts),
        damaged=sum(part.damaged for part in parts),
        problem="; ".join(problems) or None,
    )


def _merged(ranks: Iterable[list[_Row]]) -> list[_Row]:
    """The records of several ranks by time; those of one keep their order whatever they say."""
    return list(heapq.merge(*ranks, key=_time))


def _read(run_dir: Path, entry: str) -> Records:
    """The records of one file."""
    rows: list[_Row] = []
    damaged = 0
    problem = None
    try:
        with opens.folder(run_dir, "metrics") as folder, opens.file(folder, entry) as descriptor:
            for line in _lines(descriptor):
                row = _row(line) if line is not None else None
                if row is not None:
                    rows.append(row)
                elif line is None or line.strip():
                    damaged += 1
    except FileNotFoundError:
        problem = None  # removed since it was listed
    except (OSError, opens.TooLargeError) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        problem = f"metrics/{entry} cannot be read: {said}"
    return Records(rows, damaged, problem)


def _lines(descriptor: int) -> Iterator[bytes | None]:
    """Finished lines; None for one of more than 16 MB, which is never held as a whole.

    Raises
    ------
    TooLargeError
        A line of more than 1 GB; what follows it is not looked for.
    """
    parts: list[bytes] = []
    size = 0
    while block := os.read(descriptor, BLOCK):
        head, newline, rest = block.partition(b"\n")
        size += len(head)
        if size <= LINE_MAX:
            parts.append(head)
        elif size > SKIP_MAX:
            raise opens.TooLargeError(f"a line in it has more than {SKIP_MAX:,} bytes")
        if not newline:
            continue
        yield b"".join(parts) if size <= LINE_MAX else None
        *whole, rest = rest.split(b"\n")
        yield from whole
        parts, size = [rest], len(rest)
