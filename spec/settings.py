"""Training settings and data sources as pydantic models: what a train block's head and a `data` line may say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mai.spec.source import Span

MANY = 10**9


@dataclass(frozen=True, slots=True)
class Configuration:
    """A call that configures: `adamw(lr = 1e-3)`, as data. Values are numbers, texts, lists and configurations."""

    name: str
    positional: tuple[Any, ...]
    named: Mapping[str, Any]
    span: Span
    spans: Mapping[str, Span] = field(default_factory=dict)
    name_spans: Mapping[str, Span] = field(default_factory=dict)
    positional_spans: tuple[Span, ...] = ()


class Settings(BaseModel):
    """Settings are fixed, an unknown one is an error, and a text or `true` is no number.

    A model is built when a file first speaks of it: most files speak of few.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True, defer_build=True)
    name: ClassVar[str] = ""


# ------------------------------------------------------------------ optimizers

Rate = Field(default=1e-3, gt=0, description="the learning rate")
Decay = Field(default=0.0, ge=0, description="weight decay")


class Sgd(Settings):
    """Stochastic gradient descent (2)."""

    name: ClassVar[str] = "sgd"
    lr: float = Field(default=0.01, gt=0)
    momentum: float = Field(default=0.0, ge=0, lt=1)
    nesterov: bool = False
    weight_decay: float = Decay

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> Sgd:
        if self.nesterov and not self.momentum:
            raise ValueError("needs a `momentum` for `nesterov`: `sgd(momentum = 0.9, nesterov = true)`")
        return self


class Adam(Settings):
    """Adam (Kingma and Ba 2015)."""

    name: ClassVar[str] = "adam"
    lr: float = Rate
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = Field(default=1e-8, gt=0)
    weight_decay: float = Decay

    @field_validator("betas")
    @classmethod
    def _below_one(cls, betas: tuple[float, float]) -> tuple[float, float]:
        if not all(0 <= b < 1 for b in betas):
            raise ValueError("are at least 0 and below 1")
        return betas


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""

    name: ClassVar[str] = "adamw"
    weight_decay: float = Field(default=0.01, ge=0)


class Schedule(Settings):
    """How the learning rate moves: up over `warmup` steps, then as the subclass says, down to `final` times itself."""

    warmup: int = Field(default=0, ge=0, le=MANY)


class Constant(Schedule):
    """One rate, after its warmup."""

    name: ClassVar[str] = "constant"


class Cosine(Schedule):
    """Half a cosine (Loshchilov and Hutter 2017)."""

    name: ClassVar[str] = "cosine"
    final: float = Field(default=0.0, ge=0, le=1)


class Linear(Schedule):
    """A straight line down."""

    name: ClassVar[str] = "linear"
    final: float = Field(default=0.0, ge=0, le=1)


class TrainSettings(Settings):
    """The head of a train block. Exactly one of `steps` and `epochs` is given.

    `keep` says which weights are written at the end: the last, or those of the lowest loss on held-out examples.
    """

    steps: int | None = Field(default=None, ge=1, le=MANY)
    epochs: float | None = Field(default=None, gt=0, le=MANY)
    batch: int = Field(default=64, ge=1, le=MANY)
    optimizer: Sgd | AdamW | Adam = Field(default_factory=AdamW)
    schedule: Constant | Cosine | Linear = Field(default_factory=Constant)
    ema: float | None = Field(default=None, gt=0, lt=1)
    clip: float | None = Field(default=None, gt=0)
    seed: int = Field(default=0, ge=0, lt=2**31)
    precision: Literal["float32", "bf16", "fp16"] = "float32"
    keep: Literal["last", "best"] = "last"
    freeze: str | tuple[str, ...] = ()

    @property
    def frozen(self) -> tuple[str, ...]:
        """The names, or patterns of names, of the parameters that stay as they are."""
        return (self.freeze,) if isinstance(self.freeze, str) else self.freeze

    @model_validator(mode="after")
    def _one_length(self) -> TrainSettings:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("says how long it trains: `steps = 2000` or `epochs = 30`, one of them")
        return self


# --------------------------------------------------------------------- sources


class Source(Settings):
    """Where training examples come from."""


class Points(Source):
    """Points in the plane; `cloud` of them make one example where it is given."""

    noise: float = Field(default=0.05, ge=0)
    cloud: int | None = Field(default=None, ge=1, le=MANY)


class Moons(Points):
    """Two half circles."""

    name: ClassVar[str] = "moons"


class SwissRoll(Points):
    """A spiral strip, seen from the side."""

    name: ClassVar[str] = "swiss_roll"


class Gaussians(Points):
    """Normal clouds around a circle, labelled by their number."""

    name: ClassVar[str] = "gaussians"
    modes: int = Field(default=8, ge=1, le=MANY)
    radius: float = Field(default=2.0, gt=0)


class Checkerboard(Points):
    """Every other square of a 4 x 4 board on [-2, 2]^2; `count` points in all, or without end."""

    name: ClassVar[str] = "checkerboard"
    noise: float = Field(default=0.0, ge=0)
    count: int | None = Field(default=None, ge=1, le=MANY)


class Spirals(Points):
    """Spiral arms around the origin, labelled by their number."""

    name: ClassVar[str] = "spirals"
    classes: int = Field(default=2, ge=1, le=MANY)


class Digits(Source):
    """scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, scaled to [-1, 1], with a fixed split."""

    name: ClassVar[str] = "digits"
    split: Literal["train", "test", "all"] = "train"


class FunctionSource(Source):
    """Points drawn evenly from a box and the value of a formula in x0, x1, ... there."""

    name: ClassVar[str] = "function"
    formula: str
    low: float = -1.0
    high: float = 1.0
    count: int = Field(default=4096, ge=2, le=MANY)

    @model_validator(mode="after")
    def _a_box(self) -> FunctionSource:
        if self.low >= self.high:
            raise ValueError(f"needs `low` below `high`, these are {self.low:g} and {self.high:g}")
        return self


class Npz(Source):
    """Arrays by field name in a numpy .npz file."""

    name: ClassVar[str] = "npz"
    path: str


class Csv(Source):
    """Columns by field name: `y`, or `x0`, `x1`, ... for a vector `x`."""

    name: ClassVar[str] = "csv"
    path: str


class Bpe(Settings):
    """Byte-level pairs, trained from the corpus: at most `vocab` different tokens."""

    name: ClassVar[str] = "bpe"
    vocab: int = Field(ge=256, le=10**6)


class Text(Source):
    """Windows of a text; the default corpus is English text that comes with Python.

    Its tokens are bytes, those of a `tokenizers` file, or pairs trained from the corpus.
    """

    name: ClassVar[str] = "text"
    tokenizer: str | Bpe = "bytes"
    path: str | None = None

    @model_validator(mode="after")
    def _a_tokenizer(self) -> Text:
        if isinstance(self.tokenizer, str) and self.tokenizer != "bytes" and not self.tokenizer.endswith(".json"):
            raise ValueError("needs a tokenizer: `bytes`, `bpe(vocab = 4096)`, or the path of a .json file")
        return self


class Images(Source):
    """A folder of images; its subfolders are the labels."""

    name: ClassVar[str] = "images"
    path: str


class Export(Source):
    """What an earlier export draws: a compiled file that needs no inputs; `count` examples in all, or without end."""

    name: ClassVar[str] = "export"
    path: str
    count: int | None = Field(default=None, ge=2, le=MANY)


TOKENIZERS: dict[str, type[Settings]] = {Bpe.name: Bpe}
OPTIMIZERS: dict[str, type[Settings]] = {m.name: m for m in (Sgd, Adam, AdamW)}
SCHEDULES: dict[str, type[Settings]] = {m.name: m for m in (Constant, Linear, Cosine)}
SOURCES: dict[str, type[Settings]] = {
    m.name: m
    for m in (
        Moons,
        SwissRoll,
        Gaussians,
        Checkerboard,
        Spirals,
        Digits,
        FunctionSource,
        Npz,
        Csv,
        Text,
        Images,
        Export,
    )
}
