"""The life of a sweep, from text to table, with real processes and a real repository."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlxp_nb.core.status import State
from mlxp_nb.errors import MlxpError, RunError, SnapshotError, SweepFailed
from mlxp_nb.project import Project, open_sweep
from mlxp_nb.store import files, rundir
from mlxp_nb.store.owner import Identity, is_alive
from mlxp_nb.sweeps import Sweep
from tests.support import git, make_project, write

SLEEPS = """
import time
import mlxp_nb as mlxp

@mlxp.launch()
def main(ctx):
    ctx.logger.log_metrics({"epoch": 0}, "train")
    (ctx.project_dir / f"began-{ctx.config.seed}").touch()
    while not (ctx.project_dir / "go").exists():
        time.sleep(0.02)
    ctx.logger.log_metrics({"epoch": 1}, "train")

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A committed project; whatever was launched in it is ended."""
    root = make_project(tmp_path / "a project")
    monkeypatch.chdir(root)
    yield root
    for sweep in Project(root).sweeps():
        sweep.cancel()
        sweep.wait(60, check=False)


def launch(text: str = "", target: str = "main.py", **options: Any) -> Sweep:
    project = Project()
    return project.launch(project.plan(target, text, **options))


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something that must happen."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def info(folder: Path, run_id: int = 1) -> dict[str, Any]:
    return dict(rundir.read(folder / "logs", run_id).info)


def test_a_sweep_runs_and_is_read(folder: Path) -> None:
    sweep = launch("optimizer.lr=0.1,1.0 model=mlp,logreg\nseed=range(2)", parallel=2)
    frame = sweep.wait(120)
    assert len(sweep) == len(frame) == 8
    assert {run.state for run in frame} == {State.COMPLETE}
    assert [run["config.seed"] for run in frame][:3] == [0, 1, 0]
    assert frame[0]["train.loss"] == pytest.approx([0.1, 0.05, 0.1 / 3])
    assert (folder / "logs/1/log.stdout").read_text() == "seeded 0\nvalue first\n"
    record = info(folder)
    assert record["snapshot"]["mode"] == "snapshot"
    assert record["snapshot"]["commit"] == git(folder, "rev-parse", "HEAD")
    assert record["overrides"] == ["optimizer.lr=0.1", "model=mlp", "seed=0"]
    assert record["sweep"] == {"id": sweep.id, "name": "main", "size": 8, "index": 0}
    assert record["environment"]["python"].startswith(f"{sys.version_info[0]}.")
    assert record["end"] == {"reason": "returned", "exit_code": 0}


def test_the_users_repository_is_as_it_was(folder: Path) -> None:
    write(folder, {"helper.py": "VALUE = 'changed'\n", "new.py": "1\n"})
    git(folder, "add", "new.py")
    before = {
        "index": (folder / ".git/index").read_bytes(),
        "head": git(folder, "rev-parse", "HEAD"),
        "branches": git(folder, "for-each-ref", "refs/heads", "refs/stash"),
        "status": git(folder, "status", "--porcelain"),
    }
    launch("seed=0").wait(60)
    assert before == {
        "index": (folder / ".git/index").read_bytes(),
        "head": git(folder, "rev-parse", "HEAD"),
        "branches": git(folder, "for-each-ref", "refs/heads", "refs/stash"),
        "status": git(folder, "status", "--porcelain"),
    }


def test_uncommitted_and_untracked_code_runs_and_is_recorded(folder: Path) -> None:
    write(folder, {"helper.py": "from new import VALUE\n", "new.py": "VALUE = 'dirty'\n"})
    launch("seed=0").wait(60)
    assert "value dirty" in (folder / "logs/1/log.stdout").read_text()
    snapshot = info(folder)["snapshot"]
    assert snapshot["dirty"]["modified"] == ["helper.py"]
    assert snapshot["dirty"]["untracked"] == ["new.py"]
    assert git(folder, "show", f"{snapshot['tree']}:new.py") == "VALUE = 'dirty'"
    assert git(folder, "rev-parse", f"refs/mlxp/snapshots/{snapshot['tree']}^{{tree}}")


def test_code_edited_between_submission_and_start_does_not_run(folder: Path) -> None:
    write(folder, {"main.py": SLEEPS.replace('"go"', 'f"go-{ctx.config.seed}"')})
    write(folder, {"main.py": (folder / "main.py").read_text() + "\nprint('first')\n"})
    sweep = launch("seed=0,1", parallel=1)
    until((folder / "began-0").exists)
    write(folder, {"main.py": "raise SystemExit('the live file was run')\n"})
    (folder / "configs/config.yaml").write_text("seed: 99\n")
    (folder / "go-0").touch()
    (folder / "go-1").touch()
    frame = sweep.wait(60)
    assert frame["config.seed"] == [0, 1]
    assert (folder / "logs/2/log.stdout").read_text() == "first\n"


def test_a_changed_snapshot_is_refused(folder: Path) -> None:
    launch("seed=0").wait(60)
    tree = Path(info(folder)["snapshot"]["path"])
    (tree / "helper.py").chmod(0o644)
    (tree / "helper.py").write_text("VALUE = 'tampered'\n")
    write(folder, {"other.txt": "so that the next snapshot is another\n"})
    launch("seed=0").wait(60)
    record = rundir.allocate(
        folder / "logs", {"seed": 0}, {**info(folder), "status": "STARTING", "end": None}
    )
    done = subprocess.run(
        [sys.executable, "-m", "mlxp_nb.worker.job", str(record.path)], capture_output=True
    )
    assert done.returncode != 0
    error = info(folder, record.id)["error"]
    assert (error["type"], "helper.py" in error["message"]) == ("SnapshotError", True)
    assert "tampered" not in (record.path / "log.stdout").read_text()


def test_at_most_so_many_run_at_once(folder: Path) -> None:
    write(folder, {"main.py": SLEEPS})
    sweep = launch("seed=range(5)", parallel=2)
    until(lambda: len(list(folder.glob("began-*"))) == 2)
    time.sleep(0.5)
    states = [verdict.state for verdict in sweep.states().values()]
    assert states.count(State.RUNNING) == 2
    assert states.count(State.PENDING) == 3
    assert sweep.view().runs[0].sign == "epoch 0"
    (folder / "go").touch()
    sweep.wait(60)


def test_a_failed_run_says_why_and_the_others_go_on(folder: Path) -> None:
    write(
        folder,
        {
            "main.py": """
            import mlxp_nb as mlxp

            @mlxp.launch()
            def main(ctx):
                if ctx.config.seed == 1:
                    raise ValueError("loss is nan")

            if __name__ == "__main__":
                main()
            """
        },
    )
    sweep = launch("seed=range(3)")
    with pytest.raises(SweepFailed, match="1 of 3 runs did not complete") as caught:
        sweep.wait(60)
    assert "ValueError: loss is nan" in str(caught.value)
    assert caught.value.runs == (2,)
    assert [v.state.value for v in sweep.states().values()] == ["COMPLETE", "FAILED", "COMPLETE"]
    failed = info(folder, 2)
    assert failed["error"]["where"] == "main.py:6"
    assert "loss is nan" in (folder / "logs/2/log.stderr").read_text()
    assert sweep.view().runs[1].error == "ValueError: loss is nan"
    assert len(sweep.wait(1, check=False)) == 3


def test_a_cancelled_sweep_ends_and_says_so(folder: Path) -> None:
    write(folder, {"main.py": SLEEPS})
    sweep = launch("seed=range(3)", parallel=1)
    until((folder / "began-0").exists)
    sweep.cancel()
    sweep.wait(60, check=False)
    assert {verdict.state for verdict in sweep.states().values()} == {State.CANCELLED}
    assert info(folder, 1)["end"]["reason"] == "SIGTERM"
    assert info(folder, 3)["end"]["reason"] == "cancelled before it began"
    assert not (folder / "began-2").exists()


def test_one_run_of_a_sweep_can_be_cancelled(folder: Path) -> None:
    write(folder, {"main.py": SLEEPS})
    sweep = launch("seed=range(2)", parallel=2)
    until(lambda: len(list(folder.glob("began-*"))) == 2)
    sweep.cancel([2])
    until(lambda: sweep.states()[2].state is State.CANCELLED)
    assert sweep.states()[1].state is State.RUNNING
    with pytest.raises(RunError, match="run 9 is not of sweep"):
        sweep.cancel([9])
    (folder / "go").touch()
    sweep.wait(60, check=False)
    assert sweep.states()[1].state is State.COMPLETE


def test_a_killed_job_is_shown_as_killed(folder: Path) -> None:
    write(folder, {"main.py": SLEEPS})
    sweep = launch("seed=0")
    until((folder / "began-0").exists)
    os.kill(info(folder)["process_id"], signal.SIGKILL)
    sweep.wait(60, check=False)
    assert sweep.states()[1].state is State.KILLED
    (run,) = Project().runs()
    assert run["info.status"] == "KILLED"


def test_runs_go_on_without_the_process_that_launched_them(folder: Path) -> None:
    write(folder, {"main.py": SLEEPS})
    script = "import mlxp_nb, os; mlxp_nb.sweep('main.py', 'seed=0,1'); os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", script], cwd=folder)
    assert done.returncode == -signal.SIGKILL
    sweep = open_sweep("main")
    until((folder / "began-0").exists)
    (folder / "go").touch()
    assert len(sweep.wait(60)) == 2


def test_a_dead_supervisor_is_replaced_and_no_run_is_lost_or_run_twice(folder: Path) -> None:
    write(folder, {"main.py": SLEEPS})
    sweep = launch("seed=range(3)", parallel=1)
    until((folder / "began-0").exists)
    who = Identity.from_dict(files.load_json(sweep.folder / "supervisor.json"))
    assert who is not None
    os.kill(who.pid, signal.SIGKILL)
    until(lambda: not is_alive(who))
    again = open_sweep(sweep.id)
    assert again.states()[1].state is State.RUNNING
    (folder / "go").touch()
    frame = again.wait(60)
    assert [run["train.epoch"] for run in frame] == [[0, 1]] * 3


def test_data_that_git_ignores_is_linked(folder: Path) -> None:
    write(
        folder,
        {
            "data/x.txt": "42",
            "main.py": """
            import mlxp_nb as mlxp

            @mlxp.launch()
            def main(ctx):
                print("data", open("data/x.txt").read())

            if __name__ == "__main__":
                main()
            """,
        },
    )
    sweep = launch()
    with pytest.raises(SweepFailed) as caught:
        sweep.wait(60)
    assert "add to configs/mlxp_nb.yaml:  link: [data]" in caught.value.hint
    assert info(folder)["error"]["hint"].endswith("link: [data]")
    write(folder, {"configs/mlxp_nb.yaml": "link: [data]\n"})
    launch().wait(60)
    assert (folder / "logs/2/log.stdout").read_text() == "data 42\n"


def test_a_function_of_a_package_is_a_target(folder: Path) -> None:
    write(
        folder,
        {
            "src/pkg/__init__.py": "",
            "src/pkg/train.py": """
            def train(ctx):
                ctx.logger.log_metrics({"loss": ctx.config.seed}, "train")
            """,
        },
    )
    (folder / "pkg").symlink_to("src/pkg")
    frame = launch("seed=4", target="pkg.train:train").wait(60)
    assert frame[0]["train.loss"] == [4]


def test_a_script_in_a_folder_keeps_its_logs_beside_it(folder: Path) -> None:
    inner = make_project(folder / "inner", commit=False)
    (inner / ".git").rename(folder.parent / "unused")
    sweep = launch("seed=1", target="inner/main.py")
    sweep.wait(60)
    assert sweep.log_dir == inner / "logs"
    assert rundir.read(inner / "logs", 1).info["work_dir"].endswith(str(sweep.view().snapshot)) is (
        False
    )
    assert (inner / "logs/1/metrics/train.json").exists()


def test_outside_a_repository_it_runs_in_place_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_project(tmp_path / "plain", commit=False)
    (root / ".git").rename(tmp_path / "unused")
    monkeypatch.chdir(root)
    sweep = launch("seed=1")
    sweep.wait(60)
    snapshot = info(root)["snapshot"]
    assert (snapshot["mode"], snapshot["tree"]) == ("unversioned", None)
    assert (sweep.view().policy, sweep.view().snapshot) == ("unversioned", "none")
    assert "later edits reach the runs" in sweep.view().dirty


@pytest.mark.parametrize("policy", ["worktree", "head", "strict"])
def test_outside_a_repository_a_snapshot_that_was_asked_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    root = make_project(tmp_path / "plain", commit=False)
    (root / ".git").rename(tmp_path / "unused")
    monkeypatch.chdir(root)
    with pytest.raises(SnapshotError) as caught:
        launch("seed=1", policy=policy)
    assert "git init" in caught.value.hint
    assert not (root / "logs").exists()


def test_policy_off_runs_in_place(folder: Path) -> None:
    launch("seed=1", policy="off").wait(60)
    assert info(folder)["snapshot"]["mode"] == "in_place"
    assert info(folder)["work_dir"] == str(folder)


def test_the_environment_of_the_kernel_does_not_reach_the_job(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    monkeypatch.setenv("MINE", "kept")
    write(
        folder,
        {
            "main.py": """
            import os
            import mlxp_nb as mlxp

            @mlxp.launch()
            def main(ctx):
                names = ("MPLBACKEND", "JPY_PARENT_PID", "CUDA_VISIBLE_DEVICES", "MINE")
                print([os.environ.get(name) for name in names])

            if __name__ == "__main__":
                main()
            """
        },
    )
    launch().wait(60)
    assert (folder / "logs/1/log.stdout").read_text() == "[None, None, None, 'kept']\n"


def test_a_script_that_calls_nothing_fails_with_the_mend(folder: Path) -> None:
    text = (folder / "main.py").read_text().replace("    main()\n", "    pass\n")
    write(folder, {"main.py": text})
    launch("seed=1").wait(60, check=False)
    error = info(folder)["error"]
    assert error["type"] == "TargetError"
    assert "__main__" in error["hint"]


def test_a_script_that_cannot_be_imported_fails_with_its_traceback(folder: Path) -> None:
    write(folder, {"helper.py": "import nowhere_to_be_found\n"})
    launch("seed=1").wait(60, check=False)
    error = info(folder)["error"]
    assert (error["type"], error["where"]) == ("ModuleNotFoundError", "helper.py:1")


@pytest.mark.parametrize(
    ("target", "text", "options", "problem", "hint"),
    [
        pytest.param("mian.py", "", {}, "there is no mian.py", "main.py", id="target"),
        pytest.param("main", "", {}, "not something that can be run", "main.py", id="no-target"),
        pytest.param("main.py", "sed=1", {}, "unknown key 'sed'", "seed", id="key"),
        pytest.param("main.py", "model=mpl", {}, "unknown choice", "mlp", id="choice"),
        pytest.param("main.py", "seed=[1", {}, "grammar", "close", id="grammar"),
        pytest.param("main.py", "", {"on": "locla"}, "unknown executor", "local", id="executor"),
        pytest.param("main.py", "", {"parallel": -1}, "max_parallel", "-j 2", id="parallel"),
        pytest.param("main.py", "", {"policy": "haed"}, "policy", "head", id="policy"),
        pytest.param("main.py", "mlxp.use_scheduler=true", {}, "use_scheduler", "--on", id="mlxp"),
        pytest.param("helper.py", "", {}, "no launched function", "@mlxp_nb.launch", id="plain"),
        pytest.param("main.py:main", "", {}, "script and a function", "main:main", id="both"),
        pytest.param("nowhere.x:f", "", {}, "no module nowhere.x", "module:function", id="module"),
        pytest.param("helper:VALU", "", {}, "no function 'VALU'", "'VALUE'", id="function"),
    ],
)
def test_bad_input_leaves_nothing_behind(
    folder: Path, target: str, text: str, options: dict[str, Any], problem: str, hint: str
) -> None:
    with pytest.raises(MlxpError, match=problem) as caught:
        launch(text, target, **options)
    assert hint in caught.value.hint
    assert not (folder / "logs").exists()


def test_the_record_is_valid_for_other_tools(folder: Path) -> None:
    launch("seed=1").wait(60)
    for name in ("info", "config", "mlxp"):
        assert yaml.safe_load((folder / f"logs/1/metadata/{name}.yaml").read_text())
