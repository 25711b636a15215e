"""Directories that are damaged, mutated or hostile: the other runs stay readable, nothing fires."""

from __future__ import annotations

import marshal
import os
import pickle
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from mlxp_nb.errors import MlxpError
from mlxp_nb.results.reader import Reader
from mlxp_nb.results.row import LazyArtifact, Run
from mlxp_nb.store import artifacts, check, rundir
from mlxp_nb.store.metrics import MetricFile
from tests.faults.counts import SEED, count, dice, say
from tests.faults.damages import DAMAGES

VICTIM = 3
SECRET = "a-secret-of-another-folder"


def make_runs(log_dir: Path, number: int = 5) -> None:
    for i in range(number):
        config = {"lr": 0.1 * (i + 1), "model": {"name": "mlp", "sizes": [1, 2]}}
        paths = rundir.allocate(log_dir, config, {"status": "COMPLETE"}, durable=False).paths
        for name in ("train", "test"):
            file = MetricFile(paths, name)
            for epoch in range(5):
                file.append({"loss": 1 / (epoch + 1 + i), "epoch": epoch})
            file.close(durable=False)
        artifacts.save(paths, {"i": i}, "model", "json")


def everything(run: Run) -> dict[str, Any]:
    """All columns of a run, metrics read."""
    return {key: value for key, value in run.items() if not isinstance(value, LazyArtifact)}


def look(log_dir: Path) -> dict[int, dict[str, Any]]:
    """Read all of a directory in every way a notebook does."""
    frame = Reader(log_dir).runs()
    found = {run.id: everything(run) for run in frame}
    frame.filter("config.lr < 0.35 & train.loss.last < 10")
    repr(frame)
    frame._repr_html_()
    frame.curves("train.loss")
    return found


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    make_runs(tmp_path / "logs")
    return tmp_path / "logs"


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_run_hides_no_other(logs: Path, name: str) -> None:
    good = look(logs)
    DAMAGES[name](logs / str(VICTIM))
    found = look(logs)
    assert VICTIM in found
    assert {i: found[i] for i in good if i != VICTIM} == {i: good[i] for i in good if i != VICTIM}
    check.check(logs)
    say(f"damage.{name}", 4, "of 4 other runs readable")


def test_there_are_44_damages() -> None:
    assert len(DAMAGES) == 44


WORDS = (
    b"\n",
    b": ",
    b"- ",
    b"[",
    b"{",
    b"*a",
    b"&a ",
    b"!!python/name:os.system",
    b"\x00",
    b"\xff",
)
MORE_WORDS = (
    b"NaN",
    b"1e999",
    b"2024-99-99",
    b'"',
    b"'",
    b"? ",
    b"\xf0\x9f\x92\xa5",
    b"\\ud800",
    b"~",
)


def mutate(run: Path, dice: random.Random) -> None:
    """A few accidents in the files of a run."""
    for _ in range(dice.randrange(1, 4)):
        files = sorted(p for p in run.rglob("*") if p.is_file() and not p.is_symlink())
        if not files:
            return
        path = dice.choice(files)
        data = bytearray(path.read_bytes())
        at = dice.randrange(len(data) + 1)
        path.unlink()
        what = dice.randrange(9)
        if what == 0:
            data = data[:at]
        elif what == 1:
            data[at:at] = dice.choice(WORDS + MORE_WORDS)
        elif what == 2 and data:
            data[at % len(data)] = dice.randrange(256)
        elif what == 3:
            del data[at : at + dice.randrange(1, 30)]
        elif what == 4:
            data[at:at] = data[: dice.randrange(len(data) + 1)]
        elif what == 5:
            data = bytearray(dice.randbytes(dice.randrange(200)))
        elif what == 6:
            continue
        elif what == 7:
            other = dice.choice(files)
            data = bytearray(other.read_bytes()) if other.exists() else data
        else:
            path.symlink_to(dice.choice(["/etc/hostname", ".", "/nowhere", "../../1"]))
            continue
        path.write_bytes(data)


@pytest.mark.timeout(7200)
def test_a_mutated_run_hides_no_other(logs: Path, tmp_path: Path) -> None:
    good = look(logs)
    victim = logs / str(VICTIM)
    shutil.copytree(victim, tmp_path / "whole")
    changed = 0
    for number in range(count("mutated")):
        shutil.rmtree(victim)
        shutil.copytree(tmp_path / "whole", victim)
        mutate(victim, dice("mutate", number))
        try:
            found = look(logs) if number % 25 == 0 else quick_look(logs)
        except Exception as error:
            kept = tmp_path / "kept"
            shutil.copytree(victim, kept, symlinks=True)
            raise AssertionError(f"mutation {number} of seed {SEED}, kept in {kept}") from error
        for i, row in found.items():
            if i != VICTIM:
                assert row == good[i], f"mutation {number} of seed {SEED}"
        assert set(found) == set(good), f"mutation {number} of seed {SEED}"
        changed += found[VICTIM] != good[VICTIM]
    say("mutated.directories", count("mutated"), "directories")
    say("mutated.changed", changed, "directories")
    say("mutated.unreadable_others", 0, "runs")
    assert changed > count("mutated") / 4


def quick_look(log_dir: Path) -> dict[int, dict[str, Any]]:
    """Read all of a directory."""
    return {run.id: everything(run) for run in Reader(log_dir).runs()}


class Fires:
    """Unpickling it makes a file."""

    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.mkdir, (self.canary,)


def test_a_hostile_directory_runs_nothing_and_shows_nothing_from_outside(tmp_path: Path) -> None:
    logs, canary, outside = tmp_path / "logs", tmp_path / "canary", tmp_path / "outside"
    make_runs(logs, 6)
    outside.mkdir()
    (outside / "secret.json").write_text(f'{{"{SECRET}": 1}}\n{{"loss": "{SECRET}"}}\n')
    (outside / "secret.yaml").write_text(f"status: COMPLETE\nsecret: {SECRET}\n")
    for i, row in enumerate(("info.yaml", "config.yaml")):
        path = logs / str(i + 1) / "metadata" / row
        path.unlink()
        path.symlink_to(outside / "secret.yaml")
    hostile = logs / "3"
    (hostile / "metrics" / "a.json").symlink_to(outside / "secret.json")
    os.mkfifo(hostile / "metrics" / "b.json")
    (hostile / "metrics" / ".keys" / "test.yaml").unlink()
    (hostile / "metrics" / ".keys" / "test.yaml").symlink_to(outside / "secret.yaml")
    (hostile / "artifacts" / "pickle").mkdir()
    (hostile / "artifacts" / "pickle" / "bomb").write_bytes(pickle.dumps(Fires(str(canary))))
    (hostile / "artifacts" / "json" / "out").symlink_to(outside / "secret.json")
    (hostile / "artifacts" / "cool").mkdir()
    (hostile / "artifacts" / "cool" / "plot").write_bytes(b"x")
    code = compile(f"import os; os.mkdir({str(canary)!r})", "x", "exec")
    keys = hostile / "artifacts" / ".keys"
    keys.mkdir(exist_ok=True)
    (keys / "custom_types.yaml").write_bytes(b"cool: !!binary " + marshal.dumps(code))
    (keys / "artifacts.yaml").write_text("json: {'': {'../../../../outside/secret.json': ''}}\n")
    with (hostile / "artifacts" / "manifest.jsonl").open("a") as file:
        file.write('{"type":"json","name":"../../../../outside/secret.json","bytes":1,')
        file.write('"sha256":"x","time":""}\n')
    (logs / "4" / "metadata" / "config.yaml").write_text(
        f"a: !!python/object/apply:os.mkdir [{str(canary)!r}]\n"
    )
    (logs / "5" / "metadata" / "config.yaml").write_text(
        "lr: '<script>alert(1)</script>'\n'<img src=x onerror=alert(1)>': 1\n"
    )
    (logs / "7").symlink_to(outside)
    shutil.copytree(logs / "6", outside / "run")
    (logs / "8").symlink_to(outside / "run")
    found = look(logs)
    page = Reader(logs).runs()._repr_html_()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert SECRET not in str(found)
    assert SECRET not in page
    for run in Reader(logs).runs():
        for key in run.lazy:
            value = run[key] if key.startswith("artifact.") else None
            if isinstance(value, LazyArtifact) and value.type != "json":
                with pytest.raises(MlxpError):
                    value.load()
            elif isinstance(value, LazyArtifact):
                assert SECRET not in str(value.load())
    before = sorted((p, p.lstat().st_mtime_ns) for p in outside.rglob("*"))
    check.repair(logs, check.check(logs))
    assert sorted((p, p.lstat().st_mtime_ns) for p in outside.rglob("*")) == before
    assert not canary.exists()
    say("hostile.fired", 0, "of 16 traps")
