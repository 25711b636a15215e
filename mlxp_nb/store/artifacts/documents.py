"""Text, pickles, and what is on disk already: files and folders."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, BinaryIO

from mlxp_nb.core.config_dict import to_plain
from mlxp_nb.errors import ArtifactError
from mlxp_nb.store.artifacts.libraries import need


def save_json(value: Any, file: BinaryIO) -> None:
    """Plain values; tuples come back as lists."""
    for part in json.JSONEncoder(indent=1).iterencode(to_plain(value)):
        file.write(part.encode("ascii"))


def load_json(file: BinaryIO) -> Any:
    """What was saved."""
    return json.load(file)


def save_text(value: Any, file: BinaryIO) -> None:
    """A string, as UTF-8; anything else by its ``str``."""
    file.write(str(value).encode("utf-8"))


def load_text(file: BinaryIO) -> str:
    """The string."""
    return file.read().decode("utf-8")


def save_pickle(value: Any, file: BinaryIO) -> None:
    """Any object; classes and functions of a script are stored whole."""
    need("cloudpickle", "pickle").dump(value, file)


def load_pickle(file: BinaryIO) -> Any:
    """The object. Called for what this user signed or says to trust, see ``loading``."""
    import pickle

    return pickle.load(file)


def save_joblib(value: Any, file: BinaryIO) -> None:
    """Any object, large arrays apart; scikit-learn's models."""
    need("joblib", "joblib").dump(value, file)


def load_joblib(file: BinaryIO) -> Any:
    """The object. Called for what this user signed or says to trust, see ``loading``."""
    return need("joblib", "joblib").load(file)


def save_file(value: Any, path: str) -> None:
    """Never called: ``saving`` copies a file itself, and hashes what passes."""
    raise NotImplementedError


save_folder = save_file


def load_path(path: str) -> Path:
    """Where it is; what is there is shared with other runs and must not be changed in place."""
    return Path(path)


def source_of(value: Any, kind: str) -> Path:
    """The file or folder on disk that is to be saved.

    Raises
    ------
    ArtifactError
        There is none, or it is of the other kind.
    """
    if not isinstance(value, (str, os.PathLike)):
        raise ArtifactError(
            f"a {kind} is given by its path, not by {type(value).__name__}",
            'log_artifacts("out/model.onnx", "model.onnx", "file")',
        )
    path = Path(os.fspath(value))
    if not (path.is_dir() if kind == "directory" else path.is_file()):
        raise ArtifactError(
            f"there is no {kind} {path}",
            'a folder is saved as "directory"'
            if path.is_dir()
            else 'a file is saved as "file"'
            if path.is_file()
            else "write it first, or mend the path",
        )
    return path
