"""Checkpoints: safetensors, written whole or not at all, enough to go on bit for bit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mai.compiler.training.run.folder import WEIGHTS, checkpoint_of, checkpoints, holds_run, step_of
from mai.compiler.training.settings import Checkpoints, LastCheckpoints
from mai.compiler.weights.sealed import CHECKSUM, is_intact, sealed
from mai.runtime.files import plain_file, reason, write_atomically
from mai.runtime.show.terminal import echo
from mai.spec.diagnostics import Diagnostic, MaiError

USUAL = LastCheckpoints.of({})


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Tensors by name (`weights/...`, `average/...`, `optimizer/...`), and what was being trained."""

    step: int
    tensors: dict[str, Tensor]
    metadata: dict[str, str]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with a prefix, without it."""
        return {n.removeprefix(prefix): t for n, t in self.tensors.items() if n.startswith(prefix)}


def optimizer_tensors(optimizer: torch.optim.Optimizer, names: list[str], place: int) -> dict[str, Tensor]:
    """An optimizer's state by weight: `optimizer/0/velocity.linear_1.weight/exp_avg`."""
    state = optimizer.state_dict()["state"]
    return {
        f"optimizer/{place}/{name}/{key}": torch.as_tensor(value)
        for index, name in enumerate(names)
        for key, value in state.get(index, {}).items()
        if value is not None
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, names: list[str], place: int, tensors: Mapping[str, Tensor]
) -> None:
    """Put an optimizer's state back from a checkpoint's tensors; `place` is its objective's."""
    whole = optimizer.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for index, name in enumerate(names):
        prefix = f"optimizer/{place}/{name}/"
        own = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        if own:
            state[index] = own
    optimizer.load_state_dict({"state": state, "param_groups": whole["param_groups"]})


def write(folder: Path, checkpoint: Checkpoint, kept: Checkpoints = USUAL) -> Path:
    """Save a checkpoint and drop those that do not stay."""
    path = checkpoint_of(folder, checkpoint.step)
    write_atomically(path, sealed(checkpoint.tensors, {**checkpoint.metadata, "step": str(checkpoint.step)}))
    steps = [step_of(each) for each in checkpoints(folder)]
    for old in set(steps) - kept.staying(steps):
        checkpoint_of(folder, old).unlink(missing_ok=True)
    return path


def read(path: Path) -> Checkpoint:
    """Open a checkpoint. Raises `MaiError` where it is damaged."""
    try:
        if not is_intact(plain_file(path)):
            raise ValueError("it is damaged: its checksum does not match")
        with safe_open(path, framework="pt") as file:
            metadata = {key: text for key, text in (file.metadata() or {}).items() if key != CHECKSUM}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return Checkpoint(int(metadata["step"]), tensors, metadata)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise MaiError(
            [Diagnostic("weights-mismatch", None, f"{path} is no checkpoint of mai: {reason(error)}")]
        ) from error


def latest(folder: Path) -> Checkpoint | None:
    """The last checkpoint that can be read; of later ones it is said why they cannot be."""
    refused: list[Diagnostic] = []
    for path in reversed(checkpoints(folder)):
        try:
            checkpoint = read(path)
        except MaiError as error:
            refused += error.diagnostics
            continue
        for diagnostic in refused:
            echo(f"note: {diagnostic.message}: going on from step {checkpoint.step}", err=True)
        return checkpoint
    return None


def nothing_to_resume(folder: Path) -> MaiError:
    """For a run that is to go on where no checkpoint can be read: why the last one cannot."""
    message = f"no checkpoint in {folder} can be read" if holds_run(folder) else f"there is no run in {folder}"
    for path in checkpoints(folder)[-1:]:
        try:
            read(path)
        except MaiError as error:
            message += f": {error.diagnostics[0].message}"
    return MaiError([Diagnostic("weights-missing", None, message, help="without --resume it begins one")])


def check_same(
    checkpoint: Checkpoint, shapes: Mapping[str, tuple[int, ...]], settings: Mapping[str, str], folder: Path
) -> None:
    """Raise `MaiError` where a checkpoint is of other weights, or its run had another seed or batch."""
    saved = {n: tuple(t.shape) for n, t in checkpoint.part("weights/").items()}
    differing = sorted(n for n in saved.keys() | shapes.keys() if saved.get(n) != shapes.get(n))
    if differing:
        name = differing[0]
        shown = (
            f"`{name}` is {saved.get(name, 'absent')} in the checkpoint and {shapes.get(name, 'absent')} in the spec"
        )
        message = f"the checkpoint in {folder} is of another spec: {shown}"
        help = "the same --set as before; or train into another folder, or without --resume"
        raise MaiError([Diagnostic("weights-mismatch", None, message, help=help)])
    had = {name: checkpoint.metadata.get(name) for name in settings}
    if had != settings:
        message = f"the run in {folder} had " + " and ".join(f"{name} {value}" for name, value in had.items())
        raise MaiError([Diagnostic("weights-mismatch", None, message, help="resume with the same seed and batch")])


def write_weights(folder: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, object]) -> Path:
    """The trained weights, for `mai compile`."""
    path = folder / WEIGHTS
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in metadata.items()}
    write_atomically(path, sealed(tensors, texts))
    return path
