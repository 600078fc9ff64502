"""Settings and sources: what is accepted, and that every complaint stands at the argument it is about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mai.compiler.check import check
from mai.compiler.data.sources import SOURCES
from mai.compiler.data.sources.checkerboard import Checkerboard
from mai.compiler.data.sources.csv import Csv
from mai.compiler.data.sources.digits import Digits
from mai.compiler.data.sources.export import Export
from mai.compiler.data.sources.function import FunctionSource
from mai.compiler.data.sources.gaussians import Gaussians
from mai.compiler.data.sources.images import Images
from mai.compiler.data.sources.moons import Moons
from mai.compiler.data.sources.npz import Npz
from mai.compiler.data.sources.spirals import Spirals
from mai.compiler.data.sources.swiss_roll import SwissRoll
from mai.compiler.data.sources.text import Text
from mai.compiler.program import Program
from mai.compiler.training.optimizers.adam import Adam
from mai.compiler.training.optimizers.adamw import AdamW
from mai.compiler.training.optimizers.sgd import Sgd
from mai.compiler.training.schedules.constant import Constant
from mai.compiler.training.schedules.cosine import Cosine
from mai.compiler.training.schedules.linear import Linear
from mai.compiler.training.settings import OPTIMIZERS, SCHEDULES, TrainSettings
from mai.spec.diagnostics import Diagnostic
from mai.spec.settings import Settings, SettingsError

POINTS = """data x: [2] from {source}
net f(x: [2]) -> [2] {{ return linear(x, 2) }}
train({head}) {{ minimize sum(f(x)^2) }}
"""


def spec(head: str = "steps = 1", source: str = "moons()") -> str:
    return POINTS.format(head=head, source=source)


@pytest.fixture
def diagnostics_of(tmp_path: Path) -> Callable[[str], list[Diagnostic]]:
    def tell(text: str) -> list[Diagnostic]:
        path = tmp_path / "spec.mai"
        path.write_text(text, encoding="utf-8")
        return check(path).diagnostics

    return tell


@pytest.fixture
def settings(program: Callable[[str], Program]) -> Callable[[str], TrainSettings]:
    def read(head: str) -> TrainSettings:
        training = program("const n = 4\n" + spec(head)).training
        assert training is not None
        return training.settings

    return read


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("steps = 100", TrainSettings(steps=100)),
        ("steps = 1e3", TrainSettings(steps=1000)),
        ("100", TrainSettings(steps=100)),
        ("epochs = 2.5, batch = 2 * n", TrainSettings(epochs=2.5, batch=8)),
        ("steps = 1, optimizer = sgd(lr = 0.05 * n)", TrainSettings(steps=1, optimizer=Sgd(lr=0.2))),
        ("steps = 1, optimizer = sgd(1)", TrainSettings(steps=1, optimizer=Sgd(lr=1.0))),
        (
            "steps = 1, optimizer = sgd(0.1, 0.9, nesterov = true)",
            TrainSettings(steps=1, optimizer=Sgd(lr=0.1, momentum=0.9, nesterov=True)),
        ),
        ("steps = 1, optimizer = adam", TrainSettings(steps=1, optimizer=Adam())),
        (
            "steps = 1, optimizer = adamw(betas = [0.5, 0.9], weight_decay = 0)",
            TrainSettings(steps=1, optimizer=AdamW(betas=(0.5, 0.9), weight_decay=0.0)),
        ),
        (
            "steps = 1, schedule = cosine(warmup = 10, final = 0.1)",
            TrainSettings(steps=1, schedule=Cosine(warmup=10, final=0.1)),
        ),
        ("steps = 1, schedule = constant(5)", TrainSettings(steps=1, schedule=Constant(warmup=5))),
        ("steps = 1, schedule = linear", TrainSettings(steps=1, schedule=Linear())),
        ("steps = 1, schedule = linear(warmup = 3)", TrainSettings(steps=1, schedule=Linear(warmup=3))),
        (
            "steps = 1, ema = 0.999, clip = 1, seed = 7, precision = bf16",
            TrainSettings(steps=1, ema=0.999, clip=1.0, seed=7, precision="bf16"),
        ),
    ],
)
def test_a_head_reads_as(settings: Callable[[str], TrainSettings], head: str, expected: TrainSettings) -> None:
    assert settings(head) == expected


def test_by_default_adamw_at_a_constant_rate() -> None:
    read = TrainSettings(steps=1)
    assert (read.optimizer, read.schedule, read.batch, read.precision) == (AdamW(lr=1e-3), Constant(), 64, "float32")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("moons", Moons()),
        ("moons(0.1)", Moons(noise=0.1)),
        ("gaussians(modes = 5, radius = 1, noise = 0)", Gaussians(modes=5, radius=1.0, noise=0.0)),
        ("checkerboard(count = 20000)", Checkerboard(count=20_000)),
        ("swiss_roll(noise = 0.1)", SwissRoll(noise=0.1)),
        ("spirals(classes = 3)", Spirals(classes=3)),
    ],
)
def test_a_source_reads_as(program: Callable[[str], Program], call: str, expected: Settings) -> None:
    training = program(spec(source=call)).training
    assert training is not None
    assert training.data == expected


@pytest.mark.parametrize(
    ("field", "call", "expected"),
    [
        ("x: [64]", "digits(split = test)", Digits(split="test")),
        (
            "x: [2], y: []",
            'function("x0 * x1", low = 0, count = 100)',
            FunctionSource(formula="x0 * x1", low=0.0, count=100),
        ),
        ("x: [2]", 'npz("points.npz")', Npz(path="points.npz")),
        ("x: [2]", 'csv(path = "points.csv")', Csv(path="points.csv")),
        ("x: tokens[8]", "text(tokenizer = bytes)", Text()),
        ("x: [3, 8, 8]", 'images("pictures")', Images(path="pictures")),
        ("x: [2]", 'export("flow.sample.onnx", count = 100)', Export(path="flow.sample.onnx", count=100)),
    ],
)
def test_other_sources_read_as(program: Callable[[str], Program], field: str, call: str, expected: Settings) -> None:
    training = program(f"const vocab = 256\ndata {field} from {call}\ntrain(steps = 1) {{ minimize 1.0 }}\n").training
    assert training is not None
    assert training.data == expected


BAD: list[tuple[str, str, str, str]] = [
    ("steps = 0", "bad-setting", "0", "at least 1"),
    ("steps = 2.5", "bad-setting", "2.5", "a whole number"),
    ("steps = true", "bad-setting", "true", "a whole number"),
    ('steps = "5"', "bad-setting", '"5"', "a whole number"),
    ("steps = 1e12", "bad-setting", "1e12", "at most 1,000,000,000"),
    ("-3", "bad-setting", "-3", "at least 1"),
    ("steps = 1, batch = big", "bad-setting", "big", "a whole number, this is big"),
    ("steps = 1, batch = 2 - 2", "bad-setting", "2 - 2", "this is 0"),
    ("steps = 1, ema = 1", "bad-setting", "1", "below 1"),
    ("steps = 1, clip = 0", "bad-setting", "0", "more than 0"),
    ("steps = 1, seed = -1", "bad-setting", "-1", "at least 0"),
    ("steps = 1, precision = float16", "bad-setting", "float16", "float32, bf16 or fp16"),
    ("steps = 1, optimizer = 3", "bad-setting", "3", "an optimizer is needed here"),
    ("steps = 1, optimizer = [1, 2]", "bad-setting", "[1, 2]", "an optimizer is needed here"),
    ("steps = 1, optimizer = adan", "unknown-optimizer", "adan", "there is no optimizer"),
    ("steps = 1, optimizer = adan(lr = 1)", "unknown-optimizer", "adan", "there is no optimizer"),
    ("steps = 1, optimizer = adamw(momentum = 0.9)", "unknown-setting", "momentum", "`adamw` has no setting"),
    ("steps = 1, optimizer = sgd(-1)", "bad-setting", "-1", "`lr` of `sgd` is more than 0"),
    ("steps = 1, optimizer = sgd(momentum = 1)", "bad-setting", "1", "below 1"),
    ("steps = 1, optimizer = sgd(nesterov = true)", "bad-setting", "sgd(nesterov = true)", "`sgd` needs a `momentum`"),
    ("steps = 1, optimizer = adamw(betas = [0.9])", "bad-setting", "[0.9]", "lacks a value"),
    ("steps = 1, optimizer = adamw(betas = [0.9, 0.9, 0.9])", "bad-setting", "[0.9, 0.9, 0.9]", "2 values"),
    ("steps = 1, optimizer = adamw(betas = [0.9, 1.5])", "bad-setting", "[0.9, 1.5]", "at least 0 and below 1"),
    ("steps = 1, optimizer = adamw(betas = 0.9)", "bad-setting", "0.9", "is a list"),
    ("steps = 1, optimizer = sgd(0.1, lr = 0.2)", "duplicate-argument", "lr", "given `lr` twice"),
    ("steps = 1, optimizer = sgd(1, 0, true, 0, 5)", "too-many-arguments", "5", "takes 4 settings, here are 5"),
    ("steps = 1, schedule = cosin(10)", "unknown-schedule", "cosin", "there is no schedule"),
    ("steps = 1, schedule = cosine(final = 2)", "bad-setting", "2", "at most 1"),
    ("steps = 1, schedule = constant(final = 0)", "unknown-setting", "final", "`constant` has no setting"),
    ("steps = 1, lr = 0.1", "unknown-setting", "lr", "a train block has no setting"),
    ("steps = 1, steps = 2", "duplicate-argument", "steps", "given twice"),
]


@pytest.mark.parametrize(("head", "slug", "at", "words"), BAD, ids=[b[0] for b in BAD])
def test_a_bad_head_is_told_at_its_argument(
    diagnostics_of: Callable[[str], list[Diagnostic]], head: str, slug: str, at: str, words: str
) -> None:
    (diagnostic,) = diagnostics_of(spec(head))
    assert diagnostic.slug == slug
    assert diagnostic.span is not None
    assert diagnostic.span.text.startswith(at)
    assert words in diagnostic.message


@pytest.mark.parametrize("head", ["", "batch = 3", "steps = 1, epochs = 1"])
def test_steps_or_epochs(diagnostics_of: Callable[[str], list[Diagnostic]], head: str) -> None:
    (diagnostic,) = diagnostics_of(spec(head))
    assert diagnostic.slug == "bad-setting"
    assert diagnostic.span is not None
    assert diagnostic.span.text.startswith("train")


def test_all_bad_settings_are_told_at_once(diagnostics_of: Callable[[str], list[Diagnostic]]) -> None:
    diagnostics = diagnostics_of(
        spec("steps = 0, optimizer = adam(lr = 0, epz = 1), schedule = coz, batch = 0.5", "moons(-1, x = 2)")
    )
    at = [(d.slug, d.span.text if d.span else "") for d in diagnostics]
    assert at == [
        ("bad-setting", "-1"),
        ("unknown-setting", "x"),
        ("bad-setting", "0"),
        ("bad-setting", "0"),
        ("unknown-setting", "epz"),
        ("unknown-schedule", "coz"),
        ("bad-setting", "0.5"),
    ]


@pytest.mark.parametrize(
    ("call", "slug", "at"),
    [
        ("mnist()", "unknown-source", "mnist"),
        ("moons(noise = -0.1)", "bad-setting", "-0.1"),
        ("moons(cloud = 0)", "bad-setting", "0"),
        ("gaussians(modes = 1.5)", "bad-setting", "1.5"),
        ("digits(split = validation)", "bad-setting", "validation"),
        ("digits(split = training)", "bad-setting", "training"),
        ("npz", "missing-setting", "npz"),
        ("npz(3)", "bad-setting", "3"),
        ('function("x0", low = 1, high = 1)', "bad-setting", 'function("x0"'),
        ("csv()", "missing-setting", "csv()"),
    ],
)
def test_a_bad_source_is_told_at_its_argument(
    diagnostics_of: Callable[[str], list[Diagnostic]], call: str, slug: str, at: str
) -> None:
    (diagnostic,) = diagnostics_of(spec(source=call))
    assert diagnostic.slug == slug
    assert diagnostic.span is not None
    assert diagnostic.span.text.startswith(at)


@pytest.mark.parametrize(
    ("head", "help"),
    [
        ("steps = 1, lr = 1", "it belongs to the optimizer: `optimizer = adamw(lr = ...)`"),
        ("steps = 1, momentum = 1", "it belongs to the optimizer: `optimizer = sgd(momentum = ...)`"),
        ("steps = 1, warmup = 1", "it belongs to the schedule: `schedule = cosine(warmup = ...)`"),
        ("steps = 1, batch_size = 1", "did you mean `batch`?"),
        ("steps = 1, optimizer = AdamW", "did you mean `adamw`?"),
        ("steps = 1, optimizer = sophia", f"there are {', '.join(OPTIMIZERS)}"),
        ("steps = 1, precision = float31", "did you mean `float32`?"),
    ],
)
def test_help_says_what_was_meant(diagnostics_of: Callable[[str], list[Diagnostic]], head: str, help: str) -> None:
    (diagnostic,) = diagnostics_of(spec(head))
    assert diagnostic.help == help


@pytest.mark.parametrize("models", [OPTIMIZERS, SCHEDULES, SOURCES], ids=["optimizers", "schedules", "sources"])
def test_every_model_has_its_name_and_is_fixed(models: dict[str, type[Settings]]) -> None:
    for name, model in models.items():
        assert model.name == name
        with pytest.raises(SettingsError, match="nose unknown"):
            model(nose=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("head", "source", "belongs"),
    [
        ("steps = 1, split = random(0.2)", 'table("t.csv")', "the source: `table(split = ...)`"),
        ("steps = 1, window = 9", 'table("t.csv")', "the source: `series(window = ...)`"),
        ("steps = 1", 'table("t.csv", batch = 3)', "the train block: `train(batch = ...)`"),
        ("steps = 1", 'npz("t.npz", validation = 0.2)', "`split = random(0.2)`"),
    ],
)
def test_a_setting_of_the_other_call_is_told_where_it_belongs(
    tmp_path: Path, head: str, source: str, belongs: str
) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(
        f"data x: [2] from {source}\nnet f(x: [2]) -> [2] {{ return linear(x, 2) }}\n"
        f"train({head}) {{ minimize sum((f(x) - x)^2) }}\n"
    )
    (refused,) = [d for d in check(path).diagnostics if d.slug in ("unknown-setting", "bad-setting")]
    assert belongs in str(refused.help)
