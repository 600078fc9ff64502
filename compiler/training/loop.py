"""The training of a program: its train blocks in their order, one `Trainer` each, as one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from mai.compiler.data import label_names as labels
from mai.compiler.ir.graph import turns_of
from mai.compiler.program import Program, Training
from mai.compiler.torch.parameters import Weights
from mai.compiler.training.initial_weights import initial_weights, load_weights
from mai.compiler.training.moved import moved_by, unmoved
from mai.compiler.training.options import Options, Result
from mai.compiler.training.run import folder
from mai.compiler.training.run.figures.trackers import check_trackers
from mai.compiler.training.run.processes import Processes, among_others
from mai.compiler.training.run.stage import BLOCK, Stage, begin, ended_in
from mai.compiler.training.trainer import Trainer
from mai.compiler.weights.tensor_files import metadata_of
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.diagnostics.suggest import closest

Report = Callable[[Result], None]


def train(program: Program, out: Path, options: Options | None = None, report: Report = lambda _: None) -> Result:
    """Train a program; `out` gets checkpoints, `metrics.jsonl` and, at the end, `weights.safetensors`.

    `report` is called with each train block that has ended; the result is that of the last.

    Raises:
        MaiError: the data are wrong, there is no checkpoint to go on from or one of another spec, another training writes
            into `out`, the loss is not finite, there is no train block of a name that is asked for, or the weights of earlier
            blocks are missing, or no parameter moves an objective.
    """
    if not program.trainings:
        raise MaiError([Diagnostic("minimize-missing", None, f"{program.name} has no train block")])
    options = options or Options()
    check_trackers(options.track)
    check_names(program, (*options.only, *options.blocks))
    chosen = [t for t in program.trainings if not options.only or t.name in options.only]
    if still := [error for training in chosen for error in unmoved(training)]:
        raise MaiError(still)
    if not options.resume:
        folder.make(out)
    stage = begin(out, options.weights, options.device, options.precision or _one_precision(chosen), options.resume)
    with among_others(), folder.alone_in(out) if Processes(stage.accelerator).main else nullcontext():
        return _train_blocks(program, chosen, out, options, stage, report)


def _train_blocks(
    program: Program, chosen: Sequence[Training], out: Path, options: Options, stage: Stage, report: Report
) -> Result:
    """Train some blocks, from where the folder stands."""
    if stage.checkpoint is not None:
        chosen = _from_checkpoint(stage, chosen, options, out)
    else:
        stage = _with_earlier(program, chosen, replace(stage, only=options.only), options, out)
    for training in chosen:
        if stage.weights is not None:
            stage.weights.begin_copies(_new_copies(program, training))
        trainer = Trainer(
            program, training, out, options.of(training.name), replace(stage, is_last=training is chosen[-1])
        )
        result = trainer.run()
        if result.main and (result.weights is not None or not result.stopped):
            report(result)
        if result.stopped or training is chosen[-1]:
            break
        stage = trainer.next_stage(result)
    return result


def check_names(program: Program, names: Sequence[str]) -> None:
    """Raise `MaiError` for a name that no train block of a program has."""
    blocks = [t.name for t in program.trainings if t.name is not None]
    for name in names:
        if name not in blocks:
            guess = closest(name, blocks)
            there = f"there are {', '.join(blocks)}" if blocks else "its one train block has no name"
            help = f"did you mean `{guess}`?" if guess else there
            raise MaiError([Diagnostic("unknown-name", None, f"{program.name} has no train block `{name}`", help=help)])


def _one_precision(chosen: Sequence[Training]) -> str:
    precisions = list(dict.fromkeys(t.settings.precision for t in chosen))
    if len(precisions) > 1:
        message = f"a run computes in one precision, and its blocks say {' and '.join(precisions)}"
        help = "give all blocks the same, or train them one by one: `--only NAME`"
        raise MaiError([Diagnostic("bad-setting", None, message, help=help)])
    return precisions[0]


def _from_checkpoint(stage: Stage, chosen: Sequence[Training], options: Options, out: Path) -> Sequence[Training]:
    """The blocks that are left, the one of the checkpoint first."""
    assert stage.checkpoint is not None
    block = stage.checkpoint.metadata.get(BLOCK)
    if stage.only != options.only:
        asked = " ".join(f"--only {name}" for name in stage.only) or "no --only"
        message = f"the run in {out} was begun with {asked}"
        raise MaiError([Diagnostic("weights-mismatch", None, message, help="go on with it as it was begun")])
    place = next((at for at, training in enumerate(chosen) if training.name == block), None)
    if place is None:
        message = f"the checkpoint in {out} is of another spec: it stands in a train block {block or 'without a name'}"
        raise MaiError([Diagnostic("weights-mismatch", None, message, help="train without --resume")])
    return chosen[place:]


def _with_earlier(program: Program, chosen: Sequence[Training], stage: Stage, options: Options, out: Path) -> Stage:
    """The stage with the weights of earlier blocks that are not trained now, which are read from their run."""
    last = program.trainings.index(chosen[-1])
    earlier = [t for t in program.trainings[:last] if t not in chosen]
    if not earlier:
        return stage
    path = options.weights or out / folder.WEIGHTS
    names = ", ".join(f"`{t.name}`" for t in earlier)
    if options.weights is None and not path.exists():
        message = f"{out} has no weights of {names}, which the blocks that are asked for begin with"
        first = " ".join(f"--only {t.name}" for t in earlier)
        help = f"train them first: mai train {program.source.path} --out {out} {first}; or name a file: --weights"
        raise MaiError([Diagnostic("weights-missing", None, message, help=help)])
    ended = ended_in(metadata_of(path))
    _check_ended(earlier, chosen, [e.block for e in ended] if options.weights is None else None, path)
    weights = _weights(program, earlier, path, options)
    kept = tuple(e for e in ended if e.block in [t.name for t in earlier])
    return replace(stage, weights=weights, labels=labels.names_of(path), ended=kept)


def _check_ended(
    earlier: Sequence[Training], chosen: Sequence[Training], ended: Sequence[str] | None, path: Path
) -> None:
    """Raise `MaiError` where a run has not trained the earlier blocks, or a later one has moved their weights again."""
    for training in earlier if ended is not None else ():
        if training.name not in (ended or ()):
            message = f"the weights in {path} are not trained by `{training.name}` yet"
            help = f"train it first: --only {training.name}"
            raise MaiError([Diagnostic("weights-missing", None, message, help=help)])
    for training in chosen:
        again = set[str]().union(*(moved_by(training, o) for o in training.objectives)) & training.still
        if again and training.name in (ended or ()):
            message = f"`{training.name}` has moved `{min(again)}` of an earlier block already in {path}"
            raise MaiError(
                [Diagnostic("weights-mismatch", None, message, help="train all blocks anew: without --only")]
            )


def _weights(program: Program, earlier: Sequence[Training], path: Path, options: Options) -> Weights:
    """First values, as the whole run makes them, and in their place those that the earlier blocks ended with."""
    first = program.trainings[0]
    seed = options.of(first.name).seed
    weights = initial_weights(program, None, first.settings.seed if seed is None else seed)
    trained = {copy.name for t in earlier for weight in t.graph.weights.values() for copy in turns_of(weight)}
    trained |= {n for n, w in program.weights.items() if w.follows is not None and w.follows.source in trained}
    arrays, _ = load_weights(replace(program, weights={n: program.weights[n] for n in sorted(trained)}), path)
    weights.put(arrays)
    return weights


def _new_copies(program: Program, training: Training) -> set[str]:
    """The weights that a block reads and none before it: of those that are copies, the block begins with new ones."""
    place = program.trainings.index(training)
    before = {n for t in program.trainings[:place] for n in t.graph.weights}
    new = [weight for n, weight in training.graph.weights.items() if n not in before] if place else []
    return {copy.name for weight in new for copy in turns_of(weight)}
