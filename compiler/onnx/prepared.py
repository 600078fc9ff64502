"""An export made ready to become ONNX: its graphs, and how its weights and its batch are laid out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mai.compiler.compile_options import DEFAULTS, CompileOptions
from mai.compiler.ir.graph import Graph
from mai.compiler.ir.sizes import Size, substitute
from mai.compiler.ir.structure import DERIVATIVES, Extend, Loop
from mai.compiler.onnx.describing.limits import smallest
from mai.compiler.onnx.layout.chunks import chunk_of
from mai.compiler.onnx.precision.quantize import Coarse
from mai.compiler.onnx.precision.whole import whole_products
from mai.compiler.ops.texts.constraint import Walk
from mai.compiler.passes import forms
from mai.compiler.passes.loops.some_turns import SomeTurns
from mai.compiler.passes.pipeline import uncollected
from mai.compiler.passes.text.absence import prompts_of, prompts_of_unlike_lengths
from mai.compiler.passes.text.growth import begins_with, ends_of, texts
from mai.compiler.program import Program
from mai.runtime.model.manifest import Text
from mai.spec.diagnostics import MaiError

SHARE_OF_CODES = 4  # How many codes of 8 bits have the place of a real.


@dataclass(frozen=True, slots=True)
class Prepared:
    """Two graphs of one export: `plain` as torch runs it, and `optimised` as it becomes ONNX.

    `grows` says whether it extends a text, and `prompt` which input it extends, where nothing else reads that; prompts in
    `unlike` may have different lengths. `starts` has the sizes that texts begin with, by the names of the sizes that grow. `turns` is the optimised graph before its prompts were cut into blocks, where they are. In a step
    file both graphs are one turn, and `whole` is the optimised graph that the turn was taken from. `ends` are the tokens that end a row,
    numbers or settings; `result` is the output that is the longer text, and `schema` is that of JSON which what is appended fits. `differentiates` says whether a derivative is taken in it. `part`
    is there where both graphs are some turns of an export's loops. `recomputed` says why each token computes the whole text again,
    where nobody asked for that.
    """

    plain: Graph
    optimised: Graph
    grows: bool
    whole: Graph | None = None
    prompt: str | None = None
    unlike: frozenset[str] = frozenset()
    turns: Graph | None = None
    starts: Mapping[str, Size] = field(default_factory=dict)
    ends: tuple[int | str, ...] = ()
    result: str | None = None
    schema: dict[str, Any] | None = None
    differentiates: bool = False
    part: SomeTurns | None = None
    recomputed: str | None = None

    @property
    def refusal(self) -> str | None:
        """Why the turns of its loops cannot be taken one by one; None where they can."""
        return forms.refusal(self.optimised)

    def smallest(self, rows: int = 1) -> dict[str, int]:
        """The least size of each free dimension with which every axis has `rows`, where it is above 1."""
        return smallest(self.plain, rows, self.starts)

    @property
    def text(self) -> Text | None:
        """The text that grows from an input; None where none does."""
        graph = self.whole or self.optimised
        prompts = [v for v in graph.inputs if v.name == self.prompt]
        loops = [n for n in texts(graph) if any(begins_with(n, prompt) for prompt in prompts)]
        if not loops:
            return None
        described = _described(Loop.of(loops[0]), str(self.prompt), graph, self.ends)
        one = self.optimised.one_turn
        limits = [n for n in (described.limit, one.capacity if one else None) if n is not None]
        return described.model_copy(
            update={"result": self.result, "limit": min(limits, default=None), "answers": self.schema}
        )

    @property
    def longest_text(self) -> int | None:
        """How many tokens the growing text may have; None where nothing limits it."""
        graph = self.whole or self.optimised
        return min((limit for n in texts(graph) if (limit := Loop.of(n).limit)), default=None)

    def chunk(self, options: CompileOptions) -> int | None:
        """How many examples of a large batch are computed at a time; None for all of them."""
        layout = self.coarse(options.bits)
        share = SHARE_OF_CODES if layout is not None and layout.convolves else 1
        return None if options.unroll or options.portable or self.whole else chunk_of(self.optimised, share)

    def coarse(self, bits: int | None) -> Coarse | None:
        """How weights are kept in few bits; None where they are whole.

        A turn of a growing text has a row an example, and reading its weights is what takes time: blocks. An integral has
        the rows of all examples: with 8 bits, its products are of whole numbers. So are convolutions, but not where a derivative
        is taken: its code is another function of the weights than the one that it would be the derivative of.
        """
        if bits is None:
            return None
        if bits < 8 or self.grows:
            return Coarse(bits)
        return Coarse(bits, whole_products(self.optimised), convolves=not self.differentiates)


@uncollected()
def prepare_export(program: Program, export: str, options: CompileOptions = DEFAULTS) -> Prepared:
    """The graphs of an export; a text without an incremental form is computed whole for every token, unless an option asks for one.

    Raises `MaiError`: `looks-ahead` or `no-drafts`, where a text cannot grow as the options ask.
    """
    try:
        return _prepared(program, export, options)
    except MaiError as error:
        (first, *_) = error.diagnostics
        if first.slug != "looks-ahead" or options.cache != "auto" or options.drafts or options.capacity:
            raise
        return replace(_prepared(program, export, replace(options, cache="none")), recomputed=first.message)


def _prepared(program: Program, export: str, options: CompileOptions) -> Prepared:
    written = program.exports[export]
    grows = any(node.op is Extend for node in written.walk())
    derived = forms.derived(forms.freeze(written) if options.unroll else written)
    is_new = derived is not written  # Then nobody else has it, and its last form may be made of it itself.
    plain = forms.grown(derived, own=is_new and not grows)
    # Where no text grows, the incremental form is the plain one.
    executed = forms.grown(derived, cache=options.growth, drafts=options.drafts, own=is_new) if grows else plain
    optimised = forms.optimise(executed, own=grows) if options.optimise else executed
    starts = {Extend.of(n).length: n.inputs[0].type.shape[0] for n in written.nodes if n.op is Extend}
    in_blocks = grows and options.growth == "concat" and not options.drafts and not options.unroll
    whole, turns = (forms.prompt_blocks(optimised), optimised) if in_blocks else (optimised, None)
    prompt = next((row.name for row in prompts_of(written)), None)
    unlike = frozenset() if options.growth == "alike" else prompts_of_unlike_lengths(written)
    ends, grown = ends_of(written), {n.outputs[0] for n in written.nodes if n.op is Extend}
    result = next((name for name, v in zip(written.output_names, written.outputs, strict=True) if v in grown), None)
    differentiates = any(node.op in DERIVATIVES for node in written.walk())
    return Prepared(
        plain,
        whole,
        grows,
        prompt=prompt,
        unlike=unlike,
        turns=turns,
        starts=starts,
        ends=ends,
        result=result,
        schema=_schema_of(written),
        differentiates=differentiates,
    )


def _schema_of(written: Graph) -> dict[str, Any] | None:
    """The JSON schema of a text whose every pattern is that one; None of any other."""
    tables = {node.attributes["table"] for node in written.walk() if node.op is Walk}
    schemas = [json.loads(table).get("schema") for table in tables]
    return schemas[0] if len(schemas) == 1 and isinstance(schemas[0], dict) else None


def _described(loop: Loop, prompt: str, graph: Graph, ends: Sequence[int | str]) -> Text:
    count, limit = loop.tokens, loop.limit
    assert count is not None, "a growing text has a number of tokens"
    usual = substitute(count, {n: int(s.default) for n, s in graph.settings.items()})
    stated, usual = count if isinstance(count, int) else str(count), usual if isinstance(usual, int) else 0
    return Text(prompt=prompt, count=stated, usual=usual, limit=limit, drafts=loop.drafts or 0, ends=list(ends))


class Preparations:
    """The exports of a program, each prepared once and when it is asked for: `preparations[name]`."""

    def __init__(self, program: Program, options: CompileOptions = DEFAULTS) -> None:
        self.program, self.options = program, options
        self._prepared: dict[str, Prepared] = {}

    def __getitem__(self, export: str) -> Prepared:
        if export not in self._prepared:
            self._prepared[export] = prepare_export(self.program, export, self.options)
        return self._prepared[export]

    def coarse(self, bits: int) -> Coarse:
        """How the weights of all exports together are kept in few bits."""
        layouts = [self[name].coarse(bits) for name in self.program.exports]
        whole = frozenset().union(*(layout.whole for layout in layouts if layout))
        return Coarse(bits, whole, convolves=any(layout.convolves for layout in layouts if layout))


def prepare_step(
    program: Program, export: str, options: CompileOptions = DEFAULTS, prepared: Prepared | None = None
) -> Prepared | None:
    """One turn of an export whose text grows; None where no text grows, or it has a single turn.

    A step file reads one token a turn and keeps its past by concatenation, whatever the file of the whole text does:
    `prepared` is the export under `options`, which is prepared anew where those differ.
    """
    usual = step_options(options)
    if prepared is None or options.growth != usual.growth or options.drafts or options.unroll:
        prepared = prepare_export(program, export, usual)
    turn = forms.step(prepared.turns) if prepared.turns else None
    if turn is None or prepared.longest_text == 1:
        return None
    turn = forms.fixed_cache(turn, options.capacity) if options.capacity else turn
    return Prepared(turn, turn, grows=True, whole=prepared.turns, prompt=prepared.prompt, ends=prepared.ends)


def prepare_part(
    program: Program, export: str, options: CompileOptions = DEFAULTS, prepared: Prepared | None = None
) -> Prepared:
    """Some turns of an export's loops, as its file takes them; `refusal` says of its graph whether they can be taken one by one."""
    prepared = prepared or prepare_export(program, export, options)
    graph, part = forms.some_turns(prepared.optimised)
    return Prepared(graph, graph, grows=False, differentiates=prepared.differentiates, part=part)


def step_options(options: CompileOptions) -> CompileOptions:
    """The options of a step file, beside those of the file of the whole text."""
    return replace(options, cache="auto", drafts=0, unroll=False)
