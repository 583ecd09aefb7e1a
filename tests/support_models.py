"""For the tests of export and measurement: a small task, sentences of words of every length, and random models."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.tiny import DEPTHS, WORDS
from theseus_plugin.contract import Task, TaskData
from theseus_plugin.options.validation import Options


def sentences(count: int = 37, longest: int = 40) -> list[str]:
    words = random.Random(0)
    return [" ".join(words.choices(WORDS, k=words.randint(1, longest))) for _ in range(count)]


class Sentences(Task):
    """Texts and labels given in the test; scored by the share of right labels."""

    name = "sentences"
    summary = "for tests"
    auto_class = "AutoModelForSequenceClassification"
    Config = Options

    def __init__(self, texts: Sequence[str] | None = None, labels: Sequence[Any] | None = None) -> None:
        self.config = Options()
        self.texts = sentences() if texts is None else texts
        self.labels = [i % 2 for i in range(len(self.texts))] if labels is None else labels

    def load(
        self, checkpoint: str, splits: Sequence[str] = ("train", "validation"), new_head: bool = False
    ) -> TaskData:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        examples = [{**tokenizer(text), "labels": label} for text, label in zip(self.texts, self.labels, strict=True)]

        def collate(batch):
            width = max(len(e["input_ids"]) for e in batch)
            arrays = {
                name: np.array([e[name] + [0] * (width - len(e[name])) for e in batch], dtype=np.int64)
                for name in batch[0]
                if name != "labels"
            }
            return {**arrays, "labels": np.array([e["labels"] for e in batch])}

        texts = {split: [(text,) for text in self.texts] for split in splits}

        def score(logits, labels):
            return {"accuracy": float((logits.argmax(-1) == labels).mean())}

        return TaskData(dict.fromkeys(splits, examples), collate, score, "accuracy", {"num_labels": 2}, texts=texts)


def torch_logits(checkpoint: str | Path, texts: Sequence[str]) -> np.ndarray:
    """Logits of each text alone, by the stock model: no padding, no batch, nothing of ours."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()
    with torch.no_grad():
        return np.concatenate([model(**tokenizer(text, return_tensors="pt")).logits.numpy() for text in texts])


WORDPIECES = 200
BERT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "initializer_range": 0.2,
}
ROBERTA = BERT | {"max_position_embeddings": 66, "pad_token_id": 1, "type_vocab_size": 1}
DEBERTA = BERT | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 0}
LLAMA = BERT | {"num_key_value_heads": 1}
CONFIGS: dict[str, dict[str, Any]] = {
    "bert": BERT,
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 64},
    "electra": BERT | {"embedding_size": 16},
    "mpnet": BERT | {"max_position_embeddings": 66, "pad_token_id": 1},
    "albert": BERT | {"embedding_size": 16},
    "deberta": DEBERTA | {"max_relative_positions": 16},
    "deberta-v2": DEBERTA
    | {"position_biased_input": False, "position_buckets": 16, "norm_rel_ebd": "layer_norm", "share_att_key": True},
    # the window is 4 to each side; the last two layers differ in what they see
    "modernbert": BERT | {"num_hidden_layers": 4, "local_attention": 8, "classifier_pooling": "mean"},
    "llama": LLAMA,
    "qwen2": LLAMA
    | {"use_sliding_window": True, "sliding_window": 4, "layer_types": ["full_attention", "sliding_attention"]},
    "bart": {
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 64,
        "max_position_embeddings": 64,
        "init_std": 0.2,
        "eos_token_id": 2,
        "decoder_start_token_id": 0,
        "forced_eos_token_id": None,
    },
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64, "initializer_range": 0.2},
    "t5": {
        "d_model": 32,
        "d_kv": 16,
        "d_ff": 64,
        "num_layers": 2,
        "num_heads": 2,
        "relative_attention_num_buckets": 8,
        "relative_attention_max_distance": 20,
        "eos_token_id": 2,
        "decoder_start_token_id": 0,
        "initializer_factor": 1.0,
    },
    "fnet": {k: v for k, v in BERT.items() if k != "num_attention_heads"},
    "vit": {k: v for k, v in BERT.items() if k != "max_position_embeddings"} | {"image_size": 32, "patch_size": 8},
}


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

    values: dict[str, Any] = {"num_labels": 3}
    if name != "vit":
        values |= {"vocab_size": WORDPIECES, "pad_token_id": 0}
    if name not in ("t5", "bart"):  # the defaults lie outside this vocabulary
        values |= dict.fromkeys(("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"))
    config = transformers.AutoConfig.for_model(name, **values | CONFIGS[name] | overrides)
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
