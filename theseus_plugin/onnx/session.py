"""An ONNX model, opened by ONNX Runtime on a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theseus_plugin.cores import usable_cores
from theseus_plugin.errors import UserError, reason

if TYPE_CHECKING:
    import numpy as np

PROVIDERS = {
    "cpu": ["CPUExecutionProvider"],
    "cuda": ["CUDAExecutionProvider"],
    "tensorrt": ["TensorrtExecutionProvider", "CUDAExecutionProvider"],
}
"""ONNX Runtime's names for the devices; the second one takes the nodes that the first cannot."""
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(bool)": "bool",
    **{f"tensor({name})": name for name in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")},
}


class Session:
    """An ONNX Runtime session with an explicit number of threads.

    Sequential execution, one thread between operators. With two cores or fewer the threads do not spin while
    they wait: a spinning pool there takes the core away from whoever prepares the next call.

    Args:
        file: the `.onnx` file.
        threads: threads within an operator; all usable cores by default.
        device: `cpu`, `cuda` or `tensorrt`.
        spinning: whether idle threads spin; by default where there are more than two cores.

    Raises:
        UserError: the device is not there, ONNX Runtime cannot open the file, or it has no output `logits`.
    """

    def __init__(
        self, file: str | Path, threads: int | None = None, device: str = "cpu", spinning: bool | None = None
    ) -> None:
        import onnxruntime

        self.file = file
        self.threads = threads or usable_cores()
        self.spinning = usable_cores() > 2 if spinning is None else spinning
        self._memory = "cpu" if device == "cpu" else "cuda"
        wanted = PROVIDERS[device][0]
        if wanted not in onnxruntime.get_available_providers():
            raise UserError(f"{file}: {_absent(device, 'this ONNX Runtime is built without it')}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 4  # what fails is told below, in one line
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if self.spinning else "0")
        try:
            self._session: Any = onnxruntime.InferenceSession(str(file), options, providers=PROVIDERS[device])
        except Exception as error:  # its exceptions share no base class
            raise UserError(f"{file}: ONNX Runtime cannot open it ({reason(error)}): export it again") from error
        if self._session.get_providers()[0] != wanted:  # it falls back to the CPU where libraries are missing
            raise UserError(f"{file}: {_absent(device, 'its libraries do not load')}")
        if "logits" not in (outputs := [value.name for value in self._session.get_outputs()]):
            raise UserError(f"{file}: no output 'logits', only {', '.join(outputs)}: export it again, with its head")
        self._dtypes = {value.name: _DTYPES.get(value.type) for value in self._session.get_inputs()}
        self.inputs: list[str] = list(self._dtypes)
        """Names of the model's inputs."""

    def run(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """Logits for a batch of arrays of shape (batch, length); what the model has no input for is left out.

        Raises:
            UserError: the batch lacks an input of the model, or does not fit it.
        """
        feeds = self._feeds(batch)
        logits: np.ndarray = self._guarded(feeds, self._session.run, ["logits"], feeds)[0]
        return logits

    def bind(self, batch: Mapping[str, np.ndarray]) -> Callable[[], object]:
        """Put a batch into the device's memory. What is returned does one forward, and the device is done after it.

        Raises:
            UserError: as `run`, also from what is returned.
        """
        feeds = self._feeds(batch)
        if self._memory == "cpu":
            return lambda: self._guarded(feeds, self._session.run, ["logits"], feeds)[0]
        from onnxruntime import OrtValue

        binding = self._session.io_binding()
        for name, array in feeds.items():
            binding.bind_ortvalue_input(name, OrtValue.ortvalue_from_numpy(array, self._memory, 0))
        binding.bind_output("logits", self._memory, 0)

        def forward() -> None:
            self._guarded(feeds, self._session.run_with_iobinding, binding)
            binding.synchronize_outputs()

        return forward

    def _feeds(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        lacking = [name for name in self.inputs if name not in batch]
        if lacking:
            raise UserError(
                f"{self.file}: the ONNX model wants {lacking[0]!r}, which its tokenizer does not produce:"
                " export it again"
            )
        mask = batch.get("attention_mask")
        if mask is not None and "attention_mask" not in self.inputs and not mask.all():
            raise UserError(
                f"{self.file}: the ONNX model takes no 'attention_mask', so padding would change its logits:"
                " export it again, or set a batch size of 1"
            )
        feeds = {name: batch[name] for name in self.inputs}
        return {name: self._cast(name, array) for name, array in feeds.items()}

    def _cast(self, name: str, array: np.ndarray) -> np.ndarray:
        cast = array.astype(self._dtypes[name] or array.dtype, copy=False)
        if array.dtype.kind in "iu" and cast.dtype.itemsize < 4 and (cast != array).any():
            raise UserError(
                f"{self.file}: its input {name!r} is of {cast.dtype}, which cannot hold {int(array.max()):,}:"
                " export it again, with inputs of int64"
            )
        return cast

    def _guarded(self, feeds: Mapping[str, np.ndarray], run: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return run(*arguments)
        except Exception as error:
            shape = next((array.shape for array in feeds.values()), ())
            ids = feeds.get("input_ids")
            why = "is it too long"
            if ids is not None and ids.size:
                why += f", or token id {int(ids.max()):,} beyond its vocabulary"
            raise UserError(
                f"{self.file}: ONNX Runtime cannot run a batch of shape {shape} ({reason(error)}): {why}?"
            ) from error


def _absent(device: str, why: str) -> str:
    libraries = "CUDA and cuDNN" if device == "cuda" else "CUDA, cuDNN and TensorRT"
    return f"no device {device!r}, {why}: install onnxruntime-gpu in place of onnxruntime, with {libraries}"
