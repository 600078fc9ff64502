"""What is said of the held-out examples, and what is chosen by it; a batch in parts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file
from sklearn.metrics import f1_score, roc_auc_score

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options, Result
from mai.compiler.training.unseen.held_out import held_out
from mai.runtime import load
from mai.spec.diagnostics import MaiError

Maker = Callable[[str], Program]
SPEC = """data x: [2], y: class[2] from npz("data.npz")
net f(x: [2]) -> [] {{ return linear(mlp(linear(x, 8), 8), 1)[0] }}
train({0}) {{
  minimize softplus(f(x)) - f(x) * y
  report auc(across(f(x)), across(y)), f1(across(where(f(x) > 0, 1, 0)), across(y)), max(across(x[0])) as top
}}
export score(x: [2]) -> [] {{ return f(x) }}
"""


@pytest.fixture(autouse=True)
def rows(tmp_path: Path) -> None:
    """Of 7,000 examples 700 are held out: more than are looked at at once."""
    draw = np.random.default_rng(0)
    y = draw.integers(0, 2, 7000)
    np.savez(tmp_path / "data.npz", x=(draw.normal(size=(7000, 2)) + y[:, None]).astype(np.float32), y=y)


def run(program: Program, out: Path, **options: object) -> Result:
    return train(program, out, Options(quiet=True, device="cpu", **options))  # type: ignore[arg-type]


def weights(out: Path) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in load_file(out / "weights.safetensors").items()}


def test_reports_of_all_held_out_examples(program: Maker, tmp_path: Path) -> None:
    """Not means over some at a time: scikit-learn's, of the scores that the file gives."""
    spec = program(SPEC.format("steps = 3, batch = 20"))
    result = run(spec, tmp_path / "run")
    assert spec.training is not None
    output = held_out(spec, spec.training, {}, [])(10_000)
    model = load(export(spec, "score", Trained(weights(tmp_path / "run")), tmp_path).path, providers="cpu")
    scores = model(x=output["x"])
    assert len(scores) == 700
    expected = [roc_auc_score(output["y"], scores), f1_score(output["y"], scores > 0), output["x"][:, 0].max()]
    assert np.allclose([result.validation[n] for n in ("auc", "f1", "top")], expected, atol=1e-6)


def test_a_report_of_no_example(program: Maker, tmp_path: Path) -> None:
    """Of the weights alone: the same for all."""
    text = SPEC.format("steps = 3, batch = 20").replace("max(across(x[0])) as top", "sum(f.linear_1.weight^2) as size")
    result = run(program(text), tmp_path / "run")
    assert np.isclose(result.validation["size"], (weights(tmp_path / "run")["f.linear_1.weight"] ** 2).sum(), rtol=1e-5)
    alone = text[: text.index("auc(")] + text[text.index("sum(f.") :]
    assert np.isclose(run(program(alone), tmp_path / "alone").validation["size"], result.validation["size"])


def test_the_best_by_a_report(program: Maker, tmp_path: Path) -> None:
    """Evaluated every five steps: the weights are those of the largest that was seen."""
    settings = "steps = 40, batch = 20, optimizer = sgd(lr = 0.5), evaluate = 5, keep = best(auc, max)"
    result = run(program(SPEC.format(settings)), tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    seen = {line["step"]: line["held-out auc"] for line in lines if "held-out auc" in line}
    assert list(seen) == list(range(5, 41, 5))
    assert result.kept == max(seen, key=lambda step: seen[step])
    assert np.isclose(result.validation["auc"], max(seen.values()))


def test_training_ends_where_nothing_improves(program: Maker, tmp_path: Path) -> None:
    """Resumed, it goes on to the same end."""
    spec = program(
        SPEC.format("steps = 5000, batch = 20, optimizer = sgd(lr = 0.5), evaluate = 5, keep = best(patience = 20)")
    )
    result = run(spec, tmp_path / "run")
    assert result.steps == result.kept + 20 and result.weights is not None and not result.stopped
    run(spec, tmp_path / "parts", steps=result.kept + 7)
    again = run(spec, tmp_path / "parts", steps=5000, resume=True)
    assert (again.steps, again.kept) == (result.steps, result.kept)
    assert all(np.array_equal(a, weights(tmp_path / "parts")[n]) for n, a in weights(tmp_path / "run").items())


@pytest.mark.parametrize("draws", ["", "z ~ normal([2])\n  x = x + 0.1 * z"])
def test_a_batch_in_parts_is_the_same_step(program: Maker, tmp_path: Path, draws: str) -> None:
    """Draws are of an example's place in the whole batch."""
    figures = []
    for parts in (1, 3, 20):
        text = SPEC.format(f"steps = 4, batch = 20, accumulate = {parts}, clip = 1").replace(
            "  minimize", f"  {draws}\n  minimize"
        )
        run(program(text), tmp_path / f"run{parts}")
        figures.append(weights(tmp_path / f"run{parts}"))
    for other in figures[1:]:
        assert all(np.allclose(other[name], array, atol=1e-5) for name, array in figures[0].items())


def test_a_loss_that_compares_examples_has_no_parts(program: Maker, tmp_path: Path) -> None:
    text = SPEC.format("steps = 4, batch = 20, accumulate = 2").replace("* y", "* y + mean(across(f(x)))")
    with pytest.raises(MaiError) as error:
        run(program(text), tmp_path / "run")
    assert "which `accumulate` computes in parts" in error.value.diagnostics[0].message


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        ("best(acu, max)", "nothing that this block reports is called `acu`"),
        ("best(auc, largest)", "`goal`"),
        ("worst", "there is no keep `worst`"),
    ],
)
def test_what_cannot_be_kept(tmp_path: Path, keep: str, said: str) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(SPEC.format(f"steps = 4, keep = {keep}"))
    (diagnostic,) = check(path).diagnostics
    assert said in diagnostic.message


def test_the_first_checkpoint_comes_soon(program: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long before half a minute is over."""
    monkeypatch.setattr("mai.compiler.training.trainer.FIRST_SAVE", 0.01)
    spec = program(SPEC.format("steps = 200, batch = 20"))
    seen: list[str] = []
    monkeypatch.setattr(
        "mai.compiler.training.trainer.Trainer.save", lambda self, step: seen.append(step) or Path(), raising=True
    )
    run(spec, tmp_path / "run")
    assert len(seen) > 2
