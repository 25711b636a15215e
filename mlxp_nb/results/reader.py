"""The runs of a log directory, read and never written to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, overload

from mlxp_nb.core.columns import Kind, kind_of
from mlxp_nb.errors import UnknownNameError
from mlxp_nb.results.frame import RunFrame
from mlxp_nb.results.row import Run
from mlxp_nb.store import rundir
from mlxp_nb.store.index import Delta, Index

if TYPE_CHECKING:
    import os

    import pandas as pd

__all__ = ["Parser", "Reader"]

FORMATS = ("datadict", "pandas")


class Parser(Protocol):
    """MLXP's custom parser: makes of a query something that says yes or no to flat metadata."""

    def parse(self, query: str) -> Any:
        """``parse(query)(metadata)`` is true for the runs that stay."""


class Reader:
    """The runs of a log directory, ours or MLXP's.

    Parameters
    ----------
    src_dir : path
        The directory that holds the runs 1, 2, 3, …. Nothing is written there.
    dst_dir : path, optional
        Accepted for MLXP's sake: there is no database to put anywhere.
    parser : Parser, optional
        Reads the queries instead of our language.
    refresh : bool
        Look at once; otherwise when something is first asked.

    Raises
    ------
    LogDirError
        ``src_dir`` is no log directory.
    """

    def __init__(
        self,
        src_dir: str | os.PathLike[str],
        dst_dir: str | os.PathLike[str] | None = None,
        parser: Parser | None = None,
        refresh: bool = True,
    ) -> None:
        self._path = rundir.check_log_dir(Path(src_dir))
        self.src_dir = str(self._path)
        self.dst_dir = self.src_dir if dst_dir is None else str(dst_dir)
        self.parser = parser
        self._index = Index(self._path)
        self._runs: dict[int, Run] = {}
        self._has_looked = False
        if refresh:
            self.refresh()

    def refresh(self) -> Delta:
        """Look again: what came, what changed, what is gone."""
        delta = self._index.refresh()
        self._has_looked = True
        return delta

    def runs(self) -> RunFrame:
        """All runs as of the last look, by id."""
        if not self._has_looked:
            self.refresh()
        self._runs = {run.id: run for run in self._read()}
        return RunFrame(self._runs.values())

    def _read(self) -> Iterable[Run]:
        """The runs; one that has ended and did not change keeps what was read of its metrics."""
        for run_id, record in self._index.records.items():
            old = self._runs.get(run_id)
            has_ended = record.status is not None and record.status.is_final
            if old is not None and old.record is record and has_ended:
                yield old
            else:
                yield Run(record)

    def __len__(self) -> int:
        if not self._has_looked:
            self.refresh()
        return len(self._index.records)

    @overload
    def filter(
        self, query_string: str = "", result_format: Literal["datadict"] = "datadict"
    ) -> RunFrame: ...
    @overload
    def filter(
        self, query_string: str = "", *, result_format: Literal["pandas"]
    ) -> pd.DataFrame: ...
    @overload
    def filter(self, query_string: str, result_format: Literal["pandas"]) -> pd.DataFrame: ...
    def filter(
        self, query_string: str = "", result_format: str = "datadict"
    ) -> RunFrame | pd.DataFrame:
        """The runs for which a query holds.

        Parameters
        ----------
        query_string : str
            ``"info.status == 'COMPLETE' & config.optimizer.lr <= 0.1"``; see
            :mod:`mlxp_nb.core.query`. Empty for all runs.
        result_format : {"datadict", "pandas"}
            A lazy frame, or a pandas table with every metric read.

        Raises
        ------
        QueryError
            With the place of the fault and the mend.
        """
        if result_format not in FORMATS:
            raise UnknownNameError("result format", result_format, FORMATS)
        found = self._found(query_string)
        return found if result_format == "datadict" else found.to_pandas(lazy=False)

    def _found(self, query: str) -> RunFrame:
        """The runs for which a query holds."""
        runs = self.runs()
        if self.parser is None or not query:
            return runs.filter(query)
        holds = self.parser.parse(query)
        return RunFrame((run for run in runs if holds(dict(run.metadata))), runs)

    @property
    def fields(self) -> pd.DataFrame:
        """All keys of the runs and the types of their values, as in MLXP."""
        return _table(_types(self.runs()))

    @property
    def searchable(self) -> pd.DataFrame:
        """The keys a query can ask for; a metric is asked by a reduction: ``test.loss.last``."""
        types = _types(self.runs())
        return _table({k: t for k, t in types.items() if kind_of(k) is not Kind.ARTIFACT})

    def __repr__(self) -> str:
        return f"Reader({self.src_dir!r})"


def _types(runs: RunFrame) -> dict[str, str]:
    """The type of every key, in MLXP's words; all of them where they differ."""
    types: dict[str, set[str]] = {}
    for run in runs:
        for key, value in run.metadata.items():
            types.setdefault(key, set()).add(str(type(value)))
        for key in run.lazy:
            types.setdefault(key, set()).add(
                "Artifact" if kind_of(key) is Kind.ARTIFACT else "METRIC"
            )
    return {key: " | ".join(sorted(types[key])) for key in sorted(types)}


def _table(types: dict[str, str]) -> pd.DataFrame:
    """MLXP's table of fields."""
    import pandas as pd

    index = pd.Index(list(types), name="Fields", dtype=object)
    return pd.DataFrame({"Type": list(types.values())}, index=index)
