"""The look of charts: palettes for light and dark pages, markers, type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlxp_nb.errors import UnknownNameError

__all__ = ["DARK", "FONT", "LIGHT", "MARKERS", "THEMES", "Theme", "current", "theme", "use"]

FONT = 'system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif'

MARKERS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross")
"""One for each coloured group, so that colour is never the only difference."""


@dataclass(frozen=True)
class Theme:
    """Colours of a chart.

    Attributes
    ----------
    series : tuple of str
        In order of use; the last is the reference. Any two differ by at least 25 (Lab) for the
        three kinds of colour blindness, and by 3.2 in contrast from ``ground``.
    rest : str
        Of the groups past the coloured ones.
    band : float
        Opacity of a band.
    """

    name: str
    ground: str
    text: str
    quiet: str
    axis: str
    grid: str
    series: tuple[str, ...]
    rest: str
    band: float


LIGHT = Theme(
    name="light",
    ground="#ffffff",
    text="#212121",
    quiet="#666666",
    axis="#bdbdbd",
    grid="#ececec",
    series=("#2456d6", "#e0701c", "#2f9e74", "#b072c6", "#6e2c0c", "#3b4252"),
    rest="#b4b9bf",
    band=0.16,
)

DARK = Theme(
    name="dark",
    ground="#111111",
    text="#e0e0e0",
    quiet="#a9a9a9",
    axis="#616161",
    grid="#2b2b2b",
    series=("#5b93ee", "#dd5a34", "#5fdc9a", "#c4629a", "#f5cb45", "#c9d8f2"),
    rest="#5f6368",
    band=0.20,
)

THEMES: Mapping[str, Theme] = {theme.name: theme for theme in (LIGHT, DARK)}

_current = LIGHT


def theme(name: str) -> Theme:
    """The theme of that name.

    Raises
    ------
    UnknownNameError
        There is no such theme.
    """
    if name not in THEMES:
        raise UnknownNameError("theme", name, THEMES)
    return THEMES[name]


def current() -> Theme:
    """The theme of charts made from now on."""
    return _current


def use(name: str) -> None:
    """Make charts from now on for a light or a dark page.

    A widget in the page calls this with what it sees; the kernel itself cannot know.
    """
    global _current
    _current = theme(name)
