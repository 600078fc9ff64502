"""Folders of small models with random weights, as `save_pretrained` leaves them, one for each family that `mai import` knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from mai.compiler.check import check
from mai.compiler.importing.importing import import_folder
from mai.compiler.program import Program
from tests.support.zoo import shaken

MAX_LINES = 140  # Of a spec of several nets; of one it is about 60.
VOCAB, WIDTH = 97, 32
TEXT = {
    "vocab_size": VOCAB, "hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 48, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 0, "max_position_embeddings": 64,
}  # fmt: skip


@dataclass(frozen=True)
class Model:
    """A model of transformers: its classes, and the settings of a small one."""

    model: str
    config: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def make(self) -> Any:
        """The model, with random weights; its attention is the plain one."""
        library = pytest.importorskip("transformers", reason="transformers is not installed")
        torch.manual_seed(0)
        settings = {"initializer_range": 0.3, **self.settings}
        config = getattr(library, self.config)(**settings, attn_implementation="eager")
        return shaken(getattr(library, self.model)(config))


LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 5000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}  # fmt: skip
EXPERTS = {"num_experts": 5, "num_experts_per_tok": 2}
YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 16}
FALCON = {
    "vocab_size": VOCAB,
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
DEEPSEEK = {
    "num_key_value_heads": 4, "moe_intermediate_size": 20, "n_routed_experts": 8, "n_group": 4, "topk_group": 2, "num_experts_per_tok": 3,
    "kv_lora_rank": 12, "q_lora_rank": 10, "qk_rope_head_dim": 4, "qk_nope_head_dim": 6, "v_head_dim": 5, "first_k_dense_replace": 1,
}  # fmt: skip
STATES = {"mamba_n_heads": 8, "mamba_n_groups": 2, "mamba_d_state": 5}
GPT2 = {"vocab_size": VOCAB, "n_embd": WIDTH, "n_layer": 2, "n_head": 4, "n_positions": 64, "eos_token_id": 1}
DECODERS = {
    "gpt2": Model("GPT2LMHeadModel", "GPT2Config", GPT2),
    "gpt2, relu": Model("GPT2LMHeadModel", "GPT2Config",
                        {**GPT2, "activation_function": "relu", "n_inner": 40, "layer_norm_epsilon": 1e-3}),
    "llama": Model("LlamaForCausalLM", "LlamaConfig", TEXT),
    "llama, stretched": Model("LlamaForCausalLM", "LlamaConfig", {**TEXT, "rope_parameters": LLAMA3, "tie_word_embeddings": True}),
    "llama, evenly stretched": Model("LlamaForCausalLM", "LlamaConfig", {
        **TEXT, "rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}, "attention_bias": True,
        "mlp_bias": True, "head_dim": 12, "num_key_value_heads": 4, "hidden_act": "gelu"}),
    "mistral": Model("MistralForCausalLM", "MistralConfig", {**TEXT, "sliding_window": 5, "head_dim": 12}),
    "mistral, whole": Model("MistralForCausalLM", "MistralConfig", {**TEXT, "sliding_window": None}),
    "qwen2": Model("Qwen2ForCausalLM", "Qwen2Config", TEXT),
    "qwen2, windows": Model("Qwen2ForCausalLM", "Qwen2Config", {
        **TEXT, "use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1, "tie_word_embeddings": True}),
    "qwen3": Model("Qwen3ForCausalLM", "Qwen3Config", {**TEXT, "head_dim": 12}),
    "gemma": Model("GemmaForCausalLM", "GemmaConfig", {**TEXT, "head_dim": 12}),
    "gemma2": Model("Gemma2ForCausalLM", "Gemma2Config", {
        **TEXT, "head_dim": 12, "sliding_window": 6, "query_pre_attn_scalar": 20, "attn_logit_softcapping": 3.0,
        "final_logit_softcapping": 4.0}),
    "gemma3": Model("Gemma3ForCausalLM", "Gemma3TextConfig", {
        **TEXT, "num_hidden_layers": 3, "head_dim": 8, "sliding_window": 6, "query_pre_attn_scalar": 20,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}),
    "phi3": Model("Phi3ForCausalLM", "Phi3Config", {**TEXT, "sliding_window": 7}),
    "phi3, in part": Model("Phi3ForCausalLM", "Phi3Config", {
        **TEXT, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0, "partial_rotary_factor": 0.5}}),
    "smollm3": Model("SmolLM3ForCausalLM", "SmolLM3Config", {**TEXT, "no_rope_layer_interval": 2}),
    "olmo2": Model("Olmo2ForCausalLM", "Olmo2Config", TEXT),
    "stablelm": Model("StableLmForCausalLM", "StableLmConfig", {**TEXT, "use_qkv_bias": True, "partial_rotary_factor": 0.5}),
    "stablelm, parallel": Model("StableLmForCausalLM", "StableLmConfig", {**TEXT, "use_parallel_residual": True}),
    "granite": Model("GraniteForCausalLM", "GraniteConfig", {
        **TEXT, "embedding_multiplier": 2.0, "logits_scaling": 3.0, "residual_multiplier": 0.7, "attention_multiplier": 0.2}),
    "gpt_neox": Model("GPTNeoXForCausalLM", "GPTNeoXConfig", {**TEXT, "rotary_pct": 0.5}),
    "gpt_neox, one after the other": Model("GPTNeoXForCausalLM", "GPTNeoXConfig",
                                           {**TEXT, "use_parallel_residual": False, "attention_bias": False}),
    "mixtral": Model("MixtralForCausalLM", "MixtralConfig", {**TEXT, "num_local_experts": 4}),
    "mamba": Model("MambaForCausalLM", "MambaConfig", {
        "vocab_size": VOCAB, "hidden_size": WIDTH, "num_hidden_layers": 2, "state_size": 5, "time_step_rank": 3,
        "pad_token_id": 0, "eos_token_id": 1}),
    "llama, yarn": Model("LlamaForCausalLM", "LlamaConfig", {**TEXT, "rope_parameters": YARN}),
    "llama, dynamic": Model("LlamaForCausalLM", "LlamaConfig", {
        **TEXT, "rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}}),
    "qwen2, yarn": Model("Qwen2ForCausalLM", "Qwen2Config", {
        **TEXT, "rope_parameters": {**YARN, "mscale": 1.0, "mscale_all_dim": 0.5, "beta_fast": 16, "truncate": False}}),
    "gpt_neox, yarn": Model("GPTNeoXForCausalLM", "GPTNeoXConfig", {
        **TEXT, "rope_parameters": {**YARN, "partial_rotary_factor": 0.5, "attention_factor": 1.2}}),
    "phi3, long": Model("Phi3ForCausalLM", "Phi3Config", {
        **TEXT, "hidden_size": 32, "original_max_position_embeddings": 48, "max_position_embeddings": 192, "rope_parameters": {
            "rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0, 1.1, 1.5, 2.0], "long_factor": [2.0, 3.0, 4.0, 9.0]}}),
    "phi3, long and in part": Model("Phi3ForCausalLM", "Phi3Config", {
        **TEXT, "original_max_position_embeddings": 48, "max_position_embeddings": 192, "rope_parameters": {
            "rope_type": "longrope", "rope_theta": 10000.0, "partial_rotary_factor": 0.5, "short_factor": [1.0, 1.5],
            "long_factor": [2.0, 3.0]}}),
    "olmoe": Model("OlmoeForCausalLM", "OlmoeConfig", {**TEXT, **EXPERTS, "clip_qkv": 1.5}),
    "qwen2_moe": Model("Qwen2MoeForCausalLM", "Qwen2MoeConfig", {
        **TEXT, **EXPERTS, "moe_intermediate_size": 20, "shared_expert_intermediate_size": 24}),
    "qwen2_moe, in part": Model("Qwen2MoeForCausalLM", "Qwen2MoeConfig", {
        **TEXT, **EXPERTS, "num_hidden_layers": 3, "moe_intermediate_size": 20, "shared_expert_intermediate_size": 24,
        "mlp_only_layers": [1], "norm_topk_prob": True, "use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1}),
    "qwen3_moe": Model("Qwen3MoeForCausalLM", "Qwen3MoeConfig", {**TEXT, **EXPERTS, "moe_intermediate_size": 20, "head_dim": 12}),
    "qwen3_moe, in part": Model("Qwen3MoeForCausalLM", "Qwen3MoeConfig", {
        **TEXT, **EXPERTS, "num_hidden_layers": 3, "moe_intermediate_size": 20, "decoder_sparse_step": 2, "norm_topk_prob": True}),
    "cohere": Model("CohereForCausalLM", "CohereConfig", {**TEXT, "logit_scale": 0.7}),
    "cohere2": Model("Cohere2ForCausalLM", "Cohere2Config", {**TEXT, "num_hidden_layers": 4, "sliding_window": 5}),
    "glm": Model("GlmForCausalLM", "GlmConfig", {**TEXT, "head_dim": 8}),
    "glm4": Model("Glm4ForCausalLM", "Glm4Config", {**TEXT, "head_dim": 8}),
    "starcoder2": Model("Starcoder2ForCausalLM", "Starcoder2Config", {**TEXT, "sliding_window": 6}),
    "phi": Model("PhiForCausalLM", "PhiConfig", TEXT),
    "olmo": Model("OlmoForCausalLM", "OlmoConfig", TEXT),
    "olmo, clipped": Model("OlmoForCausalLM", "OlmoConfig", {**TEXT, "clip_qkv": 0.5}),
    "nemotron": Model("NemotronForCausalLM", "NemotronConfig", TEXT),
    "arcee": Model("ArceeForCausalLM", "ArceeConfig", {**TEXT, "rope_parameters": YARN}),
    "helium": Model("HeliumForCausalLM", "HeliumConfig", {**TEXT, "head_dim": 8}),
    "ernie4_5": Model("Ernie4_5ForCausalLM", "Ernie4_5Config", {**TEXT, "head_dim": 12}),
    "exaone4": Model("Exaone4ForCausalLM", "Exaone4Config", {
        **TEXT, "num_hidden_layers": 4, "sliding_window": 5, "sliding_window_pattern": 4}),
    "exaone4, whole": Model("Exaone4ForCausalLM", "Exaone4Config", {**TEXT, "sliding_window": None, "layer_types": ["full_attention"] * 2}),
    "opt": Model("OPTForCausalLM", "OPTConfig", {
        "vocab_size": VOCAB, "hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 48,
        "max_position_embeddings": 64, "init_std": 0.3, "bos_token_id": 0, "eos_token_id": 1, "word_embed_proj_dim": WIDTH}),
    "gptj": Model("GPTJForCausalLM", "GPTJConfig", {**GPT2, "rotary_dim": 4, "bos_token_id": 0}),
    "gpt_bigcode": Model("GPTBigCodeForCausalLM", "GPTBigCodeConfig", {**GPT2, "bos_token_id": 0}),
    "bloom": Model("BloomForCausalLM", "BloomConfig", {
        "vocab_size": VOCAB, "hidden_size": WIDTH, "n_layer": 2, "n_head": 4, "bos_token_id": 0, "eos_token_id": 1}),
    "falcon": Model("FalconForCausalLM", "FalconConfig", {**FALCON}),
    "falcon, new": Model("FalconForCausalLM", "FalconConfig", {**FALCON, "new_decoder_architecture": True, "num_kv_heads": 2}),
    "falcon, in turn": Model("FalconForCausalLM", "FalconConfig", {
        **FALCON, "multi_query": False, "parallel_attn": False, "bias": True, "ffn_hidden_size": 40}),
    "mpt": Model("MptForCausalLM", "MptConfig", {
        "vocab_size": VOCAB, "d_model": WIDTH, "n_layers": 2, "n_heads": 4, "bos_token_id": 0, "eos_token_id": 1}),
    "bloom, 6 heads": Model("BloomForCausalLM", "BloomConfig", {
        "vocab_size": VOCAB, "hidden_size": 24, "n_layer": 2, "n_head": 6, "bos_token_id": 0, "eos_token_id": 1}),
    "mpt, 6 heads": Model("MptForCausalLM", "MptConfig", {
        "vocab_size": VOCAB, "d_model": 24, "n_layers": 2, "n_heads": 6, "bos_token_id": 0, "eos_token_id": 1}),
    "seed_oss": Model("SeedOssForCausalLM", "SeedOssConfig", {**TEXT, "head_dim": 12}),
    "ministral": Model("MinistralForCausalLM", "MinistralConfig", {
        **TEXT, "head_dim": 12, "sliding_window": 5, "layer_types": ["full_attention", "sliding_attention"]}),
    "deepseek_v3": Model("DeepseekV3ForCausalLM", "DeepseekV3Config", {**TEXT, **DEEPSEEK}),
    "deepseek_v3, yarn": Model("DeepseekV3ForCausalLM", "DeepseekV3Config", {
        **TEXT, **DEEPSEEK, "q_lora_rank": None, "first_k_dense_replace": 0, "rope_parameters": {**YARN, "mscale": 1.0, "mscale_all_dim": 0.8}}),
    "deepseek_v2": Model("DeepseekV2ForCausalLM", "DeepseekV2Config", {**TEXT, **DEEPSEEK, "topk_method": "group_limited_greedy"}),
    "deepseek_v2, yarn": Model("DeepseekV2ForCausalLM", "DeepseekV2Config", {
        **TEXT, **DEEPSEEK, "q_lora_rank": None, "n_group": None, "topk_group": None, "routed_scaling_factor": 1.5,
        "rope_parameters": {**YARN, "mscale": 0.7, "mscale_all_dim": 0.7}}),
    "mamba2": Model("Mamba2ForCausalLM", "Mamba2Config", {
        "vocab_size": VOCAB, "hidden_size": WIDTH, "num_hidden_layers": 2, "num_heads": 8, "head_dim": 8, "n_groups": 2,
        "state_size": 5, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 0}),
    "bamba": Model("BambaForCausalLM", "BambaConfig", {
        **TEXT, "num_hidden_layers": 3, "attn_layer_indices": [1], "mamba_n_heads": 8, "mamba_n_groups": 2, "mamba_d_state": 5}),
    "jamba": Model("JambaForCausalLM", "JambaConfig", {
        **TEXT, "num_hidden_layers": 3, "attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 4, "mamba_d_state": 5}),
    "jamba, plain": Model("JambaForCausalLM", "JambaConfig", {
        **TEXT, "attn_layer_period": 2, "attn_layer_offset": 0, "num_experts": 1, "mamba_dt_rank": 3, "mamba_proj_bias": True, "mamba_conv_bias": False}),
    "falcon_h1": Model("FalconH1ForCausalLM", "FalconH1Config", {**TEXT, **STATES, "mamba_d_ssm": 48}),
    "falcon_h1, multiplied": Model("FalconH1ForCausalLM", "FalconH1Config", {
        **TEXT, **STATES, "mamba_d_ssm": None, "mamba_rms_norm": True, "key_multiplier": 0.5, "attention_in_multiplier": 1.3,
        "attention_out_multiplier": 0.8, "ssm_in_multiplier": 1.2, "ssm_out_multiplier": 0.9, "mlp_multipliers": [0.8, 1.1],
        "ssm_multipliers": [0.9, 1.2, 0.7, 1.1, 1.3], "embedding_multiplier": 2.0, "lm_head_multiplier": 0.6, "mlp_bias": True,
        "projectors_bias": True, "attention_bias": True}),
    "granitemoehybrid": Model("GraniteMoeHybridForCausalLM", "GraniteMoeHybridConfig", {
        **TEXT, **STATES, "num_hidden_layers": 3, "layer_types": ["linear_attention", "full_attention", "linear_attention"],
        "num_local_experts": 0, "shared_intermediate_size": 40, "residual_multiplier": 0.7, "logits_scaling": 3.0}),
    "granitemoehybrid, experts": Model("GraniteMoeHybridForCausalLM", "GraniteMoeHybridConfig", {
        **TEXT, **STATES, "layer_types": ["full_attention", "linear_attention"], "num_local_experts": 4, "shared_intermediate_size": 20,
        "position_embedding_type": "rope", "attention_multiplier": 0.3, "embedding_multiplier": 2.0}),
    "rwkv": Model("RwkvForCausalLM", "RwkvConfig", {
        "vocab_size": VOCAB, "hidden_size": WIDTH, "num_hidden_layers": 2, "intermediate_size": 48, "layer_norm_epsilon": 1e-4,
        "bos_token_id": 0, "eos_token_id": 1}),
}  # fmt: skip

ENCODER = {k: v for k, v in TEXT.items() if k != "num_key_value_heads"}
DISTIL = {
    "vocab_size": VOCAB,
    "dim": WIDTH,
    "n_layers": 2,
    "n_heads": 4,
    "hidden_dim": 48,
    "max_position_embeddings": 64,
}
MODERN = {
    **ENCODER,
    "num_hidden_layers": 3,
    "local_attention": 4,
    "cls_token_id": 0,
    "sep_token_id": 1,
    "initializer_cutoff_factor": 9.0,
}
LABELS = {"num_labels": 3}
DEBERTA = {
    "relative_attention": True, "pos_att_type": "p2c|c2p", "position_buckets": 8, "norm_rel_ebd": "layer_norm", "share_att_key": True,
    "position_biased_input": False, "max_relative_positions": 20,
}  # fmt: skip
ENCODERS = {
    "bert": Model("BertModel", "BertConfig", ENCODER),
    "bert, classes": Model("BertForSequenceClassification", "BertConfig", {**ENCODER, **LABELS, "hidden_act": "gelu_new"}),
    "bert, tags": Model("BertForTokenClassification", "BertConfig", {**ENCODER, **LABELS}),
    "bert, gaps": Model("BertForMaskedLM", "BertConfig", {**ENCODER, "tie_word_embeddings": False}),
    "bert, answers": Model("BertForQuestionAnswering", "BertConfig", ENCODER),
    "roberta": Model("RobertaModel", "RobertaConfig", {**ENCODER, "pad_token_id": 1}),
    "roberta, classes": Model("RobertaForSequenceClassification", "RobertaConfig", {**ENCODER, **LABELS, "pad_token_id": 1}),
    "roberta, gaps": Model("RobertaForMaskedLM", "RobertaConfig", {**ENCODER, "pad_token_id": 1, "hidden_act": "relu"}),
    "xlm-roberta": Model("XLMRobertaModel", "XLMRobertaConfig", {**ENCODER, "pad_token_id": 1}),
    "distilbert": Model("DistilBertModel", "DistilBertConfig", DISTIL),
    "distilbert, classes": Model("DistilBertForSequenceClassification", "DistilBertConfig", {**DISTIL, **LABELS}),
    "electra": Model("ElectraModel", "ElectraConfig", {**ENCODER, "embedding_size": 16}),
    "electra, classes": Model("ElectraForSequenceClassification", "ElectraConfig", {**ENCODER, **LABELS, "embedding_size": WIDTH}),
    "electra, gaps": Model("ElectraForMaskedLM", "ElectraConfig", {**ENCODER, "embedding_size": 16, "hidden_act": "relu"}),
    "electra, put in": Model("ElectraForPreTraining", "ElectraConfig", {**ENCODER, "embedding_size": 16}),
    "albert": Model("AlbertModel", "AlbertConfig", {**ENCODER, "embedding_size": 16}),
    "albert, classes": Model("AlbertForSequenceClassification", "AlbertConfig", {**ENCODER, **LABELS, "embedding_size": 16}),
    "albert, tags": Model("AlbertForTokenClassification", "AlbertConfig", {**ENCODER, **LABELS, "embedding_size": 16}),
    "albert, gaps": Model("AlbertForMaskedLM", "AlbertConfig", {**ENCODER, "embedding_size": 16, "num_hidden_layers": 3}),
    "modernbert": Model("ModernBertModel", "ModernBertConfig", MODERN),
    "modernbert, classes": Model("ModernBertForSequenceClassification", "ModernBertConfig",
                                 {**MODERN, **LABELS, "classifier_pooling": "mean", "norm_bias": True}),
    "modernbert, answers": Model("ModernBertForQuestionAnswering", "ModernBertConfig", MODERN),
    "modernbert, gaps": Model("ModernBertForMaskedLM", "ModernBertConfig", {**MODERN, "global_attn_every_n_layers": 2, "tie_word_embeddings": False}),
    "camembert": Model("CamembertModel", "CamembertConfig", {**ENCODER, "pad_token_id": 1}),
    "mpnet": Model("MPNetModel", "MPNetConfig", ENCODER),
    "mpnet, classes": Model("MPNetForSequenceClassification", "MPNetConfig", {**ENCODER, **LABELS}),
    "mpnet, gaps": Model("MPNetForMaskedLM", "MPNetConfig", {**ENCODER, "hidden_act": "relu", "tie_word_embeddings": False}),
    "deberta-v2": Model("DebertaV2Model", "DebertaV2Config", {**ENCODER, **DEBERTA}),
    "deberta-v2, classes": Model("DebertaV2ForSequenceClassification", "DebertaV2Config", {
        **ENCODER, **LABELS, "relative_attention": True, "pos_att_type": "p2c", "max_relative_positions": 5, "type_vocab_size": 2}),
    "deberta-v2, tags": Model("DebertaV2ForTokenClassification", "DebertaV2Config", {**ENCODER, **LABELS, "embedding_size": 16}),
    "deberta-v2, gaps": Model("DebertaV2ForMaskedLM", "DebertaV2Config", {
        **ENCODER, **DEBERTA, "share_att_key": False, "conv_kernel_size": 3, "conv_act": "gelu", "position_biased_input": True}),
    "distilbert, gaps": Model("DistilBertForMaskedLM", "DistilBertConfig", DISTIL),
}  # fmt: skip

T5 = {"vocab_size": VOCAB, "d_model": WIDTH, "d_kv": 12, "d_ff": 48, "num_layers": 2, "num_decoder_layers": 3, "num_heads": 4,
      "initializer_factor": 1.0}  # fmt: skip
BART = {
    "vocab_size": VOCAB, "d_model": WIDTH, "encoder_layers": 2, "decoder_layers": 3, "encoder_attention_heads": 4,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 40, "max_position_embeddings": 64, "init_std": 0.3,
}  # fmt: skip
MARIAN = {"pad_token_id": VOCAB - 1, "decoder_start_token_id": VOCAB - 1, "eos_token_id": 0}
SEQ2SEQ = {
    "t5": Model("T5ForConditionalGeneration", "T5Config", T5),
    "t5, gated": Model("T5ForConditionalGeneration", "T5Config", {
        **T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "relative_attention_num_buckets": 8,
        "relative_attention_max_distance": 12}),
    "mt5": Model("MT5ForConditionalGeneration", "MT5Config", T5),
    "bart": Model("BartForConditionalGeneration", "BartConfig", BART),
    "bart, relu": Model("BartForConditionalGeneration", "BartConfig", {
        **BART, "activation_function": "relu", "scale_embedding": True, "forced_eos_token_id": None}),
    "mbart": Model("MBartForConditionalGeneration", "MBartConfig", {**BART, "decoder_start_token_id": 2}),
    "marian": Model("MarianMTModel", "MarianConfig", {**BART, **MARIAN}),
    "marian, swish": Model("MarianMTModel", "MarianConfig", {
        **BART, **MARIAN, "activation_function": "swish", "scale_embedding": True}),
    "pegasus": Model("PegasusForConditionalGeneration", "PegasusConfig", BART),
}  # fmt: skip

WHISPER = Model("WhisperForConditionalGeneration", "WhisperConfig", {
    **{k: v for k, v in BART.items() if k != "max_position_embeddings"}, "num_mel_bins": 20, "max_source_positions": 50,
    "max_target_positions": 40, "decoder_start_token_id": 90, "eos_token_id": 1, "pad_token_id": 1, "bos_token_id": 1,
    "begin_suppress_tokens": [5, 1], "suppress_tokens": [7],
})  # fmt: skip

VIT = {
    "image_size": 32, "patch_size": 8, "hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
}  # fmt: skip
DINO = {**{k: v for k, v in VIT.items() if k != "intermediate_size"}, "mlp_ratio": 3, "layerscale_value": 0.7}
SWIN = {"image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [2, 1], "num_heads": [2, 4], "window_size": 3}
STAGES = {"hidden_sizes": [8, 12, 16], "depths": [1, 2, 3]}
IMAGES = {
    "vit": Model("ViTModel", "ViTConfig", VIT),
    "vit, classes": Model(
        "ViTForImageClassification", "ViTConfig", {**VIT, **LABELS, "qkv_bias": False, "hidden_act": "relu"}
    ),
    "deit": Model("DeiTModel", "DeiTConfig", VIT),
    "deit, classes": Model("DeiTForImageClassification", "DeiTConfig", {**VIT, **LABELS}),
    "deit, with its teacher": Model("DeiTForImageClassificationWithTeacher", "DeiTConfig", {**VIT, **LABELS}),
    "dinov2": Model("Dinov2Model", "Dinov2Config", DINO),
    "dinov2, classes": Model(
        "Dinov2ForImageClassification", "Dinov2Config", {**DINO, **LABELS, "use_swiglu_ffn": True, "qkv_bias": False}
    ),
    "swin": Model("SwinModel", "SwinConfig", SWIN),
    "swin, classes": Model(
        "SwinForImageClassification",
        "SwinConfig",
        {
            **SWIN,
            **LABELS,
            "patch_size": 2,
            "use_absolute_embeddings": True,
            "qkv_bias": False,
            "mlp_ratio": 2.5,
            "hidden_act": "relu",
        },
    ),
    "resnet": Model(
        "ResNetModel",
        "ResNetConfig",
        {"embedding_size": 8, **STAGES, "downsample_in_first_stage": True, "hidden_act": "gelu"},
    ),
    "resnet, basic": Model(
        "ResNetForImageClassification", "ResNetConfig", {"embedding_size": 8, **STAGES, **LABELS, "layer_type": "basic"}
    ),
    "resnet, bottleneck": Model(
        "ResNetForImageClassification",
        "ResNetConfig",
        {"embedding_size": 8, **STAGES, **LABELS, "downsample_in_bottleneck": True},
    ),
    "convnext": Model("ConvNextModel", "ConvNextConfig", {**STAGES, "num_stages": 3, "layer_scale_init_value": 0.5}),
    "convnext, classes": Model(
        "ConvNextForImageClassification",
        "ConvNextConfig",
        {**STAGES, **LABELS, "num_stages": 3, "layer_scale_init_value": 0.0, "hidden_act": "relu", "patch_size": 2},
    ),
}

SEGFORMER = {
    "num_encoder_blocks": 3, "depths": [1, 2, 1], "sr_ratios": [4, 2, 1], "hidden_sizes": [8, 12, 16], "patch_sizes": [7, 3, 3],
    "strides": [4, 2, 2], "num_attention_heads": [1, 2, 4], "mlp_ratios": [2, 3, 2], "decoder_hidden_size": 12,
}  # fmt: skip
SEGMENTS = {
    "segment": Model("SegformerForSemanticSegmentation", "SegformerConfig", {**SEGFORMER, **LABELS}),
    "classify": Model(
        "SegformerForImageClassification", "SegformerConfig", {**SEGFORMER, **LABELS, "hidden_act": "relu"}
    ),
    "encode": Model("SegformerModel", "SegformerConfig", SEGFORMER),
}
MAE = Model(
    "ViTMAEForPreTraining",
    "ViTMAEConfig",
    {
        **VIT,
        "decoder_hidden_size": 16,
        "decoder_num_hidden_layers": 1,
        "decoder_num_attention_heads": 2,
        "decoder_intermediate_size": 24,
    },
)
SOUND = {
    "vocab_size": 20, "hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48, "conv_dim": [8, 12],
    "conv_stride": [5, 2], "conv_kernel": [10, 3], "num_conv_pos_embeddings": 6, "num_conv_pos_embedding_groups": 4,
}  # fmt: skip
SOUNDS = {
    "wav2vec2": Model("Wav2Vec2ForCTC", "Wav2Vec2Config", SOUND),
    "wav2vec2, first": Model("Wav2Vec2ForCTC", "Wav2Vec2Config", {
        **SOUND, "feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True, "num_conv_pos_embeddings": 5,
        "pad_token_id": 3}),
    "wav2vec2, vectors": Model("Wav2Vec2Model", "Wav2Vec2Config", SOUND),
    "hubert, classes": Model("HubertForSequenceClassification", "HubertConfig", {
        **SOUND, **LABELS, "feat_proj_layer_norm": False, "classifier_proj_size": 10}),
    "hubert": Model("HubertForCTC", "HubertConfig", {**SOUND, "hidden_act": "relu", "feat_extract_activation": "gelu_new"}),
}  # fmt: skip
SIGLIP = Model("SiglipModel", "SiglipConfig", {
    "vision_config": {**VIT, "hidden_act": "gelu"},
    "text_config": {**ENCODER, "vocab_size": VOCAB, "max_position_embeddings": 16, "pad_token_id": 1, "num_hidden_layers": 1},
})  # fmt: skip
CLIP = Model("CLIPModel", "CLIPConfig", {
    "projection_dim": 24, "vision_config": {**VIT, "hidden_act": "gelu"},
    "text_config": {**ENCODER, "vocab_size": VOCAB, "hidden_size": 24, "eos_token_id": VOCAB - 1},
})  # fmt: skip


def save(model: Any, folder: Path, shard: str = "5GB", **changes: object) -> None:
    """Write a model's folder; `changes` are fields of its config."""
    model.save_pretrained(folder, max_shard_size=shard)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def imported(folder: Path, lines: int = MAX_LINES, spec: Path | None = None) -> Program:
    """The program of a folder's spec, which is short and sound."""
    spec = spec or folder / "model.mai"
    text = import_folder(folder, spec).text
    assert len(text.splitlines()) < lines
    spec.write_text(text, encoding="utf-8")
    checked = check(spec)
    assert checked.program is not None
    assert checked.diagnostics == []
    return checked.program
