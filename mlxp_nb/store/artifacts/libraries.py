"""Libraries that a type of artifact needs, loaded when it is first used."""

from __future__ import annotations

import importlib
import importlib.util
import re
from typing import Any

from mlxp_nb.errors import ArtifactError

__all__ = ["need"]


def need(module: str, kind: str, *, package: str = "", at_least: str = "") -> Any:
    """A library, imported.

    Parameters
    ----------
    module : str
        What is imported, ``safetensors.numpy``.
    kind : str
        The type of artifact, for the message.
    package : str, optional
        What pip calls it, when that is not the first part of ``module``.
    at_least : str, optional
        The lowest version that is safe, ``"2.10"``.

    Raises
    ------
    ArtifactError
        It is not installed, or too old.
    """
    root = module.partition(".")[0]
    package = package or root
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        raise ArtifactError(
            f"artifacts of type {kind} need {package}, which is not installed; nothing was written",
            f'pip install "{package}{">=" if at_least else ""}{at_least}"',
        ) from error
    version = str(getattr(importlib.import_module(root), "__version__", ""))
    if at_least and _numbers(version) < _numbers(at_least):
        raise ArtifactError(
            f"{package} {version} can be made to execute code by a {kind} file",
            f'pip install "{package}>={at_least}", or load(trust=True) after looking who wrote it',
        )
    return found


def _numbers(version: str) -> list[int]:
    """``2.10.0+cpu`` as [2, 10, 0]."""
    return [int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:3]]
