"""Imports point down, and each outside world is known to one room only."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Hold the package in a folder against the contracts of pyproject.toml beside it."""
    code = (
        "import importlinter.cli as cli; "
        "raise SystemExit(cli.lint_imports(no_cache=True, no_logo=True))"
    )
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )


def test_every_contract_is_kept() -> None:
    ended = lint_imports(ROOT)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 broken" in ended.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        pytest.param(
            "core/status.py",
            "import mlxp_nb.store.files",
            "Imports point down",
            id="core-sees-the-disk",
        ),
        pytest.param(
            "results/frame.py",
            "import IPython",
            "Only ui knows the notebook",
            id="results-see-the-notebook",
        ),
        pytest.param(
            "worker/job.py", "import pandas", "A job loads nothing heavy", id="job-loads-pandas"
        ),
        pytest.param("cli.py", "import hydra", "Only compose drives Hydra", id="cli-sees-hydra"),
        pytest.param("project.py", "import git", "Only snapshot touches Git", id="git"),
        pytest.param(
            "project.py",
            "import submitit",
            "Only executors know submitit",
            id="project-sees-submitit",
        ),
    ],
)
def test_a_contract_bites(tmp_path: Path, module: str, line: str, contract: str) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "mlxp_nb", tmp_path / "mlxp_nb")
    with (tmp_path / "mlxp_nb" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    ended = lint_imports(tmp_path)
    assert ended.returncode == 1
    assert f"{contract} BROKEN" in ended.stdout, ended.stdout + ended.stderr
    assert "5 kept, 1 broken" in ended.stdout
