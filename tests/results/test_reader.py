"""The runs of a log directory."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import mlxp_nb
from mlxp_nb.errors import LogDirError, QueryError, UnknownNameError
from mlxp_nb.results.frame import RunFrame
from mlxp_nb.results.reader import Reader
from mlxp_nb.store.index import Delta

from .conftest import Logs


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file of a folder with its time and content."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_has_mlxps_name_and_takes_mlxps_arguments(grid: Logs, tmp_path: Path) -> None:
    reader = mlxp_nb.Reader(str(grid.path), dst_dir=str(tmp_path / "elsewhere"), refresh=False)
    assert len(reader) == 12
    assert not (tmp_path / "elsewhere").exists()


def test_reads_a_directory_without_writing_in_it(grid: Logs) -> None:
    before = snapshot(grid.path)
    frame = grid.reader().filter("test.loss.last < 1", result_format="pandas")
    assert len(frame) == 4
    assert snapshot(grid.path) == before


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        pytest.param("nowhere", "no log directory at", id="missing"),
        pytest.param("file", "is a file", id="a-file"),
        pytest.param("other", "holds no runs", id="something-else"),
    ],
)
def test_refuses_what_is_no_log_directory(grid: Logs, path: str, problem: str) -> None:
    folder = grid.path.parent
    (folder / "file").write_text("")
    (folder / "other").mkdir()
    (folder / "other" / "notes.txt").write_text("")
    with pytest.raises(LogDirError, match=problem) as caught:
        Reader(folder / path)
    assert str(grid.path) in caught.value.hint


def test_an_empty_directory_has_no_runs_and_knows_no_slip(tmp_path: Path) -> None:
    frame = Reader(tmp_path).filter("config.anything == 1 & test.loss.last < 1")
    assert isinstance(frame, RunFrame)
    assert len(frame) == 0
    with pytest.raises(QueryError):
        Reader(tmp_path).filter("config.anything =")


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        pytest.param("", range(1, 13), id="empty"),
        pytest.param("config.optimizer.lr <= 0.01", [4, 5, 6, 10, 11, 12], id="config"),
        pytest.param("lr == 0.1 & seed == 0", [1, 7], id="ends-of-keys"),
        pytest.param("model.name == 'mlp' and not seed in [0, 1]", [9, 12], id="words"),
        pytest.param("info.logger.log_id > 10", [11, 12], id="info"),
        pytest.param("test.loss.last < 0.05", [4, 10], id="metric"),
        pytest.param("train.loss.max == 1.0", [1, 7], id="metric-max"),
        pytest.param("train.loss.count == 5 & acc.last > 0.98", [4, 10], id="two-metrics"),
        pytest.param("config.seed > 100", [], id="none"),
    ],
)
def test_filters(grid: Logs, query: str, ids: list[int]) -> None:
    assert grid.reader().filter(query).ids == tuple(ids)
    assert grid.reader().filter(query_string=query).ids == tuple(ids)


def test_mlxps_own_example_works(grid: Logs) -> None:
    query = "info.status == 'COMPLETE' & config.optimizer.lr <= 0.1"
    table = grid.reader().filter(query_string=query, result_format="pandas")
    assert len(table) == 12
    assert table.loc[1, "train.loss"] == pytest.approx([1.0, 0.9, 0.8, 0.7, 0.6])


def test_a_slip_in_a_key_is_mended(grid: Logs) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown key 'config\.sead'") as caught:
        grid.reader().filter("config.sead == 1")
    assert caught.value.hint == "did you mean 'config.seed'?"


def test_an_unknown_format_is_mended(grid: Logs) -> None:
    with pytest.raises(UnknownNameError, match="unknown result format 'panda'"):
        grid.reader().filter("", result_format="panda")  # type: ignore[call-overload]  # the test


def test_a_parser_of_the_users_own_reads_the_queries(grid: Logs) -> None:
    class Seeds:
        def parse(self, query: str) -> Callable[[Mapping[str, Any]], bool]:
            return lambda row: bool(row["config.seed"] == int(query.removeprefix("seed ")))

    found = Reader(grid.path, parser=Seeds()).filter("seed 2")
    assert found.ids == (3, 6, 9, 12)


def test_fields_are_mlxps(grid: Logs) -> None:
    fields = grid.reader().fields
    assert fields.index.name == "Fields"
    assert fields.loc["config.optimizer.lr", "Type"] == "<class 'float'>"
    assert fields.loc["config.seed", "Type"] == "<class 'int'>"
    assert fields.loc["train.loss", "Type"] == "METRIC"
    assert list(fields.index) == sorted(fields.index)


def test_a_field_of_several_types_says_all(logs: Logs) -> None:
    logs.add({"a": 1})
    logs.add({"a": "text"})
    fields = logs.reader().fields
    assert fields.loc["config.a", "Type"] == "<class 'int'> | <class 'str'>"


def test_artifacts_are_fields_but_not_searchable(logs: Logs) -> None:
    run = logs.add({"a": 1})
    (run / "artifacts" / "text").mkdir(parents=True)
    (run / "artifacts" / "text" / "note").write_text("hello")
    reader = logs.reader()
    assert reader.fields.loc["artifact.text.note", "Type"] == "Artifact"
    assert "artifact.text.note" not in reader.searchable.index
    assert "config.a" in reader.searchable.index


# --- a second look


def test_a_refresh_says_what_came_and_went(grid: Logs) -> None:
    reader = grid.reader()
    assert reader.refresh() == Delta()
    shutil.rmtree(grid.path / "3")
    grid.add({"seed": 9})
    assert len(reader) == 12
    assert reader.refresh() == Delta(added=(13,), removed=(3,))
    assert reader.filter("seed == 9").ids == (13,)


def test_a_frame_keeps_what_it_showed_and_a_new_one_sees_more(logs: Logs) -> None:
    logs.add({}, {"train": [{"loss": 1.0}]}, status="RUNNING")
    reader = logs.reader()
    old = reader.runs()
    assert old[0]["train.loss"] == [1.0]
    logs.log(1, "train", [{"loss": 0.5}])
    assert old[0]["train.loss"] == [1.0]
    assert reader.runs()[0]["train.loss"] == [1.0, 0.5]


def test_a_run_that_has_ended_is_not_read_again(grid: Logs) -> None:
    reader = grid.reader()
    assert reader.runs()[0] is reader.runs()[0]


def test_a_run_that_was_resumed_is_read_again(logs: Logs) -> None:
    run = logs.add({}, {"train": [{"loss": 1.0}]}, status="FAILED")
    reader = logs.reader()
    assert reader.runs()[0]["train.loss"] == [1.0]
    logs.log(1, "train", [{"loss": 0.5}])
    (run / "metadata" / "info.yaml").write_text("status: COMPLETE\nattempt: 2\n")
    assert reader.refresh() == Delta(changed=(1,))
    assert reader.runs()[0]["train.loss"] == [1.0, 0.5]


# --- damage


def test_a_damaged_run_is_a_row_that_says_why(grid: Logs) -> None:
    (grid.path / "5" / "metadata" / "info.yaml").write_text("{status: COMP")
    frame = grid.reader().runs()
    assert len(frame) == 12
    assert frame[4]["info.status"] == "UNREADABLE"
    assert "info.yaml is not YAML" in frame[4]["info.problem"]
    assert frame.filter("info.status == 'UNREADABLE'").ids == (5,)
    assert frame.filter("status != 'UNREADABLE' & lr == 0.01").ids == (4, 6, 10, 11, 12)


def test_a_metric_file_that_cannot_be_read_hides_no_other(
    grid: Logs, caplog: pytest.LogCaptureFixture
) -> None:
    broken = grid.path / "1" / "metrics" / "train.json"
    broken.unlink()
    broken.mkdir()
    with caplog.at_level(logging.WARNING):
        frame = grid.reader().filter("test.loss.last < 10 & ~(train.loss.last < 10)")
    assert frame.ids == (1,)
    assert "train.json" in caplog.text


def test_the_status_is_what_is_known_of_the_process(logs: Logs) -> None:
    logs.add({}, status="RUNNING", info={"hostname": "another-host", "process_id": 1})
    run = logs.frame()[0]
    assert run["info.status"] == run.state.value != "RUNNING"
    assert run.verdict.evidence
