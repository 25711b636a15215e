"""The table of types: how each kind of object is written and read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlxp_nb.errors import InvalidArtifactError, closest
from mlxp_nb.store import files
from mlxp_nb.store.artifacts import arrays, documents, pictures, tables

__all__ = ["ARTIFACTS", "ArtifactType", "register", "type_of"]


@dataclass(frozen=True)
class ArtifactType:
    """How a kind of object is written and read.

    Attributes
    ----------
    name : str
        The word given to ``log_artifacts``; also the name of the folder.
    save : callable
        ``save(object, file)``: ``file`` is binary, is written from beginning to end, and cannot
        seek. With ``by_path``: ``save(object, path)``, and nothing is at ``path`` yet.
    load : callable
        ``load(file)`` gives the object; with ``by_path``: ``load(path)``.
    executes : bool
        Whether loading can execute code that the file holds.
    by_path : bool
        Both functions take a path, a str, instead of a file.
    load_trusted : callable, optional
        Used instead of ``load`` for what this user signed or says to trust; it may execute code.
        The choice is made before loading, never after ``load`` has failed.
    is_folder : bool
        What is saved is a folder.
    """

    name: str
    save: Callable[[Any, Any], None]
    load: Callable[[Any], Any]
    executes: bool = False
    by_path: bool = False
    load_trusted: Callable[[Any], Any] | None = None
    is_folder: bool = False


# A new type is a row here, and a class of tests/store/test_artifact_types.py.
_ROWS = (
    ArtifactType("json", documents.save_json, documents.load_json),
    ArtifactType("text", documents.save_text, documents.load_text),
    ArtifactType("numpy", arrays.save_numpy, arrays.load_numpy),
    ArtifactType("npz", arrays.save_npz, arrays.load_numpy),
    ArtifactType("safetensors", arrays.save_safetensors, arrays.load_safetensors),
    ArtifactType("torch", arrays.save_torch, arrays.load_torch, load_trusted=arrays.load_any_torch),
    ArtifactType("csv", tables.save_csv, tables.load_csv),
    ArtifactType("parquet", tables.save_parquet, tables.load_parquet),
    ArtifactType("feather", tables.save_feather, tables.load_feather),
    ArtifactType("image", pictures.save_image, pictures.load_image),
    ArtifactType("plotly", pictures.save_plotly, pictures.load_plotly),
    ArtifactType("joblib", documents.save_joblib, documents.load_joblib, executes=True),
    ArtifactType("pickle", documents.save_pickle, documents.load_pickle, executes=True),
    ArtifactType("file", documents.save_file, documents.load_path, by_path=True),
    ArtifactType(
        "directory", documents.save_folder, documents.load_path, by_path=True, is_folder=True
    ),
)
BUILT_IN = frozenset(row.name for row in _ROWS)
ARTIFACTS: dict[str, ArtifactType] = {row.name: row for row in _ROWS}


def register(
    name: str,
    save: Callable[[Any, str], None],
    load: Callable[[str], Any],
    *,
    executes: bool = True,
) -> None:
    """Add a type for this process, as MLXP does: both functions take a path.

    Loaders come from code, never from a log directory.

    Parameters
    ----------
    name : str
        The word for ``log_artifacts``.
    save, load : callable
        ``save(object, path)`` and ``load(path)``; the file at ``path`` keeps its extension.
    executes : bool
        Whether ``load`` could execute code that a file holds. When it says False, what strangers
        wrote is loaded without a question.

    Raises
    ------
    InvalidArtifactError
        It is a type that is there already; those do not change under who loads by them.
    """
    files.check_name(name, "artifact type")
    if name in BUILT_IN:
        raise InvalidArtifactError(
            f"{name!r} is a built-in type of artifact",
            f'choose another name: register_artifact_type("my_{name}", save, load)',
        )
    ARTIFACTS[name] = ArtifactType(name, save, load, executes=executes, by_path=True)


def type_of(name: str) -> ArtifactType:
    """The row of a type.

    Raises
    ------
    InvalidArtifactError
        Nobody registered it.
    """
    try:
        return ARTIFACTS[name]
    except KeyError:
        near = closest(name, ARTIFACTS)
        raise InvalidArtifactError(
            f"unknown artifact type {name!r}",
            f"did you mean {near!r}?"
            if near
            else f"use one of {', '.join(ARTIFACTS)}, or register_artifact_type first",
        ) from None
