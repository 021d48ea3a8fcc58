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


def model_of(family):
    options = DISTILBERT if family == "distilbert" else SHAPE
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
