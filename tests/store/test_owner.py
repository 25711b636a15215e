"""Who writes a run, and whether that process lives."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from mlxp_nb.core.status import State
from mlxp_nb.store import owner, rundir


def record_of(tmp_path: Path, who: owner.Identity, status: str = "RUNNING") -> Any:
    info = {
        "status": status,
        "hostname": who.host,
        "process_id": who.pid,
        "process": {"boot_id": who.boot, "started": who.started},
    }
    return rundir.allocate(tmp_path, {}, info)


def test_this_process_lives() -> None:
    me = owner.identity()
    assert me.pid == os.getpid()
    assert owner.is_alive(me) is True
    assert owner.Identity.from_dict(me.as_dict()) == me


def test_a_process_that_ended_does_not(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        who = owner.identity(child.pid)
        assert owner.is_alive(who) is True
        child.kill()
        child.wait()
    assert owner.is_alive(who) is False
    verdict = owner.state_of(record_of(tmp_path, who))
    assert verdict.state is State.KILLED
    assert str(who.pid) in verdict.evidence


def test_a_zombie_does_not_live() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        who = owner.identity(child.pid)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert owner.is_alive(who) is False


def test_another_process_with_the_same_pid_is_not_taken_for_it() -> None:
    me = owner.identity()
    assert owner.is_alive(dataclasses.replace(me, started=me.started - 1)) is False


def test_a_run_from_before_a_reboot_was_killed(tmp_path: Path) -> None:
    who = dataclasses.replace(owner.identity(), boot="another")
    verdict = owner.state_of(record_of(tmp_path, who))
    assert (verdict.state, verdict.evidence.endswith("started again since")) == (State.KILLED, True)


def test_nothing_is_said_of_a_process_of_another_machine(tmp_path: Path) -> None:
    who = dataclasses.replace(owner.identity(), host="elsewhere")
    assert owner.is_alive(who) is None
    verdict = owner.state_of(record_of(tmp_path, who))
    assert (verdict.state, verdict.evidence) == (State.UNKNOWN, "it ran on elsewhere")


def test_a_live_run_is_running_and_a_final_one_stands(tmp_path: Path) -> None:
    me = owner.identity()
    assert owner.state_of(record_of(tmp_path, me)).state is State.RUNNING
    gone = dataclasses.replace(me, started=0.0)
    assert owner.state_of(record_of(tmp_path, gone, "COMPLETE")).state is State.COMPLETE


def test_a_recorded_run_that_has_not_begun_is_pending(tmp_path: Path) -> None:
    record = rundir.allocate(tmp_path, {}, {"status": "STARTING"})
    assert owner.state_of(record).state is State.PENDING


def test_a_status_nobody_knows_is_unreadable(tmp_path: Path) -> None:
    record = rundir.allocate(tmp_path, {}, {"status": "GREAT"})
    verdict = owner.state_of(record)
    assert (verdict.state, "'GREAT'" in verdict.evidence) == (State.UNREADABLE, True)
