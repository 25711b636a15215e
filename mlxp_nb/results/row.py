"""Rows of a table: values by dotted key; a run reads its files when they are asked for."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mlxp_nb.core.columns import MISSING, Kind, flatten, kind_of
from mlxp_nb.core.keys import Fields, Key, UnknownKeyError, resolve
from mlxp_nb.core.reductions import reduce_metric
from mlxp_nb.core.run import RunRecord
from mlxp_nb.core.status import State, Verdict
from mlxp_nb.core.units import count
from mlxp_nb.store import artifacts, owner, records
from mlxp_nb.store.artifacts import Entry
from mlxp_nb.store.records import Records

__all__ = ["LazyArtifact", "Row", "Run"]

logger = logging.getLogger(__name__)


class Row(Mapping[str, Any]):
    """Values by dotted key, all at hand: a row of an aggregated table.

    Parameters
    ----------
    values : mapping
        Flat.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What is at hand without opening a file."""
        return self._values

    @property
    def lazy(self) -> tuple[str, ...]:
        """Keys of what is read when it is asked for: metrics, then artifacts."""
        return ()

    def look(self, key: Key) -> Any:
        """The value in a column, or MISSING."""
        return self.metadata.get(key.name, MISSING) if key.reduction is None else MISSING

    def __getitem__(self, key: str) -> Any:
        """A value by its key, the end of its key, or a metric with a reduction.

        Raises
        ------
        UnknownKeyError
            It has none; also a ``KeyError``.
        """
        value = self.look(Key(key))
        if value is MISSING:
            value = self.look(resolve(Key(key), Fields(self.metadata, lambda: self.lazy)))
        if value is MISSING and key in self.lazy:
            return []  # a metric that is named, and of which nothing can be read
        if value is MISSING:
            raise UnknownKeyError(key, list(self))
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a whole key, or ``default``; quicker than ``[]`` where keys are missing."""
        value = self.look(Key(key))
        return default if value is MISSING else value

    def __contains__(self, key: object) -> bool:
        return key in self.metadata or key in self.lazy

    def __iter__(self) -> Iterator[str]:
        return iter((*self.metadata, *self.lazy))

    def __len__(self) -> int:
        return len(self.metadata) + len(self.lazy)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self.metadata)!r})"


@dataclass(frozen=True)
class LazyArtifact:
    """A saved object that is read by :meth:`load`.

    Attributes
    ----------
    type, name : str
        As it was logged.
    path : Path
        Its file.
    """

    type: str
    name: str
    path: Path

    def load(self, *, trust: bool = False) -> Any:
        """The object.

        Parameters
        ----------
        trust : bool
            Load also what could execute code and is not signed by this user.

        Raises
        ------
        UntrustedArtifactError
            It could execute code, this user has not signed it, and ``trust`` is not given.
        ArtifactError
            It cannot be read.
        """
        return artifacts.load(Entry(self.type, self.name, self.path), trust=trust)


class Run(Row):
    """One run: its records at hand, its metrics and artifacts read when they are asked for.

    What was read is kept: a run in a frame does not change. A new frame sees what is new.

    Parameters
    ----------
    record : RunRecord
        As read from its directory.
    """

    def __init__(self, record: RunRecord) -> None:
        self.record = record
        self._records: dict[str, Records] = {}

    @property
    def id(self) -> int:
        """The name of its directory."""
        return self.record.id

    @property
    def path(self) -> Path:
        """Its directory."""
        return self.record.path

    @cached_property
    def verdict(self) -> Verdict:
        """How it stands, and what that rests on."""
        return owner.state_of(self.record)

    @property
    def state(self) -> State:
        """How it stands: what its job wrote, joined with what is known of its process."""
        return self.verdict.state

    @cached_property
    def metadata(self) -> Mapping[str, Any]:
        """``config.*`` and ``info.*``, flat; ``info.status`` is the state."""
        flat = {**flatten(self.record.config, "config"), **flatten(self.record.info, "info")}
        flat["info.status"] = self.state.value
        if self.state is State.UNREADABLE:
            flat["info.problem"] = self.verdict.evidence
        return flat

    @cached_property
    def lazy(self) -> tuple[str, ...]:
        """``train.loss``, …, then ``artifact.<type>.<name>``."""
        columns = [f"{n}.{key}" for n in self._files for key in records.keys(self.path, n)]
        return (*columns, *self._artifacts)

    @cached_property
    def _files(self) -> tuple[str, ...]:
        """Stems of its metric files."""
        return tuple(records.names(self.path))

    @cached_property
    def _artifacts(self) -> dict[str, LazyArtifact]:
        """Its artifacts by key."""
        return {
            f"artifact.{entry.type}.{entry.name}": LazyArtifact(entry.type, entry.name, entry.path)
            for entry in artifacts.listing(self.path)
        }

    def look(self, key: Key) -> Any:
        """The value in a column, or MISSING."""
        if key.reduction is None and key.name in self.metadata:
            return self.metadata[key.name]
        kind = kind_of(key.name)
        if kind is Kind.ARTIFACT and key.reduction is None:
            return self._artifacts.get(key.name, MISSING)
        values = self.metric(key.name) if kind is Kind.METRIC else []
        if not values:
            return MISSING
        return values if key.reduction is None else reduce_metric(key.reduction, values)

    def place(self, metric: str) -> tuple[str, str] | None:
        """The file and the column in it that ``train.loss`` means; None when it logged none."""
        for name in self._files:
            column = metric.removeprefix(f"{name}.")
            if column != metric and any(column in row for row in self.records(name).rows):
                return name, column
        return None

    def metric(self, metric: str) -> list[Any]:
        """What was logged of a metric, in order; records without it are passed over."""
        place = self.place(metric)
        if place is None:
            return []
        name, column = place
        return [row[column] for row in self.records(name).rows if column in row]

    def records(self, name: str) -> Records:
        """The records of a metric name, read once; a file that cannot be read says so in them."""
        if name not in self._records:
            found = self._records[name] = records.read(self.path, name)
            if found.problem is not None:
                logger.warning("run %s: %s", self.id, found.problem)
        return self._records[name]

    def problems(self, metric: str) -> tuple[str, ...]:
        """What is missing of a metric: files that cannot be read, lines that are damaged."""
        files = [n for n in self._files if metric.startswith(f"{n}.")]
        said: list[str] = []
        for name, found in ((name, self.records(name)) for name in files):
            if found.damaged:
                said.append(f"{count(found.damaged, 'damaged line')} in metrics/{name}.json")
            if found.problem is not None:
                said.append(found.problem)
        return tuple(said)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and self.record == other.record

    def __hash__(self) -> int:
        return hash(self.path)

    def __repr__(self) -> str:
        return f"<Run {self.id} {self.state.value}>"
