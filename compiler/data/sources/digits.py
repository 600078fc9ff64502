"""Handwritten digits that come with scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from mai.compiler.data.column_shapes import Column
from mai.compiler.data.source_kinds import Finite, Reading, Request, Source

TEST_SHARE = 0.2


class Digits(Source):
    """scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, scaled to [-1, 1], with a fixed split."""

    name: ClassVar[str] = "digits"
    picture: ClassVar[tuple[int, int, int]] = (1, 8, 8)
    split: Literal["train", "test", "all"] = "train"

    def columns(self, base: Path) -> dict[str, Column] | None:
        return {"x": Column((64,), False), "y": Column((), True, 10)}

    def read(self, request: Request) -> Reading:
        """Pixels scaled from 0..16 to [-1, 1]; a stratified fifth is the test split, the same for everyone."""
        import numpy as np
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        pixels, labels = load_digits(return_X_y=True)
        x, y = (pixels / 8 - 1).astype(np.float32), labels.astype(np.int64)
        if self.split == "all":
            return Finite({"x": x, "y": y}, all_of_them=True)
        x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=TEST_SHARE, random_state=0, stratify=y)
        test = {"x": x_test, "y": y_test}
        if self.split == "test":
            return Finite(test, all_of_them=True)
        return Finite({"x": x_train, "y": y_train}, held_out=test)
