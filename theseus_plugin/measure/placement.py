"""Where models are measured, and what makes no sense to measure there."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from theseus_plugin.cores import usable_cores
from theseus_plugin.errors import UserError
from theseus_plugin.measure.models import Model, resolve
from theseus_plugin.options.validation import Options, Processes
from theseus_plugin.vocabulary import Device


class Placed(Options):
    """The options that all evaluators that run models share."""

    device: Device = Field("cpu", description="cpu, cuda, or tensorrt (ONNX models only)")
    threads: Processes | None = Field(None, description="threads; all usable cores by default")
    force: bool = Field(False, description="run also what the device has no fast kernels for")

    @property
    def thread_count(self) -> int:
        """Threads, decided."""
        return self.threads or usable_cores()


def admitted(names: Sequence[str], config: Placed) -> list[Model]:
    """The models at these paths.

    Raises:
        UserError: a path that is no model, or a model that is not for this device.
    """
    models = [resolve(name) for name in names]
    for model in models:
        _refuse_unfit(model, config.device, config.force)
    return models


def _refuse_unfit(model: Model, device: Device, force: bool) -> None:
    onnx = model.runtime == "onnxruntime"
    if device == "tensorrt" and not onnx:
        raise UserError(f"{model.name}: device 'tensorrt' runs ONNX models only: export it first, or use cuda")
    if force or not onnx:
        return
    if model.precision == "fp16" and device == "cpu":
        raise UserError(
            f"{model.name}: fp16 is computed in fp32 on the CPU, with conversions between: use cuda, or set force=true"
        )
    if model.precision == "int8-dynamic" and device != "cpu":
        raise UserError(
            f"{model.name}: dynamic int8 has no kernels on {device}, the CPU would run it: use cpu, or set force=true"
        )
