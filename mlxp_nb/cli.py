"""The command line: ``python main.py …`` of a launched script, and ``mlxp-nb``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mlxp_nb.compose import Configuration
from mlxp_nb.core.options import Option, OptionError, Parsed, parse_options
from mlxp_nb.core.status import State
from mlxp_nb.core.sweep import Override, SweepPlan
from mlxp_nb.core.target import parse_target
from mlxp_nb.core.units import count
from mlxp_nb.errors import MlxpError, RunError, SweepFailed, UnknownNameError
from mlxp_nb.prepare import Prepared, allocate, describe, in_place
from mlxp_nb.project import Project
from mlxp_nb.store import artifacts, check, rundir
from mlxp_nb.sweeps import Sweep, read_log
from mlxp_nb.worker.context import Context
from mlxp_nb.worker.output import capture
from mlxp_nb.worker.session import Session, Terminated, call, make_context

__all__ = ["launch_script", "main"]

SCRIPT_OPTIONS = (
    Option(("-m", "--multirun"), "accepted for Hydra's sake: commas always sweep", default=False),
    Option(("-j", "--jobs"), "at most N runs at once, each a process of its own", "N", int),
    Option(("--snapshot",), "run from a frozen copy of the code", "POLICY", bare="worktree"),
    Option(("--on",), "where: an executor of configs/mlxp_nb.yaml", "NAME"),
    Option(("--name",), "name of the sweep", "NAME", default=""),
    Option(("-h", "--help"), "show this", default=False),
)
_POLL_S = 0.2


def launch_script(
    task: Callable[[Context], Any],
    script: Path,
    config_path: str,
    seeding_function: Callable[[Any], None] | None,
) -> None:
    """Do what the command line of a launched script asks for.

    In place, one run after the other, as MLXP does; with ``-j``, ``--snapshot``, ``--on``, or
    where the project's settings say ``use_version_manager``, from a snapshot like a notebook's
    sweep.

    Raises
    ------
    SystemExit
        With code 2 for a command that cannot be understood, 1 when a run failed.
    """
    try:
        parsed = parse_options(sys.argv[1:], SCRIPT_OPTIONS)
        if parsed["help"]:
            sys.stdout.write(_help(script.name, SCRIPT_OPTIONS))
            return
        project = Project()
        plan = _plan(parsed, script)
        if any(parsed[name] is not None for name in ("jobs", "snapshot", "on")):
            _launch(project, plan)
            return
        prepared = in_place(project.root, plan, config_path)
        if prepared.grid.configurations[0].settings["use_version_manager"]:
            _launch(project, plan)
            return
    except MlxpError as error:
        raise SystemExit(_say(error)) from None
    for configuration in prepared.grid.configurations:
        _run(task, seeding_function, prepared, configuration)


def _say(error: MlxpError) -> int:
    """Show an error as the user reads it; 2 is the code of a wrong command."""
    sys.stderr.write(f"{type(error).__name__}: {error}\n")
    return 2


def _plan(parsed: Parsed, script: Path) -> SweepPlan:
    """What the command line asks for."""
    target = parse_target(os.path.relpath(script))
    return SweepPlan(
        target=target,
        overrides=tuple(Override(word, word) for word in parsed.words),
        text="\n".join(parsed.words),
        name=parsed["name"] or target.name,
        executor=parsed["on"] or "local",
        parallel=parsed["jobs"],
        policy=parsed["snapshot"],
    )


def _run(
    task: Callable[[Context], Any],
    seeding_function: Callable[[Any], None] | None,
    prepared: Prepared,
    configuration: Configuration,
) -> None:
    """One run in this process; what it raises goes on to the terminal."""
    if not configuration.settings["use_logger"]:
        _run_unlogged(task, seeding_function, prepared, configuration)
        return
    record = allocate(prepared, configuration, describe(prepared))
    to_files = configuration.settings["logger"]["log_streams_to_file"]
    session = Session(record.paths, (prepared.places.project_dir,))
    try:
        with session:
            if to_files:
                max_mb = prepared.settings.logging.output_max_mb
                with capture(record.paths, max_mb=max_mb):
                    session.call(task, seeding_function)
            else:
                session.call(task, seeding_function)
    except Terminated:
        raise SystemExit(143) from None


def _run_unlogged(
    task: Callable[[Context], Any],
    seeding_function: Callable[[Any], None] | None,
    prepared: Prepared,
    configuration: Configuration,
) -> None:
    """A run that leaves nothing behind (MLXP's ``use_logger: false``)."""
    info = describe(prepared)
    call(
        task,
        seeding_function,
        make_context(configuration.config, configuration.settings, info, None),
    )


def _launch(project: Project, plan: SweepPlan) -> None:
    """A sweep from a snapshot, followed until its end; Ctrl+C cancels it.

    Raises
    ------
    SystemExit
        With code 1 when a run failed.
    """
    sweep = project.launch(plan)
    sys.stdout.write(f"sweep {sweep.id}: {len(sweep)} runs in {sweep.log_dir}\n")
    view = sweep.view()
    if view.policy in ("unversioned", "in_place"):
        sys.stderr.write(f"mlxp_nb: the code is not frozen ({view.dirty})\n")
    try:
        _follow(sweep)
    except KeyboardInterrupt:
        sys.stderr.write("cancelling\n")
        sweep.cancel()
        sweep.wait(check=False)
        raise SystemExit(130) from None
    try:
        sweep.wait()
    except SweepFailed as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None


def _follow(sweep: Sweep) -> None:
    """Say each change of a state, a line each."""
    shown: dict[int, State] = {}
    while True:
        states = sweep.states()
        for run_id, verdict in states.items():
            if shown.get(run_id, State.PENDING) is not verdict.state:
                sys.stdout.write(f"run {run_id}  {verdict.state.value}  {verdict.evidence}\n")
                sys.stdout.flush()
            shown[run_id] = verdict.state
        if all(verdict.state.is_final for verdict in states.values()):
            return
        time.sleep(_POLL_S)


def _help(command: str, options: Sequence[Option]) -> str:
    """Usage and a line an option."""
    lines = [f"usage: python {command} [options] key=value key=a,b,c …", ""]
    lines += [f"  {option.show():28} {option.help}" for option in options]
    return "\n".join(lines) + "\n"


def _runs(arguments: Sequence[str]) -> None:
    """``mlxp-nb runs [QUERY]``: the runs of the log directory."""
    parsed = parse_options(arguments, (_LOGS,))
    frame = Project().runs(parsed["logs"])
    sys.stdout.write(f"{frame.filter(' '.join(parsed.words))}\n")


def _sweeps(arguments: Sequence[str]) -> None:
    """``mlxp-nb sweeps``: the sweeps of the log directory, oldest first."""
    parse_options(arguments, ())
    for sweep in Project().sweeps():
        sys.stdout.write(f"{sweep!r}\n")


def _cancel(arguments: Sequence[str]) -> None:
    """``mlxp-nb cancel SWEEP``: end the runs of a sweep."""
    Project().open_sweep(_one(arguments, "sweep")).cancel()


def _log(arguments: Sequence[str]) -> None:
    """``mlxp-nb log RUN``: what a run printed last."""
    parsed = parse_options(arguments, (_LOGS,))
    run_id = _one(parsed.words, "run")
    log_dir = Path(parsed["logs"]) if parsed["logs"] else Project().log_dir
    if not (log_dir / run_id).is_dir():
        raise RunError(f"there is no run {run_id} in {log_dir}", "mlxp-nb runs lists them")
    sys.stdout.write(read_log(rundir.read(log_dir, int(run_id)).paths) + "\n")


def _fsck(arguments: Sequence[str]) -> None:
    """``mlxp-nb fsck [--repair] [DIR]``: what is wrong in a log directory, and mend it.

    Raises
    ------
    SystemExit
        With code 1 when something is wrong that was not mended.
    """
    parsed = parse_options(arguments, (_REPAIR,))
    log_dir = Path(_one(parsed.words, "folder")) if parsed.words else Project().log_dir
    found = check.check(log_dir)
    mended = check.repair(log_dir, found) if parsed["repair"] else []
    for finding in found:
        done = "mended: " if finding in mended else ""
        sys.stdout.write(f"{done}{finding}\n")
    runs = count(len(rundir.list_ids(log_dir)), "run")
    sys.stdout.write(f"{runs}, {len(found)} found, {len(mended)} mended\n")
    if len(mended) < len(found):
        raise SystemExit(1)


def _trust(arguments: Sequence[str]) -> None:
    """``mlxp-nb trust [--yes] DIR``: sign what can execute code when it is loaded, once looked at.

    Raises
    ------
    SystemExit
        With code 1 when nobody said yes.
    """
    parsed = parse_options(arguments, (_YES,))
    folder = Path(_one(parsed.words, "folder"))
    found = artifacts.unsigned(folder)
    if not found:
        sys.stdout.write(f"nothing to sign in {folder}\n")
        return
    sys.stdout.writelines(f"{each}\n" for each in found)
    sys.stdout.write(
        f"Loading {'it' if len(found) == 1 else 'these'} can execute what whoever wrote "
        "it put there, as you.\n"
    )
    if not parsed["yes"] and not _agreed(f"sign {count(len(found), 'artifact')}? [y/N] "):
        sys.stdout.write("nothing was signed; --yes signs without a question\n")
        raise SystemExit(1)
    for each in found:
        artifacts.sign(each)
    sys.stdout.write(f"signed {count(len(found), 'artifact')}\n")


def _agreed(question: str) -> bool:
    """Whether a person at the terminal says yes."""
    if not sys.stdin.isatty():
        return False
    sys.stdout.write(question)
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _one(words: Sequence[str], what: str) -> str:
    """The only word.

    Raises
    ------
    OptionError
        There is none, or there are several.
    """
    if len(words) != 1:
        raise OptionError(f"{len(words)} {what}s were named", f"name one {what}")
    return words[0]


_LOGS = Option(("--logs",), "the log directory", "DIR")
_REPAIR = Option(("--repair",), "mend what can be mended; no record is deleted", default=False)
_YES = Option(("--yes",), "sign without a question", default=False)
_COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {
    "runs": _runs,
    "sweeps": _sweeps,
    "log": _log,
    "cancel": _cancel,
    "fsck": _fsck,
    "trust": _trust,
}


def main() -> None:
    """``mlxp-nb COMMAND …``."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        lines = [f"  {(command.__doc__ or '').splitlines()[0]}" for command in _COMMANDS.values()]
        sys.stdout.write("\n".join(["usage: mlxp-nb COMMAND …", *lines]) + "\n")
        return
    try:
        if arguments[0] not in _COMMANDS:
            raise UnknownNameError("command", arguments[0], _COMMANDS)
        _COMMANDS[arguments[0]](arguments[1:])
    except MlxpError as error:
        raise SystemExit(_say(error)) from None
