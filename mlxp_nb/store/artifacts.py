"""Saved objects of a run: a table of types, atomic saves, a manifest of hashes."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from mlxp_nb.core.run import RunPaths
from mlxp_nb.errors import ArtifactError, InvalidArtifactError, MissingArtifactError, closest
from mlxp_nb.store import files
from mlxp_nb.store.rundir import now_iso

__all__ = ["ARTIFACTS", "ArtifactType", "Entry", "find", "listing", "load", "register", "save"]


@dataclass(frozen=True)
class ArtifactType:
    """How a kind of object is written and read.

    Attributes
    ----------
    name : str
        The word given to ``log_artifacts``; also the name of the folder.
    save : callable
        ``save(object, file)`` on a binary file open for writing.
    load : callable
        ``load(path)`` gives the object.
    executes : bool
        Whether loading can execute code that the file holds.
    by_path : bool
        ``save`` takes a path instead of a file (types registered by users, as in MLXP).
    """

    name: str
    save: Callable[[Any, Any], None]
    load: Callable[[Any], Any]
    executes: bool = False
    by_path: bool = False


@dataclass(frozen=True)
class Entry:
    """One saved object of a run.

    Attributes
    ----------
    type, name : str
        As given when it was logged; a name may have folders (``best/model``).
    path : Path
        The file.
    """

    type: str
    name: str
    path: Path = field(compare=False)


def _save_pickle(value: Any, file: BinaryIO) -> None:
    import cloudpickle

    cloudpickle.dump(value, file)


def _load_pickle(path: Path) -> Any:
    import pickle

    with path.open("rb") as file:
        return pickle.load(file)  # guarded: see load()


def _save_numpy(value: Any, file: BinaryIO) -> None:
    import numpy as np

    if isinstance(value, dict):
        np.savez(file, **value)
    else:
        np.savez(file, value)


def _load_numpy(path: Path) -> Any:
    import numpy as np

    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _save_torch(value: Any, file: BinaryIO) -> None:
    import torch

    torch.save(value, file)


def _load_torch(path: Path) -> Any:
    import torch

    return torch.load(path, weights_only=True)


def _save_image(value: Any, file: BinaryIO) -> None:
    if hasattr(value, "savefig"):
        value.savefig(file, format="png", bbox_inches="tight")
    elif hasattr(value, "save"):
        value.save(file, format="PNG")
    else:
        import matplotlib.image

        matplotlib.image.imsave(file, value, format="png")


def _load_image(path: Path) -> Any:
    import matplotlib.image

    return matplotlib.image.imread(path, format="png")


def _save_json(value: Any, file: BinaryIO) -> None:
    file.write(json.dumps(value, indent=1).encode("utf-8"))


def _load_json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _save_text(value: Any, file: BinaryIO) -> None:
    file.write(str(value).encode("utf-8"))


def _load_text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


# A new type is a row here.
ARTIFACTS: dict[str, ArtifactType] = {
    row.name: row
    for row in (
        ArtifactType("pickle", _save_pickle, _load_pickle, executes=True),
        ArtifactType("numpy", _save_numpy, _load_numpy),
        ArtifactType("torch", _save_torch, _load_torch),
        ArtifactType("image", _save_image, _load_image),
        ArtifactType("json", _save_json, _load_json),
        ArtifactType("text", _save_text, _load_text),
    )
}


def register(name: str, save: Callable[[Any, str], None], load: Callable[[str], Any]) -> None:
    """Add a type for this process, as MLXP does: both functions take a path.

    Loaders come from code, never from a log directory.
    """
    files.check_name(name, "artifact type")
    ARTIFACTS[name] = ArtifactType(
        name, save, lambda path: load(str(path)), executes=True, by_path=True
    )


def _type_of(name: str) -> ArtifactType:
    """The row of a type."""
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


def _place(paths: RunPaths, kind: str, name: str) -> Path:
    """The file of an artifact, inside the run."""
    parts = name.split("/")
    for part in parts:
        files.check_name(part, "artifact")
    return paths.artifacts.joinpath(kind, *parts)


def save(paths: RunPaths, value: Any, name: str, kind: str) -> Entry:
    """Save an object whole or not at all, and note its hash in the manifest.

    Raises
    ------
    InvalidArtifactError
        Nobody registered this type.
    ArtifactError
        It could not be saved; an older one of that name still stands.
    """
    row = _type_of(kind)
    path = _place(paths, kind, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
    os.close(handle)
    try:
        _write(row, value, Path(aside))
        Path(aside).replace(path)
    except Exception as error:
        raise ArtifactError(
            f"artifact {name!r} was not saved as {kind}: {error}",
            "nothing was replaced; save another form of it, or free the disk, and log it again",
        ) from error
    finally:
        Path(aside).unlink(missing_ok=True)
    files.sync_folder(path.parent)
    _note(paths, path, name, kind)
    return Entry(kind, name, path)


def _write(row: ArtifactType, value: Any, aside: Path) -> None:
    """Write and make durable."""
    if row.by_path:
        row.save(value, str(aside))
    else:
        with aside.open("wb") as file:
            row.save(value, file)
    with aside.open("rb+") as file:
        os.fsync(file.fileno())
    aside.chmod(0o644)


def _note(paths: RunPaths, path: Path, name: str, kind: str) -> None:
    """Add to our manifest, and to the list that MLXP's reader needs."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(2**20):
            digest.update(block)
    files.append_line(
        paths.manifest,
        {
            "name": name,
            "type": kind,
            "bytes": path.stat().st_size,
            "sha256": digest.hexdigest(),
            "time": now_iso(),
        },
    )
    table = paths.artifacts / ".keys" / "artifacts.yaml"
    table.parent.mkdir(exist_ok=True)
    noted: dict[str, dict[str, dict[str, str]]] = {}
    for entry in listing(paths.root):
        folder, _, base = entry.name.rpartition("/")
        key = "." + folder.replace("/", ".") if folder else ""
        noted.setdefault(entry.type, {}).setdefault(key, {})[base] = ""
    files.dump_yaml(table, noted, durable=False)


def listing(run_dir: Path) -> list[Entry]:
    """The artifacts of a run, by type and name; links are not followed."""
    root = RunPaths(Path(run_dir)).artifacts
    found: list[Entry] = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(folder)
        if here == root:
            continue
        parts = here.relative_to(root).parts
        for name in sorted(names):
            if not name.startswith(".") and not (here / name).is_symlink():
                found.append(Entry(parts[0], "/".join([*parts[1:], name]), here / name))
    return found


def find(paths: RunPaths, name: str, kind: str | None) -> Entry:
    """The artifact of that name; of any type when ``kind`` is None.

    Raises
    ------
    MissingArtifactError
        The run has none, or several and no type was given.
    """
    entries = listing(paths.root)
    hits = [e for e in entries if e.name == name and kind in (None, e.type)]
    if len(hits) == 1:
        return hits[0]
    if hits:
        raise MissingArtifactError(
            f"run {paths.root.name} has several artifacts {name!r}",
            f'give artifact_type="{hits[0].type}"',
        )
    near = closest(name, [entry.name for entry in entries])
    raise MissingArtifactError(
        f"run {paths.root.name} has no artifact {name!r}" + (f" of type {kind}" if kind else ""),
        f"did you mean {near!r}?" if near else "log it first",
    )


def load(entry: Entry, *, trust: bool = False) -> Any:
    """The object.

    Parameters
    ----------
    entry : Entry
        From :func:`listing` or :func:`find`.
    trust : bool
        Load also what could execute code and belongs to another user.

    Raises
    ------
    ArtifactError
        It could execute code and is another user's, or it cannot be read.
    """
    row = _type_of(entry.type)
    if row.executes and not trust and entry.path.stat().st_uid != os.getuid():
        raise ArtifactError(
            f"{entry.path} is another user's, and loading a {entry.type} can execute code",
            "look at who wrote it, then load(trust=True)",
        )
    try:
        return row.load(entry.path)
    except Exception as error:
        raise ArtifactError(
            f"artifact {entry.name!r} cannot be loaded as {entry.type}: {error}",
            f"look at {entry.path}",
        ) from error
