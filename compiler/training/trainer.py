"""The training of one block: minimize, in turn, what it says."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from functools import cached_property, partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from torch import Tensor

from mai.compiler.ir.graph import Graph
from mai.compiler.passes import forms
from mai.compiler.program import Program, Training
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.processes.parts import whole
from mai.compiler.training.beginning import count_steps, first_weights, read_data
from mai.compiler.training.moved import held_still
from mai.compiler.training.options import Options, Result
from mai.compiler.training.run import folder
from mai.compiler.training.run.artifacts import Artifacts
from mai.compiler.training.run.best import Best, notes_of_run
from mai.compiler.training.run.failure import Seen, with_findings
from mai.compiler.training.run.figures.cadence import Cadence
from mai.compiler.training.run.figures.progress import Meter, Metrics
from mai.compiler.training.run.figures.readings import Readings
from mai.compiler.training.run.figures.recording import Recorder
from mai.compiler.training.run.figures.trackers import Trackers
from mai.compiler.training.run.processes import Processes, parts_of
from mai.compiler.training.run.save_times import SaveTimes
from mai.compiler.training.run.stage import Stage, begin
from mai.compiler.training.run.stopping import stoppable
from mai.compiler.training.settings import Best as BestKept
from mai.compiler.training.step.code import Code, minimized
from mai.compiler.training.step.compiled import check_compiler
from mai.compiler.training.step.feed import Feed
from mai.compiler.training.step.machine import choose_threads, keep_memory
from mai.compiler.training.step.objective import Objective
from mai.compiler.training.step.optimizer import LearningRate, MovingAverage, clip, set_rate
from mai.compiler.training.step.scaling import Scaling
from mai.compiler.training.step.state import State
from mai.compiler.training.unseen.validation import Validation
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
        self.processes = Processes(self.stage.accelerator)
        self.device = self.processes.device
        self._begin_data()
        self._begin_weights()
        self._begin_objectives()
        self.validation = Validation(training, self.evaluation_graph, self.data.validation, self.weights, self.code)
        self.best = self._best(settings.keep) if isinstance(settings.keep, BestKept) else None
        self.recorder = Recorder(training.records, self.weights, out / folder.RECORDS, self.stage.before)
        self.artifacts = Artifacts(out, program, training, self.stage, self.data, self.seed, self.batch, options.sets)
        self.asked = self.stop = self.is_save_due = False
        self.figures: dict[str, float] = {}
        self.readings = Readings(self.processes)
        self.saving = SaveTimes(min(FIRST_SAVE, options.save_seconds), options.save_seconds)
        scaling, losses = Scaling(self.processes.accelerator.scaler), [0.0] * len(self.objectives)
        self.state = State(self.weights, self.objectives, self.average, scaling, self.rate, self.best, losses)

    def _begin_data(self) -> None:
        """The examples, and how the steps go through them."""
        settings, options = self.training.settings, self.options
        self.data = read_data(self.program, self.training, options, self.stage, self.seed)
        chosen = settings.sample
        batches = self.data.batches if chosen is None else self.data.sampled(chosen.field, chosen.order, self.seed)
        self.batch = min(options.batch or settings.batch, self.data.count or 1 << 60)
        self.processes.check(minimized(self.training), self.batch, settings.accumulate)
        self.share = self.processes.share(self.batch)
        self.parts = parts_of(self.share.places, settings.accumulate)
        self.steps = count_steps(settings, options, self.data.count, self.batch)
        self.feed = Feed(batches, self.batch, self.share.places, self.steps, self.device, options.workers)
        self.cadence = Cadence(self.steps, settings.evaluate)
        self.rate = LearningRate(settings.schedule, self.steps)

    def _begin_weights(self) -> None:
        """The weights, alike in all processes, and the code that computes with them."""
        training, evaluation = self.training, self.evaluation_graph
        self.weights = first_weights(
            self.program, training, evaluation, self.options, self.stage, self.data, self.seed, self.device
        )
        self.processes.spread(self.weights.state_dict().values())
        choose_threads(evaluation, self.batch, self.device, self.stage.threads)
        keep_memory(self.device)
        self.code = Code(training, evaluation, self.share, self.parts, self.seed, self.device, self.processes.context)
        if self.options.shard and self.processes.count > 1:
            self.processes.check_precision()
            self.code.cut(self.weights)

    def _begin_objectives(self) -> None:
        """What is minimised, and which weights move."""
        settings, modules = self.training.settings, partial(self.code.modules, self.weights)
        count, is_sharded = self.processes.count, self.code.sharded is not None
        self.objectives = [
            Objective(self.training, each, self.weights, modules, count, is_sharded)
            for each in self.training.objectives
        ]
        if settings.compile or self.options.compile:
            self._compile()
        moved = {name: p for o in self.objectives for name, p in o.parameters.items()}
        self.still = held_still(self.training, self.weights.weights, moved)
        for name, parameter in self.weights.named_parameters():
            parameter.requires_grad_(name in moved)
        self.average = MovingAverage(moved, settings.ema) if settings.ema else None

    def _best(self, kept: BestKept) -> Best:
        if not self.validation:
            why, message = self.data.why, "`keep = best` chooses by what weights do on held-out examples; here are none"
            message, help = (message, "keep = last") if why is None else (f"{message}: {why.cause}", why.help)
            raise MaiError([Diagnostic("bad-setting", None, message, help=help)])
        return Best(kept)

    # ---------------------------------------------------------------- modules

    @cached_property
    def evaluation_graph(self) -> Graph:
        """The same as an export is: without dropout, with running statistics."""
        return forms.prepare(self.training.evaluation)

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
            self.artifacts.prepare_folder(self.options, self.steps, self.device.type)
        began = time.monotonic()
        path, at, block = self.out / folder.METRICS, self.stage.before + start, self.training.name
        asked = {"seed": self.seed, "batch": self.batch, "steps": self.steps, **self.options.sets}
        trackers = partial(Trackers, self.options.track, self.program.name, self.out, self.training.settings, asked)
        metrics = Metrics(path, at, trackers(), block) if main else None
        meter = Meter(self.steps, start, self.batch, self.options.quiet or not main, block)
        with stoppable(self), closing(self.feed), meter:
            meter.say(self.data.notes if self.stage.data is None else ())
            done = self._loop(start, meter, metrics)
            meter.say(notes_of_run(self.out, self.training.settings.keep) if metrics is not None else ())
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
        is_whole = self.stage.is_last and not stopped
        weights = self.artifacts.write_weights(final, done, kept, validation) if is_whole else None
        seconds = time.monotonic() - began
        return Result(done, dict(self.figures), validation, seconds, weights, self.stop, kept, block=block)

    def next_stage(self, result: Result) -> Stage:
        """What the block after this one begins with: the weights that exports would have now."""
        weights = Weights(self.program.weights).to(self.device)
        weights.load_state_dict(self._final())
        self.processes.spread(weights.state_dict().values())
        ended = self.stage.ended_with(self.training.name, result.steps, result.kept, result.validation)
        return replace(
            self.stage, checkpoint=None, is_begun=True, ended=ended, weights=weights, data=(self.seed, self.data),
            labels=self.data.labels,
        )  # fmt: skip

    def _loop(self, start: int, meter: Meter, metrics: Metrics | None) -> int:
        self.recorder.start(start)
        if self.stage.weights is not None and not self.stage.is_begun:
            self._save_together(start)  # What it begins with are the weights of a run that the folder no longer holds.
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
        more = {"lr": self.objectives[0].optimizer.param_groups[-1]["lr"], "examples_per_second": meter.rate(step)}
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
        is_looked_at = self.options.debug_nan or self.readings.are_free
        number = self._look(objective, loss, fields, step) if is_looked_at else None
        if self.training.settings.clip:
            clip(objective.parameters.values(), self.training.settings.clip)
        set_rate(objective.optimizer, factor)
        self.state.scaling.step(objective.optimizer)
        self.weights.write(dict(zip(objective.states, states, strict=True)))
        return loss if number is None else number, reported

    def _look(self, objective: Objective, loss: Tensor, fields: Mapping[str, Tensor], step: int) -> float | None:
        """The loss of one process. Raises `MaiError` where a step is not finite, before it is taken: it can be computed once more, to see why."""
        is_scaled = self.state.scaling.scaler is not None  # A scaled loss has gradients that overflow.
        (value,) = self.processes.summed([loss], [])
        wrong = objective.wrong(step, value, self.out, self.options.debug_nan and not is_scaled)
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

    def save(self, step: int) -> None:
        """Write a checkpoint of everything that the next step depends on, as the main process; of weights in parts all have to ask for it."""
        tensors = self.state.whole() if self.processes.main or self.code.sharded else {}
        if not self.processes.main:
            return
        self.recorder.save()
        run = {"steps": str(self.steps), "batch": str(self.batch)}
        self.artifacts.write_checkpoint(step, tensors, run | self.state.metadata())

    def restore(self) -> int:
        """Go on from the last checkpoint, where the run is to go on."""
        checkpoint = self.stage.checkpoint
        if checkpoint is None:
            return 0
        self.state.restore(checkpoint, {"seed": str(self.seed), "batch": str(self.batch)}, self.out)
        if self.best is not None and self.artifacts.others_in(checkpoint):
            self.best.judge_again(self.weights, self.validation.figures)
        return checkpoint.step - self.stage.before

    def _final(self) -> dict[str, Tensor]:
        """The weights that exports have: the best, or the last with their moving average. Of all processes together."""
        with self.averaged():
            best = self.best.tensors if self.best is not None else None
            return {n: whole(t).clone() for n, t in (best or self.weights.state_dict()).items()}
