"""Sweeps from a notebook cell, run from a frozen copy of the code, read back as tables and curves.

Importing this package does nothing else: names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlxp_nb.core.config_dict import ConfigDict
    from mlxp_nb.entry import launch
    from mlxp_nb.project import Project, open_sweep, sweep
    from mlxp_nb.results.frame import DataFrame, RunFrame
    from mlxp_nb.results.group import GroupedDataFrame, GroupedFrame
    from mlxp_nb.results.reader import Reader
    from mlxp_nb.snapshot import GitVM
    from mlxp_nb.sweeps import Sweep
    from mlxp_nb.worker.context import Context, DefaultLogger, Logger

__version__ = "0.1.0"

_WHERE = {
    "ConfigDict": "mlxp_nb.core.config_dict",
    "Context": "mlxp_nb.worker.context",
    "DataFrame": "mlxp_nb.results.frame",
    "DefaultLogger": "mlxp_nb.worker.context",
    "GitVM": "mlxp_nb.snapshot",
    "GroupedDataFrame": "mlxp_nb.results.group",
    "GroupedFrame": "mlxp_nb.results.group",
    "Logger": "mlxp_nb.worker.context",
    "Project": "mlxp_nb.project",
    "Reader": "mlxp_nb.results.reader",
    "RunFrame": "mlxp_nb.results.frame",
    "Sweep": "mlxp_nb.sweeps",
    "launch": "mlxp_nb.entry",
    "open_sweep": "mlxp_nb.project",
    "sweep": "mlxp_nb.project",
}

__all__ = [
    "ConfigDict",
    "Context",
    "DataFrame",
    "DefaultLogger",
    "GitVM",
    "GroupedDataFrame",
    "GroupedFrame",
    "Logger",
    "Project",
    "Reader",
    "RunFrame",
    "Sweep",
    "__version__",
    "launch",
    "load_ipython_extension",
    "open_sweep",
    "sweep",
    "unload_ipython_extension",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext mlxp_nb``: add the magics to an IPython shell."""
    from mlxp_nb.ui.magics import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """``%unload_ext mlxp_nb``: take them away and stop what they started."""
    from mlxp_nb.ui.magics import unload

    unload(shell)
