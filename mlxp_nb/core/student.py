"""Student's t, for the 95 % interval of a mean of a few runs."""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist

__all__ = ["half_width", "quantile"]

EXACT_UP_TO = 200


def _central(t: float, df: int) -> float:
    """P(-t < T < t) for whole degrees of freedom: a finite sum.

    Notes
    -----
    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    theta = math.atan(t / math.sqrt(df))
    sine, cosine = math.sin(theta), math.cos(theta)
    odd = df % 2
    term = cosine if odd else 1.0
    total = 0.0
    for k in range(1 + odd, df, 2):
        total += term
        term *= cosine**2 * k / (k + 1)
    total *= sine
    return 2 / math.pi * (theta + total) if odd else total


@cache
def quantile(p: float, df: int) -> float:
    """The value that Student's t stays below with probability ``p``.

    Parameters
    ----------
    p : float
        Above 0.5 and below 1.
    df : int
        Degrees of freedom, at least 1.

    Notes
    -----
    Up to 200 degrees by bisection of the exact distribution, then by the expansion of Abramowitz
    and Stegun 26.7.5, which differs from it there by less than 1e-9.
    """
    if df > EXACT_UP_TO:
        return _expansion(NormalDist().inv_cdf(p), df)
    low, high = 0.0, 1.0
    while _central(high, df) < 2 * p - 1:
        high *= 2
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return middle
        if _central(middle, df) < 2 * p - 1:
            low = middle
        else:
            high = middle


def _expansion(z: float, df: int) -> float:
    """The quantile from that of the normal distribution."""
    g1 = (z**3 + z) / 4
    g2 = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    g3 = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    g4 = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    return z + g1 / df + g2 / df**2 + g3 / df**3 + g4 / df**4


def half_width(n: int) -> float:
    """Half the width of the 95 % interval of a mean of ``n`` values, in standard errors.

    nan when n < 2.
    """
    return math.nan if n < 2 else quantile(0.975, n - 1)
