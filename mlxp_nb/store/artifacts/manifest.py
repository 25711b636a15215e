"""The manifest of a run: one signed line an artifact, appended before the artifact is in place.

So whatever a crash leaves, each file that is in place has a line: the newest one of its name, or
an older one when a save was cut off between line and file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mlxp_nb.core.run import RunPaths
from mlxp_nb.store import opens
from mlxp_nb.store.artifacts import folders
from mlxp_nb.store.artifacts.content import Content

__all__ = ["TAIL", "Line", "append", "latest", "read"]

TAIL = 2**16
SIZE_MAX = 64 * 2**20
_STEM = "manifest"


@dataclass(frozen=True)
class Line:
    """What the manifest says of a save, or of a removal.

    Attributes
    ----------
    type, name : str
        Of the artifact.
    content : Content or None
        What was saved; None: the artifact was removed.
    time : str
        ISO 8601 with zone.
    signature : str
        HMAC by the key of who wrote it; empty when there was no key.
    more : mapping
        Further fields: ``metric`` of a best checkpoint.
    """

    type: str
    name: str
    content: Content | None
    time: str
    signature: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The fields of the line."""
        fields: dict[str, Any] = {"name": self.name, "type": self.type}
        if self.content is None:
            return {**fields, "removed": True, "time": self.time}
        fields.update(bytes=self.content.size, sha256=self.content.sha256, time=self.time)
        if self.signature:
            fields["hmac"] = self.signature
        return {**fields, **self.more}

    @classmethod
    def from_json(cls, text: bytes) -> Line | None:
        """The line, or None when it is none."""
        try:
            fields = json.loads(text)
            kind, name, when = fields.pop("type"), fields.pop("name"), fields.pop("time", "")
            removed = fields.pop("removed", False) is True
            content = None if removed else Content(fields.pop("bytes"), fields.pop("sha256"))
            signature = fields.pop("hmac", "")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        size, sha256 = (content.size, content.sha256) if content else (0, "")
        if type(size) is not int or not all(
            isinstance(text, str) for text in (kind, name, when, signature, sha256)
        ):
            return None
        return cls(kind, name, content, when, signature, fields)


def _file_name(rank: int) -> str:
    """Each rank writes a manifest of its own: a file has one writer."""
    return f"{_STEM}.r{rank}.jsonl" if rank else f"{_STEM}.jsonl"


def append(paths: RunPaths, line: Line, *, rank: int = 0) -> None:
    """Add a line, whole and durable, or raise and leave the manifest as it was.

    Raises
    ------
    OSError
        The disk refused it.
    """
    data = json.dumps(line.to_json()).encode("ascii") + b"\n"
    # O_NONBLOCK: a FIFO in its place is an error, not a wait.
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with folders.made(paths.root, paths.artifacts.name) as at:
        descriptor = os.open(_file_name(rank), flags, 0o666, dir_fd=at)
        try:
            _append(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _append(descriptor: int, data: bytes) -> None:
    """One write; what a crash or a full disk left of another line stays apart from it."""
    before = os.fstat(descriptor).st_size
    if before and os.pread(descriptor, 1, before - 1) != b"\n":
        data = b"\n" + data
    try:
        written = 0
        while written < len(data):
            written += os.write(descriptor, data[written:])
    except OSError:
        os.ftruncate(descriptor, before)
        raise


def read(run_dir: Path) -> list[Line]:
    """All lines of a run, in the order they were written; what is no line is passed over."""
    return list(_lines(run_dir, SIZE_MAX))


def latest(run_dir: Path, kind: str, name: str, *, size_max: int = SIZE_MAX) -> Line | None:
    """The newest line of an artifact; None when there is none in the last bytes of the manifest."""
    hits = [e for e in _lines(run_dir, size_max) if (e.type, e.name) == (kind, name)]
    # Of several of one moment the last; ranks have a manifest each.
    return max(reversed(hits), key=_moment, default=None)


def _moment(line: Line) -> datetime:
    """When it was written; damage is long ago."""
    try:
        return datetime.fromisoformat(line.time).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return datetime.min.replace(tzinfo=timezone.utc)


def _lines(run_dir: Path, size_max: int) -> Iterator[Line]:
    try:
        with opens.folder(Path(run_dir), "artifacts") as at:
            for file in sorted(entry.name for entry in os.scandir(at)):
                if file.startswith(f"{_STEM}.") and file.endswith(".jsonl"):
                    yield from filter(None, map(Line.from_json, _tail(at, file, size_max)))
    except OSError:
        return


def _tail(at: int, name: str, size_max: int) -> list[bytes]:
    """The finished lines in the last bytes of a file."""
    with opens.file(at, name) as descriptor:
        size = os.fstat(descriptor).st_size
        start = max(0, size - size_max)
        data = b""
        while part := os.pread(descriptor, min(size_max, 2**20), start + len(data)):
            data += part
    lines = data.split(b"\n")[:-1]
    return lines[1:] if start else lines
