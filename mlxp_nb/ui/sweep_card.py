"""The live card of a sweep.

The browser asks once a second while the card can be seen, and the kernel only replies: a message
that the kernel sends by itself from a running cell makes ipykernel 7 queue later questions behind
that cell. Questions may be answered on another thread than the cells', hence the lock.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import anywidget
import traitlets

from mlxp_nb.core.card import card
from mlxp_nb.core.progress import SweepView
from mlxp_nb.errors import MlxpError, UnknownNameError
from mlxp_nb.plots import theme
from mlxp_nb.ui.markup import clean, static
from mlxp_nb.ui.shapes import shapes_json
from mlxp_nb.ui.sweep_page import sweep_html, sweep_text

__all__ = ["SweepCard"]

logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())  # else logging prints into whatever cell is running

_WIDGET = "application/vnd.jupyter.widget-view+json"
_LOG_LINES, _LOG_CHARS = 200, 20_000
_ANSI = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\))")

Reply = dict[str, Any]


class SweepCard(anywidget.AnyWidget):
    """A sweep in the notebook: what it is, how far it is, and its cancel and log buttons.

    Parameters
    ----------
    view : callable
        Gives the sweep as it stands now; called for each question, from any thread, one at a
        time. It must be quick: scan elsewhere.
    cancel : callable
        Cancels the runs with these ids.
    log : callable
        The last lines of what a run printed.

    Notes
    -----
    The trait ``state`` holds the card for a page that is opened again: as it was at first, and
    as it is once the sweep is over.
    """

    _esm = static("sweep_card.js")
    _css = static("base.css") + static("sweep_card.css")

    state = traitlets.Dict().tag(sync=True)
    shapes = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        view: Callable[[], SweepView],
        *,
        cancel: Callable[[tuple[int, ...]], None],
        log: Callable[[int], str],
    ) -> None:
        self._view = view
        self._cancel = cancel
        self._log = log
        self._lock = threading.Lock()
        self._failures: dict[str, str] = {}
        self._is_seen = False
        self._last = view()
        super().__init__(state=_shown(self._last), shapes=shapes_json())
        _leave_routing_to_the_page(self.comm)
        self.on_msg(self._receive)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget, and the card as it stands now for a page without one.

        No widget for a sweep that ended where no browser ever asked: an executed notebook that is
        exported or opened again would show nothing in its place.
        """
        data, metadata = super()._repr_mimebundle_() or ({}, {})
        with self._lock:
            try:
                view = self._look()
            except Exception as error:  # noqa: BLE001 - shown in the card
                view = replace(self._last, problem=self._failed("view", error))
        widget = {} if view.is_over and not self._is_seen else {_WIDGET: data[_WIDGET]}
        static_form = {"text/html": str(sweep_html(view)), "text/plain": sweep_text(view)}
        return {**widget, **static_form}, metadata

    def _receive(self, _widget: object, content: Mapping[str, Any], _buffers: object) -> None:
        """Answer one question; whatever fails is said in the card."""
        asked = str(content.get("ask"))
        with self._lock:
            self._is_seen = True
            try:
                reply = self._answer(content)
                self._failures.pop(asked, None)
            except Exception as error:  # noqa: BLE001 - shown in the card, and the kernel goes on
                reply = {"error": self._failed(asked, error)}
            self.send({"to": asked, **reply})
            _leave_routing_to_the_page(self.comm)

    def _answer(self, content: Mapping[str, Any]) -> Reply:
        """The reply to a question, by its kind.

        Raises
        ------
        UnknownNameError
            There is no such question.
        """
        kinds = {"view": self._answer_view, "cancel": self._answer_cancel}
        kind = str(content.get("ask"))
        if kind not in kinds:
            raise UnknownNameError("question", kind, kinds)
        return kinds[kind](content)

    def _answer_view(self, content: Mapping[str, Any]) -> Reply:
        """How the sweep stands, with the logs that are open in the page."""
        if content.get("theme") in theme.THEMES:
            theme.use(content["theme"])
        view = self._look()
        wanted = set(_ids(content.get("logs")))
        open_ids = tuple(run.id for run in view.runs if run.id in wanted)
        return {
            "card": _shown(view, open_ids),
            "age": max(time.time() - view.taken, 0.0),
            "logs": {str(run_id): self._lines(run_id) for run_id in open_ids},
        }

    def _look(self) -> SweepView:
        """How the sweep stands; its end is kept for a page that is opened again."""
        self._last = view = self._view()
        if view.is_over and not self.state["over"]:
            self.state = _shown(view)
        return view

    def _answer_cancel(self, content: Mapping[str, Any]) -> Reply:
        """Cancel the runs asked for that are still open."""
        active = self._view().active
        wanted = active if content.get("all") is True else _ids(content.get("runs"))
        ids = tuple(run_id for run_id in wanted if run_id in active)
        if ids:
            self._cancel(ids)
        return {"runs": list(ids)}

    def _lines(self, run_id: int) -> Reply:
        """The end of a log, or why there is none; one bad log does not hide the card."""
        try:
            return {"text": _tail(self._log(run_id))}
        except Exception as error:  # noqa: BLE001 - shown in place of the log
            return {"error": self._failed(f"log of {run_id}", error)}

    def _failed(self, asked: str, error: Exception) -> str:
        """What to show of a failure; logged when it is not the same as the time before."""
        text = str(error) if isinstance(error, MlxpError) else f"{type(error).__name__}: {error}"
        if self._failures.get(asked) != text:
            logger.warning("%s: %s", asked, text, exc_info=error)
        self._failures[asked] = text
        return clean(text)


def _leave_routing_to_the_page(comm: Any) -> None:
    """Let the next question be answered where the page sends it: beside the cells.

    ipykernel 7 hands a question on to the shell that wrote last to its comm. The cell that made
    the card did, so the first question would wait for the end of the cells that run after it.
    """
    if hasattr(comm, "_reply_subshell_id"):
        del comm._reply_subshell_id


def _shown(view: SweepView, open_ids: Sequence[int] = ()) -> dict[str, Any]:
    """The card with nothing invisible in its strings, and when it was true."""
    shown: dict[str, Any] = _cleaned(card(view, open_ids))
    return {**shown, "taken": view.taken}


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cleaned(inside) for key, inside in value.items()}
    if isinstance(value, list):
        return [_cleaned(inside) for inside in value]
    return clean(value)[:2000] if isinstance(value, str) else value


def _ids(values: object) -> tuple[int, ...]:
    """Run ids from a message of the browser; anything else in it is left out."""
    return tuple(v for v in values if type(v) is int) if isinstance(values, list) else ()


def _tail(text: str) -> str:
    """The last lines as a terminal would show them: what was overwritten is gone."""
    lines = _ANSI.sub("", text[-_LOG_CHARS:]).rstrip().split("\n")[-_LOG_LINES:]
    return clean("\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines))
