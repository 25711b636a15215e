"""The text of a query to its expression: tokens, then a parser without recursion."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mlxp_nb.core.expression import RESERVED, And, Compare, Constant, Expression, Not, Or, show
from mlxp_nb.core.keys import Key
from mlxp_nb.core.operators import CONSTANTS, OPERATORS, Operator, pattern
from mlxp_nb.core.reductions import REDUCTIONS
from mlxp_nb.errors import QueryError, closest

__all__ = ["parse"]

_LOGIC = {"&": "&", "and": "&", "|": "|", "or": "|", "~": "~", "not": "~"}
# What people write who come from other languages.
_SLIPS = {
    "=": "==",
    "===": "==",
    "<>": "!=",
    "=<": "<=",
    "=>": ">=",
    "&&": "&",
    "||": "|",
    "!": "~",
    "AND": "and",
    "OR": "or",
    "NOT": "not",
    "IN": "in",
}
LISTS_DEEP = 20


@dataclass(frozen=True)
class _Token:
    """A piece of a query."""

    kind: str
    text: str
    at: int


_TOKEN = re.compile(
    r"""(?P<blank>\s+)
    | (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<signed>[+-](?:inf|nan)\b)
    | (?P<word>[^\W\d]\w*(?:\.\w+)*)
    | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<quoted>`(?:[^`]|``)+`(?:\.\w+)?)
    | (?P<symbol>===|==|!=|<=|>=|<>|=<|=>|&&|\|\||[<>=!&|~()\[\],])
    """,
    re.VERBOSE | re.DOTALL,
)

_WORDLIKE = re.compile(r"[\w.+/:-]+")


def _tokens(text: str) -> Iterator[_Token]:
    """The pieces of a query, and an end."""
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _unreadable(text, at)
        if match.lastgroup != "blank":
            yield _Token(str(match.lastgroup), match.group(), at)
        at = match.end()
    yield _Token("end", "", len(text))


def _unreadable(text: str, at: int) -> QueryError:
    """The error for what begins no token."""
    sign = text[at]
    if sign in "'\"`":
        what = "key" if sign == "`" else "text"
        return QueryError(f"this {what} does not end", f"end it with {sign}", text=text, at=at)
    start = at
    while start and _WORDLIKE.fullmatch(text[start - 1]):
        start -= 1
    word = _WORDLIKE.match(text, start)
    if word is not None and word.end() > at:
        piece = word.group() if len(word.group()) <= 60 else "config.my-key"
        hint = f"a key with such signs stands in backquotes: `{piece}`"
        return QueryError("this is neither a number nor a key", hint, text=text, at=start)
    hint = "take it away; text stands in quotes, and an odd key in backquotes"
    return QueryError(f"{sign!r} means nothing here", hint, text=text, at=at)


_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"'}


def _unescape(text: str) -> str:
    """A text as it was meant."""

    def meant(match: re.Match[str]) -> str:
        code = match.group(1)
        if len(code) > 1:
            return chr(int(code[1:], 16))
        return _ESCAPES.get(code, match.group())

    return _ESCAPE.sub(meant, text)


@dataclass
class _Group:
    """What stands between two brackets, as far as it is read."""

    opened: int | None = None
    alternatives: list[Expression] = field(default_factory=list)
    terms: list[Expression] = field(default_factory=list)
    negations: int = 0

    def add(self, term: Expression) -> None:
        """Take a term, with the negations that stood before it."""
        for _ in range(self.negations):
            term = Not(term)
        self.negations = 0
        self.terms.append(term)

    def end_of_terms(self) -> None:
        """Close what ``&`` joined: ``|`` or the end has come."""
        self.alternatives.append(self.terms[0] if len(self.terms) == 1 else And(tuple(self.terms)))
        self.terms = []

    def whole(self) -> Expression:
        """All of it."""
        self.end_of_terms()
        return self.alternatives[0] if len(self.alternatives) == 1 else Or(tuple(self.alternatives))


class _Parser:
    """Reads tokens with a stack of open brackets instead of recursion: any depth will do."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))
        self.place = 0
        self.groups = [_Group()]

    @property
    def next(self) -> _Token:
        """The token to be read."""
        return self.tokens[self.place]

    def take(self) -> _Token:
        """Read one token."""
        token = self.next
        if token.kind != "end":
            self.place += 1
        return token

    def error(self, problem: str, hint: str, at: int | None = None) -> QueryError:
        """An error that points at the next token, or at ``at``."""
        where = self.next.at if at is None else at
        return QueryError(problem, hint, text=self.text, at=where)

    def expected(self, what: str, hint: str) -> QueryError:
        """The error for a token that cannot stand here."""
        mend = _SLIPS.get(self.next.text)
        if mend is not None:
            hint = f"write {mend} instead of {self.next.text}"
        return self.error(f"{what} was expected", hint)

    def query(self) -> Expression:
        """The whole text."""
        if self.next.kind == "end":
            return And(())
        while True:
            self.term()
            if self.after_term():
                return self.groups[0].whole()

    def term(self) -> None:
        """Negations, then a comparison or the opening of brackets with a term in them."""
        while True:
            token = self.next
            group = self.groups[-1]
            if _LOGIC.get(token.text) == "~" and token.kind in ("symbol", "word"):
                group.negations += 1
                self.take()
            elif token.kind == "symbol" and token.text == "(":
                self.groups.append(_Group(opened=self.take().at))
            else:
                group.add(self.comparison())
                return

    def after_term(self) -> bool:
        """Closing brackets, then ``&``, ``|`` or the end; whether it was the end."""
        while self.next.kind == "symbol" and self.next.text == ")":
            if len(self.groups) == 1:
                raise self.error("this bracket closes nothing", "take it away, or open it before")
            self.take()
            inner = self.groups.pop().whole()
            self.groups[-1].add(inner)
        token = self.next
        if token.kind == "end":
            opened = self.groups[-1].opened
            if opened is not None:
                raise self.error("this bracket is not closed", "add ) at the end", opened)
            return True
        join = _LOGIC.get(token.text) if token.kind in ("symbol", "word") else None
        if join not in ("&", "|"):
            raise self.expected("& or | (and, or)", "join two comparisons with & or |")
        self.take()
        if join == "|":
            self.groups[-1].end_of_terms()
        return False

    def comparison(self) -> Compare:
        """``key operator value``."""
        key = self.key()
        operator = self.operator(key)
        at = self.next.at
        value = self.value()
        _check_value(OPERATORS[operator], value, self.text, at)
        return Compare(key, operator, value)

    def key(self) -> Key:
        """A key, bare or in backquotes."""
        token = self.next
        if token.kind == "word" and token.text not in RESERVED:
            return Key(self.take().text, None, token.at)
        if token.kind != "quoted":
            raise self.expected("a key", "write a comparison: config.seed == 1")
        name, _, reduction = self.take().text[1:].rpartition("`")
        word = reduction[1:]
        if word and word not in REDUCTIONS:
            near = closest(word, REDUCTIONS)
            hint = f"did you mean .{near}?" if near else f"use one of {' '.join(REDUCTIONS)}"
            raise self.error(f"unknown reduction {word!r}", hint, token.at + len(name) + 3)
        return Key(name.replace("``", "`"), word or None, token.at)

    def operator(self, key: Key) -> str:
        """A row of OPERATORS."""
        token = self.next
        if token.text == "not" and self.tokens[self.place + 1].text == "in":
            self.place += 2
            return "not in"
        if token.kind in ("symbol", "word") and token.text in OPERATORS:
            return self.take().text
        hint = f"use one of {' '.join(OPERATORS)}"
        if token.kind == "end" or token.text in (")", *_LOGIC):
            hint = f"say what it should be: {key} == true"
        raise self.expected("an operator", hint)

    def value(self) -> Constant:
        """A scalar or a list, also of lists."""
        lists: list[list[Constant]] = []
        while True:
            if self.next.text == "[":
                if len(lists) == LISTS_DEEP:
                    raise self.error("lists in lists in lists …", f"nest at most {LISTS_DEEP}")
                self.take()
                lists.append([])
                if self.next.text != "]":
                    continue
            else:
                done = self.scalar()
                if not lists:
                    return done
                lists[-1].append(done)
            while lists and self.closes_list():
                done = tuple(lists.pop())
                if not lists:
                    return done
                lists[-1].append(done)

    def closes_list(self) -> bool:
        """Whether a list ends here; reads the comma otherwise."""
        if self.next.text == ",":
            self.take()
            if self.next.text != "]":
                return False
        if self.next.text != "]":
            raise self.expected("a comma or ]", "write a list so: [1, 2, 3]")
        self.take()
        return True

    def scalar(self) -> Constant:
        """Number, text or named constant."""
        token = self.next
        if token.kind == "number":
            return _number(self.take(), self.text)
        if token.kind == "signed":
            return float(self.take().text)
        if token.kind == "text":
            return _unescape(self.take().text[1:-1])
        if token.kind == "word" and token.text.lower() in CONSTANTS:
            return CONSTANTS[self.take().text.lower()]
        if token.kind == "word":
            raise self.error("a value was expected", f"put text in quotes: '{token.text}'")
        raise self.expected("a value", "write a number, a text in quotes, true, null, or a list")


def _number(token: _Token, text: str) -> int | float:
    """An int where it is written as one."""
    try:
        return int(token.text) if token.text.lstrip("+-").isdigit() else float(token.text)
    except ValueError:  # Python's limit on digits
        raise QueryError(
            "this number is too long", "write it with an exponent: 1e300", text=text, at=token.at
        ) from None


def _check_value(operator: Operator, value: Constant, text: str, at: int) -> None:
    """Whether a value can stand at the right of an operator."""
    if operator.takes == "list" and not isinstance(value, tuple):
        hint = f"write a list: [{show(value)}]"
        raise QueryError(f"{operator.name} needs a list", hint, text=text, at=at)
    if operator.takes == "scalar" and isinstance(value, tuple):
        hint = f"use == or in with a list, or {operator.name} with one value"
        raise QueryError(f"{operator.name} takes no list", hint, text=text, at=at)
    if operator.takes == "pattern":
        _checkpattern(value, text, at)


def _checkpattern(value: Constant, text: str, at: int) -> None:
    """Whether a value is a regular expression."""
    if not isinstance(value, str):
        hint = "write a regular expression in quotes: 'resnet.*'"
        raise QueryError("matches needs a text", hint, text=text, at=at)
    try:
        pattern(value)
    except (re.error, OverflowError, RecursionError) as error:
        hint = f"mend it, or use contains: contains {show(value)}"
        problem = f"this is not a regular expression: {error}"
        raise QueryError(problem, hint, text=text, at=at) from error


def parse(text: str) -> Expression:
    """The expression that a query says.

    Parameters
    ----------
    text : str
        As in the grammar above; an empty one holds for every run.

    Raises
    ------
    QueryError
        With the place of the fault.
    """
    return _Parser(text).query()
