"""What settings and arguments are called elsewhere: in PyTorch, Keras, scikit-learn, JAX, pandas, Lightning and Hugging Face's libraries."""

from __future__ import annotations

from collections.abc import Collection

from mai.spec.diagnostics.edit import Edit, meant
from mai.spec.diagnostics.suggest import closest
from mai.spec.source import Span

TRAINING = {
    "lr": "learning_rate base_lr initial_lr init_lr max_lr peak_lr step_size eta eta0 learning_rate_init",
    "weight_decay": "wd decay l2 l2_reg l2_regularization reg",
    "betas": "beta beta1 beta2 beta_1 beta_2 b1 b2",
    "eps": "epsilon",
    "alpha": "rho smoothing_constant",
    "batch": "batch_size batchsize bs minibatch minibatch_size mini_batch_size per_device_train_batch_size train_batch_size",
    "steps": "n_steps num_steps max_steps total_steps train_steps num_train_steps iterations num_iterations n_iter max_iter iters",
    "epochs": "n_epochs num_epochs max_epochs num_train_epochs nb_epoch nepochs",
    "accumulate": "gradient_accumulation_steps accumulate_grad_batches grad_accum grad_accum_steps accumulation_steps",
    "clip": "max_grad_norm grad_clip clip_norm clipnorm global_clipnorm gradient_clip_val clip_grad_norm gradient_clipping max_norm",
    "ema": "ema_decay ema_rate ema_momentum use_ema polyak",
    "seed": "random_state random_seed rng_seed manual_seed rng key",
    "precision": "dtype mixed_precision amp",
    "evaluate": "eval_every eval_steps eval_interval evaluation_steps val_check_interval check_val_every_n_epoch validation_freq",
    "recompute": "gradient_checkpointing activation_checkpointing checkpointing remat",
    "compile": "jit torch_compile jit_compile",
    "schedule": "scheduler lr_scheduler lr_schedule lr_scheduler_type lr_policy",
    "optimizer": "optim opt optimiser",
    "warmup": "warmup_steps num_warmup_steps warm_up n_warmup",
    "final": "eta_min min_lr end_lr lr_end final_lr",
    "every": "step_size period decay_steps freq",
    "by": "gamma factor decay_rate",
    "rise": "pct_start",
    "patience": "early_stopping early_stopping_patience n_iter_no_change",
    "metric": "monitor metric_for_best_model scoring",
    "goal": "mode direction greater_is_better",
    "keep": "save_best save_best_only load_best_model_at_end restore_best_weights",
    "checkpoints": "save_steps save_every save_total_limit checkpoint_every save_top_k",
    "count": "save_total_limit save_top_k max_to_keep",
    "sample": "sampler",
    "freeze": "frozen",
    "groups": "param_groups parameter_groups lr_multipliers no_decay",
}
DATA = {
    "path": "file filename filepath file_path root data_dir data_files",
    "separator": "sep delimiter delim",
    "missing": "na_values dropna handle_missing",
    "words": "categorical categories cat_features categorical_features",
    "validation": "val valid validation_data val_file eval_file dev",
    "share": "validation_split val_split val_size valid_size valid_pct test_size fraction",
    "column": "col key by groups stratify",
    "window": "lookback seq_len sequence_length input_length context_length history n_lags lags",
    "horizon": "pred_len prediction_length forecast_horizon steps_ahead output_length n_ahead",
    "size": "image_size img_size target_size resolution",
    "fit": "resize resize_mode",
    "channels": "num_channels n_channels in_channels color_mode mode",
    "vocab": "vocab_size n_vocab num_embeddings",
    "longer": "truncation overflow",
    "field": "column text_column content",
}
LAYERS = {
    "n": "out_features units out_dim output_dim n_out features num_features width hidden_size",
    "d": "embedding_dim embed_dim n_embd d_model output_dim features",
    "out": "out_channels filters n_filters num_filters features",
    "size": "kernel_size kernel filter_size window_size pool_size",
    "stride": "strides",
    "padding": "pad",
    "heads": "num_heads n_heads nhead n_head num_attention_heads nb_heads",
    "kv_heads": "num_key_value_heads n_kv_heads num_kv_heads",
    "hidden": "d_ff ffn_dim intermediate_size hidden_dim hidden_size hidden_features dim_feedforward n_inner",
    "activation": "act act_fn nonlinearity hidden_act activation_fn",
    "p": "rate prob drop_prob dropout_rate drop dropout",
    "bias": "use_bias fit_intercept",
    "causal": "is_causal causal_mask use_causal_mask",
    "groups": "num_groups n_groups feature_group_count",
    "affine": "elementwise_affine scale center",
    "dilation": "dilation_rate",
    "rotary": "rope use_rope use_rotary",
    "base": "theta rope_theta",
    "init": "kernel_initializer initializer weight_init kernel_init",
    "axis": "dim dims axes",
    "keep": "keepdim keepdims keep_dims",
    "depth": "n_layers num_layers n_layer layers num_hidden_layers n_blocks num_blocks",
    "layers": "n_layers num_layers n_layer depth num_hidden_layers n_blocks num_blocks",
}
NUMBERS = {
    "mean": "loc mu",
    "location": "loc mu mean",
    "std": "scale sigma stddev sd stdev",
    "scale": "std sigma",
    "low": "min minval a",
    "high": "max maxval b",
    "rate": "lam lambda_ intensity",
    "rtol": "rel_tol reltol",
    "atol": "abs_tol abstol",
}
TABLES = (TRAINING, DATA, LAYERS, NUMBERS)


def synonym(name: str, candidates: Collection[str]) -> str | None:
    """The candidate that other libraries call `name`, in whatever letters; None where there is none."""
    plain = name.lower().replace("-", "_")
    words = (word for table in TABLES for word, others in table.items() if plain in others.split())
    return next((word for word in words if word in candidates), None)


def setting_meant(span: Span, name: str, candidates: Collection[str]) -> Edit | None:
    """The setting or argument that an unknown one was most likely meant to be, in its place; None where none is near."""
    word = synonym(name, candidates) or closest(name, candidates)
    return meant(span, word) if word is not None else None
