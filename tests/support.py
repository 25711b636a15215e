"""A small real project in a real Git repository, and runs made by hand."""

from __future__ import annotations

import subprocess
import textwrap
from pathlib import Path

MAIN = """
import mlxp_nb as mlxp
from helper import VALUE


@mlxp.launch(config_path="configs", seeding_function=lambda seed: print("seeded", seed))
def main(ctx):
    for epoch in range(ctx.config.epochs):
        loss = ctx.config.optimizer.lr / (epoch + 1) + ctx.config.seed * 0.01
        ctx.logger.log_metrics({"epoch": epoch, "loss": loss}, log_name="train")
    ctx.logger.log_checkpoint({"epoch": epoch})
    ctx.logger.log_artifacts({"value": VALUE}, "value", "pickle")
    print("value", VALUE)


if __name__ == "__main__":
    main()
"""

CONFIG = """
defaults:
  - model: mlp
  - _self_
seed: 0
epochs: 3
optimizer:
  lr: 0.1
"""


def git(folder: Path, *words: str) -> str:
    """Run Git in a folder with an identity of its own; what it printed."""
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    done = subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files given by their relative path."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")


def make_project(folder: Path, *, main: str = MAIN, commit: bool = True) -> Path:
    """A project with a script, a module, and a config group, committed."""
    write(
        folder,
        {
            "main.py": main,
            "helper.py": "VALUE = 'first'\n",
            "configs/config.yaml": CONFIG,
            "configs/model/mlp.yaml": "name: mlp\nhidden: 8\n",
            "configs/model/logreg.yaml": "name: logreg\n",
            ".gitignore": "logs/\n.work_dir/\ndata/\n__pycache__/\n",
        },
    )
    git(folder, "init", "-q", "-b", "main")
    if commit:
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", "first")
    return folder
