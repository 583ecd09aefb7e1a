"""The head a task trains, and whether a checkpoint has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from theseus_plugin.errors import UserError

_MULTI_LABEL = " (several classes for one example, multi-label, are not supported yet)"
REGRESSION = {"num_labels": 1, "problem_type": "regression"}


def labelled(names: Sequence[str]) -> dict[str, Any]:
    """Config fields of a head with the classes `names`, in id order."""
    return {
        "num_labels": len(names),
        "id2label": dict(enumerate(names)),
        "label2id": {name: i for i, name in enumerate(names)},
    }


def classifier(names: Sequence[str]) -> dict[str, Any]:
    """Config fields of a head for one of the classes `names` an example, in id order."""
    return labelled(names) | {"problem_type": "single_label_classification"}


def classes_of(config: Any, checkpoint: str) -> list[str]:
    """Names of the classes of a trained classifier, in id order.

    Raises:
        UserError: its head is of another kind, or a class has no name of its own.
    """
    if config.num_labels == 1 or config.problem_type not in (None, "single_label_classification"):
        kind = config.problem_type or "regression"
        raise UserError(
            f"{checkpoint}: its head is for {kind} with {config.num_labels} output(s), not for one "
            "of several classes: choose another task or another checkpoint"
            + (_MULTI_LABEL if kind == "multi_label_classification" else "")
        )
    names = [config.id2label.get(i) for i in range(config.num_labels)]
    for i, name in enumerate(names):
        if not isinstance(name, str):
            told = f"id2label has {name!r}, not a name" if i in config.id2label else "id2label has no name"
            raise UserError(f"{checkpoint}: config.json: {told} for class {i}: name the classes 0 to {len(names) - 1}")
        if name in names[:i]:
            raise UserError(
                f"{checkpoint}: config.json: id2label gives classes {names.index(name)} and {i} the name {name!r}: give"
                " each its own"
            )
    return names


def require_regression(config: Any, checkpoint: str) -> None:
    """Refuse a checkpoint whose head does not give one number.

    Raises:
        UserError: it has several outputs, or is for classes.
    """
    if config.num_labels != 1:
        raise UserError(
            f"{checkpoint}: its head has {config.num_labels} outputs, a regression needs 1: "
            "choose another task or another checkpoint"
        )
    if config.problem_type not in (None, "regression"):
        raise UserError(
            f"{checkpoint}: its head is for {config.problem_type}, not for a number: choose another task or another "
            f"checkpoint{_MULTI_LABEL if config.problem_type == 'multi_label_classification' else ''}"
        )


def require_same_order(labels: Sequence[str], names: Sequence[str], checkpoint: str) -> None:
    """Refuse `labels` that cannot be the classes `names` of a checkpoint; names it lacks are taken as new.

    Raises:
        UserError: another number of classes, or one of them under another id.
    """
    if len(labels) != len(names):
        raise UserError(f"labels: {len(labels)} are given, but {checkpoint} has {len(names)} classes")
    for i, label in enumerate(labels):
        if label in names and names.index(label) != i:
            raise UserError(
                f"labels: {label!r} is given as id {i}, but {checkpoint} has it as id {names.index(label)}: "
                f"give {', '.join(names)}, or nothing"
            )
