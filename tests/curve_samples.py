"""Curves to draw."""

from __future__ import annotations

import itertools

import numpy as np

from mlxp_nb.core.curves import Curve, points_of, summarise
from mlxp_nb.results.curves import Curves

LRS = (0.01, 0.1)
MODELS = ("logreg", "mlp", "cnn", "vit", "rnn")


def curves(
    groups: int | tuple[Curve, ...] = 4, steps: int = 30, seeds: int = 3, **changes: object
) -> Curves:
    """Losses that fall, a group for each learning rate and model, ``seeds`` runs in each.

    The third group ends half way.
    """
    if isinstance(groups, tuple):
        made = list(groups)
    else:
        keys = enumerate(list(itertools.product(MODELS, LRS))[:groups])
        made = [_group(i, key, steps // 2 if i == 2 else steps, seeds) for i, key in keys]
    plain: dict[str, object] = {
        "metric": "train.loss",
        "x": "epoch",
        "by": ("config.optimizer.lr", "config.model"),
        "over": ("config.seed",),
        "stat": "mean",
        "band": "std",
        "groups": tuple(made),
        "left_out": (),
        "mixed": (),
    }
    return Curves(**{**plain, **changes})  # type: ignore[arg-type]  # names are checked by it


def _group(i: int, key: tuple[str, float], steps: int, seeds: int) -> Curve:
    noise = np.random.default_rng(i)
    epochs = np.arange(steps)
    points = [
        points_of(
            seeds * i + seed + 1,
            epochs.tolist(),
            (0.2 + 0.15 * i + 2 * np.exp(-epochs / 9) + 0.03 * noise.normal(size=steps)).tolist(),
        )
        for seed in range(seeds)
    ]
    model, lr = key
    fields = (("config.optimizer.lr", lr), ("config.model", model))
    return summarise(points, key=fields, label=", ".join(f"{k}={v}" for k, v in fields))
