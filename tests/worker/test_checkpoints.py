"""Which checkpoints stay."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from mlxp_nb.core.run import RunPaths
from mlxp_nb.errors import ArtifactError
from mlxp_nb.store import artifacts
from mlxp_nb.worker.context import Logger


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    made = RunPaths(tmp_path / "logs" / "1")
    made.metrics.mkdir(parents=True)
    return made


def names(run: RunPaths) -> list[str]:
    return [entry.name for entry in artifacts.listing(run.root)]


def test_the_newest_one_stands_alone_unless_more_is_asked_for(run: RunPaths) -> None:
    logger = Logger(run)
    for epoch in range(3):
        logger.log_checkpoint(epoch)
    assert names(run) == ["checkpoint"]
    assert logger.load_checkpoint() == 2


def test_the_last_ones_are_kept_and_counted_on_by_a_later_attempt(run: RunPaths) -> None:
    for epoch in range(5):
        Logger(run).log_checkpoint(epoch, keep_last=2)
    assert names(run) == ["checkpoint", "checkpoint.4", "checkpoint.5"]
    loaded = [Logger(run).load_checkpoint(name) for name in names(run)]
    assert loaded == [4, 3, 4]
    Logger(run).log_checkpoint(5, keep_last=1)
    assert names(run) == ["checkpoint", "checkpoint.6"]


def test_a_kept_checkpoint_takes_no_space_of_its_own(run: RunPaths) -> None:
    Logger(run).log_checkpoint("state", keep_last=1)
    one, two = (entry.path for entry in artifacts.listing(run.root))
    assert one.samefile(two)


def test_other_names_are_counted_apart(run: RunPaths) -> None:
    logger = Logger(run)
    logger.log_checkpoint(1, "a", keep_last=1)
    logger.log_checkpoint(2, "ab", keep_last=1)
    logger.log_artifacts(3, "a.x", "pickle")
    logger.log_checkpoint(4, "a", keep_last=1)
    assert names(run) == ["a", "a.2", "a.x", "ab", "ab.1"]


@pytest.mark.parametrize(
    ("order", "losses", "best"),
    [
        pytest.param("min", [3, 1, 2], 1, id="lowest"),
        pytest.param("max", [1, 3, 2], 1, id="highest"),
        pytest.param("min", [1, 1], 0, id="equal-does-not-replace"),
        pytest.param("min", [math.nan, 5], 1, id="nan-is-never-the-best"),
        pytest.param("min", [5, math.nan], 0, id="nan-does-not-replace"),
        pytest.param("min", [5, -math.inf, 0], 1, id="infinite"),
    ],
)
def test_the_best_one_is_kept_also_over_attempts(
    run: RunPaths, order: str, losses: list[float], best: int
) -> None:
    for epoch, loss in enumerate(losses):
        logger = Logger(run)
        logger.log_metrics({"loss": loss}, "test")
        logger.log_checkpoint(epoch, keep_best=("test.loss", order))
        logger.close()
    assert Logger(run).load_checkpoint("checkpoint.best") == best
    assert Logger(run).load_checkpoint() == len(losses) - 1


def test_the_best_is_remembered_over_many_checkpoints(run: RunPaths) -> None:
    logger = Logger(run)
    logger.log_metrics({"loss": 0}, "test")
    logger.log_checkpoint("best", keep_best=("test.loss", "min"))
    logger.log_metrics({"loss": 1}, "test")
    with run.manifest.open("ab") as file:
        file.write(b'{"name": "other", "type": "json", "removed": true, "time": ""}\n' * 5000)
    logger.log_checkpoint("worse", keep_best=("test.loss", "min"))
    assert logger.load_checkpoint("checkpoint.best") == "best"


def test_the_metric_is_found_behind_many_records_without_it(run: RunPaths) -> None:
    logger = Logger(run)
    logger.log_metrics({"loss": 1}, "test")
    for step in range(3000):
        logger.log_metrics({"step": step, "other": 0.1}, "test")
    logger.log_checkpoint(1, keep_best=("test.loss", "min"))
    assert logger.load_checkpoint("checkpoint.best") == 1


@pytest.mark.parametrize(
    ("keep", "problem"),
    [
        pytest.param({"keep_last": 0}, "keep_last is 0", id="none"),
        pytest.param({"keep_last": "3"}, "keep_last is '3'", id="text"),
        pytest.param({"keep_best": "test.loss"}, "does not say by what", id="no-order"),
        pytest.param({"keep_best": ("test.loss", "least")}, "does not say by what", id="order"),
        pytest.param({"keep_best": ("test.acc", "max")}, "not logged yet", id="not-logged"),
        pytest.param({"keep_best": ("loss", "max")}, "not logged yet", id="no-file"),
        pytest.param({"keep_best": ("test.note", "max")}, "is 'late'", id="no-number"),
    ],
)
def test_what_cannot_be_kept_is_said_before_anything_is_saved(
    run: RunPaths, keep: dict[str, Any], problem: str
) -> None:
    logger = Logger(run)
    logger.log_metrics({"loss": 1, "note": "late"}, "test")
    with pytest.raises(ArtifactError, match=problem) as caught:
        logger.log_checkpoint(1, **keep)
    assert caught.value.hint
    assert names(run) == []
