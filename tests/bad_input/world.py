"""What the cases of bad input start from: good assets made once, and short ways to spoil them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TRAINING = {"epochs": 1, "batch_size": 8, "precision": "fp32", "learning_rate": 1e-3}
CHECKPOINTED = {**TRAINING, "checkpoint_steps": 1, "eval_steps": 4}


def build(assets: Path) -> None:
    """Make the assets: a fitted predecessor of six blocks with its record, its export, the files it learnt from, and
    the checkpoints of a `compress` that was interrupted.
    """
    from tests.tiny import save_tiny
    from tests.toy_data import write_reviews
    from theseus_plugin import export, fit

    assets.mkdir(parents=True)
    save_tiny(assets / "pretrained", head=False)
    write_reviews(assets / "train.csv", 40, seed=1)
    write_reviews(assets / "validation.csv", 16, seed=2)
    world = World(assets, assets)
    fit(world.content())
    export(str(assets / "predecessor"), str(assets / "onnx"))
    _interrupt(world)


def _interrupt(world: World) -> None:
    """Leave `successor.checkpoints` in the assets: of the good recipe with `CHECKPOINTED`, before its fourth step."""
    from theseus_plugin import compress
    from theseus_plugin.training import loop

    step = loop._Run._step

    def until_the_fourth(run: Any, phase: Any) -> None:
        if run.position.step == 3:
            raise InterruptedError
        step(run, phase)

    loop._Run._step = until_the_fourth  # type: ignore[method-assign]
    with suppress(InterruptedError):
        compress(world.content(method={"training": CHECKPOINTED}))
    loop._Run._step = step  # type: ignore[method-assign]


@dataclass(frozen=True)
class World:
    """The assets, which nobody changes, and the folder of a case, which is the current one."""

    assets: Path
    here: Path

    def content(self, **sections: Any) -> dict[str, Any]:
        """A good recipe; `task`, `fit` and `method` add to its sections, or replace them where they are no mapping."""
        good: dict[str, Any] = {
            "model": str(self.assets / "pretrained"),
            "predecessor": str(self.assets / "predecessor"),
            "successor": str(self.here / "successor"),
            "task": {
                "name": "text-classification",
                "train": str(self.assets / "train.csv"),
                "validation": str(self.assets / "validation.csv"),
                "text": "text",
                "max_length": 32,
            },
            "fit": dict(TRAINING),
            "method": {"name": "theseus", "successor_blocks": 3, "training": dict(TRAINING)},
        }
        for key, value in sections.items():
            both = isinstance(value, Mapping) and isinstance(good.get(key), dict)
            good[key] = good[key] | value if both else value
        return good

    def recipe(self, **sections: Any) -> str:
        """The same as a file in the case's folder; gives its name."""
        Path("recipe.yaml").write_text(json.dumps(self.content(**sections)), encoding="utf-8")
        return "recipe.yaml"

    def write(self, name: str, content: str | bytes) -> str:
        """A file in the case's folder; gives its name."""
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    def copy(self, asset: str = "predecessor") -> Path:
        """A copy of an asset in the case's folder, to be spoilt."""
        target = Path(asset)
        source = self.assets / asset
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)
        return target

    def edit(self, file: Path | str, **fields: Any) -> None:
        """Set fields of a JSON file."""
        path = Path(file)
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))
