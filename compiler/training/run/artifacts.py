"""The files that a train block of a run writes: its checkpoints and, at the end, the weights, with their metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from pydantic_core import to_json
from torch import Tensor

from mai.compiler.data import facts
from mai.compiler.data import label_names as labels
from mai.compiler.data.batches import Dataset
from mai.compiler.program import Program, Training
from mai.compiler.training.options import Options
from mai.compiler.training.run import checkpoint as ck
from mai.compiler.training.run import folder
from mai.compiler.training.run.record import digest, digest_of_data, digest_of_rows, update_record, write_record
from mai.compiler.training.run.stage import BLOCKS, Stage, as_text
from mai.runtime.files import write_atomically
from mai.runtime.show.terminal import echo
from mai.runtime.text.tokenizer import BYTES

EXAMPLES, HELD_OUT, SPEC, SETS = "examples", "held_out", "spec_sha256", "sets"  # In a checkpoint's metadata.


class Artifacts:
    """What one train block, which stands at a `stage` of its run, writes into the run's folder, `out`; its consts are `sets`."""

    def __init__(
        self, out: Path, program: Program, training: Training, stage: Stage, data: Dataset, seed: int, batch: int,
        sets: Mapping[str, str],
    ) -> None:  # fmt: skip
        self.out, self.program, self.training, self.stage = out, program, training, stage
        self.data, self.seed, self.batch, self.sets = data, seed, batch, dict(sets)

    def prepare_folder(self, options: Options, steps: int, device: str) -> None:
        """From here on the folder is this run's: one that was there before makes room."""
        if not self.stage.is_begun:
            folder.make_room(self.out, self.program, options.data)
            write_record(
                self.out, self.program, options, self.seed, self.batch, steps, device, digest_of_data(self.data)
            )
        elif options.resume and self.stage.checkpoint is not None:
            checkpoint = self.stage.checkpoint
            self._say_what_changed(checkpoint, options)
            step = {self.training.name or "": checkpoint.step - self.stage.before}
            since = step if self.others_in(checkpoint) else {}
            own_steps = None if self.stage.ended else steps
            update_record(self.out, self.program, options, own_steps, digest_of_data(self.data), since)
        (self.out / folder.FAILURE).unlink(missing_ok=True)
        if self.data.tokenizer not in (None, BYTES):
            write_atomically(self.out / folder.TOKENIZER, str(self.data.tokenizer).encode())

    def _say_what_changed(self, checkpoint: ck.Checkpoint, options: Options) -> None:
        """What a run that goes on does not take from those that began it, or not from those that go on with it."""
        if options.weights is not None:
            echo(f"note: a run begins with weights of a file; that in {self.out} goes on with its own", err=True)
        others = self.others_in(checkpoint)
        if {EXAMPLES, HELD_OUT} & others:
            echo(f"note: the run in {self.out} began with other examples: it goes on with these", err=True)
        if {SPEC, SETS} & others:
            echo(
                f"note: the run in {self.out} began with another text of the spec, or other consts: it goes on with these",
                err=True,
            )

    def others_in(self, checkpoint: ck.Checkpoint) -> set[str]:
        """What was another as a checkpoint was written: the examples, those held out, the spec's text, its consts."""
        return {name for name, now in self._origin.items() if checkpoint.metadata.get(name, now) != now}

    def write_checkpoint(self, step: int, tensors: dict[str, Tensor], more: Mapping[str, str]) -> None:
        """Keep the state after a step of this block, which states `more` of itself."""
        metadata = {**self._metadata, **self.stage.metadata(self.training.name), **self._origin, **more}
        checkpoint = ck.Checkpoint(self.stage.before + step, tensors, metadata)
        ck.write(self.out, checkpoint, self.training.settings.checkpoints)

    def write_weights(
        self, weights: Mapping[str, Tensor], steps: int, kept: int, validation: Mapping[str, float]
    ) -> Path:
        """Write the weights of the step `kept` of `steps`, of which `validation` says what they do on held-out examples."""
        trained = str(self.stage.before + kept)
        metadata = {**self._metadata, "trained_steps": trained, "validation": json.dumps(dict(validation))}
        if self.training.name is not None:
            metadata[BLOCKS] = as_text(self.stage.ended_with(self.training.name, steps, kept, validation))
        return ck.write_weights(self.out, weights, metadata)

    @cached_property
    def _origin(self) -> dict[str, str]:
        """What tells this training from one of other examples, of another text or of other consts."""
        held_out = self.data.validation or {}
        rows = {f"{name} {len(each)}": each[: self.batch] for name, each in held_out.items()}
        examples = {EXAMPLES: digest_of_rows(self.data.batch(0, self.batch)), HELD_OUT: digest_of_rows(rows)}
        return {**examples, SPEC: digest(self.program.source.text), SETS: json.dumps(self.sets, sort_keys=True)}

    @cached_property
    def _metadata(self) -> dict[str, str]:
        """What a checkpoint and the weights both state."""
        metadata = {
            "spec": self.program.name,
            SPEC: digest(self.program.source.text),
            "seed": str(self.seed),
            "settings": to_json(self.training.settings.as_dict()).decode(),
        }
        return metadata | labels.saved(self.data.labels) | facts.saved(self.data.facts, self.data.decimal)
