"""Columns: flat keys, what varies, in which order."""

from __future__ import annotations

import datetime
import math
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxp_nb.core.columns import Kind, flatten, identity, kind_of, order, sort_key, varying

DAY = datetime.date(2026, 11, 23)


@pytest.mark.parametrize(
    ("record", "flat"),
    [
        pytest.param({"a": 1}, {"config.a": 1}, id="flat"),
        pytest.param({"a": {"b": {"c": 1}}}, {"config.a.b.c": 1}, id="nested"),
        pytest.param({"a": [1, {"b": 2}]}, {"config.a": [1, {"b": 2}]}, id="lists-are-values"),
        pytest.param({1: {2.5: "x"}}, {"config.1.2.5": "x"}, id="keys-that-are-numbers"),
        pytest.param({None: 1, True: 2}, {"config.None": 1, "config.True": 2}, id="odd-keys"),
        pytest.param({DAY: DAY}, {"config.2026-11-23": DAY}, id="dates"),
        pytest.param({"a": None}, {"config.a": None}, id="null"),
        pytest.param({"a": {}}, {}, id="nothing-in-it"),
        pytest.param({}, {}, id="empty"),
    ],
)
def test_flattens(record: dict[Any, Any], flat: dict[str, Any]) -> None:
    assert flatten(record, "config") == flat


def test_keeps_the_order_of_the_record() -> None:
    assert list(flatten({"b": {"d": 1, "c": 1}, "a": 1})) == ["b.d", "b.c", "a"]


def test_a_record_that_contains_itself_ends() -> None:
    record = yaml.safe_load("&top {a: 1, b: {c: 2, again: *top}}")
    assert flatten(record) == {"a": 1, "b.c": 2}


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("config.seed", Kind.CONFIG),
        ("info.status", Kind.INFO),
        ("artifact.pickle.last", Kind.ARTIFACT),
        ("train.loss", Kind.METRIC),
        ("configs.loss", Kind.METRIC),
    ],
)
def test_a_key_says_its_kind(key: str, kind: Kind) -> None:
    assert kind_of(key) is kind


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        pytest.param(1, 1.0, True, id="int-float"),
        pytest.param(1, True, False, id="int-bool"),
        pytest.param("1", 1, False, id="text-int"),
        pytest.param(math.nan, float("nan"), True, id="nan"),
        pytest.param([1, [2]], (1, (2.0,)), True, id="lists"),
        pytest.param([1], [True], False, id="lists-of-types"),
        pytest.param([{"a": 1, "b": 2}], [{"b": 2, "a": 1}], True, id="mappings-in-lists"),
        pytest.param([{"a": 1}], [{"a": 2}], False, id="other-mappings"),
        pytest.param(None, "None", False, id="null"),
        pytest.param({1, 2}, {2, 1}, True, id="sets"),
    ],
)
def test_tells_same_values_from_others(left: Any, right: Any, same: bool) -> None:
    assert (identity(left) == identity(right)) is same
    assert not same or hash(identity(left)) == hash(identity(right))


def test_a_list_that_contains_itself_has_an_identity() -> None:
    assert identity(yaml.safe_load("&top [1, *top]")) == identity(yaml.safe_load("&top [1, *top]"))


@pytest.mark.parametrize(
    ("rows", "keys"),
    [
        pytest.param([{"a": 1, "b": 1}, {"a": 1, "b": 2}], ["b"], id="value"),
        pytest.param([{"a": 1}, {"a": 1, "b": 2}], ["b"], id="missing-first"),
        pytest.param([{"b": 2, "a": 1}, {"a": 1}], ["b"], id="missing-later"),
        pytest.param([{"a": [1]}, {"a": [1]}], [], id="equal-lists"),
        pytest.param([{"a": None}, {}], ["a"], id="null-is-a-value"),
        pytest.param([{"a": 1}], [], id="one-row"),
        pytest.param([], [], id="no-rows"),
    ],
)
def test_finds_what_varies(rows: list[dict[str, Any]], keys: list[str]) -> None:
    assert varying(rows) == keys
    assert varying(rows[::-1]) == keys


def test_what_varies_comes_first() -> None:
    rows = [
        {"config.a": 1, "config.b": s, "info.host": "x", "info.pid": s, "info.status": "RUNNING"}
        for s in (1, 2)
    ]
    assert order(rows, ["artifact.pickle.last", "train.loss"]) == [
        "config.b",
        "info.status",
        "train.loss",
        "config.a",
        "info.pid",
        "info.host",
        "artifact.pickle.last",
    ]


def test_values_of_any_types_can_be_sorted() -> None:
    mixed: list[Any] = [None, "b", [2], math.nan, DAY, 2, "a", [1, "x"], 1.5, True, {1}]
    expected = [True, 1.5, 2, math.nan, "a", "b", DAY, [1, "x"], [2], {1}, None]
    assert [repr(v) for v in sorted(mixed, key=sort_key)] == [repr(v) for v in expected]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.dates(),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=4,
)


@settings(deadline=None)
@given(st.lists(VALUES, max_size=6))
def test_sorting_gives_one_order(values: list[Any]) -> None:
    keys = [sort_key(value) for value in sorted(values, key=sort_key)]
    assert keys == sorted(sort_key(value) for value in reversed(values))
