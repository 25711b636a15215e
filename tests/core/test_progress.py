"""A sweep at one moment: its counts, and how long it still takes."""

from __future__ import annotations

import pytest

from mlxp_nb.core.progress import BAD, ORDER, RunView
from mlxp_nb.core.status import State
from tests.sweep_samples import large, view

NOW = 1_000_000.0


def done(run_id: int, took: float, ended: float = NOW) -> RunView:
    return RunView(run_id, State.COMPLETE, started=ended - took, ended=ended)


def running(run_id: int, since: float) -> RunView:
    return RunView(run_id, State.RUNNING, started=NOW - since)


def pending(run_id: int) -> RunView:
    return RunView(run_id, State.PENDING)


def test_every_state_has_its_place_in_the_bar() -> None:
    assert sorted(ORDER) == sorted(State)


def test_what_ended_badly_is_neither_open_nor_normal() -> None:
    assert all(state.is_final for state in BAD)
    assert State.COMPLETE not in BAD
    assert State.CANCELLED not in BAD


def test_counts_follow_the_order_of_the_bar() -> None:
    assert list(large(NOW).counts().items()) == [
        (State.COMPLETE, 8),
        (State.RUNNING, 7),
        (State.PENDING, 6),
        (State.OUT_OF_MEMORY, 2),
        (State.FAILED, 1),
    ]


def test_reused_configurations_count_as_complete() -> None:
    sweep = large(NOW)
    assert (sweep.complete, sweep.total) == (14, 30)


@pytest.mark.parametrize("state", list(State))
def test_a_sweep_is_over_when_no_run_can_change(state: State) -> None:
    sweep = view([done(1, 10), RunView(2, state)])
    assert sweep.is_over is state.is_final
    assert sweep.active == (() if state.is_final else (2,))


def test_a_sweep_ends_with_its_last_run() -> None:
    runs = [done(1, 10, ended=NOW - 50), done(2, 10, ended=NOW - 20)]
    assert view(runs).ended == NOW - 20
    assert view([*runs, running(3, 5)]).ended is None


@pytest.mark.parametrize(
    ("runs", "left", "basis"),
    [
        pytest.param([done(1, 10)], 0.0, "nothing is left to run", id="over"),
        pytest.param([running(1, 5)], None, "no run has finished yet", id="nothing-to-go-by"),
        pytest.param(
            [RunView(1, State.FAILED, started=NOW - 1, ended=NOW), pending(2)],
            None,
            "no run has finished yet",
            id="a-failed-run-says-nothing",
        ),
        pytest.param([done(1, 60), running(2, 20)], 40.0, "from 1 finished run", id="one-at-work"),
        pytest.param([done(1, 60), running(2, 90)], 0.0, "from 1 finished run", id="late"),
        pytest.param(
            [done(1, 60), done(2, 100), running(3, 80)],
            20.0,
            "from 2 finished runs",
            id="only-those-that-took-longer",
        ),
        pytest.param(
            [done(1, 60), running(2, 20), pending(3), pending(4)],
            100.0,  # 40 and 60 beside each other, then 60 after the 40
            "from 1 finished run",
            id="as-many-places-as-were-seen",
        ),
        pytest.param(
            [done(1, 60), pending(2), pending(3)],
            120.0,
            "from 1 finished run",
            id="one-after-the-other",
        ),
    ],
)
def test_the_estimate(runs: list[RunView], left: float | None, basis: str) -> None:
    estimate = view(runs, NOW).estimate()
    assert estimate.left_s == pytest.approx(left)
    assert estimate.basis == basis


def test_a_run_that_ends_when_the_next_starts_takes_one_place() -> None:
    runs = [done(1, 60, ended=NOW - 60), done(2, 60, ended=NOW), pending(3), pending(4)]
    assert view(runs, NOW).estimate().left_s == pytest.approx(120.0)


@pytest.mark.parametrize(
    ("runs", "fraction"),
    [
        pytest.param([done(1, 60)], None, id="none-at-work"),
        pytest.param([running(1, 60)], None, id="nothing-to-go-by"),
        pytest.param([done(1, 60), running(2, 15), running(3, 600)], 0.625, id="at-most-all"),
    ],
)
def test_how_far_the_running_ones_are(runs: list[RunView], fraction: float | None) -> None:
    assert view(runs, NOW).fraction() == pytest.approx(fraction)
