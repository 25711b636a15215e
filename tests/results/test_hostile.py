"""Results of a stranger: merged, renamed, linked, read-only, with odd but legal YAML."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlxp_nb.core.status import State
from mlxp_nb.results.row import Run
from mlxp_nb.store import plain_yaml, records, rundir
from tests.results.conftest import Logs


def run_of(logs: Logs, run_id: int) -> Run:
    (found,) = (run for run in logs.frame() if run.id == run_id)
    return found


def test_the_name_of_the_directory_is_the_id(logs: Logs) -> None:
    logs.add({"seed": 1}, {"train": [{"loss": 1.0}]})
    logs.add({"seed": 2}, {"train": [{"loss": 2.0}]})
    (logs.path / "1").rename(logs.path / "9")
    run = run_of(logs, 9)
    assert (run.id, run["config.seed"], run["train.loss"]) == (9, 1, [1.0])
    assert run["info.logger.log_id"] == 9
    assert run["info.logger.log_dir"] == str(logs.path / "9")


def test_a_link_named_like_a_run_is_shown_and_not_followed(logs: Logs, tmp_path: Path) -> None:
    elsewhere = Logs(tmp_path / "elsewhere")
    elsewhere.add({"seed": 7})
    logs.add()
    (logs.path / "5").symlink_to(elsewhere.path / "1")
    run = run_of(logs, 5)
    assert run.state is State.UNREADABLE
    assert "a link, which is not followed" in run.verdict.evidence
    assert "config.seed" not in run


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("a: &a [1]\nb: *a\n", "aliases", id="alias"),
        pytest.param("- " * 200_000, "deeper than 100", id="deep-list"),
        pytest.param("[" * 200_000, "deeper than 100", id="deep-flow"),
        pytest.param("a: " + "x" * 2**20, "larger than 1,048,576 bytes", id="large"),
        pytest.param("a: !!python/name:os.system ''", "could not determine", id="tag"),
    ],
)
def test_yaml_that_explodes_is_refused_by_name(logs: Logs, text: str, problem: str) -> None:
    run = logs.add({"seed": 1})
    (run / "metadata" / "config.yaml").write_text(text)
    logs.add({"seed": 2})
    assert problem in run_of(logs, 1).verdict.evidence
    assert run_of(logs, 2)["config.seed"] == 2


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        pytest.param("1: a", "config.1", "a", id="integer-key"),
        pytest.param("2024-01-01: a", "config.2024-01-01", "a", id="date-key"),
        pytest.param("d: 2024-99-99", "config.d", "2024-99-99", id="no-such-day"),
        pytest.param("x: 1" + ":1" * 1000, "config.x", "1" + ":1" * 1000, id="long-number"),
        pytest.param("x: 'a*b'", "config.x", "a*b", id="star"),
    ],
)
def test_legal_yaml_is_a_value(logs: Logs, text: str, key: str, value: str) -> None:
    (logs.add() / "metadata" / "config.yaml").write_text(text)
    assert run_of(logs, 1)[key] == value


def test_a_hundred_levels_are_read_and_one_more_is_not() -> None:
    assert plain_yaml.load(b"[" * 100 + b"]" * 100)
    with pytest.raises(ValueError, match="deeper than 100"):
        plain_yaml.load(b"[" * 101 + b"]" * 101)


def test_a_line_of_17_megabytes_is_damaged_and_hides_no_other(logs: Logs) -> None:
    run = logs.add(metrics={"train": [{"loss": 1}]})
    with (run / "metrics" / "train.json").open("ab") as file:
        file.write(b'{"x": "' + b"y" * (17 * 2**20) + b'"}\n{"loss": 2}\n')
    read = records.read(run, "train")
    assert [row["loss"] for row in read.rows] == [1, 2]
    assert (read.damaged, read.problem) == (1, None)


def test_what_cannot_be_read_is_named_among_what_is_left_out(logs: Logs) -> None:
    run = logs.add(metrics={"train": [{"loss": 1}], "test": [{"loss": 3}]})
    logs.add(metrics={"train": [{"loss": 2}]})
    (run / "metrics" / "train.json").unlink()
    os.mkfifo(run / "metrics" / "train.json")
    said = logs.frame().curves("train.loss").left_out
    assert said == ((1, "metrics/train.json cannot be read: not a regular file"),)
    assert run_of(logs, 1)["test.loss"] == [3]


def test_ranks_are_one_metric_ordered_by_time(logs: Logs) -> None:
    run = logs.add(metrics={"train": [{"a": 0, "_time": 1.0}, {"a": 1, "_time": 4.0}]})
    logs.log(1, "train.r1", [{"a": 2, "_time": 2.0, "_rank": 1}, {"a": 3, "_time": 3.0}])
    logs.log(1, "train.r2", [{"a": 4, "_time": 2.5}, {"a": 5, "_time": 0.5}, {"b": 6}])
    assert records.names(run) == ["train"]
    assert run_of(logs, 1)["train.a"] == [0, 2, 4, 5, 3, 1]
    assert records.keys(run, "train") == ["a", "b"]


def test_a_read_only_directory_of_names_that_are_no_text_is_read(logs: Logs) -> None:
    run = logs.add({"seed": 1}, {"train": [{"loss": 1}]})
    (run / "metrics" / os.fsdecode(b"\xff.json")).write_bytes(b'{"x": 1}\n')
    for folder in (run / "metrics", run / "metadata", run, logs.path):
        folder.chmod(0o555)
    try:
        frame = logs.frame()
        assert run_of(logs, 1)["train.loss"] == [1]
        repr(frame)
        assert rundir.check_log_dir(logs.path) == logs.path
    finally:
        for folder in (logs.path, run, run / "metadata", run / "metrics"):
            folder.chmod(0o755)
