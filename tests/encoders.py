"""Small encoders of many families, with random weights that are large enough to tell right attention from wrong."""

from __future__ import annotations

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForTokenClassification

from kdner.teacher.pieces import Windows

SHAPE = {
    "vocab_size": 200,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "num_labels": 5,
}
DISTILBERT = {"vocab_size": 200, "dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "num_labels": 5}
MODERNBERT = {"pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2}
FIRST_POSITIONS = {
    "bert": 0,
    "electra": 0,
    "albert": 0,
    "ernie": 0,
    "distilbert": 0,
    "roberta": 2,
    "xlm-roberta": 2,
    "camembert": 2,
    "modernbert": 0,
    "mpnet": None,
    "deberta-v2": None,
    "roformer": None,
    "convbert": None,
}
"""Where windows begin in a packed row; None: the family cannot be packed, and says so by its logits alone."""

XLNET = {"vocab_size": 200, "d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64, "num_labels": 5}
FUNNEL = {"vocab_size": 200, "d_model": 32, "n_head": 2, "d_head": 16, "d_inner": 64, "block_sizes": [1, 1]}
OWN_OPTIONS = {
    "longformer": {"attention_window": [4, 4, 4]},
    "squeezebert": {"embedding_size": 32},
    "esm": {"pad_token_id": 1, "mask_token_id": 4},
    "xlm": {"emb_dim": 32, "n_layers": 2, "n_heads": 2},
    "t5": {"d_model": 32, "d_kv": 16, "num_heads": 2, "d_ff": 64, "num_layers": 2},
}
POSITION_ROWS = {
    **dict.fromkeys(
        ["bert", "electra", "albert", "distilbert", "roformer", "convbert", "big_bird", "nystromformer"], 40
    ),
    **dict.fromkeys(["roberta", "xlm-roberta", "camembert", "mpnet", "longformer", "data2vec-text", "luke", "esm"], 38),
    **dict.fromkeys(["roberta-prelayernorm", "ibert"], 38),
    **dict.fromkeys(["squeezebert", "xlm", "deberta", "megatron-bert", "layoutlm"], 40),
    **dict.fromkeys(["modernbert", "deberta-v2", "t5", "xlnet", "funnel"], None),
}
"""Pieces that a model reads whose table of positions has 40 rows; None: the family has no such table."""


def model_of(family, **more):
    options = {"distilbert": DISTILBERT, "xlnet": XLNET, "funnel": FUNNEL}.get(family, SHAPE)
    options = {**options, **OWN_OPTIONS.get(family, {}), **more}
    if family == "deberta-v2":
        options = {**options, "relative_attention": True, "position_biased_input": False}
    if family == "modernbert":
        options = {**options, **MODERNBERT, "local_attention": 8, "global_attn_every_n_layers": 2}
    torch.manual_seed(1)
    model = AutoModelForTokenClassification.from_config(AutoConfig.for_model(family, **options)).eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def windows_of(sizes):
    """Windows of random pieces; all but the first and the last piece of each, where it has three, are words."""
    draw = np.random.default_rng(2)
    sizes = np.array(sizes, np.int64)
    starts = np.cumsum(sizes) - sizes
    places = [np.arange(min(1, size - 1), max(1, size - 1)) for size in sizes]
    firsts = np.concatenate([start + inside for start, inside in zip(starts, places, strict=True)])
    words = np.array([len(inside) for inside in places])
    return Windows(draw.integers(3, 200, sizes.sum()).astype(np.int32), sizes, firsts, words)
