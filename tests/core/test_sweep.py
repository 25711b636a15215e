"""The text of a cell and its overrides."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxp_nb.core.sweep import parse_overrides, unparse_overrides
from mlxp_nb.errors import SweepSyntaxError


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param("a=1", ["a=1"], id="one"),
        pytest.param("a=1 b=2", ["a=1", "b=2"], id="two-on-a-line"),
        pytest.param("a=1\n\nb=2\n", ["a=1", "b=2"], id="one-a-line"),
        pytest.param("a=1, 2", ["a=1, 2"], id="blank-after-a-comma"),
        pytest.param("a=[1, 2] b={x: 1, y: 2}", ["a=[1, 2]", "b={x: 1, y: 2}"], id="brackets"),
        pytest.param("a='x y=3' b=1", ["a='x y=3'", "b=1"], id="quoted"),
        pytest.param("a=1 # b=2", ["a=1"], id="comment"),
        pytest.param("a='#1'", ["a='#1'"], id="hash-in-quotes"),
        pytest.param("color=#fff", ["color=#fff"], id="hash-inside-a-value"),
        pytest.param("+a=1 ++b.c=2 ~d", ["+a=1", "++b.c=2", "~d"], id="prefixes"),
        pytest.param("db@x.y=mysql", ["db@x.y=mysql"], id="package"),
        pytest.param("a=${b} c=${d.e}", ["a=${b}", "c=${d.e}"], id="interpolation"),
        pytest.param("a=choice(1, 2) b=range(0, 3)", ["a=choice(1, 2)", "b=range(0, 3)"], id="fn"),
        pytest.param("", [], id="empty"),
        pytest.param("  # only this", [], id="only-a-comment"),
    ],
)
def test_a_cell_is_split_into_overrides(body: str, expected: list[str]) -> None:
    assert [override.text for override in parse_overrides(body)] == expected


def test_an_override_knows_its_line_and_place() -> None:
    second = parse_overrides("a=1\n  b=2 c=3")[2]
    assert (second.line, second.at, second.source) == (2, 6, "  b=2 c=3")


@pytest.mark.parametrize("body", ["foo bar=1", "=3", "1a=2", "a=1\n!!"])
def test_what_is_no_override_is_pointed_at(body: str) -> None:
    with pytest.raises(SweepSyntaxError, match="is not an override") as caught:
        parse_overrides(body)
    assert "key=value" in caught.value.hint
    assert "^" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "key"), [("+a.b=1", "a.b"), ("++a=1", "a"), ("~a", "a"), ("db@x=y", "db")]
)
def test_a_key_has_no_prefix_and_no_package(text: str, key: str) -> None:
    assert parse_overrides(text)[0].key == key


_KEYS = st.from_regex(r"[a-z][a-z0-9_]{0,5}(\.[a-z][a-z0-9_]{0,5}){0,2}", fullmatch=True)
_VALUES = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.from_regex(r"[a-z]{1,8}(,[a-z]{1,8}){0,3}", fullmatch=True),
    st.from_regex(r"\[[0-9]{1,3}(, [0-9]{1,3}){0,3}\]", fullmatch=True),
    st.from_regex(r"'[a-z =#]{0,10}'", fullmatch=True),
)


@settings(deadline=None)
@given(st.lists(st.tuples(_KEYS, _VALUES), max_size=6))
def test_parse_and_unparse_are_inverse(pairs: list[tuple[str, str]]) -> None:
    texts = [f"{key}={value}" for key, value in pairs]
    overrides = parse_overrides(" ".join(texts))
    assert [override.text for override in overrides] == texts
    again = parse_overrides(unparse_overrides(overrides))
    assert [override.text for override in again] == texts


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=60))
def test_no_text_raises_anything_but_our_error(body: str) -> None:
    with contextlib.suppress(SweepSyntaxError):
        parse_overrides(body)
