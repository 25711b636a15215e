"""The palettes can be told apart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mlxp_nb.errors import UnknownNameError
from mlxp_nb.plots import theme
from mlxp_nb.plots.theme import MARKERS, THEMES, Theme


@pytest.fixture(autouse=True)
def light() -> Iterator[None]:
    yield
    theme.use("light")


def luminance(color: str) -> float:
    """Relative luminance as WCAG defines it."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", THEMES)
def test_lines_and_words_stand_out_from_the_ground(name: str) -> None:
    chosen = THEMES[name]
    assert all(contrast(color, chosen.ground) >= 3 for color in chosen.series)
    assert contrast(chosen.text, chosen.ground) >= 7
    assert contrast(chosen.quiet, chosen.ground) >= 4.5


@pytest.mark.parametrize("name", THEMES)
def test_there_is_a_marker_for_each_colour(name: str) -> None:
    chosen: Theme = THEMES[name]
    assert len(set(chosen.series)) == len(set(MARKERS)) == 6


def test_charts_from_now_on_are_for_the_page_named_last() -> None:
    assert theme.current() is theme.LIGHT
    theme.use("dark")
    assert theme.current() is theme.DARK


def test_an_unknown_theme_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'dark'"):
        theme.use("drak")
    assert theme.current() is theme.LIGHT
