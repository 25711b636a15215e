"""The static forms: what they show, and that no value acts on the page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxp_nb.core.progress import AxisView, RunView
from mlxp_nb.core.status import State
from mlxp_nb.errors import QueryError, UnknownNameError
from mlxp_nb.ui.display import error_html, frame_html, state_html, sweep_html, sweep_text
from mlxp_nb.ui.markup import Html, clean, cut, escape, tag
from mlxp_nb.ui.shapes import SHAPES, shapes_json
from tests.sweep_samples import large, view

NOW = 1_000_000.0
HOSTILE = [
    pytest.param("<script>alert(1)</script>", id="script"),
    pytest.param('" onmouseover="alert(1)', id="double-quote"),
    pytest.param("' onfocus='alert(1)", id="single-quote"),
    pytest.param("</style><img src=x onerror=alert(1)>", id="leaves-the-style"),
    pytest.param("&lt;b&gt; &amp;", id="entities"),
    pytest.param("a\u202egnp.exe", id="turns-direction"),
    pytest.param("a\x1b[31m\x00b", id="controls"),
    pytest.param("x" * 5000, id="long"),
]


class Page(HTMLParser):
    """The elements, attributes and text of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.said: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


@dataclass(frozen=True)
class FakeRun:
    id: int
    state: State = State.COMPLETE
    values: Mapping[str, Any] = field(default_factory=dict)

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def __getitem__(self, key: str) -> Any:
        return self.values[key]


@dataclass(frozen=True)
class FakeFrame:
    runs: Sequence[FakeRun]
    shown: Sequence[str] = ()

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(key for run in self.runs for key in run.values))

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[FakeRun]:
        return iter(self.runs)


def allowed(page: Page) -> bool:
    """Whether a page has only our elements, and no attribute that could act."""
    ours = {"style", "div", "section", "span", "b", "i", "dl", "dt", "dd", "pre", "svg", "path"}
    ours |= {"circle", "rect", "table", "thead", "tbody", "tr", "th", "td"}
    return all(
        name in ours and not any(key.startswith("on") for key in attributes)
        for name, attributes in page.tags
    )


# ---------------------------------------------------------------------------------- escaping


@given(st.text())
def test_an_escaped_text_is_read_as_it_was(text: str) -> None:
    page = Page(f"<p>{escape(text)}</p>")
    assert [name for name, _ in page.tags] == ["p"]
    assert "".join(page.said) == clean(text).replace("\r\n", "\n").replace("\r", "\n")


@given(st.text())
def test_an_attribute_holds_any_text(text: str) -> None:
    page = Page(tag("p", title=text or None))
    assert page.tags == [("p", {"title": clean(text)} if text else {})]


def test_text_becomes_markup_only_through_a_tag() -> None:
    assert tag("b", "<i>", Html("<i></i>")) == "<b>&lt;i&gt;<i></i></b>"


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x85", "\u202e", "\u2066", "\ud800"])
def test_invisible_controls_are_written_out(character: str) -> None:
    assert clean(f"a{character}b") == f"a\\x{ord(character):02x}b"


def test_tabs_and_lines_stay() -> None:
    assert clean("a\tb\nc") == "a\tb\nc"


def test_a_long_text_ends_in_an_ellipsis() -> None:
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdefg", 6) == "abcde…"


# ---------------------------------------------------------------------------------- states


@pytest.mark.parametrize("state", list(State))
def test_a_state_has_shape_word_and_tone(state: State) -> None:
    page = Page(state_html(state))
    assert page.text == state.value
    assert "svg" in [name for name, _ in page.tags]
    assert SHAPES[state].tone in {"good", "active", "wait", "bad", "res", "doubt"}


def test_no_two_states_have_one_shape() -> None:
    shapes = [str(shape["parts"]) for shape in shapes_json().values()]
    assert len(set(shapes)) == len(State) + 1


# ---------------------------------------------------------------------------------- tables


def test_a_table_has_what_varies() -> None:
    runs = [
        FakeRun(i, values={"config.optimizer.lr": lr, "config.epochs": 3, "info.status": "x"})
        for i, lr in enumerate((0.1, 0.01))
    ]
    html = frame_html(FakeFrame(runs, ["info.status", "config.optimizer.lr"]))
    page = Page(html)
    assert page.text == "Run State lr 0 COMPLETE 0.1 1 COMPLETE 0.01 2 runs"
    assert _th(page)[-1]["title"] == "config.optimizer.lr"


def _th(page: Page) -> list[dict[str, str | None]]:
    return [attributes for name, attributes in page.tags if name == "th"]


def test_a_heading_keeps_the_end_of_its_key() -> None:
    key = "config." + "very_" * 12 + "long.learning_rate"
    page = Page(frame_html(FakeFrame([FakeRun(1, values={key: 1})], [key])))
    assert "learning_rate" in page.text
    long = "config." + "x" * 60 + "_rate"
    page = Page(frame_html(FakeFrame([FakeRun(1, values={long: 1})], [long])))
    assert re.search(r" …x+_rate ", page.text)
    assert _th(page)[-1]["title"] == long


def test_numbers_are_at_the_right_and_missing_values_are_dashes() -> None:
    runs = [FakeRun(1, values={"config.a": 1, "config.b": "x"}), FakeRun(2)]
    html = frame_html(FakeFrame(runs, ["config.a", "config.b"]))
    assert [th.get("class") for th in _th(Page(html))] == ["xp-num", None, "xp-num", None]
    assert Page(html).text.endswith("2 COMPLETE – – 2 runs")


def test_metrics_are_read_only_when_asked_for() -> None:
    runs = [FakeRun(1, values={"test.acc.last": 0.91234}), FakeRun(2)]
    assert "0.912" not in Page(frame_html(FakeFrame(runs))).text
    assert Page(frame_html(FakeFrame(runs), metrics=["test.acc"])).text == (
        "Run State test.acc 1 COMPLETE 0.912 2 COMPLETE – 2 runs"
    )


def test_rows_past_the_limit_are_counted() -> None:
    page = Page(frame_html(FakeFrame([FakeRun(i) for i in range(1284)]), limit=3))
    assert page.text.endswith("2 COMPLETE 1,284 runs, 1,281 more not shown")


def test_columns_past_the_limit_are_counted() -> None:
    values = {f"config.k{i}": i for i in range(20)}
    page = Page(frame_html(FakeFrame([FakeRun(1, values=values)], list(values))))
    assert page.text.endswith("1 run, 8 columns more not shown")


def test_a_single_run_shows_its_configuration() -> None:
    page = Page(frame_html(FakeFrame([FakeRun(7, values={"config.lr": 0.1, "info.pid": 3})])))
    assert page.text == "Run State lr 7 COMPLETE 0.1 1 run"


def test_an_unreadable_run_says_why() -> None:
    bad = FakeRun(3, State.UNREADABLE, {"info.problem": "config.yaml, line 14: a tab"})
    page = Page(frame_html(FakeFrame([FakeRun(1, values={"config.a": 1}), bad], ["config.a"])))
    assert "3 UNREADABLE config.yaml, line 14: a tab" in page.text


def test_no_runs_is_said() -> None:
    assert Page(frame_html(FakeFrame([]))).text.startswith("No runs")


@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_of_a_table_acts_on_the_page(value: str) -> None:
    runs = [FakeRun(1, State.UNREADABLE, {"info.problem": value, f"config.{value}": value})]
    runs.append(FakeRun(2, values={f"config.{value}": value}))
    html = frame_html(FakeFrame(runs, [f"config.{value}"]), metrics=[value])
    assert allowed(Page(html))
    assert len(html) < 30_000


# ---------------------------------------------------------------------------------- sweeps


def test_the_static_card_says_what_the_live_one_says() -> None:
    text = Page(sweep_html(large(NOW))).text
    for said in (
        "30 configurations = 24 new + 6 reused",
        "2 × 5 × 3, lr-scan",
        "optimizer. lr 5 1e-4 3e-4 1e-3 3e-3 1e-2",
        "Snapshot a1b2c3d worktree 2 modified, 1 untracked",
        "14 of 30 complete about 2 h",
        "2 out of memory 1 failed",
        "FAILED 1052 vit_tiny lr 1e-4 seed 1 after 12 min on gpu-10",
        "FloatingPointError: loss is nan at step 1240 train.py:88",
        "2 more: 1058, 1059",
    ):
        assert said in text


def test_the_text_form_is_short_and_names_the_failures() -> None:
    lines = sweep_text(large(NOW)).splitlines()
    assert lines[0].startswith("Sweep lr-scan: 30 configurations = 24 new + 6 reused (as of ")
    assert "  optimizer.lr  1e-4, 3e-4, 1e-3, 3e-3, 1e-2" in lines
    assert "  snapshot: a1b2c3d worktree (2 modified, 1 untracked)" in lines
    assert lines[-1] == (
        "  FAILED  1052  model=vit_tiny optimizer.lr=1e-4 seed=1"
        "  FloatingPointError: loss is nan at step 1240  train.py:88"
    )


def test_a_page_that_stays_says_when_it_was_true() -> None:
    assert re.search(r"as of 1970-01-1\d \d\d:\d\d \w+", Page(sweep_html(large(NOW))).text)
    over = view([RunView(1, State.COMPLETE, started=NOW - 9e6, ended=NOW - 8e5)], NOW)
    assert re.search(r"ended 1970-01-0\d", Page(sweep_html(over)).text)


def test_what_is_old_or_missing_is_said() -> None:
    sweep = replace(large(NOW), problem="slurmctld does not answer since 14:02")
    assert "slurmctld does not answer" in Page(sweep_html(sweep)).text
    assert sweep_text(sweep).endswith("slurmctld does not answer since 14:02")


@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_of_a_sweep_acts_on_the_page(value: str) -> None:
    runs = [
        RunView(
            i,
            state,
            evidence=value,
            varies=((value, value),),
            host=value,
            error=value,
            where=value,
            sign=value,
        )
        for i, state in enumerate(State)
    ]
    texts = ("id", "name", "target", "snapshot", "policy", "dirty", "executor", "log_dir")
    changes: dict[str, Any] = dict.fromkeys(texts, value)
    sweep = view(
        runs,
        axes=(AxisView(value, (value,)),),
        resources=(value, value),
        executor_detail=value,
        problem=value,
        **changes,
    )
    assert allowed(Page(sweep_html(sweep)))
    assert sweep_text(sweep) == clean(sweep_text(sweep))


def test_a_static_page_asks_for_nothing() -> None:
    html = sweep_html(large(NOW)) + frame_html(FakeFrame([FakeRun(1)]))
    assert not re.search(r"https?:|url\(|@import|src=|href=", html)


def test_a_static_page_is_small() -> None:
    assert len(sweep_html(large(NOW))) < 32_000
    assert len(frame_html(FakeFrame([FakeRun(1)]))) < 6_000


# ---------------------------------------------------------------------------------- errors


def test_an_error_shows_place_and_mend() -> None:
    error = QueryError("an operator was expected", "use ==", text="config.lr <about> 1", at=10)
    page = Page(error_html(error))
    assert allowed(page)
    said = "".join(page.said)
    assert "QueryError" in said
    assert "an operator was expected" in said
    assert "config.lr <about> 1\n          ^" in said
    assert said.endswith("hint: use ==")


def test_an_error_without_a_place_has_no_caret() -> None:
    page = Page(error_html(UnknownNameError("plot", "<b>", ["curves"])))
    assert page.text == "UnknownNameError unknown plot '<b>' hint: use one of curves"


def test_any_other_error_is_shown_too() -> None:
    page = Page(error_html(ValueError("<b>no</b>")))
    assert page.text == "ValueError <b>no</b>"
    assert allowed(page)
