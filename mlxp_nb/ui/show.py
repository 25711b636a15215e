"""How our objects are shown in a notebook, and our errors without a traceback."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlxp_nb.results.frame import RunFrame
    from mlxp_nb.sweeps import Sweep

__all__ = ["add_formatters", "catch", "show_sweep", "stands_already"]

_FRAME = ("mlxp_nb.results.frame", "RunFrame")
_SWEEP = ("mlxp_nb.sweeps", "Sweep")
# Sweeps whose card stands in this cell already, so that the cell's value does not show it again.
_SHOWN: dict[int, bool] = {}


def show_sweep(sweep: Sweep) -> None:
    """Show the card of a sweep, live where there is a browser.

    When ``sweep.wait()`` has seen the end, the same output is replaced by the last state, so that
    a notebook executed without a browser, or saved and exported, shows how it ended.
    """
    from IPython.display import display

    from mlxp_nb.ui.sweep_card import SweepCard

    if _SHOWN.pop(id(sweep), False):
        return
    card = SweepCard(sweep.view, cancel=sweep.cancel, log=sweep.log)
    handle: Any = display(card, display_id=True)
    if handle is not None:
        sweep.when_over(lambda: handle.update(card))


def stands_already(sweep: Sweep) -> None:
    """Do not show the card again as the value of the cell that showed it."""
    _SHOWN[id(sweep)] = True


def _show_frame(frame: RunFrame) -> str:
    from mlxp_nb.ui.display import frame_html

    return str(frame_html(frame))


def add_formatters(shell: Any) -> Callable[[], None]:
    """Teach a shell to show sweeps and frames; call the result to undo it.

    By name, so that nothing is imported before there is something to show.
    """
    formatter = shell.display_formatter
    html = formatter.formatters["text/html"]
    html.for_type_by_name(*_FRAME, _show_frame)
    formatter.ipython_display_formatter.for_type_by_name(*_SWEEP, show_sweep)

    def undo() -> None:
        for owner, (module, name) in (
            (html, _FRAME),
            (formatter.ipython_display_formatter, _SWEEP),
        ):
            owner.pop(f"{module}.{name}", None)

    return undo


def catch(shell: Any, kind: type[Exception]) -> Callable[[], None]:
    """Show exceptions of a kind by their own text; call the result to undo it.

    For those that IPython takes for syntax errors of the cell because of their base class; the
    others say themselves how they are shown. A handler that was there keeps its exceptions.
    """
    before, handler = tuple(shell.custom_exceptions), getattr(shell, "CustomTB", None)

    def show(self: Any, etype: type, value: Any, tb: Any, tb_offset: int | None = None) -> Any:
        if not issubclass(etype, kind):
            return handler(etype, value, tb, tb_offset) if handler is not None else None
        lines = value._render_traceback_()
        self._showtraceback(etype, value, lines)
        return lines

    shell.set_custom_exc((kind, *before), show)

    def undo() -> None:
        shell.custom_exceptions = before
        if handler is not None:
            shell.CustomTB = handler

    return undo
