"""The training of one block: minimize, in turn, what it says."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from functools import cached_property, partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from pydantic_core import to_json
from torch import Tensor

from mai.compiler.data import facts
from mai.compiler.data import label_names as labels
from mai.compiler.data.batches import Dataset, load
from mai.compiler.ir.graph import Graph
from mai.compiler.passes import forms
from mai.compiler.program import Program, Training
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.processes.parts import whole
from mai.compiler.training.first_values import compute_first_values, first_values_before
from mai.compiler.training.initial_weights import initial_weights, loaded_names
from mai.compiler.training.options import Options, Result
from mai.compiler.training.run import checkpoint as ck
from mai.compiler.training.run import folder
from mai.compiler.training.run.best import Best
from mai.compiler.training.run.failure import Seen, with_findings
from mai.compiler.training.run.figures.cadence import Cadence
from mai.compiler.training.run.figures.progress import Meter, Metrics
from mai.compiler.training.run.figures.readings import Readings
from mai.compiler.training.run.figures.recording import Recorder
from mai.compiler.training.run.figures.trackers import Trackers
from mai.compiler.training.run.processes import Processes, parts_of
from mai.compiler.training.run.record import digest, write_record
from mai.compiler.training.run.save_times import SaveTimes
from mai.compiler.training.run.stage import BLOCKS, Ended, Stage, as_text, begin
from mai.compiler.training.run.stopping import stoppable
from mai.compiler.training.settings import Best as BestKept
from mai.compiler.training.step.code import Code
from mai.compiler.training.step.compiled import check_compiler
from mai.compiler.training.step.feed import Feed
from mai.compiler.training.step.objective import Objective
from mai.compiler.training.step.optimizer import LearningRate, MovingAverage, clip, set_rate
from mai.compiler.training.step.scaling import Scaling
from mai.compiler.training.step.state import State
from mai.compiler.training.step.threads import choose_threads
from mai.compiler.training.unseen.validation import Validation
from mai.runtime.files import write_atomically
from mai.runtime.text.tokenizer import BYTES
from mai.spec.diagnostics import Diagnostic, MaiError

FIRST_SAVE = 2.0  # Seconds; each wait after it is twice as long, up to that of the options.


class Trainer:
    """One train block of a run, from what its stage begins with."""

    def __init__(
        self, program: Program, training: Training, out: Path, options: Options, stage: Stage | None = None
    ) -> None:
        self.program, self.training, self.out, self.options = program, training, out, options
        settings = training.settings
        self.seed = settings.seed if options.seed is None else options.seed
        precision = options.precision or settings.precision
        self.stage = stage or begin(out, options.weights, options.device, precision, options.resume)
        self.accelerator, self.checkpoint = self.stage.accelerator, self.stage.checkpoint
        self.processes = Processes(self.accelerator)
        self.device = self.processes.device
        self.data = self._load()
        chosen = settings.sample
        batches = self.data.batches if chosen is None else self.data.sampled(chosen.field, chosen.order, self.seed)
        self.batch = min(options.batch or settings.batch, self.data.count or 1 << 60)
        self.processes.check(self._minimized(), self.batch, settings.accumulate)
        self.share = self.processes.share(self.batch)
        self.parts = parts_of(self.share.places, settings.accumulate)
        self.steps = self._steps()
        self.feed = Feed(batches, self.batch, self.share.places, self.steps, self.device, options.workers)
        self.cadence = Cadence(self.steps, settings.evaluate)
        self.rate = LearningRate(settings.schedule, self.steps)
        self.weights = self._first_weights().to(self.device)
        self._compute_first_values()
        self.processes.spread(self.weights.state_dict().values())
        choose_threads(self.evaluation_graph, self.batch, self.device, self.stage.threads)
        self.code = Code(
            training, self.evaluation_graph, self.share, self.parts, self.seed, self.device, self.processes.context
        )
        if options.shard and self.processes.count > 1:
            self.processes.check_precision()
            self.code.cut(self.weights)
        self.objectives = [
            Objective(
                training, o, self.weights, partial(self.code.modules, self.weights), self.processes.count,
                self.code.sharded is not None,
            )
            for o in training.objectives
        ]  # fmt: skip
        if settings.compile or options.compile:
            self._compile()
        moved = {name: p for o in self.objectives for name, p in o.parameters.items()}
        still_nets = {w.owner for n, w in self.weights.weights.items() if n in training.still}
        states = {update.weight for update in training.updates}
        self.still = {n for n, w in self.weights.weights.items() if w.owner in still_nets} - moved.keys() - states
        for name, parameter in self.weights.named_parameters():
            parameter.requires_grad_(name in moved)
        self.average = MovingAverage(moved, settings.ema) if settings.ema else None
        self.validation = Validation(training, self.evaluation_graph, self.data.validation, self.weights, self.code)
        self.best = self._best(settings.keep) if isinstance(settings.keep, BestKept) else None
        self.recorder = Recorder(training.records, self.weights, out / folder.RECORDS, self.stage.before)
        self.asked = self.stop = self.is_save_due = False
        self.figures: dict[str, float] = {}
        self.readings, self.saving = (
            Readings(self.processes),
            SaveTimes(min(FIRST_SAVE, options.save_seconds), options.save_seconds),
        )
        losses = [0.0] * len(self.objectives)
        self.state = State(
            self.weights, self.objectives, self.average, Scaling(self.accelerator.scaler), self.rate, self.best, losses
        )

    def _load(self) -> Dataset:
        """The examples; labels have the numbers that the weights were trained with."""
        if self.stage.data is not None and self.stage.data[0] == self.seed:
            return self.stage.data[1]
        names = self.stage.labels
        training, base = self.training, Path(self.program.source.path).parent
        return load(training.data, training.fields, self.seed, base, self.options.data, training.where, names)

    def _first_weights(self) -> Weights:
        """What training begins with; a checkpoint's weights are put in their place later."""
        if self.stage.weights is not None:
            return self.stage.weights
        if self.checkpoint is not None:
            return Weights(self.program.weights)
        return initial_weights(self.program, self.options.weights, self.seed)

    def _compute_first_values(self) -> None:
        """What weights begin as that all examples say."""
        if self.checkpoint is not None:
            return
        if self.stage.weights is not None:
            set_already = first_values_before(self.program, self.training)
        else:
            set_already = loaded_names(self.program, self.options.weights)
        compute_first_values(
            self.program,
            self.training,
            self.evaluation_graph,
            self.data,
            self.weights,
            self.seed,
            self.device,
            set_already,
        )

    def _steps(self) -> int:
        settings = self.training.settings
        if self.options.steps is not None:
            return self.options.steps
        if settings.steps is not None:
            return settings.steps
        if self.data.count is None:
            message = "these data have no end, so there are no epochs: say `steps`"
            raise MaiError([Diagnostic("bad-setting", None, message)])
        return max(1, math.ceil((settings.epochs or 1) * self.data.count / self.batch))

    def _best(self, kept: BestKept) -> Best:
        if not self.validation:
            message = "`keep = best` chooses by what weights do on held-out examples; here are none"
            raise MaiError([Diagnostic("bad-setting", None, message, help="keep = last")])
        return Best(kept)

    # ---------------------------------------------------------------- modules

    @cached_property
    def evaluation_graph(self) -> Graph:
        """The same as an export is: without dropout, with running statistics."""
        return forms.prepare(self.training.evaluation)

    def _minimized(self) -> Graph:
        """What the objectives and the states are made of, without what is only reported."""
        outputs = [o.output for o in self.training.objectives] + [u.output for u in self.training.updates]
        return forms.select(self.training.graph, outputs)

    def _compile(self) -> None:
        if self.code.sharded is not None:
            message = "`compile` makes code that reads whole weights, which `--shard` cuts between the processes"
            raise MaiError([Diagnostic("bad-setting", None, message, help="one of them")])
        check_compiler(self.device)
        for objective in self.objectives:
            objective.compile()

    # -------------------------------------------------------------------- run

    def run(self) -> Result:
        """Train from where the folder stands to the last step, and write the weights."""
        main = self.processes.main
        start = self.restore()
        self.processes.wait()
        if main:
            self._prepare_folder()
        began = time.monotonic()
        path, at, block = self.out / folder.METRICS, self.stage.before + start, self.training.name
        asked = {"seed": self.seed, "batch": self.batch, "steps": self.steps, **self.options.sets}
        trackers = partial(Trackers, self.options.track, self.program.name, self.out, self.training.settings, asked)
        metrics = Metrics(path, at, trackers(), block) if main else None
        meter = Meter(self.steps, start, self.batch, self.options.quiet or not main, block)
        with stoppable(self), closing(self.feed), meter:
            meter.say(self.data.notes if self.stage.data is None else ())
            done = self._loop(start, meter, metrics)
        stopped = self.stop and (done < self.steps or not self.stage.is_last)
        kept, validation = done, self._validated(done)
        if self.best is not None:
            kept, validation = self.best.step, self.best.figures
        final = self._final()
        if self.stage.is_last or stopped:
            self.processes.end()
        if metrics is None:
            return Result(done, {}, validation, time.monotonic() - began, None, stopped, kept, main=False, block=block)
        metrics.close()
        weights = self._finish(final, done, kept, validation) if self.stage.is_last and not stopped else None
        seconds = time.monotonic() - began
        return Result(done, dict(self.figures), validation, seconds, weights, self.stop, kept, block=block)

    def next_stage(self, result: Result) -> Stage:
        """What the block after this one begins with: the weights that exports would have now."""
        weights = Weights(self.program.weights).to(self.device)
        weights.load_state_dict(self._final())
        self.processes.spread(weights.state_dict().values())
        return replace(
            self.stage, checkpoint=None, is_begun=True, ended=self._ended(result.steps, result.kept, result.validation),
            weights=weights, data=(self.seed, self.data), labels=self.data.labels,
        )  # fmt: skip

    def _prepare_folder(self) -> None:
        """From here on the folder is this run's: one that was there before makes room."""
        if not self.stage.is_begun:
            folder.make_room(self.out, self.program, self.options.data)
            write_record(self.out, self.program, self.options, self.seed, self.batch, self.steps, self.device.type)
        (self.out / folder.FAILURE).unlink(missing_ok=True)
        if self.data.tokenizer not in (None, BYTES):
            write_atomically(self.out / folder.TOKENIZER, str(self.data.tokenizer).encode())

    def _loop(self, start: int, meter: Meter, metrics: Metrics | None) -> int:
        self.recorder.start(start)
        kept = self.training.settings.checkpoints
        step = start
        while step < self.steps and not self.stop:
            self.step(step, report := self.cadence.is_reported(step + 1))
            step += 1
            self.recorder.keep(step)
            meter.advance(step)
            if report:
                self._report(step, meter, metrics)
            if self.cadence.is_evaluated(step) and self._has_ended(step):
                break
            if self.is_save_due or kept.is_due(self.stage.before + step):
                self._save_together(step)
        self._save_together(step)
        return step

    def _save_together(self, step: int) -> None:
        self.read()
        began = time.monotonic()
        self.save(step)
        self.saving.saved(began)
        self.is_save_due = False

    def _report(self, step: int, meter: Meter, metrics: Metrics | None) -> None:
        values = dict(self.figures)
        if self.cadence.is_evaluated(step):
            values |= {f"held-out {n}": v for n, v in self._validated(step).items()}
        more = {"lr": self.objectives[0].optimizer.param_groups[0]["lr"], "examples_per_second": meter.rate(step)}
        if metrics is not None:
            metrics.write(self.stage.before + step, {**values, **more})
            meter.show(step, values)

    def _has_ended(self, step: int) -> bool:
        """Whether the weights have not become better for too long, as the main process sees it."""
        if self.best is None or self.best.kept.patience is None:
            return False
        return self.processes.as_main(float(self.best.has_ended(step))) > 0

    def step(self, step: int, report: bool) -> float:
        """One step of every objective that is due; the sum of the losses, each the last one that is read."""
        fields, factor = self.feed.at(step), self.rate.factor(step)
        for place, objective in enumerate(self.objectives):
            if objective.written.is_due(step):
                loss, reported = self.minimize(objective, fields, step, factor, report)
                self.readings.add(step, place, loss, reported)
                if isinstance(loss, float):
                    self.state.losses[place] = loss
        self.weights.follow(self.still)
        if self.average is not None:
            self.average.update(step)
        is_wanted = self.asked or self.saving.is_due() or self.rate.watcher is not None
        if self.readings.are_due(is_wanted) or report or self.rate.is_watched(step + 1):
            self.read()
        return sum(self.state.losses)

    def minimize(
        self, objective: Objective, fields: Mapping[str, Tensor], step: int, factor: float, report: bool
    ) -> tuple[Tensor | float, Sequence[Tensor]]:
        """One optimizer step of one objective on a batch's fields, each [batch, ...]: this process's shares of the loss before it, and of reports.

        The loss is a number already where it has been looked at.
        """
        objective.forget()
        loss, states, reported = objective.gradients(self.state.scaling, self.parts, self.batch, fields, step, report)
        self.state.scaling.unscale(objective.optimizer)
        known = self._look(objective, loss, fields, step) if self.options.debug_nan or self.readings.are_free else None
        if self.training.settings.clip:
            clip(objective.parameters.values(), self.training.settings.clip)
        set_rate(objective.optimizer, objective.base, factor)
        self.state.scaling.step(objective.optimizer)
        self.weights.write(dict(zip(objective.states, states, strict=True)))
        return loss if known is None else known, reported

    def _look(self, objective: Objective, loss: Tensor, fields: Mapping[str, Tensor], step: int) -> float | None:
        """The loss of one process. Raises `MaiError` where a step is not finite, before it is taken: it can be computed once more, to see why."""
        looks = (
            self.options.debug_nan and self.state.scaling.scaler is None
        )  # A scaled loss has gradients that overflow.
        (value,) = self.processes.summed([loss], [])
        wrong = objective.wrong(step, value, self.out, looks)
        if wrong is not None:
            seen = Seen(step, fields, self.data.labels, self.parts)
            raise with_findings(wrong, objective, seen, self.out if self.processes.main else None)
        return value if self.processes.count == 1 else None

    def read(self) -> None:
        """Look at what the steps since the last look came to. Raises `MaiError` where a loss is no finite number."""
        reading = self.readings.read(self.asked, self.saving.is_due())
        for step, losses in groupby(reading.losses, key=itemgetter(0)):
            for _, place, loss in losses:
                wrong = self.objectives[place].wrong(step, loss, self.out)
                if wrong is not None:
                    raise wrong
                self.state.losses[place] = loss
            self.rate.see(step + 1, sum(self.state.losses), self._held_out_loss)
        self.stop, self.is_save_due = self.stop or reading.is_asked, reading.is_due
        if reading.losses:
            self.figures["loss"] = sum(self.state.losses)
        if reading.reported:
            self.figures |= dict(zip((r.name for r in self.training.reports), reading.reported, strict=True))

    # ------------------------------------------------------------- validation

    def _validated(self, step: int) -> dict[str, float]:
        """What `validate` says; the weights are kept if they are the best."""
        figures = self.validate()
        if self.best is not None:
            with self.averaged():
                self.best.offer(step, figures, self.weights.state_dict())
        return figures

    def _held_out_loss(self) -> float | None:
        """The loss on the held-out examples, alike to all processes; None where there are none."""
        figures = self.validate()
        return self.processes.as_main(figures["loss"]) if figures else None

    def validate(self) -> dict[str, float]:
        """The objectives and reports on the held-out examples, with the weights that exports will have."""
        with self.averaged():
            return self.validation.figures()

    def averaged(self) -> AbstractContextManager[None]:
        """The moving average in the weights' place for a while."""
        return nullcontext() if self.average is None else self.average.in_place()

    # ------------------------------------------------------------ checkpoints

    def _metadata(self) -> dict[str, str]:
        settings = to_json(self.training.settings.as_dict()).decode()
        metadata = {
            "spec": self.program.name,
            "spec_sha256": digest(self.program.source.text),
            "seed": str(self.seed),
            "settings": settings,
        }
        return metadata | labels.saved(self.data.labels) | facts.saved(self.data.facts)

    def save(self, step: int) -> None:
        """Write a checkpoint of everything that the next step depends on, as the main process; of weights in parts all have to ask for it."""
        tensors = self.state.whole() if self.processes.main or self.code.sharded else {}
        if not self.processes.main:
            return
        self.recorder.save()
        run = {"steps": str(self.steps), "batch": str(self.batch)}
        metadata = {**self._metadata(), **self.stage.metadata(self.training.name), **run, **self.state.metadata()}
        checkpoint = ck.Checkpoint(self.stage.before + step, tensors, metadata)
        ck.write(self.out, checkpoint, self.training.settings.checkpoints)

    def restore(self) -> int:
        """Go on from the last checkpoint, where the run is to go on."""
        checkpoint, self.checkpoint = self.checkpoint, None
        if checkpoint is None:
            return 0
        self.state.restore(checkpoint, {"seed": str(self.seed), "batch": str(self.batch)}, self.out)
        return checkpoint.step - self.stage.before

    def _finish(self, final: Mapping[str, Tensor], steps: int, kept: int, validation: Mapping[str, float]) -> Path:
        trained = str(self.stage.before + kept)
        metadata = {**self._metadata(), "trained_steps": trained, "validation": json.dumps(dict(validation))}
        if self.training.name is not None:
            metadata[BLOCKS] = as_text(self._ended(steps, kept, validation))
        return ck.write_weights(self.out, final, metadata)

    def _final(self) -> dict[str, Tensor]:
        """The weights that exports have: the best, or the last with their moving average. Of all processes together."""
        with self.averaged():
            best = self.best.tensors if self.best is not None else None
            return {n: whole(t).clone() for n, t in (best or self.weights.state_dict()).items()}

    def _ended(self, steps: int, kept: int, validation: Mapping[str, float]) -> tuple[Ended, ...]:
        """The blocks that have ended when this one has."""
        if self.training.name is None:
            return self.stage.ended
        return (*self.stage.ended, Ended(self.training.name, steps, kept, validation))
