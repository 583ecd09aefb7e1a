"""Tiny random stock checkpoints with a tokenizer, saved in milliseconds."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

SPECIAL = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
WORDS = [
    "the",
    "a",
    "an",
    "is",
    "was",
    "and",
    "of",
    "to",
    "in",
    "film",
    "movie",
    "good",
    "bad",
    "great",
    "dull",
    "not",
]
MAX_LENGTH = 64


BERT = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
LLAMA = BERT | {"num_key_value_heads": 1}
SIZES: dict[str, dict[str, Any]] = {
    "albert": BERT | {"embedding_size": 16},
    "bart": {
        "d_model": 32,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 64,
        "forced_eos_token_id": None,
    },
    "distilbert": {"dim": 32, "n_heads": 2, "hidden_dim": 64},
    "electra": BERT | {"embedding_size": 16},
    "fnet": {"hidden_size": 32, "intermediate_size": 64},
    "gpt2": {"n_embd": 32, "n_head": 2, "n_positions": MAX_LENGTH},
    "llama": LLAMA,
    "qwen2": LLAMA,
    "t5": {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_heads": 2},
    "vit": BERT | {"image_size": 32, "patch_size": 8},
}
"""Of architectures whose configurations are not BERT's."""
DEPTHS = {
    "distilbert": ["n_layers"],
    "gpt2": ["n_layer"],
    "t5": ["num_layers", "num_decoder_layers"],
    "bart": ["encoder_layers", "decoder_layers"],
}
"""Fields of the config that hold the number of blocks, where it is not num_hidden_layers."""


def vocabulary() -> list[str]:
    """Special tokens, some whole words, then every printable ASCII character, alone and as a continuation."""
    characters = sorted(set(string.printable.lower()) - set(string.whitespace))
    # "a" is a word and a character
    return list(dict.fromkeys([*SPECIAL.values(), *WORDS, *characters, *(f"##{c}" for c in characters)]))


def save_tokenizer(folder: str | Path, model_type: str = "bert", **options: Any) -> Path:
    """A lower-casing WordPiece tokenizer; only BERT's makes `token_type_ids`. ASCII never gives [UNK]."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocab = {token: i for i, token in enumerate(vocabulary())}
    backend = Tokenizer(models.WordPiece(vocab, unk_token=SPECIAL["unk"]))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(token, vocab[token]) for token in (SPECIAL["cls"], SPECIAL["sep"])],
    )
    inputs = ["input_ids", "attention_mask"]
    if model_type == "bert":
        inputs.insert(1, "token_type_ids")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_input_names=inputs,
        model_max_length=MAX_LENGTH,
        **({f"{name}_token": token for name, token in SPECIAL.items()} | options),
    )
    tokenizer.save_pretrained(folder)
    return Path(folder)


def tiny_config(model_type: str = "bert", num_labels: int = 2, layers: int = 6, **overrides: Any) -> Any:
    """A configuration of the stock architecture: hidden 32, 2 heads, intermediate 64, 64 positions."""
    from transformers import AutoConfig

    separator = vocabulary().index(SPECIAL["sep"])  # where T5 and BART read their answer
    depths = DEPTHS.get(model_type, ["num_hidden_layers"])
    fields = SIZES.get(model_type, BERT) | dict.fromkeys(depths, layers) | {"num_labels": num_labels}
    if model_type == "vit":
        return AutoConfig.for_model(model_type, **fields | {k: v for k, v in overrides.items() if k != "vocab_size"})
    values: dict[str, Any] = {
        "vocab_size": len(vocabulary()),
        "pad_token_id": 0,
        "eos_token_id": separator,
        "bos_token_id": separator,
        "cls_token_id": None,
        "sep_token_id": None,
        "decoder_start_token_id": 0,
        # RoBERTa counts positions from pad_token_id + 1
        "max_position_embeddings": MAX_LENGTH + 1 if model_type in ("roberta", "mpnet") else MAX_LENGTH,
    }
    return AutoConfig.for_model(model_type, **values | fields | overrides)


def save_tiny(
    folder: str | Path,
    model_type: str = "bert",
    num_labels: int = 2,
    layers: int = 6,
    head: bool | str = True,
    seed: int = 0,
    **overrides: Any,
) -> Path:
    """Save a random checkpoint (`model_type`: bert, roberta, distilbert) and its tokenizer; gives `folder`.

    With `head` it is a sequence classifier of `num_labels` outputs, or what stands behind AutoModelFor in the name of
    its auto class, else the bare encoder. `overrides` are
    fields of the configuration, such as `id2label` or `problem_type`. The same `seed` gives the same weights.
    """
    import torch
    import transformers

    config = tiny_config(model_type, num_labels, layers, **overrides)
    kind = "SequenceClassification" if head is True else head
    auto = getattr(transformers, f"AutoModelFor{kind}" if kind else "AutoModel")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = auto.from_config(config)
        # biases and norms start out equal in every layer: one copied to the wrong place would not show
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return save_tokenizer(folder, model_type)


def save_decoder(folder: str | Path, model_type: str, head: str, **overrides: Any) -> Path:
    """Save a random decoder or encoder-decoder of two blocks, and a tokenizer that has an end-of-text token, but, for
    a decoder, none for padding, nor does its configuration: as GPT-2 is published. Gives `folder`.

    `model_type`: gpt2, llama, qwen2, whose tokenizer adds no token; t5, bart, whose tokenizer adds the last one.
    """
    import torch
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    both = model_type in ("t5", "bart")
    words = ["[PAD]", "[UNK]", "</s>", *vocabulary()[len(SPECIAL) :]]
    vocab = {token: i for i, token in enumerate(words)}
    backend = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if both:
        backend.post_processor = processors.TemplateProcessing(
            single="$A </s>", pair="$A </s> $B:1 </s>:1", special_tokens=[("</s>", 2)]
        )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=MAX_LENGTH,
        eos_token="</s>",
        unk_token="[UNK]",
        **({"pad_token": "[PAD]"} if both else {}),
    )
    sizes = {
        "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": MAX_LENGTH},
        "t5": {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0},
        "bart": {"d_model": 32, "max_position_embeddings": MAX_LENGTH, "decoder_start_token_id": 2}
        | {f"{part}_{name}": value for part in ("encoder", "decoder") for name, value in
           (("layers", 2), ("attention_heads", 2), ("ffn_dim", 64))},
    }  # fmt: skip
    common = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    llama = common | {"num_key_value_heads": 2, "max_position_embeddings": MAX_LENGTH}
    tokens = {
        "vocab_size": len(vocab) + 8,
        "bos_token_id": None,
        "eos_token_id": 2,
        "pad_token_id": 0 if both else None,
    }
    config = transformers.AutoConfig.for_model(model_type, **tokens | sizes.get(model_type, llama) | overrides)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        getattr(transformers, f"AutoModelFor{head}").from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Path(folder)


def save_vit(folder: str | Path, **overrides: Any) -> Path:
    """Save a random ViT of two blocks for images of 16 x 16 and its image processor; gives `folder`."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = ViTConfig(**{"image_size": 16, "patch_size": 4, **sizes} | overrides)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(folder)
    return Path(folder)
