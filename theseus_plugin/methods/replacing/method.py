"""The method `theseus`: progressive module replacing."""

from __future__ import annotations

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
        from theseus_plugin.methods.replacing.build import compress

        return compress(predecessor, successor, task, self.config)
