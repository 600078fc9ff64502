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
    its text in the spec. `minimum` and `maximum` are included in the range. `path` is the axis of an output's shape along
    which a solver's steps lie, where the spec keeps a path.
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
    path: int | None = None


class Text(BaseModel):
    """An export whose text grows.

    Rows of the input `prompt` may begin with -1, which is no token, so that prompts of different lengths lie side by side;
    rows of the result may begin and end with it. `count` is how many tokens are appended: a setting's name, or a number;
    `usual` is its default. The model reads at most `limit` tokens. A turn reads up to `drafts` tokens that it guesses.
    """

    model_config = ConfigDict(frozen=True)
    prompt: str
    count: int | str
    usual: int
    limit: int | None = None
    drafts: int = 0


class Step(BaseModel):
    """One turn of a growing text: `tokens` is the input of the new tokens, `past` and `turn` the settings that count the
    tokens and the turns before, `states` the inputs that each become the output beside them. All begin as zeros, without
    elements along an axis of size `past_size`.
    """

    model_config = ConfigDict(frozen=True)
    tokens: str
    past: str
    turn: str | None
    past_size: str
    states: dict[str, str]


class Measurement(BaseModel):
    """How an integral is computed, and what that gives: `quality`, the mean over seeds of the metric, lower is better.

    Steps are even in u, where the time is s = g(u), g(u) = u + skew u (u - 1) - ends sin(2 pi u) / (2 pi), for `grid`
    (skew, ends). `spread` is the deviation, from seed to seed, of the quality's ratio to the reference's.
    """

    model_config = ConfigDict(frozen=True)
    method: str
    steps: int
    grid: tuple[float, float] = (0.0, 0.0)
    evaluations: int
    quality: float
    spread: float


class Tuning(BaseModel):
    """What `mai tune` chose: `before`, `after` and `reference` on `seeds` seeds that the search did not see, and all that
    the search measured on even steps as `curve`. `factor` is how much worse than the reference's the quality by `metric` was allowed to be.
    """

    model_config = ConfigDict(frozen=True)
    metric: str
    factor: float
    samples: int
    seeds: int
    reference: Measurement
    before: Measurement
    after: Measurement
    curve: list[Measurement] = []


class Manifest(BaseModel):
    """The interface of one export and where it comes from. `tokenizer` is "bytes", or a `tokenizers` file's JSON; `labels` are
    the names of the labels of the data that it was trained on, by field.

    `required` says that settings have no defaults in the file but those here. `precision` is that of weights and products.
    `quantize` is what the weights are kept in; `loss_change` how much that adds to the loss, as a share of it. `least` and `most` are the smallest and largest sizes of dimensions, by their names: where
    one is cut off before, and where a table of positions has an end. `evaluations` names the output that counts, for each
    example, how often adaptive solvers evaluated their velocities; it is negative where one did not arrive; `turns` the one that
    counts the turns that growing texts took. `tuned` is there where `mai tune` has chosen how the file's integral is computed.
    `checksum` is of the tensors in the file (`checksum.py`).
    """

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
    least: dict[str, int] = {}
    most: dict[str, int] = {}
    opset: int
    draws: bool = False
    unrolled: bool = False
    required: bool = False
    trained_steps: int | None = None
    tokenizer: str | None = None
    labels: dict[str, list[str]] = {}
    precision: Literal["float32", "fp16", "bf16"] = "float32"
    quantize: Literal["int4", "int8"] | None = None
    loss_change: float | None = None
    text: Text | None = None
    step: Step | None = None
    evaluations: str | None = None
    turns: str | None = None
    tuned: Tuning | None = None
    checksum: str | None = None
