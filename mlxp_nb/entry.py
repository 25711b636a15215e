"""``@launch``: in a job, run the function; in a terminal, launch what the arguments ask for."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlxp_nb.worker.context import Context
from mlxp_nb.worker.session import current

__all__ = ["launch"]


def launch(
    config_path: str = "configs",
    seeding_function: Callable[[Any], None] | None = None,
) -> Callable[[Callable[[Context], Any]], Callable[[], Any]]:
    """Make a function launchable, from a notebook and from a terminal.

    Parameters
    ----------
    config_path : str
        Folder of ``config.yaml``, relative to the script. Write it as a plain string: the
        notebook reads it without running the script.
    seeding_function : callable, optional
        Called with ``config.seed`` before the function.

    Returns
    -------
    callable
        A decorator for ``main(ctx)``. The decorated function takes no argument: ``main()`` under
        ``if __name__ == "__main__":`` reads the command line, or does the run of its job.
    """

    def decorate(task: Callable[[Context], Any]) -> Callable[[], Any]:
        @functools.wraps(task)
        def launched() -> Any:
            session = current()
            if session is not None:
                return session.call(task, seeding_function)
            from mlxp_nb.cli import launch_script

            return launch_script(
                task, Path(task.__code__.co_filename), config_path, seeding_function
            )

        launched.is_launched = True  # type: ignore[attr-defined]  # how a job knows it
        return launched

    return decorate
