"""Saved objects of a run: a table of types, atomic saves, a signed manifest, safe loading."""

from mlxp_nb.store.artifacts.checkpoints import Keep
from mlxp_nb.store.artifacts.entry import Entry
from mlxp_nb.store.artifacts.listing import find, listing
from mlxp_nb.store.artifacts.loading import content_of, is_signed, load
from mlxp_nb.store.artifacts.saving import copy, remove, save
from mlxp_nb.store.artifacts.signing import Unsigned, sign, unsigned
from mlxp_nb.store.artifacts.types import ARTIFACTS, ArtifactType, register, type_of

__all__ = [
    "ARTIFACTS",
    "ArtifactType",
    "Entry",
    "Keep",
    "Unsigned",
    "content_of",
    "copy",
    "find",
    "is_signed",
    "listing",
    "load",
    "register",
    "remove",
    "save",
    "sign",
    "type_of",
    "unsigned",
]
