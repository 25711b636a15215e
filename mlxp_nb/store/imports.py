"""In a job: the modules of the project come from its snapshot, or the run is refused."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder, all_suffixes
from pathlib import Path
from types import ModuleType

from mlxp_nb.errors import MlxpError, SnapshotError
from mlxp_nb.store.import_path import redirect
from mlxp_nb.store.places import PACKAGES, Places, is_path, unique

__all__ = ["TOOL", "LiveModuleError", "check", "guard", "redirect"]

# The tool itself may be installed, editable, from the repository that it freezes.
TOOL = ("mlxp_nb",)
_BUILD = ("pyproject.toml", "setup.py", "setup.cfg")


class LiveModuleError(SnapshotError, ModuleNotFoundError):
    """A module of the project that would not come from the snapshot.

    An ``except ImportError`` around an optional module holds here too.

    Parameters
    ----------
    problem, hint : str
        As for every error.
    name : str
        The module.
    path : str
        The file it would come from.
    """

    def __init__(self, problem: str, hint: str, *, name: str, path: str) -> None:
        super().__init__(problem, hint)
        self.name = name
        self.path = path

    __str__ = MlxpError.__str__


def guard(live_root: Path, tree: Path, *, allow: Collection[str] = TOOL) -> None:
    """From now on, refuse to import a module from the live project.

    Refused too, with the line that mends it, is one that only the live project has.

    Parameters
    ----------
    live_root, tree : Path
        As for ``redirect``.
    allow : collection of str
        Top-level packages that may come from there.
    """
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Guard)]
    sys.meta_path.insert(0, _Guard(Places.of(live_root, tree), frozenset(allow)))


def check(live_root: Path, tree: Path) -> None:
    """Before the first line of the user: refuse a process that would import something else.

    Raises
    ------
    LiveModuleError
        A module of the project is already imported from elsewhere, or one that the snapshot
        offers would be found elsewhere.
    """
    places = Places.of(live_root, tree)
    offered = set(_offered(places))
    for name, module in list(sys.modules.items()):
        _check_imported(_name_of(name, module), module, places, offered)
    for name in sorted(offered):
        spec = _find(name)
        for place in _places_of(spec):
            if not places.is_frozen(place) and not _is_same_copy(name, place, places):
                raise _refusal(name, place, places)


class _Guard:
    """A meta path finder that asks the others and refuses what they find in the live project."""

    def __init__(self, places: Places, allowed: frozenset[str]) -> None:
        self._places = places
        self._allowed = allowed

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the other finders find, unless it is live."""
        if fullname.partition(".")[0] in self._allowed:
            return None
        spec = _find(fullname, path, target)
        found = spec or self._left_behind(fullname, sys.path if path is None else path)
        for place in _places_of(found):
            if self._places.is_live(place):
                raise _refusal(fullname, place, self._places)
        return spec

    def _left_behind(self, name: str, path: Iterable[str]) -> ModuleSpec | None:
        """A module that the same folders of the live project have, and the snapshot has not."""
        frozen = [place for place in path if is_path(place) and self._places.is_frozen(place)]
        spec = PathFinder.find_spec(name, [self._places.counterpart(place) for place in frozen])
        return spec if spec is not None and spec.has_location else None


def _find(
    name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
) -> ModuleSpec | None:
    """What the import system finds, the guard left out."""
    for finder in sys.meta_path:
        find_spec = None if isinstance(finder, _Guard) else getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = find_spec(name, path, target) if find_spec else None
        if spec is not None:
            return spec
    return None


def _places_of(spec: ModuleSpec | None) -> list[str]:
    """The file of a module, or the folders of a namespace package; none for what is built in."""
    if spec is None:
        return []
    if spec.origin is not None and spec.has_location:
        return [spec.origin]
    return [str(place) for place in spec.submodule_search_locations or () if is_path(place)]


def _check_imported(
    name: str, module: ModuleType, places: Places, offered: Collection[str]
) -> None:
    """Refuse a module that was imported from elsewhere before the user's first line."""
    top = name.partition(".")[0]
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or top in TOOL or places.is_frozen(file):
        return
    if places.is_live(file) or (top in offered and not _is_same_copy(name, file, places)):
        raise _refusal(name, file, places)


def _name_of(name: str, module: ModuleType) -> str:
    """The name of a module; for ``__main__``, that by which ``python -m`` started it."""
    spec = getattr(module, "__spec__", None) if name == "__main__" else None
    return str(getattr(spec, "name", name))


def _refusal(name: str, place: str, places: Places) -> LiveModuleError:
    """What to say about a module that would not come from the snapshot, and the mend."""
    problem = f"module {name!r} would come from {place}, not from the snapshot"
    hint = f"pip install -e {_distribution_of(name, places)}"
    if places.is_live(place):
        problem = f"module {name!r} would come from the live file {place}, not from the snapshot"
        if not Path(places.moved(place)).exists():
            cwd = str(Path.cwd())
            project = places.counterpart(cwd) if places.is_frozen(cwd) else places.live
            missing = Path(os.path.relpath(os.path.realpath(place), project))
            hint = f"add to configs/mlxp_nb.yaml:  include: [{missing.as_posix()}]"
    return LiveModuleError(problem, hint, name=name, path=place)


def _distribution_of(name: str, places: Places) -> str:
    """The folder of the live project to install so that a module of it is found by its path."""
    for source in _sources(places):
        if name.partition(".")[0] in set(_modules_in(source)):
            folder = Path(places.counterpart(source))
            return str(folder.parent if folder.name == "src" else folder)
    return places.live


def _offered(places: Places) -> Iterator[str]:
    """Top-level modules and packages that the snapshot has for this process to import.

    Folders without ``__init__.py`` are none: a package of that name elsewhere goes first anyway.
    """
    for folder in _sources(places):
        for name in _modules_in(folder):
            if name not in TOOL and name not in sys.stdlib_module_names:
                yield name


def _sources(places: Places) -> list[str]:
    """Folders of the snapshot that modules are imported from.

    Those on ``sys.path``, and ``src`` of a project that can be installed: were another copy of it
    installed, that one would be imported.
    """
    on_path = [entry for entry in sys.path if is_path(entry) and places.is_frozen(entry)]
    projects = map(Path, unique([places.tree, *on_path]))
    installable = [str(p / "src") for p in projects if any((p / file).is_file() for file in _BUILD)]
    return [folder for folder in unique([*on_path, *installable]) if Path(folder).is_dir()]


def _modules_in(folder: str) -> Iterator[str]:
    suffixes = tuple(all_suffixes())
    with os.scandir(folder) as items:
        for item in items:
            name = item.name.partition(".")[0]
            if not name.isidentifier():
                continue
            if item.name.endswith(suffixes) or (Path(item.path) / "__init__.py").is_file():
                yield name


def _is_same_copy(name: str, place: str, places: Places) -> bool:
    """Whether an installed copy of a package is, byte for byte, what the snapshot has."""
    top = name.partition(".")[0]
    installed = next((p for p in Path(place).parents if p.name in PACKAGES), None)
    for source in map(Path, _sources(places) if installed else ()):
        module = source / f"{top}.py"
        files = [module] if module.is_file() else sorted((source / top).rglob("*.py"))
        if installed and files:
            return all(_same(file, installed / file.relative_to(source)) for file in files)
    return False


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and one.read_bytes() == other.read_bytes()
