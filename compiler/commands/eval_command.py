"""The verb `eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mai.compiler.commands.shared import parse_sets, with_diagnostics
from mai.runtime.command_line.markers import Argument, Misuse, Option
from mai.runtime.show.terminal import say


@with_diagnostics
def evaluate(
    run: Annotated[Path, Argument(help="The folder of a run, or a .onnx file that mai compiled.", show_default=False)],
    data: Annotated[list[Path] | None, Option(help="Examples with their answers: a table, a .npz, a folder of images; by default those that the spec keeps apart, of tests or else held out.", show_default=False)] = None,
    target: Annotated[str | None, Option(help="The field that is right; by default the one that training compares.", show_default=False)] = None,
    export: Annotated[str | None, Option(help="Which of a run's files; by default the one that answers.", show_default=False)] = None,
    output: Annotated[str | None, Option(help="Which of its results, where several may be meant.", show_default=False)] = None,
    out: Annotated[Path | None, Option(help="A picture (.png .svg .pdf), with all figures as .json beside it.", show_default=False)] = None,
    json: Annotated[bool, Option("--json", help="Print the figures as json.")] = False,
    worst: Annotated[int, Option(help="How many of the worst answers are shown.", min=0)] = 5,
    resamples: Annotated[int, Option(help="How often examples are drawn again for the intervals.", min=0)] = 200,
    batch: Annotated[int, Option(help="How many examples at a time.", min=1)] = 4096,
    seed: Annotated[int, Option(help="Of the intervals, and of what the file draws.")] = 0,
    threads: Annotated[int | None, Option(help="Threads for one operation.")] = None,
    provider: Annotated[str | None, Option(help="cpu, cuda, or another that is here; by default what there is.")] = None,
    sets: Annotated[list[str] | None, Option("--set", help="Consts as they were set when it was trained, where its folder does not say.")] = None,
) -> None:  # fmt: skip
    """Say how good a trained model is: mai eval runs/titanic --data test.csv

    It asks the compiled file for every example and compares its answers with those in the data. Labels have accuracy, F1, AUC, log loss, calibration, what each class is taken for, and the surest wrong answers; numbers have their errors, R2, residuals, and the largest. Intervals are of 95 %: another test set of as many examples would give a metric in about there.

    mai eval runs/titanic                                  the rows that the spec holds out

    mai eval runs/titanic --data test.csv --out report.png   a picture, and report.json

    mai eval houses.price.onnx --data sold.parquet         one file alone

    Columns are found by name, words are labels as in training. What is compared with what is read off the spec: the result that an objective compares with a field is compared with that field. Where that is not clear, it is asked for: --target, --output, --export.
    """
    from mai.compiler.evaluating.answers import answer, read_for
    from mai.compiler.evaluating.report import evaluation, lines, write_json
    from mai.compiler.evaluating.subject import Asked, open_subject
    from mai.runtime.show.save import PICTURES

    if out is not None and out.suffix.lower() not in PICTURES:
        raise Misuse(f"--out {out}: {', '.join(PICTURES)}; the figures go beside it as .json")
    files = data or []
    subject = open_subject(run, Asked(export, target, output, parse_sets(sets) or None, provider, threads))
    examples = read_for(subject, files)
    answers = answer(subject, examples, batch, seed)
    name = ", ".join(map(str, files)) if files else "what its spec keeps for tests, or holds out"
    found = evaluation(subject, examples, answers, name, resamples, seed, worst)
    if json:
        from json import dumps

        from mai.compiler.evaluating.report import as_json

        say(dumps(as_json(subject, found), indent=2))
    else:
        say("\n".join(lines(found)))
    if out is not None:
        from mai.compiler.evaluating.picture import draw_evaluation

        draw_evaluation(found, out)
        write_json(out.with_suffix(".json"), subject, found)
        say(f"wrote {out} and {out.with_suffix('.json')}", err=True)
