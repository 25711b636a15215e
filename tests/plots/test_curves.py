"""What is drawn of curves: lines, bands, names, and the note under them."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from mlxp_nb.core.curves import BANDS, Curve
from mlxp_nb.plots import PLOTS
from mlxp_nb.plots.curves import curves_figure
from mlxp_nb.plots.static import plain
from mlxp_nb.plots.theme import DARK, LIGHT, MARKERS
from tests.curve_samples import curves


def middles(figure: go.Figure) -> list[Any]:
    return [trace for trace in figure.data if trace.fill is None]


def bands(figure: go.Figure) -> list[Any]:
    return [trace for trace in figure.data if trace.fill is not None]


def names(figure: go.Figure) -> list[str]:
    """The names at the ends of lines."""
    return [plain(note.text) for note in figure.layout.annotations if note.xref == "x"]


def note(figure: go.Figure) -> str:
    return next(
        " ".join(plain(note.text).split())
        for note in figure.layout.annotations
        if note.yref == "paper" and note.y == 0
    )


def group(x: list[float], center: list[float], **changes: Any) -> Curve:
    values = np.array(center, dtype=np.float64)
    plain_group = Curve(
        key=(("config.lr", 0.1),),
        label="lr=0.1",
        x=np.array(x),
        center=values,
        lower=values - 1,
        upper=values + 1,
        n=np.full(len(x), 3),
        runs=(1, 2, 3),
    )
    return replace(plain_group, **changes)


def test_each_group_has_a_line_and_a_band() -> None:
    figure = curves_figure(curves(4))
    assert (len(middles(figure)), len(bands(figure))) == (4, 4)


def test_the_numbers_drawn_are_those_of_the_curves() -> None:
    given = curves(2)
    for trace, one in zip(middles(curves_figure(given)), given.groups, strict=True):
        np.testing.assert_array_equal(trace.x, one.x)
        np.testing.assert_array_equal(trace.y, one.center)
        np.testing.assert_array_equal(trace.customdata[:, 0], one.lower)
        np.testing.assert_array_equal(trace.customdata[:, 1], one.upper)
        np.testing.assert_array_equal(trace.customdata[:, 2], one.n)


def test_a_band_goes_along_the_lower_end_and_back_along_the_upper() -> None:
    figure = curves_figure(curves(groups=(group([0, 1, 2], [5, 6, 7]),)))
    (band,) = bands(figure)
    np.testing.assert_array_equal(band.x, [0, 1, 2, 2, 1, 0])
    np.testing.assert_array_equal(band.y, [4, 5, 6, 8, 7, 6])


def test_a_band_stays_at_its_line_where_x_is_a_time() -> None:
    x = [1.7e9, 1.7e9 + 1, 1.7e9 + 2]
    (band,) = bands(curves_figure(curves(groups=(group(x, [5, 6, 7]),))))
    np.testing.assert_array_equal(band.x[:3], x)


def test_a_band_has_a_gap_where_it_is_not_known() -> None:
    lower = np.array([4, math.nan, 6.0, 7.0])
    figure = curves_figure(curves(groups=(group([0, 1, 2, 3], [5, 6, 7, 8], lower=lower),)))
    (band,) = bands(figure)
    np.testing.assert_array_equal(band.x, [0, 0, math.nan, 2, 3, 3, 2])


def test_a_single_run_has_no_band_to_draw() -> None:
    figure = curves_figure(curves(1, seeds=1))
    assert len(bands(figure)[0].x) == 0
    assert "customdata[0]" not in middles(figure)[0].hovertemplate


@pytest.mark.parametrize("band", sorted(BANDS))
def test_every_band_can_be_drawn(band: str) -> None:
    figure = curves_figure(curves(band=band))
    said = plain(figure.layout.title.text)
    assert (f"and {band}" in said) is (band != "none")


def test_the_axes_are_named() -> None:
    layout = curves_figure(curves()).layout
    assert (layout.xaxis.title.text, layout.yaxis.title.text) == ("epoch", "train.loss")
    assert layout.title.text == "One line for each lr and model: mean and std over seed"


def test_lines_are_named_at_their_ends() -> None:
    given = curves(4)
    figure = curves_figure(given)
    assert sorted(names(figure)) == ["0.01, logreg", "0.01, mlp", "0.1, logreg", "0.1, mlp"]
    ends = {(float(g.x[-1]), float(g.center[-1])) for g in given.groups}
    assert {(a.x, a.y) for a in figure.layout.annotations if a.xref == "x"} == ends
    assert figure.layout.showlegend is False


def test_names_of_lines_that_end_together_do_not_lie_on_each_other() -> None:
    groups = tuple(group([0, 1], [3, 1 + 0.001 * i], runs=(i,)) for i in range(5))
    notes = curves_figure(curves(groups=groups)).layout.annotations
    shifts = [note.yshift for note in notes if note.xref == "x"]
    assert all(b - a > 14 for a, b in itertools.pairwise(shifts))


def test_names_of_lines_that_end_apart_stay_at_their_ends() -> None:
    groups = group([0, 1, 2, 3], [3, 2, 1, 1]), group([0, 1], [3, 1])
    notes = curves_figure(curves(groups=groups)).layout.annotations
    assert [note.yshift for note in notes if note.xref == "x"] == [0, 0]


def test_colour_is_never_the_only_difference() -> None:
    traces = middles(curves_figure(curves(6)))
    assert [trace.line.color for trace in traces] == list(LIGHT.series)
    assert [trace.marker.symbol for trace in traces] == list(MARKERS)
    assert [list(np.flatnonzero(trace.marker.size)) for trace in traces] == [
        [len(trace.x) - 1] for trace in traces
    ]


def test_past_six_groups_the_rest_is_grey_and_that_is_said() -> None:
    figure = curves_figure(curves(9))
    assert [trace.line.color for trace in middles(figure)][6:] == [LIGHT.rest] * 3
    assert (len(names(figure)), len(bands(figure))) == (6, 6)
    assert "The first 6 groups in colour, the rest in grey." in note(figure)
    assert "grey" not in note(curves_figure(curves(6)))


def test_what_is_left_out_is_named_with_its_reason() -> None:
    left_out = ((9, "no value"), (12, "no value"), (10, "no value"), (11, "diverged"))
    said = note(curves_figure(curves(2, left_out=left_out)))
    assert said == ("6 runs in 2 groups. Left out (no value): 9, 10, 12. Left out (diverged): 11.")


def test_what_is_averaged_over_too_is_named() -> None:
    said = note(curves_figure(curves(1, mixed=("config.epochs", "config.batch"))))
    assert "varies within a line: config.epochs and config.batch." in said


def test_a_long_note_keeps_to_its_room() -> None:
    left_out = tuple((i, f"reason {i}") for i in range(200))
    figure = curves_figure(curves(1, left_out=left_out))
    lines = next(a for a in figure.layout.annotations if a.y == 0).text.split("<br>")
    assert len(lines) == 4
    assert lines[-1].endswith("…")


def test_nothing_to_draw_is_said() -> None:
    figure = curves_figure(curves(0, left_out=((1, "no value"),)))
    said = [plain(a.text) for a in figure.layout.annotations]
    assert "Nothing to draw: no run has numbers of train.loss" in said
    assert note(figure) == "No runs. Left out (no value): 1."


@pytest.mark.parametrize(
    ("logs", "kept"),
    [
        pytest.param("", [0, 1, 2, 3], id="linear"),
        pytest.param("y", [0, 2, 3], id="log-y"),
        pytest.param("x", [1, 2, 3], id="log-x"),
        pytest.param("xy", [2, 3], id="both"),
    ],
)
def test_a_log_axis_shows_what_is_above_zero(logs: str, kept: list[int]) -> None:
    given = curves(groups=(group([0, 1, 2, 3], [5, -1, 7, 8]),))
    figure = curves_figure(given, log_x="x" in logs, log_y="y" in logs)
    assert list(middles(figure)[0].x) == kept
    assert ("no place on these axes" in note(figure)) is bool(logs)
    assert figure.layout.yaxis.type == ("log" if "y" in logs else "linear")


def test_a_log_axis_spans_the_values_in_exponents() -> None:
    layout = curves_figure(curves(groups=(group([0, 1], [10, 1000]),)), log_y=True).layout
    low, high = layout.yaxis.range
    assert low < math.log10(9) < 1
    assert math.log10(1001) < high < 3.5
    name = next(a for a in layout.annotations if a.xref == "x")
    assert name.y == pytest.approx(3)


@pytest.mark.parametrize(
    "center",
    [
        pytest.param([1.0], id="one-point"),
        pytest.param([2.0, 2.0], id="constant"),
        pytest.param([0.0, 0.0], id="zero"),
        pytest.param([math.inf, 1.0, math.nan], id="not-finite"),
        pytest.param([1e300, -1e300], id="huge"),
        pytest.param([math.nan], id="nothing-finite"),
    ],
)
def test_any_numbers_have_room_on_the_axes(center: list[float]) -> None:
    figure = curves_figure(curves(groups=(group(list(range(len(center))), center),)))
    for low, high in (figure.layout.xaxis.range, figure.layout.yaxis.range):
        assert low < high
    assert figure.to_svg().startswith("<svg")


def test_of_many_points_some_are_drawn_and_that_is_said() -> None:
    figure = curves_figure(curves(1, steps=5000))
    x = middles(figure)[0].x
    assert (len(x), x[0], x[-1]) == (250, 0, 4999)
    assert "At most 250 points of each line are drawn." in note(figure)


@pytest.mark.parametrize(
    "value", ["<b>x</b>", "<a href='javascript:1'>x</a>", "a&lt;b", "%{y}", "$x$"]
)
def test_a_value_is_shown_as_it_is(value: str) -> None:
    given = curves(groups=(group([0, 1], [1, 2], key=(("config.v", value),)),), metric=value)
    figure = curves_figure(given)
    assert names(figure) == [value]
    assert plain(figure.layout.yaxis.title.text) == value
    assert "<" not in figure.layout.yaxis.title.text
    assert "<" not in middles(figure)[0].name


def test_a_long_value_does_not_push_the_plot_away() -> None:
    given = curves(groups=(group([0, 1], [1, 2], key=(("config.v", "x" * 500),)),))
    assert curves_figure(given).layout.margin.r < 260


def test_a_dark_page_gets_dark_colours() -> None:
    figure = curves_figure(curves(2), theme=DARK)
    assert figure.layout.paper_bgcolor == DARK.ground
    assert [trace.line.color for trace in middles(figure)] == list(DARK.series[:2])


def test_the_table_draws_by_name() -> None:
    figure = PLOTS["curves"](curves(2), log_y=True)
    assert figure.layout.yaxis.type == "log"
    assert all(plot.help and plot.name == name for name, plot in PLOTS.items())
