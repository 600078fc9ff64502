"""Claims: what a spec says of its trained model, computed by their own files after training and by `mai verify`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check
from mai.compiler.claims import check_claims
from mai.compiler.compile_options import DEFAULTS, Trained
from mai.compiler.compiling import compile_all
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime.claims import check_claim, in_words
from mai.runtime.model.findings import Finding
from mai.runtime.model.loader import load
from mai.spec.diagnostics import MaiError
from tests.support.command import run_command as mai

HEAD = """data x: [2], y: class[2] from moons(noise = 0.05)
net f(x: [2]) -> [2] { return x + 0.1 * linear(tanh(linear(x, 16)), 2) }
train(steps = 3, batch = 64) { minimize sum((f(x) - x)^2) }
export sample(scale: real = 2.0) -> [2] {
  z ~ normal([2])
  return f(z) * scale
}
export move(x: [2]) -> [2] { return f(x) }
"""


def program(folder: Path, claims: str) -> Program:
    path = folder / "spec.mai"
    path.write_text(HEAD + claims)
    checked = check(path)
    assert checked.program is not None, [d.message for d in checked.diagnostics]
    return checked.program


def findings(folder: Path, claims: str) -> tuple[Finding, ...]:
    spec = program(folder, claims)
    weights, _ = load_weights(spec, None)
    checked, refused = check_claims(spec, Trained(weights), folder, DEFAULTS)
    assert refused == ()
    return checked


def test_the_sides_are_told_where_it_holds_least(tmp_path: Path) -> None:
    (finding,) = findings(tmp_path, "claim c(count = 50, seeds = 3) {\n  u ~ uniform(0, 1)\n  check u + 1 < 1.5\n}\n")
    assert (finding.claim, finding.text, finding.comparison) == ("c", "u + 1 < 1.5", "<")
    assert (finding.holds, finding.examples, finding.seeds) == (False, 50, 3)
    assert finding.left is not None and 1.9 < finding.left < 2
    assert finding.right == 1.5
    model = load(tmp_path / "claims" / "spec.c.onnx")
    drawn = np.stack([model(batch=50, seed=seed)["left_1"] for seed in range(3)]).astype(float)
    assert finding.left == drawn.max()
    np.testing.assert_allclose(finding.mean, drawn.mean())
    np.testing.assert_allclose(finding.interval, 2 * drawn.mean(1).std(ddof=1) / 3**0.5)


def test_what_does_not_draw_is_computed_once(tmp_path: Path) -> None:
    text = "claim c {\n  p = grid(low = -6, high = 6, count = 60, dimensions = 2)\n"
    text += "  check abs(sum(exp(-sum(p^2, axis = 1) / 2)) * 0.2^2 / (2 * pi) - 1) <= 1e-4\n}\n"
    (finding,) = findings(tmp_path, text)
    assert (finding.holds, finding.examples, finding.seeds, finding.interval) == (True, 1, 1, None)


def test_exports_are_called_with_their_settings(tmp_path: Path) -> None:
    text = "claim c { check norm(sample(scale = 0.0)) == 0 }\nclaim d { check norm(sample()) > 0 and true }\n"
    text += "claim e {\n  z ~ normal([2])\n  check norm(move(z) - f(z)) == 0\n}\n"
    assert [f.holds for f in findings(tmp_path, text)] == [True, True, True]


def test_data_are_the_held_out_examples(tmp_path: Path) -> None:
    one, other = findings(tmp_path, "claim c(count = 20) {\n  check x[0] < 3\n  check mean(across(x)) < y + 2\n}\n")
    assert (one.examples, other.examples, one.holds, other.holds) == (20, 20, True, True)
    rows = np.load(tmp_path / "claims" / "spec.c.npz")
    assert one.left == rows["x"][:, 0].max().astype(float)
    assert sorted(rows.files) == ["x", "y"]


def test_the_examples_are_looked_at_together(tmp_path: Path) -> None:
    """A loop of products is computed a part of the batch at a time, unless a claim looks across the examples."""
    text = "export late() -> [2] {\n  x ~ normal([2])\n  integrate s in 0..1 using euler(3) { dx/ds = f(x) }\n  return x\n}\n"
    text += "claim c(count = 700, seeds = 1) {\n  y = across(late())\n  check sum(0 * y[:, 0] + 1) == 700\n}\n"
    text += "claim d(count = 700, seeds = 1) { check norm(late()) < 1e6 }\n"
    one, other = findings(tmp_path, text)
    assert (one.holds, one.left, other.holds) == (True, 700, True)
    settings = [
        {p.name for p in load(path).session.get_overridable_initializers()}
        for path in sorted((tmp_path / "claims").glob("*.onnx"))
    ]
    assert ["batch.chunk" in names for names in settings] == [False, True]


GROWING = """const vocab = 16
net logits(x: tokens[P]) -> [P, 16] { return linear(embed(x, 8), 16) }
export generate(prompt: tokens[P], count: int = 5, temperature: real = 1.0) -> tokens[P + count] {
  x = prompt
  extend x by count {
    next ~ categorical(logits(x)[-1] / temperature)
    append next
  }
  return x
}
"""


def test_a_claim_may_grow_a_text_by_an_export(tmp_path: Path) -> None:
    """At temperature 0, too; in a layer, a text cannot grow."""
    claim = """claim greedy(count = 6, seeds = 2) {
  prompt ~ integers([4], 0, 16)
  text = generate(prompt, temperature = 0.0)
  check all(argmax(logits(text[:-1]))[3:] == text[4:])
}
"""
    (finding,) = findings(tmp_path, GROWING + claim)
    assert (finding.holds, finding.examples, finding.seeds) == (True, 6, 2)
    layer = GROWING.replace("export generate", "layer written").replace(": int = 5", "").replace(": real = 1.0", "")
    path = tmp_path / "other.mai"
    path.write_text(HEAD + layer + claim.replace("generate(prompt, ", "written(prompt, count = 5, "))
    assert [d.slug for d in check(path).diagnostics] == ["extend-misplaced"]


def test_what_is_not_finite_does_not_hold(tmp_path: Path) -> None:
    claims = (
        "claim c {\n  u ~ uniform(0, 1)\n  check log(u - 1) < 100\n}\nclaim d { check 1 > -log(0 * sample()[0]) }\n"
    )
    nan, infinite = findings(tmp_path, claims)
    assert not nan.holds and not infinite.holds
    assert in_words(nan).endswith(
        "its left side is NaN, not a number, for 1,280 of 1,280 examples, first for example 0 with seed 0"
    )
    assert "its right side is infinite" in in_words(infinite)


OF_NAN = (
    "not (a > 1)", "a > 1 or true", "all([a, 2 * u] > 1) == false", "not big", "mean(where([a, u] > 3, 1, 0)) < 0.6",
    "sum(where([a, u] > 3, 1, 0)[:, None]) < 1", "mean(across(where(a > 1, 1, 0))) < 0.5", "not any(across(a) > u)",
    "where(u > 2, true, a != 1)", "1 - where(a > 0, 1, 0) > 0",
)  # fmt: skip


def test_what_cannot_be_compared_does_not_hold(tmp_path: Path) -> None:
    """Each check by itself, in one file: `u`, which one beside it reads, is a number."""
    draws = "  u ~ uniform(0, 1)\n  a = log(u - 1)\n  big = a > 1\n"
    checks = "".join(f"  check {check}\n" for check in ("u < 2", *OF_NAN))
    sound, *others = findings(tmp_path, f"claim c(count = 4, seeds = 1) {{\n{draws}{checks}}}\n")
    assert sound.holds and [finding.text for finding in others] == [*OF_NAN]
    for finding in others:
        assert not finding.holds
        assert "is NaN, not a number, for 4 of 4 examples" in in_words(finding)


def test_what_is_not_taken_need_not_be_compared(tmp_path: Path) -> None:
    claims = """claim c(count = 4, seeds = 1) {
  u ~ uniform(0, 1)
  check where(u < 2, true, log(u - 1) > 0)
  check any(u * [1, 2] > 3) or u > 3
}
"""
    assert [(f.holds, f.failure) for f in findings(tmp_path, claims)] == [(True, None), (False, None)]


def test_a_solver_that_runs_out_of_steps_is_told(tmp_path: Path) -> None:
    claim = """claim c(count = 4, seeds = 1) {
  x ~ uniform(1, 2)
  integrate s in 0..1 using dopri5(rtol = 1e-6, max_steps = 3) { dx/ds = -100 * x }
  check x < 1
}
"""
    (finding,) = findings(tmp_path, claim)
    assert not finding.holds
    assert "did not arrive for 4 of 4 examples: 0, 1, 2, 3" in in_words(finding)
    assert "a larger `max_steps`" in in_words(finding)


@pytest.mark.parametrize(
    ("claim", "slug", "said"),
    [
        ("claim c { z = 1 }", "check-missing", "says what it checks"),
        ("claim c {\n  z ~ normal([2])\n  check z < 1\n}", "objective-not-scalar", "one number for each example"),
        ("claim c(cuont = 3) { check 1 < 2 }", "unknown-setting", "cuont"),
        ("claim c { check 1 < 2 }\nclaim c { check 1 < 2 }", "duplicate-name", "`c` is defined twice"),
        ("claim c {\n  z ~ normal([2])\n  check wasserstein(across(z), across(z)) < 1\n}", "matching-outside-train", "train block"),
        ("claim c { check norm(sample(scael = 1)) < 1 }", "unknown-argument", "scael"),
    ],
)  # fmt: skip
def test_a_wrong_claim_is_an_error(claim: str, slug: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(f"{HEAD}{claim}\n")
    (only,) = check(path).diagnostics
    assert (only.slug, said in f"{only.message}") == (slug, True), only


def refused_beside_export(folder: Path, text: str) -> str:
    """Why a claim is refused, where the export `f` is written all the same, and the claim `right` holds."""
    path = folder / "spec.mai"
    path.write_text(text + "claim right { check 1 > 0 }\n")
    spec = check(path).program
    assert spec is not None
    with pytest.raises(MaiError) as refused:
        compile_all(spec, ["f"], None, folder, DEFAULTS, check=True)
    assert [f.claim for f in load(folder / "spec.f.onnx").manifest.claims] == ["right"]
    (only,) = refused.value.diagnostics
    return only.message


def test_exports_are_written_beside_a_claim_that_is_refused(tmp_path: Path) -> None:
    text = "net root(x: []) -> [] {\n  param w: [] = -1\n  return x * sqrt(w)\n}\nexport f(x: [2]) -> [2] { return 2 * x }\n"
    message = refused_beside_export(tmp_path, text + "claim wrong { check root(1) > 0 }\n")
    assert message == "claim `wrong`: `sqrt` of these numbers is not a number"


def test_exports_are_written_beside_a_claim_whose_data_cannot_be_read(tmp_path: Path) -> None:
    text = 'data x: [2] from npz("gone.npz")\nnet g(x: [2]) -> [2] { return linear(x, 2) }\ntrain(steps = 1) { minimize sum(g(x)) }\n'
    claim = "export f(x: [2]) -> [2] { return g(x) }\nclaim of_data { check x[0] < 9 }\n"
    message = refused_beside_export(tmp_path, text + claim)
    assert message.startswith("claim `of_data`: ") and "gone.npz" in message


@pytest.mark.slow
def test_training_says_what_they_come_to_and_verify_computes_them_again(tmp_path: Path) -> None:
    path, run = tmp_path / "spec.mai", tmp_path / "run"
    path.write_text(
        HEAD + "claim small {\n  z ~ normal([2])\n  check norm(f(z)) < 100\n}\nclaim wrong { check 1 < 0 }\n"
    )
    trained = mai("train", path, "--out", run, "--quiet")
    assert "holds: small: norm(f(z)) < 100" in trained.stderr
    assert "DOES NOT HOLD: wrong: 1 < 0" in trained.stderr
    manifest = load(run / "spec.move.onnx").manifest
    assert [(f.claim, f.holds) for f in manifest.claims] == [("small", True), ("wrong", False)]
    (again,) = check_claim(run / "claims" / "spec.small.onnx")
    assert again == manifest.claims[0]
    verified = mai("verify", run, "--format", "json", code=1)
    records = {Path(r["file"]).name: r["ok"] for r in json.loads(verified.stdout)}
    assert records == {
        "spec.move.onnx": True, "spec.sample.onnx": True, "spec.small.onnx": True, "spec.wrong.onnx": False,
    }  # fmt: skip
    output = mai("info", run / "spec.move.onnx").stdout
    assert "holds" in output and "FAILS" in output
