"""The method `theseus`: progressive module replacing."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from theseus_plugin.contract import Method, Result, Task
from theseus_plugin.methods.replacing.config import TheseusConfig


class Theseus(Method):
    """BERT-of-Theseus (Xu et al., EMNLP 2020): see `docs/theseus.md`."""

    name: ClassVar[str] = "theseus"
    summary: ClassVar[str] = "progressive module replacing: half the blocks, trained on the task loss alone"
    Config = TheseusConfig

    config: TheseusConfig

    def compress(self, predecessor: str, successor: str, task: Task) -> Result:
        """Compress a fine-tuned classifier into one of fewer blocks; see `Method.compress`."""
        from theseus_plugin.methods.frame import run_method
        from theseus_plugin.methods.replacing.build import build
        from theseus_plugin.surgery.plan import check_shape

        check_shape(predecessor, task.auto_class, self.config, self.config.modules)
        making = partial(build, config=self.config)
        return run_method(self, self.config.training, predecessor, successor, task, making)
