"""The model card that lies in every folder we write."""

from __future__ import annotations

from typing import Any

from huggingface_hub import ModelCardData
from transformers import PreTrainedModel

from theseus_plugin.checkpoint import takes_images
from theseus_plugin.console import code, markdown
from theseus_plugin.contract import Result
from theseus_plugin.metric_scale import scale

_BODY = """---
{metadata}
---

# {title}

{story}

| | before | after |
| --- | --- | --- |
{rows}

Measured on the validation set ({examples:,} examples) in {bits}. The checkpoint was chosen by {metric} on the same set,
so expect a little less on new data. One seed ({seed}); see `result.json` for the full recipe, versions and every
evaluation.

## Use

{loading}
{processor} = {processor_class}.from_pretrained("path/to/this/folder")
```
"""
_STOCK = """It is an ordinary `transformers` checkpoint:

```python
from transformers import {auto_class}, {processor_class}

model = {auto_class}.from_pretrained("path/to/this/folder")"""
_OWN = """Its weights are in a format of the method, whose package has to be installed:

```python
from importlib.metadata import entry_points

from transformers import {processor_class}

[method] = entry_points(group="model_compression.methods", name="{method}")
model = method.load().load("path/to/this/folder", "{auto_class}").eval()"""


def model_card(result: Result, model: PreTrainedModel, auto_class: str) -> str:
    """Markdown with metadata, for the `README.md` of the folder that `result` tells of and `model` is in.

    Args:
        result: the record.
        model: what was trained.
        auto_class: the task's.
    """
    config = model.config
    blocks = getattr(config, "num_hidden_layers", None)
    processor = "processor" if takes_images(model) else "tokenizer"
    metadata = ModelCardData(library_name="transformers", tags=["theseus-plugin", result["kind"]])
    processor_class = "AutoImageProcessor" if takes_images(model) else "AutoTokenizer"
    return _BODY.format(
        metadata=metadata.to_yaml(),
        title=markdown(
            f"{f'{blocks}-block ' if blocks else ''}{config.model_type} for {result['recipe']['task']['name']}"
        ),
        story=_story(result),
        rows="\n".join(_rows(result)),
        examples=result["training"]["examples"]["validation"],
        metric=code(result["metric"]),
        seed=result["environment"]["seed"],
        bits=result["format"]["precision"] if "format" in result else "fp32",
        loading=_loading(result, config, auto_class, processor_class),
        processor=processor,
        processor_class=processor_class,
    )


def _loading(result: Result, config: Any, auto_class: str, processor_class: str) -> str:
    """How the model is read, in Python."""
    if "format" in result:
        method = result["format"]["method"]
        return _OWN.format(method=method, auto_class=auto_class, processor_class=processor_class)
    architecture = config.architectures[0] if config.architectures else "AutoModel"
    return _STOCK.format(auto_class=architecture, processor_class=processor_class)


def _story(result: Result) -> str:
    if result["kind"] == "fit":
        return f"Fine-tuned from {code(result['model'])}."
    return f"Compressed from {code(result['model'])} with the method {code(result['kind'])} of theseus-plugin."


def _rows(result: Result) -> list[str]:
    before: dict[str, Any] = {"parameters": result["parameters"]["before"], **result["before"]}
    after: dict[str, Any] = {"parameters": result["parameters"]["after"], **result["after"]}
    return [
        f"| {markdown(name)} | {_cell(result, name, before.get(name))} | {_cell(result, name, value)} |"
        for name, value in after.items()
    ]


def _cell(result: Result, name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else scale(result, name).text(value)
