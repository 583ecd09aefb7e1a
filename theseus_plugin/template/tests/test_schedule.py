"""The schedule alone, and in a run."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from theseus_plugin import compress


def rates(total: int, **options: Any) -> list[float]:
    """The rate at every step, by the plugin found as a toolkit finds it."""
    [point] = entry_points(group="model_compression.schedules", name="step-wise")
    plugin = point.load()
    schedule = plugin(plugin.Config.model_validate(options))
    return [schedule.rate_at(step, total) for step in range(total)]


def test_stairs() -> None:
    found = rates(8, base_rate=0.2, stairs=2, share=0.5)
    assert found == pytest.approx([0.2, 0.2, 0.6, 0.6, 1, 1, 1, 1])
    assert rates(1) == [0.25]


def test_a_run_follows_it(checkpoint: str, classification: dict[str, Any], tmp_path: Path) -> None:
    result = compress(
        {
            "predecessor": checkpoint,
            "successor": str(tmp_path / "successor"),
            "task": classification,
            "method": {
                "name": "theseus",
                "successor_blocks": 2,
                "schedule": {"name": "step-wise", "stairs": 2, "share": 0.5},
                "training": {"max_steps": 4, "batch_size": 4, "eval_steps": 1, "precision": "fp32"},
            },
        }
    )
    # the rate of the last forward pass before each evaluation
    assert [row["p"] for row in result["training"]["evaluations"]] == [0.25, 0.625, 1, 1]
    assert result["recipe"]["method"]["schedule"]["name"] == "step-wise"
