"""The distributions: one row a family, with its parameters, what they may be, and its sentence in the reference.

Their formulas are layers of the prelude (`spec/prelude/distributions.mai`): _NAME_log_prob, _NAME_entropy, _NAME_kl and, where a draw
is more than one operation, _NAME_draw. A family without such a layer has no such formula.
"""

from __future__ import annotations

from collections.abc import Mapping

from mai.compiler.ir.sizes import Size
from mai.spec.record import record


@record
class Parameter:
    """A parameter of a distribution: its name, its default where it has one, and which numbers it may be, as `what` says.

    Its last `axes` are of one draw; axes before them are of as many draws.
    """

    name: str
    default: float | None = None
    what: str = ""
    least: float | None = None
    most: float | None = None
    is_open: bool = False
    axes: int = 0

    def allows(self, number: float) -> bool:
        """Whether a number lies in the range; its least is no part of it where it is open."""
        is_above = self.least is None or (number > self.least if self.is_open else number >= self.least)
        return is_above and (self.most is None or number <= self.most)


@record
class Family:
    """A distribution: `rank` is that of one draw, and its size that of the first parameter's last axes."""

    name: str
    says: str
    parameters: tuple[Parameter, ...]
    rank: int = 0
    by_logits: str = ""  # The family that is meant where `logits` are said instead.

    @property
    def form(self) -> str:
        """How it is written: `normal([n]?, mean = 0, std = 1)`."""
        shown = [p.name if p.default is None else f"{p.name} = {p.default:g}" for p in self.parameters]
        shown += ["logits?"] if self.by_logits else []
        return f"{self.name}({', '.join([*(['[n]?'] if self.has_shape else []), *shown])})"

    @property
    def has_shape(self) -> bool:
        """Whether a shape may be said; where draws are vectors, the parameters' shapes say it."""
        return not self.rank


def _positive(name: str, default: float | None = None, axes: int = 0) -> Parameter:
    return Parameter(name, default, "a positive number", 0, is_open=True, axes=axes)


LOCATION, SCALE = Parameter("location", 0.0), _positive("scale", 1.0)
CONCENTRATION = _positive("concentration")

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family("normal", "Gaussians, each on its own.",
               (Parameter("mean", 0.0), Parameter("std", 1.0, "a standard deviation, at least 0", 0))),
        Family("uniform", "Evenly between low and high.", (Parameter("low", 0.0), Parameter("high", 1.0))),
        Family("bernoulli", "True with the probability p, or sigmoid(logits).",
               (Parameter("p", 0.5, "a probability, from 0 to 1", 0, 1),), by_logits="bernoulli_logits"),
        Family("integers", "Whole numbers from low to high - 1, each as likely.", (Parameter("low"), Parameter("high"))),
        Family("poisson", "Whole numbers with the mean `rate`; a draw has no derivative.",
               (Parameter("rate", None, "a rate, at least 0", 0),)),
        Family("exponential", "Positive numbers with the mean 1 / rate.", (_positive("rate", 1.0),)),
        Family("gamma", "Positive numbers with the mean concentration / rate.", (CONCENTRATION, _positive("rate", 1.0))),
        Family("beta", "Numbers between 0 and 1 with the mean a / (a + b).", (_positive("a"), _positive("b"))),
        Family("laplace", "Numbers with the density exp(-|x - location| / scale) / (2 scale).", (LOCATION, SCALE)),
        Family("gumbel", "The largest of many: location - scale log(-log(u)) for a uniform u.", (LOCATION, SCALE)),
        Family("logistic", "Numbers that are below x with the probability sigmoid((x - location) / scale).", (LOCATION, SCALE)),
        Family("student_t", "Student's distribution with `df` degrees of freedom.", (_positive("df"), LOCATION, SCALE)),
        Family("truncated_normal", "Gaussians that lie between low and high.",
               (Parameter("mean"), _positive("std"), Parameter("low"), Parameter("high"))),
        Family("dirichlet", "Probabilities [K], with the mean concentration / sum(concentration): the last axis is of one draw.",
               (_positive("concentration", axes=1),), rank=1),
        Family("multivariate_normal", "Gaussians [n] with the covariance factor @ factor', `factor` lower triangular: "
               "`multivariate_normal(m, cholesky(C))`. A number above its diagonal makes draws and densities NaN; `tril(F)` has none there.", (Parameter("mean", axes=1), Parameter("factor", axes=2)), rank=1),
    )
}  # fmt: skip

# Those that are written otherwise: as `bernoulli(logits = z)`, or with arguments of their own.
OTHERS: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family("bernoulli_logits", "", (Parameter("logits"),)),
        Family("categorical", "", (Parameter("logits", axes=1),)),
        Family("mixture", "", (Parameter("logits", axes=1),)),
    )
}


def family_of(kind: str) -> Family:
    """The row of a distribution."""
    return FAMILIES.get(kind) or OTHERS[kind]


def without_last(shape: tuple[Size, ...], count: int) -> tuple[Size, ...]:
    """A shape without its last axes."""
    return shape[: len(shape) - count]
