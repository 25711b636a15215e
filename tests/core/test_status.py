"""The truth table of reconcile."""

from __future__ import annotations

import pytest

from mlxp_nb.core.status import JobState, State, Status, reconcile

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
