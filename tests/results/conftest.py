"""Run directories made by hand, in MLXP's layout."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlxp_nb.results.frame import RunFrame
from mlxp_nb.results.reader import Reader

Metrics = Mapping[str, Sequence[Mapping[str, Any]]]


class Logs:
    """A log directory that runs are added to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(exist_ok=True)
        self.count = 0

    def add(
        self,
        config: Mapping[str, Any] | None = None,
        metrics: Metrics | None = None,
        status: str = "COMPLETE",
        info: Mapping[str, Any] | None = None,
    ) -> Path:
        """Make a run; its id is one more than the last one's."""
        self.count += 1
        run = self.path / str(self.count)
        (run / "metadata").mkdir(parents=True)
        logger = {"log_id": self.count, "log_dir": str(run)}
        full = {"status": status, "logger": logger, **(info or {})}
        (run / "metadata" / "info.yaml").write_text(yaml.safe_dump(full), encoding="utf-8")
        text = yaml.safe_dump(dict(config or {}))
        (run / "metadata" / "config.yaml").write_text(text, encoding="utf-8")
        (run / "metrics").mkdir()
        for name, rows in (metrics or {}).items():
            self.log(self.count, name, rows)
        return run

    def log(self, run_id: int, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append records to a metric file."""
        path = self.path / str(run_id) / "metrics" / f"{name}.json"
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)

    def curve(self, seed: int, losses: Sequence[float | None], **config: Any) -> Path:
        """Make a run with a train loss for each epoch from 0; None for a record without it."""
        rows = [
            {"epoch": i} if loss is None else {"epoch": i, "loss": loss}
            for i, loss in enumerate(losses)
        ]
        return self.add({"seed": seed, **config}, {"train": rows})

    def reader(self) -> Reader:
        """A fresh reader."""
        return Reader(self.path)

    def frame(self) -> RunFrame:
        """All runs, read freshly."""
        return self.reader().runs()


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path / "logs")


@pytest.fixture
def grid(logs: Logs) -> Logs:
    """Two models, two learning rates, three seeds; the loss is known in closed form."""
    for model in ("logreg", "mlp"):
        for lr in (0.1, 0.01):
            for seed in range(3):
                config = {"seed": seed, "optimizer": {"lr": lr}, "model": {"name": model}}
                rows = [{"epoch": e, "loss": lr * (10 - e) + seed} for e in range(5)]
                last = [{"loss": lr + seed, "acc": 1 - lr - seed / 10}]
                logs.add({**config, "epochs": 5}, {"train": rows, "test": last})
    return logs
