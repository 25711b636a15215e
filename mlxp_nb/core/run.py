"""A run as it stands on disk: its record, and the names of the files of its directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlxp_nb.core.status import Status

__all__ = ["RunPaths", "RunRecord"]


@dataclass(frozen=True)
class RunPaths:
    """The files of one run directory, MLXP's layout.

    Attributes
    ----------
    root : Path
        The run directory, ``logs/<id>``.
    """

    root: Path

    @property
    def metadata(self) -> Path:
        """The directory of the records below."""
        return self.root / "metadata"

    @property
    def config(self) -> Path:
        """What the run got, resolved."""
        return self.metadata / "config.yaml"

    @property
    def info(self) -> Path:
        """Who runs what, where, and how it stands."""
        return self.metadata / "info.yaml"

    @property
    def settings(self) -> Path:
        """MLXP's settings that the job runs under."""
        return self.metadata / "mlxp.yaml"

    @property
    def events(self) -> Path:
        """Append-only history."""
        return self.metadata / "events.jsonl"

    @property
    def metrics(self) -> Path:
        """One ``<name>.json`` of JSON lines for each name logged to."""
        return self.root / "metrics"

    @property
    def artifacts(self) -> Path:
        """Saved objects, by type."""
        return self.root / "artifacts"

    @property
    def manifest(self) -> Path:
        """Append-only list of artifacts with their hashes."""
        return self.artifacts / "manifest.jsonl"

    @property
    def stdout(self) -> Path:
        """What the run printed."""
        return self.root / "log.stdout"

    @property
    def stderr(self) -> Path:
        """What the run printed as errors."""
        return self.root / "log.stderr"


@dataclass(frozen=True)
class RunRecord:
    """One run, read.

    Attributes
    ----------
    id : int
        The name of its directory.
    path : Path
        The absolute run directory.
    info, config : mapping
        ``info.yaml`` and ``config.yaml`` as nested mappings; empty when unreadable.
    problem : str or None
        Why the run cannot be read; None for a good one.
    """

    id: int
    path: Path
    info: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None

    @property
    def paths(self) -> RunPaths:
        """Its files."""
        return RunPaths(self.path)

    @property
    def status(self) -> Status | None:
        """What the job wrote; None when there is no such word or no readable record."""
        try:
            return Status(self.info.get("status"))
        except ValueError:
            return None
