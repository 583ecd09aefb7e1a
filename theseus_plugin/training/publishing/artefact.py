"""A folder that is no stock checkpoint, of a method that reads it itself: how it is written, and what it scores."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from theseus_plugin.contract import Format, TaskData
from theseus_plugin.errors import UserError
from theseus_plugin.finite import finite_rows
from theseus_plugin.formats import read, reader
from theseus_plugin.predict import predict
from theseus_plugin.vocabulary import Batch, is_precision


@dataclass(frozen=True)
class Artefact:
    """What a method needs to write a folder in a format of its own.

    Raises:
        ValueError: `precision` is no word for one.
        UserError: nothing would read the folder: no method of that name is installed that has a `load`.
    """

    method: str
    """Name of the method."""
    precision: str
    """What the folder computes in, a word as in `contract.Format`."""
    save: Callable[[PreTrainedModel, Path, Mapping[str, Tensor]], object]
    """Writes safetensors, `model.safetensors` among them, into a folder that holds the model's `config.json`; from the
    model, which has the weights already, and these by name, in fp32 on the CPU."""

    def __post_init__(self) -> None:
        if not is_precision(self.precision):
            raise ValueError(f"{self.precision!r} is no word for a precision: small letters, digits and hyphens")
        reader(self.method)

    @property
    def format(self) -> Format:
        """As it stands in the record."""
        return Format(method=self.method, precision=self.precision)

    def write(self, folder: Path, model: PreTrainedModel, weights: Mapping[str, Tensor]) -> None:
        """Everything but what every folder has.

        Raises:
            UserError: there are no weights where they have to be.
        """
        model.config.save_pretrained(folder)
        self.save(model, folder, weights)
        written = {file.name for file in folder.glob("model.safetensors*")}
        if not written & {"model.safetensors", "model.safetensors.index.json"}:
            raise UserError(
                f"method {self.method!r} wrote no model.safetensors: nothing was published; tell its author"
            )

    def score(
        self, folder: Path, auto_class: str, data: TaskData, device: torch.device, batch_size: int
    ) -> dict[str, float]:
        """Validation metrics of the folder, read as anybody reads it.

        Raises:
            UserError: what `formats.read` raises, or some logits are not finite.
        """
        module = read(str(folder), auto_class, self.method).to(device)
        taken = inspect.signature(module.forward).parameters

        def answer(batch: Batch, labels: np.ndarray) -> tuple[np.ndarray, ...]:
            tensors = {name: torch.from_numpy(array).to(device) for name, array in batch.items() if name in taken}
            with torch.no_grad():
                given: Any = module(**tensors)
            logits = given.logits.float().cpu().numpy()
            return finite_rows(logits, batch), *data.reduced(logits, labels)

        logits, labels = predict(
            "the folder as it is read back", answer, data.splits["validation"], data.collate, batch_size
        )
        return dict(data.score(logits, labels))
