"""Two classifiers that learn epoch by epoch, and how well they do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from data import Part

CLASSES = range(10)


def logistic_regression(net: Mapping[str, Any], lr: float, seed: int) -> Any:
    """Logistic regression, by stochastic gradient descent, one picture a step."""
    from sklearn.linear_model import SGDClassifier

    return SGDClassifier(
        loss="log_loss",
        alpha=net["weight_decay"],
        learning_rate="constant",
        eta0=lr,
        shuffle=False,
        random_state=seed,
    )


def multilayer_perceptron(net: Mapping[str, Any], lr: float, seed: int) -> Any:
    """A network of one hidden layer, by stochastic gradient descent with momentum."""
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(
        hidden_layer_sizes=(net["hidden"],),
        alpha=net["weight_decay"],
        solver="sgd",
        learning_rate_init=lr,
        momentum=net["momentum"],
        batch_size=net["batch_size"],
        shuffle=False,
        random_state=seed,
    )


MODELS = {"logreg": logistic_regression, "mlp": multilayer_perceptron}


def build(name: str, net: Mapping[str, Any], *, lr: float, seed: int) -> Any:
    """A new classifier; the same one for the same arguments."""
    return MODELS[name](net, lr, seed)


def train_epoch(model: Any, part: Part, *, epoch: int, seed: int) -> bool:
    """Show every picture once; False when the weights left the floating-point range.

    The order depends on the seed and the epoch only. So an epoch needs nothing of the epochs
    before it but the model, and a run that resumes from a checkpoint goes on exactly as if it had
    never stopped.
    """
    import numpy as np

    order = np.random.default_rng((seed, epoch)).permutation(len(part.y))
    try:
        with np.errstate(all="ignore"):
            model.partial_fit(part.x[order], part.y[order], classes=np.asarray(CLASSES))
    except ValueError as error:  # scikit-learn's words for a learning rate that is too large
        if "overflow" in str(error) or "non-finite" in str(error):
            return False
        raise
    return True


def evaluate(model: Any, part: Part) -> dict[str, float]:
    """Mean cross-entropy, and the share of pictures whose digit was found."""
    import numpy as np

    with np.errstate(all="ignore"):
        chances = model.predict_proba(part.x)
    of_the_truth = np.clip(chances[np.arange(len(part.y)), part.y], 1e-15, 1.0)
    found = chances.argmax(axis=1) == part.y
    return {"loss": float(-np.log(of_the_truth).mean()), "acc": float(found.mean())}


def confusion(model: Any, part: Part) -> np.ndarray:
    """How often each digit (row) was taken for each digit (column)."""
    import numpy as np

    with np.errstate(all="ignore"):
        found = model.predict(part.x)
    counts = np.zeros((len(CLASSES), len(CLASSES)), dtype=int)
    np.add.at(counts, (part.y, found), 1)
    return counts
