"""Settings of a project: MLXP's ``mlxp.yaml`` and our ``mlxp_nb.yaml``, checked key by key."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mlxp_nb.errors import InvalidConfigFileError, closest

__all__ = [
    "MLXP_DEFAULTS",
    "POLICIES",
    "LoggingSettings",
    "ProjectSettings",
    "logging_settings",
    "mlxp_settings",
    "project_settings",
]

POLICIES = ("worktree", "head", "strict", "off")

MLXP_DEFAULTS: dict[str, Any] = {
    "logger": {
        "name": "mlxp.DefaultLogger",
        "parent_log_dir": "./logs",
        "forced_log_id": -1,
        "log_streams_to_file": False,
    },
    "version_manager": {
        "name": "mlxp.GitVM",
        "parent_work_dir": "./.work_dir",
        "compute_requirements": False,
    },
    "use_version_manager": False,
    "use_scheduler": False,
    "use_logger": True,
    "interactive_mode": True,
    "resolve": True,
    "as_ConfigDict": True,
}
# Known, and absent unless given. A run is resumed by its id and its token.
_OPTIONAL = ("scheduler", "logger.token")
_LOGGERS = ("mlxp.DefaultLogger", "mlxp_nb.DefaultLogger", "DefaultLogger")
_MANAGERS = ("mlxp.GitVM", "mlxp_nb.GitVM", "GitVM")


# The key of our own section in the settings of a run, beside MLXP's.
OURS = "mlxp_nb"


@dataclass(frozen=True)
class LoggingSettings:
    """How a run writes.

    Attributes
    ----------
    sync_s : float
        At most so many seconds of records are lost by a power cut; 0 waits for the disk after
        each record.
    output_max_mb : float
        What is kept of each of stdout and stderr; 0 keeps all.
    """

    sync_s: float = 5.0
    output_max_mb: float = 100.0

    def as_section(self) -> dict[str, Any]:
        """For the settings of a run: what :func:`logging_settings` reads."""
        return {OURS: {"logging": asdict(self)}}


@dataclass(frozen=True)
class ProjectSettings:
    """What ``configs/mlxp_nb.yaml`` says.

    Attributes
    ----------
    snapshot : str
        Policy: worktree, head, strict or off.
    link : tuple of str
        Ignored paths that the snapshot links to the live project.
    include : tuple of str
        Ignored paths that are copied into the snapshot.
    exclude : tuple of str
        Globs that are never part of a snapshot.
    max_file_mb : float
        Larger uncommitted files are refused by name.
    executors : mapping
        Presets by name.
    logging : LoggingSettings
        How runs write.
    """

    snapshot: str = "worktree"
    link: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ("*.ipynb",)
    max_file_mb: float = 50.0
    executors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    logging: LoggingSettings = field(default_factory=LoggingSettings)


def mlxp_settings(given: Mapping[str, Any], where: str = "configs/mlxp.yaml") -> dict[str, Any]:
    """MLXP's settings: the defaults with what is given put over them.

    Raises
    ------
    InvalidConfigFileError
        A key MLXP does not know, or a class that this package cannot stand in for.
    """
    settings = copy.deepcopy(MLXP_DEFAULTS)
    _merge(settings, given, where, "")
    _check_class(settings["logger"]["name"], _LOGGERS, where, "logger.name")
    _check_class(settings["version_manager"]["name"], _MANAGERS, where, "version_manager.name")
    return settings


def _merge(into: dict[str, Any], given: Mapping[str, Any], where: str, prefix: str) -> None:
    """Put values over defaults, at every depth."""
    for key, value in given.items():
        if f"{prefix}{key}" in _OPTIONAL:
            into[key] = value
            continue
        if key not in into:
            raise _unknown(f"{prefix}{key}", [f"{prefix}{known}" for known in into], where)
        if isinstance(into[key], dict):
            if value is not None:
                _merge(into[key], _fields(value, where, key), where, f"{prefix}{key}.")
        else:
            into[key] = value


def _check_class(name: str, known: Sequence[str], where: str, key: str) -> None:
    if name not in known:
        raise InvalidConfigFileError(
            f"{where}: {key} is {name!r}, a class that is not supported",
            f"write {key}: {known[0]}",
        )


def _unknown(key: str, known: Sequence[str], where: str) -> InvalidConfigFileError:
    near = closest(key, known)
    hint = f"did you mean {near!r}?" if near else f"use one of {', '.join(known)}"
    return InvalidConfigFileError(f"{where}: unknown setting {key!r}", hint)


def _fields(value: Any, where: str, key: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidConfigFileError(
            f"{where}: {key} is {type(value).__name__}, not fields", f"write {key}: {{name: value}}"
        )
    return value


def project_settings(
    given: Mapping[str, Any], where: str = "configs/mlxp_nb.yaml"
) -> ProjectSettings:
    """Our settings, checked.

    Raises
    ------
    InvalidConfigFileError
        An unknown key, policy, or a value of the wrong kind.
    """
    known = tuple(ProjectSettings.__dataclass_fields__)
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key not in known:
            raise _unknown(str(key), known, where)
        values[key] = _READ[key](value, where, key)
    return ProjectSettings(**values)


def _policy(value: Any, where: str, key: str) -> str:
    # YAML reads a bare `off` as False.
    text = "off" if value is False else str(value)
    if text not in POLICIES:
        raise InvalidConfigFileError(
            f"{where}: {key} is {value!r}", f"use one of {', '.join(POLICIES)}"
        )
    return text


def _paths(value: Any, where: str, key: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InvalidConfigFileError(f"{where}: {key} is not a list", f"write {key}: [{value}]")
    return tuple(str(item) for item in value)


def _number(value: Any, where: str, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidConfigFileError(f"{where}: {key} is not a number", f"write {key}: 50")
    return float(value)


def _logging(value: Any, where: str, key: str) -> LoggingSettings:
    known = tuple(LoggingSettings.__dataclass_fields__)
    values: dict[str, float] = {}
    for name, number in _fields(value or {}, where, key).items():
        if name not in known:
            raise _unknown(f"{key}.{name}", [f"{key}.{other}" for other in known], where)
        values[name] = _number(number, where, f"{key}.{name}")
        if not 0 <= values[name] < math.inf:
            raise InvalidConfigFileError(
                f"{where}: {key}.{name} is {number}", f"write {key}: {{{name}: 5}}"
            )
    return LoggingSettings(**values)


def logging_settings(settings: Mapping[str, Any]) -> LoggingSettings:
    """How a run writes, from the settings it was recorded with; ours where they do not say."""
    ours = settings.get(OURS) or {}
    return _logging(ours.get("logging"), "metadata/mlxp.yaml", "logging")


def _presets(value: Any, where: str, key: str) -> Mapping[str, Mapping[str, Any]]:
    presets = _fields(value or {}, where, key)
    return {name: _fields(preset or {}, where, name) for name, preset in presets.items()}


_READ = {
    "snapshot": _policy,
    "link": _paths,
    "include": _paths,
    "exclude": _paths,
    "max_file_mb": _number,
    "executors": _presets,
    "logging": _logging,
}
