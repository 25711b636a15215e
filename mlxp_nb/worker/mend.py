"""A run that misses a file of the project: the line that brings it into the snapshot."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["line_to_add"]

_MISSING = (errno.ENOENT, errno.ENOTDIR)
_READ_ONLY = (errno.EACCES, errno.EROFS, errno.EPERM)


def line_to_add(error: BaseException, info: Mapping[str, Any]) -> str:
    """``link: [data]`` when the failure is a path that only the live project has, else ``""``.

    Parameters
    ----------
    error : BaseException
        What ended the run; the exceptions it came from are looked at too.
    info : mapping
        The run's record: where it ran, and where the live project is.
    """
    workdir, project_dir = info.get("work_dir"), info.get("project_dir")
    snapshot = info.get("snapshot") or {}
    if snapshot.get("mode") != "snapshot" or not workdir or not project_dir:
        return ""
    for cause in _chain(error):
        if isinstance(cause, OSError) and isinstance(cause.filename, (str, bytes)):
            path = Path(os.path.normpath(Path(workdir) / os.fsdecode(cause.filename)))
            if not path.is_relative_to(workdir):
                continue
            relative = path.relative_to(workdir)
            missing = _missing(relative, cause.errno, Path(workdir), Path(project_dir))
            if missing is not None:
                links = [*(snapshot.get("link") or []), missing]
                file = snapshot.get("settings") or "configs/mlxp_nb.yaml"
                return f"add to {file}:  link: [{', '.join(links)}]"
            if cause.errno in _READ_ONLY:
                return (
                    "the snapshot is read-only: write below ctx.logger.log_dir "
                    "or ctx.project_dir instead"
                )
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and those it came from."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _missing(relative: Path, number: int | None, workdir: Path, project_dir: Path) -> str | None:
    """The project-relative path to link: the topmost part that the snapshot does not have."""
    if number in _MISSING:
        for end in range(1, len(relative.parts) + 1):
            part = Path(*relative.parts[:end])
            if not (workdir / part).exists():
                return part.as_posix() if (project_dir / part).exists() else None
    if (
        number in _READ_ONLY
        and not (workdir / relative).exists()
        and (project_dir / relative).exists()
    ):
        return relative.as_posix()
    return None
