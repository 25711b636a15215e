"""What to do with columns: reductions by name, and MLXP's maps ``(function, columns, outputs)``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from mlxp_nb.core.reductions import aggregate
from mlxp_nb.errors import ReductionError

__all__ = ["Map", "Maps", "read_filter", "read_maps"]

Function: TypeAlias = "str | Callable[..., Any]"
Maps: TypeAlias = "Mapping[str, Function | Sequence[Function]] | tuple[Any, ...] | list[Any]"
"""``{"test.loss.last": ["mean", "std"]}``, ``("mean", "test.loss.last")``, ``(function, columns)``
or ``(function, columns, outputs)``, or a list of such tuples."""


@dataclass(frozen=True)
class Map:
    """One thing to do with some columns.

    Attributes
    ----------
    of : str or callable
        A row of :data:`~mlxp_nb.core.reductions.AGGREGATES`, or a function of a list of values.
    columns, outputs : tuple of str
        Names before and after.
    """

    of: Function
    columns: tuple[str, ...]
    outputs: tuple[str, ...]

    def reduce(self, column: str, values: Sequence[Any], mode: str | None) -> Any:
        """One value of a column of a group.

        Parameters
        ----------
        column : str
            Its name, for errors.
        values : sequence
            Of the runs that have one.
        mode : {"min", "max"}, optional
            For "best".

        Returns
        -------
        object
            None when a function of the user's has nothing to work on.
        """
        if isinstance(self.of, str):
            return aggregate(self.of, column, values, mode)
        return _plain(self.of(list(values))) if values else None


def _plain(value: Any) -> Any:
    """A numpy scalar as the number it is."""
    return value.item() if getattr(value, "shape", None) == () else value


def read_maps(maps: Maps) -> list[Map]:
    """The maps a user wrote, in any of the forms.

    Raises
    ------
    ReductionError
        It is none of them.
    """
    written: list[Any] = []
    if isinstance(maps, Mapping):
        for column, functions in maps.items():
            each = [functions] if isinstance(functions, str) or callable(functions) else functions
            written += [(function, column) for function in each]
    else:
        written = list(maps) if isinstance(maps, list) else [maps]
    return _distinct(_read(one) for one in written)


def read_filter(written: tuple[Any, ...]) -> Map:
    """The one map of a filter: a function of whole columns that says which rows stay."""
    (only,) = _distinct([_read(written)])
    if isinstance(only.of, str):
        raise _wrong(written)
    return only


def _read(written: Any) -> Map:
    """One map."""
    if not isinstance(written, tuple) or len(written) not in (2, 3):
        raise _wrong(written)
    of, columns = written[0], _names(written[1])
    if not (isinstance(of, str) or callable(of)) or not columns:
        raise _wrong(written)
    outputs = _names(written[2]) if len(written) == 3 else [_output(of, c) for c in columns]
    if len(written) == 2 or len(outputs) == len(columns):
        return Map(of, tuple(columns), tuple(outputs))
    raise ReductionError(
        f"{len(columns)} columns but {len(outputs)} names for the results",
        f"give one name a column, or leave them out: {tuple(columns)!r}",
    )


def _names(names: Any) -> list[str]:
    """One name or several."""
    if isinstance(names, str):
        return [names]
    if isinstance(names, (tuple, list)) and all(isinstance(name, str) for name in names):
        return list(names)
    raise _wrong(names)


def _output(of: Function, column: str) -> str:
    """The name of a result: ours for a reduction, MLXP's for a function."""
    if isinstance(of, str):
        return f"{column}.{of}"
    return f"f{getattr(of, '__name__', 'map')}.{column}"


def _distinct(maps: Iterable[Map]) -> list[Map]:
    """The maps with every result named differently: two lambdas are ``f<lambda>.x``, ``…_2``."""
    taken: set[str] = set()
    done: list[Map] = []
    for one in maps:
        outputs = []
        for name in one.outputs:
            free, number = name, 1
            while free in taken:
                number += 1
                free = f"{name}_{number}"
            taken.add(free)
            outputs.append(free)
        done.append(replace(one, outputs=tuple(outputs)))
    return done


def _wrong(written: Any) -> ReductionError:
    return ReductionError(
        f"{written!r} says neither a reduction nor a map",
        'write {"test.loss.last": ["mean", "std"]} or (function, ("test.loss",))',
    )
