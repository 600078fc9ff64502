"""The verb `tune`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from mai.compiler.commands.shared import parse_sets, with_diagnostics
from mai.runtime.command_line.markers import Argument, Misuse, Option
from mai.runtime.show.terminal import echo

if TYPE_CHECKING:
    from mai.compiler.tuning.tune import Outcome


# The words of the command line, in their order.
FileArgument = Annotated[Path, Argument(help="A .onnx file that mai compiled.", show_default=False)]
QualityOption = Annotated[float, Option(help="How many times worse than the reference's the quality may be.", min=1.0)]
ReferenceOption = Annotated[
    Literal["default", "fine"], Option(help="The file's own defaults, or a fine solution: 100 steps of rk4 or more.")
]
MetricOption = Annotated[
    str,
    Option(
        help="W2: the exact 2-Wasserstein distance to data. Or module:function, which takes samples [n, ...] and data [m, ...] and gives a number, lower is better."
    ),
]
AgainstOption = Annotated[
    Path | None, Option(help="Data instead of the spec's: rows in a .npy, or arrays by name in a .npz.")
]
DataOption = Annotated[list[Path] | None, Option(help="Files for the spec's `data` line, as in training.")]
WeightsOption = Annotated[
    Path | None,
    Option(help="The weights that the file was compiled from.", show_default="weights.safetensors beside it"),
]
FolderOption = Annotated[
    Path | None, Option(help="The folder that paths in the spec start from.", show_default="where the file lies")
]
SamplesOption = Annotated[int, Option(help="Samples for one measurement.", min=2)]
SeedsOption = Annotated[
    int, Option(help="Measurements of each plan; twice as many others confirm what is chosen.", min=1)
]
MostOption = Annotated[
    int | None,
    Option(help="How many evaluations to try at most.", min=1, show_default="as many as the file's defaults"),
]
GuidanceOption = Annotated[bool, Option("--guidance", help="Also try guidance in an interval of the time only.")]
OutOption = Annotated[Path | None, Option(help="The file to write.", show_default="the file itself, with new defaults")]
PlotOption = Annotated[Path | None, Option(help="Write a picture of the curve: .png, .svg or .pdf.")]
EveryOption = Annotated[
    bool, Option("--all", help="Show every plan as it is measured, not only those worth their cost.")
]
QuietOption = Annotated[bool, Option("--quiet", help="Print neither progress nor plans.")]
SetsOption = Annotated[list[str] | None, Option("--set", help="Consts as they were set when it was compiled.")]


@with_diagnostics
def tune(
    file: FileArgument,
    quality: QualityOption = 1.02,
    reference: ReferenceOption = "default",
    metric: MetricOption = "W2",
    against: AgainstOption = None,
    data: DataOption = None,
    weights: WeightsOption = None,
    folder: FolderOption = None,
    samples: SamplesOption = 1000,
    seeds: SeedsOption = 3,
    most: MostOption = None,
    guidance: GuidanceOption = False,
    out: OutOption = None,
    plot: PlotOption = None,
    every: EveryOption = False,
    quiet: QuietOption = False,
    sets: SetsOption = None,
) -> None:
    """Find the fewest evaluations of the velocity that keep a sampler's quality: mai tune flow.sample.onnx

    The time of a flow grows with the number of times that it evaluates its velocity. One step costs one evaluation for each stage of its
    method: 1 for euler, 4 for rk4. The multistep methods cost 1 a step, and 2 to begin. `tune` tries methods and numbers of steps, and writes
    the cheapest choice that is good enough into the file, as its defaults. It also tries to save in three ways, where that keeps the quality.
    The file gets a setting for each way that it takes:

    - Uneven steps. `tune` learns how long the steps should be: so that they end as near as possible to a fine solution. The file has a
      setting `uneven`; `uneven=0` makes all steps equally long, and numbers between mix the two.

    - Parts that a net marks as `reusable(...)` are computed at every second, third or fourth step only. The file has a setting `reuse`;
      `reuse=1` computes everything.

    - With --guidance, guidance is computed in an interval of the time only: of `free + w * (own - free)` with a setting `w`, `own` alone is left outside.
      The file has settings `guide_from` and `guide_to`, shares of the way; `guide_from=0 guide_to=1` computes it everywhere. A `w` that amplifies
      nothing, as 1, does so, too. Guidance makes samples keep to their labels, and less various. W2 does not see labels, so it may find less
      guidance better: look at the labels of the samples, too, or take a --metric that does.

    All choices are measured on the same draws and the same data. The one that is chosen is measured again on new draws, twice as many.
    With few samples, most of the distance to the data is that of the sample itself: more --samples judge more strictly, and take longer.

    The file must hold one `integrate` whose number of steps is known before it runs. The weights that it was compiled from must lie beside it, as
    `mai train` leaves them. Afterwards `mai info` shows what was measured, and `mai compile` makes the file again as the spec says.

    You can measure quality by a function of your own: with `def score(samples, data)` in judge.py, write --metric judge:score.
    """
    from mai.compiler.tuning.report import print_outcome, progress
    from mai.compiler.tuning.tune import Options
    from mai.compiler.tuning.tune import tune as tune_file
    from mai.runtime.show.save import PICTURES

    if plot is not None and plot.suffix.lower() not in PICTURES:
        raise Misuse(f"--plot {plot}: {', '.join(PICTURES)}")
    options = Options(
        quality, reference == "fine", metric, against, weights, folder, tuple(data or ()), parse_sets(sets), samples, seeds,
        most, guidance,
    )  # fmt: skip
    with progress(every, quiet) as on_point:
        outcome = tune_file(file, out or file, options, on_point)
    if plot is not None:
        _draw(outcome, plot, file.name)
    print_outcome(outcome, file, every, quiet)


def _draw(outcome: Outcome, plot: Path, title: str) -> None:
    from mai.compiler.tuning.picture import draw

    draw(outcome, plot, title)
    echo(f"wrote {plot}", err=True)
