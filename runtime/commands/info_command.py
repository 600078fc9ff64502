"""The verb `info`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from mai.runtime.command_line.markers import Argument, Misuse, Option
from mai.runtime.show.terminal import say, say_text, visible_line

if TYPE_CHECKING:
    from mai.runtime.model.manifest import Manifest, Port, Tuning

DRAWS = {
    32: "the same on every engine",
    64: "right where whole numbers have 64 bits: ONNX Runtime, not OpenVINO",
}


def info(
    model: Annotated[
        Path, Argument(help="A .onnx file that mai compiled, or the folder of a run.", show_default=False)
    ],
    json: Annotated[bool, Option("--json", help="The manifest as it stands in the file.")] = False,
    spec: Annotated[bool, Option("--spec", help="The text that the file was made from.")] = False,
) -> None:
    """Say what a compiled file takes, gives, and was made from; or how far a run is, and what it came to: mai info runs/titanic"""
    if model.is_dir():
        _say_run(model, json or spec)
        return
    from mai.runtime.model.loader import load

    loaded = load(model, providers="cpu")
    if json:
        say_text(loaded.manifest.model_dump_json(indent=2))
        return
    if spec:
        say_text(loaded.spec.rstrip("\n"))
        return
    manifest = loaded.manifest
    say(visible_line(f"{manifest.name}.{manifest.export}" + (f": {manifest.title}" if manifest.title else "")))
    for heading, name, text in [*_interface(manifest), *_contents(manifest)]:
        say(visible_line(f"  {heading:9} {f'{name:14} ' if name else ''}{text}"))
    say(visible_line(f"  {_origin(manifest, model)}"))


def _say_run(folder: Path, of_a_file: bool) -> None:
    from mai.runtime.run_folders.comparison import read_runs
    from mai.runtime.run_folders.describing import described
    from mai.runtime.run_folders.summary import is_run

    if of_a_file:
        raise Misuse(f"{folder} is a folder: --json and --spec are of a compiled file in it")
    if not is_run(folder):
        there = len(read_runs([folder]))
        raise Misuse(
            f"{folder} holds {there} run{'s' if there > 1 else ''}: name one, or compare them: mai runs {folder}"
        )
    say(visible_line(str(folder)))
    for heading, text in described(folder):
        say(visible_line(f"  {heading:9} {text}"))


def _interface(manifest: Manifest) -> list[tuple[str, str, str]]:
    """A heading, a name and a description of each input, setting, output, and limited size."""
    from mai.runtime.inputs.arguments import range_in_words

    groups = {"inputs": manifest.inputs, "settings": manifest.settings, "outputs": manifest.outputs}
    lines = [(heading, port.name, _port(port)) for heading, ports in groups.items() for port in ports]
    sizes = sorted({*manifest.least, *manifest.most})
    return lines + [("sizes", n, range_in_words(manifest.least.get(n), manifest.most.get(n))) for n in sizes]


def _contents(manifest: Manifest) -> list[tuple[str, str, str]]:
    """The same of what else a file may hold: a tokenizer, names of labels, a growing text, what tuning measured."""
    from mai.runtime.claims import in_words

    lines: list[tuple[str, str, str]] = []
    if manifest.tokenizer:
        bytewise = manifest.tokenizer == "bytes"
        lines.append(("text", "", "bytes" if bytewise else "pieces by the tokenizer in the file"))
    lines += [("labels", field, ", ".join(names)) for field, names in manifest.labels.items()]
    if manifest.text and manifest.text.limit:
        lines.append(("limit", "", f"{manifest.text.limit:,} tokens"))
    if manifest.text and manifest.text.drafts:
        lines.append(("drafts", "", f"up to {manifest.text.drafts} guessed tokens read a turn"))
    if manifest.draws:
        lines.append(("draws", "", DRAWS[manifest.draw_bits]))
    if manifest.tuned:
        lines.append(("tuned", "", _tuning(manifest.tuned)))
    lines += [("holds" if f.holds else "FAILS", "", in_words(f)) for f in manifest.claims]
    lines.append(("self-test", "", _self_test(manifest)))
    return lines


def _self_test(manifest: Manifest) -> str:
    """What of the file `mai verify` can compare."""
    test = manifest.self_test
    if test is None:
        return "none: an earlier mai wrote this"
    outputs = sorted({name for run in test.runs for name in run.outputs})
    runs = f"{len(test.runs)} run{'s' if len(test.runs) != 1 else ''}"
    return f"{runs} of {', '.join(outputs)}, {test.tolerance:.1g} is allowed (mai verify)"


def _origin(manifest: Manifest, path: Path) -> str:
    """How large a file is, how it keeps its weights, and what made it."""
    trained = "untrained" if manifest.trained_steps is None else f"trained for {manifest.trained_steps:,} steps"
    blocks = ", ".join(f"{name} {steps:,}" for name, steps in manifest.trained_blocks.items())
    trained += f" ({blocks})" if blocks else ""
    versions = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    kept = manifest.quantize or manifest.precision
    form = "" if kept == "float32" else f", {kept}"
    beside = manifest.data.size if manifest.data else 0
    size = f"{(path.stat().st_size + beside) / 1e6:,.2f} MB" + (f" with {path.name}.data" if beside else "")
    return f"{size}{form}, opset {manifest.opset}, {trained}; made by {versions}"


def _tuning(tuning: Tuning) -> str:
    """What `mai tune` changed, and what that did to the quality."""
    before, after = tuning.before, tuning.after
    grid = " on uneven steps" if any(after.grid) else ""
    return (
        f"{after.method}({after.steps}){grid} for {before.method}({before.steps}): {after.evaluations} evaluations of the "
        f"velocity for {before.evaluations}, {tuning.metric} {after.quality:.4g} for {before.quality:.4g}"
    )


def _port(port: Port) -> str:
    """A port's type, default and range, and the field whose labels it has."""
    from mai.runtime.inputs.arguments import range_of

    axes = (["batch"] if port.batch else []) + [str(s) for s in port.shape]
    text = f"{port.dtype} [{', '.join(axes)}]"
    if port.default is not None:
        text += f" = {port.default}"
    text += f", {range_of(port)}" if range_of(port) else ""
    return f"{text}, labels of `{port.field}`" if port.field else text
