"""The truth table of reconcile."""

from __future__ import annotations

import pytest

from mlxp_nb.core.status import MOVES, JobState, State, Status, may_move, reconcile

FINAL = [Status.COMPLETE, Status.FAILED, Status.CANCELLED, Status.PREEMPTED]


@pytest.mark.parametrize("job", JobState)
@pytest.mark.parametrize("status", FINAL)
def test_a_final_status_stands_whatever_the_process_does(status: Status, job: JobState) -> None:
    assert reconcile(status, job).state.value == status.value


@pytest.mark.parametrize(
    ("status", "job", "state"),
    [
        (Status.STARTING, JobState.PENDING, State.PENDING),
        (Status.STARTING, JobState.RUNNING, State.STARTING),
        (Status.STARTING, JobState.GONE, State.KILLED),
        (Status.STARTING, JobState.UNKNOWN, State.UNKNOWN),
        (Status.RUNNING, JobState.PENDING, State.RUNNING),
        (Status.RUNNING, JobState.RUNNING, State.RUNNING),
        (Status.RUNNING, JobState.GONE, State.KILLED),
        (Status.RUNNING, JobState.UNKNOWN, State.UNKNOWN),
    ],
)
def test_two_witnesses_make_one_state(status: Status, job: JobState, state: State) -> None:
    assert reconcile(status, job).state is state


def test_a_verdict_that_the_job_did_not_write_says_what_it_rests_on() -> None:
    assert reconcile(Status.RUNNING, JobState.GONE).evidence
    assert reconcile(Status.RUNNING, JobState.UNKNOWN).evidence
    assert reconcile(Status.RUNNING, JobState.GONE, "seen").evidence == "seen"


def test_a_final_status_is_the_last_of_its_attempt() -> None:
    for before in FINAL:
        assert not any(may_move(before, after) for after in Status)


@pytest.mark.parametrize(
    ("before", "after", "may", "may_next"),
    [
        (Status.STARTING, Status.RUNNING, True, True),
        (Status.STARTING, Status.COMPLETE, False, False),
        (Status.STARTING, Status.CANCELLED, True, False),
        (Status.RUNNING, Status.STARTING, False, True),
        (Status.RUNNING, Status.RUNNING, True, True),
        (Status.RUNNING, Status.PREEMPTED, True, False),
        (Status.FAILED, Status.RUNNING, False, True),
        (Status.COMPLETE, Status.STARTING, False, True),
        (Status.COMPLETE, Status.RUNNING, False, False),
    ],
)
def test_a_status_follows_another(before: Status, after: Status, may: bool, may_next: bool) -> None:
    assert may_move(before, after) is may
    assert may_move(before, after, next_attempt=True) is may_next


def test_every_status_has_its_moves() -> None:
    assert set(MOVES) == set(Status)
