"""Validation metrics, each example counted once on any number of processes."""

from __future__ import annotations

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from theseus_plugin.contract import TaskData
from theseus_plugin.training.batches import evaluation_loader


def evaluate(model: nn.Module, data: TaskData, accelerator: Accelerator, batch_size: int) -> dict[str, float]:
    """Metrics of `model`, which is in eval mode afterwards, on the validation split; the same on every process."""
    loader = accelerator.prepare_data_loader(evaluation_loader(data, "validation", batch_size))
    model.eval()
    logits, labels = [], []
    with torch.no_grad():  # not inference mode: what a split block is gathered into then could not be used in training
        for batch in loader:
            answer = batch.pop("labels")
            given = model(**batch).logits.float()
            if data.reduce is not None:
                given, answer = data.reduce(given, answer)
            pair = accelerator.gather_for_metrics((given, answer))
            logits.append(pair[0].cpu().numpy())
            labels.append(pair[1].cpu().numpy())
    seen = sum(map(len, labels))
    if seen != len(data.splits["validation"]):
        raise RuntimeError(f"evaluated {seen} examples of {len(data.splits['validation'])}")
    return data.score(np.concatenate(logits), np.concatenate(labels))
