"""Random models of every architecture in memory, and what they answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.tiny import DEPTHS, SIZES, tiny_config


def torch_logits(checkpoint: str | Path, texts: Sequence[str]) -> np.ndarray:
    """Logits of each text alone, by the stock model: no padding, no batch, nothing of ours."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()
    with torch.no_grad():
        return np.concatenate([model(**tokenizer(text, return_tensors="pt")).logits.numpy() for text in texts])


WORDPIECES = 200
ROBERTA = {"max_position_embeddings": 66, "pad_token_id": 1, "type_vocab_size": 1}
DEBERTA = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 0}
LAYERS = {"modernbert": 4}
"""The last two of four differ in what they see; the other architectures have two."""
SPECIAL: dict[str, dict[str, Any]] = {
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
    "mpnet": {"max_position_embeddings": 66, "pad_token_id": 1},
    "deberta": DEBERTA | {"max_relative_positions": 16},
    "deberta-v2": DEBERTA
    | {"position_biased_input": False, "position_buckets": 16, "norm_rel_ebd": "layer_norm", "share_att_key": True},
    "modernbert": {"local_attention": 8, "classifier_pooling": "mean"},  # the window is 4 to each side
    "qwen2": {"use_sliding_window": True, "sliding_window": 4, "layer_types": ["full_attention", "sliding_attention"]},
    "bart": {"init_std": 0.2, "eos_token_id": 2},
    "t5": {
        "relative_attention_num_buckets": 8,
        "relative_attention_max_distance": 20,
        "eos_token_id": 2,
        "initializer_factor": 1.0,
    },
}
"""What tells an architecture from the others, small enough for toy sentences to show it."""
KINDS = (*SIZES, "bert", "roberta", "xlm-roberta", "mpnet", "deberta", "deberta-v2", "modernbert")
"""The architectures."""


def deep(name: str, depth: int) -> dict[str, Any]:
    """Overrides that make a random model so deep; where kinds of attention alternate, they still do."""
    fields: dict[str, Any] = dict.fromkeys(DEPTHS.get(name, ["num_hidden_layers"]), depth)
    if name == "qwen2":
        fields["layer_types"] = ["full_attention", "sliding_attention", "sliding_attention"] * (depth // 3)
    return fields


def head_of(name: str) -> str:
    """The head that classifies what the model reads."""
    return "ImageClassification" if name == "vit" else "SequenceClassification"


def random_model(name: str, head: str = "SequenceClassification", **overrides: Any) -> Any:
    """A tiny stock model of that architecture in eval mode, with 3 labels; its logits move with its input."""
    import torch
    import transformers

    values: dict[str, Any] = {"vocab_size": WORDPIECES, "initializer_range": 0.2}
    if name not in ("t5", "bart"):
        values |= dict.fromkeys(("bos_token_id", "eos_token_id"))
    config = tiny_config(name, 3, LAYERS.get(name, 2), **values | SPECIAL.get(name, {}) | overrides)
    auto = getattr(transformers, f"AutoModelFor{head}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = auto.from_config(config, attn_implementation="eager").eval()
        with torch.no_grad():
            for parameter in model.parameters():  # biases and norms start out equal in every layer
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def random_batch(model: Any, size: int, length: int, padding: str = "right") -> dict[str, np.ndarray]:
    """Inputs for a random model: `size` rows, the first of `length` tokens, the others shorter, padded on one side.

    With `padding` "none" all have `length` tokens. Images for a model of images.
    """
    config = model.config
    chance = np.random.default_rng(100 * size + length)
    if model.main_input_name == "pixel_values":
        return {"pixel_values": chance.standard_normal((size, 3, 32, 32)).astype(np.float32)}
    ids = np.full((size, length), config.pad_token_id)
    mask = np.zeros_like(ids)
    for row in range(size):
        tokens = length if row == 0 or padding == "none" else int(chance.integers(-(-length // 4), length + 1))
        words = chance.integers(5, WORDPIECES, tokens)
        words[-1] = 2  # the end of a sentence, where T5 reads its answer
        place = slice(length - tokens, None) if padding == "left" else slice(tokens)
        ids[row, place], mask[row, place] = words, 1
    batch = {"input_ids": ids, "attention_mask": mask}
    if getattr(config, "type_vocab_size", 0) > 1:
        batch["token_type_ids"] = mask * (np.arange(length) >= length // 2)
    if config.model_type == "fnet":
        del batch["attention_mask"]  # it has none
    return batch


def stock_logits(model: Any, batch: dict[str, np.ndarray]) -> np.ndarray:
    """Logits of the PyTorch model."""
    import torch

    with torch.no_grad():
        return model(**{name: torch.from_numpy(array) for name, array in batch.items()}).logits.numpy()
