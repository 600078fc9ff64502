"""What a compiled file says of itself."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import onnx_ir as ir

import mai
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.ir.graph import EVALUATIONS, TURNS, Graph, Value
from mai.compiler.ir.types import DType, Type
from mai.compiler.onnx.describing.about import about, write_about
from mai.compiler.onnx.describing.gaps import inputs_with_gaps
from mai.compiler.onnx.describing.label_fields import label_fields
from mai.compiler.onnx.describing.limits import largest, never_negative
from mai.compiler.onnx.describing.ports import input_ports, port_of, setting_port
from mai.compiler.onnx.describing.token_scores import outputs_over_tokens
from mai.compiler.onnx.describing.tokenizer_trials import tokenizer_trials
from mai.compiler.onnx.precision.ranges import figures
from mai.compiler.onnx.prepared import Prepared
from mai.compiler.passes.loops.paths import path_axes
from mai.compiler.passes.text import prompt_blocks
from mai.compiler.program import Program
from mai.runtime.inputs.dates import form_of
from mai.runtime.inputs.labels import spellings_of
from mai.runtime.model.findings import Claim, Condition
from mai.runtime.model.manifest import MANIFEST_KEY, SPEC_KEY, DateForm, Facts, Manifest, Part, Port, Step
from mai.runtime.text.tokenizer import BYTES


def manifest_of(program: Program, prepared: Prepared, trained: Trained, options: CompileOptions) -> Manifest:
    """What the file of a prepared export will say of itself."""
    graph, optimised = prepared.plain, prepared.optimised
    text, step = prepared.text, step_of(optimised)
    unlike = frozenset([step.tokens]) if step else prepared.unlike
    tokenizer = trained.tokenizer if any(map(_is_text, [*graph.inputs, *graph.outputs])) else None
    facts = _facts(program, graph, trained)
    manifest = Manifest(
        name=program.name,
        export=graph.name,
        title=program.title,
        about=about(program.source.text),
        inputs=_inputs(program, graph, unlike, facts),
        settings=[setting_port(name, s) for name, s in graph.settings.items()],
        outputs=_outputs(program, graph, optimised, trained.dated.get(graph.name, {})),
        spec_sha256=hashlib.sha256(program.source.text.encode()).hexdigest(),
        versions={"mai": mai.__version__, **_versions("onnx-ir", "torch")},
        least={**prepared.smallest(), **{str(size): 0 for size in never_negative(graph)}},
        most=largest(graph),
        opset=options.opset,
        draws="seed" in graph.settings or any(v.name == "seed" for v in graph.inputs),
        draw_bits=options.draw_bits,
        cuda=options.cuda,
        cpu=options.cpu,
        portable=options.portable,
        unrolled=options.unroll,
        required=options.required,
        trained_steps=trained.steps,
        trained_blocks=dict(trained.blocks),
        weights_from=Path(program.loading.path).name if program.loading else None,
        tokenizer=tokenizer,
        tokenizer_trials=tokenizer_trials(tokenizer),
        special_tokens=trained.special_tokens and tokenizer not in (None, BYTES),
        chat=trained.chat if text and tokenizer else None,
        labels={field: list(names) for field, names in trained.labels.items()},
        spellings=spellings_of(trained.labels),
        facts=facts,
        decimal=trained.decimal,
        series=program.training.data.past_and_future if program.training else None,
        precision=options.precision,
        quantize=options.quantize,
        loss_change=trained.loss_change if options.quantize else None,
        ranges=figures(trained.ranges),
        text=text and text.model_copy(update={"context": getattr(program.data, "context", None)}),
        step=step,
        part=part_of(prepared),
        evaluations=EVALUATIONS if EVALUATIONS in graph.output_names else None,
        turns=TURNS if TURNS in optimised.output_names else None,
        tuned=trained.tuned,
        claim=_claim(program, graph.name),
        claims=list(trained.claims),
    )
    return _with_spare_labels(program, _with_fields(program, manifest, trained.labels))


def _facts(program: Program, graph: Graph, trained: Trained) -> dict[str, Facts]:
    """Of the inputs that have the name, the type and the shape of a field: a file takes them by the names of columns, too."""
    fields = program.trainings[0].fields if program.trainings else {}
    alike = {v.name for v in graph.inputs if v.name in fields and _is_alike(v.type, fields[v.name])}
    return {name: facts for name, facts in trained.facts.items() if name in alike}


def _is_alike(input_: Type, field: Type) -> bool:
    return (input_.dtype, input_.shape) == (field.dtype, field.shape)


def _claim(program: Program, name: str) -> Claim | None:
    """What the file of a claim checks; None for an export."""
    claim = program.claims.get(name)
    if claim is None or program.exports.get(name) is not claim.graph:
        return None
    conditions = [Condition(text=c.text, comparison=c.comparison, outputs=list(c.outputs)) for c in claim.checks]  # type: ignore[arg-type]
    return Claim(conditions=conditions, count=claim.count, seeds=claim.seeds)


def _with_fields(program: Program, manifest: Manifest, names: Mapping[str, tuple[str, ...]]) -> Manifest:
    """The manifest, each port with the field of the data whose labels it takes or gives."""
    fields = label_fields(program, manifest.export.partition(".")[0], names)
    groups = {
        kind: [port.model_copy(update={"field": fields.get(port.name)}) for port in getattr(manifest, kind)]
        for kind in ("inputs", "settings", "outputs")
    }
    return manifest.model_copy(update=groups)


def _with_spare_labels(program: Program, manifest: Manifest) -> Manifest:
    """The manifest, each port that takes labels with names saying whether one more is for what is missing or not known."""
    keeping = {field for training in program.trainings if training.data.keeps_gaps for field in training.fields}

    def with_spare(port: Port) -> Port:
        names = manifest.labels.get(port.field or "", ())
        has_one = port.field in keeping and (port.classes or 0) > len(names)
        return port.model_copy(update={"gaps": has_one}) if names and port.classes else port

    return manifest.model_copy(
        update={kind: [*map(with_spare, getattr(manifest, kind))] for kind in ("inputs", "settings")}
    )


def _inputs(program: Program, graph: Graph, unlike: Collection[str], facts: Mapping[str, Facts]) -> list[Port]:
    """What a call gives: of numbers, whether they may be missing, and which were dates in the data.

    `unlike` names the inputs of tokens whose places may have none in a file.
    """
    ports = input_ports(graph, program.exports.get(graph.name.partition(".")[0], graph), unlike)
    with_gaps = inputs_with_gaps(graph)
    dates = {name: form_of(each) for name, each in facts.items()}
    return [
        port.model_copy(update={"gaps": port.name in with_gaps, "dates": dates.get(port.name)})
        if port.dtype == "float32"
        else port
        for port in ports
    ]


def _outputs(program: Program, graph: Graph, optimised: Graph, dated: Mapping[str, DateForm]) -> list[Port]:
    """Results, which of them are dates, and where their paths are: that is seen before `integrate` becomes a loop. A step has none.

    How many turns a text took is counted by what is run alone.
    """
    written = program.exports.get(graph.name)
    paths = path_axes(written) if written else [None] * len(graph.outputs)
    ports = [port_of(v, n, "output") for v, n in zip(graph.outputs, graph.output_names, strict=True)]
    over_tokens = outputs_over_tokens(program, graph.name) if written else frozenset()
    counted = [
        port_of(v, n, "output") for v, n in zip(optimised.outputs, optimised.output_names, strict=True) if n == TURNS
    ]

    def described(port: Port, axis: int | None) -> Port:
        tokens = port.name in over_tokens if port.dtype == "float32" else None
        return port.model_copy(update={"path": axis, "dates": dated.get(port.name), "tokens": tokens})

    return [*(described(port, axis) for port, axis in zip(ports, paths, strict=True)), *counted]


def _is_text(value: Value) -> bool:
    """Rows of integers below the vocabulary."""
    return value.type.dtype is DType.INT and value.type.rank == 1 and value.type.classes is not None


def step_of(graph: Graph) -> Step | None:
    """Which inputs and outputs of one turn, a graph of `passes.step`, belong together; None for any other graph."""
    one = graph.one_turn
    if one is None:
        return None
    past_size = f"{one.length}_past"
    tokens, past = graph.sources[f"{one.length}_new"], one.past or graph.sources[past_size].name
    return Step(
        tokens=tokens.name,
        past=past,
        turn=one.turn,
        past_size=past_size,
        states=one.states,
        block=prompt_blocks.BLOCK,
        ended=one.ended,
        settled=list(one.settled),
        logits=one.logits,
        capacity=one.capacity,
        fixed=list(one.fixed),
    )


def part_of(prepared: Prepared) -> Part | None:
    """Which inputs, settings and outputs of some turns of an export's loops belong together; None for any other graph."""
    part = prepared.part
    if part is None:
        return None
    return Part(before=part.before, now=part.now, total=part.total, states=part.states, results=list(part.results))


def _versions(*packages: str) -> dict[str, str]:
    versions = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def describe(model: ir.Model, manifest: Manifest, spec: str) -> None:
    """Put the manifest and the spec's text into the model."""
    model.producer_name, model.producer_version = "mai", mai.__version__
    model.metadata_props[MANIFEST_KEY] = manifest.model_dump_json()
    model.metadata_props[SPEC_KEY] = spec
    if manifest.about is not None:
        write_about(model, manifest.about)
