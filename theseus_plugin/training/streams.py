"""The batches of all phases: a stream for each set of examples that any of them trains on."""

from __future__ import annotations

from collections.abc import Sequence

from accelerate import Accelerator

from theseus_plugin.contract import TaskData
from theseus_plugin.training.batches import BatchStream, refuse_unlabelled
from theseus_plugin.training.config import TrainingConfig
from theseus_plugin.training.phase import Phase


class Streams:
    """Phases with the same data take turns in one stream: each goes on where the one before stopped.

    Args:
        phases: of the run, in order.
        data: the run's own, for phases that have none.
        batches: of these.
        config: how to train.
        accelerator: of the run.

    Raises:
        UserError: a phase's own data has no label that counts.
    """

    def __init__(
        self,
        phases: Sequence[Phase],
        data: TaskData,
        batches: BatchStream,
        config: TrainingConfig,
        accelerator: Accelerator,
    ) -> None:
        made = {id(data): batches}
        self._by_phase = []
        for phase in phases:
            chosen = data if phase.data is None else phase.data
            if id(chosen) not in made:
                refuse_unlabelled(chosen)
                made[id(chosen)] = BatchStream(chosen, config, accelerator)
            self._by_phase.append(made[id(chosen)])
        self._all = list(dict.fromkeys(self._by_phase))

    def of(self, number: int) -> BatchStream:
        """That of the phase of that number, from 0."""
        return self._by_phase[number]

    def positions(self) -> list[dict[str, int]]:
        """Where each one stands, for a checkpoint."""
        return [{"epoch": stream.epoch, "taken": stream.taken} for stream in self._all]

    def start_at(self, positions: Sequence[dict[str, int]]) -> None:
        """Go on from there, without reading what lies before.

        Raises:
            ValueError: they are of other streams.
        """
        for stream, position in zip(self._all, positions, strict=True):
            stream.start_at(**position)
