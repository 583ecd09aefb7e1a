"""What runs a model: one small protocol over ONNX Runtime and PyTorch."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from theseus_plugin.errors import UserError, reason
from theseus_plugin.files import read_json
from theseus_plugin.vocabulary import Batch, Device, Runtime

if TYPE_CHECKING:
    import numpy as np
    import torch

_COMPILERS = {
    "InvalidCxxCompiler": "a C++ compiler: install g++, or name one in CXX",
    "TritonMissing": "Triton: install triton",
}
"""What torch.compile lacks, by the exception it raises."""


class Runnable(Protocol):
    """A model that is ready to run on its device."""

    def run(self, batch: Batch) -> np.ndarray:
        """Logits; inputs that the model does not take are left out."""

    def bind(self, batch: Batch) -> Callable[[], object]:
        """Put a batch into the device's memory; each call of what is returned does exactly one forward, and returns
        when the device is done: the logits where they are in main memory.
        """


def import_runtime(runtime: Runtime, file: Path, auto_class: str) -> None:
    """Import what `open_model` needs, the code of the architecture included, so that it is not counted as loading.

    Raises:
        UserError: nothing that is installed reads the folder.
    """
    if runtime == "onnxruntime":
        import onnxruntime  # noqa: F401
    else:
        import torch  # noqa: F401
        import transformers

        from theseus_plugin.checkpoint import padding_of
        from theseus_plugin.formats import reader
        from theseus_plugin.records import own_format

        if (own := own_format(file.parent)) is not None:
            reader(own.method, str(file.parent))
        if auto_class == "AutoModelForSequenceClassification":
            padding_of(str(file.parent))  # of the tokenizer, which is no part of the model
        architectures = read_json(file.with_name("config.json")).get("architectures")
        for name in (auto_class, *(architectures if isinstance(architectures, list) else ())):
            getattr(transformers, str(name), None)


def open_model(
    runtime: Runtime, file: Path, auto_class: str, threads: int, device: Device, spinning: bool | None
) -> Runnable:
    """Load a model into this process.

    Args:
        runtime: what runs it.
        file: the `.onnx` file, or the weights in a checkpoint folder.
        auto_class: name of the `transformers` auto class of a checkpoint.
        threads: threads within an operator.
        device: where it runs.
        spinning: whether idle threads of ONNX Runtime spin; None: where there are more than two cores. PyTorch's
            threads are told by the environment of the process.

    Raises:
        UserError: the runtime refuses the model, or the device is not there.
    """
    if runtime == "onnxruntime":
        from theseus_plugin.onnx.session import Session

        return Session(file, threads, device, spinning)
    return TorchModel(file.parent, auto_class, threads, device, compiled=runtime == "torch-compiled")


class TorchModel:
    """A checkpoint in fp32, or a folder as its method computes it, as it is or through `torch.compile`.

    Compiled code is made for the first shape that is met; from the second on, for any length.
    """

    def __init__(self, folder: Path, auto_class: str, threads: int, device: str, compiled: bool) -> None:
        import torch

        from theseus_plugin.checkpoint import load_to_run

        if device == "cuda" and not torch.cuda.is_available():
            raise UserError(f"{folder}: no device 'cuda', this PyTorch sees none: install a CUDA build of torch")
        torch.set_num_threads(threads)
        model = load_to_run(str(folder), auto_class).to(device)
        self._folder, self._device = folder, device
        self._taken = inspect.signature(model.forward).parameters
        # a decoder would return keys and values too
        self._options = {"use_cache": False} if "use_cache" in self._taken else {}
        self._model: Any = torch.compile(model) if compiled else model

    def run(self, batch: Batch) -> np.ndarray:
        """See `Runnable`."""
        logits: np.ndarray = self._forward(self._tensors(batch)).cpu().numpy()
        return logits

    def bind(self, batch: Batch) -> Callable[[], object]:
        """See `Runnable`."""
        import torch

        tensors = self._tensors(batch)
        if self._device == "cpu":
            return lambda: self._forward(tensors).numpy()

        def forward() -> None:
            self._forward(tensors)
            torch.cuda.synchronize()

        return forward

    def _tensors(self, batch: Batch) -> dict[str, torch.Tensor]:
        import torch

        return {name: torch.from_numpy(a).to(self._device) for name, a in batch.items() if name in self._taken}

    def _forward(self, tensors: dict[str, torch.Tensor]) -> Any:
        import torch

        try:
            with torch.inference_mode():
                return self._model(**tensors, **self._options).logits
        except Exception as error:  # of the model, of the device, or of the compiler
            for cause in _causes(error):
                if lacks := _COMPILERS.get(type(cause).__name__):
                    raise UserError(f"{self._folder}: torch.compile lacks {lacks}; or measure it @eager") from error
            shape = tuple(next(iter(tensors.values())).shape) if tensors else "nothing it takes"
            raise UserError(
                f"{self._folder}: PyTorch cannot run a batch of shape {shape} ({reason(error)}):"
                " does the task fit the model?"
            ) from error


def _causes(error: BaseException | None) -> list[BaseException]:
    """An exception and those it came from."""
    found: list[BaseException] = []
    while error is not None:
        found.append(error)
        error = error.__cause__ or error.__context__ or getattr(error, "inner_exception", None)
    return found
