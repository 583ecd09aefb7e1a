"""Checkpoints of a run: folders that are complete or absent, of which a damaged one is noticed before it is used."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import gather_object
from rich.console import Console

from theseus_plugin.errors import UserError
from theseus_plugin.files import read_json, sha256, write_json
from theseus_plugin.options.validation import flattened
from theseus_plugin.writing.disk import disk_trouble

KEPT = 2
"""How many of them stand at once: the newest, and the one before in case the newest is damaged."""
_MANIFEST = "manifest.json"
_FORMAT = 3
"""Of what a checkpoint's files hold; one of another format is of another version of this package."""
_ALWAYS = {"model.safetensors", "best.safetensors", "state.json"}
"""Files that no checkpoint is without."""
_FREE = {"resume", "checkpoint_steps", "trackers", "tracker_folder"}
"""Options that may change when a run is resumed."""


class Checkpoints:
    """The checkpoints of the run that writes `output`: `output.checkpoints/step-N`, beside it, until it is written.

    Args:
        output: the folder that the run is going to write.
        recipe: what the run was asked for; a run of another recipe cannot be continued.
        accelerator: of the run; all of its processes write, the first one decides.
        console: where to say what happened.

    Attributes:
        inputs: hashes of what the run reads, by what a message calls it; a run on other inputs cannot be continued.

    Raises:
        UserError: something that is no folder stands where they would be.
    """

    def __init__(self, output: str, recipe: dict[str, Any], accelerator: Accelerator, console: Console) -> None:
        target = Path(output)
        self.folder = target.with_name(f"{target.name}.checkpoints")
        self._recipe = {**recipe, "processes": accelerator.num_processes}
        self.inputs: dict[str, str] = {}
        self._accelerator = accelerator
        self.console = console
        if os.path.lexists(self.folder) and not self.folder.is_dir():
            raise UserError(f"{self.folder} is no folder, and checkpoints of this run go there: move it away")

    def existing(self) -> list[Path]:
        """Complete checkpoints, the newest first."""
        found = self.folder.iterdir() if self.folder.is_dir() else ()
        steps = [path for path in found if re.fullmatch("step-[0-9]+", path.name) and path.is_dir()]
        return sorted(steps, key=lambda path: -int(path.name.removeprefix("step-")))

    def refuse_existing(self) -> None:
        """Say before any work starts that an interrupted run stands there.

        Raises:
            UserError: there is a checkpoint of an earlier run, or something that is no folder.
        """
        if self.folder.is_symlink() or (self.folder.exists() and not self.folder.is_dir()):
            raise UserError(
                f"{self.folder} is no folder, and checkpoints go there: remove it, or choose another output"
            )
        if newest := next(iter(self.existing()), None):
            raise UserError(
                f"{self.folder} holds an interrupted run of this output, at {newest.name.replace('-', ' ')}: continue"
                " it with --resume, or remove the folder to start anew"
            )

    def newest(self) -> Path | None:
        """The newest checkpoint that is whole; None: there is none. Damaged ones are named on the console.

        Raises:
            UserError: it is of another recipe, of other inputs, or of another version of this package.
        """
        for folder in self.existing():
            manifest = _manifest(folder)
            damage = f"{_MANIFEST} cannot be read" if manifest is None else _damage(folder, manifest["files"])
            if manifest is not None and damage is None:
                if manifest.get("format") != _FORMAT:
                    raise UserError(
                        f"{folder} was written by another version of theseus-plugin: continue with that one, or remove"
                        f" {self.folder} to start anew"
                    )
                self._refuse_other_recipe(manifest["recipe"])
                self._refuse_other_inputs(manifest.get("inputs"))
                return folder
            self.console.print(f"checkpoint {folder} is damaged ({damage}): taking the one before", markup=False)
        return None

    def save(self, step: int, write: Callable[[Path], None]) -> bool:
        """Write a checkpoint: `write` puts the files of this process into a folder that only then gets its name.

        Returns:
            Whether it stands. Where the disk is full or refuses, those before it are kept, and the console says so.
        """
        partial = self.folder / f".step-{step}.partial"
        if self._accelerator.is_main_process:
            shutil.rmtree(partial, ignore_errors=True)
        self._accelerator.wait_for_everyone()
        trouble = self._try(lambda: write(_made(partial)))
        if trouble is None:
            trouble = self._try(lambda: self._complete(partial, step) if self._accelerator.is_main_process else None)
        if trouble is None:
            return True
        if self._accelerator.is_main_process:
            shutil.rmtree(partial, ignore_errors=True)
            with suppress(OSError):  # there are others in it
                self.folder.rmdir()
        kept = ", ".join(path.name for path in self.existing()) or "none"
        self.console.print(f"no checkpoint at step {step} ({trouble}): training goes on; kept: {kept}")
        return False

    def clear(self) -> None:
        """Remove all of them."""
        if self._accelerator.is_main_process:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _try(self, action: Callable[[], None]) -> str | None:
        """What the file system of any process had against `action`."""
        trouble = None
        try:
            action()
        except Exception as error:
            trouble = disk_trouble(error)
            if trouble is None:
                raise
        return next((one for one in gather_object([trouble]) if one is not None), None)

    def _complete(self, partial: Path, step: int) -> None:
        hashes = {path.name: sha256(path) for path in sorted(partial.iterdir())}
        content = {"format": _FORMAT, "step": step, "recipe": self._recipe, "inputs": self.inputs, "files": hashes}
        write_json(partial / _MANIFEST, content)
        target = self.folder / f"step-{step}"
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
        for old in self.existing()[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)

    def _refuse_other_recipe(self, recipe: dict[str, Any]) -> None:
        before, now = _binding(recipe), _binding(self._recipe)
        changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
        if changed:
            shown = ", ".join(f"{key} was {before.get(key)!r}" for key in changed[:3])
            raise UserError(
                f"{self.folder} is of another recipe ({shown}): continue with that one, or remove the folder to start"
                " anew"
            )

    def _refuse_other_inputs(self, inputs: Any) -> None:
        before = inputs if isinstance(inputs, dict) else {}
        changed = [what for what, now in self.inputs.items() if before.get(what) != now]
        if changed:
            raise UserError(
                f"{self.folder} was begun on other inputs, these have changed since: {', '.join(changed)}; continue"
                " with what it was begun on, or remove the folder to start anew"
            )


def _manifest(folder: Path) -> dict[str, Any] | None:
    """What a checkpoint says of itself; None: nothing that can be read."""
    if not (folder / _MANIFEST).is_file():
        return None
    try:
        content = read_json(folder / _MANIFEST)
    except (UserError, OSError, RecursionError):
        return None
    if not isinstance(content, dict) or not all(isinstance(content.get(key), dict) for key in ("recipe", "files")):
        return None
    files = content["files"]
    named = all(Path(name).name == name and isinstance(value, str) for name, value in files.items())
    return content if named and files.keys() >= _ALWAYS else None


def _damage(folder: Path, files: dict[str, str]) -> str | None:
    for name, expected in files.items():
        try:
            if not (folder / name).is_file():  # a pipe or a device may be without end
                return f"{name} is no file" if (folder / name).exists() else f"{name} is missing"
            if sha256(folder / name) != expected:
                return f"{name} is not what was written"
        except OSError:
            return f"{name} is missing"
    return None


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _binding(recipe: dict[str, Any]) -> dict[str, Any]:
    """What must be the same when a run is resumed."""
    return {key: value for key, value in flattened(recipe).items() if not _FREE & set(key.split("."))}
