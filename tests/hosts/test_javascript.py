"""The same file gives the same in JavaScript's WebAssembly, which is another processor to it, as here."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import pytest
from onnx import helper

from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions, Drawing, FewBits, Trained
from mai.compiler.onnx.comparing.own_steps import allowance
from mai.compiler.onnx.comparing.trial import difference as difference_of
from mai.compiler.onnx.comparing.trial import trial
from mai.compiler.onnx.export import export, export_part, export_step
from mai.compiler.onnx.prepared import prepare_export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import ModelError, load
from mai.runtime.arrays import Array
from mai.runtime.model.manifest import DateOrder, Facts
from tests.support.cases.small_files import build, manifest, output, real
from tests.support.hosts import LIBRARY, PIECES, TEXT
from tests.support.models.tokenizers import word_tokenizer

pytestmark = pytest.mark.slow

JavaScript = Callable[[Sequence[dict[str, Any]]], list[Any]]
ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.mai"))
SMALLER = {
    "char_gpt": {"d": "16", "depth": "2", "heads": "2"},
    "llama": {"d": "16", "depth": "2", "heads": "2", "kv_heads": "1", "hidden": "32", "vocab": "256"},
    "resnet": {"L": "10"},
}
FEW = 3
SHOWN_TOKENS = """const vocab = 8
let number = linspace(0, 7, 8)
export ids(x: tokens[P]) -> [P] { return number[x] }
"""

DRAWS = """export draws() -> ([4], [4], class[4], [3]) {
  a ~ normal([4])
  b ~ uniform([4], 0, 1)
  c ~ categorical(b)
  n ~ integers([3], -5, 100000)
  return (a, b, c, 1.0 * n)
}
"""


def compiled(
    program: Program, name: str, folder: Path, *, required: bool = False, tokenizer: str | None = None,
    labels: Mapping[str, tuple[str, ...]] | None = None, verify: bool = False, draws: Drawing = "portable",
    facts: Mapping[str, Facts] | None = None,
) -> Path:  # fmt: skip
    weights, _ = load_weights(program, None)
    options = CompileOptions(verify=verify, settings="required" if required else "optional", draws=draws)
    trained = Trained(weights, tokenizer=tokenizer, labels=labels or {}, facts=facts or {})
    return export(program, name, trained, folder, options).path


def arrays(answer: Any) -> dict[str, Array]:
    """Results as arrays, by name."""
    assert "results" in answer, answer
    read = {"Infinity": np.inf, "-Infinity": -np.inf, "NaN": np.nan}
    return {
        name: np.array([read.get(v, v) for v in array["data"]]).reshape(array["dims"])
        for name, array in answer["results"].items()
    }


def here(path: Path, values: dict[str, Any]) -> dict[str, Array]:
    model = load(path, providers="cpu")
    result = model(**values)
    return result if isinstance(result, dict) else {next(iter(model.outputs)): result}


def small(path: Path) -> Program:
    checked = check(path, SMALLER.get(path.stem, {}))
    assert checked.program is not None
    return checked.program


def test_every_export_of_every_example(javascript: JavaScript, tmp_path: Path) -> None:
    """With settings that are optional in the file, and with required ones. Its self-test is content there, too."""
    calls, wanted, allowed = [], [], []
    for path in EXAMPLES:
        program = small(path)
        for place, name in enumerate(program.exports):
            file = compiled(program, name, tmp_path, required=place % 2 == 1, verify=True)
            prepared = prepare_export(program, name)
            plain = prepared.plain
            tried = trial(plain, FEW, longest=prepared.longest_text)
            values = {n: a.tolist() for n, a in tried.inputs.items()} | tried.settings
            calls.append({"file": str(file), "values": values})
            wanted.append(here(file, values))
            allowed.append(allowance(plain))
    answers = javascript(calls)
    assert len(answers) > 25
    for call, verified in zip(calls, javascript([{"file": c["file"], "verify": True} for c in calls]), strict=True):
        assert all(d["difference"] <= d["allowed"] for d in verified["differences"]), (call["file"], verified)
    for call, answer, expected, most in zip(calls, answers, wanted, allowed, strict=True):
        arrays_of_answer = arrays(answer)
        assert arrays_of_answer.keys() == expected.keys(), call["file"]
        for name, array in expected.items():
            assert difference_of(arrays_of_answer[name], np.asarray(array)) < most, (call["file"], name)


FALSE = """net f(x: [4]) -> [300] { return linear(x, 300) }
export f(x: [4], y: class[3]) -> ([300], [2], class[3]) {
  e ~ normal([2])
  return (f(x), e, y)
}
"""
WEBGPU = {"session": {"executionProviders": [{"name": "webgpu"}]}}


def test_what_a_host_computes_wrong_is_told(javascript: JavaScript, program: Any, tmp_path: Path) -> None:
    """Where it is asked for, and by itself on WebGPU, before anything is answered."""
    spec = program(FALSE)
    file, unverified = (compiled(spec, "f", tmp_path / str(k), verify=k) for k in (True, False))
    asked = [
        ("right", WEBGPU, file), ("right", {}, file), ("wrong", {}, file), ("wrong", {"verify": True}, file),
        ("wrong", WEBGPU, file), ("shorter", WEBGPU, file), ("wrong", WEBGPU | {"verify": False}, file),
        ("right", WEBGPU, unverified), ("right", {}, unverified), ("old", {}, file),
    ]  # fmt: skip
    values = {"x": [1, 2, 3, 4], "y": 1}
    answers = javascript([{"file": str(f), "host": h, "options": o, "values": values} for h, o, f in asked])
    messages = [answer.get("error", "") for answer in answers]
    assert [bool(t) for t in messages] == [False, False, False, True, True, True, False, True, False, True]
    assert all(answer["known"] for answer in answers if "error" in answer)
    first, drawn, label = json.loads(load(file, providers="cpu").manifest.model_dump_json())["outputs"]
    for message in messages[3:5]:
        assert message.startswith("this file does not compute here what it did when it was written: ")
        for port in (first, drawn):
            off = rf"`{port['name']}` differs by [\d.]+e-[23] of its largest number, 1e-4 is allowed"
            assert re.search(off, message)
        assert f"`{label['name']}` differs in 100.0% of its numbers" in message
    assert "differs in shape" in messages[5]
    assert "this file has no self-test" in messages[7]
    assert "this is onnxruntime 1.23.2" in messages[9] and "1.24 is the lowest" in messages[9]


@pytest.mark.parametrize("draws", get_args(Drawing))
def test_draws_are_the_same_bits(javascript: JavaScript, program: Any, tmp_path: Path, draws: Drawing) -> None:
    """Uniform and whole numbers to the bit, whatever the batch; normal ones but for the last bits of `log` and `cos`."""
    file = compiled(program(DRAWS), "draws", tmp_path, draws=draws)
    seeds = [0, 1, 2**31, 2**45 + 3]
    calls = [{"file": str(file), "values": {"batch": batch, "seed": seed}} for seed in seeds for batch in (1, 7)]
    normal, *exact = load(file, providers="cpu").outputs
    for call, answer in zip(calls, javascript(calls), strict=True):
        arrays_of_answer, wanted = arrays(answer), here(file, {"batch": 7, "seed": call["values"]["seed"]})
        count = call["values"]["batch"]
        for name in exact:
            np.testing.assert_array_equal(arrays_of_answer[name].astype(wanted[name].dtype), wanted[name][:count])
        np.testing.assert_allclose(arrays_of_answer[normal], wanted[normal][:count], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("tokenizer", "quantize"), [("bytes", None), (PIECES, None), ("bytes", "int8")])
def test_text_is_generated_and_streamed(
    javascript: JavaScript, program: Any, tmp_path: Path, tokenizer: str, quantize: FewBits | None
) -> None:
    spec = program(TEXT)
    weights, _ = load_weights(spec, None)
    trained, options = Trained(weights, tokenizer=tokenizer), CompileOptions(verify=False, quantize=quantize)
    file = export(spec, "generate", trained, tmp_path, options).path
    step = export_step(spec, "generate", trained, tmp_path, options)
    assert step is not None
    model = load(file, providers="cpu")
    prompts: list[Any] = ["Once", ["Once", "A"], [[79, 110]]]
    settings = {"count": 8, "seed": 3, "temperature": 0.7}
    calls: list[dict[str, Any]] = [
        {"file": str(file), "step": str(step.path), "values": {"prompt": p, **settings}} for p in prompts
    ]
    calls.append({"file": str(file), "prompt": "Once", "values": settings})
    long = {"file": str(file), "values": {"prompt": "Once", "count": 58}}
    *whole, streamed, too_long, streamed_too_long = javascript(
        [*calls, long, {"file": str(file), "prompt": "Once", "values": {"count": 58}}]
    )
    odd: list[Any] = ["", ["Once", [79]], None]
    nothing, mixed, missing, without = javascript(
        [{"file": str(file), "values": {"prompt": prompt}} for prompt in odd]
        + [{"file": str(file), "prompt": "A", "values": {"cuont": 3}}]
    )
    assert mixed["error"] == "`prompt` mixes texts and numbers"
    assert missing["error"].startswith("the input `prompt` is missing")
    assert nothing["error"] == "there is no token: the text to go on from needs at least one"
    assert without["error"] == "there is no input or setting `cuont`; did you mean `count`?"
    for refused in (too_long, streamed_too_long):
        assert refused["error"] == "this model reads at most 60 tokens: 4 and 58 more are too many; count=57 fits"
    bad: list[dict[str, Any]] = [
        {"file": str(file), "values": {"prompt": p}} for p in ([[79, -1]], [[79, -1, 80], [79]], [[79, 300]])
    ]
    streams: list[Any] = [[79, -1], [79, 80.5], [[79, -1], [79, 80]], ["Once"], [79, 300]]
    bad += [{"file": str(file), "prompt": p, "values": {}} for p in streams]
    said = [answer["error"] for answer in javascript([call | {"step": str(step.path)} for call in bad])]
    for behind in (said[0], said[1], said[3]):
        assert behind.startswith("-1 stands before the tokens of `prompt`, not between or after them; cut off the -1")
    assert said[2] == said[7] == "`prompt` is from -1 to 255, this holds 300"
    assert said[4] == "`prompt` is a whole number, this holds 80.5"
    assert said[5] == said[6] == "`stream` takes one text, or the tokens of one; `run` takes several"
    for prompt, answer in zip(prompts[:2], whole, strict=False):
        assert answer["results"]["generate"] == model(prompt=prompt, **settings)
    np.testing.assert_array_equal(arrays(whole[2])["generate"], model(prompt=prompts[2], **settings))
    assert "".join(streamed["pieces"]) == "".join(model.stream("Once", **settings))


def test_a_text_with_a_fixed_number_of_places(javascript: JavaScript, program: Any, tmp_path: Path) -> None:
    """`--capacity`: states of a fixed size give the tokens of Python, up to the last place; more are refused before the first."""
    spec = program(TEXT)
    trained, options = (
        Trained(load_weights(spec, None)[0], tokenizer="bytes"),
        CompileOptions(verify=False, capacity=24),
    )
    file = export(spec, "generate", trained, tmp_path, options).path
    step = export_step(spec, "generate", trained, tmp_path, options)
    assert step is not None
    call = {"file": str(file), "step": str(step.path), "prompt": "Once"}
    whole, longer = javascript([{**call, "values": {"count": count, "seed": 3}} for count in (21, 22)])
    assert "".join(whole["pieces"]) == "".join(load(file, providers="cpu").stream("Once", 21, seed=3))
    assert longer["error"] == "this model reads at most 24 tokens: 4 and 22 more are too many; count=21 fits"


def test_what_turns_have_for_themselves_is_no_help(javascript: JavaScript, program: Any, tmp_path: Path) -> None:
    """A stream that lacks an input names those that a caller may say. A model that was released computes nothing."""
    spec = program(TEXT.replace("count: int", "seed: int, example: int, count: int"))
    trained = Trained(load_weights(spec, None)[0], tokenizer="bytes")
    file = export(spec, "generate", trained, tmp_path, CompileOptions(verify=False)).path
    step = export_step(spec, "generate", trained, tmp_path, CompileOptions(verify=False))
    assert step is not None
    call = {"file": str(file), "step": str(step.path), "prompt": "A"}
    past = load(step.path, providers="cpu").manifest.step.past  # type: ignore[union-attr]
    near, lacking, right, released = javascript(
        [
            {"file": str(step.path), "values": {f"{past}x": 1}},
            call,
            {**call, "values": {"seed": 1, "example": 0}},
            {**call, "values": {"seed": 1, "example": 0}, "release": True},
        ]
    )
    assert near["error"] == f"there is no input or setting `{past}x`; it takes seed, example, temperature"
    assert lacking["error"] == "the input `seed` is missing; it takes seed, example, temperature"
    assert right["pieces"]
    assert released == {"error": "this model was released: `load` opens the file again", "known": True}


STEPS = """net pull(x: [2]) -> [2] { return linear(tanh(linear(x, 8)), 2) }
export f(z: [N, 2], scale: real = 1.0, steps: int = 3) -> ([N, 2], []) {
  x = z
  e ~ normal([])
  integrate s in 0..1 using ab2(steps) { dx/ds = scale * (pull(x) - mean(x, axis = 0)) }
  return (x, e)
}
"""


def test_a_sampler_tells_how_far_it_is(javascript: JavaScript, program: Any, tmp_path: Path) -> None:
    spec = program(STEPS)
    trained = Trained(load_weights(spec, None)[0])
    file, other = (
        export(spec, "f", Trained(load_weights(spec, None, seed)[0]), folder, CompileOptions(verify=False))
        for seed, folder in ((0, tmp_path), (1, tmp_path / "other"))
    )
    step = export_part(spec, "f", trained, tmp_path, whole=file).path
    values = {"z": [[[1, 2], [3, 4], [0, 1]], [[0, 0], [1, 1], [2, -1]]], "scale": 0.5, "steps": 5, "seed": 4}
    call = {"file": str(file.path), "step": str(step), "values": values}
    unlike = [{**call, "host": "late", **files} for files in ({"file": str(other.path)}, {"step": str(file.path)})]
    whole, parts, wrong, alone, mixed, twice = javascript(
        [
            call,
            {**call, "every": 2},
            {**call, "every": 0.5},
            {**call, "host": "right", "step": None, "every": 1},
            *unlike,
        ]
    )
    assert (
        mixed["error"] == "`step` is of another training or text than spec.f.onnx: compile both together, and copy both"
    )
    assert twice["error"] == "`step` is spec.f.onnx, and the turns of this file are in spec.f.step.onnx"
    assert [(p["turns"], p["total"]) for p in parts["parts"]] == [(2, 5), (4, 5), (5, 5)]
    assert parts["parts"][-1]["results"] == whole["results"] != parts["parts"][0]["results"]
    assert wrong["error"] == "`every` is a number of turns, 1 at least, this is 0.5"
    assert "mai compile --progress" in alone["error"] and '.onnx", { step: "' in alone["error"]


@pytest.mark.parametrize("in_page", [False, True])
def test_other_tasks_come_between_turns_and_a_signal_is_heard(
    javascript: JavaScript, program: Any, tmp_path: Path, in_page: bool
) -> None:
    """onnxruntime-web computes in the thread that asks it: without a task between, a page draws nothing, and no button is heard."""
    sampler, writer = program(STEPS), program(TEXT)
    bare, trained = (
        Trained(load_weights(sampler, None)[0]),
        Trained(load_weights(writer, None)[0], tokenizer="bytes"),
    )
    options = CompileOptions(verify=False)
    part, whole = export_part(sampler, "f", bare, tmp_path), export(sampler, "f", bare, tmp_path, options)
    step, text = (
        export_step(writer, "generate", trained, tmp_path, options),
        export(writer, "generate", trained, tmp_path, options),
    )
    assert step is not None
    progress = {
        "file": str(whole.path),
        "step": str(part.path),
        "values": {"z": [[1, 2], [3, 4]], "steps": 12},
        "every": 1,
    }
    stream = {"file": str(text.path), "step": str(step.path), "values": {"count": 12}, "prompt": "Once"}
    run = {"file": str(whole.path), "host": "late", "values": progress["values"]}
    watched = [
        {**call, "watch": {"abort": abort, "inPage": in_page}}
        for call in (progress, stream) for abort in (None, 3, 0)
    ]  # fmt: skip
    aborted = [{**run, "watch": {"abort": k}} for k in (0, 2, None)]
    busy = {**run, "host": None, "watch": {"abort": "due"}}
    *ended, before, within, after, timer = javascript([*watched, *aborted, busy])
    for whole_way, stopped, never in (ended[:3], ended[3:]):
        assert whole_way["tasks"] >= 11 and whole_way["ended"] is None
        assert stopped["ended"] == "AbortError" and stopped["parts"] <= 4
        assert (never["ended"], never["parts"]) == ("AbortError", 0)
    assert [one["ended"] for one in (before, within, after, timer)] == ["AbortError", "AbortError", None, "AbortError"]


@pytest.mark.parametrize("template", ["<s> $A </s>", "<s> $A", "$A"])
def test_texts_get_special_tokens(javascript: JavaScript, program: Any, tmp_path: Path, template: str) -> None:
    padded = {"padding": {"strategy": {"Fixed": 6}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0,
                          "pad_type_id": 0, "pad_token": "<pad>"}}  # fmt: skip
    tokenizer = word_tokenizer(template, **padded)
    file = compiled(program(SHOWN_TOKENS), "ids", tmp_path, tokenizer=tokenizer)
    texts: list[Any] = ["red fish", "<s> one", "red", ["red"], ["red", "one"]]
    (refused,) = javascript([{"file": str(file), "values": {"x": ["red fish", "red"]}}])
    with pytest.raises(ModelError) as said:
        load(file)(x=["red fish", "red"])
    assert refused["error"] == f"{said.value.message}: {said.value.help}"
    for text, answer in zip(texts, javascript([{"file": str(file), "values": {"x": t}} for t in texts]), strict=True):
        np.testing.assert_array_equal(arrays(answer)["ids"], load(file, providers="cpu")(x=text))
    spec = program(
        TEXT.replace("vocab = 256", "vocab = 8").replace("prompt: tokens[P], ", "prompt: tokens[P], seed: int, ")
    )
    trained = Trained(load_weights(spec, None)[0], tokenizer=tokenizer)
    grows = export(spec, "generate", trained, tmp_path, CompileOptions(verify=False)).path
    step = export_step(spec, "generate", trained, tmp_path, CompileOptions(verify=False))
    assert step is not None
    settings, model = {"count": 5, "seed": 3}, load(grows, providers="cpu")
    prompts: list[Any] = ["red fish", "<s> one", ["one", "red blue fish"]]
    for prompt, answer in zip(
        prompts, javascript([{"file": str(grows), "values": {"prompt": p, **settings}} for p in prompts]), strict=True
    ):
        assert answer["results"]["generate"] == model(prompt=prompt, **settings)
    both = {"file": str(grows), "step": str(step.path), "prompt": "red fish"}
    streamed, several = javascript([both | {"values": settings}, both | {"values": {"seed": [1, 2]}}])
    assert several["error"] == "a text is one row, `seed` has a batch of 2"
    assert "".join(streamed["pieces"]) == "".join(model.stream("red fish", **settings))


def test_files_that_another_program_has_changed(javascript: JavaScript, program: Any, tmp_path: Path) -> None:
    file = compiled(program(DRAWS), "draws", tmp_path)
    fixed, apart = onnx.load(file), onnx.load(file)
    del fixed.graph.input[:]
    tensor = apart.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="other.bin")
    calls = []
    for name, model in (("fixed", fixed), ("apart", apart)):
        (tmp_path / f"{name}.onnx").write_bytes(model.SerializeToString())
        calls.append({"file": str(tmp_path / f"{name}.onnx"), "values": {}})
    answers = javascript(calls)
    assert all(answer["known"] for answer in answers)
    assert "can no longer be given `seed`, `batch`" in answers[0]["error"]
    assert f"the tensor `{tensor.name}` lies outside of the file" in answers[1]["error"]


def test_damaged_weights_are_refused_and_whole_numbers_are_whole(
    javascript: JavaScript, program: Any, tmp_path: Path
) -> None:
    text = "export f(seed: int, example: int, k: int) -> ([40], int) {\n  x ~ normal([40])\n  return (linear(x, 40), 3 * k)\n}\n"
    file, damaged = compiled(program(text), "f", tmp_path), tmp_path / "damaged.onnx"
    bits = bytearray(file.read_bytes())
    weights = max((bytes(t.raw_data) for t in onnx.load(file).graph.initializer), key=len)
    bits[bits.index(weights) + 123] ^= 1
    damaged.write_bytes(bits)
    right = {"seed": 1, "example": 2**32 - 1, "k": [{"bigint": str(2**60 + 1)}, 5]}
    calls = [{"file": str(file), "values": right | {"example": n}} for n in (2**32 - 1, 2**32, -1)]
    calls += [
        {"file": str(damaged), "values": right, "options": {"checkWeights": k}, "host": "right"} for k in (True, False)
    ]
    answer, *beyond, refused, taken = javascript(calls)
    assert [*map(int, answer["results"]["f_1"]["data"])] == [3 * (2**60 + 1), 15]
    assert [each["error"] for each in beyond] == [
        f"`example` is from 0 to {2**32 - 1}, this holds {n}" for n in (2**32, -1)
    ]
    assert "the weights of this file are not those that mai wrote" in refused["error"] and "results" in taken


def test_sizes_that_are_made_of_others(
    javascript: JavaScript, program: Callable[[str], Program], tmp_path: Path
) -> None:
    text = "export g(x: [P], w: [2 * P + 1], u: [(P - 1) // 2]) -> [P] { return x + w[1:P + 1] + sum(u) }\n"
    file = str(compiled(program(text), "g", tmp_path))
    fits = {"x": [[1, 1, 1]], "w": [[1] * 7], "u": [[1]]}
    right, wrong, other = javascript(
        [{"file": file, "values": fits | changed} for changed in ({}, {"w": [[1] * 3]}, {"u": [[1, 1]]})]
    )
    np.testing.assert_array_equal(arrays(right)["g"], [[3, 3, 3]])
    assert "is 7 here, and `w` has 3" in wrong["error"]
    assert "is 1 here, and `u` has 2" in other["error"]


def test_names_of_labels(javascript: JavaScript, tmp_path: Path) -> None:
    program = small(ROOT / "examples" / "dit.mai")
    names = {"y": tuple(f"digit {k}" for k in range(10))}
    file = compiled(program, "sample", tmp_path, labels=names)
    values = {"steps": 2, "seed": 1}
    calls = [{"file": str(file), "values": values | {"y": y}} for y in ("digit 3", ["digit 3"], 3, [3])]
    samples = [arrays(a)["sample"] for a in javascript(calls)]
    for array in samples[1:]:
        np.testing.assert_array_equal(array, samples[0])
    (refused,) = javascript([{"file": str(file), "values": {"y": "digit 11"}}])
    assert "`y` has no label `digit 11`: there are digit 0, digit 1" in refused["error"]


def test_a_label_for_what_is_not_known(
    javascript: JavaScript, program: Callable[[str], Program], tmp_path: Path
) -> None:
    """As in Python: a word that training never saw has it where rows may lack a value, and so has none; a number that is none is NaN."""
    text = """data kind: class[4], age: [], y: [] from table("t.csv", missing = keep, needs = y)
net f(kind: class[4], age: []) -> [] { return sum(embed(kind, 2)) + sum(missing([age])) + fill(age) }
train(steps = 1) { minimize (f(kind, age) - y)^2 }
export g(kind: class[4], age: []) -> [] { return f(kind, age) }
"""
    (tmp_path / "t.csv").write_text("kind,age,y\n" + "cat,1,1\ndög,,2\n,2,3\n" * 10)
    file = str(compiled(program(text), "g", tmp_path, labels={"kind": ("cat", "dög")}))
    asked = [
        (["cow"], 1),
        ([2], 1),
        ([None], 1),
        (None, [1]),
        ([""], 1),
        ([{"number": "NaN"}], 1),
        (["dög"], 1),
        (["do\u0308g", None], [None, 1]),
    ]
    calls = [{"file": file, "values": {"kind": kind, "age": age}} for kind, age in asked]
    *none, other, gaps = (arrays(answer)["g"] for answer in javascript(calls))
    for each in none:
        np.testing.assert_array_equal(each, none[0])
    assert not np.array_equal(none[0], other)
    np.testing.assert_allclose(gaps, load(file)(kind=["do\u0308g", None], age=[np.nan, 1]), rtol=1e-6)
    (mixed,) = javascript([{"file": file, "values": {"kind": ["cat", 1, None], "age": 1}}])
    assert mixed["error"] == "`kind` mixes names and numbers: `cat` and `1`"


def test_dates(javascript: JavaScript, program: Callable[[str], Program], tmp_path: Path) -> None:
    """As in Python: what was a date in the data may be one in a call."""
    text = """data when: [], y: [] from table("t.csv")
net f(when: []) -> [] { return linear([when], 1)[0] }
train(steps = 1) { minimize (f(when) - y)^2 }
export g(when: []) -> [] { return when }
"""
    facts = {"when": Facts(low=[19000], high=[20000], middle=[19500], dates=["time"])}
    file = str(compiled(program(text), "g", tmp_path, facts=facts))
    values = (
        "2024-05-01",
        ["1.5.2024 12:00", "2024/05/01", "2024-05-01T1800", "2024-05-01 060000,0", "1.5.2024 6:00"],
        [19844],
        "0001-01-01",
    )
    wrong = ("2024-02-30", "2024-05-01Z", "2024-05-01T00:00+02:00", "2024-05-01T00:00Z")
    numbers = (20240501, 202405010930, 2024, 45413.5, 1714555800, 1714555800123, 5e9)
    odd = [[19844, {"number": "-Infinity"}], [{"number": "NaN"}]]
    infinite, missing = javascript([{"file": file, "values": {"when": when}} for when in odd])
    assert infinite["error"] == "`when` is a finite number, as in the data, this holds -Infinity"
    with pytest.raises(ModelError) as lacking:
        load(file)(when=np.nan)
    assert missing["error"] == f"{lacking.value.message}: {lacking.value.help}"
    *answers, calendar, bare, offset, zero = javascript(
        [{"file": file, "values": {"when": when}} for when in (*values, *numbers, *wrong)]
    )
    answers, refused = answers[: len(values)], answers[len(values) :]
    for number, each in zip(numbers, refused, strict=True):
        with pytest.raises(ModelError) as said:
            load(file)(when=number)
        assert each["error"] == f"{said.value.message}: {said.value.help}"
    assert [arrays(each)["g"].tolist() for each in answers] == [
        [19844],
        [19844.5, 19844, 19844.75, 19844.25, 19844.25],
        [19844],
        [-719162],
    ]
    assert "`when` is a date with its time, this is `2024-02-30`: write it as" in calendar["error"]
    assert "is a date with its time, this is `2024-05-01Z`" in bare["error"]
    for each in (offset, zero):
        assert "times here have no offset from UTC, as in the data, and this has one" in each["error"]


ORDERED_DATES = {
    "day_first": ("03/04/2024", "3-4-24", "03.04.24", "31/12/1969 2:30 PM"),
    "month_first": ("04/03/2024", "4-3-70 12:15", "03.04.2024", "12/31/24 12:05 am"),
    None: ("14-Mar-24", "14 march 2024", "March 14, 2024", "2024-Sept-5", "5. sep 68 09:30", "2024-05-01 12:00 p.m."),
}
NO_DATES = {"day_first": "04/13/2024", "month_first": "13.04.24", None: "03/04/2024"}


@pytest.mark.parametrize("order", ORDERED_DATES)
def test_dates_in_an_order_or_with_names_of_months(
    order: DateOrder | None, javascript: JavaScript, tmp_path: Path
) -> None:
    """What of day and month is first, the file says; months of other languages are none."""
    facts = {"when": Facts(low=[-400], high=[40000], middle=[19500], dates=["time"], order=order)}
    described = manifest([real("when")], [], [output("f")]).model_copy(update={"facts": facts})
    file = tmp_path / "f.onnx"
    file.write_bytes(build(described, [helper.make_node("Identity", ["when"], ["f"])]).SerializeToString())
    right, *wrong = [[*ORDERED_DATES[order]], NO_DATES[order], "14-Mai-24", "2024-05-01 13:00 pm"]
    answer, *refusals = javascript([{"file": str(file), "values": {"when": when}} for when in (right, *wrong)])
    assert arrays(answer)["f"].tolist() == load(file)(when=right).tolist()
    for text, refusal in zip(wrong, refusals, strict=True):
        with pytest.raises(ModelError) as said:
            load(file)(when=text)
        assert refusal["error"] == f"{said.value.message}: {said.value.help}"


def test_a_vector_of_dates(javascript: JavaScript, tmp_path: Path) -> None:
    """One example is a list of texts, which are no tokens."""
    facts = {"x": Facts(low=[19000] * 2, high=[20000] * 2, middle=[19500] * 2, dates=["day"] * 2)}
    described = manifest([real("x", 2)], [], [output("f", 2)]).model_copy(update={"facts": facts})
    file = tmp_path / "f.onnx"
    file.write_bytes(build(described, [helper.make_node("Identity", ["x"], ["f"])]).SerializeToString())
    dates = ["2024-05-01", "2024-05-02"]
    for answer in javascript([{"file": str(file), "values": {"x": x}} for x in (dates, [dates])]):
        assert arrays(answer)["f"].tolist() == load(file)(x=dates).tolist() == [[19844, 19845]]


REFUSED = [
    ({"stepz": 3}, "there is no input or setting `stepz`; it takes x, y, seed, scale"),
    ({"batch": 3}, "there is no input or setting `batch`; the batch is as long as `x`, which has a value for each example"),
    ({"sead": 3}, "there is no input or setting `sead`; did you mean `seed`?"),
    ({}, "the input `x` is missing; it takes x, y, seed, scale"),
    ({"x": [[1, None]]}, "`x` is a number, this is null"),
    ({"x": [["a", 1]]}, '`x` is a number, this is "a"'),
    ({"x": "1, 2"}, "`x` takes numbers, this is a text"),
    ({"x": [1, 2], "scale": "a"}, '`scale` is a number, this is "a"'),
    ({"x": [[1, 2], [1, 2]], "y": [[1], [2], [3]]}, "the batch is 2 in `x` and 3 in `y`"),
    ({"x": [[1, 2, 3]]}, "`x` is [batch, 2], this is [1, 3]"),
    ({"x": [1, 2], "seed": -1}, "`seed` is at least 0, this holds -1"),
    ({"x": [1, 2], "seed": 1.5}, "`seed` is a whole number, this holds 1.5"),
    ({"x": [[1], [2, 3]]}, "`x` is not a regular array: its rows differ in length"),
    ({"x": [[1, 2], [3], [4, 5, 6]]}, "`x` is not a regular array: its rows differ in length"),
    ({"x": {"data": [1, 2, 3], "dims": [2, 2]}}, "`x` has 3 numbers, and [2, 2] are 4"),
    ({"x": {"data": [], "dims": [0, 2]}}, "the batch of `x` is empty"),
    ({"x": {"data": [1, 2], "dims": "2"}}, "`x` is written { data, dims }: numbers in a list, and their sizes"),
    ({"x": [1, 1e300]}, "`x` is a real number (float32), this holds 1e+300"),
    ({"x": [1, 2], "seed": True}, "`seed` is a number, this is true"),
    ({"x": []}, "the batch of `x` is empty"),
    ({"x": [1, 2], "toString": 1}, "there is no input or setting `toString`; it takes x, y, seed, scale"),
    ({"x": [1, 2], "seed": 10**18}, "`seed` is a whole number, this holds 1000000000000000000; "
     "beyond 2^53 it is a BigInt: 1000000000000000000n"),
    ({"x": [1, 2], "seed": {"bigint": str(2**64 + 1)}}, "`seed` is a whole number of 64 bits, this holds 18446744073709551617"),
]  # fmt: skip


def test_truths_labels_and_sizes_are_checked(
    javascript: JavaScript, program: Callable[[str], Program], tmp_path: Path
) -> None:
    text = """export g(x: [N, 2], flag: bool, kind: class[4], real: [], seen: class[2], on: bool = true) -> ([N], [], [2], []) {
  return (sum(x^2, axis = 1), where(flag, 1, 0), where(on, 1, 0) * [1, 2], real + kind + 10 * seen)
}
"""
    file = str(compiled(program(text), "g", tmp_path))
    right = {"x": [[[1, 2]]], "flag": [True], "kind": [3], "real": [0.5], "seen": [True], "on": False}
    refused = {
        "`flag` is true or false, this is 7": {"flag": [7]},
        "`flag` is true or false, this is 0.5": {"flag": 0.5},
        "`on` is true or false, this is 2": {"on": 2},
        "`on` is true or false, this is -1": {"on": -1},
        "`kind` is a number, this is true": {"kind": [True]},
        "`kind` is from 0 to 3, this holds 4": {"kind": [4]},
        '`real` is a number, this is "3.5"; a field of a form holds a text: give Number("3.5")': {"real": "3.5"},
        '`kind` takes numbers: this file has no names of its labels; a field of a form holds a text: give Number("3")': {
            "kind": "3"
        },
        "`N` is at least 1, `x` has 0": {"x": {"data": [], "dims": [1, 0, 2]}},
    }
    answer, *refusals = javascript([{"file": file, "values": right | changed} for changed in ({}, *refused.values())])
    for array, expected in zip(arrays(answer).values(), ([[5]], [1], [[0, 0]], [13.5]), strict=True):
        np.testing.assert_array_equal(array, expected)
    assert [refusal.get("error") for refusal in refusals] == list(refused)


def test_sizes_with_names_of_any_alphabet(
    javascript: JavaScript, program: Callable[[str], Program], tmp_path: Path
) -> None:
    text = "export g(x: [β, 2], w: [β + 1]) -> [2] { return sum(x, axis = 0) + sum(w) }\n"
    file = str(compiled(program(text), "g", tmp_path))
    values = [{"x": [[[1, 1]] * 3], "w": [[1] * length]} for length in (4, 5)]
    fitting, other = javascript([{"file": file, "values": value} for value in values])
    np.testing.assert_array_equal(arrays(fitting)["g"], [[7, 7]])
    assert other["error"] == "`β + 1` is 4 here, and `w` has 5"


def test_errors_are_told(javascript: JavaScript, program: Any, tmp_path: Path) -> None:
    text = "export f(x: [2], y: [1], scale: real = 2.0) -> [2] {\n  e ~ normal([2])\n  return scale * x + e + y\n}\n"
    file = compiled(program(text), "f", tmp_path)
    same = [{"file": str(file), "values": {"x": [[1, 2], [3, 4]], "y": y}} for y in ([5], [[5], [5]])]
    one, both = map(arrays, javascript(same))
    np.testing.assert_array_equal(one["f"], both["f"])
    cut, other, empty = (tmp_path / name for name in ("cut.onnx", "other.onnx", "empty.onnx"))
    cut.write_bytes(file.read_bytes()[:-200])
    other.write_bytes(b"no model at all")
    empty.write_bytes(b"")
    calls = [{"file": str(file), "values": {"y": [0]} | values if values else values} for values, _ in REFUSED]
    answers = javascript(calls + [{"file": str(path), "values": {}} for path in (cut, other, empty)])
    for answer, (values, message) in zip(answers, REFUSED, strict=False):
        assert answer == {"error": message, "known": True}, values
    assert [a["known"] for a in answers[len(REFUSED) :]] == [True, True, True]
    assert "cut short" in answers[-3]["error"]


def test_required_settings_have_no_default_in_the_file(program: Any, tmp_path: Path) -> None:
    """Any host sees them among the inputs; `load` knows what they usually are, and checks them."""
    import onnxruntime as ort

    spec = program(DRAWS)
    needed, free = (compiled(spec, "draws", tmp_path / k, required=k == "required") for k in ("required", "optional"))
    session = ort.InferenceSession(needed.read_bytes(), providers=["CPUExecutionProvider"])
    assert {i.name for i in session.get_inputs()} == {"seed", "batch"}
    assert not session.get_overridable_initializers()
    one, other = load(needed, providers="cpu"), load(free, providers="cpu")
    for values in ({}, {"seed": 5}, {"batch": 3, "seed": 5}):
        for a, b in zip(one(**values).values(), other(**values).values(), strict=True):
            np.testing.assert_array_equal(a, b)
    with pytest.raises(ModelError, match="at least 1"):
        one(batch=0)


def test_a_prompt_of_too_few_tokens_is_refused(javascript: JavaScript, program: Any, tmp_path: Path) -> None:
    """In Python's words: a place without a token does not count."""
    spec = program(TEXT.replace("  return 4 *", "  h += max(h[1:], axis = 0)\n  return 4 *"))
    weights, _ = load_weights(spec, None)
    options = CompileOptions(verify=False, cache="none")
    file = export(spec, "generate", Trained(weights, tokenizer="bytes"), tmp_path, options).path
    model, prompts = load(file, providers="cpu"), ([[3, 1, 2], [-1, -1, 4]], ["Once", "A"], "A")
    for prompt, answer in zip(
        prompts, javascript([{"file": str(file), "values": {"prompt": p}} for p in prompts]), strict=True
    ):
        with pytest.raises(ModelError) as refusal:
            model(prompt=prompt)
        assert answer["error"] == str(refusal.value)
        assert answer["error"].startswith("`P` is at least 2, ")
    (fits,) = javascript([{"file": str(file), "values": {"prompt": [[3, 1], [-1, 4]][:1]}}])
    assert "results" in fits


GUIDE = (ROOT / "docs" / "hosts.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```js\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_what_the_guide_shows(installed: Path, snippet: str) -> None:
    """In a folder with the files that it speaks of, untrained ones."""
    with tempfile.TemporaryDirectory(dir=installed) as folder:
        for file in sorted(set(re.findall(r'"(\w+)\.(\w+)\.onnx"', snippet))):
            name, wanted = file
            compiled(small(ROOT / "examples" / f"{name}.mai"), wanted, Path(folder), tokenizer="bytes")
        if "step" in snippet:
            program = small(ROOT / "examples" / "char_gpt.mai")
            export_step(
                program, "generate", Trained(load_weights(program, None)[0]), Path(folder), CompileOptions(verify=False)
            )
        shutil.copy(LIBRARY, folder)
        script = Path(folder) / "snippet.mjs"
        script.write_text(snippet, encoding="utf-8")
        done = subprocess.run(["node", str(script)], cwd=folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()
