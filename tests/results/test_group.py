"""Groups, and columns reduced to one value each."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np
import pytest

import mlxp_nb
from mlxp_nb.errors import ReductionError, UnknownNameError
from mlxp_nb.results.frame import DataFrame, RunFrame
from mlxp_nb.results.group import GroupedFrame

from .conftest import Logs


def ids(frame: DataFrame[Any]) -> list[int]:
    return [row.id for row in frame]


def mean(values: list[float]) -> float:
    return statistics.fmean(values)


def test_groups_are_tables_by_their_values(grid: Logs) -> None:
    grouped = grid.frame().groupby(["config.model.name", "lr"])
    assert isinstance(grouped, mlxp_nb.GroupedDataFrame)
    assert grouped.group_keys == ["config.model.name", "config.optimizer.lr"]
    assert grouped.groups == (("logreg", 0.01), ("logreg", 0.1), ("mlp", 0.01), ("mlp", 0.1))
    assert len(grouped) == 4
    assert list(grouped.keys()) == list(grouped) == list(grouped.groups)
    assert {key: ids(frame) for key, frame in grouped.items()}["mlp", 0.1] == [7, 8, 9]
    assert isinstance(grouped["mlp", 0.1], RunFrame)


def test_a_single_column_needs_no_tuple(grid: Logs) -> None:
    grouped = grid.frame().groupby("seed")
    assert ids(grouped[2]) == ids(grouped[(2,)]) == [3, 6, 9, 12]


def test_an_unknown_group_is_mended(grid: Logs) -> None:
    with pytest.raises(UnknownNameError, match="unknown group") as caught:
        grid.frame().groupby("seed")[5]
    assert "(0,)" in caught.value.hint


def test_missing_none_and_list_values_make_groups(logs: Logs) -> None:
    for config in ({"a": [1, 2]}, {"a": [1, 2]}, {"a": None}, {}, {"a": "x"}, {"a": 3}):
        logs.add(config)
    logs.add({"a": math.nan})
    logs.add({"a": math.nan})
    grouped = logs.frame().groupby("config.a")
    assert [key[0] for key in grouped][:1] == [3]
    assert ids(grouped[[1, 2]]) == ids(grouped[(1, 2)]) == [1, 2]
    assert ids(grouped[None]) == [3, 4]
    assert ids(grouped["x"]) == [5]
    assert ids(grouped[math.nan]) == [7, 8]
    assert sum(len(frame) for frame in grouped.values()) == 8
    assert grouped.to_pandas().shape[0] == 8
    assert grouped._repr_html_()
    assert "a=(1, 2): 2 runs" in repr(grouped)
    counts = grouped.aggregate({"info.status": "count"})
    assert isinstance(counts, GroupedFrame)
    assert counts.to_pandas().index.nlevels == 1
    assert counts.to_pandas()["info.status.count"].tolist() == [1, 2, 1, 2, 2]


@pytest.mark.parametrize(
    ("maps", "outputs"),
    [
        pytest.param({"test.acc.last": "mean"}, {"test.acc.last.mean": 0.8}, id="name"),
        pytest.param(
            {"acc.last": ["min", "max"], "seed": "count"},
            {"acc.last.min": 0.7, "acc.last.max": 0.9, "seed.count": 3},
            id="names",
        ),
        pytest.param(("mean", "test.acc.last"), {"test.acc.last.mean": 0.8}, id="tuple"),
        pytest.param({"test.acc.last": "best"}, {"test.acc.last.best": 0.9}, id="best"),
        pytest.param((mean, "test.acc.last"), {"fmean.test.acc.last": 0.8}, id="function"),
        pytest.param((mean, ("test.acc.last",), ("acc",)), {"acc": 0.8}, id="named-output"),
        pytest.param(
            [(mean, ("test.acc.last", "config.seed")), ("std", "config.seed", "spread")],
            {"fmean.test.acc.last": 0.8, "fmean.config.seed": 1.0, "spread": 1.0},
            id="list",
        ),
        pytest.param(
            {"config.seed": [lambda v: 1, lambda v: 2]},
            {"f<lambda>.config.seed": 1, "f<lambda>.config.seed_2": 2},
            id="two-lambdas",
        ),
        pytest.param((np.mean, "config.seed"), {"fmean.config.seed": 1.0}, id="numpy"),
    ],
)
def test_aggregates(grid: Logs, maps: Any, outputs: dict[str, float]) -> None:
    frame = grid.frame().filter("model.name == 'mlp' & lr == 0.1")
    row = frame.aggregate(maps)[0]
    assert dict(row) == pytest.approx(outputs)
    assert all(type(value) in (int, float) for value in row.values())


def test_every_reduction_can_be_asked_by_name(grid: Logs) -> None:
    names = ["mean", "std", "sem", "ci95", "median", "iqr", "min", "max", "count", "best"]
    row = grid.frame().aggregate({"test.loss.last": names})[0]
    values = grid.frame()["test.loss.last"]
    assert row["test.loss.last.std"] == pytest.approx(statistics.stdev(values))
    assert row["test.loss.last.best"] == row["test.loss.last.min"] == min(values)
    assert len(row) == len(names)


def test_a_mean_curve_as_long_as_there_are_runs_is_one_row(logs: Logs) -> None:
    for seed in range(2):
        logs.curve(seed, [1.0 + seed, 2.0 + seed])
    row = logs.frame().aggregate((lambda curves: np.mean(curves, axis=0), "train.loss", "m"))
    assert len(row) == 1
    assert row[0]["m"].tolist() == [1.5, 2.5]


def test_runs_without_a_value_are_passed_over_and_count_says_so(grid: Logs) -> None:
    grid.add({"seed": 0, "optimizer": {"lr": 0.1}, "model": {"name": "mlp"}})
    grouped = grid.frame().groupby("model.name")
    done = grouped.aggregate({"test.acc.last": ["mean", "count"], "seed": "count"})
    assert done["mlp"][0]["test.acc.last.count"] == 6
    assert done["mlp"][0]["seed.count"] == 7
    alone = grid.frame()[12:].aggregate([("mean", "test.acc.last"), (mean, "test.acc.last")])[0]
    assert math.isnan(alone["test.acc.last.mean"])
    assert alone["fmean.test.acc.last"] is None


@pytest.mark.parametrize(
    ("maps", "problem", "hint"),
    [
        pytest.param({"train.loss": "mean"}, "many values a run", "train.loss.last", id="metric"),
        pytest.param({"config.model.name": "mean"}, "not a number", "count", id="text"),
        pytest.param("mean", "neither a reduction nor a map", "test.loss.last", id="no-column"),
        pytest.param((mean,), "neither a reduction nor a map", "function", id="no-column-either"),
        pytest.param((mean, 3), "neither a reduction nor a map", "function", id="no-name"),
        pytest.param((mean, ("a", "b"), "c"), "2 columns but 1 names", "leave", id="few-outputs"),
    ],
)
def test_what_cannot_be_aggregated_is_said(grid: Logs, maps: Any, problem: str, hint: str) -> None:
    with pytest.raises(ReductionError, match=problem) as caught:
        grid.frame().aggregate(maps)
    assert hint in caught.value.hint


def test_an_unknown_reduction_is_mended(grid: Logs) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'median'"):
        grid.frame().aggregate({"config.seed": "medain"})


def test_group_aggregate_filter_select_ungroup(grid: Logs) -> None:
    grouped = grid.frame().groupby(["model.name", "lr"]).aggregate({"test.loss.last": "mean"})
    assert isinstance(grouped, GroupedFrame)
    table = grouped.to_pandas()
    assert table.index.names == ["config.model.name", "config.optimizer.lr"]
    assert table.loc[("mlp", 0.1), "test.loss.last.mean"] == pytest.approx(1.1)
    good = grouped.filter("test.loss.last.mean < 1.05")
    assert isinstance(good, GroupedFrame)
    assert good.groups == (("logreg", 0.01), ("mlp", 0.01))
    one = good.select([("mlp", 0.01), ("nothing", 0)])
    assert one.groups == (("mlp", 0.01),)
    flat = one.ungroup()
    assert dict(flat[0]) == {
        "config.model.name": "mlp",
        "config.optimizer.lr": 0.01,
        "test.loss.last.mean": pytest.approx(1.01),
    }
    again = grid.frame().groupby("lr").aggregate({"config.seed": "mean"}, ungroup=True)
    assert isinstance(again, DataFrame)
    assert again["config.optimizer.lr"] == [0.01, 0.1]


def test_filters_and_sorts_within_groups(grid: Logs) -> None:
    grouped = grid.frame().groupby("model.name")
    best = grouped.filter((lambda losses: [x == min(losses) for x in losses], "test.loss.last"))
    assert isinstance(best, GroupedFrame)
    runs = best.ungroup()
    assert isinstance(runs, RunFrame)
    assert runs.ids == (4, 10)
    assert grouped.sort("seed", ascending=False)["mlp"][0]["config.seed"] == 2
    assert grouped.filter("model.name == 'mlp'", ungroup=True)["config.seed"] == [0, 1, 2] * 2


def test_pandas_has_the_groups_and_the_runs_in_its_index(grid: Logs) -> None:
    table = grid.frame().groupby("model.name").to_pandas()
    assert table.index.names == ["config.model.name", "id"]
    assert table.loc[("mlp", 7), "config.seed"] == 0
    single = grid.frame().groupby("model.name").aggregate({"seed": "count"})
    assert isinstance(single, GroupedFrame)
    assert single.to_pandas().index.tolist() == ["logreg", "mlp"]
    assert "logreg" in single._repr_html_()
    assert repr(single).splitlines() == ["2 groups", "name=logreg: count=6", "name=mlp: count=6"]


def test_no_rows_make_no_groups(logs: Logs) -> None:
    grouped = logs.frame().groupby("config.a")
    assert len(grouped) == 0
    assert grouped.to_pandas().empty
    assert grouped._repr_html_() == "<p>no groups</p>"
    assert repr(grouped) == "0 groups"
    assert len(grouped.aggregate({"config.b": "mean"}, ungroup=True)) == 0
