"""Where a train block stands in its run: what is there when it begins."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator

from mai.compiler.data import label_names as labels
from mai.compiler.data.batches import Dataset
from mai.compiler.data.label_names import Names
from mai.compiler.torch.parameters import Weights
from mai.compiler.training.run import checkpoint as ck
from mai.compiler.training.run import folder
from mai.compiler.training.run.processes import Processes, accelerator_of, restarts
from mai.compiler.weights.tensor_files import metadata_of

BLOCK, BLOCKS, BEFORE, ONLY = "block", "blocks", "steps_before", "only"  # In the metadata of checkpoints and weights.


@dataclass(frozen=True, slots=True)
class Ended:
    """What a named block came to: its steps, the step that its weights are of, what these do on held-out examples."""

    block: str
    steps: int
    kept: int
    validation: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Stage:
    """What a block begins with.

    `ended` are the blocks before it, `is_begun` says that the folder is this run's already, `checkpoint` is where a run goes on inside it, `only` what was asked for by name. Without
    `weights`, it makes the first ones. `data` are the examples of the block before, and the seed that they were read with.
    """

    accelerator: Accelerator
    threads: int
    labels: Names
    checkpoint: ck.Checkpoint | None = None
    ended: tuple[Ended, ...] = ()
    only: tuple[str, ...] = ()
    weights: Weights | None = None
    data: tuple[int, Dataset] | None = None
    is_begun: bool = False
    is_last: bool = True

    @property
    def before(self) -> int:
        """The steps of the blocks that have ended: in files, steps are counted through the whole run."""
        return sum(each.steps for each in self.ended)

    def metadata(self, block: str | None) -> dict[str, str]:
        """What a checkpoint states of the named block that it stands in."""
        if block is None:
            return {}
        return {BLOCK: block, BLOCKS: as_text(self.ended), BEFORE: str(self.before), ONLY: json.dumps(self.only)}

    def ended_with(
        self, block: str | None, steps: int, kept: int, validation: Mapping[str, float]
    ) -> tuple[Ended, ...]:
        """The named blocks that have ended when this one has, too."""
        return self.ended if block is None else (*self.ended, Ended(block, steps, kept, validation))


def as_text(ended: Sequence[Ended]) -> str:
    """Blocks that have ended, as files state them."""
    return json.dumps(
        [{"block": e.block, "steps": e.steps, "kept": e.kept, "validation": dict(e.validation)} for e in ended]
    )


def ended_in(metadata: Mapping[str, str]) -> tuple[Ended, ...]:
    """The same, read again; none in files of a run without named blocks."""
    return tuple(Ended(**each) for each in json.loads(metadata.get(BLOCKS, "[]")))


def steps_of_blocks(path: Path | None) -> dict[str, int]:
    """How long each named block was trained, as a file of weights says; nothing where it does not."""
    return {each.block: each.kept for each in ended_in(metadata_of(path))}


def begin(out: Path, weights: Path | None, device: str | None, precision: str, resume: bool) -> Stage:
    """What a run begins with, or where it goes on: where it is to, or where `torchrun` has started it again after one of its processes died.

    Raises:
        MaiError: there is nothing to go on from, or no such device or precision here.
    """
    accelerator = accelerator_of(device, precision)
    processes = Processes(accelerator)
    for path in (out, weights) if processes.main else ():
        folder.settle(path or out)
    is_again = restarts() > 0
    checkpoint = processes.from_main(ck.latest(out) if (resume or is_again) and processes.main else None)
    if resume and checkpoint is None and not is_again:
        raise ck.nothing_to_resume(out)
    names = labels.names_of(weights) if checkpoint is None else labels.names_in(checkpoint.metadata)
    ended = ended_in(checkpoint.metadata) if checkpoint is not None else ()
    only = tuple(json.loads(checkpoint.metadata.get(ONLY, "[]"))) if checkpoint is not None else ()
    return Stage(accelerator, torch.get_num_threads(), names, checkpoint, ended, only, is_begun=checkpoint is not None)
