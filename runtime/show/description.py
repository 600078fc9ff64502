"""What a compiled file takes, gives and holds, in words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mai.runtime.show.notebook import table_html

if TYPE_CHECKING:
    from mai.runtime.model.findings import Tuning
    from mai.runtime.model.manifest import Manifest, Port

DRAWS = {
    32: "the same on every engine",
    64: "right where whole numbers have 64 bits: ONNX Runtime, not OpenVINO",
}


def interface(manifest: Manifest) -> list[tuple[str, str, str]]:
    """A heading, a name and a description of each input, setting, output, and limited size."""
    from mai.runtime.inputs.arguments import range_in_words

    groups = {"inputs": manifest.inputs, "settings": manifest.settings, "outputs": manifest.outputs}
    lines = [(heading, port.name, _port(manifest, port)) for heading, ports in groups.items() for port in ports]
    sizes = sorted({*manifest.least, *manifest.most})
    return lines + [("sizes", n, range_in_words(manifest.least.get(n), manifest.most.get(n))) for n in sizes]


def contents(manifest: Manifest) -> list[tuple[str, str, str]]:
    """The same of what else a file may hold: a tokenizer, names of labels, a growing text, what tuning measured."""
    from mai.runtime.claims import in_words

    lines = [(name, "", text) for name, text in _about(manifest).items() if text]
    if manifest.tokenizer:
        bytewise = manifest.tokenizer == "bytes"
        lines.append(("text", "", "bytes" if bytewise else "pieces by the tokenizer in the file"))
    lines += [("labels", field, ", ".join(map(_label, names))) for field, names in manifest.labels.items()]
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
    if manifest.file:
        lines.append(("sha256", "", f"{manifest.file.sha256} of the first {manifest.file.size:,} bytes (mai verify)"))
    return lines


def _about(manifest: Manifest) -> dict[str, str | None]:
    """What the head of the spec says of its files, in its words."""
    said = manifest.about
    return {name: getattr(said, name, None) for name in ("author", "licence", "version", "domain")}


def _label(name: str) -> str:
    """A label's name as it stands among others: in quotes where it holds what parts them, or begins or ends with a space."""
    return json.dumps(name, ensure_ascii=False) if "," in name or name != name.strip() or not name else name


def _self_test(manifest: Manifest) -> str:
    """What of the file `mai verify` can compare."""
    test = manifest.self_test
    if test is None:
        return "none: an earlier mai wrote this"
    outputs = sorted({name for run in test.runs for name in run.outputs})
    runs = f"{len(test.runs)} run{'s' if len(test.runs) != 1 else ''}"
    return f"{runs} of {', '.join(outputs)}, {test.tolerance:.1g} is allowed (mai verify)"


def heading(manifest: Manifest) -> str:
    """What a file is called, with its title where it has one."""
    return f"{manifest.name}.{manifest.export}" + (f": {manifest.title}" if manifest.title else "")


def signature(manifest: Manifest, outputs: Sequence[Port]) -> str:
    """A file in one line, as a function is written: of its outputs those that a call gives."""
    arguments = [f"{p.name}: {_type(p)}" for p in manifest.inputs] + [
        f"{p.name}={p.default}" for p in manifest.settings
    ]
    results = ", ".join(f"{p.name}: {_type(p)}" for p in outputs)
    return f"<{manifest.name}.{manifest.export}({', '.join(arguments)}) -> {results}>"


def origin(manifest: Manifest, path: Path) -> str:
    """How large a file is, how it keeps its weights, and what made it."""
    from mai.runtime.model.data import data_path

    versions = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    kept = manifest.quantize or manifest.precision
    form = "" if kept == "float32" else f", {kept}"
    beside = manifest.data.size if manifest.data else 0
    size = f"{(path.stat().st_size + beside) / 1e6:,.2f} MB" + (f" with {data_path(path).name}" if beside else "")
    return f"{size}{form}, opset {manifest.opset}, {_training(manifest)}; made by {versions}"


def _training(manifest: Manifest) -> str:
    """What the weights began as, and how long they were trained."""
    steps, source = manifest.trained_steps, manifest.weights_from
    if steps is None:
        return f"weights of {source}" if source else "untrained"
    blocks = ", ".join(f"{name} {number:,}" for name, number in manifest.trained_blocks.items())
    trained = f"trained for {steps:,} steps" + (f" ({blocks})" if blocks else "")
    return f"{trained} from {source}" if source else trained


def _tuning(tuning: Tuning) -> str:
    """What `mai tune` changed, and what that did to the quality."""
    before, after = tuning.before, tuning.after
    grid = " on uneven steps" if any((*after.grid, *after.bends)) else ""
    grid += f", reusing for {after.reuse} steps," if after.reuse > 1 else ""
    start, stop = after.guided
    grid += f", guided from {start:g} to {stop:g} of the way," if (start, stop) != (0, 1) else ""
    cost, cost_before = (f"{m.cost or m.evaluations:.4g}" for m in (after, before))
    return (
        f"{after.method}({after.steps}){grid} for {before.method}({before.steps}): {cost} evaluations of the "
        f"velocity for {cost_before}, {tuning.metric} {after.quality:.4g} for {before.quality:.4g}"
    )


def _port(manifest: Manifest, port: Port) -> str:
    """A port's type, default and range, the field whose labels it has, and whether it takes dates."""
    from mai.runtime.inputs.arguments import range_of
    from mai.runtime.inputs.counted_dates import IN_WORDS
    from mai.runtime.inputs.dates import date_form, description_of_dates

    text = f"{port.dtype} {_axes(port)}"
    if port.default is not None:
        text += f" = {port.default}"
    text += f", {range_of(port)}" if range_of(port) else ""
    form = date_form(manifest, port)
    if form is not None:
        text += f", {description_of_dates(manifest.facts[port.name], form)}"
    elif port.dates is not None:
        text += f", {IN_WORDS[port.dates]}"
    return f"{text}, labels of `{port.field}`" if port.field else text


def _type(port: Port) -> str:
    return f"{port.dtype}{_axes(port)}"


def _axes(port: Port) -> str:
    """A port's shape in brackets, the batch first."""
    return f"[{', '.join([*['batch'] * port.batch, *map(str, port.shape)])}]"


def table(manifest: Manifest) -> str:
    """The interface and the contents as an HTML table."""
    return table_html([heading(manifest)], [*interface(manifest), *contents(manifest)])
