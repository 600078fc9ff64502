"""The verb `compile`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

from mai.compiler.commands.shared import Sets, SpecFile, Weights, compile_options, program_of, with_diagnostics
from mai.compiler.compile_options import DEFAULTS, OLDEST, Cache, CompileOptions, Drawing, FewBits, Precision, Settings
from mai.runtime.command_line.markers import Option
from mai.runtime.show.terminal import echo
from mai.spec.diagnostics import MaiError

if TYPE_CHECKING:
    from mai.compiler.program import Program


OTHER_HOSTS = (
    "note: Python, C and JavaScript may leave out settings, as steps or seed, which have defaults then; a program in another language "
    "has to give all of them, and its file is compiled with --settings required"
)


# The words of the command line, in their order.
OutOption = Annotated[
    Path | None,
    Option(
        help="The folder that the files are written to.",
        show_default="that of the run whose weights are taken, else the current one",
    ),
]
ExportOption = Annotated[list[str] | None, Option(help="Compile only this export. May be said several times.")]
OpsetOption = Annotated[
    int | None,
    Option(
        help="The version of ONNX's operators that the files use: 21, 22 or 23. Older programs read lower ones.",
        show_default=f"{DEFAULTS.opset}, with --portable {OLDEST}",
    ),
]
UnrollOption = Annotated[
    bool,
    Option(
        "--unroll",
        help="Write loops out turn by turn, for programs that run no loops. Numbers of steps are then fixed.",
    ),
]
CacheOption = Annotated[
    str,
    Option(
        help="How a growing text keeps what it has computed of its past: concat (one tensor, a row longer each turn), two-level (a large tensor and a small one), none (compute it anew each turn), or auto, which chooses."
    ),
]
SpeculateOption = Annotated[
    int,
    Option(
        help="Guess up to so many tokens of a growing text each turn, and check them all in that turn. The text stays the same, and takes fewer turns; 0: none.",
        min=0,
    ),
]
NoCacheOption = Annotated[bool, Option("--no-cache", help="The same as --cache none.")]
StepOption = Annotated[
    bool,
    Option(
        "--step/--no-step",
        help="For a text that grows, also write a file of one turn, NAME.step.onnx, which streams and conversations need.",
    ),
]
CapacityOption = Annotated[
    int | None,
    Option(
        help="The most tokens that the file of one turn holds. Its states then have this size from the beginning, which some engines need.",
        min=2,
    ),
]
ProgressOption = Annotated[
    bool,
    Option(
        "--progress",
        help="For a sampler, also write a file that computes some steps at a time. A program can then show how far it is, and stop between two steps.",
    ),
]
PrecisionOption = Annotated[
    str, Option(help="How weights are stored and products computed: float32, or fp16 or bf16 for CUDA.")
]
QuantizeOption = Annotated[
    str | None,
    Option(
        help="Store weights in few bits: int8 or int4. With int8, convolutions and what an integral repeats are also computed in 8 bits."
    ),
]
QuantizeLimitOption = Annotated[
    float,
    Option(
        help="With --quantize: write no file if the loss on held-out data grows by more than this share; 0.05 is 5 %."
    ),
]
DataOption = Annotated[
    list[Path] | None,
    Option(help="With --quantize: measure the loss on these data, instead of those that the spec holds out."),
]
CalibrateOption = Annotated[
    list[Path] | None,
    Option(
        help="With --quantize: round weights in the way that changes results least on these files. They are texts, or data like the spec's."
    ),
]
SettingsOption = Annotated[
    str | None,
    Option(
        help="Whether a call may leave out settings, such as seed and steps: optional (they have defaults) or required, for programs that cannot set an optional one. Python, C, mai.mjs and pages can.",
        show_default=f"{DEFAULTS.settings}, with --portable required",
    ),
]
DrawsOption = Annotated[
    str,
    Option(
        help="How random numbers are computed: portable, which is right on every engine, or fast, the same numbers in a half to a third of the time. Fast needs integers of 64 bits, which ONNX Runtime has and OpenVINO has not."
    ),
]
PortableOption = Annotated[
    bool,
    Option(
        "--portable",
        help="Write files for other engines, such as OpenVINO, IREE and tract: opset 21, settings required, no Scan. With --unroll they have no loops either.",
    ),
]
CpuOption = Annotated[
    bool,
    Option(
        "--cpu",
        help="For texts on a CPU: large weights as those of convolutions, which ONNX Runtime reads faster; opens a little slower.",
    ),
]
CudaOption = Annotated[
    bool,
    Option(
        "--cuda",
        help="Write files for NVIDIA GPUs: draws, norms and Fourier transforms use only operators that ONNX Runtime computes there. The numbers are the same, and a CPU is slower.",
    ),
]
TokenizerOption = Annotated[
    str | None,
    Option(
        help="What makes tokens of texts: `bytes`, or a .json file of the tokenizers library.",
        show_default="that of the data",
    ),
]
ExternalDataOption = Annotated[
    bool,
    Option("--external-data", help="Write the weights to a file beside, NAME.onnx.data. Above 2 GB this is always so."),
]
SeedOption = Annotated[int, Option(help="Without trained weights: the seed of the first values.")]
TimingsOption = Annotated[bool, Option("--timings", help="Print how long each pass of the compiler took.")]


@with_diagnostics
def compile_(
    file: SpecFile,
    out: OutOption = None,
    weights: Weights = None,
    export: ExportOption = None,
    opset: OpsetOption = None,
    unroll: UnrollOption = DEFAULTS.unroll,
    cache: CacheOption = DEFAULTS.cache,
    speculate: SpeculateOption = DEFAULTS.drafts,
    no_cache: NoCacheOption = False,
    step: StepOption = DEFAULTS.step,
    capacity: CapacityOption = DEFAULTS.capacity,
    progress: ProgressOption = DEFAULTS.progress,
    precision: PrecisionOption = DEFAULTS.precision,
    quantize: QuantizeOption = DEFAULTS.quantize,
    quantize_limit: QuantizeLimitOption = DEFAULTS.quantize_limit,
    data: DataOption = None,
    calibrate: CalibrateOption = None,
    settings: SettingsOption = None,
    draws: DrawsOption = DEFAULTS.draws,
    portable: PortableOption = DEFAULTS.portable,
    cuda: CudaOption = DEFAULTS.cuda,
    cpu: CpuOption = DEFAULTS.cpu,
    tokenizer: TokenizerOption = DEFAULTS.tokenizer,
    external_data: ExternalDataOption = DEFAULTS.external_data,
    seed: SeedOption = DEFAULTS.seed,
    timings: TimingsOption = False,
    sets: Sets = None,
) -> None:
    """Compile a spec, each export to one .onnx file: mai compile flow.mai --weights runs/flow

    `mai train` does this at its end. Use `mai compile` to write the files again with other options, for another host say. Each file is
    compared with torch before it is written.

    mai compile flow.mai --out runs/flow --settings required    for hosts that cannot leave out a setting

    mai compile gpt.mai --out runs/gpt --quantize int8          smaller weights
    """
    program = program_of(file, sets)
    trained = _weights_file(program, weights, out, sets)
    if trained and weights is None:
        echo(f"the weights are those of {trained}", err=True)
    names = _exports(program, export)
    folder = out or (trained.parent if trained else Path())
    usual = CompileOptions(opset=OLDEST, settings="required") if portable else DEFAULTS
    options = compile_options(
        lambda: CompileOptions(
            opset=usual.opset if opset is None else opset, unroll=unroll, drafts=speculate, step=step, capacity=capacity,
            progress=progress,
            cache=cast(Cache, "none" if no_cache else cache),
            precision=cast(Precision, precision), quantize=cast(FewBits | None, quantize), quantize_limit=quantize_limit,
            held_out=tuple(data or ()), calibrate=tuple(calibrate or ()), draws=cast(Drawing, draws), cuda=cuda, cpu=cpu, portable=portable,
            settings=cast(Settings, usual.settings if settings is None else settings), tokenizer=tokenizer, external_data=external_data, seed=seed,
        )
    )  # fmt: skip
    with _saying_timings() if timings else nullcontext():
        _compile(program, names, trained, folder, options)
    if not options.required and any(program.exports[name].settings for name in names):
        echo(OTHER_HOSTS, err=True)


def _compile(program: Program, names: list[str], trained: Path | None, folder: Path, options: CompileOptions) -> None:
    """Write the exports; of a program that is not trained, which is as it will be, the claims are checked."""
    from mai.compiler.compiling import compile_all

    compile_all(program, names, trained, folder, options, check=not program.trainings)


@contextmanager
def _saying_timings() -> Iterator[None]:
    """Say how long each pass took, at the end."""
    from mai.compiler.passes.pipeline import Timings, watching

    with watching(seconds := Timings()):
        yield
    echo("\n".join(seconds.lines()), err=True)


def _exports(program: Program, wanted: list[str] | None) -> list[str]:
    """The exports that are asked for, or all. Raises `MaiError` for one that there is not."""
    from mai.compiler.export_names import unknown_export

    for name in wanted or []:
        if name not in program.exports:
            raise unknown_export(program.name, name, program.exports)
    return wanted or list(program.exports)


def _weights_file(program: Program, path: Path | None, out: Path | None, sets: list[str] | None) -> Path | None:
    """The weights that are meant: a file, a run's folder; else those of the run in `out`, or of the run of this name."""
    from mai.compiler.training.run.folder import WEIGHTS, checkpoints, settle

    if path is not None:
        from mai.compiler.weights.tensor_files import weights_file

        settle(path)
        return weights_file(path)
    folders = [Path("runs") / program.name] if out is None else [out, Path("runs") / program.name]
    for folder in folders:
        settle(folder)
        if (folder / WEIGHTS).exists():
            return folder / WEIGHTS
        if checkpoints(folder):
            _refuse_unfinished(program, folder, sets)
    return None


def _refuse_unfinished(program: Program, folder: Path, sets: list[str] | None) -> None:
    from mai.compiler.training.run.resume_command import resume_command
    from mai.spec.diagnostics import Diagnostic

    help = f"go on with it: {resume_command(program.source.path, folder, set=sets)}"
    message = f"{folder} holds a run that was stopped, without weights yet"
    raise MaiError([Diagnostic("weights-missing", None, message, help=help)])
