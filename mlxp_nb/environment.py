"""What a run was executed with: interpreter, installed packages, graphics cards."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import mlxp_nb

__all__ = ["describe", "packages"]

_GPU_NAMES = ("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
_GPU_PATIENCE_S = 2


def describe(installed: Sequence[str] | None = None) -> dict[str, Any]:
    """The environment in a few words, recorded once a sweep.

    Parameters
    ----------
    installed : sequence of str, optional
        What ``packages`` gave, when it was asked already.

    Returns
    -------
    dict
        ``python``, ``implementation``, ``platform``, ``executable``, ``mlxp_nb`` (its version),
        ``packages_sha256`` (of the list of packages, a line each), ``gpus`` (names, in the order
        of the driver; empty when it does not answer in two seconds).
    """
    lines = packages() if installed is None else installed
    listed = "".join(f"{line}\n" for line in lines)
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "executable": sys.executable,
        "mlxp_nb": mlxp_nb.__version__,
        "packages_sha256": hashlib.sha256(listed.encode("utf-8")).hexdigest(),
        "gpus": _gpus(),
    }


def packages() -> list[str]:
    """Installed distributions as sorted ``name==version``.

    Of two with the same name the first on the path counts, as it does for imports.
    """
    found: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        if "Name" not in distribution.metadata:
            continue  # the folder that a failed uninstall left behind
        name = distribution.metadata["Name"]
        canonical = re.sub(r"[-_.]+", "-", name).lower()
        found.setdefault(canonical, f"{name}=={distribution.version}")
    return [found[name] for name in sorted(found)]


def _gpus() -> list[str]:
    """Names of the graphics cards that the driver of NVIDIA tells."""
    try:
        told = subprocess.run(
            _GPU_NAMES, capture_output=True, text=True, timeout=_GPU_PATIENCE_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in told.stdout.splitlines() if line.strip()]
