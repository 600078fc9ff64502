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
from tests.support.models.zoo import shaken

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
ESM = {**ENCODER, "position_embedding_type": "rotary", "token_dropout": True, "mask_token_id": 50}
DEBERTA = {
    "relative_attention": True, "pos_att_type": "p2c|c2p", "position_buckets": 8, "norm_rel_ebd": "layer_norm", "share_att_key": True,
    "position_biased_input": False, "max_relative_positions": 20,
}  # fmt: skip
PLACED = {"relative_attention": True, "pos_att_type": "c2p|p2c", "position_biased_input": False}
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
    "esm": Model("EsmModel", "EsmConfig", ESM),
    "esm, classes": Model("EsmForSequenceClassification", "EsmConfig", {
        **ESM, **LABELS, "position_embedding_type": "absolute", "emb_layer_norm_before": True, "token_dropout": False}),
    "esm, gaps": Model("EsmForMaskedLM", "EsmConfig", {**ESM, "mask_token_id": 7}),
    "ernie": Model("ErnieModel", "ErnieConfig", {**ENCODER, "use_task_id": True}),
    "ernie, gaps": Model("ErnieForMaskedLM", "ErnieConfig", ENCODER),
    "data2vec-text": Model("Data2VecTextModel", "Data2VecTextConfig", {**ENCODER, "pad_token_id": 1}),
    "data2vec-text, gaps": Model("Data2VecTextForMaskedLM", "Data2VecTextConfig", {**ENCODER, "pad_token_id": 1}),
    "distilbert, gaps": Model("DistilBertForMaskedLM", "DistilBertConfig", DISTIL),
    "nomic_bert": Model("NomicBertModel", "NomicBertConfig", {**ENCODER, "hidden_act": "gelu"}),
    "nomic_bert, classes": Model("NomicBertForSequenceClassification", "NomicBertConfig", {**ENCODER, **LABELS}),
    "nomic_bert, gaps": Model("NomicBertForMaskedLM", "NomicBertConfig", ENCODER),
    "gte": Model("GteModel", "GteConfig", ENCODER),
    "gte, classes": Model("GteForSequenceClassification", "GteConfig", {**ENCODER, **LABELS, "type_vocab_size": 2}),
    "gte, gaps": Model("GteForMaskedLM", "GteConfig", {**ENCODER, "hidden_act": "relu", "type_vocab_size": 0}),
    "eurobert": Model("EuroBertModel", "EuroBertConfig", {**TEXT, "attention_bias": True}),
    "eurobert, classes": Model("EuroBertForSequenceClassification", "EuroBertConfig", {**TEXT, **LABELS, "classifier_dropout": 0.0}),
    "eurobert, gaps": Model("EuroBertForMaskedLM", "EuroBertConfig", TEXT),
    "eurobert, tags": Model("EuroBertForTokenClassification", "EuroBertConfig", {**TEXT, **LABELS}),
    "deberta": Model("DebertaModel", "DebertaConfig", {**ENCODER, **PLACED}),
    "deberta, classes": Model("DebertaForSequenceClassification", "DebertaConfig", {**ENCODER, **LABELS, **PLACED, "max_relative_positions": 5}),
    "deberta, gaps": Model("DebertaForMaskedLM", "DebertaConfig", {**ENCODER, **PLACED, "pos_att_type": "p2c", "type_vocab_size": 2}),
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
    "umt5": Model("UMT5ForConditionalGeneration", "UMT5Config", T5),
    "bart": Model("BartForConditionalGeneration", "BartConfig", BART),
    "bart, relu": Model("BartForConditionalGeneration", "BartConfig", {
        **BART, "activation_function": "relu", "scale_embedding": True, "forced_eos_token_id": None}),
    "mbart": Model("MBartForConditionalGeneration", "MBartConfig", {**BART, "decoder_start_token_id": 2}),
    "marian": Model("MarianMTModel", "MarianConfig", {**BART, **MARIAN}),
    "marian, swish": Model("MarianMTModel", "MarianConfig", {
        **BART, **MARIAN, "activation_function": "swish", "scale_embedding": True}),
    "m2m_100": Model("M2M100ForConditionalGeneration", "M2M100Config", BART),
    "pegasus": Model("PegasusForConditionalGeneration", "PegasusConfig", BART),
}  # fmt: skip

WHISPER = Model("WhisperForConditionalGeneration", "WhisperConfig", {
    **{k: v for k, v in BART.items() if k != "max_position_embeddings"}, "num_mel_bins": 20, "max_source_positions": 50,
    "max_target_positions": 40, "decoder_start_token_id": 90, "eos_token_id": 1, "pad_token_id": 1, "bos_token_id": 1,
    "begin_suppress_tokens": [5, 1], "suppress_tokens": [7], "scale_embedding": True,  # which Whisper does not read
})  # fmt: skip

VIT = {
    "image_size": 32, "patch_size": 8, "hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
}  # fmt: skip
DINO = {**{k: v for k, v in VIT.items() if k != "intermediate_size"}, "mlp_ratio": 3, "layerscale_value": 0.7}
SWIN = {"image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [2, 1], "num_heads": [2, 4], "window_size": 3}
STAGES = {"hidden_sizes": [8, 12, 16], "depths": [1, 2, 3]}
NO_DEPTH = {"depths": [0, 2, 1]}  # A stage of residual blocks has one all the same.
EFFICIENT = {
    "image_size": 32, "width_coefficient": 0.05, "depth_coefficient": 1.1, "hidden_dim": 64, "kernel_sizes": [3, 5, 3], "in_channels": [32, 160, 240],
    "out_channels": [160, 240, 320], "strides": [1, 2, 2], "num_block_repeats": [1, 2, 1], "expand_ratios": [1, 6, 2],
}  # fmt: skip
REGNET = {"embedding_size": 8, "hidden_sizes": [8, 12, 24], "depths": [1, 2, 3], "groups_width": 4}
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
    "dinov2, registers": Model(
        "Dinov2WithRegistersModel", "Dinov2WithRegistersConfig", {**DINO, "num_register_tokens": 3}
    ),
    "dinov2, registers and classes": Model(
        "Dinov2WithRegistersForImageClassification",
        "Dinov2WithRegistersConfig",
        {**DINO, **LABELS, "num_register_tokens": 2},
    ),
    "convnextv2": Model("ConvNextV2Model", "ConvNextV2Config", {**STAGES, "num_stages": 3}),
    "convnextv2, classes": Model(
        "ConvNextV2ForImageClassification",
        "ConvNextV2Config",
        {**STAGES, **LABELS, "num_stages": 3, "hidden_act": "relu"},
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
        "ResNetForImageClassification",
        "ResNetConfig",
        {"embedding_size": 8, **STAGES, **NO_DEPTH, **LABELS, "layer_type": "basic"},
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
WINDOWS = {
    "mobilenet_v2": Model("MobileNetV2Model", "MobileNetV2Config", {"image_size": 32, "depth_multiplier": 0.3, "finegrained_output": False}),
    "mobilenet_v2, classes": Model("MobileNetV2ForImageClassification", "MobileNetV2Config", {
        **LABELS, "image_size": 32, "depth_multiplier": 0.25, "tf_padding": False, "output_stride": 8, "first_layer_is_expansion": False, "expand_ratio": 3.0,
        "finegrained_output": False}),
    "efficientnet": Model("EfficientNetModel", "EfficientNetConfig", {**EFFICIENT, "depthwise_padding": [2], "pooling_type": "max", "initializer_range": 0.6}),
    "efficientnet, classes": Model("EfficientNetForImageClassification", "EfficientNetConfig", {**EFFICIENT, **LABELS, "kernel_sizes": [3, 1, 3], "hidden_act": "relu"}),
    "regnet": Model("RegNetModel", "RegNetConfig", {**REGNET, **NO_DEPTH, "layer_type": "x", "downsample_in_first_stage": False}),
    "regnet, classes": Model("RegNetForImageClassification", "RegNetConfig", {**REGNET, **LABELS}),
    "poolformer": Model("PoolFormerForImageClassification", "PoolFormerConfig", {
        **LABELS, "hidden_sizes": [8, 12, 16], "depths": [1, 0, 2], "patch_sizes": [7, 3, 3], "strides": [4, 2, 2], "padding": [2, 1, 1],
        "num_encoder_blocks": 3, "mlp_ratio": 2.3}),
}  # fmt: skip
PLACES = {
    "beit": Model("BeitModel", "BeitConfig", {**VIT, "use_relative_position_bias": True, "use_mask_token": True}),
    "beit, classes": Model("BeitForImageClassification", "BeitConfig", {
        **VIT, **LABELS, "use_shared_relative_position_bias": True, "use_absolute_position_embeddings": True, "use_mean_pooling": False,
        "layer_scale_init_value": 0.0}),
    "data2vec-vision": Model("Data2VecVisionForImageClassification", "Data2VecVisionConfig", {
        **VIT, **LABELS, "use_relative_position_bias": True, "use_shared_relative_position_bias": True}),
    "data2vec-vision, vectors": Model("Data2VecVisionModel", "Data2VecVisionConfig", {**VIT, "use_relative_position_bias": True}),
    "dinov3": Model("DINOv3ViTModel", "DINOv3ViTConfig", {**VIT, "num_register_tokens": 3, "layerscale_value": 0.7}),
    "dinov3, gated": Model("DINOv3ViTModel", "DINOv3ViTConfig", {**VIT, "use_gated_mlp": True, "hidden_act": "silu", "key_bias": True}),
}  # fmt: skip
IMAGES |= WINDOWS | PLACES
NECK = {"neck_hidden_sizes": [6, 8, 10, 12], "fusion_hidden_size": 8, "reassemble_factors": [4, 2, 1, 0.5]}
DEPTHS = {
    "depth_anything": Model("DepthAnythingForDepthEstimation", "DepthAnythingConfig", {
        **NECK, "patch_size": 8, "reassemble_hidden_size": WIDTH, "head_hidden_size": 6, "backbone_config": {
            **DINO, "model_type": "dinov2", "num_hidden_layers": 4, "out_indices": [1, 2, 3, 4], "reshape_hidden_states": False,
            "initializer_range": 0.3}}),
    "depth_anything, metres": Model("DepthAnythingForDepthEstimation", "DepthAnythingConfig", {
        "neck_hidden_sizes": [6, 8], "fusion_hidden_size": 8, "reassemble_factors": [2, 1], "patch_size": 8, "reassemble_hidden_size": WIDTH,
        "head_hidden_size": 6, "depth_estimation_type": "metric", "max_depth": 20, "backbone_config": {
            **DINO, "model_type": "dinov2", "num_hidden_layers": 3, "out_indices": [1, 3], "reshape_hidden_states": False, "initializer_range": 0.3}}),
    "dpt": Model("DPTForDepthEstimation", "DPTConfig", {
        **NECK, **VIT, "num_hidden_layers": 4, "backbone_out_indices": [0, 1, 2, 3], "neck_ignore_stages": []}),
    "dpt, added": Model("DPTForDepthEstimation", "DPTConfig", {
        **VIT, "neck_hidden_sizes": [6, 8], "fusion_hidden_size": 8, "reassemble_factors": [2, 1], "num_hidden_layers": 3,
        "backbone_out_indices": [0, 2], "neck_ignore_stages": [], "readout_type": "add", "use_bias_in_fusion_residual": False}),
}  # fmt: skip
MOBILE = {
    "image_size": 64, "hidden_sizes": [16, 12, 8], "neck_hidden_sizes": [8, 8, 12, 16, 20, 24, 28], "num_attention_heads": 2, "initializer_range": 0.3,
}  # fmt: skip
MOBILES = {
    "classify": Model("MobileViTForImageClassification", "MobileViTConfig", {**MOBILE, **LABELS}),
    "pool": Model("MobileViTModel", "MobileViTConfig", {**MOBILE, "patch_size": 1, "qkv_bias": False, "expand_ratio": 2.3, "mlp_ratio": 1.6}),
}  # fmt: skip
DETR = {
    **LABELS, "d_model": WIDTH, "num_queries": 5, "encoder_layers": 2, "decoder_layers": 3, "encoder_attention_heads": 4, "decoder_attention_heads": 2,
    "encoder_ffn_dim": 48, "decoder_ffn_dim": 40, "backbone_config": {
        "model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 12, 16, 24], "depths": [1, 2, 1, 1], "out_features": ["stage4"]},
}  # fmt: skip
DETECTORS = {
    "detr": Model("DetrForObjectDetection", "DetrConfig", DETR),
    "table-transformer": Model("TableTransformerForObjectDetection", "TableTransformerConfig", DETR),
    "yolos": Model("YolosForObjectDetection", "YolosConfig", {**VIT, **LABELS, "image_size": [32, 24], "num_detection_tokens": 5}),
    "yolos, without later places": Model("YolosForObjectDetection", "YolosConfig", {
        **VIT, **LABELS, "image_size": [24, 32], "num_detection_tokens": 5, "use_mid_position_embeddings": False, "qkv_bias": False}),
}  # fmt: skip
SPECTROGRAMS = {
    "vectors": Model("ASTModel", "ASTConfig", {**VIT, "max_length": 40, "num_mel_bins": 16, "frequency_stride": 4, "time_stride": 5}),
    "classes": Model("ASTForAudioClassification", "ASTConfig", {
        **VIT, **LABELS, "max_length": 24, "num_mel_bins": 16, "qkv_bias": False, "hidden_act": "relu"}),
}  # fmt: skip

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
SOUNDS |= {
    "unispeech": Model("UniSpeechForCTC", "UniSpeechConfig", SOUND),
    "unispeech-sat": Model("UniSpeechSatForSequenceClassification", "UniSpeechSatConfig", {**SOUND, **LABELS, "classifier_proj_size": 10}),
    "wavlm": Model("WavLMForCTC", "WavLMConfig", {**SOUND, "num_buckets": 8, "max_bucket_distance": 12}),
    "wavlm, first": Model("WavLMModel", "WavLMConfig", {
        **SOUND, "feat_extract_norm": "layer", "do_stable_layer_norm": True, "num_buckets": 8, "max_bucket_distance": 12}),
}  # fmt: skip
SIGLIP = Model("SiglipModel", "SiglipConfig", {
    "vision_config": {**VIT, "hidden_act": "gelu"},
    "text_config": {**ENCODER, "vocab_size": VOCAB, "max_position_embeddings": 16, "pad_token_id": 1, "num_hidden_layers": 1},
})  # fmt: skip
CLIP = Model("CLIPModel", "CLIPConfig", {
    "projection_dim": 24, "vision_config": {**VIT, "hidden_act": "gelu"},
    "text_config": {**ENCODER, "vocab_size": VOCAB, "hidden_size": 24, "eos_token_id": VOCAB - 1},
})  # fmt: skip

CLIP_TEXTS = {**ENCODER, "vocab_size": VOCAB, "projection_dim": 24, "eos_token_id": VOCAB - 1}
HALVES = {
    "texts": Model("CLIPTextModel", "CLIPTextConfig", CLIP_TEXTS),
    "texts as vectors": Model("CLIPTextModelWithProjection", "CLIPTextConfig", {**CLIP_TEXTS, "hidden_act": "gelu", "eos_token_id": 2}),
    "images": Model("CLIPVisionModel", "CLIPVisionConfig", {**VIT, "hidden_act": "quick_gelu"}),
    "images as vectors": Model("CLIPVisionModelWithProjection", "CLIPVisionConfig", {**VIT, "projection_dim": 24, "layer_norm_eps": 1e-3}),
    "texts, filled": Model("SiglipTextModel", "SiglipTextConfig", {**SIGLIP.settings["text_config"], "projection_size": 20}),
    "images, looked at": Model("SiglipVisionModel", "SiglipVisionConfig", VIT),
    "images, in places": Model("SiglipVisionModel", "SiglipVisionConfig", {**VIT, "hidden_act": "relu", "vision_use_head": False}),
}  # fmt: skip


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
