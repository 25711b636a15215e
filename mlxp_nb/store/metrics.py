"""Writing metric files: one finished JSON line a record, appended by one write."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import operator
import os
import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from mlxp_nb.core.run import RunPaths
from mlxp_nb.errors import InvalidKeyError, MetricError, StoreError
from mlxp_nb.store import files
from mlxp_nb.store.records import ATTEMPT, HIDDEN, LINE_MAX, RANK, TIME, noted_keys

__all__ = ["SYNC_S", "MetricFile", "flatten"]

logger = logging.getLogger(__name__)

RESERVED = ("info", "config", "mlxp", "artifact", "artifacts")
ELEMENTS_MAX = 10_000
SYNC_S = 5.0
# What json writes as it stands and reads back equal; subclasses go the long way.
_PLAIN = frozenset((float, int, str, bool, type(None)))
# What contains itself never comes here: flatten refuses it.
_encode = json.JSONEncoder(check_circular=False).encode
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def _plain(value: Any, key: str) -> Any:
    """A JSON value for a scalar, a 0-d array, or a list or small array of them."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, (float, Decimal, Fraction)):
        return _float(value, key)
    if isinstance(value, (list, tuple)):
        _check_count(len(value), key)
        return [_plain(item, key) for item in value]
    # numpy, torch and jax all say shape and tolist(); tensorflow says shape and numpy().
    if getattr(value, "shape", None) is not None:
        if not hasattr(value, "tolist") and hasattr(value, "numpy"):
            value = value.numpy()
        if hasattr(value, "tolist"):
            return _array(value, tuple(value.shape), key)
    raise _unstorable(value, key)


def _float(value: Any, key: str) -> float:
    """A number as a float; what has no float near it is refused rather than made infinite."""
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise _unstorable(value, key) from None
    if math.isinf(number) and isinstance(value, Decimal) and value.is_finite():
        raise _unstorable(value, key)
    return number


def _array(value: Any, shape: tuple[int, ...], key: str) -> Any:
    """The list form of an array, or its number when it has no dimension."""
    _check_count(math.prod(shape), key)
    plain = value.tolist()
    if isinstance(plain, complex):
        raise MetricError(
            f"metric {key!r} is {_kind(value)}, which cannot be stored; nothing of the record was",
            f"log its parts: {key}.real, {key}.imag",
        )
    # A scalar of a type that Python has no like of (bfloat16, longdouble) gives itself.
    return _float(plain, key) if type(plain) is type(value) else _plain(plain, key)


def _check_count(count: int, key: str) -> None:
    """Refuse what belongs in an artifact."""
    if count > ELEMENTS_MAX:
        raise MetricError(
            f"metric {key!r} is an array of {count} values; nothing was stored",
            f'save it by ctx.logger.log_artifacts({{"{key}": …}}, "{key}.npz", "numpy")',
        )


def _unstorable(value: Any, key: str) -> MetricError:
    return MetricError(
        f"metric {key!r} is {_kind(value)}, which cannot be stored; nothing of the record was",
        "log numbers, strings, booleans, None, or lists of them; "
        "an object goes to ctx.logger.log_artifacts(…)",
    )


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


def flatten(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """A record as it is stored: dotted columns, plain values.

    Raises
    ------
    MetricError, InvalidKeyError
        Something cannot be stored, or two columns have one name.
    """
    if not isinstance(metrics, Mapping):
        raise MetricError(
            f"a record is {_kind(metrics)}, not a dict; nothing was stored", '{"loss": 0.1}'
        )
    row: dict[str, Any] = {}
    try:
        for key, value in _flat(metrics):
            if key in row or key in HIDDEN:
                raise InvalidKeyError(
                    f"the column {key!r} is {'given twice' if key in row else 'ours'}; "
                    "nothing of the record was stored",
                    "give it another name",
                )
            row[key] = _plain(value, key)
    except RecursionError:
        raise MetricError(
            "the record contains itself, or is too deep; nothing of it was stored",
            "log numbers, strings, booleans, None, or lists of them",
        ) from None
    return row


def _add_step(row: dict[str, Any], step: Any) -> None:
    """The column ``step``, beside a column of that name only when they agree."""
    try:
        number = operator.index(step)
    except TypeError:
        raise MetricError(
            f"step is {step!r}, not an integer; nothing of the record was stored", "step=int(step)"
        ) from None
    if row.setdefault("step", number) != number:
        raise InvalidKeyError(
            f"step={number} and the column 'step' of {row['step']!r} differ; nothing was stored",
            "give it once",
        )


class MetricFile:
    """The writer of one metric file; it stays open.

    Parameters
    ----------
    paths : RunPaths
        The run.
    name : str
        Stem of the file: ``train`` for ``metrics/train.json``.
    attempt : int
        Noted in each record after the first attempt.
    rank : int
        Each process of a job writes a file of its own: ``train.r1.json`` for rank 1.
    sync_s : float
        Wait for the disk when it was not asked for so long; 0: after each record. A power cut
        loses what came since; a killed process loses nothing.

    Raises
    ------
    InvalidKeyError
        It cannot be the name of a file.
    StoreError
        The file cannot be opened.
    """

    def __init__(
        self,
        paths: RunPaths,
        name: str,
        *,
        attempt: int = 1,
        rank: int = 0,
        sync_s: float = SYNC_S,
    ) -> None:
        if name in RESERVED:
            raise InvalidKeyError(
                f"{name!r} cannot be the name of a metric file",
                f"choose one other than {', '.join(RESERVED)}: train, test, val",
            )
        files.check_name(name, "metric file")
        self._path = paths.metrics / (f"{name}.r{rank}.json" if rank else f"{name}.json")
        # MLXP knows no ranks: what it should not read gets no note.
        self._note = None if rank else paths.metrics / ".keys" / f"{name}.yaml"
        self._marks = {
            **({ATTEMPT: attempt} if attempt > 1 else {}),
            **({RANK: rank} if rank else {}),
        }
        self._sync_s = sync_s
        self._columns: dict[str, str] = {}
        self._known = self._columns.keys()
        self._descriptor = -1
        self._torn = False
        self._named = False
        self._unsynced = False
        self._asked = time.monotonic()
        self._open()

    def _open(self) -> None:
        """Open, and end a line that a killed attempt left unfinished."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, _FLAGS, 0o666)
            files.fence(self._descriptor)
        except OSError as error:
            self._forget()
            raise StoreError(
                f"{self._path} cannot be written; nothing was stored", error
            ) from error

    def append(self, metrics: Mapping[str, Any], *, step: int | None = None) -> None:
        """Add one record; when this returns, other processes see it.

        Raises
        ------
        MetricError, InvalidKeyError
            Something cannot be stored; nothing was written.
        StoreError
            The disk refused it; the message says whether the record is in the file.
        """
        usual = self._is_usual(metrics)
        row = dict(metrics) if usual else flatten(metrics)
        if step is not None:
            _add_step(row, step)
            usual = usual and "step" in self._columns
        fresh = [] if usual else [column for column in row if column not in self._columns]
        row[TIME] = time.time()
        if self._marks:
            row.update(self._marks)
        self._write(_line(row))
        if fresh:
            self._note_columns(fresh)
        if time.monotonic() - self._asked >= self._sync_s:
            self.sync()

    def _is_usual(self, metrics: Mapping[str, Any]) -> bool:
        """Whether a record can be stored as it stands: known columns, plain values."""
        return (
            type(metrics) is dict
            and self._known >= metrics.keys()
            and _PLAIN.issuperset(map(type, metrics.values()))
        )

    def _write(self, line: bytes) -> None:
        """One line by one write, or nothing."""
        if self._descriptor < 0:
            self._open()
        self._unsynced = True
        try:
            if self._torn:
                files.fence(self._descriptor)
                self._torn = False
            files.write_line(self._descriptor, line)
        except OSError as error:
            self._torn = True
            raise StoreError(f"nothing of the record was added to {self._path}", error) from error

    def sync(self) -> None:
        """Wait until the records are on the disk.

        Raises
        ------
        StoreError
            They are in the file, and may be lost when the machine stops.
        """
        self._asked = time.monotonic()
        if not self._unsynced:
            return
        try:
            os.fdatasync(self._descriptor)
            if not self._named:
                files.sync_folder(self._path.parent)
        except OSError as error:
            raise StoreError(
                f"the last records are in {self._path}, but the disk did not confirm them", error
            ) from error
        self._named = True
        self._unsynced = False

    def _note_columns(self, fresh: list[str]) -> None:
        """Tell MLXP's reader, which cannot find columns by itself, about new ones.

        Nothing of ours needs this, and the record is stored: a disk that refuses is asked again
        with the next record.
        """
        columns = dict(self._columns)
        if self._note is not None:
            try:
                self._note.parent.mkdir(exist_ok=True)
                if not columns:
                    columns = dict.fromkeys(noted_keys(self._note), "")
                columns.update(dict.fromkeys(fresh, ""))
                files.dump_yaml(self._note, columns, durable=False)
            except OSError as error:
                logger.warning("MLXP will not see the columns %s yet: %s", fresh, error)
                return
        columns.update(dict.fromkeys(fresh, ""))
        self._columns.update(columns)

    def close(self, *, durable: bool = True) -> None:
        """Close the file; ``durable`` waits for the disk.

        Raises
        ------
        StoreError
            The disk did not confirm the last records.
        """
        if self._descriptor < 0:
            return
        try:
            if durable:
                self.sync()
        finally:
            self._forget()

    def _forget(self) -> None:
        """Let go of the descriptor, whatever the system says of it."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _line(row: Mapping[str, Any]) -> bytes:
    """The finished line of a record.

    Raises
    ------
    MetricError
        It is too long to be read again.
    """
    try:
        line = f"{_encode(row)}\n".encode("ascii")
    except ValueError as error:
        raise MetricError(
            f"the record cannot be stored: {error}; nothing of it was", "log a smaller number"
        ) from None
    if len(line) > LINE_MAX:
        raise MetricError(
            f"the record has {len(line) / 1e6:.0f} MB; nothing of it was stored",
            "save large values by ctx.logger.log_artifacts(…)",
        )
    return line
