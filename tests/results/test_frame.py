"""Frames: rows, columns, order, text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest

import mlxp_nb
from mlxp_nb.core.keys import UnknownKeyError
from mlxp_nb.core.status import State
from mlxp_nb.errors import QueryError, ReductionError
from mlxp_nb.results.frame import DataFrame, Row, Run, RunFrame

from .conftest import Logs

# --- a run


def test_a_run_is_a_mapping_of_dotted_keys(grid: Logs) -> None:
    run = grid.frame()[0]
    assert (run.id, run.path, run.state) == (1, grid.path / "1", State.COMPLETE)
    assert run["config.optimizer.lr"] == 0.1
    assert run["info.status"] == "COMPLETE"
    assert run["train.epoch"] == [0, 1, 2, 3, 4]
    assert run["train.loss.last"] == pytest.approx(0.6)
    assert run["seed"] == 0
    assert "train.loss" in run
    assert "train.los" not in run
    assert "info.problem" not in run
    assert run.get("config.nothing", "none") == "none"
    assert len(run) == len(list(run)) == len(dict(run))
    assert repr(run) == "<Run 1 COMPLETE>"


@pytest.mark.parametrize("key", ["config.sead", "train.loss.avg", "info.problem", "nothing"])
def test_a_key_that_a_run_lacks_is_an_error_and_a_key_error(grid: Logs, key: str) -> None:
    run = grid.frame()[0]
    with pytest.raises(QueryError) as caught:
        run[key]
    assert caught.value.hint
    if key != "train.loss.avg":
        with pytest.raises(KeyError):
            run[key]


def test_metrics_are_read_when_they_are_looked_at_and_once(grid: Logs) -> None:
    frame = grid.frame()
    grid.log(1, "train", [{"loss": 100.0}])  # before the first look
    run = frame[0]
    assert run["train.loss"][-1] == 100
    (grid.path / "1" / "metrics" / "train.json").unlink()
    assert max(run["train.loss"]) == 100
    assert run["train.epoch"] == [0, 1, 2, 3, 4]


def test_a_metric_file_may_have_dots_in_its_name(logs: Logs) -> None:
    logs.add({}, {"a": [{"b.loss": 1}], "a.b": [{"loss": 2}, {"acc": 3}]})
    run = logs.frame()[0]
    assert run["a.b.acc"] == [3]
    assert run["a.b.loss.count"] == 1


def test_an_artifact_is_read_by_load(logs: Logs) -> None:
    run = logs.add({})
    (run / "artifacts" / "text" / "deep").mkdir(parents=True)
    (run / "artifacts" / "text" / "deep" / "note").write_text("hello")
    artifact = logs.frame()[0]["artifact.text.deep/note"]
    assert (artifact.type, artifact.name) == ("text", "deep/note")
    assert artifact.load() == "hello"


def test_runs_are_equal_by_their_records(grid: Logs) -> None:
    one, other = grid.frame(), grid.frame()
    assert one[0] == other[0] != one[1]
    assert one.index(other[3]) == 3
    assert len({*one, *other}) == 12


# --- a frame


def test_a_frame_is_like_a_list(grid: Logs) -> None:
    frame = grid.frame()
    assert isinstance(frame, Sequence)
    assert isinstance(frame[0], Run)
    assert isinstance(frame[2:4], RunFrame)
    assert frame[2:4].ids == (3, 4)
    assert frame[-1].id == 12
    assert [run.id for run in reversed(frame)][:2] == [12, 11]
    assert frame[:]["train.loss"] == frame["train.loss"]


def test_a_frame_cannot_be_changed(grid: Logs) -> None:
    frame = grid.frame()
    with pytest.raises(TypeError):
        frame[0] = frame[1]  # type: ignore[index]  # the test
    frame.filter("seed == 0")
    frame.sort("seed")
    assert frame.ids == tuple(range(1, 13))


def test_a_column_has_a_value_a_run(grid: Logs) -> None:
    grid.add({"seed": 7, "extra": None})
    frame = grid.frame()
    assert frame["config.seed"] == [0, 1, 2] * 4 + [7]
    assert frame["lr"] == [*[0.1] * 3, *[0.01] * 3] * 2 + [None]
    assert frame["config.extra"] == [None] * 13
    assert frame["train.loss"][12] is None
    assert frame["train.loss.count"] == [5] * 12 + [None]


def test_an_unknown_column_is_mended(grid: Logs) -> None:
    with pytest.raises(UnknownKeyError, match=r"did you mean 'train\.loss'"):
        grid.frame()["train.lss"]


def test_a_key_known_in_the_whole_is_known_in_a_part(logs: Logs) -> None:
    logs.add({"model": {"name": "logreg"}})
    logs.add({"model": {"name": "mlp", "hidden": 32}})
    part = logs.frame().filter("model.name == 'logreg'")
    assert part.filter("hidden > 3").ids == ()
    assert part[:0].filter("config.model.hidden > 3").ids == ()
    assert part["hidden"] == [None]
    with pytest.raises(UnknownKeyError):
        part.filter("config.model.hiddem > 3")


def test_columns_begin_with_what_varies(grid: Logs) -> None:
    columns = grid.frame().columns
    assert set(columns[:3]) == {"config.seed", "config.optimizer.lr", "config.model.name"}
    assert columns[3] == "info.status"
    assert set(columns[4:8]) == {"train.loss", "train.epoch", "test.loss", "test.acc"}
    assert columns[8] == "config.epochs"
    assert grid.frame().keys() == list(columns)


def test_diff_is_symmetric_and_sorted(logs: Logs) -> None:
    logs.add({"z": 1, "a": 1, "same": [1]})
    logs.add({"z": 2, "a": 1, "b": 1, "same": [1]})
    frame = logs.frame()
    assert frame.diff() == frame.sort("info.logger.log_id", ascending=False).diff()
    assert frame.diff() == ["config.b", "config.z"]
    assert frame[:1].diff() == frame[:0].diff() == []
    assert "info.logger.log_id" in frame.diff("info")


@pytest.mark.parametrize(
    ("by", "ascending", "ids"),
    [
        pytest.param("b", True, (2, 3, 1, 4, 5), id="values"),
        pytest.param("b", False, (1, 3, 2, 4, 5), id="the-other-way-none-still-last"),
        pytest.param(["a", "b"], True, (2, 1, 3, 4, 5), id="two-columns"),
        pytest.param("train.loss.last", True, (4, 1, 2, 3, 5), id="metric"),
    ],
)
def test_sorts(logs: Logs, by: str, ascending: bool, ids: tuple[int, ...]) -> None:
    logs.add({"a": 1, "b": 3})
    logs.add({"a": 1, "b": 1})
    logs.add({"a": 2, "b": 2})
    logs.add({"a": 2, "b": None}, {"train": [{"loss": 1.0}]})
    logs.add({"a": 2}, {"train": [{"loss": math.nan}]})
    assert logs.frame().sort(by, ascending).ids == ids


def test_sorting_keeps_the_order_of_equals(grid: Logs) -> None:
    assert grid.frame().sort("seed", ascending=False).ids[:4] == (3, 6, 9, 12)


def test_filters_by_a_function_of_columns_as_in_mlxp(grid: Logs) -> None:
    def is_best(losses: list[float], seeds: list[int]) -> list[bool]:
        return [loss == min(losses) and seed == 0 for loss, seed in zip(losses, seeds, strict=True)]

    columns = ("test.loss.last", "config.seed")
    assert grid.frame().filter((is_best, columns)).ids == (4, 10)
    found = grid.frame().filter((is_best, columns), bygroups="config.optimizer.lr")
    assert found.ids == (1, 4, 7, 10)


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        pytest.param(lambda column: [True], "answers 1 times for 12 rows", id="too-few"),
        pytest.param("mean", "neither a reduction nor a map", id="a-reduction"),
    ],
)
def test_a_function_that_does_not_filter_is_refused(
    grid: Logs, function: Any, problem: str
) -> None:
    with pytest.raises(ReductionError, match=problem):
        grid.frame().filter((function, "config.seed"))


# --- other forms


def test_pandas_gets_a_row_a_run_and_leaves_metrics_unread(grid: Logs) -> None:
    table = grid.frame().to_pandas()
    assert table.index.tolist() == list(range(1, 13))
    assert table.index.name == "id"
    assert table["config.seed"].tolist() == [0, 1, 2] * 4
    assert pd.api.types.is_integer_dtype(table["config.seed"])
    assert pd.api.types.is_float_dtype(table["config.optimizer.lr"])
    assert set(table["train.loss"]) == {"METRIC"}
    assert table.equals(grid.frame().toPandas())


def test_pandas_gets_metrics_when_asked(grid: Logs) -> None:
    grid.add({"seed": 1})
    table = grid.frame().to_pandas(lazy=False)
    assert table.loc[1, "train.epoch"] == [0, 1, 2, 3, 4]
    assert table["train.loss"].isna().tolist() == [False] * 12 + [True]
    lazy = grid.frame().to_pandas()
    assert lazy["train.loss"].isna().tolist() == [False] * 12 + [True]


def test_pandas_takes_lists_of_one_length_and_mixed_types(logs: Logs) -> None:
    logs.add({"sizes": [1, 2], "mixed": 1, "none": None})
    logs.add({"sizes": [3, 4], "mixed": "text", "none": None})
    table = logs.frame().to_pandas()
    assert table["config.sizes"].tolist() == [[1, 2], [3, 4]]
    assert table["config.mixed"].tolist() == [1, "text"]


def test_an_empty_frame_has_every_form(logs: Logs) -> None:
    frame = logs.frame()
    assert (len(frame), frame.columns, frame.ids, frame.states) == (0, (), (), {})
    assert frame.to_pandas().empty
    assert repr(frame) == "no rows"
    assert frame._repr_html_() == "<p>no rows</p>"


def test_the_text_shows_what_varies(grid: Logs) -> None:
    assert repr(grid.frame()[:2]).splitlines() == [
        "run  status    seed",
        "1    COMPLETE  0",
        "2    COMPLETE  1",
        "2 rows",
    ]
    assert repr(grid.frame()).splitlines()[0].split() == ["run", "status", "name", "lr", "seed"]


def test_the_text_is_small_whatever_is_in_it(logs: Logs) -> None:
    for number in range(30):
        wide = {f"key{i}": number for i in range(30)}
        logs.add({**wide, "key0": None if number else [1, 2]})
    lines = repr(logs.frame()).splitlines()
    assert len(lines) == 22
    assert max(map(len, lines)) < 300
    assert lines[-1] == "30 rows, 10 more not shown, 21 columns more not shown"


def test_long_values_are_cut(logs: Logs) -> None:
    logs.add({"a": "x\n" * 1000})
    logs.add({"a": None})
    assert "\\nx…" in repr(logs.frame())
    assert len(repr(logs.frame()).splitlines()) == 4


def test_the_html_is_escaped(logs: Logs) -> None:
    bad = "<script>alert(1)</script>"
    logs.add({"a": bad, bad: 1})
    logs.add({"a": "b", bad: 2})
    frame = logs.frame()
    assert "<script>" not in frame._repr_html_()
    assert "&lt;script&gt;" in frame._repr_html_()
    assert "<script>" not in frame.groupby("config.a")._repr_html_()


def test_states_are_counted(logs: Logs) -> None:
    for status in ("COMPLETE", "FAILED", "COMPLETE"):
        logs.add({}, status=status)
    assert logs.frame().states == {State.COMPLETE: 2, State.FAILED: 1}


def test_mlxps_name_is_the_table() -> None:
    assert mlxp_nb.DataFrame is DataFrame
    assert issubclass(mlxp_nb.RunFrame, mlxp_nb.DataFrame)
    table: DataFrame[Row] = DataFrame([Row({"a": 1, "b": [1]}), Row({"a": 2})])
    assert table["a"] == [1, 2]
    assert table.filter("a > 1")[0] == {"a": 2}
    assert table.to_pandas().index.tolist() == [0, 1]
    assert repr(table).splitlines()[0].split() == ["a", "b"]
