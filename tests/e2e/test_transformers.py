"""Networks of transformers, with its weights: the logits are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.texts.transformers_weights import Unlike, weights_of
from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export, export_step
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.run import run
from mai.runtime import load

pytestmark = pytest.mark.slow

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

SPECS = Path(__file__).parents[2] / "benchmarks" / "specs"
EXAMPLES = Path(__file__).parents[2] / "examples"
VOCAB, WIDTH, DEPTH, HEADS, HIDDEN = 97, 48, 3, 6, 80
TOLERANCE = 1e-4


def program_of(path: Path, **sets: int) -> Program:
    checked = check(path, {name: str(value) for name, value in sets.items()})
    assert checked.program is not None, [(d.slug, d.message) for d in checked.diagnostics]
    return checked.program


def shaken(model: Any) -> Any:
    """Norms and biases that are not the ones and zeros that a new model has."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 1:
                weight += 0.3 * torch.randn(weight.shape, generator=generator)
    return model.eval()


def gpt2(tied: bool = True, **more: Any) -> Any:
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=VOCAB, n_embd=WIDTH, n_layer=DEPTH, n_head=HEADS, initializer_range=0.3, bos_token_id=0,
        eos_token_id=1, tie_word_embeddings=tied, **{"n_positions": 32, **more},
    )  # fmt: skip
    return shaken(transformers.GPT2LMHeadModel(config))


def llama(kv_heads: int = 2, **more: Any) -> Any:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=VOCAB, hidden_size=WIDTH, num_hidden_layers=DEPTH, num_attention_heads=HEADS,
        num_key_value_heads=kv_heads, intermediate_size=HIDDEN, initializer_range=0.3,
        **{"max_position_embeddings": 64, **more},
    )  # fmt: skip
    return shaken(transformers.LlamaForCausalLM(config))


def gpt2_program(tied: bool = True) -> Program:
    sets = {"vocab": VOCAB, "context": 32, "d": WIDTH, "depth": DEPTH, "heads": HEADS, "tied": int(tied)}
    return program_of(SPECS / "gpt2.mai", **sets)


def llama_program(kv_heads: int = 2) -> Program:
    sets = {"vocab": VOCAB, "d": WIDTH, "depth": DEPTH, "heads": HEADS, "kv_heads": kv_heads, "hidden": HIDDEN}
    return program_of(SPECS / "llama.mai", **sets)


CASES = {
    "gpt2-tied": (gpt2_program, gpt2),
    "gpt2-untied": (lambda: gpt2_program(False), lambda: gpt2(False)),
    "llama": (llama_program, llama),
    "llama-one-kv-head": (lambda: llama_program(1), lambda: llama(1)),
    "llama-all-kv-heads": (lambda: llama_program(HEADS), lambda: llama(HEADS)),
}
LONG = 128


def difference(ours: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> float:
    assert ours.shape == expected.shape
    return float(np.abs(ours - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("case", CASES)
def test_logits(case: str, tmp_path: Path) -> None:
    make_program, make_model = CASES[case]
    program, model = make_program(), make_model()
    weights = weights_of(program, model)
    tokens = np.random.default_rng(0).integers(0, VOCAB, (3, 17))
    with torch.inference_mode():
        expected = model(torch.from_numpy(tokens)).logits.numpy()
    assert expected.std() > 0.3

    graph = forms.prepare(program.exports["predict"])
    parameters = Weights(graph.weights)
    parameters.load_state_dict({name: torch.from_numpy(weights[name]) for name in graph.weights})
    (lowered,) = run(lower(graph, parameters.eval(), program.name), graph, {"x": tokens}, {})
    assert difference(lowered, expected) < TOLERANCE

    compiled = load(export(program, "predict", Trained(weights), tmp_path).path, providers="cpu")
    assert difference(compiled(x=tokens), expected) < TOLERANCE


def long_gpt2_program() -> Program:
    sets = {"vocab": VOCAB, "context": 160, "d": WIDTH, "depth": DEPTH, "heads": HEADS, "tied": 1}
    return program_of(SPECS / "gpt2.mai", **sets)


TEXTS = {
    "gpt2": (long_gpt2_program, lambda: gpt2(n_positions=160)),
    "llama": (llama_program, lambda: llama(max_position_embeddings=256)),
}


@pytest.mark.parametrize("case", TEXTS)
def test_greedy_tokens(case: str, tmp_path: Path) -> None:
    """One prompt, and three of different lengths: by one call of the whole graph, by the step file, and in torch.

    The whole graph with either form of the cache, and with drafts.
    """
    make_program, make_model = TEXTS[case]
    program, model = make_program(), make_model()
    weights = weights_of(program, model)
    compiled = load(export(program, "generate", Trained(weights), tmp_path).path, providers="cpu")
    export_step(program, "generate", Trained(weights), tmp_path)
    in_levels = export(
        program, "generate", Trained(weights), tmp_path / "levels", CompileOptions(cache="two-level")
    ).path
    levelled = load(in_levels, providers="cpu")
    drafted = load(
        export(program, "generate", Trained(weights), tmp_path / "drafts", CompileOptions(drafts=7)).path,
        providers="cpu",
    )
    graph = forms.prepare(program.exports["generate"], cache="concat")
    parameters = Weights(graph.weights)
    parameters.load_state_dict({name: torch.from_numpy(weights[name]) for name in graph.weights})
    lowered = lower(graph, parameters.eval(), program.name)
    settings: dict[str, Any] = {"count": LONG, "temperature": 0.0, "stop": -1}
    rng = np.random.default_rng(3)
    for sizes in ((12,), (9, 17, 4)):
        rows = [rng.integers(3, VOCAB, size) for size in sizes]
        wanted = [greedy(model, row) for row in rows]
        longest = max(sizes)
        padded = np.stack([np.pad(row, (longest - len(row), 0), constant_values=-1) for row in rows])
        streamed = np.stack(list(compiled.stream(padded, **settings)), 1)
        (by_torch,) = run(lowered, graph, {"prompt": padded}, settings)
        for place, row in enumerate(wanted):
            np.testing.assert_array_equal(compiled(prompt=padded, **settings)[place, longest:], row)
            np.testing.assert_array_equal(levelled(prompt=padded, **settings)[place, longest:], row)
            np.testing.assert_array_equal(drafted(prompt=padded, **settings)[place, longest:], row)
            np.testing.assert_array_equal(streamed[place], row)
            np.testing.assert_array_equal(by_torch[place, longest:], row)


def greedy(model: Any, row: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    with torch.inference_mode():
        result = model.generate(
            torch.from_numpy(row)[None], do_sample=False, max_new_tokens=LONG, min_new_tokens=LONG, eos_token_id=None,
            pad_token_id=0,
        )  # fmt: skip
    tokens: np.ndarray[Any, Any] = result[0, len(row) :].numpy()
    return tokens


def test_the_same_tokens_everywhere(tmp_path: Path) -> None:
    """One and two threads, alone and in a batch of eight, opsets 21 and 23."""
    program = llama_program()
    weights = weights_of(program, llama())
    prompt = np.random.default_rng(5).integers(3, VOCAB, (8, 6))
    drawn = {"count": 24, "temperature": 0.9, "top_k": 20, "top_p": 0.9, "seed": 11, "stop": -1}
    texts = {}
    for opset in (21, 23):
        path = export(program, "generate", Trained(weights), tmp_path / str(opset), CompileOptions(opset=opset)).path
        for threads in (1, 2):
            model = load(path, providers="cpu", threads=threads)
            texts[opset, threads] = model(prompt=prompt, **drawn)
            np.testing.assert_array_equal(model(prompt=prompt[:1], **drawn), texts[opset, threads][:1])
    for other in texts.values():
        np.testing.assert_array_equal(other, texts[23, 1])
    assert not np.array_equal(texts[23, 1], load(path, providers="cpu")(prompt=prompt, **{**drawn, "seed": 12}))


def test_a_wrong_convention_would_show() -> None:
    """The comparison is worth something only if what could be mixed up changes the logits."""
    model = llama()
    tokens = torch.arange(12)[None]
    with torch.inference_mode():
        before = model(tokens).logits.numpy()
        pairs = torch.arange(WIDTH // HEADS).reshape(2, -1).T.reshape(-1)
        for layer in model.model.layers:
            for weight in (layer.self_attn.q_proj.weight, layer.self_attn.k_proj.weight):
                weight.copy_(weight.unflatten(0, (-1, WIDTH // HEADS))[:, pairs].flatten(0, 1))
        assert difference(model(tokens).logits.numpy(), before) > 100 * TOLERANCE


def test_the_specs_are_the_example_and_more() -> None:
    """The benchmark's Llama is the example's, with an export of the logits."""

    def net(path: Path) -> str:
        return path.read_text(encoding="utf-8").split("export ")[0]

    assert net(SPECS / "llama.mai") == net(EXAMPLES / "llama.mai")


@pytest.mark.parametrize(
    ("make_program", "make_model", "said"),
    [
        (gpt2_program, lambda: gpt2(activation_function="gelu"), "activation_function"),
        (gpt2_program, lambda: gpt2(layer_norm_epsilon=1e-6), "layer_norm_epsilon"),
        (gpt2_program, lambda: gpt2(tied=False), "linear_1.weight"),
        (lambda: gpt2_program(False), gpt2, "linear_1.weight"),
        (gpt2_program, llama, "embed_1.weight"),
        (llama_program, lambda: llama(rms_norm_eps=1e-5), "rms_norm_eps"),
        (llama_program, lambda: llama(attention_bias=True), "attention_bias"),
        (llama_program, lambda: llama(rope_parameters={"rope_type": "default", "rope_theta": 500.0}), "rope"),
        (lambda: llama_program(1), llama, "kv_heads"),
    ],
)
def test_another_network_is_refused(make_program: Any, make_model: Any, said: str) -> None:
    with pytest.raises(Unlike, match=said):
        weights_of(make_program(), make_model())


def test_a_tensor_left_over_is_named() -> None:
    model = llama()
    model.model.register_buffer("more", torch.zeros(3))
    with pytest.raises(Unlike, match=r"no place for model\.more"):
        weights_of(llama_program(), model)
