"""Which figures of runs are better where they are larger, by their names: the metrics of the language, and others as the field calls them."""

from __future__ import annotations

import re
from typing import Literal

Direction = Literal["min", "max"]
LARGER = frozenset((
    "accuracy", "acc", "auc", "auroc", "roc", "auprc", "ap", "r2", "f1", "precision", "recall", "sensitivity", "specificity",
    "mcc", "kappa", "ndcg", "mrr", "iou", "dice", "correlation", "bleu", "rouge", "psnr", "ssim", "reward", "likelihood", "elbo",
))  # fmt: skip
SMALLER = frozenset(("loss", "error", "negative", "neg", "minus", "mae", "mse", "rmse", "gap", "std"))
PARTS = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])")  # What stands between the words of a name: `val_auc`, `valAUC`.


def usual_direction(figure: str) -> Direction:
    """Whether the least or the largest of a figure is the best, as far as its name tells: `held_out_r2` is a share, `r2_loss` a loss."""
    words = {word.lower() for word in PARTS.split(figure)}
    return "max" if words & LARGER and not words & SMALLER else "min"
