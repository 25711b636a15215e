"""The queue of a local sweep on disk: who waits, who was started, who should be cancelled."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlxp_nb.store import files
from mlxp_nb.store.owner import Identity
from mlxp_nb.store.rundir import now_iso

__all__ = ["Queue"]


@dataclass(frozen=True)
class Queue:
    """Files beside a sweep, each with one writer.

    Attributes
    ----------
    folder : Path
        The sweep's folder. ``queue.json`` is written once at submission, ``jobs.jsonl`` and
        ``supervisor.json`` by the supervisor, ``cancel.jsonl`` gets a line a request.
    """

    folder: Path

    @classmethod
    def create(cls, folder: Path, runs: Sequence[tuple[int, Path]], max_parallel: int) -> Queue:
        """Write down what should be run."""
        queue = cls(folder)
        files.dump_json(
            folder / "queue.json",
            {"runs": {str(i): str(path) for i, path in runs}, "max_parallel": max_parallel},
        )
        return queue

    def read(self) -> tuple[dict[int, Path], int]:
        """The runs by id, and how many at once."""
        data = files.load_json(self.folder / "queue.json")
        return {int(i): Path(path) for i, path in data["runs"].items()}, int(data["max_parallel"])

    def supervisor(self) -> Identity | None:
        """The process that works the queue off, or did last."""
        return Identity.from_dict(self._supervisor())

    def is_over(self) -> bool:
        """Whether the supervisor found nothing left to do."""
        return bool(self._supervisor().get("ended"))

    def _supervisor(self) -> dict[str, Any]:
        try:
            data: dict[str, Any] = files.load_json(self.folder / "supervisor.json")
        except FileNotFoundError:
            return {}
        return data

    def note_supervisor(self, who: Identity, ended: str | None = None) -> None:
        """The supervisor says that it lives, or that it is done."""
        files.dump_json(
            self.folder / "supervisor.json", {**who.as_dict(), "ended": ended}, durable=False
        )

    def jobs(self) -> dict[int, Identity]:
        """The process that was started for each run, the last one when there were several."""
        found: dict[int, Identity] = {}
        for line in self._lines("jobs.jsonl"):
            who = Identity.from_dict(line.get("process"))
            if who is not None:
                found[int(line["run"])] = who
        return found

    def note_job(self, run_id: int, who: Identity) -> None:
        """The supervisor has started a run."""
        files.append_line(
            self.folder / "jobs.jsonl",
            {"run": run_id, "process": who.as_dict(), "time": now_iso()},
        )

    def ask_to_cancel(self, run_ids: Sequence[int]) -> None:
        """Ask the supervisor to end these runs."""
        files.append_line(
            self.folder / "cancel.jsonl", {"runs": [int(i) for i in run_ids], "time": now_iso()}
        )

    def to_cancel(self) -> set[int]:
        """Runs that somebody asked to end."""
        return {int(i) for line in self._lines("cancel.jsonl") for i in line["runs"]}

    def _lines(self, name: str) -> Iterator[dict[str, Any]]:
        """The finished lines of a file of JSON lines."""
        try:
            data = (self.folder / name).read_bytes()
        except FileNotFoundError:
            return
        for line in data.split(b"\n")[:-1]:
            yield json.loads(line)
