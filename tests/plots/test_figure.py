"""A figure is seen everywhere: interactive, as a picture, as a line of text."""

from __future__ import annotations

import copy
import json
import pickle
import sys
import threading
import xml.etree.ElementTree as ET

import matplotlib as mpl
import plotly.graph_objects as go
import pytest
from IPython.core.formatters import DisplayFormatter

from mlxp_nb.plots.curves import curves_figure
from mlxp_nb.plots.figure import Figure
from mlxp_nb.plots.theme import DARK
from tests.curve_samples import curves

PLOTLY = "application/vnd.plotly.v1+json"
SVG = "{http://www.w3.org/2000/svg}"


def drawn(figure: Figure) -> ET.Element:
    return ET.fromstring(figure.to_svg())


def words(figure: Figure) -> list[str]:
    return ["".join(text.itertext()).strip() for text in drawn(figure).iter(f"{SVG}text")]


def test_a_notebook_gets_all_forms_and_no_other() -> None:
    bundle, _ = DisplayFormatter().format(curves_figure(curves()))
    assert set(bundle) == {PLOTLY, "image/svg+xml", "text/plain"}


def test_the_interactive_form_is_plotlys() -> None:
    figure = curves_figure(curves(2))
    shown = figure._repr_mimebundle_()[PLOTLY]
    assert json.loads(json.dumps(shown)) == shown
    assert len(shown["data"]) == 4
    assert shown["layout"]["yaxis"]["title"]["text"] == "train.loss"


def test_no_button_sends_data_to_anybody() -> None:
    config = curves_figure(curves())._repr_mimebundle_()[PLOTLY]["config"]
    assert config["plotlyServerURL"] == ""
    assert "sendChartToCloud" in config["modeBarButtonsToRemove"]


def test_the_picture_has_the_names_axes_and_note() -> None:
    said = words(curves_figure(curves(2)))
    for word in ("train.loss", "epoch", "0.01, logreg", "0.1, logreg", "6 runs in 2 groups."):
        assert word in said


def test_the_picture_needs_nothing_from_outside() -> None:
    svg = curves_figure(curves()).to_svg()
    assert "<script" not in svg
    assert "<image" not in svg
    assert "href=" not in svg  # also none inside: some pages cut references off
    assert "DejaVu" not in svg


def test_a_change_by_the_user_is_in_the_picture() -> None:
    figure = curves_figure(curves(1))
    figure.update_layout(title_text="<b>Mine</b> &amp; yours", xaxis_title_text="step")
    figure.add_trace(go.Scatter(x=[0, 10], y=[1, 1], mode="lines", line={"color": "#ff0000"}))
    said = words(figure)
    assert {"Mine & yours", "step"} <= set(said)
    assert "#ff0000" in figure.to_svg()


def test_a_line_made_invisible_is_not_in_the_picture() -> None:
    figure = curves_figure(curves(1))
    assert "stroke: #2456d6" in figure.to_svg()
    figure.update_traces(visible=False)
    assert "stroke: #2456d6" not in figure.to_svg()


@pytest.mark.parametrize("value", ["$x^2$", "a < b & c", "<script>", "\\frac"])
def test_text_stays_text_in_the_picture(value: str) -> None:
    assert value in words(curves_figure(curves(1, metric=value)))


@pytest.mark.parametrize(("low", "high"), [(0.2, 0.5), (1e-3, 10.0), (1e-12, 1e6), (0.99, 1.01)])
def test_a_log_axis_has_ticks_written_in_full(low: float, high: float) -> None:
    group = curves(1, steps=2, seeds=1).groups[0]
    group.center[:] = [low, high]
    said = words(curves_figure(curves(groups=(group,)), log_y=True))
    assert (
        len(
            [
                word
                for word in said
                if word.replace("e-", "").replace("e+", "").replace(".", "").isdigit()
            ]
        )
        >= 2
    )


def test_one_figure_always_gives_one_picture() -> None:
    assert curves_figure(curves()).to_svg() == curves_figure(curves()).to_svg()


def test_a_dark_figure_has_a_dark_ground() -> None:
    assert DARK.ground in curves_figure(curves(), theme=DARK).to_svg()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda f: pickle.loads(pickle.dumps(f))])
def test_a_copy_can_do_the_same(copied: object) -> None:
    figure = curves_figure(curves(2))
    other = copied(figure)  # type: ignore[operator]  # a function in a table
    assert type(other) is Figure
    assert other.to_svg() == figure.to_svg()


def test_the_text_says_what_is_against_what() -> None:
    assert repr(curves_figure(curves(2))) == (
        "Figure: train.loss against epoch (0.01, logreg; 0.1, logreg)"
    )


def test_a_saved_figure_is_small() -> None:
    small = curves_figure(curves(4, steps=30))._repr_mimebundle_()
    large = curves_figure(curves(6, steps=5000))._repr_mimebundle_()
    assert len(json.dumps(small)) < 35_000
    assert len(json.dumps(large)) < 250_000


def test_matplotlibs_own_state_is_untouched() -> None:
    before = dict(mpl.rcParams)
    curves_figure(curves()).to_svg()
    assert dict(mpl.rcParams) == before
    assert (
        "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    )


def test_pictures_are_drawn_on_many_threads() -> None:
    figure = curves_figure(curves())
    expected = figure.to_svg()
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.append(figure.to_svg())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [expected] * 6
