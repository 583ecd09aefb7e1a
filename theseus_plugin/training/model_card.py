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

Measured on the validation set ({examples:,} examples) in fp32. The checkpoint was chosen by {metric} on the same set,
so expect a little less on new data. One seed ({seed}); see `result.json` for the full recipe, versions and every
evaluation.

## Use

It is an ordinary `transformers` checkpoint:

```python
from transformers import {auto_class}, {processor_class}

model = {auto_class}.from_pretrained("path/to/this/folder")
{processor} = {processor_class}.from_pretrained("path/to/this/folder")
```
"""


def model_card(result: Result, model: PreTrainedModel) -> str:
    """Markdown with metadata, for the `README.md` of the folder that `result` tells of and `model` is in."""
    config = model.config
    blocks = getattr(config, "num_hidden_layers", None)
    processor = "processor" if takes_images(model) else "tokenizer"
    metadata = ModelCardData(library_name="transformers", tags=["theseus-plugin", result["kind"]])
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
        auto_class=config.architectures[0] if config.architectures else "AutoModel",
        processor=processor,
        processor_class="AutoImageProcessor" if takes_images(model) else "AutoTokenizer",
    )


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
