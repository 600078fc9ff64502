"""What a file's manifest says of its self-test: how inputs are drawn, and what of the results is kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Number = bool | int | float
Name = Literal["inf", "-inf", "nan"]
Size = Annotated[int, Field(ge=0, lt=2**31)]


class Recipe(BaseModel):
    """One run: how its inputs are drawn (`draw.py`), and its settings.

    Attributes:
        seed: of the draws.
        reals: the range of real inputs, drawn evenly; without one they have mean 0 and deviation 1.
        sizes: of the batch, by "batch", and of the other sizes that a call decides, by their text in the spec.
        settings: the value of each.
    """

    model_config = ConfigDict(frozen=True)
    seed: int = 0
    reals: tuple[float, float] | None = None
    sizes: dict[str, Size] = {}
    settings: dict[str, Number] = {}


class Expected(BaseModel):
    """What is kept of one result.

    Attributes:
        dims: its shape.
        places: where the numbers of `values` stand in it, counted along its rows; without them `values` are all.
        values: numbers of it, to six digits; one that is not finite is its name.
        scale: the largest magnitude of all its finite numbers.
        blank: how many of its numbers are not finite.
        projection: of all its finite numbers on random signs, by `scale` and the square root of their count, so that a
            number that is off at any place is seen; None where `values` are all, or some may be off.
    """

    model_config = ConfigDict(frozen=True)
    dims: list[Size]
    places: list[Size] | None = None
    values: list[Number | Name]
    scale: float = 0.0
    blank: int = 0
    projection: float | None = None


class Run(BaseModel):
    """A run, and what came of it: what is kept of each output, by name."""

    model_config = ConfigDict(frozen=True)
    recipe: Recipe
    outputs: dict[str, Expected] = Field(min_length=1)


class SelfTest(BaseModel):
    """A few runs of a file, as ONNX Runtime's CPU computed them when it was written.

    Attributes:
        tolerance: how far a real result may be from it, relative to the result's largest number. Whole numbers are equal.
    """

    model_config = ConfigDict(frozen=True)
    tolerance: float
    runs: list[Run] = Field(min_length=1)
