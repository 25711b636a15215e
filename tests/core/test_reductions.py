"""Many values to one."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest
import scipy.stats  # type: ignore[import-untyped]  # it has no stubs
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxp_nb.core.reductions import AGGREGATES, REDUCTIONS, aggregate, reduce_metric
from mlxp_nb.core.student import half_width, quantile
from mlxp_nb.errors import ReductionError, UnknownNameError

NAN = math.nan


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("last", [1, 3, 2], 2),
        ("last", [1, NAN], NAN),
        ("last", [1, "text"], "text"),
        ("first", [1, 3, 2], 1),
        ("min", [3, 1, 2], 1),
        ("max", [1, 3, 2], 3),
        ("mean", [1, 3, 2], 2),
        ("count", [1, NAN, None], 3),
        ("min", [3, NAN, 1], 1),
        ("max", [NAN, 3, None, "text"], 3),
        ("mean", [NAN, 1, 3], 2),
        ("min", [NAN], NAN),
        ("max", ["text"], NAN),
        ("mean", [math.inf, 1], math.inf),
        ("mean", [math.inf, -math.inf], NAN),
        ("mean", [1e308, 1e308], math.inf),
        ("max", [10**400, 1], math.inf),
        ("mean", [True, False], 0.5),
    ],
)
def test_reduces_a_metric(name: str, values: list[Any], expected: Any) -> None:
    assert repr(reduce_metric(name, values)) in (repr(expected), repr(float_or(expected)))


def float_or(value: Any) -> Any:
    return float(value) if isinstance(value, int) else value


def test_every_reduction_has_a_case_and_a_line_of_help() -> None:
    assert set(REDUCTIONS) == {"last", "first", "min", "max", "mean", "count"}
    assert all(row.help for row in (*REDUCTIONS.values(), *AGGREGATES.values()))


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("mean", [1, 2, 6], 3.0),
        ("std", [1, 2, 6], statistics.stdev([1, 2, 6])),
        ("std", [5], NAN),
        ("sem", [1, 2, 6], statistics.stdev([1, 2, 6]) / math.sqrt(3)),
        (
            "ci95",
            [1, 2, 6],
            0.95 * math.sqrt(2 / 0.0975) * statistics.stdev([1, 2, 6]) / math.sqrt(3),
        ),
        ("ci95", [5], NAN),
        ("median", [6, 1, 2], 2.0),
        ("median", [6, 1], 3.5),
        ("iqr", [1, 2, 3, 4, 5], 2.0),
        ("min", [3, 1], 1.0),
        ("max", [3, 1], 3.0),
        ("count", [3, "text", None], 2),
        ("mean", [], NAN),
        ("count", [], 0),
        ("mean", [1, NAN], NAN),
        ("std", [1, 2, NAN], NAN),
        ("min", [1, NAN], 1.0),
        ("max", [1, NAN], 1.0),
        ("best", [3, NAN, 1], 1.0),
        ("mean", [1, None, 3], 2.0),
    ],
)
def test_aggregates_a_group(name: str, values: list[Any], expected: float) -> None:
    found = aggregate(name, "test.loss.last", values)
    assert found == pytest.approx(expected, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize(
    ("column", "mode", "expected"),
    [
        ("test.loss.last", None, 1),
        ("val_error.min", None, 1),
        ("test.acc.last", None, 3),
        ("f1.max", None, 3),
        ("test.acc.last", "min", 1),
        ("test.speed.last", "max", 3),
    ],
)
def test_the_best_is_an_end(column: str, mode: str | None, expected: float) -> None:
    assert aggregate("best", column, [2, 1, 3], mode) == expected


@pytest.mark.parametrize("column", ["test.speed.last", "loss.acc"])
def test_the_best_is_not_guessed(column: str) -> None:
    with pytest.raises(ReductionError, match="nothing tells") as caught:
        aggregate("best", column, [1, 2])
    assert 'mode="min"' in caught.value.hint


@pytest.mark.parametrize(
    ("values", "problem", "hint"),
    [
        pytest.param([1, "text"], "'text', which is not a number", "count", id="text"),
        pytest.param([[1, 2]], "many values a run", "train.loss.last", id="a-whole-metric"),
    ],
)
def test_what_is_no_number_is_not_averaged(values: list[Any], problem: str, hint: str) -> None:
    with pytest.raises(ReductionError, match=problem) as caught:
        aggregate("mean", "train.loss", values)
    assert hint in caught.value.hint


def test_an_unknown_reduction_is_mended() -> None:
    with pytest.raises(UnknownNameError, match="unknown reduction 'men'") as caught:
        aggregate("men", "a", [1])
    assert caught.value.near == "mean"


def test_an_unknown_mode_is_mended() -> None:
    with pytest.raises(UnknownNameError, match="unknown mode"):
        aggregate("best", "a", [1], "low")


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=9))
def test_agrees_with_the_statistics_module(values: list[float]) -> None:
    def close(value: float) -> Any:
        return pytest.approx(value, rel=1e-9, abs=1e-6)

    assert aggregate("mean", "a", values) == close(statistics.fmean(values))
    assert aggregate("std", "a", values) == close(statistics.stdev(values))
    assert aggregate("median", "a", values) == close(statistics.median(values))
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    assert aggregate("iqr", "a", values) == close(high - low)


@pytest.mark.parametrize(
    ("df", "expected"),
    [(1, 12.7062047), (2, 4.3026527), (4, 2.7764451), (9, 2.2621572), (30, 2.0422725)],
)
def test_the_quantile_of_t_is_the_one_of_the_tables(df: int, expected: float) -> None:
    assert quantile(0.975, df) == pytest.approx(expected, abs=5e-8)


@pytest.mark.parametrize("df", [*range(1, 40), 150, 199, 200, 201, 250, 1000, 10**6])
def test_the_quantile_of_t_is_exact(df: int) -> None:
    for p in (0.9, 0.975, 0.995):
        assert quantile(p, df) == pytest.approx(scipy.stats.t.ppf(p, df), rel=1e-9)


def test_one_value_has_no_interval() -> None:
    assert math.isnan(half_width(1))
    assert half_width(2) == pytest.approx(12.706, abs=1e-3)
