"""Curves: aligned on the logged step, no point invented."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import scipy.stats  # type: ignore[import-untyped]  # it has no stubs
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxp_nb.core.curves import BANDS, STATS, Points, points_of, summarise
from mlxp_nb.errors import UnknownNameError

NAN, INF = math.nan, math.inf


def run(number: int, *ys: Any, xs: Any = None) -> Points:
    return points_of(number, range(len(ys)) if xs is None else xs, ys)


# --- one run


@pytest.mark.parametrize(
    ("xs", "ys", "x", "y", "problem"),
    [
        pytest.param([0, 1], [5, 6], [0, 1], [5, 6], None, id="plain"),
        pytest.param([1, 0], [5, 6], [0, 1], [6, 5], None, id="sorted"),
        pytest.param([0, 5, 7], [1, None, 2], [0, 7], [1, 2], None, id="none-is-not-logged"),
        pytest.param([], [], [], [], None, id="empty"),
        pytest.param(
            [0, 1, 2],
            [5, NAN, INF],
            [0],
            [5],
            "2 of 3 points are no finite numbers, first nan at x=1",
        ),
        pytest.param([0, 1], ["bad", 5], [1], [5], "1 of 2 points .* first 'bad' at x=0"),
        pytest.param([0, 1, 1], [5, 6, 7], [0, 1], [5, 7], "1 points repeat an x; the last"),
        pytest.param([0, None], [5, 6], [0], [5], "1 of 2 records have no number as x"),
        pytest.param(["a", NAN], [5, 6], [], [], "2 of 2 records have no number as x"),
        pytest.param([0, True], [5, True], [0, 1], [5, 1], None, id="truths-are-numbers"),
        pytest.param([0.5, 1], [1, 2], [0.5, 1], [1, 2], None, id="decimal-x"),
        pytest.param([10**30], [1], [1e30], [1], None, id="huge-x"),
        pytest.param([0], [10**400], [], [], "1 of 1 points are no finite numbers", id="huge-y"),
    ],
)
def test_the_points_of_a_run(
    xs: list[Any], ys: list[Any], x: list[float], y: list[float], problem: str | None
) -> None:
    points = points_of(7, xs, ys, ["before"])
    assert points.run == 7
    assert points.x.tolist() == x
    assert points.y.tolist() == y
    expected = ["before"] if problem is None else [problem, "before"]
    assert len(points.problems) == len(expected)
    assert all(map(re.search, expected, points.problems))


def test_whole_steps_stay_whole_numbers() -> None:
    assert run(1, 5, 6).x.dtype.kind == "i"


# --- many runs


def test_runs_are_aligned_on_the_union_of_their_steps() -> None:
    curve = summarise([run(1, 1, 2, xs=[0, 10]), run(2, 3, 4, xs=[10, 20])], band="minmax")
    assert curve.x.tolist() == [0, 10, 20]
    assert curve.n.tolist() == [1, 2, 1]
    assert curve.center.tolist() == [1, 2.5, 4]
    assert curve.lower.tolist() == [1, 2, 4]
    assert curve.upper.tolist() == [1, 3, 4]
    assert curve.runs == (1, 2)


def test_a_run_that_ends_early_counts_as_long_as_it_lasted() -> None:
    curve = summarise([run(1, 1, 1, 1), run(2, 3)])
    assert curve.n.tolist() == [2, 1, 1]
    assert curve.center.tolist() == [2, 1, 1]
    assert curve.lower.tolist()[0] == pytest.approx(2 - math.sqrt(2))
    assert np.isnan(curve.lower[1:]).all()
    assert np.isnan(curve.upper[1:]).all()


def test_a_diverged_run_counts_where_it_was_finite() -> None:
    diverged = run(2, 3, NAN, INF)
    curve = summarise([run(1, 1, 1, 1), diverged])
    assert curve.n.tolist() == [2, 1, 1]
    assert curve.center.tolist() == [2, 1, 1]
    assert diverged.problems


def test_runs_without_a_point_are_not_in_the_curve() -> None:
    assert summarise([run(1), run(2, 5)]).runs == (2,)


def test_no_runs_make_an_empty_curve() -> None:
    for band in BANDS:
        curve = summarise([], band=band)
        assert [len(a) for a in (curve.x, curve.center, curve.lower, curve.upper, curve.n)] == [
            0
        ] * 5


def test_values_too_large_to_square_give_an_infinite_band_and_no_warning() -> None:
    curve = summarise([run(1, 1e300), run(2, -1e300)])
    assert curve.center.tolist() == [0]
    assert curve.upper.tolist() == [INF]


def test_the_ends_of_values_too_far_apart_to_subtract_are_the_values() -> None:
    curve = summarise([run(1, 1.7e308), run(2, -1.7e308)], band="minmax")
    assert (curve.lower.tolist(), curve.upper.tolist()) == ([-1.7e308], [1.7e308])


def test_what_is_handed_on_stays() -> None:
    curve = summarise([run(1, 5)], key=(("config.lr", 0.1),), label="lr=0.1")
    assert curve.key == (("config.lr", 0.1),)
    assert curve.label == "lr=0.1"


VALUES = [4.0, 1.0, 7.0, 2.0]
STD = float(np.std(VALUES, ddof=1))


@pytest.mark.parametrize(
    ("stat", "expected"), [("mean", 3.5), ("median", 3.0), ("min", 1.0), ("max", 7.0)]
)
def test_the_middle(stat: str, expected: float) -> None:
    curve = summarise([run(i, value) for i, value in enumerate(VALUES)], stat)
    assert curve.center.tolist() == [pytest.approx(expected)]


@pytest.mark.parametrize(
    ("band", "lower", "upper"),
    [
        ("std", 3.5 - STD, 3.5 + STD),
        ("sem", 3.5 - STD / 2, 3.5 + STD / 2),
        ("ci95", *scipy.stats.t.interval(0.95, 3, loc=3.5, scale=STD / 2)),
        ("minmax", 1, 7),
        ("iqr", *np.quantile(VALUES, [0.25, 0.75])),
        ("q10-90", *np.quantile(VALUES, [0.1, 0.9])),
        ("q5-95", *np.quantile(VALUES, [0.05, 0.95])),
        ("none", NAN, NAN),
    ],
)
def test_the_band(band: str, lower: float, upper: float) -> None:
    curve = summarise([run(i, value) for i, value in enumerate(VALUES)], band=band)
    assert curve.lower.tolist() == [pytest.approx(lower, nan_ok=True)]
    assert curve.upper.tolist() == [pytest.approx(upper, nan_ok=True)]


def test_every_stat_and_band_is_tested() -> None:
    assert set(STATS) == {"mean", "median", "min", "max"}
    assert set(BANDS) == {"std", "sem", "ci95", "minmax", "iqr", "q10-90", "q5-95", "none"}


@pytest.mark.parametrize("given", [{"stat": "men"}, {"band": "st"}])
def test_an_unknown_word_is_mended(given: dict[str, Any]) -> None:
    with pytest.raises(UnknownNameError, match="did you mean"):
        summarise([run(1, 5)], **given)


GRIDS = st.lists(
    st.lists(st.none() | st.floats(-1e3, 1e3), min_size=4, max_size=4), min_size=1, max_size=6
)


@settings(deadline=None)
@given(GRIDS)
def test_agrees_with_numpy_column_by_column(rows: list[list[float | None]]) -> None:
    points = [run(i, *row) for i, row in enumerate(rows)]
    middle = summarise(points, "mean", "std")
    quartiles = summarise(points, "median", "iqr")
    for place, x in enumerate(middle.x):
        column = [y for row in rows if (y := row[int(x)]) is not None]
        assert middle.n[place] == len(column)
        assert middle.center[place] == pytest.approx(np.mean(column))
        spread = np.std(column, ddof=1) if len(column) > 1 else NAN
        expected = pytest.approx(np.mean(column) + spread, abs=1e-9, nan_ok=True)
        assert middle.upper[place] == expected
        assert quartiles.center[place] == pytest.approx(np.median(column))
        assert quartiles.lower[place] == pytest.approx(np.quantile(column, 0.25), abs=1e-12)
    assert len(middle.x) == sum(any(row[i] is not None for row in rows) for i in range(4))
