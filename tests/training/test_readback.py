"""A published folder is what stock transformers reads: names, shapes, config and head, before it is renamed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn

from tests.tiny import save_tiny, tiny_config
from theseus_plugin import compress
from theseus_plugin.errors import UserError
from theseus_plugin.hosts.trainer import TheseusCallback
from theseus_plugin.surgery.plan import plan_stacks
from theseus_plugin.surgery.shape import Shape
from theseus_plugin.surgery.successor import build_successor
from theseus_plugin.training.readback import check_folder
from theseus_plugin.training.training_mode import trainable_settings

CLASSIFIER = "AutoModelForSequenceClassification"


def written(folder: Path, kind: str = "bert", **options: Any) -> transformers.PreTrainedModel:
    model = getattr(transformers, CLASSIFIER).from_config(tiny_config(kind, layers=2, **options))
    model.save_pretrained(folder)
    return model


def reshape(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["classifier.weight"] = torch.zeros(2, 16)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def lose(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["bert.encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def add(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["bert.encoder.layer.2.output.dense.bias"] = torch.zeros(32)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def deepen(folder: Path) -> None:
    edit(folder, num_hidden_layers=3)


def widen(folder: Path) -> None:
    edit(folder, intermediate_size=80)


def forget_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def truncate(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-100])


def edit(folder: Path, **fields: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def test_what_is_right_passes(tmp_path: Path) -> None:
    model = written(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    check_folder(tmp_path, model, CLASSIFIER, {"num_labels": 2})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("kind", ["gpt2", "t5", "vit", "llama"])
def test_tied_and_renamed_weights_and_shards_pass(tmp_path: Path, kind: str) -> None:
    head = {"vit": "AutoModelForImageClassification", "gpt2": "AutoModelForCausalLM"}.get(kind, CLASSIFIER)
    sizes = {"image_size": 16, "patch_size": 4} if kind == "vit" else {}
    model = getattr(transformers, head).from_config(tiny_config(kind, layers=2, **sizes))
    model.save_pretrained(tmp_path, max_shard_size="30KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    check_folder(tmp_path, model, head)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (reshape, r"classifier\.weight is saved in the shape \[2, 16\], the saved config asks for \[2, 32\]"),
        (lose, r"bert\.encoder\.layer\.1\.output\.dense\.weight is not in the saved file"),
        (add, r"bert\.encoder\.layer\.2\.output\.dense\.bias is saved, but not read"),
        (forget_weights, r"no file named model\.safetensors"),
        (truncate, "SafetensorError"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, spoil: Callable[[Path], None], message: str) -> None:
    model = written(tmp_path)
    spoil(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        check_folder(tmp_path, model, CLASSIFIER)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spoil", [deepen, widen])
def test_a_config_that_says_something_else_is_put_right(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    """What was trained decides, so what `save_pretrained` left out of the config can be put into it."""
    model = written(tmp_path)
    spoil(tmp_path)
    check_folder(tmp_path, model, CLASSIFIER)
    stock = getattr(transformers, CLASSIFIER).from_pretrained(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), stock.parameters(), strict=True))


def test_generic_names_of_two_classes_reach_a_model_of_three_by_default(tmp_path: Path) -> None:
    """BART's default are three classes, so that `save_pretrained` drops generic names of two."""
    model = written(tmp_path, "bart")
    assert model.config.num_labels == 2
    assert "id2label" not in json.loads((tmp_path / "config.json").read_text())
    check_folder(tmp_path, model, CLASSIFIER, {"num_labels": 2})
    assert getattr(transformers, CLASSIFIER).from_pretrained(tmp_path).config.num_labels == 2


def test_a_head_of_another_size_than_the_tasks_is_refused(tmp_path: Path) -> None:
    model = written(tmp_path)
    with pytest.raises(UserError, match="its head has 2 outputs, the task 3"):
        check_folder(tmp_path, model, CLASSIFIER, {"id2label": {0: "a", 1: "b", 2: "c"}})


def test_weights_tied_by_hand_are_refused(tmp_path: Path) -> None:
    """The config does not tell of it, so stock would make a new output layer."""
    model = transformers.AutoModelForCausalLM.from_config(tiny_config("llama", layers=2, tie_word_embeddings=False))
    model.lm_head.weight = model.model.embed_tokens.weight
    weights = dict(model.state_dict())
    del weights["lm_head.weight"]
    model.config.save_pretrained(tmp_path)
    save_file({name: value.contiguous() for name, value in weights.items()}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"lm_head\.weight is not in the saved file"):
        check_folder(tmp_path, model, "AutoModelForCausalLM")


def test_a_part_of_a_plugins_own_is_refused(tmp_path: Path) -> None:
    model = written(tmp_path)
    model.extra = nn.Linear(4, 4)
    model.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"extra\.bias.* is saved, but not read"):
        check_folder(tmp_path, model, CLASSIFIER)


def test_nothing_is_left_where_the_reading_fails(tmp_path: Path, recipe: dict[str, Any], monkeypatch: Any) -> None:
    save = transformers.PreTrainedModel.save_pretrained

    def spoilt(self: Any, folder: Any, **options: Any) -> None:
        save(self, folder, **options)
        reshape(Path(folder))

    monkeypatch.setattr(transformers.PreTrainedModel, "save_pretrained", spoilt)
    with pytest.raises(UserError, match=r"classifier\.weight is saved in the shape \[2, 16\]"):
        compress(recipe)
    assert not Path(recipe["successor"]).exists()
    assert not list(tmp_path.glob(".*partial*"))


@pytest.mark.parametrize(("method", "kept"), [("theseus", (0, 2, 4)), ("truncation", (0, 1, 2))])
def test_esm_is_compressed_and_its_contact_head_keeps_the_kept_blocks(
    tmp_path: Path, reviews: dict[str, Any], method: str, kept: tuple[int, ...]
) -> None:
    predecessor = save_tiny(tmp_path / "esm", "esm", token_dropout=False, mask_token_id=4)
    training = {"max_steps": 2, "batch_size": 8, "learning_rate": 1e-3, "precision": "fp32"}
    compress(
        {
            "predecessor": str(predecessor),
            "successor": str(tmp_path / "successor"),
            "task": reviews,
            "method": {"name": method, "successor_blocks": 3, "training": training},
        }
    )
    name = "esm.contact_head.regression.weight"
    old, new = (load_file(folder / "model.safetensors")[name] for folder in (predecessor, tmp_path / "successor"))
    heads = 2
    assert torch.equal(new, old[:, [block * heads + head for block in kept for head in range(heads)]])
    _, report = getattr(transformers, CLASSIFIER).from_pretrained(tmp_path / "successor", output_loading_info=True)
    assert not any(report.values())
    stock = transformers.AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "successor", attn_implementation="eager"
    )
    tokens = torch.randint(5, 60, (2, 9))
    with torch.no_grad():
        assert stock.esm.predict_contacts(tokens, torch.ones_like(tokens)).shape == (2, 7, 7)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
def test_output_layers_that_equal_the_embeddings(tmp_path: Path, kind: str, tied: bool) -> None:
    """Tied by the config, or equal by chance: two weights then, which a process without us has to get both."""
    head = "AutoModelForMaskedLM" if kind == "bert" else "AutoModelForCausalLM"
    model = getattr(transformers, head).from_config(tiny_config(kind, tie_word_embeddings=tied)).eval()
    output, embeddings = model.get_output_embeddings().weight, model.get_input_embeddings().weight
    assert (output is embeddings) == tied
    with torch.no_grad():
        output.copy_(embeddings)
    (plan,) = plan_stacks(model, Shape(successor_blocks=3))
    successor = build_successor(model, [plan.cut])
    successor.save_pretrained(tmp_path)
    check_folder(tmp_path, successor, head)
    stock = getattr(transformers, head).from_pretrained(tmp_path).eval()
    tokens = torch.randint(5, 60, (2, 9))
    with torch.no_grad():
        torch.testing.assert_close(stock(tokens).logits, successor(tokens).logits)
    assert (stock.get_output_embeddings().weight is stock.get_input_embeddings().weight) == tied


def test_layers_left_out_at_random_are_left_out_of_nothing_that_is_saved(tmp_path: Path) -> None:
    model = getattr(transformers, CLASSIFIER).from_config(tiny_config("bart", encoder_layerdrop=0.5)).train()
    plans = plan_stacks(model, Shape(successor_blocks=3))
    successor = build_successor(model, [plan.cut for plan in plans])
    with trainable_settings(successor):
        assert successor.model.encoder.layerdrop == 0
    successor.save_pretrained(tmp_path)
    check_folder(tmp_path, successor, CLASSIFIER)
    stock = getattr(transformers, CLASSIFIER).from_pretrained(tmp_path)
    assert (stock.config.encoder_layerdrop, stock.model.encoder.layerdrop, stock.config.encoder_layers) == (0.5, 0.5, 3)


def test_the_callback_of_trainer_reads_back_what_it_saves(tmp_path: Path, predecessor: Path) -> None:
    theseus = TheseusCallback(getattr(transformers, CLASSIFIER).from_pretrained(predecessor), successor_blocks=3)
    theseus._ended = True
    theseus.save(tmp_path / "right")
    theseus.model.extra = nn.Linear(4, 4)
    with pytest.raises(UserError, match=r"extra\.bias.* is saved, but not read"):
        theseus.save(tmp_path / "wrong")
    assert [path.name for path in tmp_path.iterdir()] == ["right"]
