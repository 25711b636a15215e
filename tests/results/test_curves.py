"""Curves of a frame: groups, x, and what is left out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from mlxp_nb.core.keys import UnknownKeyError
from mlxp_nb.errors import UnknownNameError
from mlxp_nb.results.curves import Curves

from .conftest import Logs


def test_a_curve_for_each_group_averaged_over_the_rest(grid: Logs) -> None:
    found = grid.frame().curves("train.loss", by=["model.name", "lr"], over="seed")
    assert isinstance(found, Curves)
    assert (found.metric, found.x, found.stat, found.band) == ("train.loss", "epoch", "mean", "std")
    assert found.by == ("config.model.name", "config.optimizer.lr")
    assert found.over == ("config.seed",)
    assert found.mixed == ()
    assert found.left_out == ()
    assert [curve.label for curve in found.groups] == [
        "name=logreg, lr=0.01",
        "name=logreg, lr=0.1",
        "name=mlp, lr=0.01",
        "name=mlp, lr=0.1",
    ]
    last = found.groups[3]
    assert last.key == (("config.model.name", "mlp"), ("config.optimizer.lr", 0.1))
    assert last.runs == (7, 8, 9)
    assert last.x.tolist() == [0, 1, 2, 3, 4]
    assert last.n.tolist() == [3] * 5
    assert last.center == pytest.approx([2.0, 1.9, 1.8, 1.7, 1.6])
    assert last.lower == pytest.approx([1.0, 0.9, 0.8, 0.7, 0.6])
    assert last.upper == pytest.approx([3.0, 2.9, 2.8, 2.7, 2.6])


@pytest.mark.parametrize(
    ("by", "over", "mixed"),
    [
        pytest.param((), (), ("model.name", "optimizer.lr", "seed"), id="nothing-named"),
        pytest.param("lr", (), ("model.name", "seed"), id="by"),
        pytest.param("lr", "seed", ("model.name",), id="over"),
        pytest.param(["lr", "model.name"], "seed", (), id="all-named"),
        pytest.param(["seed", "lr", "model.name"], (), (), id="a-curve-a-run"),
    ],
)
def test_what_is_averaged_over_without_being_named_is_said(
    grid: Logs, by: Any, over: Any, mixed: tuple[str, ...]
) -> None:
    found = grid.frame().curves("train.loss", by=by, over=over)
    assert found.mixed == tuple(f"config.{key}" for key in mixed)
    assert all(f"config.{key}" in repr(found) for key in mixed)


def test_no_groups_is_one_curve_with_the_name_of_the_metric(grid: Logs) -> None:
    (only,) = grid.frame().curves("train.loss").groups
    assert (only.label, only.key, len(only.runs)) == ("train.loss", (), 12)


def test_groups_may_have_missing_none_and_list_values(logs: Logs) -> None:
    logs.curve(0, [1.0], sizes=[1, 2])
    logs.curve(1, [2.0], sizes=[1, 2])
    logs.curve(0, [3.0], sizes=None)
    logs.curve(1, [4.0])
    found = logs.frame().curves("train.loss", by="sizes", over="seed")
    assert [(curve.label, curve.runs) for curve in found.groups] == [
        ("sizes=[1, 2]", (1, 2)),
        ("sizes=none", (3, 4)),
    ]


# --- x


def x_of(logs: Logs, *runs: list[dict[str, Any]], x: str | None = None) -> tuple[str, list[float]]:
    for rows in runs:
        logs.add({}, {"train": rows})
    found = logs.frame().curves("train.loss", x=x)
    return found.x, found.groups[0].x.tolist()


@pytest.mark.parametrize(
    ("keys", "x"),
    [
        pytest.param({"step": 3, "epoch": 1}, "step", id="step-before-epoch"),
        pytest.param({"global_step": 3, "epoch": 1}, "global_step", id="global-step"),
        pytest.param({"iteration": 3}, "iteration", id="iteration"),
        pytest.param({"epoch": 3}, "epoch", id="epoch"),
        pytest.param({"time": 3}, "record", id="none-of-them"),
        pytest.param({"epoch": "third"}, "record", id="not-a-number"),
    ],
)
def test_x_is_a_step_that_every_record_has(logs: Logs, keys: dict[str, Any], x: str) -> None:
    assert x_of(logs, [{"loss": 1.0, **keys}]) == (x, [0.0 if x == "record" else 3.0])


def test_x_is_the_record_when_one_run_has_no_step(logs: Logs) -> None:
    with_step = [{"loss": 1.0, "step": 10}, {"loss": 0.5, "step": 20}]
    assert x_of(logs, with_step, [{"loss": 1.0}]) == ("record", [0, 1])


def test_the_record_is_counted_in_the_whole_file(logs: Logs) -> None:
    rows: list[dict[str, Any]] = [{"loss": 1.0}, {"acc": 0.1}, {"loss": 0.5, "acc": None}]
    assert x_of(logs, rows) == ("record", [0, 2])


@pytest.mark.parametrize("x", ["batch", "train.batch"])
def test_x_can_be_any_column_of_the_same_records(logs: Logs, x: str) -> None:
    assert x_of(logs, [{"loss": 1.0, "batch": 7, "step": 1}], x=x) == ("batch", [7])


def test_x_can_be_asked_to_be_the_record(logs: Logs) -> None:
    assert x_of(logs, [{"loss": 1.0, "step": 9}], x="record") == ("record", [0])


def test_an_unknown_x_is_mended(grid: Logs) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown x for train\.loss 'epoc'") as caught:
        grid.frame().curves("train.loss", x="epoc")
    assert caught.value.near == "epoch"


# --- what is left out


def test_runs_without_the_metric_are_named(logs: Logs) -> None:
    logs.curve(0, [1.0, 0.5])
    logs.add({"seed": 1}, {"train": [{"acc": 1}]})
    logs.add({"seed": 2})
    (logs.add({"seed": 3}) / "metadata" / "info.yaml").unlink()
    found = logs.frame().curves("train.loss")
    assert found.left_out == (
        (2, "logged no train.loss"),
        (3, "logged no train.loss"),
        (4, "metadata/info.yaml is missing"),
    )
    assert found.groups[0].runs == (1,)
    assert "run 3: logged no train.loss" in repr(found)


def test_runs_without_the_x_are_named(logs: Logs) -> None:
    logs.curve(0, [1.0, 0.5])
    logs.add({"seed": 1}, {"train": [{"loss": 1.0}]})
    found = logs.frame().curves("train.loss", x="epoch")
    assert found.left_out == ((2, "its records have no epoch"),)
    assert found.groups[0].runs == (1,)


def test_diverged_runs_count_as_far_as_they_came_and_are_named(logs: Logs) -> None:
    logs.curve(0, [1.0, 1.0, 1.0])
    logs.curve(1, [3.0, math.nan, math.inf])
    logs.curve(2, [5.0])
    found = logs.frame().curves("train.loss", over="seed")
    (curve,) = found.groups
    assert curve.n.tolist() == [3, 1, 1]
    assert curve.center.tolist() == [3, 1, 1]
    assert found.left_out == ((2, "2 of 3 points are no finite numbers, first nan at x=1"),)


def test_damaged_lines_are_named(logs: Logs) -> None:
    run = logs.curve(0, [1.0, 0.5])
    path = run / "metrics" / "train.json"
    path.write_text(path.read_text() + '{"loss": \n{"epoch": 2, "loss": 0.25}\n{"epoch": 3, "lo')
    found = logs.frame().curves("train.loss")
    assert found.groups[0].center.tolist() == [1.0, 0.5, 0.25]
    assert found.left_out == ((1, "1 damaged line in metrics/train.json"),)


def test_a_resumed_run_counts_once_at_each_step(logs: Logs) -> None:
    logs.add({}, {"train": [{"epoch": e, "loss": v} for e, v in [(0, 4.0), (1, 3.0), (1, 2.0)]]})
    found = logs.frame().curves("train.loss")
    assert found.groups[0].center.tolist() == [4.0, 2.0]
    assert found.groups[0].n.tolist() == [1, 1]
    assert "repeat an x" in found.left_out[0][1]


# --- bad input


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        pytest.param({"metric": "train.los"}, "train.loss", id="metric"),
        pytest.param({"metric": "config.seed"}, None, id="not-a-metric"),
        pytest.param({"metric": "train.loss.last"}, "train.loss", id="reduced"),
        pytest.param({"by": "config.sead"}, "config.seed", id="by"),
        pytest.param({"over": ["config.sead"]}, "config.seed", id="over"),
        pytest.param({"stat": "avg"}, None, id="stat"),
        pytest.param({"band": "sdt"}, "std", id="band"),
    ],
)
def test_a_slip_is_mended(grid: Logs, arguments: dict[str, Any], near: str | None) -> None:
    with pytest.raises(UnknownNameError) as caught:
        grid.frame().curves(**{"metric": "train.loss", **arguments})
    assert caught.value.near == near
    assert caught.value.hint


def test_no_runs_make_no_curves(logs: Logs) -> None:
    found = logs.frame().curves("train.loss", by="config.lr", over="config.seed")
    assert found.groups == ()
    assert found.to_pandas().columns.tolist() == ["config.lr", "x", "mean", "lower", "upper", "n"]
    assert found.final().empty
    assert found.at(0).empty


def test_a_metric_known_in_the_whole_draws_nothing_for_a_part_without_it(grid: Logs) -> None:
    grid.add({"seed": 99})
    found = grid.frame().filter("seed == 99").curves("train.loss")
    assert found.groups == ()
    assert found.left_out == ((13, "logged no train.loss"),)
    with pytest.raises(UnknownKeyError):
        grid.frame().filter("seed == 99").curves("train.lss")


# --- tables


def test_the_table_has_a_row_a_group_and_point(grid: Logs) -> None:
    found = grid.frame().curves("train.loss", by="lr", over=["seed", "model.name"], stat="median")
    table = found.to_pandas()
    assert list(table) == ["config.optimizer.lr", "x", "median", "lower", "upper", "n"]
    assert len(table) == 10
    assert table["x"].tolist() == [0, 1, 2, 3, 4] * 2
    assert table["n"].tolist() == [6] * 10
    assert table["config.optimizer.lr"].tolist() == [0.01] * 5 + [0.1] * 5
    one = table[table["config.optimizer.lr"] == 0.1]
    assert np.allclose(one["median"], found.groups[1].center)


def test_the_table_at_one_x_invents_nothing(logs: Logs) -> None:
    logs.curve(0, [1.0, 2.0, 3.0], lr=1)
    logs.curve(0, [5.0], lr=2)
    found = logs.frame().curves("train.loss", by="lr", band="minmax")
    table = found.at(2)
    assert table["config.lr"].tolist() == [1, 2]
    assert table["n"].tolist() == [1, 0]
    assert table["mean"].tolist() == pytest.approx([3.0, math.nan], nan_ok=True)
    assert found.at(0.5)["n"].tolist() == [0, 0]


def test_the_final_table_says_from_how_many_runs(logs: Logs) -> None:
    logs.curve(0, [1.0, 2.0, 3.0], lr=1)
    logs.curve(1, [5.0], lr=1)
    logs.curve(0, [7.0], lr=2)
    table = logs.frame().curves("train.loss", by="lr", over="seed").final()
    assert table["x"].tolist() == [2, 0]
    assert table["mean"].tolist() == [3.0, 7.0]
    assert table["n"].tolist() == [1, 1]


def test_the_text_names_groups_runs_and_points(grid: Logs) -> None:
    text = repr(grid.frame().curves("train.loss", by="lr", over="seed"))
    assert text.splitlines() == [
        "train.loss against epoch, mean and standard deviation (ddof=1)",
        "  lr=0.01: 6 runs (4 to 6, 10 to 12), 5 points",
        "  lr=0.1: 6 runs (1 to 3, 7 to 9), 5 points",
        "  averaged also over config.model.name",
    ]
