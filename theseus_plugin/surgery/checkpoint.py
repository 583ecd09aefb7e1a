"""Read checkpoints with care: safetensors only, and no head that was never trained."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from transformers import PreTrainedModel

from theseus_plugin.errors import UserError


def load_checkpoint(
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
    if Path(checkpoint).is_dir() and not (Path(checkpoint) / "config.json").is_file():
        raise UserError(f"{checkpoint}: no config.json there: give the folder of a transformers checkpoint")
    loader = getattr(transformers, auto_class)
    if new_head is not None:
        options = {**new_head, "ignore_mismatched_sizes": True, **options}
    try:
        with _quiet():
            model, report = loader.from_pretrained(
                checkpoint, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **options
            )
    except SafetensorError as error:
        raise UserError(
            f"{checkpoint}: corrupt safetensors file ({error}): copy or train the checkpoint again"
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"{checkpoint}: cannot load it: {_first_line(error)}") from error
    _refuse_missing(checkpoint, model, sorted(report["missing_keys"]), new_head is not None)
    return model.eval()


def count_parameters(model: torch.nn.Module) -> int:
    """Number of parameters, shared ones once."""
    return sum(p.numel() for p in model.parameters())


def _refuse_missing(checkpoint: str, model: PreTrainedModel, missing: list[str], head_may_be_new: bool) -> None:
    body = f"{model.base_model_prefix}."
    # the pooler is part of the head as far as training goes: encoders are often published without one
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


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__).strip()


@contextmanager
def _quiet() -> Iterator[None]:
    """No loading bars and no report of new weights: what is missing is judged here, in one line."""
    logger = transformers.utils.logging
    level = logger.get_verbosity()
    logger.set_verbosity(logging.CRITICAL)
    logger.disable_progress_bar()
    try:
        yield
    finally:
        logger.set_verbosity(level)
        logger.enable_progress_bar()
