from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.tiny import save_decoder, save_tiny, save_tokenizer
from tests.toy_task import Sentences
from theseus_plugin.checkpoint import load_config, load_model, load_tokenizer
from theseus_plugin.errors import UserError
from theseus_plugin.loading.weights import weights_files
from theseus_plugin.onnx.export import export
from theseus_plugin.tasks.heads import classes_of

CLASSIFIER = "AutoModelForSequenceClassification"


def test_loads_in_fp32_whatever_was_saved(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    save_file({k: v.bfloat16() for k, v in weights.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    model = load_model(str(folder), CLASSIFIER)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert not model.training


def test_a_predecessor_that_is_no_classifier(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m", head=False)
    with pytest.raises(UserError, match=r"head has no weights \(classifier.*fine-tune it first"):
        load_model(str(folder), CLASSIFIER)


def test_a_new_head_may_lack_weights_but_the_body_may_not(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m", head=False)
    assert load_model(str(folder), CLASSIFIER, new_head={"num_labels": 5}).classifier.out_features == 5
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.4.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"weights are missing \(bert.encoder.layer.4.output.dense.weight\)"):
        load_model(str(folder), CLASSIFIER, new_head={"num_labels": 5})


@pytest.mark.parametrize("kept", [4, 1000, 60_000])
def test_a_cut_safetensors_file(tmp_path: Path, kept: int) -> None:
    folder = save_tiny(tmp_path / "m")
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(UserError, match="corrupt safetensors file") as caught:
        load_model(str(folder), CLASSIFIER)
    assert str(folder) in str(caught.value)


def test_pickled_weights_are_never_read(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="safetensors"):
        load_model(str(folder), CLASSIFIER)


def test_no_checkpoint_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"it has no config.json"):
        load_model(str(tmp_path), CLASSIFIER)
    with pytest.raises(UserError, match="nowhere/to/be/found: no such folder"):
        load_model("nowhere/to/be/found", CLASSIFIER)


NEW = {"num_labels": 3, "id2label": {0: "a", 1: "b", 2: "c"}, "label2id": {"a": 0, "b": 1, "c": 2}}
BODY = dict.fromkeys(("gpt2", "t5"), "transformer.") | {name: f"{name}." for name in ("bert", "roberta", "distilbert")}


def edit(folder: Path, **fields: Any) -> str:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))
    return str(folder)


def saved(folder: Path, family: str, head: str) -> Path:
    if family in ("gpt2", "t5"):
        return save_decoder(folder, family, head, num_labels=3)
    return save_tiny(folder, family, 3, head=head, layers=2)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "gpt2", "t5"])
@pytest.mark.parametrize("kind", ["SequenceClassification", "TokenClassification"])
def test_a_new_head_is_new(tmp_path: Path, family: str, kind: str) -> None:
    """As if the file had held none: that of a checkpoint of another task with as many classes is gone."""
    old = saved(tmp_path / "old", family, kind)
    held = load_file(old / "model.safetensors")
    bare = shutil.copytree(old, tmp_path / "bare")
    head = {name for name in held if not name.startswith(BODY[family])}
    save_file({k: v for k, v in held.items() if k not in head}, bare / "model.safetensors", metadata={"format": "pt"})
    models = []
    for folder, seed in ((old, 0), (bare, 0), (old, 1)):
        torch.manual_seed(seed)
        models.append(load_model(str(folder), f"AutoModelFor{kind}", new_head=NEW).state_dict())
    first, without, other = models
    assert head
    for name, weight in first.items():
        assert torch.equal(weight, without[name]), name
        if name in head:
            same = torch.equal(weight, held[name])
            assert not same or not weight.any(), name  # biases begin at zero
            assert weight.ndim == 1 or not torch.equal(weight, other[name])
        elif name in held:
            assert torch.equal(weight, held[name])
    kept = load_model(str(old), f"AutoModelFor{kind}").state_dict()
    assert all(torch.equal(kept[name], held[name]) for name in head)


def test_a_new_regression_is_new(tmp_path: Path) -> None:
    old = save_tiny(tmp_path / "m", num_labels=1, problem_type="regression")
    model = load_model(str(old), CLASSIFIER, new_head={"num_labels": 1, "problem_type": "regression"})
    assert not torch.equal(model.classifier.weight, load_file(old / "model.safetensors")["classifier.weight"])
    assert not model.classifier.bias.any()


@pytest.mark.parametrize(("family", "head"), [("bert", "MaskedLM"), ("gpt2", "CausalLM")])
def test_a_language_model_is_trained_on(tmp_path: Path, family: str, head: str) -> None:
    old = saved(tmp_path / "m", family, head)
    model = load_model(str(old), f"AutoModelFor{head}", new_head={}).state_dict()
    for name, weight in load_file(old / "model.safetensors").items():
        assert torch.equal(model[name], weight)


def test_a_head_that_was_pretrained_is_kept(tmp_path: Path) -> None:
    old = save_tiny(tmp_path / "m", "modernbert", head="MaskedLM", layers=2)
    model = load_model(str(old), CLASSIFIER, new_head=NEW)
    assert torch.equal(model.head.dense.weight, load_file(old / "model.safetensors")["head.dense.weight"])


@pytest.mark.parametrize("new_head", [None, NEW, {}])
@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"max_position_embeddings": 128}, "position_embeddings.weight is 64x32 in the file, 128x32 by config.json"),
        ({"vocab_size": 160}, "word_embeddings.weight is 156x32 in the file, 160x32 by config.json"),
        ({"type_vocab_size": 3}, "token_type_embeddings.weight is 2x32 in the file, 3x32 by config.json"),
        ({"intermediate_size": 32}, "intermediate.dense.bias is 64 in the file, 32 by config.json"),
        ({"num_hidden_layers": 4}, r"weights for which its config.json leaves no place \(bert.encoder.layer.4."),
        ({"num_hidden_layers": 8}, r"weights are missing \(bert.encoder.layer.6."),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, fields: Any, told: str, new_head: Any) -> None:
    checkpoint = edit(save_tiny(tmp_path / "m", num_labels=3), **fields)
    with pytest.raises(UserError, match=told):
        load_model(checkpoint, CLASSIFIER, new_head=new_head)


def test_blocks_too_many_in_a_file_without_a_head(tmp_path: Path) -> None:
    bare = edit(save_tiny(tmp_path / "m", head=False), num_hidden_layers=5)
    with pytest.raises(UserError, match=r"no place \(encoder.layer.5."):
        load_model(bare, CLASSIFIER, new_head=NEW)
    t5 = edit(save_decoder(tmp_path / "t5", "t5", "Seq2SeqLM"), num_decoder_layers=1)
    with pytest.raises(UserError, match=r"no place \(decoder.block.1."):
        load_model(t5, CLASSIFIER, new_head=NEW)


def test_a_part_that_the_config_leaves_out(tmp_path: Path) -> None:
    llama = edit(save_decoder(tmp_path / "m", "llama", "CausalLM", attention_bias=True), attention_bias=False)
    with pytest.raises(UserError, match=r"no place \(model.layers.0.self_attn.k_proj.bias"):
        load_model(llama, "AutoModelForCausalLM")


def test_extras_that_do_no_harm(tmp_path: Path) -> None:
    """What older versions and other heads left in the file."""
    folder = save_tiny(tmp_path / "m", num_labels=3, layers=2)
    weights = load_file(folder / "model.safetensors")
    more = ("bert.embeddings.position_ids", "cls.predictions.bias", "lm_head.weight", "cls.seq_relationship.weight")
    save_file(weights | {name: torch.ones(2, 2) for name in more}, folder / "model.safetensors", {"format": "pt"})
    load_model(str(folder), CLASSIFIER)
    for family, head in (("bert", "MaskedLM"), ("roberta", "MaskedLM"), ("gpt2", "CausalLM"), ("t5", "Seq2SeqLM")):
        load_model(str(saved(tmp_path / family, family, head)), CLASSIFIER, new_head=NEW)
    load_model(str(folder), "AutoModelForTokenClassification", new_head=NEW)  # without the pooler of the file
    gpt2 = save_decoder(tmp_path / "old", "gpt2", "CausalLM")
    weights = load_file(gpt2 / "model.safetensors")
    masks = {f"transformer.h.0.attn.{name}": torch.ones(1, 1, 4, 4) for name in ("bias", "masked_bias")}
    save_file(weights | masks, gpt2 / "model.safetensors", {"format": "pt"})
    load_model(str(gpt2), "AutoModelForCausalLM")


def test_code_of_a_checkpoint_is_never_run(tmp_path: Path) -> None:
    own = {"AutoConfig": "own.Config", "AutoModelForSequenceClassification": "own.Model"}
    known = Path(edit(save_tiny(tmp_path / "known", layers=2), auto_map=own))
    assert not hasattr(load_model(str(known), CLASSIFIER).config, "auto_map")
    (known / "own.py").write_text("raise SystemExit(7)")
    edit(known, model_type="own")
    for load in (load_config, lambda name: load_model(name, CLASSIFIER), load_tokenizer):
        with pytest.raises(UserError, match="needs code of its own"):
            load(str(known))


def test_names_of_classes_that_are_numbers(tmp_path: Path) -> None:
    names = {"0": 10, "1": True, "2": 2.0, "3": 0.5}
    config = load_config(edit(save_tiny(tmp_path / "m", num_labels=4), id2label=names, label2id={"a": 0}))
    assert classes_of(config, "m") == ["10", "True", "2", "0.5"]
    assert config.label2id == {"10": 0, "True": 1, "2": 2, "0.5": 3}


def test_shards_are_read(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m", num_labels=3)
    whole = load_model(str(folder), CLASSIFIER)
    whole.save_pretrained(tmp_path / "parts", max_shard_size="100KB")
    save_tokenizer(tmp_path / "parts")
    files = weights_files(tmp_path / "parts")
    assert len(files) > 2 and files[0].name == "model.safetensors.index.json"
    parts = load_model(str(tmp_path / "parts"), CLASSIFIER).state_dict()
    assert all(torch.equal(parts[name], weight) for name, weight in whole.state_dict().items())
    record = export(str(tmp_path / "parts"), str(tmp_path / "onnx"), Sentences())
    assert record["source"]["sha256"] == hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()


def test_the_lines_that_convert_pickled_weights(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m")
    expected = load_model(str(folder), CLASSIFIER).state_dict()
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"pytorch_model.bin, which is never loaded") as told:
        load_model(str(folder), CLASSIFIER)
    for line in re.findall("`(.+?)`", str(told.value)):
        exec(line, globals())
    converted = load_model(str(folder), CLASSIFIER).state_dict()
    assert all(torch.equal(converted[name], weight) for name, weight in expected.items())
