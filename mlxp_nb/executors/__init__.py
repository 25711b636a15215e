"""Where runs run. A new scheduler is one file here, and passes the contract suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

from mlxp_nb.errors import UnknownNameError
from mlxp_nb.executors.base import Executor
from mlxp_nb.executors.local import LocalExecutor

__all__ = ["EXECUTORS", "Executor", "LocalExecutor", "executor"]

# A new kind of executor is a row here.
EXECUTORS: dict[str, Callable[..., Executor]] = {"local": LocalExecutor}


def executor(
    name: str, presets: Mapping[str, Mapping[str, Any]], *, parallel: int | None = None
) -> Executor:
    """The executor of that name: a preset of the project, or a kind with its defaults.

    Parameters
    ----------
    name : str
        ``local``, or a name under ``executors:`` in ``configs/mlxp_nb.yaml``.
    presets : mapping
        What that file says.
    parallel : int, optional
        Put over the preset's ``max_parallel``.

    Raises
    ------
    UnknownNameError
        There is no such preset, or its kind or one of its options is unknown.
    """
    if name not in presets and name not in EXECUTORS:
        raise UnknownNameError("executor", name, [*presets, *EXECUTORS])
    options = dict(presets.get(name, {}))
    kind = str(options.pop("cluster", name if name in EXECUTORS else "local"))
    if kind not in EXECUTORS:
        raise UnknownNameError("cluster", kind, EXECUTORS)
    if parallel is not None:
        options["max_parallel"] = parallel
    known = [
        parameter for parameter in signature(EXECUTORS[kind]).parameters if parameter != "name"
    ]
    for option in options:
        if option not in known:
            raise UnknownNameError(f"option of executor {name}", option, known)
    return EXECUTORS[kind](name=name, **options)
