"""What a compiled file says of itself, in its metadata."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

FORMAT = 1
MANIFEST_KEY, SPEC_KEY = "mai.manifest", "mai.spec"
Number = bool | int | float


class Port(BaseModel):
    """An input, a setting or an output.

    `shape` leaves out the batch axis, which is first in memory where `batch` is true; a size known only at run time is
    its text in the spec. `minimum` and `maximum` are included in the range.
    """

    model_config = ConfigDict(frozen=True)
    name: str
    kind: Literal["input", "setting", "output"]
    dtype: Literal["float32", "int64", "bool"]
    shape: list[int | str] = []
    batch: bool = False
    default: Number | None = None
    minimum: float | None = None
    maximum: float | None = None
    classes: int | None = None


class Manifest(BaseModel):
    """The interface of one export and where it comes from."""

    model_config = ConfigDict(frozen=True)
    format: int = FORMAT
    name: str
    export: str
    title: str = ""
    inputs: list[Port]
    settings: list[Port]
    outputs: list[Port]
    spec_sha256: str
    versions: dict[str, str] = {}
    opset: int
    draws: bool = False
    unrolled: bool = False
    trained_steps: int | None = None
