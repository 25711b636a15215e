"""Upstream MLXP's own reader reads what we wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlxp_nb.project import Project
from tests.support import make_project

READ = """
import json
import warnings
warnings.simplefilter("ignore")
import mlxp
reader = mlxp.Reader("logs", dst_dir="database")
df = reader.filter("info.status == 'COMPLETE' & config.optimizer.lr <= 0.1")
found = {
    "total": len(reader),
    "count": len(df),
    "seeds": sorted(df[i]["config.seed"] for i in range(len(df))),
    "loss": df[0]["train.loss"],
    "checkpoint": df[0]["artifact.pickle."]["checkpoint"].load(),
    "columns": sorted(df.toPandas(lazy=False).columns),
}
print("JSON" + json.dumps(found))
"""


def test_upstreams_reader_sees_our_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_project(tmp_path / "project")
    monkeypatch.chdir(folder)
    project = Project()
    sweep = project.launch(project.plan("main.py", "optimizer.lr=0.1,1.0 seed=0,1", parallel=2))
    sweep.wait(120)
    done = subprocess.run(
        [sys.executable, "-c", READ], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.rpartition("JSON")[2])
    assert (found["total"], found["count"], found["seeds"]) == (4, 2, [0, 1])
    assert found["loss"] == pytest.approx([0.1, 0.05, 0.1 / 3])
    assert found["checkpoint"] == {"epoch": 2}
    assert {"config.seed", "info.status", "train.loss", "train.epoch"} <= set(found["columns"])
    assert "train._time" not in found["columns"]
