"""What replacing each module alone costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from tests.tiny import tiny_config
from theseus_plugin import compress
from theseus_plugin.methods.replacing.assembly import assemble
from theseus_plugin.methods.replacing.config import TheseusConfig
from theseus_plugin.methods.replacing.module_costs import draw_costs
from theseus_plugin.methods.replacing.phases import ReplacingPhase
from theseus_plugin.metric_scale import Scale


def test_each_module_is_measured_alone() -> None:
    """By which blocks run in each evaluation."""
    torch.manual_seed(0)
    config = TheseusConfig.model_validate({"successor_blocks": 3, "module_costs": True})
    model = AutoModelForSequenceClassification.from_config(tiny_config("bert"))
    assembly = assemble(model, config)
    slots = list(model.bert.encoder.layer)
    seen: list[list[str]] = []

    def evaluate(whole: Any) -> dict[str, float]:
        ran: list[str] = []
        hooks = [
            block.register_forward_pre_hook(lambda block, given, name=f"{name[0]}{place}": ran.append(name))
            for place, slot in enumerate(slots)
            for name, block in slot.named_children()
        ]
        whole.eval()(input_ids=torch.tensor([[1, 2, 3]]))
        for hook in hooks:
            hook.remove()
        seen.append(ran)
        return {"accuracy": 1 - 0.1 * len(seen)}

    phase = ReplacingPhase(assembly, config, 4, 6)
    phase.finish(evaluate)
    assert seen == [
        ["p0", "p1", "p2", "p3", "p4", "p5"],
        ["s0", "p2", "p3", "p4", "p5"],
        ["p0", "p1", "s2", "p4", "p5"],
        ["p0", "p1", "p2", "p3", "s4"],
    ]
    names = ["none", "blocks 0-1", "blocks 2-3", "blocks 4-5"]
    assert [row["module"] for row in phase.module_costs] == names
    assert [row["accuracy"] for row in phase.module_costs] == pytest.approx([0.9, 0.8, 0.7, 0.6])


def test_a_run_records_and_draws_them(recipe: dict[str, Any]) -> None:
    recipe["method"] |= {"module_costs": True, "partition": [1, 3, 2]}
    result = compress(recipe)
    rows = result["training"]["module_costs"]
    assert [row["module"] for row in rows] == ["none", "blocks 0", "blocks 1-3", "blocks 4-5"]
    assert rows[0]["accuracy"] == result["before"]["accuracy"], "with nothing replaced it is the predecessor"
    drawn = (Path(result["output"]) / "module-costs.svg").read_text()
    assert "points of accuracy lost when only this module is replaced" in drawn


def test_the_plot_shows_what_is_lost(tmp_path: Path) -> None:
    rows = [{"module": m, "perplexity": p} for m, p in [("none", 20.0), ("blocks 0-1", 25.0), ("blocks 2-3", 19.0)]]
    draw_costs(rows, Scale("perplexity", lower_is_better=True), tmp_path / "costs.svg")
    drawn = (tmp_path / "costs.svg").read_text()
    assert ">+25.00<" in drawn
    assert ">-5.00<" in drawn or ">\N{MINUS SIGN}5.00<" in drawn
    assert ">blocks 2-3<" in drawn
    assert "per cent of perplexity lost" in drawn
