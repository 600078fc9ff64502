"""Exports compiled one after the other, as the command says: what was written is said, and what was refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mai.compiler.compile_options import CompileOptions, Trained
from mai.runtime.command_line.markers import Misuse
from mai.runtime.show.terminal import echo
from mai.spec.diagnostics import Diagnostic, MaiError

if TYPE_CHECKING:
    from mai.compiler.onnx.export import Exported
    from mai.compiler.onnx.prepared import Preparations
    from mai.compiler.program import Program
    from mai.runtime.model.findings import Finding

Report = Callable[["Exported"], None]


def compile_all(
    program: Program, names: list[str], weights: Path | None, folder: Path, options: CompileOptions,
    check: bool = False, data: tuple[Path, ...] = (), report: Report | None = None,
) -> None:  # fmt: skip
    """Write the exports `names` to a folder; where `check`, say first what the program's claims come to, on `data` or the spec's own.

    `report` is called with each file that is written; by default it is printed.

    Raises:
        MaiError: some were refused, or a claim was; the others are there.
    """
    if not names:
        echo("note: no exports: nothing is compiled", err=True)
        return
    from mai.compiler.claims import check_claims
    from mai.compiler.onnx.prepared import Preparations

    _check_drafts(program, names, options)
    _say_useless_defaults(program)
    trained = _trained(program, weights, options, data)
    refused: list[Diagnostic] = []
    if check:
        findings, not_compiled = check_claims(program, trained, folder, options, data)
        refused += not_compiled
        _keep_findings(program, findings, folder)
    else:
        findings = _findings_of_run(program, weights)
    trained = replace(trained, claims=findings)
    prepared = Preparations(program, options)
    with ExitStack() as open_until_written:
        if options.quantize:
            from mai.compiler.few_bits import calibrated, measured

            trained = measured(prepared, calibrated(prepared, trained, open_until_written))
            if options.drafts:
                echo(
                    f"note: {options.quantize} rounds a turn of several tokens otherwise: drawn texts may part",
                    err=True,
                )
        elif options.precision != "float32":
            from mai.compiler.few_bits import warn_of_narrow

            warn_of_narrow(prepared, trained)
        refused += _compile_each(prepared, names, trained, folder, report)
    if refused:
        raise MaiError(refused)


def _compile_each(
    prepared: Preparations, names: list[str], trained: Trained, folder: Path, report: Report | None
) -> list[Diagnostic]:
    """The exports one after the other; why some were refused."""
    from mai.compiler.passes.pipeline import seldom_collected

    refused: list[Diagnostic] = []
    for name in names:
        try:
            with seldom_collected():
                _compile(prepared, name, trained, folder, report or partial(_say_written, prepared.options))
        except MaiError as error:
            refused += error.diagnostics
    return refused


def _say_useless_defaults(program: Program) -> None:
    from mai.compiler.warnings import useless_defaults
    from mai.spec.diagnostics.render import render

    warned = useless_defaults(program)
    if warned:
        echo(render(warned, color=sys.stderr.isatty()), err=True)


def _findings_of_run(program: Program, weights: Path | None) -> tuple[Finding, ...]:
    """What the claims came to when the weights were trained, of those that the spec still makes."""
    from mai.compiler.claims import read_findings

    claimed = {(name, c.text) for name, claim in program.claims.items() for c in claim.checks}
    return tuple(finding for finding in read_findings(weights) if (finding.claim, finding.text) in claimed)


def _keep_findings(program: Program, findings: tuple[Finding, ...], folder: Path) -> None:
    """Say what the claims come to, and write it beside the files."""
    from mai.compiler.claims import write_findings
    from mai.runtime.claims import in_words

    for finding in findings:
        echo(f"{'holds' if finding.holds else 'DOES NOT HOLD'}: {in_words(finding)}", err=True)
    if program.claims:
        write_findings(folder, findings)


def _check_drafts(program: Program, names: list[str], options: CompileOptions) -> None:
    from mai.compiler.ir.structure import Extend

    if options.drafts and not any(node.op is Extend for name in names for node in program.exports[name].walk()):
        raise Misuse("--speculate is for texts that grow, and none of these exports has an `extend`")


def _trained(program: Program, weights: Path | None, options: CompileOptions, data: tuple[Path, ...]) -> Trained:
    """The weights, which are said where they are not those of a run, and what the files say of them."""
    from mai.compiler.data import label_names
    from mai.compiler.data.chat import chat_of
    from mai.compiler.data.facts import decimal_in, facts_in
    from mai.compiler.data.texts.tokens import reads_corpus, tokenizer_text
    from mai.compiler.evaluating.targets.dated import dated_results
    from mai.compiler.training.initial_weights import load_weights
    from mai.compiler.training.run.stage import steps_of_blocks
    from mai.compiler.training.untrained import first_weights, told_by_data
    from mai.compiler.weights.tensor_files import metadata_of

    first = first_weights(program, options.seed, data) if weights is None else None
    arrays, steps = load_weights(program, weights, options.seed) if first is None else (first, None)
    if weights is None:
        _say_untrained(program)
    metadata = told_by_data(program, weights, options.seed, data) | metadata_of(weights)
    tokenizer = tokenizer_text(program, weights, options.tokenizer)
    names, facts = label_names.names_in(metadata), facts_in(metadata)
    return Trained(
        arrays, steps, tokenizer, names, special_tokens=not reads_corpus(program), blocks=steps_of_blocks(weights),
        facts=facts, dated=dated_results(program, facts), decimal=decimal_in(metadata), chat=chat_of(program),
    )  # fmt: skip


def _say_untrained(program: Program) -> None:
    """Say that no run's weights are compiled, and which ones are."""
    if program.loading is not None:
        echo(f"the weights are those of {program.loading.path}", err=True)
    elif program.weights:
        echo("no trained weights: the first values are compiled", err=True)


def _compile(prepared: Preparations, name: str, trained: Trained, folder: Path, report: Report) -> None:
    """One export, and the file of its turns beside it where it is to have one; an older one, which may have other weights, goes."""
    from mai.compiler.onnx.export import export
    from mai.runtime.model.data import data_path
    from mai.runtime.text.stream import step_path

    whole = export(prepared.program, name, trained, folder, prepared.options, prepared[name])
    report(whole)
    beside = step_path(whole.path)
    was_there = beside.exists()
    for older in (beside, data_path(beside)):
        older.unlink(missing_ok=True)
    _compile_turns(prepared, name, trained, folder, report, whole)
    if was_there and not beside.exists():
        echo(f"note: {beside.name} is removed: it was of an earlier {whole.path.name}", err=True)


def _compile_turns(
    prepared: Preparations, name: str, trained: Trained, folder: Path, report: Report, whole: Exported
) -> None:
    """The file of one turn of an export's text, or of some steps of its loops, where the options ask for it."""
    from mai.compiler.onnx.export import export_part, export_step

    program, options = prepared.program, prepared.options
    if options.writes_step:
        step = export_step(program, name, trained, folder, options, prepared[name], whole)
        if step is not None:
            report(step)
            return
    if options.progress and prepared[name].refusal:
        echo(f"note: `{name}` gets no file of some of its steps: {prepared[name].refusal}", err=True)
    elif options.progress:
        report(export_part(program, name, trained, folder, options, prepared[name], whole))


def _rounded(options: CompileOptions, written: Exported) -> str:
    """What was compared of a file in few bits, and what the rounding of its weights did to its results."""
    if options.quantize is None:
        return ""
    moved = (
        "" if written.moved is None else f", by {written.moved:.1%} with those of {options.quantize}, on random inputs"
    )
    return f" with whole weights{moved}"


def _say_written(options: CompileOptions, written: Exported) -> None:
    from mai.spec.diagnostics.render import render

    apart = "" if written.apart is None else f" on the same steps ({written.apart:.0e} where each chooses its own)"
    echo(
        f"wrote {written.path}  {written.size / 1e6:.2f} MB, {written.nodes:,} nodes in {written.seconds:.2f} s, "
        f"differs from torch by {written.error:.0e}{apart}{_rounded(options, written)}"
    )
    if options.precision != "float32":
        echo(f"note: {options.precision} was compared as float32 with every value rounded", err=True)
    for note in written.notes:
        echo(f"note: {note}", err=True)
    if written.warnings:
        echo(render(written.warnings, color=sys.stderr.isatty()), err=True)
