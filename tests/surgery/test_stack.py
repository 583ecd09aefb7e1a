from __future__ import annotations

import pytest
from transformers import AutoConfig, AutoModelForSequenceClassification

from tests.tiny import tiny_config
from theseus_plugin.errors import UserError
from theseus_plugin.surgery.stack import SUPPORTED, find_stack, number_blocks

HOMES = {"bert": "bert.encoder.layer", "roberta": "roberta.encoder.layer", "distilbert": "distilbert.transformer.layer"}


@pytest.mark.parametrize("kind", HOMES)
def test_finds_the_blocks(kind: str) -> None:
    model = AutoModelForSequenceClassification.from_config(tiny_config(kind, layers=4))
    assert find_stack(model).blocks == list(model.get_submodule(HOMES[kind]))


def test_put_changes_what_runs_and_the_depth() -> None:
    model = AutoModelForSequenceClassification.from_config(tiny_config("distilbert", layers=4))
    stack = find_stack(model)
    kept = stack.blocks[1:3]
    stack.put(kept)
    assert list(model.distilbert.transformer.layer) == kept
    assert model.config.n_layers == 2
    assert model.config.to_dict()["n_layers"] == 2


def test_holding_puts_everything_back_even_after_an_error() -> None:
    model = AutoModelForSequenceClassification.from_config(tiny_config("bert", layers=4))
    stack = find_stack(model)
    before = stack.blocks
    with pytest.raises(ZeroDivisionError), stack.holding(before[:1]):
        assert model.config.num_hidden_layers == 1
        raise ZeroDivisionError
    assert stack.blocks == before
    assert model.config.num_hidden_layers == 4


def test_number_blocks() -> None:
    model = AutoModelForSequenceClassification.from_config(tiny_config("bert", layers=4))
    blocks = find_stack(model).blocks[2:]
    number_blocks(blocks)
    assert [block.attention.self.layer_idx for block in blocks] == [0, 1]


def test_an_unknown_architecture_is_refused_with_the_known_ones() -> None:
    config = AutoConfig.for_model(
        "albert", hidden_size=16, embedding_size=16, num_attention_heads=2, intermediate_size=16, vocab_size=30
    )
    with pytest.raises(UserError, match="architecture 'albert' is not supported; supported: bert, ") as caught:
        find_stack(AutoModelForSequenceClassification.from_config(config))
    assert all(kind in str(caught.value) for kind in SUPPORTED)
