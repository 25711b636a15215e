"""What can go wrong, said so that the user can mend it.

Every error names the problem, the place, and something that can be typed instead.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable

__all__ = [
    "ArtifactError",
    "ConfigError",
    "ExecutorError",
    "InvalidArtifactError",
    "InvalidConfigFileError",
    "InvalidKeyError",
    "LogDirError",
    "MetricError",
    "MissingArtifactError",
    "MissingFieldError",
    "MlxpError",
    "QueryError",
    "ReductionError",
    "RunError",
    "SnapshotError",
    "StoreError",
    "SweepFailed",
    "SweepSyntaxError",
    "TargetError",
    "UnknownNameError",
    "UntrustedArtifactError",
    "closest",
]


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like ``name``, or None when none is near."""
    found = difflib.get_close_matches(name, [str(k) for k in known], n=1, cutoff=0.6)
    return found[0] if found else None


class MlxpError(Exception):
    """Base of all our errors.

    Parameters
    ----------
    problem : str
        What is wrong, one sentence without a full stop.
    hint : str
        What to write instead; it can be typed as it stands.
    text, at : str and int, optional
        The text the user gave, and the 0-based offset of the fault in it; shown with a caret.
    line : int, optional
        1-based number of the line of a cell that ``text`` is.
    """

    def __init__(
        self,
        problem: str,
        hint: str,
        *,
        text: str | None = None,
        at: int | None = None,
        line: int | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint
        self.text = text
        self.at = at
        self.line = line

    def __str__(self) -> str:
        lines = [self.problem]
        if self.text is not None:
            prefix = f"  line {self.line}: " if self.line is not None else "    "
            lines.append(prefix + self.text.expandtabs(1))
            if self.at is not None:
                lines.append(" " * (len(prefix) + min(self.at, len(self.text))) + "^")
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows instead of a traceback through our code (IPython's protocol)."""
        return f"{type(self).__name__}: {self}".splitlines()


class UnknownNameError(MlxpError, KeyError):
    """A name that is not among the known ones.

    Parameters
    ----------
    what : str
        The kind of thing: "plot", "executor", "option".
    name : str
        What was given.
    known : iterable of str
        What could have been given.
    """

    def __init__(
        self,
        what: str,
        name: str,
        known: Iterable[str],
        *,
        text: str | None = None,
        at: int | None = None,
        line: int | None = None,
    ) -> None:
        self.known = tuple(sorted({str(k) for k in known}))
        near = closest(name, self.known)
        if near is not None:
            hint = f"did you mean {near!r}?"
        else:
            shown = ", ".join(self.known[:12]) + (", …" if len(self.known) > 12 else "")
            hint = f"use one of {shown}" if shown else f"there is no {what} here"
        super().__init__(f"unknown {what} {name!r}", hint, text=text, at=at, line=line)
        self.name = name
        self.near = near

    # KeyError's own __str__ shows the repr of its argument.
    __str__ = MlxpError.__str__


class QueryError(MlxpError, SyntaxError):
    """A query that does not follow the grammar; ``at`` is the offset of the fault."""

    def __init__(self, problem: str, hint: str, *, text: str | None = None, at: int = 0) -> None:
        MlxpError.__init__(self, problem, hint, text=text, at=at)
        self.at: int = at
        # A SyntaxError with a message shows itself by these.
        self.msg = problem

    __str__ = MlxpError.__str__


class SweepSyntaxError(MlxpError, ValueError):
    """The text of a sweep that is not overrides in Hydra's grammar."""


class ConfigError(MlxpError, ValueError):
    """A configuration that cannot be composed or read."""


class InvalidConfigFileError(ConfigError):
    """A settings file with a field nobody knows (MLXP's name)."""


class MissingFieldError(ConfigError):
    """A field that must be in the configuration is not (MLXP's name)."""


class TargetError(MlxpError, LookupError):
    """What should be run does not exist or cannot be run."""


class SnapshotError(MlxpError, RuntimeError):
    """The code could not be frozen, or is not the code that was frozen."""


class ExecutorError(MlxpError, RuntimeError):
    """Runs could not be submitted, or their executor does not answer."""


class LogDirError(MlxpError, FileNotFoundError):
    """A folder that is not a log directory."""

    __str__ = MlxpError.__str__


class RunError(MlxpError, RuntimeError):
    """A run directory that cannot be made, read or resumed."""


_DISK_HINTS = {
    errno.ENOSPC: "free the disk (df -h shows it), then do it again",
    errno.EDQUOT: "free some of your quota (quota -s shows it), then do it again",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), then do it again",
    errno.EROFS: "choose a log directory that can be written: mlxp.logger.parent_log_dir=…",
    errno.EACCES: "choose a log directory that you may write: mlxp.logger.parent_log_dir=…",
    errno.EMFILE: "close files, or raise the limit (ulimit -n), then do it again",
}


class StoreError(MlxpError, OSError):
    """The disk refused to keep something; the message says what was and what was not written.

    Parameters
    ----------
    what : str
        What was not written, and what stands instead.
    error : OSError
        What the system said; its number, text and file are kept.
    """

    def __init__(self, what: str, error: OSError) -> None:
        said = error.strerror or type(error).__name__
        hint = _DISK_HINTS.get(error.errno or 0, "look at the disk, then do it again")
        super().__init__(f"{what}: {said}", hint)
        self.errno = error.errno
        self.strerror = said
        self.filename = error.filename

    def __reduce__(self) -> tuple[type[StoreError], tuple[str, OSError]]:
        """For another process; OSError's own way would lose the hint."""
        what = self.problem.removesuffix(f": {self.strerror}")
        return type(self), (what, OSError(self.errno, self.strerror, self.filename))

    __str__ = MlxpError.__str__


class MetricError(MlxpError, TypeError):
    """A metric record that cannot be stored; nothing of it was written."""


class InvalidKeyError(MlxpError, KeyError):
    """A metric file or column name that is reserved or not possible (MLXP's name)."""

    __str__ = MlxpError.__str__


class ArtifactError(MlxpError, RuntimeError):
    """An artifact that could not be saved or loaded."""


class InvalidArtifactError(ArtifactError):
    """An artifact type nobody registered (MLXP's name)."""


class MissingArtifactError(ArtifactError, FileNotFoundError):
    """An artifact or checkpoint that this run has not saved."""

    __str__ = MlxpError.__str__


class UntrustedArtifactError(ArtifactError, PermissionError):
    """An artifact that could execute code when loaded, and that this user has not signed."""

    __str__ = MlxpError.__str__


class ReductionError(MlxpError, ValueError):
    """Values that cannot be reduced or aggregated as asked."""


class SweepFailed(MlxpError, RuntimeError):  # noqa: N818 - reads as what happened: the sweep failed
    """Some runs of a sweep did not end COMPLETE.

    Parameters
    ----------
    problem, hint : str
        As for every error.
    runs : iterable of int
        Ids of the runs that did not.
    """

    def __init__(self, problem: str, hint: str, runs: Iterable[int]) -> None:
        super().__init__(problem, hint)
        self.runs = tuple(runs)
