"""The verb `eval`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from mai.compiler.commands.shared import parse_sets, with_diagnostics
from mai.runtime.command_line.markers import Argument, Misuse, Option
from mai.runtime.command_line.opening import Provider, Threads
from mai.runtime.show.terminal import say
from mai.spec.record import record

if TYPE_CHECKING:
    from mai.compiler.evaluating.subject import Asked, Subject


@with_diagnostics
def evaluate(
    run: Annotated[Path, Argument(help="The folder of a run, or a .onnx file that mai compiled.", show_default=False)],
    data: Annotated[list[Path] | None, Option(help="Examples with their answers: a table, a .npz, a folder of images; by default those that the spec keeps apart, of tests or else held out.", show_default=False)] = None,
    target: Annotated[str | None, Option(help="The field of the data that holds the right answers; by default the one that training compares.", show_default=False)] = None,
    export: Annotated[str | None, Option(help="Which export of the run to measure; by default the one whose results the data have answers for.", show_default=False)] = None,
    output: Annotated[str | None, Option(help="Which result of the export to measure, if it has several that could be meant.", show_default=False)] = None,
    out: Annotated[Path | None, Option(help="Write a picture (.png .svg .pdf), and all figures as .json beside it.", show_default=False)] = None,
    json: Annotated[bool, Option("--json", help="Print the figures as json.")] = False,
    loss: Annotated[bool, Option("--loss", help="Measure what training minimises and reports, also where a file gives answers.")] = False,
    examples: Annotated[int | None, Option(help="How many examples; by default all there are, and 10,000 of data without end.", min=1, show_default=False)] = None,
    worst: Annotated[int, Option(help="How many of the worst answers to show.", min=0)] = 5,
    resamples: Annotated[int, Option(help="How often examples are drawn again to compute the intervals; 0: no intervals.", min=0)] = 200,
    batch: Annotated[int | None, Option(help="How many examples at a time; by default 4,096, or of losses as in training.", min=1, show_default=False)] = None,
    seed: Annotated[int, Option(help="The seed of the intervals, and of what the file draws.")] = 0,
    threads: Threads = None,
    provider: Provider = None,
    sets: Annotated[list[str] | None, Option("--set", help="Consts as they were set when it was trained, where its folder does not say.")] = None,
) -> None:  # fmt: skip
    """Say how good a trained model is: mai eval runs/titanic --data test.csv

    It asks the compiled file for every example and compares its answers with those in the data. For labels it shows accuracy, F1, AUC, log loss,
    calibration, what each class is taken for, and the surest wrong answers; for tags, several 0 or 1 of an example, these for each tag and their
    means; for numbers the errors, R2, the residuals, and the largest errors.
    Each interval is of 95 %: the metric on another test set of this size would probably lie in it.

    mai eval runs/titanic                                  the rows that the spec holds out

    mai eval runs/titanic --data test.csv --out report.png   a picture, and report.json

    mai eval houses.price.onnx --data sold.parquet         one file alone

    mai eval runs/gpt --data held.txt                      a text's model: perplexity, bits per byte, accuracy of the next token

    mai eval runs/flow --examples 50000                    a sampler: the losses of training, on newly drawn examples

    Columns are found by name, and words are labels, as in training. The spec says which result is compared with which field: those that the
    loss compares. Where that is not clear, mai asks you to name them: --target, --output, --export.
    """
    from mai.compiler.evaluating.subject import Asked
    from mai.runtime.show.save import PICTURES

    if out is not None and out.suffix.lower() not in PICTURES:
        raise Misuse(f"--out {out}: {', '.join(PICTURES)}")
    consts = parse_sets(sets) or None
    request = _Request(data or [], out, json, resamples, seed, examples, batch)
    subject, why = (None, "") if loss else _subject(run, Asked(export, target, output, consts, provider, threads))
    if subject is not None:
        _compare(subject, request, worst)
    else:
        _measure(run, consts, request, why)


def _subject(run: Path, asked: Asked) -> tuple[Subject | None, str]:
    """What is compared; None, and why, where nothing is, and nobody asked for it, but losses can be measured."""
    from mai.compiler.evaluating.subject import open_subject
    from mai.compiler.evaluating.targets.target import NoAnswer

    try:
        return open_subject(run, asked), ""
    except NoAnswer as error:
        if (asked.export, asked.target, asked.output) != (None, None, None) or not _has_weights(run):
            raise
        return None, error.diagnostics[0].message


@record
class _Request:
    """What the command line says of examples and of what is shown."""

    files: list[Path]
    out: Path | None
    json: bool
    resamples: int
    seed: int
    examples: int | None
    batch: int | None

    @property
    def data(self) -> str:
        """What the examples are of, in words; nothing where the spec keeps them apart."""
        return ", ".join(map(str, self.files))

    def say(self, lines: Iterator[str], values: Callable[[], dict[str, object]]) -> None:
        """Print a table, or json."""
        say(dumps(values(), indent=2) if self.json else "\n".join(lines))


def _has_weights(run: Path) -> bool:
    from mai.runtime.run_folders.files import WEIGHTS

    return ((run if run.is_dir() else run.parent) / WEIGHTS).exists()


def _compare(subject: Subject, request: _Request, worst: int) -> None:
    """A file's answers beside those in the data."""
    from mai.compiler.evaluating.answers import ROWS, answer
    from mai.compiler.evaluating.examples import read_for
    from mai.compiler.evaluating.report import as_json, evaluation, lines, write_json

    examples = read_for(subject, request.files, request.examples)
    answers = answer(subject, examples, request.batch or ROWS, request.seed)
    report = evaluation(subject, examples, answers, request.data, request.resamples, request.seed, worst)
    request.say(lines(report), lambda: as_json(subject, report))
    if request.out is not None:
        from mai.compiler.evaluating.pictures.picture import draw_evaluation

        draw_evaluation(report, request.out)
        write_json(request.out.with_suffix(".json"), subject, report)
        say(f"wrote {request.out} and {request.out.with_suffix('.json')}", err=True)


def _measure(run: Path, sets: dict[str, str] | None, request: _Request, why: str) -> None:
    """What training minimises, of the run's weights."""
    from mai.compiler.evaluating.loss_report import as_json, lines, measure_run, open_run, read_examples

    if request.out is not None:
        raise Misuse("--out draws answers, and these are losses alone: --json has their figures")
    opened = open_run(run, sets)
    examples = read_examples(opened, request.files, request.examples)
    losses = measure_run(opened, examples, request.data, request.resamples, request.seed, request.batch)
    if why and not request.json:
        say(f"note: {why}: what training minimises is measured", err=True)
    request.say(lines(losses), lambda: as_json(opened, losses))
