"""Bad checkpoints: configurations, weights and tokenizers that do not belong together or cannot be read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file, save_file

from tests.bad_input.driver import Case
from tests.bad_input.world import World

Spoil = Callable[[Path], Any]
INDEX = "model.safetensors.index.json"


def _export(spoil: Spoil):
    def prepare(w: World) -> list[str]:
        folder = w.copy()
        spoil(folder)
        return ["export", str(folder), "onnx"]

    return prepare


def _compress(spoil: Spoil, **sections: Any):
    def prepare(w: World) -> list[str]:
        spoil(w.copy())
        return ["compress", w.recipe(predecessor="predecessor", **sections)]

    return prepare


def _fit(spoil: Spoil, **task: Any):
    def prepare(w: World) -> list[str]:
        spoil(w.copy("pretrained"))
        return ["fit", w.recipe(model="pretrained", predecessor="fitted", task=task)]

    return prepare


def _pairs(w: World) -> list[str]:
    _types(w.copy("pretrained"))
    file = w.write("pairs.csv", "one,other,label\n" + "good,bad,1\nbad,good,0\n" * 4)
    task = {"train": file, "validation": file, "text": ["one", "other"]}
    return ["fit", w.recipe(model="pretrained", predecessor="fitted", task=task)]


def _bench(spoil: Spoil):
    def prepare(w: World) -> list[str]:
        folder = w.copy()
        spoil(folder)
        return ["bench", str(folder)]

    return prepare


def _config(**fields: Any) -> Spoil:
    def spoil(folder: Path) -> None:
        file = folder / "config.json"
        content = json.loads(file.read_text()) | fields
        file.write_text(json.dumps({key: value for key, value in content.items() if value != "gone"}))

    return spoil


def _raw(name: str, content: str | bytes) -> Spoil:
    return lambda folder: (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def _removed(*names: str) -> Spoil:
    return lambda folder: [(folder / name).unlink() for name in names]


def _index(content: Any) -> Spoil:
    """The weights moved to `part.safetensors`, and an index of this content."""

    def spoil(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "part.safetensors")
        (folder / INDEX).write_text(content if isinstance(content, str) else json.dumps(content))

    return spoil


def _shard(name: Any) -> Spoil:
    return _index({"metadata": {}, "weight_map": {"classifier.bias": "part.safetensors", "classifier.weight": name}})


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"no weights")


def _tokens(*tokens: str, special: bool = False) -> Spoil:
    def spoil(folder: Path) -> None:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.add_tokens(list(tokens), special_tokens=special)
        tokenizer.save_pretrained(folder)

    return spoil


def _types(folder: Path) -> None:
    text = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(text.replace('"type_id": 1', '"type_id": 5'))


def _whole(folder: Path) -> None:
    """A quantised weight under the name of the one that it was made of."""
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("query.weight"))
    save_file({**weights, name: (weights[name] * 100).astype("int8")}, folder / "model.safetensors")


def _linked(target: str) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        os.symlink(target, folder / "model.safetensors")

    return spoil


CODE = {"AutoConfig": "own.Config", "AutoModelForSequenceClassification": "own.Model"}
DEEP = '{"a":' * 5000 + "1" + "}" * 5000
RESTORE = "restore the config.json that was saved with the weights"

FIELDS: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("an activation that nobody knows", {"hidden_act": "nope"}, ("hidden_act", "'nope'", RESTORE)),
    ("no attention heads", {"num_attention_heads": 0}, ("num_attention_heads is 0", "1 or more")),
    ("minus two attention heads", {"num_attention_heads": -2}, ("num_attention_heads is -2", "1 or more")),
    ("heads that do not divide the hidden size", {"num_attention_heads": 3}, ("hidden size (32)", "(3)", RESTORE)),
    ("a hidden size of null", {"hidden_size": None}, ("hidden_size", RESTORE)),
    ("a hidden size of 0", {"hidden_size": 0}, ("hidden_size is 0",)),
    ("a hidden size in quotes", {"hidden_size": "32"}, ("hidden_size", "str")),
    ("a depth of null", {"num_hidden_layers": None}, ("num_hidden_layers", RESTORE)),
    ("no blocks", {"num_hidden_layers": 0}, ("num_hidden_layers is 0", "1 or more")),
    ("minus one blocks", {"num_hidden_layers": -1}, ("num_hidden_layers is -1", "1 or more")),
    ("three blocks fewer than its file", {"num_hidden_layers": 3}, ("bert.encoder.layer.3", "no place", RESTORE)),
    ("three blocks more than its file", {"num_hidden_layers": 9}, ("weights are missing", "bert.encoder.layer.6")),
    ("more positions than its file", {"max_position_embeddings": 128}, ("64x32 in the file, 128x32 by", RESTORE)),
    ("another vocabulary than its file", {"vocab_size": 999}, ("156x32 in the file, 999x32 by", RESTORE)),
    ("another hidden size than its file", {"hidden_size": 64}, ("32 in the file, 64 by", RESTORE)),
    ("fewer rows than its tokenizer has tokens", {"vocab_size": 100}, ("156 tokens", "100 rows", "resize_token_emb")),
    ("a negative vocabulary", {"vocab_size": -5}, ("vocab_size is -5",)),
    ("an unknown model_type", {"model_type": "nope"}, ("model type `nope`", "config.json")),
    ("no model_type", {"model_type": "gone"}, ("model_type", "config.json")),
    ("a list as model_type", {"model_type": ["bert"]}, ("config.json",)),
    ("a dropout in words", {"hidden_dropout_prob": "little"}, ("hidden_dropout_prob", RESTORE)),
    ("code of its own", {"auto_map": CODE, "model_type": "own"}, ("needs code of its own", "auto_map", "never run")),
    ("a class more than its head", {"id2label": {"0": "a", "1": "b", "2": "c"}}, ("2x32 in the file, 3x32",)),
    ("a class fewer than its head", {"num_labels": 1, "id2label": "gone"}, ("num_labels", "config.json")),
    ("names of classes as a list", {"id2label": ["a", "b"]}, ("id2label must be an object",)),
    ("letters for class ids", {"id2label": {"a": "x", "b": "y"}}, ("id2label must be an object",)),
    ("a class without a name", {"id2label": {"0": "a", "1": None}}, ("id2label", "None", "class 1")),
    ("a list as a name of a class", {"id2label": {"0": ["a"], "1": "b"}}, ("id2label", "['a']", "class 0")),
    ("class ids that begin at 1", {"id2label": {"1": "a", "2": "b"}}, ("id2label has no name", "class 0")),
    ("two classes of one name", {"id2label": {"0": "a", "1": "a"}}, ("classes 0 and 1", "'a'")),
    ("weights of another name", {"transformers_weights": "other.bin"}, ("transformers_weights", "'other.bin'")),
    ("weights in another folder", {"transformers_weights": "../m.safetensors"}, ("transformers_weights",)),
]
FILES: list[tuple[str, Spoil, tuple[str, ...]]] = [
    ("a config.json that is a list", _raw("config.json", "[]"), ("config.json holds a list",)),
    ("a config.json without fields", _raw("config.json", "{}"), ("config.json", "model_type")),
    ("a config.json that is a number", _raw("config.json", "3"), ("config.json holds a number",)),
    ("a config.json that is null", _raw("config.json", "null"), ("config.json holds null",)),
    ("a config.json that is empty", _raw("config.json", ""), ("config.json", "not valid JSON")),
    ("a config.json cut in half", _raw("config.json", '{"model_type": "be'), ("config.json", "not valid JSON")),
    ("a config.json of 5,000 levels", _raw("config.json", DEEP), ("config.json", "nested too deep")),
    ("a config.json that is no text", _raw("config.json", b"\xff\xfe\x00"), ("config.json", "not valid JSON")),
    ("a tokenizer.json cut in half", _raw("tokenizer.json", '{"version": "1.0", "trunc'), ("tokenizer",)),
    ("a tokenizer.json that is a list", _raw("tokenizer.json", "[]"), ("tokenizer",)),
    ("a tokenizer.json of 5,000 levels", _raw("tokenizer.json", DEEP), ("tokenizer",)),
    ("a tokenizer_config.json that is no JSON", _raw("tokenizer_config.json", "{"), ("tokenizer",)),
    ("a tokenizer_config.json that is a list", _raw("tokenizer_config.json", "[]"), ("tokenizer",)),
    ("no tokenizer", _removed("tokenizer.json", "tokenizer_config.json"), ("no tokenizer there",)),
    ("a word that was added to the tokenizer alone", _tokens("covid"), ("'covid'", "156 rows", "resize_token_emb")),
    ("pickled weights only", _pickled, ("pytorch_model.bin", "from transformers import Bert", "save_pretrained")),
    ("no weights at all", _removed("model.safetensors"), ("model.safetensors",)),
    ("an adapter", _raw("adapter_config.json", "{}"), ("adapter", "merge_and_unload")),
    ("weights that are text", _raw("model.safetensors", "no weights"), ("corrupt safetensors",)),
    ("a weight of whole numbers", _whole, ("query.weight I8", "of a quantised model")),
    ("empty weights", _raw("model.safetensors", b""), ("corrupt safetensors",)),
    ("a link to nothing for weights", _linked("gone.safetensors"), ("model.safetensors",)),
    ("a link to another file for weights", _linked("/etc/passwd"), ("corrupt safetensors",)),
]
SHARDS: list[tuple[str, Spoil, tuple[str, ...]]] = [
    ("a pickled file", _shard("pytorch_model.bin"), ("'pytorch_model.bin'", "no .safetensors file")),
    ("a parent's file", _shard("../../etc/passwd"), ("../../etc/passwd", "no .safetensors file")),
    ("a parent's safetensors", _shard("../x.safetensors"), ("../x.safetensors", "outside the folder")),
    ("an absolute path", _shard("/tmp/x.safetensors"), ("/tmp/x.safetensors", "outside the folder")),
    ("a path of Windows", _shard("..\\x.safetensors"), ("outside the folder",)),
    ("a drive of Windows", _shard("C:\\x.safetensors"), ("outside the folder",)),
    ("a number", _shard(3), ("3", "no .safetensors file")),
    ("null", _shard(None), ("None", "no .safetensors file")),
    ("a list", _shard(["part.safetensors"]), ("no .safetensors file",)),
    ("a missing file", _shard("gone.safetensors"), ("gone.safetensors", "not beside it")),
    ("a folder", _shard(".safetensors"), ("not beside it",)),
]
INDEXES: list[tuple[str, Any, tuple[str, ...]]] = [
    ("is no JSON", "{", ("not valid JSON",)),
    ("has no fields", {}, ("no weight_map",)),
    ("is null", None, ("holds null",)),
    ("is a list", [], ("holds a list",)),
    ("is 5,000 levels deep", DEEP, ("nested too deep",)),
    ("names no files", {"metadata": {}, "weight_map": {}}, ("no weight_map",)),
    ("is a list of files", {"metadata": {}, "weight_map": ["part.safetensors"]}, ("no weight_map",)),
    ("has no metadata", {"weight_map": {"classifier.bias": "part.safetensors"}}, ("metadata",)),
]

CASES = [
    *(Case(f"exports a checkpoint with {did}", _export(_config(**fields)), says) for did, fields, says in FIELDS),
    *(
        Case(f"compresses a checkpoint with {did}", _compress(_config(**fields)), says)
        for did, fields, says in FIELDS
        if fields != {"num_hidden_layers": 3}
    ),
    Case(
        "compresses four of the six blocks of a file",
        _compress(_config(num_hidden_layers=4), method={"successor_blocks": 2}),
        ("bert.encoder.layer.4", "no place", RESTORE),
    ),
    *(Case(f"exports a checkpoint that has {did}", _export(spoil), says) for did, spoil, says in FILES),
    *(Case(f"compresses a checkpoint that has {did}", _compress(spoil), says) for did, spoil, says in FILES),
    *(Case(f"exports shards of which one is {did}", _export(spoil), (INDEX, *says)) for did, spoil, says in SHARDS),
    *(
        Case(f"compresses shards of which one is {did}", _compress(spoil), (INDEX, *says))
        for did, spoil, says in SHARDS
    ),
    *(Case(f"exports shards whose index {did}", _export(_index(held)), (INDEX, *says)) for did, held, says in INDEXES),
    *(Case(f"fits shards whose index {did}", _fit(_index(held)), (INDEX, *says)) for did, held, says in INDEXES),
    *(Case(f"benches shards of which one is {did}", _bench(spoil), (INDEX, *says)) for did, spoil, says in SHARDS[:4]),
    *(
        Case(f"fits a checkpoint with {did}", _fit(_config(**fields)), says)
        for did, fields, says in FIELDS
        if says[-1] == RESTORE and "no place" not in says
    ),
    Case(
        "fits a checkpoint of more blocks than its config.json says",
        _fit(_config(num_hidden_layers=3)),
        ("encoder.layer.3", "no place", RESTORE),
    ),
    Case(
        "fits pairs with types of tokens that the model does not have",
        _pairs,
        ("the type 5", "type_vocab_size is 2"),
    ),
    Case(
        "fits texts with a mark that the tokenizer alone was taught",
        _fit(_tokens("ilm", special=True)),
        ("text ", "'ilm'", "156 rows", "resize_token_embeddings"),
    ),
    Case(
        "fits a RoBERTa whose padding is null",
        _fit(_config(model_type="roberta", pad_token_id=None)),
        ("pad_token_id is None", "positions begin behind it"),
    ),
]
