"""10,000 records of four scalars, beside other trackers; each in a process of its own.

Seconds of the calls alone, of the wall clock and of the processor: a machine that others use
disturbs the second less.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import say

COUNT = int(os.environ.get("RECORDS", "10000"))
ROUNDS = 5
SLOW_COUNT = COUNT // 10

PLAIN = """
import json
file = open("plain.json", "w", encoding="utf-8")
def log(row):
    file.write(json.dumps(row) + "\\n")
"""
OURS = """
from pathlib import Path
from mlxp_nb.core.run import RunPaths
from mlxp_nb.worker.context import Logger
logger = Logger(RunPaths(Path.cwd() / "1"))
def log(row):
    logger.log_metrics(row, "train")
"""
MLXP = """
from mlxp.logger import DefaultLogger
logger = DefaultLogger("logs", -1)
os.makedirs(os.path.join(logger.metrics_dir, ".keys"), exist_ok=True)
def log(row):
    logger.log_metrics(row, "train")
"""
MLFLOW = """
import mlflow
mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.start_run()
def log(row):
    mlflow.log_metrics(row)
"""
AIM = """
import aim
run = aim.Run(repo=".", log_system_params=False, capture_terminal_logs=False)
def log(row):
    for name, value in row.items():
        run.track(value, name=name)
"""
TENSORBOARD = """
from tensorboardX import SummaryWriter
writer = SummaryWriter("tb")
def log(row):
    for name, value in row.items():
        writer.add_scalar(name, value)
"""
# name: (the module it needs, its program, how many records)
TRACKERS = {
    "log_metrics_plain_write": ("json", PLAIN, COUNT),
    "log_metrics": ("mlxp_nb", OURS, COUNT),
    "baseline_mlxp": ("mlxp", MLXP, COUNT),
    "baseline_mlflow_sqlite": ("mlflow", MLFLOW, SLOW_COUNT),
    "baseline_aim": ("aim", AIM, SLOW_COUNT),
    "baseline_tensorboardx": ("tensorboardX", TENSORBOARD, COUNT),
}
PROGRAM = """
import os, time
{setup}
row = {{"loss": 0.1234567, "accuracy": 0.987654, "lr": 1e-3, "epoch": 3}}
log(row)
wall, processor = time.perf_counter(), time.process_time()
for _ in range({count}):
    log(row)
print("took", time.perf_counter() - wall, time.process_time() - processor)
"""


def seconds(setup: str, count: int) -> tuple[float, float]:
    """Wall clock and processor time of ``count`` records, in a fresh folder and interpreter."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        program = PROGRAM.format(setup=setup, count=count)
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
        )
    line = next(line for line in done.stdout.splitlines() if line.startswith("took "))
    wall, processor = map(float, line.split()[1:])
    return wall, processor


def main() -> None:
    taken: dict[str, list[tuple[float, float]]] = {}
    for turn in range(ROUNDS):
        for name, (module, setup, count) in TRACKERS.items():
            if importlib.util.find_spec(module) is None:
                if not turn:
                    print(f"{name} not installed", flush=True)
            elif count == COUNT or not turn:  # the slow ones once
                wall, processor = seconds(setup, count)
                taken.setdefault(name, []).append((wall * COUNT / count, processor * COUNT / count))
    middle: dict[str, tuple[float, float]] = {}
    for name, values in taken.items():
        middle[name] = (
            statistics.median(wall for wall, _ in values),
            statistics.median(processor for _, processor in values),
        )
        say(name, middle[name][0], "s")
        say(f"{name}_processor", middle[name][1], "s")
    for what, at in (("", 0), ("_processor", 1)):
        ratio = middle["log_metrics"][at] / middle["log_metrics_plain_write"][at]
        say(f"log_metrics_ratio{what}", ratio, "x")
    say("log_metrics_ratio_target", 2.5, "x")


if __name__ == "__main__":
    main()
