"""Silence for libraries that talk while they work."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings, no log lines below an error, no progress bars of `transformers` within the block."""
    from transformers.utils import logging as transformers_logging

    bars = transformers_logging.is_progress_bar_enabled()
    disabled = logging.root.manager.disable
    transformers_logging.disable_progress_bar()
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        if bars:
            transformers_logging.enable_progress_bar()


@contextmanager
def mute() -> Iterator[None]:
    """Nothing reaches standard output or error within the block, whoever writes: Python, loggers, or native code."""
    disabled = logging.root.manager.disable
    with ExitStack() as stack, open(os.devnull, "w") as nowhere:
        stack.enter_context(quiet())
        for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
            stream.flush()
            kept = os.dup(number)
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, number)
            os.dup2(nowhere.fileno(), number)
        stack.enter_context(redirect_stdout(nowhere))
        stack.enter_context(redirect_stderr(nowhere))
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(disabled)
