"""The words and numbers of a card."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mlxp_nb.core.card import card
from mlxp_nb.core.progress import AxisView, RunView
from mlxp_nb.core.status import State
from tests.sweep_samples import large, view

NOW = 1_000_000.0


def test_a_card_is_plain_values() -> None:
    shown = card(large(NOW))
    assert json.loads(json.dumps(shown)) == shown


def test_the_sum_comes_first() -> None:
    shown = card(large(NOW))
    assert (shown["total"], shown["sum"]) == ("30 configurations", "= 24 new + 6 reused")
    assert (shown["shape"], shown["head"]) == ("2 × 5 × 3", "14 of 30 complete")


def test_without_reused_runs_there_is_no_sum() -> None:
    shown = card(view([RunView(1, State.PENDING)]))
    assert (shown["total"], shown["sum"]) == ("1 configuration", "")


def test_the_usual_pieces_of_the_bar_stay_when_they_are_zero() -> None:
    bar = card(view([RunView(1, State.FAILED)]))["bar"]
    assert [(piece["word"], piece["n"]) for piece in bar] == [
        ("complete", 0),
        ("running", 0),
        ("pending", 0),
        ("failed", 1),
    ]


@pytest.mark.parametrize(
    ("n", "lines", "more"),
    [
        pytest.param(5, 5, "", id="five"),
        pytest.param(6, 6, "", id="a-line-for-one-more-is-a-line"),
        pytest.param(7, 5, "2 more: 6, 7", id="seven"),
        pytest.param(1200, 5, "1,195 more: 6 to 1200", id="many"),
    ],
)
def test_a_section_has_five_lines(n: int, lines: int, more: str) -> None:
    section = card(view([RunView(i + 1, State.PENDING) for i in range(n)]))["sections"][0]
    assert (len(section["lines"]), section["n"], section["more"]) == (lines, n, more)


def test_a_run_whose_log_is_open_keeps_its_line() -> None:
    sweep = view([RunView(i, State.COMPLETE if i == 3 else State.PENDING) for i in range(1, 20)])
    sections = {s["kind"]: s for s in card(sweep, keep=(3, 15))["sections"]}
    assert [line["id"] for line in sections["pending"]["lines"]] == [1, 2, 4, 5, 6, 15]
    assert sections["pending"]["more"] == "12 more: 7 to 14, 16 to 19"
    assert [line["id"] for line in sections["quiet"]["lines"]] == [3]


def test_what_went_well_needs_no_line() -> None:
    runs = [RunView(1, State.COMPLETE), RunView(2, State.CANCELLED), RunView(3, State.COMPLETE)]
    assert card(view(runs))["sections"] == []
    assert [line["id"] for line in card(view(runs), keep=(3,))["sections"][0]["lines"]] == [3]


def test_each_run_is_in_one_section() -> None:
    sweep = view([RunView(i, state) for i, state in enumerate(State)])
    ids = [
        line["id"]
        for section in card(sweep, keep=range(len(State)))["sections"]
        for line in section["lines"]
    ]
    assert sorted(ids) == list(range(len(State)))


def test_a_line_says_what_an_eye_looks_for() -> None:
    sections = {s["kind"]: s for s in card(large(NOW))["sections"]}
    running = sections["running"]["lines"][0]
    assert running["varies"][0] == ["model", "", "vit_tiny"]
    assert running["varies"][1] == ["optimizer.lr", "lr", "1e-4"]
    assert (running["sign"], running["heard"]) == ("epoch 51 / 90", "heard 2 s ago")
    failed = sections["bad"]["lines"][2]
    assert failed["after"] == "after 12 min on gpu-10"
    assert (failed["error"], failed["where"]) == (
        "FloatingPointError: loss is nan at step 1240",
        "train.py:88",
    )


@pytest.mark.parametrize(
    ("values", "shown", "rest"),
    [
        pytest.param(["1e-3", "1e-2"], 2, 0, id="fit"),
        pytest.param([str(n) for n in range(100)], 17, 83, id="one-line-of-many"),
        pytest.param(["x" * 500], 1, 0, id="one-long-one"),
    ],
)
def test_chips_stay_on_one_line(values: list[str], shown: int, rest: int) -> None:
    axis = card(view([], axes=(AxisView("optimizer.lr", tuple(values)),)))["axes"][0]
    assert (len(axis["values"]), axis["rest"], axis["n"]) == (shown, rest, len(values))
    assert (axis["front"], axis["last"]) == ("optimizer.", "lr")


@pytest.mark.parametrize(
    ("left", "said"),
    [
        pytest.param(4320.0, "about 1 h 12 left", id="some-time"),
        pytest.param(0.2, "about to end", id="hardly-any"),
    ],
)
def test_how_long_it_still_takes(left: float, said: str) -> None:
    runs = [
        RunView(1, State.COMPLETE, started=NOW - 5000, ended=NOW),
        RunView(2, State.RUNNING, started=NOW - 5000 + left),
    ]
    shown = card(view(runs, NOW))
    assert (shown["left"], shown["basis"]) == (said, "from 1 finished run")
    over = card(view([runs[0], replace(runs[1], state=State.FAILED, ended=NOW)], NOW))
    assert (over["left"], over["basis"], over["left_s"]) == ("took 1 h 23", "", None)
