"""A sweep and a real kernel: it goes on when the kernel is restarted, and is found again."""

from __future__ import annotations

import ast
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlxp_nb.store import rundir
from mlxp_nb.store.owner import Identity, is_alive
from tests.support import make_project, write

SLOW = """
import time
import mlxp_nb as mlxp

@mlxp.launch()
def main(ctx):
    for epoch in range(100):
        ctx.logger.log_metrics({"epoch": epoch}, "train")
        if epoch and (ctx.project_dir / "go").exists():
            break
        time.sleep(0.1)

if __name__ == "__main__":
    main()
"""


class Notebook:
    """A kernel, and what its cells gave."""

    def __init__(self, folder: Path) -> None:
        from jupyter_client.manager import KernelManager

        self.manager: Any = KernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd=str(folder))
        self.connect()

    def connect(self) -> None:
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def run(self, cell: str) -> str:
        """What a cell printed and showed, as text."""
        shown: list[str] = []

        def keep(message: dict[str, Any]) -> None:
            content = message["content"]
            shown.append(content.get("text") or content.get("data", {}).get("text/plain", ""))

        reply = self.client.execute_interactive(cell, output_hook=keep, timeout=120)
        assert reply["content"]["status"] == "ok", reply["content"]
        return "".join(shown)

    def restart(self) -> None:
        self.client.stop_channels()
        self.manager.restart_kernel(now=True)
        self.connect()

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Notebook, Path]]:
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    folder = make_project(tmp_path / "a project")
    write(folder, {"main.py": SLOW})
    book = Notebook(folder)
    yield book, folder
    book.close()


def test_runs_go_on_when_the_kernel_restarts_and_are_found_again(
    notebook: tuple[Notebook, Path],
) -> None:
    book, folder = notebook
    pid = int(book.run("import os; print(os.getpid())"))
    began = time.monotonic()
    book.run("%load_ext mlxp_nb\n")
    book.run("%%xp_sweep main.py -j 1 --out sweep --name mine\nseed=0,1\n")
    assert book.run("print('free')") == "free\n"
    while rundir.read(folder / "logs", 1).info["status"] != "RUNNING":
        assert time.monotonic() - began < 60
        time.sleep(0.05)
    running = rundir.read(folder / "logs", 1).info
    book.restart()
    assert int(book.run("import os; print(os.getpid())")) != pid
    who = Identity.from_dict(
        {**running["process"], "host": running["hostname"], "pid": running["process_id"]}
    )
    assert who is not None
    assert is_alive(who)
    (folder / "go").touch()
    shown = book.run(
        "import mlxp_nb; f = mlxp_nb.open_sweep('mine').wait(90); print(f['train.epoch'])"
    )
    epochs = ast.literal_eval(shown)
    assert [e[:2] for e in epochs] == [[0, 1], [0, 1]]
    assert os.getpid() not in (pid, who.pid)
