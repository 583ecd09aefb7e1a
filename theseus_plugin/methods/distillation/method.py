"""The methods `truncation`, `kd`, `pkd` and `tinybert`: what replacing is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from theseus_plugin.contract import Method, Result, Task
from theseus_plugin.methods.distillation.config import (
    BaselineConfig,
    LogitsConfig,
    PatientConfig,
    TinyBertConfig,
    TruncationConfig,
)

if TYPE_CHECKING:
    from theseus_plugin.methods.teaching.pair import Pair
    from theseus_plugin.training.phase import Phase


class Truncation(Method):
    """Some of the predecessor's blocks, fine-tuned on the labels: see `docs/baselines.md`."""

    name: ClassVar[str] = "truncation"
    summary: ClassVar[str] = "baseline: the first blocks, or every other, fine-tuned"
    Config: ClassVar[type[BaselineConfig]] = TruncationConfig

    config: BaselineConfig

    def compress(self, predecessor: str, successor: str, task: Task) -> Result:
        """Train a model of fewer blocks; see `Method.compress`."""
        from theseus_plugin.methods.distillation.build import build
        from theseus_plugin.methods.frame import run_method
        from theseus_plugin.surgery.plan import check_shape

        check_shape(predecessor, task.auto_class, self.config)
        making = partial(build, config=self.config, phases=self._phases)
        return run_method(self, self.config.training, predecessor, successor, task, making)

    def _phases(self, pair: Pair, steps: int) -> Sequence[Phase]:
        from theseus_plugin.training.phase import Phase

        return [Phase("fine-tuning", pair.student, steps)]


class LogitDistillation(Truncation):
    """Distillation of logits (Hinton et al. 2015)."""

    name: ClassVar[str] = "kd"
    summary: ClassVar[str] = "baseline: distillation of logits"
    Config = LogitsConfig

    config: LogitsConfig

    def _phases(self, pair: Pair, steps: int) -> Sequence[Phase]:
        from theseus_plugin.methods.distillation.phases import LogitsPhase

        return [LogitsPhase("distillation", pair, self.config.temperature, self.config.teacher_share, steps)]


class PatientDistillation(Truncation):
    """Patient knowledge distillation (Sun et al., EMNLP 2019)."""

    name: ClassVar[str] = "pkd"
    summary: ClassVar[str] = "baseline: distillation of logits and of the first token's hidden states"
    Config = PatientConfig

    config: PatientConfig

    def _phases(self, pair: Pair, steps: int) -> Sequence[Phase]:
        from theseus_plugin.methods.distillation.phases import PatientPhase

        return [PatientPhase(pair, self.config, steps)]


class TinyBert(Truncation):
    """TinyBERT's task stage (Jiao et al., Findings of EMNLP 2020), without data augmentation."""

    name: ClassVar[str] = "tinybert"
    summary: ClassVar[str] = "baseline: distillation of hidden states and attention, then of logits"
    Config = TinyBertConfig

    config: TinyBertConfig

    def _phases(self, pair: Pair, steps: int) -> Sequence[Phase]:
        from theseus_plugin.methods.distillation.phases import IntermediatePhase, LogitsPhase

        first = min(steps - 1, max(1, round(self.config.intermediate_share * steps)))
        last = LogitsPhase("prediction distillation", pair, self.config.temperature, 1.0, steps - first)
        return [IntermediatePhase(pair, first), last]
