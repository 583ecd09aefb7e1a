"""What runs in a measuring process: it holds one model and times its calls until there are enough of them.

It imports no more than that model needs.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from theseus_plugin.contract import Reduce, reduce_arrays
from theseus_plugin.errors import UserError
from theseus_plugin.finite import finite_rows, require_finite
from theseus_plugin.measure import process_memory
from theseus_plugin.measure.protocol import decode, encode
from theseus_plugin.measure.runtimes import Runnable, import_runtime, open_model
from theseus_plugin.vocabulary import Batch, Runtime

NS = 1_000_000_000  # of a second
STEADY_CALLS, STEADY_VARIATION = 10, 0.05
"""Warm-up is over when the standard deviation of the last ten calls is under a twentieth of their mean. (Their range
would be a stricter rule than a shared machine can meet: the time limit would then end every warm-up.)"""
Call = Callable[[], object]
Clock = Callable[[], int]
"""Gives ns, of which differences are taken."""


class Worker:
    """Holds one model. Every public method but `answer` is a question; all times are ns of `clock`."""

    def __init__(self, clock: Clock = time.perf_counter_ns, opener: Callable[..., Runnable] = open_model) -> None:
        self._clock, self._opener = clock, opener
        self._model: Runnable
        self._calls: list[Call]
        self._reduce: Reduce | None = None

    def answer(self, question: str, details: dict[str, Any]) -> Any:
        """The answer to a question by its name."""
        return QUESTIONS[question](self, **details)

    def prepare(self, runtime: Runtime, file: str, auto_class: str, **place: Any) -> None:
        """Import the runtime, and keep in mind what `open` is to open, where."""
        import_runtime(runtime, Path(file), auto_class)
        self._job = {"runtime": runtime, "file": Path(file), "auto_class": auto_class, **place}

    def open(self) -> int:
        """Load the model; how long it took, the import of its runtime not counted."""
        return once([self._open], self._clock)[0]

    def reduce(self, code: np.ndarray) -> None:
        """The task's `reduce`, pickled: logits of every token are too many to send."""
        self._reduce = pickle.loads(code.tobytes())

    def predict(self, batch: Batch, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """Which rows have finite logits; logits in fp32 and labels, reduced if `reduce` was sent; and how many logits
        there were of each.

        Raises:
            UserError: the logits do not fit the labels, as those of a model for another task.
        """
        logits = self._model.run(batch).astype(np.float32)
        finite = finite_rows(logits, batch)
        unfit = len(logits) != len(labels) or (self._reduce is None and labels.ndim == 1 and logits.ndim > 2)
        try:
            rows, answers = (logits, labels) if unfit else reduce_arrays(self._reduce, logits, labels)
        except (IndexError, RuntimeError, TypeError, ValueError):
            unfit = True
        if unfit:
            raise UserError(
                f"{self._job['file']}: its logits have the shape {logits.shape}, the labels {labels.shape}: "
                "name a model that was made for this task, or another task"
            )
        return finite, rows, answers, int(logits.shape[-1])

    def bind(self, batches: Sequence[Batch]) -> None:
        """Put the batches in place that are timed from now on."""
        self._batches = batches
        self._calls = [self._model.bind(batch) for batch in batches]

    def once(self) -> list[int]:
        """Time each batch once, the very first call included.

        Raises:
            NotFinite: logits that the device hands over are not finite: a model that computes nothing is not timed.
        """
        given: list[object] = []
        durations = once([lambda call=call: given.append(call()) for call in self._calls], self._clock)  # type: ignore[misc]
        for batch, logits in zip(self._batches, given, strict=True):
            if isinstance(logits, np.ndarray):
                self._require_finite(logits, batch)
        return durations

    def warm_up(self, max_seconds: float) -> list[int]:
        """Time the first batch until its calls are steady."""
        return warm_up(self._calls[0], max_seconds, self._clock)

    def burst(self, which: Sequence[int], settle_seconds: float, min_seconds: float, min_count: int) -> list[int]:
        """Time whole passes over some of the batches, until both limits are reached.

        Calls before them do not count: another model has used the caches and the cores since the last burst.
        """
        repeat([self._calls[which[0]]], settle_seconds, 1, self._clock)
        return repeat([self._calls[at] for at in which], min_seconds, min_count, self._clock)

    def read(self, folder: str, texts: Sequence[Sequence[str]], max_length: int | None) -> None:
        """Load the tokenizer, and put the texts in place that are timed from now on."""
        from theseus_plugin.checkpoint import load_tokenizer

        tokenizer = load_tokenizer(folder)
        self._texts = texts
        self._tokenize: Callable[..., Batch] = lambda text: tokenizer(
            *text, truncation=True, max_length=max_length, return_tensors="np"
        )

    def read_burst(
        self, which: Sequence[int], settle_seconds: float, min_seconds: float, min_count: int
    ) -> dict[str, list[int]]:
        """Time passes over some of the texts as `burst` does, from the string to logits in this process's memory:
        tokenisation, and all of it.
        """
        tokenise: list[int] = []

        def whole(text: Sequence[str]) -> None:
            start = self._clock()
            batch = self._tokenize(text)
            tokenise.append(self._clock() - start)
            self._model.run(batch)

        calls: list[Call] = [lambda text=self._texts[at]: whole(text) for at in which]  # type: ignore[misc]
        repeat(calls[:1], settle_seconds, 1, self._clock)
        tokenise.clear()
        return {"total": repeat(calls, min_seconds, min_count, self._clock), "tokenise": tokenise}

    def memory(self, batch: Batch) -> dict[str, int | None]:
        """Bytes resident before the model was loaded, after it, and at most from then to the end of two calls."""
        process_memory.forget_peak()
        baseline = process_memory.now()
        self._open()
        loaded = process_memory.now()
        for _ in range(2):  # what the first call keeps, the second one finds taken
            logits = self._model.run(batch)
        self._require_finite(logits, batch)
        return {"baseline": baseline, "loaded": loaded, "peak": process_memory.peak()}

    def _require_finite(self, logits: np.ndarray, batch: Batch) -> None:
        require_finite(str(self._job["file"]), finite_rows(logits, batch))

    def _open(self) -> None:
        self._model = self._opener(**self._job)


QUESTIONS: dict[str, Callable[..., Any]] = {
    verb.__name__: verb
    for verb in (
        Worker.prepare,
        Worker.open,
        Worker.reduce,
        Worker.predict,
        Worker.bind,
        Worker.once,
        Worker.warm_up,
        Worker.burst,
        Worker.read,
        Worker.read_burst,
        Worker.memory,
    )
}


def main() -> None:
    """Answer questions from standard input until it ends, as it does when the parent is gone."""
    questions, answers = _private_pipes()
    worker = Worker()
    for line in questions:
        try:
            answer = {"answer": worker.answer(**decode(line))}
        except UserError as error:
            answer = {"refused": str(error)}
        except Exception:
            answer = {"failed": traceback.format_exc()}
        answers.write(encode(answer))
        answers.flush()


def once(calls: Sequence[Call], clock: Clock = time.perf_counter_ns) -> list[int]:
    """Duration of each call, made once."""
    durations = []
    for call in calls:
        start = clock()
        call()
        durations.append(clock() - start)
    return durations


def warm_up(call: Call, max_seconds: float, clock: Clock = time.perf_counter_ns) -> list[int]:
    """Durations of calls until they are steady, or until `max_seconds` are spent in them."""
    durations: list[int] = []
    spent = 0
    while spent < max_seconds * NS and not _steady(durations):
        durations += once([call], clock)
        spent += durations[-1]
    return durations


def repeat(calls: Sequence[Call], min_seconds: float, min_count: int, clock: Clock = time.perf_counter_ns) -> list[int]:
    """Durations of whole passes over `calls`, until there are both `min_count` passes and `min_seconds` spent."""
    durations: list[int] = []
    spent = 0
    while len(durations) < min_count * len(calls) or spent < min_seconds * NS:
        durations += (one := once(calls, clock))
        spent += sum(one)
    return durations


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output under other numbers; what a library prints goes to standard error from now on, and
    processes it starts inherit neither.
    """
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdout.flush()
    os.dup2(2, 1)
    return questions, answers


def _steady(durations: Sequence[int]) -> bool:
    last = durations[-STEADY_CALLS:]
    return len(last) == STEADY_CALLS and float(np.std(last)) < STEADY_VARIATION * float(np.mean(last))
