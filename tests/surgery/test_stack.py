from __future__ import annotations

import pytest
from torch import nn

from tests.random_models import KINDS, deep, head_of, random_model
from tests.tiny import DEPTHS
from theseus_plugin.errors import UserError
from theseus_plugin.surgery.fields import shortened
from theseus_plugin.surgery.stack import find_stacks

HOMES = {
    "bert": ["bert.encoder.layer"],
    "roberta": ["roberta.encoder.layer"],
    "xlm-roberta": ["roberta.encoder.layer"],
    "distilbert": ["distilbert.transformer.layer"],
    "electra": ["electra.encoder.layer"],
    "mpnet": ["mpnet.encoder.layer"],
    "deberta": ["deberta.encoder.layer"],
    "deberta-v2": ["deberta.encoder.layer"],
    "modernbert": ["model.layers"],
    "vit": ["vit.layers"],
    "gpt2": ["transformer.h"],
    "llama": ["model.layers"],
    "qwen2": ["model.layers"],
    "t5": ["transformer.encoder.block", "transformer.decoder.block"],
    "bart": ["model.encoder.layers", "model.decoder.layers"],
}


def test_every_architecture_of_the_tests_has_a_row() -> None:
    assert set(KINDS) - {"albert", "fnet"} == set(HOMES)


@pytest.mark.parametrize("kind", HOMES)
def test_finds_the_stacks(kind: str) -> None:
    """Also with as many heads as blocks: a field of the same value is no depth."""
    for depth in (2, 3):
        model = random_model(kind, head_of(kind), **deep(kind, 3) if depth == 3 else {})
        stacks = find_stacks(model)
        assert [stack.path for stack in stacks] == HOMES[kind]
        assert [stack.depth_field for stack in stacks] == DEPTHS.get(kind, ["num_hidden_layers"])
        assert [stack.name for stack in stacks] == (["encoder", "decoder"] if len(stacks) == 2 else ["blocks"])
        assert all(len(stack.blocks(model)) == stack.depth for stack in stacks)


def test_stacks_of_different_depth() -> None:
    stacks = find_stacks(random_model("t5", num_layers=3, num_decoder_layers=2))
    assert [(stack.name, stack.depth) for stack in stacks] == [("encoder", 3), ("decoder", 2)]


def test_put_changes_what_runs() -> None:
    model = random_model("distilbert", n_layers=4)
    (stack,) = find_stacks(model)
    kept = list(stack.blocks(model))[1:3]
    stack.put(model, kept)
    assert list(model.distilbert.transformer.layer) == kept
    assert model.config.n_layers == 4


def test_a_config_for_fewer_blocks() -> None:
    config = random_model("modernbert", num_hidden_layers=6).config
    kinds = list(config.layer_types)
    assert len(set(kinds)) == 2
    shorter = shortened(config, {"num_hidden_layers": [0, 3, 5]})
    assert shorter.num_hidden_layers == 3
    assert shorter.layer_types == [kinds[0], kinds[3], kinds[5]]
    assert config.layer_types == kinds, "the deeper model's config is not touched"
    other = shortened(config, {"num_hidden_layers": [0, 1, 2]}, {"num_hidden_layers": [1, 3, 4]})
    assert other.layer_types == [kinds[1], kinds[3], kinds[4]]


def test_shared_weights_are_refused_in_words() -> None:
    with pytest.raises(UserError, match="architecture 'albert' cannot be compressed by replacing: its layers share"):
        find_stacks(random_model("albert"))


def test_no_stack_is_refused() -> None:
    model = random_model("bert")
    model.bert.encoder.layer = nn.Sequential(*model.bert.encoder.layer)
    with pytest.raises(UserError, match=r"architecture 'bert' .* no list of blocks in it follows a field"):
        find_stacks(model)
