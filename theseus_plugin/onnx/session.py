"""An ONNX model, opened for the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theseus_plugin.cores import usable_cores
from theseus_plugin.errors import UserError, reason

if TYPE_CHECKING:
    import numpy as np


class Session:
    """An ONNX Runtime session with an explicit number of threads.

    Sequential execution, one thread between operators. With two cores or fewer the threads do not spin while
    they wait: a spinning pool there takes the core away from whoever prepares the next call.

    Args:
        file: the `.onnx` file.
        threads: threads within an operator; all usable cores by default.

    Raises:
        UserError: ONNX Runtime cannot open the file.
    """

    def __init__(self, file: str | Path, threads: int | None = None) -> None:
        import onnxruntime

        self.threads = threads or usable_cores()
        self.spinning = usable_cores() > 2
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if self.spinning else "0")
        try:
            self._session: Any = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions share no base class
            raise UserError(f"{file}: ONNX Runtime cannot open it ({reason(error)}): export it again") from error
        self.inputs: list[str] = [value.name for value in self._session.get_inputs()]
        """Names of the model's inputs."""

    def run(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """Logits for a batch of arrays of shape (batch, length); what the model has no input for is left out.

        Raises:
            UserError: the batch lacks an input of the model, or does not fit it.
        """
        lacking = [name for name in self.inputs if name not in batch]
        if lacking:
            raise UserError(
                f"the ONNX model wants {lacking[0]!r}, which its tokenizer does not produce: export it again"
            )
        try:
            logits: np.ndarray = self._session.run(["logits"], {name: batch[name] for name in self.inputs})[0]
        except Exception as error:
            shape = batch[self.inputs[0]].shape
            raise UserError(
                f"ONNX Runtime cannot run a batch of shape {shape} ({reason(error)}): is it too long?"
            ) from error
        return logits
