"""`mai show`: a summary of a spec, or one stage of its compilation as text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mai.compiler.export_names import unknown_export
from mai.compiler.program import Program
from mai.spec.diagnostics import Diagnostic, MaiError

if TYPE_CHECKING:
    import onnx_ir as ir

IMAGE_ENDINGS = (".svg", ".png", ".pdf", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".eps", ".ps", ".tiff")


def emit_text(
    program: Program, file: Path, stage: str, export: str | None, suffix: str = "", after: str | None = None
) -> str:
    """The text of one stage of compilation.

    Args:
        file: the spec, whose name a suggestion uses.
        stage: summary, ast, ir, torch, onnx, placement or diagram.
        export: the export to show; by default all.
        suffix: the ending of the file that the text is written to: a diagram is SVG for `.svg`, else Mermaid.
        after: the pass after which the IR is shown; by default as it was elaborated.

    Raises:
        MaiError: there is no such stage or export, or the ending is that of a picture which mai does not draw.
    """
    emitters: dict[str, Callable[[], str]] = {
        "summary": lambda: _summary(program),
        "ast": lambda: _ast(program),
        "ir": lambda: _ir(program, export, after),
        "torch": lambda: _torch(program, export),
        "onnx": lambda: _onnx(program, export),
        "placement": lambda: _placement(program, export),
        "diagram": lambda: _diagram(program, export, suffix),
    }
    if stage not in emitters:
        message = f"there is no stage `{stage}`"
        raise MaiError([Diagnostic("unknown-argument", None, message, help=f"--emit {', '.join(emitters)}")])
    if after is not None and stage != "ir":
        message = f"`--after {after}` says which pass the IR is shown after"
        raise MaiError([Diagnostic("unknown-argument", None, message, help=f"--emit ir --after {after}")])
    if suffix.lower() in IMAGE_ENDINGS and (stage, suffix.lower()) != ("diagram", ".svg"):
        drawn = (
            "draws a diagram as .svg, and writes one as Mermaid text to .md" if stage == "diagram" else "writes text"
        )
        help = f"--out {file.stem}.{'svg' if stage == 'diagram' else 'txt'}"
        raise MaiError([Diagnostic("out-unknown", None, f"`mai show` {drawn}, and no {suffix}", help=help)])
    if export is not None and export not in program.exports:
        raise unknown_export(program.name, export, program.exports)
    return emitters[stage]()


def _export_names(program: Program, export: str | None) -> list[str]:
    return [export] if export else list(program.exports)


def _summary(program: Program) -> str:
    from mai.compiler.show.summary import summary

    return summary(program)


def _ast(program: Program) -> str:
    from mai.spec.diagnostics import Reporter
    from mai.spec.format import format_tree
    from mai.spec.parsing.parse import parse

    return format_tree(parse(program.source, Reporter()))


def _ir(program: Program, export: str | None, after: str | None) -> str:
    from mai.compiler.ir.text import to_text
    from mai.compiler.show.passes import graph_after

    graphs = [program.exports[n] for n in _export_names(program, export)]
    if export is None and after is None:
        graphs += [training.graph for training in program.trainings]
    return "\n".join(to_text(graph if after is None else graph_after(graph, after)) for graph in graphs)


def _torch(program: Program, export: str | None) -> str:
    from mai.compiler.torch.python_file import source

    return source(program, _export_names(program, export))


def _onnx(program: Program, export: str | None) -> str:
    import onnx
    import onnx_ir as ir

    from mai.compiler.compile_options import Trained
    from mai.compiler.data.texts.tokens import tokenizer_text
    from mai.compiler.onnx.export import model_of
    from mai.compiler.onnx.prepared import prepare_export
    from mai.compiler.training.initial_weights import load_weights

    trained = Trained(*load_weights(program, None), tokenizer_text(program, None, None))
    models = [model_of(program, prepare_export(program, name), trained) for name in _export_names(program, export)]
    return "\n\n".join(onnx.printer.to_text(ir.serde.serialize_model(_without_data(m))) for m in models)


def _without_data(model: ir.Model) -> ir.Model:
    """The model without the values of its weights, of which a reader wants the shapes alone."""
    for graph in [model.graph, *model.graph.subgraphs()]:
        for name, value in list(graph.initializers.items()):
            if value.const_value is not None and value.const_value.size > 8:
                del graph.initializers[name]
    return model


def _placement(program: Program, export: str | None) -> str:
    from mai.compiler.compile_options import CompileOptions, Trained
    from mai.compiler.data.texts.tokens import tokenizer_text
    from mai.compiler.onnx.export import export as compiled
    from mai.compiler.training.initial_weights import load_weights

    trained = Trained(*load_weights(program, None), tokenizer_text(program, None, None))
    options = CompileOptions(verify=False, step=False)
    with TemporaryDirectory() as folder:
        paths = [
            compiled(program, name, trained, Path(folder), options).path for name in _export_names(program, export)
        ]
        return "\n\n".join(map(placement_of, paths))


def placement_of(path: Path) -> str:
    """Where ONNX Runtime's CUDA provider puts the nodes of a compiled file, and what is copied for that, in words.

    Raises:
        ModelError: it is not such a file.
    """
    from mai.compiler.onnx.placement.report import lines, report
    from mai.runtime.model.loader import load

    load(path, providers="cpu")  # Says what is wrong with it.
    return "\n".join(lines(path.stem, report(path)))


def _diagram(program: Program, export: str | None, suffix: str) -> str:
    from mai.compiler.show.diagram import mermaid, svg

    draw = svg if suffix.lower() == ".svg" else mermaid
    return draw(program, _export_names(program, export))
