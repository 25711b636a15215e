"""Options of commands and magics."""

from __future__ import annotations

import pytest

from mlxp_nb.core.options import Option, OptionError, parse_options
from mlxp_nb.errors import UnknownNameError

TABLE = (
    Option(("-j", "--jobs"), "how many", "N", int),
    Option(("--out",), "where", "NAME"),
    Option(("--snapshot",), "policy", "POLICY", bare="worktree"),
    Option(("--dry-run",), "stop", default=False),
)


@pytest.mark.parametrize("given", [["-j", "2"], ["-j2"], ["--jobs=2"], ["--jobs", "2"], ["-j=2"]])
def test_a_value_is_given_in_any_usual_way(given: list[str]) -> None:
    assert parse_options([*given, "main.py"], TABLE)["jobs"] == 2
    assert parse_options([*given, "main.py"], TABLE).words == ("main.py",)


def test_what_is_not_given_has_its_default() -> None:
    parsed = parse_options(["main.py", "a=1"], TABLE)
    assert (parsed["jobs"], parsed["dry_run"], parsed.words) == (None, False, ("main.py", "a=1"))


def test_a_value_that_may_be_left_out_does_not_take_the_next_word() -> None:
    parsed = parse_options(["--snapshot", "a=1"], TABLE)
    assert (parsed["snapshot"], parsed.words) == ("worktree", ("a=1",))
    assert parse_options(["--snapshot=head"], TABLE)["snapshot"] == "head"


def test_after_two_dashes_all_are_words() -> None:
    assert parse_options(["--", "-j", "2"], TABLE).words == ("-j", "2")


@pytest.mark.parametrize(
    ("given", "problem", "hint"),
    [
        pytest.param(["-j"], "-j needs a value", "-j N", id="missing"),
        pytest.param(["-j", "--out", "x"], "-j needs a value", "-j N", id="another-option"),
        pytest.param(["-j", "two"], "not a whole number", "-j 2", id="kind"),
        pytest.param(["--dry-run=1"], "takes no value", "--dry-run", id="superfluous"),
    ],
)
def test_a_wrong_value_is_said(given: list[str], problem: str, hint: str) -> None:
    with pytest.raises(OptionError, match=problem) as caught:
        parse_options(given, TABLE)
    assert hint in caught.value.hint


def test_an_unknown_option_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown option '--job'") as caught:
        parse_options(["--job", "2"], TABLE)
    assert caught.value.hint == "did you mean '--jobs'?"
