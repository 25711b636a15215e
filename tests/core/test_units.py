"""Numbers, keys and ids are written by one rule."""

from __future__ import annotations

import doctest
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxp_nb.core import units


def test_the_examples_are_true() -> None:
    assert doctest.testmod(units).failed == 0


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        pytest.param(-5, "0 s", id="clocks-differ"),
        pytest.param(0, "0 s", id="nothing"),
        pytest.param(0.04, "0.1 s", id="hardly-anything"),
        pytest.param(0.97, "1 s", id="rounds-to-a-second"),
        pytest.param(59.4, "59 s", id="below-a-minute"),
        pytest.param(59.6, "1 min", id="rounds-to-a-minute"),
        pytest.param(3599, "59 min", id="below-an-hour"),
        pytest.param(3660, "1 h 01", id="minutes-have-two-digits"),
        pytest.param(86399, "23 h 59", id="below-a-day"),
        pytest.param(183600, "2 d 3 h", id="days"),
    ],
)
def test_a_duration_has_the_two_units_that_matter(seconds: float, said: str) -> None:
    assert units.duration(seconds) == said


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [
        pytest.param(999, "999 B", id="bytes"),
        pytest.param(999.6, "1 kB", id="rounds-up-to-the-next-unit"),
        pytest.param(1000, "1 kB", id="powers-of-1000"),
        pytest.param(9_900, "9.9 kB", id="one-decimal-below-ten"),
        pytest.param(9_960, "10 kB", id="no-decimal-from-ten"),
        pytest.param(3e18, "3000 PB", id="beyond-the-last-unit"),
    ],
)
def test_a_size_is_in_powers_of_1000(size_bytes: float, said: str) -> None:
    assert units.size(size_bytes) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        pytest.param(0.5, "0.500", id="trailing-zeros-are-digits"),
        pytest.param(99.95, "100", id="rounds-to-three-digits"),
        pytest.param(-0.0312, "-0.0312", id="negative"),
        pytest.param(1.5e9, "1500000000", id="whole-numbers-as-they-are"),
        pytest.param(1.5e-7, "1.50e-7", id="exponent-without-zeros"),
        pytest.param(float("inf"), "inf", id="not-finite"),
    ],
)
def test_a_number_has_three_significant_digits(value: float, said: str) -> None:
    assert units.significant(value) == said


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        pytest.param([], "", id="none"),
        pytest.param([7, 6], "6, 7", id="two-neighbours-are-no-range"),
        pytest.param([3, 1, 2, 2], "1 to 3", id="in-order-and-once"),
        pytest.param(range(1, 30, 2), "1, 3, 5, 7, 9, 11, …", id="many"),
    ],
)
def test_ids_are_written_in_ranges(ids: Sequence[int], said: str) -> None:
    assert units.id_ranges(ids) == said


@given(st.lists(st.from_regex(r"[ab]{1,2}(\.[ab]{1,2}){0,3}", fullmatch=True), unique=True))
def test_a_short_key_names_only_its_own_key(keys: list[str]) -> None:
    for key, short in units.short_keys(keys).items():
        assert key.endswith(short)
        others = [k for k in keys if k != key and (k == short or k.endswith(f".{short}"))]
        assert short == key or not others
