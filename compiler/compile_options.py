"""How exports are compiled, and what beside that goes into their files: two records, from the command line to the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from mai.spec.record import record

if TYPE_CHECKING:
    from mai.compiler.data.tables.numerals import Decimal
    from mai.compiler.onnx.precision.moments import Moments
    from mai.compiler.onnx.precision.ranges import Ranges
    from mai.runtime.arrays import Array
    from mai.runtime.model.findings import Finding, Tuning
    from mai.runtime.model.manifest import Chat, DateForm, Facts

Cache = Literal["auto", "concat", "two-level", "none"]
Precision = Literal["float32", "fp16", "bf16"]
FewBits = Literal["int8", "int4"]
Settings = Literal["optional", "required"]
Drawing = Literal["portable", "fast"]
OPSETS = (21, 22, 23)
OLDEST = min(OPSETS)
BITS: dict[str, int] = {"int4": 4, "int8": 8}
# What a file for any engine has: the oldest opset, whose operators most of them know; no input that may be left out; 32 bits.
PORTABLE: dict[str, object] = {
    "opset": OLDEST, "settings": "required", "draws": "portable", "cuda": False, "precision": "float32",
}  # fmt: skip
# How a growing text keeps its past unless something else is asked for: up to a thousand tokens, measured faster than two
# levels with int4 weights and as fast with float32.
USUAL_CACHE = "concat"


class OptionError(ValueError):
    """An option has a value that there is not, or two of them exclude each other. The text is for users."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileOptions:
    """The options of `mai compile`, with their defaults. Options that do not go together raise `OptionError`.

    `cache` says how a growing text keeps its past, `drafts` how many guessed tokens a turn of it may read, `capacity` for how many tokens a step
    file's keys and values have places, which then do not grow. `settings` are
    "required" for hosts that cannot override an initializer. `draws` are "portable", right also where a host computes int64
    as int32, or "fast"; the numbers are the same. With `cuda` draws, norms and transforms are of operators that CUDA has kernels for, so that
    the device computes them; on a CPU they are slower. With `cpu` products with large weights are
    convolutions, whose weights ONNX Runtime reads faster on a CPU where rows are few, as in the turns of a text. With `progress` an export with loops gets a file of some of their turns beside it. With `portable` the file is for other engines than ONNX Runtime, which asks for
    `PORTABLE`, and a large batch is not computed in parts, by a `Scan`. `tokenizer` is "bytes" or a file; with `external_data` the
    weights go into a file beside, as they do where one file cannot hold them; `seed` draws first weights
    where there are no others. `held_out` are data on which the loss with few bits may be worse by the share
    `quantize_limit`, `calibrate` those by which codes of few bits are chosen. Without `optimise` the graph stays as torch runs it, without `verify` the gate is left out: for
    measurements.
    """

    opset: int = 23
    unroll: bool = False
    cache: Cache = "auto"
    drafts: int = 0
    step: bool = True
    capacity: int | None = None
    progress: bool = False
    precision: Precision = "float32"
    quantize: FewBits | None = None
    quantize_limit: float = 0.05
    held_out: tuple[Path, ...] = ()
    calibrate: tuple[Path, ...] = ()
    settings: Settings = "optional"
    draws: Drawing = "portable"
    cuda: bool = False
    cpu: bool = False
    portable: bool = False
    tokenizer: str | None = None
    external_data: bool = False
    seed: int = 0
    optimise: bool = True
    verify: bool = True

    def __post_init__(self) -> None:
        problem = self._unknown_choice() or self._contradiction()
        if problem:
            raise OptionError(problem)

    def _unknown_choice(self) -> str | None:
        choices: list[tuple[str, object, tuple[object, ...]]] = [
            ("opset", self.opset, OPSETS), ("cache", self.cache, get_args(Cache)),
            ("quantize", self.quantize or "int8", get_args(FewBits)), ("precision", self.precision, get_args(Precision)),
            ("settings", self.settings, get_args(Settings)), ("draws", self.draws, get_args(Drawing)),
        ]  # fmt: skip
        for name, value, allowed in choices:
            if value not in allowed:
                return f"--{name} {value}: {', '.join(map(str, allowed))}"
        return None

    def _contradiction(self) -> str | None:
        kept, precision = self.quantize, self.precision
        if kept and precision != "float32":
            return f"--quantize {kept} says how weights are kept, --precision {precision} too: one of them"
        if self.cuda and self.draws != "portable":
            return f"--cuda has a form of draws of its own: without --draws {self.draws}"
        if self.cpu and (kept or self.cuda or precision != "float32"):
            return "--cpu is for weights in float32 on a CPU: without --cuda, --precision and --quantize"
        if self.portable and any(getattr(self, name) != value for name, value in PORTABLE.items()):
            return "--portable is opset 21 in float32, with required settings and portable draws: without options that say otherwise"
        if self.calibrate and not kept:
            return "--calibrate chooses the codes of --quantize: both of them"
        if self.capacity is not None and (self.capacity < 2 or not self.writes_step):
            return "--capacity is how many tokens a step file keeps, 2 at least: without --no-step, --no-cache and --unroll"
        if self.unroll and self.cache == "two-level":
            return "--cache two-level is made of loops, --unroll of none"
        if self.progress and self.unroll:
            return "--progress takes the turns of loops one by one, --unroll leaves none"
        if self.drafts and (self.unroll or self.cache not in ("auto", "concat")):
            return "--speculate is a loop with a cache of its own: without --unroll, --cache and --no-cache"
        return None

    @property
    def growth(self) -> str:
        """How a growing text keeps its past: a key of `passes.GROWN`."""
        if self.cache == "none" and self.unroll:
            return "alike"
        return USUAL_CACHE if self.cache == "auto" else self.cache

    @property
    def bits(self) -> int | None:
        """The bits of a weight that is kept in few; None where all are whole."""
        return BITS[self.quantize] if self.quantize else None

    @property
    def draw_bits(self) -> int:
        """How many bits whole numbers must have on a host for draws to be right there."""
        return 32 if self.draws == "portable" and not self.cuda else 64

    @property
    def required(self) -> bool:
        """Whether settings are inputs without defaults."""
        return self.settings == "required"

    @property
    def writes_step(self) -> bool:
        """Whether a growing text gets a file of one turn, too: it needs a cache, and a loop."""
        return self.step and self.growth != "none" and not self.unroll


DEFAULTS = CompileOptions()


@record
class Trained:
    """What becomes a file beside the program: weights by name, and what the file says of them.

    `steps` is how long they were trained, None for not at all, `blocks` how long by each train block that has a name; `tokenizer` is "bytes" or the JSON of one; `labels` are the
    names of the labels of each field, `facts` the ranges of its numbers, `dated` how results are written that answer a field of dates, by export and output, `decimal` their sign in tables, `chat` how messages become a prompt. A text gets the tokenizer's `special_tokens`, unless the corpus of the training had
    none. `claims` is what those of the spec came to. `loss_change` is what few bits add to the loss, as a share of it; `tuned` what `mai
    tune` measured. `ranges` are those of convolutions on held-out data, for few bits, and `moments` those of what products read;
    `wide` are weights that are kept in 8 bits where others have 4.
    """

    weights: Mapping[str, Array]
    steps: int | None = None
    tokenizer: str | None = None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    loss_change: float | None = None
    tuned: Tuning | None = None
    special_tokens: bool = True
    chat: Chat | None = None
    claims: tuple[Finding, ...] = ()
    blocks: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, Facts] = field(default_factory=dict)
    dated: Mapping[str, Mapping[str, DateForm]] = field(default_factory=dict)
    decimal: Decimal | None = None
    ranges: Ranges = field(default_factory=dict)
    moments: Moments | None = None
    wide: frozenset[str] = frozenset()
