"""Training settings and data sources as pydantic models: what a train block's head and a `data` line may say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mai.spec.diagnostics import Reporter
from mai.spec.diagnostics.suggest import closest
from mai.spec.source import Span


@dataclass(frozen=True, slots=True)
class Configuration:
    """A call that configures: `adamw(lr = 1e-3)`, as data. Values are numbers, texts, lists and configurations."""

    name: str
    positional: tuple[Any, ...]
    named: Mapping[str, Any]
    span: Span
    spans: Mapping[str, Span] = field(default_factory=dict)
    name_spans: Mapping[str, Span] = field(default_factory=dict)


class Settings(BaseModel):
    """Settings are fixed, and an unknown one is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
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
            raise ValueError("betas are at least 0 and below 1")
        return betas


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""

    name: ClassVar[str] = "adamw"
    weight_decay: float = Field(default=0.01, ge=0)


class Schedule(Settings):
    """How the learning rate moves: up over `warmup` steps, then as the subclass says, down to `final` times itself."""

    warmup: int = Field(default=0, ge=0)


class Constant(Schedule):
    name: ClassVar[str] = "constant"


class Cosine(Schedule):
    """Half a cosine (Loshchilov and Hutter 2017)."""

    name: ClassVar[str] = "cosine"
    final: float = Field(default=0.0, ge=0, le=1)


class Linear(Schedule):
    name: ClassVar[str] = "linear"
    final: float = Field(default=0.0, ge=0, le=1)


class TrainSettings(Settings):
    """The head of a train block. Exactly one of `steps` and `epochs` is given."""

    steps: int | None = Field(default=None, gt=0)
    epochs: float | None = Field(default=None, gt=0)
    batch: int = Field(default=64, gt=0)
    optimizer: Union[Sgd, AdamW, Adam] = AdamW()
    schedule: Union[Constant, Cosine, Linear] = Constant()
    ema: float | None = Field(default=None, gt=0, lt=1)
    clip: float | None = Field(default=None, gt=0)
    seed: int = Field(default=0, ge=0)
    precision: Literal["float32", "bf16", "fp16"] = "float32"

    @model_validator(mode="after")
    def _one_length(self) -> TrainSettings:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("a train block says how long: `steps = 2000` or `epochs = 30`, one of them")
        return self


# --------------------------------------------------------------------- sources


class Source(Settings):
    """Where training examples come from."""


class Points(Source):
    """Points in the plane; `cloud` of them make one example where it is given."""

    noise: float = Field(default=0.05, ge=0)
    cloud: int | None = Field(default=None, gt=0)


class Moons(Points):
    """Two half circles."""

    name: ClassVar[str] = "moons"


class SwissRoll(Points):
    """A spiral strip, seen from the side."""

    name: ClassVar[str] = "swiss_roll"


class Gaussians(Points):
    """Normal clouds around a circle, labelled by their number."""

    name: ClassVar[str] = "gaussians"
    modes: int = Field(default=8, gt=0)
    radius: float = Field(default=2.0, gt=0)


class Checkerboard(Points):
    """Every other square of a 4 x 4 board on [-2, 2]^2; `count` points in all, or without end."""

    name: ClassVar[str] = "checkerboard"
    noise: float = Field(default=0.0, ge=0)
    count: int | None = Field(default=None, gt=0)


class Spirals(Points):
    """Spiral arms around the origin, labelled by their number."""

    name: ClassVar[str] = "spirals"
    classes: int = Field(default=2, gt=0)


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
    count: int = Field(default=4096, gt=1)


class Npz(Source):
    """Arrays by field name in a numpy .npz file."""

    name: ClassVar[str] = "npz"
    path: str


class Csv(Source):
    """Columns by field name: `y`, or `x0`, `x1`, ... for a vector `x`."""

    name: ClassVar[str] = "csv"
    path: str


class Text(Source):
    """Windows of a text; the default corpus is English text that comes with Python."""

    name: ClassVar[str] = "text"
    tokenizer: str = "bytes"
    path: str | None = None


class Images(Source):
    """A folder of images; its subfolders are the labels."""

    name: ClassVar[str] = "images"
    path: str


OPTIMIZERS: dict[str, type[Settings]] = {m.name: m for m in (Sgd, Adam, AdamW)}
SCHEDULES: dict[str, type[Settings]] = {m.name: m for m in (Constant, Cosine, Linear)}
SOURCES: dict[str, type[Settings]] = {
    m.name: m
    for m in (Moons, SwissRoll, Gaussians, Checkerboard, Spirals, Digits, FunctionSource, Npz, Csv, Text, Images)
}
CHOICES = {"optimizer": ("unknown-optimizer", OPTIMIZERS), "schedule": ("unknown-schedule", SCHEDULES)}


def read_train_settings(given: Configuration, head: Span, report: Reporter) -> TrainSettings | None:
    """Settings from what a train block's head says; errors are told at the argument at fault."""
    values = dict(given.named)
    sound = True
    for name, (slug, models) in CHOICES.items():
        if name in values:
            made = _chosen(values[name], given.spans[name], name, slug, models, report)
            sound = sound and made is not None
            values[name] = made
    if not sound:
        return None
    made = _validated(TrainSettings, values, given, "a train block", head, report)
    return made if isinstance(made, TrainSettings) else None


def read_source(given: Configuration, report: Reporter) -> Source | None:
    """A data source from its call."""
    made = _chosen(given, given.span, "source", "unknown-source", SOURCES, report)
    return made if isinstance(made, Source) else None


def _chosen(
    given: object, span: Span, kind: str, slug: str, models: Mapping[str, type[Settings]], report: Reporter
) -> Settings | None:
    """A model by the name of a call: `adamw(lr = 1e-3)`, or `cosine` alone."""
    if isinstance(given, str):
        given = Configuration(given, (), {}, span)
    if not isinstance(given, Configuration):
        report.error("bad-setting", span, f"an {kind} is needed here" if kind[0] in "aeiou" else f"a {kind} is needed here")
        return None
    if given.name not in models:
        guess = closest(given.name, models)
        help = f"did you mean `{guess}`?" if guess else f"there are {', '.join(models)}"
        report.error(slug, given.span, f"there is no {kind} `{given.name}`", help=help)
        return None
    model = models[given.name]
    return _validated(model, dict(given.named), given, f"`{given.name}`", given.span, report)


def _validated(
    model: type[Settings], values: dict[str, Any], given: Configuration, what: str, head: Span, report: Reporter
) -> Settings | None:
    fields = list(model.model_fields)
    if len(given.positional) > len(fields):
        report.error("too-many-arguments", given.span, f"{what} takes {', '.join(fields) or 'nothing'}")
        return None
    values = {**dict(zip(fields, given.positional, strict=False)), **values}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        for problem in error.errors():
            _tell(problem, model, values, given, what, head, report)
        return None


def _tell(
    problem: Any, model: type[Settings], values: Mapping[str, Any], given: Configuration, what: str, head: Span, report: Reporter
) -> None:
    """One pydantic error as a diagnostic at the argument that it is about."""
    name = str(problem["loc"][0]) if problem["loc"] else ""
    span = given.spans.get(name, head)
    if problem["type"] == "extra_forbidden":
        guess = closest(name, model.model_fields)
        help = f"did you mean `{guess}`?" if guess else f"it takes {', '.join(model.model_fields) or 'nothing'}"
        report.error("unknown-setting", given.name_spans.get(name, span), f"{what} has no setting `{name}`", help=help)
    elif problem["type"] == "missing":
        report.error("missing-setting", head, f"{what} needs `{name}`")
    elif not name:
        report.error("bad-setting", head, str(problem["msg"]).removeprefix("Value error, "))
    else:
        message = str(problem["msg"]).removeprefix("Value error, ").replace("Input should be", "it should be")
        report.error("bad-setting", span, f"`{name}` of {what}: {message}", label=str(values.get(name)))
