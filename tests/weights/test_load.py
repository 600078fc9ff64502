"""Files to parameters by rules: what is done to tensors, and the messages where something does not fit."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.compiler.weights.tensor_files import TensorFiles
from mai.runtime import load
from mai.spec.diagnostics import Diagnostic, MaiError

NET = """net f(x: [4]) -> [6] {
  h = linear(x, 4)
  repeat 2 { h += linear(h, 4, bias = false) }
  return linear(h, 6)
}
export g(x: [4]) -> [6] { return f(x) }
"""
RULES = """"f.linear_1.*" = "in.*"
"f.repeat_1.{i}.linear_1.weight" = "layer.{i + 1}.w"
"f.linear_2.*" = "out.*\""""
STATE = {
    "in.weight": (4, 4), "in.bias": (4,), "layer.1.w": (4, 4), "layer.2.w": (4, 4), "out.weight": (6, 4), "out.bias": (6,),
}  # fmt: skip
Make = Callable[..., Program]


def tensors(shapes: dict[str, tuple[int, ...]] = STATE) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A program with rules, and a file of tensors beside it."""

    def spec_with(rules: str = RULES, state: dict[str, torch.Tensor] | None = None, net: str = NET) -> Program:
        path = tmp_path / "a.mai"
        path.write_text(f'{net}weights from "m.safetensors" {{\n{rules}\n}}\n')
        save_file(tensors() if state is None else state, tmp_path / "m.safetensors")
        checked = check(path)
        assert checked.program is not None, [(d.slug, d.message) for d in checked.diagnostics]
        return checked.program

    return spec_with


def refused(program: Program, path: Path | None = None) -> list[Diagnostic]:
    with pytest.raises(MaiError) as error:
        load_weights(program, path)
    return list(error.value.diagnostics)


FAMILY = {
    "a.1_Dense.linear.weight": (4, 4),
    "a.1_Dense.linear.bias": (4,),
    "a.2_Dense.linear.weight": (6, 4),
    "head": (6,),
}
DENSE = """net dense_1(x: [4]) -> [4] { return linear(x, 4) }
net dense_2(x: [4]) -> [6] { return linear(x, 6) }
export g(x: [4]) -> [6] { return dense_2(dense_1(x)) }
"""


def test_the_rules_of_a_family(make: Make) -> None:
    """Of a part of the file, beside a rule of its own; a tensor that is missing is told, and no parameter keeps its first value in silence."""
    rules = '"*" = family("dense", "a")\n"dense_2.linear_1.bias" = "head"'
    state = tensors(FAMILY)
    weights, _ = load_weights(make(rules, state, DENSE), None)
    files = {"dense_1.linear_1.weight": "a.1_Dense.linear.weight", "dense_2.linear_1.bias": "head"}
    for name, file in files.items():
        np.testing.assert_array_equal(weights[name], state[file])
    lacking = {n: t for n, t in state.items() if n != "a.1_Dense.linear.bias"}
    (message,) = refused(make(rules, lacking, DENSE))
    assert "has no tensor: the file lacks `a.1_Dense.linear.bias`" in message.message
    (message,) = refused(make(rules.replace('"a"', '"aa"'), state, DENSE))
    assert "has no tensor: none begins with `aa.`" in message.message and "`a`" in str(message.help)
    assert message.span is not None and message.span.text == 'family("dense", "aa")'


def test_names_by_patterns(make: Make) -> None:
    weights, steps = load_weights(make(), None)
    state = tensors()
    assert steps is None
    np.testing.assert_array_equal(weights["f.repeat_1.1.linear_1.weight"], state["layer.2.w"])
    np.testing.assert_array_equal(weights["f.linear_2.bias"], state["out.bias"])
    assert len(weights) == len(state)


def test_a_file_is_gone_through_once(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its checksum is of all its bytes."""
    checked: list[Path] = []
    monkeypatch.setattr(TensorFiles, "check", lambda files: checked.append(files.path))
    own, path = dict(load_weights(spec := make(), None)[0]), tmp_path / "own.safetensors"
    checked.clear()
    save_file({name: torch.from_numpy(array) for name, array in own.items()}, path)
    assert [*load_weights(spec, path)[0]] == [*own]
    assert checked == [path]


def test_what_is_done_to_tensors(make: Make) -> None:
    """Transposes, cuts, splits, joins and half precision; every number lands where numpy would put it."""
    rules = """"f.linear_1.weight" = "a"[1:5]'
"f.linear_1.bias" = "b"[0, :, 2]
ignore "a"[0]
ignore "b"[0, :, :2]
("f.repeat_1.0.linear_1.weight", "f.repeat_1.1.linear_1.weight") = split("c", 2)
"f.linear_2.weight" = concat("d", split("e"', 2, axis = 0)[1], axis = 0)
ignore split("e"', 2, axis = 0)[0]
"f.linear_2.bias" = first"""
    a, b, c, d, e = (torch.randn(s) for s in ((5, 4), (1, 4, 3), (4, 8), (3, 4), (4, 6)))
    program = make(rules, {"a": a, "b": b, "c": c.half(), "d": d, "e": e.bfloat16()})
    weights, _ = load_weights(program, None)
    np.testing.assert_array_equal(weights["f.linear_1.weight"], a[1:5].T)
    np.testing.assert_array_equal(weights["f.linear_1.bias"], b[0, :, 2])
    np.testing.assert_array_equal(weights["f.repeat_1.1.linear_1.weight"], c.half()[:, 4:].float())
    np.testing.assert_array_equal(weights["f.linear_2.weight"], torch.cat([d, e.bfloat16().float().T[3:]]))
    assert all(w.dtype == np.float32 and w.flags.c_contiguous for w in weights.values())


def test_places_by_numbers_of_a_name(make: Make) -> None:
    """A tensor that has what all layers have, its parts by the numbers of theirs; what no layer takes is told."""
    rules = RULES.replace('"layer.{i + 1}.w"', '"all"["{i + 1}", :, "{i}"]\'')
    state = {n: t for n, t in tensors().items() if not n.startswith("layer")}
    every = torch.randn(3, 4, 2, 4)
    (said,) = refused(make(rules, {**state, "all": every}))
    assert said.message == "nothing takes `all` [3, 4, 2, 4]: of its numbers 64 are left"
    left_out = '\nignore "all"[0]\nignore "all"[1, :, 1]\nignore "all"[2, :, 0]'
    weights, _ = load_weights(make(rules + left_out, {**state, "all": every}), None)
    np.testing.assert_array_equal(weights["f.repeat_1.0.linear_1.weight"], every[1, :, 0].T)
    np.testing.assert_array_equal(weights["f.repeat_1.1.linear_1.weight"], every[2, :, 1].T)
    (said,) = refused(make(rules, {**state, "all": every[:2]}))
    assert "has no place 2 on an axis of 2" in said.message
    (said,) = refused(make(rules.replace('"{i + 1}"', '"{i - 1}"'), {**state, "all": every}))
    assert "has no place -1 on an axis of 3" in said.message, "the last one is not what stands before the first"


def test_first_values_are_those_of_the_params_lines(make: Make) -> None:
    plain = make(RULES.replace('"out.*"', "first"), {n: t for n, t in tensors().items() if "out" not in n})
    bias = load_weights(plain, None, seed=3)[0]["f.linear_2.bias"]
    assert 0 < np.abs(bias).max() <= 0.5
    np.testing.assert_array_equal(bias, load_weights(plain, None, seed=3)[0]["f.linear_2.bias"])
    assert not np.array_equal(bias, load_weights(plain, None, seed=4)[0]["f.linear_2.bias"])


def test_a_new_head_beside_a_catch_all(make: Make) -> None:
    """Of `= first` and a rule with a tensor the one that says more of the name counts."""
    names = [w.name for w in make(RULES, tensors()).weights.values()]
    own = {name: torch.full(tuple(make(RULES, tensors()).weights[name].shape), 7.0) for name in names}
    head = "f.linear_2.*"
    rules = f'"*" = "*"\n"{head}" = first\nignore "{head}"'
    weights = load_weights(make(rules, own), None)[0]
    assert {n for n, value in weights.items() if (value == 7).all()} == {n for n in names if "linear_2" not in n}
    other = load_weights(make('"*" = first\n"f.linear_2.*" = "f.linear_2.*"\nignore "*"', own), None)[0]
    assert {n for n, value in other.items() if (value == 7).all()} == {n for n in names if "linear_2" in n}


def test_a_file_says_what_its_weights_began_as(make: Make, tmp_path: Path) -> None:
    program = make()
    path = export(program, "g", Trained(load_weights(program, None)[0]), tmp_path).path
    assert load(path, providers="cpu").manifest.weights_from == "m.safetensors"


def test_shards(make: Make, tmp_path: Path) -> None:
    program, state = make(), tensors()
    whole, _ = load_weights(program, None)
    names = sorted(state)
    for file, names_of_file in (("s1.safetensors", names[:3]), ("s2.safetensors", names[3:])):
        save_file({n: state[n] for n in names_of_file}, tmp_path / file)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {n: f"s{1 + (i > 2)}.safetensors" for i, n in enumerate(names)}}))
    for path in (index, tmp_path):
        sharded, _ = load_weights(program, path)
        assert all(np.array_equal(sharded[n], whole[n]) for n in whole)
    index.write_text(json.dumps({"weight_map": dict.fromkeys(names, "s1.safetensors")}))
    assert "names `layer.2.w`, which its shards lack" in refused(program, index)[0].message
    for wrong in ("../s1.safetensors", "/s1.safetensors", "..", "sub/s1.safetensors", "sub\\s1.safetensors"):
        index.write_text(json.dumps({"weight_map": dict.fromkeys(names, wrong)}))
        assert [d.slug for d in refused(program, index)] == ["path-outside"]
    for text in ("{", "[]", '{"weight_map": 3}', '{"weight_map": {"a": 3}}', "\xff"):
        index.write_text(text, encoding="latin-1")
        assert [d.slug for d in refused(program, index)] == ["weights-mismatch"]


def test_tied_weights_are_the_same(make: Make) -> None:
    rules = RULES + '\n"f.linear_2.weight" = "head.weight"'
    state = tensors()
    alone, _ = load_weights(make(rules, state), None)
    both, _ = load_weights(make(rules, {**state, "head.weight": state["out.weight"].clone()}), None)
    np.testing.assert_array_equal(alone["f.linear_2.weight"], both["f.linear_2.weight"])
    renamed = {"head.weight" if n == "out.weight" else n: t for n, t in state.items()}
    other, _ = load_weights(make(rules, renamed), None)
    np.testing.assert_array_equal(other["f.linear_2.weight"], state["out.weight"])
    (said,) = refused(make(rules, {**state, "head.weight": state["out.weight"] + 1}))
    assert "`out.weight` and `head.weight` are one parameter in the spec" in said.message


def test_other_shapes_are_told_at_the_rule_with_both(make: Make) -> None:
    state = tensors({**STATE, "out.weight": (4, 6), "layer.1.w": (4, 5), "layer.2.w": (4, 5)})
    first, second = refused(make(RULES, state))
    assert first.message == (
        "`f.repeat_1.0.linear_1.weight` is [4, 4] in the spec; `layer.1.w` [4, 5] in the file (and 1 more like it)"
    )
    assert first.span is not None and first.span.text == '"layer.{i + 1}.w"'
    assert second.message == "`f.linear_2.weight` is [6, 4] in the spec; `out.weight` [4, 6] in the file"
    assert second.help == "the file has it transposed: write `'` after its name"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ('"f.linear_1.bias" = "in.bias"\'', "`'` changes the last two axes, [4] has 1"),
        ('"f.linear_1.bias" = "in.bias"[0, 0]', "[4] has no 2 axes to cut"),
        ('"f.linear_1.bias" = "in.bias"[4]', "[4] has no place 4 on an axis of 4"),
        ('"f.linear_1.bias" = "in.bias"[1]', "[] after what the rule does"),
        ('"f.linear_1.bias" = split("in.bias", 3)[0]', "an axis of 4 cannot be split into 3 equal parts"),
        ('"f.linear_1.bias" = split("in.bias", 2, axis = 1)[0]', "[4] has no axis 1"),
        ('"f.linear_1.bias" = concat("in.bias", "in.weight")', "cannot be joined along axis 0"),
        ('"f.linear_1.bias" = concat("in.bias", "in.bias", axis = 2)', "[4] has no axis 2"),
        ('"f.linear_1.bias" = "in.bais"', "the file lacks `in.bais`"),
    ],
)
def test_steps_that_do_not_fit(make: Make, rule: str, said: str) -> None:
    rules = RULES.replace('"f.linear_1.*" = "in.*"', f'"f.linear_1.weight" = "in.weight"\n{rule}')
    (diagnostic,) = refused(make(rules))
    assert said in diagnostic.message
    assert diagnostic.slug == "weights-mismatch"
    assert diagnostic.span is not None and diagnostic.span.line == 9


def test_what_nothing_takes_is_told(make: Make) -> None:
    more = {f"h.{i}.mask": torch.zeros(2, 3) for i in range(5)} | {"scale": torch.ones(())}
    mask, scale = refused(make(RULES, tensors() | more))
    assert mask.slug == scale.slug == "weights-unused"
    assert mask.message == "nothing takes `h.0.mask` [2, 3] (and 4 more like it)"
    assert mask.help == 'write `ignore "h.{i}.mask"` if that is meant'
    load_weights(make(RULES + '\nignore "h.{i}.mask"\nignore "scale"\nignore "not there"', tensors() | more), None)


def test_a_tensor_that_is_cut_is_used_whole(make: Make) -> None:
    rules = RULES.replace(
        '"f.linear_1.*" = "in.*"', '"f.linear_1.weight" = "in.weight"[:4]\n"f.linear_1.bias" = "in.bias"'
    )
    state = tensors({**STATE, "in.weight": (6, 4)})
    (said,) = refused(make(rules, state))
    assert said.message == "nothing takes `in.weight` [6, 4]: of its numbers 8 are left"
    load_weights(make(rules + '\nignore "in.weight"[4:]', state), None)


def test_another_file_of_the_same_names(make: Make, tmp_path: Path) -> None:
    program = make()
    own, _ = load_weights(program, None)
    other = {n: t + 1 for n, t in tensors().items()}
    save_file(other, tmp_path / "other.safetensors")
    weights, _ = load_weights(program, tmp_path / "other.safetensors")
    np.testing.assert_allclose(weights["f.linear_1.bias"], own["f.linear_1.bias"] + 1)


def test_a_trained_file_needs_no_rules(make: Make, tmp_path: Path) -> None:
    program = make()
    own, _ = load_weights(program, None)
    save_file({n: torch.from_numpy(a) * 2 for n, a in own.items()}, tmp_path / "t.safetensors", {"trained_steps": "7"})
    weights, steps = load_weights(program, tmp_path / "t.safetensors")
    assert steps == 7
    np.testing.assert_allclose(weights["f.linear_1.bias"], own["f.linear_1.bias"] * 2)


def test_nothing_is_unpickled(make: Make, tmp_path: Path) -> None:
    """Not even a pickle that calls itself safetensors."""
    marker = tmp_path / "ran"

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return open, (str(marker), "w")  # type: ignore[return-value]

    program = make()
    for name, slug in (("m.bin", "weights-pickle"), ("m.pt", "weights-pickle"), ("p.safetensors", "weights-mismatch")):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
        assert [d.slug for d in refused(program, tmp_path / name)] == [slug]
    assert not marker.exists()


@pytest.mark.parametrize("size", [0, 7, 8, 40, 200])
def test_a_damaged_file(make: Make, tmp_path: Path, size: int) -> None:
    program = make()
    path = tmp_path / "m.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    assert [d.slug for d in refused(program)] == ["weights-mismatch"]
    path.unlink()
    assert [d.slug for d in refused(program)] == ["weights-missing"]


@pytest.mark.parametrize("name", ['a"b', "a\nb", "a\x1b[2Jb", "a" * 1001])
def test_names_that_no_rule_can_say(make: Make, tmp_path: Path, name: str) -> None:
    program = make()
    save_file({**tensors(), name: torch.zeros(1)}, tmp_path / "m.safetensors")
    (said,) = refused(program)
    assert said.slug == "weights-mismatch"
    assert said.message.isprintable()


def test_numbers_of_thousands_of_digits_in_a_file(make: Make) -> None:
    long = f"h.{'9' * 900}.mask"
    (said,) = refused(
        make(RULES + '\nignore "h.{i}.mask"', {**tensors(), long: torch.zeros(1), "h.1.mask": torch.zeros(1)})
    )
    assert said.slug == "weights-unused"


def test_a_spec_reads_nothing_outside_its_folder(make: Make, tmp_path: Path) -> None:
    program = make()
    inner = tmp_path / "inner"
    inner.mkdir()
    for kind in ("m.safetensors", "a.mai"):
        (tmp_path / kind).rename(inner / kind)
    checked = check(inner / "a.mai").program
    assert checked is not None and program.loading is not None
    save_file(tensors(), tmp_path / "secret.safetensors")
    (inner / "m.safetensors").unlink()
    (inner / "m.safetensors").symlink_to(tmp_path / "secret.safetensors")
    assert [d.slug for d in refused(checked)] == ["path-outside"]
    load_weights(checked, inner / "m.safetensors")  # what the command line names is the user's own choice


def test_tensors_are_read_when_they_are_asked_for(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shapes come from the headers: a file that does not fit is refused before any of it is read."""
    read: list[str] = []
    own = TensorFiles.read
    monkeypatch.setattr(TensorFiles, "read", lambda self, name: (read.append(name), own(self, name))[1])
    refused(make(RULES, tensors({**STATE, "out.bias": (5,)})))
    assert read == []
    load_weights(make(), None)
    assert sorted(read) == sorted(STATE)
