"""When numbers or processes are lost: what to tell the user."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from theseus_plugin.errors import ProcessLost, UserError, reason

_LOST = ("closed by peer", "connection reset", "broken pipe", "connection refused", "remote process", "nccl")


@contextmanager
def process_loss_in_words(processes: int, where_it_stands: Callable[[], str]) -> Iterator[None]:
    """Turn what the collective library raises when another process is gone into one line.

    Raises:
        ProcessLost: so it was.
    """
    try:
        yield
    except RuntimeError as error:
        if processes == 1 or not any(sign in str(error).lower() for sign in _LOST):
            raise
        raise ProcessLost(
            f"another process of this run died ({reason(error)[:120]}): see its own message above; {where_it_stands()}"
        ) from error


def refuse_lost_numbers(
    loss: float, norm: float, last: float, step: int, rate: float, precision: str, where_it_stands: Callable[[], str]
) -> None:
    """Check what a step is about to do to the weights.

    Args:
        loss: of the step.
        norm: of its gradients.
        last: the loss of the step before, NaN at the first one.
        step: the step's number, from 1.
        rate: its learning rate.
        precision: of training.
        where_it_stands: says which checkpoint there is.

    Raises:
        UserError: one of them is no number any more.
    """
    if math.isfinite(loss) and math.isfinite(norm):
        return
    what = f"the loss became {loss}" if not math.isfinite(loss) else f"the norm of the gradients became {norm}"
    if math.isnan(last):
        cause = "at the first step: look for weights or examples that are not numbers in the predecessor and the task"
    elif precision != "fp32":
        cause = f"the loss before was {last:.4g}: train with precision: fp32, or lower learning_rate, it was {rate:.3g}"
    else:
        cause = f"the loss before was {last:.4g}: lower learning_rate, it was {rate:.3g}"
    raise UserError(f"{what} at step {step}; {cause}; {where_it_stands()}")
