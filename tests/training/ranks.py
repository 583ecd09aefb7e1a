"""What the processes of one run do in the tests of several processes, and what they write down of it."""

from __future__ import annotations

import gc
import json
import os
import signal
from pathlib import Path
from typing import Any

import torch
from torch.distributed.tensor import DTensor

from tests.training.dying import die_at
from theseus_plugin import compress, load_recipe
from theseus_plugin.methods.replacing.phases import ReplacingPhase, SuccessorPhase
from theseus_plugin.methods.replacing.switch import Switch
from theseus_plugin.training import step


def _rank() -> str:
    return os.environ.get("RANK", "0")


def draws_and_blocks(recipes: list[str]) -> None:
    """Compress by each recipe, one after the other; beside it the draws, which blocks ran, and the result."""
    record: dict[str, Any] = {}
    set_draw, start, finish = Switch.set, ReplacingPhase.start, ReplacingPhase.finish
    going_on = False

    def spy(self: Any, rate: float, micro_step: int) -> Any:
        chosen = set_draw(self, rate, micro_step)
        record["draws"].append([rate, micro_step, chosen])
        return chosen

    def note(block: Any, what: tuple[int, str]) -> None:
        if going_on and block.training:
            record["ran"].append(what)

    def watch(self: Any) -> None:
        nonlocal going_on
        start(self)
        for place, slot in enumerate(self.model.bert.encoder.layer):
            for name, block in slot.named_children():
                block.register_forward_pre_hook(lambda block, given, what=(place, name): note(block, what))
        going_on = True

    def end(self: Any, evaluate: Any) -> None:
        nonlocal going_on
        going_on = False
        finish(self, evaluate)

    Switch.set, ReplacingPhase.start, ReplacingPhase.finish = spy, watch, end  # type: ignore[method-assign]
    for recipe in recipes:
        record.update(draws=[], ran=[])
        record["result"] = compress(load_recipe(recipe))
        Path(f"{recipe}.rank{_rank()}.json").write_text(json.dumps(record))


def parts_of_blocks(recipe: str, records: Path, dies: int | None, overrides: list[str]) -> None:
    """Compress; in `records` the result, and of each phase how many numbers of its blocks this process holds, and how
    many there are. With `dies` this process stops itself at that step.
    """
    parts: dict[str, list[int]] = {}

    def watch(kind: Any) -> None:
        start = kind.start

        def spy(self: Any) -> None:
            start(self)
            whole = [p for block in self.blocks() for p in block.parameters()]
            held = [p.to_local() if isinstance(p, DTensor) else p for p in whole]
            parts[self.name] = [sum(p.numel() for p in some) for some in (held, whole)]

        kind.start = spy

    watch(ReplacingPhase)
    watch(SuccessorPhase)
    if dies is not None:
        die_at("step", dies, signal.SIGTERM)
    result = compress(load_recipe(recipe, overrides))
    (records / f"rank{_rank()}.json").write_text(json.dumps({"result": result, "parts": parts}))


def bytes_between_passes(recipe: str, folder: Path) -> None:
    """Compress by three methods with and without split blocks; writes the bytes of tensors that the second process
    holds between any two passes, and the results.
    """
    counted: list[int] = []
    gc.collect()
    gc.freeze()  # what is there already is no tensor of a run, and is not gone through each time

    def held() -> int:
        gc.collect()
        tensors = [thing for thing in gc.get_objects() if isinstance(thing, torch.Tensor)]
        tensors += [tensor.grad for tensor in tensors if tensor.is_leaf and tensor.grad is not None]
        parts = [tensor._local_tensor if isinstance(tensor, DTensor) else tensor for tensor in tensors]
        storages = [part.untyped_storage() for part in parts if part.device.type == "cpu"]
        return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())

    answerable = step.answerable

    def between_passes(batch: Any, count: Any) -> Any:
        counted.append(held())
        return answerable(batch, count)

    step.answerable = between_passes
    found = {}
    for name in ("theseus", "kd", "tinybert"):
        for sharding in ("none", "blocks"):
            counted.clear()
            more = ["method.logits_share=0.5"] if name == "theseus" else []
            chosen = [f"method.name={name}", f"successor={folder / f'{name}-{sharding}'}"]
            result = compress(load_recipe(recipe, [*chosen, f"method.training.sharding={sharding}", *more]))
            found[f"{name}-{sharding}"] = {"held": list(counted), "result": result}
    if _rank() == "1":
        (folder / "found.json").write_text(json.dumps(found))
