"""What scikit-learn makes of the same rows: a linear model, a network, and trees by gradient boosting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn import ensemble, linear_model, metrics, multioutput, neural_network
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.data_sets.sets import Rows
from mai.runtime.arrays import Array


@dataclass(frozen=True)
class Rival:
    """A rival by its name: what it is for classes, and what for real numbers."""

    name: str
    classifier: Callable[[int], Any]
    regressor: Callable[[int], Any]


NETWORK = {"hidden_layer_sizes": (64, 64), "alpha": 1, "max_iter": 300}
RIVALS = (
    Rival(
        "linear",
        lambda seed: linear_model.LogisticRegression(max_iter=5000),
        lambda seed: linear_model.RidgeCV(np.logspace(-3, 3, 13)),
    ),
    Rival(
        "network",
        lambda seed: neural_network.MLPClassifier(**NETWORK, random_state=seed),
        lambda seed: neural_network.MLPRegressor(**NETWORK, random_state=seed),
    ),
    Rival(
        "trees",
        lambda seed: ensemble.HistGradientBoostingClassifier(random_state=seed),
        lambda seed: ensemble.HistGradientBoostingRegressor(random_state=seed),
    ),
)


def rival_score(rival: Rival, rows: Rows, measure: str, seed: int) -> float:
    """How a rival that was fitted on the training rows does on those of the test."""
    is_real = measure == "r2"
    model = (rival.regressor if is_real else rival.classifier)(seed)
    if rows.y.ndim == 2 and rival.name == "trees":
        model = multioutput.MultiOutputRegressor(model)
    if is_real:
        model = _in_unit(model)
    whole = Pipeline([("columns", _prepared(rows.x)), ("model", model)]).fit(rows.x, rows.y)
    if is_real:
        said = whole.predict(rows.test_x) + rows.test_base
        return float(metrics.r2_score(rows.test_y.reshape(-1), said.reshape(-1)))
    chances = whole.predict_proba(rows.test_x)
    if measure == "auc":
        return float(metrics.roc_auc_score(rows.test_y == whole.classes_[1], chances[:, 1]))
    return float(metrics.accuracy_score(rows.test_y, whole.classes_[chances.argmax(1)]))


def _in_unit(model: Any) -> Any:
    """A model of targets that have mean 0 and deviation 1."""
    from sklearn.compose import TransformedTargetRegressor

    return TransformedTargetRegressor(model, transformer=StandardScaler())


def _prepared(x: pd.DataFrame | Array) -> Any:
    """Numbers with medians in their gaps, a mark where those were, and one unit; words as ones among zeros."""
    scaled = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    if not isinstance(x, pd.DataFrame):
        return scaled
    numbers = [name for name in x if pd.api.types.is_numeric_dtype(x[name])]
    words = [name for name in x if name not in numbers]
    parts = [("numbers", scaled, numbers), ("words", OneHotEncoder(handle_unknown="ignore"), words)]
    return ColumnTransformer(parts, sparse_threshold=0)
