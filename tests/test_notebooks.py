"""Every notebook runs, shows what it should without a browser, and is committed without outputs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from mlxp_nb.store import rundir

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SAVED_MAX_BYTES = 400_000


def git(folder: Path, *arguments: str) -> str:
    """What Git says, as a user whose own settings play no part."""
    name = ("-c", "user.name=A Researcher", "-c", "user.email=researcher@example.org")
    return subprocess.run(
        ["git", *name, *arguments], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A Git repository that holds the notebooks and their project, in a path with a space."""
    folder = tmp_path / "a clone"
    leave = shutil.ignore_patterns("logs", ".work_dir", "__pycache__", ".ipynb_checkpoints")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks", ignore=leave)
    shutil.copy(ROOT / ".gitignore", folder)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "As it was cloned")
    return folder


def demo(folder: Path, timeout_s: float = 280) -> subprocess.CompletedProcess[str]:
    """Do what ``make demo`` does once everything is installed."""
    return subprocess.run(
        [sys.executable, str(folder / "notebooks" / "demo.py")],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )


def read(notebook: Path) -> Any:
    """A notebook as nbformat gives it."""
    return nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]  # has no types


def outputs(notebook: Path) -> list[dict[str, Any]]:
    """The forms of every output, in order."""
    content = read(notebook)
    return [
        out["data"] for cell in content.cells for out in cell.get("outputs", ()) if "data" in out
    ]


def said_as_error(notebook: Path) -> str:
    """Warnings and errors that the cells printed."""
    return "".join(
        out.text
        for cell in read(notebook).cells
        for out in cell.get("outputs", ())
        if out.get("name") == "stderr"
    )


def test_the_demo_runs_a_sweep_of_which_every_run_completes(clone: Path) -> None:
    ended = demo(clone)
    assert ended.returncode == 0, ended.stderr
    assert "mlp     0.1   0.9" in ended.stdout
    assert ended.stdout.count("(n = 3)") == 4
    assert rundir.list_ids(clone / "notebooks" / "digits" / "logs") == [*range(1, 13)]

    # What it leaves is a notebook that can be looked at without a kernel or a browser ...
    notebook, page = clone / ".demo" / "quickstart.ipynb", clone / ".demo" / "quickstart.html"
    assert notebook.stat().st_size < SAVED_MAX_BYTES
    assert said_as_error(notebook) == ""
    shown = outputs(notebook)
    assert [out for out in shown if "text/plain" not in out] == []
    html = "".join("".join(out.get("text/html", "")) for out in shown)
    assert "12 of 12 complete" in html
    assert html.count("<table") >= 2
    assert any("image/svg+xml" in out for out in shown)
    whole_page = page.read_text(encoding="utf-8")
    assert "12 of 12 complete" in whole_page
    assert 'data-mime-type="image/svg+xml"' in whole_page
    # ... and a clone in which Git sees nothing new but the snapshot's name.
    assert git(clone, "status", "--porcelain") == ""
    assert len(git(clone, "for-each-ref", "refs/mlxp/snapshots").splitlines()) == 1


def make_small(folder: Path) -> None:
    """Leave two runs of the sweep, for what does not depend on how many there are."""
    notebook = folder / "notebooks" / "quickstart.ipynb"
    text = notebook.read_text(encoding="utf-8")
    for line, short in {
        "optimizer.lr=0.01,0.1": "optimizer.lr=0.1",
        "model=logreg,mlp": "model=mlp",
        "seed=range(3)": "seed=range(2)",
    }.items():
        assert line in text
        text = text.replace(line, short)
    notebook.write_text(text, encoding="utf-8")


def test_the_demo_fails_when_a_run_fails(clone: Path) -> None:
    make_small(clone)
    script = clone / "notebooks" / "digits" / "main.py"
    text = script.read_text(encoding="utf-8")
    line = "    digits = data.load()\n"
    assert line in text
    script.write_text(text.replace(line, f"    assert config.seed == 0, 'unlucky'\n{line}"))
    ended = demo(clone)
    assert ended.returncode == 1
    assert "1 of 2 runs did not complete" in ended.stderr
    assert "AssertionError: unlucky" in ended.stderr
    assert "Not COMPLETE: 2" in ended.stderr


def test_the_demo_says_that_a_download_without_git_is_unversioned(clone: Path) -> None:
    make_small(clone)
    shutil.rmtree(clone / ".git")
    ended = demo(clone)
    assert ended.returncode == 0, ended.stderr
    assert "recorded as unversioned" in ended.stdout
    assert "(n = 2)" in ended.stdout


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.name)
def test_a_notebook_is_committed_without_outputs(notebook: Path) -> None:
    content = read(notebook)
    nbformat.validate(content)
    code = [cell for cell in content.cells if cell.cell_type == "code"]
    assert [cell for cell in code if cell.outputs or cell.execution_count is not None] == []
    assert content.metadata.kernelspec["name"] == "python3"


def test_every_notebook_is_executed_here() -> None:
    assert [notebook.name for notebook in NOTEBOOKS] == ["quickstart.ipynb"]
