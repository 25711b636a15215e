"""What a job does: enter the frozen code, check it, run the target, record the end.

``python -m mlxp_nb.worker.job RUN_DIRECTORY``; executors call :func:`run`.
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlxp_nb.core.run import RunPaths
from mlxp_nb.core.settings import logging_settings
from mlxp_nb.errors import TargetError
from mlxp_nb.store import files, imports, tree
from mlxp_nb.worker.output import capture
from mlxp_nb.worker.rank import own_rank
from mlxp_nb.worker.session import Session, load_settings

__all__ = ["main", "run"]

STRAYS_NAMED = 20


def run(run_dir: str) -> None:
    """Run one attempt of a run in this process, then leave it with the run's exit code.

    Parameters
    ----------
    run_dir : str
        The run directory; everything else is in its records.

    Raises
    ------
    SystemExit
        With a code other than 0 when the run did not end COMPLETE.
    """
    paths = RunPaths(Path(run_dir))
    info = files.load_yaml(paths.info)
    workdir = Path(info["work_dir"])
    rank = own_rank()
    max_mb = logging_settings(load_settings(paths)).output_max_mb
    with capture(paths, rank=rank, max_mb=max_mb):
        session = Session(paths, task_folders=(workdir,), rank=rank)
        try:
            with session:
                _enter(session.info, workdir)
                _execute(session, str(info["target"]), workdir)
        except BaseException as error:  # noqa: BLE001 - recorded above, and shown; the code says it
            _show(error, session.info)
        code = int((session.info.get("end") or {}).get("exit_code", 1))
    if code:
        raise SystemExit(code)


def _show(error: BaseException, info: Mapping[str, Any]) -> None:
    """Write the traceback, and how to mend it, where the user looks: the run's log."""
    if isinstance(error, SystemExit) and not isinstance(error.code, str):
        return
    traceback.print_exception(error)
    hint = (info.get("error") or {}).get("hint")
    if hint and hint not in str(error):
        sys.stderr.write(f"hint: {hint}\n")


def _enter(info: dict[str, Any], workdir: Path) -> None:
    """Be in the working directory, with the project's modules from the recorded tree."""
    snapshot = info["snapshot"]
    script_dir = (workdir / str(info["target"])).parent if _is_script(info["target"]) else workdir
    _leave_start_folder()
    if snapshot["mode"] == "snapshot":
        _enter_snapshot(snapshot, script_dir)
    else:
        sys.path.insert(0, str(script_dir))
    os.chdir(workdir)


def _leave_start_folder() -> None:
    """Take the folder that the interpreter was started in off the path."""
    start = str(Path.cwd())
    sys.path[:] = [entry for entry in sys.path if entry not in ("", start)]


def _enter_snapshot(snapshot: dict[str, Any], script_dir: Path) -> None:
    """Refuse to run anything but the recorded tree.

    Raises
    ------
    SnapshotError
        The tree is not the recorded one, or a module would come from elsewhere.
    """
    folder, live = Path(snapshot["path"]), Path(snapshot["repository"])
    report = tree.require(folder, snapshot["tree"])
    if report.strays:
        snapshot["strays"] = list(report.strays[:STRAYS_NAMED])
    imports.redirect(live, folder, script_dir)
    imports.guard(live, folder)
    imports.check(live, folder)


def _is_script(target: object) -> bool:
    return str(target).endswith(".py")


def _execute(session: Session, target: str, workdir: Path) -> None:
    """Run a script as ``__main__``, or call ``package.module:function``."""
    if not _is_script(target):
        _call(session, target)
        return
    script = workdir / target
    sys.argv = [str(script)]
    runpy.run_path(str(script), run_name="__main__")
    if not session.called:
        raise TargetError(
            f"{target} ended without calling its launched function",
            'end the script with:  if __name__ == "__main__": main()',
        )


def _call(session: Session, target: str) -> None:
    """Import a module and call a function of it, launched or plain."""
    module_name, _, name = target.partition(":")
    function: Any = importlib.import_module(module_name)
    for part in name.split("."):
        function = getattr(function, part)
    if getattr(function, "is_launched", False):
        function()
    else:
        session.call(function, None)


def main() -> None:
    """``python -m mlxp_nb.worker.job RUN_DIRECTORY``."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m mlxp_nb.worker.job RUN_DIRECTORY")
    run(sys.argv[1])


if __name__ == "__main__":
    main()
