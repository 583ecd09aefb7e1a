"""Read checkpoints with care: safetensors only, no head that was never trained, no tokenizer without words.

Importing this module imports neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theseus_plugin.errors import UserError, reason, some
from theseus_plugin.files import means_a_path
from theseus_plugin.formats import read, refuse_own_format
from theseus_plugin.loading.configuration import read_config, refuse_own_code, told
from theseus_plugin.loading.pairing import align_padding, align_tokenizer
from theseus_plugin.loading.weights import INDEX, read_fields, refuse_whole_numbers, shard_names, weights_files
from theseus_plugin.quiet import quiet
from theseus_plugin.records import own_format

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

_CLASSIFIER = "AutoModelForSequenceClassification"


def load_model(
    checkpoint: str, auto_class: str, new_head: Mapping[str, Any] | None = None, **options: Any
) -> PreTrainedModel:
    """The model of a folder or hub name, in fp32 and eval mode. A classifier of sequences knows what its tokenizer pads
    with.

    Args:
        checkpoint: a folder that holds `config.json` and safetensors weights, or a hub name.
        auto_class: name of the `transformers` auto class, which decides the head.
        new_head: config fields of a head that is to be trained, whose weights follow torch's seed; empty for a head
            that is trained on, or made where there is none; None when the checkpoint must have one.
        options: more keywords for `from_pretrained`.

    Raises:
        UserError: no such checkpoint, no safetensors, corrupt weights, weights that are missing, of another shape or
            too many, but for a new head, weights that are whole numbers, or a folder in a method's own format.
    """
    import torch
    import transformers
    from safetensors import SafetensorError

    from theseus_plugin.loading import matching

    _refuse_no_folder(checkpoint)
    refuse_own_format(checkpoint)
    refuse_whole_numbers(checkpoint, _check_weights(checkpoint, auto_class))
    config = load_config(checkpoint, **(new_head or {}))
    text = config.get_text_config()
    padding = getattr(text, "pad_token_id", None)
    if auto_class == _CLASSIFIER or (padding is not None and padding >= getattr(text, "vocab_size", padding + 1)):
        align_padding(config, padding_of(checkpoint, required=padding is None), checkpoint)
    auto = getattr(transformers, auto_class)
    random_state = torch.get_rng_state()
    try:
        with quiet():  # no report of new weights: what does not fit is judged here, in one line
            model, report = auto.from_pretrained(
                checkpoint,
                config=config,
                use_safetensors=True,
                trust_remote_code=False,
                dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                **options,
            )
    except SafetensorError as error:
        raise UserError(
            f"{checkpoint}: corrupt safetensors file ({error}): copy or train the checkpoint again"
        ) from error
    except Exception as error:  # of the architecture's own code
        refuse_own_code(checkpoint, error)
        raise UserError(f"{checkpoint}: {auto_class} cannot load it ({told(error)})") from error
    head = matching.new_head(model) if new_head else []
    _refuse_missing(checkpoint, model, sorted(report["missing_keys"]), head_may_be_new=new_head is not None)
    matching.refuse_unfit(checkpoint, model, report, head)
    mismatched = [name for name, *_ in report["mismatched_keys"]]
    if not set(head) <= {*report["missing_keys"], *mismatched}:
        matching.renew(model, [*head, *report["missing_keys"]], random_state)
    return model.eval()


def load_to_run(checkpoint: str, auto_class: str, **options: Any) -> Any:
    """What computes the logits of a checkpoint: a stock model, as `load_model` gives it, or the module that the method
    makes which keeps the folder in a format of its own.

    Args:
        checkpoint: as for `load_model`.
        auto_class: likewise.
        options: more keywords for `from_pretrained`, of a stock model alone.

    Raises:
        UserError: as `load_model`, or the method cannot read the folder.
    """
    _refuse_no_folder(checkpoint)
    if (own := own_format(checkpoint)) is None:
        return load_model(checkpoint, auto_class, **options)
    _check_weights(checkpoint, auto_class)
    return read(checkpoint, auto_class, own.method)


def load_config(checkpoint: str, **fields: Any) -> Any:
    """The configuration of a checkpoint; `fields` replace its own.

    Raises:
        UserError: there is none, it needs code of its own, or no model can be built of it.
    """
    _refuse_no_folder(checkpoint)
    return read_config(checkpoint, **fields)


def padding_of(checkpoint: str, required: bool = False) -> int | None:
    """The id that the tokenizer of a checkpoint pads with; None where it has no tokenizer. It is read once.

    Raises:
        UserError: `required`, and it has none that pads.
    """
    files = sorted(Path(checkpoint).glob("*token*.json")) if Path(checkpoint).is_dir() else []
    stamps = tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    if Path(checkpoint).is_dir() and not files and not required:
        return None
    return _padding(checkpoint, stamps)


@lru_cache(maxsize=64)
def _padding(checkpoint: str, stamps: tuple[tuple[str, int, int], ...]) -> int | None:
    padding: int | None = load_tokenizer(checkpoint).pad_token_id
    return padding


def takes_images(model: nn.Module) -> bool:
    """Whether the inputs of a model are images, else they are texts, as where it does not say."""
    return getattr(model, "main_input_name", None) == "pixel_values"


def load_processor(checkpoint: str, model: nn.Module) -> Any:
    """What makes the inputs of `model`, which came from `checkpoint`: its image processor or its tokenizer.

    Raises:
        UserError: the checkpoint has none.
    """
    if takes_images(model):
        return load_image_processor(checkpoint)
    generates: Any = getattr(model, "can_generate", lambda: False)
    return load_tokenizer(checkpoint, generates=generates())


def load_image_processor(checkpoint: str) -> Any:
    """The image processor of a checkpoint; it works with PIL and numpy.

    Raises:
        UserError: the checkpoint has none.
    """
    from transformers import AutoImageProcessor

    return _from_pretrained(AutoImageProcessor, checkpoint, "image processor", backend="pil", trust_remote_code=False)


def load_tokenizer(checkpoint: str, generates: bool = False, **options: Any) -> Any:
    """The fast tokenizer of a checkpoint, aligned with its model; see `align_tokenizer`.

    One without a padding token, as GPT-2's, pads with its end-of-text token.

    Args:
        checkpoint: a folder or a hub name.
        generates: whether it is for a model that continues texts.
        options: keywords for `from_pretrained`.

    Raises:
        UserError: the checkpoint has none, it cannot pad, or its model cannot take what it gives.
    """
    from transformers import AutoTokenizer

    local, file = Path(checkpoint).is_dir(), Path(checkpoint, "config.json")
    # read first: transformers reads it, too, and what is wrong in it would be laid to the tokenizer
    config = load_config(checkpoint) if local and file.is_file() and "model_type" in read_fields(file) else None
    tokenizer = _from_pretrained(AutoTokenizer, checkpoint, "tokenizer", trust_remote_code=False, **options)
    # without a tokenizer file transformers builds one of special tokens only: every word would be unknown
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise UserError(f"{checkpoint}: no tokenizer there: copy tokenizer.json and tokenizer_config.json into it")
    if not tokenizer.is_fast:
        raise UserError(f"{checkpoint}: only a slow tokenizer there: save its fast version (tokenizer.json)")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.pad_token_id is None:
        raise UserError(f"{checkpoint}: no padding token: set `pad_token` in its tokenizer_config.json")
    if config is not None or not local:
        align_tokenizer(tokenizer, config or load_config(checkpoint), checkpoint, generates)
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
        refuse_own_code(checkpoint, error)
        raise UserError(
            f"{checkpoint}: no {what} there ({reason(error)}): give a checkpoint folder or a hub name"
        ) from error


def _refuse_no_folder(checkpoint: str) -> None:
    """Before the hub is asked for what is clearly a path."""
    if not Path(checkpoint).is_dir() and means_a_path(checkpoint):
        raise UserError(f"{checkpoint}: no such folder")


def _check_weights(checkpoint: str, auto_class: str) -> Sequence[Path]:
    """Before any file is opened that could hold code; gives the files of a folder, none of a hub name."""
    if Path(checkpoint).is_dir():
        return weights_files(checkpoint, auto_class)
    from transformers.utils import cached_file

    silent = [f"_raise_exceptions_for_{trouble}" for trouble in ("missing_entries", "gated_repo", "connection_errors")]
    try:
        index = cached_file(checkpoint, INDEX, **dict.fromkeys(silent, False))
    except Exception:  # no such name, for one: loading it tells that
        return ()
    if index is not None:
        shard_names(Path(index))
    return ()


def _refuse_missing(checkpoint: str, model: PreTrainedModel, missing: list[str], head_may_be_new: bool) -> None:
    body = f"{model.base_model_prefix}."
    # the pooler counts as part of the head: encoders are often published without one
    in_body = [key for key in missing if key.startswith(body) and ".pooler." not in key]
    if in_body:
        raise UserError(f"{checkpoint}: weights are missing ({some(in_body)}): the checkpoint is incomplete")
    if missing and not head_may_be_new:
        raise UserError(
            f"{checkpoint}: not a fine-tuned {type(model).__name__}, its head has no weights ({some(missing)}):"
            " fine-tune it first with `theseus-plugin fit`"
        )
