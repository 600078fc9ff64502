"""What was measured of a model's weights: by `mai tune`, and by the claims of its spec. The fields are those of the manifest."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Measurement(BaseModel):
    """One way to compute an integral, and how good its samples are.

    Attributes:
        method: the solver.
        steps: how many steps it takes.
        grid: (skew, ends), of files that mai before 0.15 tuned: steps are even in u, and the time is
            s = u + skew u (u - 1) - ends sin(2 pi u) / (2 pi).
        bends: (a1, a2, a3): steps are as long as exp(a1 u + a2 u^2 + a3 u^3), u from -1 to 1 over the steps.
        evaluations: how often the velocity is evaluated for one sample.
        reuse: what is reusable in the velocity is computed at every so many-th step.
        guided: where guidance is computed, as shares of the way.
        cost: how many whole evaluations have as many multiply-adds; None in files that were tuned before there was reuse.
        quality: the metric's mean over seeds; lower is better.
        spread: the standard deviation, over seeds, of the quality's ratio to the reference's.
    """

    model_config = ConfigDict(frozen=True)
    method: str
    steps: int
    grid: tuple[float, float] = (0.0, 0.0)
    bends: tuple[float, float, float] = (0.0, 0.0, 0.0)
    evaluations: int
    reuse: int = 1
    guided: tuple[float, float] = (0.0, 1.0)
    cost: float | None = None
    quality: float
    spread: float


class Tuning(BaseModel):
    """What `mai tune` chose and measured.

    Attributes:
        metric: what quality is: "W2", or `module:function` of a user's own.
        factor: how many times worse than the reference's quality the chosen one may be.
        samples: how many samples one measurement takes.
        seeds: how many seeds `reference`, `before` and `after` were measured on, none of which the search used.
        curve: everything that the search measured on even steps.
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


class Condition(BaseModel):
    """A condition of a claim.

    Attributes:
        text: as it stands in the spec.
        comparison: of the two numbers that its outputs are; None where its one output says whether it holds, 1 or 0.
        outputs: the outputs of the file with these numbers, one for each example.
    """

    model_config = ConfigDict(frozen=True)
    text: str
    comparison: Literal["<", "<=", ">", ">=", "==", "!="] | None = None
    outputs: list[str]


class Claim(BaseModel):
    """What the file of a claim checks: for so many examples, and for each of the seeds 0 to `seeds` - 1 where it draws."""

    model_config = ConfigDict(frozen=True)
    conditions: list[Condition]
    count: int = 1
    seeds: int = 1


class Finding(BaseModel):
    """What a condition of a claim came to.

    Attributes:
        claim, text: the claim's name, and the condition as it stands in the spec.
        holds: whether it holds for every example and seed.
        left, right: the two sides of a comparison where it holds least; None for another condition, and where they are not finite.
        mean, interval: of what stands on the left, the mean over all examples, and twice its standard error over seeds.
        examples, seeds: how many it was computed for.
        failure: why it could not be computed, if it could not; it does not hold then.
    """

    model_config = ConfigDict(frozen=True)
    claim: str
    text: str
    holds: bool
    comparison: str | None = None
    left: float | None = None
    right: float | None = None
    mean: float | None = None
    interval: float | None = None
    examples: int = 1
    seeds: int = 1
    failure: str | None = None
