"""The magics in a real shell, as a user types them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

import mlxp_nb
from mlxp_nb.core.status import State
from mlxp_nb.plots.figure import Figure
from mlxp_nb.project import Project
from mlxp_nb.results.frame import RunFrame
from mlxp_nb.sweeps import Sweep
from mlxp_nb.ui import arguments
from tests.support import make_project, write


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A shell of its own in a committed project, with the extension loaded."""
    root = make_project(tmp_path / "a project")
    monkeypatch.chdir(root)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    hook = sys.displayhook
    shell: Any = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "mlxp_nb")
    yield shell
    for sweep in Project(root).sweeps():
        sweep.cancel()
        sweep.wait(60, check=False)
    shell.run_line_magic("unload_ext", "mlxp_nb")
    shell.history_manager.end_session() if shell.history_manager else None
    sys.displayhook = hook
    InteractiveShell.clear_instance()


def run(shell: Any, cell: str) -> Any:
    """The value of a cell; what it raised is raised here."""
    done = shell.run_cell(cell)
    done.raise_error()
    return done.result


CELL = "%%xp_sweep main.py -j 2 --out sweep\noptimizer.lr=0.1,1.0  # rates\nseed=range(2)\n"


def test_a_sweep_goes_from_a_cell_to_a_plot(shell: Any) -> None:
    sweep = run(shell, CELL)
    assert isinstance(sweep, Sweep)
    assert shell.user_ns["sweep"] is sweep
    frame = run(shell, "sweep.wait()")
    assert isinstance(frame, RunFrame)
    assert [run.state for run in frame] == [State.COMPLETE] * 4
    assert len(run(shell, "sweep.frame()")) == 4
    table = run(shell, "%xp_runs info.status == 'COMPLETE' & config.optimizer.lr <= 0.1")
    assert table["config.seed"] == [0, 1]
    figure = run(
        shell,
        "%xp_plot train.loss --x epoch --by config.optimizer.lr --over config.seed --band std",
    )
    assert isinstance(figure, Figure)
    bundle = figure._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert {"image/svg+xml", "image/png"} & set(data)


def test_wait_returns_when_all_is_done(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = run(shell, "%%xp_sweep main.py --wait\nseed=0,1\n")
    shown = capsys.readouterr().out
    # The card once, and its end in the same place: not again as the value of the cell.
    assert shown.count("2 configurations") == 2
    assert {verdict.state for verdict in sweep.states().values()} == {State.COMPLETE}


def test_overrides_may_stand_on_the_line(shell: Any) -> None:
    sweep = run(shell, "%xp_sweep main.py seed=4 --wait")
    assert sweep.frame()["config.seed"] == [4]


def test_dollars_and_braces_stay_as_typed(shell: Any) -> None:
    shell.user_ns["seed"] = 3
    sweep = run(shell, "%%xp_sweep main.py --wait\noptimizer.lr=${seed}\nseed=7\n")
    assert sweep.frame()["config.optimizer.lr"] == [7]


def test_the_card_is_shown_and_its_end_in_the_same_place(
    shell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, CELL)
    first = capsys.readouterr().out
    assert "4 configurations" in first
    assert "optimizer.lr" in first
    run(shell, "sweep.wait(); None")
    assert "4 of 4 complete" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("cell", "problem", "hint"),
    [
        pytest.param("%%xp_sweep main.py\nsed=1", "unknown key 'sed'", "'seed'", id="key"),
        pytest.param(
            "%%xp_sweep main.py\nmodel=mpl", "choice of model 'mpl'", "'mlp'", id="choice"
        ),
        pytest.param("%%xp_sweep mian.py\nseed=1", "no mian.py", "'main.py'", id="target"),
        pytest.param("%%xp_sweep\nseed=1", "no target", "%%xp_sweep main.py", id="no-target"),
        pytest.param("%%xp_sweep main.py\nseed=[1", "grammar", "close", id="grammar"),
        pytest.param("%%xp_sweep main.py --job 2\nseed=1", "'--job'", "'--jobs'", id="option"),
        pytest.param("%%xp_sweep main.py --out a.b\nseed=1", "--out", "--out sweep", id="out"),
        pytest.param("%%xp_sweep main.py -j x\nseed=1", "not a whole number", "-j 2", id="jobs"),
        pytest.param("%xp_runs --logs nowhere", "no log directory", "Reader", id="logs"),
        pytest.param("%xp_runs --log nowhere", "'--log'", "'--logs'", id="runs-option"),
        pytest.param("%xp what", "takes nothing", "write %xp", id="xp"),
    ],
)
def test_bad_input_is_one_short_error_and_leaves_nothing_behind(
    shell: Any, capsys: pytest.CaptureFixture[str], cell: str, problem: str, hint: str
) -> None:
    assert shell.run_cell(cell).success is False
    shown = "".join(capsys.readouterr())
    assert problem in shown
    assert hint in shown
    assert "Traceback" not in shown
    assert "mlxp_nb/" not in shown
    assert not Path("logs").exists()


@pytest.mark.parametrize(
    ("cell", "problem", "hint"),
    [
        pytest.param("%xp_runs config.seed about 1", "operator", "==", id="query"),
        pytest.param("%xp_runs config.sed == 1", "config.sed", "'config.seed'", id="key"),
        pytest.param("%xp_plot train.los", "train.los", "'train.loss'", id="metric"),
        pytest.param("%xp_plot", "0 metrics", "%xp_plot train.loss", id="no-metric"),
        pytest.param("%xp_plot train.loss --band stdd", "stdd", "'std'", id="band"),
        pytest.param("%xp_plot 'train.loss", "cannot be split", "quotation", id="quotation"),
        pytest.param("from mlxp_nb import Reader; Reader('logs').filter('config.seed about 1')",
                     "operator", "^", id="api"),
    ],
)  # fmt: skip
def test_bad_questions_are_one_short_error(
    shell: Any, capsys: pytest.CaptureFixture[str], cell: str, problem: str, hint: str
) -> None:
    run(shell, "%xp_sweep main.py seed=1 --wait")
    capsys.readouterr()
    assert shell.run_cell(cell).success is False
    shown = "".join(capsys.readouterr())
    assert problem in shown
    assert hint in shown
    assert "Traceback" not in shown


def test_a_failing_sweep_raises_what_failed(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    write(Path(), {"helper.py": "raise ValueError('broken')\n"})
    assert shell.run_cell("%%xp_sweep main.py --out s --wait\nseed=0,1").success is False
    shown = "".join(capsys.readouterr())
    assert "2 of 2 runs did not complete" in shown
    assert "ValueError: broken" in shown
    assert "Traceback" not in shown
    assert len(shell.user_ns["s"].runs) == 2


def test_help_lists_the_magics_and_their_options(shell: Any) -> None:
    shown = repr(run(shell, "%xp"))
    for name in ("%%xp_sweep", "%xp_runs", "%xp_plot", "%xp "):
        assert name in shown
    assert len(shown.splitlines()) == 4
    documentation = shell.find_line_magic("xp_sweep").__doc__
    for option in arguments.SWEEP_OPTIONS:
        assert option.show() in documentation


def test_loading_again_changes_nothing_and_unloading_takes_all_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    hook = sys.displayhook
    shell: Any = InteractiveShell()

    def state() -> tuple[Any, ...]:
        formatters = shell.display_formatter
        return (
            {kind: sorted(names) for kind, names in shell.magics_manager.magics.items()},
            dict(formatters.formatters["text/html"].deferred_printers),
            dict(formatters.ipython_display_formatter.deferred_printers),
            tuple(shell.custom_exceptions),
            threading.active_count(),
        )

    before = state()
    mlxp_nb.load_ipython_extension(shell)
    loaded = state()
    mlxp_nb.load_ipython_extension(shell)
    assert state() == loaded != before
    mlxp_nb.unload_ipython_extension(shell)
    mlxp_nb.unload_ipython_extension(shell)
    assert state() == before
    sys.displayhook = hook


def test_another_extensions_error_handler_keeps_its_errors(shell: Any) -> None:
    seen: list[type] = []

    def handler(self: Any, etype: type, value: Any, tb: Any, tb_offset: Any = None) -> None:
        seen.append(etype)

    mlxp_nb.unload_ipython_extension(shell)
    shell.set_custom_exc((ZeroDivisionError,), handler)
    mlxp_nb.load_ipython_extension(shell)
    shell.run_cell("1/0")
    assert seen == [ZeroDivisionError]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("config.a == 1", ("config.a == 1", None)),
        ("", ("", None)),
        ("--logs there config.a == 'x y'", ("config.a == 'x y'", "there")),
        ("--logs=there  info.status == 'A'", ("info.status == 'A'", "there")),
    ],
)
def test_a_query_is_taken_as_it_stands(line: str, expected: tuple[str, str | None]) -> None:
    assert arguments.query_line(line) == expected


def test_a_backslash_stays_one() -> None:
    assert arguments.words(r"loss --x a\b", arguments.PLOT_OPTIONS)["x"] == r"a\b"
