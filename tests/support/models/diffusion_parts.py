"""Settings of small networks of diffusers, which several tests put into pipelines."""

SIZE = 8
UNET = {
    "sample_size": SIZE, "layers_per_block": 1, "block_out_channels": (8, 16), "norm_num_groups": 4, "cross_attention_dim": 12,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"), "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}  # fmt: skip
VAE = {
    "block_out_channels": (8, 16, 8), "layers_per_block": 1, "norm_num_groups": 4, "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
}  # fmt: skip
