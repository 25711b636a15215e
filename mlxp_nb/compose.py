"""From ``configs/`` and overrides to resolved configurations; the only module that drives Hydra."""

from __future__ import annotations

import itertools
import os
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mlxp_nb.core.settings import (
    ProjectSettings,
    mlxp_settings,
    project_settings,
)
from mlxp_nb.core.sweep import Axis, Override
from mlxp_nb.errors import (
    ConfigError,
    InvalidConfigFileError,
    MlxpError,
    UnknownNameError,
)
from mlxp_nb.store import files

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["Configuration", "Grid", "compose", "read_mlxp_settings", "read_project_settings"]

# Hydra's state is global to the process.
_HYDRA = threading.RLock()
_MLXP = re.compile(r"^\+{0,2}(?=mlxp\.)")


@dataclass(frozen=True)
class Configuration:
    """One cell of a grid, composed.

    Attributes
    ----------
    overrides : tuple of str
        What was put over the defaults, one value a key.
    config : mapping
        The run's configuration; plain dicts, lists and scalars, resolved.
    settings : mapping
        MLXP's settings of the run.
    """

    overrides: tuple[str, ...]
    config: Mapping[str, Any]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Grid:
    """All configurations of a sweep.

    Attributes
    ----------
    axes : tuple of Axis
        The keys that take several values, in the order they were written.
    configurations : tuple of Configuration
        Their product; the last axis varies fastest.
    """

    axes: tuple[Axis, ...] = ()
    configurations: tuple[Configuration, ...] = field(default=())


def read_mlxp_settings(config_dir: Path, overrides: Sequence[Override] = ()) -> dict[str, Any]:
    """MLXP's settings of a project, from ``mlxp.yaml`` of its configuration folder.

    Overrides of ``mlxp.…`` are put over it, so that folders are known before anything is composed.
    """
    given = _read_fields(config_dir / "mlxp.yaml")
    over = [o.text.lstrip("+") for o in overrides if o.key.startswith("mlxp.")]
    if over:
        from omegaconf import OmegaConf

        dotted: Any = OmegaConf.to_container(OmegaConf.from_dotlist(over))
        given = _merged(given, dotted["mlxp"])
    file = os.path.relpath(config_dir / "mlxp.yaml")
    return mlxp_settings(given, "the settings mlxp.*" if over else file)


def read_project_settings(config_dir: Path) -> ProjectSettings:
    """Our settings of a project, from ``mlxp_nb.yaml`` of its configuration folder."""
    path = config_dir / "mlxp_nb.yaml"
    return project_settings(_read_fields(path), os.path.relpath(path))


def _read_fields(path: Path) -> Mapping[str, Any]:
    """The fields of a settings file; none when there is no file."""
    try:
        value = files.load_yaml(path)
    except FileNotFoundError:
        return {}
    except yaml.YAMLError as error:
        raise InvalidConfigFileError(
            f"{path} is not YAML: {str(error).splitlines()[0]}", "mend the file"
        ) from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidConfigFileError(f"{path} holds no fields", "write key: value")
    return value


def compose(config_dir: Path, overrides: Sequence[Override]) -> Grid:
    """Expand the grid, and compose and check every configuration of it.

    Parameters
    ----------
    config_dir : Path
        Holds ``config.yaml`` and the groups; without it the configuration starts empty, as in
        MLXP.
    overrides : sequence of Override
        Hydra's grammar. ``mlxp.…`` sets MLXP's settings instead.

    Raises
    ------
    SweepSyntaxError, UnknownNameError, ConfigError
        The first override that is wrong, with its place.
    """
    with _HYDRA, _hydra(config_dir) as composer:
        axes = [composer.expand(override) for override in overrides]
        by_key = {axis.key: axis for axis in axes}  # a later one replaces an earlier, as in Hydra
        composer.check_keys(overrides)
        configurations = tuple(
            composer.compose(cell)
            for cell in itertools.product(*(a.cells for a in by_key.values()))
        )
    swept = tuple(Axis(a.key, a.values) for a in by_key.values() if a.swept)
    return Grid(swept, configurations)


@dataclass(frozen=True)
class _Cell:
    """One value of one override."""

    text: str
    override: Override


@dataclass(frozen=True)
class _Expanded:
    """An override with its values one by one."""

    key: str
    values: tuple[str, ...]
    swept: bool
    cells: tuple[_Cell, ...]


@contextmanager
def _hydra(config_dir: Path) -> Iterator[_Composer]:
    """Hydra set up on a folder; the user's own set-up of it comes back after."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    theirs = GlobalHydra.instance().hydra
    name = "config" if (config_dir / "config.yaml").is_file() else None
    with ExitStack() as stack:
        stack.callback(lambda: setattr(GlobalHydra.instance(), "hydra", theirs))
        GlobalHydra.instance().clear()
        folder = config_dir
        if not config_dir.is_dir():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(
            initialize_config_dir(config_dir=str(folder.absolute()), version_base=None)
        )
        yield _Composer(config_dir, name)


class _Composer:
    """Composes inside an initialised Hydra."""

    def __init__(self, config_dir: Path, name: str | None) -> None:
        from hydra.core.global_hydra import GlobalHydra
        from hydra.core.override_parser.overrides_parser import OverridesParser

        self.config_dir = config_dir
        self.name = name
        self.loader = GlobalHydra.instance().config_loader()
        self.parser = OverridesParser.create(config_loader=self.loader)
        self.base = read_mlxp_settings(config_dir)

    def expand(self, override: Override) -> _Expanded:
        """The values of an override, one by one.

        Raises
        ------
        SweepSyntaxError
            It is not Hydra's grammar, or asks for what a grid cannot do.
        """
        from hydra.errors import HydraException

        text = _MLXP.sub("++", override.text)
        try:
            parsed = self.parser.parse_overrides([text])[0]
        except HydraException as error:
            raise _not_grammar(override, str(error)) from error
        key = str(parsed.get_key_element())
        if override.key.startswith(("hydra.", "hydra/")):
            raise override.error(
                f"{override.key} sets Hydra itself, which only composes here",
                "leave it out; choose where and how to run by --on and -j",
            )
        if not parsed.is_sweep_override():
            return _Expanded(override.key, (), False, (_Cell(text, override),))
        if not parsed.is_discrete_sweep():
            raise override.error(
                "interval() is for optimisers that choose their own values, not for grids",
                f"list the values: {override.key}=0.1,0.2  or  {override.key}=range(1,5)",
                override.text.find("interval"),
            )
        values = tuple(str(value) for value in parsed.sweep_string_iterator())
        if not values:
            raise override.error(
                f"{override.key} has no value", f"give at least one: {override.key}=0"
            )
        cells = tuple(_Cell(f"{key}={value}", override) for value in values)
        return _Expanded(override.key, values, True, cells)

    def check_keys(self, overrides: Sequence[Override]) -> None:
        """Find a misspelt key before anything is composed, with the nearest one that exists."""
        groups = self._groups()
        for override in overrides:
            if override.text.lstrip("+").startswith("mlxp.") or "/" in override.key:
                continue
            if override.key in groups and not override.text.startswith("~"):
                self._check_choices(override, groups[override.key])

    def _check_choices(self, override: Override, choices: Sequence[str]) -> None:
        """Every value of a group override is one of its choices."""
        for cell in self.expand(override).cells:
            choice = cell.text.partition("=")[2].strip("'\"")
            if choice not in choices and choice not in ("null", "") and "[" not in choice:
                raise UnknownNameError(
                    f"choice of {override.key}",
                    choice,
                    choices,
                    text=override.source or override.text,
                    at=override.at + override.text.find(choice),
                    line=override.line,
                )

    def _groups(self) -> dict[str, list[str]]:
        """The config groups of the project and their choices."""
        from hydra.core.object_type import ObjectType

        groups: dict[str, list[str]] = {}
        for group in self.loader.list_groups(""):
            if group != "hydra":
                groups[group] = list(self.loader.get_group_options(group, ObjectType.CONFIG))
        return {group: choices for group, choices in groups.items() if choices}

    def compose(self, cells: tuple[_Cell, ...]) -> Configuration:
        """One configuration, resolved and checked."""
        from hydra import compose as hydra_compose
        from hydra.errors import HydraException
        from omegaconf.errors import OmegaConfBaseException

        texts = [cell.text for cell in cells]
        try:
            config = hydra_compose(self.name, overrides=texts)
        except (HydraException, OmegaConfBaseException) as error:
            raise self._explain(error, cells) from error
        return self._configuration(config, texts)

    def _configuration(self, config: DictConfig, texts: list[str]) -> Configuration:
        """Split off MLXP's settings, and resolve the rest."""
        from omegaconf import OmegaConf, open_dict

        over: Mapping[str, Any] = {}
        if "mlxp" in config:
            with open_dict(config):
                part = config.pop("mlxp")
            over = OmegaConf.to_container(part, resolve=True)  # type: ignore[assignment]
        settings = mlxp_settings(_merged(_given(self.config_dir), over), "the settings mlxp.*")
        plain = self._resolve(config, bool(settings["resolve"]))
        mine = tuple(text for text in texts if not text.startswith("++mlxp."))
        return Configuration(mine, plain, settings)

    def _resolve(self, config: DictConfig, resolve: bool) -> Mapping[str, Any]:
        """Plain values; what is unset or cannot be resolved is named.

        Raises
        ------
        ConfigError
            A field is ``???``, or an interpolation leads nowhere.
        """
        from omegaconf import OmegaConf
        from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

        try:
            plain = OmegaConf.to_container(config, resolve=resolve, throw_on_missing=True)
        except MissingMandatoryValue as error:
            key = error.full_key
            raise ConfigError(
                f"{key} is ??? in the configuration and was not set", f"add {key}=VALUE"
            ) from error
        except OmegaConfBaseException as error:
            message = str(error).splitlines()[0]
            raise ConfigError(
                f"{error.full_key or 'the configuration'} cannot be resolved: {message}",
                "name a field that exists, or set it",
            ) from error
        return plain  # type: ignore[return-value]  # a DictConfig gives a dict

    def _explain(self, error: Exception, cells: tuple[_Cell, ...]) -> MlxpError:
        """Hydra's error with the override it is about, and the nearest key."""
        message = str(error)
        quoted = re.search(r"'([^']+)'", message)
        key = quoted.group(1) if quoted else ""
        cell = _about(key, cells)
        if cell is None:
            return ConfigError(f"the configuration cannot be composed: {_brief(message)}", _MEND)
        override = cell.override
        place = {"text": override.source or override.text, "line": override.line}
        if override.key in self._groups() and message.startswith("Could not override"):
            return override.error(
                f"{override.key} is a config group that the defaults do not name",
                f"write +{override.text}, or add '- {override.key}: …' to the defaults",
            )
        if message.startswith("Could not override") or "does not exist" in message:
            return UnknownNameError(
                "key",
                override.key,
                self._known(),
                text=override.source or override.text,
                at=override.at + override.text.find(override.key),
                line=override.line,
            )
        if message.startswith("Could not append"):
            bare = override.text.lstrip("+")
            return ConfigError(
                f"{override.key} is in the configuration already",
                f"write {bare}",
                text=place["text"],  # type: ignore[arg-type]
                at=override.at,
                line=override.line,
            )
        return override.error(_brief(message), _MEND)

    def _known(self) -> list[str]:
        """Every dotted key of the configuration without overrides, and every group."""
        from hydra import compose as hydra_compose

        config = hydra_compose(self.name)
        return [*_dotted(config), *self._groups()]


_MEND = "see https://hydra.cc/docs/advanced/override_grammar/basic"


def _about(key: str, cells: tuple[_Cell, ...]) -> _Cell | None:
    """The cell that a message of Hydra names."""
    for cell in cells:
        if cell.override.key == key or cell.text.lstrip("+~").startswith(f"{key}="):
            return cell
    name = key.partition("@")[0]
    for cell in cells:
        if name and cell.override.key in (name, name.rpartition("/")[0]):
            return cell
    return None


def _brief(message: str) -> str:
    """The first line of a message of Hydra that says something."""
    lines = [line for line in message.splitlines() if line and not line.startswith("See http")]
    return lines[-1] if lines and lines[0].startswith("Error parsing") else " ".join(lines[:2])


def _not_grammar(override: Override, message: str) -> MlxpError:
    """An override that Hydra's grammar does not have, with the place."""
    brief = _brief(message)
    key, equals, value = override.text.partition("=")
    if not equals:
        return override.error(
            f"{key!r} has no value", f"write {key}=VALUE, or ~{key} to delete it", len(key)
        )
    quoted = re.search(r"input '(.*)'", brief)
    word = quoted.group(1) if quoted else ""
    within = override.text.find(word, len(key) + 1) if word not in ("", "<EOF>") else -1
    if within < 0:
        within = len(override.text) if "<EOF>" in brief else len(key) + 1
    hint = "close what is open, or quote the value: " if _is_open(value) else "quote the value: "
    return override.error(
        f"the value of {key.lstrip('+')} is not Hydra's grammar", f"{hint}{key}='{value}'", within
    )


def _is_open(value: str) -> bool:
    """Whether brackets or quotes are left open."""
    pairs = (("[", "]"), ("(", ")"), ("{", "}"))
    return any(value.count(a) != value.count(b) for a, b in pairs) or any(
        value.count(quote) % 2 for quote in "'\""
    )


def _dotted(config: Any, prefix: str = "") -> Iterator[str]:
    """Dotted keys of a configuration, inner ones too."""
    from omegaconf import DictConfig

    for key in config:
        yield f"{prefix}{key}"
        inner = config._get_node(key)
        if isinstance(inner, DictConfig) and isinstance(inner._content, dict):
            yield from _dotted(inner, f"{prefix}{key}.")


def _given(config_dir: Path) -> Mapping[str, Any]:
    """What ``mlxp.yaml`` says, unchecked; it was checked when the composer was made."""
    return _read_fields(config_dir / "mlxp.yaml")


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` put over ``under``, at every depth."""
    merged = dict(under)
    for key, value in over.items():
        mine = merged.get(key)
        both = isinstance(mine, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(mine, value) if both else value  # type: ignore[arg-type]
    return merged
