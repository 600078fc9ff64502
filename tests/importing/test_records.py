"""The records of families: their defaults are the reference's, and they know each of its fields; what they do not know is refused."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from mai.compiler.importing.config import joined_config, read_settings
from mai.compiler.importing.importing import import_folder
from mai.compiler.importing.render import UnknownModel, number_text, render, turns_text
from mai.spec.diagnostics import MaiError
from mai.spec.family_records import Record, family_records
from tests.support.command import invoke
from tests.support.models.decoder_folders import DECODERS
from tests.support.models.model_folders import ENCODERS, SEQ2SEQ, save

RECORDS = {name: record for name, record in family_records().items() if "reference" in record}


def generation_of(record: Record) -> Record:
    return family_records()[record.get("generation", "generation")]


def speaks_of(record: Record) -> set[str]:
    return {name for table in ("fields", "only", "words") for name in record.get(table, {})}


def stated(config: Any, field: str) -> Any:
    """A field of a config; also one that some layers have for themselves, which it does not tell otherwise."""
    try:
        return getattr(config, field, None)
    except RuntimeError:
        return vars(config).get(field)


def said_by(config: Any, record: Record, field: str) -> Any:
    """What the reference says of a field, under one of its names; those of configs inside are paths."""
    wholes = (config, *(type(getattr(config, inside))() for inside in record.get("inner", {})))
    names = (field, *(written for written, name in record.get("names", {}).items() if name == field))
    for value, path in product(wholes, names):
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else stated(value, part)
        if value is not None:
            return value
    return None


@pytest.mark.parametrize("name", RECORDS)
def test_what_a_record_says_is_what_the_reference_says(name: str) -> None:
    library = pytest.importorskip("transformers", reason="transformers is not installed")
    record, config = RECORDS[name], getattr(library, RECORDS[name]["reference"])()
    assert record["model_type"] == config.model_type
    settings = read_settings(record, {}, "config.json")
    for field, value in (dict.fromkeys(record.get("words", {})) | record["fields"]).items():
        expected = said_by(config, record, field)
        is_derived = settings[field] == "" or (field == "truncate" and settings["rope_type"] == "unsaid")
        if expected is None or is_derived or (value in (False, [], "auto") and field != "max_position_embeddings"):
            continue
        expected = list(expected) if isinstance(expected, tuple) else expected
        words = record.get("words", {}).get(field, {})
        assert settings[field] == (words[expected] if words and isinstance(expected, str) else expected), field
    said = joined_config(record, json.loads(json.dumps(config.to_dict())), "config.json")
    texts = {n: v for n, v in said.items() if n in speaks_of(generation_of(record)) - speaks_of(record)}
    read_settings(generation_of(record), texts, "config.json")
    read_settings(record, {n: v for n, v in said.items() if n not in texts}, "config.json")
    for architecture in record["architectures"]:
        assert hasattr(library, architecture)


PUBLISHED: dict[str, dict[str, Any]] = {
    "gemma": {"hidden_act": "gelu", "hidden_activation": None, "head_dim": 256, "rope_scaling": None},
    "gemma2": {"hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh", "sliding_window_size": 4096},
    "gemma3_text": {"rope_local_base_freq": 10000, "rope_theta": 1000000, "sliding_window_pattern": 6, "cache_implementation": "hybrid"},
    "qwen2": {"use_mrope": False, "sliding_window": 131072, "rope_theta": 1000000.0, "max_window_layers": 28},
    "llama": {"is_llama_config": True, "rope_interleaved": False, "rope_scaling": {"type": "yarn", "rope_type": "yarn", "factor": 2.0, "finetuned": True},
              "transformers.js_config": {"dtype": "q4", "kv_cache_dtype": {"q4f16": "float16"}}, "max_sequence_length": 2048},
    "gpt2": {"n_ctx": 1024, "n_special": 0, "predict_special_tokens": True, "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}}, "summary_type": "cls_index"},
    "gpt_neox": {"rotary_emb_base": 10000, "rotary_pct": 0.25, "custom_pipelines": {"text-generation": {"pt": "A"}}},
    "phi3": {"auto_map": {"AutoConfig": "configuration_phi3.Phi3Config"}, "interpolate_factor": 1, "lm_head_bias": False, "full_attn_mod": 1, "resid_pdrop": 0.0, "sliding_window": 2047},
    "mamba": {"d_inner": 1536, "ssm_cfg": {}, "rms_norm": True, "fused_add_norm": True, "time_step_rank": 48, "intermediate_size": 1536},
    "distilbert": {"tie_weights_": True, "sinusoidal_pos_embds": False, "finetuning_task": "sst-2", "seq_classif_dropout": 0.2},
    "modernbert": {"global_rope_theta": 160000.0, "local_rope_theta": 10000.0, "layer_norm_eps": 1e-05, "reference_compile": None},
    "jamba": {"calc_logits_for_entire_prompt": False, "mamba_inner_layernorms": True, "num_logits_to_keep": 1, "sliding_window": None},
    "falcon_h1": {"attn_layer_indices": None, "mamba_use_mlp": True, "mlp_expansion_factor": 8, "head_dim": 64, "rope_theta": 1e11},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"], "init_method": "mup", "normalization_function": "rmsnorm",
                         "position_embedding_type": "nope", "mamba_d_head": 64, "num_local_experts": 0, "rope_scaling": None},
    "deberta_v2": {"pos_att_type": "p2c|c2p", "norm_rel_ebd": "layer_norm", "share_att_key": True, "position_buckets": 256, "pooler_dropout": 0},
    "wav2vec2": {"feat_extract_dropout": 0.0, "gradient_checkpointing": True, "hidden_dropout_prob": 0.1, "num_feat_extract_layers": 7},
    "swin": {"path_norm": True, "num_layers": 4, "hidden_size": 768, "out_features": ["stage4"], "out_indices": [4], "drop_path_rate": 0.1},
    "mpnet": {"relative_attention_num_buckets": 32, "attention_probs_dropout_prob": 0.1, "layer_norm_eps": 1e-05},
    "detr": {"backbone": "resnet50", "backbone_config": None, "dilation": None, "backbone_kwargs": {"in_chans": 3, "out_indices": [1, 2, 3, 4]}},
    "starcoder2": {"attention_softmax_in_fp32": True, "scale_attention_softmax_in_fp32": True, "scale_attn_weights": True, "mlp_type": "default",
                   "activation_function": "gelu", "layer_norm_epsilon": 1e-05, "norm_type": "layer_norm", "embedding_dropout": 0.1},
    "falcon": {"apply_residual_connection_post_layernorm": False, "alibi": False, "ff_factor": 4, "hidden_dropout": 0.0, "multi_query": True},
    "cohere": {"model_max_length": 131072, "use_qk_norm": False}, "cohere2": {"layer_switch": 4, "position_embedding_type": "rope_gptj"},
    "mpt": {"tokenizer_name": "EleutherAI/gpt-neox-20b", "attn_config": {"rope": False}, "emb_pdrop": 0, "init_device": "cpu", "verbose": 0},
    "opt": {"learned_embeddings": True, "scale_embeddings": False, "prefix": "</s>"}, "stablelm": {"norm_eps": 1e-05, "rotary_scaling_factor": 1.0},
    "bert": {"cell": {}, "emb_size": 312, "structure": [], "pre_trained": "", "model_max_length": 512, "directionality": "bidi"},
    "nemotron": {"kv_channels": 128, "head_dim": 128}, "deberta": {"padding_idx": 0, "pos_att_type": ["c2p", "p2c"]},
    "hunyuan_v1_dense": {"norm_type": "rms", "use_cla": False, "use_mla": False, "vit_type": None, "anyres_pooling_size": 2, "class_num": 0},
    "vit": {"is_decoder": False, "tie_word_embeddings": True, "add_cross_attention": False, "cross_attention_hidden_size": None,
            "tie_encoder_decoder": False, "num_return_sequences": 1, "output_scores": False, "return_dict_in_generate": False},
    "exaone4": {"sliding_window_pattern": "LLLG", "layer_types": ["sliding_attention", "full_attention"]},
    "clip": {"text_config": {"top_k": 50, "prefix": None, "pruned_heads": {}, "dropout": 0.0, "eos_token_id": 2}, "text_config_dict": None},
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_configs_as_they_are_published(name: str) -> None:
    """Fields of earlier versions of the reference, and of those who publish models."""
    read_settings(RECORDS[name], PUBLISHED[name], "config.json")


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("mpt", "attn_config", {"alibi_bias_max": 4}),
        ("detr", "auxiliary_loss", True),
        ("detr", "backbone_kwargs", {"output_stride": 16}),
        ("gemma4_text", "use_bidirectional_attention", "all"),
    ],
)
def test_fields_that_change_more_than_their_names_say(name: str, field: str, value: object) -> None:
    with pytest.raises(MaiError, match=field):
        read_settings(RECORDS[name], {field: value}, "config.json")


def refusals(content: dict[str, Any]) -> list[str]:
    with pytest.raises(MaiError) as caught:
        read_settings(RECORDS["llama"], content, "config.json")
    assert {d.slug for d in caught.value.diagnostics} == {"config-unknown"}
    return [d.message for d in caught.value.diagnostics]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"new_trick": 3}, "config.json: `new_trick` is 3, and nothing is known of it for Llama"),
        ({"hidden_act": "xielu"}, '`hidden_act` is "xielu"; known here: silu'),
        (
            {"rope_scaling": {"rope_type": "spiral", "factor": 4.0}},
            '`rope_scaling.rope_type` is "spiral"; known here: "default"',
        ),
        ({"hidden_size": "32 }\nconst a = 1"}, "`hidden_size` is "),
        ({"hidden_size": 3.5}, "`hidden_size` is 3.5, which is no such value"),
        ({"rms_norm_eps": float("nan")}, "`rms_norm_eps` is NaN"),
        ({"rope_theta": 1e4, "rope_parameters": {"rope_theta": 5e4}}, "is 50000.0, which another field says otherwise"),
        ({"head_dim": True, "sliding_window": "yes"}, '`sliding_window` is "yes"'),
    ],
)
def test_what_is_not_known_is_refused(content: dict[str, Any], message: str) -> None:
    assert message in refusals(content)[-1]


def test_all_that_is_not_known_is_told_at_once() -> None:
    assert len(refusals({"a": 1, "b": {"c": [2]}, "vocab_size": 5})) == 2


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0, 0, 0], "false"),
        ([1, 1], "true"),
        ([0, 1, 0, 1], "i % 2 == 1"),
        ([1, 1, 1, 0, 1, 1, 1, 0], "i % 4 != 3"),
        ([1, 1, 1, 0, 0], "i < 3"),
        ([0, 0, 0, 1, 1], "i >= 3"),
        ([0, 1, 1, 0, 0, 1], "i == 1 or i == 2 or i == 5"),
    ],
)
def test_turns(values: list[int | str], text: str) -> None:
    assert turns_text(values, 1) == text
    results = [eval(text.replace("true", "True").replace("false", "False"), {"i": i}) for i in range(len(values))]
    assert results == [v == 1 for v in values]


def test_numbers() -> None:
    assert [number_text(x) for x in (1e-5, 1e-12, 10000.0, 0.5, 3, 1e20)] == [
        "1e-5",
        "1e-12",
        "10000",
        "0.5",
        "3",
        "1e20",
    ]


def test_the_command(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    save(DECODERS["llama"].make(), folder, new_trick=3)
    said = invoke("import", folder)
    assert said.exit_code == 1
    assert "`new_trick` is 3" in said.stderr
    assert "--ignore new_trick" in said.stderr
    said = invoke("import", folder, "--ignore", "new_trick")
    assert said.exit_code == 0
    assert "small.mai, 47 lines: Llama" in said.stdout
    assert invoke("import", folder, "--ignore", "new_trick").exit_code == 2
    outside = invoke("import", folder, "--ignore", "new_trick", "--out", tmp_path / "b" / "m.mai")
    assert "is to lie in" in outside.stderr
    assert invoke("import", folder, "--ignore", "new_trick", "--out", tmp_path / "m.mai").exit_code == 0
    assert 'weights from "small/model.safetensors"' in (tmp_path / "m.mai").read_text()
    assert "--weights" not in said.stdout
    linked = tmp_path / "cache" / "linked"
    linked.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (linked / name).symlink_to(folder / name)
    assert f"--weights {linked}" in "".join(invoke("import", linked, "--ignore", "new_trick").stdout.split("\n"))
    assert "is no folder" in invoke("import", tmp_path / "nothing").stderr
    (folder / "model.safetensors").rename(folder / "model.bin")
    assert "a pickle" in invoke("import", folder, "--force").stderr


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("llama", {"partial_rotary_factor": 0.5}, "whole heads are turned in this family"),
        ("gemma3", {"attn_logit_softcapping": 3.0}, "`attn_logit_softcapping` is 3.0"),
        ("mamba", {"hidden_act": "relu"}, "recurrences are known with silu"),
        ("gemma2", {"attn_logit_softcapping": 0.0}, "a softcap of 0 makes all scores alike"),
        ("jamba", {"hidden_act": "gelu"}, "recurrences are known with silu"),
        ("falcon_h1", {"mamba_n_heads": 5}, "do not fit each other"),
        ("granitemoehybrid", {"layer_types": ["mamba"]}, "`layer_types` has 1 of 3 layers"),
        ("t5", {"is_encoder_decoder": False}, "`is_encoder_decoder` is false for a model that makes a text"),
        ("deepseek_v3", {"head_dim": 2}, "`head_dim` is 2, by which positions would turn"),
        ("modernbert", {"layer_types": ["full_attention"]}, "`layer_types` has 1 of 3 layers"),
        ("gemma2", {"layer_types": ["sliding_attention"]}, "`layer_types` has 1 of 2 layers"),
        ("gpt_neox", {"rope_theta": 50.0}, "`rope_theta` is 50.0, which transformers reads in `rope_parameters` alone"),
        (
            "gemma3",
            {"rope_parameters": {"rope_type": "default", "rope_theta": 100.0}},
            "`rope_parameters.rope_theta` is 100.0; known here: false",
        ),
        (
            "olmo3",
            {"rope_parameters": None, "rope_scaling": {"type": "linear", "factor": 2.0}},
            "`rope_scaling.type` is linear, which",
        ),
        ("modernbert", {"rope_theta": 50.0}, "`rope_theta` is 50.0; known here: false"),
        ("bloom", {"slow_but_exact": True, "pretraining_tp": 2}, "`slow_but_exact` is true"),
    ],
)
def test_what_the_reference_takes_otherwise(name: str, changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    """Fields that transformers takes and does not follow, or follows in other families."""
    save({**ENCODERS, **DECODERS, **SEQ2SEQ}[name].make(), tmp_path, **changes)
    with pytest.raises(MaiError, match=message):
        import_folder(tmp_path, tmp_path / "m.mai")


@pytest.mark.parametrize("name", ["qwen2_moe, in part", "cohere2", "exaone4"])
def test_windows_that_no_list_names(name: str, tmp_path: Path) -> None:
    """Earlier versions said by numbers which layers have a window."""
    save(DECODERS[name].make(), tmp_path)
    listed = import_folder(tmp_path, tmp_path / "m.mai").text
    config = json.loads((tmp_path / "config.json").read_text())
    assert "sliding_attention" in config.pop("layer_types")
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert import_folder(tmp_path, tmp_path / "m.mai").text == listed


@pytest.mark.parametrize(
    ("name", "config", "said", "count"),
    [
        ("gpt2", {"n_positions": 1024}, {}, 128),
        ("gpt2", {"n_positions": 64}, {}, 32),
        ("gpt2", {"n_positions": 64}, {"max_new_tokens": 60}, 60),
        ("gpt2", {"n_positions": 64}, {"max_new_tokens": 64}, 32),
        ("gpt_neo", {"max_position_embeddings": 64, "num_layers": 1, "attention_layers": ["global"]}, {}, 32),
        ("opt", {"max_position_embeddings": 64}, {}, 32),
        ("bart", {"max_position_embeddings": 64}, {}, 32),
        ("bart", {"max_position_embeddings": 64}, {"max_length": 60}, 59),
        ("bart", {"max_position_embeddings": 64}, {"max_length": 64}, 63),
        ("bart", {"max_position_embeddings": 64}, {"max_length": 65}, 32),
        ("m2m_100", {}, {"max_length": 200}, 198),
        ("whisper", {"max_target_positions": 64, "decoder_start_token_id": 1}, {"max_length": 64, "forced_decoder_ids": [[1, 4], [2, 5]]}, 61),
        ("llama", {"max_position_embeddings": 64}, {"max_length": 50}, 128),
        ("marian", {"max_position_embeddings": 64}, {}, 128),
        ("whisper", {"max_target_positions": 64}, {}, 32),
        ("llama", {"max_position_embeddings": 64}, {}, 128),
        ("llama", {"max_position_embeddings": 64, "rope_scaling": {"type": "dynamic", "factor": 2.0}}, {}, 32),
        ("phi3", {"original_max_position_embeddings": 64, "rope_scaling": {"type": "longrope", "short_factor": [1.0]}}, {}, 32),
    ],
)  # fmt: skip
def test_a_prompt_has_room(name: str, config: dict[str, Any], said: dict[str, Any], count: int) -> None:
    """Where a model reads so many tokens at most, texts grow by fewer when nobody says by how many."""
    record = family_records()[name]
    texts = read_settings(generation_of(record), said, "generation_config.json")
    more = {"ends": [2], "head": "generate", "has": lambda name: True}
    text = render(record, texts | read_settings(record, config, "config.json") | more)
    assert f"count: int = {count}," in text


def test_a_folder_of_another_kind(tmp_path: Path) -> None:
    save(DECODERS["llama"].make(), tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"type": "tdmpc", "horizon": 5}))
    with pytest.raises(MaiError, match="no family is known for `type` 'tdmpc'"):
        import_folder(tmp_path, tmp_path / "m.mai")


def test_settings_that_do_not_fit_each_other(tmp_path: Path) -> None:
    """A list of layers that is too short, a field that nobody gave: words, and no trace of the template."""
    save(DECODERS["smollm3"].make(), tmp_path, no_rope_layers=[1], layer_types=None)
    with pytest.raises(MaiError, match="its settings do not fit each other for SmolLM3"):
        import_folder(tmp_path, tmp_path / "m.mai")


@pytest.mark.parametrize(("name", "field"), [("granite", "attention_multiplier"), ("falcon_h1", "key_multiplier")])
@pytest.mark.parametrize("factor", [0.0, -0.5])
def test_scores_are_multiplied_by_a_number_above_zero(name: str, field: str, factor: float) -> None:
    """Another one was taken for none."""
    record = family_records()[name]
    settings = read_settings(generation_of(record), {}, "generation_config.json")
    settings |= read_settings(record, {field: factor}, "config.json")
    with pytest.raises(UnknownModel, match=f"scores are multiplied by {factor}"):
        render(record, settings | {"ends": [], "head": "generate", "has": lambda name: True})
