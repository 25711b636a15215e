"""Figures from tables of runs: pure, and drawn without a browser too."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlxp_nb.plots.figure import Figure

__all__ = ["PLOTS", "Plot"]


@dataclass(frozen=True)
class Plot:
    """A kind of figure; calling it loads what draws it.

    Attributes
    ----------
    name : str
        As typed after ``%xp_plot --kind``.
    help : str
        What it shows, in a line.
    where : str
        ``module:function``.
    """

    name: str
    help: str
    where: str

    def __call__(self, *args: Any, **options: Any) -> Figure:
        """Draw it."""
        module, _, function = self.where.partition(":")
        figure: Figure = getattr(importlib.import_module(module), function)(*args, **options)
        return figure


PLOTS: Mapping[str, Plot] = {
    plot.name: plot
    for plot in (
        Plot(
            "curves",
            "a metric against step: middle and band of each group of runs",
            "mlxp_nb.plots.curves:curves_figure",
        ),
    )
}
"""The kinds of figures, by name."""
