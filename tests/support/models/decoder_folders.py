"""Small decoders of texts with random weights, one or several for each family that `mai import` knows."""

from __future__ import annotations

from tests.support.models.model_folders import TEXT, VOCAB, WIDTH, Model

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
DELTA = {
    "head_dim": 16, "linear_key_head_dim": 6, "linear_value_head_dim": 5, "linear_num_key_heads": 2, "linear_num_value_heads": 4,
    "linear_conv_kernel_dim": 3, "layer_types": ["linear_attention", "full_attention"],
}  # fmt: skip
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
    "falcon_mamba": Model("FalconMambaForCausalLM", "FalconMambaConfig", {
        "vocab_size": VOCAB, "hidden_size": WIDTH, "num_hidden_layers": 2, "state_size": 5, "time_step_rank": 3, "mixer_rms_eps": 1e-3,
        "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 0}),
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
        **TEXT, "num_hidden_layers": 4, "sliding_window": 5, "sliding_window_pattern": 3}),
    "exaone4, whole": Model("Exaone4ForCausalLM", "Exaone4Config", {**TEXT, "sliding_window": None, "layer_types": ["full_attention"] * 2}),
    "opt": Model("OPTForCausalLM", "OPTConfig", {
        "vocab_size": VOCAB, "hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 48,
        "max_position_embeddings": 64, "init_std": 0.3, "bos_token_id": 0, "eos_token_id": 1, "word_embed_proj_dim": WIDTH}),
    "opt, narrow": Model("OPTForCausalLM", "OPTConfig", {
        "vocab_size": VOCAB, "hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 48, "bos_token_id": 0, "eos_token_id": 1,
        "max_position_embeddings": 64, "init_std": 0.3, "word_embed_proj_dim": 12, "do_layer_norm_before": False}),
    "gptj": Model("GPTJForCausalLM", "GPTJConfig", {**GPT2, "rotary_dim": 4, "bos_token_id": 0}),
    "codegen": Model("CodeGenForCausalLM", "CodeGenConfig", {
        **GPT2, "rotary_dim": 4, "bos_token_id": 0, "tie_word_embeddings": True}),
    "openai-gpt": Model("OpenAIGPTLMHeadModel", "OpenAIGPTConfig", GPT2),
    "biogpt": Model("BioGptForCausalLM", "BioGptConfig", TEXT),
    "biogpt, untied": Model("BioGptForCausalLM", "BioGptConfig", {**TEXT, "num_hidden_layers": 1, "tie_word_embeddings": False}),
    "xglm": Model("XGLMForCausalLM", "XGLMConfig", {
        "vocab_size": VOCAB, "d_model": WIDTH, "num_layers": 2, "attention_heads": 4, "ffn_dim": 48, "init_std": 0.3, "pad_token_id": 5}),
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
    "olmo3": Model("Olmo3ForCausalLM", "Olmo3Config", {**TEXT, "num_hidden_layers": 4, "sliding_window": 5}),
    "olmo3, yarn": Model("Olmo3ForCausalLM", "Olmo3Config", {
        **TEXT, "sliding_window": 5, "layer_types": ["sliding_attention", "full_attention"],
        "rope_parameters": {"full_attention": YARN, "sliding_attention": {"rope_type": "default", "rope_theta": 500.0}}}),
    "lfm2": Model("Lfm2ForCausalLM", "Lfm2Config", {
        **TEXT, "num_hidden_layers": 3, "layer_types": ["conv", "full_attention", "conv"], "block_multiple_of": 8}),
    "lfm2, biased": Model("Lfm2ForCausalLM", "Lfm2Config", {
        **TEXT, "full_attn_idxs": [0], "block_auto_adjust_ff_dim": False, "conv_bias": True, "conv_L_cache": 4, "tie_word_embeddings": False}),
    "lfm2_moe": Model("Lfm2MoeForCausalLM", "Lfm2MoeConfig", {
        **TEXT, **EXPERTS, "num_hidden_layers": 3, "layer_types": ["conv", "full_attention", "conv"], "moe_intermediate_size": 20,
        "num_dense_layers": 1, "routed_scaling_factor": 1.4}),
    "granitemoe": Model("GraniteMoeForCausalLM", "GraniteMoeConfig", {
        **TEXT, "num_local_experts": 4, "embedding_multiplier": 2.0, "residual_multiplier": 0.7, "attention_multiplier": 0.3, "logits_scaling": 3.0}),
    "gpt_oss": Model("GptOssForCausalLM", "GptOssConfig", {
        **TEXT, "head_dim": 12, "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 5, "swiglu_limit": 1.5,
        "rope_parameters": {**YARN, "truncate": False}}),
    "gpt_neo": Model("GPTNeoForCausalLM", "GPTNeoConfig", {
        "vocab_size": VOCAB, "hidden_size": WIDTH, "num_layers": 2, "num_heads": 4, "max_position_embeddings": 64, "window_size": 5,
        "attention_types": [[["global", "local"], 1]], "bos_token_id": 0, "eos_token_id": 1}),
    "rwkv, halved": Model("RwkvForCausalLM", "RwkvConfig", {
        "vocab_size": VOCAB, "hidden_size": WIDTH, "num_hidden_layers": 3, "rescale_every": 1, "bos_token_id": 0, "eos_token_id": 1}),
    "rwkv": Model("RwkvForCausalLM", "RwkvConfig", {
        "vocab_size": VOCAB, "hidden_size": WIDTH, "num_hidden_layers": 2, "intermediate_size": 48, "layer_norm_epsilon": 1e-4,
        "bos_token_id": 0, "eos_token_id": 1}),
    "apertus": Model("ApertusForCausalLM", "ApertusConfig", {**TEXT, "dtype": "float32"}),
    "hunyuan": Model("HunYuanDenseV1ForCausalLM", "HunYuanDenseV1Config", {
        **TEXT, "head_dim": 12, "rope_parameters": {"rope_type": "dynamic", "rope_theta": 5000.0, "alpha": 3.0, "factor": 1.0}}),
    "glm4_moe": Model("Glm4MoeForCausalLM", "Glm4MoeConfig", {
        **TEXT, "head_dim": 8, "num_hidden_layers": 3, "n_routed_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 20, "n_group": 2,
        "use_qk_norm": True, "routed_scaling_factor": 1.5, "attention_bias": True}),
    "ernie4_5_moe": Model("Ernie4_5_MoeForCausalLM", "Ernie4_5_MoeConfig", {
        **TEXT, "moe_num_experts": 5, "moe_k": 2, "moe_intermediate_size": 20, "moe_num_shared_experts": 1}),
    "qwen3_next": Model("Qwen3NextForCausalLM", "Qwen3NextConfig", {
        **TEXT, **DELTA, **EXPERTS, "moe_intermediate_size": 20, "shared_expert_intermediate_size": 24}),
    "qwen3_5": Model("Qwen3_5ForCausalLM", "Qwen3_5TextConfig", {**TEXT, **DELTA}),
    "qwen3_5, experts": Model("Qwen3_5MoeForCausalLM", "Qwen3_5MoeTextConfig", {
        **{k: v for k, v in TEXT.items() if k != "intermediate_size"}, **DELTA, **EXPERTS, "moe_intermediate_size": 20,
        "shared_expert_intermediate_size": 24}),
}  # fmt: skip

# Models that also read images, of which the texts alone are imported.
EYES = {
    "depth": 1,
    "hidden_size": 16,
    "num_heads": 2,
    "intermediate_size": 16,
    "patch_size": 4,
    "out_hidden_size": WIDTH,
}
INNER = {**TEXT, "initializer_range": 0.3}
SIGHT = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 8,
    "patch_size": 4,
}
DECODERS |= {
    "gemma4": Model("Gemma4ForCausalLM", "Gemma4TextConfig", {
        **TEXT, "num_hidden_layers": 5, "head_dim": 8, "global_head_dim": 16, "sliding_window": 5, "num_kv_shared_layers": 2, "use_double_wide_mlp": True,
        "vocab_size_per_layer_input": VOCAB, "hidden_size_per_layer_input": 6, "final_logit_softcapping": 4.0,
        "use_bidirectional_attention": "vision",
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "sliding_attention", "full_attention"]}),
    "gemma4, experts": Model("Gemma4ForCausalLM", "Gemma4TextConfig", {
        **TEXT, "head_dim": 8, "global_head_dim": 12, "num_global_key_value_heads": 1, "attention_k_eq_v": True, "sliding_window": 5,
        "hidden_size_per_layer_input": 0, "enable_moe_block": True, "num_experts": 5, "top_k_experts": 2, "moe_intermediate_size": 20,
        "layer_types": ["sliding_attention", "full_attention"]}),
    "gemma3, its texts": Model("Gemma3ForConditionalGeneration", "Gemma3Config", {
        "text_config": {**INNER, **DECODERS["gemma3"].settings, "initializer_range": 0.3}, "vision_config": SIGHT, "mm_tokens_per_image": 4}),
    "qwen2_5_vl, its texts": Model("Qwen2_5_VLForConditionalGeneration", "Qwen2_5_VLConfig", {
        "text_config": {**INNER, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0, "mrope_section": [2, 1, 1]}}, "vision_config": EYES}),
    "qwen2_vl, its texts": Model("Qwen2VLForConditionalGeneration", "Qwen2VLConfig", {
        "text_config": {**INNER, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0, "mrope_section": [2, 1, 1]}},
        "vision_config": {"depth": 1, "embed_dim": 16, "num_heads": 2, "hidden_size": WIDTH, "patch_size": 4}, "tie_word_embeddings": True}),
    "qwen3_vl, its texts": Model("Qwen3VLForConditionalGeneration", "Qwen3VLConfig", {
        "text_config": {**INNER, "head_dim": 12, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0, "mrope_section": [2, 2, 2]}},
        "vision_config": {**EYES, "deepstack_visual_indexes": [0]}}),
    "qwen3_vl_moe, its texts": Model("Qwen3VLMoeForConditionalGeneration", "Qwen3VLMoeConfig", {
        "text_config": {**INNER, **EXPERTS, "moe_intermediate_size": 20, "rope_parameters": {
            "rope_type": "default", "rope_theta": 500.0, "mrope_section": [2, 1, 1]}},
        "vision_config": {**EYES, "deepstack_visual_indexes": [0]}}),
    "qwen3_5, its texts": Model("Qwen3_5ForConditionalGeneration", "Qwen3_5Config", {
        "text_config": {**INNER, **DELTA}, "vision_config": EYES}),
    "mistral3, its texts": Model("Mistral3ForConditionalGeneration", "Mistral3Config", {
        "text_config": {**INNER, "model_type": "mistral", "sliding_window": None}, "vision_config": {**SIGHT, "model_type": "pixtral", "head_dim": 8}}),
}  # fmt: skip
