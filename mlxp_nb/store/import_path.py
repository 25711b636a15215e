"""Make a process import a project from its snapshot, however the project is installed."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mlxp_nb.store.places import Places, is_path, unique

__all__ = ["redirect"]

_ORIGIN = "*.dist-info/direct_url.json"


def redirect(live_root: Path, tree: Path, workdir: Path) -> list[str]:
    """Make this process, and those it starts, import the project from ``tree``.

    Every ``sys.path`` entry below ``live_root`` is replaced by the same place inside ``tree``;
    so are the paths that import hooks of editable installs hold. The sources of editable installs
    of the project go on the path too, for processes that are started later have hooks of their
    own. ``PYTHONPATH`` is set for them.

    Parameters
    ----------
    live_root : Path
        The repository as the user edits it.
    tree : Path
        Its materialised snapshot; may lie below ``live_root``.
    workdir : Path
        The folder, inside ``tree``, that goes first on the path.

    Returns
    -------
    list of str
        The live places that were replaced.
    """
    places = Places.of(live_root, tree)
    hooked = _redirect_hooks(places)
    installed = [*_roots_of(hooked), *_editable_sources(places)]
    on_path = [entry for entry in sys.path if _is_folder(entry) and places.is_live(entry)]
    moved = unique(places.moved(place) for place in (*on_path, *installed))
    first = os.path.realpath(workdir)
    others = [entry for entry in sys.path if entry and entry not in on_path]
    sys.path[:] = unique([first, *moved, *others])
    _redirect_children(places, moved)
    importlib.invalidate_caches()
    return unique((*on_path, *(path for _, path in hooked), *installed))


def _redirect_hooks(places: Places) -> list[tuple[str, str]]:
    """Rewrite the live paths that import hooks hold; give them as (module, live path).

    Hooks of editable installs keep a mapping of module names to paths: setuptools as ``MAPPING``
    and ``NAMESPACES`` of the hook's module, others as an attribute of the finder.
    """
    found = []
    for finder in sys.meta_path:
        kind = finder if isinstance(finder, type) else type(finder)
        for owner in (finder, kind, sys.modules.get(kind.__module__)):
            for held in list(getattr(owner, "__dict__", {}).values()):
                if isinstance(held, dict) and held is not sys.modules:
                    found += _redirect_mapping(held, places)
    return found


def _redirect_mapping(mapping: dict[Any, Any], places: Places) -> list[tuple[str, str]]:
    """Rewrite the live paths among the values of a mapping of module names."""
    found = []
    for name, held in list(mapping.items()):
        paths = [held] if isinstance(held, str) else held
        if not isinstance(name, str) or not isinstance(paths, list):
            continue
        live = [path for path in paths if is_path(path) and places.is_live(path)]
        if live:
            moved = [places.moved(path) if path in live else path for path in paths]
            mapping[name] = moved[0] if isinstance(held, str) else moved
            found += [(name, path) for path in live]
    return found


def _roots_of(hooked: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The folders below which hooked modules would be found by their names."""
    for name, path in hooked:
        place = path[: -len("/__init__.py")] if path.endswith("/__init__.py") else path
        place = place[: -len(".py")] if place.endswith(".py") else place
        end = "/" + name.replace(".", "/")
        if place.endswith(end):
            yield place[: -len(end)]


def _editable_sources(places: Places) -> Iterator[str]:
    """The source folders of editable installs of the live project, by their ``direct_url.json``.

    Known this way are also those that are neither a path nor a mapping: flit's symbolic links.
    """
    # importlib.metadata would find the same, and take longer to import than this to run.
    found = (file for entry in sys.path for file in Path(entry).glob(_ORIGIN))
    for folder in filter(None, map(_editable_folder, found)):
        if places.is_live(folder):
            source = f"{folder}/src"
            yield source if Path(source).is_dir() else folder


def _editable_folder(file: Path) -> str | None:
    """The folder of an editable install, from its ``direct_url.json`` (PEP 610)."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        is_editable = content.get("dir_info", {}).get("editable", False)
        url = urlsplit(content["url"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return unquote(url.path) if is_editable and url.scheme == "file" else None


def _redirect_children(places: Places, moved: Iterable[str]) -> None:
    """Set ``PYTHONPATH``: interpreters that this one starts read their own ``.pth`` files."""
    given = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    others = [entry for entry in given if not places.is_live(entry)]
    path = unique([*moved, *others])
    if path != given:
        os.environ["PYTHONPATH"] = os.pathsep.join(path)


def _is_folder(entry: str) -> bool:
    """Whether an entry of ``sys.path`` is a place, and not the mark of an import hook."""
    return not entry or is_path(entry) or Path(entry).exists()
