"""A data set by mai, as a user would: the spec, `mai train`, `mai predict` on the file of the test."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd

from benchmarks.data_sets.rivals import score
from benchmarks.data_sets.sets import DataSet

SPECS = Path(__file__).parent / "specs"


def mai_score(data: DataSet, train: pd.DataFrame, test: pd.DataFrame, seed: int, folder: Path) -> float:
    """How the spec of a data set does on the rows of the test, through the command line and the compiled file."""
    folder.mkdir(parents=True, exist_ok=True)
    train.to_csv(folder / "train.csv", index=False)
    test.drop(columns=data.target).to_csv(folder / "test.csv", index=False)
    spec = Path(shutil.copy(SPECS / f"{data.name}.mai", folder))
    command("train", str(spec), "--out", str(folder / "run"), "--seed", str(seed), "--quiet")
    command(
        "predict",
        str(folder / "run" / f"{data.name}.{data.export}.onnx"),
        str(folder / "test.csv"),
        str(folder / "out.csv"),
    )
    out = pd.read_csv(folder / "out.csv").iloc[:, len(test.columns) - 1 :]
    truth = test[data.target].to_numpy()
    if data.score == "r2":
        return score(data, truth, data.unit(out.iloc[:, 0].to_numpy()), [])
    classes = [name.removeprefix(data.export).lstrip(".") for name in out]
    return score(data, truth.astype(str), out.to_numpy(), classes)


def command(*words: str) -> None:
    """A command of mai's, as a user gives it."""
    subprocess.run([sys.executable, "-m", "mai.runtime.cli", *words], check=True, stdout=subprocess.DEVNULL)
