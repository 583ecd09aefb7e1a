"""Where a run stands: what it came to so far, and how that is kept in a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from theseus_plugin.errors import UserError, reason, some
from theseus_plugin.files import read_json, write_json
from theseus_plugin.training.resuming.optimizer_state import has_parts, load_optimizer, save_optimizer
from theseus_plugin.training.resuming.random_state import load_generators, save_generators
from theseus_plugin.training.sharding import is_sharded, put, whole


@dataclass
class Outcome:
    """What training came to."""

    best_step: int = 0
    best: dict[str, float] = field(default_factory=dict)
    """Validation metrics of the best evaluation, in the precision of training."""
    weights: dict[str, Tensor] = field(default_factory=dict)
    """Of the resulting model at the best evaluation, on the CPU; see `weights_of`."""
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    phases: list[dict[str, Any]] = field(default_factory=list)
    evaluation_seconds: float = 0.0
    resumed_at: list[int] = field(default_factory=list)
    """The steps at which an interrupted run was taken up."""
    seconds_before: float = 0.0
    """Of steps and evaluations before it was taken up, which this process did not wait for."""

    def forget_best(self) -> None:
        """Start anew: another model is trained from here on."""
        self.best_step, self.best, self.weights = 0, {}, {}


@dataclass
class Position:
    """How far a run has come."""

    step: int = 0
    """Optimizer steps done."""
    micro_step: int = 0
    """Forward passes done on each process."""
    finished: int = 0
    """Phases done."""


def weights_of(model: nn.Module, first: bool = True) -> dict[str, Tensor]:
    """Copies on the CPU of parameters and saved buffers by name, whole, each once where several names share it.

    Where blocks are split over the processes, all of them have to ask, and only the `first` one is given the numbers of
    what is split; the others are given its shape.
    """
    found = {}
    for name, tensor in _own(model).items():
        complete = whole(tensor.detach())  # one at a time: a process need not have room for all
        here = first or not is_sharded(tensor)
        found[name] = complete.to("cpu", copy=True) if here else complete.to("meta")
    return found


def put_weights(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Put what `weights_of` gave back into a model, in place."""
    present = _own(model)
    with torch.no_grad():
        for name, tensor in weights.items():
            put(present[name], tensor)


def unlike(weights: dict[str, Tensor], model: nn.Module) -> list[str]:
    """Names of what only one of them has, or has in another shape."""
    own = _own(model)
    shared = weights.keys() & own.keys()
    return sorted((weights.keys() ^ own.keys()) | {name for name in shared if weights[name].shape != own[name].shape})


def _own(model: nn.Module) -> dict[str, Tensor]:
    saved = model.state_dict().keys()
    named = dict(model.named_parameters()) | dict(model.named_buffers())
    return {name: tensor for name, tensor in named.items() if name in saved}


def save(
    folder: Path,
    accelerator: Accelerator,
    model: nn.Module,
    optimizer: Any,
    position: Position,
    outcome: Outcome,
    more: dict[str, Any],
) -> None:
    """Write the share of this process: the state of its generators and of the optimizer; the first one the rest.

    Tensors are safetensors, everything else is JSON: nothing in it is unpickled.
    """
    rank = accelerator.process_index
    save_generators(folder / f"random-{rank}.safetensors", accelerator.device)
    weights = weights_of(model, accelerator.is_main_process)
    if accelerator.is_main_process or has_parts(optimizer):
        save_optimizer(optimizer, folder / f"optimizer-{rank}.safetensors")
    if not accelerator.is_main_process:
        return
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / "model.safetensors")
    save_file(outcome.weights, folder / "best.safetensors")
    facts = {name: value for name, value in vars(outcome).items() if name != "weights"}
    write_json(folder / "state.json", {"position": asdict(position), "outcome": facts, **more})


def read_state(folder: Path) -> tuple[Position, Outcome, dict[str, Any]]:
    """Of what `save` wrote, how far the run has come, what it came to so far, and what else there was to keep."""
    content = read_json(folder / "state.json")
    outcome = Outcome(**content.pop("outcome"), weights=load_file(folder / "best.safetensors"))
    return Position(**content.pop("position")), outcome, content


def load(folder: Path, accelerator: Accelerator, model: nn.Module, optimizer: Any, outcome: Outcome) -> None:
    """Put what `save` wrote into `model`, `optimizer` and this process's generators.

    Args:
        folder: of the checkpoint.
        accelerator: of the run.
        model: the outcome of the phase that the run stands in.
        optimizer: of that phase.
        outcome: as `read_state` gave it; of its best weights other processes than the first let go of what is split.

    Raises:
        ValueError: the weights are not those of `model`.
    """
    rank = accelerator.process_index
    weights = load_file(folder / "model.safetensors")
    for found in (weights, outcome.weights) if outcome.best else (weights,):
        if other := unlike(found, model):
            raise ValueError(f"its weights are not the model's: {some(other)}")
    put_weights(model, weights)
    if not accelerator.is_main_process:
        split = {name for name, tensor in _own(model).items() if is_sharded(tensor)}
        best = outcome.weights.items()
        outcome.weights = {name: tensor.to("meta") if name in split else tensor for name, tensor in best}
    load_optimizer(optimizer, folder / f"optimizer-{rank if has_parts(optimizer) else 0}.safetensors")
    load_generators(folder / f"random-{rank}.safetensors", accelerator.device)


@contextmanager
def strange_in_words(folder: Path) -> Iterator[None]:
    """Within the block a checkpoint is read; what is not what `save` writes becomes one line.

    Raises:
        UserError: so it was.
    """
    try:
        yield
    except UserError as error:
        raise UserError(f"{error}: remove {folder.parent} to start anew") from error
    except (OSError, LookupError, TypeError, ValueError, RuntimeError, AttributeError, SafetensorError) as error:
        raise UserError(
            f"{folder} cannot be resumed from ({reason(error)}): remove {folder.parent} to start anew"
        ) from error
