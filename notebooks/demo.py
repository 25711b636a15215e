"""Execute the quickstart for real, and say what came of it: ``make demo``.

The executed notebook and its HTML go to ``.demo/``; the runs stay in ``notebooks/digits/logs``.
The exit code is 0 only when every run of the sweep is COMPLETE.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

import mlxp_nb
from mlxp_nb.core.status import State

HERE = Path(__file__).resolve().parent
NOTEBOOK = HERE / "quickstart.ipynb"
OUT = HERE.parent / ".demo"
CELL_TIMEOUT_S = 600


def execute(notebook: Path) -> tuple[Any, str]:
    """The notebook with its outputs, and the error that stopped it; empty when none did."""
    content = nbformat.read(notebook, as_version=4)
    client = NotebookClient(
        content,
        timeout=CELL_TIMEOUT_S,
        resources={"metadata": {"path": str(notebook.parent)}},
        extra_arguments=["--log-level=ERROR"],
        store_widget_state=False,
    )
    try:
        client.execute()
    except CellExecutionError as error:
        return content, str(error)
    return content, ""


def save(content: Any, stem: str) -> tuple[Path, Path]:
    """Write an executed notebook, and the page made of it."""
    OUT.mkdir(exist_ok=True)
    notebook, page = OUT / f"{stem}.ipynb", OUT / f"{stem}.html"
    nbformat.write(content, notebook)
    html, _ = HTMLExporter(embed_images=True).from_notebook_node(content)
    page.write_text(html, encoding="utf-8")
    return notebook, page


def show(runs: Any) -> None:
    """Print where the runs ran from, and the mean over the seeds."""
    snapshot = runs[0].metadata
    if snapshot["info.snapshot.mode"] == "snapshot":
        print(f"The runs executed the snapshot {snapshot['info.snapshot.tree']}.")
    else:
        print("This folder is not a Git repository: the runs are recorded as unversioned.")
    scores = runs.groupby(["config.model", "config.optimizer.lr"]).aggregate(
        {"test.acc.last": ["mean", "std", "count"]}, ungroup=True
    )
    print("\nmodel   lr    test accuracy, mean ± std of the last epoch")
    for row in scores:
        model, lr, mean, std, count = row.metadata.values()
        print(f"{model:<7} {lr:<5} {mean:.3f} ± {std:.3f}  (n = {count})")


def main() -> int:
    """Do it; the exit code."""
    print("Executing notebooks/quickstart.ipynb: 12 runs, less than a minute ...", flush=True)
    project = mlxp_nb.Project(HERE / "digits")
    before = len(project.sweeps())
    content, error = execute(NOTEBOOK)
    notebook, page = save(content, NOTEBOOK.stem)
    sweeps = project.sweeps()[before:]
    runs = [run for sweep in sweeps for run in sweep.frame()]
    incomplete = [run.id for run in runs if run.state is not State.COMPLETE]
    if error:
        print(error, file=sys.stderr)
    elif not incomplete:
        show(sweeps[-1].frame())
    print(f"\nRuns      {project.log_dir}\nNotebook  {notebook}\nPage      {page}")
    if incomplete:
        print(f"Not COMPLETE: {', '.join(map(str, incomplete))}", file=sys.stderr)
    return int(bool(error or incomplete or not runs))


if __name__ == "__main__":
    sys.exit(main())
