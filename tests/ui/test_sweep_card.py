"""The card answers the browser, says what fails, and has a static form."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from comm.base_comm import BaseComm

from mlxp_nb.core.progress import RunView, SweepView
from mlxp_nb.core.status import State
from mlxp_nb.errors import ExecutorError
from mlxp_nb.plots import theme
from mlxp_nb.ui.shapes import shapes_json
from mlxp_nb.ui.sweep_card import SweepCard
from tests.sweep_samples import view

ROOT = Path(__file__).parents[2]
WIDGET = "application/vnd.jupyter.widget-view+json"


class Wire(BaseComm):
    """The comm of a widget without a browser: keeps what the kernel sends."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        super().__init__()

    def publish_msg(self, msg_type: str, data: Any = None, *_: Any, **__: Any) -> None:
        self._reply_subshell_id = None  # as the comms of ipykernel 7 do
        if msg_type == "comm_msg":
            self.sent.append(json.loads(json.dumps(data)))


class Scene:
    """A card over a sweep that the test changes."""

    def __init__(self) -> None:
        self.now: SweepView | Exception = view([RunView(1, State.RUNNING)])
        self.cancelled: list[tuple[int, ...]] = []
        self.logs: dict[int, str | Exception] = {}
        self.cancels: Callable[[tuple[int, ...]], None] = self.cancelled.append
        self.card = SweepCard(self.view, cancel=lambda ids: self.cancels(ids), log=self.log)
        self.wire = Wire()
        self.card.comm = self.wire

    def view(self) -> SweepView:
        if isinstance(self.now, Exception):
            raise self.now
        return self.now

    def log(self, run_id: int) -> str:
        text = self.logs[run_id]
        if isinstance(text, Exception):
            raise text
        return text

    def ask(self, kind: str, **more: Any) -> dict[str, Any]:
        """Send a question as the browser does; the reply."""
        self.card._handle_custom_msg({"ask": kind, **more}, [])
        replies = [message for message in self.wire.sent if message["method"] == "custom"]
        reply: dict[str, Any] = replies[-1]["content"]
        return reply


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture(autouse=True)
def light() -> Iterator[None]:
    yield
    theme.use("light")


def test_a_question_gets_the_card_and_its_age(scene: Scene) -> None:
    scene.now = view([RunView(1, State.COMPLETE), RunView(2, State.PENDING)])
    reply = scene.ask("view")
    assert reply["to"] == "view"
    assert reply["card"]["head"] == "1 of 2 complete"
    assert reply["age"] > 0  # the view was taken in 1970


def test_the_kernel_sends_nothing_by_itself(scene: Scene) -> None:
    scene.now = view([RunView(1, State.RUNNING, sign="epoch 2")])
    assert scene.wire.sent == []
    scene.ask("view")
    assert len(scene.wire.sent) == 1


def test_the_page_decides_on_which_shell_it_is_answered(scene: Scene) -> None:
    scene.ask("view")
    assert not hasattr(scene.wire, "_reply_subshell_id")


def test_the_end_is_kept_for_a_page_that_is_opened_again(scene: Scene) -> None:
    assert scene.card.state["head"] == "0 of 1 complete"
    scene.now = view([RunView(1, State.RUNNING), RunView(2, State.COMPLETE)])
    scene.ask("view")
    assert scene.card.state["head"] == "0 of 1 complete"
    scene.now = view([RunView(1, State.COMPLETE), RunView(2, State.COMPLETE)])
    scene.ask("view", logs=[1])
    assert (scene.card.state["head"], scene.card.state["over"]) == ("2 of 2 complete", True)
    assert [section["kind"] for section in scene.card.state["sections"]] == []


def test_the_marks_of_all_states_are_sent_once(scene: Scene) -> None:
    assert scene.card.shapes == shapes_json()
    assert set(scene.card.shapes) == {"reused", *(state.value for state in State)}


def test_an_open_log_comes_with_the_card(scene: Scene) -> None:
    scene.logs[1] = "epoch 1\nepoch 2\n"
    scene.now = view([RunView(1, State.COMPLETE), RunView(2, State.RUNNING)])
    reply = scene.ask("view", logs=[1])
    assert reply["logs"] == {"1": {"text": "epoch 1\nepoch 2"}}
    assert reply["card"]["sections"][-1]["lines"][0]["id"] == 1


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        pytest.param("\x1b[31mred\x1b[0m", "red", id="colours"),
        pytest.param(" 10 %\r 50 %\r100 %\nend", "100 %\nend", id="overwritten"),
        pytest.param("a\r\nb\r\n", "a\nb", id="windows-lines"),
        pytest.param("\x1b]0;title\x07text", "text", id="terminal-title"),
        pytest.param("a\u202eb", "a\\x202eb", id="turned"),
        pytest.param("x\n" * 1000, "\n".join("x" * 200), id="last-lines"),
    ],
)
def test_a_log_is_shown_as_a_terminal_would(scene: Scene, printed: str, shown: str) -> None:
    scene.logs[1] = printed
    assert scene.ask("view", logs=[1])["logs"]["1"]["text"] == shown


def test_a_log_that_cannot_be_read_hides_nothing(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.logs = {1: PermissionError("no"), 2: "fine"}
    scene.now = view([RunView(1, State.RUNNING), RunView(2, State.RUNNING)])
    for _ in range(3):
        reply = scene.ask("view", logs=[1, 2])
    assert reply["logs"] == {"1": {"error": "PermissionError: no"}, "2": {"text": "fine"}}
    assert reply["card"]["head"] == "0 of 2 complete"
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("asked", "cancelled"),
    [
        pytest.param({"runs": [2]}, [(2,)], id="one"),
        pytest.param({"runs": [2, 3, 1, 99]}, [(2, 3)], id="only-open-ones-of-this-sweep"),
        pytest.param({"all": True}, [(2, 3)], id="all"),
        pytest.param({"runs": [1]}, [], id="ended-already"),
        pytest.param({}, [], id="none-named"),
        pytest.param({"runs": []}, [], id="none"),
        pytest.param({"runs": ["2", True, None, 2.0]}, [], id="no-ids"),
        pytest.param({"runs": "all", "all": 1}, [], id="not-quite-all"),
    ],
)
def test_cancelling(scene: Scene, asked: dict[str, Any], cancelled: list[tuple[int, ...]]) -> None:
    runs = [RunView(1, State.COMPLETE), RunView(2, State.RUNNING), RunView(3, State.PENDING)]
    scene.now = view(runs)
    reply = scene.ask("cancel", **asked)
    assert scene.cancelled == cancelled
    assert reply == {"to": "cancel", "runs": list(cancelled[0]) if cancelled else []}


def test_a_failure_is_shown_and_logged_once(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    good = scene.now
    scene.now = ExecutorError("squeue does not answer", "try again later")
    for _ in range(3):
        reply = scene.ask("view")
    assert reply == {"to": "view", "error": "squeue does not answer\n  hint: try again later"}
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    scene.now = good
    assert "error" not in scene.ask("view")
    scene.now = ExecutorError("squeue does not answer", "try again later")
    scene.ask("view")
    assert len(caplog.records) == 2


def test_a_failing_cancel_says_so(scene: Scene) -> None:
    def fails(ids: tuple[int, ...]) -> None:
        raise RuntimeError(f"scancel: {ids}")

    scene.cancels = fails
    assert scene.ask("cancel", all=True)["error"] == "RuntimeError: scancel: (1,)"
    assert scene.ask("view")["card"]["active"] == 1


def test_a_question_nobody_knows_is_answered(scene: Scene) -> None:
    assert scene.ask("vieww")["error"].endswith("hint: did you mean 'view'?")


def test_a_failure_prints_nothing_into_the_cell_that_runs() -> None:
    code = """
from mlxp_nb.ui.sweep_card import SweepCard
from tests.sweep_samples import view
fails = iter([view([])])
card = SweepCard(lambda: next(fails), cancel=print, log=str)
card._handle_custom_msg({"ask": "view"}, [])
assert card._failures
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_questions_are_answered_one_at_a_time() -> None:
    inside = threading.Semaphore(0)
    go_on = threading.Semaphore(0)
    busy: list[int] = []
    most: list[int] = []

    def slow() -> SweepView:
        busy.append(1)
        most.append(len(busy))
        inside.release()
        go_on.acquire()
        busy.pop()
        return view([RunView(1, State.RUNNING)])

    go_on.release()
    card = SweepCard(slow, cancel=lambda ids: None, log=str)
    card.comm = Wire()
    inside.acquire()
    threads = [
        threading.Thread(target=card._handle_custom_msg, args=({"ask": "view"}, []))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for _ in threads:
        inside.acquire()
        go_on.release()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) == 5


def test_the_page_says_which_theme_it_has(scene: Scene) -> None:
    scene.ask("view", theme="dark")
    assert theme.current() is theme.DARK
    scene.ask("view", theme="<script>")
    assert theme.current() is theme.DARK


def test_a_sweep_that_ended_unseen_is_a_plain_page(scene: Scene) -> None:
    assert WIDGET in scene.card._repr_mimebundle_()[0]
    scene.now = view([RunView(1, State.COMPLETE)])
    data, _ = scene.card._repr_mimebundle_()
    assert set(data) == {"text/html", "text/plain"}


def test_the_output_has_a_static_form_of_this_moment(scene: Scene) -> None:
    scene.ask("view")
    scene.now = view([RunView(1, State.COMPLETE)])
    data, _ = scene.card._repr_mimebundle_()
    assert set(data) == {WIDGET, "text/html", "text/plain"}
    assert data[WIDGET]["model_id"] == scene.card.model_id
    assert "1 of 1 complete" in data["text/html"]
    assert "1 of 1 complete" in data["text/plain"]
    assert scene.card.state["over"]


def test_the_static_form_survives_a_view_that_fails(scene: Scene) -> None:
    scene.now = OSError("logs are gone")
    data, _ = scene.card._repr_mimebundle_()
    assert "0 of 1 complete" in data["text/plain"]
    assert data["text/plain"].endswith("OSError: logs are gone")


def test_no_control_character_reaches_the_page(scene: Scene) -> None:
    scene.now = view([RunView(1, State.FAILED, error="a\x1b[2Jb\u202ec")], name="x\x00y")
    shown = json.dumps(scene.ask("view")["card"])
    for control in ("\\u001b", "\\u202e", "\\u0000"):
        assert control not in shown


def test_a_reply_stays_small_however_many_runs(scene: Scene) -> None:
    runs = [replace(RunView(1, State.PENDING), id=i) for i in range(5000)]
    scene.now = view(runs)
    assert len(json.dumps(scene.ask("view"))) < 10_000


def test_the_front_end_writes_no_markup_and_asks_nobody() -> None:
    code = SweepCard._esm
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "fetch(", "import "):
        assert forbidden not in code
    assert "http" not in code.replace("http://www.w3.org/2000/svg", "")
