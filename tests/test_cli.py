"""``python main.py …`` and ``mlxp-nb``, as typed in a terminal."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mlxp_nb.store import records, rundir
from tests.support import MAIN, git, make_project, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_project(tmp_path / "a project")


def run(folder: Path, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, timeout=120, **options
    )


def main(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "main.py", *words)


def seeds(folder: Path) -> list[Any]:
    logs = folder / "logs"
    return [rundir.read(logs, i).config["seed"] for i in rundir.list_ids(logs)]


@pytest.mark.parametrize("words", [(), ("--multirun",), ("-m",)], ids=["plain", "long", "short"])
def test_a_grid_runs_one_after_the_other_in_place(folder: Path, words: tuple[str, ...]) -> None:
    done = main(folder, *words, "seed=0,1", "optimizer.lr=10.,1.")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "".join(f"seeded {s}\nvalue first\n" for s in (0, 0, 1, 1))
    assert seeds(folder) == [0, 0, 1, 1]
    assert records.read(folder / "logs/1", "train").rows[0]["loss"] == 10.0
    info = rundir.read(folder / "logs", 1).info
    assert (info["status"], info["work_dir"]) == ("COMPLETE", str(folder))
    assert info["snapshot"]["mode"] == "in_place"
    assert info["snapshot"]["tree"] == git(folder, "rev-parse", "HEAD^{tree}")


def test_mlxp_settings_are_taken_from_the_command_line(folder: Path) -> None:
    done = main(folder, "seed=5", "+mlxp.logger.parent_log_dir=./elsewhere")
    assert done.returncode == 0, done.stderr
    assert rundir.list_ids(folder / "elsewhere") == [1]
    done = main(folder, "+mlxp.use_logger=False", "epochs=0")
    assert done.returncode != 0  # the script logs, and there is no logger
    assert "NoneType" in done.stderr
    assert not (folder / "logs").exists()


def test_use_version_manager_runs_from_a_snapshot(folder: Path) -> None:
    write(folder, {"helper.py": "VALUE = __file__\n"})
    done = main(folder, "seed=0", "+mlxp.use_version_manager=True")
    assert done.returncode == 0, done.stderr
    assert ".work_dir" in (folder / "logs/1/log.stdout").read_text()
    assert rundir.read(folder / "logs", 1).info["snapshot"]["mode"] == "snapshot"


@pytest.mark.parametrize("words", [("-j", "2"), ("--snapshot",), ("--snapshot=head",)])
def test_jobs_and_snapshot_are_as_in_the_notebook(folder: Path, words: tuple[str, ...]) -> None:
    done = main(folder, *words, "seed=0,1")
    assert done.returncode == 0, done.stderr
    assert seeds(folder) == [0, 1]
    assert "run 2  COMPLETE" in done.stdout
    assert rundir.read(folder / "logs", 1).info["snapshot"]["mode"] == "snapshot"


def test_a_failed_run_stops_the_command_with_a_traceback_and_a_code(folder: Path) -> None:
    failing = MAIN.replace('print("value", VALUE)', "1 / ctx.config.seed")
    write(folder, {"main.py": failing})
    done = main(folder, "seed=1,0,2")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    logs = folder / "logs"
    assert [rundir.read(logs, i).info["status"] for i in (1, 2)] == ["COMPLETE", "FAILED"]
    done = main(folder, "-j", "1", "seed=0")
    assert (done.returncode, "ZeroDivisionError: division by zero" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("number", "code", "reason"),
    [(signal.SIGTERM, 143, "SIGTERM"), (signal.SIGINT, -signal.SIGINT, "KeyboardInterrupt")],
)
def test_a_signal_ends_a_run_with_a_true_status(
    folder: Path, number: signal.Signals, code: int, reason: str
) -> None:
    write(folder, {"main.py": MAIN.replace('print("value", VALUE)', "import time; time.sleep(60)")})
    with subprocess.Popen(
        [sys.executable, "main.py"],
        cwd=folder,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as child:
        path = folder / "logs/1/metrics/train.json"
        while not (path.exists() and (folder / "logs/1/artifacts/pickle/value").exists()):
            time.sleep(0.02)
            assert child.poll() is None
        child.send_signal(number)
        assert child.wait(30) == code
    info = rundir.read(folder / "logs", 1).info
    assert (info["status"], info["end"]["reason"]) == ("CANCELLED", reason)


@pytest.mark.parametrize(
    ("words", "problem", "hint"),
    [
        pytest.param(("sed=1",), "unknown key 'sed'", "did you mean 'seed'", id="key"),
        pytest.param(("seed",), "has no value", "write seed=VALUE", id="no-value"),
        pytest.param(
            ("--job", "2"), "unknown option '--job'", "did you mean '--jobs'", id="option"
        ),
        pytest.param(("seed=[1",), "not Hydra's grammar", "close", id="grammar"),
        pytest.param(("--snapshot=haed",), "haed", "head", id="policy"),
    ],
)
def test_a_wrong_command_is_one_short_error(
    folder: Path, words: tuple[str, ...], problem: str, hint: str
) -> None:
    done = main(folder, *words)
    assert done.returncode == 2
    assert problem in done.stderr
    assert hint in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "logs").exists()


def test_help_lists_the_options(folder: Path) -> None:
    done = main(folder, "--help")
    assert done.returncode == 0
    for word in ("--jobs", "--snapshot", "--multirun", "--on", "key=a,b,c"):
        assert word in done.stdout


def test_an_mlxp_script_runs_unchanged(folder: Path) -> None:
    """The script of MLXP's tutorial, with the import renamed."""
    write(
        folder,
        {
            "main.py": """
            import mlxp_nb as mlxp

            @mlxp.launch(config_path='./configs')
            def train(ctx: mlxp.Context) -> None:
                cfg = ctx.config
                logger = ctx.logger
                start_epoch = 0
                try:
                    checkpoint = logger.load_checkpoint(log_name='last_ckpt')
                    start_epoch = checkpoint['epoch'] + 1
                except BaseException:
                    pass
                for epoch in range(start_epoch, 3):
                    logger.log_metrics({'loss': cfg.optimizer.lr, 'epoch': epoch}, log_name='train')
                    logger.log_checkpoint({'epoch': epoch}, log_name='last_ckpt')
                assert isinstance(cfg, mlxp.ConfigDict) and isinstance(cfg, dict)

            if __name__ == "__main__":
                train()
            """
        },
    )
    done = main(folder, "optimizer.lr=10.,1.", "seed=1,2")
    assert done.returncode == 0, done.stderr
    rows = records.read(folder / "logs/4", "train").rows
    assert [row["epoch"] for row in rows] == [0, 1, 2]


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "-c", "from mlxp_nb.cli import main; main()", *words)


def test_the_command_line_shows_runs_sweeps_and_logs(folder: Path) -> None:
    assert main(folder, "-j2", "seed=0,1", "--name", "mine").returncode == 0
    done = command(folder, "runs", "config.seed == 1")
    assert "COMPLETE" in done.stdout
    assert "mine" in command(folder, "sweeps").stdout
    assert "value first" in command(folder, "log", "2").stdout
    assert command(folder, "cancel", "mine").returncode == 0
    assert "mlxp-nb runs [QUERY]" in command(folder).stdout


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        pytest.param(("rnus",), "did you mean 'runs'", id="command"),
        pytest.param(("log", "99"), "there is no run 99", id="run"),
        pytest.param(("log",), "name one run", id="no-run"),
        pytest.param(("cancel", "x"), "unknown sweep", id="sweep"),
        pytest.param(("runs", "--logs", "nowhere"), "no log directory", id="logs"),
        pytest.param(("runs", "config.seed about 1"), "^", id="query"),
    ],
)
def test_a_wrong_word_to_the_command_line_is_one_short_error(
    folder: Path, words: tuple[str, ...], problem: str
) -> None:
    assert main(folder, "seed=0").returncode == 0
    done = command(folder, *words)
    assert done.returncode == 2
    assert problem in done.stderr
    assert "Traceback" not in done.stderr
