"""The static card of a sweep, and its twin in plain text; see :mod:`mlxp_nb.ui.display`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mlxp_nb.core.card import card
from mlxp_nb.core.progress import SweepView
from mlxp_nb.core.status import State
from mlxp_nb.ui.markup import Html, clean, cut, mark, shape_of, state_html, style, tag

__all__ = ["sweep_html", "sweep_text"]


def sweep_html(view: SweepView) -> Html:
    """The card of a sweep and how it stood at ``view.taken``."""
    shown = card(view)
    live = _live(shown, _moment(view))
    body = tag("section", _card(shown), live, cls="xp xp-sweep", aria_label=_label(shown))
    return Html(style("base.css", "sweep_card.css") + body)


def sweep_text(view: SweepView) -> str:
    """The same in plain text."""
    shown = card(view)
    width = max((len(axis["key"]) for axis in shown["axes"]), default=0)
    lines = [" ".join(filter(None, (f"{_label(shown)}:", shown["total"], shown["sum"])))]
    lines[0] += f" ({_moment(view)})"
    lines += [f"  {a['key']:{width}}  {_listed(a)}" for a in shown["axes"]]
    lines += [f"  {f['name'].lower()}: {_fact_text(f)}" for f in shown["facts"] if f["value"]]
    legend = ", ".join(f"{piece['n']} {piece['word']}" for piece in shown["bar"] if piece["n"])
    lines.append(f"{shown['head']}: {legend}" + (f"; {shown['left']}" if shown["left"] else ""))
    bad = [section for section in shown["sections"] if section["kind"] == "bad"]
    lines += [_bad_text(line) for section in bad for line in section["lines"]]
    lines += [f"  {section['more']}" for section in bad if section["more"]]
    lines += [view.problem] if view.problem else []
    return clean("\n".join(lines))


def _moment(view: SweepView) -> str:
    """When this was true, on the clock of the kernel: a page that stays must say it."""
    word, seconds = ("as of", view.taken) if view.ended is None else ("ended", view.ended)
    return f"{word} {datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M %Z}"


def _label(shown: dict[str, Any]) -> str:
    return f"Sweep {shown['name'] or shown['id']}"


def _listed(axis: dict[str, Any]) -> str:
    return ", ".join(axis["values"]) + (f", +{axis['rest']}" if axis["rest"] else "")


def _fact_text(fact: dict[str, str]) -> str:
    words = f"{fact['value']} {fact['beside']}".strip()
    return f"{words} ({fact['under']})" if fact["under"] else words


def _bad_text(line: dict[str, Any]) -> str:
    varies = " ".join(f"{key}={value}" for key, _, value in line["varies"])
    parts = (line["state"], str(line["id"]), varies, line["error"], line["where"])
    return "  " + "  ".join(filter(None, parts))


def _card(shown: dict[str, Any]) -> Html:
    top = tag(
        "div",
        tag("span", shown["total"], " ", tag("span", shown["sum"], cls="xp-eq"), cls="xp-count"),
        tag("span", ", ".join(filter(None, (shown["shape"], shown["name"]))), cls="xp-name xp-v"),
        cls="xp-top",
    )
    facts = tag("dl", *map(_fact, shown["facts"]), cls="xp-facts")
    return tag(
        "div", top, tag("div", *map(_axis, shown["axes"]), cls="xp-axes"), facts, cls="xp-card"
    )


def _axis(axis: dict[str, Any]) -> Html:
    chips = [tag("span", value, cls="xp-tag xp-v", title=cut(value)) for value in axis["values"]]
    if axis["rest"]:
        chips.append(tag("span", f"+{axis['rest']}", cls="xp-tag xp-rest"))
    return Html(
        tag(
            "span",
            tag("span", axis["front"], cls="xp-dim"),
            axis["last"],
            cls="xp-code xp-key xp-v",
            title=axis["key"],
        )
        + tag("span", axis["n"], cls="xp-n")
        + tag("span", *chips, cls="xp-vals")
    )


def _fact(fact: dict[str, Any]) -> Html:
    beside = (" ", tag("span", fact["beside"], cls="xp-dim")) if fact["beside"] else ()
    value = tag("span", fact["value"], cls="xp-code xp-v" if fact["code"] else "xp-v")
    return tag(
        "div",
        tag("dt", fact["name"]),
        tag("dd", value, *beside, title=fact["value"]),
        tag("dd", fact["under"], cls="xp-s", title=fact["under"] or None),
    )


def _live(shown: dict[str, Any], moment: str) -> Html:
    top = tag(
        "div",
        tag("b", shown["head"]),
        tag("span", shown["left"], cls="xp-dim"),
        tag("span", shown["basis"], cls="xp-tip xp-basis"),
        tag("span", moment, cls="xp-tip xp-end"),
        cls="xp-top",
    )
    problem = (_problem(shown["problem"]),) if shown["problem"] else ()
    sections = [html for section in shown["sections"] for html in _section(section)]
    return tag(
        "div", top, _bar(shown["bar"]), _legend(shown["bar"]), *problem, *sections, cls="xp-lv"
    )


def _problem(text: str) -> Html:
    return tag("div", tag("span", text, cls="xp-v"), cls="xp-problem")


def _bar(pieces: Sequence[dict[str, Any]]) -> Html:
    said = ", ".join(f"{piece['n']} {piece['word']}" for piece in pieces if piece["n"])
    drawn = [
        tag(
            "i",
            cls=f"xp-{piece['kind']} xp-{shape_of(piece['kind']).tone}",
            style=f"flex:{piece['n']};--p:{piece.get('done', 1):.0%}",
        )
        for piece in pieces
        if piece["n"]
    ]
    return tag("div", *drawn, cls="xp-bar", role="img", aria_label=said)


def _legend(pieces: Sequence[dict[str, Any]]) -> Html:
    said = [
        tag(
            "span",
            mark(shape_of(piece["kind"])),
            tag("b", piece["n"]),
            piece["word"],
            cls=f"xp-{shape_of(piece['kind']).tone}" + ("" if piece["n"] else " xp-nil"),
        )
        for piece in pieces
    ]
    return tag("div", *said, cls="xp-legend")


def _section(section: dict[str, Any]) -> list[Html]:
    head = tag(
        "div",
        tag("span", section["title"], cls="xp-h"),
        tag("span", section["n"], cls="xp-dim"),
        tag("span", section["tip"], cls="xp-end xp-tip"),
        cls="xp-lsec",
    )
    lines = [(_bad_line if section["kind"] == "bad" else _line)(line) for line in section["lines"]]
    return [
        head,
        *lines,
        *([tag("div", section["more"], cls="xp-more")] if section["more"] else []),
    ]


def _chip(line: dict[str, Any]) -> Html:
    return tag("span", state_html(State(line["state"]), cut(line["evidence"])))


def _what(line: dict[str, Any], *after: Html) -> Html:
    values = [
        tag(
            "span",
            *((tag("span", short, cls="xp-dim"), " ") if short else ()),
            cut(value, 80),
            cls="xp-v",
        )
        for _, short, value in line["varies"]
    ]
    title = ", ".join(f"{key}={cut(value)}" for key, _, value in line["varies"])
    return tag("span", *values, *after, cls="xp-what", title=title)


def _line(line: dict[str, Any]) -> Html:
    heard = tag("span", f", {line['heard']}" if line["sign"] else line["heard"], cls="xp-sig")
    return tag(
        "div",
        _chip(line),
        tag("span", line["id"], cls="xp-num"),
        _what(line),
        tag("span", line["sign"], heard if line["heard"] else "", cls="xp-why xp-v"),
        tag("span", line["time"], cls="xp-num"),
        tag("span", line["host"], cls="xp-node"),
        tag("span", line["attempt"], cls="xp-att xp-dim"),
        tag("span"),
        cls="xp-ln",
    )


def _bad_line(line: dict[str, Any]) -> Html:
    where = (" ", tag("span", line["where"], cls="xp-dim")) if line["where"] else ()
    return tag(
        "div",
        _chip(line),
        tag("span", line["id"], cls="xp-num"),
        _what(line, tag("span", line["after"], cls="xp-dim")),
        tag(
            "span",
            line["error"],
            *where,
            cls=f"xp-tb xp-v xp-{shape_of(line['state']).tone}",
            title=cut(line["error"]),
        ),
        cls="xp-fail",
    )
