"""The filter language."""

from __future__ import annotations

import datetime
import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxp_nb.core import query
from mlxp_nb.core.columns import MISSING
from mlxp_nb.core.expression import RESERVED
from mlxp_nb.core.keys import Fields, Key, UnknownKeyError
from mlxp_nb.core.query import And, Compare, Expression, Not, Or
from mlxp_nb.core.reductions import REDUCTIONS
from mlxp_nb.errors import QueryError, UnknownNameError

FIELDS = Fields(
    frozenset(
        {
            "config.optimizer.lr",
            "config.seed",
            "config.model.name",
            "config.data.name",
            "config.my-key",
            "config.optimizer.min",
            "info.status",
            "info.logger.log_id",
        }
    ),
    lambda: ("train.loss", "test.loss", "test.acc", "artifact.pickle.model"),
)


def holds(text: str, **values: Any) -> bool:
    """Whether a query holds for a run with these values of config keys."""

    def lookup(key: Key) -> Any:
        return values.get(key.name.removeprefix("config."), MISSING)

    return query.evaluate(query.parse(text), lookup)


# --- grammar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("1", 1, id="integer"),
        pytest.param("-3", -3, id="negative"),
        pytest.param("+3", 3, id="plus"),
        pytest.param("0.5", 0.5, id="decimal"),
        pytest.param(".5", 0.5, id="no-leading-zero"),
        pytest.param("1.", 1.0, id="no-decimals"),
        pytest.param("1e-3", 1e-3, id="exponent"),
        pytest.param("-1.5E+2", -150.0, id="everything"),
        pytest.param("inf", math.inf, id="inf"),
        pytest.param("-inf", -math.inf, id="minus-inf"),
        pytest.param("True", True, id="True"),
        pytest.param("true", True, id="true"),
        pytest.param("FALSE", False, id="FALSE"),
        pytest.param("None", None, id="None"),
        pytest.param("null", None, id="null"),
        pytest.param("'COMPLETE'", "COMPLETE", id="single-quotes"),
        pytest.param('"COMPLETE"', "COMPLETE", id="double-quotes"),
        pytest.param('"it\'s"', "it's", id="other-quote-inside"),
        pytest.param(r"'it\'s'", "it's", id="escaped-quote"),
        pytest.param(r"'a\nb\tc\\d'", "a\nb\tc\\d", id="escapes"),
        pytest.param(r"'\x41\u00e9'", "Aé", id="codes"),
        pytest.param(r"'\d+\.'", r"\d+\.", id="other-backslashes-stand-for-themselves"),
        pytest.param("''", "", id="empty-text"),
        pytest.param("[]", (), id="empty-list"),
        pytest.param("[1, 'a', null, [2.5, []],]", (1, "a", None, (2.5, ())), id="lists"),
    ],
)
def test_reads_a_value(text: str, value: Any) -> None:
    found = query.parse(f"config.x == {text}")
    assert isinstance(found, Compare)
    assert repr(found.value) == repr(value)


def test_nan_is_a_value() -> None:
    found = query.parse("config.x == nan")
    assert isinstance(found, Compare)
    assert isinstance(found.value, float)
    assert math.isnan(found.value)


A, B, C = (Compare(Key(f"config.{name}"), "==", 1) for name in "abc")


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        pytest.param("", And(()), id="empty"),
        pytest.param("  \n ", And(()), id="blank"),
        pytest.param("config.a==1", A, id="without-blanks"),
        pytest.param("config.a == 1 & config.b == 1", And((A, B)), id="and"),
        pytest.param("config.a == 1 and config.b == 1", And((A, B)), id="and-word"),
        pytest.param("config.a == 1 | config.b == 1", Or((A, B)), id="or"),
        pytest.param("config.a == 1 or config.b == 1", Or((A, B)), id="or-word"),
        pytest.param("~config.a == 1", Not(A), id="not-takes-the-comparison"),
        pytest.param("not config.a == 1", Not(A), id="not-word"),
        pytest.param("~~config.a == 1", Not(Not(A)), id="not-not"),
        pytest.param(
            "config.a==1 | config.b==1 & config.c==1", Or((A, And((B, C)))), id="and-binds-closer"
        ),
        pytest.param(
            "config.a==1 & config.b==1 | config.c==1", Or((And((A, B)), C)), id="from-both-sides"
        ),
        pytest.param(
            "(config.a==1 | config.b==1) & config.c==1", And((Or((A, B)), C)), id="brackets"
        ),
        pytest.param("~(config.a==1 | config.b==1)", Not(Or((A, B))), id="not-brackets"),
        pytest.param("~config.a==1 & config.b==1", And((Not(A), B)), id="not-binds-closest"),
        pytest.param("((config.a==1))", A, id="idle-brackets"),
        pytest.param("config.a==1&config.b==1&config.c==1", And((A, B, C)), id="one-long-and"),
        pytest.param(
            "config.a==1 & (config.b==1 & config.c==1)", And((A, And((B, C)))), id="kept-brackets"
        ),
    ],
)
def test_reads_an_expression(text: str, expression: Expression) -> None:
    assert query.parse(text) == expression


@pytest.mark.parametrize(
    ("text", "key"),
    [
        pytest.param("lr < 1", Key("lr"), id="bare"),
        pytest.param("test.loss.last < 1", Key("test.loss.last"), id="reduction-is-found-later"),
        pytest.param("`config.my-key` < 1", Key("config.my-key"), id="backquotes"),
        pytest.param("`a``b` < 1", Key("a`b"), id="backquote-inside"),
        pytest.param("`test.a/b`.min < 1", Key("test.a/b", "min"), id="backquotes-reduction"),
        pytest.param("`in` < 1", Key("in"), id="a-word-of-the-language"),
        pytest.param("config.0.größe < 1", Key("config.0.größe"), id="digits-and-letters"),
    ],
)
def test_reads_a_key(text: str, key: Key) -> None:
    assert query.keys(query.parse(text)) == (key,)


def test_keys_are_told_once_and_in_order() -> None:
    found = query.keys(query.parse("config.b == 1 & (config.a == 1 | ~config.b == 2)"))
    assert found == (Key("config.b"), Key("config.a"))


# --- faults


@pytest.mark.parametrize(
    ("text", "at", "hint"),
    [
        pytest.param("config.lr about 0.1", 10, "one of ==", id="unknown-operator"),
        pytest.param("config.lr >", 11, "write a number", id="no-value"),
        pytest.param("config.lr", 9, "config.lr == true", id="no-operator"),
        pytest.param("config.lr = 1", 10, "write == instead of =", id="one-equals-sign"),
        pytest.param("config.lr => 1", 10, "write >= instead of =>", id="turned"),
        pytest.param("config.lr <> 1", 10, "write != instead of <>", id="basic"),
        pytest.param("config.a == 1 && config.b == 1", 14, "write & instead of &&", id="c-and"),
        pytest.param("config.a == 1 AND config.b == 1", 14, "write and instead of AND", id="sql"),
        pytest.param("config.a IN [1]", 9, "write in instead of IN", id="sql-in"),
        pytest.param("!config.a == 1", 0, "write ~ instead of !", id="c-not"),
        pytest.param("NOT config.a == 1", 0, "write not instead of NOT", id="sql-not"),
        pytest.param("config.model == mlp", 16, "'mlp'", id="text-without-quotes"),
        pytest.param("config.a == 'mlp", 12, "end it with '", id="open-text"),
        pytest.param("`config.a == 1", 0, "end it with `", id="open-key"),
        pytest.param("config.my-key == 1", 0, "`config.my-key`", id="hyphen"),
        pytest.param("config.a == 1..2", 12, "backquotes", id="no-number"),
        pytest.param("config.a == $x", 12, "take it away", id="no-token"),
        pytest.param("(config.a == 1", 0, "add )", id="open-bracket"),
        pytest.param("config.a == 1)", 13, "take it away", id="too-many-brackets"),
        pytest.param("()", 1, "write a comparison", id="empty-brackets"),
        pytest.param("config.a == 1 &", 15, "write a comparison", id="nothing-after-and"),
        pytest.param("config.a == 1 config.b == 1", 14, "& or |", id="nothing-between"),
        pytest.param("1 == config.a", 0, "write a comparison", id="value-first"),
        pytest.param("config.a in 3", 12, "[3]", id="in-needs-a-list"),
        pytest.param("config.a < [3]", 11, "one value", id="order-of-lists"),
        pytest.param("config.a matches '('", 17, "contains '('", id="no-expression"),
        pytest.param("config.a matches 3", 17, "quotes", id="matches-a-number"),
        pytest.param("config.a == [1 2]", 15, "[1, 2, 3]", id="no-comma"),
        pytest.param("config.a == [1, 2", 17, "[1, 2, 3]", id="open-list"),
        pytest.param("`test.loss`.lst < 1", 12, ".last", id="unknown-reduction"),
        pytest.param("config.a == " + "[" * 30, 32, "at most 20", id="deep-list"),
        pytest.param("config.a == " + "9" * 5000, 12, "1e300", id="long-number"),
    ],
)
def test_points_at_the_fault(text: str, at: int, hint: str) -> None:
    with pytest.raises(QueryError) as caught:
        query.parse(text)
    assert caught.value.at == at
    assert hint in caught.value.hint
    assert "\n" + " " * (4 + at) + "^" in str(caught.value)


def test_a_fault_is_also_a_syntax_error() -> None:
    with pytest.raises(SyntaxError):
        query.parse("config.lr about 1")


def test_nesting_has_no_limit() -> None:
    depth = 3_000
    brackets = query.parse("(" * depth + "config.a == 1" + ")" * depth)
    assert brackets == A
    deep = query.parse(
        "~(config.a == 1 & (config.b == 1 | " * depth + "config.c == 1" + "))" * depth
    )
    assert query.unparse(deep).count("~") == depth
    assert isinstance(query.evaluate(deep, lambda key: 1), bool)
    assert query.keys(deep) == (A.key, B.key, C.key)


# --- operators


TRUTH: list[tuple[str, str, list[tuple[Any, bool]]]] = [
    # operator, value in the query, value of the run, whether it holds
    ("==", "2", [(1, False), (2, True), (3, False), (2.0, True), ("2", False), (True, False)]),
    ("!=", "2", [(1, True), (2, False), (3, True), ("2", True)]),
    ("<", "2", [(1, True), (2, False), (3, False), ("1", False)]),
    ("<=", "2", [(1, True), (2, True), (3, False), (2.5, False)]),
    (">", "2", [(1, False), (2, False), (3, True), (math.inf, True)]),
    (">=", "2", [(1, False), (2, True), (3, True), ("3", False)]),
    ("<", "'b'", [("a", True), ("b", False), ("c", False), (1, False)]),
    ("<=", "'b'", [("a", True), ("b", True), ("c", False)]),
    (">", "'b'", [("a", False), ("b", False), ("c", True)]),
    (">=", "'b'", [("a", False), ("b", True), ("c", True)]),
    ("==", "true", [(True, True), (False, False), (2, False), ("true", False)]),
    ("==", "null", [(None, True), (0, False), ("", False)]),
    ("<", "null", [(None, False), (0, False)]),
    ("==", "nan", [(math.nan, True), (0.0, False)]),
    ("<", "1", [(math.nan, False)]),
    (">=", "1", [(math.nan, False)]),
    (
        "==",
        "[1, 2]",
        [((1, 2), True), ((1, 2.0), True), ((1,), False), ((2, 1), False), (1, False)],
    ),
    (
        "in",
        "[1, 'a', null]",
        [(1, True), ("a", True), (None, True), (2, False), ("1", False), (True, False)],
    ),
    ("not in", "[1, 'a']", [(1, False), ("a", False), (2, True), (None, True)]),
    ("contains", "'es'", [("resnet", True), ("es", True), ("mlp", False), (3, False)]),
    ("contains", "2", [((1, 2), True), ((1, 3), False), (("2",), False), (2, False), ("2", False)]),
    (
        "matches",
        "'^res.*[0-9]$'",
        [("resnet18", True), ("resnet", False), ("a resnet1", False), (1, False)],
    ),
    ("matches", "'n'", [("resnet", True)]),
]


@pytest.mark.parametrize(
    ("operator", "right", "left", "expected"),
    [
        pytest.param(operator, right, left, expected, id=f"{left!r} {operator} {right}")
        for operator, right, cases in TRUTH
        for left, expected in cases
    ],
)
def test_truth_table(operator: str, right: str, left: Any, expected: bool) -> None:
    assert holds(f"config.x {operator} {right}", x=left) is expected
    assert holds(f"~(config.x {operator} {right})", x=left) is not expected


def test_the_truth_table_has_every_operator() -> None:
    assert {operator for operator, _, _ in TRUTH} == set(query.OPERATORS)


@pytest.mark.parametrize("operator", query.OPERATORS.values(), ids=lambda row: row.name)
def test_a_missing_key_holds_for_no_operator_but_the_negated_ones(operator: query.Operator) -> None:
    value = {"list": "[1]", "pattern": "'a'"}.get(operator.takes, "1")
    text = f"config.x {operator.name} {value}"
    assert holds(text) is bool(operator.negates)
    assert holds(f"~({text})") is not bool(operator.negates)


def test_an_empty_query_holds_and_nothing_at_all_joined_by_or_does_not() -> None:
    assert holds("")
    assert not query.evaluate(Or(()), lambda key: 1)


def test_dates_compare_as_iso_text() -> None:
    assert holds("config.x >= '2026-11-02'", x=datetime.date(2026, 11, 2))
    assert not holds("config.x >= '2026-11-02'", x=datetime.date(2026, 11, 1))
    assert holds("config.x < '2026-11-02'", x=datetime.datetime(2026, 11, 1, 23))


def test_looks_no_further_than_the_answer_needs() -> None:
    asked: list[str] = []

    def lookup(key: Key) -> int:
        asked.append(key.name)
        return 1

    text = "config.a == 2 & config.b == 1 | config.c == 1 | config.d == 1"
    assert query.evaluate(query.parse(text), lookup)
    assert asked == ["config.a", "config.c"]


# --- binding


@pytest.mark.parametrize(
    ("name", "key"),
    [
        pytest.param("config.seed", Key("config.seed"), id="whole"),
        pytest.param("seed", Key("config.seed"), id="end"),
        pytest.param("optimizer.lr", Key("config.optimizer.lr"), id="longer-end"),
        pytest.param("model.name", Key("config.model.name"), id="enough-of-an-end"),
        pytest.param("test.loss.last", Key("test.loss", "last"), id="reduction"),
        pytest.param("acc.max", Key("test.acc", "max"), id="end-of-a-metric"),
        pytest.param("`test.loss`.min", Key("test.loss", "min"), id="backquoted-metric"),
        pytest.param("config.optimizer.min", Key("config.optimizer.min"), id="a-key-called-min"),
        pytest.param("optimizer.min", Key("config.optimizer.min"), id="its-end"),
        pytest.param("info.error.type", Key("info.error.type"), id="no-run-has-failed-yet"),
    ],
)
def test_a_name_means_a_key(name: str, key: Key) -> None:
    bound = query.bind(query.parse(f"{name} == 1"), FIELDS)
    assert query.keys(bound) == (key,)


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        pytest.param("config.sed == 1", "unknown key 'config.sed'", "config.seed", id="slip"),
        pytest.param("sed == 1", "unknown key 'sed'", "config.seed", id="slip-in-an-end"),
        pytest.param("test.los.last == 1", "unknown key", "test.loss.last", id="slip-in-a-metric"),
        pytest.param("zzz == 1", "unknown key 'zzz'", "use one of config.", id="nothing-like-it"),
        pytest.param(
            "seed == 0 & name == 'a'",
            "several keys end in 'name'",
            "config.data.name or config.model.name",
            id="ambiguous",
        ),
        pytest.param(
            "loss.last == 1",
            "several keys end in",
            "test.loss or train.loss",
            id="ambiguous-metric",
        ),
        pytest.param("test.loss < 1", "many values", "test.loss.last", id="no-reduction"),
        pytest.param(
            "test.loss.mena < 1", "unknown reduction", "test.loss.mean", id="reduction-slip"
        ),
        pytest.param(
            "test.loss.xyz < 1", "unknown reduction", ".last .first", id="no-such-reduction"
        ),
        pytest.param("artifact.pickle.model == 1", "is an artifact", "metric", id="artifact"),
        pytest.param("artifact.pickle.model.last == 1", "unknown key", "", id="reduced-artifact"),
        pytest.param("`config.seed`.last == 1", "unknown key", "", id="reduced-config"),
    ],
)
def test_a_name_that_means_nothing_is_mended(text: str, problem: str, hint: str) -> None:
    with pytest.raises(QueryError) as caught:
        query.bind(query.parse(text), FIELDS, text)
    assert problem in caught.value.problem
    assert hint in caught.value.hint
    assert text in str(caught.value)


def test_the_caret_stands_under_the_unknown_key() -> None:
    text = "info.status == 'COMPLETE' & sed == 1"
    with pytest.raises(UnknownKeyError) as caught:
        query.bind(query.parse(text), FIELDS, text)
    assert caught.value.at == text.index("sed")
    assert caught.value.near == "config.seed"
    assert isinstance(caught.value, UnknownNameError)
    assert isinstance(caught.value, KeyError)
    assert str(caught.value).startswith("unknown key 'sed'\n")


def test_a_metric_that_nothing_logs_yet_is_missing() -> None:
    fields = Fields(frozenset({"config.seed"}))
    bound = query.bind(query.parse("test.loss.last < 1"), fields)
    assert query.keys(bound) == (Key("test.loss", "last"),)


def test_metric_files_are_listed_only_for_a_name_that_needs_them() -> None:
    def no() -> tuple[str, ...]:
        raise AssertionError("asked for the metrics")

    fields = Fields(FIELDS.metadata, no)
    query.bind(query.parse("config.seed == 1 & seed == 2 & info.ended == null"), fields)
    with pytest.raises(UnknownKeyError):
        query.bind(query.parse("config.sed == 1"), fields)


def test_metadata_is_asked_before_metrics() -> None:
    text = "test.loss.last < 1 & (train.loss.min < 1 | seed == 1) & info.status == 'COMPLETE'"
    bound = query.bind(query.parse(text), FIELDS)
    asked: list[str] = []

    def lookup(key: Key) -> Any:
        asked.append(str(key))
        return MISSING

    assert not query.evaluate(bound, lookup)
    assert asked == ["info.status"]


# --- laws

WORD = st.from_regex(r"[a-z_][a-z0-9_]{0,4}", fullmatch=True)
NAMES = st.one_of(
    st.lists(WORD, min_size=1, max_size=3).map(".".join),
    st.text(min_size=1, max_size=6),
    st.text("`.-a", min_size=1, max_size=6),
    st.sampled_from(sorted(RESERVED)),
)
KEYS = st.builds(Key, NAMES, st.none() | st.sampled_from(sorted(REDUCTIONS)))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.just(math.nan),
    st.text(max_size=8),
)
LISTS = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=6)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "value": LISTS,
    "scalar": SCALARS,
    "list": st.lists(LISTS, max_size=3).map(tuple),
    "pattern": st.sampled_from(["a", "^r.*[0-9]$", "x|y", r"\d+\.", "'\"\n"]),
}


@st.composite
def comparisons(draw: Callable[[Any], Any]) -> Compare:
    operator = draw(st.sampled_from(list(query.OPERATORS.values())))
    return Compare(draw(KEYS), operator.name, draw(VALUES[operator.takes]))


def nodes(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    terms = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(Not, inner), st.builds(And, terms), st.builds(Or, terms))


EXPRESSIONS: st.SearchStrategy[Expression] = st.recursive(comparisons(), nodes, max_leaves=8)


@settings(deadline=None, max_examples=150)
@given(EXPRESSIONS)
def test_parse_undoes_unparse(expression: Expression) -> None:
    again = query.parse(query.unparse(expression))
    assert query.unparse(again) == query.unparse(expression)
    assert repr(again) == repr(expression)  # 1 is not 1.0, nor True


RUNS = st.dictionaries(st.sampled_from(["a", "b"]), LISTS)
SMALL = st.builds(
    Compare,
    st.sampled_from([Key("a"), Key("b")]),
    st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "contains"]),
    SCALARS,
)


@settings(deadline=None, max_examples=200)
@given(SMALL, SMALL, RUNS)
def test_de_morgan(left: Compare, right: Compare, run: dict[str, Any]) -> None:
    def truth(expression: Expression) -> bool:
        return query.evaluate(expression, lambda key: run.get(key.name, MISSING))

    assert truth(Not(And((left, right)))) is truth(Or((Not(left), Not(right))))
    assert truth(Not(Or((left, right)))) is truth(And((Not(left), Not(right))))
    assert truth(Not(Not(left))) is truth(left)


@settings(deadline=None, max_examples=200)
@given(SMALL, RUNS)
def test_the_negated_operators_negate(term: Compare, run: dict[str, Any]) -> None:
    def truth(operator: str, value: Any) -> bool:
        return query.evaluate(
            Compare(term.key, operator, value), lambda key: run.get(key.name, MISSING)
        )

    assert truth("!=", term.value) is not truth("==", term.value)
    assert truth("not in", (term.value,)) is not truth("in", (term.value,))
    assert truth("in", (term.value,)) is truth("==", term.value)


PIECES: list[str] = [
    *"()[]`'\"\\&|~<>=!,.+-e0 \n\t$é",
    *(" and ", " or ", " not ", " in ", " matches ", " contains ", "config.", "info.status"),
    *("seed", "test.loss", ".last", "1e-3", "true", "null", "nan", "'a'", "[1, 2]", "==", "<="),
]


GOOD = [
    "info.status == 'COMPLETE' & config.optimizer.lr <= 0.1",
    "not (seed in [1, 2, 3] or test.loss.last < 1e-3)",
    "model.name matches '^res.*' and ~(`config.my-key` != null)",
]


def mutated(text: str, dice: random.Random) -> str:
    """A query with a piece put in, taken away, or put in the place of another."""
    start = dice.randrange(len(text))
    end = dice.choice([start, start + 1, start + 4])
    return text[:start] + dice.choice(["", *PIECES]) + text[end:]


def outcome(text: str) -> bool | QueryError:
    """What a query says of a run where everything is "a"; or its fault."""
    try:
        expression = query.bind(query.parse(text), FIELDS, text)
    except QueryError as error:
        return error
    return query.evaluate(expression, lambda key: "a")


def test_fuzz_raises_only_query_errors() -> None:
    dice = random.Random(20240213)
    texts = ["".join(dice.choices(PIECES, k=dice.randrange(1, 14))) for _ in range(2500)]
    texts += [mutated(dice.choice(GOOD), dice) for _ in range(2500)]
    answers = {text: outcome(text) for text in texts}
    faults = {text: found for text, found in answers.items() if isinstance(found, QueryError)}
    assert all(fault.hint and 0 <= fault.at <= len(text) for text, fault in faults.items())
    assert len(faults) > 1000
    assert len(answers) - len(faults) > 200


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=30))
def test_any_text_is_a_query_or_a_query_error(text: str) -> None:
    found = outcome(text)
    assert isinstance(found, bool) or found.hint
