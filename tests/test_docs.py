"""The documents name what exists: commands, files, magics, options, settings."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlxp_nb.cli import SCRIPT_OPTIONS
from mlxp_nb.core.curves import BANDS, STATS
from mlxp_nb.core.operators import OPERATORS
from mlxp_nb.core.options import Option
from mlxp_nb.core.reductions import REDUCTIONS
from mlxp_nb.core.settings import POLICIES, ProjectSettings
from mlxp_nb.ui.arguments import PLOT_OPTIONS, RUNS_OPTIONS, SWEEP_OPTIONS
from mlxp_nb.ui.magics import XpMagics

ROOT = Path(__file__).parents[1]
DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
EACH_DOCUMENT = pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+\s+(.+?)\s*$", re.MULTILINE)
FENCE = re.compile(r"```.*?```", re.DOTALL)


def anchor(heading: str) -> str:
    """The name that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@EACH_DOCUMENT
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if link.startswith(("https://", "http://")):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if fragment:
            headings = HEADING.findall(target.read_text(encoding="utf-8"))
            assert fragment in map(anchor, headings), link


def test_the_readme_names_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert f"make {target}" in readme
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_make_help_names_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z]+):", makefile, re.MULTILINE)
    described = re.findall(r"@echo 'make ([a-z]+)", makefile)
    assert sorted(targets) == sorted([*described, "help"])


@EACH_DOCUMENT
def test_a_page_stays_free_of_this_machine(page: Path) -> None:
    assert not re.search(r"/(home|root|Users|work)/\w", page.read_text(encoding="utf-8"))


# The reference against the tables that the code reads.

REFERENCE = ROOT / "docs" / "reference.md"
SECTION = re.compile(r"^#{2,3} (.+)$", re.MULTILINE)


def section(title: str) -> str:
    """The part of the reference under a heading, up to the next one."""
    parts = SECTION.split(REFERENCE.read_text(encoding="utf-8"))
    return dict(zip(parts[1::2], parts[2::2], strict=True))[title]


def first_column(text: str) -> str:
    """What stands in the first column of the tables."""
    return "\n".join(re.findall(r"^\| (.+?) \|", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("title", "table"),
    [
        pytest.param("`%%xp_sweep`", SWEEP_OPTIONS, id="xp_sweep"),
        pytest.param("`%xp_runs`", RUNS_OPTIONS, id="xp_runs"),
        pytest.param("`%xp_plot`", PLOT_OPTIONS, id="xp_plot"),
        pytest.param("In a terminal", SCRIPT_OPTIONS, id="script"),
    ],
)
def test_every_option_is_described_and_every_described_one_exists(
    title: str, table: tuple[Option, ...]
) -> None:
    described = set(re.findall(r"(?<![\w-])--?[a-z]+", first_column(section(title))))
    assert described == {flag for option in table for flag in option.flags}


def test_every_magic_is_described_and_every_described_one_exists() -> None:
    described = set(re.findall(r"%%?xp\w*", REFERENCE.read_text(encoding="utf-8")))
    magics = XpMagics.magics
    assert {name.lstrip("%") for name in described} == set(magics["line"]) | set(magics["cell"])
    assert {name for name in described if name.startswith("%%")} == {
        f"%%{name}" for name in magics["cell"]
    }


@EACH_DOCUMENT
def test_a_page_names_no_magic_that_does_not_exist(page: Path) -> None:
    named = re.findall(r"(?<!%)(%%?)(xp\w*)", page.read_text(encoding="utf-8"))
    kinds = {"%": "line", "%%": "cell"}
    assert [name for sign, name in named if name not in XpMagics.magics[kinds[sign]]] == []


def test_every_setting_is_described() -> None:
    described = re.findall(r"`(\w+)[.`]", first_column(section("`configs/mlxp_nb.yaml`")))
    assert set(described) == set(ProjectSettings.__dataclass_fields__)


def test_every_policy_is_described() -> None:
    assert re.findall(r"`(\w+)`", first_column(section("Snapshot"))) == list(POLICIES)


def test_every_command_is_described() -> None:
    code = "from mlxp_nb.cli import main; main()"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    commands = set(re.findall(r"``mlxp-nb (\w+)", said.stdout))
    assert commands
    assert set(re.findall(r"mlxp-nb (\w+)", section("In a terminal"))) == commands


def test_every_operator_reduction_stat_and_band_is_described() -> None:
    queries = section("Queries")
    assert [name for name in (*OPERATORS, *REDUCTIONS) if f"`{name}`" not in queries] == []
    plot = section("`%xp_plot`")
    assert [name for name in (*STATS, *BANDS) if f"`{name}`" not in plot] == []
