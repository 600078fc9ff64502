"""What scikit-learn makes of the same rows: a linear model, a network, and trees by gradient boosting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn import ensemble, linear_model, metrics, neural_network
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.data_sets.sets import DataSet
from mai.runtime.arrays import Array


@dataclass(frozen=True)
class Rival:
    """A rival by its name: what it is for classes, and what for real numbers."""

    name: str
    classifier: Callable[[int], Any]
    regressor: Callable[[int], Any]


RIVALS = (
    Rival(
        "linear",
        lambda seed: linear_model.LogisticRegression(max_iter=5000),
        lambda seed: linear_model.RidgeCV(np.logspace(-3, 3, 13)),
    ),
    Rival(
        "network",
        lambda seed: neural_network.MLPClassifier(
            hidden_layer_sizes=(64, 64), alpha=1, max_iter=300, random_state=seed
        ),
        lambda seed: neural_network.MLPRegressor(hidden_layer_sizes=(64, 64), alpha=1, max_iter=300, random_state=seed),
    ),
    Rival(
        "trees",
        lambda seed: ensemble.HistGradientBoostingClassifier(random_state=seed),
        lambda seed: ensemble.HistGradientBoostingRegressor(random_state=seed),
    ),
)


def prepared(rows: pd.DataFrame) -> ColumnTransformer:
    """Numbers with medians in their gaps, a mark where those were, and one unit; words as ones among zeros."""
    numbers = [name for name in rows if pd.api.types.is_numeric_dtype(rows[name])]
    words = [name for name in rows if name not in numbers]
    scaled = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    return ColumnTransformer(
        [("numbers", scaled, numbers), ("words", OneHotEncoder(handle_unknown="ignore"), words)], sparse_threshold=0
    )


def score(data: DataSet, truth: Array, chances: Array, classes: list[Any]) -> float:
    """The measure of a data set: of class probabilities [count, classes], or of predicted numbers [count]."""
    if data.score == "r2":
        return float(metrics.r2_score(data.unit(truth.astype(float)), chances))
    if data.score == "auc":
        return float(metrics.roc_auc_score(truth == classes[1], chances[:, 1]))
    return float(metrics.accuracy_score(truth, np.asarray(classes)[chances.argmax(1)]))


def rival_score(rival: Rival, data: DataSet, train: pd.DataFrame, test: pd.DataFrame, seed: int) -> float:
    """How a rival that was fitted on the training rows does on those of the test."""
    x, y = train.drop(columns=data.target), train[data.target].to_numpy()
    is_real = data.score == "r2"
    model = Pipeline([("columns", prepared(x)), ("model", (rival.regressor if is_real else rival.classifier)(seed))])
    model.fit(x, data.unit(y) if is_real else y)
    rows = test.drop(columns=data.target)
    said = model.predict(rows) if is_real else model.predict_proba(rows)
    return score(data, test[data.target].to_numpy(), said, [] if is_real else list(model.classes_))
