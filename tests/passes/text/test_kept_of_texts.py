"""What a growing text keeps of its turns: `extend x by count { ... append next } keep y as ys`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mai.compiler.check import check_text
from mai.compiler.compile_options import CompileOptions
from mai.compiler.compiling import compile_all
from mai.runtime import load
from mai.runtime.model.model import Model

SPEC = """const vocab = 40
net logits(x: tokens[P]) -> [P, vocab] {
  h = embed(x, 16)
  h += attention(layer_norm(h), 2, causal = true)
  return 3 * linear(h, vocab)
}
export generate(prompt: tokens[P], count: int = 9, temperature: real = 1.0, stop: token = 3) -> (tokens[P + count], [count], [count, 3]) {
  x = prompt
  extend x by count until stop {
    z = logits(x)[-1]
    next ~ categorical(z / temperature)
    logprob = log_softmax(z)[next]
    first = argsort(-z)[:3]
    append next
  } keep logprob as logprobs, first as best
  return (x, logprobs, best)
}
export scores(x: tokens[P]) -> [P, vocab] { return log_softmax(logits(x)) }
"""


def compiled(folder: Path, **options: Any) -> dict[str, Model]:
    program = check_text(Path("spec.mai"), SPEC).program
    assert program is not None
    exports = ["generate", "scores"] if not options.get("drafts") else ["generate"]
    compile_all(program, exports, None, folder, CompileOptions(**options), report=lambda _: None)
    return {name: load(folder / f"spec.{name}.onnx", providers="cpu") for name in exports}


OTHER_FORMS: list[dict[str, Any]] = [{"cache": "two-level"}, {"cache": "none"}, {"unroll": True}]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    """The files in their usual form."""
    return compiled(tmp_path_factory.mktemp("usual"))


def test_rows_are_those_of_the_whole_text_computed_again(files: dict[str, Model]) -> None:
    check_rows(files, {})


@pytest.mark.slow
@pytest.mark.parametrize("options", OTHER_FORMS, ids=str)
def test_rows_of_other_forms_are_those_of_the_whole_text(options: dict[str, Any], tmp_path: Path) -> None:
    check_rows(compiled(tmp_path, **options), options)


def check_rows(files: dict[str, Model], options: dict[str, Any]) -> None:
    """Prompts of different lengths, one of them longer than a block; 0 stands behind the end of a row."""
    long = np.random.default_rng(0).integers(4, 40, 140).tolist()
    prompts = [[5, 6, 7], [8], long] if not options.get("unroll") else [[5, 6, 7], [8]]
    got = files["generate"](prompt=prompts, seed=2)
    ended = 0
    for prompt, text, log_probs, best in zip(prompts, got["x"], got["logprobs"], got["best"], strict=True):
        new = text[len(prompt) :]
        of_all = files["scores"](x=text[None])[0, len(prompt) - 1 : -1]
        np.testing.assert_allclose(log_probs[: len(new)], of_all[range(len(new)), new], atol=2e-5)
        np.testing.assert_array_equal(best[: len(new)], np.argsort(-of_all, kind="stable")[:, :3])
        assert not log_probs[len(new) :].any()
        assert not best[len(new) :].any()
        ended += len(new) < len(log_probs)
    assert ended, "a row ends early"


def test_they_are_what_the_step_file_says(files: dict[str, Model]) -> None:
    file = files["generate"]
    got = file(prompt=[[5, 6, 7]], seed=2)
    turns = [one for (one,) in file.scored([[5, 6, 7]], 9, seed=2, top=3)]
    np.testing.assert_allclose(got["logprobs"][0, : len(turns)], [one.log_prob for one in turns], atol=2e-5)
    assert got["best"][0, : len(turns)].tolist() == [[t for t, _ in one.likeliest] for one in turns]


@pytest.mark.parametrize("drafts", [1, 3, 7])
def test_a_turn_of_several_tokens_keeps_a_row_for_each(drafts: int, tmp_path: Path) -> None:
    """Rows of a batch accept drafts of their own, some end, and the text repeats itself."""
    one, several = (compiled(tmp_path, drafts=n)["generate"] for n in (0, drafts))
    prompts = [[5, 6, 7, 5, 6, 7, 5, 6], [8], [9, 9, 9, 9], [4, 5]]
    for temperature, seed in ((0.0, 0), (0.4, 1), (1.0, 2), (1.0, 3)):
        settings = {"prompt": prompts, "temperature": temperature, "seed": seed, "count": 40}
        wanted, got = one(**settings), several(**settings)
        assert [list(t) for t in got["x"]] == [list(t) for t in wanted["x"]]
        np.testing.assert_array_equal(got["best"], wanted["best"])
        np.testing.assert_allclose(got["logprobs"], wanted["logprobs"], atol=2e-5)
        _, turns = several.counted(**settings)
        assert temperature or max(turns) < 40, "guesses are right"


def test_rows_of_one_length_are_all_that_a_flat_file_without_a_cache_takes(tmp_path: Path) -> None:
    """It was wrong for others, without a word."""
    file = compiled(tmp_path, cache="none", unroll=True)["generate"]
    alike = file(prompt=[[5, 6, 7], [8, 9, 10]], seed=2)
    np.testing.assert_array_equal(alike["x"][0], file(prompt=[[5, 6, 7]], seed=2)["x"][0])
    with pytest.raises(Exception, match="rows differ in length"):
        file(prompt=[[5, 6, 7], [8]], seed=2)


@pytest.mark.parametrize(
    ("kept", "slug"),
    [("logprop as logprobs", "unknown-state"), ("x as texts", "unknown-state"), ("all as every", "loop-shape-changes")],
)
def test_what_is_refused(kept: str, slug: str) -> None:
    text = SPEC.replace("z = logits(x)[-1]", "all = logits(x)\n    z = all[-1]").replace("logprob as logprobs", kept)
    checked = check_text(Path("spec.mai"), text)
    assert slug in [d.slug for d in checked.diagnostics]
