"""Train one classifier of handwritten digits: ``python main.py model=mlp optimizer.lr=0.1``."""

from __future__ import annotations

import math
from typing import Any

import data
import mlxp_nb as mlxp
import models


def set_seeds(seed: int) -> None:
    """Seed the generators that libraries share; called with ``config.seed`` before ``main``."""
    import random

    import numpy as np

    random.seed(seed)
    np.random.seed(seed)


def start_or_resume(ctx: mlxp.Context) -> tuple[Any, int]:
    """The model, and how many epochs it has learnt: not 0 where an earlier attempt left off."""
    try:
        checkpoint = ctx.logger.load_checkpoint()
        return checkpoint["model"], checkpoint["epoch"]
    except FileNotFoundError:
        config = ctx.config
        return models.build(config.model, config.net, lr=config.optimizer.lr, seed=config.seed), 0


@mlxp.launch(config_path="configs", seeding_function=set_seeds)
def main(ctx: mlxp.Context) -> None:
    config, logger = ctx.config, ctx.logger
    digits = data.load()
    model, done = start_or_resume(ctx)

    for epoch in range(done + 1, config.epochs + 1):
        if not models.train_epoch(model, digits.train, epoch=epoch, seed=config.seed):
            diverged = {"epoch": epoch, "loss": math.nan, "acc": math.nan}
            logger.log_metrics(diverged, log_name="train")
            logger.log_metrics(diverged, log_name="test")
            print(f"epoch {epoch}: diverged, the learning rate is too large")
            return
        train = models.evaluate(model, digits.train)
        test = models.evaluate(model, digits.test)
        logger.log_metrics({"epoch": epoch, **train}, log_name="train")
        logger.log_metrics({"epoch": epoch, **test}, log_name="test")
        print(f"epoch {epoch}: train loss {train['loss']:.3f}, test accuracy {test['acc']:.3f}")
        if epoch % config.checkpoint_every == 0:
            logger.log_checkpoint({"model": model, "epoch": epoch})

    counts = models.confusion(model, digits.test)
    logger.log_artifacts({"counts": counts}, "confusion", "numpy")


if __name__ == "__main__":
    main()
