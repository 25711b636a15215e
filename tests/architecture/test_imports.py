"""What is loaded where, and that importing the package does nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlxp_nb.project import Project
from tests.support import make_project

HEAVY = {
    "IPython", "anywidget", "duckdb", "git", "hydra", "ipywidgets", "matplotlib", "numpy",
    "pandas", "plotly", "submitit",
}  # fmt: skip


def fresh(code: str, folder: Path) -> str:
    """What a fresh interpreter prints; a warning is an error there."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import mlxp_nb", id="the-package"),
        pytest.param("import mlxp_nb.worker.job", id="a-job"),
        pytest.param("import mlxp_nb.store.index, mlxp_nb.core.sweep", id="the-store"),
        pytest.param(
            "import mlxp_nb as mlxp; mlxp.launch; mlxp.Context; mlxp.Logger; mlxp.ConfigDict",
            id="names-a-script-uses",
        ),
    ],
)
def test_a_job_loads_nothing_heavy(code: str, tmp_path: Path) -> None:
    said = fresh(f"{code}; import sys; print(*({HEAVY!r} & sys.modules.keys()))", tmp_path)
    assert said.split() == []


def test_the_users_first_line_finds_nothing_heavy_loaded(tmp_path: Path) -> None:
    script = f"""
    import sys
    import mlxp_nb as mlxp

    @mlxp.launch(config_path="configs")
    def main(ctx):
        heavy = sorted({HEAVY!r} & sys.modules.keys())
        ctx.logger.log_artifacts(heavy, "heavy", "json")

    if __name__ == "__main__":
        main()
    """
    project = Project(make_project(tmp_path, main=script))
    sweep = project.launch(project.plan("main.py", "seed=1"))
    (run,) = sweep.wait(timeout=60)
    assert run["info.snapshot.mode"] == "snapshot"
    # submitit starts the job, and loads numpy where there is one.
    assert set(run["artifact.json.heavy"].load()) <= {"submitit", "numpy"}


STATE = """
import json, logging, os, signal, sys, threading, warnings

def state():
    root = logging.getLogger()
    return {
        "signals": [repr(signal.getsignal(number)) for number in sorted(signal.valid_signals())],
        "threads": threading.active_count(),
        "filters": [repr(row) for row in warnings.filters],
        "files": sorted(os.listdir()),
        "folder": os.getcwd(),
        "logging": [root.level, *map(repr, root.handlers)],
        "streams": [repr(it) for it in (sys.stdout, sys.stderr, sys.excepthook, sys.displayhook)],
        "environment": sorted(os.environ.items()),
        "path": sys.path[:],
    }

before = state()
import MODULE
after = state()
print(json.dumps([name for name in before if before[name] != after[name]]))
"""


@pytest.mark.parametrize(
    "module", ["mlxp_nb", "mlxp_nb.entry", "mlxp_nb.worker.job", "mlxp_nb.store.index"]
)
def test_importing_changes_nothing(module: str, tmp_path: Path) -> None:
    # A file of that name is the user's own, and is still there when the interpreter has ended.
    (tmp_path / "multirun.yaml").write_text("mine: true\n")
    assert json.loads(fresh(STATE.replace("MODULE", module), tmp_path)) == []
    assert [path.name for path in tmp_path.iterdir()] == ["multirun.yaml"]
    assert (tmp_path / "multirun.yaml").read_text() == "mine: true\n"
