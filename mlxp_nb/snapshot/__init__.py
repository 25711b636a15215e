"""The frozen code: the only room that touches Git.

``take`` freezes the work tree as it is, ``materialise`` makes a folder of it.
"""

from __future__ import annotations

from mlxp_nb.snapshot.gitvm import GitVM
from mlxp_nb.snapshot.taking import inspect, take
from mlxp_nb.snapshot.trees import materialise
from mlxp_nb.snapshot.values import Policy, RepoState, Snapshot, SnapshotSettings

__all__ = [
    "GitVM",
    "Policy",
    "RepoState",
    "Snapshot",
    "SnapshotSettings",
    "inspect",
    "materialise",
    "take",
]
