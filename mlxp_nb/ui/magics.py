"""The magics: each reads its line, calls :class:`~mlxp_nb.project.Project`, returns a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.magic import (
    Magics,
    line_cell_magic,
    line_magic,
    magics_class,
    no_var_expand,
)

from mlxp_nb.core.options import OptionError
from mlxp_nb.errors import QueryError, TargetError
from mlxp_nb.ui import arguments
from mlxp_nb.ui.arguments import PLOT_OPTIONS, RUNS_OPTIONS, SWEEP_OPTIONS, documented

if TYPE_CHECKING:
    from mlxp_nb.plots.figure import Figure
    from mlxp_nb.project import Project
    from mlxp_nb.results.frame import RunFrame
    from mlxp_nb.sweeps import Sweep

__all__ = ["XpMagics", "load", "unload"]

_LOADED = "_mlxp_nb_magics"


@magics_class
class XpMagics(Magics):
    """Launch sweeps, look at runs, draw curves."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._made: Project | None = None

    @property
    def project(self) -> Project:
        """The project of the notebook's working directory, made when first asked for."""
        if self._made is None:
            from mlxp_nb.project import Project

            self._made = Project()
        return self._made

    @property
    def _user_names(self) -> dict[str, Any]:
        """The names of the notebook."""
        names: dict[str, Any] = self.shell.user_ns if self.shell is not None else {}
        return names

    @no_var_expand  # else IPython turns ${lr} into $3
    @line_cell_magic
    @documented(SWEEP_OPTIONS)
    def xp_sweep(self, line: str, cell: str = "") -> Sweep:
        """Launch a sweep from a frozen copy of the code: ``%%xp_sweep main.py -j 2 --out sweep``.

        The body holds overrides in Hydra's grammar, one or several a line; commas sweep::

            %%xp_sweep main.py -j 2 --out sweep
            optimizer.lr=0.01,0.1
            model=logreg,mlp
            seed=range(3)

        The target is a script with ``@launch``, or ``package.module:function``. The cell returns
        at once; ``sweep.wait()``, ``sweep.cancel()`` and ``sweep.frame()`` go on from there.

        """
        parsed = arguments.words(line, SWEEP_OPTIONS)
        if not parsed.words:
            raise TargetError("no target was named", "write %%xp_sweep main.py")
        out = parsed["out"]
        if out is not None and not out.isidentifier():
            raise OptionError(f"--out is {out!r}, not a name", "write --out sweep")
        target, *more = parsed.words
        plan = self.project.plan(
            target,
            "\n".join([cell, *more]),
            name=parsed["name"],
            on=parsed["on"],
            parallel=parsed["jobs"],
            policy=parsed["snapshot"],
        )
        sweep = self.project.launch(plan)
        if out is not None:
            self._user_names[out] = sweep
        if parsed["wait"]:
            _show_and_wait(sweep)
        return sweep

    @no_var_expand
    @line_magic
    @documented(RUNS_OPTIONS)
    def xp_runs(self, line: str) -> RunFrame:
        """Show the runs for which a query holds: ``%xp_runs info.status == 'COMPLETE'``.

        Without a query, all runs of the project's log directory.

        """
        query, logs = arguments.query_line(line)
        return self.project.runs(logs).filter(query)

    @no_var_expand
    @line_magic
    @documented(PLOT_OPTIONS)
    def xp_plot(self, line: str) -> Figure:
        """Draw curves: ``%xp_plot train.loss --x epoch --by config.model --over config.seed``.

        Runs are aligned on the logged steps; no point is invented; each point tells how many runs
        it rests on.

        """
        from mlxp_nb.plots import PLOTS

        parsed = arguments.words(line, PLOT_OPTIONS)
        if len(parsed.words) != 1:
            hint = "name one: %xp_plot train.loss"
            if parsed["where"] and parsed.words:
                hint = 'quote the query: --where "config.lr == 0.1"'
            raise OptionError(f"{len(parsed.words)} metrics were named", hint)
        frame = self.project.runs(parsed["logs"]).filter(parsed["where"])
        curves = frame.curves(
            parsed.words[0],
            x=parsed["x"],
            by=arguments.keys(parsed["by"]),
            over=arguments.keys(parsed["over"]),
            stat=parsed["stat"],
            band=parsed["band"],
        )
        return PLOTS["curves"](curves, log_x=parsed["logx"], log_y=parsed["logy"])

    @line_magic
    def xp(self, line: str) -> MagicList:
        """List these magics, a line each: ``%xp``."""
        if line.strip():
            raise OptionError(f"%xp takes nothing, not {line.strip()!r}", "write %xp")
        return MagicList(self.magics)


class MagicList:
    """The magics with the first line of their help."""

    def __init__(self, magics: dict[str, dict[str, str]]) -> None:
        cells = set(magics["cell"])
        self.rows = [
            (f"{'%%' if name in cells else '%'}{name}", _first_line(getattr(XpMagics, name)))
            for name in sorted(set(magics["line"]) | cells)
        ]

    def __repr__(self) -> str:
        width = max(len(name) for name, _ in self.rows)
        return "\n".join(f"{name:{width}}  {said}" for name, said in self.rows)


def _first_line(function: Callable[..., Any]) -> str:
    """The first line of a docstring, without its markup."""
    return (function.__doc__ or "").strip().splitlines()[0].replace("``", "")


def _show_and_wait(sweep: Sweep) -> None:
    """Show the card now, and its end in the same place."""
    from mlxp_nb.ui.show import show_sweep, stands_already

    show_sweep(sweep)
    sweep.wait()
    stands_already(sweep)


def load(shell: Any) -> None:
    """Add the magics and the ways our objects are shown; again does nothing."""
    if getattr(shell, _LOADED, None) is not None:
        return
    magics = XpMagics(shell)
    shell.register_magics(magics)
    from mlxp_nb.ui.show import add_formatters, catch

    setattr(shell, _LOADED, (magics, add_formatters(shell), catch(shell, QueryError)))


def unload(shell: Any) -> None:
    """Take away what :func:`load` added."""
    loaded = getattr(shell, _LOADED, None)
    if loaded is None:
        return
    magics, *undo = loaded
    for kind, names in magics.magics.items():
        for name in names:
            shell.magics_manager.magics[kind].pop(name, None)
    for step in undo:
        step()
    delattr(shell, _LOADED)
