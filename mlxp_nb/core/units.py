"""How numbers, keys and runs are written for people: one rule for every surface."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

__all__ = ["count", "duration", "id_ranges", "short_keys", "significant", "size"]

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_BYTES = ("B", "kB", "MB", "GB", "TB", "PB")


def duration(seconds: float) -> str:
    """A span of time in the two units that matter.

    Parameters
    ----------
    seconds : float
        Below zero counts as zero: clocks of two machines differ.

    Returns
    -------
    str
        ``41 s``, ``12 min``, ``1 h 12``, ``2 d 3 h``; tenths below a second.

    Examples
    --------
    >>> [duration(s) for s in (0.4, 41, 750, 4320, 183600)]
    ['0.4 s', '41 s', '12 min', '1 h 12', '2 d 3 h']
    """
    if 0 < seconds < 0.95:
        return f"{max(seconds, 0.1):.1f} s"
    whole = max(round(seconds), 0)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d}"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def size(size_bytes: float) -> str:
    """A number of bytes in powers of 1000.

    Examples
    --------
    >>> [size(n) for n in (0, 980, 18_400, 1_500_000, 32e9)]
    ['0 B', '980 B', '18 kB', '1.5 MB', '32 GB']
    """
    value, unit = float(max(size_bytes, 0)), 0
    while value >= 999.5 and unit < len(_BYTES) - 1:
        value, unit = value / 1000, unit + 1
    shown = f"{value:.1f}" if unit and value < 9.95 else f"{value:.0f}"
    return f"{shown.removesuffix('.0')} {_BYTES[unit]}"


def significant(value: float, digits: int = 3) -> str:
    """A number with three significant digits; whole numbers as they are.

    Examples
    --------
    >>> [significant(v) for v in (0.92134, 12345.6, 3, 1.2345e-5, float("nan"))]
    ['0.921', '12346', '3', '1.23e-5', 'nan']
    """
    if not math.isfinite(value):
        return str(float(value))
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    if abs(value) >= 10 ** (digits - 1) and abs(value) < 1e6:
        return f"{value:.0f}"
    text = f"{value:#.{digits}g}".rstrip(".")
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else text


def count(number: int, noun: str) -> str:
    """How many of what, with the noun in its number.

    Examples
    --------
    >>> [count(1, "run"), count(24, "run"), count(1284, "run")]
    ['1 run', '24 runs', '1,284 runs']
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def id_ranges(ids: Iterable[int], most: int = 6) -> str:
    """Run ids in ascending order, three or more neighbours as a range.

    Parameters
    ----------
    ids : iterable of int
    most : int
        How many ids or ranges are written before an ellipsis.

    Examples
    --------
    >>> id_ranges([1065, 1063, 1064, 1070, 1071])
    '1063 to 1065, 1070, 1071'
    """
    parts: list[str] = []
    for first, last in _neighbours(sorted(set(ids))):
        if last - first >= 2:
            parts.append(f"{first} to {last}")
        else:
            parts.extend(str(i) for i in range(first, last + 1))
    return ", ".join(parts[:most]) + (", …" if len(parts) > most else "")


def _neighbours(ids: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each unbroken stretch of ``ids``, which ascend."""
    stretches: list[tuple[int, int]] = []
    for i in ids:
        if stretches and stretches[-1][1] == i - 1:
            stretches[-1] = (stretches[-1][0], i)
        else:
            stretches.append((i, i))
    return stretches


def short_keys(keys: Sequence[str]) -> Mapping[str, str]:
    """Each dotted key without its front, as long as it still names one of ``keys``.

    Examples
    --------
    >>> list(short_keys(["optimizer.lr", "model", "warmup.lr", "warmup.steps"]).values())
    ['optimizer.lr', 'model', 'warmup.lr', 'steps']
    """
    return {key: _shortest(key, keys) for key in keys}


def _shortest(key: str, keys: Sequence[str]) -> str:
    parts = key.split(".")
    for n in range(1, len(parts)):
        tail = ".".join(parts[-n:])
        if sum(k == tail or k.endswith(f".{tail}") for k in keys) == 1:
            return tail
    return key
