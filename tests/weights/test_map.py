"""Proposed rules: pasted into the spec they load what rules written by hand load, and they say where they are unsure."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mai.compiler.check import check, check_without_rules
from mai.compiler.training.initial_weights import load_weights
from mai.compiler.weights.propose import Proposal, own_layers, propose
from mai.compiler.weights.tensor_files import TensorFiles
from tests.support.command import invoke
from tests.support.models.zoo import CASES, program_of, saved

FAMILIES = {
    "gpt2": "GPT-2", "llama": "Llama", "qwen2": "Llama", "bert": "BERT", "vit": "ViT", "resnet18": "ResNet", "dit": "DiT",
}  # fmt: skip


def proposal(spec: Path, file: Path, **sets: object) -> Proposal:
    checked = check_without_rules(spec, {n: str(v) for n, v in sets.items()})
    assert checked.program is not None, checked.diagnostics
    with TensorFiles(file) as files:
        return propose(file.name, checked.program.weights, files.shapes)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_known_networks(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    program = program_of(case, tmp_path)
    saved(case.model(), program)
    expected, _ = load_weights(program, None)
    assert program.loading is not None
    spec = Path(program.source.path)
    proposed = proposal(spec, tmp_path / program.loading.path, **case.sets)
    assert proposed.family == FAMILIES[name]
    assert proposed.lacking == []
    (tmp_path / "pasted.mai").write_text(pasted(spec.read_text(), proposed))
    checked = check(tmp_path / "pasted.mai", {n: str(v) for n, v in case.sets.items()})
    assert checked.program is not None, checked.diagnostics
    weights, _ = load_weights(checked.program, None)
    assert weights.keys() == expected.keys()
    for weight in expected:
        np.testing.assert_array_equal(weights[weight], expected[weight], err_msg=weight)


def pasted(text: str, proposed: Proposal) -> str:
    """The spec with the proposed block instead of its own."""
    return re.sub(r"\nweights from .*?\n\}", lambda _: f"\n{proposed}", text, flags=re.DOTALL)


SPEC = """net f(x: [6]) -> [3] {
  h = linear(x, 8)
  repeat 3 {
    h += mlp(layer_norm(h), 12)
  }
  return linear(layer_norm(h), 3)
}
export g(x: [6]) -> [3] { return f(x) }
"""
UNKNOWN = {
    "enter.weight": (6, 8), "enter.bias": (8,),
    **{f"stack.{i}.prenorm.{p}": (8,) for i in (1, 2, 3) for p in ("weight", "bias")},
    **{f"stack.{i}.ffn.0.weight": (8, 12) for i in (1, 2, 3)}, **{f"stack.{i}.ffn.0.bias": (12,) for i in (1, 2, 3)},
    **{f"stack.{i}.ffn.2.weight": (12, 8) for i in (1, 2, 3)}, **{f"stack.{i}.ffn.2.bias": (8,) for i in (1, 2, 3)},
    "final_norm.weight": (8,), "final_norm.bias": (8,), "head.weight": (8, 3), "head.bias": (3,), "step": (),
}  # fmt: skip


def written(tmp_path: Path, shapes: dict[str, tuple[int, ...]], spec: str = SPEC) -> Proposal:
    (tmp_path / "a.mai").write_text(spec)
    save_file({n: torch.randn(s) for n, s in shapes.items()}, tmp_path / "m.safetensors")
    return proposal(tmp_path / "a.mai", tmp_path / "m.safetensors")


def test_an_unknown_network(tmp_path: Path) -> None:
    """By shapes, order and words: transposed, its layers counted from 1, and with one tensor that nothing takes."""
    proposed = written(tmp_path, UNKNOWN)
    assert proposed.family is None
    assert proposed.lacking == []
    text = str(proposed)
    for rule in (
        '"f.linear_1.weight" = "enter.weight"\'',
        '"f.repeat_1.{i}.layer_norm_1.weight" = "stack.{i + 1}.prenorm.weight"',
        '"f.repeat_1.{i}.mlp_1.linear_1.weight" = "stack.{i + 1}.ffn.0.weight"\'',
        '"f.repeat_1.{i}.mlp_1.linear_2.bias" = "stack.{i + 1}.ffn.2.bias"',
        '"f.layer_norm_1.weight" = "final_norm.weight"',
        '"f.linear_2.bias" = "head.bias"',
        'ignore "step"  # nothing takes it: []',
    ):
        assert f"  {rule}" in text.splitlines() or any(line.startswith(f"  {rule}  #") for line in text.splitlines()), (
            text
        )
    (tmp_path / "a.mai").write_text(f"{SPEC}{proposed}\n")
    program = check(tmp_path / "a.mai").program
    assert program is not None
    load_weights(program, None)


def test_layers_that_the_file_counts_otherwise(tmp_path: Path) -> None:
    """Every other place of a sequence, from its second on."""
    spec = "net f(x: [4]) -> [4] {\n  repeat 3 { x += silu(linear(x, 4)) }\n  return x\n}\n"
    spec += "export g(x: [4]) -> [4] { return f(x) }\n"
    shapes = {f"seq.{k}.{p}": (4, 4)[: 2 if p == "weight" else 1] for k in (1, 3, 5) for p in ("weight", "bias")}
    proposed = written(tmp_path, shapes, spec)
    assert '"f.repeat_1.{i}.linear_1.weight" = "seq.{2 * i + 1}.weight"' in str(proposed)
    assert proposed.lacking == []
    (tmp_path / "a.mai").write_text(f"{spec}{proposed}\n")
    program = check(tmp_path / "a.mai").program
    assert program is not None
    with TensorFiles(tmp_path / "m.safetensors") as files:
        assert np.array_equal(
            load_weights(program, None)[0]["f.repeat_1.2.linear_1.bias"], files.read("seq.5.bias").numpy()
        )


def test_nothing_rather_than_nonsense(tmp_path: Path) -> None:
    """Where only a shape that several have speaks for a tensor, there is no rule."""
    spec = "net f(x: [4]) -> [4] {\n  param a: [4] = zeros\n  param b: [4] = zeros\n  return x * a + b\n}\n"
    spec += "export g(x: [4]) -> [4] { return f(x) }\n"
    proposed = written(tmp_path, {"q.left": (4,), "q.right": (4,)}, spec)
    assert [w.name for w in proposed.lacking] == ["f.a", "f.b"]
    assert 'ignore "q.left"  # nothing takes it: [4]' in str(proposed)


def test_doubts_are_said(tmp_path: Path) -> None:
    spec = "net f(x: [4]) -> [4] { return linear(linear(x, 4, bias = false), 4, bias = false) }\n"
    spec += "export g(x: [4]) -> [4] { return f(x) }\n"
    proposed = written(tmp_path, {"a.weight": (4, 4), "b.weight": (4, 4)}, spec)
    assert '"f.linear_1.weight" = "a.weight"  # ambiguous: `b.weight` fits as well' in str(proposed)
    assert '"f.linear_2.weight" = "b.weight"  # ambiguous: `a.weight` fits as well' in str(proposed)
    proposed = written(tmp_path, {"a.weight": (4, 4), "c": (5,)}, spec)
    assert '  # no tensor of the file fits "f.linear_2.weight" [4, 4]' in str(proposed)
    assert 'ignore "c"  # nothing takes it: [5]' in str(proposed)


def test_a_square_matrix_beside_transposed_ones(tmp_path: Path) -> None:
    spec = "net f(x: [4]) -> [3] { return linear(linear(x, 4, bias = false), 3, bias = false) }\n"
    spec += "export g(x: [4]) -> [3] { return f(x) }\n"
    proposed = written(tmp_path, {"a.weight": (4, 4), "b.weight": (4, 3)}, spec)
    assert '"f.linear_2.weight" = "b.weight"\'' in str(proposed)
    assert '"f.linear_1.weight" = "a.weight"\'  # ambiguous: it is square' in str(proposed)


def test_the_command(tmp_path: Path) -> None:
    """A spec whose own block is wrong is asked for its parameters all the same."""
    spec = SPEC + 'weights from "m.safetensors" {\n  "nothing" = "like this"\n}\n'
    (tmp_path / "a.mai").write_text(spec)
    save_file({n: torch.randn(s) for n, s in UNKNOWN.items()}, tmp_path / "m.safetensors")
    said = invoke("weights", "map", tmp_path / "m.safetensors", tmp_path / "a.mai")
    assert said.exit_code == 0
    assert said.stdout.startswith('weights from "m.safetensors" {\n')
    assert "the names are those of no family known here" in said.stderr
    listed = invoke("weights", "list", tmp_path / "a.mai")
    assert "f.repeat_1.{i}.mlp_1.linear_1.weight  [12, 8]  3 of them\n" in listed.stdout
    for broken in ("missing.safetensors", "a.mai"):
        assert invoke("weights", "map", tmp_path / broken, tmp_path / "a.mai").exit_code == 1


LIKE_EACH_OTHER = """net v(x: [4]) -> [WIDTH] {
  h = linear(x, 4)
  repeat 3 { h += linear(silu(linear(silu(linear(h, 4)), 4)), 4) }
  return linear(h, WIDTH)
}
export g(x: [4]) -> [WIDTH] { return v(x) }
"""
OWN = {
    f"v.{layer}.{part}": shape
    for layer in ("linear_1", *(f"repeat_1.{i}.linear_{k}" for i in range(3) for k in (1, 2, 3)), "linear_2")
    for part, shape in (("weight", (4, 4)), ("bias", (4,)))
}


def test_a_file_that_the_spec_wrote(tmp_path: Path) -> None:
    """Equal names come before all likeness: one rule, by which every parameter gets its own tensor."""
    spec = LIKE_EACH_OTHER.replace("WIDTH", "4")
    proposed = written(tmp_path, OWN, spec)
    assert str(proposed) == 'weights from "m.safetensors" {\n  "*" = "*"\n}'
    (tmp_path / "a.mai").write_text(f"{spec}{proposed}\n")
    program = check(tmp_path / "a.mai").program
    assert program is not None
    weights, _ = load_weights(program, None)
    with TensorFiles(tmp_path / "m.safetensors") as files:
        assert weights.keys() == files.shapes.keys()
        for name, array in weights.items():
            np.testing.assert_array_equal(array, files.read(name).numpy(), err_msg=name)


def test_a_net_of_another_name(tmp_path: Path) -> None:
    spec = LIKE_EACH_OTHER.replace("WIDTH", "4").replace("v(", "field(")
    proposed = written(tmp_path, OWN, spec)
    assert (proposed.lacking, proposed.doubts) == ([], 0)
    for line in proposed.lines:
        here, _, there = line.rule.partition(" = ")
        assert here.replace("field.", "v.") == there


def test_two_nets_of_other_names_may_be_either(tmp_path: Path) -> None:
    spec = "".join(f"net {n}(x: [4]) -> [4] {{ return linear(linear(x, 4), 4) }}\n" for n in ("first", "second"))
    spec += "export g(x: [4]) -> [4] { return first(x) + second(x) }\n"
    shapes = {f"{n}.linear_{k}.weight": (4, 4) for n in "ab" for k in (1, 2)}
    proposed = written(tmp_path, shapes | {f"{n}.linear_{k}.bias": (4,) for n in "ab" for k in (1, 2)}, spec)
    assert '"second.linear_1.bias" = "b.linear_1.bias"  # ambiguous: `a.linear_1.bias` fits as well' in str(proposed)
    assert "linear_1" not in "".join(line.doubt for line in proposed.lines if "linear_2" in line.rule)


def test_a_file_that_a_spec_like_it_wrote(tmp_path: Path) -> None:
    """What has another shape, or is of another number of turns, is in no rule that asks for equal names."""
    file = {n: s for n, s in OWN.items() if n != "v.repeat_1.1.linear_2.bias"} | {"v.extra": (7,)}
    proposed = written(tmp_path, file, LIKE_EACH_OTHER.replace("WIDTH", "3"))
    lines = [line.rule for line in proposed.lines]
    assert lines[0] == '"v.linear_1.*" = "v.linear_1.*"'
    assert '"v.repeat_1.{i}.linear_1.*" = "v.repeat_1.{i}.linear_1.*"' in lines
    assert '"v.repeat_1.{i}.linear_2.weight" = "v.repeat_1.{i}.linear_2.weight"' in lines
    assert '"v.repeat_1.{i}.linear_2.bias" = "v.repeat_1.{i}.linear_2.bias"' not in lines
    assert '"v.repeat_1.1.linear_2.bias" = "v.linear_2.bias"  # it has the name of another parameter' in str(proposed)
    assert 'ignore "v.extra"' in lines
    assert "v.linear_2.weight" in {w.name for w in proposed.lacking}


ALIKE = """layer mix(x: [d]) -> [d] {
  q = linear(x, d, bias = false)
  k = linear(x, d, bias = false)
  r = silu(linear(x, d))
  return linear(q * k + r, d, bias = false)
}
net f(x: [4]) -> [2] {
  h = linear(x, 4)
  h += mix(rms_norm(h))
  h += mlp(rms_norm(h), 6)
  return linear(h, 2)
}
export g(x: [4]) -> [2] { return f(x) }
"""
MIX = {
    "linear_1": "enter", "rms_norm_1": "n1", "mix_1.linear_1": "m.q", "mix_1.linear_2": "m.k", "mix_1.linear_3": "m.a.r",
    "mix_1.linear_4": "m.o", "rms_norm_2": "n2", "mlp_1.linear_1": "up", "mlp_1.linear_2": "down", "linear_2": "leave",
}  # fmt: skip


OWN_LAYERS = """layer attention(x: [n, w]) -> [n, w] { return linear(linear(linear(linear(x, w), w), w), w) }

layer gated_mlp(x: [n, w]) -> [n, w] { return linear(linear(linear(x, w), w), w) }
"""
NET_OF_OWN = """net f(x: [n, 8]) -> [n, 8] {
  repeat 2 { x += gated_mlp(attention(x)) }
  return x
}

export g(x: [n, 8]) -> [n, 8] { return f(x) }
"""


@pytest.mark.parametrize("is_imported", [False, True])
def test_layers_with_names_of_others(is_imported: bool, tmp_path: Path) -> None:
    """What mai's layers of these names have in which place says nothing of a spec's own."""
    (tmp_path / "own.mai").write_text(OWN_LAYERS)
    (tmp_path / "a.mai").write_text(f'import "own.mai"\n\n{NET_OF_OWN}' if is_imported else OWN_LAYERS + NET_OF_OWN)
    program = check_without_rules(tmp_path / "a.mai", {}).program
    assert program is not None
    parts = [
        "attn.out_proj",
        "attn.q_proj",
        "attn.k_proj",
        "attn.v_proj",
        "mlp.up_proj",
        "mlp.gate_proj",
        "mlp.down_proj",
    ]
    tensors = {"weight": (8, 8), "bias": (8,)}
    shapes = {f"layers.{i}.{p}.{t}": shape for i in range(2) for p in parts for t, shape in tensors.items()}
    proposed = propose("m.safetensors", program.weights, shapes, own=own_layers(program.file))
    assert proposed.family is None
    assert proposed.lacking == []
    assert proposed.doubts == len(proposed.lines) == 14
    assert all('= "layers.{i}.' in line.rule and "_00_" not in str(line) for line in proposed.lines)


def test_no_line_is_wrong_without_a_mark(tmp_path: Path) -> None:
    """Of modules of equal shapes every line is marked, and a bias stays with its weight, which decides for both."""
    (tmp_path / "a.mai").write_text(ALIKE)
    program = check_without_rules(tmp_path / "a.mai", {}).program
    assert program is not None
    right = {n: f"{MIX[n[2:].rpartition('.')[0]]}.{n.rpartition('.')[2]}" for n in program.weights}
    shapes = {right[name]: weight.shape for name, weight in program.weights.items()}
    proposed = propose("m.safetensors", program.weights, {name: shapes[name] for name in sorted(shapes)})
    lines = {line.rule.split('"')[1]: (line.rule.split('"')[3], line.doubt) for line in proposed.lines}
    assert lines.keys() == right.keys()
    assert {n for n, (there, doubt) in lines.items() if there != right[n] and not doubt} == set()
    alike = {f"f.mix_1.linear_{k}.weight" for k in (1, 2, 4)} | {f"f.rms_norm_{k}.weight" for k in (1, 2)}
    pair = {f"f.{n}.{part}" for n in ("linear_1", "mix_1.linear_3") for part in ("weight", "bias")}
    assert {n for n, (_, doubt) in lines.items() if doubt} == alike | pair
    assert lines["f.rms_norm_1.weight"] == ("n1.weight", "ambiguous: `n2.weight` fits as well")
    for module in ("linear_1", "mix_1.linear_3"):
        assert lines[f"f.{module}.weight"][0][:-6] == lines[f"f.{module}.bias"][0][:-4]


def test_the_one_with_a_bias_is_certain(tmp_path: Path) -> None:
    spec = "net f(x: [4]) -> [4] { return linear(linear(x, 4, bias = false), 4) }\n"
    spec += "export g(x: [4]) -> [4] { return f(x) }\n"
    proposed = written(tmp_path, {"a.weight": (4, 4), "a.bias": (4,), "b.weight": (4, 4)}, spec)
    assert proposed.doubts == 0
    assert '"f.linear_1.weight" = "b.weight"' in str(proposed)
    proposed = written(tmp_path, {"a.weight": (4, 4), "b.weight": (4, 4), "c.bias": (4,)}, spec)
    assert '"f.linear_2.weight" = "b.weight"  # ambiguous: `a.weight` fits as well' in str(proposed)


LOOKS = """net f(x: [P, 8]) -> [P, 8] {
  h = x
  repeat 2 {
    h += attention(layer_norm(h), 2)
    h += mlp(layer_norm(h), 12)
  }
  return h
}
export g(x: [P, 8]) -> [P, 8] { return f(x) }
"""


def test_queries_keys_and_values_in_one_tensor(tmp_path: Path) -> None:
    """As torch's own modules keep them; a bias of the keys cancels."""
    layer = torch.nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True, activation="gelu")
    net = torch.nn.TransformerEncoder(layer, 2)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter)
    save_file(net.state_dict(), tmp_path / "m.safetensors")
    (tmp_path / "a.mai").write_text(LOOKS)
    proposed = proposal(tmp_path / "a.mai", tmp_path / "m.safetensors")
    assert (proposed.family, proposed.doubts, proposed.lacking) == ("torch's own modules", 0, [])
    (tmp_path / "a.mai").write_text(f"{LOOKS}{proposed}\n")
    program = check(tmp_path / "a.mai").program
    assert program is not None
    weights = load_weights(program, None)[0]
    query, key, value = net.layers[1].self_attn.in_proj_weight.chunk(3)
    for number, part in ((1, query), (2, key), (3, value)):
        loaded = weights[f"f.repeat_1.1.attention_1.linear_{number}.weight"]
        np.testing.assert_array_equal(np.asarray(loaded), part.detach().numpy())
