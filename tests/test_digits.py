"""The example project learns, does so again for the same seed, and goes on from a checkpoint."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DIGITS = Path(__file__).parents[1] / "notebooks" / "digits"

NETS = {
    "logreg": {"weight_decay": 0.0001},
    "mlp": {"hidden": 32, "batch_size": 32, "momentum": 0.9, "weight_decay": 0.0001},
}
EACH_MODEL = pytest.mark.parametrize("name", [pytest.param(name, id=name) for name in NETS])


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(DIGITS)
    import models  # type: ignore[import-not-found]  # of the example, not of the package

    yield models
    del sys.modules["models"]


@pytest.fixture
def digits(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(DIGITS)
    import data  # type: ignore[import-not-found]  # of the example, not of the package

    yield data.load()
    del sys.modules["data"]


def trained(
    models: Any, digits: Any, name: str, epochs: range, *, seed: int = 0, model: Any = None
) -> tuple[Any, list[dict[str, float]]]:
    """A model after some epochs, and how well it did on the test part after each."""
    model = model or models.build(name, NETS[name], lr=0.05, seed=seed)
    history = []
    for epoch in epochs:
        assert models.train_epoch(model, digits.train, epoch=epoch, seed=seed)
        history.append(models.evaluate(model, digits.test))
    return model, history


def test_the_parts_do_not_overlap_and_hold_every_digit(digits: Any) -> None:
    assert len(digits.train.y) + len(digits.test.y) == 1797
    assert set(digits.train.y) == set(digits.test.y) == set(range(10))
    shown = {picture.tobytes() for picture in digits.train.x}
    assert sum(picture.tobytes() in shown for picture in digits.test.x) == 0
    assert (digits.train.x.min(), digits.train.x.max()) == (0, 1)


@EACH_MODEL
def test_learns(models: Any, digits: Any, name: str) -> None:
    _, history = trained(models, digits, name, range(1, 11))
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert history[-1]["acc"] > 0.93


@EACH_MODEL
def test_one_seed_gives_one_curve(models: Any, digits: Any, name: str) -> None:
    _, first = trained(models, digits, name, range(1, 4), seed=1)
    _, again = trained(models, digits, name, range(1, 4), seed=1)
    _, other = trained(models, digits, name, range(1, 4), seed=2)
    assert first == again
    assert first != other


@EACH_MODEL
def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(
    models: Any, digits: Any, name: str
) -> None:
    _, straight = trained(models, digits, name, range(1, 7))
    half, before = trained(models, digits, name, range(1, 4))
    half = pickle.loads(pickle.dumps(half))
    _, after = trained(models, digits, name, range(4, 7), model=half)
    assert before + after == straight


@EACH_MODEL
@pytest.mark.parametrize("lr", [pytest.param(1e3, id="large"), pytest.param(1e300, id="absurd")])
def test_a_learning_rate_that_is_too_large_warns_of_nothing(
    models: Any, digits: Any, name: str, lr: float
) -> None:
    model = models.build(name, NETS[name], lr=lr, seed=0)
    if models.train_epoch(model, digits.train, epoch=1, seed=0):
        assert models.evaluate(model, digits.test)["loss"] > math.log(10)


def test_weights_out_of_range_end_the_training(models: Any, digits: Any) -> None:
    model = models.build("mlp", NETS["mlp"], lr=1e300, seed=0)
    assert not models.train_epoch(model, digits.train, epoch=1, seed=0)


@EACH_MODEL
def test_confusion_counts_every_picture_once(models: Any, digits: Any, name: str) -> None:
    model, history = trained(models, digits, name, range(1, 3))
    counts = models.confusion(model, digits.test)
    assert counts.sum(axis=1).tolist() == [sum(digits.test.y == digit) for digit in range(10)]
    assert counts.trace() / counts.sum() == pytest.approx(history[-1]["acc"])


def test_importing_the_project_needs_no_heavy_library() -> None:
    code = (
        "import sys, main; "
        "print(*{'sklearn', 'scipy', 'numpy', 'pandas', 'hydra', 'git'} & set(sys.modules))"
    )
    said = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=DIGITS,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == ""
