"""MLXP's ``ConfigDict``: a real dict whose keys are attributes too, at every depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

__all__ = ["ConfigDict", "to_plain"]


def _wrap(value: Any) -> Any:
    """The same value with every mapping in it, inside lists too, a ConfigDict."""
    if isinstance(value, ConfigDict):
        return value
    if isinstance(value, Mapping):
        return ConfigDict(value)
    if isinstance(value, (list, tuple)):
        return type(value)(_wrap(item) for item in value)
    return value


def to_plain(value: Any) -> Any:
    """The same value made of dicts, lists and scalars only.

    Parameters
    ----------
    value : object
        Mappings and sequences of any class (ConfigDict, OmegaConf's containers) are copied.

    Returns
    -------
    object
        Tuples become lists, as YAML and JSON have no other.
    """
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [to_plain(item) for item in value]
    return value


class ConfigDict(dict[Any, Any]):
    """A dict whose items can be read and set as attributes: ``config.optimizer.lr``.

    A key that is also the name of a method (``items``, ``update``) is reached by
    ``config["items"]``; the method keeps working.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, _wrap(value))

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """As for dict; a mapping given as default becomes a ConfigDict."""
        if key not in self:
            self[key] = default
        return self[key]

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            known = ", ".join(sorted(str(key) for key in self))
            raise AttributeError(
                f"no field {name!r} in the configuration; it has {known}"
            ) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(str(key) for key in self)]

    def __repr__(self) -> str:
        text: str = yaml.safe_dump(to_plain(self), sort_keys=False, allow_unicode=True)
        return text

    def __copy__(self) -> ConfigDict:
        return ConfigDict(self)

    copy = __copy__

    def __deepcopy__(self, memo: dict[int, Any]) -> ConfigDict:
        import copy

        return ConfigDict({key: copy.deepcopy(value, memo) for key, value in self.items()})

    def __reduce__(self) -> tuple[Any, ...]:
        return (ConfigDict, (dict(self),))

    def to_dict(self) -> dict[Any, Any]:
        """A plain dict of plain dicts and lists."""
        plain: dict[Any, Any] = to_plain(self)
        return plain

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Merge another mapping into this one, nested mappings key by key (MLXP's rule)."""
        for key, value in dict(*args, **kwargs).items():
            mine = self.get(key)
            if isinstance(mine, ConfigDict) and isinstance(value, Mapping):
                mine.update(value)
            else:
                self[key] = value
