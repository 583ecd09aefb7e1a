from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.tiny import save_tiny
from theseus_plugin.checkpoint import load_model
from theseus_plugin.errors import UserError

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
    with pytest.raises(UserError, match=r"no config.json there"):
        load_model(str(tmp_path), CLASSIFIER)
    with pytest.raises(UserError, match="nowhere/to/be/found: no such folder"):
        load_model("nowhere/to/be/found", CLASSIFIER)
