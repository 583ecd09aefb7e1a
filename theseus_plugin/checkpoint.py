"""Read checkpoints with care: safetensors only, no head that was never trained, no tokenizer without words.

Importing this module imports neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theseus_plugin.errors import UserError, reason
from theseus_plugin.files import means_a_path
from theseus_plugin.quiet import quiet

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

WEIGHTS = "model.safetensors"


def weights_file(folder: str | Path) -> Path:
    """The weights of a checkpoint folder.

    Raises:
        UserError: `folder` is not a folder with `config.json` and `model.safetensors`.
    """
    for name in ("config.json", WEIGHTS):
        if not Path(folder, name).is_file():
            raise UserError(f"{folder} is no checkpoint folder: it has no {name}; name one written by save_pretrained")
    return Path(folder, WEIGHTS)


def load_model(
    checkpoint: str, auto_class: str, new_head: Mapping[str, Any] | None = None, **options: Any
) -> PreTrainedModel:
    """The model of a folder or hub name, in fp32 and eval mode.

    Args:
        checkpoint: a folder that holds `config.json` and safetensors weights, or a hub name.
        auto_class: name of the `transformers` auto class, which decides the head.
        new_head: config fields of a head that is to be trained; None when the checkpoint must have one.
        options: more keywords for `from_pretrained`.

    Raises:
        UserError: no such checkpoint, no safetensors, corrupt weights, or weights missing beyond a new head.
    """
    import torch
    import transformers
    from safetensors import SafetensorError

    _refuse_no_folder(checkpoint)
    if Path(checkpoint).is_dir() and not Path(checkpoint, "config.json").is_file():
        raise UserError(f"{checkpoint}: no config.json there: give the folder of a transformers checkpoint")
    if new_head is not None:
        options = {**new_head, "ignore_mismatched_sizes": True, **options}
    auto = getattr(transformers, auto_class)
    try:
        with quiet():  # no report of new weights: what is missing is judged here, in one line
            model, report = auto.from_pretrained(
                checkpoint, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **options
            )
    except SafetensorError as error:
        raise UserError(
            f"{checkpoint}: corrupt safetensors file ({error}): copy or train the checkpoint again"
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{checkpoint}: {auto_class} cannot load it ({reason(error)})") from error
    _refuse_missing(checkpoint, model, sorted(report["missing_keys"]), head_may_be_new=new_head is not None)
    if auto_class == "AutoModelForSequenceClassification" and getattr(model.config, "pad_token_id", 0) is None:
        # a decoder's head reads the last token before the padding
        model.config.pad_token_id = load_tokenizer(checkpoint).pad_token_id
    return model.eval()


def load_config(checkpoint: str) -> Any:
    """The configuration of a checkpoint.

    Raises:
        UserError: there is none.
    """
    from transformers import AutoConfig

    return _from_pretrained(AutoConfig, checkpoint, "configuration")


def takes_images(model: PreTrainedModel) -> bool:
    """Whether the inputs of a model are images, else they are texts."""
    return bool(model.main_input_name == "pixel_values")


def load_processor(checkpoint: str, model: PreTrainedModel) -> Any:
    """What makes the inputs of `model`, which came from `checkpoint`: its image processor or its tokenizer.

    Raises:
        UserError: the checkpoint has none.
    """
    return load_image_processor(checkpoint) if takes_images(model) else load_tokenizer(checkpoint)


def load_image_processor(checkpoint: str) -> Any:
    """The image processor of a checkpoint; it works with PIL and numpy.

    Raises:
        UserError: the checkpoint has none.
    """
    from transformers import AutoImageProcessor

    return _from_pretrained(AutoImageProcessor, checkpoint, "image processor", backend="pil")


def load_tokenizer(checkpoint: str, **options: Any) -> Any:
    """The fast tokenizer of a checkpoint. One without a padding token, as GPT-2's, pads with its end-of-text token.

    Args:
        checkpoint: a folder or a hub name.
        options: keywords for `from_pretrained`.

    Raises:
        UserError: the checkpoint has none, or it cannot pad.
    """
    from transformers import AutoTokenizer

    tokenizer = _from_pretrained(AutoTokenizer, checkpoint, "tokenizer", **options)
    # without a tokenizer file transformers builds one of special tokens only: every word would be unknown
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise UserError(f"{checkpoint}: no tokenizer there: copy tokenizer.json and tokenizer_config.json into it")
    if not tokenizer.is_fast:
        raise UserError(f"{checkpoint}: only a slow tokenizer there: save its fast version (tokenizer.json)")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.pad_token_id is None:
        raise UserError(f"{checkpoint}: no padding token: set `pad_token` in its tokenizer_config.json")
    return tokenizer


def count_parameters(model: nn.Module) -> int:
    """Number of parameters, shared ones once."""
    return sum(p.numel() for p in model.parameters())


def _from_pretrained(auto: Any, checkpoint: str, what: str, **options: Any) -> Any:
    _refuse_no_folder(checkpoint)
    try:
        with quiet():
            return auto.from_pretrained(checkpoint, **options)
    except Exception as error:  # a dozen types, from the hub's to the JSON reader's
        raise UserError(
            f"{checkpoint}: no {what} there ({reason(error)}): give a checkpoint folder or a hub name"
        ) from error


def _refuse_no_folder(checkpoint: str) -> None:
    """Before the hub is asked for what is clearly a path."""
    if not Path(checkpoint).is_dir() and means_a_path(checkpoint):
        raise UserError(f"{checkpoint}: no such folder")


def _refuse_missing(checkpoint: str, model: PreTrainedModel, missing: list[str], head_may_be_new: bool) -> None:
    body = f"{model.base_model_prefix}."
    # the pooler counts as part of the head: encoders are often published without one
    in_body = [key for key in missing if key.startswith(body) and ".pooler." not in key]
    if in_body:
        raise UserError(f"{checkpoint}: weights are missing ({_some(in_body)}): the checkpoint is incomplete")
    if missing and not head_may_be_new:
        raise UserError(
            f"{checkpoint}: not a fine-tuned {type(model).__name__}, its head has no weights ({_some(missing)}):"
            " fine-tune it first with `theseus-plugin fit`"
        )


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
