"""A plotly figure that can be seen without plotly, without a browser, and in a saved notebook."""

from __future__ import annotations

import json
from typing import Any

import plotly.graph_objects as go

from mlxp_nb.plots.static import plain, to_svg

__all__ = ["Figure"]

_CONFIG = {
    "displaylogo": False,
    # plotly 7 has a button that sends the data of the figure to its makers.
    "plotlyServerURL": "",
    "modeBarButtonsToRemove": ["sendChartToCloud", "select2d", "lasso2d", "autoScale2d"],
}


class Figure(go.Figure):  # type: ignore[misc]  # plotly has no types
    """A plotly figure, with everything that plotly's own can do.

    Shown in a notebook it gives plotly's JSON, which JupyterLab and VS Code make interactive, and
    an SVG drawn from the same numbers for where that cannot be: exported pages, GitHub, a run of
    the notebook without a browser. SVG and no PNG: plotly's own JupyterLab extension shows a PNG
    in place of the interactive figure when it finds one.
    """

    # IPython asks these before _repr_mimebundle_; plotly's own would embed or load its code.
    _ipython_display_ = None
    _repr_html_ = None

    def _repr_mimebundle_(self, *_: Any, **__: Any) -> dict[str, Any]:
        """The figure in each form that something may be able to show."""
        return {
            "application/vnd.plotly.v1+json": {**json.loads(self.to_json()), "config": _CONFIG},
            "image/svg+xml": self.to_svg(),
            "text/plain": repr(self),
        }

    def to_svg(self) -> str:
        """The figure as a static picture."""
        return to_svg(self)

    def __repr__(self) -> str:
        named = [plain(trace.name) for trace in self.data if trace.name]
        what = (
            f"{plain(self.layout.yaxis.title.text)} against {plain(self.layout.xaxis.title.text)}"
        )
        return f"Figure: {what}" + (f" ({'; '.join(named)})" if named else "")
