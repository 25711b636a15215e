"""Which checkpoints stay: the last ones, and the best by a metric."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mlxp_nb.core.run import RunPaths
from mlxp_nb.errors import ArtifactError
from mlxp_nb.store import opens, records
from mlxp_nb.store.artifacts import manifest
from mlxp_nb.store.artifacts.entry import Entry
from mlxp_nb.store.artifacts.listing import listing
from mlxp_nb.store.artifacts.saving import copy, remove

__all__ = ["ORDERS", "Keep"]

ORDERS = ("min", "max")
_TAIL = 2**16


@dataclass(frozen=True)
class Keep:
    """What stays beside the newest checkpoint.

    Attributes
    ----------
    last : int or None
        How many of the newest ones.
    metric, order : str
        What is the best, ``"test.loss"`` and ``"min"``; empty when the best is not kept.
    value : float
        Of that metric, now.
    """

    last: int | None = None
    metric: str = ""
    order: str = ""
    value: float = math.nan

    @classmethod
    def of(cls, paths: RunPaths, last: int | None, best: tuple[str, str] | None) -> Keep:
        """From what the user says, checked before anything is written.

        Raises
        ------
        ArtifactError
            It cannot be understood, or the metric was not logged yet.
        """
        if last is not None and (not isinstance(last, int) or last < 1):
            raise ArtifactError(f"keep_last is {last!r}", "keep_last=3 keeps the newest three")
        if best is None:
            return cls(last)
        metric, order = _pair(best)
        return cls(last, metric, order, _value_of(paths, metric))

    def apply(self, paths: RunPaths, entry: Entry, *, rank: int = 0) -> None:
        """Keep a checkpoint that was just saved, and remove those that are too old."""
        if self.last is not None:
            _keep_last(paths, entry, self.last, rank)
        if self.metric:
            _keep_best(paths, entry, self, rank)


def _keep_last(paths: RunPaths, entry: Entry, count: int, rank: int) -> None:
    """Keep a checkpoint as ``<name>.<n>`` too, and of those the newest ``count``.

    Numbers rise from 1, and go on when a run is resumed.
    """
    numbered = re.compile(re.escape(entry.name) + r"\.([1-9][0-9]{0,8})")
    found: dict[int, Entry] = {}
    for other in listing(paths.root):
        match = numbered.fullmatch(other.name) if other.type == entry.type else None
        if match is not None:
            found[int(match[1])] = other
    number = max(found, default=0) + 1
    copy(paths, entry, f"{entry.name}.{number}", rank=rank)
    for old in sorted(found)[: len(found) + 1 - count]:
        remove(paths, found[old], rank=rank)


def _value_of(paths: RunPaths, metric: str) -> float:
    """The value of a metric that was logged last.

    Raises
    ------
    ArtifactError
        It was not logged yet, or is no number.
    """
    for name in records.names(paths.root):
        column = metric.removeprefix(f"{name}.")
        if column == metric:
            continue
        for row in _backwards(paths, name):
            if column in row:
                return _number(metric, row[column])
    raise ArtifactError(
        f"the metric {metric!r} was not logged yet, so no checkpoint can be the best by it",
        'log it before the checkpoint: log_metrics({"loss": …}, "test") makes "test.loss"',
    )


def _backwards(paths: RunPaths, name: str) -> Iterator[dict[str, Any]]:
    """Records from the newest on; a long file is read whole only when its end does not do."""
    with (
        suppress(OSError),
        opens.folder(paths.metrics) as at,
        opens.file(at, f"{name}.json") as file,
    ):
        start = max(0, os.fstat(file).st_size - _TAIL)
        for line in reversed(os.pread(file, _TAIL, start).split(b"\n")[1 if start else 0 : -1]):
            with suppress(ValueError):
                row = json.loads(line)
                if isinstance(row, dict):
                    yield row
    yield from reversed(records.read(paths.root, name).rows)


def _number(metric: str, value: Any) -> float:
    if isinstance(value, (int, float)):
        return float(value)
    raise ArtifactError(
        f"{metric} is {value!r}, by which no checkpoint can be the best",
        "name a metric that is a number",
    )


def _keep_best(paths: RunPaths, entry: Entry, keep: Keep, rank: int) -> None:
    """Keep a checkpoint as ``<name>.best`` too when it is the best so far.

    The value it was best by is in the manifest, so a resumed run goes on from there. NaN is
    never the best, and an equal one does not replace it.
    """
    name = f"{entry.name}.best"
    before = manifest.latest(paths.root, entry.type, name)
    noted = before.more.get("metric") if before is not None else None
    if _is_better(keep, noted):
        measure = {"name": keep.metric, "order": keep.order, "value": keep.value}
        copy(paths, entry, name, more={"metric": measure}, rank=rank)


def _is_better(keep: Keep, noted: Any) -> bool:
    """Whether it is better than the best so far, of which the manifest says ``noted``."""
    if math.isnan(keep.value):
        return False
    if not isinstance(noted, dict) or not isinstance(noted.get("value"), (int, float)):
        return True
    if (noted.get("name"), noted.get("order")) != (keep.metric, keep.order):
        return True
    best = float(noted["value"])
    return keep.value < best if keep.order == "min" else keep.value > best


def _pair(best: Any) -> tuple[str, str]:
    """``("test.loss", "min")``, when it is such a pair."""
    is_pair = isinstance(best, (tuple, list)) and len(best) == 2
    if is_pair and isinstance(best[0], str) and best[1] in ORDERS:
        return best[0], best[1]
    raise ArtifactError(
        f"keep_best is {best!r}, which does not say by what a checkpoint is the best",
        'keep_best=("test.loss", "min"), or "max"',
    )
