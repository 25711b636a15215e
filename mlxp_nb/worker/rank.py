"""Which of the processes of one job this is, as its launcher says in the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping

__all__ = ["RANKS", "own_rank", "restarts"]

# Who says it: (the variable, one that must be beside it), the innermost launcher first. torchrun
# below srun starts several processes in each task of SLURM.
RANKS = (
    ("RANK", "WORLD_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
)


def own_rank(environ: Mapping[str, str] = os.environ) -> int:
    """The rank of this process; 0, which writes the records of the run, where nobody says."""
    for variable, beside in RANKS:
        if variable in environ and beside in environ:
            return _number(environ[variable])
    return 0


def restarts(environ: Mapping[str, str] = os.environ) -> int:
    """How often SLURM has started this job again."""
    return _number(environ.get("SLURM_RESTART_COUNT", ""))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0
