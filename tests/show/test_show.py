"""`mai show`: the figures of the summary, every stage as text, and the PyTorch file, which runs on its own."""

from __future__ import annotations

import builtins
import dis
import re
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from mai.compiler.commands.show_command import show
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.ir import sizes
from mai.compiler.ir.types import DType
from mai.compiler.onnx.export import export as compiled
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.show import emit_text
from mai.compiler.show.summary import summary
from mai.compiler.torch.module import DTYPES, lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.python_file import source
from mai.runtime.errors import ModelError
from mai.spec.diagnostics import MaiError
from tests.support.cases.shown import NAMES, SPEC

Make = Callable[[str], Program]
SMALL = {"steps": 3, "time": 0.5, "batch": 2, "seed": 2**40 + 5}


def arguments(program: Program, name: str) -> tuple[list[torch.Tensor], dict[str, Any]]:
    """Random inputs, two examples; settings that make the loops short."""
    graph = program.exports[name]
    settings = {n: SMALL.get(n, s.default) for n, s in graph.settings.items()}
    numbers = {**{n: int(v) for n, v in settings.items()}, "batch": 2}
    generator, inputs = torch.Generator().manual_seed(7), []
    for value in graph.inputs:
        shape = [int(sizes.evaluate(s, lambda n: numbers.get(n, 6))) for s in value.type.physical]
        real = value.type.dtype is DType.REAL
        inputs.append(torch.rand(shape, generator=generator) if real else torch.ones(shape, dtype=torch.int64))
    return inputs, settings


def lowered(program: Program, name: str, weights: Weights) -> tuple[torch.Tensor, ...]:
    """What the module that mai itself runs gives."""
    inputs, settings = arguments(program, name)
    graph = forms.prepare(program.exports[name])
    settings_of_graph = [torch.tensor(settings[n], dtype=DTYPES[s.value.type.dtype]) for n, s in graph.settings.items()]
    result: tuple[torch.Tensor, ...] = lower(graph, weights)(*inputs, *settings_of_graph)
    return result


def written(program: Program) -> dict[str, Any]:
    """The names of the written file, run in this interpreter."""
    names: dict[str, Any] = {}
    exec(compile(source(program, list(program.exports)), "written.py", "exec"), names)
    return names


def class_of(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


# ------------------------------------------------------------------------ torch


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_written_module_computes_what_the_lowered_one_does(name: str, example: Make) -> None:
    program = example(name)
    file = written(program)
    assert list(program.exports)
    for export in list(program.exports):
        weights = Weights(forms.prepare(program.exports[export]).weights).initialise(3)
        model = file[class_of(export)]()
        assert not model.load_state_dict(weights.state_dict()).missing_keys
        inputs, settings = arguments(program, export)
        with torch.inference_mode():
            result = model(*inputs, **settings)
            expected = lowered(program, export, weights)
        for mine, theirs in zip(result if isinstance(result, tuple) else (result,), expected, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["moons_flow", "char_gpt"])
def test_every_name_of_the_written_file_is_there(name: str, example: Make) -> None:
    """Of its annotations, too: whoever edits the file sees no error."""
    file = written(example(name))
    classes = [each for each in file.values() if isinstance(each, type) and each.__module__ == "builtins"]
    members = [*file.values(), *(each for owner in classes for each in vars(owner).values())]
    functions = [f for f in members if isinstance(f, types.FunctionType) and f.__globals__ is file]
    assert len(functions) > 20
    for owner in (*functions, *classes):
        for annotation in getattr(owner, "__annotations__", {}).values():
            eval(annotation, file)
    assert {used for f in functions for used in globals_of(f.__code__)} <= {*file, *dir(builtins)}


def globals_of(code: types.CodeType) -> set[str]:
    """The names outside of a function that it reads, also those that functions inside it read."""
    own = {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
    return own.union(*(globals_of(c) for c in code.co_consts if isinstance(c, types.CodeType)))


@pytest.mark.slow
def test_all_tensors_are_made_where_the_weights_are(example: Make) -> None:
    """Under another default device, what is made in passing without saying where could not meet the rest."""
    for name in NAMES:
        program = example(name)
        file = written(program)
        for export in list(program.exports):
            graph = forms.prepare(program.exports[export])
            if not graph.weights:
                continue
            weights = Weights(graph.weights).initialise(3)
            inputs, settings = arguments(program, export)
            settings_of_graph = [
                torch.tensor(settings[n], dtype=DTYPES[s.value.type.dtype]) for n, s in graph.settings.items()
            ]
            model, module = file[class_of(export)](), lower(graph, weights)
            with torch.inference_mode(), torch.device("meta"):
                result = model(*inputs, **settings)
                both = (*module(*inputs, *settings_of_graph), *(result if isinstance(result, tuple) else (result,)))
            assert {tensor.device.type for tensor in both} == {"cpu"}, f"{name}.{export}"


@pytest.mark.slow
def test_the_file_runs_on_its_own(program: Make, tmp_path: Path) -> None:
    """In a fresh interpreter without mai, with weights from a file: the same numbers."""
    spec = program(SPEC)
    weights = Weights(forms.prepare(spec.exports["go"]).weights).initialise(1)
    (tmp_path / "written.py").write_text(source(spec, ["go"]), encoding="utf-8")
    save_file({n: t.contiguous() for n, t in weights.state_dict().items()}, tmp_path / "weights.safetensors")
    inputs, settings = arguments(spec, "go")
    save_file({"x": inputs[0]}, tmp_path / "x.safetensors")
    code = f"""
import sys, torch
from safetensors.torch import load_file, save_file
import written
model = written.Go()
model.load_state_dict(load_file("weights.safetensors"))
with torch.inference_mode():
    save_file({{"y": model(load_file("x.safetensors")["x"], **{settings!r}).contiguous()}}, "y.safetensors")
assert not any(name.split(".")[0] in ("mai", "onnx", "lark") for name in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    expected = lowered(spec, "go", weights)[0]
    torch.testing.assert_close(load_file(tmp_path / "y.safetensors")["y"], expected, rtol=0, atol=0)


def test_settings_have_their_defaults_and_gradients_flow(program: Make) -> None:
    model = written(program(SPEC))["Go"]()
    result = model(torch.rand(3, 4))
    assert result.shape == (3, 6, 4)
    result.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_loops_stay_loops_and_weights_are_declared_once(program: Make) -> None:
    text = source(program(SPEC), ["go"])
    assert "for layer in self.f.repeat_1:" in text
    assert "for _ in range(3)" in text
    assert text.count("nn.Parameter(torch") == 7
    assert "gain=nn.Parameter(torch.ones((4,)))" in text


def test_lines_of_the_spec_and_shapes_stand_beside_the_code(program: Make) -> None:
    text = source(program(SPEC), ["go"])
    assert "# spec.mai:7  repeat 3 { h += relu(linear(h, width)) }" in text
    assert re.search(r"F\.linear\(.*f\.linear_2\.weight.*# \(batch, 4\)", text)
    assert "= None" not in text and "GraphModule" not in text


def test_a_turn_that_is_read_is_there_beside_its_weights(program: Make) -> None:
    text = """
export go(x: [4]) -> [4] {
  repeat 3 as i { x += (i + 1) * linear(x, 4) }
  return x
}
"""
    spec = program(text)
    assert re.search(
        r"for \w+, layer in zip\(torch\.arange\(3, device=device\), self\.go\.repeat_1, strict=True\):",
        source(spec, ["go"]),
    )
    weights = Weights(forms.prepare(spec.exports["go"]).weights).initialise(2)
    model = written(spec)["Go"]()
    model.load_state_dict(weights.state_dict())
    inputs, _ = arguments(spec, "go")
    torch.testing.assert_close(model(*inputs), lowered(spec, "go", weights)[0], rtol=0, atol=0)


def test_nested_repeats_go_through_lists_of_lists(program: Make) -> None:
    text = """
export go(x: [4]) -> [4] {
  repeat 2 {
    x += linear(x, 4)
    repeat 3 { x += tanh(linear(x, 4)) }
  }
  return x
}
"""
    spec = program(text)
    weights = Weights(forms.prepare(spec.exports["go"]).weights).initialise(2)
    model = written(spec)["Go"]()
    model.load_state_dict(weights.state_dict())
    inputs, _ = arguments(spec, "go")
    torch.testing.assert_close(model(*inputs), lowered(spec, "go", weights)[0], rtol=0, atol=0)


@pytest.mark.parametrize("net", ["lambda", "ϕ"])
def test_names_that_python_reads_otherwise_keep_their_weights(net: str, program: Make) -> None:
    spec = program(
        f"net {net}(x: [2]) -> [2] {{ return linear(x, 2) }}\nexport group(x: [2]) -> [2] {{ return {net}(x) }}\n"
    )
    weights = Weights(forms.prepare(spec.exports["group"]).weights).initialise(0)
    model = written(spec)["GroupExport"]()
    model.load_state_dict(weights.state_dict())
    inputs, _ = arguments(spec, "group")
    torch.testing.assert_close(model(*inputs), lowered(spec, "group", weights)[0])


# ---------------------------------------------------------------------- summary


def test_the_summary_counts(program: Make) -> None:
    """By hand: 5 * 8 + 8, three times 8 * 8 + 8, 8 * 4 + 4 and 4 weights; five steps of the net."""
    text = summary(program(SPEC))
    assert re.search(r"f +304 parameters +1\.22 kB", text)
    assert "export go(x: f32[4]) -> f32[count + 1, 4]" in text
    assert "seed = 0, count = 5, strength = 0.5" in text
    work = re.search(r"([\d.]+) k multiply-adds", text)
    products = 5 * (5 * 8 + 3 * 8 * 8 + 8 * 4)
    assert work and products < float(work[1]) * 1000 < 1.4 * products


def test_the_summary_of_a_text(example: Make) -> None:
    """Keys and values of 6 layers of 192 numbers each; of one token after 16, the products and the head."""
    text = summary(example("char_gpt"))
    assert f"cache            {2 * 6 * 192 * 4 / 1000:.2f} kB a token" in text
    assert "at most 256 tokens" in text
    assert re.search(r"export score.*\n  operations", text)
    assert "1,200 steps of 32 examples, adamw" in text
    work = re.search(r"\(prompt.*\n.*\n  operations +([\d.]+) M", text)
    token = 6 * 12 * 192 * 192 + 192 * 256
    assert work
    assert 200 * token < float(work[1]) * 1e6 < 1.1 * 200 * token


def test_several_nets_are_added_up(example: Make) -> None:
    counts = [int(n.replace(",", "")) for n in re.findall(r"([\d,]+) parameters", summary(example("gan")))]
    assert len(counts) == 3
    assert counts[2] == counts[0] + counts[1]


# ------------------------------------------------------------------------ stages


@pytest.mark.parametrize("stage", ["summary", "ast", "ir", "torch", "diagram"])
def test_every_stage_has_a_text(stage: str, program: Make, tmp_path: Path) -> None:
    text = emit_text(program(SPEC), tmp_path / "spec.mai", stage, None)
    assert text.strip()
    assert "go" in text


@pytest.mark.parametrize("turns", [0, 3])
def test_what_a_loop_keeps_is_readable_torch_without_turns_too(turns: int, program: Make) -> None:
    """A count that is known, a setting, and a condition."""
    text = (
        f"export f(x: [2], n: int = 0) -> ([{turns}, 2], [n, 2], [n]) {{\n"
        f"  repeat {turns} shared as t {{ y = x + t }} keep y as ys\n"
        "  z = x\n  repeat n shared { z = z / 2 } keep z as zs\n"
        "  w = 1\n  repeat n until w > 2 { w = w + sum(x^2) } keep w as ws\n  return (ys, zs, ws)\n}\n"
    )
    module = types.ModuleType("emitted")
    exec(emit_text(program(text), Path("d.mai"), "torch", None), module.__dict__)
    x = torch.tensor([[1.0, 2.0], [0.5, 0.5]])
    ys, zs, ws = module.FExport()(x, n=turns)
    assert torch.equal(ys, torch.stack([x + t for t in range(turns)], 1) if turns else torch.zeros(2, 0, 2))
    assert torch.equal(zs, torch.stack([x / 2**t for t in range(1, turns + 1)], 1) if turns else torch.zeros(2, 0, 2))
    assert torch.equal(ws, torch.tensor([[6.0, 0, 0], [1.5, 2, 2.5]])[:, :turns])


def test_unknown_stages_and_exports_are_told(program: Make) -> None:
    spec = program(SPEC)
    with pytest.raises(MaiError, match="no stage `assembly`"):
        emit_text(spec, Path("spec.mai"), "assembly", None)
    with pytest.raises(MaiError, match="no export `gone`"):
        emit_text(spec, Path("spec.mai"), "summary", "gone")


@pytest.mark.parametrize(
    ("stage", "suffix", "help"),
    [("diagram", ".png", "--out d.svg"), ("diagram", ".PDF", "--out d.svg"), ("ir", ".svg", "--out d.txt")],
)
def test_a_picture_that_cannot_be_drawn_is_refused(program: Make, stage: str, suffix: str, help: str) -> None:
    with pytest.raises(MaiError) as caught:
        emit_text(program(SPEC), Path("d.mai"), stage, None, suffix)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.slug, diagnostic.help) == ("out-unknown", help)
    assert suffix in diagnostic.message
    assert emit_text(program(SPEC), Path("d.mai"), "diagram", None, ".SVG").startswith("<svg")


def test_placement_is_of_specs_and_of_compiled_files(
    program: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = program("export f() -> [2] {\n  x ~ normal([2])\n  return x\n}\n")
    text = emit_text(spec, Path("spec.mai"), "placement", None)
    assert re.match(
        r"spec.f on CUDA, as ONNX Runtime [\d.]+ assigns it\n  \d+ of \d+ nodes on the device; no kernel for BitwiseAnd",
        text,
    )
    path = compiled(spec, "f", Trained({}), tmp_path, CompileOptions(cuda=True, verify=False)).path
    show(path, emit="placement")
    assert "no kernel" not in capsys.readouterr().out
    with pytest.raises(ModelError, match="cannot open"):
        show(tmp_path / "other.onnx", emit="placement")
