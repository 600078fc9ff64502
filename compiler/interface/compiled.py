"""An export compiled and loaded at once, for whoever calls it from Python."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mai.compiler.compile_options import CompileOptions
from mai.compiler.compiling import compile_all
from mai.compiler.interface.scratch import remove_with, scratch_folder
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import check_fits
from mai.compiler.weights.tensor_files import weights_file
from mai.runtime.arrays import Array
from mai.runtime.model.loader import load
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.diagnostics.suggest import closest

if TYPE_CHECKING:
    from mai.runtime.model.model import Model

AMONG = "among the weights"
LEFT_OUT = "leave it out: weights are given by the names of `spec.torch().state_dict()`"


def compiled(
    program: Program, export: str, weights: object, options: CompileOptions, data: tuple[Path, ...] = ()
) -> Model:
    """One export as a function of arrays. Its file, `model.path`, stands in a folder that goes with it.

    Args:
        weights: a file or a folder; a torch module or arrays by name; or None: first values.
        data: files in the place of the spec's own, which say first values and the names of labels.

    Raises:
        MaiError: the weights do not fit, or the file differs from torch.
    """
    folder = scratch_folder()
    compile_all(
        program,
        [export],
        weights_path(weights, folder, program),
        folder,
        options,
        data=data,
        report=lambda written: None,
    )
    model = load(folder / f"{program.name}.{export}.onnx")
    remove_with(model, folder)
    return model


def weights_path(weights: Any, folder: Path, program: Program) -> Path | None:
    """The file of weights: of a file or a folder; of a torch module or arrays by name, which are written to `folder`. Raises `MaiError`."""
    if weights is None:
        return None
    if isinstance(weights, (str, Path)):
        return weights_file(Path(weights))
    from safetensors.numpy import save_file

    path, arrays = folder / "weights.safetensors", _arrays(weights)
    if program.loading is None or program.weights.keys() & arrays.keys():  # Else the rules of the spec speak of them.
        _check_fit(program, arrays)
    save_file(dict(arrays), path)
    return path


def _check_fit(program: Program, arrays: Mapping[str, Array]) -> None:
    """Raise `MaiError`: `weights-mismatch` for the first parameter that arrays lack, or have in another shape; `weights-unused` for one too many."""
    others = arrays.keys() - program.weights.keys()
    for name, weight in program.weights.items():
        if name in arrays:
            check_fits(weight, arrays[name].shape, AMONG, lambda: None)
        elif weight.follows is None:
            check_fits(weight, None, AMONG, partial(_help_for, name, others))
    for name in sorted(others):
        raise MaiError([Diagnostic("weights-unused", None, f"the spec has no parameter `{name}`", help=LEFT_OUT)])


def _help_for(name: str, others: Collection[str]) -> str:
    """What to do about a parameter that is not there, where there are others that the spec has not."""
    guess = closest(name, others)
    return f"is it `{guess}`?" if guess else "`spec.torch().state_dict()` has all names, with their first values"


def _arrays(weights: Any) -> Mapping[str, Array]:
    """Of a module, which others may wrap, or of arrays and tensors by name."""
    own = _inside(weights)
    reads = [read for name in ("weight_values", "state_dict") if (read := getattr(own, name, None))]
    tensors = reads[0]() if reads else own
    detached = {
        name: each.detach().cpu().float().numpy() if hasattr(each, "detach") else each for name, each in tensors.items()
    }
    return {name: np.array(each, order="C").astype(np.float32) for name, each in detached.items()}


def _inside(weights: Any) -> Any:
    """The one module of `spec.torch()` in others, as averages, DistributedDataParallel and `torch.compile` put one into theirs."""
    modules = weights.modules() if hasattr(weights, "state_dict") and hasattr(weights, "modules") else ()
    own = [module for module in modules if hasattr(type(module), "weight_values")]
    return own[0] if len(own) == 1 else weights
