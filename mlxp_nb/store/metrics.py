"""Writing metric files: one finished JSON line a record, appended by one write."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from mlxp_nb.core.run import RunPaths
from mlxp_nb.errors import InvalidKeyError, MetricError
from mlxp_nb.store import files
from mlxp_nb.store.records import TIME, noted_keys

__all__ = ["MetricFile", "encode"]

RESERVED = ("info", "config", "mlxp", "artifact", "artifacts")
ELEMENTS_MAX = 10_000


def _plain(value: Any, key: str) -> Any:
    """A JSON value for a scalar, a 0-d array, or a list or small array of them."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, (float, Decimal, Fraction)):
        return float(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item, key) for item in value]
    shape = getattr(value, "shape", None)
    # numpy, torch and jax all say shape, item() and tolist().
    if shape is not None and hasattr(value, "tolist"):
        return _array(value, tuple(shape), key)
    raise MetricError(
        f"metric {key!r} is {_kind(value)}, which cannot be stored; nothing of the record was",
        "log numbers, strings, booleans, None, or lists of them; "
        "an object goes to ctx.logger.log_artifacts(…)",
    )


def _array(value: Any, shape: tuple[int, ...], key: str) -> Any:
    """The list form of an array, or its number when it has no dimension."""
    if math.prod(shape) > ELEMENTS_MAX:
        raise MetricError(
            f"metric {key!r} is an array of {math.prod(shape)} values; nothing was stored",
            f'save it by ctx.logger.log_artifacts({{"{key}": …}}, "{key}.npz", "numpy")',
        )
    plain = value.tolist()
    if plain is value or isinstance(plain, complex):
        raise MetricError(
            f"metric {key!r} is {_kind(value)}, which cannot be stored; nothing of the record was",
            f"log its parts: {key}.real, {key}.imag",
        )
    return _plain(plain, key)


def _kind(value: Any) -> str:
    """The type of a value as the user would write it."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _flat(metrics: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and their values."""
    for key, value in metrics.items():
        if not isinstance(key, str) or not key:
            raise InvalidKeyError(
                f"{key!r} cannot be the name of a metric", "name metrics by strings: {'loss': 0.1}"
            )
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        else:
            yield name, value


def encode(metrics: Mapping[str, Any], *, step: int | None = None) -> tuple[bytes, list[str]]:
    """One finished line for a record, and the names of its columns.

    Parameters
    ----------
    metrics : mapping
        Nested mappings are flattened with dots.
    step : int, optional
        Stored as the column ``step``.

    Raises
    ------
    MetricError, InvalidKeyError
        Something cannot be stored.
    """
    row = {key: _plain(value, key) for key, value in _flat(metrics)}
    if step is not None:
        row["step"] = int(step)
    columns = list(row)
    row[TIME] = time.time()
    return json.dumps(row).encode("ascii") + b"\n", columns


class MetricFile:
    """The writer of one metric file; it stays open.

    Parameters
    ----------
    paths : RunPaths
        The run.
    name : str
        Stem of the file: ``train`` for ``metrics/train.json``.
    """

    def __init__(self, paths: RunPaths, name: str) -> None:
        if name in RESERVED:
            raise InvalidKeyError(
                f"{name!r} cannot be the name of a metric file",
                f"choose one other than {', '.join(RESERVED)}: train, test, val",
            )
        files.check_name(name, "metric file")
        self._keys_file = paths.metrics / ".keys" / f"{name}.yaml"
        self._keys: dict[str, str] = {}
        path = paths.metrics / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        self._fence()

    def _fence(self) -> None:
        """End a line that a killed attempt left unfinished, so that ours is not glued to it."""
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            os.write(self._descriptor, b"\n")

    def append(self, metrics: Mapping[str, Any], *, step: int | None = None) -> None:
        """Add one record; when this returns, other processes see it.

        Raises
        ------
        MetricError, InvalidKeyError
            Something cannot be stored; nothing was written.
        OSError
            The disk refused it; nothing of the record is left in the file.
        """
        line, columns = encode(metrics, step=step)
        before = os.fstat(self._descriptor).st_size
        try:
            written = os.write(self._descriptor, line)
            if written != len(line):
                os.write(self._descriptor, line[written:])
        except OSError:
            os.ftruncate(self._descriptor, before)
            raise
        self._note_keys(columns)

    def _note_keys(self, columns: list[str]) -> None:
        """Tell MLXP's reader, which cannot find columns by itself, about new ones."""
        fresh = [column for column in columns if column not in self._keys]
        if not fresh:
            return
        if not self._keys:
            self._keys_file.parent.mkdir(exist_ok=True)
            self._keys = dict.fromkeys(noted_keys(self._keys_file), "")
        self._keys.update(dict.fromkeys(fresh, ""))
        files.dump_yaml(self._keys_file, self._keys, durable=False)

    def close(self, *, durable: bool = True) -> None:
        """Close the file; ``durable`` waits for the disk."""
        if self._descriptor < 0:
            return
        try:
            if durable:
                os.fsync(self._descriptor)
        finally:
            os.close(self._descriptor)
            self._descriptor = -1
