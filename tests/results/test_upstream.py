"""Logs written by upstream MLXP are read by ours, with equal values."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlxp_nb.core.status import State
from mlxp_nb.errors import UntrustedArtifactError
from mlxp_nb.results.frame import RunFrame
from mlxp_nb.results.reader import Reader

MAIN = """
import os, signal
import mlxp

@mlxp.launch(config_path="./configs")
def main(ctx):
    config = ctx.config
    for epoch in range(config.epochs):
        loss = config.optimizer.lr / (epoch + 1) + config.seed
        ctx.logger.log_metrics({"epoch": epoch, "loss": loss}, log_name="train")
    ctx.logger.log_metrics({"loss": float("nan"), "note": "late"}, log_name="train")
    ctx.logger.log_metrics({"acc": 0.5, "done": True}, log_name="test")
    ctx.logger.log_checkpoint({"epoch": epoch, "weights": [1.0, 2.0]})
    ctx.logger.log_artifacts([1, 2], "deep/table", "pickle")
    if config.end == "fail":
        raise ValueError("asked to fail")
    if config.end == "kill":
        os.kill(os.getpid(), signal.SIGKILL)

main()
"""

CONFIG = """
seed: 0
epochs: 3
end: well
optimizer: {lr: 0.1, betas: [0.9, 0.999], nesterov: false}
nothing: null
text: "it's: a #text"
number_like: "1e-3"
tiny: 1.0e-12
layers: [{size: 3}, {size: 4}]
"""

QUERIES = [
    "info.status == 'COMPLETE' & config.optimizer.lr <= 0.1",
    "config.seed in [1, 2] | ~(config.optimizer.lr > 0.1)",
    "config.optimizer.nesterov == False & config.seed != 1",
    'config.text == "it\'s: a #text" ',
    "config.end == 'fail'",
    "info.start_time > '00:00:00'",
    "~(config.seed == 1) & (config.epochs >= 3 | config.seed < 0)",
]

# Upstream's own reader, in its own process: importing it installs signal handlers.
READ = """
import json, sys
from mlxp.reader import Reader
reader = Reader(sys.argv[1], dst_dir=sys.argv[2])
rows = [
    {key: row[key] for key in row.keys() if not key.startswith("artifact.")}
    for row in reader.filter()
]
fields = dict(zip(reader.fields.index, reader.fields["Type"]))
found = {q: sorted(row["info.logger.log_id"] for row in reader.filter(q)) for q in sys.argv[3:]}
print("\\n" + json.dumps({"rows": rows, "fields": fields, "found": found}))
"""


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of upstream's, with runs that ended well, that failed and that were killed."""
    folder = tmp_path_factory.mktemp("upstream")
    (folder / "configs").mkdir()
    (folder / "configs" / "config.yaml").write_text(CONFIG)
    (folder / "main.py").write_text(MAIN)
    assert run(folder, "main.py", "seed=0,1", "optimizer.lr=1e-3,0.5").returncode == 0
    assert run(folder, "main.py", "end=fail").returncode != 0
    assert run(folder, "main.py", "end=kill").returncode < 0
    return folder


@pytest.fixture(scope="module")
def frame(project: Path) -> RunFrame:
    return Reader(project / "logs").runs()


@pytest.fixture(scope="module")
def upstream(project: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What upstream's reader says of the same logs."""
    aside = tmp_path_factory.mktemp("database")
    done = run(project, "-c", READ, "logs", str(aside), *QUERIES)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def test_all_runs_are_there_with_their_states(frame: RunFrame) -> None:
    assert frame.ids == (1, 2, 3, 4, 5, 6)
    assert [run.state for run in frame][:5] == [State.COMPLETE] * 4 + [State.FAILED]


def test_a_killed_run_is_not_said_to_run(frame: RunFrame) -> None:
    assert "status: RUNNING" in (frame[5].path / "metadata" / "info.yaml").read_text()
    assert frame[5]["info.status"] != "RUNNING"
    assert frame[5].verdict.evidence


def test_values_are_equal_to_upstreams(frame: RunFrame, upstream: dict[str, Any]) -> None:
    assert len(upstream["rows"]) == len(frame) == 6
    for row in upstream["rows"]:
        ours = frame[row["info.logger.log_id"] - 1]
        if ours.id == 6:
            row = {**row, "info.status": ours["info.status"]}
        assert repr({key: ours[key] for key in row}) == repr(row)
        assert {key for key in ours if not key.startswith("artifact.")} == set(row)


def test_fields_are_equal_to_upstreams(project: Path, upstream: dict[str, Any]) -> None:
    theirs = {k: t for k, t in upstream["fields"].items() if not k.startswith("artifact.")}
    ours = Reader(project / "logs").fields["Type"]
    assert set(theirs) == {key for key in ours.index if not key.startswith("artifact.")}
    # Upstream gives the type that the last run has; ours gives all.
    assert all(kind in ours[key].split(" | ") for key, kind in theirs.items())


@pytest.mark.parametrize("query", QUERIES)
def test_upstreams_queries_find_the_same_runs(
    frame: RunFrame, upstream: dict[str, Any], query: str
) -> None:
    assert frame.filter(query).ids == tuple(upstream["found"][query])


def test_artifacts_are_loaded_once_they_are_trusted(frame: RunFrame) -> None:
    checkpoint = frame[0]["artifact.pickle.checkpoint"]
    with pytest.raises(UntrustedArtifactError, match="have not signed"):
        checkpoint.load()
    assert checkpoint.load(trust=True) == {"epoch": 2, "weights": [1.0, 2.0]}
    assert frame[0]["artifact.pickle.deep/table"].load(trust=True) == [1, 2]


def test_curves_are_drawn(frame: RunFrame) -> None:
    found = frame[:4].curves("train.loss", x="epoch", by="lr", over="seed")
    assert [curve.center.tolist() for curve in found.groups] == [
        pytest.approx([lr / (epoch + 1) + 0.5 for epoch in range(3)]) for lr in (0.001, 0.5)
    ]
    assert found.mixed == ()
    assert {run_id for run_id, _ in found.left_out} == {1, 2, 3, 4}  # the nan at the end


def test_reading_leaves_the_logs_as_they_are(project: Path) -> None:
    names = {path.name for path in (project / "logs").iterdir()}
    assert names == {"1", "2", "3", "4", "5", "6"}
