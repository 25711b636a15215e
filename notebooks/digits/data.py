"""The handwritten digits that scikit-learn ships: 1,797 pictures of 8 x 8 pixels, ten classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

# Heavy libraries are imported where they are used: a login node needs none of them.

SPLIT_SEED = 0  # the split is the same in every run; a run's own seed moves the training only


class Part(NamedTuple):
    """Pictures, one a row with values from 0 to 1, and the digit that each one shows."""

    x: np.ndarray
    y: np.ndarray


class Digits(NamedTuple):
    train: Part
    test: Part


def load(test_size: float = 0.25) -> Digits:
    """Read the pictures and set some of them aside, as many of each digit."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        x / 16.0, y, test_size=test_size, stratify=y, random_state=SPLIT_SEED
    )
    return Digits(Part(x_train, y_train), Part(x_test, y_test))
