"""The manifest of a compiled file: what it takes and gives, and where it comes from, as JSON in its metadata.

The names of the fields are the file format: a file that an earlier mai wrote must still be read.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, computed_field

from mai.runtime.inputs.cells import LACKING, SPACES, TRUTHS
from mai.runtime.inputs.framing import Fit, Framing, Resample
from mai.runtime.model.findings import Claim, Finding, Tuning
from mai.runtime.self_test.record import SelfTest

FORMAT = 1
MANIFEST_KEY, SPEC_KEY = "mai.manifest", "mai.spec"
Number = bool | int | float
DateForm = Literal["day", "time", "utc"]
DateOrder = Literal["day_first", "month_first"]


class Port(BaseModel):
    """An input, a setting or an output.

    Attributes:
        shape: the sizes of one example; a size that a call decides is its text in the spec, as "P + count".
        batch: whether the array has the batch as its first axis, before `shape`.
        default: of a setting.
        minimum, maximum: the range of the values, both included.
        classes: of labels and tokens, how many there are.
        field: of labels, and of numbers with one for each label, the field of the training data that they are of, which may
            have names for them in `labels`. Older files do not say it: there it is the field of the port's own name.
        gaps: of an input of numbers, whether the file has an answer where one is missing, NaN; of labels with names, whether the one after
            those is for what is missing or not known; older files do not say.
        dates: of an input of numbers that were dates in the data, and of an output of numbers that answer such a field, how these are
            written; the numbers are days since 1970-01-01. Older files do not say it of inputs: there `facts` do.
        tokens: of an output of real numbers, whether its last axis has one for each token that a text may have; older files do not say.
        path: of an output that is a kept path, the axis of `shape` along which the solver's steps lie.
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
    field: str | None = None
    dates: DateForm | None = None
    path: int | None = None
    gaps: bool | None = None
    tokens: bool | None = None


class Facts(BaseModel):
    """What a field of real numbers was in the data that were trained on.

    Attributes:
        low, high, middle: the range and the median of each of its numbers, or of all together where there are many.
        whole: whether all of them were whole.
        gaps: whether some were missing, which NaN stands for.
        columns: of a vector whose numbers are columns of a table with names of their own, these names.
        fit, resize, resample: of images of any size, how they come to that of the model (`Framing`).
        dates: where numbers are days since 1970-01-01 that were dates in a table, of each number how these are written: whole days, `day`,
            days with their `time`, or times with an offset, which are in `utc`; None for a number that is no date.
        percents: where numbers were written with a percent sign, of each column one of its cells, as `45 %`; without where it had none.
        absent: what said in tables, besides an empty cell, that there is no value, as `-999`.
        order: which is first in dates in numbers, as `03/04/2024`, where the data said it: the day or the month.
        near: from which to which number each is that is not far outside of the data, for any reader of the file.
    """

    model_config = ConfigDict(frozen=True)
    low: list[float]
    high: list[float]
    middle: list[float]
    whole: bool = False
    gaps: bool = False
    fit: Fit | None = None
    resize: int | tuple[int, int] | None = None
    resample: Resample | None = None
    columns: list[str] | None = None
    dates: list[DateForm | None] | None = None
    percents: list[str] | None = None
    absent: list[str] | None = None
    order: DateOrder | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def near(self) -> list[tuple[float, float] | None]:
        """By number the range outside of which one is far from the data: further from theirs than that is long. None where that was one number, or of dates."""
        forms = self.dates or [None] * len(self.low)
        each = zip(self.low, self.high, forms, strict=False)
        return [
            None if form or not low < high else (low - (high - low), high + (high - low)) for low, high, form in each
        ]

    @property
    def framing(self) -> Framing:
        """How images come to the size of the model; to their middle where nothing was said."""
        return Framing(self.fit or "crop", self.resize, self.resample or "bicubic")


class Words(BaseModel):
    """How a word is read that names a label, by whoever calls the file, as the cells of tables are.

    Attributes:
        spaces: the characters that are left out at both its ends.
        truths: labels, in small letters, that are the same in any letters where an input has these two alone; two labels without names
            are called so, by their numbers.
        lacking: words, in small letters, that say that there is no value, unless a label is called so.
    """

    model_config = ConfigDict(frozen=True)
    spaces: str = SPACES
    truths: list[str] = [*TRUTHS]
    lacking: list[str] = sorted(LACKING)


class TokenizerTrial(BaseModel):
    """A text, its `tokens`, and the text that these are `decoded` to, by which another reader of the tokenizer is tried."""

    model_config = ConfigDict(frozen=True)
    text: str
    tokens: list[int]
    decoded: str


class Chat(BaseModel):
    """How messages become the prompt of an answer.

    Attributes:
        templates: of Jinja, by name: `default`, and where there is one `tool_use` for messages with tools.
        words: what templates know of the tokenizer, by name, as `bos_token`.
    """

    model_config = ConfigDict(frozen=True)
    templates: dict[str, str]
    words: dict[str, str] = {}


class Text(BaseModel):
    """The text that an export grows.

    A token of -1 is none. Prompts of different lengths are the rows of one array, the shorter ones preceded by -1; rows of
    the result may begin and end with it.

    Attributes:
        prompt: the name of the input that the text starts from.
        count: how many tokens are appended: the name of a setting, or a number.
        usual: the default of `count`.
        limit: the most tokens that the model reads.
        context: the most tokens that it was trained on, where it reads longer texts, too; None where nothing says it.
        drafts: the most tokens that one turn guesses and checks (`--speculate`).
        ends: the tokens that end a row: numbers, and names of settings; older files do not say.
        result: the output that is the longer text, after its prompt; None where none is, in step files and in older ones.
        answers: the JSON schema that what is appended fits, where the spec has it so (`constrain`); older files do not say.
    """

    model_config = ConfigDict(frozen=True)
    prompt: str
    count: int | str
    usual: int
    limit: int | None = None
    context: int | None = None
    drafts: int = 0
    ends: list[int | str] = []
    result: str | None = None
    answers: dict[str, Any] | None = None


class Step(BaseModel):
    """One turn of a growing text, in a file of its own.

    Attributes:
        tokens: the input of the new tokens.
        past: the setting that counts the tokens before them.
        turn: the setting that counts the turns before this one.
        past_size: the size, as text, of the axis of a state along which the tokens before lie; it is 0 at first.
        states: for each input that is a state, the output that is its value for the next turn. All begin as zeros.
        block: a long prompt is read in turns of so many tokens, so that memory grows like the prompt; None: in one turn.
        settled: states that are the same after every token of a row.
        logits: the output that the next token is drawn from, before the temperature and what leaves out tokens; None where it is not drawn,
            and in older files.
        capacity: how many tokens the states of `fixed` have places for, which do not grow; None where all do that hold the past.
        fixed: states of [..., capacity, ...]: the tokens before are their first places, and nothing reads the others.
        ended: the state that says which rows have ended: before the last of these turns it stays as it is.
    """

    model_config = ConfigDict(frozen=True)
    tokens: str
    past: str
    turn: str | None
    past_size: str
    states: dict[str, str]
    block: int | None = None
    ended: str | None = None
    settled: list[str] = []
    logits: str | None = None
    capacity: int | None = None
    fixed: list[str] = []


class Part(BaseModel):
    """Some turns of an export's loops, in a file of its own: the steps of a sampler, one or several a call.

    Attributes:
        before: the setting that says how many turns have been taken.
        now: the setting that says how many are to be taken.
        total: the output that says how many there are for each example, [batch]; of one that a condition has ended, none that are left.
        states: for each input that is a state, the output that is its value for the next call. The first call, with 0 turns before,
            reads none of them: they may be anything of their sizes.
        results: the outputs that the whole file has, as they would be if the turns so far were all.
    """

    model_config = ConfigDict(frozen=True)
    before: str
    now: str
    total: str
    states: dict[str, str]
    results: list[str]


class Data(BaseModel):
    """Bytes that a file is known by, of itself or of the tensors beside it: how many they are, and their SHA-256."""

    model_config = ConfigDict(frozen=True)
    size: int
    sha256: str


class About(BaseModel):
    """What the head of a spec says of its files.

    Attributes:
        description: its lines but these.
        author, licence, version: as they stand there.
        domain: whose model it is, a name backwards, as `org.example.flows`.
    """

    model_config = ConfigDict(frozen=True)
    description: str = ""
    author: str | None = None
    licence: str | None = None
    version: str | None = None
    domain: str | None = None


class Manifest(BaseModel):
    """The interface of one export, and where it comes from.

    Attributes:
        about: what the comment at the head of the spec says; None where there is none, and in older files.
        spec_sha256: the digest of the spec's text.
        versions: of what compiled it, by package.
        least, most: the smallest and largest sizes of dimensions, by name: where one is cut off before, and where a table of
            positions has an end. Any other is 1 at least. The least of what is made of several numbers of a call, `n - m`, is there, too.
        draws: whether it draws random numbers.
        draw_bits: how many bits whole numbers must have where the file runs for its draws to be right: 32, or 64 (older files,
            `--draws fast` and `--cuda`).
        portable: whether it is for other engines than ONNX Runtime (`--portable`).
        cuda: whether its draws, norms and transforms are of operators that CUDA has kernels for (`--cuda`).
        cpu: whether its products with large weights are convolutions (`--cpu`).
        unrolled: whether it has no loops (`--unroll`).
        required: whether the settings have no defaults in the graph, so that a host must give all (`--settings required`).
        trained_steps: how many steps its weights were trained for; `trained_blocks` has those of each train block that has a name.
        weights_from: the file that they began as, by its name, where the spec has a `weights from`; older files do not say.
        tokenizer: "bytes", or the JSON of a `tokenizers` file.
        tokenizer_trials: what the package `tokenizers` makes of some texts by that file, for hosts that read it with another library; older
            files have none.
        special_tokens: whether a text gets the special tokens that its tokenizer prescribes; the corpora that mai trains on,
            and older files, have none.
        chat: how messages become a prompt, where the file is for conversations.
        labels: the names of the labels of the training data, by field.
        words: how the names of labels are read; older files do not say.
        spellings: by field other ways to write names of labels, with the numbers of these: an accent as a character of its own, or none of
            its own, for hosts that cannot tell; older files do not say.
        facts: what the fields of real numbers were there that an input is called as, by input.
        decimal: the sign before decimals in the tables that it was trained on, where their numbers told it.
        series: the window and the horizon of the series that it was trained on, where it was.
        precision: of the weights and of their products.
        quantize: what the weights are kept in; `loss_change` is how much that adds to the loss, as a share of it, and `ranges`
            are those of its convolutions of whole numbers, by which it can be compiled again.
        evaluations: the output that counts how often adaptive solvers evaluated their velocity for each example; negative
            where a solver stopped before the end.
        turns: the output that counts the turns of growing texts.
        tuned: what `mai tune` has chosen, where it has.
        checksum: of the weights (`checksum.py`); older files have none.
        data: of the file beside that holds the large weights; None where all are inside.
        file: of all that stands before the manifest, which is the end of the file: graph, weights and spec. Older files do not say it.
        turns_of: in a file of turns, the `identity` of the whole file beside which it was written; older files do not say.
        self_test: inputs and results by which any engine can be verified; older files have none.
        claim: in the file of a claim, what it checks.
        claims: what the claims of the spec came to with these weights.
    """

    model_config = ConfigDict(frozen=True)
    format: int = FORMAT
    name: str
    export: str
    title: str = ""
    about: About | None = None
    inputs: list[Port]
    settings: list[Port]
    outputs: list[Port]
    spec_sha256: str
    versions: dict[str, str] = {}
    least: dict[str, int] = {}
    most: dict[str, int] = {}
    opset: int
    draws: bool = False
    draw_bits: int = 64
    cuda: bool = False
    cpu: bool = False
    portable: bool = False
    unrolled: bool = False
    required: bool = False
    trained_steps: int | None = None
    trained_blocks: dict[str, int] = {}
    weights_from: str | None = None
    tokenizer: str | None = None
    tokenizer_trials: list[TokenizerTrial] = []
    special_tokens: bool = False
    chat: Chat | None = None
    labels: dict[str, list[str]] = {}
    words: Words = Words()
    spellings: dict[str, dict[str, int]] = {}
    facts: dict[str, Facts] = {}
    decimal: Literal[".", ","] | None = None
    series: tuple[int, int] | None = None
    precision: Literal["float32", "fp16", "bf16"] = "float32"
    quantize: Literal["int4", "int8"] | None = None
    loss_change: float | None = None
    ranges: dict[str, list[float]] = {}
    text: Text | None = None
    step: Step | None = None
    part: Part | None = None
    evaluations: str | None = None
    turns: str | None = None
    tuned: Tuning | None = None
    checksum: str | None = None
    data: Data | None = None
    file: Data | None = None
    turns_of: str | None = None
    self_test: SelfTest | None = None
    claim: Claim | None = None
    claims: list[Finding] = []

    @property
    def is_whole(self) -> bool:
        """Whether a call of the file is all of its export, and no turn of a text or part of a sampler."""
        return self.step is None and self.part is None

    @property
    def identity(self) -> str | None:
        """What tells this file's graph, weights and spec from those of any other; older files do not say."""
        return None if self.file is None else self.file.sha256 + (self.data.sha256 if self.data else "")

    @property
    def own_ports(self) -> frozenset[str]:
        """The settings, inputs and outputs that no caller knows of: counters, and what a file of some turns has beside the whole one."""
        counters, part = {name for name in (self.evaluations, self.turns) if name}, self.part
        if part is None:
            return frozenset(counters)
        return frozenset({*counters, part.before, part.now, part.total, *part.states, *part.states.values()})

    @property
    def smallest(self) -> dict[str, int]:
        """The least sizes of dimensions that are not 1, by name; the text before the first turn of a step file has no token."""
        return {**({self.step.past_size: 0} if self.step else {}), **self.least}

    @property
    def steady_inputs(self) -> dict[str, Port]:
        """Of a step file, the inputs that are the same in all turns, by name: neither its tokens nor its states."""
        step, part = self.step, self.part
        changing = {*(part.states if part else ()), *((step.tokens, *step.states) if step else ())}
        return {p.name: p for p in self.inputs if p.name not in changing}
