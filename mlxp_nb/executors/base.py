"""What an executor must do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from mlxp_nb.core.run import RunRecord
from mlxp_nb.core.status import JobState

__all__ = ["Executor", "Job"]

Job = tuple[JobState, str]


class Executor(Protocol):
    """A named place where runs run.

    Everything it knows of a sweep is in the sweep's folder, so that any process can ask.

    Attributes
    ----------
    name : str
        As the user names it.
    """

    name: str

    @property
    def options(self) -> Mapping[str, Any]:
        """What :func:`mlxp_nb.executors.executor` makes it from again, in another process."""

    def describe(self) -> str:
        """How it runs things, in a few words for the card."""

    def submit(self, sweep_dir: Path, runs: Sequence[RunRecord]) -> None:
        """Begin all runs of a sweep, now or when there is room; returns at once."""

    def states(self, sweep_dir: Path, run_ids: Sequence[int]) -> Mapping[int, Job]:
        """What is known of the processes of many runs, with the evidence: one question for all."""

    def cancel(self, sweep_dir: Path, run_ids: Sequence[int]) -> None:
        """Ask that these runs end; they write their own end."""
