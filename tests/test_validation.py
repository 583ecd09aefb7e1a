"""Numbers of all our plugins' options: bounded, finite, and no truth values; and messages that name the whole key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from theseus_plugin.errors import UserError
from theseus_plugin.onnx.config import ExportConfig
from theseus_plugin.options.validation import Options, flattened, validate
from theseus_plugin.plugins import registry
from theseus_plugin.plugins.schemas import options
from theseus_plugin.recipe import Recipe

MODELS = {
    f"{kind} {name}": registry.load(kind, name).Config for kind in registry.GROUPS for name in registry.names(kind)
}
MODELS |= {"export": ExportConfig, "recipe": Recipe}


NEEDED = {"successor_blocks": 3, "text": "x", "train": "x", "mlm": "x", "queries": ["x"]}
"""Values of the options that must be given."""


def numbers() -> Iterator[Any]:
    """Every option that is a number, of every plugin of ours."""
    for name, model in MODELS.items():
        for path, option in options(model.model_json_schema()):
            kinds = {branch.get("type") for branch in option.get("anyOf", [option])}
            if kinds & {"integer", "number"}:
                yield pytest.param(model, path, id=f"{name} {path}")


@pytest.mark.parametrize(("model", "path"), numbers())
def test_no_option_takes_what_is_no_number_of_its_size(model: type[Options], path: str) -> None:
    needed = {key: value for key, value in NEEDED.items() if key in model.model_fields}
    for value in (True, float("inf"), float("-inf"), float("nan"), 10**30, "010", [1.5], {"a": "b"}):
        values: Any = value
        for key in reversed(path.split(".")):
            values = {key: values}
        with pytest.raises(UserError) as caught:
            validate(model, needed | values, where="here")
        assert str(caught.value).startswith(f"here.{path}")
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning-rate": 1}, "unknown key 'method.training.learning-rate': did you mean 'learning_rate'?"),
        ({"learning rate": 1}, "unknown key 'method.training.learning rate': did you mean 'learning_rate'?"),
        ({"x.y": 1}, "unknown key 'method.training.x.y': valid: "),
        ({"": 1}, "unknown key 'method.training.': valid: "),
        ({"epochs": "3"}, None),
        ({"epochs": "three"}, "method.training.epochs: input should be a valid number, unable to parse string as a"),
        ({"max_steps": 3.0}, None),
        ({"max_steps": 3.5}, "method.training.max_steps: input should be a valid integer"),
        ({"resume": "yes"}, None),
        ({"seed": 2**32 - 2**16}, None),
        ({"seed": 2**32 - 1}, "method.training.seed: input should be less than or equal to 4294901760"),
        ({"trackers": "tensorboard"}, "method.training.trackers: input should be a valid tuple (given: 'tensorboard')"),
    ],
)
def test_the_whole_key_is_named(values: dict[str, Any], message: str | None) -> None:
    def create() -> Any:
        options = {"successor_blocks": 3, "training": values}
        return registry.create("method", "theseus", options, where="method").config.training

    if message is None:
        assert values.keys() <= flattened(create().model_dump()).keys()
        return
    with pytest.raises(UserError) as caught:
        create()
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"successor_blocks": {"encoder": 0}}, "method.successor_blocks.encoder: input should be greater"),
        (
            {"successor_blocks": {"my-encoder": "x"}},
            "method.successor_blocks.my-encoder: input should be a valid integer",
        ),
        ({"successor_blocks": 3, "partition": {"encoder": [[1, 0]]}}, "method.partition.encoder.0.1: input should be"),
        (
            {"successor_blocks": 3, "training": 5},
            "method.training: input should be a section of keys and values (given: 5)",
        ),
        (
            {"successor_blocks": 3, "schedule": "linear"},
            "method.schedule: write a section, {name: linear} (given: 'linear')",
        ),
        ({"successor_blocks": 3, "schedule": {"name": 5}}, "method.schedule.name: 5 is no name: choose one of"),
    ],
)
def test_no_branch_of_a_type_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        registry.create("method", "theseus", options, where="method")
    assert str(caught.value).startswith(message)


def test_what_was_given_is_told_in_brief() -> None:
    with pytest.raises(UserError) as caught:
        registry.create("method", "theseus", {"successor_blocks": "x\n" * 5000}, where="method")
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()
