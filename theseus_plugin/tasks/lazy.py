"""Examples that are made when they are asked for, and not kept."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import overload

from theseus_plugin.contract import Features


class Lazy(Sequence[Features]):
    """A sequence of what `make` gives."""

    @abstractmethod
    def make(self, at: int) -> Features:
        """The example of number `at`, from 0 to the length."""

    @overload
    def __getitem__(self, at: int) -> Features: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Features]: ...

    def __getitem__(self, at: int | slice) -> Features | Sequence[Features]:
        numbers = range(len(self))[at]  # as a list would take it: negative numbers, IndexError
        return self.make(numbers) if isinstance(numbers, int) else [self.make(number) for number in numbers]
