"""Folders that are no stock checkpoints: the method that made one reads it, and nothing in the folder says how.

Importing this module imports neither torch nor transformers.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from theseus_plugin.console import printable
from theseus_plugin.contract import GraphPlan
from theseus_plugin.errors import UserError
from theseus_plugin.plugins import registry
from theseus_plugin.quiet import quiet
from theseus_plugin.records import OwnFormat, own_format
from theseus_plugin.vocabulary import is_precision


def reader(method: str, folder: str = "") -> Callable[[str, str], Any]:
    """`load` of the method of that name; `folder` is what it is to read, for messages.

    Raises:
        UserError: the method is not installed, is broken, or has none.
    """
    where = f"{folder} is in a format of the method {printable(method)!r}: " if folder else ""
    try:
        load = getattr(registry.load("method", method), "load", None)
    except UserError as error:
        raise UserError(f"{where}{error}") from error
    if not callable(load):
        who = registry.described("method", method)
        raise UserError(f"{where}{who} has no `load`, so nothing reads it: update or uninstall that distribution")
    return load  # type: ignore[no-any-return]


def read(folder: str, auto_class: str, method: str) -> Any:
    """The module that a method makes of a folder of its format, in eval mode; see `contract.FormatMethod.load`.

    Raises:
        UserError: as `reader`, the method cannot read the folder, or what it gives is no such module.
    """
    from torch import nn
    from transformers import PretrainedConfig

    load, who = reader(method, folder), registry.described("method", method)
    try:
        with quiet(), redirect_stdout(sys.stderr):  # standard output is for the command's own result
            module: Any = load(folder, auto_class)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        said = printable(" ".join(str(error).split()))
        if getattr(error, "mendable", False) and said:
            raise UserError(said) from error
        what = f"{type(error).__name__}: {said}"
        raise UserError(
            f"{folder}: {who} cannot load it ({what}): copy the folder again, or update that distribution"
        ) from error
    config = getattr(module, "config", None)
    if not isinstance(module, nn.Module) or not isinstance(config, PretrainedConfig):
        given = f"a {type(module).__name__}" if module is not None else "nothing"
        raise UserError(
            f"{folder}: {who} gives {given}, no torch module with the folder's config: update that distribution"
        )
    module.name_or_path = folder  # type: ignore[assignment]
    return module.eval()


def refuse_own_format(checkpoint: str) -> None:
    """Refuse a folder that is not stock where the parts of a model are needed, to be trained, cut or looked into.

    Raises:
        UserError: it is one.
    """
    if (own := own_format(checkpoint)) is not None:
        raise UserError(
            f"{checkpoint} is in a format of the method {printable(own.method)!r} ({own.precision}), which gives logits"
            " and nothing else: name the checkpoint that it was made of"
        )


def graph_plan(folder: str, own: OwnFormat) -> GraphPlan:
    """How the method wants its folder exported; precision and tolerance are in order.

    Raises:
        UserError: as `reader`, or its `graph_plan` breaks the contract.
    """
    reader(own.method, folder)
    make = getattr(registry.load("method", own.method), "graph_plan", None)
    plan: Any = GraphPlan() if make is None else make(folder)
    breach = None
    if not isinstance(plan, GraphPlan):
        breach = f"its graph_plan gives a {type(plan).__name__}, no GraphPlan"
    elif plan.precision is not None and not is_precision(plan.precision):
        breach = f"its graph is in {printable(str(plan.precision))!r}, which is no word for a precision"
    elif plan.tolerance is not None and not (math.isfinite(plan.tolerance) and plan.tolerance > 0):
        breach = f"its tolerance is {plan.tolerance}, which is not above 0"
    if breach is not None:
        raise UserError(f"{registry.described('method', own.method)} breaks the contract, {breach}: tell its author")
    return plan  # type: ignore[no-any-return]


def with_stores(files: Sequence[Path]) -> tuple[Path, ...]:
    """The files with weights of a folder in a method's format: these, and all other safetensors files beside them."""
    beside = sorted(set(files[0].parent.glob("*.safetensors")) - set(files))
    return (*files, *beside)
