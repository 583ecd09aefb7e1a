"""What a person sees of a training run: on standard error, from the first process only."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from theseus_plugin.console import plain_console


def training_console(shown: bool) -> Console:
    """Standard error, of the process that is shown."""
    return plain_console(stderr=True, shown=shown)


def in_words(numbers: Mapping[str, float]) -> str:
    """`p 0.53  loss 0.412`."""
    return "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())


class TrainingProgress:
    """A bar with the phase, its numbers and the time left on a terminal; a line per evaluation everywhere."""

    def __init__(self, steps: int, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=console.quiet or not console.is_terminal,
        )
        self._steps = steps
        self._task = self._bar.add_task("", total=steps, numbers="")

    def __enter__(self) -> TrainingProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, line: str) -> None:
        """Print a line that stays."""
        self._console.print(line)

    def begins(self, phase: str, steps: int, model: nn.Module) -> None:
        """Say what a phase trains and what it leaves alone."""
        sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
        trained = sum(size for size, trains in sizes if trains)
        self.say(
            f"{phase}: {steps} steps, training {trained:,} parameters, {sum(s for s, _ in sizes) - trained:,} frozen"
        )

    def update(self, phase: str, step: int, numbers: Mapping[str, float]) -> None:
        """Move the bar to `step`."""
        self._bar.update(self._task, completed=step, description=phase, numbers=in_words(numbers))

    def evaluated(self, phase: str, step: int, numbers: Mapping[str, float], best: bool) -> None:
        """Print a line on an evaluation."""
        mark = "  (best so far)" if best else ""
        self.say(f"step {step}/{self._steps}  {phase}  {in_words(numbers)}{mark}")
