"""A search: one `compress` after the other, each in a folder beside the successor, and what came of it.

The record is written after every trial, so that an interrupted search goes on with the trial it was in. The best
successor so far is kept, the others are not.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from theseus_plugin.console import plain_console
from theseus_plugin.contract import Result
from theseus_plugin.errors import Interrupted, UserError
from theseus_plugin.files import read_json, refuse_existing, write_json
from theseus_plugin.metric_scale import scale
from theseus_plugin.options.validation import Count, Options, validate
from theseus_plugin.plugins.schemas import resuming
from theseus_plugin.recipe import Recipe, load_recipe, read_recipe
from theseus_plugin.tuning.record import RECORD, read_record, write_record
from theseus_plugin.tuning.space import Space, Values, propose, put, search_space
from theseus_plugin.writing.claims import claimed
from theseus_plugin.writing.outputs import refuse_file

Compress = Callable[[Recipe], Result]
"""The command `compress` as a function."""


class Limits(Options):
    """When a search ends."""

    trials: Count
    minutes: float | None = Field(ge=0)


def tune(
    source: str | Path | Mapping[str, Any],
    overrides: Sequence[str],
    output: Path,
    trials: int,
    minutes: float | None,
    search: Mapping[str, Sequence[Any]],
    resume: bool,
    compress: Compress,
) -> dict[str, Any]:
    """See `theseus_plugin.api.tune`; `compress` makes a trial's successor."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("tune runs in one process: start it without a launcher, or one search on each device")
    limits = validate(Limits, {"trials": trials, "minutes": minutes}, where="")
    content, recipe = read_recipe(source, overrides), load_recipe(source, overrides)
    successor = Path(recipe.path("successor"))
    _refuse_output(output, recipe.path("successor"))
    with claimed(successor, output):
        recipe.create_task()
        recipe.create_method()
        space, first = search_space(recipe.method or {}, search)
        study = Study.open(recipe, space, compress, resume)
        while len(study.tried) < limits.trials and study.time_left(limits.minutes):
            values = study.running or (propose(study.space, study.tried) if study.tried else first)
            if values is None:
                break
            study.run(values)
        return study.publish(content, output)


def _refuse_output(output: Path, given: str) -> None:
    """Say before any trial that the recipe or the successor cannot be written where they are to be.

    Raises:
        UserError: something is there, or the recipe would be inside of what the search writes.
    """
    for taken in (given, output):
        refuse_existing(taken)
    successor = Path(given)
    written = output.absolute().parent.resolve() / output.name
    ours = successor.absolute().parent.resolve() / successor.name
    for folder in (ours, ours.with_name(f"{ours.name}.tuning")):
        if folder in (written, *written.parents):
            raise UserError(f"{output} would be where the search writes the successor: choose an output beside it")
    refuse_file(output)


@dataclass
class Study:
    """The trials of one search."""

    recipe: Recipe
    space: Space
    compress: Compress
    folder: Path
    """Beside the successor; holds the record and the best successor so far."""
    tried: list[dict[str, Any]] = field(default_factory=list)
    """Of each trial `values`, `metrics`, `score` (more is better; None if it failed), `seconds`, `problem`."""
    running: Values | None = None
    """Of the trial that was interrupted."""

    @staticmethod
    def open(recipe: Recipe, space: Space, compress: Compress, resume: bool) -> Study:
        """A new search, or the one that was interrupted.

        Raises:
            UserError: there is one and it is not to be resumed, or it was another.
        """
        successor = Path(recipe.path("successor"))
        folder = successor.with_name(f"{successor.name}.tuning")
        study = Study(recipe, space, compress, folder)
        if not (folder / RECORD).exists():
            if folder.is_file() or (folder.exists() and any(folder.iterdir())):
                raise UserError(f"{folder} is where the search writes, and holds something else: move it")
            return study
        if not resume:
            raise UserError(f"{folder} holds an interrupted search: continue it with --resume, or remove the folder")
        before = read_record(folder)
        if before["recipe"] != study.identity:
            raise UserError(f"{folder} is the search of another recipe: remove the folder to start anew")
        study.tried, study.running = before["trials"], before["running"]
        return study

    @property
    def identity(self) -> dict[str, Any]:
        """What must not change when a search is resumed."""
        return {**self.recipe.model_dump(mode="json", include={"predecessor", "task", "method"}), "space": self.space}

    @property
    def best(self) -> dict[str, Any] | None:
        """The trial of the highest score, the first of several."""
        scored = [trial for trial in self.tried if trial["score"] is not None]
        return max(scored, key=lambda trial: trial["score"], default=None)

    def time_left(self, minutes: float | None) -> bool:
        """Whether the longest trial so far would still fit."""
        seconds = [trial["seconds"] for trial in self.tried]
        return minutes is None or sum(seconds) + max(seconds, default=0) <= 60 * minutes

    def run(self, values: Values) -> None:
        """One trial.

        Raises:
            Interrupted: a signal asked to stop.
            UserError: the first trial failed, which is that of the recipe's own values.
        """
        self.running = values
        self._write()
        successor = self.folder / "running"
        shutil.rmtree(successor, ignore_errors=True)
        try:
            trial = self._compress(values, successor)
        except Interrupted:
            raise
        except UserError as error:
            if not self.tried:
                self._forget_unstarted()
                raise
            shutil.rmtree(f"{successor}.checkpoints", ignore_errors=True)
            trial = {"values": values, "metrics": {}, "score": None, "seconds": 0.0, "problem": str(error)}
        best = self.best
        self.tried.append(trial)
        if trial["score"] is not None and (best is None or trial["score"] > best["score"]):
            shutil.rmtree(self.folder / "best", ignore_errors=True)
            successor.rename(self.folder / "best")
        self.running = None
        self._write()
        self._tell(trial)

    def publish(self, content: dict[str, Any], output: Path) -> dict[str, Any]:
        """Write the recommended recipe, and give the best successor its name.

        Raises:
            UserError: no trial was finished, or the recipe cannot be written.
        """
        best = self.best
        if best is None:
            raise UserError("no trial fits into the time: give it more minutes")
        for path, value in best["values"].items():
            content = put(content, f"method.{path}", value)
        record = {"best": best, "trials": self.tried, "space": self.space}
        text = _head(best, len(self.tried)) + yaml.safe_dump(content, sort_keys=False)
        partial = output.with_name(f".{output.name}.partial-{os.getpid()}")
        try:
            partial.write_text(text, encoding="utf-8")
            self._publish(record, partial, output)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise UserError(
                f"cannot write {output} ({error.strerror}): nothing is lost, --resume tries again"
            ) from None
        shutil.rmtree(self.folder)
        return {**record, "recipe": content, "output": str(output)}

    def _publish(self, record: Mapping[str, Any], partial: Path, output: Path) -> None:
        """The successor and the recipe get their names, both or none."""
        best, successor = self.folder / "best", Path(self.recipe.path("successor"))
        write_json(best / RECORD, record)
        result = best / "result.json"
        write_json(result, {**read_json(result), "output": str(successor)})
        best.rename(successor)
        try:
            partial.rename(output)
        except OSError:
            successor.rename(best)
            raise

    def _forget_unstarted(self) -> None:
        """Remove what a first trial left that got to no checkpoint: it would stand in the way of the mended recipe."""
        if not any(self.folder.glob("running.checkpoints/*")):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _compress(self, values: Values, successor: Path) -> dict[str, Any]:
        method = resuming(self.recipe.method or {})
        for path, value in values.items():
            method = put(method, path, value)
        record = self.compress(self.recipe.model_copy(update={"successor": str(successor), "method": method}))
        found, metric = record["after"], record["metric"]
        score = -found[metric] if scale(record, metric).lower_is_better else found[metric]
        seconds = record["training"]["seconds"]
        return {
            "values": values,
            "metrics": found,
            "metric": metric,
            "score": score,
            "seconds": seconds,
            "problem": None,
        }

    def _write(self) -> None:
        write_record(self.folder, {"recipe": self.identity, "trials": self.tried, "running": self.running})

    def _tell(self, trial: Mapping[str, Any]) -> None:
        said = trial["problem"] or metrics_in_words(trial["metrics"])
        star = " (best so far)" if trial is self.best else ""
        line = f"trial {len(self.tried)}: {values_in_words(trial['values'])}: {said}{star}"
        plain_console(stderr=True).print(line)


def metrics_in_words(metrics: Mapping[str, float]) -> str:
    """`f1 0.8471, accuracy 0.777`."""
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())


def values_in_words(values: Values) -> str:
    """`schedule linear (base_rate 0.1, share 0.6), training.learning_rate 0.0002`."""
    return ", ".join(f"{path} {_short(value)}" for path, value in values.items())


def _short(value: Any) -> str:
    """`linear (base_rate 0.1, share 0.6)` of a plugin's section."""
    if not isinstance(value, Mapping) or "name" not in value:
        return f"{value:g}" if isinstance(value, float) else str(value)
    inside = ", ".join(f"{key} {_short(item)}" for key, item in value.items() if key != "name" and item is not None)
    return f"{value['name']} ({inside})"


def _head(best: Mapping[str, Any], trials: int) -> str:
    found = metrics_in_words(best["metrics"])
    return (
        f"# The best of {trials} trials by theseus-plugin tune: {found} on the validation set that it was chosen on,\n"
        f"# so that fresh examples may score less. Searched: {values_in_words(best['values'])}.\n"
    )
