"""The same file gives the same in JavaScript's WebAssembly, which is another processor to it, as here."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from mai.compiler.compile_options import CompileOptions, Drawing, Trained
from mai.compiler.onnx.comparing.own_steps import allowance
from mai.compiler.onnx.comparing.trial import difference as difference_of
from mai.compiler.onnx.comparing.trial import trial
from mai.compiler.onnx.export import export_step
from mai.compiler.onnx.prepared import prepare_export
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from tests.support.hosts import LIBRARY, ROOT
from tests.support.javascript import DRAWS, JavaScript, arrays, compiled, here, small

pytestmark = pytest.mark.slow

EXAMPLES = sorted((ROOT / "examples").glob("*.mai"))
FEW = 3


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
    assert all(answer["type"] == "ModelError" for answer in answers if "error" in answer)
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
