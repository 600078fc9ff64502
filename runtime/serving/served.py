"""The files of a service, each with its line of requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mai.runtime.errors import ModelError
from mai.runtime.inputs.values import takes_text
from mai.runtime.model.loader import load
from mai.runtime.model.manifest import Port
from mai.runtime.model.model import Model
from mai.runtime.serving.line import Line
from mai.runtime.serving.options import Options


@dataclass(frozen=True)
class Served:
    """One file: its name in addresses, the file, and who waits for it."""

    name: str
    model: Model
    line: Line

    @property
    def grows_text(self) -> bool:
        """Whether it continues texts, and not tokens alone."""
        return self.model.manifest.text is not None and self.model.tokenizer is not None

    @property
    def text_input(self) -> Port | None:
        """The only input without which it takes a text and gives one vector for it: what embeds; else None."""
        manifest = self.model.manifest
        (output, *others), inputs = self.model.outputs.values(), manifest.inputs
        is_vector = output.dtype == "float32" and len(output.shape) == 1 and output.batch and not others
        embeds = is_vector and manifest.text is None and not manifest.draws and len(inputs) == 1
        return inputs[0] if embeds and takes_text(manifest, inputs[0]) else None

    @property
    def ranks(self) -> bool:
        """Whether it gives one score for the tokens of two texts, with marks of the second one's or without."""
        manifest, (output, *others) = self.model.manifest, self.model.outputs.values()
        is_score = output.dtype == "float32" and output.shape in ([], [1]) and output.batch and not others
        kinds = sorted(port.dtype for port in manifest.inputs)
        of_a_pair = kinds in (["int64"], ["float32", "int64"]) and len({str(p.shape) for p in manifest.inputs}) == 1
        return is_score and of_a_pair and any(takes_text(manifest, port) for port in manifest.inputs)


Files = Mapping[str, Served]


def open_files(paths: Sequence[Path], options: Options) -> dict[str, Model]:
    """The files by their names in addresses, `flow.sample` for `flow.sample.onnx`; those of a folder, where a path is one.

    Files of one turn of a text are left out: the whole ones find them.

    Raises:
        ModelError: a file cannot be opened, there is none, or two have one name.
    """
    models: dict[str, Model] = {}
    for path in [file for each in paths for file in _files(each)]:
        model = load(path, providers=options.provider, threads=options.threads)
        if not model.manifest.is_whole:
            continue
        if path.stem in models:
            other = models[path.stem].path
            raise ModelError(
                "input-unknown", f"{other} and {path} would have one address, /run/{path.stem}", "rename one"
            )
        models[path.stem] = model
    if not models:
        raise ModelError("model-not-found", f"there are no files to serve in {', '.join(map(str, paths))}")
    _check_limits(models, options)
    return models


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.onnx"))
    if not files:
        raise ModelError(
            "model-not-found", f"there are no .onnx files in {path}", "mai train and mai compile write them"
        )
    return files


def _check_limits(models: dict[str, Model], options: Options) -> None:
    """Check that every limit is of something: a setting or a free size of one file."""
    names = {port.name for model in models.values() for port in model.manifest.settings}
    names |= {s for m in models.values() for port in m.manifest.inputs for s in port.shape if isinstance(s, str)}
    for name in options.limits:
        if name not in names:
            help = f"there are {', '.join(sorted(names))}" if names else None
            raise ModelError("input-unknown", f"no file has a setting or a free size `{name}`", help)
